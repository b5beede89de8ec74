"""The key of a stream, and the layout of its events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TypeAlias

import pandas as pd

from redisnb import wire
from redisnb.entries import (
    Decode,
    EntryId,
    Format,
    Layout,
    Position,
    as_text,
    is_entry_id,
    resolve_position,
)
from redisnb.errors import EntryIdError
from redisnb.frames import Schema, check_schema, entry_ids
from redisnb.hints import Hinting, hinted
from redisnb.wire import Connection, check_connection

__all__ = ["DEFAULT_LIMIT", "StreamKey", "dead_letters_key", "ids_of", "mark_origin", "with_others"]


#: The most rows of a frame unless another limit is given.
DEFAULT_LIMIT = 100_000
#: Entries by ID, by time, or as a frame.
Entries: TypeAlias = "Iterable[Position] | Position | pd.DataFrame"


class StreamKey(Hinting):
    """The key of a stream on a connection, with the layout and schema of its events."""

    @hinted
    def __init__(
        self,
        conn: Connection,
        key: str | bytes,
        *,
        format: Format = "auto",
        field: str = "payload",
        json: Sequence[str] = (),
        decode: Decode | None = None,
        schema: Schema | None = None,
    ) -> None:
        check_connection(conn, "Stream(conn, key)")
        if not isinstance(key, str | bytes) or not key:
            raise TypeError(f"Stream(conn, key): key is a name such as 'orders', not {key!r}")
        self.conn = conn
        self.key = as_text(key) if isinstance(key, bytes) else key
        self.layout = Layout.of(format, field, json, decode)
        self.schema = check_schema(schema)

    @property
    def format(self) -> Format:
        """The format of the events."""
        return self.layout.format


def mark_origin(
    frame: pd.DataFrame, stream: StreamKey, start: str = "-", end: str = "+"
) -> pd.DataFrame:
    """Note in a frame where its entries come from, so that a saved frame still says it."""
    frame.attrs |= {"stream": stream.key, "range": [start, end], "server": stream.conn.url}
    return frame


def ids_of(stream: StreamKey, entries: Entries) -> list[str]:
    """Return the IDs of entries; a time stands for all entries of its millisecond.

    Notes
    -----
    XRANGE for each time; no command for IDs.
    """
    if isinstance(entries, datetime | int) and not isinstance(entries, bool):
        entries = [entries]
    if isinstance(entries, pd.DataFrame) and "stream" in entries:
        others = sorted(set(entries["stream"].dropna()) - {stream.key})
        if others:
            raise ValueError(
                f"this frame has entries of {', '.join(map(repr, others))}, not only of "
                f"{stream.key!r}; select by its column stream, or drop the column"
            )
    if isinstance(entries, pd.DataFrame | bytes) or is_entry_id(entries):
        return entry_ids(entries)
    if not isinstance(entries, Iterable):
        return entry_ids(entries)  # raises the error that says what is wrong
    positions = [entries] if isinstance(entries, str) else list(entries)
    try:
        return entry_ids(positions)
    except EntryIdError:
        # Some are times, or neither.
        return [id for each in positions for id in _ids_at(stream, each)]


def with_others(stream: StreamKey, also: Iterable[StreamKey]) -> list[StreamKey]:
    """Return a stream with others that are read in the same command.

    Raises
    ------
    ValueError
        If they differ in connection, format or schema, or one is listed twice.
    """
    if isinstance(also, StreamKey | str | bytes):
        raise TypeError(f"also={also!r}; it is a list of streams: also=[Stream(conn, key)]")
    streams = [stream, *also]
    for each in streams:
        if not isinstance(each, StreamKey):
            raise TypeError(f"also= has streams, not {type(each).__name__}: Stream(conn, key)")
    check_alike(streams, "one read is of")
    return streams


def check_alike(streams: Sequence[StreamKey], subject: str) -> None:
    """Refuse streams that cannot be read together.

    Raises
    ------
    ValueError
        If they differ in connection, format or schema, or one is listed twice.
    """
    alike: dict[str, set[Any]] = {
        "connection": {id(stream.conn) for stream in streams},
        "format": {stream.layout for stream in streams},
        "schema": {str(stream.schema) for stream in streams},
    }
    for what, values in alike.items():
        if len(values) > 1:
            raise ValueError(f"{subject} streams of one {what}; start one for each")
    keys = [stream.key for stream in streams]
    if len(set(keys)) < len(keys):
        raise ValueError(f"one of these streams is listed twice: {', '.join(keys)}")


def _ids_at(stream: StreamKey, place: Position) -> list[str]:
    """Return an ID unchanged; for a time, the IDs of the entries in its millisecond."""
    if is_entry_id(place):
        return entry_ids(place)
    ms = resolve_position(place, lambda: wire.now(stream.conn))
    return [EntryId(id) for page in wire.Pages(stream.conn, stream.key, ms, ms) for id, _ in page]


def dead_letters_key(key: str) -> str:
    """Return the key of the stream of a stream's dead letters."""
    return f"{key}:dead"
