"""Delete and trim entries, and spare those that a consumer group still has to handle."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, Literal, NamedTuple, TypeAlias

import redis

from redisnb import frames, wire
from redisnb.entries import EntryId, Position, id_after, resolve_position
from redisnb.errors import ConnectError, choose, code, warn
from redisnb.hints import hinted
from redisnb.stream.key import Entries, StreamKey, ids_of

__all__ = ["Only", "Remover", "Trimming", "first_owed", "spares", "trim", "warn_if_gone"]

#: Which entries may go: "acked" means those that every group has acknowledged.
Only: TypeAlias = Literal["acked"]

_OWED = "a consumer group still has to handle; only='acked' spares them"


class Trimming(NamedTuple):
    """How far to trim a stream.

    Attributes
    ----------
    maxlen, minid : int or ID, optional
        How many entries to keep, or the first one to keep; one of the two.
    approximate : bool
        Whether a few more may stay.
    limit : int, optional
        The most entries that approximate trimming examines.
    only : "acked", optional
        Which entries may go.
    """

    maxlen: int | None
    minid: str | None
    approximate: bool = False
    limit: int | None = None
    only: Only | None = None

    @classmethod
    def of(
        cls,
        stream: StreamKey,
        maxlen: int | None,
        minid: Position | None,
        *,
        approximate: bool = False,
        limit: int | None = None,
        only: Only | None = None,
    ) -> Trimming | None:
        """Check the arguments; return None if they ask for no trimming."""
        if only is not None:
            choose(only, ("acked",), "only")
        if maxlen is None and minid is None:
            for name, value in (("only", only), ("limit", limit), ("approximate", approximate)):
                if value:
                    raise ValueError(f"{name}= says how to trim; give maxlen= or minid= too")
            return None
        if maxlen is not None and minid is not None:
            raise ValueError("give maxlen= or minid=, not both")
        if maxlen is not None:
            frames.check_limit(maxlen, "maxlen")
        if limit is not None:
            frames.check_limit(limit)
            if not approximate:
                raise ValueError("limit= goes with approximate=True: exact trimming has no limit")
        if minid is not None:
            minid = resolve_position(minid, lambda: wire.now(stream.conn), up=True)
        return cls(maxlen, minid, approximate, limit, only)

    def arguments(self, *, minid: str | None = None) -> list[Any]:
        """Return the arguments of XADD and XTRIM, with `minid` instead of its own if given."""
        first = self.minid if minid is None else minid
        how = ("MAXLEN", self.maxlen) if first is None else ("MINID", first)
        words: list[Any] = [how[0], "~" if self.approximate else "=", how[1]]
        return words if self.limit is None else [*words, "LIMIT", self.limit]


class Remover(StreamKey):
    """The methods of a stream that remove entries."""

    @hinted
    def delete(self, entries: Entries, *, only: Only | None = None) -> int:
        """Delete entries and return how many were deleted.

        Parameters
        ----------
        entries : IDs, times, or a frame with a column `entry_id`
            A time means all entries of its millisecond.
        only : "acked", optional
            Keep entries that a consumer group still has to handle: those that it has not read, or
            not acknowledged.

        Warns
        -----
        RedisnbWarning
            If entries are deleted that a group still has to handle.

        Notes
        -----
        XDEL, 1,000 IDs at a time; with ``only="acked"`` XDELEX ... ACKED (since Redis 8.2). XINFO
        GROUPS, and XPENDING for each group. A group's pending list keeps the IDs.

        Examples
        --------
        >>> billing.ack(billing.read(2))
        2
        >>> orders.delete("2024-05-01 10:30")
        1
        >>> orders.delete(orders.range(), only="acked")  # 2 more are still to be handled
        1
        >>> orders.range()["item"].tolist()
        ['tea', 'milk']
        """
        if only is not None:
            choose(only, ("acked",), "only")
        wire.check_sends(self.conn, "XDEL")
        ids = ids_of(self, entries)
        if only and spares(self):
            return sum(
                wire.ask(
                    self.conn, "XDELEX", self.key, "ACKED", "IDS", len(part), *part, key=self.key
                ).count(1)
                for part in wire.batches(ids)
            )
        if only:
            owed = _owed_ids(self, ids)
            ids = [id for id in ids if id not in owed]
        elif ids:
            # Deleting needs no permission to ask this.
            with contextlib.suppress(redis.ResponseError):
                owed = _owed_ids(self, ids)
                if owed:
                    warn(f"{self.key!r}: {len(owed):,} of the entries deleted {_OWED}")
        return sum(
            int(wire.ask(self.conn, "XDEL", self.key, *part, key=self.key))
            for part in wire.batches(ids)
        )

    @hinted
    def trim(
        self,
        *,
        maxlen: int | None = None,
        minid: Position | None = None,
        approximate: bool = False,
        limit: int | None = None,
        only: Only | None = None,
        dry_run: bool = False,
    ) -> int:
        """Drop the oldest entries and return how many were dropped.

        Parameters
        ----------
        maxlen : int, optional
            Keep the newest `maxlen` entries, at least 0.
        minid : ID or time, optional
            Keep entries at this position and newer ones. Give this or `maxlen`.
        approximate : bool
            Keep a few more where that is cheaper: only whole nodes of the stream are dropped.
        limit : int, optional
            The most entries that the server examines; only with `approximate`.
        only : "acked", optional
            Keep entries that a consumer group still has to handle: those that it has not read, or
            not acknowledged. Before Redis 8.2, and on Valkey, all entries after the first such one
            are kept too.
        dry_run : bool
            Only count the entries that would be dropped, without `approximate` and `limit`.

        Warns
        -----
        RedisnbWarning
            If entries were dropped that a group still had to handle.

        Notes
        -----
        XTRIM; O(n) in the entries dropped. XINFO GROUPS, and XPENDING for each group. To count,
        and to spare with `maxlen` before Redis 8.2, XRANGE in pages.

        Examples
        --------
        >>> billing.ack(billing.read(1))
        1
        >>> orders.trim(maxlen=2, dry_run=True)
        2
        >>> orders.trim(maxlen=2, only="acked")  # one of the two is still to be handled
        1
        """
        trimming = Trimming.of(self, maxlen, minid, approximate=approximate, limit=limit, only=only)
        if trimming is None:
            raise ValueError("trim() needs maxlen= or minid=")
        if dry_run:
            return _count_to_drop(self, trimming)[0]
        wire.check_sends(self.conn, "XTRIM")
        return trim(self, trimming)


def trim(stream: StreamKey, trimming: Trimming) -> int:
    """Trim, and return how many entries were dropped."""
    arguments = trimming.arguments()
    if trimming.only is None:
        owed = first_owed(stream)
        dropped = int(wire.ask(stream.conn, "XTRIM", stream.key, *arguments, key=stream.key))
        warn_if_gone(stream, owed)
        return dropped
    if spares(stream):
        arguments.append("ACKED")
    else:
        first = _first_kept(stream, trimming)
        if first is None:
            return 0
        arguments = trimming.arguments(minid=first)
    return int(wire.ask(stream.conn, "XTRIM", stream.key, *arguments, key=stream.key))


def spares(stream: StreamKey) -> bool:
    """Return whether the server itself can spare entries that a group still has to handle.

    https://redis.io/docs/latest/commands/xdelex/
    """
    return stream.conn.supports("XDELEX")


class _Owed(NamedTuple):
    """The entries of a stream that some group still has to handle.

    Attributes
    ----------
    after : EntryId or None
        Some group has not read the entries after it; None without a group.
    pending : set of str
        The pending entries, if they were asked for.
    first : EntryId or None
        No entry before it is owed to a group, if that was asked for.
    """

    after: EntryId | None
    pending: set[str]
    first: EntryId | None


def _owed(stream: StreamKey, start: str | None = None, end: str = "+") -> _Owed:
    """Ask what the groups still have to handle; with `start`, list all pending from there."""
    conn, key = stream.conn, stream.key
    try:
        reply = wire.ask(conn, "XINFO", "GROUPS", key, key=key)
    except redis.ResponseError as error:
        if "no such key" not in str(error):
            raise
        reply = []
    groups = list(map(wire.mapping, reply))
    if not groups:
        return _Owed(None, set(), None)
    # Before the pending lists: entries delivered in between are in them, or acknowledged.
    after = min(EntryId(group[b"last-delivered-id"]) for group in groups)
    pending: set[str] = set()
    first = id_after(after)
    for name in [group[b"name"] for group in groups if group[b"pending"]]:
        try:
            if start is None:
                first = min(first, _first_pending(stream, name) or first)
            else:
                pending |= set(chain.from_iterable(_pending(stream, name, start, end)))
        except redis.ResponseError as error:
            # The group may just have been destroyed: nothing is owed to it.
            if code(error) != "NOGROUP":
                raise
    return _Owed(after, pending, first)


def _first_pending(stream: StreamKey, group: bytes) -> EntryId | None:
    """Return the first pending entry of a group that is still in the stream."""
    conn, key = stream.conn, stream.key
    # Usually it is the first one.
    for ids in chain(_pending(stream, group, count=1), _pending(stream, group)):
        found = wire.ask_many(conn, [("XRANGE", key, id, id) for id in ids])
        for id, entries in zip(ids, found, strict=True):
            if isinstance(entries, list) and entries:
                return id
    return None


def _pending(
    stream: StreamKey, group: bytes, start: str = "-", end: str = "+", count: int | None = None
) -> Iterator[list[EntryId]]:
    """Yield the pending entries of a group in pages; with a count, at most so many."""
    at: str | bytes = start
    while True:
        command = ("XPENDING", stream.key, group, at, end, count or wire.PAGE)
        page = wire.ask(stream.conn, *command, key=stream.key)
        yield [EntryId(row[0]) for row in page]
        if count or len(page) < wire.PAGE:
            return
        at = b"(" + page[-1][0]


def _owed_ids(stream: StreamKey, ids: Sequence[str]) -> set[str]:
    """Return which of these entries some group still has to handle."""
    if not ids:
        return set()
    ordered = sorted(map(EntryId, ids))
    groups = _owed(stream, str(ordered[0]), str(ordered[-1]))
    if groups.after is None:
        return set()
    return {id for id in ordered if id > groups.after or id in groups.pending}


def _first_kept(stream: StreamKey, trimming: Trimming) -> str | None:
    """Return the MINID that drops no entry that a group still has to handle."""
    first = _owed(stream).first
    if trimming.minid is not None:
        # "5" means the beginning of a millisecond.
        return trimming.minid if first is None else str(min(EntryId(trimming.minid), first))
    count, last = _count_to_drop(stream, trimming)
    return str(id_after(last)) if count and last is not None else None


def _count_to_drop(stream: StreamKey, trimming: Trimming) -> tuple[int, EntryId | None]:
    """Return how many entries a trim would drop, and the last of them."""
    conn, key = stream.conn, stream.key
    left: float = math.inf
    if trimming.maxlen is not None:
        left = int(wire.ask(conn, "XLEN", key, key=key)) - trimming.maxlen
    skips = bool(trimming.only) and spares(stream)
    groups = _owed(stream, "-" if skips else None) if trimming.only else None
    first = None if groups is None else groups.first
    bounds = [EntryId(each) for each in (trimming.minid, None if skips else first) if each]
    end = f"({min(bounds)}" if bounds else "+"
    if left <= 0 or end == "(0-0":
        return 0, None
    if groups is None and trimming.minid is None:
        return int(left), None
    count, last = 0, None
    for page in wire.Pages(conn, key, "-", end):
        for id, _ in page:
            if count >= left:
                return count, last
            entry_id = EntryId(id)
            if groups is not None and skips and groups.after is not None:
                if entry_id > groups.after:
                    return count, last
                if entry_id in groups.pending:
                    continue
            count, last = count + 1, entry_id
    return count, last


def first_owed(stream: StreamKey) -> str | None:
    """Return the first entry that some group still has to handle; None also if it is unknown."""
    # Trimming needs no permission to ask this; any other error shows there.
    with contextlib.suppress(redis.RedisError, ConnectError, OSError):
        first = _owed(stream).first
        return None if first is None else _first_id(stream, str(first), "+")
    return None


def warn_if_gone(stream: StreamKey, entry_id: str | None) -> None:
    """Warn if an entry that a group still had to handle was dropped."""
    with contextlib.suppress(redis.RedisError, ConnectError, OSError):
        if entry_id is None or _first_id(stream, entry_id, entry_id):
            return
        warn(f"{stream.key!r}: among the entries dropped are some that {_OWED}")


def _first_id(stream: StreamKey, start: str, end: str) -> str | None:
    """Return the ID of the first entry of a range."""
    found = wire.ask(stream.conn, "XRANGE", stream.key, start, end, "COUNT", 1, key=stream.key)
    return found[0][0].decode() if found else None
