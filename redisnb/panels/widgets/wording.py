"""How panels write a value: short, on one line, and always as plain text."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from redisnb.durations import duration

__all__ = [
    "READ_ONLY",
    "VALUE",
    "count_text",
    "display_text",
    "duration",
    "full_text",
    "shorten",
]

#: How much of one value a panel shows, in characters.
VALUE = 200

#: Why a control is disabled where nothing can be written.
READ_ONLY = "this connection is read-only"


def shorten(text: str, length: int = VALUE) -> str:
    """Shorten a text to `length` characters, the last of them an ellipsis."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def display_text(value: Any) -> str | None:
    """Write a value of a frame on one line of at most 200 characters; None if it is missing."""
    # Do not format a megabyte of which only 200 characters are shown.
    text = full_text(value[: VALUE + 1] if isinstance(value, str | bytes) else value)
    return None if text is None else shorten(text.replace("\n", "⏎").replace("\r", ""))


def full_text(value: Any) -> str | None:
    """Write a value of a frame as text; None if it is missing."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    if isinstance(value, list | tuple | dict | np.ndarray):
        return json.dumps(value, ensure_ascii=False, default=_json_default)
    if pd.isna(value):
        return None
    if isinstance(value, timedelta):
        return duration(value)
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    if isinstance(value, np.generic):
        value = value.item()
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def count_text(n: Any) -> str:
    """Write a count; one that is not known is "unknown", which is not 0."""
    return "unknown" if n is None or pd.isna(n) else f"{n:,}"


def _json_default(value: object) -> object:
    # Columns with missing values contain numpy's scalars.
    return value.item() if isinstance(value, np.generic) else str(value)
