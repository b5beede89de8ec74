"""What is in a database: its keys and its streams, as frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd
import redis

from redisnb import events, frames, health, wire
from redisnb.connection import Connection

__all__ = ["keys", "streams"]

#: Where `keys` stops unless told otherwise.
DEFAULT_LIMIT = 100_000


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
    found: list[bytes] = []
    for page in scan(conn, match, type):
        found += page
        if limit is not None and len(found) > limit:
            break
    more = limit is not None and len(found) > limit
    frame = frames.table(
        frames.KEYS | (frames.KEY_SIZES if sizes else {}),
        _rows(conn, sorted(found[:limit]), sizes=sizes, skip=skip),
    )
    return frames.cut(
        frame, limit if more else None, DEFAULT_LIMIT, "limit=None lists all", stacklevel=4
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
        where the server does not know), `pending` that of all groups together.

    Notes
    -----
    SCAN, then XINFO STREAM, XINFO GROUPS and MEMORY USAGE for each stream, pipelined. Reads only.
    """
    found = sorted(key for page in scan(conn, match, "stream") for key in page)
    return frames.table(frames.STREAMS, health.stream_rows(conn, found))


def scan(conn: Connection, match: str, type: str | None = None) -> Iterator[list[bytes]]:
    """Walk over the keys that match, page by page, each key once."""
    seen: set[bytes] = set()
    cursor = b"0"
    narrowed = () if type is None else ("TYPE", type)
    while True:
        command = ("SCAN", cursor, "MATCH", match, "COUNT", wire.PAGE, *narrowed)
        cursor, page = wire.ask(conn, *command, key=match)
        # SCAN may return a key twice while the table of keys grows or shrinks.
        fresh = [key for key in dict.fromkeys(page) if key not in seen]
        seen.update(fresh)
        if fresh:
            yield fresh
        if cursor == b"0":
            return


def _rows(
    conn: Connection, found: Sequence[bytes], *, sizes: bool, skip: int
) -> Iterator[tuple[Any, ...]]:
    """Give a row of KEYS for each key, in their order; a key that is gone has none."""
    asked = ["TYPE", "PTTL", *(["MEMORY USAGE", "OBJECT ENCODING"] if sizes else [])]
    commands = [(*question.split(), key) for key in found for question in asked]
    now = wire.now(conn).value // 10**6
    replies = wire.ask_many(conn, commands)
    # As many replies as questions at a time, to the end: the link is given back in step.
    answers = zip(*[replies] * len(asked), strict=True)
    for key, (type, ttl, *more) in zip(found, answers, strict=True):
        if type == b"none" or ttl == -2:
            continue
        if isinstance(type, redis.ResponseError):
            raise type
        # -1: no expiry.
        lives = ttl if ttl >= 0 else None
        until = None if lives is None else now + lives
        yield events.text(key[skip:]), type.decode(), lives, until, *map(_known, more)


def _known(reply: object) -> object:
    # A key may go between two commands, or the user may not be allowed to ask.
    if isinstance(reply, redis.ResponseError):
        return None
    return reply.decode() if isinstance(reply, bytes) else reply
