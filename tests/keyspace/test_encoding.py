"""Codecs: what a cache stores for a value, and what comes back."""

import enum
import math
import struct
import warnings
from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import pandas.testing as pdt
import pyarrow as pa
import pytest

from redisnb.entries.ids import EntryId
from redisnb.errors import DecodeError, EncodeError
from redisnb.keyspace import arrow_frames, encoding

MARK = b"\x00redisnb1"


class Kind(str, enum.Enum):  # noqa: UP042 - prints as 'Kind.NEW', unlike a StrEnum
    NEW = "new"


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("tea", b"tea"),
        ("", b""),
        ("ü", "ü".encode()),
        ("{broken", b"{broken"),
        ("007", b"007"),
        # What would read as JSON is stored as a JSON string.
        ("5", b'"5"'),
        ("null", b'"null"'),
        (" [] ", b'" [] "'),
        ('"a"', b'"\\"a\\""'),
        ("\x00redisnb1", b'"\\u0000redisnb1"'),
        ("\x00", b"\x00"),
        (5, b"5"),
        (1.0, b"1.0"),
        (True, b"true"),
        (None, b"null"),
        (2**70, b"1180591620717411303424"),
        ({"a": [1, None]}, b'{"a":[1,null]}'),
        ([], b"[]"),
        (b"\xff\x00", b"\xff\x00"),
    ],
)
def test_text_and_json_are_stored_for_everybody_and_come_back(value, stored):
    assert encoding.encode(value) == stored
    found = encoding.decode(stored)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("value", [b"", b"tea", b"5", b'"a"', b"{}", MARK, MARK + b"b", b"\x00"])
def test_bytes_that_would_read_as_something_else_get_an_envelope(value):
    stored = encoding.encode(value)
    assert stored.startswith(MARK)
    assert encoding.decode(stored) == value


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ((1, (2,)), [1, [2]]),
        (EntryId("5-0"), "5-0"),
        (Kind.NEW, "new"),
        (np.str_("5"), "5"),
        (np.bytes_(b"a"), b"a"),
        (np.int64(5), 5),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
    ],
)
def test_a_value_of_a_narrower_type_comes_back_as_the_plain_one(value, found):
    back = encoding.decode(encoding.encode(value))
    assert (back, type(back)) == (found, type(found))


@pytest.mark.parametrize("value", [EntryId("5-0"), Kind.NEW])
def test_a_text_of_a_narrower_type_is_stored_as_text(value):
    assert encoding.encode(value) == value.encode()


@pytest.mark.parametrize(
    ("stored", "value"),
    [
        (b"5", 5),
        (b"hello", "hello"),
        (b" {}\n", {}),
        (b"NaN", "NaN"),
        (b"1e400", "1e400"),
        (b"\xff", b"\xff"),
        (b"\x00red", "\x00red"),
        (b"\x80\x04K\x05.", b"\x80\x04K\x05."),  # a pickle is bytes like any other
    ],
)
def test_what_other_programs_wrote_is_read(stored, value):
    assert encoding.decode(stored) == value


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (math.nan, "nan is not a JSON number"),
        ([1, {"a": math.inf}], r"'1\.a': inf is not a JSON number"),
        ({1: 2}, "member names are text"),
        ("\ud800", "lone surrogate"),
        (2**1024, "the integer is too large for JSON"),
        ({1, 2}, "a cache takes text, bytes, JSON values, DataFrames and Series, not set"),
        (bytearray(b"a"), "not bytearray"),
        (pd.Timestamp("2024-05-01"), "not Timestamp"),
        (pd.NaT, "not NaTType"),
        (pd.Index([1]), "not Index"),
        (np.array([1]), "not ndarray"),
        (np.timedelta64(5, "s"), "cannot carry a Timedelta"),
        (object(), "not object"),
    ],
)
def test_what_a_cache_does_not_take_is_refused(value, says):
    with pytest.raises(EncodeError, match=says):
        encoding.encode(value)


def test_a_value_ends_where_a_redis_string_ends(monkeypatch):
    monkeypatch.setattr(encoding, "_STRING_LIMIT", 4)
    assert encoding.encode("four") == b"four"
    for value in ("fiver", [1, 2], 12345):
        with pytest.raises(EncodeError, match="5 bytes; a Redis string ends at 4, and only frames"):
            encoding.encode(value)
    # An envelope can be stored in parts.
    for value in (b"\xff" * 5, PLAIN):
        assert encoding.encode(value).startswith(MARK)
    assert encoding.decode(encoding.encode(b"\xff" * 5)) == b"\xff" * 5


