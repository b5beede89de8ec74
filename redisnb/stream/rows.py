"""The state of streams, groups and consumers as rows of frames, for one stream or for many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, NamedTuple

import redis

from redisnb import wire
from redisnb.entries import as_text, id_pair, to_bytes
from redisnb.errors import code, explain, is_transient, warn
from redisnb.stream.key import dead_letters_key
from redisnb.stream.state import State, count_for_rate, group_states, lag_of, rate_of
from redisnb.wire import Command, Connection

__all__ = [
    "GROUP_QUESTIONS",
    "STREAM_QUESTIONS",
    "group_rows",
    "in_ms",
    "look",
    "row_of_group",
    "rows_at",
    "rows_of_groups",
    "rows_of_streams",
    "stream_rows",
]

#: What to ask about each stream for the rows of its groups, and for its own.
GROUP_QUESTIONS: Sequence[Command] = [("XINFO", "STREAM"), ("XINFO", "GROUPS")]
STREAM_QUESTIONS: Sequence[Command] = [*GROUP_QUESTIONS, ("MEMORY", "USAGE")]


class Seen(NamedTuple):
    """A stream with the replies to the questions about it; what was refused is an error."""

    key: str
    state: State | redis.ResponseError
    groups: Sequence[State] | redis.ResponseError
    size: int | None


def look(pages: Iterable[tuple[Sequence[bytes], Sequence[Any]]]) -> list[Seen]:
    """Return the streams in pages of keys with the replies about each, by name.

    A key that is gone or no longer a stream is left out.
    """
    found = []
    for keys, replies in pages:
        each = len(replies) // len(keys) if keys else 1
        for i, key in enumerate(keys):
            stream, groups, *size = replies[i * each : (i + 1) * each]
            if not (_is_gone(stream) or _is_gone(groups)):
                found.append((key, _seen(as_text(key), stream, groups, *size)))
    return [seen for _, seen in sorted(found, key=lambda pair: pair[0])]


def _is_gone(reply: Any) -> bool:
    if not isinstance(reply, redis.ResponseError):
        return False
    if is_transient(reply):
        raise explain(reply, "")
    return code(reply) == "WRONGTYPE" or "no such key" in str(reply)


def _seen(key: str, stream: Any, groups: Any, size: Any = None) -> Seen:
    return Seen(
        key,
        stream if isinstance(stream, redis.ResponseError) else _bare_state(wire.mapping(stream)),
        groups if isinstance(groups, redis.ResponseError) else [*map(wire.mapping, groups)],
        # This user may not be allowed MEMORY.
        size if isinstance(size, int) else None,
    )


def _bare_state(reply: State) -> State:
    """Return the reply to XINFO STREAM with the size of its two entries instead of their fields."""
    ends = {name: reply[name] for name in (b"first-entry", b"last-entry")}
    sizes = (sum(map(len, entry[1])) for entry in ends.values() if entry)
    bare = {name: entry and entry[:1] for name, entry in ends.items()}
    return {**reply, **bare, b"entry-size": max(sizes, default=0)}


# -- streams


def stream_rows(conn: Connection, key: str) -> list[tuple[Any, ...]]:
    """Return a row of STREAMS for one stream; none without it, or for a key of another type."""
    replies = wire.ask_many(conn, [(*question, key) for question in STREAM_QUESTIONS])
    return rows_of_streams(conn, look([([to_bytes(key)], list(replies))]))


def rows_of_streams(conn: Connection, streams: Sequence[Seen]) -> list[tuple[Any, ...]]:
    """Return a row of STREAMS for each stream; some values are missing where XINFO is refused."""
    if not streams:
        return []
    errors = (each for seen in streams for each in seen[1:3] if isinstance(each, Exception))
    if texts := {*map(str, errors)}:
        warn(f"for some streams XINFO was refused, and its values are missing: {min(texts)}")
    return rows_at(conn, streams, wire.now(conn).value // 10**6)


def rows_at(conn: Connection, streams: Sequence[Seen], now: int) -> list[tuple[Any, ...]]:
    """Do what `rows_of_streams` does, at a time in ms, and without a warning."""
    states = {seen.key: seen.state for seen in streams if not isinstance(seen.state, Exception)}
    if refused := [seen.key for seen in streams if seen.key not in states]:
        states |= _states_without_xinfo(conn, refused)
    known = [(seen, states[seen.key]) for seen in streams]
    replies = _replies(conn, [_stream_questions(*each, now) for each in known])
    return [_stream_row(*each, found, now) for each, found in zip(known, replies, strict=True)]


def _replies(conn: Connection, questions: Sequence[Sequence[Command]]) -> Iterator[list[Any]]:
    """Yield the replies to each list of commands; all are sent at once."""
    replies = wire.ask_many(conn, chain.from_iterable(questions))
    for commands in questions:
        yield [*islice(replies, len(commands))]
    # To its end, or the link could not be used again.
    yield from replies


def _states_without_xinfo(conn: Connection, keys: Sequence[str]) -> dict[str, State]:
    """Return the parts of the state that XLEN and XRANGE give; nothing for refused keys."""
    commands = [
        command
        for key in keys
        for command in (
            ("XLEN", key),
            ("XRANGE", key, "-", "+", "COUNT", 1),
            ("XREVRANGE", key, "+", "-", "COUNT", 1),
        )
    ]
    replies = [
        None if isinstance(reply, redis.ResponseError) else reply
        for reply in wire.ask_many(conn, commands)
    ]
    ends = ([reply[0] if reply else None for reply in replies[i::3]] for i in (1, 2))
    return {
        key: _bare_state(
            {
                b"length": length,
                b"groups": None,
                b"first-entry": first,
                b"last-entry": last,
                b"last-generated-id": last and last[0],
            }
        )
        for key, length, first, last in zip(keys, replies[::3], *ends, strict=True)
    }


def _stream_questions(seen: Seen, state: State, now: int) -> list[Command]:
    pending = [("XPENDING", seen.key, group[b"name"]) for group in _held(seen)]
    count = count_for_rate(state, seen.size, now)
    # The time at which they are read: a rate may be that of the last milliseconds.
    newest = [("XREVRANGE", seen.key, "+", "-", "COUNT", count), ("TIME",)] if count else []
    return [("XLEN", dead_letters_key(seen.key)), *pending, *newest]


def _held(seen: Seen) -> list[State]:
    """Return the groups that have pending entries."""
    return [] if isinstance(seen.groups, Exception) else [g for g in seen.groups if g[b"pending"]]


def _stream_row(seen: Seen, state: State, replies: Sequence[Any], now: int) -> tuple[Any, ...]:
    held = len(_held(seen))
    dead, summaries, newest = replies[0], replies[1 : 1 + held], replies[1 + held :]
    entries, time = newest or (None, None)
    groups = None if isinstance(seen.groups, redis.ResponseError) else seen.groups
    is_whole = state is seen.state
    lags: list[Any] = [lag_of(state if is_whole else None, group)[0] for group in groups or ()]
    first, last = state[b"first-entry"], state[b"last-entry"]
    last_id = state[b"last-generated-id"]
    return (
        seen.key,
        state[b"length"],
        state[b"groups"] if is_whole or groups is None else len(groups),
        first[0].decode() if first else None,
        None if last_id is None else last_id.decode(),
        id_pair(first[0])[0] if first else None,
        id_pair(last[0])[0] if last else None,
        seen.size,
        rate_of(state, entries, in_ms(time) if isinstance(time, list) else now),
        None if None in lags or groups is None else max(lags, default=0),
        None if groups is None else sum(group[b"pending"] for group in groups),
        _age(summaries, now),
        _dead_letters(dead),
    )


def in_ms(time: Sequence[bytes]) -> int:
    """Return the reply to TIME in ms."""
    seconds, micros = map(int, time)
    return seconds * 1000 + micros // 1000


def _age(summaries: Iterable[Any], now: int) -> int | None:
    """Return how many ms ago the oldest pending entry was added, by XPENDING's summaries."""
    # [count, smallest ID, largest ID, consumers], or an error if the group was just destroyed.
    oldest = [reply[1] for reply in summaries if isinstance(reply, list) and reply[1] is not None]
    ages = (now - id_pair(id)[0] for id in oldest)
    # IDs can be further in the future than a duration can be long.
    return max((age for age in ages if age > -(2**63)), default=None)


