"""A reading position as a state machine: the next command, then its reply.

The reader (a generator, a coroutine or a thread) only sends `command()` and passes the reply to
`feed()`, so all of them behave alike. From time to time it also sends the commands of `look()`;
from their replies `seen()` finds out what the server dropped before it was read.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from redis.exceptions import ResponseError

from redisnb.entries import EntryId, Fields, to_bytes
from redisnb.wire import Command

__all__ = ["GroupCursor", "StreamCursor"]

#: How many streams one look covers.
LOOKED_AT = 5

#: The key of a stream, and the ID and fields of an entry (None where the body is gone).
StreamEntry: TypeAlias = tuple[str, bytes, Fields | None]


class Notice(NamedTuple):
    """A warning to the user of a reader.

    Attributes
    ----------
    kind : {"gap", "reset", "blind", "clock", "shared"}
        Entries were dropped before they were read; the stream was deleted and created again; XINFO
        is refused, so that neither can be noticed; the server's clock has gone back; or entries are
        deleted that other groups have not read.
    key : str
        The stream.
    after : str
        The ID of the last entry read before.
    missed : int
        How many entries were dropped in a gap; 0 for a reset, where the number is unknown.
    message : str
        The text of the warning.
    """

    kind: str
    key: str
    after: str
    missed: int
    message: str


class StreamCursor:
    """A position in streams that are read without a group, each entry once.

    Parameters
    ----------
    after : mapping of str to EntryId
        For each stream, the ID after which to read.

    Attributes
    ----------
    missed : Counter
        How many entries of each stream were dropped before they were read.
    """

    def __init__(self, after: Mapping[str, EntryId]) -> None:
        self.missed: Counter[str] = Counter()
        self._looks = _Looks(list(after))
        self._accounts = {key: _Account(key, position) for key, position in after.items()}

    @property
    def after(self) -> dict[str, EntryId]:
        """The ID of the last entry read, for each stream."""
        return {key: account.after for key, account in self._accounts.items()}

    def command(self, count: int, block: int | None) -> Command:
        """Return the next command: at most `count` entries, waiting at most `block` ms for one."""
        wait = () if block is None else ("BLOCK", block)
        return ("XREAD", "COUNT", count, *wait, "STREAMS", *self.after, *self.after.values())

    def feed(self, reply: Any) -> list[StreamEntry]:
        """Take the command's reply, advance, and return the entries."""
        found = _entries(reply, self._accounts)
        for key, account in self._accounts.items():
            account.read([id for of, id, _ in found if of == key])
        return found

    def restart(self) -> None:
        """Continue after a broken connection: the position is still right."""

    @property
    def looking(self) -> Sequence[str]:
        """The streams that `look` is about."""
        return self._looks.keys

    def look(self, *, every: bool = False) -> list[Command]:
        """Return the commands that ask for the state of the next few streams, or of `every` one."""
        return [("XINFO", "STREAM", key) for key in self._looks.next(every=every)]

    def seen(self, replies: Sequence[Mapping[bytes, Any] | None]) -> list[Notice]:
        """Take the states that `look` asked for (None: no stream); return what was missed."""
        if blind := self._looks.blind(replies):
            return blind
        notices: list[Notice] = []
        for key, state in zip(self.looking, replies, strict=True):
            account = self._accounts[key]
            account.look(state)
            notices += account.notices
            account.notices = []
        for notice in notices:
            self.missed[notice.key] += notice.missed
        return notices


class _Looks:
    """The turns of streams at being looked at, a few at a time."""

    def __init__(self, all: Sequence[str]) -> None:
        self._all, self._turn = all, 0
        self.keys = all[:LOOKED_AT]

    def blind(self, replies: Sequence[Any]) -> list[Notice]:
        """Stop looking if XINFO is refused, and return the notice of that."""
        error = next((each for each in replies if isinstance(each, ResponseError)), None)
        if error is None:
            return []
        key = self.keys[0]
        self._all = self.keys = []
        message = (
            f"{key!r}: without XINFO, entries that are dropped before they are read go unnoticed "
            f"({error})"
        )
        return [Notice("blind", key, "", 0, message)]

    def next(self, *, every: bool) -> Sequence[str]:
        """Return the streams whose turn it is, or all."""
        if every:
            self.keys = self._all
            return self.keys
        self.keys = self._all[self._turn : self._turn + LOOKED_AT]
        self._turn += LOOKED_AT
        if self._turn >= len(self._all):
            self._turn = 0
        return self.keys


