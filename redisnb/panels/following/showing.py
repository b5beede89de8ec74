"""What a live panel shows of its consumer, again and again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from redisnb.consumers import Consumer
from redisnb.errors import GroupMissingError
from redisnb.panels.following.groups import standing
from redisnb.panels.following.keeping import Kept, KeptRows
from redisnb.panels.following.pacing import DrawingPace, Rates
from redisnb.panels.following.sources import LiveSource
from redisnb.panels.following.states import GroupStates
from redisnb.panels.following.view import LiveView, no_rows_text
from redisnb.panels.following.writing import live_caption
from redisnb.panels.parts import USER_ERRORS, filter_terms

__all__ = ["Showing"]

_STATES = {
    "stopped": "stopped",
    "starting": "connecting",
    "running": "reading",
    "stalled": "reconnecting",
    "failed": "failed",
}
#: How often the server is asked about groups, and rates are drawn, in seconds.
_ASK_EVERY = 1.0
#: Of how many rows the groups are asked, while the newest are shown.
_IN_VIEW = 40
#: How often, in seconds, and of how many rows the words for a filter are taken.
_OFFER_EVERY, _LOOKED_FOR_WORDS = 20.0, 500


class Showing:
    """What the parts of a live panel show, and how often that is worked out.

    Parameters
    ----------
    source : LiveSource
    kept : Kept
        The entries.
    states : GroupStates
        What the groups know of those in view.
    view : LiveView
        The parts.
    """

    def __init__(self, source: LiveSource, kept: Kept, states: GroupStates, view: LiveView) -> None:
        self._source, self._kept, self._states, self._view = source, kept, states, view
        self._pace, self._rates = DrawingPace(), Rates()
        # What was drawn last, when the server was asked and words were offered, and the last error.
        # Not at once: a panel is made in no time, also where the server does not answer.
        self._drawn, self._asked_at, self._offered_at = (-1, -1), time.monotonic(), 0.0
        self._reported: BaseException | None = None
        self._state = "stopped"
        # One refreshes at a time: each takes up where the last one ended.
        self._lock = threading.RLock()

    @property
    def is_done(self) -> bool:
        """Whether all that has come is drawn."""
        return self._kept.mark == self._drawn

    def begin_again(self) -> None:
        """Show the newest rows: which ones these are has changed."""
        self._rates.begin_again()
        self._pace.hurry()
        self._view.grid.clear()

    def ask_soon(self) -> None:
        """Ask the groups the next time: something has become of entries."""
        self._asked_at = 0.0

    def refresh(
        self, consumer: Consumer, *, is_stopping: bool, start: Callable[[], object]
    ) -> None:
        """Show what is new, as far as it is time to.

        Parameters
        ----------
        consumer : Consumer
        is_stopping : bool
            Whether it was told to stop.
        start : callable
            Starts it again.
        """
        with self._lock:
            view, state = self._view, consumer.state
            reads = state in ("starting", "running", "stalled")
            self._show_trouble(consumer, start)
            is_missing = isinstance(view.trouble.error, GroupMissingError)
            view.bar.show(reads=reads, refused=self._source.refusal, is_missing=is_missing)
            stats = consumer.stats
            self._show_failures(consumer, stats)
            view.caption.set(text=live_caption(self._kept, stats, self._source.consumer))
            self._draw()
            empty = no_rows_text(
                reads=reads,
                is_missing=is_missing,
                refused=self._source.refusal,
                is_filtered=self._kept.is_filtered and bool(self._kept.looked),
            )
            view.grid.set(empty=empty)
            view.out.set(hidden=not view.grid["total"])
            if time.monotonic() - self._asked_at >= _ASK_EVERY:
                self._ask(stats, reads=reads)
            # Last, so that everything shown belongs to this state.
            self._state = "stopping" if reads and is_stopping else _STATES[state]
            self.show_held()

    def show_held(self) -> None:
        """Show whether the view is held, and what can be done with what is selected."""
        while True:
            view, is_held, state = self._view, self._view.grid.is_held, self._state
            view.bar.pause.set(label="Continue" if is_held else "Pause")
            selected = sum(stop - first for first, stop in view.grid["selected"])
            view.selection.show(selected if self._source.groups else 0)
            view.show_state("paused" if is_held and state == "reading" else state)
            # Not a state that another thread has replaced meanwhile.
            if self._state == state:
                return

    def _show_trouble(self, consumer: Consumer, start: Callable[[], object]) -> None:
        trouble, state = self._view.trouble, consumer.state
        error = consumer.error if state in ("stalled", "failed") else self._kept.error
        if error is self._reported:
            return
        if error is None:
            # What failed is over; another error stays.
            if trouble.error is self._reported:
                trouble.clear()
        else:
            trouble.report(error, start if state == "failed" else None)
        self._reported = error

    def _show_failures(self, consumer: Consumer, stats: dict[str, int]) -> None:
        view, last = self._view, self._kept.last_failure
        if last is not None:
            entry, failure = last
            times = "once" if stats["failed"] == 1 else f"{stats['failed']:,} times"
            view.failure.say(
                f"it raised {times}, last at {entry[1].decode()}: {failure.summary}",
                subject="The handler failed",
            )
            view.bar.failed.set(hidden=False)
        if stats["missed"]:
            errors = consumer.errors()
            missed = errors[errors["traceback"] == ""]
            view.missed.say(str(missed["message"].iloc[-1]) if len(missed) else "")

    def _draw(self) -> None:
        mark = self._kept.mark
        if mark == self._drawn or not self._pace.is_due:
            return
        grid = self._view.grid
        with self._pace:
            rows = self._kept.rows()
            if not grid.is_held and self._view.root.is_shown:
                self._look(rows, (0, _IN_VIEW))
            grid.follow(rows)
        self._drawn = mark

    def _ask(self, stats: dict[str, int], *, reads: bool) -> None:
        self._asked_at = time.monotonic()
        if reads:
            counts = {"all": stats["received"] + stats["skipped"]}
            if self._kept.is_filtered:
                counts["matching"] = self._kept.matched
            self._rates.add(counts)
            times, lines = self._rates.lines()
            self._view.chart.show(times, lines)
            self._view.chart.set(hidden=not times)
        if self._asked_at - self._offered_at >= _OFFER_EVERY and self._drawn > (0, 0):
            self._offered_at = self._asked_at
            recent = self._kept.rows().events(0, _LOOKED_FOR_WORDS)
            self._view.bar.where.offer(filter_terms(recent))
        if self._source.groups and self._view.root.is_shown:
            self._view.standing.set(text=standing(self._source.groups))
            grid = self._view.grid
            if isinstance(grid.rows, KeptRows) and self._look(grid.rows, grid.in_view):
                grid.refresh()

    def _look(self, rows: KeptRows, in_view: tuple[int, int]) -> bool:
        try:
            return self._states.is_grouped and self._states.look(rows.entries(*in_view))
        except USER_ERRORS:
            # The consumer gets the same error and reports it; refused alone, no state is shown.
            return False
