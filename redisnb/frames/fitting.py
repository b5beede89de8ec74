"""Columns of the types that a schema names; values that do not fit are missing and counted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from redisnb.entries import dump_json
from redisnb.errors import EncodeError
from redisnb.frames.decoding import INTEGER, NUMBER, RESERVED, Types, dtype_of, object_array

__all__ = ["Schema"]

#: The dtype of each column of an event.
Schema: TypeAlias = Mapping[str, Any]

_TIME_DTYPE = "datetime64[ms, UTC]"
_NULLABLE_KINDS = {"i": "Int", "u": "UInt", "f": "Float", "b": "boolean"}


def check_schema(schema: Schema | None, types: Types = "infer") -> dict[str, Any] | None:
    """Return the dtypes of a schema, each in the form that has missing values.

    Raises
    ------
    TypeError, ValueError
        If it is no mapping of names to dtypes, names a column that every frame has, or comes with
        `types` that contradict it.
    """
    if not isinstance(types, Mapping) and types not in ("infer", "text"):
        raise ValueError(
            f"types={types!r}; it is 'infer', 'text', or a mapping such as {{'price': 'float64'}}"
        )
    if schema is None:
        return None
    if types != "infer":
        raise ValueError("types= is for frames without a schema; say the dtype in schema=")
    if not isinstance(schema, Mapping):
        raise TypeError(
            f"schema= maps names to dtypes, as {{'qty': 'Int64'}}, and is {type(schema).__name__}"
        )
    dtypes = {}
    for name, dtype in schema.items():
        if not isinstance(name, str) or name in RESERVED:
            raise ValueError(f"schema={{{name!r}: ...}}: name columns of the event, as text")
        dtypes[name] = _schema_dtype(name, dtype)
    return dtypes


def _schema_dtype(name: str, name_or_dtype: Any) -> Any:
    try:
        dtype = dtype_of(name_or_dtype)
    except TypeError:
        dtype = None
    dtype = _nullable(dtype)
    known = dtype is not None and (
        is_object(dtype)
        or isinstance(dtype, pd.DatetimeTZDtype)
        or pd.api.types.is_numeric_dtype(dtype)
        or pd.api.types.is_string_dtype(dtype)
    )
    if not known:
        raise ValueError(
            f"schema={{{name!r}: {name_or_dtype!r}}}: choose 'Int64', 'Float64', 'boolean', 'str', "
            f"{_TIME_DTYPE!r} or 'object'"
        )
    return dtype


def frame_schema(frame: pd.DataFrame) -> dict[str, str]:
    """Return the schema of a frame of entries: the dtypes of their events' columns."""
    return {
        str(name): str(_nullable(dtype))
        for name, dtype in frame.dtypes.items()
        if name not in ("entry_id", "entry_field")
    }


