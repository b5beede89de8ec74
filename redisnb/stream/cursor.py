"""A reading position as a state machine: the next command, then its reply.

Whoever reads (a generator, a coroutine, a thread) does nothing but send `command()` and `feed()`
the reply, so all of them decide alike. From time to time it sends the commands of `look()` too,
and the replies tell `seen()` what the server dropped before it was read.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from redis.exceptions import ResponseError

from redisnb.entries import EntryId, Fields, to_bytes

__all__ = ["GroupCursor", "StreamCursor"]

#: How many streams are looked at together.
LOOKED_AT = 5

#: The key of a stream, an entry's ID, and its fields (None where the body is gone).
Found: TypeAlias = tuple[str, bytes, Fields | None]
Command: TypeAlias = tuple[Any, ...]


class Notice(NamedTuple):
    """Say what a reader has missed.

    Attributes
    ----------
    kind : {"gap", "reset", "blind", "clock", "shared"}
        Entries were dropped before they were read; the stream was deleted and begins anew; or
        nobody can tell, since XINFO is refused; the server's clock has gone back; or other groups
        have not read what is deleted.
    key : str
        The stream.
    after : str
        The last entry ID that was read before.
    missed : int
        How many entries a gap has cost, 0 for a reset: nobody has counted.
    message : str
        The same in words.
    """

    kind: str
    key: str
    after: str
    missed: int
    message: str


class StreamCursor:
    """Read streams without a group, each entry once.

    Parameters
    ----------
    after : mapping of str to EntryId
        For each stream the entry before the first one wanted.

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
        """The last entry read of each stream."""
        return {key: account.after for key, account in self._accounts.items()}

    def command(self, count: int, block: int | None) -> Command:
        """Return the next command: at most `count` entries, waiting at most `block` ms for one."""
        wait = () if block is None else ("BLOCK", block)
        return ("XREAD", "COUNT", count, *wait, "STREAMS", *self.after, *self.after.values())

    def feed(self, reply: Any) -> list[Found]:
        """Take the command's reply, move on, and return the entries."""
        found = _entries(reply, self._accounts)
        for key, account in self._accounts.items():
            account.read([id for of, id, _ in found if of == key])
        return found

    def restart(self) -> None:
        """Go on after a broken connection: the position still holds."""

    @property
    def looking(self) -> Sequence[str]:
        """The streams that `look` is about."""
        return self._looks.keys

    def look(self, *, every: bool = False) -> list[Command]:
        """Return the commands that show what the server has dropped of the next few streams."""
        return [("XINFO", "STREAM", key) for key in self._looks.next(every=every)]

    def seen(self, replies: Sequence[Mapping[bytes, Any] | None]) -> list[Notice]:
        """Take what `look` has shown (None for a missing stream), and return what was missed."""
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
    """Take turns at streams that are looked at, a few at a time."""

    def __init__(self, all: Sequence[str]) -> None:
        self._all, self._turn = all, 0
        self.keys = all[:LOOKED_AT]

    def blind(self, replies: Sequence[Any]) -> list[Notice]:
        """Look no more where XINFO is refused, and say so."""
        error = next((each for each in replies if isinstance(each, ResponseError)), None)
        if error is None:
            return []
        key = self.keys[0]
        self._all = self.keys = []
        message = (
            f"{key!r}: what is dropped before it is read will not be noticed, for want of XINFO "
            f"({error})"
        )
        return [Notice("blind", key, "", 0, message)]

    def next(self, *, every: bool) -> Sequence[str]:
        """Return those whose turn it is, or every one."""
        if every:
            self.keys = self._all
            return self.keys
        self.keys = self._all[self._turn : self._turn + LOOKED_AT]
        self._turn += LOOKED_AT
        if self._turn >= len(self._all):
            self._turn = 0
        return self.keys


class _Account:
    """Count what is read of one stream, and compare it with what the stream has taken.

    Redis counts the entries ever added (`entries-added`, since Redis 7). Of a moment when it was
    asked, it is known how many there were and which was the last: when reading has come so far,
    that many must have been read.
    """

    def __init__(self, key: str, after: EntryId) -> None:
        self.key, self.after = key, after
        self.notices: list[Notice] = []
        self._exists = False
        # The newest entry that is known to have been there: a stream only grows.
        self._newest = EntryId("0-0")
        # How many entries the stream had taken at some position, and how many were read since.
        self._taken: int | None = None
        self._since = 0
        # What there was when the server was last asked, until reading has come so far.
        self._mark: tuple[EntryId, int] | None = None

    def read(self, ids: list[bytes]) -> None:
        """Move on behind these entries; none: there is no entry left for now."""
        if self._mark is not None:
            last, taken = self._mark
            # They ascend.
            before = bisect_right(ids, last, key=EntryId)
            if not ids or EntryId(ids[-1]) >= last:
                self._settle(taken, self._since + before)
                self._since = -before
        self._since += len(ids)
        if ids:
            self.after = EntryId(ids[-1])
            self._newest, self._exists = max(self._newest, self.after), True

    def look(self, state: Mapping[bytes, Any] | None) -> None:
        """Compare with the stream's state now."""
        if state is None:
            if self._exists:
                self._begin_anew("the stream was deleted")
                self._exists = False
            if self.after == "0-0":
                # Whatever it takes from now on is to be read.
                self._taken = 0
            return
        self._exists = True
        last = EntryId(state[b"last-generated-id"])
        if last < self._newest:
            self._begin_anew("the stream was deleted and made again")
        self._newest = last
        taken = state.get(b"entries-added")
        # Of a position ahead of the stream, what is added before it is not to be read.
        if taken is None or self._mark is not None or self.after > last:
            return
        if self._taken is None and self.after == "0-0":
            # What was dropped until now was never to be read.
            self._taken = taken - state[b"length"]
        if self.after >= last:
            self._settle(taken, self._since)
            self._since = 0
        else:
            self._mark = (last, taken)

    def _settle(self, taken: int, read: int) -> None:
        """Note how many were taken until here, of which `read` were read since the last time."""
        missed = 0 if self._taken is None else taken - self._taken - read
        self._taken, self._mark = taken, None
        if missed > 0:
            message = (
                f"{self.key!r}: {missed:,} entries were dropped before they were read, "
                f"about {self.after}"
            )
            self.notices.append(Notice("gap", self.key, str(self.after), missed, message))
        elif missed < 0:
            self.notices.append(self._reset("the stream was deleted and made again"))

    def _begin_anew(self, why: str) -> None:
        self.notices.append(self._reset(why))
        self.after = self._newest = EntryId("0-0")
        self._taken, self._since, self._mark = None, 0, None

    def _reset(self, why: str) -> Notice:
        message = (
            f"{self.key!r}: {why} after {self.after} was read; reading goes on with what it has now"
        )
        return Notice("reset", self.key, str(self.after), 0, message)


