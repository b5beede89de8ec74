"""The values of some names in many entries, without reading the rest of them.

The result is that of `read_entry` for each entry. Entries that some members and fields alone do not
decide take the slow road, one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from itertools import chain
from typing import Any

import pyarrow as pa

from redisnb.entries import ABSENT, Fields, Layout, MemberReader, as_text, to_bytes
from redisnb.frames.decoding import (
    ENTRY_FIELD,
    FIELD,
    JSON,
    RESERVED,
    Block,
    ColumnPart,
    Shapes,
    array_or_list,
    read_entry,
    select_block,
    sort_entries,
)

__all__: list[str] = []


class Picker:
    """A reader of the values of some names in entries, page by page.

    Parameters
    ----------
    names : set of str
        Names of columns; of the reserved ones only ``entry_field``.
    layout : Layout
        How entries are read.

    Attributes
    ----------
    known_names : set of str
        The names that some entry had.
    """

    def __init__(self, names: Set[str], layout: Layout) -> None:
        self.known_names: set[str] = set()
        self._names, self._coded, self._layout = names, layout, layout.plain
        self._stored = {name: to_bytes(name) for name in names}
        self._carrier = self._stored.pop(ENTRY_FIELD, None) is not None
        # Only a whole entry tells which of its names got a suffix.
        self._is_plain = layout.format != "raw" and not any(
            name.endswith("_field") for name in self._stored
        )
        self._shapes = Shapes(self._layout, frozenset())
        # A dot may be part of a member's name, or lead into an object.
        self._tops = {
            name: [name[:i] for i, letter in enumerate(f"{name}.") if letter == "."]
            for name in self._stored
        }
        self._reader = MemberReader(dict.fromkeys(chain.from_iterable(self._tops.values())))
        # Of the current page: the columns so far, and the rows for the slow road.
        self._columns: dict[str, list[ColumnPart]] = {}
        self._slow: list[int] = []

    def columns(self, bodies: Sequence[Fields | None]) -> dict[str, list[ColumnPart]]:
        """Return the parts of each name's column; an object is a value, whatever it contains."""
        picked = self._columns = {name: [] for name in self._names}
        if not self._is_plain:
            self._take_entries(enumerate(bodies), self._coded)
            return picked
        if self._coded.coding is not None:
            whole = list(enumerate(bodies))
            bodies = [self._coded.decoded(fields or ()) for fields in bodies]
            self._take_entries((each for each in whole if bodies[each[0]] is None), self._coded)
        roads = sort_entries(bodies, range(len(bodies)), self._layout, self._shapes.find)
        self._slow = [*roads.others]
        beside = dict(roads.beside) if self._stored.keys() & roads.names else {}
        for block in roads.blocks:
            self._take_block(block, beside)
        self._take_flat([*beside], [*beside.values()])
        self._take_flat(roads.flat, [bodies[row] or () for row in roads.flat])
        self._take_entries(((row, bodies[row]) for row in self._slow), self._layout)
        return picked

    def _add(self, name: str, origin: str, rows: Sequence[int], values: Any) -> None:
        self._columns[name].append((origin, rows, values))
        self.known_names.add(name)

    def _take_flat(self, rows: Sequence[int], bodies: Sequence[Fields]) -> None:
        """Take entries, or parts of entries, that are fields and nothing else."""
        shapes: dict[tuple[bytes, ...], list[int]] = {}
        for i, fields in enumerate(bodies):
            shapes.setdefault(tuple(fields[::2]), []).append(i)
        for name, stored in self._stored.items():
            once: list[bytes | None] = [None] * len(rows)
            for names, places in shapes.items():
                times = names.count(stored)
                if times == 1:
                    at = 2 * names.index(stored) + 1
                    for i in places:
                        once[i] = bodies[i][at]
                elif times:
                    several = [_repeated_texts(bodies[i], stored) for i in places]
                    self._add(name, FIELD, [rows[i] for i in places], several)
            if once.count(None) < len(once):
                self._add(name, FIELD, rows, pa.array(once, pa.binary()))

    # -- JSON

    def _take_block(self, block: Block, beside: dict[int, Fields]) -> None:
        """Take JSON objects; remove from `beside` the fields that share a name with a member."""
        members, wrong = self._reader.read(block.texts)
        rows = block.rows
        if wrong:
            others = [True] * len(rows)
            for i in wrong:
                others[i] = False
                self._slow.append(rows[i])
                beside.pop(rows[i], None)
            block = select_block(block, others)
            rows = block.rows
        if self._carrier and rows:
            carriers = [as_text(carrier.name) for carrier in block.carriers]
            self._add(ENTRY_FIELD, JSON, rows, carriers)
        for name, stored in self._stored.items():
            values = members[name]
            if "." in name:
                values = self._inside(name, members, rows)
            absent = values.count(ABSENT)
            if absent == len(values):
                continue
            for i, row in enumerate(rows if beside else ()):
                if row in beside and _is_leaf(values[i]):
                    beside[row] = _without_field(beside[row], stored)
            if absent:
                values = [None if value is ABSENT else value for value in values]
            self._add(name, JSON, rows, array_or_list(JSON, values))

    def _inside(
        self, name: str, members: Mapping[str, list[Any]], rows: Sequence[int]
    ) -> list[Any]:
        """Return the values at a dotted name where only one member may lead to it."""
        values: list[Any] = [ABSENT] * len(rows)
        times = [0] * len(rows)
        for top in self._tops[name]:
            inside = name[len(top) + 1 :]
            for i, value in enumerate(members[top]):
                if value is not ABSENT:
                    times[i] += 1
                    values[i] = value if top == name else _find_member(value, inside, ABSENT)
        for i, n in enumerate(times):
            if n > 1:
                values[i] = ABSENT
                self._slow.append(rows[i])
        return values

    # -- the slow road

    def _take_entries(self, entries: Iterable[tuple[int, Fields | None]], layout: Layout) -> None:
        for row, fields in entries:
            for name, origin, value in _named_cells(fields, layout, self._names):
                self._add(name, origin, (row,), [value])


