"""The card of a consumer group, and of this consumer in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis

from redisnb import cards, frames, wire
from redisnb.entries import as_text
from redisnb.stream.card import ask_about
from redisnb.stream.groups.key import GroupKey
from redisnb.stream.groups.why import STUCK_AFTER
from redisnb.stream.rows import consumer_rows, row_of_group
from redisnb.wire import Connection

__all__ = ["group_card"]

_STUCK = "group.why() finds what holds it up, and the call that mends it"


def group_card(group: GroupKey) -> str:
    """Return the card of a consumer group.

    Notes
    -----
    XINFO STREAM, XINFO GROUPS, MEMORY USAGE, TIME, XPENDING and XINFO CONSUMERS. Reads only.
    """
    stream = group.stream
    found, why = wire.glance(stream.conn, lambda conn: _figures_of(conn, group))
    state, pairs = found or ("unavailable" if why else "closed", [])
    place = f"of {cards.quoted(stream.key)} on {cards.cut_name(stream.conn.name)}"
    note = _STUCK if state == "stuck" else why
    return cards.card("ConsumerGroup", group.name, state, pairs, place=place, note=note)


def _figures_of(conn: Connection, group: GroupKey) -> tuple[str, list[tuple[str, str | None]]]:
    about = (group.stream.key, group.name)
    absent, seen, more, now = ask_about(
        conn, group.stream.key, ("XPENDING", *about), ("XINFO", "CONSUMERS", *about)
    )
    summary, consumers = more
    if seen is None:
        return absent, []
    if isinstance(seen.groups, redis.ResponseError):
        return "", _without_xinfo(summary)
    state = next((each for each in seen.groups if as_text(each[b"name"]) == group.name), None)
    if state is None:
        return "no such group yet", []
    row = dict(zip(frames.GROUPS, row_of_group(seen, state, more, now), strict=True))
    pending, lag = row["pending"], row["lag"]
    idle = row["longest_idle"] or 0
    words = "all acknowledged" if lag == 0 else "behind" if lag else ""
    if pending:
        words = "stuck" if idle >= STUCK_AFTER else "entries pending"
    return words, [
        ("pending", f"{pending:,}"),
        ("oldest pending", cards.span(row["oldest_pending"])),
        ("lag", f"unknown: {row['lag_unknown']}" if lag is None else f"{lag:,}"),
        ("consumers", f"{row['consumers']:,}"),
        ("longest idle", cards.span(row["longest_idle"])),
        (f"this consumer, {cards.quoted(group.consumer)}", _own(consumers, group.consumer)),
    ]


def _without_xinfo(summary: Any) -> list[tuple[str, str | None]]:
    """Return what a user without XINFO may know."""
    known = None if isinstance(summary, redis.ResponseError) else summary[0]
    unknown = [(name, cards.NOT_ALLOWED) for name in ("lag", "consumers")]
    return [("pending", cards.figure(known)), *unknown]


def _own(consumers: Sequence[Any] | redis.ResponseError, name: str) -> str:
    if isinstance(consumers, redis.ResponseError):
        return cards.NOT_ALLOWED
    own = next((each for each in consumer_rows(consumers) if each[0] == name), None)
    return "has not asked yet" if own is None else f"{own[1]:,} pending, idle {cards.span(own[2])}"
