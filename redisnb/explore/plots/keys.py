"""Plots of keys: how long they live, and how large they are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from redisnb import cards
from redisnb.explore.plots.bars import draw_bars
from redisnb.explore.plots.drawing import drawn, log_histogram, nothing, write_title
from redisnb.explore.plots.forms import drawable
from redisnb.hints import hinted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["sizes", "ttl"]


@hinted
def ttl(frame: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how long keys have still to live, and how many never expire.

    Parameters
    ----------
    frame : DataFrame
        In schema KEYS.
    ax : matplotlib Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib Axes
        A histogram on a logarithmic axis of time. Above it is how many keys expire, how many never
        do, and of how many this user may not know.

    Raises
    ------
    TypeError, ValueError, MissingExtraError
        As for `rate`.

    Examples
    --------
    >>> cache.set_many({"mon": 7, "tue": 4})
    >>> ax = rnb.plots.ttl(rnb.keys(conn))
    >>> ax.get_title(loc="left")
    '2 keys expire; 1 never does'
    """
    _, clean = drawable("ttl", frame)
    left = clean["ttl"].dropna()
    # A key that this user may not read has no type either.
    unknown = int(clean["type"].isna().sum()) if "type" in clean else 0
    never = len(clean) - len(left) - unknown
    with drawn(ax) as ax:
        counts = [
            f"{len(left):,} key{'s expire' if len(left) != 1 else ' expires'}",
            f"{never:,} never {'do' if never != 1 else 'does'}",
            f"{unknown:,} unknown" if unknown else "",
        ]
        write_title(
            ax, *counts, attrs={name: n for name, n in frame.attrs.items() if name != "refused"}
        )
        if left.empty:
            nothing(ax, "no keys" if clean.empty else "no key expires")
        else:
            log_histogram(ax, left.clip(lower=0.001))
        ax.set_xlabel("time to live")
        ax.set_ylabel("keys")
    return ax


@hinted
def sizes(frame: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw which keys, prefixes or streams take most memory.

    Parameters
    ----------
    frame : DataFrame
        In schema KEYS with ``sizes=True``, TREE or STREAMS.
    ax : matplotlib Axes, optional
        As for `ttl`.

    Returns
    -------
    matplotlib Axes
        A bar for each of the 20 largest, and one for all others together; 1 KB is 1,024 bytes, as
        in Redis.
        Nothing is counted twice: of a prefix that contains others of the frame, it is the rest.

    Raises
    ------
    TypeError, ValueError, MissingExtraError
        As for `rate`.

    Examples
    --------
    >>> ax = rnb.plots.sizes(rnb.tree(conn))
    >>> ax.get_xlabel()
    'memory'
    """
    kind, clean = drawable("sizes", frame)
    name = {"KEYS": "key", "TREE": "prefix", "STREAMS": "stream"}[kind]
    if kind == "TREE":
        clean = _without_inner(clean.sort_values("prefix", ignore_index=True))
    parts = clean.set_index(name)[["size"]]
    ax = draw_bars(frame, ax, parts, "memory", "no keys", cards.amount)
    if not parts.empty:
        _round_sizes(ax)
    return ax


def _round_sizes(ax: Axes) -> None:
    """Write sizes below that are round in their unit, of 1,024 bytes or a power of it."""
    from matplotlib.ticker import FixedLocator, MaxNLocator

    most = ax.get_xlim()[1]
    unit = 1024 ** int(math.log(max(most, 1), 1024))
    places = MaxNLocator(6).tick_values(0, most / unit) * unit
    ax.xaxis.set_major_locator(FixedLocator([place for place in places if place <= most]))


def _without_inner(tree: pd.DataFrame) -> pd.DataFrame:
    """Subtract from each prefix those that it contains; it is before them."""
    sizes, names = tree["size"].tolist(), tree["prefix"].tolist()
    around: list[int] = []
    outer = set()
    for n, prefix in enumerate(tree["prefix"]):
        while around and not str(prefix).startswith(str(tree["prefix"][around[-1]])):
            around.pop()
        if around:
            sizes[around[-1]] -= tree["size"][n]
            outer.add(around[-1])
        if prefix:
            around.append(n)
    for n in outer:
        # The numbers of a sample are estimates.
        sizes[n], names[n] = np.maximum(sizes[n], 0), f"{names[n]} (the rest)"
    return tree.assign(size=sizes, prefix=[name or "(no prefix)" for name in names])
