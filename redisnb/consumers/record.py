"""What a consumer keeps to show: its state, counts, last entries and last errors."""

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
from typing import Any, Literal, TypeAlias

import pandas as pd

from redisnb import frames
from redisnb.background import log_state, logger
from redisnb.entries import Layout
from redisnb.errors import RedisnbWarning
from redisnb.stream import Found, Notice

__all__: list[str] = []

#: The places of an error's frames, outermost first, to what a traceback says of them.
_Stacks: TypeAlias = dict[tuple[tuple[str, str, int, int], ...], traceback.StackSummary]
ConsumerState: TypeAlias = Literal["starting", "running", "stalled", "failed", "stopped"]

#: How many entries and errors are kept, and the stacks of how many places.
KEPT_ENTRIES, KEPT_ERRORS, KEPT_STACKS = 10_000, 1_000, 100
#: How many failures of a second are logged one by one; of the others, how many they are.
LOGGED_A_SECOND = 10
_LOGGED = {"dead": "%d entries to the dead letters", "trimmed": "%d pending entries were trimmed"}
_LINE = 200
_PACKAGE = str(Path(__file__).parents[1])


class _Raised:
    """What a handler raised, without its frames: they would keep all that the handler had.

    `stacks` has the stacks of errors before it, by their places: they take most of the time.
    """

    def __init__(self, error: BaseException, stacks: _Stacks) -> None:
        at = _at(error)
        # Others that it comes of, or holds, have stacks of their own.
        others = error.__cause__ is not None or error.__context__ is not None
        path = () if others or isinstance(error, BaseExceptionGroup) else tuple(_places(at))
        known = stacks.get(path)
        # To write the text takes ten times as long, and most of it is never read.
        self._found = traceback.TracebackException(
            type(error), error, at, limit=None if known is None else 0, lookup_lines=False
        )
        if known is not None:
            self._found.stack = known
        elif path:
            if len(stacks) >= KEPT_STACKS:
                stacks.clear()
            stacks[path] = self._found.stack

    @cached_property
    def text(self) -> str:
        """The traceback as Python prints it."""
        return _shown("".join(self._found.format()))


class Tally:
    """Gather what one thread does, for other threads to look at.

    Parameters
    ----------
    name : str
        What the log calls it.
    layout, schema
        Those of the streams.
    many : bool
        Whether they come from several streams.
    """

    def __init__(
        self, name: str, layout: Layout, schema: Mapping[str, Any] | None = None, *, many: bool
    ) -> None:
        self.state: ConsumerState = "stopped"
        self.error: BaseException | None = None
        self._name, self._is_told = name, False
        self._layout, self._schema, self._many = layout, schema, many
        self._counts = dict.fromkeys(
            ("received", "handled", "failed", "dead", "trimmed", "skipped", "missed"), 0
        )
        self._recent: deque[Found] = deque(maxlen=KEPT_ENTRIES)
        self._errors: deque[tuple[str, str, str, _Raised | None]] = deque(maxlen=KEPT_ERRORS)
        self._stacks: _Stacks = {}
        self._lock = threading.Lock()
        # Since when failures are counted, how many, and how many of them were not logged.
        self._logs_from, self._logged, self._unlogged = 0.0, 0, 0

    def become(self, state: ConsumerState, error: BaseException | None = None) -> None:
        """Change the state, with the reason."""
        if self._unlogged and (state != self.state or self._is_past()):
            self._log_others()
        log_state(self._name, self.state, state, error)
        self.state, self.error = state, error
        if state == "starting":
            self._is_told = False

    def count(self, what: str, n: int) -> None:
        """Add to one of the counts."""
        with self._lock:
            self._counts[what] += n
        if n and what in _LOGGED:
            logger.warning("%s: %s", self._name, _LOGGED[what] % n)

    @property
    def last_error(self) -> str:
        """What went wrong last, in a line; nothing if nothing has."""
        if self.error is not None:
            return _line(type(self.error).__qualname__, _words(self.error))
        with self._lock:
            return _line(*self._errors[-1][1:3]) if self._errors else ""

    def received(self, found: Sequence[Found]) -> None:
        """Keep entries that have been read."""
        with self._lock:
            self._counts["received"] += len(found)
            self._recent.extend(found)

    def failed(self, entry_id: bytes, n: int, error: BaseException) -> None:
        """Keep what a handler raised for `n` entries, the first of which is `entry_id`."""
        kind, words = type(error).__qualname__, _shown(_words(error))
        raised = _Raised(error, self._stacks)
        with self._lock:
            self._counts["failed"] += n
            self._errors.append((entry_id.decode(), kind, words, raised))
            is_first, self._is_told = not self._is_told, True
        if self._is_past():
            self._log_others()
            self._logs_from, self._logged = time.monotonic(), 0
        self._logged += 1
        if self._logged > LOGGED_A_SECOND and not is_first:
            self._unlogged += n
            return
        place = _place(error)
        what = f"{self._name}: the handler raised at entry {entry_id.decode()}"
        logger.warning("%s: %s (%s:%d)", what, kind, *place)
        if is_first:
            line = _line(kind, words)
            told = f"{what}: {line}; errors() has this one, and those to come"
            with contextlib.suppress(RedisnbWarning):  # this is no place to end because of it
                warnings.warn_explicit(told, RedisnbWarning, *place)

    def _is_past(self) -> bool:
        return time.monotonic() - self._logs_from >= 1

    def _log_others(self) -> None:
        if self._unlogged:
            logger.warning("%s: the handler raised at %d more", self._name, self._unlogged)
            self._unlogged = 0

    def noticed(self, notices: Iterable[Notice]) -> None:
        """Keep what was missed."""
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

        With `before` it is as if only so many had been received.
        """
        frames.check_limit(n, "n")
        with self._lock:
            later = 0 if before is None else max(0, self._counts["received"] - before)
            recent = list(islice(reversed(self._recent), later, later + n))[::-1]
        return frames.found(recent, self._layout, many=self._many, schema=self._schema)

    def errors(self) -> pd.DataFrame:
        """Return the last errors as a frame in schema ERRORS, oldest first."""
        with self._lock:
            kept = list(self._errors)
        rows = [(*shown, "" if raised is None else raised.text) for *shown, raised in kept]
        return frames.ErrorFrame(frames.table(frames.ERRORS, rows))


def _line(kind: str, words: str) -> str:
    first = words.partition("\n")[0]
    line = f"{kind}: {first}" if first else kind
    return line if len(line) <= _LINE else f"{line[: _LINE - 1]}…"


def _at(error: BaseException) -> TracebackType | None:
    """Return the traceback of an error from the handler on, without the way to it."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None and _is_ours(at.tb_frame.f_code.co_filename):
        at = at.tb_next
    return at


def _places(at: TracebackType | None) -> Iterator[tuple[str, str, int, int]]:
    while at is not None:
        code = at.tb_frame.f_code
        yield code.co_filename, code.co_name, at.tb_lineno, at.tb_lasti
        at = at.tb_next


def _place(error: BaseException) -> tuple[str, int]:
    """Return the file and the line of the handler that an error comes from."""
    at = _at(error)
    return ("?", 0) if at is None else (at.tb_frame.f_code.co_filename, at.tb_lineno)


def _is_ours(file: str) -> bool:
    return file.startswith(_PACKAGE) or file == asyncio.threads.__file__


def _words(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - a handler's error may be of any class
        return "(its text cannot be had: __str__ raises)"


def _shown(text: str) -> str:
    """Return text that a frame can hold: no half of a surrogate pair."""
    return text.encode(errors="backslashreplace").decode()
