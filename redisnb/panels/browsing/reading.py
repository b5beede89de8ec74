"""Read one page of the entries of a range that match, however many have to be looked at."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pandas as pd

from redisnb import frames, wire
from redisnb.entries import Fields
from redisnb.panels.parts import Task
from redisnb.stream import Stream, mark_origin

__all__ = ["EntryPage", "PageRequest", "read_page"]

#: The most entries of a page, and about how many bytes they have.
PAGE_ENTRIES, MOST_PAGE_BYTES = 10_000, 64 * 1024 * 1024
#: How often a long read shows how far it is, in seconds.
_TOLD_EVERY = 0.5
#: Every so many entries one is measured.
_MEASURED_EVERY = 16

Stored = tuple[bytes, Fields | None]


class PageRequest(NamedTuple):
    """Which entries to read.

    Attributes
    ----------
    start, end : str
        The bounds, as the server takes them.
    where : str
        A filter, or "".
    newest_first : bool
        The order of the rows.
    backwards : bool
        Whether the page is what lies before `end`, and not what lies after `start`.
    """

    start: str
    end: str
    where: str
    newest_first: bool
    backwards: bool


class EntryPage(NamedTuple):
    """A page of entries, or as much of it as was read so far.

    Attributes
    ----------
    request : PageRequest
    frame : DataFrame in schema ENTRIES
    looked_at : int
        How many entries were read, matching or not.
    reached : str
        The ID of the last one of them; "" if there was none.
    more : bool
        Whether there are further ones in the direction of reading.
    is_large : bool
        Whether it has fewer entries than fit, because they have so many bytes.
    missed : str
        A sentence on entries that were removed before they were read, or "".
    """

    request: PageRequest
    frame: pd.DataFrame
    looked_at: int
    reached: str
    more: bool = False
    is_large: bool = False
    missed: str = ""

    @property
    def oldest(self) -> str:
        """The first ID of the page; "" without entries."""
        return self._id_at(-1 if self.request.newest_first else 0)

    @property
    def newest(self) -> str:
        """The last ID of the page; "" without entries."""
        return self._id_at(0 if self.request.newest_first else -1)

    def _id_at(self, row: int) -> str:
        return str(self.frame["entry_id"].iloc[row]) if len(self.frame) else ""

    @property
    def bounds(self) -> tuple[str, str]:
        """The range of which it has all matching entries."""
        start, end, *_ = self.request
        if not self.more:
            return start, end
        return (self.reached, end) if self.request.backwards else (start, self.reached)

    @property
    def before(self) -> str:
        """The bound before which older entries are."""
        return f"({self.reached if self.request.backwards else self.oldest}"

    @property
    def after(self) -> str:
        """The bound after which newer entries are."""
        return f"({self.newest if self.request.backwards else self.reached}"


def read_page(
    stream: Stream,
    request: PageRequest,
    task: Task,
    tell: Callable[[EntryPage], object] = lambda _: None,
    *,
    most: int | None = None,
) -> EntryPage:
    """Read a page.

    Parameters
    ----------
    stream : Stream
    request : PageRequest
    task : Task
        Asked between two replies of the server whether the page is still wanted.
    tell : callable
        Called now and then with what was read so far.
    most : int, optional
        The most entries, 10,000 by default.

    Raises
    ------
    ValueError
        If the filter cannot be read, or names a column that no entry has.
    """
    where, most = request.where, PAGE_ENTRIES if most is None else most
    filter = frames.Filter(where, stream.layout, stream.schema) if where else None
    pages = wire.Pages(
        stream.conn,
        stream.key,
        request.start,
        request.end,
        reverse=request.backwards,
        # One more shows whether there are more.
        limit=None if filter else most + 1,
    )
    found: list[Stored] = []
    looked_at, size, reached = 0, 0, ""
    told_at = time.monotonic()

    def so_far(**more: Any) -> EntryPage:
        frame = _page_frame(stream, request, found)
        return EntryPage(request, frame, looked_at, reached, **more)

    for page in pages:
        task.check()
        chosen = page if filter is None else filter.choose(page, stream.key)
        room = most - len(found)
        if len(chosen) > room:
            # Up to the one that fits last: the next page begins behind it.
            reached = chosen[room - 1][0].decode() if room else reached
            looked_at += [id for id, _ in page].index(chosen[room][0])
            found += chosen[:room]
            return so_far(more=True, missed=pages.message)
        looked_at, reached = looked_at + len(page), page[-1][0].decode()
        found += chosen
        size += _bytes_of(chosen)
        if size > MOST_PAGE_BYTES:
            return so_far(more=True, is_large=True, missed=pages.message)
        if time.monotonic() - told_at > _TOLD_EVERY:
            tell(so_far(more=True))
            told_at = time.monotonic()
    if filter is not None:
        filter.check()
    return so_far(missed=pages.message)


def _page_frame(stream: Stream, request: PageRequest, found: Sequence[Stored]) -> pd.DataFrame:
    rows = found if request.backwards == request.newest_first else found[::-1]
    frame = frames.entries_frame(rows, stream.layout, schema=stream.schema)
    return mark_origin(frame, stream, request.start, request.end)


def _bytes_of(entries: Sequence[Stored]) -> int:
    some = entries[::_MEASURED_EVERY]
    size = sum(len(part) for _, fields in some for part in fields or ())
    return size * len(entries) // max(1, len(some))
