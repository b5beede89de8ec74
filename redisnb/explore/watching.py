"""watch(): the state of streams and groups, and the server's latency, sampled over time."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pandas as pd
import redis

from redisnb import frames, wire
from redisnb.durations import Duration, milliseconds
from redisnb.entries import to_bytes
from redisnb.errors import RedisnbError, option, warn
from redisnb.hints import hinted
from redisnb.stream import GROUP_QUESTIONS, look, rows_of_groups
from redisnb.wire import Connection

__all__ = ["watch"]

#: The shortest time between two samples, in ms.
SHORTEST_EVERY = 10
#: The most samples, and the most rows.
MOST_SAMPLES, MOST_WATCH_ROWS = 100_000, 1_000_000
#: New streams are looked for once more after so many times as long as that took last.
SCAN_PAUSE = 10

WatchRow = tuple[Any, ...]
_FAILED: WatchRow = (None,) * len(frames.WATCH)


@hinted
def watch(
    conn: Connection, match: str = "*", *, every: Duration = "1s", duration: Duration = "1min"
) -> pd.DataFrame:
    """Sample the state of streams and their groups for a while, and the server's latency.

    Ctrl-C, or the stop button of a notebook, ends it and returns what was collected.

    Parameters
    ----------
    conn, match
        As for `keys`. Streams that are created meanwhile are in later samples.
    every : duration, default 1 s
        From one sample to the next, at least 10 ms. A sample that takes longer delays the next one,
        and those that would have been due meanwhile are left out.
    duration : duration, default 1 min
        From the first sample to the last. With `every`, it makes at most 100,000 samples.

    Returns
    -------
    DataFrame in schema WATCH
        By `time`, the moment of the sample by the server's clock. Each sample has a row for each
        group, one with `group` missing for each stream without groups, and a single one with
        `stream` missing if there is no stream.

        `length`, `lag`, `pending` and `oldest_pending` are those of `streams` and `groups` then.
        `added` is how many entries were ever added to the stream, and `rate` how many a second
        since its sample before; it is missing in its first one, and if the stream was created
        again. Redis 6.2 does not count: there `added` is missing, and `rate` is by how much the
        length grew, if nothing was trimmed. `latency` is how long the server took to reply to a
        PING.

        ``frame.attrs["failed"]`` counts samples without a reply, for example while the server is
        away: such a sample is a row in which everything is missing. ``attrs["skipped"]`` counts
        those that were left out, ``attrs["interrupted"]`` is True after Ctrl-C, and
        ``attrs["truncated"]`` is True if it ended early, at a million rows.

    Raises
    ------
    ConnectError
        If the server does not answer at the start.
    ValueError
        If `every` is too short, or there would be too many samples.

    Warns
    -----
    RedisnbWarning
        At the end, once, if samples failed or were left out, if it ended early, or if this user may
        not ask for the state of some stream.

    Notes
    -----
    For each sample PING and TIME; SCAN, for a tenth of the time at most, unless `match` is a plain
    name; XINFO STREAM and XINFO GROUPS for each stream; XPENDING and XINFO CONSUMERS for each group
    with pending entries. Reads only.

    Examples
    --------
    >>> seen = rnb.watch(conn, "orders", every="50ms", duration="100ms")
    >>> seen[["stream", "group", "length", "pending"]].iloc[-1].to_dict()
    {'stream': 'orders', 'group': 'billing', 'length': 4, 'pending': 0}
    """
    wire.check_connection(conn, "watch(conn)")
    if not isinstance(match, str):
        raise TypeError(f"match is a pattern such as 'orders*', not {match!r}")
    step, last = _schedule(every, duration)
    samples = _Samples(conn, match)
    try:
        samples.take()
    except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
        raise wire.refusal(conn, error) from error
    if not samples.last_seen:
        wire.warn_of_no_match(conn, match, kind="stream")
    samples.go_on(step / 1000, last)
    return samples.frame(last + 1)


def _schedule(every: Duration, duration: Duration) -> tuple[int, int]:
    """Return the ms between two samples, and the number of the last one, from 0."""
    step, whole = milliseconds(every, "every"), milliseconds(duration, "duration")
    if step < SHORTEST_EVERY:
        raise ValueError(f"{option('every', every)}; it is at least {SHORTEST_EVERY} ms")
    if whole // step >= MOST_SAMPLES:
        least = -(-whole // (MOST_SAMPLES - 1))
        enough = f"{least}ms" if least < 1000 else f"{-(-least // 1000)}s"
        raise ValueError(
            f"{option('every', every)} and {option('duration', duration)} make "
            f"{whole // step + 1:,} samples, and there are at most {MOST_SAMPLES:,}; "
            f"{option('every', enough)} makes few enough"
        )
    return step, whole // step


class _Mark(NamedTuple):
    """What the rate of a stream is measured from, and when by the server's clock, in seconds."""

    at: float
    added: int | None
    length: int
    first: bytes | None


