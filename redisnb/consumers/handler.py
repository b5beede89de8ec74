"""The function that the user gives to a consumer: how it is called, and retried."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from typing import Any

from redisnb.patience import Backoff

__all__: list[str] = []


class Handler:
    """A function or a coroutine function that is called again when it raises.

    Parameters
    ----------
    function : callable
        Gets an entry or a frame, which is handled when it has returned.
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
        """Have `what` handled; return None if that has succeeded at once.

        Otherwise return a coroutine that does the rest. Its result is the error of the last
        attempt, None if that succeeded. There is no further attempt when `goes_on` returns False.
        """
        try:
            result = self.function(what)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is kept to show
            return self._rest(what, goes_on, error=error)
        # Most return None; a coroutine would take a microsecond.
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
        """Await the result of the function if it can be awaited; return its error."""
        try:
            if inspect.isawaitable(result):
                result = await result
            if inspect.isgenerator(result) or inspect.isasyncgen(result):
                raise TypeError(
                    f"the handler {self.function!r} returned a generator, and nothing of it "
                    "has run; write a function that returns"
                )
        except Exception as error:  # noqa: BLE001 - as above
            return error
        return None


def _call_of(function: Any) -> tuple[Any, Any]:
    """Return a function, and the method that calling it calls, if it is an object."""
    return function, getattr(type(function), "__call__", None)  # noqa: B004 - not whether it has one
