"""LiveGrid: rows that come and go as a table, of which only those in view are ever made."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import pandas as pd

from redisnb import frames
from redisnb.panels.parts.grid.copying import MOST_COPIED, clipping
from redisnb.panels.parts.lane import Lane, Task
from redisnb.panels.parts.part import Act, Part
from redisnb.panels.parts.writing import (
    cells,
    decimal_places,
    is_datetime,
    is_number,
    named_columns,
)

__all__ = ["LiveGrid", "LiveRows"]

#: How many rows go with a change, and at most with an answer.
_SENT, _ANSWERED = 40, 400
#: How many columns are shown of those that have been seen: a stream may have new ones without end.
_MOST_COLUMNS = 200


class LiveRows(Protocol):
    """Rows as of one moment, the newest first."""

    @property
    def count(self) -> int:
        """How many there have been; what is new has a higher one."""

    @property
    def length(self) -> int:
        """How many are here."""

    def frame(self, start: int, stop: int) -> pd.DataFrame:
        """Return the rows from `start` to `stop`, counted from the newest."""


class _NoRows:
    count = length = 0

    def frame(self, start: int, stop: int) -> pd.DataFrame:
        return frames.table({}, [])


class LiveGrid(Part):
    """Rows that come and go as a table, the newest first.

    Scrolling away, or an act on a row, holds the view: it stays as it is while newer rows come, and
    a button with their number brings the newest back. Only rows in view are asked for.

    Parameters
    ----------
    label : str
        What the rows are.
    empty : str
        What stands there without rows: what is missing, and the next step.
    tone : callable, optional
        Gets the columns of some rows by name, and returns the tone of each: "good", "warn", "bad"
        or "".
    on : callable, optional
        Called when a row was chosen: see `chosen_row`.
    on_change : callable, optional
        Called when rows were selected, and when the view is held or let go: see `is_held`.
    """

    kind = "grid"

    def __init__(
        self,
        label: str,
        *,
        empty: str = "There is nothing here.",
        tone: Callable[[Mapping[str, pd.Series[Any]]], list[str]] | None = None,
        on: Act | None = None,
        on_change: Act | None = None,
    ) -> None:
        super().__init__(on=on, label=label, empty=empty, filters=False, filter="", sort=None)
        self.props |= {"columns": [], "names": [], "head": [], "total": 0, "all": 0, "revision": 0}
        self.props |= {"chosen": None, "selected": [], "error": ""}
        self.props |= {"live": True, "count": 0, "news": 0, "held": False, "tones": []}
        self._tone, self._on_change = tone, on_change
        # Guards what is shown; held while rows in view are made, which are few.
        self._lock = threading.RLock()
        self._rows: LiveRows = _NoRows()
        self._latest: LiveRows = self._rows
        # What `clear` took away, on which a user may still have acted, and the row that one chose.
        self._cleared: LiveRows = self._rows
        self._row_gone: pd.DataFrame | None = None
        self._is_scrolled = False
        # By name, how many decimals the values of a column have, and which are numbers or times.
        self._places: dict[str, int] = {}
        self._numbers: set[str] = set()
        self._times: set[str] = set()
        self._left: list[str] = []
        self._frozen: list[str] = []
        self._in_view = (0, _SENT)
        self._copying = Lane(f"LiveGrid({label!r}), copying", self._failed)

    # -- for the panel

    def follow(self, rows: LiveRows) -> None:
        """Show newer rows, or, while the view is held, how many there are."""
        with self._lock:
            self._latest = rows
            if self["held"]:
                self.set(news=max(0, rows.count - self._rows.count))
                return
            self._shift(rows.count - self._rows.count, rows.length)
            self._rows, self._in_view = rows, (0, _SENT)
            self._redraw()

    def refresh(self) -> None:
        """Make the rows in view again: something about them has changed."""
        with self._lock:
            self._redraw()

    def clear(self) -> None:
        """Forget the columns seen so far, and let go of the view."""
        with self._lock:
            self._places, self._numbers, self._times = {}, set(), set()
            self._cleared = self._rows
            self.release()

    def hold(self) -> None:
        """Keep what is shown, whatever comes."""
        self._hold()

    def release(self) -> None:
        """Show the newest rows again."""
        with self._lock:
            was_held = self["held"]
            self._is_scrolled = False
            self.set(held=False, news=0)
            self.follow(self._latest)
        if was_held:
            self._changed()

    @property
    def is_held(self) -> bool:
        """Whether newer rows are not shown."""
        return bool(self["held"])

    @property
    def in_view(self) -> tuple[int, int]:
        """Which rows a page shows, from the first to the one after the last."""
        with self._lock:
            return self._in_view[0], min(self._in_view[1], self._rows.length)

    @property
    def rows(self) -> LiveRows:
        """The rows that are shown."""
        return self._rows

    def selected_rows(self) -> pd.DataFrame:
        """Return the selected rows with all columns, the newest first."""
        with self._lock:
            rows, ranges = self._rows, self["selected"]
        parts = [rows.frame(first, min(stop, rows.length)) for first, stop in ranges]
        return pd.concat(parts) if parts else rows.frame(0, 0)

    def chosen_row(self) -> pd.DataFrame:
        """Return the chosen row with all columns, as a frame of one row or none."""
        with self._lock:
            at = self["chosen"]
            if at is not None:
                return self._rows.frame(at, at + 1)
            return self._rows.frame(0, 0) if self._row_gone is None else self._row_gone

    def picked_columns(self) -> list[str]:
        """Return the names of the columns shown, in their order."""
        with self._lock:
            names = [name for name in self._places if name not in self._left]
            return sorted(names, key=lambda name: name not in self._frozen)

    def pick(self, *, left: Sequence[str] = (), frozen: Sequence[str] = ()) -> None:
        """Leave columns out, and keep others in view at the left."""
        with self._lock:
            self._left, self._frozen = list(left), list(frozen)
            self._redraw()

    # -- what the user does

    def heard(self, act: str, message: Mapping[str, Any]) -> None:
        """Answer a page, or do what the user asked for."""
        acts: dict[str, Callable[[Mapping[str, Any], int], object]] = {
            "page": lambda each, on: self._answer(each["start"] + on, each["stop"] + on),
            "columns": lambda each, _: self.pick(left=each["left"], frozen=each["frozen"]),
            "choose": lambda each, on: self._choose(each["row"], on),
            "select": lambda each, on: self._select(each["ranges"], on),
            "copy": lambda each, _: self._copy(each["format"]),
            "scroll": lambda each, _: self._scrolled(each["top"]),
            "hold": lambda *_: self._hold(),
            "view": lambda each, _: self._view(each["range"]),
            "newest": lambda *_: self.release(),
        }
        # How many rows came since the page got those on which the user acted.
        acts[act](message, max(0, self["count"] - message.get("count", self["count"])))

    def _answer(self, start: int, stop: int) -> None:
        with self._lock:
            stop = min(stop, start + _ANSWERED, self._rows.length)
            rows, tones = self._texts(start, stop)
            answer = {"part": self.id, "start": start, "rows": rows, "tones": tones}
            answer["of"] = self["revision"]
        assert self.channel is not None
        self.channel.send(answer)

    def _view(self, shown: Sequence[int]) -> None:
        with self._lock:
            self._in_view = (shown[0], min(shown[1], shown[0] + _ANSWERED))

    def _choose(self, row: int, on: int) -> None:
        self._hold()
        with self._lock:
            at, n = row + on, self._rows.length
            before = self._cleared.count - self._rows.count + at
            # The page showed what `clear` has taken away since: the user meant that row.
            is_gone = at >= n and 0 <= before < self._cleared.length
            self._row_gone = self._cleared.frame(before, before + 1) if is_gone else None
            self._mark("chosen", at if at < n else None, row)
        if self.on is not None:
            self.on()

    def _select(self, ranges: Sequence[Sequence[int]], on: int) -> None:
        with self._lock:
            n = self._rows.length
            moved = [[first + on, min(stop + on, n)] for first, stop in ranges]
            self._mark("selected", [each for each in moved if each[0] < n], ranges)
        self._hold()
        self._changed()

    def _mark(self, what: str, rows: Any, told: Any) -> None:
        # The page has marked its rows already; it is told where other rows are meant now.
        self.props[what] = told
        self.set(**{what: rows})

    def _scrolled(self, is_at_top: bool) -> None:
        if not is_at_top:
            self._hold(by_scrolling=not self["held"])
        elif self._is_scrolled:
            self.release()

    def _hold(self, *, by_scrolling: bool = False) -> None:
        with self._lock:
            is_new = not self["held"]
            # Scrolling back lets go only of what scrolling away holds.
            self._is_scrolled = by_scrolling
            self.set(held=True)
        if is_new:
            self._changed()

    def _changed(self) -> None:
        if self._on_change is not None:
            self._on_change()

    def _copy(self, form: str) -> None:
        def write(task: Task) -> None:
            rows = self._rows
            frame = self.selected_rows() if self["selected"] else rows.frame(0, rows.length)
            named = named_columns(frame.head(MOST_COPIED))
            chosen = {name: named[name] for name in self.picked_columns() if name in named}
            message = clipping(chosen, form, len(frame))
            with task.show():
                assert self.channel is not None
                self.channel.send(message)

        self._copying.do(write)

    def _failed(self, error: Exception, _: Callable[[Task], object]) -> None:
        self.set(error=str(error) or type(error).__qualname__)

    # -- rows

    def _redraw(self) -> None:
        rows = self._rows
        head, tones = self._texts(0, min(_SENT, rows.length))
        names = self.picked_columns()
        self.set(
            columns=[self._column(name) for name in names],
            names=[[each, each in names, each in self._frozen] for each in self._places],
            head=head,
            tones=tones,
            total=rows.length,
            all=rows.length,
            count=rows.count,
            revision=self["revision"] + 1,
        )

    def _column(self, name: str) -> dict[str, Any]:
        number = name in self._numbers
        is_frozen = name in self._frozen
        note = "UTC" if name in self._times else ""
        return {"name": name, "note": note, "bars": [], "number": number, "frozen": is_frozen}

    def _texts(self, start: int, stop: int) -> tuple[list[list[str | None]], list[str]]:
        if start >= stop:
            return [], []
        frame = self._rows.frame(start, stop)
        named = named_columns(frame)
        for name, column in named.items():
            if name in self._places or len(self._places) < _MOST_COLUMNS:
                self._note_places(name, column)
        empty: list[str | None] = [None] * len(frame)
        texts = {
            name: [text for (text,) in cells([column], [self._places[name]])]
            for name, column in named.items()
            if name in self._places
        }
        columns = [texts.get(name, empty) for name in self.picked_columns()]
        tones = self._tone(named) if self._tone is not None else []
        return [list(row) for row in zip(*columns, strict=True)], tones

    def _note_places(self, name: str, column: pd.Series[Any]) -> None:
        # Never fewer than before: the points of the numbers would jump with every change.
        self._places[name] = max(decimal_places(column), self._places.get(name, 0))
        if name in self._numbers or name in self._times:
            return
        if is_number(column):
            self._numbers.add(name)
        elif is_datetime(column):
            self._times.add(name)

    def _shift(self, by: int, length: int) -> None:
        """Move the marks to where their rows are now."""
        if not by:
            return
        chosen = self["chosen"]
        there = None if chosen is None or not 0 <= chosen + by < length else chosen + by
        moved = [[first + by, min(stop + by, length)] for first, stop in self["selected"]]
        self.set(chosen=there, selected=[each for each in moved if 0 <= each[0] < each[1]])
