"""Table: a frame of any length; the front end receives only the rows in view."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd
import traitlets

from redisnb import frames
from redisnb.entries import EntryId
from redisnb.panels.widgets.parts import CSS, MessageWidget, script
from redisnb.panels.widgets.wording import display_text, full_text

__all__ = ["RowSource", "Table"]

#: How many rows the widget state carries, how many are sent at once, and how many can be shown.
HEAD_ROWS, TABLE_PAGE_ROWS, MOST_ROWS = 60, 500, 1_000_000


class RowSource(Protocol):
    """Rows that a table shows, newest first, to which more may be added."""

    #: How many rows there ever were, and how many of them are still there.
    count: int
    length: int

    def frame(self, start: int, stop: int) -> pd.DataFrame:
        """Return the rows from `start` to `stop`, counted from the newest, newest first."""


class Table(MessageWidget):
    """A frame as a table to scroll, sort, filter, select from and copy.

    Only rows in view are sent, so 100,000 rows show at once. Values are cut at 200 characters.

    Parameters
    ----------
    frame : DataFrame, optional
        What to show first.
    label : str
        The table's name.
    key : str or sequence of str, optional
        The columns that identify a row, so that it stays selected when other rows are shown. By
        default the row's position.
    empty : str
        The text shown when there are no rows.
    on_select, on_open : callable, optional
        Called when rows were selected; with a row's key when it is opened (Enter, double click).
    filters : bool, default True
        Offer a field that keeps the rows with a given text in any column.
    missing : mapping of str to str, optional
        By column, the text shown for a missing value.

    Examples
    --------
    >>> table = Table(stream.range(), label="Orders")
    >>> table.chosen()
    """

    _esm = script("table.js")
    _css = CSS
    #: For each column its name, and whether it contains numbers.
    columns: Any = traitlets.List().tag(sync=True)
    #: For each row its key, its mark, and a text per column.
    head: Any = traitlets.List().tag(sync=True)
    total = traitlets.Int().tag(sync=True)
    all = traitlets.Int().tag(sync=True)
    base = traitlets.Int().tag(sync=True)
    live = traitlets.Bool().tag(sync=True)
    revision = traitlets.Int().tag(sync=True)
    sort: Any = traitlets.List().tag(sync=True)
    filter = traitlets.Unicode().tag(sync=True)
    filters = traitlets.Bool(True).tag(sync=True)
    #: A counter that distinguishes a new selection from an echo, and the keys.
    selected: Any = traitlets.List([0, []]).tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)
    empty = traitlets.Unicode().tag(sync=True)
    caption = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        frame: pd.DataFrame | None = None,
        *,
        label: str = "Table",
        key: str | Sequence[str] | None = None,
        empty: str = "There is nothing here.",
        on_select: Callable[[], object] | None = None,
        on_open: Callable[[str], object] | None = None,
        filters: bool = True,
        missing: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(label=label, empty=empty, filters=filters)
        self._missing = missing or {}
        self._key_columns = [key] if isinstance(key, str) else list(key or [])
        self._on_select, self._on_open = on_select, on_open
        # Messages arrive on any thread, also during `show`.
        self._view_lock = threading.RLock()
        self._frame = frames.table({}, []) if frame is None else frame
        self._rows: RowSource | None = None
        self._marks: Mapping[str, str] = {}
        # The positions of the displayed rows in the frame, in display order.
        self._order: np.ndarray[Any, Any] = np.arange(0)
        self._names: list[str] = []
        self.show(self._frame)

    def __repr__(self) -> str:
        return f"Table({self.label!r}, {self.total:,} rows)"

    # -- display

    def show(self, frame: pd.DataFrame, *, marks: Mapping[str, str] | None = None) -> None:
        """Show a frame from now on; `marks` styles some rows, by key."""
        if not isinstance(frame, pd.DataFrame):
            kind = type(frame).__name__
            raise TypeError(f"Table(frame): a DataFrame, not {kind}; pd.DataFrame(...) makes one")
        with self._view_lock:
            self._rows, self._frame, self._marks = None, frame, marks or {}
            self._names = list(_named_columns(frame))
            self._refresh()

    def renew(self, frame: pd.DataFrame) -> None:
        """Show newer values of the last frame's rows, without sorting or filtering them again."""
        with self._view_lock:
            self._frame = frame
            self._refresh(arrange=False)

    def follow(self, rows: RowSource, *, marks: Mapping[str, str] | None = None) -> None:
        """Show the rows that exist now; call it again when there are more."""
        with self._view_lock:
            self._rows, self._marks = rows, marks or {}
            if self.filter or self.sort:
                self._frame = rows.frame(0, rows.length)
            self._refresh()

    def frame(self) -> pd.DataFrame:
        """Return all rows that are shown, filtered and sorted."""
        with self._view_lock:
            if self._is_live():
                assert self._rows is not None
                return self._rows.frame(0, self._rows.length)
            return self._frame.iloc[self._order]

    def chosen(self) -> pd.DataFrame:
        """Return the selected rows, in the order shown."""
        return self.rows(self.selected[1])

    def rows(self, keys: Iterable[str]) -> pd.DataFrame:
        """Return the rows with these keys, in the order shown."""
        with self._view_lock:
            keys = set(keys)
            if not keys:
                return self._frame.iloc[:0]
            frame = self.frame()
            order = np.arange(len(frame)) if self._is_live() else self._order
            mask = [key in keys for key in self._keys(frame, order)]
            return frame[np.array(mask, dtype=bool)]

    def select(self, keys: Sequence[str]) -> None:
        """Select the rows with these keys, and no others."""
        with self._view_lock:
            if list(keys) != self.selected[1]:
                self.selected = [self.selected[0] + 1, list(keys)]

    def _is_live(self) -> bool:
        return self._rows is not None and not self.filter and not self.sort

    def _refresh(self, *, arrange: bool = True) -> None:
        rows = self._rows
        if self._is_live():
            assert rows is not None
            frame, total, everything = rows.frame(0, HEAD_ROWS), rows.length, rows.length
            # Earlier columns stay: rows that have them may be in view.
            self._names += [name for name in _named_columns(frame) if name not in self._names]
            order = np.arange(len(frame))
        else:
            if rows is not None:
                self._names = list(_named_columns(self._frame))
            if arrange:
                self._order = self._arrangement()
            order = self._order[:HEAD_ROWS]
            frame, total, everything = (
                self._frame.iloc[order],
                min(len(self._order), MOST_ROWS),
                len(self._frame),
            )
        numbers = _numeric(frame)
        with self.hold_sync():
            self.columns = [[name, name in numbers] for name in self._names]
            self.head = self._cells(frame, order)
            self.total, self.all, self.live = total, everything, self._is_live()
            self.base = rows.count if rows is not None else 0
            self.revision += 1

    def _arrangement(self) -> np.ndarray[Any, Any]:
        frame = self._frame
        order = np.arange(len(frame))
        if self.filter:
            order = order[_contains(frame, self.filter)]
        if self.sort and self.sort[0] < len(self._names):
            by, ascending = self.sort
            column = _named_columns(frame)[self._names[by]]
            order = order[_sort_order(column.iloc[order], ascending=ascending)]
        return order

    def _keys(self, frame: pd.DataFrame, order: np.ndarray[Any, Any]) -> list[str]:
        if not self._key_columns or not len(frame):
            return [str(i) for i in order]
        columns = [map(_key_text, frame[name]) for name in self._key_columns]
        return list(map(" ".join, zip(*columns, strict=True)))

    def _cells(self, frame: pd.DataFrame, order: np.ndarray[Any, Any]) -> list[list[Any]]:
        keys = self._keys(frame, order)
        columns = _named_columns(frame)
        texts = [
            [
                self._missing.get(name) if (text := display_text(value)) is None else text
                for value in columns[name].tolist()
            ]
            if name in columns
            else [None] * len(frame)
            for name in self._names
        ]
        rows = zip(*texts, strict=True) if texts else ((),) * len(keys)
        return [[key, self._marks.get(key, ""), *row] for key, row in zip(keys, rows, strict=True)]

    # -- requests of the front end

    def _handle(self, message: Mapping[str, Any]) -> None:
        getattr(self, f"_ask_{message['ask']}")(message)

    def _ask_page(self, message: Mapping[str, Any]) -> None:
        with self._view_lock:
            start, stop = message["start"], min(message["stop"], message["start"] + TABLE_PAGE_ROWS)
            frame, order, base = self._slice(start, stop, message["base"])
            self.send(
                {
                    "page": self._cells(frame, order),
                    "start": start,
                    "base": base,
                    "revision": self.revision,
                }
            )

    def _slice(
        self, start: int, stop: int, base: int
    ) -> tuple[pd.DataFrame, np.ndarray[Any, Any], int]:
        if self._is_live():
            assert self._rows is not None
            # More rows may have been added at the top since the request.
            by = self._rows.count - base
            frame = self._rows.frame(start + by, stop + by)
            return frame, np.arange(len(frame)), base
        order = self._order[start:stop]
        return self._frame.iloc[order], order, base

    def _ask_range(self, message: Mapping[str, Any]) -> None:
        with self._view_lock:
            stop = min(message["stop"], message["start"] + MOST_ROWS)
            frame, order, _ = self._slice(message["start"], stop, message["base"])
            self.send({"keys": self._keys(frame, order)})

    def _ask_select(self, message: Mapping[str, Any]) -> None:
        # Setting the trait would send the front end its own selection back.
        self._trait_values["selected"] = [self.selected[0], message["keys"]]
        if self._on_select is not None:
            self._on_select()

    def _ask_open(self, message: Mapping[str, Any]) -> None:
        if self._on_open is not None:
            self._on_open(message["key"])

    def _ask_sort(self, message: Mapping[str, Any]) -> None:
        self._rearrange(sort=message["sort"])

    def _ask_filter(self, message: Mapping[str, Any]) -> None:
        self._rearrange(filter=message["text"])

    def _rearrange(self, **traits: Any) -> None:
        with self._view_lock:
            self.set_trait(*next(iter(traits.items())))
            if self._rows is not None:
                self.follow(self._rows, marks=self._marks)
            else:
                self._refresh()

    def _ask_tsv(self, _: Mapping[str, Any]) -> None:
        frame = self.chosen()
        text = io.StringIO()
        writer = csv.writer(text, dialect="excel-tab", lineterminator="\n")
        columns = _named_columns(frame)
        writer.writerow(columns)
        texts = [[full_text(value) for value in column.tolist()] for column in columns.values()]
        writer.writerows(zip(*texts, strict=True))
        self.send({"tsv": text.getvalue(), "rows": len(frame)})


