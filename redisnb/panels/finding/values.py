"""Values: one key, with the first page of its elements or its decoded value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pandas as pd
from redis.exceptions import ResponseError

from redisnb import cards
from redisnb.entries import to_bytes
from redisnb.errors import DecodeError, RedisnbError, code
from redisnb.keyspace import (
    PAGED_TYPES,
    Cache,
    decode,
    described_keys,
    is_envelope,
    preview,
    value_pages,
)
from redisnb.wire import Connection

__all__ = ["KeyValue", "is_same_value", "key_text", "read_value"]

#: About how many elements, and how many bytes, a page has.
_PAGE_ELEMENTS, _PAGE_BYTES = 500, 16 * 1024 * 1024
#: How often a key is read again that changes its type meanwhile.
_AGAIN = 10
#: The largest value of Cache that is read whole, in bytes.
_MOST_CACHED = 128 * 1024 * 1024
_LENGTH_UNITS = {
    "string": ("byte", "bytes"),
    "json": ("byte", "bytes"),
    "hash": ("field", "fields"),
    "list": ("element", "elements"),
    "set": ("member", "members"),
    "zset": ("member", "members"),
    "stream": ("entry", "entries"),
}


class KeyValue(NamedTuple):
    """One key as it was read.

    Attributes
    ----------
    name : str
    row : DataFrame in schema KEYS
        With sizes; empty if there is no such key.
    frame : DataFrame in schema PREVIEW
        The first page of its elements.
    cached : object
        What `Cache` stored as a frame or as bytes; None for other values.
    pages : iterator of DataFrame
        The elements that follow.
    problem : str
        Why there is no value to show.
    fields_expire : bool
        Whether it is a hash whose fields can expire on their own.
    """

    name: str
    row: pd.DataFrame
    frame: pd.DataFrame
    cached: Any
    pages: Iterator[pd.DataFrame]
    problem: str
    fields_expire: bool = False

    @property
    def kind(self) -> str:
        """Its type; "none" if there is no such key."""
        return str(self.row["type"].iloc[0]) if len(self.row) else "none"

    @property
    def is_text(self) -> bool:
        """Whether it is a string that is shown whole, and no bytes."""
        return (
            self.kind == "string"
            and not self.problem
            and not self.frame.attrs["truncated"]
            and isinstance(self.frame["value"].iloc[0], str)
        )


def read_value(conn: Connection, name: str, match: str | None = None) -> KeyValue:
    """Read a key: the elements that match, from the beginning.

    A key that is deleted or replaced between two of the commands is read once more.
    """
    for _ in range(_AGAIN):
        try:
            value = _read_once(conn, name, match)
        except (ValueError, ResponseError) as error:
            if isinstance(error, ResponseError) and code(error) != "WRONGTYPE":
                raise
        else:
            if value.frame.attrs.get("type", value.kind) == value.kind:
                return value
    return _read_once(conn, name, match)


def _read_once(conn: Connection, name: str, match: str | None) -> KeyValue:
    row = described_keys(conn, [to_bytes(name)], sizes=True)
    kind = row["type"].iloc[0] if len(row) else "none"
    nothing: Iterator[pd.DataFrame] = iter(())
    if kind in PAGED_TYPES:
        pages = value_pages(conn, name, match=match, count=_page_length(conn, name, row))
        expires = kind == "hash" and conn.supports("HPEXPIRE")
        return KeyValue(name, row, next(pages), None, pages, "", expires)
    try:
        frame = preview(conn, name)
    except RedisnbError as error:
        return KeyValue(name, row, row.iloc[:0], None, nothing, str(error))
    cached, problem = _cached_value(conn, name, frame)
    return KeyValue(name, row, frame, cached, nothing, problem)


def _page_length(conn: Connection, name: str, row: pd.DataFrame) -> int:
    size = row["size"].iloc[0]
    if pd.isna(size) or size < _PAGE_BYTES:
        return _PAGE_ELEMENTS
    # Few elements may be large: one of them says how large they are on the average.
    length = preview(conn, name, limit=1).attrs["length"] or 1
    return int(max(1, min(_PAGE_ELEMENTS, _PAGE_BYTES * length // size)))


def _cached_value(conn: Connection, name: str, frame: pd.DataFrame) -> tuple[Any, str]:
    """Return what Cache stored in a string, and why it cannot be shown."""
    stored = frame["value"].iloc[0] if frame.attrs["type"] == "string" else None
    if not isinstance(stored, bytes) or not is_envelope(stored):
        return None, ""
    if frame.attrs["length"] > _MOST_CACHED:
        size = cards.amount(frame.attrs["length"])
        return None, f"It is too large to show, {size}: rnb.Cache(conn).get({name!r}) returns it."
    try:
        if frame.attrs["truncated"]:
            return Cache(conn).get(name), ""
        return decode(stored), ""
    except DecodeError as error:
        return None, f"It cannot be read: {error}"


def key_text(value: KeyValue) -> str:
    """Return what a key is, in a line: its type, its length, what it takes."""
    if value.kind == "none":
        return "There is no such key."
    parts = [value.kind]
    length = value.frame.attrs.get("length")
    if isinstance(value.cached, pd.DataFrame | pd.Series):
        parts = ["a frame of redisnb's Cache"]
    elif value.cached is not None:
        parts = ["bytes of redisnb's Cache"]
    elif length is not None:
        parts.append(f"of {length:,} {_LENGTH_UNITS[value.kind][length != 1]}")
    text = " ".join(parts)
    size, encoding = value.row["size"].iloc[0], value.row["encoding"].iloc[0]
    more = [] if pd.isna(size) else [cards.amount(int(size))]
    more += [] if pd.isna(encoding) else [str(encoding)]
    return " · ".join([text, *more])


def is_same_value(one: KeyValue, other: KeyValue) -> bool:
    """Return whether two reads of a key have found the same value."""
    if one.kind != other.kind or one.frame.attrs != other.frame.attrs:
        return False
    if one.kind == "stream":
        # Entries never change.
        return one.frame["entry_id"].tolist() == other.frame["entry_id"].tolist()
    rows, others = _tuples(one.frame), _tuples(other.frame)
    # Unordered; of a large one each read may begin with other elements.
    if one.kind in ("hash", "set"):
        return bool(one.frame.attrs["truncated"]) or set(rows) == set(others)
    return rows == others


def _tuples(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    # Fields' time to live goes down by itself.
    plain = frame.drop(columns="ttl", errors="ignore")
    return list(plain.itertuples(index=False, name=None))