class _Account:
    """A count of the entries read from one stream, to compare with how many were added.

    Redis counts the entries ever added (`entries-added`, since Redis 7,
    https://redis.io/docs/latest/commands/xinfo-stream/). At each look that number
    and the last ID are known: when reading reaches that ID, that many must have been read.
    """

    def __init__(self, key: str, after: EntryId) -> None:
        self.key, self.after = key, after
        self.notices: list[Notice] = []
        self._exists = False
        # The newest ID known to exist: a stream only grows.
        self._newest = EntryId("0-0")
        # How many entries had been added at some position, and how many were read since.
        self._taken: int | None = None
        self._since = 0
        # The last ID and the number at the last look, until reading has reached that ID.
        self._mark: tuple[EntryId, int] | None = None

    def read(self, ids: list[bytes]) -> None:
        """Advance past these entries; an empty list means that there are no more for now."""
        if self._mark is not None:
            last, taken = self._mark
            # The IDs ascend.
            before = bisect_right(ids, last, key=EntryId)
            if not ids or EntryId(ids[-1]) >= last:
                self._settle(taken, self._since + before)
                self._since = -before
        self._since += len(ids)
        if ids:
            self.after = EntryId(ids[-1])
            self._newest, self._exists = max(self._newest, self.after), True

    def look(self, state: Mapping[bytes, Any] | None) -> None:
        """Compare the count with the present state of the stream."""
        if state is None:
            if self._exists:
                self._start_again("the stream was deleted")
                self._exists = False
            if self.after == "0-0":
                # All entries added from now on are to be read.
                self._taken = 0
            return
        self._exists = True
        last = EntryId(state[b"last-generated-id"])
        if last < self._newest:
            self._start_again("the stream was deleted and created again")
        self._newest = last
        taken = state.get(b"entries-added")
        # If the position is ahead of the stream, entries added before it are not to be read.
        if taken is None or self._mark is not None or self.after > last:
            return
        if self._taken is None and self.after == "0-0":
            # Entries dropped before now were never to be read.
            self._taken = taken - state[b"length"]
        if self.after >= last:
            self._settle(taken, self._since)
            self._since = 0
        else:
            self._mark = (last, taken)

    def _settle(self, taken: int, read: int) -> None:
        """Note how many were added up to here, of which `read` were read since the last time."""
        missed = 0 if self._taken is None else taken - self._taken - read
        self._taken, self._mark = taken, None
        if missed > 0:
            message = (
                f"{self.key!r}: {missed:,} entries were dropped before they were read, "
                f"near {self.after}"
            )
            self.notices.append(Notice("gap", self.key, str(self.after), missed, message))
        elif missed < 0:
            self.notices.append(self._reset("the stream was deleted and created again"))

    def _start_again(self, why: str) -> None:
        self.notices.append(self._reset(why))
        self.after = self._newest = EntryId("0-0")
        self._taken, self._since, self._mark = None, 0, None

    def _reset(self, why: str) -> Notice:
        message = (
            f"{self.key!r}: {why} after {self.after} was read; reading continues from its beginning"
        )
        return Notice("reset", self.key, str(self.after), 0, message)