def _repeated_texts(fields: Fields, name: bytes) -> list[str]:
    pairs = zip(fields[::2], fields[1::2], strict=True)
    return [as_text(value) for each, value in pairs if each == name]


def _without_field(fields: Fields, name: bytes) -> Fields:
    pairs = zip(fields[::2], fields[1::2], strict=True)
    return [part for pair in pairs if pair[0] != name for part in pair]


def _is_leaf(value: Any) -> bool:
    return value is not ABSENT and not (type(value) is dict and value)


def _named_cells(
    fields: Fields | None, layout: Layout, names: Set[str]
) -> list[tuple[str, str, Any]]:
    """Return the cells (name, origin, value) of one entry under some names, from all of it."""
    reading = read_entry(fields, layout, RESERVED)
    cells = {str(name): (origin, value) for name, origin, value in reading.cells if name in names}
    if ENTRY_FIELD in names and reading.parts.carrier is not None:
        cells[ENTRY_FIELD] = JSON, as_text(reading.parts.carrier)
    for name in names - cells.keys():
        # An object has no column of its own.
        if _find_member(reading.parts.members, name, None) is not None:
            cells[name] = JSON, {}
    return [(name, origin, value) for name, (origin, value) in cells.items()]


def _find_member(members: Any, name: str, otherwise: Any) -> Any:
    """Return the value at a dotted name in an object: of the first member that it may name."""
    if type(members) is not dict:
        return otherwise
    candidates = []
    if name in members:
        candidates.append((name, members[name]))
    for i, letter in enumerate(name):
        value = (
            _find_member(members.get(name[:i]), name[i + 1 :], ABSENT) if letter == "." else ABSENT
        )
        if value is not ABSENT:
            candidates.append((name[:i], value))
    if len(candidates) > 1:
        # A value has the name; an object that is not empty has none.
        order = list(members)
        candidates.sort(
            key=lambda each: (bool(each[1]) and type(each[1]) is dict, order.index(each[0]))
        )
    return candidates[0][1] if candidates else otherwise
