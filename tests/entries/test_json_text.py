"""JSON text: a value is read back as it was written, or it is refused."""

import enum
import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

import numpy as np
import pandas as pd
import pytest

from redisnb.entries import json_text
from redisnb.errors import EncodeError


class Word(str):
    def __str__(self) -> str:
        return "something else"


class Kind(enum.Enum):
    NEW = "new"


class TextKind(str, enum.Enum):  # noqa: UP042 - prints as 'TextKind.NEW', unlike a StrEnum
    NEW = "new"


class Level(enum.IntEnum):
    LOW = 1


class Point(NamedTuple):
    x: int
    y: int


@dataclass
class Record:
    x: int


def nested(depth: int) -> list:
    value: list = []
    for _ in range(depth):
        value = [value]
    return value


CARRIED = [
    ({"a": [1, 1.5, True, None, "ü"]}, '{"a":[1,1.5,true,null,"ü"]}'),
    ("", '""'),
    ({}, "{}"),
    (2**64 - 1, "18446744073709551615"),
    (2**64, "18446744073709551616"),
    (-(2**70), "-1180591620717411303424"),
    (-0.0, "-0.0"),
    (1e16, "1e+16"),
    ("\x00\u2028", '"\\u0000\u2028"'),
    ((1, (2,)), "[1,[2]]"),
    (Point(1, 2), "[1,2]"),
    (MappingProxyType({"a": 1}), '{"a":1}'),
    (Word("a"), '"a"'),
    ({Word("a"): 1}, '{"a":1}'),
    (Kind.NEW, '"new"'),
    (TextKind.NEW, '"new"'),
    (Level.LOW, "1"),
    (np.int64(5), "5"),
    (np.float32(0.1), "0.10000000149011612"),
    (np.bool_(True), "true"),
    (np.str_("a"), '"a"'),
    (np.array([[1, 2], [3, 4]])[:, ::2], "[[1],[3]]"),
    (np.array(["a", None], dtype=object), '["a",null]'),
    (pd.NA, "null"),
    (pd.NaT, "null"),
    (np.datetime64("NaT"), "null"),
    (np.timedelta64("NaT"), "null"),
    (datetime(2024, 5, 1, 10, tzinfo=UTC), '"2024-05-01T10:00:00+00:00"'),
    (
        datetime(1800, 1, 1, tzinfo=timezone(timedelta(seconds=3208))),
        '"1800-01-01T00:00:00+00:53:28"',
    ),
    (date(2024, 5, 1), '"2024-05-01"'),
    (time(10, 30, tzinfo=UTC), '"10:30:00+00:00"'),
    (pd.Timestamp("2024-05-01T00:00:00.000000001Z"), '"2024-05-01T00:00:00.000000001+00:00"'),
    (np.datetime64("2024-05-01T00:00:00.000000001"), '"2024-05-01T00:00:00.000000001"'),
    (np.array(["2024-05-01"], "M8[ns]"), '["2024-05-01T00:00:00"]'),
    (UUID(int=5), '"00000000-0000-0000-0000-000000000005"'),
]


@pytest.mark.parametrize(("value", "text"), CARRIED)
def test_a_value_is_written(value, text):
    assert json_text.dump_json(value) == text.encode()


