"""Rows of a table as a text for the clipboard."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from redisnb.panels.parts.writing import whole_text

__all__ = ["MOST_COPIED", "clipping"]

#: How many rows are copied at once.
MOST_COPIED = 100_000


def clipping(columns: Mapping[str, pd.Series[Any]], form: str, rows: int) -> dict[str, str]:
    """Return the message that puts rows on the clipboard, and says which.

    Parameters
    ----------
    columns : mapping of str to Series
        The values of the rows to copy, at most `MOST_COPIED`.
    form : str
        "tsv", or "json".
    rows : int
        How many there are.
    """
    n = len(next(iter(columns.values()), ()))
    what = (
        f"{n:,} {'row' if n == 1 else 'rows'}" if n == rows else f"the first {n:,} of {rows:,} rows"
    )
    text = _tsv_of(columns) if form == "tsv" else _json_of(columns)
    return {"copy": text, "what": f"{what} as {form.upper()}"}


def _tsv_of(columns: Mapping[str, pd.Series[Any]]) -> str:
    """Write columns as lines of values between tabs, the names first."""
    text = io.StringIO()
    writer = csv.writer(text, dialect="excel-tab", lineterminator="\n")
    writer.writerow(columns)
    texts = [[whole_text(value) for value in column.tolist()] for column in columns.values()]
    writer.writerows(zip(*texts, strict=True))
    return text.getvalue()


def _json_of(columns: Mapping[str, pd.Series[Any]]) -> str:
    """Write columns as a JSON list of an object for each row."""
    values = [column.tolist() for column in columns.values()]
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]
    plain = [{name: _as_plain(value) for name, value in row.items()} for row in rows]
    return json.dumps(plain, ensure_ascii=False, indent=1, default=whole_text)


def _as_plain(value: Any) -> Any:
    if isinstance(value, str | list | dict | bool) or pd.api.types.is_number(value):
        return None if isinstance(value, float) and not np.isfinite(value) else value
    return whole_text(value)
