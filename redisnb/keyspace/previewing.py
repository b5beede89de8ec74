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

__all__ = ["PAGED_TYPES", "checked_name", "preview", "previewed", "value_pages"]

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

#: The types whose elements are read in pages.
PAGED_TYPES = ("hash", "list", "set", "zset")
#: The command that finds elements by a pattern; lists have none.
_SEARCHES = {"hash": "HSCAN", "set": "SSCAN", "zset": "ZSCAN"}


@hinted
def preview(
    conn: Connection, key: str | bytes, *, limit: int = 100, match: str | None = None
) -> pd.DataFrame:
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
    match : str, optional
        Of a hash, only the fields that match this pattern, of a set or a sorted set the members; as
        Redis reads it: ``user:*``, ``h?llo``.

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
    ValueError
        If `match` is for a value without fields or members.

    Notes
    -----
    TYPE, then GETRANGE, HSCAN, LRANGE, SSCAN, ZRANGE or XREVRANGE, and STRLEN, HLEN, LLEN, SCARD,
    ZCARD or XLEN; HPTTL, JSON.GET, VINFO, BF.INFO and the like. Reads only. A key that
    changes its type during the call is read again.

    Examples
    --------
    >>> conn.client.zadd("points", {"ann": 7, "ben": 4})
    2
    >>> rnb.preview(conn, "points")
      value  score
    0   ben    4.0
    1   ann    7.0
    """
    wire.check_connection(conn, "preview(conn, key)")
    raw = checked_name(key)
    frames.check_limit(limit)
    if not limit:
        raise ValueError(f"limit={limit}; a preview has room for one element at least")
    frame = previewed(conn, raw, limit) if match is None else _found(conn, raw, match, limit)
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
        frame = _element_frame(kind, shown)
    frame.attrs |= {"type": kind, "length": length, "truncated": more}
    return frame


def _element_frame(kind: str, elements: Iterable[Sequence[Any]]) -> pd.DataFrame:
    rows = [
        [as_text(cell) if isinstance(cell, bytes) else cell for cell in row] for row in elements
    ]
    return frames.table(frames.PREVIEW[kind], rows)


def _found(conn: Connection, raw: bytes, match: str, limit: int) -> pd.DataFrame:
    """Return up to `limit` elements that match."""
    found: list[pd.DataFrame] = []
    n = 0
    for page in value_pages(conn, raw, match=match, count=limit):
        found.append(page)
        n += len(page)
        if n > limit:
            break
    frame = pd.concat(found, ignore_index=True).iloc[:limit]
    frame.attrs = found[0].attrs | {"truncated": n > limit or found[-1].attrs["truncated"]}
    return frame


def value_pages(
    conn: Connection, key: str | bytes, *, match: str | None = None, count: int = 500
) -> Iterator[pd.DataFrame]:
    """Yield the elements of a hash, list, set or sorted set as `preview` has them, in pages.

    Each page has the `attrs` of a preview; a page may be empty where few elements match.

    Parameters
    ----------
    conn, key, match
        As for `preview`.
    count : int
        About how many elements a page has.
    """
    raw = checked_name(key)
    kind = plain_type(wire.ask(conn, "TYPE", raw, key=as_text(raw)).decode())
    if kind not in (PAGED_TYPES if match is None else _SEARCHES):
        what = "elements to page through" if match is None else "fields or members to search"
        raise ValueError(f"{as_text(raw)!r} is of type {kind!r}, which has no {what}")
    length = wire.ask(conn, _ELEMENT_COMMANDS[kind][0], raw, key=as_text(raw))
    is_scanned = match is not None or kind in ("hash", "set")
    read = _scanned_pages(conn, raw, kind, match, count) if is_scanned else None
    for elements, more in read or _ranged_pages(conn, raw, kind, count):
        frame = _element_frame(kind, elements)
        frame.attrs |= {"type": kind, "length": length, "truncated": more}
        yield frame


#: Some elements, and whether there may be more.
_Elements = tuple[list[Any], bool]


def _scanned_pages(
    conn: Connection, key: bytes, kind: str, match: str | None, count: int
) -> Iterator[_Elements]:
    seen: set[bytes] = set()
    narrowed = () if match is None else ("MATCH", to_bytes(match))
    cursor = b"0"
    while True:
        command = (_SEARCHES[kind], key, cursor, *narrowed, "COUNT", count)
        cursor, page = wire.ask(conn, *command, key=as_text(key))
        # It may name an element twice while the table of elements grows.
        fresh = {
            each[0]: each
            for each in _grouped(_flat(page), 1 if kind == "set" else 2)
            if each[0] not in seen
        }
        seen.update(fresh)
        yield _with_facts(conn, key, kind, list(fresh.values())), cursor != b"0"
        if cursor == b"0":
            return


def _ranged_pages(conn: Connection, key: bytes, kind: str, count: int) -> Iterator[_Elements]:
    start, more = 0, True
    read, scores = ("LRANGE", ()) if kind == "list" else ("ZRANGE", ("WITHSCORES",))
    while more:
        # One more tells whether there are more.
        page = wire.ask(conn, read, key, start, start + count, *scores, key=as_text(key))
        elements = list(_grouped(_flat(page), 1 if kind == "list" else 2))
        more = len(elements) > count
        shown = elements[:count]
        if kind == "list":
            yield [(start + i, *each) for i, each in enumerate(shown)], more
        else:
            yield _with_facts(conn, key, kind, shown), more
        start += count


def _flat(page: Any) -> Iterable[Any]:
    # RESP3 sends pairs.
    return chain.from_iterable(page) if page and not isinstance(page[0], bytes) else page


def _with_facts(conn: Connection, key: bytes, kind: str, elements: list[Any]) -> list[Any]:
    """Return elements as the columns of their type: with scores as numbers, or lifetimes."""
    if kind == "zset":
        return [(value, float(score)) for value, score in elements]
    if kind == "hash":
        lives = _field_lifetimes(conn, key, [field for field, _ in elements])
        return [(*each, left) for each, left in zip(elements, lives, strict=True)]
    return elements


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
        elements = _with_facts(conn, key, kind, _continue_scan(conn, read, key, elements, n))
    elif kind == "list":
        elements = list(enumerate(elements))
    elif kind == "zset":
        elements = _with_facts(conn, key, kind, list(_grouped(_flat(elements), 2)))
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
