"""What is in a database: its keys and its streams, as frames."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain, compress, repeat
from typing import Any

import pandas as pd
import redis

from redisnb import frames, wire
from redisnb.entries import as_text
from redisnb.errors import is_of_key, nearest, warn
from redisnb.hints import hinted
from redisnb.keyspace.modules import plain_type, server_types
from redisnb.stream import stream_rows
from redisnb.wire import Connection

__all__ = ["MOST_KEYS", "described_keys", "glob", "key_pages", "keys", "listing", "streams"]

#: Where `keys` and `values` stop unless told otherwise.
MOST_KEYS = 100_000
#: The types that every server knows.
TYPES = ("string", "hash", "list", "set", "zset", "stream")

# "user:" of "user:1"
_BEGIN = re.compile(r"[^:./|_-]+[:./|_-]")


@hinted
def keys(
    conn: Connection,
    match: str = "*",
    *,
    type: str | None = None,
    sizes: bool = False,
    limit: int | None = MOST_KEYS,
) -> pd.DataFrame:
    """List the keys of a database.

    Parameters
    ----------
    conn : Connection
        What `redisnb.connect` returns.
    match : str, default "*"
        A glob pattern as Redis reads it: ``user:*``, ``h?llo``, ``[ab]*``.
    type : str, optional
        Only keys of this type: "string", "hash", "list", "set", "zset", "stream"; what not every
        server has is "json", "vectorset", "bloom", "cuckoo", "countmin", "topk", "tdigest",
        "timeseries" or "graph".
    sizes : bool
        Add the columns `size` (bytes of memory) and `encoding`.
    limit : int or None, default 100,000
        The most keys, None for all; ``frame.attrs["truncated"]`` says whether there are more.

    Returns
    -------
    DataFrame in schema KEYS
        By name; empty where nothing matches. A key that expires meanwhile is not in it. SCAN names
        keys that this user may not touch, too: they have neither type nor TTL, and
        ``frame.attrs["refused"]`` counts them.

    Notes
    -----
    SCAN, then TYPE and PTTL for each key, pipelined; the server works on for others in between.
    Reads only.
    """
    frame = listing(conn, match, type=type, sizes=sizes, limit=limit)
    if frame.empty and limit != 0 and type is None:
        wire.warn_of_no_match(conn, match)
    return frame


def listing(
    conn: Connection,
    match: str,
    *,
    type: str | None = None,
    sizes: bool = False,
    limit: int | None = MOST_KEYS,
    skip: int = 0,
) -> pd.DataFrame:
    """Do what `keys` does, and leave off the first `skip` bytes of each name."""
    wire.check_connection(conn, "keys(conn)")
    frames.check_limit(limit)
    _check_type(type)
    # The collector would look through all names again and again.
    with frames.paused_collector():
        found: list[bytes] = []
        for page in _pages(conn, match, type):
            found += page
            if limit is not None and len(found) > limit:
                break
    more = limit is not None and len(found) > limit
    frame = described_keys(conn, found[:limit], sizes=sizes, skip=skip)
    frame.attrs["refused"] = warn_of_refused(frame["key"], frame["type"].isna())
    return frames.cut(frame, limit if more else None, MOST_KEYS, "limit=None lists all")


def key_pages(conn: Connection, match: str, *, type: str | None = None) -> Iterator[pd.DataFrame]:
    """Give what `keys` does in parts, as they are found, for who does not want to wait for all.

    A part is a frame in schema KEYS, empty where a SCAN has found nothing.
    """
    for page in _pages(conn, match, type):
        yield described_keys(conn, page)


def described_keys(
    conn: Connection, found: Sequence[bytes], *, sizes: bool = False, skip: int = 0
) -> pd.DataFrame:
    """Return the rows of `keys` for these keys, by name; a key that is gone has none."""
    with frames.paused_collector():
        return frames.table(
            frames.KEYS | (frames.KEY_SIZES if sizes else {}),
            _rows(conn, sorted(found), sizes=sizes, skip=skip),
        )


@hinted
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
        entries of the stream ``<name>:dead``. What this user may not ask for is missing; of a
        stream of others there is the name alone.

    Notes
    -----
    SCAN, then XINFO STREAM, XINFO GROUPS, MEMORY USAGE and XLEN for each stream, and XPENDING for
    each group with pending entries, pipelined. Reads only.
    """
    wire.check_connection(conn, "streams(conn)")
    with frames.paused_collector():
        found = sorted(key for page in wire.scan(conn, match, "stream") for key in page)
        if not found:
            wire.warn_of_no_match(conn, match, kind="stream")
        return frames.table(frames.STREAMS, stream_rows(conn, list(map(as_text, found))))


