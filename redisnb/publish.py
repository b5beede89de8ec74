"""Many events to one stream, and what became of each."""

from __future__ import annotations

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

#: An XADD as it goes over the wire, or why there is none.
Prepared: TypeAlias = "bytes | EncodeError"


def commands(
    batch: Iterable[Mapping[Any, Any]] | pd.DataFrame,
    positions: Iterable[Position] | str,
    command: Sequence[Any],
    format: Format,
) -> Iterator[Prepared] | list[Prepared]:
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
    entry_ids = repeat("*") if numbered is None else numbered
    # An iterator may be longer than its IDs: what is beyond them is not taken from it.
    rows = zip(entry_ids, source, strict=False)
    prepared = (_json if format in ("auto", "json") else _any)(rows, command, format)
    if isinstance(batch, Iterator):
        return prepared
    made = list(prepared)
    for each in made:
        if isinstance(each, EncodeError):
            raise each
    return made


def _any(
    rows: Iterable[tuple[str, Mapping[Any, Any]]], command: Sequence[Any], format: Format
) -> Iterator[Prepared]:
    for row, (id, event) in enumerate(rows):
        try:
            yield wire.pack((*command, id, *events.write(event, format)))
        except EncodeError as error:
            yield error.at_row(row)


def _json(
    rows: Iterable[tuple[str, Mapping[Any, Any]]], command: Sequence[Any], format: Format
) -> Iterator[Prepared]:
    # As `_any`, in half the time: only the ID and the payload differ between two rows.
    *_, start = wire.pack((*command, "", events.PAYLOAD, "")).partition(b"*")
    head = b"*" + start.removesuffix(b"$0\r\n\r\n$7\r\npayload\r\n$0\r\n\r\n")
    write = events.write_json
    for row, (id, event) in enumerate(rows):
        try:
            text = write(event)
        except EncodeError as error:
            yield error.at_row(row)
        else:
            yield b"%b$%d\r\n%b\r\n$7\r\npayload\r\n$%d\r\n%b\r\n" % (
                head,
                len(id),
                id.encode(),
                len(text),
                text,
            )


def send(
    conn: Connection, prepared: Iterator[Prepared] | list[Prepared], moved: Callable[[int], object]
) -> tuple[list[bytes | None], dict[int, tuple[str, str]]]:
    """Send commands and return the entry IDs, and a status and reason for each row without one.

    When the connection breaks, the rest of a list is "unsent", and the rest of an iterator is left
    in it.

    Raises
    ------
    ConnectError
        If there is no server to send it to; nothing was sent.
    """
    wrong: dict[int, tuple[str, str]] = {}
    rows: list[int] = []  # of each command that was taken
    taken = 0

    def take() -> Iterator[bytes]:
        nonlocal taken
        for row, each in enumerate(prepared):
            taken = row + 1
            if isinstance(each, EncodeError):
                wrong[row] = ("failed", str(each))
            else:
                rows.append(row)
                yield each

    replies: list[Any] = []
    try:
        wire.exchange(conn, take(), replies, moved)
    except (redis.ConnectionError, redis.TimeoutError) as error:
        # What was taken was sent, or was about to be.
        wrong |= dict.fromkeys(rows[len(replies) :], ("unknown", str(error)))
        if isinstance(prepared, list):
            wrong |= dict.fromkeys(range(taken, len(prepared)), ("unsent", str(error)))
            taken = len(prepared)
    entry_ids: list[bytes | None] = [None] * taken
    for row, reply in zip(rows, replies, strict=False):
        if isinstance(reply, bytes):
            entry_ids[row] = reply
        else:
            wrong[row] = ("failed", words(reply))
    return entry_ids, wrong
