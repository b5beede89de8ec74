"""The axes that plots draw on, made or given: lines over time, axes of durations, words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from redisnb.errors import MissingExtraError
from redisnb.explore.plots.writing import labels, number_text, seconds_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

__all__ = [
    "bars_height",
    "colors",
    "draw_lines",
    "drawn",
    "from_zero",
    "legend",
    "log_histogram",
    "log_seconds",
    "nothing",
    "origin",
    "styles",
    "time_axis",
    "time_label",
    "write_ticks",
    "write_title",
]

#: The most lines and the most bars; the others are added up.
LINES_DRAWN, BARS_DRAWN = 8, 20
#: How many bars a histogram has.
MOST_BINS = 40
#: The most ticks of a logarithmic axis.
MOST_TICKS = 9
_NO_TICKS: Mapping[float, str] = {}
#: Blue, vermilion, green and purple of Okabe and Ito: with a contrast of at least 3:1 on white and
#: on JupyterLab's dark ground, and told apart by the color-blind. https://jfly.uni-koeln.de/color/
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
#: Each color comes again with the next style.
STYLES = ("-", "--", ":")
#: What a logarithmic axis of durations may have ticks at, in seconds.
_TICKS: dict[float, str] = {
    1e-6: "1 µs",
    1e-5: "10 µs",
    1e-4: "100 µs",
    1e-3: "1 ms",
    1e-2: "10 ms",
    1e-1: "100 ms",
    1: "1 s",
    10: "10 s",
    60: "1 min",
    600: "10 min",
    3600: "1 h",
    6 * 3600: "6 h",
    86_400: "1 d",
    7 * 86_400: "7 d",
    30 * 86_400: "30 d",
    365 * 86_400: "1 y",
    3650 * 86_400: "10 y",
    36_500 * 86_400: "100 y",
    365_000 * 86_400: "1,000 y",
}
#: Those that go first, where there are too many.
_FINE_TICKS = {*(1e-5, 1e-4, 1e-2, 1e-1, 10, 600, 6 * 3600, 7 * 86_400), 3650 * 86_400}


@contextmanager
def drawn(ax: Axes | None, height: float = 3.5) -> Iterator[Axes]:
    """Lend the axes to draw on: those that were given, or those of a new figure.

    A new figure has the user's style; matplotlib's own, dark on white and opaque, can be read on a
    light page and on a dark one. It is closed if the plot fails.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    TypeError
        If `ax` is something else.
    """
    try:
        from matplotlib import pyplot
        from matplotlib.axes import Axes as AnyAxes
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "lab") from None
    if ax is not None:
        if not isinstance(ax, AnyAxes):
            raise TypeError(
                f"ax is a matplotlib Axes, not {type(ax).__name__}; "
                "figure, ax = plt.subplots() makes one"
            )
        yield ax
        return
    figure, new = pyplot.subplots(figsize=(8, height), layout="constrained")
    try:
        new.spines[["top", "right"]].set_visible(False)
        new.grid(axis="y", alpha=0.3)
        new.set_axisbelow(True)
        yield new
    except BaseException:
        pyplot.close(figure)
        raise


def colors() -> list[Any]:
    """Return the colors of the user's style, or the plots' own if there is none."""
    from matplotlib import rcParams, rcParamsDefault

    cycle = rcParams["axes.prop_cycle"]
    if cycle == rcParamsDefault["axes.prop_cycle"]:
        return [*COLORS]
    return cycle.by_key().get("color") or [*COLORS]


def styles(number: int) -> Iterator[dict[str, Any]]:
    """Yield the style of each line, no two alike of the first twelve."""
    own = colors()
    for n in range(number):
        yield {"color": own[n % len(own)], "linestyle": STYLES[n // len(own) % len(STYLES)]}


def _quiet() -> dict[str, Any]:
    """Return the style of what is less than a line of its own."""
    from matplotlib import rcParams

    return {"color": rcParams["text.color"], "alpha": 0.6}


def draw_lines(ax: Axes, wide: pd.DataFrame) -> None:
    """Draw a line for each column over the index, the highest first, and the sum of the others.

    A column without any value has an entry in the legend that says so.
    """
    order = wide.max().sort_values(ascending=False, na_position="last", kind="stable").index
    shown = [*order[:LINES_DRAWN]]
    for name, label, style in zip(shown, labels(shown), styles(len(shown)), strict=True):
        unknown = ": unknown" if wide[name].isna().all() else ""
        _line(ax, wide[name], label=f"{label}{unknown}", **style)
    if len(order) > LINES_DRAWN:
        rest = wide[order[LINES_DRAWN:]].sum(axis=1, min_count=1)
        label = f"{len(order) - LINES_DRAWN:,} others together"
        _line(ax, rest, label=label, linestyle="-.", **_quiet())


def _line(ax: Axes, values: pd.Series[Any], **style: Any) -> None:
    numbers = values.to_numpy("float64")
    known = np.isfinite(numbers)
    # Without a neighbor there is no line to see.
    beside = np.pad(known, 1)
    alone = np.flatnonzero(known & ~beside[:-2] & ~beside[2:])
    style |= {"marker": "o", "markevery": alone.tolist()} if len(alone) else {}
    ax.plot(values.index.to_numpy(), numbers, **style)


def from_zero(ax: Axes) -> None:
    """Begin the axis of values at 0."""
    top = ax.get_ylim()[1]
    ax.set_ylim(
        0, top if any(np.nanmax(line.get_ydata(), initial=0) > 0 for line in ax.lines) else 1
    )


def time_axis(ax: Axes, times: Any) -> None:
    """Write the times below, which are UTC, as such, whatever the user's time zone is."""
    from matplotlib import dates

    low, high = ax.get_xlim()
    if times.min() == times.max():
        # matplotlib would show years around a single time; here it is a minute.
        middle, half = (low + high) / 2, 30 / 86_400
        low, high = middle - half, middle + half
    # Python has no times beyond these.
    ends = dates.date2num(np.array(["0001-01-02", "9999-12-31T23:59:59"], "datetime64[s]"))
    ax.set_xlim(max(low, ends[0]), min(high, ends[1]))
    # With these bounds there is an interval for every span, and few enough texts.
    locator = dates.AutoDateLocator(tz=UTC, minticks=3, maxticks=7)
    formatter = dates.ConciseDateFormatter(
        locator,
        tz=UTC,
        formats=["%Y", "%b", "%d", "%H:%M", "%H:%M", "%H:%M:%S.%f"],
        zero_formats=["", "%Y", "%b", "%b %d", "%H:%M", "%H:%M"],
        offset_formats=["", "%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%d", "%Y-%m-%d"],
    )
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(formatter)


