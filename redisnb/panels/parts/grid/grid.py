"""Grid: a frame of any length as a table, of which a page gets only the rows in view."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from redisnb import cards, frames
from redisnb.panels.parts.grid.arranging import arranged_rows
from redisnb.panels.parts.grid.copying import MOST_COPIED, clipping
from redisnb.panels.parts.grid.describing import ColumnNote, column_note
from redisnb.panels.parts.lane import Lane, Task
from redisnb.panels.parts.part import Act, Part
from redisnb.panels.parts.writing import (
    cells,
    decimal_places,
    is_number,
    named_columns,
)

__all__ = ["Grid"]

#: How many rows go with the state, and at most with an answer.
_HEAD, _ANSWER = 40, 400
#: Of how many revisions it is known which rows they had.
_PAST = 3
#: How many rows fit into what a browser scrolls.
_SCROLLED = 700_000


class _Marked(NamedTuple):
    """The keys of rows that stay marked when others are shown."""

    selected: pd.Index[Any]
    chosen: pd.Index[Any]


class Grid(Part):
    """A frame as a table to scroll, filter, sort, select from and copy.

    Filtering and sorting work in the background, and the next key calls them off. A click or Enter
    chooses a row and calls `on`; Shift and Ctrl select several, as `selected_rows` returns them.

    Parameters
    ----------
    label : str
        What the rows are.
    key : str, optional
        The column that tells rows apart: they stay selected, and chosen, when others are shown.
    empty : str
        What stands there without rows: what is missing, and the next step.
    filters : bool, default True
        Offer a field that keeps the rows with a text in any column.
    amounts : sequence of str
        The columns of numbers of bytes, which are written with their units.
    on : callable, optional
        Called when a row was chosen: see `chosen_row`.
    on_select : callable, optional
        Called when rows were selected: see `selected_rows`.
    on_scroll : callable, optional
        Called when the first row left the view, or came back: see `is_at_top`.
    """

    kind = "grid"

    def __init__(
        self,
        label: str,
        *,
        key: str | None = None,
        empty: str = "There is nothing here.",
        filters: bool = True,
        amounts: Sequence[str] = (),
        on: Act | None = None,
        on_select: Act | None = None,
        on_scroll: Act | None = None,
    ) -> None:
        super().__init__(on=on, label=label, empty=empty, filters=filters, filter="", sort=None)
        self.props |= {"columns": [], "names": [], "head": [], "total": 0, "all": 0, "revision": 0}
        self.props |= {"matched": 0, "chosen": None, "selected": [], "error": ""}
        self._key, self._on_scroll, self.on_select = key, on_scroll, on_select
        self._amounts = frozenset(amounts)
        self.is_at_top = True
        # Guards the frame and the order; never held while rows are arranged.
        self._lock = threading.RLock()
        self._frame = frames.table({}, [])
        #: What is shown once it is arranged; the same, if it is.
        self._coming = self._frame
        # Its columns by name, and how many decimals each has.
        self._named: dict[str, pd.Series[Any]] = {}
        self._places: dict[str, int] = {}
        #: The positions of the rows shown, in order.
        self._order: np.ndarray[Any, Any] = np.arange(0)
        # By revision, the keys and the order of the last few: a page may not have the newest yet.
        self._past: dict[int | None, tuple[pd.Series[Any], np.ndarray[Any, Any]]] = {}
        self._notes: Mapping[str, ColumnNote] = {}
        self._left: list[str] = []
        self._frozen: list[str] = []
        self._arranging = Lane(f"Grid({label!r})", self._failed)
        self._describing = Lane(f"Grid({label!r}), describing", self._failed)
        self._copying = Lane(f"Grid({label!r}), copying", self._failed)

    # -- for the panel

    def show(self, frame: pd.DataFrame, *, describe: bool = False) -> None:
        """Show a frame from now on; with `describe`, a note below the name of each column."""
        with self._lock:
            if not describe:
                self._notes = {}
            # What is here stays until those are arranged: positions are always of one frame.
            self._coming = frame
            if is_plain := self._is_plain():
                self._take_rows(frame, np.arange(len(frame)))
        if is_plain:
            self._arranging.cancel()
        # The user may have sorted them at this moment: that would be called off.
        if not self._is_plain():
            self._arrange()
        if describe:
            self._describing.do(self._describe)
        else:
            self._describing.cancel()

    def frame(self) -> pd.DataFrame:
        """Return the rows and columns shown, in their order."""
        with self._lock:
            return self._picked(self._frame.iloc[self._order])

    def selected_rows(self) -> pd.DataFrame:
        """Return the selected rows with all columns, in the order shown."""
        with self._lock:
            rows: pd.DataFrame = self._frame.iloc[self._order[self._selected()]]
            return rows

    def chosen_row(self) -> pd.DataFrame:
        """Return the chosen row with all columns, as a frame of one row or none."""
        with self._lock:
            at = self["chosen"]
            return self._frame.iloc[self._order[[] if at is None else [at]]]

    def picked_columns(self) -> list[str]:
        """Return the names of the columns shown, in their order."""
        with self._lock:
            names = [name for name in self._named if name not in self._left]
            return [n for n in names if n in self._frozen] + [
                n for n in names if n not in self._frozen
            ]

    def pick(self, *, left: Sequence[str] = (), frozen: Sequence[str] = ()) -> None:
        """Leave columns out, and keep others in view at the left."""
        with self._lock:
            self._left, self._frozen = list(left), list(frozen)
            self._redraw()

    def arrange(self, *, text: str | None = None, sort: tuple[str, bool] | None = None) -> None:
        """Filter by a text, or sort by a column, ascending or not."""
        with self._lock:
            if text is not None:
                self.set(filter=text)
            if sort is not None:
                self.set(sort=list(sort))
        self._arrange()

    # -- what the user does

    def heard(self, act: str, message: Mapping[str, Any]) -> None:
        """Answer a page, or do what the user asked for."""
        acts: dict[str, Callable[[Mapping[str, Any]], object]] = {
            "page": lambda _: self._answer(message["start"], message["stop"]),
            "filter": lambda _: self.arrange(text=message["text"]),
            "sort": lambda _: self.arrange(sort=(message["column"], message["ascending"])),
            "columns": lambda _: self.pick(left=message["left"], frozen=message["frozen"]),
            "choose": lambda _: self._choose(message["row"], message.get("of")),
            "select": lambda _: self._select(message["ranges"], message.get("of")),
            "copy": lambda _: self._copy(message["format"]),
            "scroll": lambda _: self._scrolled(message["top"]),
        }
        acts[act](message)

    def _answer(self, start: int, stop: int) -> None:
        with self._lock:
            rows = self._rows(start, min(stop, start + _ANSWER))
            answer = {"part": self.id, "start": start, "rows": rows, "of": self["revision"]}
        assert self.channel is not None
        self.channel.send(answer)

    def _choose(self, at: int, of: int | None) -> None:
        with self._lock:
            found = self._now([[at, at + 1]], of)
            self._mark("chosen", found[0][0] if found else None, at)
        if self.on is not None:
            self.on()

    def _select(self, ranges: Sequence[Sequence[int]], of: int | None) -> None:
        with self._lock:
            self._mark("selected", self._now(ranges, of), ranges)
        if self.on_select is not None:
            self.on_select()

    def _mark(self, what: str, rows: Any, told: Any) -> None:
        # The page has marked its rows already; it is told where other rows are meant now.
        self.props[what] = told
        self.set(**{what: rows})

    def _now(self, ranges: Sequence[Sequence[int]], of: int | None) -> list[list[int]]:
        """Return where the rows are now that a page had at these places, as of a revision."""
        n = len(self._order)
        if of in (None, self["revision"]):
            return [[first, min(stop, n)] for first, stop in ranges if first < n]
        keys, order = self._past.get(of, (pd.Series([]), np.arange(0)))
        return self._ranges(pd.Index(keys.iloc[order[_rows_at(ranges, len(order))]]))

    def _scrolled(self, is_at_top: bool) -> None:
        self.is_at_top = is_at_top
        if self._on_scroll is not None:
            self._on_scroll()

    def _copy(self, form: str) -> None:
        with self._lock:
            rows = self.selected_rows() if self["selected"] else self._frame.iloc[self._order]
            frame = self._picked(rows.head(MOST_COPIED))

        def write(task: Task) -> None:
            message = clipping(named_columns(frame), form, len(rows))
            with task.show():
                assert self.channel is not None
                self.channel.send(message)

        self._copying.do(write)

    # -- rows and their order

    def _is_plain(self) -> bool:
        return not self["filter"] and self["sort"] is None

    def _arrange(self) -> None:
        def job(task: Task) -> None:
            with self._lock:
                frame, text, sort = self._coming, self["filter"], self["sort"]
            by = None if sort is None else (sort[0], sort[1])
            order = arranged_rows(named_columns(frame), text, by, task.check)
            with task.show(), self._lock:
                if frame is self._coming:
                    self._take_rows(frame, order)

        self._arranging.do(job)

    def _take_rows(self, frame: pd.DataFrame, order: np.ndarray[Any, Any]) -> None:
        marked = self._marked_keys()
        if frame is not self._frame:
            self._frame, self._named = frame, named_columns(frame)
            self._places = {name: decimal_places(each) for name, each in self._named.items()}
        self._order = order
        chosen = self._ranges(marked.chosen)
        self.set(
            error="",
            chosen=chosen[0][0] if chosen else None,
            selected=self._ranges(marked.selected),
        )
        self._redraw()

    def _describe(self, task: Task) -> None:
        notes = {}
        for name, column in named_columns(self._coming).items():
            task.check()
            notes[name] = column_note(column)
        with task.show(), self._lock:
            self._notes = notes
            self.set(columns=self._columns())

    def _redraw(self) -> None:
        revision = self["revision"] + 1
        if self._key in self._named:
            self._past[revision] = self._named[self._key], self._order
            self._past.pop(revision - _PAST, None)
        self.set(
            columns=self._columns(),
            names=[[name, name not in self._left, name in self._frozen] for name in self._named],
            head=self._rows(0, _HEAD),
            total=min(len(self._order), _SCROLLED),
            matched=len(self._order),
            all=len(self._frame),
            revision=revision,
        )

    def _columns(self) -> list[dict[str, Any]]:
        return [
            {
                "name": name,
                "note": (note := self._notes.get(name, ColumnNote("", []))).text,
                "bars": note.bars,
                "number": is_number(self._named[name]),
                "frozen": name in self._frozen,
            }
            for name in self.picked_columns()
        ]

    def _rows(self, start: int, stop: int) -> list[list[str | None]]:
        names, order = self.picked_columns(), self._order[start:stop]
        columns = [self._named[name].iloc[order] for name in names]
        for i, name in enumerate(names):
            if name in self._amounts:
                columns[i] = columns[i].astype(object).map(cards.amount, na_action="ignore")
        return cells(columns, [self._places[name] for name in names])

    def _picked(self, frame: pd.DataFrame) -> pd.DataFrame:
        named = [level for level, name in enumerate(frame.index.names) if name is not None]
        flat = frame.reset_index(level=named) if named else frame
        places = {name: i for i, name in enumerate(named_columns(frame))}
        picked = [places[name] for name in self.picked_columns()]
        return flat.iloc[:, picked]

    def _selected(self) -> np.ndarray[Any, Any]:
        return _rows_at(self["selected"], len(self._order))

    def _marked_keys(self) -> _Marked:
        """Return the keys of the selected rows and of the chosen one."""
        if self._key is None or not len(self._frame):
            return _Marked(pd.Index([]), pd.Index([]))
        keys = pd.Index(self._named[self._key])
        at = [] if self["chosen"] is None else [self["chosen"]]
        return _Marked(keys[self._order[self._selected()]], keys[self._order[at]])

    def _ranges(self, keys: pd.Index[Any]) -> list[list[int]]:
        """Return where the rows with these keys are now, as ranges."""
        if self._key is None or not len(keys):
            return []
        shown = pd.Index(self._named[self._key].iloc[self._order])
        at = np.flatnonzero(shown.isin(keys))
        pieces = np.split(at, np.flatnonzero(np.diff(at) > 1) + 1)
        return [[int(piece[0]), int(piece[-1]) + 1] for piece in pieces if len(piece)]

    def _failed(self, error: Exception, _: Callable[[Task], object]) -> None:
        with self._lock:
            if self._coming is not self._frame:
                self._take_rows(self._coming, np.arange(len(self._coming)))
        self.set(error=str(error) or type(error).__qualname__)


def _rows_at(ranges: Sequence[Sequence[int]], n: int) -> np.ndarray[Any, Any]:
    parts = [np.arange(first, min(stop, n)) for first, stop in ranges]
    return np.unique(np.concatenate([np.arange(0), *parts]))
