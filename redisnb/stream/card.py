"""The card of a stream: what the server knows of it, as far as this user may ask."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import redis

from redisnb import cards, frames, wire
from redisnb.entries import as_text, to_bytes
from redisnb.errors import code
from redisnb.stream.key import StreamKey
from redisnb.stream.rows import STREAM_QUESTIONS, Seen, in_ms, look, rows_at
from redisnb.stream.state import lag_of
from redisnb.wire import Command, Connection

__all__ = ["ask_about", "stream_card"]


class Looked(NamedTuple):
    """A stream as the server shows it.

    Attributes
    ----------
    absent : str
        Why there is none under this key, in words; "" where there is one.
    seen : Seen or None
        Its state, as for frames.
    more : list
        The replies to the further commands.
    now : int
        The time in ms.
    """

    absent: str
    seen: Seen | None
    more: list[Any]
    now: int


def ask_about(conn: Connection, key: str, *further: Command) -> Looked:
    """Ask for the state of a stream with further commands, in one round trip."""
    questions = [(*question, key) for question in STREAM_QUESTIONS]
    asked = wire.ask_many(conn, [*questions, ("TIME",), *further])
    state, groups, size, clock, *more = wire.served([*asked])
    now = time.time_ns() // 10**6 if isinstance(clock, redis.ResponseError) else in_ms(clock)
    for reply in (state, groups):
        if isinstance(reply, redis.ResponseError):
            if code(reply) == "WRONGTYPE":
                return Looked("not a stream", None, more, now)
            if "no such key" in str(reply):
                return Looked("no such stream yet", None, more, now)
    return Looked("", look([([to_bytes(key)], [state, groups, size])])[0], more, now)


def stream_card(stream: StreamKey) -> str:
    """Return the card of a stream.

    Notes
    -----
    XINFO STREAM, XINFO GROUPS, MEMORY USAGE, TIME; then XLEN, XPENDING for each group with pending
    entries, and XREVRANGE, as for `Stream.info`. Reads only.
    """
    found, why = wire.glance(stream.conn, lambda conn: _figures(conn, stream.key))
    state, pairs = found or ("unavailable" if why else "closed", [])
    place = f"on {cards.cut_name(stream.conn.name)}"
    return cards.card("Stream", stream.key, state, pairs, place=place, note=why)


def _figures(conn: Connection, key: str) -> tuple[str, list[tuple[str, str | None]]]:
    absent, seen, _, now = ask_about(conn, key)
    if seen is None:
        return absent, []
    row = dict(zip(frames.STREAMS, rows_at(conn, [seen], now)[0], strict=True))
    rate, oldest = row["rate"], row["oldest_pending"]
    newest = row["last_time"]
    state = "empty" if row["length"] == 0 else "receiving" if rate else ""
    return state, [
        ("entries", cards.figure(row["length"])),
        ("size", cards.NOT_ALLOWED if row["size"] is None else cards.amount(row["size"])),
        ("rate", "unknown" if rate is None else cards.per_second(rate)),
        ("first", _when(row["first_time"], row["first_id"])),
        ("last", _when(newest, row["last_id"])),
        ("groups", cards.NOT_ALLOWED if seen.groups is None else cards.figure(row["groups"])),
        ("largest lag", _largest_lag(seen)),
        ("pending", cards.figure(row["pending"])),
        ("oldest pending", cards.span(oldest)),
        ("dead letters", cards.figure(row["dead_letters"])),
    ]


def _when(ms: int | None, id: str | None) -> str | None:
    return id if ms is None else cards.moment(ms) or id


def _largest_lag(seen: Seen) -> str | None:
    """Return the lag of the group that is furthest behind, and its name."""
    if isinstance(seen.groups, redis.ResponseError):
        return cards.NOT_ALLOWED
    state = None if isinstance(seen.state, redis.ResponseError) else seen.state
    lags = [(lag_of(state, group)[0], as_text(group[b"name"])) for group in seen.groups]
    known = [(n, name) for n, name in lags if n is not None]
    unknown = len(lags) - len(known)
    most, name = max(known, key=lambda each: each[0], default=(0, ""))
    parts = [f"{most:,}{f' ({cards.quoted(name)})' if most else ''}"] if known else []
    return ", ".join([*parts, f"unknown for {unknown:,}"] if unknown else parts)
