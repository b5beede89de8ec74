"""StreamsWatch: what is known of all streams of a database, asked for one after the other."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pandas as pd
import redis

from redisnb import cards, frames, keyspace
from redisnb.entries import as_text
from redisnb.panels.consumer_groups import GroupRank, ranked_groups
from redisnb.stream import Stream, dead_letters_key
from redisnb.wire import Connection

__all__ = ["KeyPrefix", "SeenStream", "StreamsWatch", "key_prefixes", "short_number"]

#: How often streams that are looked at are asked for, in seconds, beside the others in their turn.
_LOOKED_AT_EVERY = 10.0
#: About how many commands are sent in a second for all this.
_COMMANDS_A_SECOND = 3
#: How many rates are kept of a stream.
_RATES_KEPT = 12
#: How many rows wait until they become a part of the whole frame.
_LOOSE_ROWS = 100
#: Of how many keys the prefixes are estimated, and how many prefixes are listed.
_SAMPLED_KEYS, _MOST_PREFIXES = 10_000, 8

#: How a stream is that needs a look, the worst first.
_WORST_TONES = ("bad", "warn")


class SeenStream(NamedTuple):
    """A stream as it was seen last.

    Attributes
    ----------
    row : dict
        In schema STREAMS.
    ranks : list of GroupRank
        Its groups that have something to do, the worst first.
    rates : sequence of float
        Its rates of late.
    """

    row: dict[str, Any]
    ranks: list[GroupRank]
    rates: deque[float]

    @property
    def key(self) -> str:
        """Its key."""
        return str(self.row["stream"])

    @property
    def worst(self) -> GroupRank | None:
        """The group that needs a look most; None if none does."""
        return self.ranks[0] if self.ranks and self.ranks[0].tone != "good" else None

    @property
    def tone(self) -> str:
        """How it is: "bad", "warn", "good" where entries come, else ""."""
        if self.worst is not None:
            return self.worst.tone
        return "good" if self.rates and self.rates[-1] > 0 else ""

    @property
    def order(self) -> tuple[int, int]:
        """Where it stands among others: what needs a look most is first."""
        if self.worst is None:
            return len(_WORST_TONES), 0
        waiting = sum(each.waiting for each in self.ranks)
        return _WORST_TONES.index(self.tone), -waiting

    @property
    def stuck(self) -> int:
        """How many of its groups are stuck."""
        return sum(each.tone == "bad" for each in self.ranks)

    @property
    def dead_letters(self) -> int:
        """How many dead letters it has, as far as is known."""
        return _count_of(self.row["dead_letters"]) or 0

    @property
    def length_text(self) -> str:
        """How many entries it has, in a few characters."""
        length = _count_of(self.row["length"])
        return "" if length is None else short_number(length)

    @property
    def why(self) -> str:
        """What there is to know of it, a line each."""
        lines = [self.key]
        lines += [f"{each.name.group}: {each.why}" for each in self.ranks if each.tone != "good"]
        if self.rates and self.rates[-1]:
            lines.append(f"{cards.per_second(self.rates[-1])}")
        return "\n".join(lines)

    @property
    def facts(self) -> str:
        """How many entries of which time it has, in a line."""
        length, size = _count_of(self.row["length"]), _count_of(self.row["size"])
        parts = [] if length is None else [f"{length:,} {'entry' if length == 1 else 'entries'}"]
        parts += [] if size is None else [cards.amount(size)]
        first, last = self.row["first_time"], self.row["last_time"]
        if not pd.isna(first) and not pd.isna(last):
            begin, end = f"{first:%Y-%m-%d %H:%M}", f"{last:%Y-%m-%d %H:%M}"
            is_day = begin[:10] == end[:10]
            parts.append(f"{begin} to {end[11:] if is_day else end} UTC")
        return " · ".join(parts)


class KeyPrefix(NamedTuple):
    """A prefix of keys, with how many there are and their memory, as estimated from a sample."""

    prefix: str
    keys: int
    size: int | None


class StreamsWatch:
    """The streams of a database, as they were seen last.

    All are read at once in the beginning, and from then on one after the other, so that the server
    has hardly anything to do with it; new ones are found once all have had their turn.

    Parameters
    ----------
    conn : Connection
    """

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        # Guards what was seen; never held while the server is asked.
        self._lock = threading.RLock()
        self._whole = frames.table(frames.STREAMS, [])
        self._loose: dict[str, pd.DataFrame] = {}
        self._seen: dict[str, SeenStream] = {}
        self._turn: deque[str] = deque()
        # When those that are looked at were read.
        self._read_at: dict[str, float] = {}
        # The pages of names that are not read yet, and those that were found.
        self._pages: Iterator[list[bytes]] | None = None
        self._found: set[str] = set()

    def streams(self) -> list[SeenStream]:
        """Return all of them, by key; those of dead letters are a part of theirs."""
        with self._lock:
            letters = {dead_letters_key(key) for key in self._seen}
            return [each for key, each in sorted(self._seen.items()) if key not in letters]

    def worst(self) -> SeenStream | None:
        """Return the stream that needs a look most, else the first; None without streams."""
        return min(self.streams(), key=lambda each: each.order, default=None)

    def find(self, key: str) -> SeenStream | None:
        """Return a stream by its key; None if there is none, as far as is known."""
        return self._seen.get(key)

    def origin(self, key: str) -> str:
        """Return the key of the stream that a key of dead letters belongs to; else the key."""
        return next((each for each in self._seen if dead_letters_key(each) == key), key)

    def frame(self) -> pd.DataFrame:
        """Return all of them in schema STREAMS."""
        with self._lock:
            self._gather()
            return self._whole

    def read_streams(self) -> None:
        """Read all streams at once."""
        rows = keyspace.streams(self._conn)
        with self._lock:
            self._whole, self._loose = rows, {}
            before, self._seen = self._seen, {}
            for row in rows.to_dict("records"):
                known = before.get(row["stream"])
                self._take(row, [] if known is None else known.ranks, known)
            self._turn = deque(sorted(self._seen))

    def read_groups(self) -> None:
        """Read the groups of all streams at once; none where this user may not ask for them."""
        try:
            groups = keyspace.groups(self._conn)
        except redis.ResponseError:
            return
        by_stream: dict[str, list[GroupRank]] = {}
        for rank in ranked_groups(groups):
            by_stream.setdefault(rank.name.stream, []).append(rank)
        with self._lock:
            for key, seen in self._seen.items():
                self._seen[key] = seen._replace(ranks=by_stream.get(key, []))

    def read(self, key: str) -> int:
        """Read one stream; return about how many commands that took."""
        stream = Stream(self._conn, key)
        rows = stream.info()
        if rows.empty:
            with self._lock:
                self._forget(key)
            return 3
        row = {str(name): value for name, value in rows.to_dict("records")[0].items()}
        pending, lag = _count_of(row["pending"]), _count_of(row["lag"])
        asks = bool(_count_of(row["groups"])) and bool(pending or lag or lag is None)
        groups = stream.groups() if asks else frames.table(frames.GROUPS, [])
        with self._lock:
            self._loose[key] = rows
            if len(self._loose) > _LOOSE_ROWS:
                self._gather()
            self._take(row, ranked_groups(groups), self._seen.get(key))
        held = int((groups["pending"] > 0).sum())
        return 7 + (2 + 3 * held if asks else 0)

    def read_next(self, looked_at: Sequence[str]) -> float:
        """Read the stream whose turn it is; return in how many seconds the next one is."""
        now = time.monotonic()
        read_at = {key: self._read_at.get(key, -math.inf) for key in looked_at if key}
        due = min(read_at, key=lambda key: read_at[key], default="")
        if due and now - read_at[due] >= _LOOKED_AT_EVERY:
            self._read_at = {**read_at, due: now}
            commands = self.read(due)
        elif self._turn:
            commands = self.read(self._turn.popleft())
        else:
            commands = self._find_new()
        return commands / _COMMANDS_A_SECOND

    def _find_new(self) -> int:
        if self._pages is None:
            self._pages, self._found = (
                keyspace.matching_names(self._conn, "*", type="stream"),
                set(),
            )
        page = next(self._pages, None)
        if page is not None:
            self._found.update(map(as_text, page))
            return 1
        self._pages = None
        with self._lock:
            for key in [key for key in self._seen if key not in self._found]:
                self._forget(key)
        self._turn = deque(sorted(self._found))
        return 1

    def _take(self, row: dict[Any, Any], ranks: list[GroupRank], before: SeenStream | None) -> None:
        rates = deque(() if before is None else before.rates, maxlen=_RATES_KEPT)
        rates.append(0.0 if pd.isna(row["rate"]) else round(float(row["rate"]), 3))
        named = {str(name): value for name, value in row.items()}
        seen = SeenStream(named, ranks, rates)
        self._seen[seen.key] = seen

    def _forget(self, key: str) -> None:
        self._seen.pop(key, None)
        self._loose[key] = self._whole.head(0)

    def _gather(self) -> None:
        if self._loose:
            others = self._whole[~self._whole["stream"].isin(list(self._loose))]
            parts = [each for each in (others, *self._loose.values()) if len(each)]
            whole = pd.concat(parts, ignore_index=True) if parts else others
            self._whole = whole.sort_values("stream", ignore_index=True)
            self._loose = {}


def key_prefixes(conn: Connection) -> list[KeyPrefix]:
    """Return the prefixes of keys that are no streams, those of the most memory first.

    They are estimated from a sample of 10,000 keys.
    """
    tree = keyspace.tree(conn, sample=_SAMPLED_KEYS)
    found = []
    for prefix, keys, size, types in zip(
        tree["prefix"], tree["keys"], tree["size"], tree["types"], strict=True
    ):
        if prefix and not (types.startswith("stream ") and "," not in types):
            found.append(KeyPrefix(str(prefix), int(keys), _count_of(size)))
    found.sort(key=lambda each: (-(each.size or 0), -each.keys))
    return found[:_MOST_PREFIXES]


def short_number(n: int) -> str:
    """Return a number in a few characters: 84,310, 1.2 M."""
    for unit, size in (("G", 10**9), ("M", 10**6)):
        if n >= size:
            return f"{n / size:.1f} {unit}"
    return f"{n:,}"


def _count_of(value: Any) -> int | None:
    return None if pd.isna(value) else int(value)