def _key_text(value: object) -> str:
    """Return a text that identifies a value; bytes differ from the text that looks like them."""
    if isinstance(value, bytes):
        return f"\0{value.hex()}"
    text = str(value)
    return f"\0 {text}" if text.startswith("\0") else text


def _named_columns(frame: pd.DataFrame) -> dict[str, pd.Series[Any]]:
    """Return the displayed columns by name; named index levels come first."""
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


def _numeric(frame: pd.DataFrame) -> set[str]:
    return {
        name
        for name, column in _named_columns(frame).items()
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    }


def _contains(frame: pd.DataFrame, text: str) -> np.ndarray[Any, Any]:
    """Return, for each row, whether a text is in one of its columns, ignoring case."""
    needle = text.casefold()
    mask = np.zeros(len(frame), dtype=bool)
    for column in _named_columns(frame).values():
        texts = map(full_text, column.tolist())
        mask |= np.fromiter(
            (each is not None and needle in each.casefold() for each in texts), bool, len(frame)
        )
    return mask


def _sort_order(column: pd.Series[Any], *, ascending: bool) -> np.ndarray[Any, Any]:
    """Return the positions that sort a column's values; missing ones come last."""
    values = [None if full_text(value) is None else value for value in column.tolist()]
    there = [i for i, value in enumerate(values) if value is not None]
    # As text, 10-0 would come before 9-0.
    by: Callable[[Any], Any] = EntryId if str(column.name).endswith("_id") else lambda value: value
    try:
        ordered = sorted(there, key=lambda i: by(values[i]), reverse=not ascending)
    except (TypeError, ValueError):
        # Values of several types.
        ordered = sorted(there, key=lambda i: full_text(values[i]) or "", reverse=not ascending)
    return np.array([*ordered, *(i for i, value in enumerate(values) if value is None)], dtype=int)
