"""Parts that draw: counts over time, and a JSON value that folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from redisnb.panels.parts.part import Act, Part

__all__ = ["Histogram", "JsonTree"]


class Histogram(Part):
    """Counts over time, of which a range is chosen by the pointer or the arrow keys.

    `on` is called when a range was chosen; `range` tells it.

    Parameters
    ----------
    label : str
        What is counted.
    """

    kind = "histogram"

    def __init__(self, label: str, *, on: Act | None = None) -> None:
        super().__init__(on=on, label=label, counts=[], edges=[], ticks=[], brush=None)

    def show(self, counts: Sequence[int], edges: Sequence[str], *, ticks: int = 5) -> None:
        """Show counts; there is one edge more than counts, each written as a text."""
        if counts and len(edges) != len(counts) + 1:
            raise ValueError(f"{len(counts)} counts have {len(counts) + 1} edges, not {len(edges)}")
        at = [round(i * len(counts) / (ticks - 1)) for i in range(ticks)] if counts else []
        self.set(
            counts=[int(each) for each in counts],
            edges=list(edges),
            ticks=[edges[i] for i in at],
            brush=None,
        )

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
