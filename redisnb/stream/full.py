"""The reply to XINFO STREAM ... FULL as frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from redisnb import frames, wire
from redisnb.entries import as_text
from redisnb.stream.key import StreamKey

__all__ = ["full"]

_CONSUMERS = {"group": "str"} | frames.CONSUMERS
_PENDING = {"group": "str"} | frames.PENDING


def full(stream: StreamKey, limit: int | None) -> dict[str, pd.DataFrame]:
    """Return the first entries, all consumers, and the first pending entries of each group."""
    conn, key = stream.conn, stream.key
    # 0 means all.
    count = 0 if limit is None else limit
    reply = wire.ask(conn, "XINFO", "STREAM", key, "FULL", "COUNT", count, key=key)
    state = wire.mapping(reply)
    now = wire.now(conn).value // 10**6
    groups = [wire.mapping(group) for group in state[b"groups"]]
    consumers = [
        (as_text(group[b"name"]), wire.mapping(each))
        for group in groups
        for each in group[b"consumers"]
    ]
    rows = [
        (as_text(group[b"name"]), id.decode(), as_text(owner), max(0, now - since), n)
        for group in groups
        for id, owner, since, n in group[b"pending"]
    ]
    return {
        "entries": frames.entries_frame(
            [(id, fields) for id, fields, *_ in state[b"entries"]],
            stream.layout,
            schema=stream.schema,
        ),
        "consumers": frames.table(_CONSUMERS, [_consumer(*each, now) for each in consumers]),
        "pending": frames.with_times(frames.table(_PENDING, rows)),
    }


def _consumer(group: str, state: Mapping[bytes, Any], now: int) -> tuple[Any, ...]:
    active = state.get(b"active-time", -1)
    return (
        group,
        as_text(state[b"name"]),
        state[b"pel-count"],
        max(0, now - state[b"seen-time"]),
        None if active < 0 else max(0, now - active),
    )
