"""Conditions: the choice of a filter, entry by entry and in whole columns."""

import contextlib
import pickle
from datetime import date
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redisnb.entries import EntryId
from redisnb.frames.conditions import chooses, condition_of, deciding, mask, reading
from redisnb.frames.decoding.columns import FIELD, JSON
from tests.frames.choices import BIG, CHOICES, HUGE, TIME, Choice

MS = pa.timestamp("ms", "UTC")


def arrow(origin: str, value: Any) -> pa.DataType | None:
    """Return the Arrow type of a value's column; None for a Python list."""
    if origin == FIELD:
        return pa.binary() if isinstance(value, str | bytes) else None
    if isinstance(value, list):
        items = {arrow(JSON, each) for each in value if each is not None}
        return pa.list_(items.pop()) if len(items) == 1 and None not in items else None
    if isinstance(value, str):
        return (
            pa.string()
            if value.isascii() or value.encode("utf-8", "ignore").decode() == value
            else None
        )
    if isinstance(value, int) and not isinstance(value, bool):
        return pa.int64() if -(2**63) <= value < 2**63 else None
    return {bool: pa.bool_(), float: pa.float64(), type(None): pa.null(), pd.Timestamp: MS}.get(
        type(value)
    )


def as_array(origin: str, values: list[Any], type: pa.DataType | None) -> Any:
    if type is None:
        return values
    encode = [
        each.encode() if origin == FIELD and isinstance(each, str) else each for each in values
    ]
    return pa.array(encode, type)


# Neighbours of each kind: they must not change what is chosen.
OTHERS = {
    pa.binary(): [b"5", b"abc", None, b"007", b"true"],
    pa.int64(): [5, 0, None, BIG],
    pa.float64(): [5.0, None, 0.5, float("nan"), float("inf")],
    pa.string(): ["5", None, "abc", "9-1"],
    pa.bool_(): [True, None, False],
    pa.null(): [None, None],
    MS: [None, TIME],
    pa.list_(pa.string()): [["a"], None, []],
    pa.list_(pa.int64()): [[5, None], None, []],
    None: [None, "abc", ["a"], None],
}


def cells_of(choice: Choice) -> dict[str, tuple[str, Any]]:
    cells = {name: cell for name, cell in choice.cells.items() if cell[1] is not pd.NaT}
    # An object stands in the place of its name.
    return cells | {name: (JSON, {}) for name in choice.objects}


def test_an_entry_is_chosen():
    assert {
        choice.id: choice.chosen
        for choice in CHOICES
        if chooses(condition_of(choice.where), choice.cells, choice.objects) is not choice.chosen
    } == {}


@pytest.mark.slow
@pytest.mark.parametrize("typed", [True, False], ids=["arrow", "list"])
@pytest.mark.parametrize("others", [True, False], ids=["neighbours", "alone"])
def test_a_mask_chooses_the_same(typed, others):
    for choice in CHOICES:
        columns = {}
        for name, (origin, value) in cells_of(choice).items():
            type = arrow(origin, value) if typed else None
            values = [value, *(OTHERS.get(type, []) if others else [])]
            columns[name] = [(origin, range(len(values)), as_array(origin, values, type))]
        found = mask(condition_of(choice.where), columns, 8)
        assert found.dtype == bool
        assert len(found) == 8
        assert found[0] == choice.chosen, choice


@pytest.mark.slow
def test_a_mask_puts_parts_together():
    for choice in CHOICES:
        columns = {}
        for name, (origin, value) in cells_of(choice).items():
            column = columns[name] = []
            own = arrow(origin, value)
            # The choice's entry is row 3, or twice, in 3 and 9; others stand around it.
            column.append((origin, np.array([9, 3]), as_array(origin, [value, value], own)))
            column.append((JSON, range(3), pa.array([1, None, 2], pa.int64())))
            column.append((FIELD, range(4, 6), pa.array([b"abc", b"5"], pa.binary())))
            column.append((JSON, range(3, 8, 3), [None, {"a": 1}]))
            column.append((JSON, np.array([3, 8, 9]), pa.array([None, "x", None], pa.string())))
        found = mask(condition_of(choice.where), columns, 10)
        assert [found[3], found[9]] == [choice.chosen, choice.chosen], choice


