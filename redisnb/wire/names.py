"""Names of keys: which one was probably meant."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain, islice

from redis.exceptions import RedisError

from redisnb.entries import as_text
from redisnb.errors import ConnectError, nearest, warn
from redisnb.wire.asking import ask
from redisnb.wire.connection import Connection
from redisnb.wire.walking import scan

__all__ = ["near_key", "warn_of_absent", "warn_of_no_match"]

#: How many SCANs look for a name like one that is not there, and for how many such names.
LOOKS, ASKED = 4, 10
_NO_HINT = (RedisError, ConnectError, OSError)


def near_key(conn: Connection, key: str, kind: str | None = "stream") -> str | None:
    """Return the key that is there under nearly that name, if this one is not.

    `kind` is a type of Redis. There is none where the user may not look around, or the server is
    gone: nothing fails for want of a hint.
    """
    with suppress(*_NO_HINT):
        if not ask(conn, "EXISTS", key, key=key):
            # It may have been made since.
            return nearest(key, [name for name in _some(conn, kind) if name != key])
    return None


def warn_of_absent(conn: Connection, *keys: str, kind: str | None = "stream") -> None:
    """Warn of keys that are not there where another of nearly that name is; of the first few."""
    for key in keys[:ASKED]:
        meant = near_key(conn, key, kind)
        if meant is not None:
            warn(f"{key!r}: no such {kind or 'key'}; {meant!r} is there")


def warn_of_no_match(
    conn: Connection, match: str, *, kind: str | None = None, prefix: str = ""
) -> None:
    """Warn if a pattern that matches no key is nearly one that would.

    `kind` is a type of Redis, and names are shown without their `prefix`.
    """
    literal = re.split(r"[*?\[\\]", match)[0]
    if not literal:
        return
    names: list[str] = []
    with suppress(*_NO_HINT):
        names = [name[len(prefix) :] for name in _some(conn, kind) if name.startswith(prefix)]
    begins = {name[: len(literal)]: name for name in reversed(names)}
    if literal in begins and literal != match:
        # What is missing stands behind it.
        return
    meant = nearest(literal, begins)
    if meant is not None:
        more = f"; {literal + '*'!r} matches what begins so" if meant == literal else ""
        warn(f"no key matches {match!r}; {begins[meant]!r} is there{more}")


def _some(conn: Connection, kind: str | None = None) -> Sequence[str]:
    """Return names of keys, of not too many."""
    pages = islice(scan(conn, "*", kind), LOOKS)
    return sorted(map(as_text, chain.from_iterable(pages)))
