"""Choices: the cells of an entry, a filter, and whether it chooses the entry."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from redisnb.frames.decoding.columns import FIELD, JSON


class Choice(NamedTuple):
    id: str
    cells: Mapping[str, tuple[str, Any]]
    where: Mapping[str, Any] | str
    chosen: bool
    objects: tuple[str, ...] = ()


BIG = 2**53 + 1  # no float holds it
HUGE = 10**30
NAN, INF = float("nan"), float("inf")
TIME = pd.Timestamp("2024-05-01 10:30", tz="UTC")


def _about(what: str, cell: tuple[str, Any] | None, *filters: tuple[Any, int]) -> list[Choice]:
    """Make the choices of an entry that has one cell, or none, under the name x."""
    cells = {} if cell is None else {"x": cell}
    return [Choice(f"{what}: {where}", cells, where, bool(chosen)) for where, chosen in filters]


def _no_test(what: str, cell: tuple[str, Any] | None, *tests: str) -> list[Choice]:
    """Make the choices where a test is unknown: neither it nor its `not` chooses."""
    return _about(what, cell, *((f"{no}{test}", 0) for test in tests for no in ("", "not ")))


def _named(name: str, value: Any, *filters: tuple[Any, int]) -> list[Choice]:
    return [
        Choice(f"{name}: {where}", {name: (JSON, value)}, where, bool(chosen))
        for where, chosen in filters
    ]


MISSING = [
    choice
    for what, cell in [
        ("absent", None),
        ("null", (JSON, None)),
        ("NaN", (JSON, NAN)),
        ("no field", (FIELD, None)),
    ]
    for choice in [
        *_about(
            what,
            cell,
            ("x is null", 1),
            ("x is not null", 0),
            ("not x is null", 0),
            ({"x": None}, 1),
            ({"x": pd.NA}, 1),
            ({"x": pd.NaT}, 1),
            ({"x": NAN}, 1),
            ({"x": Decimal("NaN")}, 1),
            ({"x": [None]}, 1),
            ({"x": [None, 5]}, 1),
            ({"x": [5, 6]}, 0),
            ({"x": []}, 0),
            ("x in (5, null)", 1),
            ("x not in (5, null)", 0),
            ("x in (null)", 1),
            ("x not in (null)", 0),
            ("x in ()", 0),
            ("x not in ()", 0),
            ("x != 5", 0),
            ("x not in (5)", 0),
            ("x not like 'a%'", 0),
            ("x = 5 or x is null", 1),
        ),
        *_no_test(what, cell, "x = 5", "x = 'a'", "x = true", "x < 5", "x >= 5", "x contains 'a'"),
        *_no_test(what, cell, "x like '%'", "(x = 5 and x < 3)"),
    ]
]

JSON_NUMBERS = [
    *_about(
        "JSON 5",
        (JSON, 5),
        ("x = 5", 1),
        ("x == 5", 1),
        ("x = 5.0", 1),
        ("x = 5e0", 1),
        ("x = +5", 1),
        ("x = -5", 0),
        ("x != 5", 0),
        ("x <> 6", 1),
        ("x != 6", 1),
        ("x < 5.5", 1),
        ("x < 4.5", 0),
        ("x <= 4.5", 0),
        ("x > 4.5", 1),
        ("x >= 5.5", 0),
        ("x < 5", 0),
        ("x <= 5", 1),
        ("x > 5", 0),
        ("x >= 5", 1),
        ("5 = x", 1),
        ("4 < x", 1),
        ("6 < x", 0),
        ("4 >= x", 0),
        ("x in (4, 5)", 1),
        ("x in (4, 5.0)", 1),
        ("x in (4, 6)", 0),
        ("x not in (4, 6)", 1),
        ("x in ('5', 5)", 1),
        ("x in ('5', 6)", 0),
        ("x not in ('5', 6)", 1),
        ("x not in (6, null)", 1),
        ("x not in ('5', null)", 0),
        ("x in ()", 0),
        ("x not in ()", 1),
        ("x is null", 0),
        ("x is not null", 1),
        ("x in (null)", 0),
        ("x not in (null)", 1),
        ({"x": 5}, 1),
        ({"x": np.int64(5)}, 1),
        ({"x": np.float32(5)}, 1),
        ({"x": Decimal(5)}, 1),
        ({"x": Decimal("5.1")}, 0),
        ({"x": Decimal("1e999999999")}, 0),
        ({"x": range(6)}, 1),
        ({"x": range(5)}, 0),
        ({"x": np.array([5, 6])}, 1),
        ({"x": pd.Series([5.0])}, 1),
        ({"x": pd.Index([5])}, 1),
        ({"x": {5}}, 1),
        ({"x": (6, "a")}, 0),
        ({"x": INF}, 0),
        ({"x": True}, 0),
        ({"x": b"5"}, 0),
        ({"x": []}, 0),
        ({}, 1),
        ({"x": 5, "y": 5}, 0),
        ({"x": 5, "y": None}, 1),
    ),
    *_no_test("JSON 5", (JSON, 5), "x = '5'", "x < '6'", "x = true", "x like '5'"),
    *_no_test("JSON 5", (JSON, 5), "x contains 5", "x contains '5'", "x in ('5', true)"),
    *_no_test("JSON 1", (JSON, 1), "x = true"),
    *_no_test("JSON 1.0", (JSON, 1.0), "x = true"),
    *_about("JSON 5.0", (JSON, 5.0), ("x = 5", 1), ("x > 4", 1), ("x in (5)", 1)),
    *_about("JSON 0.1", (JSON, 0.1), ("x = 0.1", 1), ({"x": Decimal("0.1")}, 0)),
    *_about("JSON -0.0", (JSON, -0.0), ("x = 0", 1), ("x in (0, 1)", 1), ("x = -0", 1)),
    *_about("JSON 0.0", (JSON, 0.0), ("x = -0.0", 1), ("x < 0", 0)),
    *_about("JSON 0", (JSON, 0), ("x = -0.0", 1), ("x = false", 0)),
    *_about("JSON inf", (JSON, INF), ("x > 1e308", 1), ({"x": INF}, 1), ({"x": -INF}, 0)),
    *_about("JSON -inf", (JSON, -INF), ("x < 0", 1), ("x is not null", 1)),
    *_about(
        "JSON 2**53+1",
        (JSON, BIG),
        (f"x = {BIG}", 1),
        (f"x = {BIG - 1}", 0),
        (f"x > {BIG - 1}.0", 1),
        ({"x": float(BIG)}, 0),
        ({"x": [float(BIG), BIG]}, 1),
        ("x < 9007199254740994.0", 1),
    ),
    *_about(
        "JSON 2.0**53",
        (JSON, 2.0**53),
        (f"x = {BIG}", 0),
        (f"x < {BIG}", 1),
        (f"x <= {BIG}", 1),
        (f"x >= {BIG}", 0),
        (f"x = {BIG - 1}", 1),
    ),
    *_about("JSON 2.0**53+2", (JSON, 2.0**53 + 2), (f"x < {BIG}", 0), (f"x > {BIG}", 1)),
    *_about(
        "JSON 10**30",
        (JSON, HUGE),
        (f"x = {HUGE}", 1),
        (f"x = {HUGE + 1}", 0),
        (f"x < {HUGE + 1}", 1),
        ("x = 1e30", 0),
        ("x > 1e20", 1),
    ),
    *_about("JSON 7", (JSON, 7), (f"x < {HUGE}", 1), (f"x > -{HUGE}", 1), (f"x = {10**400}", 0)),
    *_about("JSON 7.5", (JSON, 7.5), (f"x < {10**400}", 1), (f"x in ({10**400}, 7.5)", 1)),
]

JSON_OTHERS = [
    *_about(
        "JSON true",
        (JSON, True),
        ("x = true", 1),
        ("x = TRUE", 1),
        ("true = x", 1),
        ("x != true", 0),
        ("x = false", 0),
        ("x != false", 1),
        ("x in (true, 7)", 1),
        ("x in (false, 1)", 0),
        ({"x": True}, 1),
        ({"x": np.bool_(True)}, 1),
        ({"x": [1, 1.0, "true"]}, 0),
    ),
    *_no_test("JSON true", (JSON, True), "x = 1", "x < 5", "x = 'true'", "x like 't%'", "x = 5"),
    *_no_test("JSON false", (JSON, False), "x = 0", "x < 1"),
    *_about(
        'JSON "5"',
        (JSON, "5"),
        ("x = '5'", 1),
        ("x != '5'", 0),
        ("x in (5, '5')", 1),
        ("x < '50'", 1),
        ({"x": "5"}, 1),
        ({"x": 5}, 0),
        ({"x": np.str_("5")}, 1),
        ({"x": b"5"}, 1),
    ),
    *_no_test('JSON "5"', (JSON, "5"), "x = 5", "x > 4", "x in (5, 6)", "x contains 5"),
    *_no_test('JSON "true"', (JSON, "true"), "x = true"),
    *_about(
        'JSON "abc"',
        (JSON, "abc"),
        ("x > 'abb'", 1),
        ("x > 'Z'", 1),
        ("x < 'abcd'", 1),
        ("x >= 'abc'", 1),
        ("x < 'é'", 1),
        ("x like 'a%'", 1),
        ("x like 'b%'", 0),
        ("x not like 'b%'", 1),
        ("x like 'a_c'", 1),
        ("x like 'a_'", 0),
        ("x like 'abc'", 1),
        ("x like 'A%'", 0),
        ("x like '%b%'", 1),
        ("x like ''", 0),
        ("x contains 'bc'", 1),
        ("x contains 'cb'", 0),
        ("not x contains 'cb'", 1),
        ("x not contains 'cb'", 1),
        ("x contains ''", 1),
        ("x != 5", 0),
    ),
    *_no_test('JSON "abc"', (JSON, "abc"), "x > 5", "x <= 5", "x contains 5"),
    *_about("JSON 100%", (JSON, "100%"), ("x like '100\\%'", 1), ("x like '1\\%'", 0)),
    *_about("a_b", (JSON, "a_b"), ("x like 'a\\_b'", 1), ("x like 'a__'", 1)),
    *_about("axb", (JSON, "axb"), ("x like 'a\\_b'", 0), ("x like 'a.b'", 0)),
    *_about("a backslash", (JSON, "a\\"), ("x like 'a\\\\'", 1), ("x like 'a\\'", 1)),
    *_about(
        "lines", (JSON, "a\nb\n"), ("x like 'a%'", 1), ("x like 'a_b_'", 1), ("x like 'a_b'", 0)
    ),
    *_about("an emoji", (JSON, "\N{SNAKE}"), ("x like '_'", 1), ("x > '\uffff'", 1)),
    *_about("a quote", (JSON, "it's"), ("x = 'it''s'", 1), ({"x": "it's"}, 1)),
    *_about('JSON ""', (JSON, ""), ("x = ''", 1), ("x is null", 0), ("x < 'a'", 1)),
    *_about(
        "a JSON list",
        (JSON, ["a", 5, True, None, ["b"]]),
        ("x is null", 0),
        ("x is not null", 1),
        ("x contains 'a'", 1),
        ("x contains 'b'", 0),
        ("not x contains 'b'", 1),
        ("x contains 5", 1),
        ("x contains 5.0", 1),
        ("x contains '5'", 0),
        ("x contains 1", 0),
        ("x contains true", 1),
        ("x contains false", 0),
        ({"x": "a"}, 0),
        ({"x": None}, 0),
    ),
    *_no_test("a JSON list", (JSON, ["a"]), "x = 'a'", "x < 'b'", "x like '%'", "x in ('a', 5)"),
    *_about("numbers", (JSON, [1, 2]), ("x contains 2", 1), ("x contains 3", 0)),
    *_about("texts", (JSON, ["ab", "c"]), ("x contains 'ab'", 1), ("x contains 'a'", 0)),
    *_about("[]", (JSON, []), ("x is null", 0), ("x contains 1", 0), ("not x contains 1", 1)),
    *_about("{}", (JSON, {}), ("x is null", 0), ("x is not null", 1), ("x in (null, 1)", 0)),
    *_no_test("{}", (JSON, {}), "x = 5", "x < 'a'", "x like '%'", "x contains 'a'"),
    *_no_test("an object", (JSON, {"a": 1}), "x = 5", "x contains 'a'", "x in (1, null)"),
]

FIELDS = [
    *_about(
        'field "5"',
        (FIELD, "5"),
        ("x = 5", 1),
        ("x = 5.0", 1),
        ("x = '5'", 1),
        ("x = '5.0'", 0),
        ("x > 4", 1),
        ("x > '4'", 1),
        ("x > '40'", 1),
        ("x < 40", 1),
        ("x in (4, 5)", 1),
        ("x in ('a', 5)", 1),
        ("x not in ('a', 6)", 1),
        ("x not in ('a')", 1),
        ({"x": 5}, 1),
        ({"x": "5"}, 1),
        ({"x": b"5"}, 1),
        ({"x": [b"6", b"5"]}, 1),
        ({"x": np.bytes_(b"5")}, 1),
        ({"x": b"6"}, 0),
        ("x contains '5'", 1),
        ("x like '_'", 1),
    ),
    *_no_test('field "5"', (FIELD, "5"), "x = true", "x contains 5"),
    *_about('field "1.50"', (FIELD, "1.50"), ("x = 1.5", 1), ("x = '1.5'", 0), ("x <= 1.5", 1)),
    *_about('field "1e3"', (FIELD, "1e3"), ("x = 1000", 1), ("x < 1001", 1)),
    *_about('field "-0"', (FIELD, "-0"), ("x = 0", 1), ("x < 0", 0)),
    *_about("field 2**53+1", (FIELD, str(BIG)), (f"x = {BIG}", 1), (f"x = {BIG - 1}.0", 0)),
    *_about("field 10**30", (FIELD, str(HUGE)), (f"x = {HUGE}", 1), ("x > 5", 1)),
    *_about('field "007"', (FIELD, "007"), ("x = '007'", 1), ("x != 7", 0), ("x < '7'", 1)),
    *[
        choice
        for text in ["007", "", "nan", "inf", "Infinity", "1e400", "+5", " 5", "5 ", "0x5", "5."]
        for choice in _no_test(f"field {text!r}", (FIELD, text), "x = 7", "x < 1000", "x in (5, 7)")
    ],
    *_no_test("field 1_0", (FIELD, "1_0"), "x = 10"),
    *_no_test("an Arabic five", (FIELD, "\u0665"), "x = 5"),
    *_no_test("4301 digits", (FIELD, "1" * 4301), "x > 5", "x = 5"),
    *_about("4300 digits", (FIELD, "1" * 4300), ("x > 5", 1), ("x like '1%'", 1)),
    *_about("-4300 digits", (FIELD, "-" + "1" * 4300), ("x < 5", 1)),
    *_about('field ""', (FIELD, ""), ("x = ''", 1), ("x is null", 0), ("x like '%'", 1)),
    *_about(
        'field "true"',
        (FIELD, "true"),
        ("x = true", 1),
        ("x != true", 0),
        ("x = false", 0),
        ("x = 'true'", 1),
        ("x in (true, 5)", 1),
    ),
    *_about('field "false"', (FIELD, "false"), ("x = false", 1), ("x != true", 1)),
    *_no_test('field "True"', (FIELD, "True"), "x = true"),
    *_no_test('field "1"', (FIELD, "1"), "x = true"),
    *_about(
        "field abc", (FIELD, "abc"), ("x = 'abc'", 1), ("x != 'abd'", 1), ("x contains 'b'", 1)
    ),
    *_no_test("field abc", (FIELD, "abc"), "x > 5", "x = 5", "x = false"),
    *_about("field é", (FIELD, "é"), ({"x": "é".encode()}, 1), ("x like '_'", 1), ("x > 'z'", 1)),
    *_about(
        "bytes",
        (FIELD, b"\xff"),
        ({"x": b"\xff"}, 1),
        ({"x": [b"a", b"\xff"]}, 1),
        ({"x": ["a", b"\xff"]}, 1),
        ({"x": b"a"}, 0),
        ({"x": "\xff"}, 0),
        ("x is not null", 1),
    ),
    *_about("bytes", (FIELD, b"a\xff"), ("x like 'a%'", 1), ("x != 'a'", 1), ("x contains 'a'", 1)),
    *_about("bytes", (FIELD, b"a\xff"), ("x = 'a�xff'", 1), ({"x": "a�xff"}, 1)),
    *_no_test("bytes", (FIELD, b"\xff"), "x = 5", "x = true"),
    *_about(
        "a field three times",
        (FIELD, ["a", "5", b"\xff"]),
        ("x contains 'a'", 1),
        ("x contains 5", 1),
        ("x contains '5'", 1),
        ("x contains 6", 0),
        ("not x contains 6", 1),
        ("x is null", 0),
    ),
    *_no_test(
        "a field twice", (FIELD, ["a", "b"]), "x = 'a'", "x < 'b'", "x like 'a'", "x in ('a')"
    ),
]

TIMES = [
    *_named(
        "entry_time",
        TIME,
        ("entry_time = '2024-05-01 10:30'", 1),
        ("entry_time = '2024-05-01T10:30:00Z'", 1),
        ("entry_time = '2024-05-01 12:30+02:00'", 1),
        ("entry_time != '2024-05-01 10:30'", 0),
        ("entry_time >= '2024-05-01'", 1),
        ("entry_time < '2024-05-01'", 0),
        ("entry_time < '2024-05-01 10:30:00.0005'", 1),
        ("entry_time >= '2024-05-01 10:30:00.0005'", 0),
        ("entry_time <= '2024-05-01 10:29:59.9995'", 0),
        ("entry_time = '2024-05-01 10:30:00.0005'", 0),
        ("'2024-05-01' < entry_time", 1),
        ("entry_time in ('2024-05-01', '2024-05-01 10:30')", 1),
        ("entry_time < '9999-12-31 23:59'", 1),
        ("entry_time is not null", 1),
        ({"entry_time": TIME}, 1),
        ({"entry_time": TIME.tz_localize(None)}, 1),
        ({"entry_time": TIME.tz_convert("Asia/Tokyo")}, 1),
        ({"entry_time": datetime(2024, 5, 1, 10, 30, tzinfo=UTC)}, 1),
        ({"entry_time": datetime(2024, 5, 1, 12, 30, tzinfo=timezone(timedelta(hours=2)))}, 1),
        ({"entry_time": np.datetime64("2024-05-01T10:30")}, 1),
        ({"entry_time": ["2024-05-01 10:30", None]}, 1),
        ({"entry_time": pd.DatetimeIndex([TIME])}, 1),
        ({"entry_time": None}, 0),
    ),
    *_named("entry_time", pd.NaT, ("entry_time is null", 1), ("entry_time < '2024-05-01'", 0)),
    *_named("entry_time", "2024-05-01", ("entry_time = '2024-05-01'", 0)),
    *_named(
        "entry_time", 5, ("entry_time > '2024-05-01'", 0), ("not entry_time > '2024-05-01'", 0)
    ),
    *_named(
        "entry_id",
        "9-1",
        ("entry_id < '10-0'", 1),
        ("entry_id < '10'", 1),
        ("entry_id > '9'", 1),
        ("entry_id > '9-1'", 0),
        ("entry_id >= '9-1'", 1),
        ("entry_id < '9-10'", 1),
        ("entry_id <= '9-0'", 0),
        ("entry_id < '18446744073709551615-18446744073709551615'", 1),
        ("'10' > entry_id", 1),
        ("entry_id = '9-1'", 1),
        ("entry_id = '9'", 0),
        ("entry_id != '9'", 1),
        ("entry_id in ('9-1', '8-0')", 1),
        ("entry_id like '9-%'", 1),
        ("entry_id contains '-'", 1),
        ({"entry_id": "9-1"}, 1),
    ),
    *_named("entry_id", "18446744073709551615-0", ("entry_id > '10-0'", 1)),
    *_named("entry_id", "18446744073709551616-0", ("not entry_id > '10-0'", 0)),
    *_named("entry_id", "abc", ("entry_id > '1'", 0), ("not entry_id > '1'", 0)),
    *_named("entry_id", 5, ("entry_id > '1'", 0), ("not entry_id > '1'", 0)),
]

_FLIGHT = {
    "carrier": (FIELD, "UA"),
    "dep_delay": (FIELD, "75"),
    "user.id": (JSON, 7),
    "my name": (JSON, "n"),
    'a"b': (JSON, 1),
    "in": (JSON, 2),
    "and": (JSON, 3),
    "größe": (JSON, 4),
    "tags.0": (JSON, 5),
    "null.x": (JSON, 6),
    "": (JSON, 8),
}
LOGIC = [
    Choice(f"a flight: {where}", _FLIGHT, where, bool(chosen), ("user",))
    for where, chosen in [
        ("carrier = 'UA' and dep_delay > 60", 1),
        ("carrier = 'UA' AND dep_delay > 80", 0),
        ("carrier='UA'and dep_delay>60", 1),
        (" \n carrier\t= 'UA'\r\n", 1),
        ("carrier = 'AA' or dep_delay > 60", 1),
        ({"carrier": ["UA", "AA"], "dep_delay": 75}, 1),
        ({"carrier": ["UA", "AA"], "dep_delay": 5}, 0),
        ({"user.id": 7}, 1),
        ("user.id = 7", 1),
        ('"user.id" = 7', 1),
        ("\"my name\" = 'n'", 1),
        ('"a""b" = 1', 1),
        ('"in" in (2)', 1),
        ('"and" = 3 and "in" = 2', 1),
        ('not "and" = 4', 1),
        ("größe = 4", 1),
        ("tags.0 = 5", 1),
        ("null.x = 6", 1),
        ('"" = 8', 1),
        ({"in": 2, "": 8}, 1),
        ("CARRIER = 'UA'", 0),
        ("user is null", 0),
        ("user is not null", 1),
        ("user = 7", 0),
        ("not user = 7", 0),
        ("user contains 'id'", 0),
        ({"user": None}, 0),
        ("carrier = 'UA' or carrier = 'AA' and dep_delay > 100", 1),
        ("(carrier = 'UA' or carrier = 'AA') and dep_delay > 100", 0),
        ("not carrier = 'AA' and dep_delay > 100", 0),
        ("not (carrier = 'AA' and dep_delay > 100)", 1),
        ("not carrier = 'AA' or carrier = 'UA'", 1),
        ("not not carrier = 'UA'", 1),
        ("not not not carrier = 'UA'", 0),
        ("((carrier = 'UA'))", 1),
        ("gone = 1 or carrier = 'UA'", 1),
        ("gone = 1 and carrier = 'UA'", 0),
        ("not (gone = 1 and carrier = 'AA')", 1),
        ("not (gone = 1 or carrier = 'AA')", 0),
        ("not (gone = 1 or carrier = 'UA')", 0),
        ("gone is null and not carrier = 'AA'", 1),
        ("carrier IS NOT NULL Or gone Like 'x'", 1),
    ]
]

CHOICES = [*MISSING, *JSON_NUMBERS, *JSON_OTHERS, *FIELDS, *TIMES, *LOGIC]
