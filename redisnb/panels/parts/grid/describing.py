"""What stands below the name of a column: its range or how many values, missing ones, its shape."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from redisnb.panels.parts.writing import cells, decimal_places, is_datetime, is_number

__all__ = ["ColumnNote", "column_note"]

#: How many bars the shape of a column has.
_BARS = 8
#: Of how many values the distinct ones are counted, and how many are few.
_COUNTED, _FEW = 200_000, 1_000


class ColumnNote(NamedTuple):
    """A few words about a column, and the heights of its bars from 0 to 9."""

    text: str
    bars: list[int]


def column_note(column: pd.Series[Any]) -> ColumnNote:
    """Describe a column in a few words, without a loop over its values."""
    there = column.dropna()
    if not len(there):
        return ColumnNote("all missing" if len(column) else "", [])
    text, counts = _of_numbers(there) if _has_range(there) else _of_values(there)
    missing = 1 - len(there) / len(column)
    if missing:
        text = f"{text}, {'< 1' if missing < 0.01 else f'{missing:.0%}'[:-1]} % null".lstrip(", ")
    most = max(counts, default=0)
    return ColumnNote(text, [round(9 * n / most) for n in counts] if most else [])


def _has_range(column: pd.Series[Any]) -> bool:
    return is_number(column) or is_datetime(column)


def _of_numbers(column: pd.Series[Any]) -> tuple[str, list[int]]:
    ends = pd.Series([column.min(), column.max()]).astype(column.dtype)
    (first,), (last,) = cells([ends], [decimal_places(ends)])
    values = column.astype("int64" if is_datetime(column) else "float64").to_numpy()
    finite = values[np.isfinite(values)]
    counts = np.histogram(finite, _BARS)[0].tolist() if len(finite) else []
    # Times are long, and their range is known from the histogram.
    return ("UTC" if is_datetime(column) else f"{first} to {last}"), counts


def _of_values(column: pd.Series[Any]) -> tuple[str, list[int]]:
    some = column.iloc[:_COUNTED]
    if any(isinstance(value, list | dict) for value in some.iloc[:100].tolist()):
        return "lists and objects", []
    counts = some.value_counts()
    n = len(counts)
    if n == 1:
        return "1 value", []
    text = f"{n:,} values" if n <= min(_FEW, len(some) / 2) else "text"
    return text, counts.iloc[:_BARS].tolist() if text != "text" else []