class _Samples:
    """The samples of a watch: their rows, and what became of the others."""

    def __init__(self, conn: Connection, match: str) -> None:
        self._conn, self._match = conn, match
        self._rows: list[WatchRow] = []
        self._marks: dict[str, _Mark] = {}
        self._keys: Sequence[bytes] = []
        self._scan_at = 0.0
        # The server's time in ms, and the monotonic one of then.
        self._clock = 0, 0.0
        self.last_seen = 0
        self.taken = self.failed = self.skipped = 0
        self.is_interrupted = False
        self.error, self.refused = "", ""

    @property
    def is_full(self) -> bool:
        return len(self._rows) >= MOST_WATCH_ROWS

    def go_on(self, step: float, last: int) -> None:
        """Take the samples after the first one, up to the last, at their times; until Ctrl-C."""
        began, due = self._clock[1], 1
        try:
            while due <= last and not self.is_full:
                time.sleep(max(0.0, began + due * step - time.monotonic()))
                self._try()
                # The one whose time has come meanwhile is late; those before it are left out.
                following = max(due + 1, int((time.monotonic() - began) / step))
                self.skipped += min(following, last + 1) - due - 1
                due = following
        except KeyboardInterrupt:
            self.is_interrupted = True

    def _try(self) -> None:
        began = time.monotonic()
        try:
            self.take()
        except (redis.RedisError, RedisnbError, OSError) as error:
            # Whatever it is: what was collected so far is not lost.
            self.failed += 1
            self.error = str(error)
            then, at = self._clock
            self._add(then + round(1000 * (began - at)), [_FAILED])

    def take(self) -> None:
        """Take a sample."""
        latency = round(1e6 * wire.round_trip(self._conn))
        now = wire.now(self._conn).value
        moment = now // 10**6
        self._clock = moment, time.monotonic()
        found = self._streams()
        rows = [*self._rows_of(found, now / 1e9, latency)]
        self.last_seen = len(found)
        self._add(moment, rows or [(*_FAILED[:-1], latency)])

    def _streams(self) -> list[Any]:
        """Return the streams that match, with the replies about each."""
        parts = wire.batches(self._find())
        return look((part, self._ask(part)) for part in parts)

    def _find(self) -> Sequence[bytes]:
        if not re.search(r"[*?\[\\]", self._match):
            return [to_bytes(self._match)]
        began = time.monotonic()
        if began >= self._scan_at:
            pages = wire.scan(self._conn, self._match, "stream")
            self._keys = [key for page in pages for key in page]
            self._scan_at = began + SCAN_PAUSE * (time.monotonic() - began)
        return self._keys

    def _ask(self, keys: Sequence[bytes]) -> list[Any]:
        commands = ((*question, key) for key in keys for question in GROUP_QUESTIONS)
        return list(wire.ask_many(self._conn, commands))

    def _rows_of(self, found: Sequence[Any], at: float, latency: int) -> Iterator[WatchRow]:
        groups = defaultdict(list)
        for row in rows_of_groups(self._conn, found):
            state = dict(zip(frames.GROUPS, row, strict=True))
            of_group = (state[name] for name in ("lag", "pending", "oldest_pending"))
            groups[state["stream"]].append((state["group"], *of_group))
        lengths = self._lengths([each.key for each in found if isinstance(each.state, Exception)])
        marks = {}
        for key, stream, of_groups, _ in found:
            refusals = [each for each in (stream, of_groups) if isinstance(each, Exception)]
            self.refused = self.refused or "".join(map(str, refusals[:1]))
            if isinstance(stream, Exception):
                length, added, rate = lengths[key], None, None
            else:
                first = stream[b"first-entry"]
                length, added = stream[b"length"], stream.get(b"entries-added")
                marks[key] = _Mark(at, added, length, first and first[0])
                rate = _rate_between(self._marks.get(key), marks[key])
            for group, *values in groups[key] or [(None,) * 4]:
                yield (key, group, length, added, rate, *values, latency)
        self._marks = marks

    def _lengths(self, keys: Sequence[str]) -> dict[str, int | None]:
        replies = wire.ask_many(self._conn, [("XLEN", key) for key in keys])
        return {
            key: reply if isinstance(reply, int) else None
            for key, reply in zip(keys, replies, strict=True)
        }

    def _add(self, moment: int, rows: Sequence[WatchRow]) -> None:
        # In one step, or Ctrl-C could leave a half.
        self._rows += [(moment, *row) for row in rows]
        self.taken += 1

    def frame(self, planned: int) -> pd.DataFrame:
        """Return the frame of all rows; warn of what is not in it."""
        times = [moment for moment, *_ in self._rows]
        frame = frames.timed_frame(frames.WATCH, times, [row for _, *row in self._rows])
        frame.attrs |= {
            "failed": self.failed,
            "skipped": self.skipped,
            "interrupted": self.is_interrupted,
            "truncated": self._is_short(planned) and not self.is_interrupted,
        }
        if told := [*self._told(planned)]:
            warn("; ".join(told))
        return frame

    def _is_short(self, planned: int) -> bool:
        return self.taken + self.skipped < planned

    def _told(self, planned: int) -> Iterator[str]:
        if self._is_short(planned):
            why = "interrupted" if self.is_interrupted else f"ended at {len(self._rows):,} rows,"
            yield f"{why} after {self.taken:,} of {planned:,} samples"
        if self.failed:
            yield f"{self.failed:,} of {self.taken:,} samples failed, the last with: {self.error}"
        if self.skipped:
            were = "1 sample was" if self.skipped == 1 else f"{self.skipped:,} samples were"
            yield f"{were} left out, since those before took too long"
        if self.refused:
            yield f"for some streams XINFO was refused, and its values are missing: {self.refused}"


def _rate_between(before: _Mark | None, now: _Mark) -> float | None:
    """Return how many entries a second were added between two samples, None if it is unknown."""
    if before is None:
        return None
    if before.added is not None and now.added is not None:
        more = now.added - before.added
    elif before.first in (None, now.first):
        more = now.length - before.length
    else:
        return None
    # It was created again, or its entries were deleted; or the clock was set back.
    return None if more < 0 or now.at <= before.at else more / (now.at - before.at)
