"""Frames to events, and to the IDs of entries."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from redisnb.entries import EntryId
from redisnb.errors import EncodeError

__all__ = ["entry_ids", "records"]


def records(frame: pd.DataFrame) -> Iterator[dict[Hashable, Any]]:
    """Turn a frame's rows into events, missing values as None and times as ISO 8601 text.

    The columns `entry_id` and, in an ENTRIES frame, `stream` name entries and are no part of an
    event; nor is the index, unless it has a name other than `entry_time`.

    Raises
    ------
    EncodeError
        If two columns have the same name, or a name is no text.
    """
    indexed = [name for name in frame.index.names if name not in (None, "entry_time")]
    if indexed:
        frame = frame.reset_index(level=indexed, allow_duplicates=True)
    if frame.index.names == ["entry_time"] and "entry_id" in frame.columns:
        frame = frame.drop(columns=["entry_id", "stream"], errors="ignore")
    for name in frame.columns:
        if not isinstance(name, str | bytes):
            raise EncodeError(
                f"column {name!r}: a name is text, not {type(name).__name__}; "
                "frame.rename(columns=str) makes it so",
                column=str(name),
            )
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise EncodeError(f"two columns are named {twice[0]!r}", column=str(twice[0]))
    columns = [_plain(frame[name]) for name in frame.columns]
    names = list(frame.columns)
    if not names:
        return iter([{} for _ in range(len(frame))])
    return (dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True))


def _plain(column: pd.Series) -> list[Any]:
    """Return a column's values as Python objects, with None for what is missing."""
    if isinstance(column.dtype, np.dtype | pd.DatetimeTZDtype) and column.dtype.kind == "M":
        # As JSON and fields have it; many rows may have the same time.
        codes, times = pd.factorize(column)
        texts = [*(time.isoformat() for time in times), None]
        return [texts[code] for code in codes]
    missing = column.isna().tolist()
    values = column.astype(object).tolist()
    return [None if gone else value for value, gone in zip(values, missing, strict=True)]


def entry_ids(entries: object) -> list[str]:
    """Return the IDs that a frame with a column `entry_id`, an ID, or several IDs name.

    Raises
    ------
    EntryIdError
        If one of them is no full ID.
    """
    if isinstance(entries, pd.DataFrame):
        if "entry_id" not in entries.columns:
            raise ValueError("this frame has no column entry_id; give a frame of entries, or IDs")
        entries = entries["entry_id"].tolist()
    if isinstance(entries, str | bytes):
        entries = [entries]
    if not isinstance(entries, Iterable):
        raise TypeError(f"give entry IDs or a frame of entries, not {type(entries).__name__}")
    return [EntryId(entry) for entry in entries]
