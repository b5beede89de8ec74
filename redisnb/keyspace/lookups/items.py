"""Values by key: ``conn["orders"]`` and ``cache["user:1"]``, also completed by Tab."""

from __future__ import annotations

from typing import Any

import pandas as pd

from redisnb import wire
from redisnb.entries import as_text
from redisnb.keyspace.cache import Cache
from redisnb.keyspace.lookups.completing import names_beginning, typed_key, unasked
from redisnb.keyspace.previewing import checked_name, previewed
from redisnb.wire import Connection

__all__ = ["CachedKeys", "DatabaseKeys"]

#: How many keys are offered: IPython shows no more.
MOST_NAMES = 500


class DatabaseKeys:
    """The keys of a connection's database, with their values as frames."""

    def value(self, owner: Connection, key: str | bytes) -> pd.DataFrame:
        """Return what `preview` does, or raise KeyError."""
        frame = previewed(owner, checked_name(key))
        if frame.attrs["type"] == "none":
            raise wire.absent_error(owner, _plain_name(key))
        return frame

    def exists(self, owner: Connection, key: str | bytes) -> bool:
        """Return whether there is such a key, of any type."""
        name = checked_name(key)
        return bool(wire.ask(owner, "EXISTS", name, key=as_text(name)))

    def names(self, owner: Connection) -> list[str]:
        """Return names that begin as typed."""
        return _offered(owner, "")


class CachedKeys:
    """The keys of a cache, without its prefix."""

    def value(self, owner: Cache, key: str | bytes) -> Any:
        """Return what `Cache.get` does, or raise KeyError."""
        missing = object()
        value = owner.get(_plain_name(key), missing)
        if value is missing:
            raise wire.absent_error(owner.conn, _plain_name(key), owner.prefix)
        return value

    def exists(self, owner: Cache, key: str | bytes) -> bool:
        """Return what `Cache.exists` does."""
        return owner.exists(_plain_name(key))

    def names(self, owner: Cache) -> list[str]:
        """Return names that begin as typed, without the prefix."""
        return _offered(owner.conn, owner.prefix)


def _offered(conn: Connection, prefix: str) -> list[str]:
    begin = prefix + typed_key()
    names = unasked(conn, lambda quick: names_beginning(quick, begin, most=MOST_NAMES))
    return [name[len(prefix) :] for name in names]


def _plain_name(key: str | bytes) -> str:
    return as_text(key) if isinstance(key, bytes) else key
