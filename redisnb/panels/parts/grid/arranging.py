"""Which rows of a table are shown, and in which order: by Arrow, without a loop over the values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from redisnb.panels.parts.writing import is_datetime, is_number, whole_text

__all__ = ["arranged_rows"]

#: How many values that Arrow does not know are looked at between two checks.
_LOOKED_AT = 20_000
#: What a number and a time are written with: a text with anything else is in none.
_NUMBER_CHARACTERS, _TIME_CHARACTERS = frozenset("0123456789.-+eE"), frozenset("0123456789-: .")


def arranged_rows(
    columns: Mapping[str, pd.Series[Any]],
    text: str,
    sort: tuple[str, bool] | None,
    check: Callable[[], None],
) -> np.ndarray[Any, Any]:
    """Return the positions of the rows to show.

    Parameters
    ----------
    columns : mapping of str to Series
        All columns of the table, by name.
    text : str
        What a row contains in one of them, ignoring case; "" for all rows.
    sort : (str, bool), optional
        By which column, and whether ascending. Missing values come last; an ID is sorted as one.
    check : callable
        Called now and then; it raises if the result is no longer wanted.
    """
    length = len(next(iter(columns.values()), ()))
    order = np.arange(length)
    if text:
        mask = np.zeros(length, dtype=bool)
        for column in columns.values():
            check()
            mask |= _contain(column, text, check)
        order = order[mask]
    if sort is not None and sort[0] in columns:
        check()
        column = columns[sort[0]]
        chosen = column if len(order) == length else column.iloc[order]
        order = order[_positions(chosen, str(sort[0]), sort[1], check)]
    return order


def _contain(column: pd.Series[Any], text: str, check: Callable[[], None]) -> np.ndarray[Any, Any]:
    texts = _texts(column, text, check)
    if texts is None:
        return np.zeros(len(column), dtype=bool)
    found = pc.match_substring(texts, text, ignore_case=True)
    return pc.fill_null(found, False).to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _texts(column: pd.Series[Any], text: str, check: Callable[[], None]) -> Any:
    """Return a column as texts in Arrow; None if none of them can contain a text."""
    if is_number(column):
        return _arrow(column).cast(pa.string()) if _NUMBER_CHARACTERS.issuperset(text) else None
    if is_datetime(column):
        if not _TIME_CHARACTERS.issuperset(text):
            return None
        times = _arrow(column)
        plain = times if times.type.tz is None else pc.local_timestamp(times)
        # Not `strftime`, which takes a second for 300,000.
        return plain.cast(pa.timestamp("s"), safe=False).cast(pa.string())
    if isinstance(column.dtype, pd.StringDtype):
        return _arrow(column)
    return pa.array(_each(column, whole_text, check), pa.string())


def _arrow(column: pd.Series[Any]) -> Any:
    return pa.array(column, from_pandas=True)


def _each(
    column: pd.Series[Any], write: Callable[[Any], Any], check: Callable[[], None]
) -> list[Any]:
    found: list[Any] = []
    for start in range(0, len(column), _LOOKED_AT):
        check()
        found += map(write, column.iloc[start : start + _LOOKED_AT].tolist())
    return found


def _positions(
    column: pd.Series[Any], name: str, ascending: bool, check: Callable[[], None]
) -> np.ndarray[Any, Any]:
    order = "ascending" if ascending else "descending"
    if name.endswith("_id") and (parts := _id_parts(column)) is not None:
        there = np.flatnonzero(column.notna())
        found = pc.sort_indices(parts, sort_keys=[("ms", order), ("seq", order)])
        return np.concatenate([there[found.to_numpy()], np.flatnonzero(column.isna())])
    try:
        values = _arrow(column)
        if isinstance(values, pa.DictionaryArray):
            values = values.dictionary_decode()
        found = pc.array_sort_indices(values, order=order, null_placement="at_end")
    except (pa.ArrowException, NotImplementedError):
        # Values of several types, or lists.
        texts = pa.array(_each(column, whole_text, check), pa.string())
        found = pc.array_sort_indices(texts, order=order, null_placement="at_end")
    return found.to_numpy()  # type: ignore[no-any-return]


def _id_parts(column: pd.Series[Any]) -> Any:
    """Return the entry IDs as two columns of numbers: as texts 10-0 would come before 9-0."""
    if not isinstance(column.dtype, pd.StringDtype):
        return None
    found = pc.extract_regex(_arrow(column.dropna()), r"^(?P<ms>\d{1,19})-(?P<seq>\d{1,19})$")
    if found.null_count:
        return None
    return pa.table(
        {name: pc.struct_field(found, name).cast(pa.uint64()) for name in ("ms", "seq")}
    )
