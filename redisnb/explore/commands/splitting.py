r"""The text of commands, split into words as redis-cli does.

Words stand between blanks. In double quotes ``\n``, ``\r``, ``\t``, ``\b``, ``\a``, ``\xHH``,
``\"`` and ``\\`` are escapes; in single quotes only ``\'`` is. A quote may begin within a word, and
ends it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from redisnb.entries import to_bytes

__all__ = ["Line", "Word", "read_lines", "split_words"]

# As C's isspace() has them; only the first four end a word.
_CLI_BLANKS, _ENDS = " \t\n\r\v\f", " \t\n\r"
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "a": "\a"}
# What stands in quotes: an escape, or characters that stand for themselves.
_IN_DOUBLE = re.compile(r'\\(?P<escape>x[0-9a-fA-F]{2}|.)|[^"\\]+|\\\Z', re.DOTALL)
_IN_SINGLE = re.compile(r"\\(?P<escape>')|[^'\\]+|\\", re.DOTALL)

#: Finds the end of a word that begins here and is not to be split, or returns None.
Whole = Callable[[str, int], int | None]


class Word(NamedTuple):
    """A word of a command: as sent, as written, and whether any of it stands in quotes."""

    value: bytes
    text: str
    is_quoted: bool


class Line(NamedTuple):
    """A command in a text: its words, the text itself, and where it stands ("line 3: ", or "")."""

    words: Sequence[Word]
    text: str
    place: str


def read_lines(text: str, whole: Whole | None = None) -> list[Line]:
    """Return the commands of a text, one a line; blank lines and comments (``#``) are left out.

    Raises
    ------
    ValueError
        If a quote is not closed, or there is no command.
    """
    # Not splitlines(), which splits at characters that values may contain.
    lines = text.split("\n")
    found = []
    for number, line in enumerate(lines, 1):
        stripped = line.strip(_CLI_BLANKS)
        if stripped and not stripped.startswith("#"):
            place = f"line {number}: " if len(lines) > 1 else ""
            found.append(Line(split_words(line, place, whole), stripped, place))
    if not found:
        raise ValueError("there is no command; a command is text such as 'XRANGE orders - +'")
    return found


def split_words(line: str, place: str = "", whole: Whole | None = None) -> list[Word]:
    """Return the words of one command.

    Raises
    ------
    ValueError
        If a quote is not closed, or closes in the middle of a word.
    """
    words: list[Word] = []
    at = 0
    while True:
        while at < len(line) and line[at] in _CLI_BLANKS:
            at += 1
        if at == len(line):
            return words
        end = None if whole is None else whole(line, at)
        if end is not None:
            words.append(Word(to_bytes(line[at:end]), line[at:end], is_quoted=False))
            at = end
            continue
        begin = at
        while at < len(line) and line[at] not in _ENDS and line[at] not in "\"'":
            at += 1
        value = to_bytes(line[begin:at])
        is_quoted = at < len(line) and line[at] in "\"'"
        if is_quoted:
            inside, at = _quoted(line, at, place)
            value += inside
        words.append(Word(value, line[begin:at], is_quoted))


def _quoted(line: str, begin: int, place: str) -> tuple[bytes, int]:
    """Return what stands in the quotes that begin here, and where they end."""
    quote = line[begin]
    kind, pattern = ("double", _IN_DOUBLE) if quote == '"' else ("single", _IN_SINGLE)
    # Text is encoded as a whole: a spelled byte has several characters.
    parts: list[bytes] = []
    texts: list[str] = []
    at = begin + 1
    while found := pattern.match(line, at):
        escape, at = found["escape"], found.end()
        if escape is None:
            texts.append(found[0])
        elif len(escape) > 1:
            parts += (to_bytes("".join(texts)), bytes.fromhex(escape[1:]))
            texts.clear()
        else:
            texts.append(_ESCAPES.get(escape, escape) if quote == '"' else escape)
    if at >= len(line):
        raise ValueError(
            f"{place}the {kind} quote at character {begin + 1} is not closed; inside double quotes "
            r"a quote is written \" and a line break \n"
        )
    if at + 1 < len(line) and line[at + 1] not in _CLI_BLANKS:
        raise ValueError(
            f"{place}the {kind} quote at character {at + 1} closes in the middle of a word; quote "
            "the whole word, such as '{\"a\": 1}'"
        )
    return b"".join([*parts, to_bytes("".join(texts))]), at + 1
