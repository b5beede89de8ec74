"""Changes that lie somewhere between two entries of a sample, and entries that narrow them down."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from redisnb.entries import id_pair
from redisnb.frames.profiling.columns import ColumnCounts
from redisnb.frames.profiling.stretches import Stretch

__all__ = ["SampleGap", "Switch"]


class SampleGap(NamedTuple):
    """Two neighbours in a sample that need not be neighbours in the stream.

    Attributes
    ----------
    row : int
        The place of the second one in the sample.
    before, after : bytes
        Their IDs.
    """

    row: int
    before: bytes
    after: bytes


@dataclass(slots=True)
class Switch:
    """A change in a column that lies between two entries.

    Attributes
    ----------
    column : str
    kind : str or None
        The kind of the values before it; None if it is about whether the column is present.
    was_present : bool
        Whether the column was present before it.
    low, high : bytes
        The IDs of the last entry known to lie before it, and of the first one known to lie after.
    """

    column: str
    kind: str | None
    was_present: bool
    low: bytes
    high: bytes
    _before: Stretch | None
    _after: Stretch | None

    def narrow(self, id: bytes, kinds: Mapping[str, str]) -> None:
        """Take the kinds of an entry's values, by column."""
        kind = kinds.get(self.column)
        if self.kind is None:
            is_before = (kind is not None) is self.was_present
        elif kind is None:
            # An entry without the column is on neither side.
            return
        else:
            is_before = kind == self.kind
        pair = id_pair(id)
        if not id_pair(self.low) < pair < id_pair(self.high):
            return
        if is_before:
            self.low = id
        else:
            self.high = id

    def settle(self) -> None:
        """Store in the column where it is; without this it is only known to lie between the two."""
        if self._before is not None:
            self._before.last_id, self._before.ends = self.low, True
        if self._after is not None:
            self._after.first_id, self._after.begins = self.high, True


def open_switches(column: ColumnCounts, gaps: Sequence[SampleGap], rows: int) -> Iterator[Switch]:
    """Yield the changes of a column across which there is a gap in the sample."""
    runs = column.runs or []
    for before, after in pairwise(runs):
        here = bisect_right(gaps, before.last_row, key=lambda gap: gap.row)
        if here < len(gaps) and gaps[here].row <= after.first_row:
            low, high = before.last_id, after.first_id
            before.ends = after.begins = False
            yield Switch(column.name, before.kind, True, low, high, before, after)
    by_row = {gap.row: gap for gap in gaps}
    for stretch in column.stretches or []:
        if (gap := by_row.get(stretch.first_row)) is not None:
            stretch.begins = False
            yield Switch(column.name, None, False, gap.before, gap.after, None, stretch)
        if (gap := by_row.get(stretch.last_row + 1)) is not None and stretch.last_row < rows - 1:
            stretch.ends = False
            yield Switch(column.name, None, True, gap.before, gap.after, stretch, None)
