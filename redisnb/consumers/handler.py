"""The function that a user gives to a consumer: how it is called, and called again."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from redisnb.backoff import Backoff

__all__: list[str] = []


class Handler:
    """Call a function or a coroutine function, and again where it raises.

    Parameters
    ----------
    function : callable
        It gets an entry or a frame; when it has returned, that is handled.
    retries : int
        How often it is called again, each time after a longer wait (50 ms to 1 s).

    Raises
    ------
    TypeError
        If `function` cannot be a handler.
    """

    def __init__(self, function: Callable[[Any], Any], retries: int) -> None:
        if not callable(function):
            raise TypeError(f"the handler is a function, not {function!r}")
        yields = (inspect.isgeneratorfunction, inspect.isasyncgenfunction)
        if any(does(call) for does in yields for call in _call_of(function)):
            raise TypeError(
                f"the handler {function!r} has a yield, so calling it would run nothing of it; "
                "write a function that returns"
            )
        self.function = function
        self._retries = retries

    @property
    def is_coroutine(self) -> bool:
        """Whether it is known to be a coroutine function."""
        return any(map(inspect.iscoroutinefunction, _call_of(self.function)))

    async def __call__(self, what: Any, goes_on: Callable[[], bool]) -> Exception | None:
        """Have `what` handled, and return what was raised the last time, None if it succeeded.

        It is not tried again when `goes_on` says no.
        """
        left, backoff = self._retries, None
        while True:
            try:
                result = self.function(what)
                if result is None:
                    # What most return, and the rest takes a microsecond.
                    return None
                if inspect.isawaitable(result):
                    result = await result
                if inspect.isgenerator(result) or inspect.isasyncgen(result):
                    raise TypeError(
                        f"the handler {self.function!r} returned a generator, of which nothing "
                        "has run; write a function that returns"
                    )
            except Exception as error:  # noqa: BLE001 - whatever a handler raises is kept to show
                if not left or not goes_on():
                    return error
            else:
                return None
            left -= 1
            backoff = backoff or Backoff()
            await asyncio.sleep(backoff.next())


def _call_of(function: Any) -> tuple[Any, Any]:
    """Return a function, and the one that is called where it is an object."""
    return function, getattr(type(function), "__call__", None)  # noqa: B004 - not whether it has one
