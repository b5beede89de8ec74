"""How far behind the groups were, look by look, for the lines of a panel."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, NamedTuple

import pandas as pd

from redisnb.panels.consumer_groups.seeing.ranking import GroupName, GroupRank

__all__ = ["Backlogs", "TimeLines"]

#: How many looks are kept, and of how many a small line in the list is made.
_KEPT_LOOKS, _SMALL = 300, 20
#: From how many of a unit on the next one is used, and its seconds.
_UNITS = ((2 * 86_400, "d", 86_400), (2 * 3_600, "h", 3_600), (120, "min", 60), (0, "s", 1))


class _Look(NamedTuple):
    at: int
    lag: int | None
    pending: int
    waited: float | None
    oldest: float | None


class TimeLines(NamedTuple):
    """Times in ms, and lines over them: in entries, and in a unit of time."""

    times: list[int]
    entries: dict[str, list[int | None]]
    spans: dict[str, list[float | None]]
    unit: str


class Backlogs:
    """The last looks at each group; of the open one, also how long entries wait."""

    def __init__(self) -> None:
        self._looks: dict[GroupName, deque[_Look]] = {}

    def add(
        self,
        ranks: Iterable[GroupRank],
        name: GroupName | None,
        row: dict[str, Any] | None,
        waited: timedelta | None,
    ) -> None:
        """Add what was seen now: of all groups, and more of the open one."""
        now = round(time.time() * 1000)
        for rank in ranks:
            spans: tuple[float | None, float | None] = (None, None)
            if rank.name == name and row is not None:
                spans = _seconds_of(waited), _seconds_of(row["oldest_pending"])
            looks = self._looks.setdefault(rank.name, deque(maxlen=_KEPT_LOOKS))
            looks.append(_Look(now, rank.lag, rank.pending, *spans))

    def points(self, name: GroupName) -> list[int]:
        """Return how much waited lately, delivered or not, for a small line."""
        looks = list(self._looks.get(name, ()))[-_SMALL:]
        return [(each.lag or 0) + each.pending for each in looks]

    def lines(self, name: GroupName | None) -> TimeLines:
        """Return the lines of a group."""
        looks = [] if name is None else list(self._looks.get(name, ()))
        spans = {
            "next entry": [each.waited for each in looks],
            "oldest pending": [each.oldest for each in looks],
        }
        longest = max((s for line in spans.values() for s in line if s is not None), default=0.0)
        unit, seconds = next((unit, n) for least, unit, n in _UNITS if longest >= least)
        return TimeLines(
            [each.at for each in looks],
            {"lag": [each.lag for each in looks], "pending": [each.pending for each in looks]},
            {
                each: [None if s is None else round(s / seconds, 2) for s in line]
                for each, line in spans.items()
            },
            unit,
        )


def _seconds_of(span: Any) -> float | None:
    return None if span is None or pd.isna(span) else max(0.0, span.total_seconds())
