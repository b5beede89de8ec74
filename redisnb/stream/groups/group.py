"""ConsumerGroup: a stream's entries shared among consumers, each handled at least once."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import compress

import pandas as pd
import redis

from redisnb import frames, wire
from redisnb.durations import Duration, milliseconds
from redisnb.entries import EntryId, Position
from redisnb.errors import GroupMissingError, RedisnbError, code
from redisnb.frames import Types, Where
from redisnb.hints import hinted
from redisnb.stream import rows, state
from redisnb.stream.cursor import GroupCursor
from redisnb.stream.following import resolve_start
from redisnb.stream.groups.card import group_card
from redisnb.stream.groups.dead_letters import DeadLetters
from redisnb.stream.groups.key import MAY_BE_DELIVERED, MAY_BE_LOST, missing_group
from redisnb.stream.groups.pending import PendingList
from redisnb.stream.groups.why import Why
from redisnb.stream.key import Entries, ids_of, mark_origin, with_others
from redisnb.stream.stream import Stream

__all__ = ["ConsumerGroup"]

# A script, so that nothing is delivered to the consumer between the check and the removal.
_REMOVE_CONSUMER = """\
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


class ConsumerGroup(PendingList, DeadLetters, Why):
    """A consumer group of one stream, seen as one of its consumers.

    Parameters
    ----------
    stream : Stream
        The stream that the group reads.
    name : str
        The group's name.
    consumer : str, optional
        The name under which to read and claim; by default the host name and the process ID.

    Notes
    -----
    Methods raise GroupMissingError if the group does not exist; `create` makes it.

    Examples
    --------
    >>> billing = rnb.ConsumerGroup(orders, "billing", consumer="ann")
    >>> frame = billing.read(3)
    >>> billing.ack(frame)
    3
    """

    def _repr_html_(self) -> str:
        return group_card(self)

    @hinted
    def create(self, start: Position = "new", *, entries_read: int | None = None) -> bool:
        """Create the group, and the stream if it is missing.

        Parameters
        ----------
        start : {"new", "all"} or position, default "new"
            The first entry that the group delivers: the next one added, the first of the stream,
            or the one at an ID or a time.
        entries_read : int, optional
            How many entries of the stream lie before that, if known: the server then knows the lag
            of the group also in the middle of the stream (since Redis 7).

        Returns
        -------
        bool
            True if it was created, False if it exists and is unchanged.

        Notes
        -----
        XGROUP CREATE with MKSTREAM.

        Examples
        --------
        >>> shipping = rnb.ConsumerGroup(orders, "shipping")
        >>> shipping.create("all")
        True
        >>> len(shipping.read())
        4
        """
        after = "$" if start == "new" else resolve_start(self.stream, start)
        key = self.stream.key
        frames.check_limit(entries_read, "entries_read")
        read = () if entries_read is None else ("ENTRIESREAD", entries_read)
        command = ("XGROUP", "CREATE", key, self.name, after, "MKSTREAM", *read)
        try:
            wire.ask(self.stream.conn, *command, key=key)
        except redis.ResponseError as error:
            if code(error) == "BUSYGROUP":
                return False
            if read and "arguments" in str(error):
                error.add_note("entries_read= is for Redis 7 and newer")
            raise
        return True

    def destroy(self) -> bool:
        """Remove the group with its pending list; return whether it existed.

        Notes
        -----
        XGROUP DESTROY. The stream keeps its entries, and ``<key>:dead`` the dead letters.

        Examples
        --------
        >>> billing.destroy()
        True
        >>> orders.groups().empty
        True
        """
        try:
            return bool(self._ask("XGROUP", "DESTROY", self.stream.key, self.name))
        except GroupMissingError:
            return False

    def create_consumer(self, name: str | None = None) -> bool:
        """Create a consumer of the group; return whether it is new.

        Parameters
        ----------
        name : str, optional
            By default the name of this one. Reading also creates a consumer.

        Notes
        -----
        XGROUP CREATECONSUMER.

        Examples
        --------
        >>> billing.create_consumer("ben")
        True
        >>> billing.consumers()[["consumer", "pending"]]
          consumer  pending
        0      ben        0
        """
        consumer = self.consumer if name is None else name
        return bool(self._ask("XGROUP", "CREATECONSUMER", self.stream.key, self.name, consumer))

    # -- read and acknowledge

    @hinted
    def read(
        self,
        count: int = 100,
        *,
        block: Duration = 0,
        backlog: bool = False,
        noack: bool = False,
        also: Iterable[Stream] = (),
        where: Where | None = None,
        types: Types = "infer",
    ) -> pd.DataFrame:
        """Read the next entries for this consumer; they are pending until `ack`.

        Parameters
        ----------
        count : int, default 100
            The most entries, at least 1.
        block : duration, default 0
            How long to wait for the first entry if there is none.
        backlog : bool
            Return entries that this consumer has read and not acknowledged, instead of new ones.
        noack : bool
            Count entries as acknowledged when sent: those lost on the way are not delivered again.
        also : streams
            Other streams to read in the same command, of the same connection, format and schema,
            each with a group of this name. The frame then has a column `stream`, which `ack` uses;
            `count` is for each stream.
        where
            As for `Stream.range`. Entries that it does not choose are read too, and pending until
            `ack`: ``read(backlog=True)`` returns them.
        types
            As for `Stream.range`.

        Returns
        -------
        DataFrame in schema ENTRIES
            Oldest first; empty without entries, with the columns of earlier reads.
            ``attrs["trimmed"]`` lists backlog entries whose body is gone.

        Raises
        ------
        redis.exceptions.ConnectionError, redis.exceptions.TimeoutError
            If there is no reply. The server may have delivered entries nevertheless, which
            ``read(backlog=True)`` returns; a note says so.

        Notes
        -----
        XREADGROUP; it writes to the group.

        Examples
        --------
        >>> billing.read(2)
                                          entry_id    item  amount
        entry_time
        2024-05-01 10:30:00+00:00  1714559400000-0     tea       2
        2024-05-01 10:31:00+00:00  1714559460000-0  coffee       1
        >>> billing.read(backlog=True)["item"].tolist()  # what is pending
        ['tea', 'coffee']
        """
        frames.check_limit(count, "count")
        if not count:
            raise ValueError("count=0; read at least one entry")
        if noack and backlog:
            raise ValueError("noack= is for new entries, backlog= reads old ones; leave one out")
        filter = self._filter(where)
        keys = [stream.key for stream in with_others(self.stream, also)]
        cursor = GroupCursor(keys, self.name, self.consumer, noack=noack)
        if not backlog:
            cursor.skip_backlog()
        wait = milliseconds(block, "block")
        # BLOCK 0 would wait forever.
        command = cursor.command(count, wait or None)
        with self._noting(MAY_BE_LOST if noack else MAY_BE_DELIVERED.format(self.consumer)):
            reply = self._ask(*command, wait=wait / 1000)
        found = cursor.feed(reply)
        if filter is not None and found:
            of, ids, bodies = zip(*found, strict=True)
            try:
                mask = filter.of_entries(ids, bodies, of if len(keys) > 1 else keys[0])
                filter.check()
            except Exception as error:
                error.add_note(MAY_BE_LOST if noack else MAY_BE_DELIVERED.format(self.consumer))
                raise
            found = list(compress(found, mask.tolist()))
        if len(keys) > 1:
            schema = self.stream.schema if types == "infer" else None
            layout = self.stream.layout
            frame = frames.keyed_entries_frame(found, layout, many=True, types=types, schema=schema)
        else:
            frame = self._frame([each[1:] for each in found], types)
        if found:
            self._known_columns.update(zip(frame.columns, frame.dtypes, strict=True))
            first, last = (found[0][1], found[-1][1]) if len(keys) == 1 else (b"-", b"+")
            return mark_origin(frame, self.stream, first.decode(), last.decode())
        for name, dtype in self._known_columns.items():
            if name not in frame:
                frame[name] = pd.Series(dtype=dtype)
        return frame

    def ack(self, entries: Entries) -> int:
        """Acknowledge entries, by ID, time or as a frame; return how many were pending.

        Notes
        -----
        XACK, 1,000 IDs at a time; for a frame with a column `stream`, in each of its streams. IDs
        that are not pending are ignored.

        Examples
        --------
        >>> frame = billing.read()
        >>> billing.ack(frame[frame["item"] == "tea"])
        2
        >>> billing.pending(payload=True)["item"].tolist()
        ['coffee', 'milk']
        """
        acked, has_ids = 0, False
        for key, ids in self._by_stream(entries):
            has_ids = has_ids or bool(ids)
            for part in wire.batches(ids):
                acked += int(self._ask("XACK", key, self.name, *part))
        # XACK does not distinguish a missing group from IDs that are not pending.
        if has_ids and not acked and self.info().empty:
            raise missing_group(self)
        return acked

    def _by_stream(self, entries: Entries) -> list[tuple[str, list[str]]]:
        if not isinstance(entries, pd.DataFrame) or "stream" not in entries:
            return [(self.stream.key, ids_of(self.stream, entries))]
        return [(str(key), frames.entry_ids(part)) for key, part in entries.groupby("stream")]

    def info(self) -> pd.DataFrame:
        """Return the group's state as a frame in schema GROUPS: one row, none if it is missing.

        Examples
        --------
        >>> frame = billing.read(3)
        >>> billing.info()[["group", "consumers", "pending", "last_delivered_id"]]
             group  consumers  pending last_delivered_id
        0  billing          1        3   1714559520000-0
        """
        found = rows.group_rows(self.stream.conn, self.stream.key)
        return frames.table(frames.GROUPS, [row for row in found if row[1] == self.name])

    def consumers(self) -> pd.DataFrame:
        """Return the group's consumers as a frame in schema CONSUMERS, by name.

        `idle` is the time since a consumer last sent a command, `inactive` since an entry was last
        delivered to it (missing before Redis 7.2).

        Notes
        -----
        XINFO CONSUMERS. Reads only.

        Examples
        --------
        >>> frame = billing.read(3)
        >>> billing.consumers()[["consumer", "pending"]]
          consumer  pending
        0      ann        3
        """
        reply = self._ask("XINFO", "CONSUMERS", self.stream.key, self.name)
        return frames.table(frames.CONSUMERS, rows.consumer_rows(reply))

    def lag(self) -> int:
        """Return the exact number of entries that the group has still to deliver.

        Notes
        -----
        XINFO STREAM and XINFO GROUPS, O(1), at the ends of the stream and if nothing was ever
        dropped from it. Else XRANGE in pages, O(n) in the entries to be delivered: the server may
        not know the number (`info` says why), or count entries that were dropped unread. Reads
        only.

        Examples
        --------
        >>> frame = billing.read(3)
        >>> billing.lag()
        1
        """
        stream, group = self._snapshot()
        known = state.certain_lag(stream, group)
        if known is not None:
            return known
        # Entries added during the count are left out, or it might never end.
        position, last = group[b"last-delivered-id"].decode(), stream[b"last-entry"][0].decode()
        return state.count_entries(self.stream.conn, self.stream.key, position, last)

    def remove_consumer(self, name: str | bytes) -> bool:
        """Remove a consumer without pending entries from the group; return whether it existed.

        Raises
        ------
        RedisnbError
            If it has pending entries, which would be lost with it. It is not removed.

        Notes
        -----
        XGROUP DELCONSUMER, in a script that checks first.

        Examples
        --------
        >>> frame = billing.read()
        >>> billing.remove_consumer("ann")
        Traceback (most recent call last):
            ...
        redisnb.errors.RedisnbError: consumer 'ann' of group 'billing' holds 4 pending ...
        >>> billing.ack(frame)
        4
        >>> billing.remove_consumer("ann")
        True
        """
        if not isinstance(name, str | bytes):
            raise TypeError(f"name is the name of one consumer, not {type(name).__name__}")
        held = self._ask("EVAL", _REMOVE_CONSUMER, 1, self.stream.key, self.name, name)
        if held > 0:
            raise RedisnbError(
                f"consumer {name!r} of group {self.name!r} holds {held:,} pending entries, which "
                f"would be lost with it; claim(pending(consumer={name!r}), min_idle='1min') takes "
                "them over first"
            )
        return bool(held == 0)

    def set_position(self, start: Position, *, dry_run: bool = False) -> pd.DataFrame:
        """Move the group to another position in the stream.

        Parameters
        ----------
        start : {"new", "all"} or position
            The entry that it delivers next, as for `create`.
        dry_run : bool
            Only return what would change.

        Returns
        -------
        DataFrame in schema POSITION
            One row: `before` and `after` are the last delivered IDs, `skipped` is the number of
            entries that will not be delivered, `repeated` the number of those before the present
            position that will be delivered again.

        Notes
        -----
        XGROUP SETID; the entries in between are counted with XRANGE in pages. Pending entries stay
        pending. For a group that is not being read: reads at the same time are not taken into
        account.

        Examples
        --------
        >>> frame = billing.read(3)
        >>> moved = billing.set_position("2024-05-01 10:31", dry_run=True)
        >>> moved[["before", "skipped", "repeated"]]
                    before  skipped  repeated
        0  1714559520000-0        0         2
        """
        conn, key = self.stream.conn, self.stream.key
        after = resolve_start(self.stream, start)
        stream, group = self._snapshot()
        before = EntryId(group[b"last-delivered-id"])
        skipped = state.count_entries(conn, key, before, after) if before < after else 0
        repeated = state.count_entries(conn, key, after, before) if after < before else 0
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