def warn_of_refused(names: pd.Series[Any], refused: pd.Series[Any]) -> int:
    """Count refused keys, and warn of them with the pattern that leaves them out."""
    count = int(refused.sum())
    if count:
        begins = {found[0] for found in map(_BEGIN.match, names[~refused]) if found}
        begin = begins.pop() if len(begins) == 1 else None
        fits = begin is not None and not names[refused].str.startswith(begin).any()
        match = repr(f"{glob(begin)}*") if begin and fits else "..."
        warn(
            f"{count:,} of {len(names):,} keys may not be read by this user; match={match} "
            "leaves them out"
        )
    return count


def _pages(conn: Connection, match: str, type: str | None) -> Iterator[list[bytes]]:
    for name in (None,) if type is None else server_types(type):
        yield from wire.scan(conn, match, name)


def _check_type(type: str | None) -> None:
    """Refuse what is nearly a type; modules of a server may have others."""
    meant = None if type is None else nearest(type, TYPES)
    if type is not None and meant not in (None, type.lower()):
        raise ValueError(f"type={type!r} is no type of Redis; did you mean {meant!r}?")


def _rows(
    conn: Connection, found: Sequence[bytes], *, sizes: bool, skip: int
) -> Iterator[tuple[Any, ...]]:
    """Give a row of KEYS for each key, in their order; a key that is gone has none."""
    asked = ["TYPE", "PTTL", *(["MEMORY USAGE", "OBJECT ENCODING"] if sizes else [])]
    # Columns, and loops in C: there may be millions of keys, each with several replies.
    each = [zip(*map(repeat, question.split()), found, strict=False) for question in asked]
    clock = wire.clock(conn)
    if clock is None:
        # Since Redis 7.0 a key tells the moment itself.
        asked.append("PEXPIRETIME")
        each.append(zip(repeat("PEXPIRETIME"), found, strict=False))
    replies = list(wire.ask_many(conn, chain.from_iterable(zip(*each, strict=True))))
    types, ttls, *more = (replies[i :: len(asked)] for i in range(len(asked)))
    # Without these two there is no frame, but for keys of others; a key's size may be unknown.
    for reply in dict.fromkeys(chain(types, ttls)):
        if isinstance(reply, redis.ResponseError) and not is_of_key(reply):
            raise reply
    # -1: no expiry.
    lives = [ttl if isinstance(ttl, int) and ttl >= 0 else None for ttl in ttls]
    ends = more.pop() if clock is None else ()
    if clock is None and any(isinstance(end, int) for end in ends):
        expiries = [end if isinstance(end, int) and end >= 0 else None for end in ends]
    else:
        now = (clock or wire.own_clock(conn)).value // 10**6
        expiries = [None if ttl is None else now + ttl for ttl in lives]
    rows = zip(
        [as_text(key[skip:]) for key in found],
        [None if type is None else plain_type(type) for type in _known(types)],
        lives,
        expiries,
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


def glob(text: str) -> str:
    """Return a pattern that matches exactly `text`."""
    return "".join(f"\\{char}" if char in "*?[]\\^-" else char for char in text)
