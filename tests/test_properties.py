"""Properties: what holds for every input, checked against slow and obvious code."""

import itertools
import json
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
import pandas as pd
import pandas.testing as pdt
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from redisnb import frames
from redisnb.entries import Layout, as_text, events, id_before, ids, to_bytes
from redisnb.entries.ids import EntryId
from redisnb.errors import DecodeError, EncodeError, RedisnbWarning
from redisnb.frames.decoding import dtype_of
from redisnb.keyspace import encoding
from redisnb.stream.cursor import GroupCursor, StreamCursor

pytestmark = pytest.mark.slow

parts = st.integers(0, 2**64 - 1) | st.integers(0, 12)
entry_ids = st.builds(lambda ms, seq: EntryId(f"{ms}-{seq}"), parts, parts)
times = st.datetimes(
    datetime(1970, 1, 2),  # noqa: DTZ001 - the strategy adds the zone
    datetime(9999, 12, 30),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-7)), timezone(timedelta(seconds=1))]),
)
texts = st.text(max_size=8)
floats = st.floats(allow_nan=False, allow_infinity=False)
integers = st.integers() | st.integers(-(2**80), 2**80)
number_texts = st.sampled_from(["7", "1.5", "-0", "1e3"])
scalars = st.none() | st.booleans() | integers | floats | texts | number_texts
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
json_objects = st.dictionaries(texts, json_values, max_size=4)


def exactly(one: Any, other: Any) -> bool:
    """Return whether two JSON values are the same, down to the type of each number."""
    return type(one) is type(other) and repr(one) == repr(other)


# IDs


@given(parts, parts)
def test_an_id_is_its_two_numbers(ms, seq):
    id = EntryId(f"{ms}-{seq}")
    assert (id.ms, id.seq, id) == (ms, seq, f"{ms}-{seq}")
    assert EntryId(id.encode()) == id


@given(st.lists(entry_ids, max_size=5))
def test_ids_sort_by_number(some):
    assert sorted(some) == sorted(some, key=lambda id: (id.ms, id.seq))


@given(entry_ids, entry_ids)
def test_each_comparison_is_that_of_the_numbers(one, other):
    a, b = (one.ms, one.seq), (other.ms, other.seq)
    for that in (other, str(other)):
        assert [one < that, one <= that, one > that, one >= that, one == that] == [
            *(a < b, a <= b, a > b, a >= b, a == b)
        ]


@given(entry_ids, entry_ids)
def test_nothing_lies_between_an_id_and_the_one_before(id, other):
    assume(id != "0-0")
    assert id_before(id) < id
    assert not id_before(id) < other < id


@given(times)
@example(datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC))
def test_a_time_becomes_an_id_and_a_time_again_to_the_millisecond(moment):
    down, up = ids.time_to_ms(moment), ids.time_to_ms(moment, up=True)
    micros = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert (down, up) == (micros // 1000, -(-micros // 1000))
    back = EntryId(f"{down}-0").time
    assert back == moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    assert ids.time_to_ms(back) == ids.time_to_ms(back, up=True) == down
    assert ids.time_index([down])[0] == back


@given(st.lists(times, max_size=6))
def test_ascending_times_get_strictly_ascending_ids(moments):
    moments.sort()
    moments = [moment for moment in moments for _ in range(2)]
    numbered = [EntryId(id) for id in ids.full_ids(moments)]
    assert all(one < other for one, other in itertools.pairwise(numbered))
    assert [id.ms for id in numbered] == [ids.time_to_ms(moment) for moment in moments]


@pytest.mark.filterwarnings("ignore:nothing lies between")
@given(times, times, times)
def test_a_range_of_times_holds_what_happened_between_them(start, end, moment):
    low, high = (int(bound) for bound in ids.range_bounds(start, end, lambda: start))
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)  # as an ID has it
    assert (low <= ids.time_to_ms(moment) <= high) == (start <= moment <= end)


# Events


@given(json_objects)
@example({"a": 2**64, "b": -0.0, "c": {"d": {}}, "": "\x00"})
@example({"a": 1e16, "b": 2**70, "null": "null"})
def test_an_event_comes_back_from_json(event):
    for format in ("json", "auto"):
        (name, payload) = events.write_event(event, Layout(format))
        assert name == b"payload"
        assert exactly(events.read_event([name, payload], Layout(format)), event)
        assert exactly(json.loads(payload), event)


