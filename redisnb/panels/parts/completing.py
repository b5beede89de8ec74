"""Terms: what a field offers while a filter expression is typed."""

from __future__ import annotations

from typing import Any

import pandas as pd

from redisnb.panels.parts.writing import named_columns

__all__ = ["filter_terms"]

#: How many columns are offered, and how many values of one: those of few.
_OFFERED_COLUMNS, _MOST_VALUES = 200, 30
#: In how many rows the values are sought, and how long a text may be, in characters.
_SOUGHT_ROWS, _LONGEST_VALUE = 20_000, 30
#: How long all values may be together, in characters: every page gets them.
_CHARACTERS = 10_000


def filter_terms(frame: pd.DataFrame) -> dict[str, list[str]]:
    """Return the columns of a frame for `Input.offer`, each with its values if they are few.

    Values are written as in a filter expression. It takes a moment: call it in the background.
    """
    columns = list(named_columns(frame.head(_SOUGHT_ROWS)).items())[:_OFFERED_COLUMNS]
    terms, size = {}, 0
    for name, column in columns:
        values = _values_of_few(column)
        size += sum(map(len, values))
        terms[name] = values if size <= _CHARACTERS else []
    return terms


def _values_of_few(column: pd.Series[Any]) -> list[str]:
    there = column.dropna()
    # Of what type they are is seen from some.
    if not all(isinstance(each, str | bool | int) for each in there.head(1000).tolist()):
        return []
    texts = [
        _as_literal(each) for each in there.value_counts().head(_MOST_VALUES + 1).index.tolist()
    ]
    return (
        texts
        if len(texts) <= _MOST_VALUES and all(len(each) <= _LONGEST_VALUE for each in texts)
        else []
    )


def _as_literal(value: Any) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value).lower()
