"""The card of a cache."""

from __future__ import annotations

import time

from redis.exceptions import ResponseError

from redisnb import cards, wire
from redisnb.errors import is_unavailable
from redisnb.keyspace.listing import glob
from redisnb.wire import Connection

__all__ = ["cache_card"]

#: How many keys are counted, and how long they are looked for, in seconds.
COUNTED, COUNTING = 10_000, 0.3


def cache_card(conn: Connection, prefix: str, lifetime: int | None) -> str:
    """Return the card of a cache; `lifetime` is that of its values in ms, or None.

    Notes
    -----
    DBSIZE without a prefix; with one SCAN, for at most 10,000 keys or 0.3 s. Reads only.
    """
    found, why = wire.glance(conn, lambda quick: _key_count(quick, prefix))
    state = "unavailable" if why else "closed" if found is None else ""
    pairs = [
        ("keys", found),
        ("values live for", cards.span(lifetime) or "ever, unless set() says otherwise"),
    ]
    place = f"on {cards.cut_name(conn.name)}"
    name = prefix or "the whole database"
    return cards.card("Cache", name, state, pairs, place=place, note=why)


def _key_count(conn: Connection, prefix: str) -> str:
    try:
        if not prefix:
            return f"{wire.ask(conn, 'DBSIZE', key=''):,}"
        found, end = 0, time.monotonic() + COUNTING
        pages = wire.scan(conn, glob(prefix) + "*")
        for page in pages:
            found += len(page)
            if found >= COUNTED or time.monotonic() >= end:
                return f"{min(found, COUNTED):,} or more"
        return f"{found:,}"
    except ResponseError as error:
        if not is_unavailable(error):
            raise
        return cards.NOT_ALLOWED
