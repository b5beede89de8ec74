"""What a consumer keeps to show: its state, counts, last entries and last errors."""

from __future__ import annotations

import threading
import traceback
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Literal, TypeAlias

import pandas as pd

from redisnb import frames
from redisnb.entries import Layout
from redisnb.stream import Found, Notice

__all__: list[str] = []

State: TypeAlias = Literal["starting", "running", "stalled", "failed", "stopped"]

#: How many entries and errors are kept.
KEPT_ENTRIES, KEPT_ERRORS = 10_000, 1_000


class Tally:
    """Gather what one thread does, for other threads to look at.

    Parameters
    ----------
    layout, schema
        Those of the streams.
    many : bool
        Whether they come from several streams.
    """

    def __init__(
        self, layout: Layout, schema: Mapping[str, Any] | None = None, *, many: bool
    ) -> None:
        self.state: State = "stopped"
        self.error: BaseException | None = None
        self._layout, self._schema, self._many = layout, schema, many
        self._counts = dict.fromkeys(
            ("received", "handled", "failed", "dead", "trimmed", "skipped", "missed"), 0
        )
        self._recent: deque[Found] = deque(maxlen=KEPT_ENTRIES)
        self._errors: deque[tuple[str, str, str, str]] = deque(maxlen=KEPT_ERRORS)
        self._lock = threading.Lock()

    def become(self, state: State, error: BaseException | None = None) -> None:
        """Change the state, with the reason."""
        self.state, self.error = state, error

    def count(self, what: str, n: int) -> None:
        """Add to one of the counts."""
        with self._lock:
            self._counts[what] += n

    def received(self, found: Sequence[Found]) -> None:
        """Keep entries that have been read."""
        with self._lock:
            self._counts["received"] += len(found)
            self._recent.extend(found)

    def failed(self, entry_id: bytes, n: int, error: BaseException) -> None:
        """Keep what a handler raised for `n` entries, the first of which is `entry_id`."""
        kind, text = type(error).__qualname__, "".join(traceback.format_exception(error))
        with self._lock:
            self._counts["failed"] += n
            self._errors.append((entry_id.decode(), kind, _shown(_words(error)), _shown(text)))

    def noticed(self, notices: Iterable[Notice]) -> None:
        """Keep what was missed."""
        with self._lock:
            for notice in notices:
                self._counts["missed"] += notice.missed
                self._errors.append((notice.after, notice.kind, notice.message, ""))

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
            return frames.table(frames.ERRORS, list(self._errors))


def _words(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - a handler's error may be of any class
        return "(its text cannot be had: __str__ raises)"


def _shown(text: str) -> str:
    """Return text that a frame can hold: no half of a surrogate pair."""
    return text.encode(errors="backslashreplace").decode()