def test_a_mask_of_nothing():
    assert mask(condition_of({}), {}, 3).tolist() == [True, True, True]
    assert mask(condition_of("x is null"), {}, 2).tolist() == [True, True]
    assert mask(condition_of("x = 1"), {}, 0).tolist() == []
    empty = {"x": [(FIELD, range(0), pa.array([], pa.binary())), (JSON, range(0), [])]}
    assert mask(condition_of("x = 1"), empty, 1).tolist() == [False]


def test_a_mask_of_a_slice_of_an_array():
    lists = pa.array([["a"], ["b"], None, ["a", "b"]])[1:]
    columns = {"x": [(JSON, range(3), lists)], "y": [(JSON, range(3), pa.array([0, 1, 2, 3])[1:])]}
    assert mask(condition_of("x contains 'a'"), columns, 3).tolist() == [False, False, True]
    assert mask(condition_of("y >= 2"), columns, 3).tolist() == [False, True, True]


# What holds for all

names = st.sampled_from(["a", "b", "entry_id", "entry_time"])
numbers = st.sampled_from([0, -0.0, 1, 5, 5.0, 0.5, -3, BIG, float(BIG), 2**63, -(2**63), HUGE])
numbers |= st.integers(-(2**70), 2**70) | st.floats(allow_nan=False)
number_texts = st.sampled_from(["5", "5.0", "-0", "007", "1e3", "0.5", "nan", "", str(BIG), "true"])
texts = number_texts | st.text("ab%_\\.\n é\N{SNAKE}-05", max_size=4) | st.text(max_size=3)
ids = st.sampled_from(["5", "5-0", "5-10", "10-9", "18446744073709551616-0", "-", "x"])
blobs = st.binary(max_size=2) | st.sampled_from([b"\xff", b"a\xff"])
json_scalars = st.none() | st.booleans() | numbers | st.just(float("nan")) | texts | ids
stamps = st.integers(-(10**12), 10**14).map(lambda ms: pd.Timestamp(ms, unit="ms", tz="UTC"))
stamps |= st.just(TIME)


def utf8(text: str) -> bool:
    return text.encode("utf-8", "ignore").decode() == text


fields = texts.filter(utf8) | blobs.map(lambda raw: raw if not is_text(raw) else raw.decode())


def is_text(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


cells = st.one_of(
    st.tuples(st.just(JSON), json_scalars | stamps | st.lists(json_scalars, max_size=3)),
    st.tuples(st.just(JSON), st.lists(texts, max_size=3) | st.lists(numbers, max_size=3)),
    st.tuples(st.just(JSON), st.dictionaries(texts, json_scalars, max_size=1)),
    st.tuples(st.just(FIELD), fields | st.lists(fields, min_size=2, max_size=3) | st.none()),
)


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return quoted(value) if isinstance(value, str) else repr(value)


times = stamps.map(lambda stamp: stamp.isoformat()) | st.sampled_from(
    ["2024-05-01 10:30", "2024-05-01T10:30:00.0005Z", "1969-12-31 23:59:59.9999"]
)
literals = st.booleans() | numbers.filter(lambda n: abs(n) != float("inf")) | texts


@st.composite
def comparisons(draw: Any) -> str:
    name = draw(names)
    sign = draw(st.sampled_from(["=", "!=", "<", "<=", ">", ">=", "in", "like", "contains", "is"]))
    if sign == "is":
        return f"{name} is null"
    if sign in ("like", "contains"):
        name = "a" if name == "entry_time" else name
        text = name == "entry_id" or sign == "like"
        return f"{name} {sign} {written(draw(texts if text else literals))}"
    of_name = {"entry_time": times, "entry_id": st.sampled_from(["5", "5-0", "10-9", "6-1"])}
    values = of_name.get(name, literals)
    if sign == "in":
        some = draw(st.lists(values | st.none(), max_size=4))
        inside = ", ".join("null" if each is None else written(each) for each in some)
        return f"{name} {draw(st.sampled_from(['', 'not ']))}in ({inside})"
    if sign in ("<", "<=", ">", ">="):
        values = values.filter(lambda value: not isinstance(value, bool))
    return f"{name} {sign} {written(draw(values))}"


expressions = st.recursive(
    comparisons(),
    lambda inner: st.one_of(
        inner.map(lambda one: f"not ({one})"),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda of: f"({' '.join(of)})"),
    ),
    max_leaves=4,
)
mapped = (
    st.none()
    | literals
    | blobs
    | st.decimals(allow_infinity=True).filter(lambda n: not n.is_snan())
)
filters = expressions | st.dictionaries(
    st.sampled_from(["a", "b"]), mapped | st.lists(mapped, max_size=3), max_size=2
)
entries = st.lists(st.dictionaries(names, cells, max_size=4), max_size=8)


