"""How the parts write the values of a frame: short, on one line, nothing invisible."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from redisnb import cards
from redisnb.durations import duration

__all__ = [
    "cells",
    "decimal_places",
    "flat_frame",
    "is_datetime",
    "is_number",
    "named_columns",
    "whole_text",
]

#: How much of a value is shown, in characters.
_SHOWN_CHARACTERS = 200
#: How many numbers of a column are asked for their decimals.
_LOOKED_AT_PLACES = 500


def named_columns(frame: pd.DataFrame) -> dict[str, pd.Series[Any]]:
    """Return the columns of a frame by name; named levels of its index come first."""
    columns: dict[str, pd.Series[Any]] = {}
    for level, name in enumerate(frame.index.names):
        if name is not None:
            columns[str(name)] = frame.index.get_level_values(level).to_series()
    for i, name in enumerate(frame.columns):
        text = str(name)
        while text in columns:
            text += "'"
        columns[text] = frame.iloc[:, i]
    return columns


def flat_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame of which the named levels of the index are the first columns."""
    named = [level for level, name in enumerate(frame.index.names) if name is not None]
    flat = (
        frame.reset_index(level=named, allow_duplicates=True) if named else frame.copy(deep=False)
    )
    flat.columns = list(named_columns(frame))
    return flat


def is_number(column: pd.Series[Any]) -> bool:
    """Return whether a column contains numbers, which are aligned at the right."""
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def decimal_places(column: pd.Series[Any]) -> int:
    """Return how many decimals the numbers of a column have, or its seconds, by some of them."""
    is_time = is_datetime(column)
    if not is_time and not pd.api.types.is_float_dtype(column):
        return 0
    # Python's own values: of 40 rows, as a live table has, pandas takes ten times as long.
    step = len(column) // _LOOKED_AT_PLACES
    values = (column.iloc[::step] if step > 1 else column).tolist()
    if is_time:
        return 3 if any(value.microsecond for value in values if value is not pd.NaT) else 0
    there = (value for value in values if value is not pd.NA and np.isfinite(value))
    return max(map(_decimals, there), default=0)


def is_datetime(column: pd.Series[Any]) -> bool:
    """Return whether a column contains times."""
    return pd.api.types.is_datetime64_any_dtype(column)


def cells(columns: Sequence[pd.Series[Any]], places: Sequence[int]) -> list[list[str | None]]:
    """Return the texts of some rows; a missing value is None.

    The values of a column have the same number of decimals, so that their points are below each
    other.
    """
    texts = [
        [_with_places(value, n) for value in column.tolist()]
        if is_number(column) or is_datetime(column)
        else [_short(value) for value in column.tolist()]
        for column, n in zip(columns, places, strict=True)
    ]
    return [list(row) for row in zip(*texts, strict=True)]


def whole_text(value: Any) -> str | None:
    """Write a value as text, without shortening it; None if it is missing."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    if isinstance(value, list | tuple | dict | np.ndarray):
        return json.dumps(value, ensure_ascii=False, default=_plain_json)
    if pd.isna(value):
        return None
    if isinstance(value, timedelta):
        return duration(value)
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    return str(value.item() if isinstance(value, np.generic) else value)


def _with_places(value: Any, places: int) -> str | None:
    if pd.isna(value):
        return None
    if isinstance(value, datetime):
        text = whole_text(value)
        return text if text is None or places else text[:-4]
    return f"{value:,}" if isinstance(value, int) else f"{value:,.{places}f}"


def _decimals(value: Any) -> int:
    _, _, decimals = f"{float(value):.6f}".rstrip("0").partition(".")
    return len(decimals)


def _short(value: Any) -> str | None:
    # A megabyte of which 200 characters are shown is not looked through.
    text = whole_text(value[: _SHOWN_CHARACTERS + 1] if isinstance(value, str | bytes) else value)
    if text is None:
        return None
    if len(text) > _SHOWN_CHARACTERS:
        text = f"{text[: _SHOWN_CHARACTERS - 1]}…"
    return text if text.isprintable() else cards.legible(text)


def _plain_json(value: object) -> object:
    # Columns with missing values contain numpy's scalars.
    return value.item() if isinstance(value, np.generic) else str(value)