@pytest.mark.parametrize(("value", "text"), CARRIED)
@pytest.mark.parametrize("neighbour", [None, 2**70])
def test_a_neighbour_does_not_change_how_a_value_is_written(value, text, neighbour):
    # A null and a large integer each take another way through the code.
    other = "null" if neighbour is None else str(neighbour)
    assert json_text.dump_json([value, neighbour]).decode() == f"[{text},{other}]"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (math.nan, "nan is not a JSON number"),
        (np.float64("inf"), "inf is not a JSON number"),
        (np.array([1.0, math.nan]), "nan is not a JSON number"),
        (2**1024, "the integer is too large for JSON"),
        ([10**5000], "the integer is too large for JSON"),
        ("\ud800", "a lone surrogate is not valid text"),
        ({"\ud800": 1}, "a lone surrogate is not valid text"),
        ({1: 2}, r"member names are text, not int \(1\)"),
        ({b"a": 1}, "member names are text, not bytes"),
        (b"a", "cannot carry a bytes"),
        ({1, 2}, "cannot carry a set"),
        (Decimal("1.1"), "cannot carry a Decimal"),
        (timedelta(1), "cannot carry a timedelta"),
        (np.timedelta64(5, "ns"), "cannot carry a Timedelta"),
        (Record(1), "cannot carry a Record"),
        (pd.Series([1]), "cannot carry a Series"),
        (1j, "cannot carry a complex"),
        (np.longdouble(1), "cannot carry a longdouble"),
        (object(), "cannot carry a object"),
    ],
)
@pytest.mark.parametrize("neighbour", [1, None, 2**70])
def test_a_value_that_json_cannot_carry_is_refused_by_name(value, reason, neighbour):
    with pytest.raises(EncodeError, match=reason) as caught:
        json_text.dump_json({"ok": neighbour, "a": {"b": [0, value]}})
    assert caught.value.column == "a.b.1" or caught.value.column.startswith("a.b.1.")
    assert str(caught.value).startswith(f"{caught.value.column!r}: ")


def test_a_value_alone_has_no_name_to_give():
    with pytest.raises(EncodeError, match=r"^nan is not a JSON number; None is") as caught:
        json_text.dump_json(math.nan)
    assert caught.value.column is None


def test_nesting_has_an_end():
    assert json_text.dump_json(nested(250)) == b"[" * 251 + b"]" * 251
    loop: dict = {}
    loop["a"] = loop
    for value in (nested(10_000), loop):
        with pytest.raises(EncodeError, match="nested too deeply, or inside itself"):
            json_text.dump_json({"a": value})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"1", 1),
        (b"1.0", 1.0),
        (b"1E2", 100.0),
        (b"18446744073709551615", 2**64 - 1),
        (b"18446744073709551616", 2**64),
        (b"[-9223372036854775809, 0.5]", [-(2**63) - 1, 0.5]),
        (b"1234567890123456789.5", 1234567890123456789.5),
        (b'{"12345678901234567890": null}', {"12345678901234567890": None}),
        (b" [ ] ", []),
        ('"ü\\u0000"'.encode(), "ü\x00"),
    ],
)
def test_a_text_is_read_with_all_its_digits(text, value):
    found = json_text.load_json(text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"nope",
        b"[1",
        b"1 2",
        b"007",
        b"1" * 5000,
        b'"\xff"',
        b'"\n"',
        b"\xef\xbb\xbf1",
        b"[" * 100_000 + b"]" * 100_000,
    ],
)
def test_a_text_that_is_no_json_is_a_value_error(text):
    with pytest.raises(ValueError):  # noqa: PT011 - in the words of either reader
        json_text.load_json(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"[NaN, 12345678901234567890]", "[nan, 12345678901234567890]"),
        (b"[Infinity, -Infinity, 1e999, -1e999]", "[inf, -inf, inf, -inf]"),
        (b"1" * 400, "1" * 400),
        # Half an emoji is read as its escape; a whole one is one, and a backslash is its own.
        (b'{"\\ud83d": ["\\uDE00x"]}', r"{'\\ud83d': ['\\ude00x']}"),
        (b'["\\ud83d\\ude00", NaN]', "['\U0001f600', nan]"),
        (b'["\\\\ud83d", NaN]', r"['\\ud83d', nan]"),
    ],
)
def test_what_pythons_own_json_writes_is_read(text, value):
    assert repr(json_text.load_json(text)) == value
    assert repr(json_text.load_json(text)).encode()


@pytest.mark.parametrize(
    ("text", "many"),
    [(b"1" * 19, True), (b"1" * 18, False), (b"x1234567890123456789y", True), (b"1 " * 30, False)],
)
def test_many_digits_are_noticed(text, many):
    assert json_text._has_many_digits(text) is many


def test_nesting_that_is_too_deep_for_python_is_a_value_error(monkeypatch):
    def overflow(text):
        raise RecursionError

    monkeypatch.setattr("redisnb.entries.json_text.json.loads", overflow)
    with pytest.raises(ValueError, match="nested too deeply"):
        json_text.load_json(b"[12345678901234567890]")
