"""Read a stream: ranges as frames, and entries as they arrive."""

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
from redisnb.stream.key import StreamKey, beside, located

__all__ = ["Reader"]

#: Where `Stream.range` stops unless told otherwise.
DEFAULT_LIMIT = 100_000
# A schema's columns may have missing values.
_NULLABLE = {"int64": "Int64", "float64": "Float64", "bool": "boolean"}


class Reader(StreamKey):
    """The side of a stream that reads."""

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
        """Read the entries between two positions.

        Parameters
        ----------
        start, end : str, EntryId, aware datetime or int, optional
            An ID, a time (``"2024-05-01 10:30"``, UTC), a time of today (``"10:30"``, UTC), a
            relative one (``"-5min"``, by the server's clock), or milliseconds since 1970. Both ends
            are included; a leading ``(`` excludes one. None is the first or the last entry.
        limit : int or None, default 100,000
            The most rows, None for all. ``frame.attrs["truncated"]`` says whether there is more;
            at the default limit a RedisnbWarning says it too.
        reverse : bool
            The newest entries first.
        columns : sequence of str, optional
            The event's columns to keep, in this order; one that does not occur is all missing.
        where : mapping, str or callable, optional
            ``{"carrier": "UA"}`` or ``{"carrier": ["UA", "AA"]}``; an expression, ``"carrier = 'UA'
            and dep_delay > 60"`` (dotted names, ``= != < <= > >= in like contains is null and or
            not``); or a function that gets a frame of some entries at a time, as one of `frames`,
            and returns a boolean mask. The first two compare what an entry itself has: 5 is JSON's
            5 and the text ``"5"`` of a field, ``"5"`` is text, None is missing.
        types : "infer", "text" or mapping
            "text" leaves fields as text; ``{"price": "float64"}`` decides for some columns, which
            are there also if no entry has them.
        schema : mapping of str to dtype, optional
            As for `Stream`, whose own it replaces here.
        progress : bool
            Show a progress bar.

        Returns
        -------
        DataFrame in schema ENTRIES
            Oldest first unless `reverse`; empty where there is no such entry or no stream.
            ``frame.attrs["missed"]`` is how many entries of the range were removed while it was
            read, before their turn came: their number, if the range is all of the stream, or begins
            where the stream does (since Redis 7); else 1, for an unknown number. What is deleted
            from the middle of a part of a stream leaves no trace. ``attrs`` also say where it comes
            from: "stream", "range" (two bounds as XRANGE takes them) and "server" (its address).

        Raises
        ------
        EntryIdError
            If a position is neither an ID nor a time, or a time without a zone.
        redis.exceptions.ResponseError
            If the key holds something else than a stream.

        Warns
        -----
        RedisnbWarning
            At the default limit, and if entries are missing.

        Notes
        -----
        XRANGE in pages of up to 1,000, and XINFO STREAM; O(n) in the entries read. Reads only. An
        error in the middle has a note that says how far it came and how to go on.
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
            # One entry beyond the limit tells whether there is more.
            wanted = None if limit is None or where is not None else limit + 1
            stored = wire.Pages(self.conn, self.key, *bounds, limit=wanted, reverse=reverse)
            filter = None if where is None else frames.Filter(where, self.layout, fitted)
            for page in _chosen(stored, filter, self.key):
                check.note_entries([fields for _, fields in page[:20]])
                if left is not None and len(page) > left:
                    more = True
                    yield page[:left]
                    return
                yield page
                left = None if left is None else left - len(page)
                read, last = read + len(page), page[-1][0]

        try:
            with progress_bar(progress, limit, "entries") as moved:
                frame = frames.pages_frame(
                    pages, self.layout, columns=columns, types=types, schema=fitted, advance=moved
                )
        except (redis.RedisError, KeyboardInterrupt) as error:
            if read:
                error.add_note(
                    f"{read:,} entries were read before that, the last one {last.decode()}; "
                    f"range('({last.decode()}', ...) goes on behind it"
                )
            raise
        if frame.empty and not stored.has_begun:
            wire.warn_of_absent(self.conn, self.key)
        check.note_frame(frame, values=True)
        check.warn()
        return frames.mark_truncated(
            frames.mark_missed(located(frame, self, *bounds), stored.missed, stored.message),
            limit if more else None,
            DEFAULT_LIMIT,
            "limit=None reads all, frames() reads in bounded memory",
        )

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Hand all entries over as an Arrow table, `entry_time` first: ``pl.DataFrame(stream)``.

        Notes
        -----
        As ``range(limit=None)``, and as large in memory.
        """
        return frames.to_arrow(self.range(limit=None)).__arrow_c_stream__(requested_schema)

    def infer_schema(self, limit: int = 10_000) -> dict[str, str]:
        """Propose a schema: the types that the first entries' columns have.

        Parameters
        ----------
        limit : int, default 10,000
            How many entries to look at, from the first on.

        Returns
        -------
        dict of str to str
            A dtype for each column, such as "Int64", to look over, and to give to ``schema=``.
        """
        frames.check_limit(limit)
        pages = wire.Pages(self.conn, self.key, "-", "+", limit=limit)
        frame = frames.entries_frame([entry for page in pages for entry in page], self.layout)
        return {
            str(name): _NULLABLE.get(str(dtype), str(dtype))
            for name, dtype in frame.dtypes.items()
            if name not in ("entry_id", "entry_field")
        }

    @hinted
    def head(self, n: int = 10) -> pd.DataFrame:
        """Return the first `n` entries as a frame in schema ENTRIES, oldest first."""
        return self._first(n, reverse=False)

    @hinted
    def tail(self, n: int = 10) -> pd.DataFrame:
        """Return the last `n` entries as a frame in schema ENTRIES, oldest first."""
        return self._first(n, reverse=True)

    def _first(self, n: int, *, reverse: bool) -> pd.DataFrame:
        frames.check_limit(n, "n")
        pages = wire.Pages(self.conn, self.key, "-", "+", limit=n, reverse=reverse)
        found = [entry for page in pages for entry in page]
        found = found[::-1] if reverse else found
        frame = frames.entries_frame(found, self.layout, schema=self.schema)
        if n and not found:
            wire.warn_of_absent(self.conn, self.key)
        return frames.mark_missed(located(frame, self), pages.missed, pages.message)

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
        """Read a range of any length in bounded memory, as one frame after the other.

        Parameters
        ----------
        count : int, default 10,000
            Rows per frame, at least 1; the last frame has what is left.
        start, end, columns, where, types, schema
            As for `range`. Without a schema, text stays text in a piece (it cannot know what the
            others hold), JSON's integers are Int64, floats Float64 and truth values boolean, and
            a column that was seen once is in every later frame.

        Yields
        ------
        DataFrame in schema ENTRIES
            Oldest first; none where there is nothing to read. ``attrs["missed"]`` is as in `range`,
            so far; what is missing in all is in the last one, and in a RedisnbWarning.
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
        chosen = _chosen(pages, filter, self.key)
        frame = None
        for found, is_last in frames.without_collector(_in_parts(chosen, count)):
            check.note_entries([fields for _, fields in found[:20]])
            frame = located(pieces.frame(found), self, *bounds)
            check.note_frame(frame, values=True)
            # What is missing in all is known at the end, and told with the last frame.
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
            Where to begin: entries added from now on, the first entry, or the one at a position
            (``f"({last_id}"`` begins after it).
        timeout : duration, optional
            End when no entry has come for so long, wanted or not. None goes on until the loop is
            left or interrupted; the connection stays usable.
        where : mapping, str or callable, optional
            As for `range`; a column that no entry has is no error here, for one may still come.
        also : streams
            Others to follow as well, of the same connection, format and schema; each entry's
            `stream` says which it is of.

        Yields
        ------
        Entry

        Raises
        ------
        redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, ConnectError
            If the server stays away for longer than the connection's timeout; until then it is
            tried again, and the position holds.

        Warns
        -----
        RedisnbWarning
            If entries were dropped before they were read (since Redis 7), or the stream was deleted
            and begins anew, from where reading then goes on.

        Notes
        -----
        XREAD, blocking for at most 500 ms at a time, and XINFO STREAM a second after entries came,
        or every 5 s. Reads only.
        """
        # Not in the generator, which begins at its first entry: "from now on" is from this call.
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
        """Do what `follow` does, for ``async for``; it holds a link of its own."""
        return following.afollow(
            self.conn, self._cursor(start, also), self.layout, timeout, self._filter(where)
        )

    def _cursor(self, start: Position, also: Iterable[StreamKey]) -> StreamCursor:
        streams = beside(self, also)
        for stream in streams:
            wire.warn_of_absent(self.conn, stream.key)
        return StreamCursor(
            {stream.key: following.resolve_start(stream, start) for stream in streams}
        )


def _in_parts(
    pages: Iterable[Sequence[tuple[bytes, Fields | None]]], count: int
) -> Iterator[tuple[list[tuple[bytes, Fields | None]], bool]]:
    """Give so many entries at a time, and whether they are the last."""
    found: list[tuple[bytes, Fields | None]] = []
    for page in pages:
        found += page
        while len(found) > count:
            part, found = found[:count], found[count:]
            yield part, False
    if found:
        yield found, True


def _chosen(
    pages: wire.Pages, filter: frames.Filter | None, key: str
) -> Iterator[Sequence[tuple[bytes, Fields | None]]]:
    """Give what a filter wants."""
    if filter is None:
        yield from pages
        return
    for page in pages:
        if chosen := filter.choose(page, key):
            yield chosen
    filter.check()
