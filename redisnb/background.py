"""Consumers and replays that run in the background of this process, so that all can be stopped.

Running a notebook cell again replaces what its earlier run started.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import sys
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeVar

from redisnb.errors import warn
from redisnb.hints import Unpicklable

__all__ = ["Background", "Run", "all_of", "log_state", "logger", "stop_all", "this_run"]

T = TypeVar("T")

#: Starts and stops, failures, takeovers, dead letters and reconnects in the background. Never a
#: payload.
logger = logging.getLogger("redisnb")
logger.addHandler(logging.NullHandler())

#: The background tasks that have been started.
active: weakref.WeakSet[Background] = weakref.WeakSet()


class Run(NamedTuple):
    """A notebook cell and one run of it; both None where the front end does not name them."""

    cell: str | None
    run: str | None

    def replaces(self, earlier: Run) -> bool:
        """Return whether this is a later run of the same cell."""
        return self.cell is not None and self.cell == earlier.cell and self.run != earlier.run


def this_run() -> Run:
    """Return the cell run that is executing now."""
    # Not imported: outside a notebook it is not needed.
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    request: dict[str, Any] = getattr(shell, "get_parent", dict)()
    # Not every front end names the cell: nbclient does not.
    cell = request.get("metadata", {}).get("cellId")
    return Run(cell, request["header"]["msg_id"]) if cell else Run(None, None)


def log_state(name: str, before: str, state: str, error: BaseException | None) -> None:
    """Log a change of state, with the class of the error that caused it."""
    if state == before:
        return
    level = {"stalled": logging.WARNING, "failed": logging.ERROR}.get(state, logging.INFO)
    because = "" if error is None else f": {type(error).__qualname__}"
    logger.log(level, "%s is %s%s", name, state, because)


def all_of(weak: Iterable[T]) -> list[T]:
    """Return what is in a weak set or mapping, to which other threads add meanwhile."""
    while True:
        # What is added while it is read fails that, and is there at the next attempt.
        with contextlib.suppress(RuntimeError):
            return list(weak)


class Background(Unpicklable, ABC):
    """A consumer or replay that `stop_all` stops."""

    _made_in: Run
    #: The call that made it.
    _name: str
    #: For the warning: what it replaces besides an earlier run of its cell, and how to keep both.
    _to_have_both: str

    @abstractmethod
    def _is_alive(self) -> bool:
        """Return whether it has started and not ended."""

    @abstractmethod
    def _hurry(self) -> None:
        """Tell it to stop, without waiting."""

    @abstractmethod
    def _replaces(self, other: Any) -> bool:
        """Return whether this is the same as another one of its class, made again."""

    @abstractmethod
    def stop(self) -> bool:
        """Stop it within 2 s, and return whether it has ended.

        Examples
        --------
        >>> consumer = rnb.Consumer(orders, print).start()
        >>> consumer.stop()
        True
        >>> consumer.state
        'stopped'
        """

    def _take_over(self) -> None:
        """Stop those that this one replaces."""
        for other in all_of(active):
            same = type(other) is type(self) and other is not self
            if same and other._is_alive() and self._replaces(other):
                other.stop()
                if not self._made_in.replaces(other._made_in):
                    warn(f"{self._name} replaces {self._to_have_both}")


def stop_all() -> None:
    """Stop every consumer and every replay of this process, within 2 s.

    Examples
    --------
    >>> consumer = rnb.Consumer(orders, print).start()
    >>> rnb.stop_all()
    >>> consumer.state
    'stopped'
    """
    running = [each for each in all_of(active) if each._is_alive()]
    for each in running:
        each._hurry()
    for each in running:
        each.stop()


atexit.register(stop_all)
if hasattr(os, "register_at_fork"):
    # A forked child has none of these threads.
    os.register_at_fork(after_in_child=active.clear)
