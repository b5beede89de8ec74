"""A reading position as a state machine: the next command, then its reply.

Whoever reads (a generator, a coroutine, a thread) does nothing but send `command()` and `feed()`
the reply, so all of them decide alike.
"""

from __future__ import annotations

from typing import Any

from redisnb.events import Fields
from redisnb.ids import EntryId

__all__ = ["GroupCursor", "StreamCursor"]


class StreamCursor:
    """Read a stream without a group, each entry once.

    Parameters
    ----------
    key : str
        The stream.
    after : EntryId
        The entry before the first one wanted.
    """

    def __init__(self, key: str, after: EntryId) -> None:
        self.key = key
        self.after = after

    def command(self, count: int, block: int) -> tuple[Any, ...]:
        """Return the next command: at most `count` entries, waiting at most `block` ms."""
        return ("XREAD", "COUNT", count, "BLOCK", block, "STREAMS", self.key, self.after)

    def feed(self, reply: Any) -> list[tuple[bytes, Fields | None]]:
        """Take the command's reply, move on, and return the entries."""
        found = _entries(reply)
        if found:
            self.after = EntryId(found[-1][0])
        return found

    def restart(self) -> None:
        """Go on after a broken connection: the position still holds."""


class GroupCursor:
    """Read as a consumer of a group: first what it has already been given, then what is new.

    Parameters
    ----------
    key, group, consumer : str
        The stream, the group, and the consumer that entries are given to.
    """

    def __init__(self, key: str, group: str, consumer: str) -> None:
        self.key, self.group, self.consumer = key, group, consumer
        self.restart()

    def restart(self) -> None:
        """Look at the backlog again: a lost reply leaves entries there that nobody has seen."""
        self._backlog: str | None = "0-0"

    def command(self, count: int, block: int) -> tuple[Any, ...]:
        """Return the next command: at most `count` entries, waiting at most `block` ms."""
        reader = ("XREADGROUP", "GROUP", self.group, self.consumer, "COUNT", count)
        if self._backlog is not None:
            return (*reader, "STREAMS", self.key, self._backlog)
        return (*reader, "BLOCK", block, "STREAMS", self.key, ">")

    def feed(self, reply: Any) -> list[tuple[bytes, Fields | None]]:
        """Take the command's reply, move on, and return the entries."""
        found = _entries(reply)
        if self._backlog is not None:
            self._backlog = found[-1][0].decode() if found else None
        return found


def before(id: EntryId) -> EntryId:
    """Return the ID just before `id`, so that reading after it starts with `id`."""
    if id.seq:
        return EntryId(f"{id.ms}-{id.seq - 1}")
    return EntryId(f"{id.ms - 1}-{2**64 - 1}") if id.ms else EntryId("0-0")


def _entries(reply: Any) -> list[tuple[bytes, Fields | None]]:
    """Return the entries of one stream: RESP3 sends {key: entries}, RESP2 [[key, entries]]."""
    if not reply:
        return []
    found = next(iter(reply.values())) if isinstance(reply, dict) else reply[0][1]
    return [(id, fields) for id, fields in found]
