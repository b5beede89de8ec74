"""Python's values in the text of a command: ``$name`` and ``{expression}``, one argument each."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from redisnb.errors import nearest
from redisnb.explore.commands.arguments import as_argument
from redisnb.explore.commands.splitting import Word

__all__ = ["expression_end", "substituted"]

_OPEN, _CLOSE, _ENDS_WORD = "{[(", "}])", " \t\r"
_VARIABLE = re.compile(r"\$([^\W\d]\w*)")


def expression_end(line: str, at: int) -> int | None:
    """Return the end of ``{expression}`` that is a whole word, or None: braces are also hash tags.

    Text in the expression may contain braces and blanks.
    """
    depth, begin = 0, at
    if line[at] != "{":
        return None
    while at < len(line):
        if line[at] in "\"'":
            quote, at = line[at], at + 1
            while at < len(line) and line[at] != quote:
                at += 2 if line[at] == "\\" else 1
        elif line[at] in _OPEN:
            depth += 1
        elif line[at] in _CLOSE:
            depth -= 1
            if not depth:
                break
        at += 1
    is_whole = at < len(line) and (at + 1 == len(line) or line[at + 1] in _ENDS_WORD)
    return at + 1 if is_whole and line[begin + 1 : at].strip() else None


def substituted(
    word: Word, names: Mapping[str, Any], evaluate: Callable[[str], Any], place: str
) -> bytes:
    """Return a word as sent, with the value that it names; what stands in quotes names none.

    Raises
    ------
    NameError
        If there is no such variable; it says how the text is sent as it is.
    TypeError
        If the value is no argument.
    ValueError
        If only a part of the word is the name of a variable, as in ``user:$id``.
    """
    text = word.text
    if word.is_quoted:
        return word.value
    if text.startswith("$") and text[1:].isidentifier():
        if text[1:] not in names:
            meant = nearest(text[1:], (name for name in names if not name.startswith("_")))
            hint = f"did you mean ${meant}? " if meant else ""
            raise NameError(
                f"{place}there is no variable {text[1:]!r}; {hint}'{text}' in quotes is sent as is"
            )
        return as_argument(names[text[1:]], f"{place}{text}")
    if expression_end(text, 0) == len(text):
        what = f"{place}{text}"
        try:
            return as_argument(evaluate(text[1:-1].strip()), what)
        except TypeError as error:
            raise TypeError(f"{error}; in quotes it is sent as is") from None
    part = next((each for each in _VARIABLE.finditer(text) if each[1] in names), None)
    if part is not None:
        follows = text[part.end() :]
        whole = text[1:] if text.startswith(f"{part[0]}.") else None
        meant = whole or f'f"{text[: part.start()]}{{{part[1]}}}{follows}"'
        raise ValueError(
            f"{place}{text}: a variable is a word of its own; {{{meant}}} is an expression, and "
            f"'{text}' in quotes is sent as is"
        )
    return word.value
