"""The changes of a transform, written back into its entries; the rest stays byte for byte."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import pandas as pd

from redisnb.entries import (
    Edit,
    Fields,
    Layout,
    edit_json,
    field_value,
    json_value,
    to_bytes,
    to_python,
    write_event,
)
from redisnb.errors import EncodeError
from redisnb.frames.decoding import RESERVED, Reading, object_array, read_entry
from redisnb.frames.fitting import is_object

__all__: list[str] = []

#: The new values of an entry's columns: MISSING where it is a missing one, GONE for no column.
Changes: TypeAlias = Mapping[Any, Any]

MISSING, GONE = object(), object()


def copy_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a copy that can be changed in place, including the lists and objects in it."""
    copied = frame.copy()
    for i, dtype in enumerate(frame.dtypes):
        if is_object(dtype):
            cells = frame.iloc[:, i].tolist()
            if any(isinstance(cell, list | dict) for cell in cells):
                copied.isetitem(i, object_array(copy.deepcopy(cells)))
    return copied


def source_rows(before: pd.DataFrame, after: pd.DataFrame) -> list[int]:
    """Return the source row of each row of a transformed frame.

    Each has to come from one entry, in order: the progress of a replay is known by its entries.
    """
    if "entry_id" in before.columns and "entry_id" in after.columns:
        names = ["entry_id"]
        if "stream" in before.columns and "stream" in after.columns:
            names.append("stream")
        rows = {key: row for row, key in enumerate(_row_keys(before, names))}
        sources = [rows.get(key, -1) for key in _row_keys(after, names)]
        if -1 not in sources and all(one < other for one, other in pairwise(sources)):
            return sources
    elif len(before) == len(after):
        return list(range(len(before)))
    raise ValueError(
        f"transform= gave {len(after):,} rows for {len(before):,} entries, and not each is one of "
        "them, in order; it may drop rows, if it keeps the column entry_id, and change columns"
    )


def _row_keys(frame: pd.DataFrame, names: Sequence[str]) -> list[Any]:
    return list(zip(*(frame[name].tolist() for name in names), strict=True))


def _check_reserved(before: pd.DataFrame, after: pd.DataFrame, rows: Sequence[int]) -> None:
    """Refuse a change of a reserved column, whose values the entry itself determines."""
    own = before.iloc[list(rows)]
    for name in sorted(RESERVED & {*after.columns, after.index.name}):
        if name == "entry_time":
            times = after[name] if name in after.columns else after.index
            is_same = list(times) == list(own.index)
        elif name not in before.columns:
            raise ValueError(
                f"transform= made a column {name!r}, a name of redisnb's own; choose another"
            )
        else:
            is_same = all(map(is_equal, after[name].tolist(), own[name].tolist()))
        if not is_same:
            raise ValueError(
                f"transform= changed {name!r}, which comes with the entry and is never written; "
                "leave it as it is, and write to a column of another name"
            )


def changes(before: pd.DataFrame, after: pd.DataFrame, rows: Sequence[int]) -> Sequence[Changes]:
    """Return the changes in each row of a transformed frame.

    Parameters
    ----------
    rows : sequence of int
        The row of `before` from which each comes.

    Raises
    ------
    ValueError
        If a column occurs twice, or a reserved one differs.
    """
    if not after.columns.is_unique:
        twice = after.columns[after.columns.duplicated()][0]
        raise ValueError(f"transform= gave the column {twice!r} twice")
    _check_reserved(before, after, rows)
    changed: list[dict[Any, Any]] = [{} for _ in rows]
    own = before.iloc[list(rows)]
    for name in before.columns:
        if name not in RESERVED and name not in after.columns:
            for row in changed:
                row[name] = GONE
    for name in after.columns:
        if name in RESERVED:
            continue
        new = after[name]
        old = own[name] if name in before.columns else None
        is_typed = old is not None and old.dtype == new.dtype and not is_object(new.dtype)
        if old is not None and is_typed and old.array.equals(new.array):
            continue
        old_values = [None] * len(rows) if old is None else old.tolist()
        for row, value, old_value in zip(changed, new.tolist(), old_values, strict=True):
            if not is_equal(value, old_value):
                row[name] = MISSING if is_missing_cell(value) else value
    return changed