def time_label(ax: Axes) -> None:
    """Name the axis of times, away from the date that is written on the right."""
    ax.set_xlabel("time (UTC)", loc="left")


def write_ticks(axis: Axis, text: Callable[[float], str] = number_text) -> None:
    """Write the numbers on an axis by a function."""
    from matplotlib.ticker import FuncFormatter

    axis.set_major_formatter(FuncFormatter(lambda number, _: text(number)))


def log_seconds(
    ax: Axes,
    which: Literal["x", "y"],
    low: float,
    high: float,
    also: Mapping[float, str] = _NO_TICKS,
) -> None:
    """Make an axis of seconds logarithmic, with ticks such as ``1 min``, ``1 h``, ``1 d``."""
    from matplotlib.ticker import FixedLocator, NullLocator

    if which == "x":
        ax.set_xscale("log")
        ax.set_xlim(low, high)
    else:
        ax.set_yscale("log")
        ax.set_ylim(low, high)
    axis = ax.xaxis if which == "x" else ax.yaxis
    inside = [tick for tick in _TICKS if low <= tick <= high]
    if len(inside) > MOST_TICKS:
        inside = [tick for tick in inside if tick not in _FINE_TICKS]
    texts = {**{tick: _TICKS[tick] for tick in inside}, **also}
    if len(texts) < 2:
        # Both ends, where no more of them lies between.
        texts |= {tick: seconds_text(tick) for tick in (low, high)}
    axis.set_major_locator(FixedLocator([*texts]))
    axis.set_minor_locator(NullLocator())
    write_ticks(axis, lambda tick: texts.get(tick, ""))


def log_histogram(ax: Axes, seconds: pd.Series[float], zeros: int = 0) -> None:
    """Draw how many durations there are of which length; those that are 0 on the left."""
    low, high = (0.001, 0.001) if seconds.empty else (float(seconds.min()), float(seconds.max()))
    low, high, also = low / 1.3, high * 1.3, {}
    style = {"fill": True, "color": colors()[0]}
    if len(seconds):
        edges = np.geomspace(low, high, MOST_BINS + 1)
        ax.stairs(np.histogram(seconds, edges)[0], edges, **style)
    if zeros:
        width = (high / low) ** (1 / 20)
        ax.stairs([zeros], [low / width**3, low / width], **style)
        also = {low / width**2: "0"}
        low /= width**4
    log_seconds(ax, "x", low, high, also)
    ax.set_ylim(0, None)
    write_ticks(ax.yaxis)


def legend(ax: Axes, least: int = 2, head: str = "") -> None:
    """Name the lines beside the axes, where that covers nothing, if there are at least so many."""
    handles, names = ax.get_legend_handles_labels()
    if len(names) >= least:
        ax.legend(
            handles,
            names,
            loc="upper left",
            bbox_to_anchor=(1.01, 1),
            frameon=False,
            fontsize="small",
            title=head or None,
            title_fontsize="small",
            alignment="left",
        )


def bars_height(number: int) -> float:
    """Return the height of a figure with so many bars, in inches."""
    return 1.2 + 0.28 * max(3, min(number, BARS_DRAWN + 1))


def origin(frame: pd.DataFrame) -> str:
    """Return the label of the stream that entries are from, "" if the frame does not say."""
    key = frame.attrs.get("stream")
    return labels([key])[0] if isinstance(key, str) else ""


def write_title(ax: Axes, *parts: str, attrs: Mapping[Any, Any]) -> None:
    """Write above what the plot is about, and where the frame is not whole."""
    text = "\n".join(filter(None, ["; ".join(filter(None, parts)), "; ".join(_limits(attrs))]))
    if text:
        ax.set_title(text, loc="left", fontsize="medium")


def _limits(attrs: Mapping[Any, Any]) -> Iterator[str]:
    """Yield what a frame notes of itself: where it is not whole, the picture is not."""
    if attrs.get("truncated") is True:
        yield "not all: the frame was cut at its limit"
    for name, text in (
        ("sampled", "by a sample of {:,}"),
        ("missed", "{:,} gone before they were read"),
        ("untimed", "{:,} without a time"),
        ("error", "each may be wrong by {:,}"),
        ("refused", "{:,} may not be read"),
        ("failed", "{:,} samples failed"),
        ("skipped", "{:,} samples left out"),
    ):
        number = attrs.get(name)
        if isinstance(number, int) and not isinstance(number, bool) and number:
            yield text.format(number)
    if attrs.get("interrupted") is True:
        yield "interrupted"


def nothing(ax: Axes, text: str) -> None:
    """Write that there is nothing to draw."""
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(visible=False)
