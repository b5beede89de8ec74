"""Replies to the commands of streams and their groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from redisnb.entries import AUTO, Fields, as_text
from redisnb.errors import warn
from redisnb.frames.replies import (
    entries_frame,
    keyed_entries_frame,
    pending_frame,
)
from redisnb.frames.schemas import REPLY, table
from redisnb.frames.shaping.plain import Sent, paired, plain, plain_id

__all__ = ["claimed", "entries", "keyed", "pending_list", "reclaimed", "state_rows"]


def entries(words: Sent, reply: Any) -> pd.DataFrame:
    """Return the reply to XRANGE or XREVRANGE as a frame in schema ENTRIES."""
    return entries_frame([(id, fields) for id, fields in reply])


def keyed(words: Sent, reply: Any) -> pd.DataFrame:
    """Return the reply to XREAD or XREADGROUP as a frame, with `stream` where several are read."""
    at = [word.upper() for word in words].index(b"STREAMS")
    is_many = len(words) - at - 1 > 2
    # RESP2 sends pairs, RESP3 a map; None if nothing came.
    found = [
        (as_text(key), id, fields)
        for key, page in (reply.items() if isinstance(reply, Mapping) else reply or ())
        for id, fields in page
    ]
    return keyed_entries_frame(found, AUTO, many=is_many)


def claimed(words: Sent, reply: Any) -> Any:
    """Return the reply to XCLAIM as a frame in schema ENTRIES; with JUSTID, as a list."""
    if b"JUSTID" in map(bytes.upper, words):
        return plain(reply)
    return entries_frame(_with_id(reply))


def reclaimed(words: Sent, reply: Any) -> Any:
    """Return the reply to XAUTOCLAIM as `claimed` does, with what else it has in ``attrs``."""
    if b"JUSTID" in map(bytes.upper, words):
        return plain(reply)
    # Redis 7 says which entries it has removed, since they have no body.
    following, found, *removed = reply
    gone = removed[0] if removed else []
    frame = entries_frame(_with_id(found))
    frame.attrs |= {"next": plain_id(following), "deleted": [*map(plain_id, gone)]}
    return frame


def _with_id(reply: Iterable[Any]) -> list[tuple[bytes, Fields | None]]:
    """Return entries without those of which Redis 6.2 sends nothing, for they have no body."""
    found = list(reply)
    named = [(each[0], each[1]) for each in found if each is not None and each[0] is not None]
    if nameless := len(found) - len(named):
        warn(f"claimed entries without a body: {nameless:,}; this server does not say which")
    return named


def pending_list(words: Sent, reply: Any) -> pd.DataFrame:
    """Return the reply to XPENDING: a frame in schema PENDING, or a row for each consumer."""
    if len(words) > 3:
        return pending_frame(reply)
    count, first, last, consumers = reply
    frame = table(REPLY["XPENDING"], [(as_text(name), int(n)) for name, n in consumers or ()])
    frame.attrs |= {"count": count, "first": plain_id(first), "last": plain_id(last)}
    return frame


def state_rows(words: Sent, reply: Any) -> pd.DataFrame:
    """Return the reply to XINFO GROUPS or XINFO CONSUMERS: a row for each, by Redis' names."""
    states = [{plain(name): plain(value) for name, value in paired(each)} for each in reply]
    schema = REPLY[b" ".join(words[:2]).upper().decode()]
    # What newer servers add stands behind it.
    names = list(dict.fromkeys([*schema, *(name for state in states for name in state)]))
    rows = [[_state_value(name, state.get(name)) for name in names] for state in states]
    return table({name: schema.get(name, "object") for name in names}, rows)


def _state_value(name: str, value: Any) -> Any:
    # -1: no entry was ever delivered to it.
    return None if name == "inactive" and value == -1 else value
