"""What is in a database: its keys, its streams and its values, as frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, compress, islice, repeat
from typing import Any

import pandas as pd
import redis

from redisnb import codecs, frames, wire
from redisnb.entries import PAYLOAD, Fields, Format, as_text, json_object
from redisnb.errors import code, explain
from redisnb.frames import Types
from redisnb.stream import stream_rows
from redisnb.wire import Connection

__all__ = ["keys", "streams", "values"]

#: Where `keys` and `values` stop unless told otherwise.
DEFAULT_LIMIT = 100_000
#: How many keys one SCAN looks at: a millisecond or two in which the server serves nobody else.
SCANNED = 5_000
_READERS = {b"string": "GET", b"hash": "HGETALL"}


def keys(
    conn: Connection,
    match: str = "*",
    *,
    type: str | None = None,
    sizes: bool = False,
    limit: int | None = DEFAULT_LIMIT,
) -> pd.DataFrame:
    """List the keys of a database.

    Parameters
    ----------
    conn : Connection
        What `redisnb.connect` returns.
    match : str, default "*"
        A glob pattern as Redis reads it: ``user:*``, ``h?llo``, ``[ab]*``.
    type : str, optional
        Only keys of this type: "string", "hash", "list", "set", "zset", "stream", ...
    sizes : bool
        Add the columns `size` (bytes of memory) and `encoding`.
    limit : int or None, default 100,000
        The most keys, None for all; ``frame.attrs["truncated"]`` says whether there are more.

    Returns
    -------
    DataFrame in schema KEYS
        By name; empty where nothing matches. A key that expires meanwhile is not in it.

    Notes
    -----
    SCAN, then TYPE and PTTL for each key, pipelined; the server works on for others in between.
    Reads only.
    """
    return listing(conn, match, type=type, sizes=sizes, limit=limit)


def listing(
    conn: Connection,
    match: str,
    *,
    type: str | None = None,
    sizes: bool = False,
    limit: int | None = DEFAULT_LIMIT,
    skip: int = 0,
) -> pd.DataFrame:
    """Do what `keys` does, and leave off the first `skip` bytes of each name."""
    frames.check_limit(limit)
    # The collector would look through all names again and again.
    with frames.paused_collector():
        found: list[bytes] = []
        for page in scan(conn, match, type):
            found += page
            if limit is not None and len(found) > limit:
                break
    more = limit is not None and len(found) > limit
    frame = described(conn, found[:limit], sizes=sizes, skip=skip)
    return frames.cut(
        frame, limit if more else None, DEFAULT_LIMIT, "limit=None lists all", stacklevel=4
    )


def pages(conn: Connection, match: str, *, type: str | None = None) -> Iterator[pd.DataFrame]:
    """Give what `keys` does in parts, as they are found, for who does not want to wait for all.

    A part is a frame in schema KEYS, empty where a SCAN has found nothing.
    """
    for page in scan(conn, match, type):
        yield described(conn, page)


def described(
    conn: Connection, found: Sequence[bytes], *, sizes: bool = False, skip: int = 0
) -> pd.DataFrame:
    """Return the rows of `keys` for these keys, by name; a key that is gone has none."""
    with frames.paused_collector():
        return frames.table(
            frames.KEYS | (frames.KEY_SIZES if sizes else {}),
            _rows(conn, sorted(found), sizes=sizes, skip=skip),
        )


def streams(conn: Connection, match: str = "*") -> pd.DataFrame:
    """List the streams of a database with their state.

    Parameters
    ----------
    conn, match
        As for `keys`.

    Returns
    -------
    DataFrame in schema STREAMS
        By name. `size` is the memory in bytes, `lag` that of the group furthest behind (missing
        where nobody knows, as `Stream.groups` says), `pending` that of all groups together and
        `oldest_pending` the time since the oldest of these was added. `dead_letters` counts the
        entries of the stream ``<name>:dead``. What this user may not ask for is missing.

    Notes
    -----
    SCAN, then XINFO STREAM, XINFO GROUPS, MEMORY USAGE and XLEN for each stream, and XPENDING for
    each group with pending entries, pipelined. Reads only.
    """
    with frames.paused_collector():
        found = sorted(key for page in scan(conn, match, "stream") for key in page)
        return frames.table(frames.STREAMS, stream_rows(conn, found))


def values(
    conn: Connection,
    match: str = "*",
    *,
    limit: int | None = DEFAULT_LIMIT,
    types: Types = "infer",
) -> pd.DataFrame:
    """Read the strings and hashes under a pattern into one frame.

    Parameters
    ----------
    conn, match
        As for `keys`.
    limit : int or None, default 100,000
        The most rows, None for all; ``frame.attrs["truncated"]`` says whether there are more.
    types : "infer", "text" or mapping
        "text" leaves fields and plain strings as text; ``{"price": "float64"}`` decides for some
        columns.

    Returns
    -------
    DataFrame in schema VALUES
        By key: `key`, then the columns in the order in which they are seen. A string that holds a
        JSON object has its members as columns, nested ones dotted; any other string is in the
        column `value`; a hash has a column for each field. Types are found as for entries; a
        name that is taken gets the suffix ``_field``. What `Cache` stored as a frame or as bytes
        stays bytes. Empty where nothing matches.

        ``frame.attrs["skipped"]`` counts what the walk met and left out, by type ("list", "set",
        ...), with "changed" for keys that got another type while they were read. A key that goes
        meanwhile is in neither.

    Raises
    ------
    DecodeError
        If a column cannot be read as the dtype that `types` wants.

    Notes
    -----
    SCAN, then TYPE, and GET or HGETALL, for each key, pipelined. Reads only. All values are in
    memory twice for a moment: raw, and as columns.
    """
    frames.check_limit(limit)
    with frames.paused_collector():
        found, skipped = _readable(conn, match, limit)
        frame = _frame(conn, {key: found[key] for key in sorted([*found][:limit])}, skipped, types)
    frame.attrs["skipped"] = dict(skipped)
    more = limit is not None and len(found) > limit
    return frames.cut(frame, limit if more else None, DEFAULT_LIMIT, "limit=None reads all")


def scan(conn: Connection, match: str, type: str | None = None) -> Iterator[list[bytes]]:
    """Walk over the keys that match, each once, page by page; a page may be empty."""
    seen: set[bytes] = set()
    cursor = b"0"
    narrowed = () if type is None else ("TYPE", type)
    while True:
        command = ("SCAN", cursor, "MATCH", match, "COUNT", SCANNED, *narrowed)
        cursor, page = wire.ask(conn, *command, key=match)
        # SCAN may return a key twice while the table of keys grows or shrinks.
        fresh = [key for key in dict.fromkeys(page) if key not in seen]
        seen.update(fresh)
        # Also without a key: where few match, that is the moment to stop.
        yield fresh
        if cursor == b"0":
            return


def _rows(
    conn: Connection, found: Sequence[bytes], *, sizes: bool, skip: int
) -> Iterator[tuple[Any, ...]]:
    """Give a row of KEYS for each key, in their order; a key that is gone has none."""
    asked = ["TYPE", "PTTL", *(["MEMORY USAGE", "OBJECT ENCODING"] if sizes else [])]
    # Columns, and loops in C: there may be millions of keys, each with several replies.
    each = [zip(*map(repeat, question.split()), found, strict=False) for question in asked]
    now = wire.now(conn).value // 10**6
    replies = list(wire.ask_many(conn, chain.from_iterable(zip(*each, strict=True))))
    types, ttls, *more = (replies[i :: len(asked)] for i in range(len(asked)))
    # Without these two there is no frame; a key's size may be unknown.
    for reply in dict.fromkeys(chain(types, ttls)):
        if isinstance(reply, redis.ResponseError):
            raise reply
    # -1: no expiry.
    lives = [ttl if ttl >= 0 else None for ttl in ttls]
    rows = zip(
        [as_text(key[skip:]) for key in found],
        _known(types),
        lives,
        [None if ttl is None else now + ttl for ttl in lives],
        *map(_known, more),
        strict=True,
    )
    alive = [type != b"none" and ttl != -2 for type, ttl in zip(types, ttls, strict=True)]
    return compress(rows, alive)


def _known(replies: Sequence[Any]) -> list[Any]:
    """Return replies as text or numbers; None where there is none."""
    # A key may go between two commands, or the user may not be allowed to ask.
    known: dict[Any, Any] = {
        reply: reply.decode() if isinstance(reply, bytes) else reply
        for reply in set(replies)
        if not isinstance(reply, redis.ResponseError)
    }
    return list(map(known.get, replies))


def _readable(
    conn: Connection, match: str, limit: int | None
) -> tuple[dict[bytes, bytes], Counter[str]]:
    """Return the type of each string and hash, up to just beyond `limit`, and count the others."""
    found: dict[bytes, bytes] = {}
    others: Counter[str] = Counter()
    for page in scan(conn, match):
        types = list(wire.ask_many(conn, zip(repeat("TYPE"), page)))
        for key, type in zip(page, types, strict=True):
            if type in _READERS:
                found[key] = type
            elif isinstance(type, redis.ResponseError):
                raise explain(type, match)
            elif type != b"none":
                others[type.decode()] += 1
        if limit is not None and len(found) > limit:
            break
    return found, others


def _frame(
    conn: Connection, kinds: dict[bytes, bytes], skipped: Counter[str], types: Types
) -> pd.DataFrame:
    """Read the values of keys of these types, and make their frame."""
    if b"string" not in kinds.values():
        # As they come: a page that is decoded at once has not left the processor's cache.
        return frames.values(
            lambda: _pages(_read(conn, kinds, skipped), "fields"), "fields", types=types, opaque={}
        )
    read = list(_read(conn, kinds, skipped))
    strings = {row: reply for row, (_, reply) in enumerate(read) if isinstance(reply, bytes)}
    objects = (json_object(reply) is not None for reply in strings.values())
    format: Format = "json" if any(objects) else "fields"
    return frames.values(
        lambda: _pages(iter(read), format),
        format,
        types=types,
        opaque={row: reply for row, reply in strings.items() if codecs.is_envelope(reply)},
    )


def _read(
    conn: Connection, kinds: dict[bytes, bytes], skipped: Counter[str]
) -> Iterator[tuple[bytes, Any]]:
    """Give each key with the reply to GET or HGETALL; leave out keys that are gone."""
    replies = wire.ask_many(conn, [(_READERS[kind], key) for key, kind in kinds.items()])
    for (key, kind), reply in zip(kinds.items(), replies, strict=True):
        if isinstance(reply, redis.ResponseError):
            if code(reply) != "WRONGTYPE":
                raise explain(reply, str(as_text(key)))
            skipped["changed"] += 1
        elif reply is not None and (reply or kind == b"string"):
            yield key, reply


def _pages(
    read: Iterator[tuple[bytes, Any]], format: Format
) -> Iterator[list[tuple[bytes, Fields]]]:
    """Give keys and values as pages of entries."""
    while page := [(key, _body(reply, format)) for key, reply in islice(read, wire.PAGE)]:
        yield page


def _body(reply: Any, format: Format) -> Fields:
    """Return a value as the fields of an entry."""
    if isinstance(reply, bytes):
        is_object = format == "json" and json_object(reply) is not None
        return (PAYLOAD if is_object else b"value", reply)
    # RESP3 sends a map.
    fields = list(chain.from_iterable(reply.items())) if isinstance(reply, dict) else reply
    if format == "json" and PAYLOAD in fields[::2]:
        # JSON is read once in an entry, and a hash's own field of this name is text.
        return [PAYLOAD, b"{}", *fields]
    return fields
