"""What a replay reads: streams, captures and frames, each a series of pages, merged by entry ID.

A source yields its entries oldest first, from after a given ID in each of its streams, as often as
needed; a capture that comes through a pipe, once.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import pandas as pd
import redis

from redisnb import cards, wire
from redisnb.captures import Recording
from redisnb.entries import (
    EntryId,
    Fields,
    full_ids,
    id_pair,
    next_pair,
    pair_bounds,
    time_to_ms,
)
from redisnb.errors import ConnectError
from redisnb.frames import Page, Selection, paused_collector
from redisnb.patience import Patience
from redisnb.stream import Stream

__all__ = ["FRAME", "FileSource", "FrameSource", "ReplaySource", "StreamSource"]

#: The two ends of a range in the syntax of XRANGE, and the range that has all.
Bounds: TypeAlias = tuple[str, str]
ALL: Bounds = ("-", "+")

#: The stream name of entries that do not say from which stream they are.
FRAME = "frame"
#: How many rows of a frame make a page.
PAGE_ROWS = 1000


class ReplaySource(ABC):
    """A source of a replay: entries in pages.

    Attributes
    ----------
    name, title : str
        For messages, and for a repr.
    keys : list of str
        Its streams, as far as known.
    ends : (EntryId, EntryId) or None
        The first and the last ID, if there is an entry and they are known.
    count : int or None
        How many entries there are, if known; filtered ones included.
    has_ids : bool
        Whether its entries have IDs, or times; otherwise they are numbered by row.
    has_streams : bool
        Whether its entries say from which stream they are; otherwise the name is `FRAME`.
    repeatable : bool
        Whether it can be read more than once.
    skipped : int
        How many lines or rows of a file held no entry.
    read : int
        How many entries were read.
    missed : int
        How many entries of a stream were removed before they were read, as far as known; at least
        1 where some were.
    firsts : dict of key to (ID, fields)
        The first entry of each stream in a file; of a frame of entries without its fields.
    """

    keys: list[str]
    ends: tuple[EntryId, EntryId] | None = None
    count: int | None = None
    has_ids = has_streams = repeatable = True
    skipped = read = missed = 0

    def __init__(self, name: str, title: str, bounds: Bounds, selection: Selection) -> None:
        self.name, self.title, self.bounds, self._selection = name, title, bounds, selection
        self.firsts: dict[str, tuple[bytes, Fields | None]] = {}

    @property
    def fixed(self) -> list[str] | None:
        """The first and the last ID, once known, if the source cannot change."""
        return None if self.ends is None else [*map(str, self.ends)]

    def keep(self, bounds: Bounds) -> None:
        """Continue with the range of an earlier run."""
        self.bounds = bounds

    @abstractmethod
    def look(self) -> None:
        """Find out what there is; mistakes show here, before anything is sent."""

    def pages(self, after: Mapping[str, str], *, size: int | None = None) -> Iterator[Page]:
        """Yield the selected entries after the given ID of each stream.

        Parameters
        ----------
        after : mapping of key to ID
        size : int, optional
            The most entries to filter and transform at a time, where the next one is due before
            more of them would be ready.
        """
        many = len(self.keys) != 1
        for page in self._pages(after):
            self.read += len(page)
            if self._selection.is_all:
                yield page
                continue
            size = size or len(page)
            for i in range(0, len(page), size):
                yield self._selection.of_page(page[i : i + size], many=many)

    @abstractmethod
    def _pages(self, after: Mapping[str, str]) -> Iterator[Page]:
        """Yield the entries after the given ID of each stream, before any selection."""

    def check(self) -> None:
        """Refuse a filter that nothing could match, once all was read."""
        self._selection.check()


class StreamSource(ReplaySource):
    """A range of a stream, up to the entry that is the last one when the replay begins."""

    def __init__(
        self, stream: Stream, bounds: Bounds, selection: Selection, stop_event: threading.Event
    ) -> None:
        key = cards.quoted(stream.key)
        super().__init__(f"Stream({key})", key, bounds, selection)
        self.stream, self.keys, self._stop_event = stream, [stream.key], stop_event
        self._reads = [wire.Pages(stream.conn, stream.key, *bounds)]
        # The ID at which reading has to end, once known, and whether it ended earlier.
        self._until: str | None = None
        self._is_cut_off = False

    @property
    def fixed(self) -> None:
        """None: a stream may be trimmed in between."""

    def look(self) -> None:
        """Find the first and the last entry."""
        self._reads = [wire.Pages(self.stream.conn, self.stream.key, *self.bounds)]
        self.ends = self._reads[0].look()
        if self._until is None:
            if not self.ends:
                wire.warn_of_absent(self.stream.conn, self.stream.key)
            # Without an entry the source stays empty, whatever is added later.
            self._until = str(self.ends[1]) if self.ends else "0-0"
            self.bounds = (self.bounds[0] if self.ends else "0-0", self._until)

    def keep(self, bounds: Bounds) -> None:
        """Keep the entry that was the last one when the replay began as the end."""
        self.bounds, self._until = bounds, bounds[1]

    @property
    def missed(self) -> int:  # type: ignore[override]
        """How many entries were removed before they were read."""
        return max(sum(pages.missed for pages in self._reads), self._is_cut_off)

    def _pages(self, after: Mapping[str, str]) -> Iterator[Page]:
        conn, key = self.stream.conn, self.stream.key
        pages = self._reads[-1]
        last = after.get(key)
        if pages.has_begun or last is not None:
            # A new beginning may find what the reads before it have missed.
            self._reads = self._reads if last is not None else []
            pages = wire.Pages(conn, key, *self.bounds, after=last)
            self._reads.append(pages)
        patience = Patience(conn.timeout)
        while not self._stop_event.is_set():
            try:
                for page in pages:
                    patience.reset()
                    last = page[-1][0].decode()
                    yield [(key, id, fields) for id, fields in page]
                self._is_cut_off = self._until not in ("0-0", last)
                return
            except (redis.RedisError, ConnectError, OSError) as error:
                wait = patience.wait_after(error)
            self._stop_event.wait(wait)


class FileSource(ReplaySource):
    """A capture."""

    def __init__(self, recording: Recording, bounds: Bounds, selection: Selection) -> None:
        super().__init__(recording.path, cards.quoted(recording.path), bounds, selection)
        self._recording = recording
        self.has_ids = self.has_streams = recording.has_ids
        self.repeatable = recording.repeatable
        self.keys = list(recording.streams) if self.has_streams else [FRAME]

    @property
    def skipped(self) -> int:  # type: ignore[override]
        """How many lines or rows held no entry."""
        return self._recording.skipped

    def look(self) -> None:
        """Read all of it, unless it can be read only once."""
        if not self.repeatable:
            return
        self.count = 0
        keys: dict[str, None] = {}
        first: bytes | None = None
        last = b""
        pages = self._pages({})
        while True:
            with paused_collector():
                page = next(pages, None)
                if page is None:
                    break
                self.count += len(page)
                here = dict.fromkeys([key for key, _, _ in page])
                for new in here.keys() - keys.keys() if self.has_ids else ():
                    self.firsts[new] = next(each[1:] for each in page if each[0] == new)
                keys |= here
                first, last = first or page[0][1], page[-1][1]
        self._recording.warn_if_cut_off()
        self.keys = sorted(keys)
        if first is not None and self.has_ids:
            self.ends = EntryId(first), EntryId(last)

    def _pages(self, after: Mapping[str, str]) -> Iterator[Page]:
        least, most = pair_bounds(self.bounds)
        starts = {key: next_pair(id_pair(id)) for key, id in after.items()}
        is_all = not starts and self.bounds == ALL
        row = 0
        for page in self._recording:
            if not self.has_ids:
                rows = enumerate(page, row)
                row += len(page)
                page = [(FRAME, b"0-%d" % i, fields) for i, (_, _, fields) in rows]
            if not is_all:
                page = [
                    entry
                    for entry in page
                    if max(least, starts.get(entry[0], least)) <= id_pair(entry[1]) <= most
                ]
            if page:
                yield page
        if not self.repeatable:
            self._recording.warn_if_cut_off()


class FrameSource(ReplaySource):
    """The rows of a frame as events.

    They are selected in the frame as it is: a time stays a time for `where` and `transform`.
    """

    def __init__(self, frame: pd.DataFrame, bounds: Bounds, selection: Selection) -> None:
        super().__init__("the frame", "a frame", bounds, selection)
        self._frame = frame
        ids = _row_ids(frame)
        self.has_ids = ids is not None
        is_entries = frame.index.names == ["entry_time"] and "entry_id" in frame.columns
        self.has_streams = is_entries and "stream" in frame.columns
        # They decide the order, not the frame: a replay goes by time.
        self._ids = ids or [EntryId(f"0-{row}") for row in range(len(frame))]

    def look(self) -> None:
        """Encode all events."""
        least, most = pair_bounds(self.bounds)
        numbers = [(id.ms, id.seq) for id in self._ids]
        rows = sorted(range(len(numbers)), key=numbers.__getitem__)
        if self.has_ids:
            rows = [row for row in rows if least <= numbers[row] <= most]
        frame = self._frame.iloc[rows]
        streams = [FRAME] * len(frame)
        names = ["entry_id", "entry_time"]
        if "entry_id" in frame.columns:
            names.append("entry_field")
        if self.has_streams:
            streams = frame["stream"].astype(str).tolist()
            names.append("stream")
        rows_left, changed = self._selection.of_frame(frame)
        written = self._selection.fields(changed, names)
        self._page: Page = [
            (streams[i], self._ids[rows[i]].encode(), fields)
            for i, fields in zip(rows_left, written, strict=True)
        ]
        self.keys = sorted({key for key, _, _ in self._page})
        self.count = len(self._page)
        if self._page and self.has_ids:
            self.ends = EntryId(self._page[0][1]), EntryId(self._page[-1][1])
            if "entry_id" in frame.columns:
                # Encoded again, its fields may differ from those of the original entry.
                self.firsts = {key: (id, None) for key, id, _ in reversed(self._page)}

    def _pages(self, after: Mapping[str, str]) -> Iterator[Page]:
        return self.pages(after)

    def pages(self, after: Mapping[str, str], *, size: int | None = None) -> Iterator[Page]:
        """Yield the selected rows after the given ID of each stream."""
        page = self._page
        if after:
            starts = {key: id_pair(id) for key, id in after.items()}
            page = [each for each in page if id_pair(each[1]) > starts.get(each[0], (-1, 0))]
        for i in range(0, len(page), PAGE_ROWS):
            self.read += len(page[i : i + PAGE_ROWS])
            yield page[i : i + PAGE_ROWS]


def _row_ids(frame: pd.DataFrame) -> list[EntryId] | None:
    """Return the IDs of a frame's rows, or None where it has neither IDs nor times."""
    if "entry_id" in frame.columns:
        return [EntryId(id) for id in frame["entry_id"].tolist()]
    if "entry_time" in frame.columns:
        times: Any = frame["entry_time"]
    elif frame.index.names == ["entry_time"]:
        times = frame.index
    else:
        return None
    moments = list(times)
    # Rows of the same time are numbered in their order.
    order = sorted(range(len(moments)), key=[time_to_ms(m) for m in moments].__getitem__)
    numbered = full_ids(moments[row] for row in order)
    ids = dict(zip(order, numbered, strict=True))
    return [EntryId(ids[row]) for row in range(len(moments))]