class Fitting:
    """A maker of a schema's columns that counts the values that do not fit in `misfits`."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        self.misfits: dict[str, int] = {}

    def make(self, name: Any, infer: Callable[..., Any]) -> Any:
        """Make a column."""
        array, misfits = fit(infer, self._schema[name])
        self.misfits |= {name: misfits} if misfits else {}
        return array


def _nullable(dtype: Any) -> Any:
    """Return the dtype of the same values that has missing ones too."""
    if not isinstance(dtype, np.dtype) or dtype.kind not in _NULLABLE_KINDS:
        return dtype
    bits = "" if dtype.kind == "b" else str(8 * max(dtype.itemsize, 4 * (dtype.kind == "f")))
    return pd.api.types.pandas_dtype(f"{_NULLABLE_KINDS[dtype.kind]}{bits}")


def missing(rows: int, dtype: Any) -> Any:
    """Return a column of missing values; integers and truth values in a dtype that has them."""
    dtype = dtype_of(dtype)
    if is_object(dtype):
        return pd.Index(object_array([None] * rows), dtype=object)
    is_exact = isinstance(dtype, np.dtype) and dtype.kind in "iub"
    return pd.Series([None] * rows, dtype=_nullable(dtype) if rows and is_exact else dtype).array


def fit(infer: Callable[..., Any], dtype: Any) -> tuple[Any, int]:
    """Return a column of a dtype, and how many values did not fit.

    Parameters
    ----------
    infer : callable
        ``infer(text=..., apart=...)`` returns the column's values, as `columns.infer_array` says.
    """
    is_number = pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype)
    values = infer(text=False) if is_number else infer(text=True, apart=True)
    if values.dtype == dtype and not is_object(dtype):
        return values, 0
    is_whole = pd.api.types.is_integer_dtype(values.dtype)
    if pd.api.types.is_float_dtype(dtype) and (is_whole or values.dtype == "float64"):
        # By way of the double, as a single value is: rounded once, it may be another Float32.
        return pd.array(values, dtype="Float64").astype(dtype), 0
    if is_number and is_whole:
        numbers = pd.array(values, dtype="Int64")
        fits = numbers.isna() | ((numbers >= _least(dtype)) & (numbers <= _most(dtype)))
        if np.all(fits):
            return numbers.astype(dtype), 0
    # The text itself, where not all of it is numbers.
    return fit_values(infer(text=True, apart=True).astype(object).tolist(), dtype)


def fit_values(values: Iterable[Any], dtype: Any) -> tuple[Any, int]:
    """Do what `fit` does for Python values, None for a missing one, one by one."""
    fit_one = fit_function(dtype)
    known: dict[Any, Any] = {}
    column: list[Any] = []
    misfits = 0
    for value in values:
        if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
            column.append(None)
            continue
        if isinstance(value, str | int | float):
            key = type(value), value
            if key not in known:
                known[key] = fit_one(value)
            fitted = known[key]
        else:
            fitted = fit_one(value)
        misfits += fitted is None
        column.append(fitted)
    if is_object(dtype):
        # An array of texts would become a column of them.
        return pd.Index(object_array(column), dtype=object), misfits
    return pd.array(column, dtype=dtype), misfits


def fit_function(dtype: Any) -> Callable[[Any], Any]:
    """Return what fits a value to a dtype; that returns None for one that does not fit."""
    if pd.api.types.is_bool_dtype(dtype):
        return _fit_truth
    if pd.api.types.is_integer_dtype(dtype):
        return partial(_fit_integer, least=_least(dtype), most=_most(dtype))
    if pd.api.types.is_float_dtype(dtype):
        return _fit_float
    if isinstance(dtype, pd.DatetimeTZDtype):
        return partial(_fit_time, dtype=dtype)
    return (lambda value: value) if is_object(dtype) else _fit_text


def is_object(dtype: Any) -> bool:
    """Return whether a dtype is that of Python objects."""
    return isinstance(dtype, np.dtype) and dtype.kind == "O"


def _least(dtype: Any) -> int:
    return int(np.iinfo(dtype.numpy_dtype).min)


def _most(dtype: Any) -> int:
    return int(np.iinfo(dtype.numpy_dtype).max)


def _read_number(value: Any) -> int | float | None:
    """Return a value as a number, also text that JSON would read as one."""
    if isinstance(value, str):
        if INTEGER.fullmatch(value) and len(value) <= 400:
            return int(value)
        return float(value) if NUMBER.fullmatch(value) else None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _fit_integer(value: Any, least: int, most: int) -> int | None:
    number = _read_number(value)
    if number is None or not least <= number <= most:
        return None
    return int(number) if number == int(number) else None


def _fit_float(value: Any) -> float | None:
    number = _read_number(value)
    try:
        return None if number is None else float(number)
    except OverflowError:
        return None


def _fit_truth(value: Any) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    return value if isinstance(value, bool) else None


def _fit_text(value: Any) -> str | None:
    try:
        return value if isinstance(value, str) else dump_json(value).decode()
    except EncodeError:
        return None


def _fit_time(value: Any, dtype: pd.DatetimeTZDtype) -> pd.Timestamp | None:
    if not isinstance(value, str) or not value[:4].isdecimal():
        return None
    try:
        time = pd.Timestamp(value)
        time = time.tz_localize("UTC") if time.tzinfo is None else time
        return time.tz_convert(dtype.tz).as_unit(dtype.unit)
    except (ValueError, OverflowError):
        return None
