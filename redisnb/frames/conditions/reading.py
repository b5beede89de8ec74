"""Filters to tests: mappings, and expressions."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import pandas as pd

from redisnb.entries import EntryId, as_text, to_python
from redisnb.frames.decoding import INTEGER, NUMBER

__all__ = ["ExpressionParser", "Logic", "Test"]

# `and` is the least of its parts, `or` the greatest, `not` the distance from true.
FALSE, UNKNOWN, TRUE = 0, 1, 2
#: How deep parentheses may nest.
MOST_PARENTHESES = 100

KINDS = {bool: "bool", int: "number", float: "number", Decimal: "number"}
KINDS |= {EntryId: "id", str: "text", pd.Timestamp: "time"}
# pandas completes a time without a date with the local day of this machine.
_DATE = re.compile(r"[0-9]{4}([-/.]?)[0-9]{1,2}\1[0-9]{1,2}(?![0-9])")
_INVERSE = {"!=": "=", ">": "<=", ">=": "<"}


class Test(NamedTuple):
    """A test of the values of one name, and its result for a missing one."""

    name: str
    verb: str  # null, in, like, contains, < or <=
    literal: Any = None
    among: tuple[tuple[str, frozenset[Any]], ...] = ()  # by kind: True is not 1
    missing: int = UNKNOWN


class Logic(NamedTuple):
    """Tests joined by `and` or `or`, or the negation of one."""

    verb: str  # and, or, not
    parts: tuple[Test | Logic, ...]


# From a mapping, or a comparison of an expression, to tests


def mapping_test(name: Any, values: Any) -> Test | Logic:
    """Return the test of an item of a mapping."""
    if not isinstance(name, str):
        raise TypeError(f"a name is text, and {name!r} is {type(name).__name__}; write it as str")
    if isinstance(values, Mapping):
        inside = f"{name}.{next(iter(values), 'id')}"
        raise ValueError(f"{name!r}: what is inside an object has its own name; write {inside!r}")
    # These iterate over something other than their values.
    is_one = isinstance(values, bytearray | memoryview | pd.DataFrame)
    is_one = is_one or not pd.api.types.is_list_like(values)
    return _make_test(
        name, "in", [_plain_literal(name, each) for each in ([values] if is_one else values)]
    )


def _plain_literal(name: str, value: Any) -> Any:
    """Return a value of a mapping in Python's own type; None for a missing one."""
    value = to_python(value)
    if is_missing(value) or (isinstance(value, Decimal) and value.is_nan()):
        return None
    if isinstance(value, bool | Decimal):
        return value
    if isinstance(value, datetime):
        return _utc(pd.Timestamp(value))
    if isinstance(value, str):
        return str.__str__(value)  # no subclass, which may compare in its own way
    if isinstance(value, bytes):
        return as_text(value)
    if isinstance(value, int | float):
        return int(value) if isinstance(value, int) else float(value)
    raise TypeError(
        f"{name!r}: a value is text, bytes, a number, a bool, None or a datetime, "
        f"not {type(value).__name__}"
    )


def _make_test(name: str, verb: str, literals: Sequence[Any]) -> Test | Logic:
    """Make the test of a comparison.

    Raises
    ------
    ValueError
        If the verb, or the name, does not take these literals.
    """
    if verb in _INVERSE:
        return Logic("not", (_make_test(name, _INVERSE[verb], literals),))
    if verb == "=" or verb == "==":
        verb = "in"
    values = [_comparable_literal(name, verb, each) for each in literals if each is not None]
    if literals and not values:
        return Test(name, "null", missing=TRUE)
    kinds: dict[str, set[Any]] = {}
    for value in values:
        kinds.setdefault(KINDS[type(value)], set()).add(value)
    among = tuple((kind, frozenset(of_kind)) for kind, of_kind in kinds.items())
    if verb == "in":
        return Test(name, verb, None, among, TRUE if None in literals else UNKNOWN)
    return Test(name, verb, _pattern(values[0]) if verb == "like" else values[0], among)


