"""Ticker: the thread that refreshes a panel; it ends with the panel and at `stop_all`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from redisnb import background
from redisnb.background import Background, this_run

__all__: list[str] = []

#: The shortest times between two redraws of a panel, and between two checks of its server, in
#: seconds.
REDRAW_INTERVAL, CHECK_INTERVAL = 0.2, 1.0

#: How long `Ticker.stop` waits for a tick in progress and for the last call, in seconds.
JOIN_TIMEOUT = 2.0


class Ticker(Background):
    """A thread that calls a function repeatedly.

    Parameters
    ----------
    name : str
        The panel's name, for the name of the thread.
    tick : callable
        Returns how many seconds to wait, or None to end.
    last : callable
        Called when the ticker was told to end; returns whether to be called again soon, because
        what it shows is still about to change.
    """

    def __init__(
        self, name: str, tick: Callable[[], float | None], last: Callable[[], bool]
    ) -> None:
        self._name, self._tick, self._last = name, tick, last
        self._made_in = this_run()
        self._called, self._ending = threading.Event(), threading.Event()
        # Guards the end of the thread: a `start` at that very moment must not be lost.
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start or continue; if it is running, tick at once."""
        with self._lock:
            if self._is_alive() and not self._ending.is_set():
                self._called.set()
                return
            self._ending = threading.Event()
            self._called.clear()
            self._thread = threading.Thread(
                target=self._run, args=(self._ending,), name=f"redisnb:{self._name}", daemon=True
            )
            background.active.add(self)
            self._thread.start()

    def stop(self) -> bool:
        """Stop within 2 s; return whether it has ended."""
        self._hurry()
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return thread is None
        thread.join(JOIN_TIMEOUT)
        return not thread.is_alive()

    def _is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _hurry(self) -> None:
        self._ending.set()
        self._called.set()

    def _replaces(self, other: Ticker) -> bool:
        # The panel does that.
        return False

    def _run(self, ending: threading.Event) -> None:
        while not ending.is_set():
            wait = self._tick()
            if wait is None:
                with self._lock:
                    if ending.is_set():
                        break
                    if not self._called.is_set():
                        ending.set()
                        return
            self._called.wait(wait)
            self._called.clear()
        deadline = time.monotonic() + JOIN_TIMEOUT
        while self._last() and time.monotonic() < deadline:
            time.sleep(0.05)
