"""The state of streams and of their consumer groups, as rows of STREAMS and GROUPS frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis

from redisnb import events, wire
from redisnb.connection import Connection
from redisnb.ids import EntryId

__all__: list[str] = []


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
    summaries = wire.ask_many(conn, [("XPENDING", key, group[b"name"]) for group in groups])
    return [
        _group_row(key, group, summary, now)
        for group, summary in zip(groups, summaries, strict=True)
    ]


def _group_row(key: str, group: dict[bytes, Any], summary: Any, now: int) -> tuple[Any, ...]:
    # XPENDING's summary is [count, smallest ID, largest ID, consumers]; an error if the group
    # was destroyed in between.
    oldest = summary[1] if isinstance(summary, list) else None
    return (
        key,
        events.text(group[b"name"]),
        group[b"consumers"],
        group[b"pending"],
        group[b"last-delivered-id"].decode(),
        group.get(b"entries-read"),
        group.get(b"lag"),
        None if oldest is None else now - EntryId(oldest).ms,
    )


def stream_rows(conn: Connection, keys: Sequence[str | bytes]) -> list[tuple[Any, ...]]:
    """Return a row for each stream; a key that is gone, or is no stream any more, has none."""
    commands = [
        command
        for key in keys
        for command in (
            ("XINFO", "STREAM", key),
            ("XINFO", "GROUPS", key),
            ("MEMORY", "USAGE", key),
        )
    ]
    replies = list(wire.ask_many(conn, commands))
    return [
        _stream_row(key, wire.mapping(state), list(map(wire.mapping, groups)), size)
        for key, state, groups, size in zip(
            keys, replies[::3], replies[1::3], replies[2::3], strict=True
        )
        if not isinstance(state, redis.ResponseError)
        and not isinstance(groups, redis.ResponseError)
    ]


def _stream_row(
    key: str | bytes, state: dict[bytes, Any], groups: list[dict[bytes, Any]], size: Any
) -> tuple[Any, ...]:
    lags: list[Any] = [group.get(b"lag") for group in groups]
    first = state[b"first-entry"]
    return (
        events.text(key) if isinstance(key, bytes) else key,
        state[b"length"],
        state[b"groups"],
        first[0].decode() if first else None,
        state[b"last-generated-id"].decode(),
        # MEMORY may be forbidden to this user.
        size if isinstance(size, int) else None,
        None if None in lags else max(lags, default=0),
        sum(group[b"pending"] for group in groups),
    )
