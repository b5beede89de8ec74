"""preview(): the beginning of one key's value, whatever its type."""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

import pandas as pd
from redis.exceptions import ResponseError

from redisnb import frames, wire
from redisnb.entries import as_text, to_bytes
from redisnb.errors import RedisnbError, code, explain
from redisnb.hints import hinted
from redisnb.keyspace import encoding
from redisnb.keyspace.modules import INFO_COMMANDS, JSON_TYPE, description_frame, plain_type
from redisnb.wire import Connection

__all__ = ["checked_name", "preview", "previewed"]

#: How many bytes of a string are shown.
STRING_BYTES = 1024 * 1024
# By type: the command that counts elements, one that reads n of them, and its arguments.
_ELEMENT_COMMANDS: dict[str, tuple[str, str, Callable[[int], tuple[Any, ...]]]] = {
    # One byte more than is shown tells whether there is more.
    "string": ("STRLEN", "GETRANGE", lambda n: (0, STRING_BYTES)),
    "hash": ("HLEN", "HSCAN", lambda n: (0, "COUNT", n)),
    "list": ("LLEN", "LRANGE", lambda n: (0, n - 1)),
    "set": ("SCARD", "SSCAN", lambda n: (0, "COUNT", n)),
    "zset": ("ZCARD", "ZRANGE", lambda n: (0, n - 1, "WITHSCORES")),
    "stream": ("XLEN", "XREVRANGE", lambda n: ("+", "-", "COUNT", n)),
}


@hinted
def preview(conn: Connection, key: str | bytes, *, limit: int = 100) -> pd.DataFrame:
    """Return the value of one key of any type, or the beginning of it.

    Parameters
    ----------
    conn : Connection
        What `redisnb.connect` returns.
    key : str or bytes
        The name as `keys` returns it, or as bytes.
    limit : int, default 100
        The maximum number of elements, at least 1. Elements are returned whole, however large;
        only the first 1,048,576 bytes of a string are.

    Returns
    -------
    DataFrame in schema PREVIEW
        The columns depend on the type, which is in ``frame.attrs["type"]``. A list is read from its
        head, a sorted set from the lowest score; of a stream these are the last entries, oldest
        first, like `Stream.tail`; of a hash or a set any elements, in no order. Values are text as
        stored; what `Cache` stored as a frame or as bytes stays bytes. For a hash, `ttl` is how
        long a field still lives (missing: for ever, or unknown). A JSON document is one text, like
        a string. A vector set, a Bloom filter or another type of a module has one row: the server's
        description of it.

        ``attrs["length"]`` is the number of all elements (None if the server has no count), of a
        string or a JSON document that of its bytes, and ``attrs["truncated"]`` says whether there
        is more than the frame has. If there is no such key, the frame has neither rows nor columns,
        and the type is "none".

    Raises
    ------
    RedisnbError
        If the value is of any other type.

    Notes
    -----
    TYPE, then GETRANGE, HSCAN, LRANGE, SSCAN, ZRANGE or XREVRANGE, and STRLEN, HLEN, LLEN, SCARD,
    ZCARD or XLEN; HPTTL, JSON.GET, VINFO, BF.INFO and the like. Reads only. A key that
    changes its type during the call is read again.
    """
    wire.check_connection(conn, "preview(conn, key)")
    raw = checked_name(key)
    frames.check_limit(limit)
    if not limit:
        raise ValueError(f"limit={limit}; a preview has room for one element at least")
    frame = previewed(conn, raw, limit)
    if frame.attrs["type"] == "none":
        wire.warn_of_absent(conn, as_text(raw), kind=None)
    return frame


def checked_name(key: str | bytes) -> bytes:
    """Return the bytes of a key's name."""
    if not isinstance(key, str | bytes):
        raise TypeError(f"key is the name of one key, not {type(key).__name__}")
    return to_bytes(key) if isinstance(key, str) else key


