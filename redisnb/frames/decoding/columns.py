"""The columns of many entries: from fields to named arrays of one type each.

An event's columns
    Names are decided within the entry. A member of a nested JSON object has a dotted one
    (``user.id``); an empty object stays ``{}``. A field that occurs several times in an entry has
    the list of its values. Bytes that are not UTF-8 are spelled. A name that the entry already has,
    or that every frame has, gets the suffix ``_field`` and one RedisnbWarning. An entry whose body
    was trimmed has no value in any column; ``frame.attrs["trimmed"]`` lists its ID. The columns
    are in the order in which they first occur.

Types are inferred from whole columns and without loss
    A field's text becomes int64 (Int64 with gaps) or float64 if every value is a number as JSON
    writes it and writes back as the same value; otherwise it stays str. JSON keeps its own types:
    integers, floats (also mixed with integers that a float holds exactly), booleans and text; NaN
    is missing. A column whose values disagree in type, or in which JSON and text meet, keeps the
    Python values in an object column.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from decimal import Decimal, InvalidOperation
from functools import partial
from itertools import chain
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from redisnb.entries import EntryParts, Fields, Layout, as_text, free_name, split_fields
from redisnb.errors import DecodeError, warn

__all__ = ["Types"]

#: Text, as in pandas 3; in pandas 2 the name "str" means a column of objects.
STR = pd.StringDtype(na_value=np.nan)
#: "infer", "text" (fields stay text), or a dtype for each of some columns.
Types: TypeAlias = Literal["infer", "text"] | Mapping[str, Any]

#: The name of the field that holds an entry's JSON object, where it is not the stream's own.
ENTRY_FIELD = "entry_field"
RESERVED = frozenset({"entry_time", "entry_id", "stream", ENTRY_FIELD})
INTEGER = re.compile(r"0|-?[1-9][0-9]*")
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_TRUTH_VALUES = {"true": True, "false": False, "1": True, "0": False}
_INT64 = range(-(2**63), 2**63)

# The origin of a value decides how its type is found: a field is text, JSON has types.
FIELD, JSON = "field", "json"
#: Makes a column from its name and a function that infers its array: ``infer(text=...)``, which
#: calls `infer_array`.
Make: TypeAlias = Callable[[Any, Callable[..., Any]], Any]


def spread(
    bodies: Sequence[Fields | None],
    layout: Layout,
    *,
    types: Types = "infer",
    only: Sequence[str] | None = None,
    taken: Iterable[str] = (),
) -> dict[Any, Any]:
    """Return the named columns of entries' fields, in the order in which they first occur.

    Slow and obvious: it defines the result of `decoder` for the same entries, and the tests compare
    the two.

    Parameters
    ----------
    bodies : sequence of fields
        One per entry; None for a trimmed one, which has no value in any column.
    layout : Layout
        As `split_fields` takes it, entry by entry.
    types : "infer", "text" or mapping of column to dtype
        A column of the mapping that no entry has is not made here.
    only : sequence of str, optional
        The columns to keep.
    taken : iterable of str
        Names of other columns of the frame, besides those of every frame of entries.

    Raises
    ------
    DecodeError
        If a column cannot be read as the dtype that `types` names.
    """
    reserved, renamed = RESERVED.union(taken), dict[str, str]()
    columns: dict[str, list[Any]] = {}
    origins: dict[str, set[str]] = {}
    carriers: list[Any] = []
    for row, fields in enumerate(bodies):
        reading = read_entry(fields, layout, reserved)
        carriers.append(reading.parts.carrier)
        renamed |= reading.renamed
        for name, origin, value in reading.cells:
            columns.setdefault(name, [None] * len(bodies))[row] = value
            if value is not None:
                origins.setdefault(name, set()).add(origin)
    warn_of_renamed(renamed)
    hidden = null_objects(columns.keys() - origins.keys(), columns)
    arrays: dict[Any, Any] = {}
    if {*carriers} - {None, layout.field} or (only is not None and ENTRY_FIELD in only):
        arrays[ENTRY_FIELD] = carrier_column(carriers)
    for name, values in columns.items():
        if name not in hidden and (only is None or name in only):
            infer = partial(infer_array, origins.get(name, set()), values)
            arrays[name] = make_column(name, types, infer)
    return arrays if only is None else {name: arrays[name] for name in arrays if name in only}


_NOTHING = EntryParts(None, {}, {}, odd=False, apart={})


class Reading(NamedTuple):
    """An entry's cells in a frame, each (name, origin, value), and the names that got a suffix.

    `places` has the place of each cell in the entry: the path of a member, or the name of a field.
    `parts` are those of the entry.
    """

    cells: list[tuple[str, str, Any]]
    renamed: dict[str, str]
    places: list[tuple[str, ...] | str]
    parts: EntryParts


def read_entry(fields: Fields | None, layout: Layout, reserved: Set[str]) -> Reading:
    """Return one entry's cells in a frame, which depend on nothing but the entry."""
    if not fields:
        return Reading([], {}, [], _NOTHING)
    if layout.format == "raw":
        pairs = list(zip(fields[::2], fields[1::2], strict=True))
        return Reading([("fields", JSON, pairs)], {}, ["fields"], _NOTHING)
    parts = split_fields(fields, layout)
    taken: set[Any] = set(reserved)
    cells: list[tuple[str, str, Any]] = []
    renamed: dict[str, str] = {}
    places: list[tuple[str, ...] | str] = []
    inner = ((path, JSON, value) for path, value in leaves(parts.members))
    beside = ((name, FIELD, text) for name, text in parts.rest.items())
    read: Iterator[tuple[tuple[str, ...] | str, str, Any]] = chain(inner, beside)
    for place, origin, value in read:
        plain = ".".join(place) if isinstance(place, tuple) else place
        name = free_name(plain, taken)
        if name != plain:
            renamed[plain] = name
        taken.add(name)
        is_missing = isinstance(value, float) and math.isnan(value)
        cells.append((name, origin, None if is_missing else value))
        places.append(place)
    return Reading(cells, renamed, places, parts)


