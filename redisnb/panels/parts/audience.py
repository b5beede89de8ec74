"""Audience: which pages show a panel, and for how long none has."""

from __future__ import annotations

import asyncio
import threading
import time

__all__ = ["Audience"]

#: After how many seconds of silence a page is taken for closed. A hidden page is slow: browsers
#: call its timers once a minute.
_LOST_AFTER = 150.0
#: Asked less often than this, the clock does not know whether the kernel listened all the time.
_LONGEST_STEP = 5.0


class Audience:
    """The pages that show a panel, by what they send now and then.

    A kernel that runs a cell hears nothing, so its time counts only while its event loop answers.
    Without a loop, as in a script, no time passes.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None
        # The time spent listening, when it was read last, and whether the loop answered since.
        self._clock, self._read_at, self._has_answered = 0.0, time.monotonic(), False
        self._heard_at: dict[str, float] = {}
        self._last = 0.0

    def note(self, page: str) -> None:
        """Note that a page said something."""
        with self._lock:
            self._heard_at[page] = self._last = self._clock

    def forget(self, page: str) -> None:
        """Note that a page was closed."""
        with self._lock:
            self._heard_at.pop(page, None)
            self._last = self._clock

    def wait_again(self) -> None:
        """Begin to wait for a page: what was absent so far does not count."""
        with self._lock:
            self._last = self._clock

    def absent_for(self) -> float:
        """Return for how many seconds no page has shown the panel; call it again and again."""
        with self._lock:
            self._pass_time()
            for page, at in list(self._heard_at.items()):
                if self._clock - at > _LOST_AFTER:
                    del self._heard_at[page]
                    self._last = self._clock
            return 0.0 if self._heard_at else self._clock - self._last

    def _pass_time(self) -> None:
        now = time.monotonic()
        if self._has_answered:
            self._clock += min(now - self._read_at, _LONGEST_STEP)
        self._read_at, self._has_answered = now, False
        if self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(self._answer)
            except RuntimeError:  # it is closed
                self._loop = None

    def _answer(self) -> None:
        self._has_answered = True
