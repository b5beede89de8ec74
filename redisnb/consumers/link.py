"""The link on which one run of a consumer asks its server, within the time it has left."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import redis

from redisnb import wire
from redisnb.wire import Command, Connection, Conversation, T

__all__: list[str] = []

#: How long after `stop` commands are still sent to the server, in seconds.
SENT_WITHIN = 1.6


class Stop:
    """The end of a run: whether it was asked for, and until when commands are still sent.

    Attributes
    ----------
    is_asked : bool
        The run was told to stop.
    is_abandoned : bool
        Nothing is sent any more, and the state does not change.
    """

    def __init__(self) -> None:
        self.is_asked = self.is_abandoned = False
        self._until: float | None = None

    def ask(self) -> None:
        """Tell the run to stop."""
        self.limit()
        self.is_asked = True

    def limit(self) -> None:
        """Set the time until which commands are sent; only the first call does."""
        if self._until is None:
            self._until = time.monotonic() + SENT_WITHIN

    def goes_on(self) -> bool:
        """Return whether the run goes on."""
        return not self.is_asked

    def time_for(self, seconds: float) -> float:
        """Return `seconds`, or less where less is left.

        Raises
        ------
        redis.exceptions.TimeoutError
            If no time is left.
        """
        if self._until is not None:
            seconds = min(seconds, self._until - time.monotonic())
        if seconds <= 0 or self.is_abandoned:
            raise redis.TimeoutError("it was told to stop")
        return seconds


class Link:
    """A link for asyncio code that waits for a reply only as long as the run has time.

    Parameters
    ----------
    conn : Connection
        The server; its timeout is the longest wait for a reply.
    key : str
        The stream that errors name.
    stop : Stop
        The end of the run.
    """

    def __init__(self, conn: Connection, key: str, stop: Stop) -> None:
        self.conn = conn
        self._key, self._stop = key, stop

    def open(self, name: str | None) -> None:
        """Make the link, inside the event loop; the server lists it under `name`."""
        self._link = wire.async_link(self.conn, name)

    async def close(self) -> None:
        """Disconnect; the next command connects again."""
        await wire.close_async(self._link)

    async def ask(self, command: Command, *, wait: int = 0) -> Any:
        """Return the reply to a command that may block for `wait` ms."""
        timeout = self._time_for(wait / 1000)
        return await wire.ask_async(self._link, *command, key=self._key, timeout=timeout)

    async def converse(self, conversation: Conversation[T]) -> T:
        """Return the result of a conversation."""
        timeout = self._time_for(0)
        return await wire.converse_async(self._link, conversation, key=self._key, timeout=timeout)

    async def look(self, commands: Sequence[Command]) -> list[Any]:
        """Return the replies to XINFO commands as mappings, an error as a value."""
        timeout = self._time_for(0)
        replies = await wire.ask_many_async(self._link, commands, timeout=timeout)
        return wire.xinfo_states(commands, replies)

    def _time_for(self, wait: float) -> float:
        return self._stop.time_for(self.conn.timeout + wait)
