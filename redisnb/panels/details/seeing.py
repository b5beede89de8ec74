"""What the server knows about one entry: its fields, and which groups have seen it."""

from __future__ import annotations

from typing import Any, NamedTuple

import redis

from redisnb.durations import duration
from redisnb.entries import Entry, EntryId
from redisnb.panels.parts import error_text
from redisnb.stream import ConsumerGroup, Stream

__all__ = ["SeenEntry", "look_at"]

#: Of how many groups it is told whether they have seen an entry: each may cost a command.
_MOST_GROUPS = 20


class SeenEntry(NamedTuple):
    """An entry, None if it is gone, and a line for each group."""

    entry: Entry | None
    groups: list[str]


def look_at(stream: Stream, entry_id: str) -> SeenEntry:
    """Read an entry, and ask which groups have seen it."""
    return SeenEntry(stream.entry(entry_id), _group_lines(stream, EntryId(entry_id)))


def _group_lines(stream: Stream, id: EntryId) -> list[str]:
    try:
        groups = stream.groups()
    except redis.ResponseError as error:
        # Extras that this user is refused take nothing from the entry.
        return [f"which groups have seen it is not known: {error_text(error)}"]
    rows = groups.to_dict("records")
    lines = [f"{row['group']}: {_sight(stream, row, id)}" for row in rows[:_MOST_GROUPS]]
    more = len(rows) - _MOST_GROUPS
    return [*lines, f"and {more:,} more groups"] if more > 0 else lines


def _sight(stream: Stream, row: dict[Any, Any], id: EntryId) -> str:
    if row["pending"]:
        try:
            pending = ConsumerGroup(stream, row["group"]).pending(id, id, limit=1)
        except redis.ResponseError as error:
            return f"not known: {error_text(error)}"
        if len(pending):
            return _pending_text(pending.iloc[0])
    if id > EntryId(row["last_delivered_id"]):
        return "not delivered yet"
    # The server does not tell one from the other.
    return "acknowledged, or skipped when the group was made"


def _pending_text(row: Any) -> str:
    times = "1 delivery" if row["deliveries"] == 1 else f"{row['deliveries']:,} deliveries"
    return f"pending with {row['consumer']}, {times}, idle {duration(row['idle'])}"
