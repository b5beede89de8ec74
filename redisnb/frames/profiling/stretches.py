"""Stretches of entries that are alike in a column, and the words for where they begin and end.

What is a change
    A column's values form stretches of one kind, and its entries stretches in which it is present.
    Up to `MOST_CHANGES` changes from one stretch to the next are listed, each by its entries. Where
    there are more, a kind begins (or ends) somewhere only if the values before its first one (after
    its last one) are more than `TIMES_LONGER` times as many as the values between any two of its
    own, of which there are at least `FEWEST`; likewise for the entries that have the column. So a
    column in every second entry changes nothing, and one that is in every second entry from some
    entry on begins there. Integers and floats that alternate are numbers, not a change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["MOST_CHANGES", "Occurrences", "Stretch"]

MOST_CHANGES, TIMES_LONGER, FEWEST = 4, 10, 3
_NUMERIC = ({"int", "float"}, {"int text", "float text"})


@dataclass(slots=True)
class Stretch:
    """Neighbouring values of one kind, or neighbouring entries that have the column.

    Attributes
    ----------
    kind : str
        The kind of the values.
    first_row, last_row : int
        The places of its first and last entry among those looked at.
    first_id, last_id : bytes
        Their IDs.
    begins, ends : bool
        Whether the entry before the first one, and that after the last one, is known: in a sample
        it may lie between two of its entries.
    """

    kind: str
    first_row: int
    first_id: bytes
    last_row: int = -1
    last_id: bytes = b""
    begins: bool = True
    ends: bool = True

    def place(self, *, from_start: bool, to_end: bool) -> str:
        """Return where it is, in words; "throughout" if it is from the start to the end."""
        first = self.first_id.decode() + ("" if self.begins else " or earlier")
        last = self.last_id.decode() + ("" if self.ends else " or later")
        if from_start:
            return "throughout" if to_end else f"until {last}"
        if to_end:
            return f"since {first}"
        return f"only in {first}" if first == last else f"from {first} to {last}"


class Occurrences:
    """Where something occurs in a sequence: a kind among the values, or a column in the entries."""

    __slots__ = ("_last", "count", "longest", "stretch")

    def __init__(self, kind: str, place: int, id: bytes) -> None:
        self.stretch = Stretch(kind, place, id)
        self.count = 0
        # The most places between two of them.
        self.longest = 0
        self._last = place

    def begin(self, place: int) -> None:
        """Note that it occurs again after something else."""
        self.longest = max(self.longest, place - self._last - 1)

    def end(self, place: int, id: bytes, count: int) -> None:
        """Note that it occurred up to a place, in so many neighbouring ones."""
        self._last = self.stretch.last_row = place
        self.stretch.last_id = id
        self.count += count

    def place(self, total: int) -> str | None:
        """Return where it is in so many places, in words; None if it neither begins nor ends."""
        enough = self.count >= FEWEST
        begins = enough and self.stretch.first_row > TIMES_LONGER * self.longest
        ends = enough and total - 1 - self._last > TIMES_LONGER * self.longest
        if not (begins or ends):
            return None
        return self.stretch.place(from_start=not begins, to_end=not ends)


def kind_changes(runs: Sequence[Stretch], others: Sequence[Occurrences], total: int) -> str:
    """Return where the kind of a column's values changes, in words.

    Parameters
    ----------
    runs : sequence of Stretch
        The stretches of one kind, in order; empty where there are too many.
    others : sequence of Occurrences
        Where each kind occurs.
    total : int
        The number of values.
    """
    kinds = {each.stretch.kind for each in others}
    is_numeric = any(kinds <= numeric for numeric in _NUMERIC)
    if len(runs) == 1 or (is_numeric and len(runs) > 2):
        return ""
    if runs:
        last = len(runs) - 1
        return ", ".join(
            f"{run.kind} {run.place(from_start=not i, to_end=i == last)}"
            for i, run in enumerate(runs)
        )
    places = {each.stretch.kind: each.place(total) for each in others}
    if any(places.values()):
        return ", ".join(f"{kind} {place or 'throughout'}" for kind, place in places.items())
    return "" if is_numeric else f"{' and '.join(places)} mixed throughout"


def presence_changes(stretches: Sequence[Stretch], others: Occurrences, total: int) -> str:
    """Return where a column begins and ends to be present, in words.

    Parameters
    ----------
    stretches : sequence of Stretch
        The stretches of entries that have it, in order; empty where there are too many.
    others : Occurrences
        Of the entries that have it.
    total : int
        The number of entries.
    """
    if stretches:
        places = [
            each.place(from_start=not each.first_row, to_end=each.last_row == total - 1)
            for each in stretches
        ]
        return "" if places == ["throughout"] else f"present {', '.join(places)}"
    place = others.place(total)
    return "" if place is None else f"present now and then {place}"
