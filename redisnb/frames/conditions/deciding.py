"""The choice of a condition: for one entry, slowly and obviously, or for many by column."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from redisnb.entries import EntryId, as_text
from redisnb.errors import EntryIdError
from redisnb.frames.conditions.reading import (
    FALSE,
    KINDS,
    TRUE,
    UNKNOWN,
    ExpressionParser,
    Logic,
    Test,
    is_missing,
    mapping_test,
    number_of,
)
from redisnb.frames.decoding import FIELD, JSON, ColumnPart

__all__ = ["Cell", "Condition", "chooses", "condition_of", "mask"]

#: The value of an entry under a name: its origin, "json" or "field", and the value itself.
Cell: TypeAlias = tuple[str, Any]

_ARROW_KINDS = {pa.bool_(): "bool", pa.int64(): "number", pa.float64(): "number"}
_ARROW_KINDS |= {pa.string(): "text", pa.timestamp("ms", "UTC"): "time"}
_FULL_ID = r"\A[0-9]{1,20}-[0-9]{1,20}\z"


@dataclass(frozen=True)
class Condition:
    """The condition of a filter; `condition_of` makes it.

    Attributes
    ----------
    names, compared : frozenset of str
        All its names, and those in tests other than ``is null`` and ``is not null``.
    """

    names: frozenset[str]
    compared: frozenset[str]
    tree: Test | Logic = field(repr=False)


def condition_of(where: Mapping[str, Any] | str) -> Condition:
    """Return the condition of a filter: a mapping of names to one or more values, or an expression.

    Raises
    ------
    ValueError, TypeError
        If it cannot be read; the message shows the place and names the fix.
    """
    if isinstance(where, str):
        tree = ExpressionParser(where).parse()
    elif isinstance(where, Mapping):
        tree = Logic("and", tuple(mapping_test(name, values) for name, values in where.items()))
    else:
        raise TypeError(f"where is a mapping or an expression, not {type(where).__name__}")
    tests: list[Test] = []

    def note(test: Test) -> int:
        tests.append(test)
        return TRUE

    _fold(tree, note)
    compared = frozenset(test.name for test in tests if test.verb != "null")
    return Condition(frozenset(test.name for test in tests), compared, tree)


def chooses(condition: Condition, cells: Mapping[str, Cell], objects: Collection[str] = ()) -> bool:
    """Return whether a condition chooses an entry.

    Parameters
    ----------
    cells : mapping of str to Cell
        The values of the entry; those inside a JSON object by dotted name.
    objects : collection of str
        The names under which it has a JSON object that is not empty.
    """

    def decide(test: Test) -> int:
        origin, value = cells.get(test.name, (JSON, None))
        return _decide_value(
            test, origin, {} if is_missing(value) and test.name in objects else value
        )

    return bool(_fold(condition.tree, decide) == TRUE)


def mask(condition: Condition, columns: Mapping[str, Sequence[ColumnPart]], rows: int) -> Any:
    """Return which of many entries a condition chooses, as an array of bool.

    Parameters
    ----------
    columns : mapping of str to sequence of ColumnPart
        The values of each name: their origin, their rows, and an Arrow array or a list.
    """

    def decide(test: Test) -> Any:
        results = np.full(rows, test.missing, np.int8)
        for origin, places, values in columns.get(test.name, ()):
            present, codes = _decide_part(test, origin, values)
            if isinstance(places, range):
                results[places.start : places.stop : places.step][present] = codes[present]
            else:
                results[np.asarray(places, dtype=np.intp)[present]] = codes[present]
        return results

    return np.broadcast_to(_fold(condition.tree, decide) == TRUE, rows).copy()


def _fold(node: Test | Logic, decide: Callable[[Test], Any]) -> Any:
    """Return the result of the whole from that of each test: numbers, or arrays of them."""
    if isinstance(node, Test):
        return decide(node)
    results = map(functools.partial(_fold, decide=decide), node.parts)
    if node.verb == "not":
        return TRUE - next(results)
    if node.verb == "and":
        return functools.reduce(np.minimum, results, TRUE)
    return functools.reduce(np.maximum, results, FALSE)


# One value


def _decide_value(test: Test, origin: str, value: Any) -> int:
    """Return the result of a test for one value; these are the rules of every comparison."""
    if is_missing(value):
        return test.missing
    if test.verb == "null":
        return FALSE
    if test.verb == "in":
        own = [(_comparable_value(kind, origin, value), among) for kind, among in test.among]
        known = [each in among for each, among in own if each is not None]
        return TRUE if any(known) else FALSE if known or not test.among else UNKNOWN
    if test.verb == "contains" and isinstance(value, list):
        equal = test._replace(verb="in")
        return TRUE if any(_decide_value(equal, origin, each) == TRUE for each in value) else FALSE
    bound, text = test.literal, test.verb in ("like", "contains")
    own_value = _comparable_value("text" if text else KINDS[type(bound)], origin, value)
    if own_value is None or (test.verb == "contains" and not isinstance(bound, str)):
        return UNKNOWN
    if text:
        is_true = bound in own_value if test.verb == "contains" else bound.fullmatch(own_value)
    else:
        is_true = own_value < bound or (test.verb == "<=" and own_value == bound)
    return TRUE if is_true else FALSE


def _comparable_value(kind: str, origin: str, value: Any) -> Any:
    """Return an entry's value in the type of a kind of literal; None if the two do not compare."""
    if kind == "time":
        return value if isinstance(value, datetime) and value.tzinfo else None
    value = as_text(value) if isinstance(value, bytes) else value
    if origin == JSON and kind in ("number", "bool"):
        return value if KINDS.get(type(value)) == kind else None
    if not isinstance(value, str):
        return None
    if kind == "id":
        return _entry_id(value)
    if kind == "bool":
        return {"true": True, "false": False}.get(value)
    return number_of(value) if kind == "number" else value


