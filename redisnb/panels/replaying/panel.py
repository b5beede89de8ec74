"""ReplayPanel: choose a range and a speed, start, and see what is sent beside what it was."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import pandas as pd

from redisnb.durations import milliseconds
from redisnb.entries import range_bounds
from redisnb.errors import ReplayError
from redisnb.frames import Transform, Where
from redisnb.panels.parts import Input, Lane, PartsPanel, Task, TaskCancelled, error_text
from redisnb.panels.replaying.bars import count_sources
from redisnb.panels.replaying.beside import Beside
from redisnb.panels.replaying.course import Course, Settings
from redisnb.panels.replaying.showing import ReplayShowing
from redisnb.panels.replaying.speeds import SPEED_STEPS, speed_of, speed_text
from redisnb.panels.replaying.view import ReplayingView
from redisnb.panels.replaying.wording import place_name
from redisnb.panels.replaying.writing import replay_python
from redisnb.panels.timespans import time_text
from redisnb.replays import Ids, Replayable
from redisnb.stream import Stream
from redisnb.wire import Connection

__all__ = ["ReplayPanel", "replay"]

#: How often the panel looks what was sent, in seconds.
_LOOK_AGAIN = 0.5
#: How often a replay that waits asks whether the server is there, in seconds.
_ASK_SERVER_EVERY = 2.0
#: How long an end is waited for when all is to stop.
_END_WITHIN = 1.5


class ReplayPanel(PartsPanel):
    """A replay of streams, captures or frames, with buttons; see `redisnb.replay`.

    The range is chosen in a histogram, the speed by a slider or in words, also while it runs. A dry
    run precedes the first entry. After Stop or a failure, Continue goes on where it was; it runs on
    when the panel is hidden, and ends when the panel is closed.

    Parameters
    ----------
    source, target, where, transform, ids, resume
        As for `redisnb.replay`; standard input, which can be read only once, is no source.
    snapshot : bool, default True
        Whether a saved notebook shows what was sent where no widget runs.

    Examples
    --------
    >>> panel = rnb.panels.ReplayPanel(orders, rnb.Stream(conn, "test"))
    >>> panel.start()
    >>> panel.stop()
    """

    def __init__(
        self,
        source: Replayable | Sequence[Replayable],
        target: Stream | Connection | Mapping[str, Stream],
        *,
        where: Where | None = None,
        transform: Transform | None = None,
        ids: Ids = "new",
        resume: str | None = None,
        snapshot: bool = True,
    ) -> None:
        self._sources = list(source) if isinstance(source, list | tuple) else [source]
        if any(isinstance(each, str) and each == "-" for each in self._sources):
            raise ValueError("standard input can be read only once; give a panel a file's path")
        self._target = target
        self._options = {"where": where, "transform": transform, "ids": ids, "resume": resume}
        self._course = Course(source, target, self._options)
        # What the panel is doing besides, in a word, and whether it was told to stop.
        self._doing, self._was_stopped = "", False
        # Of the watches over a replay, of which the newest counts.
        self._watch_number = 0
        acts: dict[str, Callable[[], object]] = {
            "range": self.dry_run,
            "slide": lambda: self.set_speed(SPEED_STEPS[self._view.pace.slider["value"]]),
            "speed": lambda: self.set_speed(self._view.pace.words["value"]),
            "dry": self.dry_run,
            "start": self.start,
            "pause": self.pause,
            "stop": lambda: self.stop_replay(),
            "step": self._step,
            "seek": lambda: self.seek(self._view.run.place["value"].strip()),
            "brush": self._brushed,
            "choose": self._choose,
        }
        title = f"{place_name(source)} → {place_name(target)}"
        self._title = title
        self._view = ReplayingView(
            title, self._course.conn.name, acts, frame=self.frame, python=self.python
        )
        super().__init__(self._view, self._view.trouble, snapshot=snapshot)
        self._beside = Beside(
            self._sources,
            self._course.conn,
            self._view.beside,
            lambda error, _: self.trouble.report(error),
        )
        self._refreshing = threading.RLock()
        self._watching = Lane(f"{self!r}, watching", self._failed_besides)
        self._showing = ReplayShowing(self._course, self._view)
        self._refresh()
        self._do("reading", self._count)

    def __repr__(self) -> str:
        return f"ReplayPanel({self._title!r})"

    # -- for the user

    def frame(self) -> pd.DataFrame:
        """Return the last 100,000 entries sent, beside what they were, as `Report.copies`.

        Before the first one it is the dry run, in schema REPLAY.
        """
        replay = self._course.replay
        copies = None if replay is None else replay.report.copies()
        return self._course.plan if copies is None or copies.empty else copies

    def python(self) -> str:
        """Return the call that does the same without the panel."""
        return replay_python(
            self._sources, self._target, self._settings(), self._course.begins, self._options
        )

    def dry_run(self) -> None:
        """Read the rest of the range, and show what would be sent; nothing is."""
        if not self._course.is_alive and self._check():
            settings = self._settings()
            self._do("reading", lambda _: self._course.look_ahead(settings))

    def show_range(self, first: str = "", last: str = "") -> None:
        """Choose a range: positions as `redisnb.replay` takes them, as texts."""
        self._view.pace.first.set(value=first)
        self._view.pace.last.set(value=last)
        self.dry_run()

    def set_speed(self, speed: float | str) -> None:
        """Choose a speed, also while it runs: a number, or words such as "60x" or "1h in 1min"."""
        if not isinstance(speed, str):
            self._view.pace.words.set(value=speed_text(speed))
        elif speed != self._view.pace.words["value"]:
            self._view.pace.words.set(value=speed)
        if not self._check():
            return
        settings = self._settings()
        if self._course.is_alive:
            self._do("connecting", lambda _: self._course.change_pace(settings))
        elif self._course.planned is not None and not self._course.plan.empty:
            self._do("reading", lambda _: self._course.look_ahead(settings))

    def start(self) -> None:
        """Start with a dry run and then the first entry, or go on where it was."""
        if not self._course.is_alive and self._check():
            settings = self._settings()
            self._do("connecting", lambda _: self._course.begin(settings))

    @property
    def doing(self) -> str:
        """Whether it replays or is paused, in a word."""
        if not self._course.is_alive:
            return "starting" if self._doing == "connecting" else ""
        return "paused" if self._course.is_paused else "replaying"

    @property
    def is_used(self) -> bool:
        """Whether it has what the user typed, or has replayed."""
        return super().is_used or self._course.replay is not None

    def pause(self) -> None:
        """Pause after the present entry, or, if it is paused, continue."""
        self._course.pause()
        self._refresh()

    def step(self, n: int = 1) -> None:
        """Send the next `n` entries, due or not, and stay paused; before Start, the first ones."""
        replay = self._course.replay
        if replay is not None and self._course.is_paused:
            replay.step(n)
        elif not self._course.is_alive and self._check():
            settings = self._settings()
            self._do("connecting", lambda _: self._course.begin(settings, steps=n))

    def seek(self, position: str = "") -> None:
        """Go on from another position: an ID or a time; without one, from the beginning."""
        place = self._view.run.place
        if self._refuses(place, position, is_start=True):
            return
        settings = self._settings()
        self._do("reading", lambda _: self._course.go_to(position, settings))

    def stop_replay(self) -> bool:
        """Stop after the present entry, or end a dry run; return whether it has ended."""
        self._was_stopped = True
        self._lane.cancel()
        has_ended = self._course.stop()
        self._doing = ""
        self._refresh()
        return has_ended

    def stop(self) -> None:
        """End the replay, and what else runs in the background; the panel stays."""
        self.stop_replay()
        self._beside.stop()
        self._watching.stop()
        super().stop()

    # -- jobs in the background

    def _do(self, doing: str, job: Callable[[Task], object]) -> None:
        def work(task: Task) -> None:
            try:
                job(task)
            except ReplayError:
                # What the user has stopped did not fail.
                task.check()
                raise
            finally:
                with suppress(TaskCancelled), task.show(), self.together():
                    self._doing = ""
                    self._showing.show_plan(self._settings())
                    self._refresh()
            self._save(now=True)
            self._watch()
            if self._showing.bars is None and job != self._count:
                # It has taken the place of the job that counts.
                self._count(task)

        # First: what is under way says at its end that nothing is.
        self._lane.cancel()
        self._doing, self._was_stopped = doing, False
        self._refresh()
        before = self._course.reading
        self.work(work)
        if before is not None:
            # It would read all of the range that was chosen before.
            before.stop()

    def _failed(self, error: Exception, job: Callable[[Task], object]) -> None:
        super()._failed(error, job)
        self._refresh()

    def _failed_besides(self, error: Exception, _: Callable[[Task], object]) -> None:
        self.trouble.report(error)

    def _count(self, task: Task) -> None:
        bars = count_sources(self._sources)
        with task.show(), self.together():
            self._showing.show_bars(bars)
            self._showing.show_plan(self._settings())

    def _watch(self) -> None:
        """Show how far it is, until it has ended."""
        self._watch_number += 1
        number = self._watch_number

        def watch(task: Task) -> None:
            asked_at, is_alive = time.monotonic(), True
            try:
                while is_alive:
                    # Asked before it is shown, so that the last entries are shown too.
                    is_alive = self._course.is_alive
                    is_watched = self.root.is_shown and not self.channel.audience.absent_for()
                    is_due = time.monotonic() - asked_at > _ASK_SERVER_EVERY
                    if is_alive and is_watched and is_due:
                        asked_at = time.monotonic()
                        self._showing.ask_server()
                    # The server is asked for events only where one looks, and at the end.
                    self._show_sent(reads=is_watched or not is_alive)
                    self._save(now=not is_alive)
                    if is_alive:
                        task.wait(_LOOK_AGAIN)
            finally:
                if task.is_cancelled and number == self._watch_number:
                    # All is to stop, the replay too, in a moment.
                    self._course.wait_for_end(_END_WITHIN)
                    self._show_sent(reads=False)

        self._watching.do(watch)

    def _show_sent(self, *, reads: bool) -> None:
        with self.together():
            self._refresh()
            if reads:
                self._showing.draw_sent(self._beside)

    # -- what the user has chosen

    def _settings(self) -> Settings:
        pace = self._view.pace
        gap = pace.gap["value"].strip()
        return Settings(
            pace.first["value"].strip(),
            pace.last["value"].strip(),
            speed_of(pace.words["value"]),
            _seconds_or_text(gap) if gap else None,
        )

    def _check(self) -> bool:
        """Show at the fields what is wrong; return whether nothing is."""
        pace = self._view.pace
        wrong = self._refuses(pace.first, pace.first["value"], is_start=True)
        wrong |= self._refuses(pace.last, pace.last["value"], is_start=False)
        for field, check in ((pace.words, self._show_speed), (pace.gap, _checked_gap)):
            try:
                check(field["value"])
                field.set(error="")
            except ValueError as error:
                field.set(error=error_text(error))
                wrong = True
        return not wrong

    def _show_speed(self, words: str) -> None:
        self._view.pace.show_speed(speed_of(words))

    def _refuses(self, field: Input, text: str, *, is_start: bool) -> bool:
        position = text.strip() or None
        try:
            start, end = (position, None) if is_start else (None, position)
            range_bounds(start, end, lambda: pd.Timestamp.now("UTC").to_pydatetime())
        except ValueError as error:
            field.set(error=error_text(error))
            return True
        field.set(error="")
        return False

    def _brushed(self) -> None:
        bars, chosen = self._showing.bars, self._view.bars.range
        if bars is None or self._course.is_alive:
            self._showing.show_range(self._settings())
            return
        span = None if chosen is None else bars.span(*chosen)
        if span is None:
            self.show_range()
        else:
            self.show_range(time_text(span.first), time_text(span.last))

    def _step(self) -> None:
        field = self._view.run.steps
        text = field["value"].strip()
        is_number = text.isdecimal() and int(text[:9]) > 0
        field.set(error="" if is_number else "a whole number, at least 1")
        if is_number:
            self.step(int(text[:9]))

    def _choose(self) -> None:
        rows = self._view.grid.chosen_row()
        if len(rows):
            self._beside.show(rows.iloc[0])

    def _refresh(self) -> None:
        with self.together(), self._refreshing:
            while True:
                state = self._course.state
                self._showing.refresh(self._doing, was_stopped=self._was_stopped, start=self.start)
                # Everything shown belongs to one state.
                if self._course.state == state:
                    return


def replay(
    source: Replayable | Sequence[Replayable],
    target: Stream | Connection | Mapping[str, Stream],
    *,
    where: Where | None = None,
    transform: Transform | None = None,
    ids: Ids = "new",
    resume: str | None = None,
) -> ReplayPanel:
    """Return a panel that replays entries; `ReplayPanel` says how.

    Examples
    --------
    >>> panel = rnb.panels.replay(orders, rnb.Stream(conn, "test"))
    >>> panel  # the last line of a cell shows it
    ReplayPanel('orders → test')
    """
    return ReplayPanel(source, target, where=where, transform=transform, ids=ids, resume=resume)


def _seconds_or_text(text: str) -> float | str:
    """Return a number as seconds; other durations stay."""
    try:
        return float(text)
    except ValueError:
        return text


def _checked_gap(text: str) -> None:
    if text.strip():
        milliseconds(_seconds_or_text(text.strip()), "gap")
