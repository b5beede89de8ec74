"""tree(): the prefixes of a database's keys, with their memory and expiry."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from itertools import accumulate, chain
from typing import Any

import numpy as np
import pandas as pd
import redis

from redisnb import frames, wire
from redisnb.entries import as_text, to_bytes
from redisnb.errors import is_of_key, option, warn
from redisnb.hints import hinted
from redisnb.keyspace.listing import MOST_KEYS
from redisnb.keyspace.modules import plain_type
from redisnb.wire import Connection

__all__ = ["growing_tree", "tree"]

#: The default limit of rows.
MOST_PREFIXES = 1_000
#: What else may separate the parts of a name, and in how many names it is looked for.
OTHER_SEPARATORS, NAMES_LOOKED_AT = ":/.|_-", 100
_QUESTIONS = [("TYPE",), ("PTTL",), ("MEMORY", "USAGE")]
# Instead of a number.
_PERSISTENT, _NO_KEY, _UNKNOWN = -1, -2, -3


@hinted
def tree(
    conn: Connection,
    match: str = "*",
    *,
    sep: str = ":",
    depth: int = 1,
    sample: int | None = MOST_KEYS,
    limit: int | None = MOST_PREFIXES,
) -> pd.DataFrame:
    """List the prefixes of a database's keys: how many keys, how large, and how long they live.

    Parameters
    ----------
    conn, match
        As for `keys`.
    sep : str, default ":"
        What separates the parts of a name.
    depth : int, default 1
        How many levels: with 2, ``user:`` is followed by ``user:admin:`` and the like.
    sample : int or None, default 100,000
        About how many keys to look at, None for all. Where there are more, the numbers are
        estimates, of which a warning tells.
    limit : int or None, default 1,000
        The maximum number of rows, those of the most keys, None for all;
        ``frame.attrs["truncated"]`` says whether there are more.

    Returns
    -------
    DataFrame in schema TREE
        By prefix, each before those that it contains; empty if nothing matches. A row is about all
        keys that begin with `prefix`, which ends with the separator; the prefix "" is that of the
        keys without a separator. `size` is the memory in bytes (missing if this user may not ask
        for it). `types` counts the keys of each type, the most frequent first. `persistent` is how
        many keys never expire, and `shortest_ttl`, `median_ttl` and `longest_ttl` are about the
        others. Keys that this user may not read count as the type "refused", also in
        ``frame.attrs["refused"]``, and in `keys` alone.

        ``attrs["keys"]`` is the number of keys that match, and ``attrs["sampled"]`` is how many
        were looked at, None for all. If it is a number, `keys`, `size`, `types` and `persistent`
        are estimates for the whole database, and prefixes with few keys may be missing.

    Notes
    -----
    SCAN, then TYPE, PTTL and MEMORY USAGE for each key, pipelined, and DBSIZE. Reads only. A sample
    is where SCAN begins: keys by a hash of their names, much the same in every call.

    Examples
    --------
    >>> cache.set_many({"mon": 7, "tue": 4})
    >>> rnb.tree(conn)[["prefix", "keys", "types", "persistent"]]
        prefix  keys     types  persistent
    0              1  stream 1           1
    1  report:     2  string 2           0
    """
    wire.check_connection(conn, "tree(conn)")
    if not isinstance(sep, str) or not sep:
        raise ValueError(f"{option('sep', sep)}; it is the text between the parts, such as ':'")
    if isinstance(depth, bool) or not isinstance(depth, int) or depth < 1:
        raise ValueError(f"{option('depth', depth)}; it is a number of levels, at least 1")
    frames.check_sample(sample)
    frames.check_limit(limit)
    steps = growing_tree(conn, match, sep=sep, depth=depth, sample=sample, limit=limit)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


def growing_tree(
    conn: Connection,
    match: str,
    *,
    sep: str = ":",
    depth: int = 1,
    sample: int | None = MOST_KEYS,
    limit: int | None = MOST_PREFIXES,
) -> Generator[int, None, pd.DataFrame]:
    """Return what `tree` does; yield how many keys were looked at, so that it can be stopped."""
    keys = _Prefixes(to_bytes(sep), depth)
    share = yield from keys.read(wire.walk(conn, match, _QUESTIONS, most=sample))
    with frames.paused_collector():
        total, is_exact = _count_matches(conn, match, keys.seen, share)
        rows, more = keys.rows(total / max(keys.seen, 1), limit)
        frame = frames.table(frames.TREE, rows)
    sampled = None if is_exact else keys.seen
    frame.attrs |= {"keys": total, "sampled": sampled, "refused": keys.refused}
    if frame.empty and limit != 0:
        wire.warn_of_no_match(conn, match)
    if sampled is not None:
        warn(
            f"looked at {sampled:,} of about {total:,} keys: the numbers are estimates, and "
            "prefixes of few keys may be missing; sample=None looks at all"
        )
    if keys.refused:
        warn(f"{keys.refused:,} keys may not be read by this user; they count as 'refused'")
    keys.warn_of_separator(sep)
    return frames.mark_truncated(
        frame, limit if more else None, MOST_PREFIXES, "limit=None lists all"
    )


def _count_matches(conn: Connection, match: str, seen: int, share: float) -> tuple[int, bool]:
    """Return how many keys match, by those in a share of the database; and if these are all."""
    if share == 1:
        return seen, True
    if match == "*":
        (count,) = wire.ask_many(conn, [("DBSIZE",)])
        if isinstance(count, int):
            return max(count, seen), count <= seen
    return round(seen / share), False


class _Prefixes:
    """The prefixes of keys, with what each key replied.

    Attributes
    ----------
    seen : int
        How many keys were named.
    refused : int
        How many of them may not be read.
    """

    def __init__(self, sep: bytes, depth: int) -> None:
        self.seen = self.refused = 0
        self._sep, self._depth = sep, depth
        self._some: list[bytes] = []
        # By prefix and type a number; of each key, this number, its TTL in ms and its size.
        self._kinds: dict[tuple[bytes, str], int] = {}
        self._kind_of, self._ttls, self._sizes = array("q"), array("q"), array("q")

    def read(
        self, walk: Generator[tuple[list[bytes], list[Any]], None, float]
    ) -> Generator[int, None, float]:
        """Add the keys of a walk; return the share of the database that it went through."""
        while True:
            try:
                names, replies = next(walk)
            except StopIteration as end:
                return float(end.value)
            with frames.paused_collector():
                self._add(names, replies[::3], replies[1::3], replies[2::3])
            yield self.seen

    def _add(
        self,
        names: Sequence[bytes],
        types: Sequence[Any],
        ttls: Sequence[Any],
        sizes: Sequence[Any],
    ) -> None:
        self.seen += len(names)
        self._some += names[: NAMES_LOOKED_AT - len(self._some)]
        for reply in dict.fromkeys(chain(types, ttls)):
            if isinstance(reply, redis.ResponseError) and not is_of_key(reply):
                raise reply
        kinds, plain = self._kinds, {each: _type_name(each) for each in {*types}}
        for name, type, ttl, size in zip(names, types, ttls, sizes, strict=True):
            # Deleted since SCAN named it.
            if type == b"none" or ttl == _NO_KEY:
                continue
            last = name.split(self._sep, self._depth)[-1]
            kind = name[: len(name) - len(last)], plain[type]
            self._kind_of.append(kinds.setdefault(kind, len(kinds)))
            self._ttls.append(ttl if isinstance(ttl, int) else _UNKNOWN)
            self._sizes.append(size if isinstance(size, int) else _UNKNOWN)
        self.refused += sum(isinstance(type, redis.ResponseError) for type in types)

    def rows(self, scale: float, limit: int | None) -> tuple[list[tuple[Any, ...]], bool]:
        """Return the rows of TREE, and whether there are more than `limit`.

        Parameters
        ----------
        scale : float
            How many keys each one stands for.
        """
        kind_of = np.frombuffer(self._kind_of, "int64")
        # The places of the keys of each kind.
        counts = np.bincount(kind_of, minlength=len(self._kinds))
        places = np.split(np.argsort(kind_of, kind="stable"), np.cumsum(counts))
        kinds: dict[bytes, list[tuple[str, int]]] = {}
        for (prefix, type), kind in self._kinds.items():
            for level in self._levels(prefix):
                kinds.setdefault(level, []).append((type, kind))
        totals = {prefix: sum(counts[k] for _, k in each) for prefix, each in kinds.items()}
        # Stable, so that a prefix stands before those that it contains.
        largest = sorted(totals, key=totals.__getitem__, reverse=True)[:limit]
        rows = [
            self._row(prefix, kinds[prefix], [places[k] for _, k in kinds[prefix]], scale)
            for prefix in sorted(largest, key=lambda prefix: prefix.split(self._sep))
        ]
        return rows, len(totals) > len(largest)

    def _levels(self, prefix: bytes) -> Iterable[bytes]:
        parts = [part + self._sep for part in prefix.split(self._sep)[:-1]]
        return accumulate(parts) if parts else [b""]

    def _row(
        self,
        prefix: bytes,
        kinds: Sequence[tuple[str, int]],
        places: Sequence[np.ndarray],
        scale: float,
    ) -> tuple[Any, ...]:
        picked = np.concatenate(places)
        ttls = np.frombuffer(self._ttls, "int64")[picked]
        sizes = np.frombuffer(self._sizes, "int64")[picked]
        types: Counter[str] = Counter()
        for (type, _), each in zip(kinds, places, strict=True):
            types[type] += len(each)
        # By name where there are as many: the order of SCAN differs from server to server.
        ranked = sorted(types.items(), key=lambda item: (-item[1], item[0]))
        known, lives = sizes[sizes != _UNKNOWN], ttls[ttls >= 0]
        spread = (lives.min(), np.median(lives), lives.max()) if len(lives) else ()
        return (
            as_text(prefix),
            round(len(picked) * scale),
            round(int(known.sum()) * scale) if len(known) else None,
            ", ".join(f"{type} {round(n * scale)}" for type, n in ranked),
            None if (ttls == _UNKNOWN).all() else round(int((ttls == _PERSISTENT).sum()) * scale),
            *(map(int, spread) if spread else (None, None, None)),
        )

    def warn_of_separator(self, sep: str) -> None:
        """Warn if no name has the separator, and most have the same other one."""
        if any(prefix for prefix, _ in self._kinds):
            return
        for other in OTHER_SEPARATORS:
            having = sum(other.encode() in name for name in self._some)
            if 2 * having > len(self._some):
                warn(f"no key has the separator {sep!r}, and most have {other!r}: sep={other!r}")
                return


def _type_name(type: Any) -> str:
    return "refused" if isinstance(type, redis.ResponseError) else plain_type(type.decode())