def _entry_id(text: str) -> EntryId | None:
    try:
        return EntryId(text)
    except EntryIdError:
        return None


# Many values


def _decide_part(test: Test, origin: str, values: Any) -> tuple[Any, Any]:
    """Return which values are not missing, and the result of the test for each of those."""
    if isinstance(values, pa.Array):
        present = ~pc.is_null(values, nan_is_null=True).to_numpy(zero_copy_only=False)
        return present, _array_codes(test, origin, values)
    present = np.array([not is_missing(value) for value in values], bool)
    known: dict[Any, int] = {}
    codes = np.zeros(len(values), np.int8)
    for n in np.flatnonzero(present):
        value = values[n]
        if not isinstance(value, str | bytes | int | float):
            codes[n] = _decide_value(test, origin, value)
            continue
        key = type(value), value
        if key not in known:
            known[key] = _decide_value(test, origin, value)
        codes[n] = known[key]
    return present, codes


def _array_codes(test: Test, origin: str, values: pa.Array) -> Any:
    try:
        plain = values.cast(pa.string()) if pa.types.is_binary(values.type) else values
        result = _decide_array(test, origin, plain)
    except (pa.ArrowInvalid, UnicodeEncodeError):
        result = None  # bytes that are not UTF-8, or values that Arrow cannot compare
    if isinstance(result, int):
        return np.full(len(values), result, np.int8)
    if result is not None:
        return result.fill_null(False).to_numpy(zero_copy_only=False).astype(np.int8) * TRUE
    if pa.types.is_nested(values.type) or pa.types.is_null(values.type):
        return np.array([_decide_value(test, origin, each) for each in values.to_pylist()], np.int8)
    distinct = values.dictionary_encode()
    codes = [_decide_value(test, origin, each) for each in distinct.dictionary.to_pylist()]
    indices = distinct.indices.fill_null(len(codes))
    return np.array([*codes, UNKNOWN], np.int8)[indices.to_numpy()]


def _decide_array(test: Test, origin: str, values: pa.Array) -> Any:
    """Return one result for a whole array, an array of bool, or None for value by value."""
    kind, literal = _ARROW_KINDS.get(values.type), test.literal
    if test.verb == "contains" and pa.types.is_list(values.type):
        present, codes = _decide_part(test._replace(verb="in"), origin, pc.list_flatten(values))
        contains = np.zeros(len(values), bool)
        contains[pc.list_parent_indices(values).to_numpy()[present & (codes == TRUE)]] = True
        return pa.array(contains)
    if kind is None or (origin == FIELD and kind != "text"):
        return None
    if test.verb in ("null", "like", "contains"):
        if test.verb == "null":
            return FALSE
        if kind == "text" and isinstance(literal, re.Pattern):
            return pc.match_substring_regex(values, rf"(?s)\A{literal.pattern}\z")
        if kind == "text" and isinstance(literal, str):
            return pc.match_substring(values, literal)
        return UNKNOWN
    kinds = {kind for kind, _ in test.among}
    if kind not in kinds or (origin == FIELD and len(kinds) > 1):
        # Text may count as a number, a truth value or an entry ID.
        if kinds == {"id"} and kind == "text":
            return _compare_ids(test, values)
        return None if origin == FIELD else UNKNOWN if kinds else FALSE
    if test.verb == "in":
        return pc.is_in(values, _holdable_literals(dict(test.among)[kind], values.type))
    bound = _arrow_floor(literal, values.type)
    if bound is None:
        return None
    # No value of the type lies between a bound and its floor.
    before = pc.less if test.verb == "<" and bound == literal else pc.less_equal
    return before(values, pa.scalar(bound, values.type))


@functools.lru_cache(maxsize=32)
def _holdable_literals(among: frozenset[Any], type: pa.DataType) -> pa.Array:
    """Return the literals that an Arrow type can hold, as an array of it."""
    literals = [floor for each in among if (floor := _arrow_floor(each, type)) in among]
    # Arrow takes 0.0 and -0.0 for different values.
    literals += [0.0, -0.0] if type == pa.float64() and 0 in literals else []
    return pa.array(literals, type)


def _arrow_floor(literal: Any, type: pa.DataType) -> Any:
    """Return the largest value of an Arrow type up to a literal of its kind; None if unknown."""
    if type == pa.int64():
        return math.floor(literal) if -(2**63) <= literal < 2**63 else None
    if type == pa.float64():
        try:
            nearest = float(literal)
        except OverflowError:
            return None
        return nearest if nearest <= literal else math.nextafter(nearest, -math.inf)
    return literal.floor("ms") if isinstance(literal, pd.Timestamp) else literal


def _compare_ids(test: Test, values: pa.Array) -> Any:
    """Compare full entry IDs, each as two numbers; None if some text is none."""
    if not pc.all(pc.match_substring_regex(values, _FULL_ID), min_count=0).as_py():
        return None
    parts, own = pc.split_pattern(values, "-"), test.literal
    ms, seq = (pc.list_element(parts, n).cast(pa.uint64()) for n in (0, 1))
    own_ms, own_seq = pa.scalar(own.ms, pa.uint64()), pa.scalar(own.seq, pa.uint64())
    within = (pc.less if test.verb == "<" else pc.less_equal)(seq, own_seq)
    return pc.or_(pc.less(ms, own_ms), pc.and_(pc.equal(ms, own_ms), within))
