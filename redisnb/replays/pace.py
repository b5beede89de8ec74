"""When each entry is due: the gaps between entry IDs, kept, scaled, cut short, or replaced."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from redisnb import cards
from redisnb.durations import Duration, milliseconds
from redisnb.errors import ReplayError, option

__all__: list[str] = []

_YEAR = 365.25 * 86_400
#: The percentiles of the lateness in a report.
PERCENTILES = {"p50": 0.5, "p99": 0.99}


@dataclass(frozen=True)
class Pace:
    """How fast entries follow each other.

    Attributes
    ----------
    speed : float
        How many times as fast as they came; infinite without a schedule.
    rate : float or None
        Entries per second, instead of `speed`.
    max_gap : float or None
        The longest silence between two entries, in seconds of the replay.
    """

    speed: float
    rate: float | None = None
    max_gap: float | None = None

    @classmethod
    def of(cls, speed: float | None, rate: float | None, max_gap: Duration | None) -> Pace:
        """Return the pace of these options; without `speed` and `rate` the speed is 1.

        Raises
        ------
        ValueError
            If a number is not above 0, or two of them contradict each other.
        """
        if speed is not None and rate is not None:
            raise ValueError(
                f"{option('speed', speed)} and {option('rate', rate)}: give one of them"
            )
        _check_above_zero(
            speed, "speed", "times as fast as the entries came, such as 1, 60 or float('inf')"
        )
        _check_above_zero(rate, "rate", "entries per second")
        if rate == math.inf:
            speed, rate = rate, None
        speed = 1.0 if speed is None else float(speed)
        if max_gap is None:
            return cls(speed, rate)
        if rate is not None or speed == math.inf:
            raise ValueError(
                f"{option('max_gap', max_gap)}: without the original gaps there is none to cut"
            )
        return cls(speed, None, milliseconds(max_gap, "max_gap") / 1000)

    @property
    def uses_times(self) -> bool:
        """Whether it needs the times of the entries."""
        return self.rate is None and self.speed < math.inf

    def __str__(self) -> str:
        """Return it as text: ``10x``, ``1,000/s``; "" without a schedule."""
        if self.rate is not None:
            return cards.per_second(self.rate)
        return f"{self.speed:,g}x" if self.speed < math.inf else ""

    @property
    def is_timed(self) -> bool:
        """Whether entries wait until they are due."""
        return self.rate is not None or self.speed < math.inf

    def seconds(self, ms: int) -> float:
        """Return how long `ms` of the source's time take, without `max_gap`."""
        return ms / 1000 / self.speed


def _check_above_zero(value: float | None, name: str, meaning: str) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ValueError(f"{option(name, value)}; it is above 0: {meaning}")


class Schedule:
    """When each entry is due, in seconds after the first; to be asked in order.

    An entry that is older than its predecessor is due together with it.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._count = 0
        # Measured from the first entry, not from gap to gap: a sum of a million gaps would drift.
        self._first: int | None = None
        self._last = self._cut = 0.0

    def due(self, ms: int) -> float:
        """Return when the next entry is due; its ID begins with `ms`."""
        pace = self._pace
        if pace.rate is not None:
            self._count += 1
            return (self._count - 1) / pace.rate
        if pace.speed == math.inf:
            return 0.0
        if self._first is None:
            self._first = ms
        due = max(self._last, pace.seconds(ms - self._first) - self._cut)
        if pace.max_gap is not None and due - self._last > pace.max_gap:
            self._cut += due - self._last - pace.max_gap
            due = self._last + pace.max_gap
        self._last = due
        return due


def check_wait(entry_id: bytes, seconds: float) -> None:
    """Refuse to wait for an entry whose ID is surely a mistake.

    Raises
    ------
    ReplayError
        If it is due in more than a hundred years.
    """
    if seconds > 100 * _YEAR:
        raise ReplayError(
            f"entry {entry_id.decode()} is due in {seconds / _YEAR:,.0f} years; "
            f"{option('max_gap')} cuts such gaps short, and {option('speed', math.inf)} has none"
        )


class Lateness:
    """How late entries were, in bounded memory: to three digits, and the maximum exactly."""

    def __init__(self) -> None:
        self._counts: Counter[float] = Counter()
        self._most = 0.0

    def add(self, seconds: float) -> None:
        """Add one entry; an early one counts as 0."""
        self._counts[float(f"{max(0.0, seconds):.2e}")] += 1
        self._most = max(self._most, seconds)

    def seconds(self) -> dict[str, float]:
        """Return the percentiles and the maximum, in seconds; empty without an entry."""
        total = sum(self._counts.values())
        if not total:
            return {}
        lateness: dict[str, float] = {}
        counted = 0
        percentiles = dict(PERCENTILES)
        for late, count in sorted(self._counts.items()):
            counted += count
            while percentiles and counted >= next(iter(percentiles.values())) * total:
                name = next(iter(percentiles))
                lateness[name] = late
                del percentiles[name]
        return lateness | {"max": self._most}
