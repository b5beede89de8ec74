"""One column of a frame from its parts: Arrow arrays where they fit, lists of values elsewhere.

The result is that of `columns.infer_array` for the same values, whole columns at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from redisnb.entries import as_text, holds_spelled
from redisnb.frames.decoding import columns

__all__ = ["ColumnPart", "InexactError", "as_texts", "join", "merge", "to_pandas"]

#: The origin of some values, their rows, and the values: an Arrow array, binary for fields and
#: typed for JSON, or a list. No row has a value in two parts of a column.
ColumnPart: TypeAlias = tuple[str, Sequence[int], Any]
#: Arrow's values, in one piece or in several.
Values: TypeAlias = "pa.Array | pa.ChunkedArray"

# The smallest positive double that is no int64.
_BEYOND_INT64 = 2.0**63
# An array of a type that is not large has up to 2 GB in one piece.
_LARGE = {pa.binary(): pa.large_binary(), pa.string(): pa.large_string()}
_TEXT = {pa.binary(): pa.string(), pa.large_binary(): pa.large_string()}

#: The largest array in bytes that small ones are merged into.
_MERGE_BYTES = 64 * 1024
#: How many values have to be numbers before a whole column is tried.
_VALUES_LOOKED_AT = 64


class InexactError(Exception):
    """Arrow may not have read exactly what was written."""


def join(
    parts: Sequence[ColumnPart], rows: int, *, exact: bool, text: bool, apart: bool = False
) -> Any:
    """Join the parts of a column, fill the gaps with missing values, and find its type.

    Parameters
    ----------
    exact : bool
        Whether a part of doubles was written as doubles; Arrow may have read integers as such.
    text, apart
        As for `columns.infer_array`.

    Raises
    ------
    InexactError
        If the values have to be read again, by Python.
    """
    parts = list(filter(has_value, parts))
    origins = {origin for origin, _, _ in parts}
    types = {None if isinstance(values, list) else values.type for _, _, values in parts}
    if apart and pa.float64() in types:
        if not exact:
            raise InexactError
        return _join_lists(origins, parts, rows, exact=exact, text=text, apart=True)
    if types == {pa.int64(), pa.float64()} and all(
        _fits_double(values) for _, _, values in parts if values.type == pa.int64()
    ):
        types = {pa.float64()}
    if None in types or len(types) > 1 or len(origins) > 1:
        return _join_lists(origins, parts, rows, exact=exact, text=text, apart=apart)
    whole = _join_arrays(parts, rows, types.pop() if types else pa.null())
    if origins != {columns.FIELD}:
        return to_pandas(whole)
    texts = as_texts(whole)
    typed = None if text else numbers(texts)
    return to_pandas(texts if typed is None else typed)


def as_texts(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return bytes as text, each as `as_text` returns it."""
    try:
        texts = values.cast(_TEXT[values.type])
        spelled = any(map(_may_be_spelled, values.chunks))
    except pa.ArrowInvalid:
        # Some of them are not UTF-8.
        spelled = True
    if spelled:
        plain = [v if v is None else as_text(v) for v in values.to_pylist()]
        return pa.chunked_array([pa.array(plain, pa.large_string())])
    return texts


def _may_be_spelled(values: pa.Array) -> bool:
    """Return whether some text of a binary array may look like a spelled byte."""
    _, _, data = values.buffers()
    # Hardly any text has the first byte of the spelling, and searching for it is quick.
    return bool(data) and (np.frombuffer(data, "uint8") == 0xEF).any() and holds_spelled(data)


def merge(parts: list[ColumnPart]) -> None:
    """Merge the small arrays of neighbouring rows at the end.

    In memory, the arrays of a page lie among those of other columns, which are freed at another
    time; until then the gaps between them cannot be used.
    """
    start = len(parts)
    while start and _is_small(parts[start - 1]):
        start -= 1
    groups: list[list[ColumnPart]] = []
    size = 0
    for part in parts[start:]:
        origin, rows, values = part
        size += values.nbytes
        before = groups[-1][-1] if groups else None
        if before and size <= _MERGE_BYTES and (origin, rows[0]) == (before[0], before[1][-1] + 1):
            groups[-1].append(part)
        else:
            groups.append([part])
            size = values.nbytes
    parts[start:] = [group[0] if len(group) == 1 else _concatenated(group) for group in groups]


def _is_small(part: ColumnPart) -> bool:
    origin, rows, values = part
    is_page = origin == columns.FIELD and isinstance(rows, range) and isinstance(values, pa.Array)
    return is_page and 2 * values.nbytes < _MERGE_BYTES


def _concatenated(group: Sequence[ColumnPart]) -> ColumnPart:
    rows = range(group[0][1][0], group[-1][1][-1] + 1)
    return group[0][0], rows, pa.concat_arrays([values for _, _, values in group])


def has_value(part: ColumnPart) -> bool:
    """Return whether some value of a part is not missing."""
    values = part[2]
    nulls = values.count(None) if isinstance(values, list) else values.null_count
    return bool(len(values) > nulls)


def pack_rows(rows: Sequence[int]) -> Any:
    """Return rows as a range or an array: converted once, and not once per column."""
    return rows if isinstance(rows, range) else np.asarray(rows, np.intp)


