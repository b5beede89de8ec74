"""Which groups need a look: judged by their rows alone, without asking the server."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd

from redisnb.durations import duration
from redisnb.stream import STUCK_AFTER

__all__ = ["GroupName", "GroupRank", "find_row", "ranked_groups"]

_LONG_IDLE = pd.Timedelta(STUCK_AFTER, "ms")
_WORST_FIRST = ("bad", "warn", "good")


class GroupName(NamedTuple):
    """A group: the key of its stream, and its name."""

    stream: str
    group: str


class GroupRank(NamedTuple):
    """A group, how it is ("bad", "warn" or "good"), and why, in words."""

    name: GroupName
    tone: str
    why: str
    pending: int
    lag: int | None

    @property
    def waiting(self) -> int:
        """How many entries are not handled yet, delivered or not, as far as is known."""
        return self.pending + (self.lag or 0)


def ranked_groups(groups: pd.DataFrame) -> list[GroupRank]:
    """Return the groups of a frame in schema GROUPS, the worst first."""
    ranks = [_rank_of(row) for row in groups.to_dict("records")]
    return sorted(ranks, key=lambda each: (_WORST_FIRST.index(each.tone), -each.waiting))


def find_row(groups: pd.DataFrame, name: GroupName | None) -> dict[str, Any] | None:
    """Return the row of a group; None if it is not there."""
    if name is None:
        return None
    # Not by a mask: of a few rows that takes pandas ten times as long.
    names = list(zip(groups["stream"].tolist(), groups["group"].tolist(), strict=True))
    if name not in names:
        return None
    row = groups.iloc[names.index(name)]
    return {str(column): row[column] for column in groups.columns}


def _rank_of(row: dict[Any, Any]) -> GroupRank:
    lag = None if pd.isna(row["lag"]) else int(row["lag"])
    pending = int(row["pending"])
    tone, why = _judged(row, lag, pending)
    return GroupRank(GroupName(row["stream"], row["group"]), tone, why, pending, lag)


def _judged(row: dict[Any, Any], lag: int | None, pending: int) -> tuple[str, str]:
    idle, oldest = row["longest_idle"], row["oldest_pending"]
    if pending and not pd.isna(idle) and idle >= _LONG_IDLE:
        return "bad", f"{pending:,} pending, idle for up to {duration(idle)}"
    if lag and not row["consumers"]:
        return "bad", f"{lag:,} wait, and there is no consumer"
    if pending and not pd.isna(oldest) and oldest >= _LONG_IDLE:
        return "warn", f"{pending:,} pending, the oldest was added {duration(oldest)} ago"
    if lag is None:
        return "warn" if not row["consumers"] else "good", f"lag unknown: {row['lag_unknown']}"
    return "good", f"{pending:,} pending, {lag:,} to be delivered"
