"""What a replaying panel shows of its replay, again and again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pandas as pd

from redisnb.entries import EntryId, range_bounds
from redisnb.errors import is_transient
from redisnb.panels.parts import READ_ONLY
from redisnb.panels.replaying.beside import Beside
from redisnb.panels.replaying.course import Course, Settings
from redisnb.panels.replaying.view import ReplayingView
from redisnb.panels.replaying.wording import (
    end_text,
    late_text,
    plan_text,
    progress_text_of,
    wait_text,
)
from redisnb.panels.timespans import TimeBars, span_of
from redisnb.wire import now as server_time

__all__ = ["ReplayShowing"]

#: How many of the last entries the table lists.
_LISTED = 1_000
_REPLAY_WORDS = {"starting": "connecting", "stalled": "reconnecting"}


class ReplayShowing:
    """What the parts show of a replay.

    Parameters
    ----------
    course : Course
    view : ReplayingView

    Attributes
    ----------
    bars : TimeBars or None
        What the histogram shows; None before it is known, and where the sources have no times.
    """

    def __init__(self, course: Course, view: ReplayingView) -> None:
        self._course, self._view = course, view
        self.bars: TimeBars | None = None
        # When an entry was sent last, and how many were then.
        self._last_sent = (time.monotonic(), 0)
        self._server_error: BaseException | None = None
        # Of the replay, the error that is shown; and what the table shows.
        self._reported: BaseException | None = None
        self._drawn: tuple[Any, int] = (None, 0)

    def ask_server(self) -> None:
        """Look whether the server is there."""
        # A replay that waits for the next entry would not notice that the server is away.
        try:
            server_time(self._course.conn)
            self._server_error = None
        except Exception as error:  # noqa: BLE001 - the replay itself says what is refused
            self._server_error = error if is_transient(error) else None

    def _state(self, doing: str, *, was_stopped: bool) -> str:
        course = self._course
        state = course.state
        if was_stopped and course.is_alive:
            return "stopping"
        if doing:
            return "reading" if course.reads else doing
        if self._server_error is not None and course.is_alive:
            return "reconnecting"
        if self._view.trouble.error is not None and not course.is_alive:
            return "failed"
        if state == "stopped" and not course.has_begun:
            return "ready"
        return _REPLAY_WORDS.get(state, state)

    def refresh(self, doing: str, *, was_stopped: bool, start: Callable[[], object]) -> None:
        """Show the present state.

        Parameters
        ----------
        doing : str
            What the panel does in the background besides; "" for nothing.
        was_stopped : bool
            Whether the replay was told to stop.
        start : callable
            Starts it again.
        """
        course, view, replay = self._course, self._view, self._course.replay
        if not course.is_alive:
            self._server_error = None
        self._show_trouble(start)
        self._offer(is_busy=bool(doing))
        text, tone = end_text(course, was_stopped=was_stopped)
        view.end.say(text, tone=tone)
        if replay is not None:
            view.run.progress.set(text=progress_text_of(course))
            report = replay.report
            view.late.set(text=late_text(report))
            sent = report.added + report.skipped + report.unknown
            if sent != self._last_sent[1]:
                self._last_sent = (time.monotonic(), sent)
            view.run.waits.set(text=wait_text(replay.state, time.monotonic() - self._last_sent[0]))
            position = replay.progress.position
            view.bars.move(None if position is None else EntryId(position).ms)
        view.show_state(self._state(doing, was_stopped=was_stopped))

    def _show_trouble(self, start: Callable[[], object]) -> None:
        replay = self._course.replay
        error = self._server_error
        if replay is not None and replay.state in ("stalled", "failed"):
            error = replay.error
        if error is self._reported:
            return
        if error is not None:
            is_over = replay is not None and replay.state == "failed"
            self._view.trouble.report(error, start if is_over else None)
        elif self._view.trouble.error is self._reported:
            # It is there again; another error stays.
            self._view.trouble.clear()
        self._reported = error

    def _offer(self, *, is_busy: bool) -> None:
        course = self._course
        alive, busy = course.is_alive, is_busy
        is_paused = course.is_paused
        begun = "Continue" if course.has_begun else "Start"
        begun = "Start again" if course.is_at_end else begun
        refused = READ_ONLY if course.conn.read_only else ""
        self._view.offer(
            {
                "start": "-" if alive or busy else refused,
                "pause": "" if alive and not busy else "-",
                "stop": "" if alive or course.reads else "-",
                "step": "-" if busy or (alive and not is_paused) else refused,
            },
            begun=begun,
            is_paused=is_paused,
        )
        running = "stop it first" if alive or busy else ""
        self._view.pace.refuse(range=running, speed="it is busy" if busy else "")

    def show_bars(self, bars: TimeBars | None) -> None:
        """Show how many entries the sources have by time."""
        self.bars = bars
        self._view.bars.set(hidden=bars is None)
        if bars is not None:
            self._view.bars.show(bars.counts, bars.edges)
            total = sum(bars.counts)
            about = "about " if bars.error else ""
            self._view.plan.set(text=f"{about}{total:,} entries; Dry run says how long they take")

    def show_plan(self, settings: Settings) -> None:
        """Show what the last dry run has found, and in the histogram its range."""
        course = self._course
        if course.planned_for is not None:
            self._view.plan.set(text=plan_text(course.plan, course.planned_for))
        self.show_range(settings)

    def show_range(self, settings: Settings) -> None:
        """Show in the histogram the range that is chosen."""
        bars = self.bars
        if bars is None:
            return
        utc_now = pd.Timestamp.now("UTC").to_pydatetime()
        start, end = range_bounds(settings.first or None, settings.last or None, lambda: utc_now)
        chosen = bars.range_of(span_of(start, end, bars.extent))
        self._view.bars.set(brush=None if chosen is None else list(chosen))

    def draw_sent(self, beside: Beside) -> None:
        """Show the entries that were sent last."""
        replay = self._course.replay
        if replay is None:
            return
        report = replay.report
        newest = (replay, report.added + report.unknown)
        if newest == self._drawn:
            return
        self._drawn = newest
        frame = beside.listed(report.copies(_LISTED))
        self._view.grid.show(frame)
        listed = f"the last {len(frame):,}, the newest first; frame() has 100,000"
        self._view.caption.set(text=f"Sent: {listed}." if len(frame) else "")
