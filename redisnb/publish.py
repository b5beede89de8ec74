"""Many events to one stream, and what became of each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from itertools import repeat
from typing import Any, TypeAlias

import pandas as pd
import redis

from redisnb import events, frames, ids, wire
from redisnb.connection import Connection
from redisnb.errors import EncodeError, words
from redisnb.events import Format
from redisnb.ids import Position

__all__ = ["commands", "send"]

#: An XADD ready to be sent, or why there is none.
Prepared: TypeAlias = "tuple[Any, ...] | EncodeError"


def commands(
    batch: Iterable[Mapping[Any, Any]] | pd.DataFrame,
    positions: Iterable[Position] | str,
    command: Sequence[Any],
    format: Format,
) -> Iterable[Prepared]:
    """Prepare an XADD for each event, `command` followed by an ID and the fields.

    All of them are made here and now, unless the events are an iterator: those are made one by
    one as they are taken, and an event that cannot be carried gives its error in its place.

    Raises
    ------
    EncodeError
        If an event cannot be carried, naming its row.
    """
    if isinstance(batch, Mapping | str | bytes):
        raise TypeError("add_many() takes many events; add() takes one")
    if isinstance(positions, str) and positions != "*":
        raise TypeError(f"ids={positions!r}; give one ID for each event, or '*'")
    numbered = None if isinstance(positions, str) else ids.number(positions)
    if numbered is not None and isinstance(batch, Sized) and len(numbered) != len(batch):
        raise ValueError(f"{len(numbered)} IDs for {len(batch)} events")
    source = frames.records(batch) if isinstance(batch, pd.DataFrame) else batch
    prepared = _prepare(source, numbered, tuple(command), format)
    if isinstance(batch, Iterator):
        return prepared
    made: list[Prepared] = []
    for each in prepared:
        if isinstance(each, EncodeError):
            raise each
        made.append(each)
    return made


def _prepare(
    source: Iterable[Mapping[Any, Any]],
    numbered: Sequence[str] | None,
    command: tuple[Any, ...],
    format: Format,
) -> Iterator[Prepared]:
    entry_ids = repeat("*") if numbered is None else numbered
    # An iterator may be longer than its IDs: what is beyond them is not taken from it.
    for row, (id, event) in enumerate(zip(entry_ids, source, strict=False)):
        try:
            yield (*command, id, *events.write(event, format))
        except EncodeError as error:
            yield error.at_row(row)


def send(
    conn: Connection, prepared: Iterable[Prepared], moved: Callable[[int], object]
) -> tuple[list[bytes | None], dict[int, tuple[str, str]]]:
    """Send commands and return the entry IDs, and a status and reason for each row without one.

    When the connection breaks, the rest of a sized batch is "unsent", and the rest of an iterator
    is left in it.

    Raises
    ------
    ConnectError
        If there is no server to send it to; nothing was sent.
    """
    entry_ids: list[bytes | None] = []
    wrong: dict[int, tuple[str, str]] = {}
    waiting: deque[int] = deque()
    source = iter(prepared)

    def take() -> Iterator[tuple[Any, ...]]:
        for each in source:
            if isinstance(each, EncodeError):
                wrong[len(entry_ids)] = ("failed", str(each))
            else:
                waiting.append(len(entry_ids))
            entry_ids.append(None)
            if not isinstance(each, EncodeError):
                yield each

    try:
        for reply in wire.ask_many(conn, take()):
            row = waiting.popleft()
            if isinstance(reply, redis.ResponseError):
                wrong[row] = ("failed", words(reply))
            else:
                entry_ids[row] = reply
            moved(1)
    except (redis.ConnectionError, redis.TimeoutError) as error:
        # What was taken from the source was sent, or was about to be.
        wrong |= dict.fromkeys(waiting, ("unknown", str(error)))
        if isinstance(prepared, Sized):
            rest = range(len(entry_ids), len(prepared))
            wrong |= dict.fromkeys(rest, ("unsent", str(error)))
            entry_ids += [None] * len(rest)
    return entry_ids, wrong
