"""What a consumer shows: its state, its counts, its last entries and its last errors."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
import traceback
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, TypeAlias

import pandas as pd

from redisnb import cards, frames
from redisnb.background import log_state, logger
from redisnb.entries import Layout
from redisnb.errors import RedisnbWarning
from redisnb.stream import Notice, StreamEntry

__all__: list[str] = []

#: By the places of an error's frames, outermost first: what a traceback says of them.
_Stacks: TypeAlias = dict[tuple[tuple[str, str, int, int], ...], traceback.StackSummary]
ConsumerState: TypeAlias = Literal["starting", "running", "stalled", "failed", "stopped"]

#: How many entries, errors and stacks are kept.
KEPT_ENTRIES, KEPT_ERRORS, KEPT_STACKS = 10_000, 1_000, 100
#: How many failures a second are logged one by one; of the others only the number is.
LOGGED_A_SECOND = 10
#: What the log says of a count.
_LOG_TEXTS = {
    "dead": "%d entries to the dead letters",
    "trimmed": "%d pending entries were trimmed",
}
#: Counts that are shown where there are any.
_EXCEPTIONS = ("dead", "trimmed", "skipped", "missed")
_PACKAGE = str(Path(__file__).parents[1])


class HandlerError:
    """An error of a handler without its frames, which would keep all that the handler had.

    `stacks` has the stacks of earlier errors, by their places: to make one takes most of the time.
    """

    def __init__(self, error: BaseException, stacks: _Stacks) -> None:
        origin = _handler_traceback(error)
        # The errors that caused it, or that it holds, have stacks of their own.
        has_others = error.__cause__ is not None or error.__context__ is not None
        is_single = not (has_others or isinstance(error, BaseExceptionGroup))
        path = tuple(_frame_places(origin)) if is_single else ()
        stack = stacks.get(path)
        # To write the text takes ten times as long, and most of it is never read.
        self._traceback = traceback.TracebackException(
            type(error), error, origin, limit=None if stack is None else 0, lookup_lines=False
        )
        if stack is not None:
            self._traceback.stack = stack
        elif path:
            if len(stacks) >= KEPT_STACKS:
                stacks.clear()
            stacks[path] = self._traceback.stack

    @cached_property
    def text(self) -> str:
        """The traceback as Python prints it."""
        return _escape("".join(self._traceback.format()))


class Tap(Protocol):
    """What is told of each entry as it is read, on the thread that reads; it must not raise."""

    def take(self, found: Sequence[StreamEntry]) -> None:
        """Take entries that have been read, before they are handled."""

    def take_failure(self, entry: StreamEntry, summary: str, error: HandlerError) -> None:
        """Take an entry that the handler raised for: the error in a line, and whole."""


class Tally:
    """The state, the counts, the last entries and the last errors of a consumer.

    One thread adds to it; others look at it.

    Parameters
    ----------
    name : str
        What the log calls it.
    layout, schema
        Those of the streams.
    many : bool
        Whether entries come from several streams.
    """

    def __init__(
        self, name: str, layout: Layout, schema: Mapping[str, Any] | None = None, *, many: bool
    ) -> None:
        self.state: ConsumerState = "stopped"
        self.error: BaseException | None = None
        #: What the handler raised last, in a line.
        self.last_failure = ""
        # When the last run began and what was handled then, and when it ended.
        self._began: tuple[float, int] | None = None
        self._ended: float | None = None
        self._name, self._has_warned = name, False
        self._layout, self._schema, self._many = layout, schema, many
        self._counts = dict.fromkeys(
            ("received", "handled", "failed", "dead", "trimmed", "skipped", "missed"), 0
        )
        self._recent: deque[StreamEntry] = deque(maxlen=KEPT_ENTRIES)
        self._errors: deque[tuple[str, str, str, HandlerError | None]] = deque(maxlen=KEPT_ERRORS)
        self._stacks: _Stacks = {}
        self._taps: tuple[Tap, ...] = ()
        self._lock = threading.Lock()
        # Since when failures are counted, how many there were, and how many were not logged.
        self._logs_from, self._logged, self._unlogged = 0.0, 0, 0

    def become(self, state: ConsumerState, error: BaseException | None = None) -> None:
        """Change the state; `error` is the reason."""
        if self._unlogged and (state != self.state or self._is_past()):
            self._log_others()
        log_state(self._name, self.state, state, error)
        self.state, self.error = state, error
        if state == "starting":
            self._has_warned = False
            self._began, self._ended = (time.monotonic(), self._counts["handled"]), None
        elif state in ("stopped", "failed"):
            self._ended = time.monotonic()

    def count(self, what: str, n: int) -> None:
        """Add to one of the counts."""
        with self._lock:
            self._counts[what] += n
        if n and what in _LOG_TEXTS:
            logger.warning("%s: %s", self._name, _LOG_TEXTS[what] % n)

    def words(self) -> Iterator[str]:
        """Yield what a repr says: the state, and why; each count, and why entries have failed."""
        state, error = self.state, cards.error_line(self.error)
        yield f"{state}: {error}" if error else state
        for what, n in self.counts.items():
            if n and what != "received":
                kind = self.last_failure.partition(":")[0]
                yield f"{n:,} {what}{f': {kind}' if what == 'failed' and kind else ''}"

    @property
    def seconds(self) -> float:
        """How long the last run has taken so far; 0 without one."""
        if self._began is None:
            return 0.0
        return (self._ended or time.monotonic()) - self._began[0]

    @property
    def rate(self) -> float | None:
        """How many entries a second were handled in the last run; None for less than a second."""
        if self._began is None or self.seconds < 1:
            return None
        return (self.counts["handled"] - self._began[1]) / self.seconds

    def add_entries(self, found: Sequence[StreamEntry]) -> None:
        """Add entries that have been read."""
        with self._lock:
            self._counts["received"] += len(found)
            self._recent.extend(found)
            taps = self._taps
        if found:
            for each in taps:
                each.take(found)

    def add_tap(self, tap: Tap) -> None:
        """Tell a tap of the entries that are kept, and of each from now on."""
        with self._lock:
            if self._recent:
                tap.take(list(self._recent))
            by_id = {entry[1].decode(): entry for entry in self._recent}
            for entry_id, kind, text, error in self._errors:
                if error is not None and (entry := by_id.get(entry_id)):
                    tap.take_failure(entry, cards.first_line(kind, text), error)
            self._taps += (tap,)

    def remove_tap(self, tap: Tap) -> None:
        """Tell a tap no more; one that was not told stays so."""
        with self._lock:
            self._taps = tuple(each for each in self._taps if each is not tap)

    def add_failure(self, entry: StreamEntry, n: int, error: BaseException) -> None:
        """Add what a handler raised for `n` entries; `entry` is the first of them."""
        entry_id = entry[1]
        kind, text = type(error).__qualname__, _escape(cards.text_of(error))
        self.last_failure = cards.first_line(kind, text)
        record = HandlerError(error, self._stacks)
        with self._lock:
            self._counts["failed"] += n
            self._errors.append((entry_id.decode(), kind, text, record))
            is_first, self._has_warned = not self._has_warned, True
            taps = self._taps
        for each in taps:
            each.take_failure(entry, self.last_failure, record)
        if self._is_past():
            self._log_others()
            self._logs_from, self._logged = time.monotonic(), 0
        self._logged += 1
        if self._logged > LOGGED_A_SECOND and not is_first:
            self._unlogged += n
            return
        place = _raised_at(error)
        what = f"{self._name}: the handler raised at entry {entry_id.decode()}"
        logger.warning("%s: %s (%s:%d)", what, kind, *place)
        if is_first:
            message = f"{what}: {self.last_failure}; errors() has this one, and those to come"
            with contextlib.suppress(RedisnbWarning):  # as an error it must not end the loop
                warnings.warn_explicit(message, RedisnbWarning, *place)

    def _is_past(self) -> bool:
        return time.monotonic() - self._logs_from >= 1

    def _log_others(self) -> None:
        if self._unlogged:
            logger.warning("%s: the handler raised at %d more", self._name, self._unlogged)
            self._unlogged = 0

    def add_notices(self, notices: Iterable[Notice]) -> None:
        """Add what was missed."""
        with self._lock:
            for notice in notices:
                self._counts["missed"] += notice.missed
                self._errors.append((notice.after, notice.kind, notice.message, None))
                logger.warning("%s: %s", self._name, notice.message)

    @property
    def counts(self) -> dict[str, int]:
        """The counts, all of the same moment."""
        with self._lock:
            return dict(self._counts)

    def entries(self, n: int, before: int | None = None) -> pd.DataFrame:
        """Return the last `n` entries as a frame in schema ENTRIES, oldest first.

        With `before`, return what it would have been after that many were received.
        """
        frames.check_limit(n, "n")
        with self._lock:
            later = 0 if before is None else max(0, self._counts["received"] - before)
            recent = list(islice(reversed(self._recent), later, later + n))[::-1]
        return frames.keyed_entries_frame(
            recent, self._layout, many=self._many, schema=self._schema
        )

    def errors(self) -> pd.DataFrame:
        """Return the last errors as a frame in schema ERRORS, oldest first."""
        with self._lock:
            errors = list(self._errors)
        rows = [(*cells, "" if error is None else error.text) for *cells, error in errors]
        return frames.ErrorFrame(frames.table(frames.ERRORS, rows))


def consumer_card(title: str, place: str, tally: Tally) -> str:
    """Return the card of a consumer, of what it has counted itself."""
    counts = tally.counts
    error = cards.error_line(tally.error)
    others = [(name, f"{counts[name]:,}" if counts[name] else None) for name in _EXCEPTIONS]
    pairs = [
        ("handled", f"{counts['handled']:,}"),
        ("failed", f"{counts['failed']:,}"),
        *others,
        ("rate", None if tally.rate is None else cards.per_second(tally.rate)),
        ("run for", cards.span(round(1000 * tally.seconds)) if tally.seconds else None),
        ("last failure", tally.last_failure),
    ]
    return cards.card("Consumer", title, tally.state, pairs, place=place, note=error)


def _handler_traceback(error: BaseException) -> TracebackType | None:
    """Return the traceback of an error from the handler on, without the frames that called it."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None and _is_ours(at.tb_frame.f_code.co_filename):
        at = at.tb_next
    return at


def _frame_places(at: TracebackType | None) -> Iterator[tuple[str, str, int, int]]:
    while at is not None:
        code = at.tb_frame.f_code
        yield code.co_filename, code.co_name, at.tb_lineno, at.tb_lasti
        at = at.tb_next


def _raised_at(error: BaseException) -> tuple[str, int]:
    """Return the file and the line of the handler where an error was raised."""
    at = _handler_traceback(error)
    return ("?", 0) if at is None else (at.tb_frame.f_code.co_filename, at.tb_lineno)


def _is_ours(file: str) -> bool:
    return file.startswith(_PACKAGE) or file == asyncio.threads.__file__


def _escape(text: str) -> str:
    """Return text that a frame can hold: with half a surrogate pair escaped."""
    return text.encode(errors="backslashreplace").decode()