def in_parts(rows: list[dict[str, tuple[str, Any]]], typed: st.DataObject) -> dict[str, list[Any]]:
    """Return each name's cells in parts, by kind, as arrays or as lists."""
    columns: dict[str, list[Any]] = {}
    for name in {name for row in rows for name in row}:
        kinds: dict[Any, dict[int, Any]] = {}
        for n, row in enumerate(rows):
            if name in row:
                origin, value = row[name]
                type = arrow(origin, value) if typed.draw(st.booleans()) else None
                kinds.setdefault((origin, type), {})[n] = value
        for (origin, type), held in kinds.items():
            places: Any = list(held)
            if typed.draw(st.booleans()):
                places = range(len(rows))  # with gaps, where other parts have values
            values = [held.get(n) for n in places]
            places = places if isinstance(places, range) else np.array(places)
            columns.setdefault(name, []).append((origin, places, as_array(origin, values, type)))
    return columns


@given(filters, entries, st.data())
def test_a_mask_is_what_each_entry_says(where, rows, typed):
    condition = condition_of(where)
    found = mask(condition, in_parts(rows, typed), len(rows))
    assert found.tolist() == [chooses(condition, row) for row in rows]


@given(expressions, expressions, st.dictionaries(names, cells, max_size=4))
def test_logic_is_that_of_three_values(one, other, row):
    def is_true(where: str) -> bool:
        return chooses(condition_of(where), row)

    assert is_true(f"{one} and {other}") == (is_true(one) and is_true(other))
    assert is_true(f"{one} or {other}") == (is_true(one) or is_true(other))
    assert is_true(f"not ({one} and {other})") == (
        is_true(f"not ({one})") or is_true(f"not ({other})")
    )
    assert not (is_true(one) and is_true(f"not ({one})"))


@given(st.text(st.sampled_from("ax5.'\"()=<>! ,&\n-") | st.characters(), max_size=12))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(ValueError):
        condition_of(text)


# Reading


def test_a_condition_tells_its_names():
    condition = condition_of("a = 1 and (b is null or not \"c d\" like 'x') and e.f in (null)")
    assert condition.names == {"a", "b", "c d", "e.f"}
    assert condition.compared == {"a", "c d"}
    condition = condition_of({"a": None, "b": [None], "c": [None, 1], "d": []})
    assert condition.names == {"a", "b", "c", "d"}
    assert condition.compared == {"c", "d"}
    assert condition_of({}).names == frozenset()


def test_a_condition_is_a_value():
    one, other = condition_of("a = 1 and b like 'x%'"), condition_of("a = 1 and b like 'x%'")
    assert one == other
    assert len({one, other}) == 1
    assert pickle.loads(pickle.dumps(one)) == one
    with pytest.raises(AttributeError):
        one.names = frozenset()


def test_like_subclasses_of_text_and_numbers_are_what_they_are():
    class Carrier(StrEnum):
        UNITED = "UA"

    assert chooses(condition_of({"x": Carrier.UNITED}), {"x": (JSON, "UA")})
    assert chooses(condition_of({"entry_id": EntryId("5-0")}), {"entry_id": (JSON, "5-0")})


