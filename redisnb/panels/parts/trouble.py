"""Trouble: what failed last, in words, with the way on."""

from __future__ import annotations

from collections.abc import Callable

import redis

from redisnb import errors
from redisnb.errors import RedisnbError
from redisnb.panels.parts.controls import Action
from redisnb.panels.parts.part import Message

__all__ = ["READ_ONLY", "SERVER_ERRORS", "USER_ERRORS", "Trouble", "error_text"]

#: Why a control is off over a connection that only reads.
READ_ONLY = "this connection is read-only"
#: What asking a server raises; `is_transient` tells what may be over in a while.
SERVER_ERRORS = (RedisnbError, redis.RedisError, OSError)
#: What the actions of a panel raise if the server, the arguments or the state forbid them.
USER_ERRORS = (*SERVER_ERRORS, ValueError, TypeError, RuntimeError)


def error_text(error: BaseException) -> str:
    """Return what went wrong: the server's own words, then the remedy if one is known."""
    text = errors.words(error) if isinstance(error, redis.RedisError) else str(error)
    notes: list[str] = getattr(error, "__notes__", [])
    return "\n".join([text or type(error).__qualname__, *notes])


class Trouble(Message):
    """What failed last, one error at a time, with the way on."""

    def __init__(self) -> None:
        self._again: Callable[[], object] | None = None
        self._retry = Action("Try again", self._try)
        super().__init__(self._retry, Action("Dismiss", self.clear), tone="bad")
        self.error: BaseException | None = None

    def report(self, error: BaseException, again: Callable[[], object] | None = None) -> None:
        """Show an error; with `again`, offer to do that."""
        self.error, self._again = error, again
        self._retry.set(hidden=again is None)
        self.say(error_text(error))

    def clear(self) -> None:
        """Hide the error."""
        self.error = None
        self.say("")

    def _try(self) -> None:
        again = self._again
        self.clear()
        if again is not None:
            again()