@pytest.mark.parametrize("rest", [0, 1, 99])
def test_an_envelope_is_split_and_put_together(monkeypatch, rest):
    monkeypatch.setattr(encoding, "_PART_BYTES", 100)
    value = MARK + bytes(278 - 9 - 22 + rest)
    stored = encoding.encode(value)
    fields = dict(encoding.split(stored))
    assert fields.pop(b"redisnb") == b"%d" % len(fields)
    assert list(fields) == [b"%d" % i for i in range(len(fields))]
    assert {len(part) for part in list(fields.values())[:-1]} == {100}
    assert 0 < len(list(fields.values())[-1]) <= 100
    assert encoding.decode_parts(dict(encoding.split(stored))) == value


def test_what_one_string_holds_is_not_split(monkeypatch):
    stored = encoding.encode(MARK)
    monkeypatch.setattr(encoding, "_PART_BYTES", len(stored))
    assert list(encoding.split(stored)) == []
    assert list(encoding.split(b"x" * 1000)) == [], "no envelope"


@pytest.mark.parametrize(
    "fields", [{}, {b"0": b"5"}, {b"0": b"{}", b"1": b""}, {b"1": MARK}, {b"0": MARK[:-1]}]
)
def test_parts_that_are_no_envelope_are_a_decode_error_and_never_a_value(fields):
    with pytest.raises(DecodeError):
        encoding.decode_parts({encoding.PART_COUNT: b"1", **fields})


TIMES = pd.DatetimeIndex(["2024-05-01", "2024-05-02"], tz="UTC", name="entry_time")
PLAIN = pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": [1.5, np.nan]})


@pytest.mark.parametrize(
    "frame",
    [
        PLAIN,
        pd.DataFrame(),
        pd.DataFrame(index=[3, 1]),
        pd.DataFrame(columns=["a", "b"]),
        PLAIN.head(0),
        PLAIN.set_index("b"),
        PLAIN.set_index(["b", "a"]),
        PLAIN.set_axis([0, 1, 2], axis="columns"),
        PLAIN.set_axis([0.5, 1.5, 2.5], axis="columns"),
        PLAIN.set_axis(pd.Index(["x", "y", "z"], name="n"), axis="columns"),
        PLAIN.set_axis(pd.MultiIndex.from_product([["u"], [1, 2, 3]]), axis="columns"),
        PLAIN.set_axis(TIMES),
        PLAIN.set_axis(pd.CategoricalIndex(["a", "b"])),
        PLAIN.set_axis(pd.period_range("2024-01", periods=2, freq="M")),
        PLAIN.set_axis(pd.interval_range(0, 2)),
        PLAIN.set_axis(pd.Index([1.5, np.nan], name="a")),
        PLAIN.set_axis(pd.RangeIndex(2, 6, 2, name="r")),
        pd.DataFrame({"a": pd.Categorical(["b", None], ["c", "b"], ordered=True)}),
        pd.DataFrame({"a": pd.array([2**53 + 1, None], "Int64"), "b": pd.array([1, 2], "UInt8")}),
        pd.DataFrame(
            {"a": pd.array([True, None], "boolean"), "b": pd.array(["x", None], "string")}
        ),
        pd.DataFrame({"a": np.array(["9999-12-31", "NaT"], "datetime64[s]")}),
        pd.DataFrame({"a": TIMES.as_unit("ms"), "b": TIMES.tz_convert("Europe/Berlin")}),
        pd.DataFrame({"a": pd.to_timedelta(["1s", None])}),
        pd.DataFrame({"a": pd.period_range("2024-01", periods=2, freq="M")}),
        pd.DataFrame({"a": [b"\xff", None], "b": [date(2024, 5, 1), None]}),
        pd.DataFrame({"a": [Decimal("1.10"), Decimal("2")], "b": [{"x": 1}, {"x": 2}]}),
        pd.DataFrame({"a": [None, None], "b": pd.Series([True, None], dtype=object)}),
        pd.DataFrame({"a": pd.array([1, None], "int64[pyarrow]")}),
        pd.DataFrame({"a": [np.inf, -0.0]}, dtype="float32"),
        pd.DataFrame({"": [1], "\x00": ["\x00"]}),
        pd.DataFrame({"a": pd.Categorical(["b", None], ["c", "b"], ordered=True)}).head(0),
        pd.concat([PLAIN, PLAIN]).head(0),
    ],
)
def test_a_frame_comes_back_as_it_was(frame):
    found = encoding.decode(encoding.encode(frame))
    pdt.assert_frame_equal(found, frame, check_freq=False)


