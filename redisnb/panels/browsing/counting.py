"""TimeView: the bars of a BrowsePanel, what part of the stream they show, and zooming."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pandas as pd

from redisnb.panels.browsing.view import BarsOverTime
from redisnb.panels.browsing.wording import range_text
from redisnb.panels.parts import Lane, Task
from redisnb.panels.timespans import TimeBars, TimeSpan, count_bars
from redisnb.stream import Stream

__all__ = ["TimeView"]


class TimeView:
    """How many entries there are by time, and which of them are the range in force.

    Parameters
    ----------
    stream : Stream
    view : BarsOverTime
    fail : callable
        Called with an error, and with the job that failed.
    """

    def __init__(
        self,
        stream: Stream,
        view: BarsOverTime,
        fail: Callable[[Exception, Callable[[Task], object]], object],
    ) -> None:
        self._stream, self._view = stream, view
        self._lane = Lane(
            f"browse({stream.key!r}), counting", lambda error, _: fail(error, self._again)
        )
        # Counting and reading are two threads, and both draw. Held from what is read until it is
        # drawn, so that neither draws over newer things; not while a job is called off.
        self._drawing = threading.RLock()
        #: All of the stream, and the range in force; None without entries.
        self._whole: TimeSpan | None = None
        self._span: TimeSpan | None = None
        # When the entries were that match, and how many they are, in words.
        self._matches: tuple[pd.DatetimeIndex, str] | None = None
        # What the bars show, and what they showed before each zoom.
        self._bars: TimeBars | None = None
        self._extent: TimeSpan | None = None
        self._wider: list[TimeSpan] = []

    def show(self, span: TimeSpan | None, whole: TimeSpan | None, *, keeps_bars: bool) -> None:
        """Show a range; with `keeps_bars` as a part of what is shown."""
        with self._drawing:
            self._span, self._whole = span, whole
            if keeps_bars and self._bars is not None:
                self._draw_range()
                return
            self._wider.clear()
            if span is not None:
                self._view.in_force.set(text=range_text(span, None))
        self._count(span)

    def mark(self, times: pd.DatetimeIndex | None, text: str = "") -> None:
        """Mark when the entries were that match, or nothing."""
        with self._drawing:
            self._matches = None if times is None else (times, text)
            self._draw_matches()

    def zoom_in(self) -> None:
        """Show the range in force alone, in finer bars."""
        if self._extent is not None and self._span is not None and self._span != self._extent:
            self._wider.append(self._extent)
            self._count(self._span)

    def zoom_out(self) -> None:
        """Show more of the stream around the range in force."""
        if self._extent is not None and self._whole is not None:
            self._count(self._wider.pop() if self._wider else self._extent.wider(self._whole))

    @property
    def chosen(self) -> TimeSpan | None:
        """The time that is chosen in the bars, or all that they show; None without bars."""
        chosen = self._view.bars.range
        if self._bars is None or chosen is None:
            return self._extent
        return self._bars.span(*chosen)

    @property
    def total(self) -> int:
        """About how many entries there are in the range in force; 0 if it is not known yet."""
        if self._bars is None or self._span is None or self._bars.extent != self._extent:
            return 0
        return self._bars.total(self._span)

    def stop(self) -> bool:
        """End what it does in the background; return whether that ended within 2 s."""
        return self._lane.stop()

    def _count(self, span: TimeSpan | None) -> None:
        self._extent = span
        if span is None:
            self._lane.cancel()
            self._bars = None
            self._view.set(hidden=True)
        else:
            self._lane.do(self._again)

    def _again(self, task: Task) -> None:
        span = self._extent
        if span is None:
            return
        bars = count_bars(self._stream, span)
        with task.show(), self._drawing:
            self._bars = bars
            self._view.bars.show(bars.counts, bars.edges)
            self._view.set(hidden=False)
            self._draw_range()
            self._draw_matches()

    def _draw_matches(self) -> None:
        if self._bars is None:
            return
        times, text = (None, "") if self._matches is None else self._matches
        self._view.bars.mark([] if times is None else self._bars.counts_of(times))
        self._view.matches.set(text=text)

    def _draw_range(self) -> None:
        view, span, bars = self._view, self._span, self._bars
        if span is None or bars is None:
            # There are no entries any more.
            view.set(hidden=True)
            return
        chosen = bars.range_of(span)
        view.bars.set(brush=None if chosen is None else list(chosen))
        view.in_force.set(text=range_text(span, bars.total(span), is_exact=bars.is_exact(span)))
        view.zoom_in.set(hidden=chosen is None)
        view.zoom_out.set(hidden=self._extent == self._whole)
