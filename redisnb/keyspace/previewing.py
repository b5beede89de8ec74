"""preview(): what is in one key, whatever its type, and not more of it than one can look at."""

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
from redisnb.keyspace.modules import INFO, JSON, information, plain_type
from redisnb.wire import Connection

__all__ = ["preview"]

#: How many bytes of a string are shown.
STRING_BYTES = 1024 * 1024
# By type: what counts the elements, what reads n of them, and its arguments behind the key.
_COMMANDS: dict[str, tuple[str, str, Callable[[int], tuple[Any, ...]]]] = {
    # One byte more tells whether there is more.
    "string": ("STRLEN", "GETRANGE", lambda n: (0, STRING_BYTES)),
    "hash": ("HLEN", "HSCAN", lambda n: (0, "COUNT", n)),
    "list": ("LLEN", "LRANGE", lambda n: (0, n - 1)),
    "set": ("SCARD", "SSCAN", lambda n: (0, "COUNT", n)),
    "zset": ("ZCARD", "ZRANGE", lambda n: (0, n - 1, "WITHSCORES")),
    "stream": ("XLEN", "XREVRANGE", lambda n: ("+", "-", "COUNT", n)),
}


@hinted
def preview(conn: Connection, key: str | bytes, *, limit: int = 100) -> pd.DataFrame:
    """Show the value of one key of any type, or the beginning of it.

    Parameters
    ----------
    conn : Connection
        What `redisnb.connect` returns.
    key : str or bytes
        As `keys` has it, or as the server has it.
    limit : int, default 100
        The most elements, at least 1. An element comes whole, however large; of a string come the
        first 1,048,576 bytes.

    Returns
    -------
    DataFrame in schema PREVIEW
        Its columns depend on the type, which is in ``frame.attrs["type"]``. A list from its head, a
        sorted set from the lowest score on, a stream's last entries, oldest first, as `Stream.tail`
        has them; of a hash or a set any elements, in no order. Values are text as it is stored;
        what `Cache` stored as a frame or as bytes stays bytes. Of a hash `ttl` is how long a field
        still lives (missing: for ever, or unknown). A JSON document is one text, as a string is. Of
        a vector set, a Bloom filter and what else a module brings there is one row: what the server
        tells of it.

        ``attrs["length"]`` is the number of all elements (None where nobody counts them), of a
        string or a JSON document that of its bytes, and ``attrs["truncated"]`` says whether there
        is more than the frame has. Where there is no such key, the frame has neither rows nor
        columns, and the type is "none".

    Raises
    ------
    RedisnbError
        If the value is of yet another type.

    Notes
    -----
    TYPE, then GETRANGE, HSCAN, LRANGE, SSCAN, ZRANGE or XREVRANGE, and STRLEN, HLEN, LLEN, SCARD,
    ZCARD or XLEN; HPTTL, JSON.GET, VINFO, BF.INFO and the like. Reads only. A key that gets another
    type meanwhile is read again.
    """
    wire.check_connection(conn, "preview(conn, key)")
    if not isinstance(key, str | bytes):
        raise TypeError(f"key is the name of one key, not {type(key).__name__}")
    frames.check_limit(limit)
    if not limit:
        raise ValueError(f"limit={limit}; a preview has room for one element at least")
    raw = to_bytes(key) if isinstance(key, str) else key
    kind, length, found = _read(conn, raw, limit + 1)
    if kind in INFO:
        frame = information(found)
        frame.attrs |= {"type": kind, "length": length, "truncated": False}
        return frame
    if kind == "none":
        wire.warn_of_absent(conn, as_text(raw), kind=None)
    most = STRING_BYTES if kind in ("string", JSON) else limit
    shown, more = found[:most], len(found) > most
    if kind == "stream":
        frame = frames.entries_frame(shown[::-1])
    elif kind in ("string", JSON):
        frame = frames.table(frames.PREVIEW[kind], [[_string(shown, more)]])
    else:
        rows = [
            [as_text(cell) if isinstance(cell, bytes) else cell for cell in row] for row in shown
        ]
        frame = frames.table(frames.PREVIEW[kind], rows)
    frame.attrs |= {"type": kind, "length": length, "truncated": more}
    return frame


