"""JSON text with some members changed and all others as they were written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, TypeAlias

__all__: list[str] = []

#: The path of a member, and its new text; None removes it.
Edit: TypeAlias = tuple[tuple[str, ...], str | None]

_BLANK = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


def edit_json(text: str, edits: Iterable[Edit]) -> str:
    """Change members of the object that a text holds.

    A missing member is added, with the objects around it; a null in the place of such an object is
    replaced. Of members with the same name the last one is changed, which is the one that readers
    take; a removal removes all of them.

    Raises
    ------
    ValueError
        If a path leads through a value that is no object; its argument is the path up to there.
    """
    tree: dict[str, Any] = {}
    # Removals first: one may make room for a value in the place of an object.
    for path, new in sorted(edits, key=lambda edit: edit[1] is not None):
        inner = tree
        for i, name in enumerate(path[:-1]):
            inner = inner.setdefault(name, {})
            if not isinstance(inner, dict):
                raise ValueError(path[: i + 1])
        if isinstance(inner.get(path[-1]), dict) and any(map(_new_text, inner[path[-1]].values())):
            raise ValueError(path)
        inner[path[-1]] = new
    start = _skip_blanks(text, 0)
    edited, end = _edit_object(text, start, tree, ())
    return text[:start] + edited + text[end:]


def _edit_object(
    text: str, at: int, tree: dict[str, Any], above: tuple[str, ...]
) -> tuple[str, int]:
    """Return the object that begins at a place, edited, and where it ended before."""
    members, end = _find_members(text, at)
    last = {name: i for i, (name, *_) in enumerate(members)}
    parts: list[str] = []
    for i, (name, start, value, stop) in enumerate(members):
        part = text[start:stop]
        if name in tree:
            new = tree[name]
            if new is None:
                continue
            if i == last[name]:
                part = text[start:value] + _edit_value(text, value, new, (*above, name))
        # With the comma and blanks before it, unless it comes first now.
        parts.append((text[members[i - 1][3] : start] if parts else "") + part)
    for name, new in tree.items():
        if name not in last and (new_text := _new_text(new)) is not None:
            parts.append(f"{',' if parts else ''}{json.dumps(name, ensure_ascii=False)}:{new_text}")
    head = text[at : members[0][1]] if members else "{"
    return head + "".join(parts) + (text[members[-1][3] : end] if members else "}"), end


def _edit_value(text: str, at: int, new: Any, path: tuple[str, ...]) -> str:
    if isinstance(new, str):
        return new
    if text[at] == "{":
        return _edit_object(text, at, new, path)[0]
    _, end = _DECODER.raw_decode(text, at)
    if text[at:end] == "null":
        return _new_text(new) or "null"
    if _new_text(new) is None:
        return text[at:end]
    raise ValueError(path)


def _new_text(new: Any) -> str | None:
    """Return the text of a new member; None where its edits only remove."""
    if not isinstance(new, dict):
        return None if new is None else str(new)
    texts = {name: text for name, inner in new.items() if (text := _new_text(inner)) is not None}
    members = (f"{json.dumps(name, ensure_ascii=False)}:{text}" for name, text in texts.items())
    return "{" + ",".join(members) + "}" if texts else None


def _find_members(text: str, at: int) -> tuple[list[tuple[str, int, int, int]], int]:
    """Return an object's members (name, start, start of the value, end), and where it ends."""
    members = []
    at = _skip_blanks(text, at + 1)
    while text[at] != "}":
        name, stop = _DECODER.raw_decode(text, at)
        value = _skip_blanks(text, _skip_blanks(text, stop) + 1)
        _, end = _DECODER.raw_decode(text, value)
        members.append((name, at, value, end))
        at = _skip_blanks(text, end)
        if text[at] == ",":
            at = _skip_blanks(text, at + 1)
    return members, at + 1


def _skip_blanks(text: str, at: int) -> int:
    match = _BLANK.match(text, at)
    assert match is not None
    return match.end()
