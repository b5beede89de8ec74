"""Cache: values under keys, with their expiry in the same command."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any, ParamSpec, TypeAlias, TypeVar

import pandas as pd
from redis.exceptions import ResponseError

from redisnb import cards, wire
from redisnb.durations import Duration
from redisnb.entries import as_text, time_to_ms, to_bytes
from redisnb.errors import DecodeError, RedisnbError, code, warn
from redisnb.hints import Hinting, hinted
from redisnb.keyspace import encoding
from redisnb.keyspace.card import cache_card
from redisnb.keyspace.changing import deletions, expirations, lifetime
from redisnb.keyspace.listing import glob, listing
from redisnb.keyspace.memoized import memoized
from redisnb.lookup import Keyed
from redisnb.wire import Connection

__all__ = ["Cache"]

P = ParamSpec("P")
R = TypeVar("R")

#: A value as it is stored under a key: a string, or a hash of parts.
StoredValue: TypeAlias = bytes | Mapping[bytes, bytes]
#: How long parts that a crash leaves behind live, in ms.
_PART_LIFETIME = 60_000


class Cache(Keyed[Any], Hinting):
    """Values under keys of one database: text, bytes, JSON values, DataFrames and Series.

    Other programs read text and JSON as they are.

    Parameters
    ----------
    conn : Connection
        What `redisnb.connect` returns.
    prefix : str, default ""
        Put before each key, and removed from keys that are returned.
    ttl : duration, optional
        How long values live unless `set` says otherwise; None for ever.

    Examples
    --------
    >>> cache = rnb.Cache(conn, prefix="report:", ttl="1h")
    >>> cache.set("daily", orders.range())
    >>> cache.get("daily")["item"].tolist()
    ['tea', 'coffee', 'tea', 'milk']
    >>> conn.client.ttl("report:daily")
    3600
    """

    @hinted
    def __init__(self, conn: Connection, *, prefix: str = "", ttl: Duration | None = None) -> None:
        wire.check_connection(conn, "Cache(conn)")
        self.conn = conn
        self.prefix = prefix
        self._lifetime = None if ttl is None else lifetime(ttl)

    def __repr__(self) -> str:
        ttl = None if self._lifetime is None else f"ttl={cards.span(self._lifetime)!r}"
        name, prefix = cards.quoted(self.conn.name), f"prefix={cards.quoted(self.prefix)}"
        return cards.line("Cache", name, prefix, ttl, self.conn.closed and "closed")

    def _repr_html_(self) -> str:
        return cache_card(self.conn, self.prefix, self._lifetime)

    @hinted
    def set(
        self,
        key: str,
        value: Any,
        *,
        ttl: Duration | None = None,
        expire_at: datetime | None = None,
    ) -> None:
        """Store a value and its expiry in one step: a value never lacks its expiry.

        Parameters
        ----------
        key : str
        value : str, bytes, JSON value, DataFrame, Series or Arrow table
        ttl : duration, optional
            How long it lives, at least 1 ms. By default the `ttl` of the cache.
        expire_at : datetime, optional
            When it expires, with a time zone. Pass this or `ttl`.

        Raises
        ------
        EncodeError
            If the value is none of these; nothing was sent.
        RedisnbError
            If another client deleted parts of a large value before all were sent; the key still
            holds its old value.

        Notes
        -----
        SET with PX or PXAT; O(1). It replaces the old value, also one of another type.

        A frame or bytes of more than 64 MB (compressed) are sent in parts, to a hash with a name
        of its own, ``key:`` and 16 hex digits. RENAME then puts it in the key's place with its
        expiry, inside MULTI and EXEC: readers see the old value or the new one. Parts that a crash
        leaves behind expire after a minute, or two of the connection's timeouts if that is longer.

        Examples
        --------
        >>> cache.set("daily", {"tea": 7, "coffee": 1}, ttl="10min")
        >>> cache.get("daily")
        {'tea': 7, 'coffee': 1}
        """
        self.set_many({key: value}, ttl=ttl, expire_at=expire_at)

    def set_many(
        self,
        values: Mapping[str, Any],
        *,
        ttl: Duration | None = None,
        expire_at: datetime | None = None,
    ) -> None:
        """Store several values as `set` does, all of them at once or none.

        Notes
        -----
        SET for each, or RENAME for each large one, inside MULTI and EXEC.

        Examples
        --------
        >>> cache.set_many({"mon": 7, "tue": 4}, ttl="10min")
        >>> cache.get("tue")
        4
        """
        if not isinstance(values, Mapping):
            raise TypeError(f"set_many() takes {{key: value}}, not {values!r}")
        expiry = self._expiry(ttl, expire_at)
        encoded = {self._name(key): encoding.encode(value) for key, value in values.items()}
        part_keys = self._send_parts(encoded)
        commands: list[tuple[Any, ...]] = []
        for key, stored in encoded.items():
            if key not in part_keys:
                commands.append(("SET", key, stored, *expiry))
                continue
            # In this order: an expiry in the past would leave nothing to rename.
            commands.append(("RENAME", part_keys[key], key))
            commands.append(
                (f"PEXPIRE{expiry[0][2:]}", key, expiry[1]) if expiry else ("PERSIST", key)
            )
        if len(commands) == 1:
            self._ask(*commands[0])
        elif commands:
            wire.transaction(self.conn, commands)

    def _send_parts(self, encoded: Mapping[str, bytes]) -> dict[str, str]:
        """Send values too large for one string to hashes of other names; return these by key."""
        left = max(_PART_LIFETIME, int(2000 * self.conn.timeout))
        part_keys: dict[str, str] = {}
        sent: Counter[str] = Counter()
        for key, stored in encoded.items():
            for part in encoding.split(stored):
                part_key = part_keys.setdefault(key, f"{key}:{secrets.token_hex(8)}")
                sent[part_key] += 1
                longer = [("PEXPIRE", each, left) for each in sent]
                wire.transaction(self.conn, [("HSET", part_key, *part), *longer])
        there = wire.transaction(self.conn, [("HLEN", each) for each in sent]) if sent else []
        if there != list(sent.values()):
            raise RedisnbError(
                f"another client deleted parts of {' and '.join(part_keys)} while they were sent; "
                "the old value is still there"
            )
        return part_keys

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value under a key, or `default`.

        A damaged value of redisnb's own counts as missing, with a RedisnbWarning.

        Raises
        ------
        redis.exceptions.ResponseError
            If the key holds neither a string nor a JSON document nor the parts of a large value.

        Notes
        -----
        GET; HGETALL for a large value, and JSON.GET for a JSON document.

        Examples
        --------
        >>> cache.set("daily", {"tea": 7})
        >>> cache.get("daily"), cache.get("weekly", "none yet")
        ({'tea': 7}, 'none yet')
        """
        stored: StoredValue | None
        try:
            stored = self._ask("GET", self._name(key))
        except ResponseError as error:
            if code(error) != "WRONGTYPE":
                raise
            # Read again, since the key may hold a string by now.
            (stored,) = self._fetch([key])
            if stored is None and self.exists(key):
                raise
        return default if stored is None else self._decode(key, stored, default)

    def get_many(self, keys: Iterable[str]) -> dict[str, Any]:
        """Return the values of the existing keys, by key, all of one moment.

        Notes
        -----
        MGET; if some keys hold no string, again with HGETALL and JSON.GET for these, inside MULTI
        and EXEC (or one after the other, if the user may not send those).

        Examples
        --------
        >>> cache.set_many({"mon": 7, "tue": 4})
        >>> cache.get_many(["mon", "tue", "wed"])
        {'mon': 7, 'tue': 4}
        """
        if isinstance(keys, str):
            raise TypeError(f"get_many() takes several keys: get_many([{keys!r}])")
        names = list(dict.fromkeys(keys))
        if not names:
            return {}
        missing = object()
        values = {}
        for name, stored in zip(names, self._fetch(names), strict=True):
            value = missing if stored is None else self._decode(name, stored, missing)
            if value is not missing:
                values[name] = value
        return values

    def _fetch(self, keys: list[str]) -> list[StoredValue | None]:
        names = [self._name(key) for key in keys]
        without: dict[str, None] = {}
        while True:
            others = [(read, name) for name in without for read in self._readers()]
            read = [("MGET", *names), *others]
            strings, *replies = (
                wire.transaction(self.conn, read, needed=False)
                if without
                else [self._ask(*read[0])]
            )
            stored: dict[str, Any] = dict(zip(names, strings, strict=True))
            # A key without a string may hold a hash of parts. All keys are read again with it, so
            # that all values are of one moment.
            more = [name for name in names if stored[name] is None and name not in without]
            if not more:
                break
            without |= dict.fromkeys(more)
        for (_, name), reply in zip(others, replies, strict=True):
            if stored[name] is None:
                # The text of a JSON document, or a hash.
                stored[name] = reply if isinstance(reply, bytes) else encoding.large_value(reply)
        return list(stored.values())

    def _readers(self) -> tuple[str, ...]:
        return ("HGETALL", "JSON.GET") if self.conn.supports("JSON.GET") else ("HGETALL",)

    def _decode(self, key: str, stored: StoredValue, default: Any) -> Any:
        try:
            if isinstance(stored, bytes):
                return encoding.decode(stored)
            return encoding.decode_parts(stored)
        except DecodeError as error:
            warn(f"the value of {self._name(key)!r} counts as missing: {error}")
            return default

    def exists(self, key: str) -> bool:
        """Return whether there is a value under the key.

        Examples
        --------
        >>> cache.set("daily", 7)
        >>> cache.exists("daily"), cache.exists("weekly")
        (True, False)
        """
        return bool(self._ask("EXISTS", self._name(key)))

    def delete(self, *keys: str | bytes) -> int:
        """Delete keys and return how many there were (UNLINK).

        Examples
        --------
        >>> cache.set("daily", 7)
        >>> cache.delete("daily", "weekly")
        1
        """
        return self._ask("UNLINK", *map(self._name, keys)) if keys else 0

    def ttl(self, key: str) -> pd.Timedelta | None:
        """Return how long a value still lives, or None if it does not expire.

        Raises
        ------
        KeyError
            If there is no such key.

        Examples
        --------
        >>> cache.set("daily", 7, ttl="1h")
        >>> cache.ttl("daily").round("min")
        Timedelta('0 days 01:00:00')
        """
        left = self._ask("PTTL", self._name(key))
        if left == -2:
            raise wire.absent_error(self.conn, key, self.prefix)
        return None if left == -1 else pd.Timedelta(left, "ms")

    def expire(self, key: str | bytes, ttl: Duration) -> bool:
        """Let a value live for `ttl` from now; return whether there is one.

        Examples
        --------
        >>> cache.set("daily", 7)
        >>> cache.expire("daily", "10min"), cache.expire("weekly", "10min")
        (True, False)
        """
        return bool(self._ask("PEXPIRE", self._name(key), lifetime(ttl)))

    def expire_at(self, key: str, moment: datetime) -> bool:
        """Let a value expire at an aware `moment`, at once if past; return whether there is one.

        Examples
        --------
        >>> from datetime import UTC, datetime
        >>> cache.set("daily", 7)
        >>> cache.expire_at("daily", datetime(2100, 1, 1, tzinfo=UTC))
        True
        """
        return bool(self._ask("PEXPIREAT", self._name(key), time_to_ms(moment, up=True)))

    def persist(self, key: str | bytes) -> bool:
        """Let a value live for ever; return whether there is one that would have expired.

        Examples
        --------
        >>> cache.set("daily", 7, ttl="1h")
        >>> cache.persist("daily"), cache.ttl("daily")
        (True, None)
        """
        return bool(self._ask("PERSIST", self._name(key)))

    def _expiry(self, ttl: Duration | None, moment: datetime | None) -> tuple[Any, ...]:
        if ttl is not None and moment is not None:
            raise ValueError("give ttl= or expire_at=, not both")
        if moment is not None:
            return ("PXAT", time_to_ms(moment, up=True))
        left = self._lifetime if ttl is None else lifetime(ttl)
        return () if left is None else ("PX", left)

    def keys(self, match: str = "*") -> pd.DataFrame:
        """List the cache's keys as a frame in schema KEYS, by name, without the prefix.

        Parameters
        ----------
        match : str, default "*"
            A glob pattern as Redis reads it.

        Examples
        --------
        >>> cache.set_many({"mon": 7, "tue": 4, "total": 11})
        >>> cache.keys("t*")[["key", "type"]]
             key    type
        0  total  string
        1    tue  string
        """
        skip = len(to_bytes(self.prefix))
        frame = listing(self.conn, glob(self.prefix) + match, skip=skip)
        if frame.empty:
            wire.warn_of_no_match(self.conn, match, prefix=self.prefix)
        return frame

    def delete_matching(self, match: str, *, dry_run: bool = False) -> int:
        """Delete the keys that match a pattern and return how many there were.

        Parameters
        ----------
        match : str
            A glob pattern as Redis reads it, without the prefix.
        dry_run : bool
            Only count.

        Notes
        -----
        SCAN and UNLINK in batches, never KEYS: the server serves other clients in between.

        Examples
        --------
        >>> cache.set_many({"mon": 7, "tue": 4, "total": 11})
        >>> cache.delete_matching("t*", dry_run=True), cache.delete_matching("t*")
        (2, 2)
        """
        changes = deletions(self.conn, pages := self._pages(match))
        return self._counted(match, map(len, pages) if dry_run else changes)

    def expire_matching(self, match: str, ttl: Duration, *, dry_run: bool = False) -> int:
        """Let the keys that match live for `ttl` from now, as `delete_matching` deletes them.

        Notes
        -----
        SCAN and PEXPIRE in batches.

        Examples
        --------
        >>> cache.set_many({"mon": 7, "tue": 4, "total": 11})
        >>> cache.expire_matching("t*", "10min")
        2
        """
        changes = expirations(self.conn, pages := self._pages(match), ttl)
        return self._counted(match, map(len, pages) if dry_run else changes)

    def _pages(self, match: str) -> Iterator[list[bytes]]:
        return wire.scan(self.conn, glob(self.prefix) + match)

    def _counted(self, match: str, counts: Iterable[int]) -> int:
        count = sum(counts)
        if not count:
            wire.warn_of_no_match(self.conn, match, prefix=self.prefix)
        return count

    def flush(self, *, confirm: str) -> int:
        """Delete everything in the cache and return how many keys there were.

        Parameters
        ----------
        confirm : str
            The prefix; for a cache without one, which is the whole database, the database's name
            (``cache.conn.name``).

        Raises
        ------
        ValueError
            If `confirm` is anything else; nothing was deleted.

        Notes
        -----
        SCAN and UNLINK with a prefix, else FLUSHDB.

        Examples
        --------
        >>> cache.set_many({"mon": 7, "tue": 4})
        >>> cache.flush(confirm="report:")
        2
        """
        name = self.prefix or self.conn.name
        if confirm != name:
            what = f"every key under {name!r}" if self.prefix else f"the whole database {name!r}"
            raise ValueError(f"flush() deletes {what}; if you mean it: flush(confirm={name!r})")
        if self.prefix:
            return self.delete_matching("*")
        size, _ = wire.transaction(self.conn, [("DBSIZE",), ("FLUSHDB",)])
        return int(size)

    @hinted
    def memoize(
        self, function: None = None, /, *, ttl: Duration | None = None
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Return a decorator that stores a function's results in the cache.

        The key is made of the function's module, name and source and of its arguments' content,
        also that of frames: an edited function starts with no results (the functions that it calls
        are not checked). Arguments or results that the cache cannot hold raise EncodeError. None
        is stored like any other result.

        Parameters
        ----------
        ttl : duration, optional
            As for `set`.

        Examples
        --------
        >>> @cache.memoize(ttl="10min")
        ... def amounts(item):
        ...     print("reads the stream")
        ...     return orders.range(where={"item": item})["amount"].tolist()
        ...
        >>> amounts("tea")
        reads the stream
        [2, 5]
        >>> amounts("tea")
        [2, 5]
        """
        if function is not None:
            raise TypeError("write @cache.memoize() with the parentheses")
        self._expiry(ttl, None)

        return lambda function: memoized(function, self.get, partial(self.set, ttl=ttl))

    def _name(self, key: str | bytes) -> str:
        if not isinstance(key, str | bytes):
            raise TypeError(f"a cache's key is a name such as 'user:1', not {key!r}")
        return self.prefix + (as_text(key) if isinstance(key, bytes) else key)

    def _ask(self, *command: Any) -> Any:
        return wire.ask(self.conn, *command, key=command[1])
