"""What is in a database: its keys and its streams, as frames."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
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
        found = _Found(conn, sizes=sizes)
        walks = (wire.walk(conn, match, found.questions, name) for name in _types_of(type))
        for page, replies in chain.from_iterable(walks):
            found.take(page, replies)
            if limit is not None and len(found.names) > limit:
                break
        frame = found.frame(limit, skip)
    more = limit is not None and len(found.names) > limit
    frame.attrs["refused"] = warn_of_refused(frame["key"], frame["type"].isna())
    return frames.mark_truncated(frame, limit if more else None, MOST_KEYS, "limit=None lists all")


def key_pages(conn: Connection, match: str, *, type: str | None = None) -> Iterator[pd.DataFrame]:
    """Give what `keys` does in parts, as they are found, for who does not want to wait for all.

    A part is a frame in schema KEYS, empty where a SCAN has found nothing.
    """
    for name in _types_of(type):
        for page in wire.scan(conn, match, name):
            yield described_keys(conn, page)


def described_keys(
    conn: Connection, found: Sequence[bytes], *, sizes: bool = False
) -> pd.DataFrame:
    """Return the rows of `keys` for these keys, by name; a key that is gone has none."""
    with frames.paused_collector():
        described = _Found(conn, sizes=sizes)
        commands = ((*question, key) for key in found for question in described.questions)
        described.take(found, list(wire.ask_many(conn, commands)))
        return described.frame()


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


def _types_of(type: str | None) -> Sequence[str | None]:
    return [None] if type is None else server_types(type)


def _check_type(type: str | None) -> None:
    """Refuse what is nearly a type; modules of a server may have others."""
    meant = None if type is None else nearest(type, TYPES)
    if type is not None and meant not in (None, type.lower()):
        raise ValueError(f"type={type!r} is no type of Redis; did you mean {meant!r}?")


class _Found:
    """Keys that were found, and what the server says of each.

    Attributes
    ----------
    questions : list of commands
        What is asked about each key, which is the last argument.
    names : list of bytes
    """

    def __init__(self, conn: Connection, *, sizes: bool) -> None:
        self._conn, self._clock, self._begun = conn, wire.clock(conn), time.monotonic()
        self._schema = frames.KEYS | (frames.KEY_SIZES if sizes else {})
        self.questions: list[tuple[str, ...]] = [("TYPE",), ("PTTL",)]
        if sizes:
            self.questions += [("MEMORY", "USAGE"), ("OBJECT", "ENCODING")]
        if self._clock is None:
            # Since Redis 7.0 a key tells the moment itself.
            self.questions.append(("PEXPIRETIME",))
        self.names: list[bytes] = []
        # Of KEYS, without the names, and which are there.
        self._columns: list[list[Any]] = [[] for _ in [*self._schema][1:]]
        self._alive: list[bool] = []

    def take(self, names: Sequence[bytes], replies: Sequence[Any]) -> None:
        """Take keys, and the replies to the questions about each."""
        # Columns, and loops in C: there may be millions of keys, each with several replies.
        each = len(self.questions)
        types, ttls, *more = (replies[i::each] for i in range(each))
        # Without these two there is no frame, but for keys of others; a key's size may be unknown.
        for reply in dict.fromkeys(chain(types, ttls)):
            if isinstance(reply, redis.ResponseError) and not is_of_key(reply):
                raise reply
        ends = more.pop() if self._clock is None else ()
        # -1: no expiry.
        lives = _durations(ttls)
        if any(isinstance(end, int) for end in ends):
            expiries = _durations(ends)
        else:
            now = (self._clock or wire.own_clock(self._conn)).value // 10**6
            if self._clock is not None:
                # It was asked when the walk began.
                now += int((time.monotonic() - self._begun) * 1000)
            expiries = [None if ttl is None else now + ttl for ttl in lives]
        told = _known(types, plain_type), lives, expiries, *map(_known, more)
        for column, values in zip(self._columns, told, strict=True):
            column += values
        self.names += names
        self._alive += [
            type != b"none" and ttl != -2 for type, ttl in zip(types, ttls, strict=True)
        ]

    def frame(self, limit: int | None = None, skip: int = 0) -> pd.DataFrame:
        """Return the rows of the first keys, by name; a key that is gone has none.

        The first `skip` bytes of each name are left off.
        """
        names = self.names[:limit]
        texts = [as_text(name[skip:]) for name in names]
        rows = list(zip(texts, *self._columns, strict=False))
        order = sorted(range(len(names)), key=names.__getitem__)
        return frames.table(self._schema, [rows[i] for i in order if self._alive[i]])


def _durations(replies: Sequence[Any]) -> list[int | None]:
    return [each if isinstance(each, int) and each >= 0 else None for each in replies]


def _known(replies: Sequence[Any], named: Callable[[str], str] = str) -> list[Any]:
    """Return replies as text, by another name perhaps, or numbers; None where there is none."""
    # A key may go between two commands, or the user may not be allowed to ask.
    known: dict[Any, Any] = {
        reply: named(reply.decode()) if isinstance(reply, bytes) else reply
        for reply in set(replies)
        if not isinstance(reply, redis.ResponseError)
    }
    return list(map(known.get, replies))


def glob(text: str) -> str:
    """Return a pattern that matches exactly `text`."""
    return "".join(f"\\{char}" if char in "*?[]\\^-" else char for char in text)
