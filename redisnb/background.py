"""What runs in the background of this process, so that all of it can be stopped."""

from __future__ import annotations

import atexit
import warnings
import weakref
from abc import ABC, abstractmethod
from typing import Any

from redisnb.cells import Run
from redisnb.errors import RedisnbWarning

__all__ = ["Background", "stop_all"]

started: weakref.WeakSet[Background] = weakref.WeakSet()


class Background(ABC):
    """Be what `stop_all` stops, once it is in `started`."""

    _made_in: Run
    #: What it replaces where that is not an earlier run of its cell, and how to have both.
    _to_have_both: str

    @abstractmethod
    def _is_alive(self) -> bool:
        """Say whether it has begun and not ended."""

    @abstractmethod
    def _hurry(self) -> None:
        """Tell it to stop, and do not wait."""

    @abstractmethod
    def _replaces(self, other: Any) -> bool:
        """Say whether this is another one of the same class, made again."""

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
                    warnings.warn(
                        f"{self!r} replaces {self._to_have_both}",
                        RedisnbWarning,
                        stacklevel=4,
                    )


def stop_all() -> None:
    """Stop every consumer and every replay of this process, within 2 s."""
    running = [each for each in list(started) if each._is_alive()]
    for each in running:
        each._hurry()
    for each in running:
        each.stop()


atexit.register(stop_all)
