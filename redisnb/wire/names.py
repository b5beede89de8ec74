"""Hints for keys that do not exist: the name that was probably meant."""

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

__all__ = ["absent_error", "near_key", "warn_of_absent", "warn_of_no_match"]

#: The most SCANs that look for a similar name, and the most missing keys for which they do.
MOST_SCANS, MOST_MISSING = 4, 10
_NO_HINT = (RedisError, ConnectError, OSError)


def near_key(conn: Connection, key: str, kind: str | None = "stream") -> str | None:
    """Return an existing key that is similar, or ends in this one, if this one does not exist.

    `kind` is a type of Redis. None where this user may not look, or the server is away: nothing
    fails for lack of a hint.
    """
    with suppress(*_NO_HINT):
        if not ask(conn, "EXISTS", key, key=key):
            # It may have been created since.
            names = [name for name in _some(conn, kind) if name != key]
            # Or it was written without its prefix.
            ends = (name for name in names if re.fullmatch(rf".*[:/.|_-]{re.escape(key)}", name))
            return nearest(key, names) or next(ends, None)
    return None


def absent_error(conn: Connection, name: str, prefix: str = "") -> KeyError:
    """Return the error for a key that does not exist; it is named without its prefix."""
    near = near_key(conn, prefix + name, None)
    # A name without the prefix is of no use.
    meant = near[len(prefix) :] if near is not None and near.startswith(prefix) else None
    return KeyError(f"no key {name!r}{'' if meant is None else f'; did you mean {meant!r}?'}")


def warn_of_absent(conn: Connection, *keys: str, kind: str | None = "stream") -> None:
    """Warn of missing keys, the first few, for which there is a key with a similar name."""
    for key in keys[:MOST_MISSING]:
        meant = near_key(conn, key, kind)
        if meant is not None:
            warn(f"{key!r}: no such {kind or 'key'}; {meant!r} is there")


def warn_of_no_match(
    conn: Connection, match: str, *, kind: str | None = None, prefix: str = ""
) -> None:
    """Warn if a pattern that matches no key is similar to the name of one.

    `kind` is a type of Redis; names are shown without `prefix`.
    """
    literal = re.split(r"[*?\[\\]", match)[0]
    if not literal:
        return
    names: list[str] = []
    with suppress(*_NO_HINT):
        names = [name[len(prefix) :] for name in _some(conn, kind) if name.startswith(prefix)]
    begins = {name[: len(literal)]: name for name in reversed(names)}
    if literal in begins and literal != match:
        # The fault is in the rest of the pattern.
        return
    meant = nearest(literal, begins)
    if meant is not None:
        more = f"; {literal + '*'!r} matches names that begin so" if meant == literal else ""
        warn(f"no key matches {match!r}; {begins[meant]!r} is there{more}")


def _some(conn: Connection, kind: str | None = None) -> Sequence[str]:
    """Return names of keys, from a limited number of SCANs."""
    pages = islice(scan(conn, "*", kind), MOST_SCANS)
    return sorted(map(as_text, chain.from_iterable(pages)))
