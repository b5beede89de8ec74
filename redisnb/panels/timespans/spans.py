"""Spans of time: how long the bars of a histogram are, what they count, how times are written."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd

from redisnb.entries import LAST_TIME, EntryId
from redisnb.stream import Stream

__all__ = ["TimeBars", "TimeSpan", "count_bars", "count_times", "span_of", "time_text"]

#: About how many bars a histogram has.
_MOST_BARS = 110
_ONE_SECOND, _ONE_MINUTE, _ONE_HOUR, _ONE_DAY = 1_000, 60_000, 3_600_000, 86_400_000
#: How long a bar may be, in ms: what people divide time into.
_LENGTHS = [
    *(1, 2, 5, 10, 20, 50, 100, 200, 500),
    *(n * _ONE_SECOND for n in (1, 2, 5, 10, 15, 30)),
    *(n * _ONE_MINUTE for n in (1, 2, 5, 10, 15, 30)),
    *(n * _ONE_HOUR for n in (1, 2, 3, 6, 12)),
    *(n * _ONE_DAY for n in (1, 2, 7, 14, 28)),
]


class TimeSpan(NamedTuple):
    """A span of time, in ms since 1970; both ends are in it."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """How many milliseconds it has."""
        return self.last - self.first + 1

    def common(self, other: TimeSpan) -> int:
        """Return how many milliseconds it shares with another."""
        return max(0, min(self.last, other.last) - max(self.first, other.first) + 1)

    def within(self, other: TimeSpan) -> TimeSpan:
        """Return the part of it that is in another; the other if there is none."""
        first, last = max(self.first, other.first), min(self.last, other.last)
        return TimeSpan(first, last) if first <= last else other

    def wider(self, most: TimeSpan) -> TimeSpan:
        """Return a span of three times its length around it, but not beyond another."""
        return TimeSpan(self.first - self.length, self.last + self.length).within(most)


class TimeBars(NamedTuple):
    """How many entries there are by time.

    Attributes
    ----------
    extent : TimeSpan
        The time of which they are.
    edges : list of int
        Where each bar begins, in ms, and where the last one ends.
    counts : list of int
    error : int
        By how many entries a bar may be wrong; 0 if the counts are exact.
    """

    extent: TimeSpan
    edges: list[int]
    counts: list[int]
    error: int

    def span(self, first: int, stop: int) -> TimeSpan:
        """Return the time of some of the bars."""
        return TimeSpan(self.edges[first], self.edges[stop] - 1)

    def range_of(self, span: TimeSpan) -> tuple[int, int] | None:
        """Return the bars that a span touches, from the first to the one after the last.

        None if it touches all, or none.
        """
        touched = [
            i
            for i in range(len(self.counts))
            if self.edges[i] <= span.last and span.first < self.edges[i + 1]
        ]
        if not touched or len(touched) == len(self.counts):
            return None
        return touched[0], touched[-1] + 1

    def counts_of(self, times: pd.DatetimeIndex) -> list[int]:
        """Return how many of some entries are in each bar."""
        ms = times.dropna().as_unit("ms").asi8
        counts: list[int] = np.histogram(ms, self.edges)[0].tolist()
        return counts

    def is_exact(self, span: TimeSpan) -> bool:
        """Return whether `total` is exact: the counts are, and the span is some of the bars."""
        first, stop = max(span.first, self.extent.first), min(span.last, self.extent.last) + 1
        begins = first in self.edges or first == self.extent.first
        return begins and (stop in self.edges or stop > self.extent.last) and not self.error

    def total(self, span: TimeSpan) -> int:
        """Return about how many entries there are in a span."""
        # The first and the last bar may reach beyond what was counted.
        counted = [
            TimeSpan(max(first, self.extent.first), min(stop - 1, self.extent.last))
            for first, stop in pairwise(self.edges)
        ]
        shares = (
            count * bar.common(span) / bar.length
            for bar, count in zip(counted, self.counts, strict=True)
        )
        return round(sum(shares))


def count_bars(stream: Stream, span: TimeSpan) -> TimeBars:
    """Count the entries of a span by time; of many by some of them."""
    every = _bar_length(span)
    frame = stream.histogram(f"{every}ms", span.first, span.last)
    begin = span.first // every
    counts = [0] * (span.last // every - begin + 1)
    for time, count in zip(frame.index, frame.iloc[:, 0], strict=True):
        at = int(time.timestamp() * 1000 + 0.5) // every - begin
        if 0 <= at < len(counts):
            counts[at] = int(count)
    edges = [(begin + i) * every for i in range(len(counts) + 1)]
    return TimeBars(span, edges, counts, int(frame.attrs["error"]))


def count_times(times: Sequence[int], span: TimeSpan) -> TimeBars:
    """Count times in ms by the same bars as `count_bars`."""
    every = _bar_length(span)
    begin, end = span.first // every, span.last // every
    edges = [(begin + i) * every for i in range(end - begin + 2)]
    counts: list[int] = np.histogram(
        [each for each in times if span.first <= each <= span.last], edges
    )[0].tolist()
    return TimeBars(span, edges, counts, 0)


def _bar_length(span: TimeSpan) -> int:
    least = span.length / _MOST_BARS
    for each in _LENGTHS:
        if each >= least:
            return each
    longest = _LENGTHS[-1]
    while longest < least:
        longest *= 2
    return longest


def span_of(start: str, end: str, whole: TimeSpan) -> TimeSpan:
    """Return the time between two bounds of a range, as far as the stream has entries there."""
    first = whole.first if start == "-" else EntryId(start.removeprefix("(")).ms
    last = whole.last if end == "+" else EntryId(end.removeprefix("(")).ms
    return TimeSpan(min(first, LAST_TIME), min(last, LAST_TIME)).within(whole)


def time_text(ms: int) -> str:
    """Write a time as short as it is exact, in UTC."""
    if ms > LAST_TIME:
        return str(ms)
    text = f"{datetime.fromtimestamp(ms // _ONE_SECOND, UTC):%Y-%m-%d %H:%M:%S}"
    if ms % _ONE_SECOND:
        return f"{text}.{ms % _ONE_SECOND:03}"
    return text if ms % _ONE_MINUTE else text[:-3]
