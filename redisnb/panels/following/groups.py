"""What a live panel asks of groups, and has them do."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from redisnb.panels.parts import USER_ERRORS
from redisnb.stream import ConsumerGroup

__all__ = ["settled", "standing"]


def standing(groups: Sequence[ConsumerGroup]) -> str:
    """Return how far the groups are, in words; "" if the server does not tell."""
    try:
        rows = pd.concat([group.info() for group in groups])
    except USER_ERRORS:
        # The consumer gets the same error and reports it.
        return ""
    if not len(rows):
        return ""
    lag, pending = rows["lag"].sum(skipna=False), int(rows["pending"].sum())
    # A lag that the server does not know is not 0.
    known = "unknown" if pd.isna(lag) else f"{lag:,}"
    return f"lag {known} · {pending:,} pending"


def settled(
    groups: Sequence[ConsumerGroup],
    entries: pd.DataFrame,
    how: Callable[[ConsumerGroup, pd.DataFrame], int],
) -> int:
    """Have each group settle its part of some entries; return how many it did."""
    count = 0
    for group in groups:
        is_many = len(groups) > 1 and "stream" in entries.columns
        part = entries[entries["stream"] == group.stream.key] if is_many else entries
        count += how(group, part) if len(part) else 0
    return count
