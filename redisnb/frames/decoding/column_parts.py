"""The columns of the entries that the decoder has taken so far, each in parts."""

from __future__ import annotations

from collections.abc import Set

from redisnb.entries import free_name
from redisnb.frames.decoding import arrays, columns
from redisnb.frames.decoding.arrays import ColumnPart

__all__: list[str] = []


class ColumnParts:
    """The parts of each column, and the order of the columns.

    Parameters
    ----------
    reserved : set of str
        Names that the frame gives to columns of its own.

    Attributes
    ----------
    renamed : dict of str to str
        The names that got a suffix, and what they have become.
    member_names, beside_names : set of str
        The columns that JSON objects have, and those of the fields beside them.
    """

    def __init__(self, reserved: Set[str]) -> None:
        self.reserved = reserved
        self.renamed: dict[str, str] = {}
        self.member_names, self.beside_names = set[str](), set[str]()
        self._parts: dict[str, list[ColumnPart]] = {}
        # The first row that has a column, and the place of its value in that entry.
        self._first_places: dict[str, tuple[int, float]] = {}

    def name(self, plain: str) -> str:
        """Return the column of a name; no other name of its entry may lead to it."""
        if plain not in self.reserved:
            return plain
        name = self.renamed[plain] = free_name(plain, set(self.reserved))
        return name

    def add(self, name: str, part: ColumnPart, place: tuple[int, float]) -> None:
        """Add a part to a column; `place` is the row and the place of its first value."""
        self._parts.setdefault(name, []).append(part)
        first = self._first_places.get(name)
        if first is None or place < first:
            self._first_places[name] = place

    def append(self, name: str, part: ColumnPart) -> None:
        """Add a part to a column of which an earlier row has a value."""
        self._parts[name].append(part)

    def merge(self) -> None:
        """Put the small arrays of each column together."""
        for parts in self._parts.values():
            arrays.merge(parts)

    def ordered_names(self) -> list[str]:
        """Return the columns of the frame in the order of their first values."""
        empty = [
            name for name, parts in self._parts.items() if not any(map(arrays.has_value, parts))
        ]
        names = self._parts.keys() - columns.null_objects(empty, self._parts)
        return sorted(names, key=self._first_places.__getitem__)

    def pop(self, name: str) -> list[ColumnPart]:
        """Remove a column and return its parts."""
        return self._parts.pop(name)
