"""Frames to events, and to the IDs of entries."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from redisnb.entries import AUTO, EntryId, Layout
from redisnb.errors import EncodeError

__all__ = ["Missing", "entry_ids", "records"]

Missing: TypeAlias = Literal["omit", "null"]


def records(
    frame: pd.DataFrame,
    layout: Layout = AUTO,
    *,
    missing: Missing | None = None,
    entries: bool | None = None,
) -> Iterator[dict[Hashable, Any]]:
    """Turn a frame's rows into events, times as ISO 8601 text.

    The columns `entry_id`, `entry_field` and `stream` of an ENTRIES frame name entries and are no
    part of an event; nor is the index, unless it has a name other than `entry_time`.

    Parameters
    ----------
    layout : Layout
        How the events will be written: where that can be nested, the dotted columns of a frame of
        entries are.
    missing : {"omit", "null"}, optional
        Whether an event has a member that is missing in its row. By default it is left out of a
        frame of entries, and None in any other.
    entries : bool, optional
        Whether the frame is one of entries; by default, whether it has a column `entry_id`.

    Raises
    ------
    EncodeError
        If two columns have the same name, or a name is no text.
    """
    if missing not in (None, "omit", "null"):
        raise ValueError(f"missing={missing!r}; choose 'omit' or 'null'")
    is_read = "entry_id" in frame.columns if entries is None else entries
    omits = is_read if missing is None else missing == "omit"
    names = frame.index.names
    indexed = [level for level, name in enumerate(names) if name not in (None, "entry_time")]
    if indexed:
        frame = frame.reset_index(level=indexed, allow_duplicates=True)
    if frame.index.names == ["entry_time"] and "entry_id" in frame.columns:
        frame = frame.drop(columns=["entry_id", "entry_field", "stream"], errors="ignore")
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
    columns = {name: _plain(frame[name]) for name in frame.columns}
    if not columns:
        return iter([{} for _ in range(len(frame))])
    if is_read and any("." in name for name in columns if isinstance(name, str)):
        return _nested(columns, layout, omits=omits)
    return _rows(columns, omits=omits)


def _rows(columns: dict[Any, list[Any]], *, omits: bool) -> Iterator[dict[Hashable, Any]]:
    names = list(columns)
    rows = zip(*columns.values(), strict=True)
    if not omits:
        return (dict(zip(names, row, strict=True)) for row in rows)
    return (
        {name: value for name, value in zip(names, row, strict=True) if value is not None}
        for row in rows
    )


def _nested(
    columns: dict[Any, list[Any]], layout: Layout, *, omits: bool
) -> Iterator[dict[Hashable, Any]]:
    """Do what `_rows` does, with an object for each dot in a name, where events can have one."""
    paths = {name: _path(name, layout) for name in columns}
    above = {
        name: [".".join(path[:i]) for i in range(1, len(path))] for name, path in paths.items()
    }
    objects = {prefix for prefixes in above.values() for prefix in prefixes}
    for row in _rows(columns, omits=omits):
        event: dict[Hashable, Any] = {}
        for name, value in row.items():
            if value is None and name in objects:
                continue
            if any(row.get(prefix) is not None for prefix in above[name]):
                # The place of the object is taken in this row.
                event[name] = value
                continue
            inner: Any = event
            *parts, last = paths[name]
            for part in parts:
                inner = inner.setdefault(part, {})
            inner[last] = value
        yield event


def _path(name: Any, layout: Layout) -> tuple[Any, ...]:
    if not isinstance(name, str):
        return (name,)
    path = tuple(name.split("."))
    return path if layout.carries or not layout.is_text(path[0]) else (name,)


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