def _dead_letters(reply: Any) -> int | None:
    if isinstance(reply, redis.ResponseError):
        # A key of another type holds no dead letters. XLEN may also be refused to this user.
        return 0 if code(reply) == "WRONGTYPE" else None
    return int(reply)


# -- groups


def group_rows(conn: Connection, key: str) -> list[tuple[Any, ...]]:
    """Return a row of GROUPS for each group of one stream, by name; none without the stream."""
    groups = group_states(conn, key)
    if not groups:
        return []
    (stream,) = wire.ask_many(conn, [("XINFO", "STREAM", key)])
    return rows_of_groups(conn, [_seen(key, stream, groups)])


def rows_of_groups(conn: Connection, streams: Iterable[Seen]) -> list[tuple[Any, ...]]:
    """Return a row of GROUPS for each group of these streams, by stream and name."""
    found = [
        (seen, group)
        for seen in streams
        if not isinstance(seen.groups, redis.ResponseError)
        for group in sorted(seen.groups, key=lambda group: group[b"name"])
    ]
    if not found:
        return []
    now = wire.now(conn).value // 10**6
    replies = _replies(conn, [_group_questions(*each) for each in found])
    return [row_of_group(*each, asked, now) for each, asked in zip(found, replies, strict=True)]


def _group_questions(seen: Seen, group: State) -> list[Command]:
    about = (seen.key, group[b"name"])
    return [("XPENDING", *about), ("XINFO", "CONSUMERS", *about)] if group[b"pending"] else []


def row_of_group(seen: Seen, group: State, replies: Sequence[Any], now: int) -> tuple[Any, ...]:
    """Return a row of GROUPS, with the replies to XPENDING and XINFO CONSUMERS about the group."""
    state = None if isinstance(seen.state, redis.ResponseError) else seen.state
    known, reason = lag_of(state, group)
    return (
        seen.key,
        as_text(group[b"name"]),
        group[b"consumers"],
        group[b"pending"],
        group[b"last-delivered-id"].decode(),
        group.get(b"entries-read"),
        known,
        _age(replies[:1], now),
        _longest_idle(*replies[1:]),
        reason,
    )


def _longest_idle(consumers: Any = ()) -> int | None:
    """Return the longest time in ms since a consumer that holds entries last asked."""
    # An error if the group was just destroyed, or this user may not ask.
    each = [] if isinstance(consumers, redis.ResponseError) else map(wire.mapping, consumers)
    return max((state[b"idle"] for state in each if state[b"pending"]), default=None)


# -- consumers


def consumer_rows(reply: Iterable[Any]) -> list[tuple[Any, ...]]:
    """Return a row of CONSUMERS for each consumer in a reply to XINFO CONSUMERS, by name."""
    consumers = sorted(map(wire.mapping, reply), key=lambda each: each[b"name"])
    return [
        (
            as_text(each[b"name"]),
            each[b"pending"],
            each[b"idle"],
            # -1: no entry was ever delivered to it.
            None if each.get(b"inactive", -1) < 0 else each[b"inactive"],
        )
        for each in consumers
    ]
