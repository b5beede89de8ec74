"""The methods of a stream that read: ranges as frames, and entries as they arrive."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Any

import pandas as pd
import redis

from redisnb import frames, wire
from redisnb.durations import Duration
from redisnb.entries import (
    Entry,
    Fields,
    Position,
    range_bounds,
)
from redisnb.errors import warn
from redisnb.frames import Schema, Types, Where
from redisnb.hints import hinted
from redisnb.progress import progress_bar
from redisnb.stream import following
from redisnb.stream.cursor import StreamCursor
from redisnb.stream.key import DEFAULT_LIMIT, StreamKey, mark_origin, with_others

__all__ = ["StreamReader"]


class StreamReader(StreamKey):
    """The methods of a stream that read."""

    @hinted
    def range(
        self,
        start: Position | None = None,
        end: Position | None = None,
        *,
        limit: int | None = DEFAULT_LIMIT,
        reverse: bool = False,
        columns: Sequence[str] | None = None,
        where: Where | None = None,
        types: Types = "infer",
        schema: Schema | None = None,
        progress: bool = False,
    ) -> pd.DataFrame:
        """Return the entries between two positions as a frame.

        Parameters
        ----------
        start, end : str, EntryId, aware datetime or int, optional
            An ID, a time (``"2024-05-01 10:30"``, UTC), a time of today (``"10:30"``, UTC), a
            relative time (``"-5min"``, by the server's clock), or milliseconds since 1970. Both
            ends are included; a leading ``(`` excludes one. None is the first or the last entry.
        limit : int or None, default 100,000
            The most rows, None for all. ``frame.attrs["truncated"]`` says whether there are more;
            at the default limit a RedisnbWarning does too.
        reverse : bool
            Newest entries first.
        columns : sequence of str, optional
            The event's columns to keep, in this order; one that does not occur is all missing.
        where : mapping, str or callable, optional
            ``{"carrier": "UA"}`` or ``{"carrier": ["UA", "AA"]}``; an expression, ``"carrier = 'UA'
            and dep_delay > 60"`` (dotted names, ``= != < <= > >= in like contains is null and or
            not``); or a function that takes a frame of some of the entries, like those of `frames`,
            and returns a boolean mask. The first two compare the values of the entry itself: 5
            matches JSON's 5 and a field's text ``"5"``, ``"5"`` matches text, None a missing value.
        types : "infer", "text" or mapping
            "text" leaves fields as text; ``{"price": "float64"}`` sets the dtype of some columns,
            which exist even if no entry has them.
        schema : mapping of str to dtype, optional
            As for `Stream`, instead of its own.
        progress : bool
            Show a progress bar.

        Returns
        -------
        DataFrame in schema ENTRIES
            Oldest first unless `reverse`; empty without such entries or without the stream.
            ``frame.attrs["missed"]`` is how many entries of the range were removed before they were
            read: the exact number if the range is the whole stream, or begins at its first entry
            (since Redis 7); else 1 for an unknown number. Deletions from the middle of a part of a
            stream cannot be detected. ``attrs`` also has the origin: "stream", "range" (two bounds
            as XRANGE takes them) and "server" (its address).

        Raises
        ------
        EntryIdError
            If a position is neither an ID nor a time, or a datetime without a time zone.
        redis.exceptions.ResponseError
            If the key is not a stream.

        Warns
        -----
        RedisnbWarning
            At the default limit, and if entries were missed.

        Notes
        -----
        XRANGE in pages of up to 1,000, and XINFO STREAM; O(n) in the entries read. Reads only. If
        an error interrupts it, a note says how far it came and how to continue.

        Examples
        --------
        >>> orders.range("2024-05-01 10:31", where="item = 'tea' or amount > 2")
                                          entry_id  item  amount
        entry_time
        2024-05-01 10:32:00+00:00  1714559520000-0   tea       5
        2024-05-01 10:33:00+00:00  1714559580000-0  milk       3
        """
        frames.check_limit(limit)
        frames.check_columns(columns)
        fitted = self._schema(schema, types)
        bounds = range_bounds(start, end, lambda: wire.now(self.conn))
        check = frames.ColumnCheck("columns", columns or (), self.layout, fitted or types)
        more, read, last = False, 0, b""
        stored = wire.Pages(self.conn, self.key, *bounds)

        def pages() -> Iterator[Sequence[tuple[bytes, Fields | None]]]:
            nonlocal more, read, last, stored
            left, more, read = limit, False, 0
            # One entry beyond the limit shows whether there are more.
            most = None if limit is None or where is not None else limit + 1
            stored = wire.Pages(self.conn, self.key, *bounds, limit=most, reverse=reverse)
            filter = None if where is None else frames.Filter(where, self.layout, fitted)
            for page in _filtered_pages(stored, filter, self.key):
                check.note_entries([fields for _, fields in page[:20]])
                if left is not None and len(page) > left:
                    more = True
                    yield page[:left]
                    return
                yield page
                left = None if left is None else left - len(page)
                read, last = read + len(page), page[-1][0]

        try:
            with progress_bar(progress, limit, "entries") as advance:
                frame = frames.pages_frame(
                    pages, self.layout, columns=columns, types=types, schema=fitted, advance=advance
                )
        except (redis.RedisError, KeyboardInterrupt) as error:
            if read:
                error.add_note(
                    f"{read:,} entries were read before that, the last one {last.decode()}; "
                    f"range('({last.decode()}', ...) continues after it"
                )
            raise
        if frame.empty and not stored.has_begun:
            wire.warn_of_absent(self.conn, self.key)
        check.note_frame(frame, values=True)
        check.warn()
        return frames.mark_truncated(
            frames.mark_missed(mark_origin(frame, self, *bounds), stored.missed, stored.message),
            limit if more else None,
            DEFAULT_LIMIT,
            "limit=None reads all, frames() reads in bounded memory",
        )

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Export all entries as an Arrow table, `entry_time` first: ``pl.DataFrame(stream)``.

        Notes
        -----
        Like ``range(limit=None)``, with the same use of memory.
        """
        return frames.to_arrow(self.range(limit=None)).__arrow_c_stream__(requested_schema)

    def infer_schema(self, limit: int = 10_000) -> dict[str, str]:
        """Propose a schema, from the types of the columns of the first entries.

        Parameters
        ----------
        limit : int, default 10,000
            How many entries to read, from the first on.

        Returns
        -------
        dict of str to str
            A dtype for each column, such as "Int64", to check and to pass as ``schema=``.

        Examples
        --------
        >>> orders.infer_schema()
        {'item': 'str', 'amount': 'Int64'}
        """
        frames.check_limit(limit)
        pages = wire.Pages(self.conn, self.key, "-", "+", limit=limit)
        frame = frames.entries_frame([entry for page in pages for entry in page], self.layout)
        return frames.frame_schema(frame)

    @hinted
    def head(self, n: int = 10) -> pd.DataFrame:
        """Return the first `n` entries as a frame in schema ENTRIES, oldest first.

        Examples
        --------
        >>> orders.head(2)
                                          entry_id    item  amount
        entry_time
        2024-05-01 10:30:00+00:00  1714559400000-0     tea       2
        2024-05-01 10:31:00+00:00  1714559460000-0  coffee       1
        """
        return self._first(n, reverse=False)

    @hinted
    def tail(self, n: int = 10) -> pd.DataFrame:
        """Return the last `n` entries as a frame in schema ENTRIES, oldest first.

        Examples
        --------
        >>> orders.tail(2)
                                          entry_id  item  amount
        entry_time
        2024-05-01 10:32:00+00:00  1714559520000-0   tea       5
        2024-05-01 10:33:00+00:00  1714559580000-0  milk       3
        """
        return self._first(n, reverse=True)

    def _first(self, n: int, *, reverse: bool) -> pd.DataFrame:
        frames.check_limit(n, "n")
        pages = wire.Pages(self.conn, self.key, "-", "+", limit=n, reverse=reverse)
        found = [entry for page in pages for entry in page]
        found = found[::-1] if reverse else found
        frame = frames.entries_frame(found, self.layout, schema=self.schema)
        if n and not found:
            wire.warn_of_absent(self.conn, self.key)
        return frames.mark_missed(mark_origin(frame, self), pages.missed, pages.message)

    def _filter(self, where: Where | None) -> frames.Filter | None:
        return None if where is None else frames.Filter(where, self.layout, self.schema)

    def _schema(self, schema: Schema | None, types: Types) -> dict[str, Any] | None:
        return frames.check_schema(self.schema if schema is None else schema, types)

    @hinted
    def frames(
        self,
        start: Position | None = None,
        end: Position | None = None,
        *,
        count: int = 10_000,
        columns: Sequence[str] | None = None,
        where: Where | None = None,
        types: Types = "infer",
        schema: Schema | None = None,
    ) -> Iterator[pd.DataFrame]:
        """Yield the entries between two positions as frames, in bounded memory.

        Parameters
        ----------
        count : int, default 10,000
            Rows per frame, at least 1; the last frame has the rest.
        start, end, columns, where, types, schema
            As for `range`. Without a schema, text stays text (a frame cannot depend on the others),
            JSON integers are Int64, floats Float64 and booleans boolean, and a column that has
            occurred is in every later frame.

        Yields
        ------
        DataFrame in schema ENTRIES
            Oldest first; no frame if there is nothing to read. ``attrs["missed"]`` is as for
            `range`, up to this frame; the total is in the last one, and in a RedisnbWarning.

        Examples
        --------
        >>> [len(frame) for frame in orders.frames(count=3)]
        [3, 1]
        """
        frames.check_limit(count, "count")
        frames.check_columns(columns)
        if not count:
            raise ValueError("count=0; a frame has at least one row")
        fitted = self._schema(schema, types)
        filter = None if where is None else frames.Filter(where, self.layout, fitted)
        bounds = range_bounds(start, end, lambda: wire.now(self.conn))
        check = frames.ColumnCheck("columns", columns or (), self.layout, fitted or types)
        pieces = frames.Pieces(self.layout, types=types, columns=columns, schema=fitted)
        pages = wire.Pages(self.conn, self.key, *bounds)
        chosen = _filtered_pages(pages, filter, self.key)
        frame = None
        for found, is_last in frames.without_collector(_in_parts(chosen, count)):
            check.note_entries([fields for _, fields in found[:20]])
            frame = mark_origin(pieces.frame(found), self, *bounds)
            check.note_frame(frame, values=True)
            # The total of missed entries is known at the end.
            if is_last:
                check.warn()
                frame = frames.mark_missed(frame, pages.missed, pages.message)
            else:
                frame.attrs["missed"] = pages.missed
            yield frame
        if frame is not None:
            return
        if pages.missed:
            warn(pages.message)
        elif not pages.has_begun:
            wire.warn_of_absent(self.conn, self.key)

    @hinted
    def follow(
        self,
        start: Position = "new",
        *,
        timeout: Duration | None = None,
        where: Where | None = None,
        also: Iterable[StreamKey] = (),
    ) -> Iterator[Entry]:
        """Yield each entry as it arrives, without a group.

        Parameters
        ----------
        start : {"new", "all"} or position, default "new"
            Where to begin: with entries added from now on, with the first entry, or at a position
            (``f"({last_id}"`` begins after it).
        timeout : duration, optional
            End when no entry, chosen or not, has arrived for this long; 0 reads what is there. None
            never ends by itself; the loop can be left or interrupted, and the connection stays
            usable.
        where : mapping, str or callable, optional
            As for `range`, but a column that no entry has is not an error: one may still arrive.
        also : streams
            Other streams to follow, of the same connection, format and schema; `Entry.stream` tells
            the entries apart.

        Yields
        ------
        Entry

        Raises
        ------
        redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, ConnectError
            If the server is away for longer than the connection's timeout; until then it is tried
            again, and the position is kept.

        Warns
        -----
        RedisnbWarning
            If entries were dropped before they were read (since Redis 7), or the stream was deleted
            and created again: reading then continues from its beginning.

        Notes
        -----
        XREAD, blocking for at most 500 ms at a time, and XINFO STREAM a second after entries, else
        every 5 s. Reads only.

        Examples
        --------
        >>> for entry in orders.follow("all", timeout=0):
        ...     print(entry.id, entry.event["item"])
        1714559400000-0 tea
        1714559460000-0 coffee
        1714559520000-0 tea
        1714559580000-0 milk
        """
        # Not in the generator, which runs from its first entry on: "new" means from this call on.
        return following.follow(
            self.conn, self._cursor(start, also), self.layout, timeout, self._filter(where)
        )

    @hinted
    def afollow(
        self,
        start: Position = "new",
        *,
        timeout: Duration | None = None,
        where: Where | None = None,
        also: Iterable[StreamKey] = (),
    ) -> AsyncIterator[Entry]:
        """Do what `follow` does, for ``async for``; it uses a link of its own.

        Examples
        --------
        >>> import asyncio
        >>> async def items():
        ...     return [each.event["item"] async for each in orders.afollow("all", timeout="10ms")]
        ...
        >>> asyncio.run(items())
        ['tea', 'coffee', 'tea', 'milk']
        """
        return following.afollow(
            self.conn, self._cursor(start, also), self.layout, timeout, self._filter(where)
        )

    def _cursor(self, start: Position, also: Iterable[StreamKey]) -> StreamCursor:
        streams = with_others(self, also)
        for stream in streams:
            wire.warn_of_absent(self.conn, stream.key)
        return StreamCursor(
            {stream.key: following.resolve_start(stream, start) for stream in streams}
        )


def _in_parts(
    pages: Iterable[Sequence[tuple[bytes, Fields | None]]], count: int
) -> Iterator[tuple[list[tuple[bytes, Fields | None]], bool]]:
    """Yield `count` entries at a time, and whether they are the last."""
    found: list[tuple[bytes, Fields | None]] = []
    for page in pages:
        found += page
        while len(found) > count:
            part, found = found[:count], found[count:]
            yield part, False
    if found:
        yield found, True


def _filtered_pages(
    pages: wire.Pages, filter: frames.Filter | None, key: str
) -> Iterator[Sequence[tuple[bytes, Fields | None]]]:
    """Yield the entries that a filter chooses, in pages."""
    if filter is None:
        yield from pages
        return
    for page in pages:
        if chosen := filter.choose(page, key):
            yield chosen
    filter.check()
