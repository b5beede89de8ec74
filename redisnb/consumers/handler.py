"""The function that a user gives to a consumer: how it is called, and called again."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from typing import Any

from redisnb.patience import Backoff

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

    def __call__(
        self, what: Any, goes_on: Callable[[], bool]
    ) -> Coroutine[Any, Any, Exception | None] | None:
        """Have `what` handled, and return None where that has succeeded at once.

        Else return what does the rest, for ``await``: it gives what was raised the last time, None
        if it succeeded. It is not tried again when `goes_on` says no.
        """
        try:
            result = self.function(what)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is kept to show
            return self._rest(what, goes_on, error=error)
        # What most return; the rest takes a microsecond.
        return None if result is None else self._rest(what, goes_on, result)

    async def _rest(
        self,
        what: Any,
        goes_on: Callable[[], bool],
        result: Any = None,
        error: Exception | None = None,
    ) -> Exception | None:
        left, backoff = self._retries, Backoff()
        while True:
            if error is None:
                error = await self._outcome(result)
            if error is None or not left or not goes_on():
                return error
            left -= 1
            await asyncio.sleep(backoff.next())
            try:
                result, error = self.function(what), None
            except Exception as raised:  # noqa: BLE001 - as above
                error = raised

    async def _outcome(self, result: Any) -> Exception | None:
        """Wait for what the function has returned, and return what is raised meanwhile."""
        try:
            if inspect.isawaitable(result):
                result = await result
            if inspect.isgenerator(result) or inspect.isasyncgen(result):
                raise TypeError(
                    f"the handler {self.function!r} returned a generator, of which nothing "
                    "has run; write a function that returns"
                )
        except Exception as error:  # noqa: BLE001 - as above
            return error
        return None


def _call_of(function: Any) -> tuple[Any, Any]:
    """Return a function, and the one that is called where it is an object."""
    return function, getattr(type(function), "__call__", None)  # noqa: B004 - not whether it has one
