"""Which entries are wanted: by a condition on their own values, or by a function of their frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from itertools import compress
from typing import Any, TypeAlias

import pandas as pd
import pyarrow as pa

from redisnb.entries import BEGINS_OBJECT, Fields, Layout, as_text, entry_times, load_objects
from redisnb.frames.conditions import condition_of, mask
from redisnb.frames.decoding import ENTRY_FIELD, FIELD, JSON, RESERVED, Part, read_entry, typed
from redisnb.frames.fitting import fit_values, is_object
from redisnb.frames.pieces import Pieces

__all__ = ["Filter", "Where"]

#: A value (or several) for each of some columns, an expression, or a function from a frame to a
#: mask.
Where: TypeAlias = Mapping[str, Any] | str | Callable[[pd.DataFrame], Any]

#: An entry as the server sends it: ID, and fields or None.
Answered: TypeAlias = tuple[bytes, Fields | None]

_ABSENT = object()


class Filter:
    """Choose entries by `where`, each by itself.

    Parameters
    ----------
    where : mapping, str or callable
        ``{"carrier": ["UA", "AA"]}``, ``"carrier = 'UA' and dep_delay > 60"``, or a function that
        gets a frame of some entries and returns a boolean mask; NA there is no.
    layout : Layout
        How entries are read.
    schema : mapping of str to dtype, optional
        What `check_schema` gives: a value that a frame would not show is none here.

    Raises
    ------
    ValueError, TypeError
        If it cannot be read as a filter.
    """

    def __init__(
        self, where: Where, layout: Layout, schema: Mapping[str, Any] | None = None
    ) -> None:
        self._where, self._layout, self._schema = where, layout, schema
        self._pieces = Pieces(layout, schema=schema)
        self._condition = None if callable(where) else condition_of(where)
        self._unknown = set(self._condition.compared - RESERVED) if self._condition else set()
        self._columns: dict[Any, None] = {}

    def of_entries(
        self,
        ids: Sequence[bytes],
        bodies: Sequence[Fields | None],
        streams: Sequence[str] | str,
    ) -> Any:
        """Return which entries are wanted, as an array of bool; `streams` is one, or of each."""
        if self._condition is None:
            several = None if isinstance(streams, str) else streams
            return self.of_frame(self._pieces.frame([*zip(ids, bodies, strict=True)], several))
        keys = [streams] * len(ids) if isinstance(streams, str) else list(streams)
        columns = _pick(self._condition.names, bodies, self._layout)
        if "entry_id" in self._condition.names or "entry_time" in self._condition.names:
            stored = pa.array(ids, pa.binary())
            columns["entry_id"] = [(JSON, range(len(ids)), stored.cast(pa.string()))]
            times = pa.Array.from_pandas(entry_times(stored))
            columns["entry_time"] = [(JSON, range(len(ids)), times)]
        columns["stream"] = [(JSON, range(len(ids)), keys)]
        for name in (self._schema or {}).keys() & columns.keys():
            columns[name] = [_fitted(part, self._schema[name]) for part in columns[name]]  # type: ignore[index]
        if self._unknown:
            self._unknown -= {name for name, parts in columns.items() if parts}
            if self._unknown:
                self._note(bodies)
        return mask(self._condition, columns, len(ids))

    def choose(self, page: Sequence[Answered], stream: str) -> list[Answered]:
        """Return the entries, (ID, fields) each, of one stream that are wanted."""
        if not page:
            return []
        ids, bodies = zip(*page, strict=True)
        return list(compress(page, self.of_entries(ids, bodies, stream).tolist()))

    def of_frame(self, frame: pd.DataFrame) -> Any:
        """Return which rows of a frame are wanted, as an array of bool."""
        if callable(self._where):
            given = self._where(frame)
            wanted: Any = pd.array(given, dtype="boolean").fillna(False).to_numpy(dtype=bool)
            if len(wanted) != len(frame):
                raise ValueError(f"where gave {len(wanted)} truth values for {len(frame)} rows")
            return wanted
        assert self._condition is not None
        self._columns |= dict.fromkeys(frame.columns)
        self._unknown -= set(frame.columns)
        columns = {name: [_of_column(frame, name)] for name in self._condition.names}
        return mask(self._condition, columns, len(frame))

    def check(self) -> None:
        """Refuse a column that no entry had: it is a slip of the pen.

        Raises
        ------
        ValueError
            It names the column, and those that there are.
        """
        names = [str(name) for name in self._columns]
        if self._unknown and names:
            unknown = min(self._unknown)
            near = get_close_matches(unknown, names, 1)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(
                f"where={unknown!r}: no entry has this column; there are {', '.join(names)}{meant}"
            )

    def _note(self, bodies: Sequence[Fields | None]) -> None:
        """Note the columns that there are, as far as the first entries of a page show them."""
        self._columns["entry_id"] = None
        for fields in bodies[:20]:
            cells = read_entry(fields, self._layout, RESERVED).cells
            self._columns |= dict.fromkeys(name for name, _, _ in cells)


def _fitted(part: Part, dtype: Any) -> Part:
    """Return a part as a frame with a schema shows it."""
    _, places, values = part
    plain = values if isinstance(values, list) else values.to_pylist()
    read = [as_text(value) if isinstance(value, bytes) else value for value in plain]
    array, _ = fit_values(read, dtype)
    if is_object(dtype):
        return JSON, places, list(array)
    held = pd.Series(array).astype(object)
    return JSON, places, held.where(held.notna(), None).tolist()


def _of_column(frame: pd.DataFrame, name: str) -> Part:
    rows = range(len(frame))
    if name == "entry_time" and name == frame.index.name and name not in frame.columns:
        return JSON, rows, list(frame.index)
    if name not in frame.columns:
        return JSON, rows, [None] * len(frame)
    values, missing = frame[name].astype(object).tolist(), frame[name].isna().tolist()
    return JSON, rows, [None if gone else v for v, gone in zip(values, missing, strict=True)]


def _pick(
    names: frozenset[str], bodies: Sequence[Fields | None], layout: Layout
) -> dict[str, list[Part]]:
    """Return what entries have under some names; an object as it is, whatever is in it."""
    columns: dict[str, list[Part]] = {name: [] for name in names}
    # What got a suffix, or is in every frame, is found by looking at all of an entry.
    is_plain = layout.format != "raw" and not any(
        name.endswith("_field") or name in RESERVED for name in names - {"entry_id", "entry_time"}
    )
    json_rows: Sequence[int] = range(len(bodies))
    flat: list[int] = []
    mixed: list[int] = []
    whole: list[int] = []
    if is_plain and layout.carries and _all_carry(bodies, layout.field):
        texts = [fields[1] for fields in bodies]  # type: ignore[index]
    else:
        json_rows, texts = [], []
        for row, fields in enumerate(bodies):
            if not fields:
                continue
            present = fields[::2]
            if is_plain and layout.is_flat(present):
                flat.append(row)
                continue
            text = _object_text(fields, present, layout) if is_plain else None
            if text is None:
                whole.append(row)
                continue
            json_rows.append(row)
            texts.append(text)
            if len(present) > 1:
                mixed.append(row)
    read = load_objects(texts)
    if None in read:
        whole += [row for row, each in zip(json_rows, read, strict=True) if each is None]
        json_rows = [row for row, each in zip(json_rows, read, strict=True) if each is not None]
        read = [each for each in read if each is not None]
    if read:
        _pick_members(columns, read, json_rows)  # type: ignore[arg-type]  # None is out
    if flat:
        whole += _pick_fields(columns, bodies, flat)
    if mixed:
        objects = dict(zip(json_rows, read, strict=True))
        mixed = [row for row in mixed if row in objects]
        _pick_beside(columns, bodies, objects, mixed, layout.field)  # type: ignore[arg-type]
    for row in whole:
        for name, origin, value in _cells(bodies[row], layout, names):
            columns[name].append((origin, (row,), [value]))
    return columns


def _all_carry(bodies: Sequence[Fields | None], field: bytes) -> bool:
    """Return quickly whether all entries are what `add` writes."""
    if not all(bodies) or set(map(len, bodies)) != {2}:  # type: ignore[arg-type]
        return False
    return all(fields[0] == field for fields in bodies)  # type: ignore[index]


def _object_text(fields: Fields, names: Fields, layout: Layout) -> bytes | None:
    """Return the text of the one JSON object that an entry has, if that is easily said."""
    carrier = layout.carrier(names)
    if carrier not in names or len({*names}) < len(names):
        return None
    if not {*layout.json}.isdisjoint(names):
        return None
    text = fields[2 * names.index(carrier) + 1]
    return text if text[:1] in BEGINS_OBJECT else None


def _pick_members(
    columns: dict[str, list[Part]], objects: Sequence[dict[str, Any]], rows: Sequence[int]
) -> None:
    for name, parts in columns.items():
        if "." in name:
            values = [_find(each, name, None) for each in objects]
        else:
            values = [each.get(name) for each in objects]
        if values.count(None) < len(values) or any(
            _find(each, name, _ABSENT) is None for each in objects
        ):
            parts.append((JSON, rows, typed(JSON, values)))


def _pick_fields(
    columns: dict[str, list[Part]], bodies: Sequence[Fields | None], rows: list[int]
) -> list[int]:
    """Take what flat entries have, and return the rows of those with a field several times."""
    found = [dict(zip(bodies[row][::2], bodies[row][1::2], strict=True)) for row in rows]  # type: ignore[index]
    once = [len(bodies[row]) == 2 * len(each) for row, each in zip(rows, found, strict=True)]  # type: ignore[arg-type]
    repeated = [row for row, each in zip(rows, once, strict=True) if not each]
    for name, parts in columns.items():
        stored = name.encode("utf-8", "surrogatepass")
        values = [
            each.get(stored) if alone else None for each, alone in zip(found, once, strict=True)
        ]
        if values.count(None) < len(values):
            parts.append((FIELD, rows, pa.array(values, pa.binary())))
    return repeated


def _pick_beside(
    columns: dict[str, list[Part]],
    bodies: Sequence[Fields],
    objects: Mapping[int, dict[str, Any]],
    rows: Sequence[int],
    carrier: bytes,
) -> None:
    """Take what entries have beside their object, where that has nothing of the name."""
    found = [dict(zip(bodies[row][::2], bodies[row][1::2], strict=True)) for row in rows]
    for name, parts in columns.items():
        stored = name.encode("utf-8", "surrogatepass")
        if stored == carrier:
            continue
        values = [
            each[stored] if stored in each and not _has_leaf(objects[row], name) else None
            for row, each in zip(rows, found, strict=True)
        ]
        if values.count(None) < len(values):
            parts.append((FIELD, rows, pa.array(values, pa.binary())))


def _has_leaf(members: Mapping[str, Any], name: str) -> bool:
    value = _find(members, name, _ABSENT)
    return value is not _ABSENT and not (type(value) is dict and value)


def _cells(
    fields: Fields | None, layout: Layout, names: frozenset[str]
) -> list[tuple[str, str, Any]]:
    """Return what one entry has under some names: its place in them is told by all of it."""
    reading = read_entry(fields, layout, RESERVED)
    found = {str(name): (origin, value) for name, origin, value in reading.cells if name in names}
    if ENTRY_FIELD in names and reading.parts.carrier is not None:
        found[ENTRY_FIELD] = JSON, as_text(reading.parts.carrier)
    for name in names - found.keys():
        # An object has no column of its own.
        if _find(reading.parts.members, name, None) is not None:
            found[name] = JSON, {}
    return [(name, origin, value) for name, (origin, value) in found.items()]


def _find(members: Mapping[str, Any], name: str, otherwise: Any) -> Any:
    """Return what is at a dotted name in an object: the first of its members that it may name."""
    found = []
    if name in members:
        found.append((name, members[name]))
    for i, letter in enumerate(name):
        inner = members.get(name[:i]) if letter == "." else None
        if type(inner) is dict:
            value = _find(inner, name[i + 1 :], _ABSENT)
            if value is not _ABSENT:
                found.append((name[:i], value))
    if len(found) > 1:
        # A value has the name, and an object with something in it has none.
        order = list(members)
        found.sort(key=lambda each: (bool(each[1]) and type(each[1]) is dict, order.index(each[0])))
    return found[0][1] if found else otherwise
