"""How often a live panel draws, and the rates that it draws."""

from __future__ import annotations

import time
from collections import deque
from typing import NamedTuple

__all__ = ["DrawingPace", "Rates"]

#: The shortest time between two drawings, in seconds, and how many times as long as one took the
#: next is put off: what is left of the kernel's time belongs to the cells.
_DRAW_EVERY, _PAUSES = 0.2, 50
#: The same of the time that it waited, as for a server that is asked.
_WAITS = 5
#: How many seconds of rates are kept, one a second.
_KEPT_RATES = 300


class DrawingPace:
    """When to draw: at most five times a second, and seldom enough to take a fiftieth of a core."""

    def __init__(self) -> None:
        self._next = 0.0
        self._began = (0.0, 0.0)

    @property
    def is_due(self) -> bool:
        """Whether to draw now."""
        return time.monotonic() >= self._next

    def hurry(self) -> None:
        """Draw the next time, whatever the last one took."""
        self._next = 0.0

    def __enter__(self) -> None:
        # By the clock of this thread: what it waits for costs the kernel nothing.
        self._began = time.thread_time(), time.monotonic()

    def __exit__(self, *_: object) -> None:
        now, (began, began_at) = time.monotonic(), self._began
        took, waited = time.thread_time() - began, now - began_at
        self._next = now + max(_DRAW_EVERY, _PAUSES * took, _WAITS * waited)


class _Moment(NamedTuple):
    at: float
    counts: dict[str, int]


class Rates:
    """How many entries came in each of the last seconds, of several kinds."""

    def __init__(self) -> None:
        self._last: _Moment | None = None
        self._points: deque[tuple[float, dict[str, float]]] = deque(maxlen=_KEPT_RATES)

    def add(self, counts: dict[str, int]) -> None:
        """Add counts as of now; one that is less than before begins again."""
        now, last = time.monotonic(), self._last
        self._last = _Moment(now, counts)
        if last is None:
            return
        rates = {
            name: max(0, n - last.counts.get(name, n)) / (now - last.at)
            for name, n in counts.items()
        }
        self._points.append((time.time(), rates))

    def begin_again(self) -> None:
        """Compare the next counts with none: what they count has changed."""
        self._last = None

    def lines(self) -> tuple[list[int], dict[str, list[float | None]]]:
        """Return the times, in milliseconds since 1970, and the rates by kind."""
        points = list(self._points)
        names = list(points[-1][1]) if points else []
        times = [round(1000 * at) for at, _ in points]
        return times, {name: [_rounded(rates.get(name)) for _, rates in points] for name in names}


def _rounded(rate: float | None) -> float | None:
    return rate if rate is None else round(rate, 1 if rate < 100 else 0)
