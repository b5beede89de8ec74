"""Plots of durations: between entries, and until a server has answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from redisnb.explore.plots.drawing import (
    LINES_DRAWN,
    colors,
    draw_lines,
    drawn,
    from_zero,
    legend,
    log_histogram,
    log_seconds,
    nothing,
    origin,
    time_axis,
    time_label,
    write_ticks,
    write_title,
)
from redisnb.explore.plots.forms import drawable, stream_names
from redisnb.explore.plots.writing import labels, seconds_text
from redisnb.hints import hinted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["gaps", "latency"]

#: How many of the longest gaps are marked.
_GAPS_MARKED = 3
#: The shares of the replies that were at least as quick as the lines say.
_QUANTILES = {"median": 0.5, "99 %": 0.99}


@hinted
def gaps(frame: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how long it took from one entry to the next.

    Parameters
    ----------
    frame : DataFrame
        In schema ENTRIES, in any order; of several streams, the gaps within each.
    ax : matplotlib Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib Axes
        A histogram on a logarithmic axis of time, with a bar on the left for the entries of the
        same millisecond. The longest gaps are marked, with the time at which they began.

    Raises
    ------
    TypeError, ValueError, MissingExtraError
        As for `rate`.

    Examples
    --------
    >>> ax = rnb.plots.gaps(orders.range())
    >>> ax.get_xlabel()
    'time to the next entry'
    """
    _, clean = drawable("gaps", frame)
    clean = clean.dropna(subset="entry_time").sort_values("entry_time", kind="stable")
    names = stream_names(clean)
    seconds = clean["entry_time"].groupby(names).diff().dt.total_seconds()
    began = clean["entry_time"].groupby(names).shift()
    above = seconds[seconds > 0]
    zeros = int((seconds == 0).sum())
    with drawn(ax) as ax:
        write_title(ax, origin(frame), attrs=frame.attrs)
        if above.empty and not zeros:
            nothing(ax, "no entries" if clean.empty else "a single entry")
        else:
            log_histogram(ax, above, zeros)
            for n, at in enumerate(above.nlargest(_GAPS_MARKED).index):
                said = f"{seconds_text(above[at])}, from\n{began[at]:%Y-%m-%d %H:%M:%S}"
                style = {"linestyle": "", "color": colors()[1], "clip_on": False, "zorder": 3}
                ax.plot([above[at]], [0], marker="v^d"[n], label=said, **style)
            legend(ax, 1, "the longest (UTC)")
        ax.set_xlabel("time to the next entry")
        ax.set_ylabel("gaps")
    return ax


@hinted
def latency(frame: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how long a server took to answer, over time.

    Parameters
    ----------
    frame : DataFrame
        In schema WATCH: the round trips of PING, with their median and 99 % quantile. In schema
        SLOWLOG: how long each slow command took, by command, on a logarithmic axis.
    ax : matplotlib Axes, optional
        As for `gaps`.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    TypeError, ValueError, MissingExtraError
        As for `rate`.

    Examples
    --------
    >>> ax = rnb.plots.latency(rnb.watch(conn, "orders", every="50ms", duration="100ms"))
    >>> ax.get_ylabel()
    'PING, there and back'
    """
    kind, clean = drawable("latency", frame)
    clean = clean.dropna(subset="time")
    draw, empty = {
        "WATCH": (_draw_round_trips, "no reply"),
        "SLOWLOG": (_draw_slow_commands, "no slow commands"),
    }[kind]
    with drawn(ax) as ax:
        write_title(ax, attrs=frame.attrs)
        if clean.drop(columns="time").isna().all(axis=None):
            nothing(ax, empty)
        else:
            draw(ax, clean)
            legend(ax)
            time_axis(ax, clean["time"])
        time_label(ax)
        ax.set_ylabel("PING, there and back" if kind == "WATCH" else "duration")
    return ax


def _draw_round_trips(ax: Axes, clean: pd.DataFrame) -> None:
    # A sample has a row for each group.
    trips = clean.groupby("time")["latency"].first()
    draw_lines(ax, trips.to_frame("round trip"))
    own = colors()
    for n, (name, share) in enumerate(_QUANTILES.items(), 1):
        value = float(trips.quantile(share))
        style = {"color": own[n % len(own)], "linestyle": ("--", ":")[n - 1]}
        ax.axhline(value, label=f"{name}: {seconds_text(value)}", **style)
    from_zero(ax)
    write_ticks(ax.yaxis, seconds_text)


def _draw_slow_commands(ax: Axes, clean: pd.DataFrame) -> None:
    clean = clean.dropna(subset="duration")
    names = clean["command"].fillna("").str.partition(" ")[0]
    counts = names.value_counts()
    shown = [*counts.index[:LINES_DRAWN]]
    groups = [(label, names == name) for name, label in zip(shown, labels(shown), strict=True)]
    if len(counts) > LINES_DRAWN:
        groups.append((f"{len(counts) - LINES_DRAWN:,} others", ~names.isin(shown)))
    for n, (label, mask) in enumerate(groups):
        own = colors()
        style = {"color": own[n % len(own)], "marker": "osv"[n // len(own) % 3], "linestyle": ""}
        of = clean[mask]
        ax.plot(of["time"].to_numpy(), of["duration"].to_numpy(), label=label, **style)
    seconds = clean["duration"].clip(lower=1e-6)
    log_seconds(ax, "y", seconds.min() / 1.5, seconds.max() * 1.5)