def _comparable_literal(name: str, verb: str, literal: Any) -> Any:
    """Return a literal in the type with which the values of the name compare."""
    if verb == "like" and not isinstance(literal, str):
        raise ValueError("like takes text, in single quotes")
    if verb in ("<", "<=") and isinstance(literal, bool):
        raise ValueError("true and false have no order; write = or !=")
    if name == "entry_time":
        if verb in ("like", "contains"):
            raise ValueError(f"entry_time is a time and no text; write >= and < for {verb}")
        return literal if isinstance(literal, pd.Timestamp) else _time_literal(literal)
    if isinstance(literal, pd.Timestamp):
        raise ValueError(f"{name!r} has no times, entry_time has; write the text that it has")
    if name == "entry_id":
        if not isinstance(literal, str):
            raise ValueError(f"an entry ID is text, as '1700000000000-0', and not {literal!r}")
        return EntryId(literal) if verb in ("<", "<=") else literal
    return literal


def _time_literal(text: Any) -> pd.Timestamp:
    try:
        if isinstance(text, str) and _DATE.match(text):
            return _utc(pd.Timestamp(text))
    except (ValueError, TypeError, OverflowError):
        pass
    raise ValueError(f"{text!r} is no time; write one as '2024-05-01 10:30' (UTC)")


def _utc(time: pd.Timestamp) -> pd.Timestamp:
    return time.tz_localize("UTC") if time.tzinfo is None else time.tz_convert("UTC")


def _pattern(like: str) -> re.Pattern[str]:
    wild = {"%": ".*", "_": "."}
    parts = re.findall(r"\\(.)|(.)", like, re.DOTALL)
    regex = (wild.get(plain) or re.escape(escaped or plain) for escaped, plain in parts)
    return re.compile("".join(regex), re.DOTALL)


def is_missing(value: Any) -> bool:
    """Return whether a value counts as missing: None, NaN, and pandas' NaT and NA."""
    is_nan = isinstance(value, float) and math.isnan(value)
    return is_nan or value is None or value is pd.NaT or value is pd.NA


def number_of(text: str) -> int | float | None:
    """Return the number of JSON text; None if it is no number, or too large for Python."""
    if INTEGER.fullmatch(text):
        return int(text) if len(text.lstrip("-")) <= 4300 else None
    number = float(text) if NUMBER.fullmatch(text) else math.nan
    return number if math.isfinite(number) else None


# From an expression to comparisons

_TOKEN = re.compile(
    rf"\s*(?:(?P<number>(?:\+(?!-))?{NUMBER.pattern}(?![\w.:+-]))|(?P<text>'[^']*(?:''[^']*)*')"
    r'|(?P<name>"[^"]*(?:""[^"]*)*")|(?P<word>[^\W\d]\w*(?:\.\w+)*)'
    r"|(?P<key>[=!<>]=|<>|[=<>(),])|(?P<end>\Z)|(?P<bad>.))"
)
_CONSTANTS = {"true": True, "false": False, "null": None}
_KEYWORDS = frozenset({"and", "or", "not", "in", "like", "contains", "is", *_CONSTANTS})
#: The sign of `x > 5`, for `5 < x`.
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_FLIPPED |= {sign: sign for sign in ("=", "==", "!=", "<>")}
_SIGN_REMEDIES = {
    "&": "write and for &",
    "|": "write or for |",
    "~": "write not for ~",
    "!": "write not for !",
    "'": "the closing ' is missing",
    '"': 'the closing " is missing',
}
_EXPECTED_PLAIN = (
    "expected a number as JSON writes it, or a plain name; "
    "other text stands in single quotes, another name in double quotes"
)
_EXPECTED_SIGN = "expected one of = != < <= > >= in like contains is"


