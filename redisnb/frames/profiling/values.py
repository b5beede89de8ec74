"""The values of one kind in a column: how often each occurs, the smallest and the largest."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from redisnb.entries import SPELLED
from redisnb.frames.decoding import FIELD, INTEGER, is_float

__all__ = ["MOST_DISTINCT", "MOST_SHOWN", "MOST_VALUES", "KindValues", "cut", "kind_of"]

#: How many distinct values are counted in a column and kind, and in all of them together.
MOST_DISTINCT, MOST_VALUES = 20_000, 500_000
#: How many characters of a text are kept and shown.
MOST_SHOWN = 60

_JSON_KINDS = {str: "text", int: "int", float: "float", bool: "bool", list: "list", dict: "object"}
#: Kinds that compare by value, and kinds that compare as text.
NUMBERS = {"int": int, "float": float, "int text": int, "float text": float}
TEXTS = {"text", "bytes"}
#: Kinds that are text where they are stored.
QUOTED = {"text", "bytes", "int text", "float text"}
_LEAST, _MOST = -(2**63), 2**63 - 1
_BEGINS_NUMBER = frozenset("-0123456789")

#: A value as it is counted: a list as JSON, a long text by its beginning and its hash.
Key: TypeAlias = "str | int | float | bool | tuple[str, int]"


def kind_of(origin: str, value: Any) -> str:
    """Return the kind of a value that is not missing.

    Fields hold text. One that JSON would read as a number, and that frames make a number of, is
    "int text" or "float text", one that is not UTF-8 "bytes".
    """
    if type(value) is not str:
        # Of a field, the list of the texts of one that occurs several times.
        return _JSON_KINDS.get(type(value), "list")
    if origin == FIELD:
        if value[:1] in _BEGINS_NUMBER:
            if INTEGER.fullmatch(value):
                return "int text" if len(value) <= 20 and _LEAST <= int(value) <= _MOST else "text"
            # A longer one is not kept whole.
            if len(value) <= MOST_SHOWN and is_float(value):
                return "float text"
        if SPELLED in value:
            return "bytes"
    return "text"


class KindValues:
    """The values of one kind in a column.

    Parameters
    ----------
    kind : str
        As `kind_of` returns it.
    take : callable
        Returns whether one more distinct value may be kept.
    """

    __slots__ = ("_take", "count", "counts", "is_whole", "kind", "largest", "smallest")

    def __init__(self, kind: str, take: Callable[[], bool]) -> None:
        self.kind, self._take = kind, take
        self.count = 0
        self.counts: dict[Key, int] = {}
        # Whether all distinct values are in `counts`; the extremes of those that are not.
        self.is_whole = True
        self.smallest: Any = None
        self.largest: Any = None

    def add(self, value: Any) -> None:
        """Count a value."""
        self.count += 1
        if type(value) is str:
            key: Key = value if len(value) <= MOST_SHOWN else _key_of(value)
        elif self.kind in ("list", "object"):
            key = _key_of(_list_text(value))
        else:
            key = value
        counts = self.counts
        if key in counts:
            counts[key] += 1
        elif len(counts) < MOST_DISTINCT and self._take():
            counts[key] = 1
        else:
            self.is_whole = False
            self._compare(key)

    def _compare(self, key: Key) -> None:
        place = self.place(key)
        if place is not None:
            self.smallest = place if self.smallest is None else min(self.smallest, place)
            self.largest = place if self.largest is None else max(self.largest, place)

    def place(self, key: Key) -> Any:
        """Return what a value compares by, None for a kind that does not compare."""
        if self.kind in NUMBERS:
            return NUMBERS[self.kind](key)
        return cut(key) if self.kind in TEXTS else None

    def extremes(self) -> Iterator[Any]:
        """Yield what includes the smallest and the largest value, as they compare."""
        places = [place for key in self.counts if (place := self.place(key)) is not None]
        if places:
            yield from (min(places), max(places))
        if self.smallest is not None:
            yield from (self.smallest, self.largest)

    def shown(self, key: Key) -> str:
        """Return a value as a filter has it: text in quotes."""
        if isinstance(key, bool):
            return str(key).lower()
        text = cut(key)
        return "'{}'".format(text.replace("'", "''")) if self.kind in QUOTED else text


def cut(key: Key) -> str:
    """Return the text of a value: its beginning, if it is long."""
    if isinstance(key, tuple):
        return key[0]
    text = str(key)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}\u2026"


def _key_of(text: str) -> Key:
    return text if len(text) <= MOST_SHOWN else (cut(text), hash(text))


def _list_text(value: Any) -> str:
    """Return a list or an empty object as JSON; infinity, which JSON lacks, as Python writes it."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        return "[\u2026]"
