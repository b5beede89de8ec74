"""A Ctrl-C while the command `redisnb` is being imported, of which most of a second is pandas."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

__all__ = ["ctrl_c_ends_command"]


@contextmanager
def ctrl_c_ends_command() -> Iterator[None]:
    """End the command at a Ctrl-C inside as at a later one; elsewhere, leave it to the importer."""
    try:
        yield
    except KeyboardInterrupt:
        is_module = ("-m", "redisnb") in pairwise(sys.orig_argv)
        if not is_module and Path(sys.argv[0]).stem != "redisnb":
            raise
        sys.stderr.write("redisnb: interrupted\n")
        sys.exit(128 + signal.SIGINT)