class GroupCursor:
    """Read as a consumer of a group: first what it has already been given, then what is new.

    Parameters
    ----------
    keys : iterable of str
        The streams, each with a group of this name.
    group, consumer : str
        The group, and the consumer that entries are given to.
    noack : bool
        Let what is new count as acknowledged at once.
    """

    def __init__(
        self, keys: Iterable[str], group: str, consumer: str, *, noack: bool = False
    ) -> None:
        self._keys = tuple(keys)
        self._looks = _Looks(self._keys)
        self.group, self.consumer = group, consumer
        self._noack = ("NOACK",) if noack else ()
        # Of each stream, how many dropped entries the group was known to lack.
        self._lacking: dict[str, int] = {}
        self._passed = dict.fromkeys(self._keys, "0-0")
        self.restart()

    def restart(self) -> None:
        """Look at the backlog again: a lost reply leaves entries there that nobody has seen."""
        self._backlog = dict(self._passed)

    def passed(self, key: str, id: bytes) -> None:
        """Let `restart` begin behind this entry: what is pending up to it has been seen."""
        self._passed[key] = id.decode()

    @property
    def in_backlog(self) -> bool:
        """Whether the next entries are some that this consumer was given before."""
        return bool(self._backlog)

    def skip_backlog(self) -> None:
        """Go on with what is new."""
        self._backlog = {}

    def command(self, count: int, block: int | None) -> Command:
        """Return the next command: at most `count` entries, waiting at most `block` ms for one."""
        reader = ("XREADGROUP", "GROUP", self.group, self.consumer, "COUNT", count)
        if self._backlog:
            return (*reader, "STREAMS", *self._backlog, *self._backlog.values())
        wait = () if block is None else ("BLOCK", block)
        return (*reader, *wait, *self._noack, "STREAMS", *self._keys, *(">" for _ in self._keys))

    def feed(self, reply: Any) -> list[Found]:
        """Take the command's reply, move on, and return the entries."""
        found = _entries(reply, self._keys)
        if self._backlog:
            self._backlog = {key: id.decode() for key, id, _ in found}
        return found

    @property
    def looking(self) -> Sequence[str]:
        """The streams that `look` is about."""
        return self._looks.keys

    def look(self) -> list[Command]:
        """Return the commands that show what the server has dropped of the next few streams."""
        keys = self._looks.next(every=False)
        return [("XINFO", what, key) for key in keys for what in ("STREAM", "GROUPS")]

    def seen(self, replies: Sequence[Any]) -> list[Notice]:
        """Take what `look` has shown, and return what was dropped before the group read it."""
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
            # A group that had read all when it was first seen: what it lacks is history.
            known = lacking if after == state[b"last-generated-id"] else 0
            known = self._lacking.get(key, known)
            self._lacking[key] = lacking
            # Some servers let `entries-read` skip a gap when the group reads on, some do not.
            missed = lacking - known if lacking >= known else lacking
            if missed:
                message = (
                    f"{key!r}: {missed:,} entries were dropped before group {self.group!r} read "
                    f"them, about {after.decode()}"
                )
                notices.append(Notice("gap", key, after.decode(), missed, message))
        return notices


def _not_delivered(stream: Mapping[bytes, Any], group: Mapping[bytes, Any]) -> int | None:
    """Return how many dropped entries the group's count lacks, None where nobody can say."""
    delivered, first = group.get(b"entries-read"), stream[b"first-entry"]
    after, last = EntryId(group[b"last-delivered-id"]), EntryId(stream[b"last-generated-id"])
    if delivered is None or after > last:
        # Not counted, before Redis 7 or so far; or read on between the two replies.
        return None
    if after == last:
        waiting = 0
    elif first is None or after < EntryId(first[0]):
        waiting = stream[b"length"]
    else:
        return None
    return max(0, int(stream[b"entries-added"]) - waiting - int(delivered))


def _entries(reply: Any, keys: Iterable[str]) -> list[Found]:
    """Return the entries of a reply: RESP3 sends {key: entries}, RESP2 [[key, entries], ...]."""
    if not reply:
        return []
    names = {to_bytes(key): key for key in keys}
    streams = reply.items() if isinstance(reply, dict) else reply
    # With CLAIM, since Redis 8.4, an entry has its idle time and deliveries behind its fields.
    return [(names[key], each[0], each[1]) for key, found in streams for each in found]
