"""Parts that draw: counts and lines over time, and a JSON value that folds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from redisnb.panels.parts.part import Act, Part

__all__ = ["Chart", "Histogram", "JsonTree"]

#: A time, or its milliseconds since 1970.
Moment = pd.Timestamp | int


class Chart(Part):
    """Lines over time; the pointer and the arrow keys bring the values of a moment.

    Parameters
    ----------
    label : str
        What the lines are about.
    unit : str
        Of the values.
    """

    kind = "chart"

    def __init__(self, label: str, *, unit: str = "entries/s") -> None:
        super().__init__(label=label, unit=unit, times=[], lines=[])

    def show(
        self, times: Sequence[Moment], lines: Mapping[str, Sequence[float | int | None]]
    ) -> None:
        """Show lines by name, of as many values as there are times; a missing one is a gap.

        The first line is the most prominent. All of it is sent: a few hundred points are enough.
        """
        if wrong := {name for name, values in lines.items() if len(values) != len(times)}:
            raise ValueError(f"{sorted(wrong)}: there are {len(times)} times, one for each value")
        values = [[name, [_drawn(each) for each in all]] for name, all in lines.items()]
        self.set(times=list(map(_ms_of, times)), lines=values)


class Histogram(Part):
    """Counts over time, of which a range is chosen by the pointer or the arrow keys.

    `on` is called when a range was chosen; `range` tells it.

    Parameters
    ----------
    label : str
        What it shows.
    unit : str
        What is counted, of one and of several.
    """

    kind = "histogram"

    def __init__(
        self, label: str, *, unit: tuple[str, str] = ("entry", "entries"), on: Act | None = None
    ) -> None:
        super().__init__(on=on, label=label, counts=[], edges=[], ticks=[], brush=None)
        self.props |= {"unit": list(unit), "marked": [], "marked_as": "", "position": None}

    def show(self, counts: Sequence[int], edges: Sequence[Moment | str], *, ticks: int = 5) -> None:
        """Show counts; there is one edge more than counts: times, or texts.

        Times are as far from each other as the counts; round ones stand below. Of texts, `ticks`
        do.
        """
        if counts and len(edges) != len(counts) + 1:
            raise ValueError(f"{len(counts)} counts have {len(counts) + 1} edges, not {len(edges)}")
        written = [each if isinstance(each, str) else _ms_of(each) for each in edges]
        at = [round(i * len(counts) / (ticks - 1)) for i in range(ticks)] if counts else []
        self.set(
            counts=[int(each) for each in counts],
            edges=written,
            ticks=[written[i] for i in at],
            brush=None,
            marked=[],
        )

    def mark(self, counts: Sequence[int], what: str = "match") -> None:
        """Mark a part of each count, and say what it is; nothing is marked without counts."""
        self.set(marked=[int(each) for each in counts], marked_as=what)

    def move(self, time: Moment | None) -> None:
        """Show how far something has come, where the edges are times; None shows nothing."""
        self.set(position=None if time is None else _ms_of(time))

    @property
    def range(self) -> tuple[int, int] | None:
        """The chosen counts, from the first to the one after the last; None for all."""
        brush = self["brush"]
        return None if brush is None else (brush[0], brush[1])

    def heard(self, act: str, message: Mapping[str, Any]) -> None:
        """Choose a range."""
        brush, most = message["brush"], len(self["counts"])
        if brush is not None:
            first = max(0, min(int(brush[0]), most - 1))
            brush = [first, max(first + 1, min(int(brush[1]), most))]
        self.props["brush"] = brush if most else None
        super().heard(act, message)


class JsonTree(Part):
    """A JSON value that folds; long lists are drawn piece by piece."""

    kind = "jsontree"

    def __init__(self, label: str, value: Any = None) -> None:
        super().__init__(label=label, value=value)


def _ms_of(time: Moment) -> int:
    return int(time.timestamp() * 1000) if isinstance(time, pd.Timestamp) else int(time)


def _drawn(value: float | int | None) -> float | int | None:
    if value is None or not math.isfinite(value):
        return None
    return int(value) if float(value).is_integer() else round(float(value), 3)
