"""Lane: jobs in the background of a panel, instead of the last or after it."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from redisnb import background
from redisnb.background import Background, this_run

__all__ = ["Lane", "Task", "TaskCancelled"]

#: How long `Lane.stop` waits for a job, in seconds.
_STOP_WITHIN = 2.0


class TaskCancelled(Exception):  # noqa: N818 - the job did not fail: a newer one took its place
    """Raised inside a job whose result is no longer wanted."""


class Task:
    """A job in progress, as the job itself sees it.

    A job that takes long asks `check` now and then, and shows its result inside `show`.
    """

    def __init__(self, job: Callable[[Task], object]) -> None:
        self.job = job
        self._lock = threading.Lock()
        self._cancelled = threading.Event()

    @property
    def is_cancelled(self) -> bool:
        """Whether its result is no longer wanted."""
        return self._cancelled.is_set()

    def check(self) -> None:
        """Raise TaskCancelled if its result is no longer wanted."""
        if self.is_cancelled:
            raise TaskCancelled

    def wait(self, seconds: float) -> None:
        """Wait; raise TaskCancelled as soon as the result is no longer wanted."""
        if self._cancelled.wait(seconds):
            raise TaskCancelled

    @contextmanager
    def show(self) -> Iterator[None]:
        """Show the result inside; after `cancel` has returned, nothing more is shown."""
        with self._lock:
            self.check()
            yield

    def cancel(self) -> None:
        """Call the job off."""
        with self._lock:
            self._cancelled.set()


class Lane(Background):
    """A thread for the slow acts of one part of a panel; it ends when there is nothing to do.

    What only shows something is done instead of all that was asked for before (`do`); what changes
    something comes after it (`add`).

    Parameters
    ----------
    name : str
        What works there, for the name of the thread.
    fail : callable
        Called with the error of a job that is still wanted, and that job.
    """

    def __init__(self, name: str, fail: Callable[[Exception, Callable[[Task], object]], object]):
        self._name, self._fail = name, fail
        self._made_in = this_run()
        self._lock = threading.Lock()
        self._task: Task | None = None
        self._waiting: deque[Task] = deque()
        self._thread: threading.Thread | None = None

    def do(self, job: Callable[[Task], object]) -> None:
        """Do a job in the background, instead of any that is under way or waits."""
        running = self._put(job, alone=True)
        if running is not None:
            running.cancel()

    def add(self, job: Callable[[Task], object]) -> None:
        """Do a job in the background, after those that were asked for before."""
        self._put(job, alone=False)

    def _put(self, job: Callable[[Task], object], *, alone: bool) -> Task | None:
        """Let a job wait, and see that there is a thread; return what is under way."""
        with self._lock:
            if alone:
                self._waiting.clear()
            self._waiting.append(Task(job))
            if self._thread is None:
                thread = _thread_class()(
                    target=self._run, name=f"redisnb:{self._name}", daemon=True
                )
                # Started before another thread may wait for it; it takes its job after this.
                thread.start()
                self._thread = thread
                background.active.add(self)
            return self._task

    def cancel(self) -> None:
        """Call off what is under way, and what waits; if a job does it, not what came after it."""
        with self._lock:
            if self._thread is not threading.current_thread():
                self._waiting.clear()
            running = self._task
        if running is not None:
            running.cancel()

    @property
    def is_busy(self) -> bool:
        """Whether a job is under way."""
        return self._thread is not None

    def stop(self) -> bool:
        """Call off what is under way, and return whether it ended within 2 s."""
        self.cancel()
        return self.wait(_STOP_WITHIN)

    def wait(self, seconds: float) -> bool:
        """Wait until nothing is under way, and return whether that is so."""
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return thread is None
        thread.join(seconds)
        return not thread.is_alive()

    def _is_alive(self) -> bool:
        return self.is_busy

    def _hurry(self) -> None:
        self.cancel()

    def _replaces(self, other: Lane) -> bool:
        # The panel does that.
        return False

    def _run(self) -> None:
        try:
            while (task := self._take()) is not None:
                try:
                    task.job(task)
                except TaskCancelled:
                    pass
                except Exception as error:  # noqa: BLE001 - the panel shows it
                    if not task.is_cancelled:
                        self._fail(error, task.job)
        finally:
            # Also where showing the error failed: the next job has a thread again.
            with self._lock:
                if self._thread is threading.current_thread():
                    self._thread = None

    def _take(self) -> Task | None:
        """Return the next job; without one, the thread ends, and the next job has another."""
        with self._lock:
            self._task = self._waiting.popleft() if self._waiting else None
            if self._task is None:
                self._thread = None
            return self._task


def _thread_class() -> Any:
    # In marimo only its own threads can send anything to a page.
    marimo = sys.modules.get("marimo")
    if marimo is not None and marimo.running_in_notebook():
        return marimo.Thread
    return threading.Thread
