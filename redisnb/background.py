"""What runs in the background of this process: all of it can be stopped, or made again.

A cell that is run again replaces what its earlier run has started.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import weakref
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

from redisnb.errors import warn

__all__ = ["Background", "Run", "described", "log_state", "logger", "stop_all", "this_run"]

#: What goes on in the background: starts and stops, failures, takeovers, dead letters, reconnects.
#: Never a payload.
logger = logging.getLogger("redisnb")
logger.addHandler(logging.NullHandler())

started: weakref.WeakSet[Background] = weakref.WeakSet()


class Run(NamedTuple):
    """A cell and one run of it; both are None where the front end does not name them."""

    cell: str | None
    run: str | None

    def replaces(self, earlier: Run) -> bool:
        """Return whether this is a later run of the same cell."""
        return self.cell is not None and self.cell == earlier.cell and self.run != earlier.run


def this_run() -> Run:
    """Return the run of a cell that calls this."""
    # Not imported: without a notebook nothing of it is needed.
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    request: dict[str, Any] = getattr(shell, "get_parent", dict)()
    # Not every front end names the cell; nbclient does not.
    cell = request.get("metadata", {}).get("cellId")
    return Run(cell, request["header"]["msg_id"]) if cell else Run(None, None)


def log_state(name: str, before: str, state: str, error: BaseException | None) -> None:
    """Log what something becomes, and the class of what makes it so, if that is news."""
    if state == before:
        return
    level = {"stalled": logging.WARNING, "failed": logging.ERROR}.get(state, logging.INFO)
    because = "" if error is None else f": {type(error).__qualname__}"
    logger.log(level, "%s is %s%s", name, state, because)


def described(title: str, state: str, *more: str) -> str:
    """Describe something by the call that makes it and, once it has run, by how it is."""
    said = [state, *filter(None, more)]
    return title if said == ["stopped"] else f"<{title}: {', '.join(said)}>"


class Background(ABC):
    """Something that `stop_all` stops."""

    _made_in: Run
    #: The call that makes it.
    _name: str
    #: What it replaces where that is not an earlier run of its cell, and how to have both.
    _to_have_both: str

    @abstractmethod
    def _is_alive(self) -> bool:
        """Return whether it has begun and not ended."""

    @abstractmethod
    def _hurry(self) -> None:
        """Tell it to stop, and do not wait."""

    @abstractmethod
    def _replaces(self, other: Any) -> bool:
        """Return whether this is another one of the same class, made again."""

    @abstractmethod
    def stop(self) -> bool:
        """Stop it within 2 s; say whether it has ended."""

    def _take_over(self) -> None:
        """Stop what this one replaces."""
        for other in list(started):
            same = type(other) is type(self) and other is not self
            if same and other._is_alive() and self._replaces(other):
                other.stop()
                if not self._made_in.replaces(other._made_in):
                    warn(f"{self._name} replaces {self._to_have_both}")


def stop_all() -> None:
    """Stop every consumer and every replay of this process, within 2 s."""
    running = [each for each in list(started) if each._is_alive()]
    for each in running:
        each._hurry()
    for each in running:
        each.stop()


atexit.register(stop_all)
if hasattr(os, "register_at_fork"):
    # A forked child has none of these threads, and nothing to wait for.
    os.register_at_fork(after_in_child=started.clear)
