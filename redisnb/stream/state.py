"""The state of streams and of their consumer groups, as rows of STREAMS and GROUPS frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import redis

from redisnb import wire
from redisnb.entries import EntryId, as_text
from redisnb.errors import code, explain, is_passing, warn
from redisnb.stream.key import dead_letters_key
from redisnb.wire import Connection

__all__: list[str] = []

State = Mapping[bytes, Any]

#: Why nobody knows how far behind a group is.
NOT_COUNTED = "the server does not count entries; Redis does since version 7"
NO_START = "the group began in the middle of the stream, or has passed deleted entries"
DELETED = "entries that the group had not reached were deleted"
DROPPED = "entries that the group had not reached were dropped, and the server counts them"


def lag(stream: State | None, group: State) -> tuple[int | None, str | None]:
    """Return how many entries a group has still to deliver, or None and why nobody knows.

    Some servers count entries for ever that were dropped before the group had read them
    (redis/redis#13957, valkey-io/valkey#1951). Where that can be seen, their count is not taken.

    Parameters
    ----------
    stream : mapping or None
        What XINFO STREAM says, if it may be asked.
    group : mapping
        The group's part of XINFO GROUPS.
    """
    certain = None if stream is None else certain_lag(stream, group)
    if certain is not None:
        return certain, None
    if b"lag" not in group:
        return None, NOT_COUNTED
    counted = group[b"lag"]
    if counted is None:
        return None, NO_START if group[b"entries-read"] is None else DELETED
    if stream is not None and counted >= stream[b"length"]:
        return None, DROPPED
    return counted, None


def certain_lag(stream: State, group: State) -> int | None:
    """Return the lag where it is beyond doubt: at the ends, and if nothing was ever dropped."""
    position = EntryId(group[b"last-delivered-id"])
    length: int = stream[b"length"]
    if not length or position >= EntryId(stream[b"last-entry"][0]):
        return 0
    if position < EntryId(stream[b"first-entry"][0]):
        return length
    return group.get(b"lag") if stream.get(b"entries-added") == length else None


def stream_info(conn: Connection, key: str) -> State | None:
    """Return what XINFO STREAM says, None where there is no such stream."""
    try:
        reply = wire.ask(conn, "XINFO", "STREAM", key, key=key)
    except redis.ResponseError as error:
        if "no such key" in str(error):
            return None
        raise
    return wire.mapping(reply)


def snapshot(conn: Connection, key: str, name: str) -> tuple[State, State] | None:
    """Return the state of a stream and of one group at the same moment; None without the group."""
    # Asked alone first: where it fails, the error has the remedy.
    if not any(row[1] == name for row in group_rows(conn, key)):
        return None
    stream, groups = wire.transaction(
        conn, [("XINFO", "STREAM", key), ("XINFO", "GROUPS", key)], needed=False
    )
    for reply in (stream, groups):
        if isinstance(reply, redis.ResponseError):
            raise explain(reply, key, ("XINFO",))
    found = (group for group in map(wire.mapping, groups) if as_text(group[b"name"]) == name)
    group = next(found, None)
    return None if group is None else (wire.mapping(stream), group)


def count(conn: Connection, key: str, after: str, last: str) -> int:
    """Return how many entries there are behind `after`, up to and including `last`."""
    return sum(len(page) for page in wire.Pages(conn, key, f"({after}", last))


def entries_read(stream: State, group: State, position: EntryId, more: int) -> int | None:
    """Return what XGROUP SETID can tell the server of a new position, None where it cannot.

    The server then knows the lag in the middle of the stream too.

    Parameters
    ----------
    stream, group : mapping
        As they were before, see `snapshot`.
    position : EntryId
        The new one.
    more : int
        How many more entries are to be delivered from there; fewer, if negative.
    """
    known, _ = lag(stream, group)
    # One that counts what is added takes what was read (since Redis 7).
    added = stream.get(b"entries-added")
    if known is None or added is None or position > EntryId(stream[b"last-generated-id"]):
        return None
    read = int(added - known - more)
    return read if read >= 0 else None


def group_rows(conn: Connection, key: str) -> list[tuple[Any, ...]]:
    """Return a row for each group of a stream, by name; none where there is no such stream."""
    try:
        reply = wire.ask(conn, "XINFO", "GROUPS", key, key=key)
    except redis.ResponseError as error:
        if "no such key" in str(error):
            return []
        raise
    groups = sorted(map(wire.mapping, reply), key=lambda group: group[b"name"])
    if not groups:
        return []
    now = wire.now(conn).value // 10**6
    summaries = [("XPENDING", key, group[b"name"]) for group in groups]
    stream, *replies = wire.ask_many(conn, [("XINFO", "STREAM", key), *summaries])
    state = None if isinstance(stream, redis.ResponseError) else wire.mapping(stream)
    return [
        _group_row(key, group, state, _age([summary], now))
        for group, summary in zip(groups, replies, strict=True)
    ]


def _group_row(key: str, group: State, stream: State | None, oldest: int | None) -> tuple[Any, ...]:
    known, reason = lag(stream, group)
    return (
        key,
        as_text(group[b"name"]),
        group[b"consumers"],
        group[b"pending"],
        group[b"last-delivered-id"].decode(),
        group.get(b"entries-read"),
        known,
        oldest,
        reason,
    )


def _age(summaries: Iterable[Any], now: int) -> int | None:
    """Return how many ms ago the oldest pending entry was added, by XPENDING's summaries."""
    # [count, smallest ID, largest ID, consumers]; an error if the group was just destroyed.
    oldest = [reply[1] for reply in summaries if isinstance(reply, list) and reply[1] is not None]
    ages = (now - EntryId(id).ms for id in oldest)
    # IDs go further into the future than a duration can.
    return max((age for age in ages if age > -(2**63)), default=None)


def consumer_rows(reply: Iterable[Any]) -> list[tuple[Any, ...]]:
    """Return a row of CONSUMERS for each consumer that XINFO CONSUMERS lists, by name."""
    consumers = sorted(map(wire.mapping, reply), key=lambda each: each[b"name"])
    return [
        (
            as_text(each[b"name"]),
            each[b"pending"],
            each[b"idle"],
            # -1: this consumer has never been given an entry.
            None if each.get(b"inactive", -1) < 0 else each[b"inactive"],
        )
        for each in consumers
    ]


def stream_rows(conn: Connection, keys: Sequence[str]) -> list[tuple[Any, ...]]:
    """Return a row for each stream; a key that is gone, or is no stream any more, has none."""
    commands = [
        command
        for key in keys
        for command in (
            ("XINFO", "STREAM", key),
            ("XINFO", "GROUPS", key),
            ("MEMORY", "USAGE", key),
            ("XLEN", dead_letters_key(key)),
        )
    ]
    replies = list(wire.ask_many(conn, commands))
    all = zip(keys, replies[::4], replies[1::4], replies[2::4], replies[3::4], strict=True)
    # Gone, or of another type by now: then both are refused so.
    there = [each for each in all if not (_is_gone(each[1]) or _is_gone(each[2]))]
    refused = [each for each in there if isinstance(each[1], redis.ResponseError)]
    states = _seen(conn, [key for key, *_ in refused])
    streams = [
        (
            key,
            states[key] if key in states else wire.mapping(state),
            None if isinstance(groups, redis.ResponseError) else [*map(wire.mapping, groups)],
            size,
            dead,
        )
        for key, state, groups, size, dead in there
    ]
    if errors := {str(each) for row in there for each in row[1:3] if isinstance(each, Exception)}:
        warn(f"what XINFO would tell of some streams is missing: {min(errors)}")
    oldest = _oldest(conn, [(stream[0], group) for stream in streams for group in stream[2] or ()])
    return [_stream_row(*stream, oldest.get(stream[0])) for stream in streams]


def _is_gone(reply: Any) -> bool:
    if not isinstance(reply, redis.ResponseError):
        return False
    if is_passing(reply):
        raise explain(reply, "")
    return code(reply) == "WRONGTYPE" or "no such key" in str(reply)


def _seen(conn: Connection, keys: Sequence[str]) -> dict[str, State]:
    """Return what XLEN and XRANGE tell of streams; of keys that are refused, nothing."""
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
        for reply in (wire.ask_many(conn, commands) if commands else ())
    ]
    return {
        key: {
            b"length": length,
            b"groups": None,
            b"first-entry": first[0] if first else None,
            b"last-generated-id": last[0][0] if last else None,
        }
        for key, length, first, last in zip(
            keys, replies[::3], replies[1::3], replies[2::3], strict=True
        )
    }


