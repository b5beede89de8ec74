"""A column of a profile: its values by kind, and where it occurs."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

from redisnb.frames.profiling.stretches import (
    MOST_CHANGES,
    Occurrences,
    Stretch,
    kind_changes,
    presence_changes,
)
from redisnb.frames.profiling.values import NUMBERS, TEXTS, KindValues, cut

__all__ = ["ColumnCounts"]

#: How many of the most frequent values are shown.
MOST_FREQUENT = 3


class ColumnCounts:
    """What entries have in one column.

    Parameters
    ----------
    name : str
    take : callable
        Returns whether one more distinct value may be kept.
    """

    def __init__(self, name: str, take: Callable[[], bool]) -> None:
        self.name, self._take = name, take
        self.present = self.nulls = 0
        self.values: dict[str, KindValues] = {}
        # Stretches of one kind of values, of entries that have the column; None if there are many.
        self.runs: list[Stretch] | None = []
        self.stretches: list[Stretch] | None = []
        self._kinds: dict[str, Occurrences] = {}
        self._rows: Occurrences | None = None
        # The stretches that the last value is in, and where in the values and rows they begin.
        self._run = self._stretch = Stretch("", -1, b"")
        self._run_from = self._stretch_from = 0
        self._last_row, self._last_id, self._kind = -2, b"", ""

    def add(self, row: int, id: bytes, kind: str, value: Any) -> None:
        """Count the value of an entry."""
        if row != self._last_row + 1:
            self._begin_stretch(row, id)
        if kind != self._kind:
            self._begin_run(row, id, kind)
        self._last_row, self._last_id = row, id
        self.present += 1
        self.values[kind].add(value)

    def _begin_stretch(self, row: int, id: bytes) -> None:
        self._end_stretch()
        self._stretch, self._stretch_from = Stretch("present", row, id), self.present
        if self._rows is None:
            self._rows = Occurrences("present", row, id)
        self._rows.begin(row)
        self.stretches = _appended(self.stretches, self._stretch, MOST_CHANGES // 2 + 1)

    def _begin_run(self, row: int, id: bytes, kind: str) -> None:
        self._end_run()
        self._run, self._run_from, self._kind = Stretch(kind, row, id), self.present, kind
        if kind not in self.values:
            self.values[kind] = KindValues(kind, self._take)
            self._kinds[kind] = Occurrences(kind, self.present, id)
        self._kinds[kind].begin(self.present)
        self.runs = _appended(self.runs, self._run, MOST_CHANGES + 1)

    def _end_stretch(self) -> None:
        self._stretch.last_row, self._stretch.last_id = self._last_row, self._last_id
        if self._rows is not None:
            self._rows.end(self._last_row, self._last_id, self.present - self._stretch_from)

    def _end_run(self) -> None:
        self._run.last_row, self._run.last_id = self._last_row, self._last_id
        if self._kind:
            count = self.present - self._run_from
            self._kinds[self._kind].end(self.present - 1, self._last_id, count)

    def finish(self, rows: int, *, is_sample: bool) -> None:
        """End the last stretches, of so many rows."""
        self._end_stretch()
        self._end_run()
        for each in [*self._kinds.values(), *([] if self._rows is None else [self._rows])]:
            each.stretch.begins = each.stretch.ends = not is_sample
        stretches = self.stretches or []
        if stretches and _changes(stretches, rows) > MOST_CHANGES:
            self.stretches = None

    # -- for the frame

    def kinds(self) -> str:
        """Return the kinds of its values and how many there are, the most frequent first."""
        counts = {kind: values.count for kind, values in self.values.items()}
        ordered = sorted(counts.items(), key=lambda each: -each[1])
        nulls = [("null", self.nulls)] if self.nulls else []
        return ", ".join(f"{kind} {count}" for kind, count in [*ordered, *nulls])

    def distinct(self) -> int | None:
        """Return how many distinct values there are; None where they were not all counted."""
        values = self.values.values()
        return sum(len(each.counts) for each in values) if all(v.is_whole for v in values) else None

    def extremes(self) -> tuple[str | None, str | None]:
        """Return the smallest and the largest value: of numbers or text, whichever are more."""
        counts = [
            sum(values.count for kind, values in self.values.items() if kind in kinds)
            for kinds in (NUMBERS, TEXTS)
        ]
        kinds = NUMBERS if counts[0] >= counts[1] else TEXTS
        places = [
            place
            for kind, values in self.values.items()
            if kind in kinds
            for place in values.extremes()
        ]
        return (cut(min(places)), cut(max(places))) if places else (None, None)

    def top(self) -> str:
        """Return the most frequent values with their counts; none that occurs only once."""
        counted = [
            (count, values, key)
            for values in self.values.values()
            for key, count in values.counts.items()
            if count > 1
        ]
        most = heapq.nlargest(MOST_FREQUENT, counted, key=lambda each: each[0])
        return ", ".join(f"{values.shown(key)} {count}" for count, values, key in most)

    def seen(self) -> tuple[str | None, str | None]:
        """Return the IDs of the first and the last entry that has it."""
        if self._rows is None:
            return None, None
        whole = self._rows.stretch
        first = self.stretches[0].first_id if self.stretches else whole.first_id
        last = self.stretches[-1].last_id if self.stretches else whole.last_id
        return first.decode(), last.decode()

    def changes(self, rows: int) -> str:
        """Return where its kind changes, and where it begins and ends to be present, in words."""
        if self._rows is None:
            return ""
        kinds = kind_changes(self.runs or [], list(self._kinds.values()), self.present)
        presence = presence_changes(self.stretches or [], self._rows, rows)
        return "; ".join(filter(None, (kinds, presence)))


def _appended(stretches: list[Stretch] | None, stretch: Stretch, most: int) -> list[Stretch] | None:
    if stretches is None or len(stretches) == most:
        return None
    stretches.append(stretch)
    return stretches


def _changes(stretches: list[Stretch], rows: int) -> int:
    """Return how often entries that have a column follow ones that do not, or the reverse."""
    edges = 2 * len(stretches)
    return edges - (stretches[0].first_row == 0) - (stretches[-1].last_row == rows - 1)
