"""What is said to the server about a group's pending list.

These are conversations, see `wire`: blocking and asyncio code hold the same ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from redisnb.entries import Fields
from redisnb.wire import Conversation

__all__: list[str] = []

#: How many entries of a pending list one command asks for.
PAGE = 1000
#: The idle time of what was given back, in ms: more than anybody waits before a claim.
GIVEN_BACK = 24 * 60 * 60 * 1000


class Claimed(NamedTuple):
    """Hold what `claim_page` has taken over.

    Attributes
    ----------
    start : bytes
        Where to go on, ``b"0-0"`` at the end of the pending list.
    entries : list of (ID, fields)
        What is this consumer's now; the fields are None where the body is gone.
    deliveries : dict of ID to int
        How often each has been delivered, this time included.
    """

    start: bytes
    entries: list[tuple[bytes, Fields | None]]
    deliveries: dict[bytes, int]


class Kept(NamedTuple):
    """Hold what `keep` could not keep.

    Attributes
    ----------
    lost : set of ID
        Not this consumer's any more.
    gone : set of ID
        It was, but the body is gone, so that Redis 7 has taken it off the pending list.
    """

    lost: set[bytes]
    gone: set[bytes]


def claim_page(
    key: str, group: str, consumer: str, idle: int, start: bytes, count: int
) -> Conversation[Claimed]:
    """Take over up to `count` entries that have been idle for `idle` ms, from `start` on."""
    # IDs only, at first: with bodies, Redis 6.2 does not say which entries have none.
    start, found, *gone = yield (
        *("XAUTOCLAIM", key, group, consumer, idle, start, "COUNT", count, "JUSTID"),
    )
    entries: dict[bytes, Fields | None] = dict.fromkeys(gone[0] if gone else ())
    if found:
        bodies = yield ("XCLAIM", key, group, consumer, 0, *found)
        entries |= dict.fromkeys(found)
        # Redis 6.2 sends a nil, or a pair of nils, for an entry whose body is gone.
        entries |= {body[0]: body[1] for body in bodies if body is not None and body[0] is not None}
    counts = yield from count_deliveries(key, group, consumer, found)
    return Claimed(start, sorted(entries.items(), key=_by_id), counts)


def count_deliveries(
    key: str, group: str, consumer: str, ids: Sequence[bytes]
) -> Conversation[dict[bytes, int]]:
    """Return how often each of these entries of a consumer's was delivered."""
    held = yield from _held(key, group, consumer, ids)
    return {id: held[id] for id in ids if id in held}


def keep_held(key: str, group: str, consumer: str, ids: Sequence[bytes]) -> Conversation[Kept]:
    """Set the idle time of a consumer's entries back to 0.

    What somebody else has taken over meanwhile is left to them.
    """
    held = yield from _held(key, group, consumer, ids)
    mine = [id for id in ids if id in held]
    kept = (yield ("XCLAIM", key, group, consumer, 0, *mine, "JUSTID")) if mine else ()
    return Kept(set(ids).difference(mine), set(mine).difference(kept))


def give_back(key: str, group: str, consumer: str, ids: Sequence[bytes]) -> Conversation[int]:
    """Let anybody claim a consumer's entries at once; return how many of these it has."""
    held = yield from _held(key, group, consumer, ids)
    mine = [id for id in ids if id in held]
    if mine:
        yield ("XCLAIM", key, group, consumer, 0, *mine, "IDLE", GIVEN_BACK, "JUSTID")
    return len(mine)


def _held(
    key: str, group: str, consumer: str, ids: Sequence[bytes]
) -> Conversation[dict[bytes, int]]:
    """Return the deliveries of what a consumer holds between the first and the last of `ids`."""
    held: dict[bytes, int] = {}
    if not ids:
        return held
    ordered = sorted(ids, key=_id)
    start, end = ordered[0], ordered[-1]
    while True:
        page = yield ("XPENDING", key, group, start, end, PAGE, consumer)
        held |= {row[0]: row[3] for row in page}
        if len(page) < PAGE:
            return held
        start = b"(" + page[-1][0]


def _id(id: bytes) -> tuple[int, int]:
    ms, _, seq = id.partition(b"-")
    return int(ms), int(seq)


def _by_id(entry: tuple[bytes, Any]) -> tuple[int, int]:
    return _id(entry[0])
