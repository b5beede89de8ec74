"""A frame of entries as lines of text."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pandas as pd

from redisnb.panels.panel import VALUE, cut

__all__ = ["LINE", "LISTED", "listing"]

#: How many entries are listed, and how much of each, in characters.
LISTED, LINE = 100, 2_000

_PLAIN_NAME = re.compile(r"[\w.-]{1,100}")


def listing(frame: pd.DataFrame) -> str:
    """Write the last 100 entries of a frame in schema ENTRIES, newest first, one a line.

    A line reads ``2013-01-01 10:15:00  1357035300000-0  carrier="UA"  flight=1545``.
    """
    newest = frame.tail(LISTED).iloc[::-1]
    trimmed = frame.attrs.get("trimmed", [])
    names = [_name(name) for name in newest.columns[1:]]
    lines = []
    for when, entry_id, *values in newest.itertuples(name=None):
        cells = [
            f"{name}={_json(value)}"
            for name, value in zip(names, values, strict=True)
            if not _missing(value)
        ]
        body = ["(trimmed)"] if entry_id in trimmed else cells
        # Beyond the year 9999 an ID has no time.
        clock = [] if pd.isna(when) else [f"{when:%Y-%m-%d %H:%M:%S}"]
        lines.append(cut("  ".join([*clock, entry_id, *body]), LINE))
    return "\n".join(lines)


def _name(name: object) -> str:
    return name if isinstance(name, str) and _PLAIN_NAME.fullmatch(name) else _json(name)


def _json(value: object) -> str:
    # Cut before it is written too: most of a megabyte would be written for nothing.
    short = value[: VALUE + 1] if isinstance(value, str | bytes) else value
    # JSON writes a line break as "\n", so no value can pass for a line of its own.
    return cut(json.dumps(short, ensure_ascii=False, default=_other))


def _other(value: object) -> object:
    # Columns with gaps hold numpy's numbers.
    return value.item() if isinstance(value, np.generic) else repr(value)


def _missing(value: Any) -> bool:
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))
