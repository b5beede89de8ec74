"""What stands before the cursor: the line of a magic, and the words of a command."""

from __future__ import annotations

import re
from dataclasses import dataclass

from redisnb.entries import as_text, to_bytes
from redisnb.explore.commands import expression_end, split_words

__all__ = ["MagicLine", "Typed", "find_line", "followed_case", "typed_words", "written"]

# %redis XRANGE, rows = %redis XRANGE
_LINE_MAGIC = re.compile(r"(?:|[^#]*?[^=!<>#]=)\s*%redis\s(.*)")
_CELL_MAGIC = re.compile(r"%%redis(?:\s(.*))?")
# A whole word that begins so may name a value of Python.
_NEEDS_QUOTES = re.compile(r"""[\s"']|\$|\{(?!\w+\}\S)""")
_ESCAPED = {"\n": r"\n", "\r": r"\r", "\t": r"\t", "\b": r"\b", "\a": r"\a"}


@dataclass(frozen=True)
class MagicLine:
    """A line of a magic up to the cursor."""

    text: str
    #: What follows ``%%redis`` in a cell's first line; None where the line is that or ``%redis``.
    above: str | None = None

    @property
    def options(self) -> str:
        """The line that begins with the options of the magic."""
        return self.text if self.above is None else self.above


def find_line(cell: str, number: int, column: int) -> MagicLine | None:
    """Return the line of a magic that the cursor is in, counted from 0; None without one."""
    lines = cell.split("\n")
    before = lines[number][:column]
    first = next((n for n, line in enumerate(lines) if line.strip()), number)
    above = _CELL_MAGIC.fullmatch(lines[first].strip())
    if above is not None and number > first:
        return MagicLine(before, above[1] or "")
    if above is not None:
        line = _CELL_MAGIC.fullmatch(before.lstrip())
    else:
        line = _LINE_MAGIC.fullmatch(before)
    # Before a blank follows, the name of the magic is completed.
    return None if line is None or line[1] is None else MagicLine(line[1])


@dataclass(frozen=True)
class Typed:
    """The words before the cursor."""

    #: The whole ones, without their quotes.
    words: tuple[str, ...]
    #: The one at the cursor, as it stands there; it may be empty.
    fragment: str = ""
    #: What that stands for.
    begin: str = ""
    #: The quote that is open, or "".
    quote: str = ""

    def after(self, count: int) -> Typed:
        """Return the same without the first words."""
        return Typed(self.words[count:], self.fragment, self.begin, self.quote)


def typed_words(text: str) -> Typed | None:
    """Return the words of a text that ends at the cursor; None where none is completed."""
    if text.lstrip().startswith("#"):
        return None
    for quote in ("", '"', "'"):
        try:
            words = split_words(f"{text}{quote}", whole=expression_end)
        except ValueError:
            continue
        if not words:
            return Typed(())
        last = words.pop()
        before = tuple(as_text(word.value) for word in words)
        if quote:
            return Typed(before, last.text[:-1], as_text(last.value), quote)
        if text[-1].isspace():
            return Typed((*before, as_text(last.value)))
        # Behind a closing quote nothing is missing.
        return None if last.is_quoted else Typed(before, last.text, as_text(last.value))
    return None


def written(name: str, quote: str = "") -> str:
    """Return a name as a word that the magic reads; if it can be, with the quote that was typed."""
    # Bytes that are not UTF-8 become surrogates, which need escapes as what is not printed does.
    text = to_bytes(name).decode("utf-8", "surrogateescape")
    is_plain = all(map(_stands_for_itself, text))
    if not quote and text and is_plain and not _NEEDS_QUOTES.search(text):
        return text
    if quote == "'" and is_plain and "\\" not in text:
        return "'{}'".format(text.replace("'", "\\'"))
    return f'"{"".join(map(_escaped, text))}"'


def _stands_for_itself(char: str) -> bool:
    # The replacement character may begin a spelled byte.
    return char.isprintable() and char != "\N{REPLACEMENT CHARACTER}"


def _escaped(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    if _stands_for_itself(char):
        return char
    return _ESCAPED.get(char) or "".join(
        f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape")
    )


def followed_case(name: str, *typed: str) -> str:
    """Return a name of Redis in the case of the first of these words that has letters."""
    example = next((each for each in typed if each.upper() != each.lower()), "")
    return name.lower() if example and example == example.lower() else name.upper()
