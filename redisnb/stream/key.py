"""Which stream is meant: a key of a database, and what its entries hold."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from redisnb.entries import Decode, Format, Layout, as_text
from redisnb.frames import Schema, check_schema
from redisnb.hints import Hinting, hinted
from redisnb.wire import Connection, check_connection

__all__ = ["StreamKey", "dead_letters_key", "located"]


class StreamKey(Hinting):
    """The key of a stream, on a connection, and the layout and the schema of its events."""

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
        """The format of its events."""
        return self.layout.format


def located(
    frame: pd.DataFrame, stream: StreamKey, start: str = "-", end: str = "+"
) -> pd.DataFrame:
    """Note in a frame where its entries come from: what a saved one is asked for later."""
    frame.attrs |= {"stream": stream.key, "range": [start, end], "server": stream.conn.url}
    return frame


def dead_letters_key(key: str) -> str:
    """Return the key of a stream's dead letters."""
    return f"{key}:dead"
