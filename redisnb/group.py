"""ConsumerGroup: share the entries of a stream among consumers, each handled once at least."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
import redis

from redisnb import events, frames, health, wire
from redisnb.columns import Types
from redisnb.cursor import GroupCursor
from redisnb.durations import Duration, milliseconds
from redisnb.errors import GroupMissingError, code
from redisnb.events import Fields
from redisnb.ids import Position
from redisnb.stream import Stream

__all__ = ["ConsumerGroup"]

#: Where `ConsumerGroup.pending` and `autoclaim` stop unless told otherwise.
DEFAULT_LIMIT = 100_000


class ConsumerGroup:
    """Hold one consumer group of a stream, and the name of the consumer that reads here.

    Parameters
    ----------
    stream : Stream
        The stream whose entries the group shares out.
    name : str
        The group's name.
    consumer : str, optional
        Who reads and claims; by default this machine's name and this process's number.

    Notes
    -----
    Methods raise GroupMissingError where the group does not exist; `create` makes it.
    """

    def __init__(self, stream: Stream, name: str, *, consumer: str | None = None) -> None:
        if not isinstance(stream, Stream):
            raise TypeError(
                f"ConsumerGroup(stream, name): stream is a redisnb.Stream, not "
                f"{type(stream).__name__}"
            )
        self.stream = stream
        self.name = name
        self.consumer = consumer or f"{socket.gethostname()}-{os.getpid()}"

    def __repr__(self) -> str:
        return f"ConsumerGroup({self.stream.key!r}, {self.name!r}, consumer={self.consumer!r})"

    def create(self, start: Position = "new") -> bool:
        """Create the group, and the stream if it is missing.

        Parameters
        ----------
        start : {"new", "all"} or position, default "new"
            The first entry that the group delivers: the next one added, the first of the stream,
            or the one at an ID or a time.

        Returns
        -------
        bool
            True if it was created, False if it exists; it then stays as it is.

        Notes
        -----
        XGROUP CREATE with MKSTREAM.
        """
        after = "$" if start == "new" else self.stream.after(start)
        key = self.stream.key
        try:
            wire.ask(
                self.stream.conn, "XGROUP", "CREATE", key, self.name, after, "MKSTREAM", key=key
            )
        except redis.ResponseError as error:
            if code(error) == "BUSYGROUP":
                return False
            raise
        return True

    def destroy(self) -> bool:
        """Remove the group with its pending list; say whether there was one.

        Notes
        -----
        XGROUP DESTROY. The entries stay in the stream.
        """
        try:
            return bool(self._ask("XGROUP", "DESTROY", self.stream.key, self.name))
        except GroupMissingError:
            return False

    # -- read and acknowledge

    def read(
        self,
        count: int = 100,
        *,
        block: Duration = 0,
        backlog: bool = False,
        types: Types = "infer",
    ) -> pd.DataFrame:
        """Take the next entries for this consumer; they are pending until `ack`.

        Parameters
        ----------
        count : int, default 100
            The most entries, at least 1.
        block : duration, default 0
            How long to wait for the first entry where there is none.
        backlog : bool
            Give what this consumer has taken before and not acknowledged, instead of new entries.
        types
            As for `Stream.range`.

        Returns
        -------
        DataFrame in schema ENTRIES
            Oldest first; empty where there is none. ``attrs["trimmed"]`` lists backlog entries
            whose body is gone.

        Notes
        -----
        XREADGROUP; it writes to the group.
        """
        frames.check_limit(count, "count")
        if not count:
            raise ValueError("count=0; read at least one entry")
        cursor = GroupCursor(self.stream.key, self.name, self.consumer)
        if not backlog:
            cursor.feed(None)
        wait = milliseconds(block, "block")
        command = [*cursor.command(count, wait)]
        if not backlog and not wait:
            # BLOCK 0 would wait for ever.
            at = command.index("BLOCK")
            del command[at : at + 2]
        found = cursor.feed(self._ask(*command, wait=wait / 1000))
        return self._frame(found, types)

    def ack(self, entries: Iterable[str] | str | pd.DataFrame) -> int:
        """Acknowledge entries, by ID or as a frame; return how many were pending.

        Notes
        -----
        XACK, 1,000 IDs at a time. IDs that are not pending are not counted, and no error.
        """
        ids = frames.entry_ids(entries)
        acked = sum(
            int(self._ask("XACK", self.stream.key, self.name, *part)) for part in wire.batches(ids)
        )
        # XACK itself does not tell a missing group from IDs that are not pending.
        if ids and not acked and self.info().empty:
            raise self.missing()
        return acked

    # -- what others left

    def pending(
        self,
        *,
        consumer: str | None = None,
        min_idle: Duration = 0,
        payload: bool = False,
        limit: int | None = DEFAULT_LIMIT,
    ) -> pd.DataFrame:
        """List what was delivered and not acknowledged.

        Parameters
        ----------
        consumer : str, optional
            Only what this consumer holds.
        min_idle : duration, default 0
            Only what was last delivered at least so long ago.
        payload : bool
            Add the events' columns. An entry whose body was trimmed has no value in them, and
            its ID stands in ``attrs["trimmed"]``.
        limit : int or None, default 100,000
            As for `Stream.range`.

        Returns
        -------
        DataFrame in schema PENDING
            Oldest first; empty where nothing is pending.

        Notes
        -----
        XPENDING in pages of 1,000; with `payload` also an XRANGE for each entry. Reads only.
        """
        frames.check_limit(limit)
        idle = milliseconds(min_idle, "min_idle")
        rows: list[tuple[bytes, bytes, int, int]] = []
        start: str | bytes = "-"
        while limit is None or len(rows) <= limit:
            command = ["XPENDING", self.stream.key, self.name, *(["IDLE", idle] if idle else [])]
            command += [start, "+", wire.PAGE, *([consumer] if consumer is not None else [])]
            page = self._ask(*command)
            rows += [tuple(row) for row in page]
            if len(page) < wire.PAGE:
                break
            start = b"(" + page[-1][0]
        more = limit is not None and len(rows) > limit
        rows = rows[:limit]
        bodies = self._bodies([row[0] for row in rows]) if payload else None
        return frames.cut(
            frames.pending(rows, bodies, self.stream.format),
            limit if more else None,
            DEFAULT_LIMIT,
            "limit=None lists all",
        )

    def _bodies(self, ids: list[bytes]) -> list[Fields | None]:
        key = self.stream.key
        replies = wire.ask_many(self.stream.conn, [("XRANGE", key, id, id) for id in ids])
        return [reply[0][1] if isinstance(reply, list) and reply else None for reply in replies]

    def claim(
        self, entries: Iterable[str] | str | pd.DataFrame, *, min_idle: Duration
    ) -> pd.DataFrame:
        """Take pending entries over for this consumer.

        Parameters
        ----------
        entries : IDs, or a frame with a column `entry_id`
            For example a selection of `pending`.
        min_idle : duration
            Leave what was delivered to somebody more recently: its owner may be at work.

        Returns
        -------
        DataFrame in schema ENTRIES
            What was claimed, with its idle time back at 0 and one more delivery; entries that are
            not pending, are too fresh, or whose body is gone are not in it.

        Notes
        -----
        XCLAIM, 1,000 IDs at a time.
        """
        idle = milliseconds(min_idle, "min_idle")
        found = []
        for part in wire.batches(frames.entry_ids(entries)):
            found += self._ask("XCLAIM", self.stream.key, self.name, self.consumer, idle, *part)
        return self._frame(_with_body(found))

    def autoclaim(self, *, min_idle: Duration, limit: int | None = DEFAULT_LIMIT) -> pd.DataFrame:
        """Take over whatever has been pending for long, oldest first.

        Parameters
        ----------
        min_idle : duration
            As for `claim`.
        limit : int or None, default 100,000
            The most entries to take, None for all.

        Returns
        -------
        DataFrame in schema ENTRIES
            As for `claim`. ``attrs["trimmed"]`` lists the entries whose body is gone and which are
            therefore pending no more (since Redis 7).

        Notes
        -----
        XAUTOCLAIM over the whole pending list, 1,000 entries at a time.
        """
        frames.check_limit(limit)
        idle = milliseconds(min_idle, "min_idle")
        found: list[tuple[bytes, Fields]] = []
        gone: list[bytes] = []
        start = b"0-0"
        while limit is None or len(found) < limit:
            count = wire.PAGE if limit is None else min(limit - len(found), wire.PAGE)
            # An empty page with a cursor is normal: each call looks at 10 x COUNT entries.
            start, page, *more = self._ask(
                "XAUTOCLAIM",
                self.stream.key,
                self.name,
                self.consumer,
                idle,
                start,
                "COUNT",
                count,
            )
            found += _with_body(page)
            # Since Redis 7 it says which entries it took off the list for want of a body.
            gone += more[0] if more else []
            if start == b"0-0":
                break
        return frames.trimmed(self._frame(found), gone)

    # -- state

    def info(self) -> pd.DataFrame:
        """Return the group's state as a frame in schema GROUPS: one row, none if it is missing."""
        rows = health.group_rows(self.stream.conn, self.stream.key)
        return frames.table(frames.GROUPS, [row for row in rows if row[1] == self.name])

    def consumers(self) -> pd.DataFrame:
        """Return the group's consumers as a frame in schema CONSUMERS, by name.

        `idle` is the time since a consumer last asked, `inactive` since it was last given an entry
        (missing before Redis 7.2).

        Notes
        -----
        XINFO CONSUMERS. Reads only.
        """
        reply = self._ask("XINFO", "CONSUMERS", self.stream.key, self.name)
        consumers = sorted(map(wire.mapping, reply), key=lambda each: each[b"name"])
        return frames.table(
            frames.CONSUMERS,
            [
                (
                    events.text(each[b"name"]),
                    each[b"pending"],
                    each[b"idle"],
                    _at_least_zero(each.get(b"inactive")),
                )
                for each in consumers
            ],
        )

    def _ask(self, *command: Any, wait: float = 0) -> Any:
        try:
            return wire.ask(self.stream.conn, *command, key=self.stream.key, wait=wait)
        except redis.ResponseError as error:
            if not is_missing(error):
                raise
            raise self.missing() from error

    def missing(self) -> GroupMissingError:
        """Make the error that says that the group does not exist."""
        return GroupMissingError(
            f"stream {self.stream.key!r} has no consumer group {self.name!r}; "
            "create() makes it, create('all') from the first entry on",
            stream=self.stream.key,
            group=self.name,
        )

    def _frame(
        self, found: Sequence[tuple[bytes, Fields | None]], types: Types = "infer"
    ) -> pd.DataFrame:
        return frames.entries(found, self.stream.format, types=types)


def is_missing(error: redis.ResponseError) -> bool:
    """Say whether a server's error means that the group or its stream does not exist."""
    text = str(error)
    return code(error) == "NOGROUP" or any(
        phrase in text
        # The last one ends a read that waits while its stream is deleted or replaced.
        for phrase in ("no such key", "requires the key to exist", "stream key no longer exists")
    )


def _with_body(found: list[Any]) -> list[Any]:
    # Redis 6.2 sends a nil, or a pair of nils, for a claimed entry whose body is gone.
    return [entry for entry in found if entry is not None and entry[1] is not None]


def _at_least_zero(inactive: int | None) -> int | None:
    # -1: this consumer has never been given an entry.
    return None if inactive is None or inactive < 0 else inactive