def test_the_attrs_of_a_frame_come_back():
    frame = PLAIN.copy()
    frame.attrs = {"truncated": True, "trimmed": ["5-0"]}
    assert encoding.decode(encoding.encode(frame)).attrs == frame.attrs


def test_attrs_that_json_cannot_carry_are_left_out():
    frame = PLAIN.copy()
    frame.attrs = {"n": np.int64(1), 5: "x", "at": pd.Timestamp(0), "pair": (1, 2), "kept": [None]}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert encoding.decode(encoding.encode(frame)).attrs == {"kept": [None]}


def rows_read_back(monkeypatch, frame: pd.DataFrame) -> int:
    """Return how many rows `encode` reads back to compare them."""
    if pd.__version__ < "3":
        pytest.skip("to pandas 2 text is objects, which are always read back")
    rows = []

    def count(content):
        rows.append(len(found := read(content)))
        return found

    read = arrow_frames.arrow_to_frame
    with monkeypatch.context() as patch:
        patch.setattr(arrow_frames, "arrow_to_frame", count)
        encoding.encode(frame)
    return max(rows)


@pytest.mark.parametrize(
    "column",
    [
        *(
            pd.Series([1, 0], dtype=f"{kind}{bits}")
            for kind in ("int", "uint")
            for bits in (8, 16, 32, 64)
        ),
        *(pd.Series([1.5, np.nan], dtype=f"float{bits}") for bits in (16, 32, 64)),
        *(
            pd.Series([1, None], dtype=f"{kind}{bits}")
            for kind in ("Int", "UInt")
            for bits in (8, 16, 64)
        ),
        pd.Series([True, False]),
        pd.Series([True, None], dtype="boolean"),
        pd.Series([1.5, None], dtype="Float32"),
        pd.Series(["x", None]),
        pd.Series(["x", None], dtype="string"),
        *(pd.Series(["2024-05-01", None], dtype=f"datetime64[{unit}]") for unit in ("s", "ns")),
        TIMES,
        TIMES.tz_convert("Europe/Berlin"),
        TIMES.tz_convert("+05:30"),
        pd.to_timedelta(["1s", None]),
        pd.Categorical(["b", None], ["c", "b"], ordered=True),
        pd.Categorical([2, 1]),
        pd.Categorical([1.5, None]),
        pd.Categorical([True, False]),
        pd.Categorical(pd.to_datetime(["2024-05-01", None])),
    ],
)
def test_a_column_of_a_type_that_is_known_comes_back_without_being_read_back(monkeypatch, column):
    frame = pd.DataFrame({"a": column})
    assert rows_read_back(monkeypatch, frame) == 0
    found = encoding.decode(encoding.encode(frame))
    pdt.assert_frame_equal(found, frame)


@pytest.mark.parametrize(
    "index", [pd.RangeIndex(2, 6, 2, name="r"), [3, 1], TIMES, ["x", None], [np.nan, 1.5]]
)
def test_an_index_of_a_type_that_is_known_comes_back_without_being_read_back(monkeypatch, index):
    frame = PLAIN.set_index(pd.Index(index))
    assert rows_read_back(monkeypatch, frame) == 0
    pdt.assert_frame_equal(encoding.decode(encoding.encode(frame)), frame)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"a": pd.Series(["x", "y"], dtype=object)}),
        pd.DataFrame({"a": pd.period_range("2024-01", periods=2, freq="M")}),
        PLAIN.set_index(["b", "a"]),
        PLAIN.set_index(pd.Index([1, None], dtype="Int64")),
        PLAIN.set_index(pd.Index([1, 2], name="a")),
        pd.DataFrame({"__index_level_0__": [1, 2]}, index=[3, 4]),
    ],
)
def test_what_is_not_known_to_come_back_is_read_back(monkeypatch, frame):
    assert rows_read_back(monkeypatch, frame) == len(frame)


