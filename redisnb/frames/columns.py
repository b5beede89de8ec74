"""The columns of many entries: from fields to named arrays of one type each.

An event's columns
    A nested JSON object becomes dotted columns (``user.id``); an empty one stays ``{}``. A field
    that occurs several times in an entry has the list of its values. Bytes that are no UTF-8 stay
    bytes. A name that is taken gets the suffix ``_field`` and one RedisnbWarning. An entry whose
    body was trimmed has no value in any column; ``frame.attrs["trimmed"]`` lists its ID.

Types are inferred from whole columns and without loss
    A field's text becomes int64 (Int64 with gaps) or float64 if every value is a number as JSON
    writes it and writes back as the same value; otherwise it stays str. JSON keeps its own types:
    integers, floats (also mixed with integers that a float holds exactly), booleans and text; a
    column whose values disagree keeps the Python values in an object column.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from redisnb.entries import Fields, Format, free_name, is_json_object, split_fields
from redisnb.errors import DecodeError, RedisnbWarning

__all__ = ["Types"]

#: "infer", "text" (fields stay text), or a dtype for each of some columns.
Types: TypeAlias = Literal["infer", "text"] | Mapping[str, Any]

_RESERVED = frozenset({"entry_time", "entry_id", "stream"})
INTEGER = re.compile(r"0|-?[1-9][0-9]*")
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_TRUTH = {"true": True, "false": False, "1": True, "0": False}
_INT64 = range(-(2**63), 2**63)

# Where a value comes from decides how its type is found: a field is text, JSON has types.
FIELD, JSON = "field", "json"
Path: TypeAlias = tuple[str, tuple[str | bytes, ...]]


def spread(
    bodies: Sequence[Fields | None],
    format: Format,
    *,
    types: Types = "infer",
    only: Sequence[str] | None = None,
    taken: Iterable[str] = (),
) -> dict[Any, Any]:
    """Spread the fields of entries over named columns, in the order in which they are seen.

    Slow and obvious: it says what `decoder` has to give for the same entries, and the tests hold
    the one against the other.

    Parameters
    ----------
    bodies : sequence of fields
        One per entry; None where it is gone: it has no value in any column.
    format : {"auto", "json", "fields", "raw"}
        With "auto", JSON if every entry has exactly one field and it holds a JSON object.
    types : "infer", "text" or mapping of column to dtype
        A column of the mapping that does not occur is not made.
    only : sequence of str, optional
        The columns to keep.
    taken : iterable of str
        Names of other columns of the frame, beside those of every frame of entries.

    Raises
    ------
    DecodeError
        If a column cannot be read as the dtype that `types` wants.
    """
    columns = by_path(bodies, _settle(bodies, format))
    empty = {path for path, values in columns.items() if values.count(None) == len(values)}
    return {
        name: typed(name, types, partial(inferred, path[0], columns[path]))
        for name, path in named(columns, empty, taken).items()
        if only is None or name in only
    }


def objects(values: Sequence[Any]) -> Any:
    """Return the values as an array of Python objects."""
    # numpy would make a matrix of equally long lists.
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _settle(bodies: Sequence[Fields | None], format: Format) -> Format:
    """Decide what "auto" means for these entries: JSON for all of them, or for none."""
    if format != "auto":
        return format
    present = [fields for fields in bodies if fields]
    return "auto" if present and all(map(is_json_object, present)) else "fields"


def by_path(bodies: Sequence[Fields | None], format: Format) -> dict[Path, list[Any]]:
    """Spread the entries over columns, keyed by where each value comes from; None is missing."""
    columns: dict[Path, list[Any]] = {}
    for row, fields in enumerate(bodies):
        if not fields:
            continue
        for path, value in _cells(fields, format):
            column = columns.get(path)
            if column is None:
                columns[path] = column = [None] * len(bodies)
            column[row] = value
    return columns


def _cells(fields: Fields, format: Format) -> Iterator[tuple[Path, Any]]:
    if format == "raw":
        yield (JSON, ("fields",)), list(zip(fields[::2], fields[1::2], strict=True))
        return
    members, rest = split_fields(fields, format)
    for path, value in _leaves(members):
        yield (JSON, path), value
    for name, value in rest.items():
        yield (FIELD, (name,)), value


def _leaves(members: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Walk a JSON object down to what is no object, or an empty one, in the order of the text."""
    # A stack and no recursion: JSON may be nested deeper than Python calls may.
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