def shown(value):
    return as_text(value if isinstance(value, bytes) else to_bytes(value))


undecodable = st.binary(max_size=4).map(lambda rest: b"\xff" + rest)


@given(
    st.dictionaries(
        texts | undecodable, texts | undecodable | st.integers() | floats, min_size=1, max_size=5
    )
)
def test_an_event_comes_back_from_fields_as_text(event):
    expected = {
        shown(name): shown(value) if isinstance(value, str | bytes) else repr(value)
        for name, value in event.items()
    }
    assert (
        events.read_event(events.write_event(event, Layout("fields")), Layout("fields")) == expected
    )


pairs = st.lists(st.tuples(st.binary(max_size=4), st.binary(max_size=6)), min_size=1, max_size=4)


@given(pairs)
def test_raw_fields_come_back_as_they_are(pairs):
    flat = events.write_event({"fields": pairs}, Layout("raw"))
    assert flat == [part for pair in pairs for part in pair]
    assert events.read_event(flat, Layout("raw")) == {"fields": pairs}


# Entries to frames

names = (
    st.sampled_from(["entry_id", "entry_time", "stream", "a", "b", "a.b", "a_field", "", "."]).map(
        str.encode
    )
    | st.just(b"payload")
    | st.binary(max_size=3)
    | texts.map(str.encode)
)
payloads = st.dictionaries(
    st.sampled_from(["entry_id", "stream", "a", "b", "a.b", "a_field", ""]) | texts,
    json_values | st.dictionaries(st.sampled_from(["b", "", "a"]), json_values, max_size=2),
    max_size=3,
).map(lambda value: json.dumps(value).encode())
number_like = st.sampled_from(
    ["1", "-7", "007", "1.5", "1e3", "1e400", "nan", " 1", "1_0", "-0", "9" * 19, str(2**53 + 1)]
).map(str.encode)
values = st.one_of(
    number_like,
    st.integers().map(lambda n: str(n).encode()),
    floats.map(lambda x: repr(x).encode()),
    st.binary(max_size=6),
    texts.map(str.encode),
    payloads,
    payloads.map(lambda text: text[:-1]),
    st.sampled_from(
        [b"[1]", b" [1]", b"null", b"5", b"{}", b" {}", b'{"a":1e400}', b'{"a":"\\ud800"}']
    ),
    st.sampled_from([b'{"a":NaN}', b'{"a":' + b"9" * 400 + b"}", b'{"a":1,"a":2}']),
)
fields = st.lists(st.tuples(names, values), min_size=1, max_size=4)
json_fields = payloads.map(lambda text: [(b"payload", text)])
bodies = st.one_of(
    st.lists(fields | json_fields | st.none() | st.just([]), max_size=4),
    st.lists(json_fields | st.none(), max_size=4),
)


def flat(pairs: Any) -> Any:
    return pairs and [part for pair in pairs for part in pair]


