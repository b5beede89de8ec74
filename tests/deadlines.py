"""How long a test waits before it calls something late: longer on a busy machine."""

import os
import time
from collections.abc import Callable
from typing import Any

#: ``REDISNB_SLOWNESS=3`` triples every deadline.
SLOWNESS = float(os.environ.get("REDISNB_SLOWNESS") or 1)
#: ``REDISNB_LATENESS=0.6`` makes each wait return so many seconds late, as a busy machine may: what
#: a test holds only for a moment is over then.
LATENESS = float(os.environ.get("REDISNB_LATENESS") or 0)


def deadline(seconds: float) -> float:
    """Return the time that something may take here, which takes at most so long when idle."""
    return seconds * SLOWNESS


def until(
    condition: Callable[[], Any], seconds: float = 10, what: str | Callable[[], str] = ""
) -> Any:
    """Return the condition's first true value, or fail after `seconds` and say what is missing.

    It asks seldom where asking takes long, so that it leaves the time to what it waits for.
    """
    end = time.monotonic() + deadline(seconds)
    pause = 0.002
    while True:
        before = time.monotonic()
        if found := condition():
            time.sleep(LATENESS)
            return found
        now = time.monotonic()
        if now > end:
            said = what() if callable(what) else what
            raise AssertionError(f"not within {seconds:g} s: {said or condition}")
        time.sleep(max(pause, min(3 * (now - before), 0.2)))
        pause = min(1.3 * pause, 0.02)


def until_quiet(count: Callable[[], int], seconds: float) -> None:
    """Wait until a count stays as it is for `seconds`: what was under way is over by then."""

    def stays() -> bool:
        before = count()
        time.sleep(seconds)
        return count() == before

    until(stays, what="it goes on")