def may_collide(names: Sequence[str], reserved: Set[str]) -> bool:
    """Return whether two of these names in one entry may lead to the same column."""
    if len(set(names)) < len(names):
        return True
    return not reserved.isdisjoint(names) and any(name.endswith("_field") for name in names)


def leaves(members: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the path and value of each leaf of a JSON object in the order of the text.

    An empty object is a leaf.
    """
    # A stack instead of recursion: JSON may be nested deeper than Python's calls.
    stack: list[tuple[tuple[str, ...], Iterator[tuple[str, Any]]]] = [((), iter(members.items()))]
    while stack:
        above, items = stack[-1]
        for name, value in items:
            if isinstance(value, dict) and value:
                stack.append(((*above, name), iter(value.items())))
                break
            yield (*above, name), value
        else:
            stack.pop()


def null_objects(empty: Iterable[str], names: Iterable[str]) -> set[str]:
    """Return the columns without values whose name is that of an object.

    There, a null stands for an object whose members are all missing.
    """
    above = {name[:i] for name in names for i, letter in enumerate(name) if letter == "."}
    return {name for name in empty if name in above}


def warn_of_renamed(renamed: Mapping[str, str]) -> None:
    """Warn once of the names that got a suffix."""
    if renamed:
        listed = ", ".join(f"{plain!r} as {name!r}" for plain, name in renamed.items())
        warn(f"names that are taken got a suffix: {listed}")


def carrier_column(carriers: Sequence[bytes | None]) -> Any:
    """Return the column of the names of the fields that carry the entries' JSON objects."""
    return _text_array([None if name is None else as_text(name) for name in carriers])


def object_array(values: Sequence[Any]) -> Any:
    """Return the values as an array of Python objects."""
    # numpy would make a matrix of equally long lists.
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def column_maker(types: Types) -> Make:
    """Return a function that makes columns as `types` says."""
    return lambda name, infer: make_column(name, types, infer)


def make_column(name: Any, types: Types, infer: Callable[..., Any]) -> Any:
    """Return a column of the dtype that `types` has for it, or as ``infer(text=...)`` returns it.

    Raises
    ------
    DecodeError
        If a value does not fit the dtype.
    """
    if not isinstance(types, Mapping) or name not in types:
        return infer(text=types == "text")
    try:
        values = infer(text=True)
        dtype = dtype_of(types[name])
        if pd.api.types.is_bool_dtype(dtype):
            values = pd.array([_truth_value(value) for value in values], dtype="boolean")
        return pd.Series(values, dtype=dtype).array
    except (ValueError, TypeError, OverflowError):
        # pandas' error quotes the value, and payloads stay out of errors.
        raise DecodeError(
            f"column {name!r} cannot be read as {types[name]}; "
            "types={...} takes a dtype that every value fits, types='text' reads as it is"
        ) from None


def dtype_of(dtype: Any) -> Any:
    """Return the dtype of a name or anything else that pandas takes for one, or raise TypeError."""
    return STR if dtype in ("str", str) else pd.api.types.pandas_dtype(dtype)


def _truth_value(value: Any) -> Any:
    """Return a text's truth value; pandas takes every text for true, or none."""
    return _TRUTH_VALUES.get(value.lower(), value) if isinstance(value, str) else value


def infer_array(origins: Set[str], values: list[Any], *, text: bool, apart: bool = False) -> Any:
    """Return the values as an array of the narrowest type that holds each of them exactly.

    Parameters
    ----------
    origins : set of str
        The origins of those that are not missing.
    text : bool
        Whether fields stay text.
    apart : bool
        Whether integers stay integers in a column with floats: 1, not 1.0, next to 1.5.
    """
    if len(origins) > 1:
        return object_array(values)
    present = [value for value in values if value is not None]
    kinds = {type(value) for value in present}
    if kinds == {str}:
        numbers = None if JSON in origins or text else _exact_numbers(present)
        if numbers is None:
            return _text_array(values)
        rest = iter(numbers)
        values = [None if value is None else next(rest) for value in values]
        present, kinds = numbers, {type(number) for number in numbers}
    if kinds == {bool}:
        return pd.array(values, dtype="bool" if len(present) == len(values) else "boolean")
    if kinds == {int} and all(value in _INT64 for value in present):
        return pd.array(values, dtype="int64" if len(present) == len(values) else "Int64")
    if kinds == {float} or (kinds == {int, float} and not apart and all(map(_fits_float, present))):
        return np.array([np.nan if value is None else value for value in values], "float64")
    return object_array(values)


def _text_array(values: list[Any]) -> Any:
    return pd.array(values, dtype=STR)


def _fits_float(value: int | float) -> bool:
    try:
        return float(value) == value
    except OverflowError:
        return False


def _exact_numbers(texts: list[str]) -> list[Any] | None:
    """Return the texts as all int or all float, or None if one would not write back the same."""
    if all(map(INTEGER.fullmatch, texts)):
        # 19 digits and a sign are the longest int64.
        if any(len(text) > 20 for text in texts):
            return None
        integers = [int(text) for text in texts]
        return integers if all(number in _INT64 for number in integers) else None
    return list(map(float, texts)) if all(map(is_float, texts)) else None


def is_float(text: str) -> bool:
    """Return whether a text is a JSON number that a float writes back as the same value."""
    if not NUMBER.fullmatch(text):
        return False
    try:
        return Decimal(text) == Decimal(repr(float(text)))
    except InvalidOperation:
        return False