def previewed(conn: Connection, raw: bytes, limit: int = 100) -> pd.DataFrame:
    """Return what `preview` does, without a warning where there is no such key."""
    kind, length, elements = _read_elements(conn, raw, limit + 1)
    if kind in INFO_COMMANDS:
        frame = description_frame(elements)
        frame.attrs |= {"type": kind, "length": length, "truncated": False}
        return frame
    most = STRING_BYTES if kind in ("string", JSON_TYPE) else limit
    shown, more = elements[:most], len(elements) > most
    if kind == "stream":
        frame = frames.entries_frame(shown[::-1])
    elif kind in ("string", JSON_TYPE):
        frame = frames.table(frames.PREVIEW[kind], [[_shown_string(shown, more)]])
    else:
        rows = [
            [as_text(cell) if isinstance(cell, bytes) else cell for cell in row] for row in shown
        ]
        frame = frames.table(frames.PREVIEW[kind], rows)
    frame.attrs |= {"type": kind, "length": length, "truncated": more}
    return frame


def _read_elements(conn: Connection, key: bytes, n: int) -> tuple[str, int | None, Any]:
    """Return the type of a key, its length, and up to `n` of its elements, or a few more."""
    name = as_text(key)
    type = wire.ask(conn, "TYPE", key, key=name)
    while True:
        kind = plain_type(type.decode())
        if kind == "none":
            return kind, 0, []
        if kind not in _ELEMENT_COMMANDS and kind != JSON_TYPE and kind not in INFO_COMMANDS:
            raise RedisnbError(
                f"{name!r} holds a value of type {kind!r}, of which there is no preview; "
                "redisnb.command(conn, ...) sends the commands of the module that brought it"
            )
        if kind in _ELEMENT_COMMANDS:
            count, read, arguments = _ELEMENT_COMMANDS[kind]
            commands = [(count, key), (read, key, *arguments(n)), ("TYPE", key)]
        else:
            read = INFO_COMMANDS.get(kind, "JSON.GET")
            # These have no command that counts.
            commands = [("EXISTS", key), (read, key), ("TYPE", key)]
        replies = list(wire.ask_many(conn, commands))
        errors = [reply for reply in replies if isinstance(reply, ResponseError)]
        for error in errors:
            if code(error) != "WRONGTYPE":
                raise explain(error, name)
        length, elements, type = replies
        # Otherwise the key has got another value between the commands.
        if not errors and plain_type(type.decode()) == kind and elements is not None:
            break
    if kind == JSON_TYPE:
        length = len(elements)
    elif kind in INFO_COMMANDS:
        length = None
    elif kind in ("hash", "set"):
        elements = _continue_scan(conn, read, key, elements, n)
        if kind == "hash":
            lives = _field_lifetimes(conn, key, [field for field, _ in elements])
            elements = [(*each, left) for each, left in zip(elements, lives, strict=True)]
    elif kind == "list":
        elements = list(enumerate(elements))
    elif kind == "zset":
        # RESP3 sends pairs.
        is_flat = bool(elements) and isinstance(elements[0], bytes)
        flat = elements if is_flat else chain.from_iterable(elements)
        elements = [(value, float(score)) for value, score in _grouped(flat, 2)]
    return kind, length, elements


def _continue_scan(conn: Connection, command: str, key: bytes, reply: Any, n: int) -> list[Any]:
    """Continue a scan to `n` elements or the end; return each element once."""
    elements: dict[bytes, Any] = {}
    while True:
        cursor, page = reply
        elements |= {each[0]: each for each in _grouped(page, 2 if command == "HSCAN" else 1)}
        if cursor == b"0" or len(elements) >= n:
            return list(elements.values())
        reply = wire.ask(conn, command, key, cursor, "COUNT", n, key=as_text(key))


def _field_lifetimes(conn: Connection, key: bytes, fields: Sequence[bytes]) -> Sequence[int | None]:
    """Return how long each field of a hash still lives, in ms; None if for ever or unknown."""
    if not fields or not conn.supports("HPTTL"):
        return [None] * len(fields)
    # A user that may not send HPTTL may still read the hash.
    (reply,) = wire.ask_many(conn, [("HPTTL", key, "FIELDS", len(fields), *fields)])
    if isinstance(reply, ResponseError) or reply is None or len(reply) != len(fields):
        return [None] * len(fields)
    return [left if left >= 0 else None for left in reply]


def _grouped(values: Iterable[Any], n: int) -> Iterator[tuple[Any, ...]]:
    return zip(*[iter(values)] * n, strict=True)


def _shown_string(value: bytes, more: bool) -> str | bytes:
    if encoding.is_envelope(value):
        return value
    with suppress(UnicodeDecodeError):
        # The cut may be in the middle of a character.
        value = getincrementaldecoder("utf-8")().decode(value, final=not more).encode()
    return as_text(value)
