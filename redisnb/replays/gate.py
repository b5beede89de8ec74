"""Whether a replay may continue: it is told to stop, to wait, or to send a few entries."""

from __future__ import annotations

import threading
from typing import Literal, TypeAlias

__all__ = ["ENDED", "Gate", "ReplayState"]

ReplayState: TypeAlias = Literal[
    "stopped",
    "starting",
    "running",
    "paused",
    "stalled",
    "failed",
    "incomplete",
    "finished",
]
#: The states in which nothing more is sent.
ENDED: tuple[ReplayState, ...] = ("failed", "incomplete", "finished")


class Gate:
    """What makes a replay wait or stop.

    Parameters
    ----------
    stop_event : threading.Event
        Set when it is told to stop; its sources check it too.
    """

    def __init__(self, stop_event: threading.Event) -> None:
        self._stop_event = stop_event
        self._open = threading.Event()
        self._open.set()
        # How many entries may be sent in a pause, and the number of the last one that was allowed.
        self._steps = threading.Semaphore(0)
        self._step_count: int | None = None
        # Set by whatever ends a wait, be it for what is due or in a pause.
        self._wake = threading.Event()

    def begin(self) -> None:
        """Begin again: not stopped, without a step; a pause remains."""
        self._stop_event.clear()
        self._wake.clear()
        self._steps, self._step_count = threading.Semaphore(0), None

    @property
    def stopping(self) -> bool:
        """Whether it was told to stop."""
        return self._stop_event.is_set()

    @property
    def pausing(self) -> bool:
        """Whether it was told to pause."""
        return not self._open.is_set()

    def stop(self) -> None:
        """End after the batch in hand."""
        self._stop_event.set()
        self._open.set()
        self._wake.set()

    def pause(self) -> None:
        """Wait after the batch in hand."""
        self._open.clear()
        self._wake.set()

    def step(self, n: int) -> None:
        """Let `n` entries through during a pause.

        Raises
        ------
        ValueError
            If `n` is not a whole number of at least 1.
        """
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise ValueError(f"n={n!r}; give a whole number, at least 1")
        self._steps.release(n)
        self._wake.set()

    def resume(self) -> None:
        """Continue after `pause`; the schedule waited too."""
        self._steps = threading.Semaphore(0)
        self._open.set()
        self._wake.set()

    def hold(self, count: int) -> bool:
        """Wait while it is paused; return whether to send entry number `count` anyway."""
        while self.pausing:
            # An entry that was allowed before and could not be sent still is.
            if self._step_count == count or self._steps.acquire(blocking=False):
                self._step_count = count
                return True
            self._wake.wait()
            self._wake.clear()
        return False

    def wait(self, seconds: float) -> None:
        """Wait until something is due, or until any other call to this gate."""
        if self._wake.wait(seconds):
            self._wake.clear()

    def rest(self, seconds: float) -> None:
        """Wait before another attempt, or until it is told to stop."""
        self._stop_event.wait(seconds)
