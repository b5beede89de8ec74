"""Frames to events, to their JSON, and to the IDs of entries."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
import orjson
import pandas as pd

from redisnb.entries import AUTO, EntryId, Layout, Texts, column_texts, plain_values
from redisnb.errors import EncodeError

__all__ = ["Missing", "Rows", "entry_ids", "records"]

Missing: TypeAlias = Literal["omit", "null"]


def records(
    frame: pd.DataFrame,
    layout: Layout = AUTO,
    *,
    missing: Missing | None = None,
    entries: bool | None = None,
) -> Iterator[dict[Hashable, Any]]:
    """Yield a frame's rows as events, as `Rows` does."""
    return Rows(frame, layout, missing=missing, entries=entries).events()


class Rows:
    """A frame's rows as events, times as ISO 8601 text, or as the JSON of these events.

    The columns `entry_id`, `entry_field` and `stream` of an ENTRIES frame identify entries and are
    no part of an event; nor is the index, unless it has a name other than `entry_time`.

    Parameters
    ----------
    layout : Layout
        How the events will be written: where it allows nesting, the dotted columns of a frame of
        entries are nested.
    missing : {"omit", "null"}, optional
        Whether an event has a member that is missing in its row. By default it is left out of a
        frame of entries, and None in any other.
    entries : bool, optional
        Whether the frame is one of entries; by default, whether it has a column `entry_id`.

    Raises
    ------
    EncodeError
        If two columns have the same name, or a name is not text.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        layout: Layout = AUTO,
        *,
        missing: Missing | None = None,
        entries: bool | None = None,
    ) -> None:
        if missing not in (None, "omit", "null"):
            raise ValueError(f"missing={missing!r}; choose 'omit' or 'null'")
        is_read = "entry_id" in frame.columns if entries is None else entries
        self._omits = is_read if missing is None else missing == "omit"
        self._layout = layout
        self._columns = _event_columns(frame)
        self._is_nested = is_read and any("." in n for n in self._columns if isinstance(n, str))
        self._rows = len(frame)

    def __len__(self) -> int:
        return self._rows

    def events(self, start: int = 0, stop: int | None = None) -> Iterator[dict[Hashable, Any]]:
        """Yield the events of the rows from `start` up to `stop`."""
        columns = {name: values[start:stop] for name, values in self._values.items()}
        if not columns:
            return iter([{} for _ in range(len(range(self._rows)[start:stop]))])
        if self._is_nested:
            return _nested_events(columns, self._layout, omits=self._omits)
        return _row_events(columns, omits=self._omits)

    def json_members(self, start: int, stop: int) -> list[bytes] | None:
        """Return the JSON of these events without the braces, made column by column.

        None where it has to be made row by row: where JSON cannot carry a value, a name is not
        text, or members of objects are missing in some rows.
        """
        stop = min(stop, self._rows)
        if start >= stop or not self._columns:
            return [b""] * (stop - start)
        template, names = self._template
        if not template:
            return None
        try:
            texts = {name: self._texts[name](start, stop) for name in names}
        except EncodeError:
            return None
        gone = {}
        if self._omits:
            gone = {name: mask[start:stop] for name, mask in self._missing.items()}
            gone = {name: mask for name, mask in gone.items() if mask.any()}
        if not gone:
            return list(map(template.__mod__, zip(*texts.values(), strict=True)))
        if self._is_nested:
            return None
        # Each member begins with its comma, so that both can be left out.
        begins = {name: b"," + _member_begin(name) for name in names}
        for name, mask in gone.items():
            both = zip(texts[name], mask.tolist(), strict=True)
            texts[name] = [b"" if is_gone else begins[name] + text for text, is_gone in both]
        template = b"".join(
            b"%b" if name in gone else begins[name].replace(b"%", b"%%") + b"%b" for name in names
        )
        rows = map(template.__mod__, zip(*texts.values(), strict=True))
        return [row[1:] for row in rows]

    @cached_property
    def _values(self) -> dict[Any, list[Any]]:
        return {name: plain_values(column) for name, column in self._columns.items()}

    @cached_property
    def _texts(self) -> dict[Any, Texts]:
        return {name: column_texts(column) for name, column in self._columns.items()}

    @cached_property
    def _missing(self) -> dict[Any, np.ndarray]:
        masks = {name: column.isna().to_numpy() for name, column in self._columns.items()}
        return {name: mask for name, mask in masks.items() if mask.any()}

    @cached_property
    def _template(self) -> tuple[bytes, list[Any]]:
        """The JSON of a row with placeholders for its values, and the columns of these values.

        It is empty where rows differ by more than their values.
        """
        names = list(self._columns)
        if not all(isinstance(name, str) for name in names):
            return b"", []
        tree: dict[str, Any] = {}
        for name in names:
            inner = tree
            *path, last = name.split(".") if self._is_nested else [name]
            for part in path:
                inner = inner.setdefault(part, {})
                if not isinstance(inner, dict):
                    return b"", []
            if last in inner:
                return b"", []
            inner[last] = name
        order: list[Any] = []
        try:
            return _row_template(tree, order), order
        except TypeError:
            # A name is not UTF-8.
            return b"", []


def _member_begin(name: str) -> bytes:
    return orjson.dumps(name) + b":"


def _row_template(tree: Mapping[str, Any], order: list[Any]) -> bytes:
    """Return the template of the members in a tree of objects; add their columns to `order`."""
    members = []
    for name, inner in tree.items():
        begin = _member_begin(name).replace(b"%", b"%%")
        if isinstance(inner, dict):
            members.append(b"%b{%b}" % (begin, _row_template(inner, order)))
        else:
            order.append(inner)
            members.append(begin + b"%b")
    return b",".join(members)


def _event_columns(frame: pd.DataFrame) -> dict[Any, pd.Series]:
    """Return the columns that are members of events, by name."""
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
    return {name: frame[name] for name in frame.columns}


def _row_events(columns: dict[Any, list[Any]], *, omits: bool) -> Iterator[dict[Hashable, Any]]:
    names = list(columns)
    rows = zip(*columns.values(), strict=True)
    if not omits:
        return (dict(zip(names, row, strict=True)) for row in rows)
    return (
        {name: value for name, value in zip(names, row, strict=True) if value is not None}
        for row in rows
    )


def _nested_events(
    columns: dict[Any, list[Any]], layout: Layout, *, omits: bool
) -> Iterator[dict[Hashable, Any]]:
    """Do what `_row_events` does, with an object for each dot in a name where that can be."""
    paths = {name: _path(name, layout) for name in columns}
    above = {
        name: [".".join(path[:i]) for i in range(1, len(path))] for name, path in paths.items()
    }
    objects = {prefix for prefixes in above.values() for prefix in prefixes}
    for row in _row_events(columns, omits=omits):
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
