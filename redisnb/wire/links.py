"""Classes of links to a server: read-only ones, and the asyncio class of a blocking one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.connection import AbstractConnection as AsyncLink
from redis.connection import AbstractConnection as SyncLink

from redisnb.wire import read_only

__all__ = ["ReadOnlyLink", "async_class", "read_only_class"]

_ASYNC_LINKS: dict[type, type[AsyncLink]] = {
    redis.Connection: redis.asyncio.Connection,
    redis.SSLConnection: redis.asyncio.SSLConnection,
    redis.UnixDomainSocketConnection: redis.asyncio.UnixDomainSocketConnection,
}


class ReadOnlyLink(SyncLink):
    """A link that sends only commands that read; redis-py sends everything through it."""

    def send_packed_command(self, command: Iterable[Any], check_health: bool = True) -> None:
        """Send commands that only read; raise ReadOnlyError for others."""
        checked = read_only.check_packed(command)
        super().send_packed_command(checked, check_health)  # type: ignore[no-untyped-call] # redis-py


class AsyncReadOnlyLink(AsyncLink):
    """The same for asyncio code."""

    async def send_packed_command(self, command: Iterable[Any], check_health: bool = True) -> None:
        """Send commands that only read; raise ReadOnlyError for others."""
        await super().send_packed_command(read_only.check_packed(command), check_health)


def read_only_class(link_class: type[Any]) -> type[Any]:
    """Return the read-only class of a class of links."""
    guard = AsyncReadOnlyLink if issubclass(link_class, AsyncLink) else ReadOnlyLink
    if issubclass(link_class, guard):
        return link_class
    return type(f"ReadOnly{link_class.__name__}", (guard, link_class), {})


def async_class(link_class: type[Any]) -> type[AsyncLink]:
    """Return the asyncio class of a class of links; of a read-only class, a read-only one."""
    plain = next(each for each in link_class.__mro__ if each in _ASYNC_LINKS)
    found: type[AsyncLink] = _ASYNC_LINKS[plain]
    return read_only_class(found) if issubclass(link_class, ReadOnlyLink) else found
