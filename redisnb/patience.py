"""How long a server that is away is tried again, and how long to wait between two attempts."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from redisnb.errors import is_transient

__all__: list[str] = []

#: The first wait and the longest one, in seconds.
FIRST_WAIT, LONGEST_WAIT = 0.05, 1.0


class Backoff:
    """Waits that double, up to a second, each shortened at random by up to a half.

    Otherwise all clients of a server that comes back would arrive at the same moment.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start with the first wait again, after an attempt that succeeded."""
        self._wait = FIRST_WAIT

    def next(self) -> float:
        """Return the next wait, in seconds."""
        wait = self._wait
        self._wait = min(2 * wait, LONGEST_WAIT)
        return wait * random.uniform(0.5, 1)  # noqa: S311 - no secret


class Patience:
    """The time for which attempts may fail one after the other.

    It is measured from the first failure on, since a single lost reply takes a whole timeout.

    Parameters
    ----------
    seconds : float
        How long after the first failure the last attempt begins; ``math.inf`` never gives up.
    is_retryable : function of an exception, optional
        Returns whether another attempt may succeed.
    """

    def __init__(
        self, seconds: float, is_retryable: Callable[[Exception], bool] = is_transient
    ) -> None:
        self._seconds, self._is_retryable = seconds, is_retryable
        self._backoff = Backoff()
        self._failing_since: float | None = None

    def reset(self) -> None:
        """Note that an attempt succeeded, or got further than the one before."""
        self._failing_since = None
        self._backoff.reset()

    def wait_after(self, error: Exception) -> float:
        """Return how long to wait before the next attempt, in seconds.

        Raises
        ------
        Exception
            The error itself, if another attempt cannot succeed or the time is over.
        """
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
        left = self._failing_since + self._seconds - now
        if left <= 0 or not self._is_retryable(error):
            raise error
        return min(self._backoff.next(), left)
