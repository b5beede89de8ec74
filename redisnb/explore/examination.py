"""An examination of a server: what was found, and what was not looked at for lack of time or leave.

A check takes an Examination, asks through it, and adds what it finds.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from redis.exceptions import ResponseError

from redisnb import wire
from redisnb.errors import RedisnbWarning, option, words
from redisnb.wire import Connection, T

__all__ = ["Examination", "Finding", "counted"]

#: Severity, about, finding, evidence, remedy.
Finding: TypeAlias = tuple[str, str, str, str, str]


class Examination:
    """What is found of a server within a time.

    Attributes
    ----------
    conn : Connection
    found : list of Finding
    skipped : list of str
        What was not looked at; each is among the findings too.
    """

    def __init__(self, conn: Connection, seconds: float) -> None:
        self.conn = conn
        self.found: list[Finding] = []
        self.skipped: list[str] = []
        self._began, self._seconds = time.monotonic(), seconds

    def is_over(self, share: float = 1) -> bool:
        """Return whether this share of the time has passed."""
        return time.monotonic() - self._began >= share * self._seconds

    def skip(self, what: str, why: str, remedy: str = "") -> None:
        """Add what was not looked at."""
        self.skipped.append(what)
        self.found.append(("note", "not looked at", what, why, remedy))

    def refused(self, what: str, error: ResponseError) -> None:
        """Add what this user or server does not allow to look at."""
        self.skip(what, words(error))

    def take_warnings(self, caught: Iterable[warnings.WarningMessage]) -> None:
        """Add what redisnb has warned of meanwhile; other warnings are issued again."""
        for each in caught:
            text = str(each.message)
            if not issubclass(each.category, RedisnbWarning):
                warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
            elif text not in self.skipped:
                self.skipped.append(text)
                self.found.append(("note", "the examination", text, "", ""))

    def ask(self, what: str, *command: Any) -> Any:
        """Return the reply to a command; None, once noted, if it is refused."""
        (reply,) = wire.ask_many(self.conn, [command])
        if isinstance(reply, ResponseError):
            self.refused(what, reply)
            return None
        return reply

    def within(self, share: float, pages: Iterable[T], what: str, remedy: str) -> Iterator[T]:
        """Yield pages until this share of the time has passed, the first one in any case."""
        for page in pages:
            yield page
            if self.is_over(share):
                self.skip(what, f"{option('timeout', f'{self._seconds:g}s')} was over", remedy)
                return


def counted(count: int, word: str) -> str:
    """Write a number of things, whose name is a plain one: ``1 key``, ``2,000 keys``."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"
