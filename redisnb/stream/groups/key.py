"""The name of a consumer group, and its commands with explained errors."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pandas as pd
import redis

from redisnb import cards, frames, wire
from redisnb.entries import Fields
from redisnb.errors import ConnectError, GroupMissingError, code, nearest
from redisnb.frames import Types, Where
from redisnb.hints import Hinting, hinted
from redisnb.stream.rows import group_rows
from redisnb.stream.stream import Stream
from redisnb.wire import Conversation, T

__all__ = ["MAY_BE_DELIVERED", "MAY_BE_LOST", "GroupKey", "is_group_missing", "missing_group"]

MAY_BE_LOST = (
    "entries may have been delivered nevertheless, and with noack=True they are not delivered again"
)
MAY_BE_DELIVERED = (
    "entries may have been delivered to consumer {!r} nevertheless; read(backlog=True) returns them"
)


class GroupKey(Hinting):
    """The name of a consumer group of a stream, and of this consumer."""

    @hinted
    def __init__(self, stream: Stream, name: str, *, consumer: str | None = None) -> None:
        if not isinstance(stream, Stream):
            raise TypeError(
                f"ConsumerGroup(stream, name): stream is a redisnb.Stream, not "
                f"{type(stream).__name__}"
            )
        self.stream = stream
        self.name = name
        # The columns of earlier reads, and their dtypes.
        self._known_columns: dict[str, Any] = {}
        self.consumer = consumer or f"{socket.gethostname()}-{os.getpid()}"

    def __repr__(self) -> str:
        stream, name, consumer = map(cards.quoted, (self.stream.key, self.name, self.consumer))
        is_closed = self.stream.conn.closed and "closed"
        return cards.line("ConsumerGroup", stream, name, f"consumer={consumer}", is_closed)

    def _ask(self, *command: Any, wait: float = 0) -> Any:
        with self._explaining():
            return wire.ask(self.stream.conn, *command, key=self.stream.key, wait=wait)

    def _converse(self, conversation: Conversation[T]) -> T:
        with self._explaining():
            return wire.converse(self.stream.conn, conversation, key=self.stream.key)

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except redis.ResponseError as error:
            if not is_group_missing(error):
                raise
            raise missing_group(self) from error

    @contextmanager
    def _noting(self, note: str) -> Iterator[None]:
        try:
            yield
        except (redis.ConnectionError, redis.TimeoutError) as error:
            error.add_note(note)
            raise

    def _filter(self, where: Where | None) -> frames.Filter | None:
        stream = self.stream
        return None if where is None else frames.Filter(where, stream.layout, stream.schema)

    def _frame(
        self,
        found: Sequence[tuple[bytes, Fields | None]],
        types: Types = "infer",
    ) -> pd.DataFrame:
        schema = self.stream.schema if types == "infer" else None
        return frames.entries_frame(found, self.stream.layout, types=types, schema=schema)


def missing_group(group: GroupKey, *, look: bool = True) -> GroupMissingError:
    """Return the error that the group does not exist; `look` for those that do."""
    hint = _what_there_is(group) if look else ""
    return GroupMissingError(
        f"stream {group.stream.key!r} has no consumer group {group.name!r}; "
        f"create() makes it, create('all') from the first entry on{hint}",
        stream=group.stream.key,
        group=group.name,
    )


def _what_there_is(group: GroupKey) -> str:
    """Return which group, or else which stream, was probably meant, or which groups there are."""
    conn, key = group.stream.conn, group.stream.key
    with suppress(redis.RedisError, ConnectError, OSError):
        names = [row[1] for row in group_rows(conn, key)]
        meant = nearest(group.name, names) if names else wire.near_key(conn, key)
        if meant:
            return f"; did you mean {meant!r}?"
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            return f"; it has {', '.join(map(repr, names[:3]))}{more}"
    return ""


def is_group_missing(error: redis.ResponseError) -> bool:
    """Return whether a server's error means that the group or its stream does not exist."""
    text = str(error)
    return code(error) == "NOGROUP" or any(
        phrase in text
        # The last one ends a blocking read when its stream is deleted or replaced.
        for phrase in ("no such key", "requires the key to exist", "stream key no longer exists")
    )
