"""An event as a user types it, in two ways: JSON, or a line of ``name=value`` per field."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from redisnb.entries import Layout, as_text, load_json, write_event, write_json
from redisnb.panels.publishing.placeholders import TemplateError
from redisnb.panels.publishing.template import Template, json_template, lines_template

__all__ = ["JSON_WAY", "LINES_WAY", "typed_template", "typed_text", "with_member"]

JSON_WAY, LINES_WAY = "json", "lines"
#: Two braces that the event itself has: no placeholder begins there.
_OWN_BRACES = re.compile(r"\{(?=\{)")


def typed_template(way: str, text: str, layout: Layout) -> Template:
    """Read what was typed; raise TemplateError if it is no event."""
    return json_template(text) if way == JSON_WAY else lines_template(text, layout)


def typed_text(way: str, event: Mapping[Any, Any], layout: Layout) -> str:
    """Return an event as it would be typed, so that reading it gives the same.

    Raises
    ------
    ValueError
        If the stream's format, or this way of typing, cannot carry it.
    """
    plain = _as_read_back(event, layout)
    if way == JSON_WAY:
        return _with_own_braces(json.dumps(plain, ensure_ascii=False, indent=2))
    return "\n".join(f"{_name_on_line(n)}={_value_on_line(n, v, layout)}" for n, v in plain.items())


def with_member(way: str, text: str, name: str, value: Any, layout: Layout) -> str:
    """Return what was typed with one member more, at its end; the rest stays as it is."""
    first, *inner = name.split(".") if layout.carries else [name]
    for each in reversed(inner):
        value = {each: value}
    if way == LINES_WAY:
        line = f"{_name_on_line(first)}={_value_on_line(first, value, layout)}"
        return f"{text.rstrip()}\n{line}".lstrip()
    member = f"{json.dumps(first, ensure_ascii=False)}: {json.dumps(value, ensure_ascii=False)}"
    before, brace, _ = text.rpartition("}")
    if not brace:
        return f"{{\n  {_with_own_braces(member)}\n}}" if not text.strip() else text
    before = before.rstrip()
    comma = "" if before.endswith("{") and not before.endswith("{{") else ","
    return f"{before}{comma}\n  {_with_own_braces(member)}\n}}"


def _as_read_back(event: Mapping[Any, Any], layout: Layout) -> dict[str, Any]:
    fields = write_event(event, layout)
    if layout.carries:
        carried: dict[str, Any] = load_json(write_json(event))
        return carried
    texts = [as_text(part) for part in fields]
    pairs: Any = zip(texts[::2], texts[1::2], strict=True)
    return {
        name: text if layout.is_text(name) else load_json(text.encode()) for name, text in pairs
    }


def _name_on_line(name: str) -> str:
    if not name or name != name.strip() or "=" in name or "\n" in name:
        raise ValueError(f"the name {name!r} does not fit on a line")
    return name


def _value_on_line(name: str, value: Any, layout: Layout) -> str:
    if layout.is_text(name):
        # Tables show texts that are numbers as numbers.
        text = value if isinstance(value, str) else json.dumps(value)
        if text != text.strip() or "\n" in text or "{{" in text:
            raise ValueError(f"the value of {name!r} does not fit on a line")
        return text
    if isinstance(value, str) and _reads_as_itself(value, layout):
        return value
    return _with_own_braces(json.dumps(value, ensure_ascii=False))


def _reads_as_itself(text: str, layout: Layout) -> bool:
    if "\n" in text or "{{" in text:
        return False
    try:
        return bool(lines_template(f"a={text}", layout).event() == {"a": text})
    except TemplateError:
        return False


def _with_own_braces(text: str) -> str:
    return _OWN_BRACES.sub(r"\\u007b", text)