class ExpressionParser:
    """A parser that reads an expression from left to right."""

    def __init__(self, text: str) -> None:
        self.text, self.next = text, 0
        self.advance()
        if self.kind == "end":
            raise ValueError("the expression is empty; {} as a filter chooses every entry")

    def advance(self) -> None:
        """Move to the next word, sign or literal."""
        match = _TOKEN.match(self.text, self.next)
        assert match is not None
        assert match.lastgroup is not None
        self.kind, self.word = match.lastgroup, match[match.lastgroup]
        self.at, self.next = match.start(self.kind), match.end()
        if self.kind == "bad":
            raise self.refusal(_SIGN_REMEDIES.get(self.word, _EXPECTED_PLAIN))
        if self.kind == "word" and self.word.lower() in _KEYWORDS:
            self.kind, self.word = "key", self.word.lower()
        elif self.kind in ("text", "name"):
            quote = self.word[0]
            self.word = self.word[1:-1].replace(quote * 2, quote)

    def refusal(self, reason: str) -> ValueError:
        """Return an error that shows the current place."""
        start = max(0, self.at - 60)
        excerpt = re.sub(r"\s", " ", self.text[start : start + 90])
        return ValueError(f"{reason}\n  {excerpt}\n  {' ' * (self.at - start)}^")

    def take(self, *keys: str) -> str | None:
        """Return the next keyword or sign and move past it, if it is one of `keys`."""
        word = self.word
        if self.kind != "key" or word not in keys:
            return None
        self.advance()
        return word

    def parse(self) -> Logic:
        """Read the whole expression."""
        tree = self.alternatives(0)
        if self.kind != "end":
            raise self.refusal("expected and, or, or the end")
        return tree

    def alternatives(self, depth: int) -> Logic:
        """Read parts that are joined by `or` and, more tightly, by `and`."""
        if depth > MOST_PARENTHESES:
            raise self.refusal(f"parentheses nest at most {MOST_PARENTHESES} deep")
        either: list[Test | Logic] = []
        while not either or self.take("or"):
            every = [self.part(depth)]
            while self.take("and"):
                every.append(self.part(depth))
            either.append(Logic("and", tuple(every)))
        return Logic("or", tuple(either))

    def part(self, depth: int) -> Test | Logic:
        """Read a comparison or parentheses, with any number of `not`."""
        negated = False
        while self.take("not"):
            negated = not negated
        node: Test | Logic
        if self.take("("):
            node = self.alternatives(depth + 1)
            if not self.take(")"):
                raise self.refusal("expected and, or, or )")
        else:
            node = self.comparison()
        return Logic("not", (node,)) if negated else node

    def comparison(self) -> Test | Logic:
        """Read a name and a test of it, or a value, a sign and a name."""
        is_truth = self.kind == "key" and self.word in ("true", "false")
        if is_truth or self.kind in ("number", "text"):
            at, value = self.at, self.value()
            verb = self.take(*_FLIPPED)
            if verb is None:
                raise self.refusal("expected one of = != < <= > >=, and a name")
            return self.test_at(at, self.name(), _FLIPPED[verb], [value])
        name = self.name()
        negated = self.take("not")
        verb = self.take("in", "like", "contains", *(() if negated else ("is", *_FLIPPED)))
        if verb is None:
            raise self.refusal("expected in, like or contains" if negated else _EXPECTED_SIGN)
        if verb == "is":
            negated = self.take("not")
            if not self.take("null"):
                raise self.refusal("expected null; write = for other values")
            node = self.test_at(self.at, name, "in", [None])
        else:
            at = self.at
            node = self.test_at(at, name, verb, self.values() if verb == "in" else [self.value()])
        return Logic("not", (node,)) if negated else node

    def test_at(self, at: int, name: str, verb: str, values: Sequence[Any]) -> Test | Logic:
        """Return the test of a comparison, or raise an error at the place of its values."""
        try:
            return _make_test(name, "!=" if verb == "<>" else verb, values)
        except ValueError as error:
            self.at = at
            raise self.refusal(str(error)) from None

    def name(self) -> str:
        """Read a name."""
        if self.kind not in ("word", "name"):
            raise self.refusal('expected a name; one such as "in" stands in double quotes')
        name = self.word
        self.advance()
        return name

    def values(self) -> list[Any]:
        """Read the list after `in`."""
        if not self.take("("):
            raise self.refusal("expected a list in parentheses: (1, 2)")
        values: list[Any] = []
        while not self.take(")"):
            if values and not self.take(","):
                raise self.refusal("expected , or )")
            values.append(self.value(null=True))
        return values

    def value(self, *, null: bool = False) -> Any:
        """Read a literal."""
        value: Any = self.word
        if self.kind in ("word", "name"):
            quoted = "'" + self.word.replace("'", "''") + "'"
            raise self.refusal(f"expected a value; text stands in single quotes: {quoted}")
        if self.kind == "number":
            value = number_of(self.word.removeprefix("+"))
            if value is None:
                raise self.refusal("the number is too large")
        elif self.kind == "key" and self.word in _CONSTANTS:
            value = _CONSTANTS[self.word]
            if value is None and not null:
                raise self.refusal("null equals nothing; write is null, or is not null")
        elif self.kind != "text":
            raise self.refusal("expected a value: a number, true, false, or text in single quotes")
        self.advance()
        return value
