"""Columns: their names, order and types."""

import re

import numpy as np
import pandas as pd
import pytest

from redisnb.entries import Layout
from redisnb.errors import DecodeError, RedisnbWarning
from redisnb.frames.decoding.columns import RESERVED, object_array, read_entry, spread

INF = float("inf")
BIG = 2**53 + 1  # no float holds it


def texts(*values):
    """One entry per value, a field named x; None is an entry without it."""
    return [[b"y", b"1"] if v is None else [b"x", v.encode()] for v in values]


def payloads(*values):
    return [[b"payload", value.encode()] for value in values]


def column(bodies, format="fields", **options):
    return pd.Series(spread(bodies, Layout(format), **options)["x"])


@pytest.mark.parametrize(
    ("values", "dtype", "found"),
    [
        (["1", "-2", "0"], "int64", [1, -2, 0]),
        (["9223372036854775807", "-9223372036854775808"], "int64", [2**63 - 1, -(2**63)]),
        (["1", None, str(BIG)], "Int64", [1, None, BIG]),
        (["1.5", "-2", "1e3", "2.50"], "float64", [1.5, -2.0, 1000.0, 2.5]),
        (["1.5", None], "float64", [1.5, None]),
        (["-0", "-0.0"], "float64", [0.0, 0.0]),
        (["1e-5", "5E+2"], "float64", [1e-05, 500.0]),
    ],
)
def test_text_becomes_a_number_where_all_of_it_writes_back_the_same(values, dtype, found):
    series = column(texts(*values))
    assert series.dtype == dtype
    assert [None if pd.isna(value) else value for value in series] == found


@pytest.mark.parametrize(
    "values",
    [
        ["007", "8"],
        ["9223372036854775808"],
        ["-9223372036854775809", "1"],
        [str(2**70)],
        ["10000000000000000000"],  # floats would hold both, but these are integers
        ["100000000000000000000", "1"],
        [str(BIG), "1.5"],
        ["0.30000000000000000001"],
        ["1e400"],
        ["1e-400"],
        ["1e999999999999999999999"],
        ["nan"],
        ["inf", "1"],
        ["Infinity"],
        [" 1"],
        ["1 "],
        ["1\n"],
        ["+1"],
        ["1_000"],
        ["1,5"],
        [".5"],
        ["5."],
        ["0x10"],
        ["--1"],
        ["\N{ARABIC-INDIC DIGIT FIVE}"],
        ["", "1"],
        ["true"],
        ["2024-05-01"],
        ["1", "tea", None],
        ["1" * 5000],
    ],
)
def test_text_that_would_change_stays_text(values):
    series = column(texts(*values))
    assert series.dtype == "str"
    assert [None if pd.isna(value) else value for value in series] == values


@pytest.mark.parametrize(
    ("values", "dtype", "found"),
    [
        (["1", str(BIG)], "int64", [1, BIG]),
        (["1", "null", str(BIG)], "Int64", [1, None, BIG]),
        (["1.5", "2"], "float64", [1.5, 2.0]),
        (["1.5", "2", "null"], "float64", [1.5, 2.0, None]),
        (["1.0"], "float64", [1.0]),
        (["true", "false"], "bool", [True, False]),
        (["true", "null"], "boolean", [True, None]),
        (['"a"', '"7"', "null"], "str", ["a", "7", None]),
        (['"7"', '"8"'], "str", ["7", "8"]),
        (["null", "null"], "object", [None, None]),
        (["1", '"1"'], "object", [1, "1"]),
        (["1", "true"], "object", [1, True]),
        (["1.5", str(BIG)], "object", [1.5, BIG]),
        ([str(2**63), "1"], "object", [2**63, 1]),
        ([str(2**70), "1.5"], "float64", [2.0**70, 1.5]),  # which is the same value
        ([str(2**70), "1"], "object", [2**70, 1]),
        (["[1]", "[2]"], "object", [[1], [2]]),
        (["[]", "{}"], "object", [[], {}]),
        (['[{"a": 1}]', "null"], "object", [[{"a": 1}], None]),
    ],
)
def test_json_keeps_its_own_types(values, dtype, found):
    series = column(payloads(*(f'{{"x": {value}}}' for value in values)), "json")
    assert series.dtype == dtype
    missing = series.isna().tolist()
    cells = [None if gone else cell for cell, gone in zip(series.tolist(), missing, strict=True)]
    assert cells == found
    assert [type(cell) for cell in cells] == [type(value) for value in found]


def test_types_come_from_the_whole_column():
    assert column(texts(*["1"] * 1000, "tea")).dtype == "str"
    assert column(texts(*["1"] * 1000, None)).dtype == "Int64"