def _fits_double(integers: Values) -> bool:
    doubles = integers.cast(pa.float64(), safe=False)
    # 2**63 - 1 becomes 2**63, which is no int64: the result of that cast depends on the machine.
    fits = pc.and_(
        pc.less(doubles, _BEYOND_INT64), pc.equal(doubles.cast(pa.int64(), safe=False), integers)
    )
    return _are_all_true(fits)


def _join_arrays(parts: Sequence[ColumnPart], rows: int, type: pa.DataType) -> pa.ChunkedArray:
    is_ordered = all(isinstance(places, range) for _, places, _ in parts)
    if not is_ordered:
        type = _LARGE.get(type, type)
    # Arrow's own check refuses every integer beyond 2**53; `_fits_double` has checked them all.
    arrays = [
        values if values.type == type else values.cast(type, safe=type != pa.float64())
        for _, _, values in parts
    ]
    if not is_ordered:
        order = np.concatenate([np.asarray(places) for _, places, _ in parts])
        index = np.full(rows, -1)
        index[order] = np.arange(len(order))
        return pa.chunked_array(arrays, type).take(pa.array(index, mask=index < 0))
    chunks, end = [], 0
    for (_, places, _), values in sorted(
        zip(parts, arrays, strict=True), key=lambda both: both[0][1][0]
    ):
        if places[0] > end:
            chunks.append(pa.nulls(places[0] - end, type))
        chunks.append(values)
        end = places[-1] + 1
    if end < rows:
        chunks.append(pa.nulls(rows - end, type))
    return pa.chunked_array(chunks, type)


def _join_lists(
    origins: set[str],
    parts: Sequence[ColumnPart],
    rows: int,
    *,
    exact: bool,
    text: bool,
    apart: bool,
) -> Any:
    whole: list[Any] = [None] * rows
    floats = False
    for origin, places, values in parts:
        is_list = isinstance(values, list)
        floats = floats or (not is_list and values.type == pa.float64())
        plain = values if is_list else values.to_pylist()
        if origin == columns.FIELD:
            plain = [as_text(v) if isinstance(v, bytes) else v for v in plain]
        for place, value in zip(places, plain, strict=True):
            if value is not None:
                whole[place] = value
    array = columns.infer_array(origins, whole, text=text, apart=apart)
    # An object column shows whether a float was written as 1 or as 1.0.
    if floats and not exact and pd.api.types.is_object_dtype(array):
        raise InexactError
    return array


def numbers(texts: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Return texts as int64 or double if each is a number that writes back as the same value."""
    first = [value for value in texts.slice(0, _VALUES_LOOKED_AT).to_pylist() if value is not None]
    if not all(map(columns.NUMBER.fullmatch, first)):
        return None
    if all(map(columns.INTEGER.fullmatch, first)):
        integers = _read_chunks(texts, _integers)
        if integers is not None:
            return integers
        if _are_all_true(pc.match_substring_regex(texts, f"^({columns.INTEGER.pattern})$")):
            return None
    return _read_chunks(texts, _floats)


def _read_chunks(
    values: pa.ChunkedArray, read: Callable[[pa.Array], pa.Array | None]
) -> pa.ChunkedArray | None:
    """Return the chunks as `read` returns them, or None if it returns None for one."""
    arrays = []
    for chunk in values.chunks:
        if (array := read(chunk)) is None:
            return None
        arrays.append(array)
    return pa.chunked_array(arrays)


def _integers(texts: pa.Array) -> pa.Array | None:
    try:
        integers = texts.cast(pa.int64())
    except pa.ArrowInvalid:
        return None
    # "007" is written back as "7".
    return integers if _are_all_true(pc.equal(integers.cast(texts.type), texts)) else None


def _floats(texts: pa.Array) -> pa.Array | None:
    try:
        floats = texts.cast(pa.float64())
    except pa.ArrowInvalid:
        return None
    if not _are_all_true(pc.is_finite(floats)):
        return None
    written = floats.cast(texts.type)
    # Python writes 2.0 where Arrow writes 2.
    point, empty = (pa.scalar(each, texts.type) for each in (".0", ""))
    as_python = pc.binary_join_element_wise(written, point, empty)
    same = pc.or_(pc.equal(written, texts), pc.equal(as_python, texts))
    # "1.50" and "1e3" are numbers too.
    rest = texts.filter(pc.invert(same)).to_pylist()
    return floats if all(map(columns.is_float, rest)) else None


def _are_all_true(truths: Values) -> bool:
    # The result for nulls alone is null.
    return pc.all(truths).as_py() is not False


def to_pandas(values: Values) -> Any:
    """Return an Arrow array as the array that a frame uses for its type."""
    type = values.type
    if pa.types.is_string(type) or pa.types.is_large_string(type):
        large = values.cast(pa.large_string())
        if isinstance(large, pa.ChunkedArray):
            large = large.combine_chunks()
        return columns.STR.__from_arrow__(large)  # type: ignore[attr-defined]
    if pa.types.is_null(type):
        return columns.object_array([None] * len(values))
    if pa.types.is_floating(type) or (values.null_count == 0 and not pa.types.is_nested(type)):
        return values.to_numpy(zero_copy_only=False)
    if pa.types.is_integer(type):
        return pd.Int64Dtype().__from_arrow__(values)  # type: ignore[attr-defined]
    if pa.types.is_boolean(type):
        return pd.BooleanDtype().__from_arrow__(values)  # type: ignore[attr-defined]
    return columns.object_array(values.to_pylist())
