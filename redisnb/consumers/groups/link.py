"""What a consumer of a group asks; an error says which group is missing."""

from __future__ import annotations

from typing import Any

import redis

from redisnb.consumers.job import Job
from redisnb.consumers.link import Link
from redisnb.entries import to_bytes
from redisnb.errors import GroupMissingError
from redisnb.stream import is_group_missing, missing_group
from redisnb.wire import Command, Conversation, T

__all__: list[str] = []


class GroupLink:
    """The link of one consumer of a group.

    Attributes
    ----------
    group, consumer : str
        Their names, the same for every stream.

    Raises
    ------
    GroupMissingError
        By every method, if the group of a stream, or the stream, does not exist.
    """

    def __init__(self, job: Job, link: Link) -> None:
        self._groups, self._link = job.groups, link
        first = next(iter(job.groups.values()))
        self.group, self.consumer = first.name, first.consumer

    async def ask(self, command: Command, *, wait: int = 0) -> Any:
        """Return the reply to a command that may block for `wait` ms."""
        try:
            return await self._link.ask(command, wait=wait)
        except redis.ResponseError as error:
            if not is_group_missing(error):
                raise
            raise await self._missing(error) from error

    async def converse(self, conversation: Conversation[T]) -> T:
        """Return the result of a conversation."""
        try:
            return await self._link.converse(conversation)
        except redis.ResponseError as error:
            if not is_group_missing(error):
                raise
            raise await self._missing(error) from error

    async def _missing(self, error: redis.ResponseError) -> GroupMissingError:
        """Find which group is missing: the server's error does not always name its stream."""
        for key, group in self._groups.items():
            if f"'{key}'" in str(error):
                return missing_group(group, look=False)
        states = await self._link.look([("XINFO", "GROUPS", key) for key in self._groups])
        name = to_bytes(self.group)
        for group, rows in zip(self._groups.values(), states, strict=True):
            if isinstance(rows, redis.ResponseError):
                continue
            if name not in [row[b"name"] for row in rows or ()]:
                return missing_group(group, look=False)
        return missing_group(next(iter(self._groups.values())), look=False)
