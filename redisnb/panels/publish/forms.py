"""Three ways to write an event: lines of fields, JSON, and one line of ``name=value``.

Each can be parsed to an event and written from one, so that the user can switch between them.
In a stream of JSON, a value that is valid JSON is parsed (``2``, ``true``, ``null``, ``{"a": 1}``),
and anything else is text; ``"2"`` is the text. In a stream of fields, everything is text.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, NoReturn, TypeAlias

from redisnb.entries import (
    Entry,
    Layout,
    as_text,
    load_json,
    split_fields,
    write_event,
    write_json,
)
from redisnb.panels.widgets import shorten

__all__ = ["FORMS", "example", "format_content", "is_blank", "parse", "parse_content"]

#: The name of each way in the form, and its label.
FORMS = {"fields": "Fields", "json": "JSON", "line": "One line"}

#: The longest event that the form is filled with at first, in bytes, and the most lines of fields.
LONGEST_EXAMPLE, MOST_LINES = 10_000, 500

#: Pairs of a name and a value, or a text.
Content: TypeAlias = "list[list[str]] | str"

_BLANKS = re.compile(r"\s*")
_WORD = re.compile(r"\S*")
_NAME = re.compile(r'[^\s="][^\s=]*')


class _NotJSONError(ValueError):
    """The text is not JSON, though Python would accept it."""


def is_blank(content: Content) -> bool:
    """Return whether the content is empty."""
    if isinstance(content, str):
        return not content.strip()
    return not any(name or value for name, value in content)


def parse_content(form: str, content: Content, layout: Layout) -> dict[str, Any]:
    """Parse typed content to an event.

    Raises
    ------
    ValueError
        If it is not an event; the message says what is wrong and where.
    """
    if is_blank(content):
        raise ValueError("there is no event yet: type one")
    if not isinstance(content, str):
        return _read_fields(content, layout)
    return parse(content) if form == "json" else _read_line(content, layout)


def format_content(form: str, event: Mapping[Any, Any], layout: Layout) -> Content:
    """Return an event as it would be typed.

    Raises
    ------
    ValueError
        If the stream's format, or this way of writing, cannot carry it.
    """
    plain = _readable_event(event, layout)
    if form == "json":
        return json.dumps(plain, ensure_ascii=False, indent=2)
    if form == "line":
        return " ".join(
            f"{_line_name(n)}={_line_value(v, is_text=layout.is_text(n))}" for n, v in plain.items()
        )
    if len(plain) > MOST_LINES:
        raise ValueError(f"it has {len(plain):,} fields, and there is room for {MOST_LINES} here")
    return [[_line_of_its_own(n), _field_value(n, v, layout)] for n, v in plain.items()]


def example(entry: Entry, layout: Layout) -> tuple[dict[str, Any] | None, str]:
    """Return an entry's event to fill the form with at first, or None and why not."""
    flat = [part for pair in entry.fields for part in pair]
    if sum(map(len, flat)) > LONGEST_EXAMPLE:
        return None, "The last entry is too long to start from."
    event: dict[Any, Any] = entry.event
    if layout.format != "fields":
        if not split_fields(flat, layout).rest:
            return event, ""
        return None, (
            "The last entry has plain fields, and this form writes JSON; "
            "Stream(conn, key, format='fields') writes fields."
        )
    if all(isinstance(value, str) or not layout.is_text(name) for name, value in event.items()):
        return event, ""
    return None, "The last entry has a field twice, which the form cannot write."


# -- JSON


