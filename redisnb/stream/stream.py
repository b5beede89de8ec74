"""Stream: publish events to one stream and read them back as frames."""

from __future__ import annotations

from typing import Any, overload

import pandas as pd

from redisnb import cards, frames, wire
from redisnb.entries import Entry, EntryId, Position, is_entry_id, make_entry, resolve_position
from redisnb.hints import hinted
from redisnb.stream import rows, state
from redisnb.stream.card import stream_card
from redisnb.stream.full import full
from redisnb.stream.profile import Profiler
from redisnb.stream.publishing import Publisher
from redisnb.stream.reader import StreamReader
from redisnb.stream.removing import Remover

__all__ = ["Stream"]


class Stream(Publisher, Remover, Profiler, StreamReader):
    """A stream: one key of a database and the format of its events.

    Nothing is sent until a method is called; the stream need not exist.

    Parameters
    ----------
    conn : Connection
        From `redisnb.connect`.
    key : str or bytes
        The stream's key. Bytes that are not UTF-8 are spelled as `redisnb.to_bytes` says.
    format : {"auto", "json", "fields", "raw"}
        How entries carry events. "json": one field holds a JSON object; other fields are members
        too. "fields": one field for each member, as text. "auto" writes "json" and reads both, and
        also an object in the only field of an entry, whatever its name. "raw": all (name, value)
        pairs of bytes.
    field : str, default "payload"
        The field that holds the JSON object.
    json : list of str, optional
        Other fields that hold JSON, read and written as members with their names. For Debezium's
        entries, ``field="value", json=["key"]`` makes columns of the members of ``value``, and
        ``key.id``.
    decode : str, callable or pair, optional
        What these fields hold instead of JSON: "gzip" or "zstd" (compressed JSON), "msgpack",
        "cbor" (``pip install redisnb[cbor]``), or a function from bytes to a mapping or to JSON
        text. An entry for which it raises is odd. To write, give a pair: ``("gzip", "gzip")``, or a
        function from the event to bytes as the second.
    schema : mapping of str to dtype, optional
        ``{"qty": "Int64", "at": "datetime64[ms, UTC]"}``: frames have exactly these columns and
        dtypes, also when empty. A value that does not fit is missing, for filters too, and
        ``frame.attrs["misfits"]`` counts these by column. `infer_schema` proposes a schema.

    Notes
    -----
    Each entry is read by itself: its event, the names of its columns and whether a filter chooses
    it never depend on other entries. An entry is odd if `field` does not hold a JSON object, one of
    `json` does not hold JSON, or `decode` cannot read it: it has its fields as columns, does not
    affect other entries, and ``frame.attrs["odd"]`` counts such rows. Only the type of a column
    depends on the whole frame: text becomes numbers if all of it is numeric, and a column of
    different kinds has the values unchanged, as objects. A frame that is one piece of a read (from
    `frames`, in a consumer, or the argument of a ``where=`` function) cannot depend on the rest:
    text stays text there, unless a schema says otherwise.

    Examples
    --------
    >>> orders = rnb.Stream(conn, "orders")
    >>> orders.tail(2)
                                      entry_id  item  amount
    entry_time
    2024-05-01 10:32:00+00:00  1714559520000-0   tea       5
    2024-05-01 10:33:00+00:00  1714559580000-0  milk       3
    >>> len(orders), "2024-05-01 10:31" in orders
    (4, True)
    >>> orders["2024-05-01 10:31"].event
    {'item': 'coffee', 'amount': 1}
    """

    def __repr__(self) -> str:
        return cards.line("Stream", cards.quoted(self.key), self.conn.closed and "closed")

    def _repr_html_(self) -> str:
        return stream_card(self)

    def info(self) -> pd.DataFrame:
        """Return the stream's state as a frame in schema STREAMS: one row, none if it is missing.

        `last_id` is the ID that was added last, also where its entry is deleted; `first_time` and
        `last_time` are those of the first and the last entry (missing without entries, or beyond
        the year 9999). `size` is its memory in bytes, `lag` that of the group furthest behind
        (missing where it is unknown, see `groups`), `pending` the total of all groups,
        `oldest_pending` the time since the oldest of these was added. `dead_letters` counts the
        entries of ``<key>:dead``.

        `rate` is how many entries a second were added lately. Of the newest 50 entries (fewer if
        they are large, but two), those of the last minute are divided by 60 s; if all are of the
        last minute, those after the oldest by the time since it was added. A stream to which
        nothing was added for a minute has the rate 0. It is missing where it cannot be known: with
        no entry yet, or one; where IDs are no times of adding (before 2018 or in the future); and
        where entries were deleted that would count.

        Notes
        -----
        XINFO STREAM, XINFO GROUPS, MEMORY USAGE, TIME, XLEN, XPENDING for each group with pending
        entries, and XREVRANGE if an entry was added in the last minute. Reads only.

        Examples
        --------
        >>> orders.info()[["stream", "length", "groups", "first_time", "pending"]]
           stream  length  groups                first_time  pending
        0  orders       4       1 2024-05-01 10:30:00+00:00        0
        """
        found = rows.stream_rows(self.conn, self.key)
        # A key of another type is an error here, not a missing stream.
        if not found and state.stream_info(self.conn, self.key) is None:
            wire.warn_of_absent(self.conn, self.key)
        return frames.table(frames.STREAMS, found)

    def groups(self) -> pd.DataFrame:
        """Return the stream's consumer groups as a frame in schema GROUPS, by name.

        `oldest_pending` is the time since the oldest pending entry was added, by its ID, and
        `longest_idle` the longest time since a consumer that holds pending entries last asked for
        any (missing if none is pending). Where `lag` is missing, `lag_unknown` says why; it is
        always known at the ends of the stream. `entries_read` is missing before Redis 7, or where
        the server has lost count.

        Notes
        -----
        XINFO GROUPS, XINFO STREAM, and XPENDING and XINFO CONSUMERS for each group with pending
        entries. Reads only.

        Examples
        --------
        >>> orders.groups()[["group", "consumers", "pending", "last_delivered_id"]]
             group  consumers  pending last_delivered_id
        0  billing          0        0               0-0
        """
        found = rows.group_rows(self.conn, self.key)
        if not found:
            wire.warn_of_absent(self.conn, self.key)
        return frames.table(frames.GROUPS, found)

    @hinted
    def full(self, limit: int | None = 10) -> dict[str, pd.DataFrame]:
        """Return everything that the server reports about the stream, as frames by name.

        Parameters
        ----------
        limit : int or None, default 10
            The most entries, and the most pending entries of each group; None for all.

        Returns
        -------
        dict of str to DataFrame
            "stream" as from `info`, "groups" as from `groups`, "entries" in schema ENTRIES, the
            first of the stream; "consumers" and "pending" as from `ConsumerGroup.consumers` and
            `ConsumerGroup.pending`, for all groups, with a first column `group`.

        Notes
        -----
        XINFO STREAM with FULL, and the commands of `info` and `groups`. Reads only.

        Examples
        --------
        >>> list(orders.full())
        ['stream', 'groups', 'entries', 'consumers', 'pending']
        """
        frames.check_limit(limit)
        found = full(self, limit)
        return {"stream": self.info(), "groups": self.groups()} | found

    def destroy(self) -> bool:
        """Remove the stream with its entries, groups and last ID; return whether it existed.

        Notes
        -----
        UNLINK. After `delete`, unlike this, the stream keeps its last ID and refuses smaller ones.
        Dead letters are in another stream, ``<key>:dead``, which stays.

        Examples
        --------
        >>> orders.destroy()
        True
        >>> len(orders)
        0
        """
        len(self)  # a key of another type raises here, and is kept
        return bool(wire.ask(self.conn, "UNLINK", self.key, key=self.key))

    # -- single entries

    def entry(self, entry_id: Position) -> Entry | None:
        """Return one entry as stored, or None if there is none.

        Parameters
        ----------
        entry_id : ID or time
            A time means the first entry of its millisecond.

        Notes
        -----
        XRANGE. Reads only.

        Examples
        --------
        >>> orders.entry("2024-05-01 10:32").event
        {'item': 'tea', 'amount': 5}
        """
        id = entry_id if is_entry_id(entry_id) else None
        at = EntryId(id) if isinstance(id, str | bytes) else self._millisecond(entry_id)
        found = wire.ask(self.conn, "XRANGE", self.key, at, at, "COUNT", 1, key=self.key)
        return make_entry(found[0][0], found[0][1], self.key, self.layout) if found else None

    def _millisecond(self, time: Position) -> str:
        return resolve_position(time, lambda: wire.now(self.conn))

    def __contains__(self, entry_id: object) -> bool:
        """Return whether there is an entry with this ID, or in this time's millisecond."""
        return self.entry(entry_id) is not None  # type: ignore[arg-type]  # said by `entry`

    @overload
    def __getitem__(self, place: slice) -> pd.DataFrame: ...

    @overload
    def __getitem__(self, place: Position) -> Entry: ...

    def __getitem__(self, place: Any) -> Any:
        """Return an entry by ID or time, or with ``stream[start:end]`` what `range` returns.

        Raises
        ------
        KeyError
            If there is no such entry.
        """
        if isinstance(place, slice):
            if place.step is not None:
                raise ValueError(
                    "stream[start:end] has no step; range(start, end, limit=, reverse=) has options"
                )
            return self.range(place.start, place.stop)
        found = self.entry(place)
        if found is None:
            raise KeyError(f"{self.key!r} has no entry {place}")
        return found

    #: With `__getitem__` alone, a loop would ask for the milliseconds 0, 1, 2, ...
    __iter__ = None

    # -- length

    def __len__(self) -> int:
        """Return the number of entries (XLEN), 0 where there is no stream."""
        return int(wire.ask(self.conn, "XLEN", self.key, key=self.key))

    def __bool__(self) -> bool:
        """Return True, even without entries: it costs no command."""
        return True