def is_missing_cell(value: object) -> bool:
    """Return whether a cell has no value: NaN of any type too, which is unequal to itself."""
    return value is None or value is pd.NA or value is pd.NaT or value != value


def is_equal(one: Any, other: Any) -> bool:
    """Return whether two cells are equal: 1 equals 1.0 but not True, missing equals missing."""
    one, other = to_python(one), to_python(other)
    if isinstance(one, list | tuple) or isinstance(other, list | tuple):
        is_pair = isinstance(one, list | tuple) and isinstance(other, list | tuple)
        return is_pair and len(one) == len(other) and all(map(is_equal, one, other))
    if isinstance(one, dict) or isinstance(other, dict):
        is_pair = isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys()
        return is_pair and all(is_equal(value, other[name]) for name, value in one.items())
    if is_missing_cell(one) or is_missing_cell(other):
        return is_missing_cell(one) and is_missing_cell(other)
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def rewrite_fields(fields: Fields, layout: Layout, changed: Changes) -> Fields:
    """Return an entry's fields with some of its columns changed.

    Members that are not changed keep their text, and fields their bytes. A new column becomes a
    member of the JSON object where the entry has one, else a field.

    Raises
    ------
    EncodeError
        If a value cannot be carried; `column` names it.
    ValueError
        If a new column's name leads through a value that is no object.
    """
    if layout.coding is None:
        return _rewrite_plain(fields, layout, changed)
    plain = layout.decoded(fields)
    if plain is None:
        return _rewrite_plain(fields, layout, changed)
    return layout.recoded(_rewrite_plain(plain, layout.plain, changed), fields)


def _rewrite_plain(fields: Fields, layout: Layout, changed: Changes) -> Fields:
    if layout.format == "raw":
        if changed.keys() - {"fields"}:
            name = next(iter(changed.keys() - {"fields"}))
            raise EncodeError("a raw event has the column 'fields' alone", column=str(name))
        return write_event(dict(changed), layout) if changed else fields
    reading = read_entry(fields, layout, RESERVED)
    edits, texts = _locate(changed, reading, layout)
    if edits and layout.coding is not None:
        raise EncodeError(f"decode={layout.coding!r} cannot read all of this entry's fields")
    flat = list(fields)
    for field, each in edits.items():
        flat = _with_members(flat, field, each, is_apart=field != reading.parts.carrier)
    for field, field_texts in texts.items():
        flat = _with_field(flat, field, field_texts)
    if not flat:
        raise EncodeError("an entry has at least one field; this event has no value at all")
    return flat


def _locate(
    changed: Changes, reading: Reading, layout: Layout
) -> tuple[dict[bytes, list[Edit]], dict[bytes, list[bytes]]]:
    """Return the edits of each field's JSON, and the new texts of each of the other fields."""
    places = {cell[0]: place for cell, place in zip(reading.cells, reading.places, strict=True)}
    values = {name: value for name, _, value in reading.cells}
    apart, carrier = reading.parts.apart, reading.parts.carrier
    edits: defaultdict[bytes, list[Edit]] = defaultdict(list)
    texts: dict[bytes, list[bytes]] = {}
    for name, value in changed.items():
        place = places.get(name)
        if place is None:
            if value is MISSING or value is GONE:
                continue
            place = _new_place(name, layout, carrier)
            _check_free(name, place, reading.parts.members, changed)
        if isinstance(place, tuple):
            text = None if value is GONE else _member_text(name, value, values.get(name))
            field = apart.get(place[0]) or _own_field(place[0], layout) or carrier
            assert field is not None
            edits[field].append((place, text))
        else:
            stored = _stored_name(place)
            texts[stored] = [] if value is MISSING or value is GONE else _field_texts(name, value)
    return edits, texts


