"""The state of streams and consumer groups, as rows of STREAMS and GROUPS frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import redis

from redisnb import wire
from redisnb.entries import EntryId, as_text
from redisnb.errors import code, explain, is_transient, warn
from redisnb.stream.key import dead_letters_key
from redisnb.wire import Connection

__all__: list[str] = []

State = Mapping[bytes, Any]

#: Why the lag of a group is unknown.
NOT_COUNTED = "the server does not count entries; Redis does since version 7"
NO_START = "the group began in the middle of the stream, or has passed deleted entries"
DELETED = "entries that the group had not reached were deleted"
DROPPED = "entries that the group had not reached were dropped, and the server counts them"


def lag(stream: State | None, group: State) -> tuple[int | None, str | None]:
    """Return how many entries a group has still to deliver, or None and why it is unknown.

    https://redis.io/docs/latest/commands/xinfo-groups/#consumer-group-lag

    Some servers keep counting entries that were dropped before the group had read them
    (https://github.com/redis/redis/issues/13957, https://github.com/valkey-io/valkey/issues/1951).
    Where that shows, their count is not used.

    Parameters
    ----------
    stream : mapping or None
        The reply to XINFO STREAM, if it is allowed.
    group : mapping
        The group in the reply to XINFO GROUPS.
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
    """Return the lag where it is certain: at the ends, and if nothing was ever dropped."""
    position = EntryId(group[b"last-delivered-id"])
    length: int = stream[b"length"]
    if not length or position >= EntryId(stream[b"last-entry"][0]):
        return 0
    if position < EntryId(stream[b"first-entry"][0]):
        return length
    return group.get(b"lag") if stream.get(b"entries-added") == length else None


def stream_info(conn: Connection, key: str) -> State | None:
    """Return the reply to XINFO STREAM, None where there is no such stream."""
    try:
        reply = wire.ask(conn, "XINFO", "STREAM", key, key=key)
    except redis.ResponseError as error:
        if "no such key" in str(error):
            return None
        raise
    return wire.mapping(reply)


def snapshot(conn: Connection, key: str, name: str) -> tuple[State, State] | None:
    """Return the state of a stream and of one group at one moment; None without the group."""
    # First alone: if that is refused, the error has the remedy.
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


def count_entries(conn: Connection, key: str, after: str, last: str) -> int:
    """Return how many entries there are after `after`, up to and including `last`."""
    return sum(len(page) for page in wire.Pages(conn, key, f"({after}", last))


def entries_read(stream: State, group: State, position: EntryId, more: int) -> int | None:
    """Return the ENTRIESREAD of XGROUP SETID for a new position, None if it is unknown.

    With it the server knows the lag also in the middle of the stream.

    Parameters
    ----------
    stream, group : mapping
        Before the change, see `snapshot`.
    position : EntryId
        The new position.
    more : int
        How many more entries are delivered from there; fewer, if negative.
    """
    known, _ = lag(stream, group)
    # A server that counts added entries accepts ENTRIESREAD (since Redis 7).
    added = stream.get(b"entries-added")
    if known is None or added is None or position > EntryId(stream[b"last-generated-id"]):
        return None
    read = int(added - known - more)
    return read if read >= 0 else None


def group_rows(conn: Connection, key: str) -> list[tuple[Any, ...]]:
    """Return a row for each group of a stream, by name; none without the stream."""
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
    # [count, smallest ID, largest ID, consumers], or an error if the group was just destroyed.
    oldest = [reply[1] for reply in summaries if isinstance(reply, list) and reply[1] is not None]
    ages = (now - EntryId(id).ms for id in oldest)
    # IDs can be further in the future than a duration can be long.
    return max((age for age in ages if age > -(2**63)), default=None)


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


def stream_rows(conn: Connection, keys: Sequence[str]) -> list[tuple[Any, ...]]:
    """Return a row for each stream; none for a key that is gone or no longer a stream."""
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
    # Deleted, or of another type by now.
    there = [each for each in all if not (_is_gone(each[1]) or _is_gone(each[2]))]
    refused = [each for each in there if isinstance(each[1], redis.ResponseError)]
    states = _states_without_xinfo(conn, [key for key, *_ in refused])
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
        warn(f"for some streams XINFO was refused, and its values are missing: {min(errors)}")
    oldest = _oldest(conn, [(stream[0], group) for stream in streams for group in stream[2] or ()])
    return [_stream_row(*stream, oldest.get(stream[0])) for stream in streams]


def _is_gone(reply: Any) -> bool:
    if not isinstance(reply, redis.ResponseError):
        return False
    if is_transient(reply):
        raise explain(reply, "")
    return code(reply) == "WRONGTYPE" or "no such key" in str(reply)


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
    """Return how many ms ago the oldest pending entry was added, by stream."""
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
        # This user may not be allowed MEMORY.
        size if isinstance(size, int) else None,
        None if None in lags or groups is None else max(lags, default=0),
        None if groups is None else sum(group[b"pending"] for group in groups),
        oldest,
        _dead_letters(dead),
    )


def _dead_letters(reply: Any) -> int | None:
    if isinstance(reply, redis.ResponseError):
        # A key of another type holds no dead letters. XLEN may also be refused to this user.
        return 0 if code(reply) == "WRONGTYPE" else None
    return int(reply)
