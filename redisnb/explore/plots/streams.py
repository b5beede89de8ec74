"""Plots of streams and groups: how many entries arrive, wait and are pending."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from redisnb.explore.plots.bars import draw_bars
from redisnb.explore.plots.drawing import (
    draw_lines,
    drawn,
    from_zero,
    legend,
    nothing,
    origin,
    time_axis,
    time_label,
    write_ticks,
    write_title,
)
from redisnb.explore.plots.forms import drawable, stream_names
from redisnb.explore.plots.writing import labels, number_text, rate_text, seconds_text
from redisnb.hints import hinted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["lag", "pending", "rate"]

#: The most intervals of a rate, and how many entries each has at least, on average.
MOST_INTERVALS, LEAST_ENTRIES = 100, 5
#: How long they may be, in ms; longer ones are whole weeks.
_INTERVALS = (
    *(1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000),
    *(minutes * 60_000 for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440)),
)
_WEEK = 7 * 86_400_000
#: The times for which a rate is said, in seconds: the first in which something happens.
_RATE_UNITS = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}
#: How often an entry was delivered, as far as it matters.
_DELIVERED = {"delivered once": 0, "2 to 4 times": 2, "5 times or more": 5}


@hinted
def rate(frame: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how many entries a second were added.

    Parameters
    ----------
    frame : DataFrame
        In schema ENTRIES, HISTOGRAM or WATCH: a line over time for each stream. In schema STREAMS:
        a bar for each stream, of its rate lately.
    ax : matplotlib Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib Axes
        Of entries, each point is the mean of an interval, such as 1 min: up to 100 from the first
        entry to the last one, fewer if there are few. Rates are per second, or, if they are low,
        per minute, hour or day. Without entries the axes say so.

    Raises
    ------
    TypeError, ValueError
        If it is no frame, or has other columns; nothing is drawn.
    MissingExtraError
        If matplotlib is not installed: ``pip install redisnb[lab]``.

    Examples
    --------
    >>> ax = rnb.plots.rate(orders.range())
    >>> ax = rnb.plots.rate(orders.histogram("1min"))
    >>> ax.get_ylabel()
    'entries/min, mean of each 1 min'
    """
    kind, clean = drawable("rate", frame)
    if kind == "STREAMS":
        time, clean["rate"] = _per_time(clean["rate"])
        return _named_bars(frame, ax, clean, ["stream"], "rate", f"entries/{time}, lately")
    if kind == "WATCH":
        time, wide = _per_time(_by_time(clean, ["stream"], "rate"))
        return _over_time(frame, ax, wide, "rate", f"entries/{time}", "no streams")
    wide, width = _of_histogram(clean) if kind == "HISTOGRAM" else _of_entries(clean)
    time, rates = _per_time(wide)
    if not width:
        return _over_time(frame, ax, wide, "rate", "entries", "no entries")
    unit = f"entries/{time}, mean of each {seconds_text(width)}"
    return _over_time(frame, ax, rates, "rate", unit, "no entries")


