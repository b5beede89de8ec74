"""How long to wait before the next attempt to reach a server that is away."""

from __future__ import annotations

import random

__all__: list[str] = []

#: The first wait and the longest one, in seconds.
FIRST, LONGEST = 0.05, 1.0


class Backoff:
    """Give waits that double, up to a second, each with up to half of it taken off by chance.

    Many clients of a server that comes back would otherwise arrive all at the same moment.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin with the first wait again: an attempt has succeeded."""
        self._wait = FIRST

    def next(self) -> float:
        """Return the next wait, in seconds."""
        wait = self._wait
        self._wait = min(2 * wait, LONGEST)
        return wait * random.uniform(0.5, 1)  # noqa: S311 - no secret
