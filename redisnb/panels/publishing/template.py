"""Template: an event as it is typed, as JSON or as a line per field, with placeholders."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

from redisnb.entries import Layout
from redisnb.panels.publishing.placeholders import (
    Placeholder,
    TemplateError,
    find_placeholders,
    place_of,
)

__all__ = ["Template", "json_template", "lines_template"]


class Template(NamedTuple):
    """An event of which some values are made for each copy.

    Attributes
    ----------
    members : mapping
        The event; texts have the placeholders of `slots` as marks.
    slots : mapping of str to Placeholder
        By mark.
    """

    members: Mapping[str, Any]
    slots: Mapping[str, Placeholder]

    def event(self, n: int = 1) -> dict[str, Any]:
        """Return the event of a number."""
        made: dict[str, Any] = self._filled(self.members, n)
        return made

    def python(self) -> str:
        """Return the event as a Python expression, in which ``n`` is its number."""
        return self._written(self.members)

    @property
    def names(self) -> set[str]:
        """The names of its placeholders."""
        return {each.name for each in self.slots.values()}

    def _filled(self, value: Any, n: int) -> Any:
        if isinstance(value, dict):
            return {"".join(self._texts(k, n)): self._filled(each, n) for k, each in value.items()}
        if isinstance(value, list):
            return [self._filled(each, n) for each in value]
        if not isinstance(value, str) or not self.slots:
            return value
        slot = self.slots.get(value)
        if slot is not None and not slot.is_inside:
            return slot.value(n)
        return "".join(self._texts(value, n))

    def _texts(self, text: str, n: int) -> list[str]:
        made = ((piece, self.slots.get(piece)) for piece in self._pieces(text))
        return [piece if slot is None else _text_of(slot.value(n)) for piece, slot in made]

    def _pieces(self, text: str) -> list[str]:
        """Return a text cut at its marks, which stay."""
        pieces, begun = [], ""
        for letter in text:
            if letter in self.slots:
                pieces += [begun, letter]
                begun = ""
            else:
                begun += letter
        return [each for each in [*pieces, begun] if each]

    def _written(self, value: Any) -> str:
        if isinstance(value, dict):
            pairs = (f"{self._written(k)}: {self._written(each)}" for k, each in value.items())
            return f"{{{', '.join(pairs)}}}"
        if isinstance(value, list):
            return f"[{', '.join(map(self._written, value))}]"
        if not isinstance(value, str) or not self.slots:
            return repr(value)
        slots = [(piece, self.slots.get(piece)) for piece in self._pieces(value)]
        if len(slots) == 1 and slots[0][1] is not None and not slots[0][1].is_inside:
            return slots[0][1].python()
        texts = [repr(piece) if slot is None else _str_of(slot) for piece, slot in slots]
        return " + ".join(texts) or "''"


def json_template(text: str) -> Template:
    """Read a JSON object with placeholders.

    Raises
    ------
    TemplateError
        If it is none, with the place. Also for what Python accepts and JSON does not: NaN, and a
        member that occurs twice.
    """
    if not text.strip():
        raise TemplateError("there is no event yet: type one")
    found = find_placeholders(text, is_json=True)
    # As long as they are written, so that the place of an error is the one in the text.
    _parsed(_replaced(text, found, [_stand_in(each) for each in found]))
    marks = _marks(text, len(found))
    marked = [
        mark if each.is_inside else f'"{mark}"' for mark, each in zip(marks, found, strict=True)
    ]
    event = _parsed(_replaced(text, found, marked))
    if not isinstance(event, dict):
        raise TemplateError('an event is a JSON object, such as {"id": 1}', 1, 1)
    return Template(event, dict(zip(marks, found, strict=True)))


def lines_template(text: str, layout: Layout) -> Template:
    """Read lines of ``name=value`` with placeholders.

    A value that is JSON is read as that where the stream has JSON; else it is a text.

    Raises
    ------
    TemplateError
        If a line is none, with its place.
    """
    if not text.strip():
        raise TemplateError("there is no event yet: type one")
    marks = _marks(text, text.count("{{"))
    members: dict[str, Any] = {}
    slots: dict[str, Placeholder] = {}
    for i, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        name, equals, value = line.partition("=")
        name = name.strip()
        if not equals or not name:
            raise TemplateError("a line is a field: name=value", i, 1)
        if name in members:
            raise TemplateError(f"the field {name!r} occurs twice", i, 1)
        try:
            inside = _field_template(value.strip(), layout.is_text(name), marks[len(slots) :])
        except TemplateError as error:
            raise TemplateError(*_moved(error, i, line)) from error
        members[name] = inside.members["value"]
        slots |= inside.slots
    return Template(members, slots)


def _field_template(written: str, is_text: bool, marks: Sequence[str]) -> Template:
    if not is_text:
        try:
            found = find_placeholders(written, is_json=True)
            marked = [
                mark if each.is_inside else f'"{mark}"'
                for mark, each in zip(marks, found, strict=False)
            ]
            value = _parsed(_replaced(written, found, marked))
            return Template({"value": value}, dict(zip(marks, found, strict=False)))
        except TemplateError:
            # What begins as JSON is meant to be that.
            if written[:1] in ("{", "[", '"') and not written.startswith("{{"):
                raise
    found = find_placeholders(written, is_json=False)
    value = _replaced(written, found, marks[: len(found)])
    return Template({"value": value}, dict(zip(marks, found, strict=False)))


def _moved(error: TemplateError, line: int, text: str) -> tuple[str, int, int]:
    """Return what an error of a value says, and its place in the whole text."""
    value = text.partition("=")[2]
    before = len(text) - len(value.lstrip())
    message = str(error).partition(": ")[2] if error.line else str(error)
    return message, line, before + max(1, error.column)


def _marks(text: str, n: int) -> list[str]:
    """Return letters that are in no text: of the private use area of Unicode."""
    free = (chr(code) for code in range(0xF0000, 0x10FFFE) if chr(code) not in text)
    return [mark for mark, _ in zip(free, range(n), strict=False)]


def _replaced(text: str, found: Sequence[Placeholder], by: Sequence[str]) -> str:
    pieces, at = [], 0
    for each, piece in zip(found, by, strict=True):
        pieces += [text[at : each.start], piece]
        at = each.end
    return "".join([*pieces, text[at:]])


def _stand_in(each: Placeholder) -> str:
    length = each.end - each.start
    return "x" * length if each.is_inside else f'"{"x" * (length - 2)}"'


def _text_of(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _str_of(slot: Placeholder) -> str:
    return f"str({slot.python()})" if slot.name in ("n", "choice") else slot.python()


# -- strict JSON

_WORDS = {
    "Expecting value": "a value is missing here",
    "Expecting property name enclosed in double quotes": "a name in double quotes is missing here",
    "Expecting ':' delimiter": "a colon is missing here",
    "Expecting ',' delimiter": "a comma is missing here, or a bracket before the end",
    "Extra data": "there is something after the end of the object",
    "Unterminated string starting at": "this text has no closing quote",
    "Invalid control character at": "in a text a line break is \\n, and a tab is \\t",
    "Illegal trailing comma before end of object": "after the last member there is no comma",
    "Illegal trailing comma before end of array": "after the last value there is no comma",
}


class _NoJSONError(ValueError):
    """What Python accepts and JSON does not."""


def _parsed(text: str) -> Any:
    try:
        return _STRICT.decode(text)
    except json.JSONDecodeError as error:
        words = _WORDS.get(error.msg, error.msg[:1].lower() + error.msg[1:])
        raise TemplateError(words, error.lineno, error.colno) from error
    except _NoJSONError as error:
        token = error.args[1]
        at = text.rfind(token)
        raise TemplateError(error.args[0], *(place_of(text, at) if at >= 0 else ())) from error
    except RecursionError:
        raise TemplateError("this is nested too deeply") from None


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            written = json.dumps(name, ensure_ascii=False)
            raise _NoJSONError(f"the member {written} occurs twice", written)
        members[name] = value
    return members


def _constant(name: str) -> NoReturn:
    raise _NoJSONError(f"{name} is not a JSON number; use null instead", name)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise _NoJSONError(f"{text} is beyond the range of a JSON number", text)
    return number


_STRICT = json.JSONDecoder(
    object_pairs_hook=_unique_names, parse_constant=_constant, parse_float=_finite
)
