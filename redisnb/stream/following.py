"""Entries as they arrive, for blocking code and for asyncio code."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from itertools import compress

import redis

from redisnb import cards, wire
from redisnb.durations import Duration, milliseconds
from redisnb.entries import (
    LARGEST_PART,
    Entry,
    EntryId,
    Layout,
    Position,
    begin_hint,
    id_before,
    make_entry,
    resolve_position,
)
from redisnb.errors import ConnectError, warn
from redisnb.frames import Filter
from redisnb.patience import Patience
from redisnb.stream.cursor import Notice, StreamCursor, StreamEntry
from redisnb.stream.key import StreamKey
from redisnb.stream.state import stream_info
from redisnb.wire import Connection

__all__: list[str] = []

#: How long one blocking read waits, in ms: a stop or a Ctrl-C is noticed within it.
BLOCK = 500
#: How long after a read to ask what the server has dropped, in seconds: after entries, and without.
LOOK_SOON, LOOK_LATER = 1.0, 5.0


def resolve_start(stream: StreamKey, start: Position) -> EntryId:
    """Return the ID after which reading begins, resolved once.

    Parameters
    ----------
    start : {"new", "all"} or position
        "new" is the present end of the stream, "all" its beginning; a position is included, or
        excluded with a leading ``(``, as in ``f"({last_id}"``.
    """
    if start == "all":
        return EntryId("0-0")
    if start == "new":
        state = stream_info(stream.conn, stream.key)
        return EntryId(state[b"last-generated-id"]) if state else EntryId("0-0")
    left_out = isinstance(start, str) and start.startswith("(")
    position = start[1:] if isinstance(start, str) and left_out else start
    with begin_hint(position):
        text = resolve_position(position, lambda: wire.now(stream.conn), up=True)
    if not left_out:
        return id_before(EntryId(text))
    return EntryId(text if "-" in text else f"{text}-{LARGEST_PART}")


def follow(
    conn: Connection,
    cursor: StreamCursor,
    layout: Layout,
    timeout: Duration | None,
    filter: Filter | None = None,
) -> Iterator[Entry]:
    """Yield entries, as for `Stream.follow`."""
    entries = _follow(conn, cursor, layout, Wait(conn, timeout), filter)
    return cards.named(entries, f"Stream.follow of {cards.name_list(cursor.after)}")


def _filtered(found: list[StreamEntry], filter: Filter | None) -> Iterable[StreamEntry]:
    if filter is None or not found:
        return found
    keys, ids, bodies = zip(*found, strict=True)
    several = len(set(keys)) > 1
    mask = filter.of_entries(ids, bodies, keys if several else keys[0])
    return compress(found, mask.tolist())


def _follow(
    conn: Connection,
    cursor: StreamCursor,
    layout: Layout,
    wait: Wait,
    filter: Filter | None,
) -> Iterator[Entry]:
    for found in followed_pages(conn, cursor, wait):
        for key, id, fields in _filtered(found, filter):
            yield make_entry(id, fields, key, layout)


def followed_pages(
    conn: Connection, cursor: StreamCursor, wait: Wait
) -> Iterator[list[StreamEntry]]:
    """Yield entries in pages as they arrive, and an empty page at least twice a second."""
    wait.renew()
    while True:
        block = wait.block()
        try:
            if wait.looks(last=block is None):
                look = cursor.look(every=True)
                states = wire.xinfo_states(look, wire.ask_many(conn, look))
                _tell(cursor.seen(states))
            if block is None:
                return
            command = cursor.command(wire.PAGE, block)
            found = cursor.feed(wire.ask(conn, *command, key=command[-2], wait=block / 1000))
        except (redis.RedisError, ConnectError, OSError) as error:
            time.sleep(wait.wait_after(error))
            yield []
            continue
        if not found:
            wait.came(some=False)
        yield found
        if found:
            # Only now: the time that the caller takes is not waiting time.
            wait.came(some=True)


def afollow(
    conn: Connection,
    cursor: StreamCursor,
    layout: Layout,
    timeout: Duration | None,
    filter: Filter | None = None,
) -> AsyncIterator[Entry]:
    """Yield entries, as for `Stream.afollow`."""
    entries = _afollow(conn, cursor, layout, Wait(conn, timeout), filter)
    return cards.named(entries, f"Stream.afollow of {cards.name_list(cursor.after)}")


async def _afollow(
    conn: Connection,
    cursor: StreamCursor,
    layout: Layout,
    wait: Wait,
    filter: Filter | None,
) -> AsyncIterator[Entry]:
    wait.renew()
    link = wire.async_link(conn)
    try:
        while True:
            block = wait.block()
            try:
                if wait.looks(last=block is None):
                    look = cursor.look(every=True)
                    replies = await wire.ask_many_async(link, look, timeout=conn.timeout)
                    _tell(cursor.seen(wire.xinfo_states(look, replies)))
                if block is None:
                    return
                command = cursor.command(wire.PAGE, block)
                reply = await wire.ask_async(
                    link, *command, key=command[-2], timeout=conn.timeout + block / 1000
                )
                found = cursor.feed(reply)
            except (redis.RedisError, OSError) as error:
                await wire.close_async(link)
                await asyncio.sleep(wait.wait_after(error))
                continue
            for key, id, fields in _filtered(found, filter):
                yield make_entry(id, fields, key, layout)
            wait.came(bool(found))
    finally:
        await wire.close_async(link)


def _tell(notices: Sequence[Notice]) -> None:
    for notice in notices:
        warn(notice.message)


class Wait:
    """How long a read that follows a stream waits: for entries, for a lost server, until a look.

    Parameters
    ----------
    conn : Connection
        Its timeout limits how long the server may be away.
    timeout : duration or None
        How long to wait for an entry.
    """

    def __init__(self, conn: Connection, timeout: Duration | None) -> None:
        self._patience = Patience(conn.timeout)
        self._timeout = None if timeout is None else milliseconds(timeout, "timeout") / 1000
        self._look_at, self._unlooked = 0.0, False
        self.renew()

    def renew(self) -> None:
        """Restart the wait for an entry."""
        self._since, self._is_over = time.monotonic(), False

    def block(self) -> int | None:
        """Return for how many ms to block now, or None if the time to wait is over."""
        if self._is_over:
            return None
        return max(1, math.ceil(min(self._left() * 1000, BLOCK)))

    def _left(self) -> float:
        """Return how much longer to wait for an entry, in seconds."""
        return math.inf if self._timeout is None else self._timeout + self._since - time.monotonic()

    def looks(self, *, last: bool = False) -> bool:
        """Return whether to ask now what the server has dropped."""
        now = time.monotonic()
        if now < self._look_at and not (last and self._unlooked):
            return False
        self._look_at, self._unlooked = now + LOOK_LATER, False
        return True

    def came(self, some: bool) -> None:
        """Note a reply, with entries or without."""
        self._patience.reset()
        # Only an empty reply shows that there was no entry: this thread may have slept meanwhile.
        self._is_over = not some and self._left() <= 0
        if some:
            self.renew()
            self._look_at, self._unlooked = min(self._look_at, self._since + LOOK_SOON), True

    def wait_after(self, error: Exception) -> float:
        """Return how long to wait before the next attempt, in seconds.

        Raises
        ------
        Exception
            The error itself, if it is not transient or the server has been away for too long.
        """
        if self._left() <= 0:
            raise error
        return self._patience.wait_after(error)
