"""Replies as plain Python, and as the pairs and rows that frames are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import pandas as pd

from redisnb.entries import as_text
from redisnb.frames.decoding import object_array
from redisnb.frames.schemas import column, table

__all__ = ["Sent", "paired", "pairs_frame", "plain", "plain_id", "scored_frame"]

#: The words of a command, as it was sent.
Sent: TypeAlias = Sequence[bytes]


def plain(reply: Any) -> Any:
    """Return a reply with text for bytes, also in lists and maps."""
    if isinstance(reply, bytes):
        return as_text(reply)
    if isinstance(reply, Mapping):
        return {plain(name): plain(value) for name, value in reply.items()}
    if isinstance(reply, list | tuple | set | frozenset):
        return [*map(plain, reply)]
    return reply


def plain_id(entry_id: bytes | None) -> str | None:
    """Return an entry ID as text."""
    return None if entry_id is None else entry_id.decode()


def paired(reply: Any) -> list[tuple[Any, Any]]:
    """Return the pairs of a reply: a flat list in RESP2, a map or a list of pairs in RESP3."""
    if isinstance(reply, Mapping):
        return [*reply.items()]
    if reply and isinstance(reply[0], list):
        return [(first, second) for first, second in reply]
    return [*zip(reply[::2], reply[1::2], strict=True)]


def pairs_frame(schema: Mapping[str, str], pairs: Iterable[Sequence[Any]]) -> pd.DataFrame:
    """Make a frame of names and values; a column with other values than text holds objects."""
    rows = [[plain(each) for each in row] for row in pairs]
    frame = table(dict.fromkeys(schema, "str"), [["" for _ in row] for row in rows])
    for i, (name, dtype) in enumerate(schema.items()):
        values = [row[i] for row in rows]
        is_text = all(isinstance(each, str) for each in values)
        frame[name] = column(values, dtype) if is_text else object_array(values)
    return frame


def scored_frame(schema: Mapping[str, str], reply: Any) -> pd.DataFrame:
    """Make a frame of the members of a sorted set with their scores."""
    return table(schema, [(as_text(value), float(score)) for value, score in paired(reply)])
