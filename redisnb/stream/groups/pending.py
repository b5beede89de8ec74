"""The pending list of a group: entries delivered and not acknowledged.

Its commands are conversations, see `wire`, for blocking and asyncio code.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import compress
from typing import Any, NamedTuple

import pandas as pd

from redisnb import frames, wire
from redisnb.durations import Duration, milliseconds
from redisnb.entries import Fields, Position, id_after, id_pair, range_bounds
from redisnb.frames import Where
from redisnb.hints import hinted
from redisnb.stream.following import resolve_start
from redisnb.stream.groups.key import MAY_BE_DELIVERED, GroupKey
from redisnb.stream.key import DEFAULT_LIMIT, Entries, ids_of
from redisnb.wire import Conversation

__all__ = ["GIVEN_BACK", "PendingList", "claim_page", "count_deliveries", "give_back", "keep_held"]

#: The idle time of entries that were given back, in ms: longer than any `min_idle` in use.
GIVEN_BACK = 24 * 60 * 60 * 1000


class ClaimedPage(NamedTuple):
    """The entries that `claim_page` has taken over.

    Attributes
    ----------
    start : bytes
        Where to continue, ``b"0-0"`` at the end of the pending list.
    entries : list of (ID, fields)
        The entries claimed; the fields are None where the body is gone.
    deliveries : dict of ID to int
        How often each was delivered, including this time.
    """

    start: bytes
    entries: list[tuple[bytes, Fields | None]]
    deliveries: dict[bytes, int]


class NotHeld(NamedTuple):
    """Entries that a consumer does not hold any more.

    Attributes
    ----------
    lost : set of ID
        Taken over by another consumer, or acknowledged.
    gone : set of ID
        Without a body, so that Redis 7 has removed them from the pending list.
    """

    lost: set[bytes]
    gone: set[bytes]


class PendingList(GroupKey):
    """The methods of a group for pending entries."""

    @hinted
    def pending(
        self,
        start: Position | None = None,
        end: Position | None = None,
        *,
        consumer: str | None = None,
        min_idle: Duration = 0,
        payload: bool = False,
        where: Where | None = None,
        limit: int | None = DEFAULT_LIMIT,
    ) -> pd.DataFrame:
        """List the entries that were delivered and not acknowledged.

        Parameters
        ----------
        start, end : ID or time, optional
            Only entries between these, as for `Stream.range`.
        consumer : str, optional
            Only entries that this consumer holds.
        min_idle : duration, default 0
            Only entries that were last delivered at least this long ago.
        payload : bool
            Add the events' columns. For an entry whose body was trimmed they are missing, and
            ``attrs["trimmed"]`` has its ID.
        where
            As for `Stream.range`, by the values of the events; a trimmed entry has none.
        limit : int or None, default 100,000
            As for `Stream.range`.

        Returns
        -------
        DataFrame in schema PENDING
            Oldest first; empty if nothing is pending. Entries that a consumer has returned with
            XNACK, on newer servers, have the consumer "" and no idle time.

        Notes
        -----
        XPENDING in pages of 1,000; with `payload` or `where` also an XRANGE for each entry. Reads
        only.

        Examples
        --------
        >>> frame = billing.read(2)
        >>> billing.pending(payload=True)[["consumer", "deliveries", "item"]]
                                  consumer  deliveries    item
        entry_time
        2024-05-01 10:30:00+00:00      ann           1     tea
        2024-05-01 10:31:00+00:00      ann           1  coffee
        """
        frames.check_limit(limit)
        idle = milliseconds(min_idle, "min_idle")
        filter = self._filter(where)
        rows: list[tuple[bytes, bytes, int, int]] = []
        bodies: list[Fields | None] = []
        first, last = range_bounds(start, end, lambda: wire.now(self.stream.conn))
        at: str | bytes = first
        while limit is None or len(rows) <= limit:
            command = ["XPENDING", self.stream.key, self.name, *(["IDLE", idle] if idle else [])]
            command += [at, last, wire.PAGE, *([consumer] if consumer is not None else [])]
            page = self._ask(*command)
            found = self._bodies([row[0] for row in page]) if payload or filter else []
            mask = [True] * len(page)
            if filter is not None and page:
                ids = [row[0] for row in page]
                mask = filter.of_entries(ids, found, self.stream.key).tolist()
            rows += [tuple(row) for row in compress(page, mask)]
            bodies += compress(found, mask)
            if len(page) < wire.PAGE:
                break
            at = b"(" + page[-1][0]
        if filter is not None:
            filter.check()
        more = limit is not None and len(rows) > limit
        columns = bodies[:limit] if payload else None
        return frames.mark_truncated(
            frames.pending_frame(rows[:limit], columns, self.stream.layout, self.stream.schema),
            limit if more else None,
            DEFAULT_LIMIT,
            "limit=None lists all",
        )

    def _bodies(self, ids: list[bytes]) -> list[Fields | None]:
        key = self.stream.key
        replies = wire.ask_many(self.stream.conn, [("XRANGE", key, id, id) for id in ids])
        return [reply[0][1] if isinstance(reply, list) and reply else None for reply in replies]

    @hinted
    def claim(
        self,
        entries: Entries,
        *,
        min_idle: Duration,
        payload: bool = True,
        deliveries: int | None = None,
        force: bool = False,
    ) -> pd.DataFrame:
        """Take over pending entries for this consumer.

        Parameters
        ----------
        entries : IDs, times, or a frame with a column `entry_id`
            For example a selection of `pending`.
        min_idle : duration
            Leave entries that were delivered more recently: their consumer may be at work.
        payload : bool, default True
            Return the events. Without them the frame has only the IDs, and deliveries are not
            counted.
        deliveries : int, optional
            Set the number of deliveries of each.
        force : bool
            Also take entries of the stream that are not pending.

        Returns
        -------
        DataFrame in schema ENTRIES
            The entries claimed, with idle time 0 and one more delivery; not those that are not
            pending, were delivered too recently, or have no body any more.

        Raises
        ------
        redis.exceptions.ConnectionError, redis.exceptions.TimeoutError
            As for `read`.

        Notes
        -----
        XCLAIM, 1,000 IDs at a time, with JUSTID, RETRYCOUNT and FORCE as needed.

        Examples
        --------
        >>> frame = billing.read(2)
        >>> ben = rnb.ConsumerGroup(orders, "billing", consumer="ben")
        >>> ben.claim(billing.pending(), min_idle="0ms")["item"].tolist()
        ['tea', 'coffee']
        """
        idle = milliseconds(min_idle, "min_idle")
        frames.check_limit(deliveries, "deliveries")
        where = (self.stream.key, self.name, self.consumer)
        options = (
            *(() if deliveries is None else ("RETRYCOUNT", deliveries)),
            *(("FORCE",) if force else ()),
            *(() if payload else ("JUSTID",)),
        )
        found = []
        with self._noting(MAY_BE_DELIVERED.format(self.consumer)):
            for part in wire.batches(ids_of(self.stream, entries)):
                found += self._ask("XCLAIM", *where, idle, *part, *options)
        if not payload:
            return frames.ids_frame(found)
        return self._frame(_with_body(found))

    @hinted
    def autoclaim(
        self,
        *,
        min_idle: Duration,
        start: Position | None = None,
        limit: int | None = DEFAULT_LIMIT,
    ) -> pd.DataFrame:
        """Take over all entries that have been idle for some time, oldest first.

        Parameters
        ----------
        min_idle : duration
            As for `claim`.
        start : ID or time, optional
            Where in the pending list to begin; with a leading ``(`` after that.
        limit : int or None, default 100,000
            The most entries to take, None for all.

        Returns
        -------
        DataFrame in schema ENTRIES
            As for `claim`. ``attrs["trimmed"]`` lists entries without a body, which are not pending
            any more.

        Raises
        ------
        redis.exceptions.ConnectionError, redis.exceptions.TimeoutError
            As for `read`.

        Notes
        -----
        XAUTOCLAIM over the whole pending list, 1,000 entries at a time, XCLAIM for their bodies,
        and XACK for those without one.

        Examples
        --------
        >>> frame = billing.read(2)
        >>> ben = rnb.ConsumerGroup(orders, "billing", consumer="ben")
        >>> ben.autoclaim(min_idle="0ms")["item"].tolist()
        ['tea', 'coffee']
        """
        frames.check_limit(limit)
        idle = milliseconds(min_idle, "min_idle")
        where = (self.stream.key, self.name, self.consumer)
        found: list[tuple[bytes, Fields | None]] = []
        trimmed: list[bytes] = []
        at = b"0-0"
        if start is not None:
            # The ID after an excluded position.
            at = id_after(resolve_start(self.stream, start)).encode()
        with self._noting(MAY_BE_DELIVERED.format(self.consumer)):
            while limit is None or len(found) < limit:
                count = wire.PAGE if limit is None else min(limit - len(found), wire.PAGE)
                # An empty page with a cursor is normal: each call scans 10 x COUNT entries,
                # https://redis.io/docs/latest/commands/xautoclaim/
                claimed = self._converse(claim_page(*where, idle, at, count))
                found += [entry for entry in claimed.entries if entry[1] is not None]
                gone = [id for id, fields in claimed.entries if fields is None]
                # Since version 7 Redis removes them from the list itself.
                for part in wire.batches(gone):
                    self._ask("XACK", self.stream.key, self.name, *part)
                trimmed += gone
                at = claimed.start
                if at == b"0-0":
                    break
        return frames.mark_trimmed(self._frame(found), trimmed)

    def release(self, entries: Entries) -> int:
        """Give back entries that this consumer holds, so that others can claim them at once.

        Parameters
        ----------
        entries : IDs, times, or a frame with a column `entry_id`
            Entries that this consumer does not hold are ignored.

        Returns
        -------
        int
            How many were given back. They stay pending under this consumer's name until they are
            claimed, but count as idle for a day, longer than any `min_idle` in use; their number of
            deliveries is unchanged.

        Notes
        -----
        XPENDING and XCLAIM with IDLE, 1,000 IDs at a time.

        Examples
        --------
        >>> frame = billing.read(2)
        >>> billing.release(frame)
        2
        >>> billing.autoclaim(min_idle="1h")["item"].tolist()
        ['tea', 'coffee']
        """
        where = (self.stream.key, self.name, self.consumer)
        ids = [id.encode() for id in ids_of(self.stream, entries)]
        released = 0
        for part in wire.batches(ids):
            not_held = self._converse(give_back(*where, part))
            released += len(set(part)) - len(not_held.lost) - len(not_held.gone)
        return released


def _with_body(found: list[Any]) -> list[Any]:
    # Redis 6.2 sends a nil, or a pair of nils, for a claimed entry whose body is gone.
    return [entry for entry in found if entry is not None and entry[1] is not None]


def claim_page(
    key: str, group: str, consumer: str, idle: int, start: bytes, count: int
) -> Conversation[ClaimedPage]:
    """Take over up to `count` entries that have been idle for `idle` ms, from `start` on."""
    # IDs only, at first: with bodies, Redis 6.2 does not say which entries have none.
    start, found, *gone = yield (
        *("XAUTOCLAIM", key, group, consumer, idle, start, "COUNT", count, "JUSTID"),
    )
    entries: dict[bytes, Fields | None] = dict.fromkeys(gone[0] if gone else ())
    if found:
        bodies = yield ("XCLAIM", key, group, consumer, 0, *found)
        entries |= dict.fromkeys(found)
        # Redis 6.2 sends a nil, or a pair of nils, for an entry whose body is gone.
        entries |= {body[0]: body[1] for body in bodies if body is not None and body[0] is not None}
    counts = yield from count_deliveries(key, group, consumer, found)
    return ClaimedPage(start, sorted(entries.items(), key=lambda entry: id_pair(entry[0])), counts)


def count_deliveries(
    key: str, group: str, consumer: str, ids: Sequence[bytes]
) -> Conversation[dict[bytes, int]]:
    """Return how often each of these entries of a consumer was delivered."""
    held = yield from _rows_of(key, group, ids, consumer)
    return {id: held[id][3] for id in ids if id in held}


def keep_held(
    key: str, group: str, consumer: str, ids: Sequence[bytes], *, idle: int = 0
) -> Conversation[NotHeld]:
    """Set the idle time of a consumer's entries back to 0, or to `idle` ms.

    Entries that another consumer has taken over stay with it.
    """
    held = yield from _rows_of(key, group, ids, consumer)
    mine = {id: held[id][2] for id in ids if id in held}
    rest: set[bytes] = set()
    owners: dict[bytes, list[Any]] = {}
    if mine:
        # One that is taken over at this moment has not been idle for as long, so it stays there.
        least = min(mine.values())
        kept = yield ("XCLAIM", key, group, consumer, least, *mine, "IDLE", idle, "JUSTID")
        rest = set(mine).difference(kept)
        owners = yield from _rows_of(key, group, rest)
    taken = {id for id in rest if id in owners and owners[id][1] != held[id][1]}
    return NotHeld(set(ids).difference(mine) | taken, rest.difference(owners))


def give_back(key: str, group: str, consumer: str, ids: Sequence[bytes]) -> Conversation[NotHeld]:
    """Let other consumers claim a consumer's entries at once."""
    return (yield from keep_held(key, group, consumer, ids, idle=GIVEN_BACK))


def _rows_of(
    key: str, group: str, ids: Collection[bytes], *consumer: str
) -> Conversation[dict[bytes, list[Any]]]:
    """Return the rows of the pending list over the range of `ids`, of all or of one consumer.

    A row is an ID, its consumer, how long it was idle in ms, and how often it was delivered.
    """
    rows: dict[bytes, list[Any]] = {}
    if not ids:
        return rows
    ordered = sorted(ids, key=id_pair)
    start, end = ordered[0], ordered[-1]
    while True:
        page = yield ("XPENDING", key, group, start, end, wire.PAGE, *consumer)
        rows |= {row[0]: row for row in page}
        if len(page) < wire.PAGE:
            return rows
        start = b"(" + page[-1][0]
