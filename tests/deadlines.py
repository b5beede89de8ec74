"""How long a test waits before it calls something late: longer on a busy machine."""

import os

#: ``REDISNB_SLOWNESS=3`` triples every deadline.
SLOWNESS = float(os.environ.get("REDISNB_SLOWNESS") or 1)


def deadline(seconds: float) -> float:
    """Return the time that something may take here, which takes at most so long when idle."""
    return seconds * SLOWNESS
