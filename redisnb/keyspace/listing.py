"""The keys of a database as frames."""

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
from redisnb.wire import Connection

__all__ = [
    "MOST_KEYS",
    "described_keys",
    "glob",
    "key_pages",
    "keys",
    "listing",
    "matching_names",
]

#: The default limit of `keys` and `values`.
MOST_KEYS = 100_000
#: The types that every server knows.
TYPES = ("string", "hash", "list", "set", "zset", "stream")

# "user:" of "user:1"
_NAME_PREFIX = re.compile(r"[^:./|_-]+[:./|_-]")


@hinted
def keys(
    conn: Connection,
    match: str = "*",
    *,
    type: str | None = None,
    sizes: bool = False,
    limit: int | None = MOST_KEYS,
    sample: int | None = None,
) -> pd.DataFrame:
    """List the keys of a database.

    Parameters
    ----------
    conn : Connection
        What `redisnb.connect` returns.
    match : str, default "*"
        A glob pattern as Redis reads it: ``user:*``, ``h?llo``, ``[ab]*``.
    type : str, optional
        Only keys of this type: "string", "hash", "list", "set", "zset", "stream"; on some servers
        also "json", "vectorset", "bloom", "cuckoo", "countmin", "topk", "tdigest", "timeseries" or
        "graph".
    sizes : bool
        Add the columns `size` (bytes of memory) and `encoding`.
    limit : int or None, default 100,000
        The maximum number of keys, None for all; ``frame.attrs["truncated"]`` says whether there
        are more.
    sample : int, optional
        Return so many keys instead, without going through the whole database: those that SCAN finds
        first, chosen by a hash of their names, much the same in every call.
        ``frame.attrs["sampled"]`` is their number, None if there are no others.

    Returns
    -------
    DataFrame in schema KEYS
        By name; empty if nothing matches. Keys that expire during the call are left out. SCAN also
        names keys that this user may not read: they have neither type nor TTL, and
        ``frame.attrs["refused"]`` counts them.

    Notes
    -----
    SCAN, then TYPE and PTTL for each key, pipelined; the server serves other clients in between.
    Reads only.

    Examples
    --------
    >>> cache.set("daily", 7, ttl="1h")
    >>> rnb.keys(conn, "report:*")[["key", "type"]]
                key    type
    0  report:daily  string
    """
    frame = listing(conn, match, type=type, sizes=sizes, limit=limit, sample=sample)
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
    sample: int | None = None,
    skip: int = 0,
) -> pd.DataFrame:
    """Return what `keys` does, without the first `skip` bytes of each name."""
    wire.check_connection(conn, "keys(conn)")
    most = frames.most_rows(limit, sample, MOST_KEYS)
    _check_type(type)
    # The garbage collector would go through all names again and again.
    with frames.paused_collector():
        table = _KeyTable(conn, sizes=sizes)
        beyond = None if most is None else most + 1
        walks = (
            wire.walk(conn, match, table.questions, name, most=beyond) for name in _types_of(type)
        )
        for page, replies in chain.from_iterable(walks):
            table.add(page, replies)
            if most is not None and len(table.names) > most:
                break
        frame = table.frame(most, skip)
    more = most is not None and len(table.names) > most
    frame.attrs["refused"] = warn_of_refused(frame["key"], frame["type"].isna())
    if sample is not None:
        return frames.mark_sampled(frame, more)
    return frames.mark_truncated(frame, limit if more else None, MOST_KEYS, "limit=None lists all")


def key_pages(
    conn: Connection, match: str, *, type: str | None = None, sizes: bool = False
) -> Iterator[pd.DataFrame]:
    """Yield what `keys` returns in parts, as they are found.

    Each part is a frame in schema KEYS, empty if a SCAN found nothing.
    """
    for name in _types_of(type):
        for page in wire.scan(conn, match, name):
            yield described_keys(conn, page, sizes=sizes)


def matching_names(
    conn: Connection, match: str, *, type: str | None = None
) -> Iterator[list[bytes]]:
    """Yield the names of the keys that match, as they are found."""
    for name in _types_of(type):
        yield from wire.scan(conn, match, name)