def parse(text: str) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    ValueError
        If it is not one, with the position: ``not JSON: line 2, column 5: ...``. Also for what
        Python accepts and JSON does not: NaN, and a member that occurs twice.
    """
    try:
        event = _JSON.decode(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"not JSON: {where}: {_json_problem(error)}") from error
    except RecursionError:
        raise ValueError("this is nested too deeply") from None
    if not isinstance(event, dict):
        raise ValueError('an event is a JSON object, such as {"id": 1}')
    return event


def _value(text: str) -> Any:
    """Parse JSON; return anything else as text."""
    try:
        return _JSON.decode(text)
    except (json.JSONDecodeError, _NotJSONError):
        return text
    except RecursionError:
        raise ValueError("a value is nested too deeply") from None


def _json_problem(error: json.JSONDecodeError) -> str:
    return error.msg[:1].lower() + error.msg[1:]


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise ValueError(f"the member {json.dumps(name)} occurs twice")
        members[name] = value
    return members


def _no_number(name: str) -> NoReturn:
    raise _NotJSONError(f"{name} is not a JSON number; use null instead")


def _parse_float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text} is beyond the range of a JSON number")
    return number


_JSON = json.JSONDecoder(
    object_pairs_hook=_unique_members, parse_constant=_no_number, parse_float=_parse_float
)


# -- fields


def _read_fields(pairs: list[list[str]], layout: Layout) -> dict[str, Any]:
    event: dict[str, Any] = {}
    for name, value in pairs:
        if not name:
            if not value:
                continue
            raise ValueError(f"the value {shorten(value, 40)!r} has no name")
        _add(event, name, value if layout.is_text(name) else _named(name, value))
    return event


def _named(name: str, value: str) -> Any:
    try:
        return _value(value)
    except ValueError as error:
        raise ValueError(f"{name!r}: {error}") from error


def _add(event: dict[str, Any], name: str, value: Any) -> None:
    if name in event:
        raise ValueError(f"the field {shorten(name, 40)!r} occurs twice")
    event[name] = value


def _field_value(name: str, value: Any, layout: Layout) -> str:
    if layout.is_text(name):
        return _line_of_its_own(value, name)
    if isinstance(value, str) and "\n" not in value and "\r" not in value and _reads_as_text(value):
        return value
    return json.dumps(value, ensure_ascii=False)


def _line_of_its_own(text: str, name: str = "") -> str:
    if not text and not name:
        raise ValueError("it has a field without a name")
    if "\n" in text or "\r" in text:
        raise ValueError(f"{shorten(name or text, 40)!r} has a line break, which does not fit here")
    return text


def _reads_as_text(text: str) -> bool:
    """Return whether a text, typed as it is, is parsed as the same text."""
    try:
        return _value(text) is text
    except ValueError:
        return False


# -- one line


def _read_line(line: str, layout: Layout) -> dict[str, Any]:
    event: dict[str, Any] = {}
    at = _skip_spaces(line, 0)
    while at < len(line):
        name, at = _take_name(line, at)
        value, end = _take_value(line, at, is_text=layout.is_text(name))
        if _skip_spaces(line, end) == end < len(line):
            raise ValueError(f"character {end + 1}: a space is missing after the value")
        _add(event, name, value)
        at = _skip_spaces(line, end)
    return event


def _skip_spaces(line: str, at: int) -> int:
    match = _BLANKS.match(line, at)
    assert match is not None
    return match.end()


def _take_name(line: str, at: int) -> tuple[str, int]:
    """Return a name and the position of its value."""
    if line[at] == '"':
        name, end = _take_json(line, at)
    elif line[at] == "=":
        raise ValueError(f"character {at + 1}: there is no name before '='")
    else:
        match = _NAME.match(line, at)
        assert match is not None
        name, end = match[0], match.end()
    if line[end : end + 1] != "=":
        raise ValueError(
            f"character {at + 1}: {shorten(name, 40)!r} has no '='; fields are name=value, "
            'and a value with spaces goes in double quotes: note="two words"'
        )
    return name, end + 1


def _take_value(line: str, at: int, *, is_text: bool) -> tuple[Any, int]:
    first = line[at : at + 1]
    if first == '"':
        return _take_json(line, at)
    if not is_text and first in ("{", "["):
        try:
            return _JSON.raw_decode(line, at)
        except (json.JSONDecodeError, _NotJSONError):
            pass
        except RecursionError:
            raise ValueError("a value is nested too deeply") from None
    match = _WORD.match(line, at)
    assert match is not None
    return match[0] if is_text else _value(match[0]), match.end()


def _take_json(line: str, at: int) -> tuple[Any, int]:
    try:
        return _JSON.raw_decode(line, at)
    except json.JSONDecodeError as error:
        raise ValueError(f"character {error.pos + 1}: {_json_problem(error)}") from error


def _line_name(name: str) -> str:
    return name if _NAME.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def _line_value(value: Any, *, is_text: bool) -> str:
    is_word = isinstance(value, str) and _WORD.fullmatch(value) is not None
    if is_word and value[:1] not in ("", '"', "{", "[") and (is_text or _reads_as_text(value)):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def _readable_event(event: Mapping[Any, Any], layout: Layout) -> dict[str, Any]:
    """Return an event as it would be read back, in types that can be typed."""
    fields = write_event(event, layout)
    if layout.carries:
        plain: dict[str, Any] = load_json(write_json(event))
        return plain
    texts = [as_text(part) for part in fields]
    pairs: Any = zip(texts[::2], texts[1::2], strict=True)
    return {
        name: text if layout.is_text(name) else load_json(text.encode()) for name, text in pairs
    }