def named(paths: Iterable[Path], empty: Set[Path], taken: Iterable[str] = ()) -> dict[Any, Path]:
    """Give each path the name of its column; a name that is taken gets the suffix ``_field``.

    What stands in the place of an object has a column before those of the object's members. An
    `empty` path, one without a value, has none there: a null in the place of an object is an object
    whose members are all missing.
    """
    names: dict[Any, Path] = {}
    renamed: list[str] = []
    used: set[Any] = set(_RESERVED.union(taken))
    for origin, path in _in_order(list(paths), empty):
        plain = path[0] if len(path) == 1 else ".".join(map(str, path))
        name = free_name(plain, used)
        if name != plain:
            renamed.append(f"{plain!r} as {name!r}")
        used.add(name)
        names[name] = (origin, path)
    if renamed:
        warnings.warn(
            f"names that are taken got a suffix: {', '.join(renamed)}",
            RedisnbWarning,
            stacklevel=2,
        )
    return names


def _in_order(paths: Sequence[Path], empty: Set[Path]) -> Iterator[Path]:
    above = {path: [(path[0], path[1][:i]) for i in range(1, len(path[1]))] for path in paths}
    parents = {parent for found in above.values() for parent in found}
    waiting = (parents & above.keys()) - empty
    for path in paths:
        if path not in parents:
            for parent in above[path]:
                if parent in waiting:
                    waiting.remove(parent)
                    yield parent
            yield path


def typed(name: Any, types: Types, infer: Callable[..., Any]) -> Any:
    """Make a column of the dtype that `types` has for it, or as ``infer(text=...)`` finds it.

    Raises
    ------
    DecodeError
        If a value does not fit the dtype.
    """
    if not isinstance(types, Mapping) or name not in types:
        return infer(text=types == "text")
    try:
        values = infer(text=True)
        if pd.api.types.is_bool_dtype(types[name]):
            values = pd.array([_truth(value) for value in values], dtype="boolean")
        return pd.Series(values, dtype=types[name]).array
    except (ValueError, TypeError, OverflowError):
        # The error of pandas quotes the value, and payloads stay out of errors.
        raise DecodeError(
            f"column {name!r} cannot be read as {types[name]}; "
            "types={...} takes a dtype that every value fits, types='text' reads as it is"
        ) from None


def _truth(value: Any) -> Any:
    """Return a text's truth value; to pandas every text is true, or none is."""
    return _TRUTH.get(value.lower(), value) if isinstance(value, str) else value


def inferred(origin: str, values: list[Any], *, text: bool) -> Any:
    """Return the values as an array of the narrowest type that holds each of them exactly."""
    present = [value for value in values if value is not None]
    kinds = {type(value) for value in present}
    if kinds == {str}:
        numbers = None if origin == JSON or text else _numbers(present)
        if numbers is None:
            return _text(values)
        found = iter(numbers)
        values = [None if value is None else next(found) for value in values]
        present, kinds = numbers, {type(number) for number in numbers}
    if kinds == {bool}:
        return pd.array(values, dtype="bool" if len(present) == len(values) else "boolean")
    if kinds == {int} and all(value in _INT64 for value in present):
        return pd.array(values, dtype="int64" if len(present) == len(values) else "Int64")
    if kinds == {float} or (kinds == {int, float} and all(map(_fits_float, present))):
        return np.array([np.nan if value is None else value for value in values], "float64")
    return objects(values)


def _text(values: list[Any]) -> Any:
    return pd.array(values, dtype="str")


def _fits_float(value: int | float) -> bool:
    try:
        return float(value) == value
    except OverflowError:
        return False


def _numbers(texts: list[str]) -> list[Any] | None:
    """Return the texts as all int or all float, or None if one would not write back the same."""
    if all(map(INTEGER.fullmatch, texts)):
        # 19 digits and a sign are the longest int64.
        if any(len(text) > 20 for text in texts):
            return None
        integers = [int(text) for text in texts]
        return integers if all(number in _INT64 for number in integers) else None
    return list(map(float, texts)) if all(map(is_float, texts)) else None


def is_float(text: str) -> bool:
    """Say whether a text is a JSON number that a float writes back as the same value."""
    if not NUMBER.fullmatch(text):
        return False
    try:
        return Decimal(text) == Decimal(repr(float(text)))
    except InvalidOperation:
        return False
