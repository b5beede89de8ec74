"""Values of Python as arguments of a command: each is one argument, whatever is in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import TypeAlias

import pandas as pd

from redisnb.entries import to_bytes

__all__ = ["Argument", "arguments", "as_argument"]

Argument: TypeAlias = str | bytes | int | float


def as_argument(value: object, what: str) -> bytes:
    """Return the bytes of an argument; `what` names it in an error, which never has the value.

    Raises
    ------
    TypeError
        If it is not text, bytes or a number; it says how to make one of it.
    """
    if isinstance(value, str):
        return to_bytes(value)
    if isinstance(value, bytes):
        return value
    if isinstance(value, Integral) and not isinstance(value, bool):
        # Also numpy's, which a frame contains.
        return b"%d" % int(value)
    if isinstance(value, float):
        return repr(float(value)).encode()
    raise TypeError(f"{what} is {_kind(value)}; {_way(value)}")


def _kind(value: object) -> str:
    if value is None or isinstance(value, bool):
        return str(value)
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def _way(value: object) -> str:
    if value is None:
        return "leave it out, or write '' for empty text"
    if isinstance(value, bool):
        return f"write {int(value)} or {str(value).lower()!r}"
    if isinstance(value, pd.DataFrame | pd.Series):
        return "Stream(conn, key).add_many() adds rows as events, Cache(conn).set() keeps a frame"
    if isinstance(value, Mapping):
        return "json.dumps() makes text of it, Stream(conn, key).add(event) adds it as an event"
    if isinstance(value, list | tuple | set | frozenset):
        return (
            "each argument is one value: redisnb.command(conn, ['DEL', *names]) passes each of a "
            "list, and json.dumps() makes text of it"
        )
    if isinstance(value, bytearray | memoryview):
        return "bytes() makes an argument of it"
    if isinstance(value, pd.Timestamp):
        return "int(time.timestamp() * 1000) is its number of milliseconds, as in entry IDs"
    return "an argument is text, bytes or a number: str() makes text of it"


def arguments(command: Sequence[object]) -> list[bytes]:
    """Return a command that is given as a sequence of arguments."""
    name = command[0] if command and isinstance(command[0], str) else "the command"
    return [as_argument(each, f"argument {i} of {name}") for i, each in enumerate(command)]
