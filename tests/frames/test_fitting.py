"""A schema's columns: exactly these; values that do not fit are missing and counted."""

import json

import hypothesis.strategies as st
import pandas as pd
import pytest
from hypothesis import given, settings

from redisnb import frames
from redisnb.entries import Layout
from redisnb.frames.fitting import fit_values
from tests.frames.test_decoder import LAYOUTS, bodies


def payloads(*values):
    return [[b"payload", b'{"x":%s}' % json.dumps(value).encode()] for value in values]


def texts(*values):
    return [[b"y", b""] if value is None else [b"x", value.encode()] for value in values]


def read(bodies, schema, **options):
    replies = [(b"%d-0" % i, fields) for i, fields in enumerate(bodies)]
    return frames.entries_frame(replies, schema=frames.check_schema(schema), **options)


@pytest.mark.parametrize(
    ("bodies", "dtype", "found", "misfits"),
    [
        (texts("1", "x", "2.0", "1.5", "", None), "Int64", [1, None, 2, None, None, None], 3),
        (texts("1", "2"), "int64", [1, 2], 0),
        (texts("007", str(2**63), "1e3", "1_0", " 1"), "Int64", [None, None, 1000, None, None], 4),
        (
            payloads(1, 2.0, 1.5, True, "3", None, [1]),
            "Int64",
            [1, 2, None, None, 3, None, None],
            3,
        ),
        (payloads(300, -1, 5), "UInt8", [None, None, 5], 2),
        (payloads(1, 2.5, float("nan")), "Float64", [1.0, 2.5, None], 0),
        (texts("1", "2.50", "x"), "float64", [1.0, 2.5, None], 1),
        (texts("true", "False", "1"), "boolean", [True, False, None], 1),
        (payloads(True, "false", 1), "bool", [True, False, None], 1),
        (texts("007", "1.50"), "str", ["007", "1.50"], 0),
        (payloads("a", 5, 1.5, True, [1], None), "str", ["a", "5", "1.5", "true", "[1]", None], 0),
        ([[b"x", b"\xff"], [b"x", b"a"]], "str", ["�xff", "a"], 0),
        (payloads(1, "a", [1]), "object", [1, "a", [1]], 0),
        ([[b"z", b"1"]], "Int64", [None], 0),
    ],
)
def test_a_value_fits_or_is_missing(bodies, dtype, found, misfits):
    frame = read(bodies, {"x": dtype})
    assert list(frame.columns) == ["entry_id", "x"]
    cells = [
        None if pd.api.types.is_scalar(v) and pd.isna(v) else v for v in frame["x"].astype(object)
    ]
    assert cells == found
    assert [type(cell) for cell in cells] == [type(value) for value in found]
    assert frame.attrs["misfits"] == ({"x": misfits} if misfits else {})
    empty = read([], {"x": dtype})
    assert empty["x"].dtype == frame["x"].dtype


def test_times():
    bodies = texts("2024-05-01", "2024-05-01T12:00:00+02:00", "10:30", "now", "5")
    frame = read(bodies, {"x": "datetime64[ms, UTC]"})
    assert str(frame["x"].dtype) == "datetime64[ms, UTC]"
    assert frame["x"].tolist()[:2] == [
        pd.Timestamp("2024-05-01", tz="UTC"),
        pd.Timestamp("2024-05-01 10:00", tz="UTC"),
    ]
    assert frame["x"].isna().tolist() == [False, False, True, True, True]
    assert frame.attrs["misfits"] == {"x": 3}


@pytest.mark.parametrize(
    ("schema", "error", "message"),
    [
        ("x", TypeError, "maps names to dtypes"),
        ({"x": "int"}, None, None),
        ({"x": "no such"}, ValueError, "choose 'Int64', 'Float64', 'boolean', 'str', 'datetime64"),
        ({"x": "datetime64[ms]"}, ValueError, "'datetime64\\[ms, UTC\\]'"),
        ({"entry_id": "str"}, ValueError, "columns of the event"),
        ({5: "str"}, ValueError, "as text"),
    ],
)
def test_what_is_no_schema_is_refused(schema, error, message):
    if error is None:
        assert frames.check_schema(schema)
        return
    with pytest.raises(error, match=message):
        frames.check_schema(schema)


def test_columns_are_some_of_the_schema():
    frame = read(texts("1"), {"x": "Int64", "y": "str"}, columns=["y", "x"])
    assert list(frame.columns) == ["entry_id", "y", "x"]
    with pytest.raises(ValueError, match="columns='z': the schema has only x, y"):
        read(texts("1"), {"x": "Int64", "y": "str"}, columns=["z"])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::redisnb.errors.RedisnbWarning")
@settings(max_examples=40)  # each makes a frame of every entry
@given(
    bodies=bodies,
    layout=LAYOUTS,
    schema=st.dictionaries(
        st.sampled_from(["a", "b", "a.b", "payload", "n", "x", "s", "t", "l"]),
        st.sampled_from(
            ["Int64", "Float64", "boolean", "str", "Int8", "object", "UInt64", "Float32"]
        ),
    ),
)
def test_every_value_fits_as_if_it_were_alone(bodies, layout, schema):
    frame = read(bodies, schema, layout=layout)
    assert list(frame.columns) == ["entry_id", *schema]
    misfits = dict.fromkeys(schema, 0)
    for row, fields in enumerate(bodies):
        one = read([fields], schema, layout=layout)
        for name in schema:
            both = [frame[name].tolist()[row], one[name].tolist()[0]]
            assert [type(each) for each in both] == [type(both[0])] * 2
            assert both[0] is both[1] or both[0] == both[1]
            misfits[name] += one.attrs["misfits"].get(name, 0)
    assert frame.attrs["misfits"] == {name: n for name, n in misfits.items() if n}


def test_types_are_kept_also_where_no_entry_has_the_column():
    types = {"x": "int64", "y": "int64", "z": "float64", "t": "bool"}
    bodies = texts("1")
    found = frames.entries_frame([(b"1-0", bodies[0])], types=types).dtypes.astype(str).to_dict()
    assert found == {"entry_id": "str", "x": "int64", "y": "Int64", "z": "float64", "t": "boolean"}
    assert frames.entries_frame([], types=types).dtypes.astype(str).to_dict() == {
        "entry_id": "str",
        **types,
    }
    some = frames.entries_frame([(b"1-0", bodies[0])], types=types, columns=["y", "q"])
    assert some.dtypes.astype(str).to_dict() == {"entry_id": "str", "y": "Int64", "q": "object"}


def test_a_filter_sees_what_the_frame_shows():
    schema = frames.check_schema({"x": "Int64"})
    bodies = texts("5", "x", "007", None)
    ids = [b"%d-0" % i for i in range(4)]

    def chosen(where):
        return frames.Filter(where, Layout("auto"), schema).of_entries(ids, bodies, "s").tolist()

    assert chosen("x = 5") == [True, False, False, False]
    assert chosen("x = '007' or x = 'x' or x != 5") == [False] * 4
    assert chosen({"x": None}) == [False, True, True, True]
    assert chosen(lambda frame: frame["x"] > 0) == [True, False, False, False]


def test_values_of_any_kind_do_not_raise():
    odd = [None, pd.NA, float("inf"), -0.0, 10**500, "9" * 5000, b"\xff", {}, [], "1e999"]
    for dtype in ("Int64", "Float64", "boolean", "str", "object", "datetime64[ms, UTC]"):
        array, misfits = fit_values(odd, pd.api.types.pandas_dtype(dtype))
        assert len(array) == len(odd)
        assert misfits <= len(odd) - 2
