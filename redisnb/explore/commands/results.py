"""The results of several commands, shown with the command of each."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import pandas as pd
from redis.exceptions import RedisError

from redisnb.errors import words

__all__ = ["Results", "error_lines"]

#: How much of a result that is no frame is shown, in characters, and of how many commands.
_SHOWN, _COMMANDS_SHOWN = 2_000, 100
_STYLE = "margin: 0.6em 0 0.2em; white-space: pre-wrap; overflow-wrap: anywhere"


class Results(list[Any]):
    """A list of the results of commands, which shows the text of each command with its result.

    Parameters
    ----------
    commands : iterable of str
        As they were written.
    results : iterable
        Frames, plain values, and errors of the server.
    """

    def __init__(self, commands: Iterable[str], results: Iterable[Any]) -> None:
        super().__init__(results)
        self._commands = list(commands)

    def __repr__(self) -> str:
        if len(self._commands) != len(self):
            return super().__repr__()
        parts = [f"> {command}\n{_text(result)}" for command, result in self._shown()]
        return "\n\n".join([*parts, *self._rest()])

    def _repr_html_(self) -> str | None:
        if len(self._commands) != len(self):
            return None
        parts = [
            f'<pre style="{_STYLE}"><b>{html.escape(command)}</b></pre>{_html(result)}'
            for command, result in self._shown()
        ]
        return "".join([*parts, *(f"<p>{each}</p>" for each in self._rest())])

    def _shown(self) -> Iterator[tuple[str, Any]]:
        return islice(zip(self._commands, self, strict=True), _COMMANDS_SHOWN)

    def _rest(self) -> list[str]:
        more = len(self) - _COMMANDS_SHOWN
        return [f"... and {more:,} more"] if more > 0 else []


def error_lines(error: BaseException) -> list[str]:
    """Return an error in a line, and each of its notes in another."""
    said = words(error) if isinstance(error, RedisError) else str(error)
    return [f"{type(error).__name__}: {said}".removesuffix(": "), *getattr(error, "__notes__", ())]


def _text(result: Any) -> str:
    if isinstance(result, RedisError):
        return "\n".join(error_lines(result))
    text = repr(result)
    is_whole = isinstance(result, pd.DataFrame) or len(text) <= _SHOWN
    return text if is_whole else f"{text[:_SHOWN]}…"


def _html(result: Any) -> str:
    if isinstance(result, pd.DataFrame):
        return str(result._repr_html_())  # type: ignore[operator] # pandas-stubs
    return f'<pre style="{_STYLE}">{html.escape(_text(result))}</pre>'