def _read(conn: Connection, key: bytes, n: int) -> tuple[str, int | None, Any]:
    """Return the type of a key, its length, and up to `n` of its elements, or somewhat more."""
    name = as_text(key)
    type = wire.ask(conn, "TYPE", key, key=name)
    while True:
        kind = plain_type(type.decode())
        if kind == "none":
            return kind, 0, []
        if kind not in _COMMANDS and kind != JSON and kind not in INFO:
            raise RedisnbError(
                f"{name!r} holds a value of type {kind!r}, of which there is no preview; "
                "conn.client.execute_command(...) sends the commands of the module that brought it"
            )
        if kind in _COMMANDS:
            count, read, arguments = _COMMANDS[kind]
            commands = [(count, key), (read, key, *arguments(n)), ("TYPE", key)]
        else:
            read = INFO.get(kind, "JSON.GET")
            # Nobody counts for these.
            commands = [("EXISTS", key), (read, key), ("TYPE", key)]
        replies = list(wire.ask_many(conn, commands))
        errors = [reply for reply in replies if isinstance(reply, ResponseError)]
        for error in errors:
            if code(error) != "WRONGTYPE":
                raise explain(error, name)
        length, found, type = replies
        # Else there is another value under the key by now.
        if not errors and plain_type(type.decode()) == kind and found is not None:
            break
    if kind == JSON:
        length = len(found)
    elif kind in INFO:
        length = None
    elif kind in ("hash", "set"):
        found = _scan(conn, read, key, found, n)
        if kind == "hash":
            lives = _lives(conn, key, [field for field, _ in found])
            found = [(*each, left) for each, left in zip(found, lives, strict=True)]
    elif kind == "list":
        found = list(enumerate(found))
    elif kind == "zset":
        # RESP3 sends pairs.
        flat = found if found and isinstance(found[0], bytes) else chain.from_iterable(found)
        found = [(value, float(score)) for value, score in _grouped(flat, 2)]
    return kind, length, found


def _scan(conn: Connection, command: str, key: bytes, reply: Any, n: int) -> list[Any]:
    """Go on with a scan to `n` elements or the end, each element once."""
    found: dict[bytes, Any] = {}
    while True:
        cursor, page = reply
        found |= {each[0]: each for each in _grouped(page, 2 if command == "HSCAN" else 1)}
        if cursor == b"0" or len(found) >= n:
            return list(found.values())
        reply = wire.ask(conn, command, key, cursor, "COUNT", n, key=as_text(key))


def _lives(conn: Connection, key: bytes, fields: Sequence[bytes]) -> Sequence[int | None]:
    """Return how long each field of a hash still lives, in ms; None for ever, or unknown."""
    if not fields or not conn.supports("HPTTL"):
        return [None] * len(fields)
    # Whoever may not ask this may look at the hash all the same.
    (reply,) = wire.ask_many(conn, [("HPTTL", key, "FIELDS", len(fields), *fields)])
    if isinstance(reply, ResponseError) or reply is None or len(reply) != len(fields):
        return [None] * len(fields)
    return [left if left >= 0 else None for left in reply]


def _grouped(values: Iterable[Any], n: int) -> Iterator[tuple[Any, ...]]:
    return zip(*[iter(values)] * n, strict=True)


def _string(value: bytes, more: bool) -> str | bytes:
    if encoding.is_envelope(value):
        return value
    with suppress(UnicodeDecodeError):
        # What was cut off may begin in the middle of a character.
        value = getincrementaldecoder("utf-8")().decode(value, final=not more).encode()
    return as_text(value)