@pytest.mark.parametrize(
    ("text", "at", "reason"),
    [
        ('carrier = "UA"', '"UA"', "text stands in single quotes: 'UA'"),
        ('x = "it\'s"', '"it', "text stands in single quotes: 'it''s'"),
        ("carrier = UA", "UA", "text stands in single quotes: 'UA'"),
        ("a = b", "b", "expected a value"),
        ("a = 1 & b = 2", "&", "write and"),
        ("a = 1 && b = 2", "&&", "write and"),
        ("a = 1 | b = 2", "|", "write or"),
        ("~a = 1", "~", "write not"),
        ("!a = 1", "!", "write not"),
        ("a 5", "5", "expected one of = != < <= > >= in like contains is"),
        ("a", "", "expected one of ="),
        ("a =", "", "expected a value"),
        ("a = 'x", "'x", "the closing ' is missing"),
        ('"a = 5', '"a', 'the closing " is missing'),
        ("a = 1 b = 2", "b", "expected and, or, or the end"),
        ("(a = 1", "", "expected and, or, or )"),
        ("a = 1)", ")", "expected and, or, or the end"),
        ("and a = 1", "and", "expected a name"),
        ("a = 1 and", "", "expected a name"),
        ("in = 1", "in", "stands in double quotes"),
        ("= 1", "= 1", "expected a name"),
        ("a = null", "null", "write is null"),
        ("a != NULL", "NULL", "write is null, or is not null"),
        ("a is 5", "5", "expected null; write ="),
        ("a is true", "true", "expected null; write ="),
        ("a not 5", "5", "expected in, like or contains"),
        ("a not = 5", "= 5", "expected in, like or contains"),
        ("a in 5", "5", "expected a list in parentheses"),
        ("a in (1 2)", "2", "expected , or )"),
        ("a in (1,)", ")", "expected a value"),
        ("a in (1", "", "expected , or )"),
        ("a like 5", "5", "like takes text"),
        ("a < true", "true", "no order"),
        ("a > false", "false", "no order"),
        ("a = 007", "007", "as JSON writes it"),
        ("a = .5", ".5", "as JSON writes it"),
        ("a = 5.", "5.", "as JSON writes it"),
        ("a = 5x", "5x", "as JSON writes it"),
        ("a > 2024-05-01", "2024", "other text stands in single quotes"),
        ("user-id = 5", "-id", "another name in double quotes"),
        ("a = $5", "$", "expected a number"),
        ("a = 1e999", "1e999", "too large"),
        ("a = " + "1" * 5000, "1" * 5000, "too large"),
        ("5 = 5", "5", "expected a name"),
        ("5 in (a)", "in", "expected one of ="),
        ("'UA' carrier", "carrier", "expected one of ="),
        ("entry_time > '10:30'", "'10:30'", "is no time; write one as '2024-05-01 10:30'"),
        ("entry_time > 'now'", "'now'", "is no time"),
        ("entry_time > '2024-13-41'", "'2024-13", "is no time"),
        ("entry_time > 5", "5", "is no time"),
        ("entry_time like '2024%'", "'2024%'", "write >= and <"),
        ("entry_id > 'x'", "'x'", "is not an entry ID"),
        ("entry_id > 5", "5", "an entry ID is text"),
        ("a = 1 and\n\tb = \u00a0c", "c", "text stands in single quotes"),
    ],
)
def test_a_refusal_shows_the_place_and_the_fix(text, at, reason):
    with pytest.raises(ValueError, match=r"\n") as caught:
        condition_of(text)
    said, shown, caret = str(caught.value).split("\n")
    assert reason in said
    assert caret.strip() == "^"
    # White space shows as blanks, and what is long is cut.
    rest = "".join(" " if each.isspace() else each for each in text)
    rest = rest[rest.rindex(at) :] if at else ""
    assert rest.startswith(shown[caret.index("^") :])
    assert len(shown) <= 92


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_expression_is_refused(text):
    with pytest.raises(ValueError, match="empty"):
        condition_of(text)


def test_a_long_expression_is_shown_around_the_place():
    text = " or ".join(["carrier = 'UA'"] * 1000) + " or carrier = AA or " + "x = 5 " * 100
    with pytest.raises(ValueError, match="single quotes: 'AA'") as caught:
        condition_of(text)
    _, shown, caret = str(caught.value).split("\n")
    assert shown[caret.index("^") :].startswith("AA or")
    assert len(shown) < 100


@pytest.mark.slow
def test_parentheses_nest_to_a_depth():
    deep = reading.MOST_PARENTHESES
    for text in (
        "(" * deep + "a = 1" + ")" * deep,
        "not (a != 1 and " * deep + "a = 2" + ")" * deep,
    ):
        condition = condition_of(text)
        chooses(condition, {"a": (JSON, 1)})
        assert pickle.loads(pickle.dumps(condition)) == condition
    for text in ("(" * (deep + 1) + "a = 1" + ")" * (deep + 1), "(" * 100_000, "not (" * 100_000):
        with pytest.raises(ValueError, match="nest at most 100 deep"):
            condition_of(text)
    # No parentheses, no depth.
    assert chooses(condition_of("not " * 100_000 + "a = 1"), {"a": (JSON, 1)})
    assert chooses(condition_of("a = 2 or " * 10_000 + "a = 1"), {"a": (JSON, 1)})