def _new_place(name: Any, layout: Layout, carrier: bytes | None) -> tuple[str, ...] | str:
    if not isinstance(name, str):
        raise EncodeError(f"a column's name is text, not {name!r}", column=str(name))
    path = tuple(name.split("."))
    return path if carrier is not None or _own_field(path[0], layout) else name


def _own_field(member: str, layout: Layout) -> bytes | None:
    stored = to_bytes(member)
    return stored if stored in layout.json else None


def _check_free(name: Any, place: Any, members: Mapping[str, Any], changed: Changes) -> None:
    """Refuse a new column in the place of an object that is not removed."""
    if not isinstance(place, tuple):
        return
    inner: Any = members
    for part in place:
        inner = inner.get(part) if isinstance(inner, dict) else None
    prefix = ".".join(place) + "."
    goes = any(str(each).startswith(prefix) and value is GONE for each, value in changed.items())
    if isinstance(inner, dict) and inner and not goes:
        raise ValueError(f"{name!r} is an object here; drop its columns {prefix}* to replace it")


def _with_members(
    flat: list[bytes],
    field: bytes,
    edits: Sequence[Edit],
    *,
    is_apart: bool,
) -> list[bytes]:
    """Return fields with the JSON of one changed; a field apart holds the value of its member."""
    at = next((i for i in range(0, len(flat), 2) if flat[i] == field), None)
    if not is_apart:
        assert at is not None
        # The carrying field may occur again, as text; the first object is the one that is read.
        at = next(
            i for i in range(at, len(flat), 2) if flat[i] == field and _is_object(flat[i + 1])
        )
        edited = _edit_text(flat[at + 1], edits)
        return [*flat[: at + 1], edited, *flat[at + 2 :]]
    whole = [text for path, text in edits if len(path) == 1]
    if whole:
        text = whole[-1]
        return _with_field(flat, field, [] if text is None else [text.encode()])
    value = b"{}" if at is None or flat[at + 1].strip() == b"null" else flat[at + 1]
    if not _is_object(value):
        raise ValueError(f"{edits[0][0][0]!r} is no object here, and has no members")
    return _with_field(flat, field, [_edit_text(value, [(path[1:], new) for path, new in edits])])


def _edit_text(text: bytes, edits: Sequence[Edit]) -> bytes:
    try:
        return edit_json(text.decode(), edits).encode()
    except RecursionError:
        raise ValueError("it is nested too deeply to be changed") from None
    except ValueError as error:
        (path,) = error.args
        raise ValueError(f"{'.'.join(path)!r} is no object here, and has no members") from None


def _is_object(text: bytes) -> bool:
    return text.lstrip(b" \t\r\n")[:1] == b"{"


def _with_field(flat: list[bytes], field: bytes, values: list[bytes]) -> list[bytes]:
    """Return fields with the values of one replaced, or appended if it is new."""
    places = [i for i in range(0, len(flat), 2) if flat[i] == field]
    if len(places) == len(values):
        flat = flat[:]
        for i, value in zip(places, values, strict=True):
            flat[i + 1] = value
        return flat
    first = places[0] if places else len(flat)
    rest = [i for i in range(0, len(flat), 2) if flat[i] != field]
    new = [part for value in values for part in (field, value)]
    head = [part for i in rest if i < first for part in flat[i : i + 2]]
    tail = [part for i in rest if i > first for part in flat[i : i + 2]]
    return head + new + tail


def _member_text(name: Any, value: Any, old_value: Any) -> str:
    value = None if value is MISSING else to_python(value)
    # An integer in a column with 1.5 is a float there, although this entry has not changed.
    if type(old_value) is int and isinstance(value, float) and value.is_integer():
        value = int(value)
    return json_value(name, value).decode()


def _field_texts(name: Any, value: Any) -> list[bytes]:
    value = to_python(value)
    values = value if isinstance(value, list) else [value]
    return [field_value(name, to_python(each)) for each in values]


def _stored_name(name: str) -> bytes:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise EncodeError(f"{name!r}: a lone surrogate is not valid text", column=name) from None
    return to_bytes(name)
