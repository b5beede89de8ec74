"""Which process reads as which consumer now, by the link names in CLIENT LIST.

A consumer's idle time does not tell before Redis 7.2, where a read that waits does not reset it.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import NamedTuple, Self
from urllib.parse import quote, unquote

import redis

from redisnb import wire
from redisnb.errors import RedisnbError, is_transient
from redisnb.stream import ConsumerGroup
from redisnb.wire import Connection

__all__: list[str] = []

#: The longest idle time of a link in use, in seconds: a consumer asks twice a second. The server
#: goes on listing the link of a machine that is gone for many minutes.
LONGEST_IDLE = 2
#: Tells the links of this process from those of other processes.
_PROCESS = secrets.token_hex(8)


class Identity(NamedTuple):
    """The name of a consumer, with the streams that it reads and its process."""

    process: str
    group: str
    consumer: str
    keys: frozenset[str]

    @classmethod
    def of(cls, groups: Sequence[ConsumerGroup]) -> Self:
        """Return the identity of this process's consumer of these groups."""
        keys = frozenset(group.stream.key for group in groups)
        return cls(_PROCESS, groups[0].name, groups[0].consumer, keys)

    @classmethod
    def parse(cls, link_name: str) -> Self | None:
        """Read the name of a link; return None if redisnb did not give it."""
        prefix, *parts = link_name.split(":")
        if prefix != "redisnb" or len(parts) < 4:
            return None
        process, group, consumer, *keys = map(unquote, parts)
        return cls(process, group, consumer, frozenset(keys))

    def link_name(self) -> str:
        """Return the name for the link, in which Redis allows no blanks."""
        parts = (self.process, self.group, self.consumer, *sorted(self.keys))
        return ":".join(["redisnb", *(quote(part, safe="") for part in parts)])

    def is_double(self, other: Self) -> bool:
        """Return whether another process reads a stream under the same name."""
        same = (self.group, self.consumer) == (other.group, other.consumer)
        return same and self.process != other.process and bool(self.keys & other.keys)


def take_name(conn: Connection, identity: Identity) -> str | None:
    """Check that no other process reads under a name, and return the name for the link.

    It is None where this user may not name links: redis-py would not connect.
    """
    check_is_alone(conn, identity)
    try:
        wire.ask(conn, "CLIENT", "SETNAME", conn.link_name, key="")
    except redis.ResponseError as error:
        if is_transient(error):
            raise
        return None
    return identity.link_name()


def check_is_alone(conn: Connection, identity: Identity) -> None:
    """Refuse a consumer's name under which another process reads.

    A consumer whose handler has run for some seconds goes unnoticed. Where this user, or this
    server, has no CLIENT LIST, nothing is checked.

    Raises
    ------
    RedisnbError
        If another process reads under the name.
    """
    try:
        listed: bytes = wire.ask(conn, "CLIENT", "LIST", "TYPE", "normal", key="")
    except redis.ResponseError as error:
        if is_transient(error):
            raise
        return
    for line in listed.decode(errors="replace").splitlines():
        client = dict(part.partition("=")[::2] for part in line.split(" "))
        other = Identity.parse(client.get("name", ""))
        is_in_use = int(client.get("idle", 0)) <= LONGEST_IDLE
        is_here = client.get("db") == str(conn.database)
        if other and is_here and is_in_use and identity.is_double(other):
            raise RedisnbError(
                f"another process ({client.get('addr')}) reads as consumer {identity.consumer!r} "
                f"of group {identity.group!r}; stop it, or give this one another name: "
                "ConsumerGroup(..., consumer=...)"
            )
