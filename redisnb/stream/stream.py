"""Stream: publish events to one stream and read them back as frames."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
import redis

from redisnb import frames, wire
from redisnb.durations import Duration
from redisnb.entries import (
    Entry,
    EntryId,
    Fields,
    Format,
    Position,
    check_format,
    full_ids,
    make_entry,
    range_bounds,
    resolve_position,
    write_event,
)
from redisnb.errors import RedisnbWarning, UncertainWriteError, explain
from redisnb.frames import Types, Where
from redisnb.progress import progress_bar
from redisnb.stream import following
from redisnb.stream import sending as publish
from redisnb.stream import state as health
from redisnb.stream.cursor import StreamCursor, before
from redisnb.wire import Connection

__all__ = ["Stream"]

#: Where `Stream.range` stops unless told otherwise.
DEFAULT_LIMIT = 100_000


class Stream:
    """Hold one stream: a key of a database and the format of its events.

    Nothing is sent until a method is called; the stream need not exist.

    Parameters
    ----------
    conn : Connection
        What `redisnb.connect` returns.
    key : str
        The stream's key.
    format : {"auto", "json", "fields", "raw"}
        How events are carried by entries, see `redisnb.entries`. "auto" writes JSON and reads
        either.

    Examples
    --------
    >>> orders = Stream(connect(), "orders")
    >>> orders.add({"item": "tea", "amount": 2})
    >>> orders.tail(5)
    """

    def __init__(self, conn: Connection, key: str, *, format: Format = "auto") -> None:
        if not isinstance(conn, Connection):
            raise TypeError(
                f"Stream(conn, key): conn is what redisnb.connect() returns, not "
                f"{type(conn).__name__}; redisnb.connect() takes a URL or a redis-py client"
            )
        check_format(format)
        self.conn = conn
        self.key = key
        self.format: Format = format

    def __repr__(self) -> str:
        return f"Stream({self.key!r})"

    # -- publish

    def add(
        self,
        event: Mapping[Any, Any],
        *,
        id: Position = "*",
        maxlen: int | None = None,
        minid: Position | None = None,
    ) -> EntryId:
        """Add one event at the end and return its entry ID.

        Parameters
        ----------
        event : mapping
            What the stream's format can carry: for JSON any nesting of JSON's types.
        id : str, EntryId or aware datetime, default "*"
            "*" lets the server take its clock. Each ID is larger than the one before it.
        maxlen : int, optional
            Trim the stream to this many entries, at least 0.
        minid : str, EntryId or datetime, optional
            Trim what is older than this.

        Raises
        ------
        EncodeError
            If the format cannot carry the event; nothing was sent.
        UncertainWriteError
            If no reply came: the event may or may not have been added. With "*" it is not sent
            again. With an ID of its own, which the server takes once, it was sent again for the
            connection's timeout; or it was refused then, and is not in the stream.
        ConnectError
            If there is no server; nothing was sent.
        redis.exceptions.ResponseError
            If the server refuses, for example an ID that is not the largest; nothing was added.

        Notes
        -----
        XADD; O(1), and O(n) in the entries trimmed. Trimming is exact. XRANGE looks for an event
        that was sent again and refused: an entry with its ID and its fields is the event.
        """
        command = self._xadd(maxlen, minid)
        entry_id = "*" if id == "*" else full_ids([id])[0]
        packed = wire.pack((*command, entry_id, *write_event(event, self.format)))
        sending = publish.Sending(self.conn, [packed], again=entry_id != "*")
        sending.run()
        (added,) = sending.entry_ids
        if added is not None:
            return EntryId(added)
        status, error = sending.wrong[0]
        if status == "unknown":
            raise self._uncertain(entry_id, error) from error
        assert isinstance(error, redis.ResponseError)
        raise explain(error, self.key)

    def add_many(
        self,
        events: Iterable[Mapping[Any, Any]] | pd.DataFrame,
        *,
        ids: Iterable[Position] | str = "*",
        maxlen: int | None = None,
        minid: Position | None = None,
        progress: bool = False,
    ) -> pd.DataFrame:
        """Add many events and say of each whether it was added.

        Parameters
        ----------
        events : iterable of mappings, or DataFrame
            An iterator is taken as it is sent, never whole. A frame's columns are the members, its
            missing values null (with the format "fields", left out); an index with a name is a
            member too. The columns `entry_id` and `stream` of an ENTRIES frame are not.
        ids : iterable of IDs or aware times, default "*"
            One for each event, ascending; equal times are numbered in order, from 0 in each call.
        maxlen, minid
            As for `add`.
        progress : bool
            Show a progress bar.

        Returns
        -------
        DataFrame in schema ADDED
            One row per event in the order given: `entry_id`, `status` and `error`, the server's
            words. The status is "added", "failed" (refused), "unknown" (sent, but no reply came)
            or "unsent". Anything but "added" also gives a RedisnbWarning, and so does a connection
            that was lost before the end of an iterator.

        Raises
        ------
        EncodeError
            If one event cannot be carried, naming row and column; nothing was sent. (Of an
            iterator, whose first events are on their way by then, that row has failed.)
        ConnectError
            If there is no server; nothing was sent.

        Notes
        -----
        XADD, pipelined in batches of 1,000; not a transaction. When the connection breaks, events
        with IDs of their own are sent again and the rest follows, as `add` does it, until the
        connection's timeout has passed without one more row known; with "*" nothing is sent any
        more. An iterator then still has the events that were not sent.
        """
        prepared = publish.commands(events, ids, self._xadd(maxlen, minid), self.format)
        total = len(prepared) if isinstance(prepared, list) else None
        again = not isinstance(ids, str)
        with progress_bar(progress, total, "events") as moved:
            sending = publish.Sending(self.conn, prepared, again=again, moved=moved)
            sending.run()
        rows = f"{len(sending.entry_ids):,} events"
        what = ""
        if sending.wrong:
            counts = Counter(status for status, _ in sending.wrong.values())
            stated = ", ".join(f"{n:,} {status}" for status, n in counts.items())
            first = sending.wrong[min(sending.wrong)][1]
            what = f"of {rows} {stated}; first: {publish.reason(first)}"
        elif sending.lost is not None:
            what = f"the iterator may have more than these {rows}: {sending.lost}"
        if what:
            warnings.warn(f"{self.key!r}: {what}", RedisnbWarning, stacklevel=2)
        return _added(sending)

    def add_in_parts(
        self,
        events: Sequence[Mapping[Any, Any]] | pd.DataFrame,
        *,
        count: int = 1_000,
        maxlen: int | None = None,
        minid: Position | None = None,
    ) -> Iterator[pd.DataFrame]:
        """Do what `add_many` does part by part, for who wants to watch or to stop in between.

        Parameters
        ----------
        events : sequence of mappings, or DataFrame
            As for `add_many`; the server's clock gives the IDs.
        count : int, default 1,000
            Events per part, at least 1.
        maxlen, minid
            As for `add`.

        Yields
        ------
        DataFrame in schema ADDED
            One for each part, once it was sent. It is the last one where the connection was lost:
            look for "unknown" and "unsent". Nothing is warned of.

        Raises
        ------
        EncodeError
            At once, if one event cannot be carried, naming row and column; nothing was sent.
        ConnectError
            If there is no server; nothing of the part was sent.

        Notes
        -----
        XADD, pipelined. Nothing is sent again, and nothing more than what was asked for.
        """
        frames.check_limit(count, "count")
        if not count:
            raise ValueError("count=0; a part has at least one event")
        prepared = publish.commands(events, "*", self._xadd(maxlen, minid), self.format)
        if not isinstance(prepared, list):
            raise TypeError(
                "add_in_parts() takes a sequence or a frame; add_many() takes an iterator"
            )

        def parts() -> Iterator[pd.DataFrame]:
            for start in range(0, len(prepared), count):
                part = prepared[start : start + count]
                sending = publish.Sending(self.conn, part, again=False)
                sending.run()
                yield _added(sending)
                if sending.lost is not None:
                    return

        return parts()

    def _xadd(self, maxlen: int | None, minid: Position | None) -> list[Any]:
        if maxlen is None and minid is None:
            return ["XADD", self.key]
        return ["XADD", self.key, *self._trimming(maxlen, minid)]

    def _uncertain(self, entry_id: str, error: Exception) -> UncertainWriteError:
        look = "tail()" if entry_id == "*" else f"range({entry_id!r}, {entry_id!r})"
        return UncertainWriteError(
            f"{self.key!r} on {self.conn.url}: no reply ({publish.reason(error)}), so the event "
            f"may or may not have been added; look with {look} before adding again",
            stream=self.key,
            rows=1,
        )

    # -- read

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
        progress: bool = False,
    ) -> pd.DataFrame:
        """Read the entries between two positions.

        Parameters
        ----------
        start, end : str, EntryId or aware datetime, optional
            An ID, a time (``"2024-05-01 10:30"``, UTC), a time of today (``"10:30"``, UTC), or a
            relative one (``"-5min"``, by the server's clock). Both ends are included; a leading
            ``(`` excludes one. None is the first or the last entry.
        limit : int or None, default 100,000
            The most rows, None for all. ``frame.attrs["truncated"]`` says whether there is more;
            at the default limit a RedisnbWarning says it too.
        reverse : bool
            The newest entries first.
        columns : sequence of str, optional
            The event's columns to keep, in this order; one that does not occur is all missing.
        where : mapping or callable, optional
            ``{"carrier": "UA"}`` or ``{"carrier": ["UA", "AA"]}``, or a function that gets a frame
            and returns a boolean mask. It sees one page of entries at a time.
        types : "infer", "text" or mapping
            "text" leaves fields as text; ``{"price": "float64"}`` decides for some columns.
        progress : bool
            Show a progress bar.

        Returns
        -------
        DataFrame in schema ENTRIES
            Oldest first unless `reverse`; empty where there is no such entry or no stream.

        Raises
        ------
        EntryIdError
            If a position is neither an ID nor a time, or a time without a zone.
        redis.exceptions.ResponseError
            If the key holds something else than a stream.

        Notes
        -----
        XRANGE in pages of up to 1,000; O(n) in the entries read. Reads only. An error in the
        middle has a note that says how far it came and how to go on.
        """
        frames.check_limit(limit)
        bounds = range_bounds(start, end, lambda: wire.now(self.conn))
        more = False

        def pages() -> Iterator[Sequence[tuple[bytes, Fields | None]]]:
            nonlocal more
            left, more = limit, False
            # One entry beyond the limit tells whether there is more.
            wanted = None if limit is None else limit + 1
            for page in self._pages(bounds, wanted, where, reverse=reverse):
                if left is not None and len(page) > left:
                    more = True
                    yield page[:left]
                    return
                yield page
                left = None if left is None else left - len(page)

        with progress_bar(progress, limit, "entries") as moved:
            frame = frames.read(pages, self.format, columns=columns, types=types, moved=moved)
        return frames.cut(
            frame,
            limit if more else None,
            DEFAULT_LIMIT,
            "limit=None reads all, frames() reads in bounded memory",
        )

    def _pages(
        self,
        bounds: tuple[str, str],
        limit: int | None,
        where: Where | None,
        *,
        reverse: bool = False,
    ) -> Iterator[Sequence[tuple[bytes, Fields | None]]]:
        """Read page by page what `where` wants; `limit` bounds the entries read without it."""
        unknown: set[str] | None = set(where) if isinstance(where, Mapping) else None
        seen: dict[Any, None] = {}
        limit = limit if where is None else None
        for page in wire.pages(self.conn, self.key, *bounds, limit=limit, reverse=reverse):
            if where is None:
                yield page
                continue
            frame = frames.entries(page, self.format)
            seen |= dict.fromkeys(frame.columns)
            if unknown:
                unknown -= set(frame.columns)
            chosen = [
                entry for entry, keep in zip(page, frames.mask(frame, where), strict=True) if keep
            ]
            if chosen:
                yield chosen
        if unknown and seen:
            raise ValueError(
                f"where={{{sorted(unknown)[0]!r}: ...}}: no entry has this column; "
                f"there are {', '.join(map(str, seen))}"
            )

    def head(self, n: int = 10) -> pd.DataFrame:
        """Return the first `n` entries as a frame in schema ENTRIES, oldest first."""
        return self._first(n, reverse=False)

    def tail(self, n: int = 10) -> pd.DataFrame:
        """Return the last `n` entries as a frame in schema ENTRIES, oldest first."""
        return self._first(n, reverse=True)

    def entry(self, entry_id: str) -> Entry | None:
        """Return one entry as it is stored, or None if it is not there.

        Notes
        -----
        XRANGE. Reads only.
        """
        id = EntryId(entry_id)
        found = wire.ask(self.conn, "XRANGE", self.key, id, id, key=self.key)
        return make_entry(found[0][0], found[0][1], self.key, self.format) if found else None

    def _first(self, n: int, *, reverse: bool) -> pd.DataFrame:
        frames.check_limit(n, "n")
        pages = wire.pages(self.conn, self.key, "-", "+", limit=n, reverse=reverse)
        found = [entry for page in pages for entry in page]
        return frames.entries(found[::-1] if reverse else found, self.format)

    def frames(
        self,
        start: Position | None = None,
        end: Position | None = None,
        *,
        count: int = 10_000,
        columns: Sequence[str] | None = None,
        where: Where | None = None,
        types: Types = "infer",
    ) -> Iterator[pd.DataFrame]:
        """Read a range of any length in bounded memory, as one frame after the other.

        Parameters
        ----------
        count : int, default 10,000
            Rows per frame, at least 1; the last frame has what is left.
        start, end, columns, where, types
            As for `range`; types are inferred for each frame by itself.

        Yields
        ------
        DataFrame in schema ENTRIES
            Oldest first; none where there is nothing to read.
        """
        frames.check_limit(count, "count")
        if not count:
            raise ValueError("count=0; a frame has at least one row")
        bounds = range_bounds(start, end, lambda: wire.now(self.conn))

        def decode(part: Sequence[tuple[bytes, Fields | None]]) -> pd.DataFrame:
            return frames.entries(part, self.format, columns=columns, types=types)

        found: list[tuple[bytes, Fields | None]] = []
        for page in self._pages(bounds, None, where):
            found += page
            while len(found) >= count:
                yield decode(found[:count])
                del found[:count]
        if found:
            yield decode(found)

    # -- follow

    def follow(
        self, start: Position = "new", *, timeout: Duration | None = None
    ) -> Iterator[Entry]:
        """Give each entry as it arrives, without a group.

        Parameters
        ----------
        start : {"new", "all"} or position, default "new"
            Where to begin: entries added from now on, the first entry, or the one at a position
            (``f"({last_id}"`` begins after it).
        timeout : duration, optional
            End when no entry has come for so long. None goes on until the loop is left or
            interrupted; the connection stays usable.

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
        return following.follow(self.conn, self._cursor(start), self.format, timeout)

    def afollow(
        self, start: Position = "new", *, timeout: Duration | None = None
    ) -> AsyncIterator[Entry]:
        """Do what `follow` does, for ``async for``; it holds a link of its own."""
        return following.afollow(self.conn, self._cursor(start), self.format, timeout)

    def _cursor(self, start: Position) -> StreamCursor:
        return StreamCursor({self.key: self.after(start)})

    def after(self, start: Position) -> EntryId:
        """Resolve where reading begins, once: the ID after which the first wanted entry lies.

        Parameters
        ----------
        start : {"new", "all"} or position
            "new" is the end of the stream now, "all" its beginning; a position is included, or
            left out with a leading ``(``, as in ``f"({last_id}"``.
        """
        if start == "all":
            return EntryId("0-0")
        if start == "new":
            state = self._xinfo()
            return EntryId(state[b"last-generated-id"]) if state else EntryId("0-0")
        left_out = isinstance(start, str) and start.startswith("(")
        position = start[1:] if isinstance(start, str) and left_out else start
        text = resolve_position(position, lambda: wire.now(self.conn), up=True)
        if not left_out:
            return before(EntryId(text))
        return EntryId(text if "-" in text else f"{text}-{2**64 - 1}")

    # -- look after

    def info(self) -> pd.DataFrame:
        """Return the stream's state as a frame in schema STREAMS: one row, none if it is missing.

        `size` is its memory in bytes, `lag` that of the group furthest behind (missing where nobody
        knows, see `groups`), `pending` that of all groups together, `oldest_pending` how long ago
        the oldest of these was added. `dead_letters` counts the entries of ``<key>:dead``.

        Notes
        -----
        XINFO STREAM, XINFO GROUPS, MEMORY USAGE, XLEN, and XPENDING for each group with pending
        entries. Reads only.
        """
        # A key of another type is an error here, not a stream that is missing.
        rows = health.stream_rows(self.conn, [self.key]) if self._xinfo() else []
        return frames.table(frames.STREAMS, rows)

    def groups(self) -> pd.DataFrame:
        """Return the stream's consumer groups as a frame in schema GROUPS, by name.

        `oldest_pending` is how long ago the oldest pending entry was added, by its ID. Where `lag`
        is missing, `lag_unknown` says why; at the ends of the stream it is always known.
        `entries_read` is missing before Redis 7, or where the server has lost count.

        Notes
        -----
        XINFO GROUPS, XINFO STREAM, and XPENDING for each group. Reads only.
        """
        return frames.table(frames.GROUPS, health.group_rows(self.conn, self.key))

    def delete(self, entries: Iterable[str] | str | pd.DataFrame) -> int:
        """Delete entries by ID, or those of a frame, and return how many there were.

        Notes
        -----
        XDEL, 1,000 IDs at a time. A group's pending list keeps the IDs.
        """
        return sum(
            int(wire.ask(self.conn, "XDEL", self.key, *part, key=self.key))
            for part in wire.batches(frames.entry_ids(entries))
        )

    def trim(self, *, maxlen: int | None = None, minid: Position | None = None) -> int:
        """Drop the oldest entries and return how many were dropped.

        Parameters
        ----------
        maxlen : int, optional
            Keep the newest `maxlen` entries, at least 0.
        minid : str, EntryId or datetime, optional
            Keep what is at this position or newer. Give this or `maxlen`.

        Notes
        -----
        XTRIM, exact; O(n) in the entries dropped.
        """
        if maxlen is None and minid is None:
            raise ValueError("trim() needs maxlen= or minid=")
        command = self._trimming(maxlen, minid)
        return int(wire.ask(self.conn, "XTRIM", self.key, *command, key=self.key))

    def destroy(self) -> bool:
        """Remove the stream with its entries, groups and last ID; say whether there was one.

        Notes
        -----
        UNLINK. `delete` keeps the stream's last ID, and so refuses smaller ones. Dead letters are a
        stream of their own, ``<key>:dead``.
        """
        len(self)  # a key of another type is an error, and stays
        return bool(wire.ask(self.conn, "UNLINK", self.key, key=self.key))

    def _trimming(self, maxlen: int | None, minid: Position | None) -> list[Any]:
        if maxlen is not None and minid is not None:
            raise ValueError("give maxlen= or minid=, not both")
        if minid is not None:
            return ["MINID", "=", resolve_position(minid, lambda: wire.now(self.conn), up=True)]
        frames.check_limit(maxlen, "maxlen")
        return ["MAXLEN", "=", maxlen]

    def __len__(self) -> int:
        """Return the number of entries (XLEN), 0 where there is no stream."""
        return int(wire.ask(self.conn, "XLEN", self.key, key=self.key))

    def __bool__(self) -> bool:
        """Be true, also without an entry: asking costs no command."""
        return True

    def _xinfo(self) -> dict[bytes, Any] | None:
        try:
            reply = wire.ask(self.conn, "XINFO", "STREAM", self.key, key=self.key)
        except redis.ResponseError as error:
            if "no such key" in str(error):
                return None
            raise
        return wire.mapping(reply)


def _added(sending: publish.Sending) -> pd.DataFrame:
    wrong = {row: (status, publish.reason(why)) for row, (status, why) in sending.wrong.items()}
    return frames.added(sending.entry_ids, wrong)