def replies(bodies: list[Any]) -> list[tuple[bytes, Any]]:
    return [(b"%d-%d" % (i // 2, i % 2), flat(body)) for i, body in enumerate(bodies)]


def an_object(value: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(value.decode())
    except ValueError:
        return None
    return whole(found) if isinstance(found, dict) else None


def whole(value: Any) -> Any:
    """Write half of a surrogate pair as its escape."""
    if isinstance(value, str):
        return "".join(f"\\u{ord(c):x}" if "\ud800" <= c <= "\udfff" else c for c in value)
    if isinstance(value, dict):
        return {whole(name): whole(member) for name, member in value.items()}
    return list(map(whole, value)) if isinstance(value, list) else value


def leaves(value: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[Any, Any]]:
    for name, member in value.items():
        if isinstance(member, dict) and member:
            yield from leaves(member, (*above, name))
        else:
            yield ".".join([*above, name]), member


def slow_split(pairs: Any, format: str) -> tuple[bytes | None, dict[str, Any], dict[Any, Any]]:
    """Return the field that carries an entry's JSON object, its members, and the other fields."""
    members: dict[str, Any] = {}
    carrier, rest = None, list(pairs or [])
    if format != "fields":
        wanted = rest[0][0] if format == "auto" and len(rest) == 1 else b"payload"
        found = [pair for pair in rest if pair[0] == wanted and an_object(pair[1]) is not None]
        if found:
            carrier, members = wanted, an_object(found[0][1]) or {}
            rest.remove(found[0])
    seen: dict[Any, list[Any]] = {}
    for name, value in rest:
        seen.setdefault(as_text(name), []).append(as_text(value))
    return carrier, members, {name: v if len(v) > 1 else v[0] for name, v in seen.items()}


def slow_row(pairs: Any, format: str) -> dict[Any, tuple[str, Any]]:
    """Return what an entry has in a frame, by name, each with where it comes from."""
    if format == "raw":
        return {"fields": ("json", pairs)} if pairs else {}
    _, members, rest = slow_split(pairs, format)
    row: dict[Any, tuple[str, Any]] = {}
    cells = [(name, "json", value) for name, value in leaves(members)]
    for name, origin, value in cells + [(name, "field", value) for name, value in rest.items()]:
        while name in row or name in ("entry_id", "entry_time", "stream", "entry_field"):
            name += "_field"
        row[name] = origin, None if isinstance(value, float) and value != value else value
    return row


def columns_of(rows: list[dict[Any, tuple[str, Any]]]) -> list[Any]:
    """Return the names of the columns in the order in which they are seen."""
    seen = list(dict.fromkeys(name for row in rows for name in row))
    # A null in the place of an object is an object without its members.
    return [
        name
        for name in seen
        if any(row.get(name, ("", None))[1] is not None for row in rows)
        or not any(other.startswith(f"{name}.") for other in seen)
    ]


def holds(cell: Any, origin: str, value: Any) -> bool:
    """Return whether a cell of a frame is the value that was sent."""
    if value is None:
        return cell is None or cell is pd.NA or cell != cell
    if origin == "field" and isinstance(value, str) and not isinstance(cell, str):
        return Decimal(repr(cell)) == Decimal(value)
    if isinstance(value, int) and isinstance(cell, float):
        return cell == value
    return exactly(cell, value)


@given(bodies, st.sampled_from(["auto", "json", "fields", "raw"]))
@example([[(b"payload", b'{"a":{"b":1},"a.b":2}'), (b"a.b", b"3"), (b"\xff", b"\xff")]], "json")
@example([[(b"x", b"1"), (b"x", b"2")], None, [(b"x", b"3")], []], "fields")
@example([[(b"a", b"{}")], [(b"b", b'{"a":null}')]], "auto")
@example([[(b"a", b'{"a":null}')], [(b"b", b'{"a":{"b":1}}')]], "auto")
@example([[(b"payload", b'{"a":null}'), (b"a", b"1")], [(b"payload", b'{"a":{"b":null}}')]], "json")
@example([[(b"a", b'{"a":{"b":null}}')], [(b"a", b'{"a":{}}')]], "auto")
def test_every_entry_is_a_row_and_every_value_a_cell(bodies, format):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        frame = frames.entries_frame(replies(bodies), Layout(format))
    assert frame["entry_id"].tolist() == [id.decode() for id, _ in replies(bodies)]
    assert frame.index.asi8.tolist() == [i // 2 for i in range(len(bodies))]
    assert frame.columns.is_unique
    rows = [slow_row(body, format) for body in bodies]
    carriers = [None if format == "raw" else slow_split(body, format)[0] for body in bodies]
    shown = ["entry_field"] if {*carriers} - {None, b"payload"} else []
    names, expected = frame.columns[1:].tolist(), [*shown, *columns_of(rows)]
    assert sorted(names) == sorted(expected)
    # Where a column without any value stands is not told by Arrow: to it, null is nothing.
    valued = {name for name in names if frame[name].notna().any()}
    assert [name for name in names if name in valued] == [n for n in expected if n in valued]
    if shown:
        found = frame["entry_field"].astype(object)
        named = [None if name is None else as_text(name) for name in carriers]
        assert found.where(found.notna(), None).tolist() == named
    assert {w.category for w in caught} <= {RedisnbWarning}
    for name in columns_of(rows):
        held = [row.get(name, ("", None)) for row in rows]
        alike = len({origin for origin, value in held if value is not None}) < 2
        for cell, (origin, value) in zip(frame[name].astype(object), held, strict=True):
            # Where JSON and text meet, all stay as they are.
            assert holds(cell, origin if alike else "json", value)
    gone = [i for i, body in zip(frame["entry_id"], bodies, strict=True) if not body]
    assert frame.attrs.get("trimmed", []) == gone


@given(bodies)
def test_a_raw_frame_gives_the_exact_bytes_back(bodies):
    frame = frames.entries_frame(replies(bodies), Layout("raw"))
    if "fields" not in frame:
        assert not any(bodies)
        return
    assert frame["fields"].tolist() == [body or None for body in bodies]
    kept = frame[frame["fields"].notna()]
    written = [events.write_event(record, Layout("raw")) for record in frames.records(kept)]
    assert written == [flat(body) for body in bodies if body]


@given(fields | json_fields | st.none(), st.sampled_from(["auto", "json", "fields"]))
@example([(b"payload", b'{"a":1,"a_field":2}'), (b"a", b"3"), (b"a", b"4")], "json")
def test_an_entry_of_its_own_is_read_alike(body, format):
    _, members, rest = slow_split(body, format)
    expected: dict[Any, Any] = dict(members)
    for name, value in rest.items():
        while name in expected:
            name += "_field"
        expected[name] = value
    entry = events.make_entry(b"5-0", flat(body), "s", Layout(format))
    assert list(entry.fields) == (body or [])
    assert exactly(entry.event, expected)


# Types

numbers = st.one_of(
    st.sampled_from(["007", str(2**70), "1e400", "1e-400", "nan", "inf", " 1", "1\n", "1_000"]),
    st.sampled_from(["\N{ARABIC-INDIC DIGIT FIVE}", "-0", "0", "+1", "1.", ".5", "1e5", "1E+5"]),
    st.sampled_from([str(2**53 + 1), str(2**63), str(-(2**63)), "1" + "0" * 19, "1" + "0" * 22]),
    st.sampled_from(["1.50", "0.1", "1e22", "0.30000000000000000001", "tea", "", "-"]),
    st.integers(-(2**65), 2**65).map(str),
    st.integers(-9, 9).map(str),
    floats.map(repr),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
)


def is_integer(value: str) -> bool:
    try:
        return str(int(value)) == value
    except ValueError:
        return False


def is_exact(value: str) -> bool:
    try:
        number = json.loads(value)
        same = Decimal(value) == Decimal(repr(float(value)))
    except (ValueError, InvalidOperation):
        return False
    return type(number) in (int, float) and value == value.strip() and same


@given(st.lists(numbers | st.none(), min_size=1, max_size=4) | st.lists(numbers, min_size=1))
@example([str(2**53 + 1), None])
@example([str(2**53 + 1), "1.5"])
@example(["1" + "0" * 22, "1"])
@example(["1" + "0" * 22, "1.5"])
@example(["-0", "-0.0"])
def test_the_type_of_text_is_what_decimal_arithmetic_says(column):
    present = [value for value in column if value is not None]
    assume(present)
    if all(map(is_integer, present)):
        fits = all(-(2**63) <= int(value) < 2**63 for value in present)
        dtype = "str" if not fits else "int64" if None not in column else "Int64"
    else:
        dtype = "float64" if all(map(is_exact, present)) else "str"
    bodies = [[(b"y", b"")] if v is None else [(b"x", v.encode())] for v in column]
    series = frames.entries_frame(replies(bodies), Layout("fields"))["x"]
    assert series.dtype == dtype
    for cell, value in zip(series.astype(object), column, strict=True):
        assert holds(cell, "field", value)


# Frames to events and back


@st.composite
def columns(draw, rows: int, kinds: list[str]) -> pd.Series:
    kind = draw(st.sampled_from(kinds))
    value = {
        "str": texts,
        "int64": st.integers(-(2**63), 2**63 - 1),
        "Int64": st.integers(-(2**63), 2**63 - 1),
        "float64": floats,
        "bool": st.booleans(),
        "boolean": st.booleans(),
    }[kind]
    if kind not in ("int64", "bool"):
        value = st.none() | value
    return pd.Series(draw(st.lists(value, min_size=rows, max_size=rows)), dtype=dtype_of(kind))


@st.composite
def tables(draw, kinds: list[str], **options: Any) -> pd.DataFrame:
    rows = draw(st.integers(1, 4))
    named = st.dictionaries(texts, columns(rows, kinds), min_size=1, max_size=4, **options)
    frame = pd.DataFrame(draw(named))
    assume(not {"entry_id", "entry_time", "stream"}.intersection(frame))
    return frame


def read_back(column: pd.Series) -> pd.Series:
    """Return the column in the type that reading infers from the same values."""
    if column.isna().all():
        return pd.Series([None] * len(column), dtype=object)
    narrow = {"Int64": "int64", "boolean": "bool"}.get(str(column.dtype))
    return column if narrow is None or column.hasnans else column.astype(narrow)


def through(frame: pd.DataFrame, format: str) -> pd.DataFrame:
    written = [events.write_event(record, Layout(format)) for record in frames.records(frame)]
    entries = [(b"%d-0" % i, fields) for i, fields in enumerate(written)]
    return frames.entries_frame(entries, Layout(format))


@given(tables(["str", "int64", "Int64", "float64", "bool", "boolean"]))
def test_a_frame_comes_back_from_json(frame):
    # A null in the place of an object has no column of its own.
    assume(not any(other.startswith(f"{name}.") for name in frame for other in frame))
    found = through(frame, "json")
    expected = frame.apply(read_back)
    pdt.assert_frame_equal(found.drop(columns="entry_id").reset_index(drop=True), expected)
    # And an ENTRIES frame comes back too, as often as one likes.
    there = found.dropna(axis="columns", how="all")
    pdt.assert_frame_equal(through(found, "json"), there, check_like=True)


@given(tables(["int64", "Int64", "float64"]))
def test_a_frame_of_numbers_comes_back_from_fields(frame):
    frame.insert(0, "a whole number", range(len(frame)), allow_duplicates=False)
    frame = frame.dropna(axis="columns", how="all")
    found = through(frame, "fields").drop(columns="entry_id").reset_index(drop=True)
    pdt.assert_frame_equal(found[list(frame)], frame.apply(read_back))


# Cached values

awkward = st.sampled_from(["null", "5", "{}", '"', "\x00", "\x00redisnb1", "\x00redisnb1f", "NaN"])


@given(texts | awkward | st.builds("".join, st.lists(awkward)) | json_values.map(json.dumps))
def test_a_text_comes_back_from_the_cache(value):
    found = encoding.decode(encoding.encode(value))
    assert exactly(found, value)


@given(st.binary() | texts.map(str.encode) | awkward.map(str.encode) | st.just(b"\x00redisnb1b"))
def test_bytes_come_back_from_the_cache(value):
    stored = encoding.encode(value)
    assert exactly(encoding.decode(stored), value)
    assert exactly(encoding.decode(encoding.encode(stored)), stored)


@given(json_values.filter(lambda value: not isinstance(value, str)))
def test_a_json_value_comes_back_from_the_cache(value):
    stored = encoding.encode(value)
    assert exactly(encoding.decode(stored), value)
    assert exactly(json.loads(stored), value)


DTYPES = {
    "int8": st.integers(-128, 127),
    "uint32": st.integers(0, 2**32 - 1),
    "uint64": st.integers(0, 2**64 - 1),
    "Int64": st.none() | st.integers(-(2**63), 2**63 - 1),
    "UInt8": st.none() | st.integers(0, 255),
    "UInt64": st.none() | st.integers(0, 2**64 - 1),
    "float16": st.floats(width=16),
    "float32": st.floats(width=32),
    "float64": st.floats(),
    "Float32": st.none() | st.floats(width=32),
    "Float64": st.none() | floats,
    "bool": st.booleans(),
    "boolean": st.none() | st.booleans(),
    "str": st.none() | texts,
    "string": st.none() | texts,
    "category": st.none() | st.sampled_from(["", "a", "b"]),
    "datetime64[s]": st.none() | times.map(lambda t: t.replace(microsecond=0, tzinfo=None)),
    "datetime64[ms, UTC]": st.none() | times.map(lambda t: pd.Timestamp(t).floor("ms")),
    "datetime64[us, Europe/Berlin]": st.none() | times,
    "timedelta64[ms]": st.none() | st.integers(-(2**40), 2**40),
    "timedelta64[ns]": st.none() | st.integers(-(2**62), 2**62),
    "int64[pyarrow]": st.none() | st.integers(-(2**63), 2**63 - 1),
    "object": st.none() | st.binary(max_size=4),
}


CATEGORIES = ["int8", "uint64", "float64", "bool", "str", "datetime64[s]"]
NULLABLE = {
    *("Int64", "UInt8", "UInt64", "Float32", "Float64", "boolean", "string"),
    *("int64[pyarrow]", "object"),
}


@st.composite
def arrays(draw, rows: int) -> Any:
    dtype = draw(st.sampled_from(sorted(DTYPES)))
    cells = draw(st.lists(DTYPES[dtype], min_size=rows, max_size=rows))
    if dtype.startswith("datetime64") and "," in dtype:
        return pd.to_datetime(pd.Series(cells, dtype="datetime64[us, UTC]")).astype(dtype).array
    column = pd.Series(cells, dtype=dtype)
    # To pandas, two types without a category are equal whatever type those would have.
    if dtype in CATEGORIES and column.notna().any() and draw(st.booleans()):
        column = column.astype("category")
    return column.array


@st.composite
def indexes(draw, rows: int) -> pd.Index:
    name = draw(st.none() | texts)
    kind = draw(st.sampled_from(["range", "array", "multi"]))
    if kind == "range":
        start, step = draw(st.integers(-5, 5)), draw(st.sampled_from([1, 2, -3]))
        return pd.RangeIndex(start, start + rows * step, step, name=name)
    # An index of a nullable type comes back as one of the plain type; of float16 there is none.
    plain = arrays(rows).filter(lambda array: str(array.dtype) not in {*NULLABLE, "float16"})
    if kind == "array":
        return pd.Index(draw(plain), name=name)
    return pd.MultiIndex.from_arrays(
        [draw(plain), range(rows)], names=[name, draw(st.none() | texts)]
    )


@st.composite
def cached_frames(draw) -> pd.DataFrame:
    rows = draw(st.integers(0, 4))
    data = draw(st.dictionaries(texts, arrays(rows), max_size=4))
    return pd.DataFrame(data, index=draw(indexes(rows)))


@given(cached_frames())
def test_a_frame_comes_back_from_the_cache_or_is_refused(frame):
    found = encoding.decode(encoding.encode(frame))
    pdt.assert_frame_equal(found, frame, check_freq=False)
    for name in frame.columns:
        pdt.assert_series_equal(encoding.decode(encoding.encode(frame[name])), frame[name])


mixed = st.one_of(
    json_values,
    st.binary(max_size=2),
    st.integers(-(2**63), 2**63 - 1).map(np.int64),
    st.sampled_from([True, 1, 1.0, 2**53 + 1, 2.0**53, "1", b"1", pd.NA, Decimal("1.0")]),
    times.map(pd.Timestamp),
)


def plainly(cell: Any) -> Any:
    """Return a cell so that what may differ is equal: arrays and lists, 1 and 1.0, NaN and None."""
    if isinstance(cell, list | np.ndarray):
        return [plainly(part) for part in cell]
    if isinstance(cell, dict):
        return {name: plainly(part) for name, part in cell.items()}
    cell = cell.item() if isinstance(cell, np.generic) else cell
    return None if pd.isna(cell) else (isinstance(cell, bool), cell)


@given(st.lists(mixed, min_size=1, max_size=3) | st.builds(lambda x, n: [x] * n, mixed, st.just(2)))
def test_python_values_in_a_frame_come_back_from_the_cache_or_are_refused(cells):
    frame = pd.DataFrame({"a": pd.Series(cells, dtype=object)})
    try:
        stored = encoding.encode(frame)
    except EncodeError:
        return
    assert [plainly(cell) for cell in encoding.decode(stored)["a"]] == [plainly(c) for c in cells]


ENVELOPES = [
    encoding.encode(pd.DataFrame({"a": [1, 2], "b": ["x", None]})),
    encoding.encode(pd.Series([1.5, None], name="s")),
    encoding.encode(b"tea"),
]


@given(st.sampled_from(ENVELOPES), st.data())
def test_a_damaged_envelope_is_never_a_wrong_value(stored, data):
    place = data.draw(st.integers(0, len(stored) - 1))
    if data.draw(st.booleans()):
        damaged = stored[:place]
    else:
        flipped = bytes([stored[place] ^ data.draw(st.integers(1, 255))])
        damaged = stored[:place] + flipped + stored[place + 1 :]
    try:
        found = encoding.decode(damaged)
    except DecodeError:
        return
    # The mark itself is hit: then it is text or bytes, and not taken for a frame.
    assert place < len(b"\x00redisnb")
    assert isinstance(found, str | bytes)
    assert found != b"tea"


# Cursors


def resp(version: int, key: str, entries: list[Any]) -> Any:
    if version == 3:
        return {key.encode(): entries} if entries else None
    return [[key.encode(), entries]] if entries else None


steps = st.lists(
    st.tuples(st.sampled_from(["add", "read", "lose"]), st.integers(1, 4)), max_size=12
)


@given(steps, st.sampled_from([2, 3]), st.integers(0, 5))
def test_following_neither_skips_nor_repeats(steps, version, start):
    cursor = StreamCursor({"s": EntryId(f"{start}-0")})
    stream: list[Any] = []
    seen: list[Any] = []
    for step, n in [*steps, ("read", 1000)]:
        if step == "add":
            stream += [(b"%d-0" % (len(stream) + i + 1), (b"a", b"1")) for i in range(n)]
            continue
        *_, after = cursor.command(n, 0)
        reply = [entry for entry in stream if EntryId(entry[0]) > after][:n]
        if step == "read":
            seen += [found[1:] for found in cursor.feed(resp(version, "s", reply))]
        else:
            cursor.restart()
    assert seen == stream[start:]


class Followed:
    """A stream as Redis 7 keeps it, and a cursor that reads it; it notes what was never read."""

    def __init__(self, start: int) -> None:
        self.present: list[int] | None = None
        self.added = self.last = 0
        self.cursor = StreamCursor({"s": EntryId(f"{start}-0")})
        self.wanted_after = start
        self.read_once: list[int] = []
        self.dropped_unread: list[int] = []
        self.notices: list[Any] = []

    def do(self, step: str, n: int) -> None:
        getattr(self, step)(n)

    def add(self, n: int) -> None:
        self.present = [*(self.present or []), *range(self.last + 1, self.last + n + 1)]
        self.added += n
        self.last += n

    def trim(self, n: int) -> None:
        for _ in range(len(self.present or []) - n + 1):
            self.delete(0)

    def delete(self, n: int) -> None:
        if self.present:
            gone = self.present.pop(n % len(self.present))
            if gone > self.wanted_after and gone not in self.read_once:
                self.dropped_unread.append(gone)

    def remove(self, n: int) -> None:
        """The stream goes; a new one counts from 0, and its IDs are larger, as time has passed."""
        while self.present:
            self.delete(0)
        self.present, self.added = None, 0

    def read(self, n: int) -> None:
        *_, after = self.cursor.command(n, None)
        found = [id for id in self.present or [] if EntryId(f"{id}-0") > after][:n]
        reply = resp(2, "s", [(b"%d-0" % id, [b"a", b"1"]) for id in found])
        assert [id for _, id, _ in self.cursor.feed(reply)] == [b"%d-0" % id for id in found]
        self.read_once += found

    def look(self, n: int) -> None:
        state = None
        if self.present is not None:
            state = {
                b"length": len(self.present),
                b"last-generated-id": b"%d-0" % self.last if self.added else b"0-0",
                b"entries-added": self.added,
            }
        self.notices += self.cursor.seen([state])
        if any(notice.kind == "reset" for notice in self.notices):
            self.wanted_after = 0

    def read_all(self) -> None:
        # What an earlier look has shown is settled first, then what this one does.
        for _ in range(3):
            self.look(0)
            self.read(1000)
        self.look(0)

    @property
    def missed(self) -> int:
        return sum(notice.missed for notice in self.notices)


def followed_steps(*names: str) -> st.SearchStrategy[list[tuple[str, int]]]:
    return st.lists(st.tuples(st.sampled_from(names), st.integers(1, 5)), max_size=25)


@settings(max_examples=500)
@given(st.data(), followed_steps("add", "add", "trim", "delete", "read", "look"))
def test_what_is_dropped_unread_is_told_exactly(data, steps):
    history = data.draw(followed_steps("add", "trim", "delete"))
    followed = Followed(0)
    for step in history:
        followed.do(*step)
    start = data.draw(st.integers(0, followed.last))
    if start:
        # In the middle, what came before is not counted until the end is reached once.
        followed.cursor, followed.wanted_after = StreamCursor({"s": EntryId(f"{start}-0")}), start
        followed.read_all()
    followed.look(0)
    followed.dropped_unread.clear()
    for step in steps:
        followed.do(*step)
        assert followed.missed <= len(followed.dropped_unread), "a false alarm"
    followed.read_all()
    assert followed.missed == len(followed.dropped_unread)
    assert {notice.kind for notice in followed.notices} <= {"gap"}
    followed.read_all()
    assert followed.missed == len(followed.dropped_unread), "it is told once"
    assert sorted(set(followed.read_once)) == followed.read_once


@settings(max_examples=500)
@given(
    followed_steps("add", "trim", "delete"),
    st.integers(0, 15),
    followed_steps("add", "add", "trim", "delete", "remove", "read", "look"),
)
def test_wherever_reading_begins_there_is_no_false_alarm(history, start, steps):
    followed = Followed(start)
    for step in history:
        followed.do(*step)
    removed = False
    for step in steps:
        followed.do(*step)
        removed = removed or step[0] == "remove"
        assert followed.missed <= len(followed.dropped_unread)
        assert removed or not any(notice.kind == "reset" for notice in followed.notices)
    followed.read_all()
    assert followed.missed <= len(followed.dropped_unread)
    assert {id for id in followed.present or [] if id > followed.wanted_after} <= {
        *followed.read_once
    }


class Group:
    """A server's side of a consumer group with one consumer."""

    def __init__(self) -> None:
        self.stream: list[Any] = []
        self.delivered = 0
        self.acked: set[bytes] = set()

    def add(self, n: int) -> None:
        self.stream += [(b"%d-0" % (len(self.stream) + i + 1), (b"a", b"1")) for i in range(n)]

    def read(self, command: tuple[Any, ...]) -> list[Any]:
        count, after = command[command.index("COUNT") + 1], command[-1]
        if after == ">":
            new = self.stream[self.delivered :][:count]
            self.delivered += len(new)
            return new
        pending = [entry for entry in self.stream[: self.delivered] if entry[0] not in self.acked]
        return [entry for entry in pending if EntryId(entry[0]) > EntryId(after)][:count]


group_steps = st.lists(
    st.tuples(st.sampled_from(["add", "read", "read", "lose", "crash"]), st.integers(1, 4)),
    max_size=20,
)


@given(group_steps)
def test_a_group_gives_every_entry_whatever_reply_is_lost(steps):
    server = Group()
    cursors = {2: GroupCursor(["s"], "g", "me"), 3: GroupCursor(["s"], "g", "me")}
    handled: list[bytes] = []
    backlog = True
    for step, n in [*steps, ("crash", 1), *[("read", 3)] * 30]:
        if step == "add":
            server.add(n)
            continue
        if step == "crash":
            backlog = True
            for cursor in cursors.values():
                cursor.restart()
            continue
        command, other = (cursor.command(n, 500) for cursor in cursors.values())
        assert command == other
        assert (command[-1] == ">") is not backlog
        assert ("BLOCK" in command) is not backlog
        reply = server.read(command)
        if step == "lose":
            backlog = True
            for cursor in cursors.values():
                cursor.restart()
            continue
        both = [cursor.feed(resp(version, "s", reply)) for version, cursor in cursors.items()]
        assert both == [[("s", *entry) for entry in reply]] * 2
        # A read from the backlog that finds none ends it.
        backlog = backlog and bool(reply)
        handled += [id for id, _ in reply]
        server.acked.update(id for id, _ in reply[::2])
        if not backlog:
            server.acked.update(handled)
    assert set(handled) == {id for id, _ in server.stream}