def test_repeated_and_undecodable_fields_stay_what_they_are():
    bodies = [[b"x", b"1", b"x", b"2"], [b"x", b"3"], [b"x", b"\xff"], [b"x", b"4", b"x", b"\xff"]]
    series = column(bodies)
    assert series.dtype == object
    assert series.tolist() == [["1", "2"], "3", "�xff", ["4", "�xff"]]


def test_columns_stand_in_the_order_in_which_they_are_seen():
    found = spread(
        payloads('{"b": 1, "a": {"z": 1, "y": {"k": 2}}, "c": 3}', '{"d": 1, "b": 2}'),
        Layout("json"),
    )
    assert list(found) == ["b", "a.z", "a.y.k", "c", "d"]


def test_an_empty_object_is_a_value_and_a_full_one_is_columns():
    found = spread(payloads('{"x": {}}', '{"x": {"a": 1}}', '{"x": null}'), Layout("json"))
    assert {name: list(values) for name, values in found.items()} == {
        "x": [{}, None, None],
        "x.a": [pd.NA, 1, pd.NA],
    }


def test_nesting_may_be_deeper_than_python_calls():
    depth = 1000
    (name,) = spread(payloads('{"a":' * depth + "1" + "}" * depth), Layout("json"))
    assert name == ".".join("a" * depth)


@pytest.mark.parametrize(
    ("bodies", "format", "names"),
    [
        ([[b"entry_id", b"1"]], "fields", ["entry_id_field"]),
        ([[b"entry_time", b"1", b"stream", b"2"]], "fields", ["entry_time_field", "stream_field"]),
        (payloads('{"a.b": 1, "a": {"b": 2}}'), "json", ["a.b", "a.b_field"]),
        (payloads('{"a": {"b": 1}, "a.b": 2}'), "json", ["a.b", "a.b_field"]),
        (payloads('{"": {"": 1}, ".": 2}'), "json", [".", "._field"]),
        ([[b"payload", b'{"x": 1}', b"x", b"2"]], "json", ["x", "x_field"]),
        (
            [[b"entry_id_field", b"1", b"entry_id", b"2"]],
            "fields",
            ["entry_id_field", "entry_id_field_field"],
        ),
    ],
)
def test_a_name_that_is_taken_gets_a_suffix_and_one_warning(bodies, format, names):
    with pytest.warns(RedisnbWarning, match="names that are taken got a suffix: ") as caught:
        found = spread(bodies, Layout(format))
    assert list(found) == names
    assert len(caught) == 1


def test_the_names_of_a_frame_are_taken_too():
    with pytest.warns(RedisnbWarning, match="'idle' as 'idle_field'"):
        assert list(spread([[b"idle", b"1"]], Layout("fields"), taken=["idle"])) == ["idle_field"]


def test_text_and_bytes_names_do_not_collide():
    assert list(spread([[b"\xff", b"1", b"", b"2", b"a.b", b"3"]], Layout("fields"))) == [
        "�xff",
        "",
        "a.b",
    ]


@pytest.mark.parametrize("format", ["auto", "json", "fields", "raw"])
def test_an_entry_without_a_body_has_no_value(format):
    bodies = [None, *payloads('{"x": 1}'), []]
    (values,) = spread(bodies, Layout(format)).values()
    assert pd.isna(values[0])
    assert pd.isna(values[2])
    assert spread([None, []], Layout(format)) == {}
    assert spread([], Layout(format)) == {}