@pytest.mark.parametrize(
    "series",
    [
        pd.Series([1, 2], name="a"),
        pd.Series([1, 2]),
        pd.Series([1, 2], name="value"),
        pd.Series([1.5, None], index=TIMES, name=""),
        pd.Series([1], index=pd.Index(["x"], name="a"), name="a"),
        pd.Series([], dtype="Int64"),
        pd.Series(["a", None], dtype="category"),
    ],
)
def test_a_series_comes_back_as_it_was(series):
    pdt.assert_series_equal(encoding.decode(encoding.encode(series)), series, check_freq=False)


def test_a_series_with_another_name_is_refused():
    with pytest.raises(EncodeError, match="a series' name is text or None, not int"):
        encoding.encode(pd.Series([1], name=0))


def listed(column) -> list[str]:
    """Return the objects of a column with their types, and those of the objects in them."""
    return [repr(value) for value in column.tolist()]


@pytest.mark.parametrize(
    "values",
    [
        ["x", None],
        [1, 2],
        [1, None],
        [1, np.nan],
        [1, "x"],
        [b"x", "x"],
        [2**53 + 1, None],
        [2**70],
        [1.5, True, 1, 1.0],
        [-0.0, 0.0, np.inf, "x"],
        [None, np.nan, pd.NA, pd.NaT],
        [{"x": 1}, {"y": 2}],
        [{"x": 1}, {}, {"b": None, "a": [1.0, True, "y", {"z": None}]}],
        [[1], {"x": 1}],
        [[1, 2], [3]],
        [["x", None], [], [2**70, 1.5, "a", [b"\xff"]]],
        [[(b"a", b"\xff")], None],
        [(1, (2, [3])), "x"],
        ["\ud800", 1],
        [{"\0b": "YQ=="}, b"a", (1,)],
        [date(2024, 5, 1), date(2024, 5, 2)],
        [Decimal("1.5"), Decimal("2.25")],
        [],
    ],
)
def test_an_object_column_comes_back_with_the_same_objects(values):
    column = pd.Series(values, dtype=object)
    back = encoding.decode(encoding.encode(pd.DataFrame({"a": column})))["a"]
    assert back.dtype == object
    assert list(map(type, back)) == list(map(type, column))
    if values[:1] != [Decimal("1.5")]:
        assert listed(back) == listed(column)


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([Decimal("1.50"), None], dtype=pd.ArrowDtype(pa.decimal128(5, 2))),
        pd.Series([1, None], dtype="int8[pyarrow]"),
        pd.Series([date(2024, 5, 1)], dtype="date32[pyarrow]"),
        pd.Series(["x", None], dtype=pd.ArrowDtype(pa.large_string())),
        pd.Series(["x", None], dtype=pd.StringDtype("python")),
        pd.Series(["x", None], dtype=pd.StringDtype("python", na_value=np.nan)),
        pd.Series(pd.Categorical(pd.Series(["b", "a"], dtype=object))),
        pd.Series(pd.period_range("2024-01", periods=2, freq="M")),
        pd.Series(pd.interval_range(0, 2)),
    ],
)
def test_a_column_of_a_type_of_its_own_comes_back_as_one(column):
    frame = pd.DataFrame({"ok": [1] * len(column), "a": column})
    back = encoding.decode(encoding.encode(frame))
    pdt.assert_frame_equal(back, frame)
    assert back["a"].dtype == column.dtype


@pytest.mark.parametrize(
    "values",
    [
        [1j],
        [object()],
        [pd.Series([1])],
        [{1, 2}],
        [{1: 2}],
        [np.int64(2**53 + 1), None],
        [pd.Timestamp("2024-05-01T00:00:00.000000001"), pd.Timestamp("2024-05-01", tz="UTC")],
        [pd.Timestamp("2024-05-01", tz="Asia/Tokyo"), pd.Timestamp("2024-05-01", tz="UTC")],
        [pd.Interval(0, 1)],
    ],
)
def test_a_column_that_would_come_back_otherwise_is_refused_by_name(values):
    frame = pd.DataFrame({"ok": [1] * len(values), "bad": pd.Series(values, dtype=object)})
    kinds = sorted({type(value).__name__ for value in values})
    with pytest.raises(EncodeError, match=f"'bad' holds .* {', '.join(kinds)}, which") as caught:
        encoding.encode(frame)
    assert caught.value.column == "bad"
    assert "astype(str)" not in str(caught.value)