@pytest.mark.parametrize(
    ("where", "error", "reason"),
    [
        ({"user": {"id": 7}}, ValueError, "'user.id'"),
        ({"user": {}}, ValueError, "'user.id'"),
        ({b"x": 7}, TypeError, "a name is text"),
        ({7: 7}, TypeError, "a name is text"),
        ({"x": [[1]]}, TypeError, "'x': a value is text.* not list"),
        ({"x": [{"a": 1}]}, TypeError, "not dict"),
        ({"x": np.ones((2, 2))}, TypeError, "not list"),
        ({"x": 1j}, TypeError, "not complex"),
        ({"x": date(2024, 5, 1)}, TypeError, "None or a datetime, not date"),
        ({"x": pd.Timedelta("1s")}, TypeError, "not Timedelta"),
        ({"x": bytearray(b"x")}, TypeError, "not bytearray"),
        ({"x": pd.DataFrame({"a": [1]})}, TypeError, "not DataFrame"),
        ({"x": TIME}, ValueError, "'x' has no times, entry_time has"),
        ({"entry_time": "soon"}, ValueError, "'soon' is no time"),
        ({"entry_time": 5}, ValueError, "5 is no time"),
        ({"entry_id": 5}, ValueError, "an entry ID is text"),
        (b"a = 1", TypeError, "a mapping or an expression, not bytes"),
        (None, TypeError, "not NoneType"),
        (["a = 1"], TypeError, "not list"),
        (len, TypeError, "not builtin_function_or_method"),
    ],
)
def test_a_filter_that_cannot_be_meant_is_refused(where, error, reason):
    with pytest.raises(error, match=reason):
        condition_of(where)


# Speed


@pytest.mark.parametrize(
    ("origin", "values", "where", "most"),
    [
        (JSON, pa.array(map(str, range(100_000))), "x = '5' or x like '%99' or x < '3'", 0),
        (JSON, pa.array(map(str, range(100_000))), "x in ('5', '6', 7) or x contains '55'", 0),
        (JSON, pa.array(range(100_000)), "x = 5 or x > 5.5 or x in (1, 2.0, 'a')", 0),
        (JSON, pa.array(map(float, range(100_000))), f"x = 5 or x <= {BIG} or x = 'a'", 0),
        (JSON, pa.array([True, False] * 50_000), "x = true or x != 5 or x is null", 0),
        (JSON, pa.array([[1, 2], [3]] * 50_000), "x contains 3", 0),
        (FIELD, pa.array(map(str, range(100_000))).cast("binary"), "x = '5' or x like '9%'", 0),
        (FIELD, pa.array([b"1", b"75", b"a"] * 33_333 + [b"b"]), "x > 60 or x = true", 8),
        (FIELD, ["1", "75", "a", "b"] * 25_000, "x > 60 or x = 'a'", 8),
        (FIELD, pa.array([b"\xff", b"a"] * 50_000), "x = 'a'", 2),
    ],
)
def test_python_looks_at_distinct_values_at_most(monkeypatch, origin, values, where, most):
    calls = []
    one = deciding._decide_value
    monkeypatch.setattr(deciding, "_decide_value", lambda *args: calls.append(args) or one(*args))
    found = mask(condition_of(where), {"x": [(origin, range(100_000), values)]}, 100_000)
    assert found.any()
    assert len(calls) <= most


@pytest.mark.parametrize("sign", ["<", ">="])
def test_ids_and_times_are_compared_in_whole_columns(monkeypatch, sign):
    monkeypatch.setattr(deciding, "_decide_value", None)
    ids = pa.array([f"{ms}-{ms % 3}" for ms in range(1000)])
    times = pa.array(range(1000), MS)
    columns = {"entry_id": [(JSON, range(1000), ids)], "entry_time": [(JSON, range(1000), times)]}
    first = mask(condition_of(f"entry_id {sign} '500-2'"), columns, 1000)
    # 500 - 2 is 500 % 3, so that the ID itself is among them.
    assert first.sum() == 500
    at = "1970-01-01 00:00:00.4995"
    assert mask(condition_of(f"entry_time {sign} '{at}'"), columns, 1000).sum() == 500
