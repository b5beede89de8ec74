"""ConsumerGroup: share the entries of a stream among consumers, each handled once at least."""

from __future__ import annotations

import os
import socket
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import pandas as pd
import redis

from redisnb import frames, wire
from redisnb.durations import Duration, milliseconds
from redisnb.entries import EntryId, Fields, Position
from redisnb.errors import GroupMissingError, RedisnbError, RedisnbWarning, code
from redisnb.frames import Types, Where
from redisnb.stream import dead_letters as deadletters
from redisnb.stream import pending, state
from redisnb.stream.cursor import GroupCursor
from redisnb.stream.dead_letters import Letter, Outcome
from redisnb.stream.stream import Stream
from redisnb.wire import Conversation, T

__all__ = ["ConsumerGroup"]

#: Where `pending`, `autoclaim` and `dead_letters` stop unless told otherwise.
DEFAULT_LIMIT = 100_000

_GIVEN = "entries may have been given to consumer {!r} all the same; read(backlog=True) gives them"

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
        XGROUP DESTROY. The entries stay in the stream, and dead letters in ``<key>:dead``.
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
        cursor = GroupCursor([self.stream.key], self.name, self.consumer)
        if not backlog:
            cursor.skip_backlog()
        wait = milliseconds(block, "block")
        # BLOCK 0 would wait for ever.
        command = cursor.command(count, wait or None)
        with self._noting(_GIVEN.format(self.consumer)):
            reply = self._ask(*command, wait=wait / 1000)
        found = [(id, fields) for _, id, fields in cursor.feed(reply)]
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

    def release(self, entries: Iterable[str] | str | pd.DataFrame) -> int:
        """Give entries that this consumer holds back, for anybody to claim at once.

        Parameters
        ----------
        entries : IDs, or a frame with a column `entry_id`
            What this consumer does not hold is left alone.

        Returns
        -------
        int
            How many were given back. They stay pending under this consumer's name until somebody
            claims them, but count as idle for a day, which is longer than any `min_idle` in use;
            their deliveries stay as they are.

        Notes
        -----
        XPENDING and XCLAIM with IDLE, 1,000 IDs at a time.
        """
        where = (self.stream.key, self.name, self.consumer)
        ids = [id.encode() for id in frames.entry_ids(entries)]
        return sum(self._converse(pending.give_back(*where, part)) for part in wire.batches(ids))

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

        Raises
        ------
        redis.exceptions.ConnectionError, redis.exceptions.TimeoutError
            As for `read`.

        Notes
        -----
        XCLAIM, 1,000 IDs at a time.
        """
        idle = milliseconds(min_idle, "min_idle")
        where = (self.stream.key, self.name, self.consumer)
        found = []
        with self._noting(_GIVEN.format(self.consumer)):
            for part in wire.batches(frames.entry_ids(entries)):
                found += self._ask("XCLAIM", *where, idle, *part)
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
            therefore pending no more.

        Raises
        ------
        redis.exceptions.ConnectionError, redis.exceptions.TimeoutError
            As for `read`.

        Notes
        -----
        XAUTOCLAIM over the whole pending list, 1,000 entries at a time, XCLAIM for their bodies,
        and XACK for those that have none.
        """
        frames.check_limit(limit)
        idle = milliseconds(min_idle, "min_idle")
        where = (self.stream.key, self.name, self.consumer)
        found: list[tuple[bytes, Fields | None]] = []
        trimmed: list[bytes] = []
        start = b"0-0"
        with self._noting(_GIVEN.format(self.consumer)):
            while limit is None or len(found) < limit:
                count = wire.PAGE if limit is None else min(limit - len(found), wire.PAGE)
                # An empty page with a cursor is normal: each call looks at 10 x COUNT entries.
                claimed = self._converse(pending.claim_page(*where, idle, start, count))
                found += [entry for entry in claimed.entries if entry[1] is not None]
                gone = [id for id, fields in claimed.entries if fields is None]
                # Redis takes them off the list by itself, since version 7.
                for part in wire.batches(gone):
                    self._ask("XACK", self.stream.key, self.name, *part)
                trimmed += gone
                start = claimed.start
                if start == b"0-0":
                    break
        return frames.trimmed(self._frame(found), trimmed)

    # -- dead letters

    def bury(
        self,
        entries: Iterable[str] | str | pd.DataFrame,
        *,
        min_idle: Duration,
        error: str = "by hand",
    ) -> pd.DataFrame:
        """Make dead letters of pending entries, whoever holds them; `redrive` takes it back.

        A consumer does so by itself at its `max_deliveries`.

        Parameters
        ----------
        entries : IDs, or a frame with a column `entry_id`
            For example a selection of `pending`.
        min_idle : duration
            As for `claim`, also for what this consumer holds.
        error : str, default "by hand"
            Why: what `dead_letters` shows as their error.

        Returns
        -------
        DataFrame in schema ADDED
            One row per entry given: `entry_id`, that of its dead letter, or what stands against it
            in `error` with the status "failed". It then stays as it is; but one whose body is gone,
            of which there is nothing to keep, is acknowledged. A RedisnbWarning says so too.

        Raises
        ------
        redis.exceptions.ResponseError
            If the server refuses; the entry that it happened at, and those behind it, stay pending.
        redis.exceptions.ConnectionError, redis.exceptions.TimeoutError
            If a reply does not come. Some may be dead letters and some not, none twice: doing it
            again is safe, and buries those that are left.

        Notes
        -----
        A script for 100 entries at a time: XADD to ``<key>:dead``, then XACK. The letter has the
        deliveries and the consumer that the pending list has; the entry stays in the stream.
        """
        if not isinstance(error, str):
            raise TypeError(f"error is a text such as 'no such item', not {type(error).__name__}")
        ids = frames.entry_ids(entries)
        key, idle = self.stream.key, milliseconds(min_idle, "min_idle")
        talk = deadletters.bury_idle(key, self.name, ids, idle=idle, error=error)
        with self._noting(
            "some may be dead letters; burying the same ones again does so for those that are not"
        ):
            outcome = self._converse(talk)
        return self._moved(outcome, f"{key!r}: of {len(ids):,} entries")

    def dead_letters(
        self, *, limit: int | None = DEFAULT_LIMIT, types: Types = "infer"
    ) -> pd.DataFrame:
        """List the entries that consumers of this group gave up on.

        Parameters
        ----------
        limit, types
            As for `Stream.range`.

        Returns
        -------
        DataFrame in schema DEAD_LETTERS
            Oldest first, with the events' columns; empty where there is none, and the group need
            not exist any more. `entry_id` and the index are those of the dead letter, `origin_id`
            the one that the entry had. ``attrs["foreign"]`` lists entries of the dead letters'
            stream that are none; a RedisnbWarning says so.

        Notes
        -----
        XRANGE over the stream ``<key>:dead``, which holds those of the other groups too; O(n) in
        its length. Reads only. ``Stream(conn, "<key>:dead")`` trims it, or deletes from it.
        """
        frames.check_limit(limit)
        letters, foreign = self._letters(limit)
        more = limit is not None and len(letters) > limit
        frame = self._letter_frame(letters[:limit], types)
        if foreign:
            frame.attrs["foreign"] = [id.decode() for id in foreign]
            dead = deadletters.dead_letters_key(self.stream.key)
            warnings.warn(
                f"{len(foreign):,} entries of {dead!r} are no dead letters; attrs['foreign'] has "
                f"their IDs, and Stream(conn, {dead!r}) reads them",
                RedisnbWarning,
                stacklevel=2,
            )
        return frames.cut(frame, limit if more else None, DEFAULT_LIMIT, "limit=None lists all")

    def _letters(self, limit: int | None = None) -> tuple[list[Letter], list[bytes]]:
        key = deadletters.dead_letters_key(self.stream.key)
        pages = wire.pages(self.stream.conn, key, "-", "+", limit=None)
        return deadletters.read(pages, self.name, limit)

    def _letter_frame(self, letters: Sequence[Letter], types: Types = "infer") -> pd.DataFrame:
        rows, bodies = [letter[:-1] for letter in letters], [letter.body for letter in letters]
        return frames.dead_letters(rows, bodies, self.stream.format, types=types)

    def redrive(
        self,
        entries: Iterable[str] | str | pd.DataFrame | None = None,
        *,
        where: Where | None = None,
        to: Literal["group", "stream"] = "group",
        max_redrives: int = 3,
    ) -> pd.DataFrame:
        """Send dead letters back to be handled again; each then is a dead letter no more.

        Parameters
        ----------
        entries : IDs, a frame of `dead_letters` or a part of it, or "all"
            Which ones, by their `entry_id`. Give this or `where`.
        where : mapping or callable
            As for `Stream.range`, over the frame that `dead_letters` gives.
        to : {"group", "stream"}, default "group"
            "group" puts an entry back at its old ID, pending and for anybody in the group to claim
            at once, with 0 deliveries; other groups do not see it. "stream" adds its fields anew
            at the stream's end, for all groups.
        max_redrives : int, default 3
            Leave what has been redriven that often, at least 1: it would go round for ever.

        Returns
        -------
        DataFrame in schema ADDED
            One row per letter chosen: `entry_id`, the ID that is now to be handled, or what stands
            against it in `error` with the status "failed"; the letter then stays where it is. A
            RedisnbWarning says so too.

        Raises
        ------
        GroupMissingError
            If the letters are to go to the group, and it does not exist; nothing was sent back.
        redis.exceptions.ConnectionError, redis.exceptions.TimeoutError
            If a reply does not come. Some may have gone back and some not, none twice: doing it
            again is safe, and redrives those that are left.

        Notes
        -----
        A script for 100 letters at a time: XCLAIM or XADD, then XDEL from ``<key>:dead``.
        """
        if to not in ("group", "stream"):
            raise ValueError(f"to={to!r}; choose 'group' or 'stream'")
        if isinstance(max_redrives, bool) or not isinstance(max_redrives, int) or max_redrives < 1:
            raise ValueError(f"max_redrives={max_redrives!r}; it is a number of times, at least 1")
        chosen = self._chosen(entries, where)
        key = self.stream.key
        talk = deadletters.redrive(
            key, self.name, self.consumer, chosen, to=to, max_redrives=max_redrives
        )
        with self._noting(
            "some dead letters may have gone back; redriving the same ones again does so for "
            "those that have not"
        ):
            outcome = self._converse(talk)
        return self._moved(
            outcome, f"{deadletters.dead_letters_key(key)!r}: of {len(chosen):,} dead letters"
        )

    def _moved(self, outcome: Outcome, of: str) -> pd.DataFrame:
        if wrong := outcome.wrong:
            warnings.warn(
                f"{of} {len(wrong):,} failed; first: {wrong[min(wrong)][1]}",
                RedisnbWarning,
                stacklevel=3,
            )
        return frames.added(outcome.entry_ids, wrong)

    def _chosen(
        self, entries: Iterable[str] | str | pd.DataFrame | None, where: Where | None
    ) -> list[str]:
        """Return the IDs of the dead letters that `redrive` was told to send back."""
        if (entries is None) is (where is None):
            raise ValueError(
                "say which dead letters, by entries or by where=; redrive('all') takes all of this "
                "group"
            )
        if isinstance(entries, str) and entries == "all":
            return [letter.id for letter in self._letters()[0]]
        if where is None:
            return frames.entry_ids(entries)
        letters = self._letter_frame(self._letters()[0])
        unknown = [] if callable(where) else [name for name in where if name not in letters.columns]
        if unknown and len(letters):
            raise ValueError(
                f"where={{{unknown[0]!r}: ...}}: no dead letter has this column; "
                f"there are {', '.join(map(str, letters.columns))}"
            )
        return frames.entry_ids(letters[frames.mask(letters, where)])

    # -- state

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
        after = self.stream.after(start)
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
            raise self.missing()
        return found

    # -- ask

    def _ask(self, *command: Any, wait: float = 0) -> Any:
        with self._explaining():
            return wire.ask(self.stream.conn, *command, key=self.stream.key, wait=wait)

    def _converse(self, conversation: Conversation[T]) -> T:
        with self._explaining():
            return wire.converse(self.stream.conn, conversation, key=self.stream.key)

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except redis.ResponseError as error:
            if not is_missing(error):
                raise
            raise self.missing() from error

    @contextmanager
    def _noting(self, note: str) -> Iterator[None]:
        try:
            yield
        except (redis.ConnectionError, redis.TimeoutError) as error:
            error.add_note(note)
            raise

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
