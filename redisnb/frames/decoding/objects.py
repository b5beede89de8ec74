"""JSON objects and fields that Python has read, to columns, and values to arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, count
from typing import Any, TypeAlias

import pyarrow as pa

from redisnb.entries import Fields, as_text, to_bytes
from redisnb.frames.decoding.columns import FIELD, leaves

__all__: list[str] = []

#: How deeply nested objects may be to be read column by column.
DEEPEST = 20

_KINDS = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}

#: A path in objects, the number of the first that has it, and their values, None for missing.
MemberColumn: TypeAlias = tuple[tuple[str, ...], int, list[Any]]


def member_columns(
    objects: Sequence[dict[str, Any]], above: tuple[str, ...] = ()
) -> Iterator[MemberColumn]:
    """Yield a column for each path in objects, with the leaves that `leaves` finds in each."""
    for name in dict.fromkeys(chain.from_iterable(objects)):
        path = (*above, name)
        values = [each.get(name) for each in objects]
        kinds = set(map(type, values))
        if float in kinds:
            # NaN is a missing value.
            values = [None if type(v) is float and v != v else v for v in values]
        if dict not in kinds:
            yield path, next(i for i, each in enumerate(objects) if name in each), values
            continue
        inner = [v if type(v) is dict else {} for v in values]
        if len(path) > DEEPEST:
            yield path, 0, values
        else:
            yield from member_columns(inner, path)
        first = next((i for i, o in enumerate(objects) if name in o and not inner[i]), None)
        if first is not None:
            yield (
                path,
                first,
                [None if within else v for v, within in zip(values, inner, strict=True)],
            )


def first_places(
    objects: Sequence[dict[str, Any]], columns: Sequence[MemberColumn]
) -> Iterator[tuple[int, int]]:
    """Yield for each column the first object that has it, and its place there."""
    orders: dict[int, dict[tuple[str, ...], int]] = {}
    for path, first, _ in columns:
        if first not in orders:
            orders[first] = dict(zip((path for path, _ in leaves(objects[first])), count()))
        yield first, orders[first][path]


def field_columns(
    bodies: Sequence[Fields],
) -> tuple[dict[bytes, list[Any]], dict[bytes, tuple[int, int]], set[bytes]]:
    """Split fields into columns.

    Returns
    -------
    The values of each name, None for missing, a list for several; the first entry that has it and
    its place there; and the names that some entry has several times.
    """
    columns: dict[bytes, list[Any]] = {}
    first_places: dict[bytes, tuple[int, int]] = {}
    repeated: set[bytes] = set()
    for i, fields in enumerate(bodies):
        for place, (name, value) in enumerate(zip(fields[::2], fields[1::2], strict=True)):
            column = columns.get(name)
            if column is None:
                columns[name] = column = [None] * len(bodies)
                first_places[name] = i, place
            if column[i] is None:
                column[i] = value
            else:
                repeated.add(name)
                before = column[i]
                column[i] = [*(before if isinstance(before, list) else [before]), value]
    return columns, first_places, repeated


def array_or_list(origin: str, values: list[Any]) -> Any:
    """Return Python values as an Arrow array if all have one type, else the list as it is."""
    kinds = set(map(type, values)) - {type(None)}
    if not kinds:
        return pa.nulls(len(values), pa.binary() if origin == FIELD else pa.null())
    if len(kinds) > 1:
        return values
    kind = kinds.pop()
    try:
        if origin == FIELD:
            if kind is not str:
                return values
            return pa.array([v if v is None else to_bytes(v) for v in values], pa.binary())
        if kind is not list:
            return pa.array(values, _KINDS[kind])
        inner = {type(item) for value in values if value is not None for item in value}
        inner -= {type(None)}
        within = _KINDS[inner.pop()] if len(inner) == 1 else pa.null() if not inner else None
        return values if within is None else pa.array(values, pa.list_(within))
    except (KeyError, pa.ArrowInvalid, OverflowError):
        return values


def text_or_texts(value: Any) -> Any:
    """Return the value of a field, or the list of its values, as text."""
    if isinstance(value, list):
        return [as_text(each) for each in value]
    return None if value is None else as_text(value)
