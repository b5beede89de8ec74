"""ConsumerGroup: share the entries of a stream among consumers, each handled once at least."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
import redis

from redisnb import frames, wire
from redisnb.durations import Duration, milliseconds
from redisnb.entries import EntryId, Position
from redisnb.errors import GroupMissingError, RedisnbError, code
from redisnb.frames import Types, Where
from redisnb.hints import hinted
from redisnb.stream import state
from redisnb.stream.cursor import GroupCursor
from redisnb.stream.following import resolve_start
from redisnb.stream.groups.dead_letters import DeadLetters
from redisnb.stream.groups.key import GIVEN, missing_group
from redisnb.stream.groups.pending import PendingList
from redisnb.stream.key import located

__all__ = ["ConsumerGroup"]

# In one script, so that nothing is delivered to the consumer between the look and the removal.
_REMOVE = """\
local consumers = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])
if consumers.err then return consumers end
for _, consumer in ipairs(consumers) do
  local state = {}
  for i = 1, #consumer, 2 do state[consumer[i]] = consumer[i + 1] end
  if state.name == ARGV[2] then
    if state.pending == 0 then redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2]) end
    return state.pending
  end
end
return -1"""


class ConsumerGroup(PendingList, DeadLetters):
    """One consumer group of a stream, and the name of the consumer that reads here.

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

    @hinted
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
        after = "$" if start == "new" else resolve_start(self.stream, start)
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
        XGROUP DESTROY. The entries stay in the stream, and dead letters in ``<key>:dead``.
        """
        try:
            return bool(self._ask("XGROUP", "DESTROY", self.stream.key, self.name))
        except GroupMissingError:
            return False

    # -- read and acknowledge

    @hinted
    def read(
        self,
        count: int = 100,
        *,
        block: Duration = 0,
        backlog: bool = False,
        where: Where | None = None,
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
        where
            As for `Stream.range`. What it does not choose was taken too, and is pending until
            `ack`: ``read(backlog=True)`` gives it.
        types
            As for `Stream.range`.

        Returns
        -------
        DataFrame in schema ENTRIES
            Oldest first; empty where there is none, with the columns of earlier reads.
            ``attrs["trimmed"]`` lists backlog entries whose body is gone.

        Raises
        ------
        redis.exceptions.ConnectionError, redis.exceptions.TimeoutError
            If the reply does not come. The server may have delivered entries all the same, which
            ``read(backlog=True)`` gives; a note says so.

        Notes
        -----
        XREADGROUP; it writes to the group.
        """
        frames.check_limit(count, "count")
        if not count:
            raise ValueError("count=0; read at least one entry")
        filter = self._filter(where)
        cursor = GroupCursor([self.stream.key], self.name, self.consumer)
        if not backlog:
            cursor.skip_backlog()
        wait = milliseconds(block, "block")
        # BLOCK 0 would wait for ever.
        command = cursor.command(count, wait or None)
        with self._noting(GIVEN.format(self.consumer)):
            reply = self._ask(*command, wait=wait / 1000)
        found = [(id, fields) for _, id, fields in cursor.feed(reply)]
        if filter is not None:
            try:
                found = filter.choose(found, self.stream.key)
            except Exception as error:
                error.add_note(GIVEN.format(self.consumer))
                raise
        frame = self._frame(found, types)
        if found:
            self._had.update(zip(frame.columns, frame.dtypes, strict=True))
            return located(frame, self.stream, found[0][0].decode(), found[-1][0].decode())
        for name, dtype in self._had.items():
            if name not in frame:
                frame[name] = pd.Series(dtype=dtype)
        return frame

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
            raise missing_group(self)
        return acked

    def info(self) -> pd.DataFrame:
        """Return the group's state as a frame in schema GROUPS: one row, none if it is missing."""
        rows = state.group_rows(self.stream.conn, self.stream.key)
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
        return frames.table(frames.CONSUMERS, state.consumer_rows(reply))

    def lag(self) -> int:
        """Return how many entries of the stream the group has still to deliver, exactly.

        Notes
        -----
        XINFO STREAM and XINFO GROUPS, O(1), at the ends of the stream, and where nothing was ever
        dropped from it. Else XRANGE in pages, O(n) in the entries to be delivered: the server
        then may not know (`info` says why), or count what was dropped before the group had read
        it. Reads only.
        """
        stream, group = self._snapshot()
        known = state.certain_lag(stream, group)
        if known is not None:
            return known
        # What is added meanwhile does not count, or counting might never end.
        position, last = group[b"last-delivered-id"].decode(), stream[b"last-entry"][0].decode()
        return state.count(self.stream.conn, self.stream.key, position, last)

    def remove_consumer(self, name: str | bytes) -> bool:
        """Remove a consumer that holds nothing from the group; say whether there was one.

        Raises
        ------
        RedisnbError
            If entries are pending with it, which would be lost with it. It stays.

        Notes
        -----
        XGROUP DELCONSUMER, in a script that looks first.
        """
        if not isinstance(name, str | bytes):
            raise TypeError(f"name is that of one consumer, not {type(name).__name__}")
        held = self._ask("EVAL", _REMOVE, 1, self.stream.key, self.name, name)
        if held > 0:
            raise RedisnbError(
                f"consumer {name!r} of group {self.name!r} holds {held:,} pending entries, which "
                f"would be lost with it; claim(pending(consumer={name!r}), min_idle='1min') takes "
                "them over, then it can go"
            )
        return bool(held == 0)

    def set_position(self, start: Position, *, dry_run: bool = False) -> pd.DataFrame:
        """Let the group go on elsewhere in the stream.

        Parameters
        ----------
        start : {"new", "all"} or position
            The entry that it delivers next, as for `create`.
        dry_run : bool
            Only say what would come of it.

        Returns
        -------
        DataFrame in schema POSITION
            One row: `before` and `after` are the IDs that count as delivered last, `skipped` is
            the number of entries that will not be delivered, `repeated` that of those which will
            be though they lie before the present position.

        Notes
        -----
        XGROUP SETID; the entries in between are counted by XRANGE in pages. What is pending stays
        so. It is for a group at rest: what is read meanwhile is not accounted for.
        """
        conn, key = self.stream.conn, self.stream.key
        after = resolve_start(self.stream, start)
        stream, group = self._snapshot()
        before = EntryId(group[b"last-delivered-id"])
        skipped = state.count(conn, key, before, after) if before < after else 0
        repeated = state.count(conn, key, after, before) if after < before else 0
        if not dry_run:
            read = state.entries_read(stream, group, after, repeated - skipped)
            counted = () if read is None else ("ENTRIESREAD", read)
            self._ask("XGROUP", "SETID", key, self.name, after, *counted)
        row = (key, self.name, str(before), str(after), skipped, repeated)
        return frames.table(frames.POSITION, [row])

    def _snapshot(self) -> tuple[state.State, state.State]:
        found = state.snapshot(self.stream.conn, self.stream.key, self.name)
        if found is None:
            raise missing_group(self)
        return found
