"""PythonCode: the calls that do without a panel what it does, for "Copy as Python"."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

__all__ = ["PythonCode"]

#: The longest line that is not divided, in characters.
_LINE = 88


class _Expression(str):
    """A text that is Python already."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class PythonCode:
    """A script that is written call by call.

    Examples
    --------
    >>> from redisnb.panels.parts.code import PythonCode
    >>> code = PythonCode()
    >>> connection = code.connection("redis://localhost:6379/0")
    >>> stream = code.call("rnb.Stream", connection, "orders", payload=None)
    >>> code.keep("frame", code.method(stream, "range", where="n > 3"))
    frame
    >>> print(code)
    import redisnb as rnb
    <BLANKLINE>
    conn = rnb.connect('redis://localhost:6379/0')
    frame = rnb.Stream(conn, 'orders').range(where='n > 3')
    """

    def __init__(self) -> None:
        self._connections: dict[str, str] = {}
        self._lines: list[str] = []

    def __str__(self) -> str:
        connects = [f"{name} = rnb.connect({url!r})" for url, name in self._connections.items()]
        return "\n".join(["import redisnb as rnb", "", *connects, *self._lines])

    def connection(self, url: str) -> str:
        """Return the name of a connection, which the script makes first."""
        n = len(self._connections) + 1
        return _Expression(self._connections.setdefault(url, "conn" if n == 1 else f"conn{n}"))

    def call(self, function: str, *arguments: Any, **options: Any) -> str:
        """Return a call as an expression; options that are None are left out."""
        texts = [_python_of(value) for value in arguments]
        texts += [
            f"{name}={_python_of(each)}" for name, each in options.items() if each is not None
        ]
        line = f"{function}({', '.join(texts)})"
        if len(line) <= _LINE:
            return _Expression(line)
        inside = "".join(f"    {text},\n" for text in texts)
        return _Expression(f"{function}(\n{inside})")

    def method(self, object: str, name: str, *arguments: Any, **options: Any) -> str:
        """Return the call of a method as an expression."""
        return self.call(f"{object}.{name}", *arguments, **options)

    def keep(self, name: str, expression: str) -> str:
        """Write a line that keeps the value of an expression; return its name."""
        self._lines.append(f"{name} = {expression}")
        return _Expression(name)

    def do(self, expression: str) -> None:
        """Write a line of its own."""
        self._lines.append(str(expression))


def _python_of(value: Any) -> str:
    if isinstance(value, pd.Timestamp):
        return repr(value.isoformat())
    if isinstance(value, pd.Timedelta):
        return f"{value.total_seconds():g}"
    if callable(value):
        return str(getattr(value, "__name__", repr(value)))
    return repr(value.item() if isinstance(value, np.generic) else value)
