"""Placeholders in a template: ``{{n}}``, ``{{now}}``, ``{{uuid}}`` and ``{{choice('a', 'b')}}``.

They are read by a grammar of our own and filled in here: nothing that is typed is ever evaluated.
"""

from __future__ import annotations

import json
import random
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

__all__ = ["PLACEHOLDERS", "Placeholder", "TemplateError", "find_placeholders", "place_of"]

#: How a user writes each, for hints.
PLACEHOLDERS = "{{n}}  {{now}}  {{uuid}}  {{choice('a', 'b')}}"

_ARGUMENT = r""""(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|[^\s,()'"{}]+"""
_WRITTEN = re.compile(
    rf"\{{\{{\s*([A-Za-z_]\w*)\s*(\(\s*(?:(?:{_ARGUMENT})\s*(?:,\s*(?:{_ARGUMENT})\s*)*)?\))?\s*\}}\}}"
)
_EACH_ARGUMENT = re.compile(_ARGUMENT)
#: Outside of a JSON string two braces are always meant to be one; inside they may be a text.
_OPENING = re.compile(r'"|\\.|\{\{', re.DOTALL)


class TemplateError(ValueError):
    """What is wrong with a template.

    Attributes
    ----------
    line, column : int
        Where, counted from 1; 0 where no place is to blame.
    """

    def __init__(self, message: str, line: int = 0, column: int = 0) -> None:
        where = f"line {line}, column {column}: " if line else ""
        super().__init__(f"{where}{message}")
        self.line, self.column = line, column


class Placeholder(NamedTuple):
    """What is filled in, and where it stands.

    Attributes
    ----------
    name : str
    options : sequence
        Of a choice, the values.
    start, end : int
        Its place in the text.
    is_inside : bool
        Whether it is a part of a string.
    """

    name: str
    options: Sequence[Any]
    start: int
    end: int
    is_inside: bool

    def value(self, n: int) -> Any:
        """Return what stands there in the event of a number."""
        return _MAKERS[self.name](self.options, n)

    def python(self) -> str:
        """Return the Python expression of it, in which ``n`` is the number of the event."""
        return _IN_PYTHON[self.name].format(list(self.options))


def _now(_: Sequence[Any], __: int) -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


_MAKERS: dict[str, Callable[[Sequence[Any], int], Any]] = {
    "n": lambda _, n: n,
    "now": _now,
    "uuid": lambda _, __: str(uuid.uuid4()),
    # Test data, no secret.
    "choice": lambda options, _: random.choice(options),  # noqa: S311
}
_IN_PYTHON = {
    "n": "n",
    "now": 'datetime.now(UTC).isoformat(timespec="milliseconds")',
    "uuid": "str(uuid.uuid4())",
    "choice": "random.choice({})",
}


def find_placeholders(text: str, *, is_json: bool) -> list[Placeholder]:
    """Return the placeholders of a text, in their order.

    Raises
    ------
    TemplateError
        If two braces open what is none.
    """
    return list(_placeholders(text, is_json=is_json))


def _placeholders(text: str, *, is_json: bool) -> Iterator[Placeholder]:
    is_inside, at = not is_json, 0
    while (found := _OPENING.search(text, at)) is not None:
        at = found.end()
        if found[0] == '"' and is_json:
            is_inside = not is_inside
        elif found[0] == "{{":
            placeholder = _read(text, found.start(), is_inside=is_inside)
            yield placeholder
            at = placeholder.end


def _read(text: str, at: int, *, is_inside: bool) -> Placeholder:
    found = _WRITTEN.match(text, at)
    name = "" if found is None else found[1]
    if found is None or name not in _MAKERS:
        written = f"{name!r} is no placeholder" if name else "this is no placeholder"
        raise TemplateError(
            f"{written}: there are {PLACEHOLDERS}"
            + ("; two braces as a text are \\u007b{" if is_inside else ""),
            *place_of(text, at),
        )
    given = found[2] is not None
    options = [
        _argument(each[0], text, found.start(2) + 1 + each.start())
        for each in _EACH_ARGUMENT.finditer((found[2] or "")[1:-1])
    ]
    if name == "choice" and not options:
        raise TemplateError("a choice needs values: {{choice('a', 'b')}}", *place_of(text, at))
    if name != "choice" and given:
        raise TemplateError(f"{{{{{name}}}}} takes no values", *place_of(text, at))
    return Placeholder(name, options, found.start(), found.end(), is_inside)


def _argument(written: str, text: str, at: int) -> Any:
    if written.startswith("'"):
        inside = written[1:-1].replace("\\'", "'")
        written = '"' + re.sub(r'(?<!\\)"', r"\\\"", inside) + '"'
    try:
        value = json.loads(written, parse_constant=float)
    except ValueError:
        value = float("nan")
    if isinstance(value, float) and not abs(value) < float("inf"):
        why = f"{written} is no value: texts stand in quotes"
        raise TemplateError(why, *place_of(text, at))
    return value


def place_of(text: str, at: int) -> tuple[int, int]:
    """Return the line and the column of a position, counted from 1."""
    return text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1
