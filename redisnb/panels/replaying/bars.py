"""How many entries the sources of a replay have by time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from redisnb.captures import load
from redisnb.entries import LAST_TIME, EntryId, id_pair
from redisnb.frames import from_arrow, is_arrow
from redisnb.panels.timespans import TimeBars, TimeSpan, count_bars, count_times
from redisnb.stream import Stream

__all__ = ["count_sources"]


def count_sources(sources: Sequence[Any]) -> TimeBars | None:
    """Count the entries of all sources over their whole time; None where they have no times."""
    found = [_looked_at(each) for each in sources]
    spans = [span for span, _ in found if span is not None]
    if not spans:
        return None
    whole = TimeSpan(min(each.first for each in spans), max(each.last for each in spans))
    bars = [
        count_bars(source, whole) if isinstance(source, Stream) else count_times(times, whole)
        for source, (span, times) in zip(sources, found, strict=True)
        if span is not None
    ]
    counts = [sum(each) for each in zip(*(one.counts for one in bars), strict=True)]
    return TimeBars(whole, bars[0].edges, counts, sum(one.error for one in bars))


def _looked_at(source: Any) -> tuple[TimeSpan | None, list[int]]:
    """Return the time of a source, and the times of its entries if it is no stream."""
    if isinstance(source, Stream):
        ends = [*source.head(1)["entry_id"], *source.tail(1)["entry_id"]]
        times = [EntryId(each).ms for each in ends]
    else:
        if is_arrow(source):
            source = from_arrow(source)
        times = _times(source if isinstance(source, pd.DataFrame) else load(source, columns=[]))
    times = [each for each in times if each <= LAST_TIME]
    span = TimeSpan(min(times), max(times)) if times else None
    return span, [] if isinstance(source, Stream) else times


def _times(frame: pd.DataFrame) -> list[int]:
    if "entry_id" in frame.columns:
        return [id_pair(each.encode())[0] for each in frame["entry_id"] if isinstance(each, str)]
    times = frame["entry_time"] if "entry_time" in frame.columns else frame.index
    if not pd.api.types.is_datetime64_any_dtype(times):
        return []
    index = pd.DatetimeIndex(times).dropna().as_unit("ms")
    found: list[int] = index.asi8.tolist()
    return found
