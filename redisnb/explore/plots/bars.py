"""Bars for names: the longest ones, the others added up, and unknown ones said to be so."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from redisnb.explore.plots.drawing import (
    BARS_DRAWN,
    bars_height,
    colors,
    drawn,
    legend,
    nothing,
    write_ticks,
    write_title,
)
from redisnb.explore.plots.writing import labels, number_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_bars"]


def draw_bars(
    frame: pd.DataFrame,
    ax: Axes | None,
    parts: pd.DataFrame,
    unit: str,
    empty: str,
    text: Callable[[float], str] = number_text,
) -> Axes:
    """Draw a bar for each row of `parts`, with a color for each column; say `empty` without any."""
    with drawn(ax, bars_height(len(parts))) as ax:
        write_title(ax, attrs=frame.attrs)
        if parts.empty:
            nothing(ax, empty)
        else:
            _bars(ax, *_ranked(parts), text)
        ax.set_xlabel(unit)
    return ax


def _ranked(parts: pd.DataFrame) -> tuple[list[str], pd.DataFrame]:
    """Return the labels and the numbers of bars, the longest first, unknown ones last.

    Parameters
    ----------
    parts : DataFrame
        A row for each name, in the index, and a column for each part of a bar. A name without a
        number is unknown. Those that are too many become one row.
    """
    total = parts.sum(axis=1, min_count=1)
    order = total.reset_index(drop=True).sort_values(
        ascending=False, na_position="last", kind="stable"
    )
    parts = parts.iloc[order.index]
    shown, rest = parts.iloc[:BARS_DRAWN], parts.iloc[BARS_DRAWN:]
    names = labels(shown.index)
    if rest.empty:
        return names, shown
    unknown = int(rest.isna().all(axis=1).sum())
    said = f", {unknown:,} of them unknown" if unknown else ""
    added = rest.sum(min_count=1).to_frame().T
    return [*names, f"{len(rest):,} others{said}"], pd.concat([shown, added])


def _bars(ax: Axes, names: list[str], parts: pd.DataFrame, text: Callable[[float], str]) -> None:
    """Draw what `_ranked` returns, with the number at the end of each bar."""
    places = np.arange(len(names))
    left = np.zeros(len(names))
    own = colors()
    for n, name in enumerate(parts.columns):
        width = parts[name].fillna(0).to_numpy()
        color = own[n % len(own)]
        ax.barh(
            places, width, 0.7, left, color=color, label=str(name) if len(parts.columns) > 1 else ""
        )
        left += width
    total: pd.Series[Any] = parts.sum(axis=1, min_count=1)
    for place, value in zip(places, total, strict=True):
        said = "unknown" if np.isnan(value) else text(value)
        ax.annotate(
            said,
            (0 if np.isnan(value) else value, place),
            (4, 0),
            textcoords="offset points",
            va="center",
            fontsize="small",
        )
    ax.set_yticks(places, names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    # With room for the number behind the longest bar.
    ax.set_xlim(0, 1.15 * (left.max(initial=0) or 1))
    ax.grid(visible=False, axis="y")
    write_ticks(ax.xaxis, text)
    legend(ax)
