"""The state of a stream and its consumer groups, and the lag of a group."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Mapping
from typing import Any

import redis

from redisnb import wire
from redisnb.entries import EntryId, IdPair, as_text, id_pair
from redisnb.errors import explain
from redisnb.wire import Connection

__all__: list[str] = []

State = Mapping[bytes, Any]

#: Why the lag of a group is unknown.
NOT_COUNTED = "the server does not count entries; Redis does since version 7"
NO_START = "the group began in the middle of the stream, or has passed deleted entries"
DELETED = "entries that the group had not reached were deleted"
DROPPED = "entries that the group had not reached were dropped, and the server counts them"


def lag_of(stream: State | None, group: State) -> tuple[int | None, str | None]:
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
    position = id_pair(group[b"last-delivered-id"])
    length: int = stream[b"length"]
    if not length or position >= id_pair(stream[b"last-entry"][0]):
        return 0
    if position < id_pair(stream[b"first-entry"][0]):
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


def group_states(conn: Connection, key: str) -> list[State]:
    """Return the reply to XINFO GROUPS, by name; nothing where there is no such stream."""
    try:
        reply = wire.ask(conn, "XINFO", "GROUPS", key, key=key)
    except redis.ResponseError as error:
        if "no such key" in str(error):
            return []
        raise
    return sorted(map(wire.mapping, reply), key=lambda group: group[b"name"])


def snapshot(conn: Connection, key: str, name: str) -> tuple[State, State] | None:
    """Return the state of a stream and of one group at one moment; None without the group."""
    # First alone: if that is refused, the error has the remedy.
    if not any(as_text(group[b"name"]) == name for group in group_states(conn, key)):
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
    known, _ = lag_of(stream, group)
    # A server that counts added entries accepts ENTRIESREAD (since Redis 7).
    added = stream.get(b"entries-added")
    if known is None or added is None or position > EntryId(stream[b"last-generated-id"]):
        return None
    read = int(added - known - more)
    return read if read >= 0 else None


# -- the rate

#: How long ago an entry may have been added that counts for the rate, in ms.
RATE_WINDOW = 60_000
#: How many of the newest entries are read for it, and about how many bytes of them.
RATE_ENTRIES, RATE_BYTES = 50, 64 * 1024
#: 2018 began here, the year of Redis 5: IDs before it are no times at which entries were added.
FIRST_STREAMS = 1_514_764_800_000


def count_for_rate(stream: State, size: int | None, now: int) -> int:
    """Return how many of the newest entries to read for `rate_of`, 0 if none is needed.

    `size` is the memory of the stream in bytes, if known, and `now` the time in ms.
    """
    if not now - RATE_WINDOW <= _newest(stream)[0] <= now:
        return 0
    of_one: int = max(stream[b"entry-size"], (size or 0) // max(stream[b"length"], 1), 1)
    # Two take no more than XINFO STREAM has already sent.
    return max(2, min(RATE_ENTRIES, RATE_BYTES // of_one))


def rate_of(stream: State, entries: Any, now: int) -> float | None:
    """Return how many entries a second were added lately, None if that cannot be known.

    Parameters
    ----------
    stream : mapping
        The reply to XINFO STREAM.
    entries : list of (ID, fields), or an error
        The newest entries, newest first, as many as `count_for_rate` returns.
    now : int
        The time in ms when these were read.
    """
    newest = _newest(stream)
    if not FIRST_STREAMS <= newest[0] <= now:
        return None
    if newest[0] < now - RATE_WINDOW:
        return 0.0
    if not isinstance(entries, list) or not entries:
        return None
    oldest, last = id_pair(entries[-1][0]), id_pair(entries[0][0])
    began = max(oldest[0], now - RATE_WINDOW)
    # What was deleted since then would not be counted; the server tells since Redis 7.
    deleted = id_pair(stream.get(b"max-deleted-entry-id", b"0-0"))[0]
    if newest > last or last[0] > now or deleted >= began:
        return None
    if oldest[0] == began:
        # Without the one that the time begins with; where it is the only one, there is no rate.
        return 1000 * (len(entries) - 1) / max(now - began, 1) if len(entries) > 1 else None
    return 1000 * bisect(entries, -began, key=lambda entry: -id_pair(entry[0])[0]) / RATE_WINDOW


def _newest(stream: State) -> IdPair:
    """Return the ID that was added last, one before all others if it is unknown."""
    id = stream[b"last-generated-id"]
    return (-1, 0) if id is None else id_pair(id)