class GroupCursor:
    """A consumer's position in a group: first its backlog of pending entries, then new ones.

    Parameters
    ----------
    keys : iterable of str
        The streams, each with a group of this name.
    group, consumer : str
        The group, and the consumer that entries are delivered to.
    noack : bool
        Count new entries as acknowledged at once.
    """

    def __init__(
        self, keys: Iterable[str], group: str, consumer: str, *, noack: bool = False
    ) -> None:
        self._keys = tuple(keys)
        self._looks = _Looks(self._keys)
        self.group, self.consumer = group, consumer
        self._noack = ("NOACK",) if noack else ()
        # By stream: how many dropped entries the group was known to lack.
        self._lacking: dict[str, int] = {}
        self._passed = dict.fromkeys(self._keys, "0-0")
        self.restart()

    def restart(self) -> None:
        """Read the backlog again: after a lost reply it has entries that were never handled."""
        self._backlog = dict(self._passed)

    def passed(self, key: str, id: bytes) -> None:
        """Let `restart` begin after this entry: entries up to it stay pending and were handled."""
        self._passed[key] = id.decode()

    @property
    def in_backlog(self) -> bool:
        """Whether the next entries are from the backlog."""
        return bool(self._backlog)

    def skip_backlog(self) -> None:
        """Continue with new entries."""
        self._backlog = {}

    def command(self, count: int, block: int | None) -> Command:
        """Return the next command: at most `count` entries, waiting at most `block` ms for one."""
        reader = ("XREADGROUP", "GROUP", self.group, self.consumer, "COUNT", count)
        if self._backlog:
            return (*reader, "STREAMS", *self._backlog, *self._backlog.values())
        wait = () if block is None else ("BLOCK", block)
        return (*reader, *wait, *self._noack, "STREAMS", *self._keys, *(">" for _ in self._keys))

    def feed(self, reply: Any) -> list[StreamEntry]:
        """Take the command's reply, advance, and return the entries."""
        found = _entries(reply, self._keys)
        if self._backlog:
            self._backlog = {key: id.decode() for key, id, _ in found}
        return found

    @property
    def looking(self) -> Sequence[str]:
        """The streams that `look` is about."""
        return self._looks.keys

    def look(self) -> list[Command]:
        """Return the commands that ask for the state of the next few streams and their groups."""
        keys = self._looks.next(every=False)
        return [("XINFO", what, key) for key in keys for what in ("STREAM", "GROUPS")]

    def seen(self, replies: Sequence[Any]) -> list[Notice]:
        """Take the states that `look` asked for; return what was dropped unread."""
        if blind := self._looks.blind(replies):
            return blind
        notices = []
        for key, state, groups in zip(self.looking, replies[::2], replies[1::2], strict=True):
            name = to_bytes(self.group)
            ours = next((group for group in groups or () if group[b"name"] == name), None)
            if not state or ours is None:
                self._lacking.pop(key, None)
                continue
            lacking = _not_delivered(state, ours)
            if lacking is None:
                continue
            after = ours[b"last-delivered-id"]
            # A group that had read everything when first seen lacks only old entries.
            known = lacking if after == state[b"last-generated-id"] else 0
            known = self._lacking.get(key, known)
            self._lacking[key] = lacking
            # On some servers `entries-read` skips a gap when the group reads on, on others not.
            missed = lacking - known if lacking >= known else lacking
            if missed:
                message = (
                    f"{key!r}: {missed:,} entries were dropped before group {self.group!r} read "
                    f"them, near {after.decode()}"
                )
                notices.append(Notice("gap", key, after.decode(), missed, message))
        return notices


def _not_delivered(stream: Mapping[bytes, Any], group: Mapping[bytes, Any]) -> int | None:
    """Return how many dropped entries the group's count lacks; None if it cannot be known."""
    delivered, first = group.get(b"entries-read"), stream[b"first-entry"]
    after, last = EntryId(group[b"last-delivered-id"]), EntryId(stream[b"last-generated-id"])
    if delivered is None or after > last:
        # The server does not count (before Redis 7), or the group read between the two replies.
        return None
    if after == last:
        waiting = 0
    elif first is None or after < EntryId(first[0]):
        waiting = stream[b"length"]
    else:
        return None
    return max(0, int(stream[b"entries-added"]) - waiting - int(delivered))


def _entries(reply: Any, keys: Iterable[str]) -> list[StreamEntry]:
    """Return the entries of a reply: RESP3 sends {key: entries}, RESP2 [[key, entries], ...]."""
    if not reply:
        return []
    names = {to_bytes(key): key for key in keys}
    streams = reply.items() if isinstance(reply, dict) else reply
    # With CLAIM, since Redis 8.4, the idle time and deliveries follow the fields,
    # https://redis.io/docs/latest/commands/xreadgroup/
    # Not a list of fields, which the garbage collector would look at as long as it is kept: at
    # 10,000 entries a second that took most of the time.
    return [
        (names[key], each[0], tuple(each[1]) if each[1] else each[1])
        for key, found in streams
        for each in found
    ]