@hinted
def lag(frame: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how many entries groups have still to read.

    Parameters
    ----------
    frame : DataFrame
        In schema WATCH: a line over time for each group. In schema GROUPS: a bar for each group. A
        lag that the server does not know is said to be unknown; it is not 0.
    ax : matplotlib Axes, optional
        As for `rate`.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    TypeError, ValueError, MissingExtraError
        As for `rate`.

    Examples
    --------
    >>> ax = rnb.plots.lag(rnb.watch(conn, "orders", every="50ms", duration="100ms"))
    >>> ax.get_ylabel()
    'entries not yet read (lag)'
    """
    kind, clean = drawable("lag", frame)
    unit = "entries not yet read (lag)"
    if kind == "GROUPS":
        return _named_bars(frame, ax, clean, ["stream", "group"], "lag", unit)
    wide = _by_time(clean, ["stream", "group"], "lag")
    return _over_time(frame, ax, wide, "lag", unit, "no groups")


@hinted
def pending(frame: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how many entries were read and not yet acknowledged.

    Parameters
    ----------
    frame : DataFrame
        In schema WATCH: a line over time for each group. In schema GROUPS or CONSUMERS: a bar for
        each. In schema PENDING: a bar for each consumer, by how often entries were delivered.
    ax : matplotlib Axes, optional
        As for `rate`.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    TypeError, ValueError, MissingExtraError
        As for `rate`.

    Examples
    --------
    >>> frame = billing.read(3)
    >>> ax = rnb.plots.pending(billing.pending())
    >>> ax.get_xlabel()
    'pending entries'
    """
    kind, clean = drawable("pending", frame)
    unit = "pending entries"
    if kind == "WATCH":
        wide = _by_time(clean, ["stream", "group"], "pending")
        return _over_time(frame, ax, wide, "number of them", unit, "no groups")
    if kind == "PENDING":
        return _by_deliveries(frame, ax, clean)
    names = ["consumer"] if kind == "CONSUMERS" else ["stream", "group"]
    return _named_bars(frame, ax, clean, names, "pending", unit)


def _over_time(
    frame: pd.DataFrame, ax: Axes | None, wide: pd.DataFrame, value: str, unit: str, empty: str
) -> Axes:
    """Draw a line for each column."""
    with drawn(ax) as ax:
        # A single line is named above, and not in a legend.
        only = labels(wide.columns)[0] if len(wide.columns) == 1 and any(wide.columns) else ""
        write_title(ax, only or origin(frame), attrs=frame.attrs)
        if wide.isna().all(axis=None):
            nothing(ax, empty if wide.empty else f"no {value} is known")
        else:
            draw_lines(ax, wide)
            from_zero(ax)
            write_ticks(ax.yaxis)
            legend(ax)
            time_axis(ax, wide.index)
        time_label(ax)
        ax.set_ylabel(unit)
    return ax


def _by_time(clean: pd.DataFrame, names: list[str], value: str) -> pd.DataFrame:
    """Return a column for each name, over all times of a watch, also those without a sample."""
    times = pd.Index(clean["time"].dropna().unique()).sort_values()
    known = clean.dropna(subset=["time", *names])
    # In a watch a stream has a row for each group.
    first = known.groupby(["time", *names], sort=False)[value].first()
    wide: Any = first.unstack(names)
    if len(names) > 1 and wide.columns.nlevels > 1:
        wide.columns = wide.columns.to_flat_index()
    return wide.reindex(times)  # type: ignore[no-any-return]


def _of_entries(clean: pd.DataFrame) -> tuple[pd.DataFrame, float]:
    """Return the rates of entries by stream, in equal intervals, and their length in seconds."""
    clean = clean.dropna(subset="entry_time")
    ms = clean["entry_time"].to_numpy("datetime64[ms]").astype("int64")
    if not len(ms):
        return clean[[]], 0.0
    low, high = int(ms.min()), int(ms.max())
    # A single millisecond tells nothing about a rate; it counts as the second that it begins.
    span = high - low + 1 if high > low else 1000
    width = _round_interval(span / max(1, min(MOST_INTERVALS, len(ms) // LEAST_ENTRIES)))
    # The last one is longer, less than twice as long, and ends with the last entry.
    number = max(1, span // width)
    edges = np.array([*range(low, low + number * width, width), low + span])
    at = np.minimum((ms - low) // width, number - 1)
    counts = clean.groupby([at, stream_names(clean)]).size().unstack()
    wide: Any = counts.reindex(range(number)).fillna(0).div(np.diff(edges) / 1000, axis=0)
    middles = edges[:-1] + np.diff(edges) / 2
    return wide.set_axis(middles.astype("datetime64[ms]")), width / 1000


def _round_interval(ms: float) -> int:
    """Return the shortest interval of a round length that is at least so long."""
    return next((each for each in _INTERVALS if each >= ms), math.ceil(ms / _WEEK) * _WEEK)


def _per_time(rates: Any) -> tuple[str, Any]:
    """Return the time for which rates are said, and the rates for it, instead of for a second."""
    highest = np.nanmax(rates.to_numpy("float64"), initial=0)
    rarest = "d" if highest else "s"
    time = next((name for name, n in _RATE_UNITS.items() if highest * n >= 1), rarest)
    return time, rates * _RATE_UNITS[time]


def _of_histogram(clean: pd.DataFrame) -> tuple[pd.DataFrame, float]:
    """Return the rates of a histogram, and the length of its intervals in seconds."""
    clean = clean.dropna(subset="time").sort_values("time")
    steps = np.diff(clean["time"].to_numpy("datetime64[ms]").astype("int64")) / 1000
    width = float(steps[steps > 0].min(initial=np.inf))
    wide = clean.set_index("time")[["entries"]].set_axis([""], axis=1)
    # How long a single interval is, it does not say.
    return (wide / width, width) if np.isfinite(width) else (wide, 0.0)


def _named_bars(
    frame: pd.DataFrame,
    ax: Axes | None,
    clean: pd.DataFrame,
    names: list[str],
    value: str,
    unit: str,
) -> Axes:
    """Draw a bar for each name."""
    parts = clean.set_index(names)[[value]]
    parts.index = parts.index.to_flat_index()
    return draw_bars(
        frame, ax, parts, unit, f"no {names[-1]}s", rate_text if value == "rate" else number_text
    )


def _by_deliveries(frame: pd.DataFrame, ax: Axes | None, clean: pd.DataFrame) -> Axes:
    """Draw a bar for each consumer, in parts by how often its entries were delivered."""
    names, (_, *beginnings) = [*_DELIVERED], _DELIVERED.values()
    classes = np.searchsorted(beginnings, clean["deliveries"], side="right")
    counts = clean.groupby([clean["consumer"].fillna("no consumer"), classes]).size().unstack()
    parts = counts.rename(columns=dict(enumerate(names)))
    return draw_bars(frame, ax, parts, "pending entries", "no pending entries")
