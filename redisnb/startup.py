"""A Ctrl-C while the command `redisnb` is being imported, of which most of a second is pandas."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from types import FrameType

__all__ = ["ctrl_c_ends_command"]


@contextmanager
def ctrl_c_ends_command() -> Iterator[None]:
    """End the command at a Ctrl-C inside as at a later one; elsewhere, leave it to the importer."""
    if not _is_command() or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _end_command)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _is_command() -> bool:
    is_module = ("-m", "redisnb") in pairwise(sys.orig_argv)
    return (is_module or Path(*sys.argv[:1]).stem == "redisnb") and (
        threading.current_thread() is threading.main_thread()
    )


def _end_command(number: int, _: FrameType | None) -> None:
    # Not by an exception: Python ignores one in a finalizer, and imports have many.
    with suppress(OSError):
        os.write(2, b"redisnb: interrupted\n")
    os._exit(128 + number)
