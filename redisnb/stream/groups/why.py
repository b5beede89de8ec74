"""What holds up a consumer group, as rows of a FINDINGS frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple, TypeAlias

import pandas as pd
from redis.exceptions import ResponseError

from redisnb import frames, wire
from redisnb.durations import duration
from redisnb.entries import EntryId, as_text
from redisnb.errors import code, explain, words
from redisnb.stream.groups.dead_letters import letter_of
from redisnb.stream.groups.key import GroupKey, missing_group
from redisnb.stream.key import dead_letters_key
from redisnb.stream.rows import consumer_rows, group_rows

__all__ = ["STUCK_AFTER", "Why", "holder_text", "lag_text"]

#: How long a consumer may be silent, or an entry pending, before it counts as stuck, in ms.
STUCK_AFTER = 5 * 60 * 1000
#: How long a consumer that holds nothing may be silent before it counts as gone, in ms.
GONE_AFTER = 24 * 60 * 60 * 1000
#: How often an entry may be delivered before it counts as failing.
OFTEN = 5
#: How many acknowledged entries a stream may hold from which nothing was ever removed.
PILE = 10_000
#: How many pending entries are looked at, and of how many entries and dead letters the bodies.
PENDING_SEEN, BODIES_SEEN = 1_000, 100
#: How many consumers, or entries, are named.
_NAMED = 3

#: Severity, finding, evidence, remedy.
Found: TypeAlias = tuple[str, str, str, str]


class GroupSeen(NamedTuple):
    """A group at one moment.

    Attributes
    ----------
    now : int
        The server's time in ms.
    group : mapping
        The row of the group in a GROUPS frame.
    others : list of mapping
        The rows of all groups of the stream, this one too.
    stream : mapping or None
        The reply to XINFO STREAM, if it is allowed.
    consumers : list of (name, pending, idle, inactive)
        Rows of a CONSUMERS frame.
    pending : list of (ID, consumer, idle, deliveries)
        The oldest pending entries.
    waiting : EntryId or None
        The next entry to be delivered.
    bodiless : list of ID
        Pending entries that are not in the stream any more.
    letters : (int, int, int), or str
        How many dead letters there are, how many were looked at, and how many of these are of this
        group; or why that is unknown.
    """

    now: int
    group: Mapping[str, Any]
    others: Sequence[Mapping[str, Any]]
    stream: Mapping[bytes, Any] | None
    consumers: Sequence[tuple[Any, ...]]
    pending: Sequence[tuple[bytes, bytes, int, int]]
    waiting: EntryId | None
    bodiless: Sequence[bytes]
    letters: tuple[int, int, int] | str


class Why(GroupKey):
    """The method of a group that tells what holds it up."""

    def why(self) -> pd.DataFrame:
        """Find what holds the group up: what is stuck, since when, and what mends it.

        Returns
        -------
        DataFrame in schema FINDINGS
            Worst first; it is shown as text. Each remedy is code for this `group`. Never empty: if
            nothing is wrong, a note has the numbers that say so.

            - error: a consumer holds entries and has not asked for 5 minutes; entries wait, and
              there is no consumer, or none has asked for 5 minutes.
            - warning: a consumer that still asks holds entries that were delivered, or given back,
              5 minutes ago or earlier; entries were delivered 5 times or more; pending entries have
              no body any more; entries have waited for 5 minutes; there are dead letters; the
              stream holds 10,000 entries or more that every group has acknowledged, and nothing was
              ever removed from it.
            - note: the lag is unknown; consumers hold nothing and have not asked for a day; what
              was not looked at.

        Notes
        -----
        XINFO, XPENDING, XLEN, and XRANGE for single entries: at most the oldest 1,000 pending
        entries, and the bodies of 100 of them and of 100 dead letters. Reads only.

        Examples
        --------
        >>> frame = billing.read(2)
        >>> found = billing.why()
        >>> found["finding"][0], found["remedy"][0]
        ('the group is behind', "group.stream.range('(1714559460000-0', limit=10)")
        """
        seen = self._seen()
        rows = [row for check in GROUP_CHECKS for row in check(seen)]
        if all(severity == "note" for severity, *_ in rows):
            rows.append(("note", "nothing holds the group up", _numbers(seen), ""))
        about = f"group {self.name!r} of {self.stream.key!r}"
        return frames.findings_frame((severity, about, *texts) for severity, *texts in rows)

    def _seen(self) -> GroupSeen:
        conn, key, name = self.stream.conn, self.stream.key, self.name
        others = [dict(zip(frames.GROUPS, row, strict=True)) for row in group_rows(conn, key)]
        group = next((each for each in others if each["group"] == name), None)
        if group is None:
            raise missing_group(self)
        dead = dead_letters_key(key)
        consumers, pending, following, stream, length, letters = wire.ask_many(
            conn,
            [
                ("XINFO", "CONSUMERS", key, name),
                ("XPENDING", key, name, "-", "+", PENDING_SEEN),
                ("XRANGE", key, f"({group['last_delivered_id']}", "+", "COUNT", 1),
                ("XINFO", "STREAM", key),
                ("XLEN", dead),
                ("XRANGE", dead, "-", "+", "COUNT", BODIES_SEEN),
            ],
        )
        with self._explaining():
            for reply in (consumers, pending):
                if isinstance(reply, ResponseError):
                    raise explain(reply, key, ("XINFO", "CONSUMERS", key))
        # Nothing can follow the largest ID, which the server says as an error.
        following = [] if isinstance(following, ResponseError) else following
        whole = None if isinstance(stream, ResponseError) else wire.mapping(stream)
        return GroupSeen(
            wire.now(conn).value // 10**6,
            group,
            others,
            whole,
            consumer_rows(consumers),
            pending,
            EntryId(following[0][0]) if following else None,
            self._bodiless([row[0] for row in pending], whole),
            self._counted_letters(length, letters),
        )

    def _bodiless(self, ids: Sequence[bytes], stream: Mapping[bytes, Any] | None) -> list[bytes]:
        """Return the pending entries without a body: before the first entry, or deleted."""
        first = stream[b"first-entry"] if stream else None
        trimmed = [id for id in ids if first and EntryId(id) < EntryId(first[0])]
        commands = [("XRANGE", self.stream.key, id, id) for id in ids[len(trimmed) :][:BODIES_SEEN]]
        replies = wire.ask_many(self.stream.conn, commands) if commands else ()
        looked_at = zip(commands, replies, strict=True)
        return trimmed + [command[2] for command, reply in looked_at if reply == []]

    def _counted_letters(self, length: Any, letters: Any) -> tuple[int, int, int] | str:
        for reply in (length, letters):
            if isinstance(reply, ResponseError):
                return words(reply) if code(reply) != "WRONGTYPE" else (0, 0, 0)
        found = [letter_of(*each) for each in letters]
        mine = [letter for letter in found if letter and letter.group == self.name]
        return length, len(letters), len(mine)


def _silent_holders(seen: GroupSeen) -> Iterator[Found]:
    holders = [each for each in seen.consumers if each[1] and each[2] >= STUCK_AFTER]
    holders.sort(key=lambda each: -each[1])
    for name, held, idle, _ in holders[:_NAMED]:
        yield (
            "error",
            holder_text(repr(name), held, _span(idle)),
            _of_all(seen, held),
            f"group.claim(group.pending(consumer={name!r}), min_idle={_in_code(idle)!r})",
        )
    if others := holders[_NAMED:]:
        idle, held = min(each[2] for each in others), sum(each[1] for each in others)
        yield (
            "error",
            holder_text(f"each of {len(others):,} others", held, _span(idle)),
            _of_all(seen, held),
            f"group.autoclaim(min_idle={_in_code(idle)!r})",
        )


def _unread(seen: GroupSeen) -> Iterator[Found]:
    text = lag_text(seen.group["lag"], seen.group["lag_unknown"])
    if seen.waiting is None:
        if not seen.consumers:
            yield "note", "the group has no consumer", text, "group.info()"
        return
    last = seen.group["last_delivered_id"]
    remedy = f"group.stream.range({f'({last}'!r}, limit=10)"
    age = seen.now - seen.waiting.ms
    evidence = f"{text}, the next one was added {duration(_span(age))} ago" if age > 0 else text
    idle = min((each[2] for each in seen.consumers), default=None)
    if idle is None:
        yield "error", "entries wait, and the group has no consumer", evidence, remedy
    elif idle >= STUCK_AFTER:
        finding = f"entries wait, and no consumer has asked for {duration(_span(idle))}"
        yield "error", finding, evidence, remedy
    elif age >= STUCK_AFTER:
        yield "warning", "the group is behind", evidence, remedy
    if seen.group["lag"] is None:
        yield "note", text, "", "group.lag()"


def _slow_holders(seen: GroupSeen) -> Iterator[Found]:
    """Find consumers that ask for more, and do not acknowledge what they have."""
    asking = {name for name, _, idle, _ in seen.consumers if idle < STUCK_AFTER}
    old = [(as_text(name), idle) for _, name, idle, _ in seen.pending if idle >= STUCK_AFTER]
    held = Counter(name for name, _ in old if name in asking)
    for name, count in held.most_common(_NAMED):
        longest = max(idle for each, idle in old if each == name)
        yield (
            "warning",
            f"{name!r} asks for more, and holds {count:,} that are idle for up to "
            f"{duration(_span(longest))}",
            _of_all(seen, count),
            f"group.pending(consumer={name!r}, min_idle={_in_code(STUCK_AFTER)!r}, payload=True)",
        )


def _failing(seen: GroupSeen) -> Iterator[Found]:
    failing = [(row[0].decode(), row[3]) for row in seen.pending if row[3] >= OFTEN]
    if failing:
        yield (
            "warning",
            f"{_entries_were(len(failing))} delivered up to {max(n for _, n in failing):,} times",
            _first_few([id for id, _ in failing]),
            f"held = group.pending(); group.bury(held[held.deliveries >= {OFTEN}], min_idle=60)",
        )


def _tombstones(seen: GroupSeen) -> Iterator[Found]:
    if seen.bodiless:
        yield (
            "warning",
            f"{_entries_were(len(seen.bodiless))} trimmed or deleted while pending",
            _first_few([id.decode() for id in seen.bodiless]),
            "group.ack(group.pending(payload=True).attrs.get('trimmed', []))",
        )


def _letters_waiting(seen: GroupSeen) -> Iterator[Found]:
    if isinstance(seen.letters, str):
        yield "note", "not looked at: dead letters", seen.letters, ""
        return
    total, looked_at, mine = seen.letters
    if mine:
        more = (
            f"; of {total:,}, the first {looked_at:,} were looked at" if looked_at < total else ""
        )
        yield (
            "warning",
            f"{mine:,} dead letter{'s' if mine > 1 else ''}{more}",
            "group.dead_letters() shows them",
            "group.redrive('all')",
        )


def _piled_up(seen: GroupSeen) -> Iterator[Found]:
    """Find entries that every group has acknowledged, if nothing was ever removed."""
    lags = [each["lag"] for each in seen.others]
    if seen.stream is None or None in lags:
        return
    length: int = seen.stream[b"length"]
    # What a group has to deliver is part of what the one furthest behind has.
    acked = length - max(lags) - sum(each["pending"] for each in seen.others)
    if acked >= PILE and seen.stream.get(b"entries-added") == length:
        yield (
            "warning",
            f"{_entries_were(acked)} acknowledged by every group, and are still there",
            f"the stream has {length:,} entries, and nothing was ever removed",
            "group.stream.trim(maxlen=1000, only='acked')",
        )


def _gone(seen: GroupSeen) -> Iterator[Found]:
    gone = [name for name, held, idle, _ in seen.consumers if not held and idle >= GONE_AFTER]
    if gone:
        yield (
            "note",
            f"{len(gone):,} of {len(seen.consumers):,} consumers are gone",
            f"they hold nothing and have not asked for a day: {_first_few(map(repr, gone))}",
            "rows = group.consumers(); rows[(rows.pending == 0) & (rows.idle > '24h')].consumer"
            ".map(group.remove_consumer)",
        )


def _not_looked_at(seen: GroupSeen) -> Iterator[Found]:
    if seen.group["pending"] > len(seen.pending) >= PENDING_SEEN:
        yield (
            "note",
            f"not looked at: pending entries after the oldest {PENDING_SEEN:,}",
            f"{seen.group['pending']:,} are pending",
            "group.pending(limit=None)",
        )


#: In the order in which findings of one severity are listed.
GROUP_CHECKS = (
    _silent_holders,
    _unread,
    _slow_holders,
    _failing,
    _tombstones,
    _letters_waiting,
    _piled_up,
    _gone,
    _not_looked_at,
)


def holder_text(name: str, held: int, idle: timedelta) -> str:
    """Return what a consumer holds, and for how long it has been silent."""
    return f"{name} holds {held:,} and has not asked for {duration(idle)}"


def lag_text(lag: int | None, unknown: str | None) -> str:
    """Return how much there is to be delivered, or why that is unknown."""
    if lag is None:
        return f"lag unknown: {unknown}"
    return f"{lag:,} still to be delivered" if lag else "nothing more to be delivered"


def _numbers(seen: GroupSeen) -> str:
    lag = lag_text(seen.group["lag"], seen.group["lag_unknown"])
    return f"{seen.group['pending']:,} pending, {lag}, {len(seen.consumers):,} consumers"


def _of_all(seen: GroupSeen, held: int) -> str:
    oldest = seen.group["oldest_pending"]
    since = f"; the oldest was added {duration(_span(oldest))} ago" if (oldest or 0) > 0 else ""
    return f"{held:,} of {seen.group['pending']:,} pending entries{since}"


def _entries_were(count: int) -> str:
    return "1 entry was" if count == 1 else f"{count:,} entries were"


def _first_few(names: Iterable[str]) -> str:
    """Return the first few names."""
    known = list(names)
    more = f" and {len(known) - _NAMED:,} more" if len(known) > _NAMED else ""
    return ", ".join(known[:_NAMED]) + more


def _span(ms: int) -> timedelta:
    return timedelta(milliseconds=ms)


def _in_code(ms: int) -> str:
    """Return a duration, rounded down, as it is written in code."""
    minutes = ms // 60_000
    if minutes < 120:
        return f"{minutes}min"
    return f"{minutes // 60}h" if minutes < 48 * 60 else f"{minutes // 1440}d"
