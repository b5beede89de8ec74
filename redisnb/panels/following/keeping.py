"""Kept: the last entries that were read, and the last that match; never a frame of them all."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import compress
from typing import Any, NamedTuple

import pandas as pd

from redisnb import frames
from redisnb.consumers import KEPT_ENTRIES, HandlerError
from redisnb.entries import Layout
from redisnb.frames import Filter
from redisnb.panels.following.states import GroupStates
from redisnb.stream import Stream, StreamEntry

__all__ = ["Failure", "Kept", "KeptRows"]

#: How many entries that failed are kept, with their errors.
_KEPT_FAILURES = 1_000


class Failure(NamedTuple):
    """What a handler raised for an entry: in a line, and whole."""

    summary: str
    error: HandlerError


class Kept:
    """The entries that a panel keeps of those that its consumer reads: a tap.

    A filter looks at each entry as it is read, so that of a rare kind every match is kept. What
    does not match is kept too, as long as it is among the last: without the filter it is there.

    Parameters
    ----------
    streams : sequence of Stream
        What is read.
    states : GroupStates
        What the groups say of entries.

    Attributes
    ----------
    looked : int
        How many entries were looked at: by the filter since it is set, else since the beginning.
    matched : int
        How many of these match.
    error : Exception or None
        Why the filter could not look.
    """

    def __init__(self, streams: Sequence[Stream], states: GroupStates) -> None:
        self._streams, self._states = streams, states
        self._lock = threading.Lock()
        self._recent: deque[StreamEntry] = deque(maxlen=KEPT_ENTRIES)
        self._matches: deque[StreamEntry] = deque(maxlen=KEPT_ENTRIES)
        self._failed: deque[StreamEntry] = deque(maxlen=_KEPT_FAILURES)
        # By key and ID, oldest first; and those of them that the filter has not looked at.
        self._failures: dict[tuple[str, bytes], tuple[StreamEntry, Failure]] = {}
        self._unseen: deque[StreamEntry] = deque(maxlen=_KEPT_FAILURES)
        self._filters: tuple[Filter, ...] = ()
        self._has_failed_only = False
        # How many rows there have been; what is shown again counts as new.
        self._count = 0
        self.looked = self.matched = self.failed = 0
        self.error: Exception | None = None

    # -- on the thread that reads

    def take(self, found: Sequence[StreamEntry]) -> None:
        """Keep entries that were read."""
        with self._lock:
            self.looked += len(found)
            self._recent.extend(found)
            chosen = self._chosen(found)
            if self._filters:
                self._matches.extend(chosen)
            self.matched += len(chosen)
            if not self._has_failed_only:
                self._count += len(chosen)

    def take_failure(self, entry: StreamEntry, summary: str, error: HandlerError) -> None:
        """Keep an entry that the handler raised for."""
        with self._lock:
            self.failed += 1
            self._failures.pop(entry[:2], None)
            self._failures[entry[:2]] = entry, Failure(summary, error)
            if len(self._failures) > _KEPT_FAILURES:
                del self._failures[next(iter(self._failures))]
            self._unseen.append(entry)

    # -- for the panel

    def choose(self, *filters: Filter, failed_only: bool) -> None:
        """Show what all filters choose from now on, of what is here and of what comes."""
        with self._lock:
            self._filters, self._has_failed_only, self.error = filters, failed_only, None
            recent = list(self._recent)
            chosen = self._chosen(recent)
            self._matches = deque(chosen if filters else (), maxlen=KEPT_ENTRIES)
            self.looked, self.matched = len(recent), len(chosen)
            self._failed.clear()
            self._unseen = deque((entry for entry, _ in self._failures.values()), _KEPT_FAILURES)
            self._count += KEPT_ENTRIES

    def clear(self) -> None:
        """Forget all entries: reading begins again."""
        with self._lock:
            for each in (self._recent, self._matches, self._failed, self._unseen, self._failures):
                each.clear()
            self.looked = self.matched = self.failed = 0
            self._count += KEPT_ENTRIES

    def rows(self) -> KeptRows:
        """Return the rows to show, as of this moment."""
        with self._lock:
            if self._has_failed_only:
                # In one go: one by one it would hold up a handler that always fails.
                chosen = self._chosen(list(self._unseen))
                self._unseen.clear()
                self._failed.extend(chosen)
                self._count += len(chosen)
                entries = list(self._failed)
            else:
                entries = list(self._matches if self._filters else self._recent)
            return KeptRows(entries, self._count, self)

    def failure(self, key: str, entry_id: str) -> Failure | None:
        """Return what a handler raised for an entry, None if it did not."""
        with self._lock:
            found = self._failures.get((key, entry_id.encode()))
        return None if found is None else found[1]

    @property
    def last_failure(self) -> tuple[StreamEntry, Failure] | None:
        """The entry that failed last, and why."""
        with self._lock:
            return next(reversed(self._failures.values()), None)

    @property
    def is_filtered(self) -> bool:
        """Whether only entries that match are shown."""
        return bool(self._filters)

    @property
    def mark(self) -> tuple[int, int]:
        """What changes whenever there is something new to show."""
        return self._count, self.failed

    @property
    def layout(self) -> Layout:
        """The one format of all streams."""
        return self._streams[0].layout

    @property
    def schema(self) -> Mapping[str, Any] | None:
        """The one schema of all streams."""
        return self._streams[0].schema

    @property
    def is_many(self) -> bool:
        """Whether entries of several streams are kept."""
        return len(self._streams) > 1

    @property
    def has_states(self) -> bool:
        """Whether there is anything to say of an entry besides what it is."""
        return self._states.is_grouped or bool(self._failures)

    def state(self, entry: StreamEntry) -> str:
        """Return what has become of an entry."""
        found = self._failures.get(entry[:2])
        state = self._states.of(entry)
        if found is None or state == "acknowledged":
            return state
        return f"failed: {found[1].summary}"

    def _chosen(self, entries: Sequence[StreamEntry]) -> Sequence[StreamEntry]:
        chosen = entries
        for filter in self._filters:
            # One whose body is gone has nothing that a filter could look at.
            chosen = [each for each in chosen if each[2]]
            if not chosen:
                break
            keys, ids, bodies = zip(*chosen, strict=True)
            try:
                mask = filter.of_entries(ids, bodies, keys if self.is_many else keys[0])
            except Exception as error:  # noqa: BLE001 - a function of the user's, on another's thread
                self.error = error
                return []
            chosen = list(compress(chosen, mask.tolist()))
        return chosen


class KeptRows:
    """Entries as rows, the newest first, as of one moment.

    Parameters
    ----------
    entries : list of StreamEntry
        Oldest first.
    count : int
        How many rows there have been.
    kept : Kept
        What knows their states.
    """

    def __init__(self, entries: list[StreamEntry], count: int, kept: Kept) -> None:
        self._entries, self._kept = entries, kept
        self.count = count
        self.length = len(entries)

    def entries(self, start: int = 0, stop: int | None = None) -> list[StreamEntry]:
        """Return the entries of some rows, the newest first."""
        n = self.length
        last = n if stop is None else min(stop, n)
        return self._entries[n - last : max(0, n - start)][::-1]

    def events(self, start: int = 0, stop: int | None = None) -> pd.DataFrame:
        """Return rows in schema ENTRIES, the newest first."""
        kept = self._kept
        found = self.entries(start, stop)
        return frames.keyed_entries_frame(found, kept.layout, many=kept.is_many, schema=kept.schema)

    def frame(self, start: int, stop: int) -> pd.DataFrame:
        """Return rows with what has become of each, the newest first."""
        frame = self.events(start, stop)
        if self._kept.has_states:
            states = list(map(self._kept.state, self.entries(start, stop)))
            # An event may have a member of that name too.
            at = 2 if self._kept.is_many else 1
            frame.insert(at, "state", frames.column(states, "str"), allow_duplicates=True)
        return frame
