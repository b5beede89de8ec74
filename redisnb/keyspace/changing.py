"""Changes of many keys in parts, so that a caller can show how far they are, and stop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from redis.exceptions import ResponseError

from redisnb import wire
from redisnb.durations import Duration, milliseconds
from redisnb.entries import as_text, to_bytes
from redisnb.errors import RedisnbError, explain
from redisnb.wire import Connection

__all__ = [
    "deletions",
    "expirations",
    "expire_fields",
    "lifetime",
    "name_parts",
    "persistences",
    "replace_text",
]

#: How many keys a part has that was not found by SCAN.
_PART_KEYS = 1_000


def name_parts(names: Iterable[str | bytes]) -> Iterator[list[bytes]]:
    """Yield names of keys as bytes, in parts."""
    found = [to_bytes(each) if isinstance(each, str) else each for each in names]
    for start in range(0, len(found), _PART_KEYS):
        yield found[start : start + _PART_KEYS]


def deletions(conn: Connection, parts: Iterable[Sequence[bytes]]) -> Iterator[int]:
    """Delete the keys of each part; yield how many there were.

    Notes
    -----
    UNLINK.
    """
    for names in parts:
        yield wire.ask(conn, "UNLINK", *names, key=as_text(names[0])) if names else 0


def expirations(conn: Connection, parts: Iterable[Sequence[bytes]], ttl: Duration) -> Iterator[int]:
    """Let the keys of each part live for `ttl` from now; yield how many there were.

    Notes
    -----
    PEXPIRE, pipelined.
    """
    left = lifetime(ttl)
    return (_count_done(conn, [("PEXPIRE", name, left) for name in names]) for names in parts)


def persistences(conn: Connection, parts: Iterable[Sequence[bytes]]) -> Iterator[int]:
    """Let the keys of each part live for ever; yield how many would have expired.

    Notes
    -----
    PERSIST, pipelined.
    """
    for names in parts:
        yield _count_done(conn, [("PERSIST", name) for name in names])


def _count_done(conn: Connection, commands: Sequence[tuple[Any, ...]]) -> int:
    replies = list(wire.ask_many(conn, commands))
    for command, reply in zip(commands, replies, strict=True):
        if isinstance(reply, ResponseError):
            raise explain(reply, as_text(command[1]))
    return sum(replies)


def expire_fields(conn: Connection, key: str, fields: Sequence[str], ttl: Duration | None) -> int:
    """Let fields of a hash live for `ttl` from now, None for ever; return how many have changed.

    Notes
    -----
    HPEXPIRE or HPERSIST, since Redis 7.4 and Valkey 9.
    """
    command = ("HPERSIST", key) if ttl is None else ("HPEXPIRE", key, lifetime(ttl))
    names = [to_bytes(each) for each in fields]
    replies = wire.ask(conn, *command, "FIELDS", len(names), *names, key=key)
    return sum(reply > 0 for reply in replies or ())


def replace_text(conn: Connection, key: str, old: str, new: str) -> None:
    """Replace the text of a string that still has the old one; its expiry stays.

    Raises
    ------
    RedisnbError
        If it has changed; nothing was written.

    Notes
    -----
    WATCH, GET, and SET with KEEPTTL inside MULTI and EXEC.
    """

    def replace(pipe: Any) -> None:
        if pipe.get(to_bytes(key)) != to_bytes(old):
            raise RedisnbError(
                "nothing was written: it has changed since it was read; read it again"
            )
        pipe.multi()
        pipe.set(to_bytes(key), to_bytes(new), keepttl=True)

    conn.client.transaction(replace, to_bytes(key))


def lifetime(ttl: Duration) -> int:
    """Return a duration in ms, at least 1."""
    left = milliseconds(ttl, "ttl")
    if not left:
        raise ValueError("ttl=0: a value lives for at least 1 ms; delete() removes one")
    return left