@pytest.mark.parametrize(
    ("bodies", "columns"),
    [
        (payloads('{"a": 1}', '{"b": 2}'), {"a": [1, None], "b": [None, 2]}),
        # The name of the only field does not matter, and is told where it is not the stream's own.
        (
            [[b"data", b'{"a": 1}'], *payloads('{"a": 2}'), [b"a", b"x"]],
            {"entry_field": ["data", "payload", None], "a": [1, 2, "x"]},
        ),
        ([[b"\xff", b"{}"]], {"entry_field": ["�xff"]}),
        # An entry that is something else leaves the others as they are.
        ([*payloads('{"a": 1}'), [b"b", b"2"]], {"a": [1, None], "b": [None, 2]}),
        ([*payloads('{"a": 1}', "[1]")], {"a": [1, None], "payload": [None, "[1]"]}),
        ([*payloads("{broken", '{"a": 1}')], {"payload": ["{broken", None], "a": [None, 1]}),
        # As in JSON, members and the fields beside them.
        (
            [*payloads('{"a": 1}'), [b"b", b"2", b"payload", b'{"a": 3}']],
            {"a": [1, 3], "b": [None, 2]},
        ),
        # NaN is missing, and what Python's json writes beyond the standard is read.
        (payloads('{"a": NaN, "b": 1}', '{"a": 2, "b": 1e999}'), {"a": [None, 2], "b": [1, INF]}),
        (payloads('{"a": "\\ud83d", "b": 1}'), {"a": ["\\ud83d"], "b": [1]}),
        # A name is one column, wherever its values come from.
        ([*payloads('{"x": 1}'), [b"x", b"5"], [b"x", b"6"]], {"x": [1, "5", "6"]}),
        (payloads('{"user.id": 1}', '{"user": {"id": 2}}'), {"user.id": [1, 2]}),
        # Only where one entry has both is a suffix needed, and for that entry alone.
        (
            [*payloads('{"x": 1}'), [b"payload", b'{"x": 2}', b"x", b"3"]],
            {"x": [1, 2], "x_field": [None, 3]},
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:names that are taken")
def test_auto_reads_each_entry_by_itself(bodies, columns):
    found = {name: list(values) for name, values in spread(bodies, Layout("auto")).items()}
    plain = {
        name: [None if pd.api.types.is_scalar(v) and pd.isna(v) else v for v in row]
        for name, row in found.items()
    }
    assert plain == columns


@pytest.mark.parametrize(
    ("body", "format", "odd"),
    [
        (payloads("ping")[0], "auto", True),
        (payloads("[1]")[0], "json", True),
        (payloads("ping")[0], "fields", False),
        ([b"payload", b"x", b"y", b"z"], "auto", True),
        ([b"payload", b"x", b"payload", b"{}"], "auto", False),
        ([b"data", b"ping"], "auto", False),
        ([b"data", b"{}"], "json", False),
    ],
)
def test_an_entry_whose_carrying_field_has_no_object_is_odd(body, format, odd):
    assert read_entry(body, Layout(format), RESERVED).parts.odd is odd


def test_raw_is_one_column_with_every_pair():
    found = spread([[b"a", b"1", b"a", b"\xff"], None], Layout("raw"))
    assert list(found) == ["fields"]
    assert list(found["fields"]) == [[(b"a", b"1"), (b"a", b"\xff")], None]


def test_types_text_leaves_fields_as_text_and_json_as_it_is():
    assert column(texts("1", "2"), types="text").tolist() == ["1", "2"]
    assert column(payloads('{"x": 1}'), "json", types="text").dtype == "int64"


@pytest.mark.parametrize(
    ("values", "dtype", "found"),
    [
        (["007", "8"], "int64", [7, 8]),
        (["1", None], "Int64", [1, None]),
        (["1", None], "float64", [1.0, None]),
        (["1", "2"], "str", ["1", "2"]),
        (["a", "b"], "category", ["a", "b"]),
        (["2024-05-01", None], "datetime64[ms, UTC]", [pd.Timestamp("2024-05-01", tz="UTC"), None]),
        # To pandas alone "false" is true.
        (["true", "false"], "bool", [True, False]),
        (["True", "False"], "bool", [True, False]),
        (["1", "0", None], "boolean", [True, False, None]),
    ],
)
def test_a_dtype_for_a_column_decides(values, dtype, found):
    series = column(texts(*values), types={"x": dtype, "absent": "int64"})
    assert str(series.dtype) == dtype
    assert [None if pd.isna(value) else value for value in series] == found


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (["tea"], "int64"),
        (["tea"], "float64"),
        (["tea"], "bool"),
        (["2"], "boolean"),
        (["true", None], "bool"),
        (["1", None], "int64"),
        (["1.5"], "int64"),
        (["300"], "int8"),
        (["-1"], "uint8"),
        (["tea"], "datetime64[ns]"),
        (["1"], "no such dtype"),
    ],
)
def test_a_dtype_that_a_value_does_not_fit_is_refused_without_the_value(values, dtype):
    with pytest.raises(
        DecodeError, match=re.escape(f"column 'x' cannot be read as {dtype}; types=")
    ) as caught:
        column(texts(*values), types={"x": dtype})
    assert "tea" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("value", ["1.5", "300", '"tea"', "[1]", "null"])
def test_a_dtype_for_json_is_no_less_strict(value):
    with pytest.raises(DecodeError, match="cannot be read as int8"):
        column(payloads(f'{{"x": {value}}}'), "json", types={"x": "int8"})


def test_only_the_columns_asked_for_are_made():
    bodies = [[b"a", b"1", b"b", b"tea", b"c", b"3"]]
    assert list(spread(bodies, Layout("fields"), only=["c", "a", "z"])) == ["a", "c"]
    # A column that is not requested is not read either.
    assert list(spread(bodies, Layout("fields"), only=["a"], types={"b": "int64"})) == ["a"]


@pytest.mark.parametrize(
    "values", [[], [[1, 2], [3, 4]], [[]], [[], []], [[[1]], [[2]]], [np.array([1, 2])] * 2, [None]]
)
def test_objects_is_one_dimension_whatever_the_values(values):
    array = object_array(values)
    assert array.shape == (len(values),)
    assert array.dtype == object
    assert all(cell is value for cell, value in zip(array, values, strict=True))
