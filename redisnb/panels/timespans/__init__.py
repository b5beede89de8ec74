"""Spans of time, and how many entries of a stream there are in each part of one."""

from redisnb.panels.timespans.spans import (
    TimeBars,
    TimeSpan,
    count_bars,
    count_times,
    span_of,
    time_text,
)

__all__ = [
    "TimeBars",
    "TimeSpan",
    "count_bars",
    "count_times",
    "span_of",
    "time_text",
]
