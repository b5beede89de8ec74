"""Course: the replay of a panel, which another range or place replaces, and its dry run."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from redisnb import frames
from redisnb.errors import ReplayError
from redisnb.replays import Replay, Replayable, Target
from redisnb.stream import Stream
from redisnb.wire import Connection

__all__ = ["Course", "Settings"]

_AT_END = ("incomplete", "finished")
_ALIVE_STATES = ("starting", "running", "paused", "stalled")


class Settings(NamedTuple):
    """What the user has chosen.

    Attributes
    ----------
    first, last : str
        The range; "" for an end of the source.
    speed : float
    max_gap : str or float or None
    """

    first: str
    last: str
    speed: float
    max_gap: str | float | None

    @property
    def pace(self) -> dict[str, Any]:
        """The options of a replay that say how fast it is."""
        return {"speed": self.speed, "max_gap": self.max_gap if self.speed < math.inf else None}


class Course:
    """The present replay, and what its dry run has found.

    Parameters
    ----------
    source, target, options
        As for `redisnb.replay`.

    Attributes
    ----------
    replay : Replay or None
    plan : DataFrame in schema REPLAY
        The last dry run; of `planned`, or of none, and as `planned_for` said.
    total : int
        How many entries the present replay has in all, by its dry run.
    """

    def __init__(
        self,
        source: Replayable | Sequence[Replayable],
        target: Stream | Connection | Mapping[str, Stream],
        options: Mapping[str, Any],
    ) -> None:
        self._source, self._target, self._options = source, target, options
        self.conn = Target(target).conn
        self.replay: Replay | None = None
        self.plan = frames.table(frames.REPLAY, [])
        self.planned: Replay | None = None
        self.planned_for: Settings | None = None
        self.total = 0
        # The range of the present replay, and where in it this one begins.
        self._range, self.begins = ("", ""), ""
        self._reading: Replay | None = None
        self._is_stopped = False
        # What the user wants: the state of a replay follows a moment later.
        self._is_held = False
        self._is_changing = False
        self._lock = threading.RLock()

    @property
    def state(self) -> str:
        """The state of the present replay; "stopped" before there is one."""
        return "stopped" if self.replay is None else self.replay.state

    @property
    def is_alive(self) -> bool:
        """Whether it was started and has not ended."""
        return self._is_changing or self.state in _ALIVE_STATES

    @property
    def is_paused(self) -> bool:
        """Whether it waits until it is continued, after the present entry."""
        return self._is_held and self.is_alive

    @property
    def is_at_end(self) -> bool:
        """Whether all was sent."""
        return self.state in _AT_END

    @property
    def has_begun(self) -> bool:
        """Whether anything was sent."""
        return self.replay is not None and self.replay.progress.position is not None

    @property
    def reads(self) -> bool:
        """Whether a dry run is under way."""
        return self._reading is not None

    @property
    def reading(self) -> Replay | None:
        """What reads in a dry run now."""
        return self._reading

    def look_ahead(self, settings: Settings) -> None:
        """Read what is left to send; of what has not begun, as the settings say now."""
        self._is_stopped = False
        self._look(self._present(settings, is_new=not self.has_begun), settings)

    def begin(self, settings: Settings, *, steps: int = 0) -> None:
        """Start, or go on, after a dry run; with `steps` send so many and wait."""
        self._is_stopped, self._is_held = False, steps > 0
        self._begin(settings, steps)

    def _begin(self, settings: Settings, steps: int = 0) -> None:
        replay = self._present(settings, is_new=False)
        is_planned = self.planned is replay and (self.has_begun or self.planned_for == settings)
        if not is_planned:
            self._look(replay, settings)
        with self._lock:
            if self._is_stopped:
                return
            (replay.pause if self._is_held else replay.resume)()
            replay.start()
            if steps:
                replay.step(steps)

    def change_pace(self, settings: Settings) -> None:
        """Go on at another pace."""
        replay = self.replay
        if replay is None or not self.is_alive:
            return
        self._is_stopped, self._is_changing = False, True
        try:
            self._halt(replay)
            if not self.is_at_end:
                self._begin(settings)
        finally:
            self._is_changing = False

    def pause(self) -> None:
        """Pause after the present entry, or, if it is paused, continue."""
        with self._lock:
            if self.replay is not None and self.is_alive:
                self._is_held = not self._is_held
                (self.replay.pause if self._is_held else self.replay.resume)()

    def go_to(self, position: str, settings: Settings) -> None:
        """Go on from another position, or from the beginning of the range."""
        self._is_stopped = False
        begins = position or settings.first
        replay = self._new(begins, settings)
        was_alive = self.is_alive
        self._look(replay, settings)
        if self.replay is not None:
            self._halt(self.replay)
        with self._lock:
            self.replay, self.begins = replay, begins
            self._range = (settings.first, settings.last)
        if was_alive:
            self._is_held = True
            self._begin(settings)

    def wait_for_end(self, seconds: float) -> None:
        """Wait until nothing is sent any more, at most so long."""
        end = time.monotonic() + seconds
        while self.is_alive and time.monotonic() < end:
            time.sleep(0.01)

    def stop(self) -> bool:
        """End the replay after the present entry, or a dry run; return whether it has ended."""
        self._is_stopped = True
        reading = self._reading
        has_ended = reading is None or reading.stop()
        with self._lock:
            replay = self.replay
        return has_ended and (replay is None or replay.stop())

    def _present(self, settings: Settings, *, is_new: bool) -> Replay:
        bounds = (settings.first, settings.last)
        if bounds != self._range or self.is_at_end:
            self.begins, is_new = bounds[0], True
        if self.replay is None or is_new:
            # Together, or a second try would go on in the range before.
            replay = self._new(self.begins, settings)
            self.replay, self._range = replay, bounds
        else:
            self.replay.set_pace(**settings.pace)
        return self.replay

    def _new(self, begins: str, settings: Settings) -> Replay:
        return Replay(
            self._source,
            self._target,
            start=begins or None,
            end=settings.last or None,
            **settings.pace,
            **self._options,
        )

    def _look(self, replay: Replay, settings: Settings) -> None:
        self._reading = replay
        try:
            if self._is_stopped:
                raise ReplayError("it was stopped before the dry run")
            plan = replay.dry_run()
        finally:
            self._reading = None
        if plan.empty and replay.progress.position is None:
            note = replay.report.note if self._options.get("resume") else "choose another range"
            raise ReplayError(f"there is no entry to send: {note}")
        self.plan, self.planned, self.planned_for = plan, replay, settings
        self.total = replay.progress.done + int(plan["entries"].sum())

    def _halt(self, replay: Replay) -> None:
        if not replay.stop():
            raise RuntimeError(f"{replay!r} still waits for the server's answer")