def _oldest(conn: Connection, groups: Iterable[tuple[str, State]]) -> dict[str, int | None]:
    """Return for each stream with pending entries how many ms ago the oldest was added."""
    held = [(key, group[b"name"]) for key, group in groups if group[b"pending"]]
    if not held:
        return {}
    now = wire.now(conn).value // 10**6
    summaries: dict[str, list[Any]] = {}
    replies = wire.ask_many(conn, [("XPENDING", key, name) for key, name in held])
    for (key, _), reply in zip(held, replies, strict=True):
        summaries.setdefault(key, []).append(reply)
    return {key: _age(found, now) for key, found in summaries.items()}


def _stream_row(
    key: str,
    state: State,
    groups: Sequence[State] | None,
    size: Any,
    dead: Any,
    oldest: int | None,
) -> tuple[Any, ...]:
    is_whole = b"last-entry" in state
    lags: list[Any] = [lag(state if is_whole else None, group)[0] for group in groups or ()]
    first, last = state[b"first-entry"], state[b"last-generated-id"]
    return (
        key,
        state[b"length"],
        state[b"groups"] if is_whole or groups is None else len(groups),
        first[0].decode() if first else None,
        None if last is None else last.decode(),
        # MEMORY may be forbidden to this user.
        size if isinstance(size, int) else None,
        None if None in lags or groups is None else max(lags, default=0),
        None if groups is None else sum(group[b"pending"] for group in groups),
        oldest,
        _dead_letters(dead),
    )


def _dead_letters(reply: Any) -> int | None:
    if isinstance(reply, redis.ResponseError):
        # What is no stream holds no dead letters; this user may also not be allowed to ask.
        return 0 if code(reply) == "WRONGTYPE" else None
    return int(reply)
