"""Where the entries of a range are: some of them are read, the others estimated."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any

from redis.exceptions import ResponseError

from redisnb import frames, wire
from redisnb.entries import id_number, number_id
from redisnb.errors import explain
from redisnb.stream.density.gaps import Gap, Rate, doubt_of_all
from redisnb.wire import Connection, StreamPage

__all__ = ["Sampling"]

#: How many bytes of entries are read in all, where gaps can be left.
SAMPLED_BYTES = 8 * wire.PAGE_BYTES
#: The most entries that are read at each end of a gap.
READ_AT_ENDS = 100
#: In how many parts of a run it is compared how far its entries are apart.
RATE_PARTS = 10


class Sampling:
    """The entries of a range that ends with the last one there is now: some read, some estimated.

    Entries are read at both ends of gaps, with XRANGE and XREVRANGE, because no command counts them
    without sending them. What is read at once is bounded like a page.

    Parameters
    ----------
    conn : Connection
    key : str
    start, end : str
        The bounds of the range as XRANGE takes them.
    most : int, optional
        About how many entries are read.
    seconds : float, optional
        How long more may be read.

    Attributes
    ----------
    ends : (str, str)
        The IDs of the first and the last entry; "" if there is none.
    total : int or None
        The number of entries; None where it is unknown.
    known : int
        How many were read.
    runs : list of list of bytes
        The IDs of entries that follow one another.
    gaps : list of Gap
        What lies between them.

    Raises
    ------
    redis.exceptions.ResponseError
        If the key is not a stream.
    """

    def __init__(
        self,
        conn: Connection,
        key: str,
        start: str,
        end: str,
        *,
        most: int | None = None,
        seconds: float | None = None,
    ) -> None:
        self._conn, self._key = conn, key
        self._most = math.inf if most is None else most
        self._until = math.inf if seconds is None else time.monotonic() + seconds
        self.ends = ("", "")
        self.runs: list[list[bytes]] = []
        self.gaps: list[Gap] = []
        self.known = self._bytes = 0
        # How many entries are read at once: few first, since their size is unknown.
        self._room = 1
        self.total = self._look(start, end)

    def _look(self, start: str, end: str) -> int | None:
        """Find the first and the last entry; return the number of entries if it is known."""
        lengths = ("XLEN", self._key)
        ends = [
            ("XRANGE", self._key, start, end, "COUNT", 1),
            ("XREVRANGE", self._key, end, start, "COUNT", 1),
            ("XRANGE", self._key, "-", "+", "COUNT", 1),
            ("XREVRANGE", self._key, "+", "-", "COUNT", 1),
        ]
        length, *replies, again = wire.ask_many(self._conn, [lengths, *ends, lengths])
        first, last, *whole = map(self._checked, replies)
        if not (first and last):
            return 0
        self._keep(first)
        self.ends = first[0][0].decode(), last[0][0].decode()
        low, high = id_number(first[0][0]), id_number(last[0][0])
        is_counted = [first, last] == whole and length == again
        total = length if is_counted and isinstance(length, int) else None
        if low < high:
            self._keep(last)
            rate = Rate(max(2, total or 2), high - low)
            if high - low > 1 and total != self.known:
                self.gaps.append(Gap(low, high, rate, rate))
        return total

    @property
    def scale(self) -> float:
        """What the estimates are multiplied by, so that they add up to the known total."""
        estimate = sum(gap.entries for gap in self.gaps)
        if self.total is None or not estimate:
            return 1
        return max(0, self.total - self.known) / estimate

    @property
    def unexplained(self) -> float:
        """How many entries the estimates are off by in all, if chance does not explain it."""
        if self.total is None:
            return 0
        off = abs(self.total - self.known - sum(gap.entries for gap in self.gaps))
        by_chance: float = doubt_of_all(self.gaps).error
        return off + by_chance if off > by_chance else 0

    @property
    def entries(self) -> int:
        """The number of entries, an estimate unless it is known."""
        if self.gaps and self.total is not None:
            return max(self.total, self.known)
        return self.known + round(sum(gap.entries for gap in self.gaps))

    @property
    def entry_size(self) -> int:
        """The mean size of an entry in bytes."""
        return self._bytes // max(1, self.known) + 1

    def missed(self) -> int:
        """Return how many entries were removed meanwhile, as far as it shows; 1 if unknown."""
        if not self.gaps and self.total is not None:
            return max(0, self.total - self.known)
        first = self.ends[0]
        found = wire.ask_many(self._conn, [("XRANGE", self._key, first, first, "COUNT", 1)])
        return int(bool(first) and not all(map(self._checked, found)))

    @property
    def message(self) -> str:
        """The warning of entries that were removed."""
        return f"{self._key!r}: entries were removed while it was read; some are missing"

    def parts(self) -> list[tuple[int, list[bytes] | Gap]]:
        """Return the runs and the gaps in order, each with the position at which it begins."""
        runs: list[tuple[int, list[bytes] | Gap]] = [(id_number(run[0]), run) for run in self.runs]
        return sorted([*runs, *((gap.after + 1, gap) for gap in self.gaps)], key=itemgetter(0))

    def take_gaps(self, condition: Callable[[Gap], bool]) -> list[Gap]:
        """Remove and return the gaps for which a condition is true."""
        taken = [gap for gap in self.gaps if condition(gap)]
        self.gaps = [gap for gap in self.gaps if not condition(gap)]
        return taken

    @property
    def left(self) -> float:
        """How many more entries may be read."""
        return self._most - self.known

    @property
    def is_spent(self) -> bool:
        """Whether no more is to be read."""
        return self.left <= 0 or self._bytes >= SAMPLED_BYTES or time.monotonic() >= self._until

    def read(self, gaps: Iterable[Gap], count: int) -> None:
        """Read up to `count` entries at each end of `gaps` that is to be read.

        What is left of them is added to the gaps.
        """
        waiting = deque(gaps)
        while waiting and not self.is_spent:
            self._room = min(8 * self._room, max(1, wire.PAGE_BYTES // self.entry_size))
            each = max(1, min(count, self._room // 2))
            room = int(min(self._room, self.left)) // (2 * each)
            together = min(len(waiting), max(1, room))
            self._read_together([waiting.popleft() for _ in range(together)], each)
        self.gaps += waiting
        if self.known == self.total:
            # Nothing is in them.
            self.gaps.clear()

    def _read_together(self, gaps: Sequence[Gap], count: int) -> None:
        # XREVRANGE goes through the whole stream where all of it is later: entries may have been
        # trimmed meanwhile.
        (reply,) = wire.ask_many(self._conn, [("XRANGE", self._key, "-", "+", "COUNT", 1)])
        first = self._checked(reply)
        gaps = [gap for gap in gaps if first and gap.before > id_number(first[0][0])]
        commands = [command for gap in gaps for command in _commands(gap, self._key, count)]
        with frames.paused_collector():
            replies = iter([self._checked(reply) for reply in wire.ask_many(self._conn, commands)])
            for gap in gaps:
                left = next(replies) if gap.from_left else None
                right = next(replies) if gap.from_right else None
                self._take(gap, left, right, count)

    def _take(
        self, gap: Gap, left: StreamPage | None, right: StreamPage | None, count: int
    ) -> None:
        """Keep the entries that were read at both ends of a gap, and what is left of it."""
        if left is not None and len(left) < count:
            self._keep(left)
            return
        if right is not None and len(right) < count:
            self._keep(right[::-1])
            return
        after = id_number(left[-1][0]) if left else gap.after
        before = id_number(right[-1][0]) if right else gap.before
        if left and right and before <= after:
            self._keep(left + [each for each in right[::-1] if id_number(each[0]) > after])
            return
        if left:
            self._keep(left)
            gap = gap._replace(left=_rate(gap.left, gap.after, left))
        if right:
            self._keep(right[::-1])
            gap = gap._replace(right=_rate(gap.right, gap.before, right))
        if before - after > 1:
            self.gaps.append(
                gap._replace(after=after, before=before, from_left=False, from_right=False)
            )

    def _keep(self, page: StreamPage) -> None:
        if page:
            self.runs.append([id for id, _ in page])
            self.known += len(page)
            size = sum(len(part) for _, fields in (page[0], page[-1]) for part in fields)
            self._bytes += size * len(page) // 2

    def _checked(self, reply: Any) -> StreamPage:
        if isinstance(reply, ResponseError):
            raise explain(reply, self._key, ("XRANGE",))
        return reply  # type: ignore[no-any-return]


def _commands(gap: Gap, key: str, count: int) -> list[wire.Command]:
    """Return the commands that read at the ends of a gap."""
    first, last = number_id(gap.after + 1), number_id(gap.before - 1)
    commands: list[wire.Command] = []
    if gap.from_left:
        commands.append(("XRANGE", key, first, last, "COUNT", count))
    if gap.from_right:
        commands.append(("XREVRANGE", key, last, first, "COUNT", count))
    return commands


def _rate(before: Rate, position: int, page: StreamPage) -> Rate:
    """Return the rate of the entries that were read from a position on."""
    if len(page) == 1:
        # How far a single entry is from there says nothing.
        return before.unsure()
    part = max(1, len(page) // RATE_PARTS)
    ends = page[part - 1 :: part]
    return Rate.of([position, *(id_number(id) for id, _ in ends)], part * len(ends))