def described_keys(
    conn: Connection, names: Sequence[bytes], *, sizes: bool = False
) -> pd.DataFrame:
    """Return the rows of `keys` for these keys, by name; a deleted key has none."""
    with frames.paused_collector():
        table = _KeyTable(conn, sizes=sizes)
        commands = ((*question, name) for name in names for question in table.questions)
        table.add(names, list(wire.ask_many(conn, commands)))
        return table.frame()


def warn_of_refused(names: pd.Series[Any], refused: pd.Series[Any]) -> int:
    """Return how many keys were refused, and warn with a pattern that leaves them out."""
    count = int(refused.sum())
    if count:
        begins = {match[0] for match in map(_NAME_PREFIX.match, names[~refused]) if match}
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
    """Refuse a misspelled type; other unknown names may be types of a server's modules."""
    closest = None if type is None else nearest(type, TYPES)
    if type is not None and closest not in (None, type.lower()):
        raise ValueError(f"type={type!r} is no type of Redis; did you mean {closest!r}?")


class _KeyTable:
    """The keys of a walk, with the replies about each.

    Attributes
    ----------
    questions : list of commands
        The commands to send for each key, without their last argument, the key.
    names : list of bytes
    """

    def __init__(self, conn: Connection, *, sizes: bool) -> None:
        self._conn, self._clock, self._started_at = conn, wire.clock(conn), time.monotonic()
        self._schema = frames.KEYS | (frames.KEY_SIZES if sizes else {})
        self.questions: list[tuple[str, ...]] = [("TYPE",), ("PTTL",)]
        if sizes:
            self.questions += [("MEMORY", "USAGE"), ("OBJECT", "ENCODING")]
        if self._clock is None:
            # Since Redis 7.0, the moment itself: https://redis.io/docs/latest/commands/pexpiretime/
            self.questions.append(("PEXPIRETIME",))
        self.names: list[bytes] = []
        # The columns of KEYS without the names, and whether each key still exists.
        self._columns: list[list[Any]] = [[] for _ in [*self._schema][1:]]
        self._alive: list[bool] = []

    def add(self, names: Sequence[bytes], replies: Sequence[Any]) -> None:
        """Add keys, and the replies to the questions about each."""
        # Whole columns, in loops that run in C: there may be millions of keys with several replies.
        each = len(self.questions)
        types, ttls, *more = (replies[i::each] for i in range(each))
        # The frame needs these two, except for keys the user may not read; a size may be unknown.
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
                # The server's clock was read when the walk began.
                now += int((time.monotonic() - self._started_at) * 1000)
            expiries = [None if ttl is None else now + ttl for ttl in lives]
        cells = _plain_replies(types, plain_type), lives, expiries, *map(_plain_replies, more)
        for column, values in zip(self._columns, cells, strict=True):
            column += values
        self.names += names
        self._alive += [
            type != b"none" and ttl != -2 for type, ttl in zip(types, ttls, strict=True)
        ]

    def frame(self, limit: int | None = None, skip: int = 0) -> pd.DataFrame:
        """Return the rows of the first `limit` keys, by name; a deleted key has none.

        The first `skip` bytes of each name are removed.
        """
        names = self.names[:limit]
        texts = [as_text(name[skip:]) for name in names]
        rows = list(zip(texts, *self._columns, strict=False))
        order = sorted(range(len(names)), key=names.__getitem__)
        return frames.table(self._schema, [rows[i] for i in order if self._alive[i]])


def _durations(replies: Sequence[Any]) -> list[int | None]:
    return [each if isinstance(each, int) and each >= 0 else None for each in replies]


def _plain_replies(replies: Sequence[Any], named: Callable[[str], str] = str) -> list[Any]:
    """Return replies as text, renamed by `named`, or as numbers; None for errors."""
    # A key may be deleted between two commands, or the user may not send them.
    plain: dict[Any, Any] = {
        reply: named(reply.decode()) if isinstance(reply, bytes) else reply
        for reply in set(replies)
        if not isinstance(reply, redis.ResponseError)
    }
    return list(map(plain.get, replies))


def glob(text: str) -> str:
    """Return a pattern that matches exactly `text`."""
    return "".join(f"\\{char}" if char in "*?[]\\^-" else char for char in text)
