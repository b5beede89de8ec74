"""The JSON text of each value of a frame's columns: as `dump_json` writes it, many at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa

from redisnb.entries.json_text import dump_each, dump_json
from redisnb.errors import EncodeError

__all__ = ["Texts", "column_texts", "plain_values"]

#: Returns the texts of the values from one row up to another.
Texts: TypeAlias = Callable[[int, int], list[bytes]]
#: How many texts are looked at for repetitions.
DISTINCT_SAMPLE = 1_000
_TRUTH_TEXTS = [b"false", b"true"]
_MASKED = pd.arrays.IntegerArray | pd.arrays.FloatingArray | pd.arrays.BooleanArray


def plain_values(column: pd.Series) -> list[Any]:
    """Return a column's values as Python objects, times as ISO 8601, with None for missing."""
    if _holds_times(column):
        # As in JSON and in fields; many rows may have the same time.
        codes, times = pd.factorize(column)
        texts = [*(time.isoformat() for time in times), None]
        return [texts[code] for code in codes]
    missing = column.isna().tolist()
    values = column.astype(object).tolist()
    return [None if gone else value for value, gone in zip(values, missing, strict=True)]


def column_texts(column: pd.Series) -> Texts:
    """Return a function that writes the values of a column as JSON, missing ones as null.

    It raises EncodeError for a value that JSON cannot carry.
    """
    dtype: Any = column.dtype
    texts = None
    if isinstance(dtype, np.dtype) and dtype.kind in "iufb":
        texts = _number_texts(column.to_numpy())
    elif isinstance(column.array, _MASKED):
        missing = column.isna().to_numpy()
        values = column.array.to_numpy(dtype=dtype.numpy_dtype, na_value=0)
        texts = _number_texts(values, missing if missing.any() else None)
    elif _holds_times(column):
        codes, times = pd.factorize(column)
        texts = _texts_by_code(codes, [orjson.dumps(time.isoformat()) for time in times])
    elif isinstance(dtype, pd.StringDtype):
        texts = _string_texts(column)
    elif isinstance(dtype, pd.CategoricalDtype):
        texts = _category_texts(column)
    return texts or _value_texts(plain_values(column))


def _holds_times(column: pd.Series) -> bool:
    return isinstance(column.dtype, np.dtype | pd.DatetimeTZDtype) and column.dtype.kind == "M"


def _value_texts(values: list[Any]) -> Texts:
    return lambda start, stop: dump_each(values[start:stop])


def _number_texts(values: np.ndarray, missing: np.ndarray | None = None) -> Texts | None:
    """Return the writer of numbers and truth values; None where JSON does not have them."""
    if values.dtype.kind == "b":
        codes = values.astype("int8")
        return _texts_by_code(
            codes if missing is None else np.where(missing, -1, codes), _TRUTH_TEXTS
        )
    if values.dtype.kind == "f":
        if values.dtype.itemsize > 8 or np.isinf(values).any():
            return None
        if missing is not None and np.isnan(values).any():
            return None
        values = values.astype("float64")
    values = np.ascontiguousarray(values, values.dtype.newbyteorder("="))

    def texts(start: int, stop: int) -> list[bytes]:
        # orjson writes NaN as null; here NaN is a missing value.
        text = orjson.dumps(values[start:stop], option=orjson.OPT_SERIALIZE_NUMPY)
        texts = text[1:-1].split(b",")
        if missing is not None:
            for row in np.flatnonzero(missing[start:stop]).tolist():
                texts[row] = b"null"
        return texts

    return texts


def _texts_by_code(codes: np.ndarray, known: list[bytes]) -> Texts:
    """Return the writer of values by their places in `known`; -1 is missing."""
    known = [*known, b"null"]
    return lambda start, stop: list(map(known.__getitem__, codes[start:stop].tolist()))


def _string_texts(column: pd.Series) -> Texts | None:
    """Return the writer of text; None where some is not UTF-8, or too much for one array."""
    try:
        whole = pa.array(column.array, from_pandas=True)
        if isinstance(whole, pa.ChunkedArray):
            whole = whole.combine_chunks()
    except (pa.ArrowException, UnicodeEncodeError):
        return None
    some = whole.slice(0, DISTINCT_SAMPLE)
    if 2 * len(some.unique()) > len(some):
        return lambda start, stop: dump_each(
            whole.slice(start, stop - start).to_numpy(zero_copy_only=False).tolist()
        )
    encoded = whole.dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy()
    return _texts_by_code(codes, list(map(orjson.dumps, encoded.dictionary.to_pylist())))


def _category_texts(column: pd.Series) -> Texts | None:
    """Return the writer of categories; None where JSON cannot carry one, perhaps in no row."""
    try:
        known = list(map(dump_json, column.cat.categories.astype(object).tolist()))
    except EncodeError:
        return None
    return _texts_by_code(column.cat.codes.to_numpy(), known)
