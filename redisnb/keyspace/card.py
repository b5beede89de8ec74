"""The card of a cache."""

from __future__ import annotations

from itertools import islice

from redis.exceptions import ResponseError

from redisnb import cards, wire
from redisnb.errors import is_unavailable
from redisnb.keyspace.listing import glob
from redisnb.wire import Connection

__all__ = ["cache_card"]

#: How many keys are counted, and by how many SCANs of 5,000 keys they are looked for.
COUNTED, SCANS = 10_000, 10


def cache_card(conn: Connection, prefix: str, lifetime: int | None) -> str:
    """Return the card of a cache; `lifetime` is that of its values in ms, or None.

    Notes
    -----
    DBSIZE for a cache without a prefix; with one SCAN, for at most 10,000 keys, or through about
    50,000 keys of the database. Reads only.
    """
    found, why = wire.glance(conn, lambda quick: _key_count(quick, prefix))
    state = "unavailable" if why else "closed" if found is None else ""
    pairs = [
        ("keys", found),
        ("values live for", cards.span(lifetime) or "ever, unless set() says otherwise"),
        ("on", cards.cut_name(conn.name)),
    ]
    return cards.card("Cache", prefix or "the whole database", state, pairs, why)


def _key_count(conn: Connection, prefix: str) -> str:
    try:
        if not prefix:
            return f"{wire.ask(conn, 'DBSIZE', key=''):,}"
        found, pages = 0, wire.scan(conn, glob(prefix) + "*")
        for page in islice(pages, SCANS):
            found += len(page)
            if found >= COUNTED:
                return f"{COUNTED:,} or more"
        return f"{found:,}{' or more' if next(pages, None) is not None else ''}"
    except ResponseError as error:
        if not is_unavailable(error):
            raise
        return cards.NOT_ALLOWED