@pytest.mark.parametrize(
    "column",
    [
        pd.Categorical([1, "a"]),
        pd.Categorical(TIMES),
        pd.arrays.SparseArray([0, 1]),
        np.array([1j, 2]),
    ],
)
def test_a_dtype_that_would_come_back_otherwise_is_refused_by_name(column):
    with pytest.raises(EncodeError, match="column 'bad'"):
        encoding.encode(pd.DataFrame({"bad": column}))


@pytest.mark.parametrize(
    "columns",
    [
        [True, False],  # Arrow would make True of both
        [1, "a"],
        [b"\xff", "a"],
        [date(2024, 5, 1), date(2024, 5, 2)],
        pd.CategoricalIndex(["a", "b"]),
        pd.interval_range(0, 2),
        pd.Index(["a", "b"], name=0),
    ],
)
def test_names_of_columns_that_would_come_back_otherwise_are_refused(columns):
    frame = pd.DataFrame([[1, 2]]).set_axis(columns, axis="columns")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(
            EncodeError, match=r"names of columns; make them text: frame\.columns ="
        ):
            encoding.encode(frame)
    frame.columns = list(map(str, frame.columns))
    pdt.assert_frame_equal(encoding.decode(encoding.encode(frame)), frame)


@pytest.mark.parametrize(
    "index",
    [
        [1, "a"],
        pd.Index([1, 2], name=0),
        [(1, "a"), "b"],
        pd.Index([2**53 + 1, None], dtype="Int64"),
        pd.Index([1, 2], name="__index_level_0__"),
    ],
)
def test_an_index_that_would_come_back_otherwise_is_refused(index):
    with pytest.raises(
        EncodeError, match=r"this index as it is; make it columns: frame\.reset_ind"
    ):
        encoding.encode(pd.DataFrame({"a": [1, 2]}, index=index))


def test_two_columns_of_one_name_are_refused():
    with pytest.raises(EncodeError, match="two columns are named 'a'"):
        encoding.encode(pd.DataFrame([[1, 2]], columns=["a", "a"]))


def test_a_refusal_does_not_quote_a_value():
    frame = pd.DataFrame({"a": [{1}, "secret"]})
    with pytest.raises(EncodeError) as caught:
        encoding.encode(frame)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


STORED = encoding.encode(PLAIN)


@pytest.mark.parametrize(
    ("stored", "says"),
    [
        (MARK[:-1], "another version of redisnb"),
        (MARK[:-1] + b"2" + STORED[9:], "another version of redisnb"),
        (MARK, "its header is cut off"),
        (STORED[:21], "its header is cut off"),
        (STORED[:22], "its length or checksum is wrong"),
        (STORED[:-1], "its length or checksum is wrong"),
        (STORED + b"\x00", "its length or checksum is wrong"),
        (STORED[:-1] + bytes([STORED[-1] ^ 1]), "its length or checksum is wrong"),
        # The kind of a frame and that of bytes are one bit apart.
        (STORED[:9] + b"b" + STORED[10:], "its length or checksum is wrong"),
        (encoding._envelope(b"x", b""), r"an unknown kind of value \(b'x'\)"),
        (encoding._envelope(b"f", b"nonsense"), "no readable Arrow table"),
        (encoding._envelope(b"f", b""), "no readable Arrow table"),
        (encoding._envelope(b"s", b""), "no readable Arrow table"),
    ],
)
def test_a_damaged_envelope_is_a_decode_error_and_never_a_value(stored, says):
    with pytest.raises(DecodeError, match=says):
        encoding.decode(stored)


def test_the_envelope_is_what_the_docstring_says():
    mark, kind, length, _ = struct.unpack(">9scQI", STORED[:22])
    assert (mark, kind, length) == (MARK, b"f", len(STORED) - 22)


def test_an_index_of_a_nullable_type_comes_back_as_one():
    index = pd.Index([1, None], dtype="Int64", name="n")
    found = encoding.decode(encoding.encode(pd.DataFrame({"a": [1, 2]}, index=index)))
    pdt.assert_index_equal(found.index, index)
