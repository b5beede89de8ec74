"""Commands for many events: as if each had been made by itself, whatever stands beside it."""

import datetime as dt
import decimal
import math

import hiredis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redisnb import Stream, frames, wire
from redisnb.entries import Layout, dump_json, json_columns, json_text, write_event
from redisnb.errors import EncodeError, RedisnbWarning
from redisnb.stream.publishing import packing
from redisnb.stream.publishing.packing import Commands
from redisnb.stream.publishing.sending import Sending

pytestmark = pytest.mark.slow

texts = st.text(st.characters(codec="utf-8")) | st.sampled_from(
    ["},{", "a,b", '","', "null", "\ufffdxe9", "%b", "%", "{}", "", "\\", '"', "\x00"]
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(texts, inner, max_size=3)
        | st.lists(st.dictionaries(texts, inner, max_size=2), max_size=3)
    ),
    max_leaves=8,
)
# What JSON does not carry, or not as it is.
odd = st.sampled_from(
    [
        *(math.nan, math.inf, [1, -math.inf], {"x": math.nan}, b"bytes", {1: 2}, {1, 2}, 10**400),
        *("\ud800", ["\udfff"], decimal.Decimal(1), object(), pd.NA, pd.NaT, np.float32(0.1)),
        *(np.nan, np.int8(1), np.array([1, 2]), pd.Timestamp(0, tz="UTC"), dt.date(2030, 1, 1)),
    ]
)
events = st.dictionaries(texts, values, max_size=4)
odd_events = st.dictionaries(texts, values | odd, max_size=3) | odd | st.just({"a": {"b": odd}})
JSON = Layout("json")


def alone(event, row, id="*"):
    """The command for one event, or the words of its error."""
    try:
        return wire.pack(("XADD", "k%b", id, *write_event(event, JSON)))
    except EncodeError as error:
        return str(error.at_row(row))


def together(source, positions="*", layout=JSON, *, check=False):
    commands = Commands(source, positions, ["XADD", "k%b"], layout)
    if check:
        commands.check()
    return [
        str(each) if isinstance(each, EncodeError) else each
        for part, _ in commands.parts()
        for each in part
    ]


@given(st.lists(events | odd_events, max_size=12), st.integers(1, 5), st.booleans())
def test_an_event_is_packed_as_if_it_were_alone(source, batch, numbered):
    ids = [f"{i}-{i}" for i in range(len(source))] if numbered else ["*"] * len(source)
    expected = [alone(event, row, ids[row]) for row, event in enumerate(source)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "BATCH", batch)
        positions = ids if numbered else "*"
        assert together(source, positions) == expected
        assert together(iter(source), positions) == expected
        assert together(tuple(source), positions) == expected
        wrong = next((each for each in expected if isinstance(each, str)), None)
        if wrong is None:
            assert together(source, positions, check=True) == expected
        else:
            with pytest.raises(EncodeError) as caught:
                together(source, positions, check=True)
            assert str(caught.value) == wrong


@given(st.lists(values, max_size=8))
def test_each_value_as_dump_json_writes_it(some):
    assert json_text.dump_each(some) == list(map(dump_json, some))


@given(st.lists(events, min_size=1, max_size=8))
def test_each_object_as_dump_json_writes_it(some):
    members = json_text.dump_members(some)
    # One that needs Python's own integers is written by itself.
    if members is not None:
        assert [b"{%b}" % each for each in members] == list(map(dump_json, some))


# -- frames

floats = st.floats(allow_infinity=False) | st.just(-0.0)
moments = st.integers(-8 * 10**12, 8 * 10**12).map(lambda ms: pd.Timestamp(ms, unit="ms"))
few = st.sampled_from(["a", "b", "},{", "x,y", None])


def of(dtype, *cells):
    """A column of a dtype, with missing values where it has them."""
    return dtype, st.one_of(cells)


KINDS = [
    *(of(f"int{n}", st.integers(-(2 ** (n - 1)), 2 ** (n - 1) - 1)) for n in (8, 16, 32, 64)),
    *(of(f"uint{n}", st.integers(0, 2**n - 1)) for n in (8, 16, 32, 64)),
    of(">i4", st.integers(0, 1000)),
    of("float64", floats),
    of("float32", st.floats(width=32, allow_infinity=False)),
    of("float16", st.floats(width=16, allow_infinity=False)),
    of("longdouble", floats),
    of(">f8", floats),
    of("bool", st.booleans()),
    of("Int64", st.integers(-(2**63), 2**63 - 1), st.none()),
    of("UInt8", st.integers(0, 255), st.none()),
    of("Float64", st.floats(allow_nan=False, allow_infinity=False), st.none()),
    of("boolean", st.booleans(), st.none()),
    of("datetime64[ns]", moments, st.none()),
    of("datetime64[ms, UTC]", moments, st.none()),
    of("category", few),
    of("str", texts, st.none()),
    of("string", few),
    of("string[python]", texts, st.none()),
    of("object", values),
    of("object", values | odd),
    of("timedelta64[ms]", st.integers(0, 1000), st.none()),
]


@st.composite
def tables(draw, *, entries=False):
    rows = draw(st.integers(0, 7))
    names = st.sampled_from(["a", "b", "a.b", "a.c", "b.x.y", 'q"', "%b", "é", "", ".", "\ud800"])
    found = {}
    for name in draw(st.lists(names, unique=True, max_size=5)):
        dtype, cells = draw(st.sampled_from(KINDS))
        held = draw(st.lists(cells, min_size=rows, max_size=rows))
        if dtype == "object":
            column = pd.Series([None] * rows, dtype=object)
            for i, value in enumerate(held):
                column.iat[i] = value
        else:
            column = pd.Series(held, dtype="datetime64[ns]" if "[ms, UTC]" in dtype else dtype)
            if "[ms, UTC]" in dtype:
                column = column.dt.tz_localize("UTC").astype(dtype)
        found[name] = column
    frame = pd.DataFrame(dict(enumerate(found.values())), index=pd.RangeIndex(rows))
    # pandas itself makes none of text that is no UTF-8.
    frame.columns = pd.Index([*found], dtype=object)
    return frame


@given(tables(), st.booleans(), st.sampled_from([None, "omit", "null"]), st.integers(1, 5))
def test_the_json_of_rows_is_that_of_their_events(frame, is_read, missing, batch):
    rows = frames.Rows(frame, JSON, missing=missing, entries=is_read)
    expected = [alone(event, row) for row, event in enumerate(rows.events())]
    for start in range(0, len(frame), batch):
        members = rows.json_members(start, start + batch)
        if members is not None:
            part = expected[start : start + batch]
            packed = [b"{%b}" % each for each in members]
            assert [hiredis_text(each) for each in part] == packed
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "BATCH", batch)
        if missing is None and not is_read:
            assert together(frame) == expected


def hiredis_text(command):
    """The payload of a packed command."""
    reader = hiredis.Reader()
    reader.feed(command)
    return reader.gets()[-1]


def test_common_frames_are_written_by_columns():
    n = 3000
    frame = pd.DataFrame(
        {
            "id": np.arange(n),
            "kind": pd.Series(["order", "visit", None] * (n // 3), dtype="str"),
            "text": pd.Series([f"a, {i}" for i in range(n)], dtype="str"),
            "at": pd.date_range("2030", periods=n, freq="s", tz="UTC"),
            "price": np.where(np.arange(n) % 7, np.arange(n) / 7, np.nan),
            "n": pd.array([1, None, 3] * (n // 3), dtype="Int64"),
            "ok": np.arange(n) % 2 == 0,
            "size": pd.Categorical(["s", "m", "l"] * (n // 3)),
            "held": [{"a": [i, {"b": 1}]} for i in range(n)],
        }
    )
    for missing in ("null", "omit"):
        rows = frames.Rows(frame, JSON, missing=missing)
        members = rows.json_members(1000, 2000)
        assert members is not None
        assert [b"{%b}" % each for each in members] == list(map(dump_json, rows.events(1000, 2000)))
    # The dotted columns of entries are objects again.
    nested = frame[["id", "at", "ok"]].rename(columns={"at": "user.at", "ok": "user.ok"})
    rows = frames.Rows(nested, JSON, entries=True)
    members = rows.json_members(0, 1)
    assert members == [b'"id":0,"user":{"at":"2030-01-01T00:00:00+00:00","ok":true}']


def test_texts_that_come_again_and_again_are_known_by_number(monkeypatch):
    monkeypatch.setattr(json_columns, "DISTINCT_SAMPLE", 4)
    for held in (["a", "a", "b", None, "c", '"', "a"], ["a", "b", "c", None, "c,", "b", "a"]):
        texts = json_columns.column_texts(pd.Series(held, dtype="str"))
        assert texts(1, 7) == list(map(dump_json, held[1:7]))


# -- each row keeps what became of it


def test_an_error_is_of_the_row_that_it_is_about(conn, raw):
    raw.flushall()
    raw.set("text", "x")
    commands = Commands([{"i": i} for i in range(2500)], "*", ["XADD", "s"], JSON)
    other = wire.pack(("XADD", "text", "*", "payload", "{}"))

    def parts():
        row = 0
        for part, is_last in commands.parts():
            if 0 <= 1234 - row < len(part):
                part[1234 - row] = other
            row += len(part)
            yield part, is_last

    sending = Sending(conn, parts(), 2500, again=False)
    sending.run()
    assert list(sending.wrong) == [1234]
    status, error = sending.wrong[1234]
    assert status == "failed"
    assert "WRONGTYPE" in str(error)
    assert [i for i, id in enumerate(sending.entry_ids) if id is None] == [1234]
    stored = [id for id, _ in raw.xrange("s")]
    assert stored == [id for id in sending.entry_ids if id is not None]
    read = Stream(conn, "s").range(limit=None)
    assert read["i"].tolist() == [i for i in range(2500) if i != 1234]


@pytest.mark.parametrize("form", [list, iter, pd.DataFrame])
def test_memory_that_ends_in_the_middle(conn, raw, form):
    # Not in the background, nor in the next seconds: what an earlier test has stored counts until
    # it is freed, and so do the buffers of its links.
    raw.execute_command("FLUSHALL", "SYNC")
    used = raw.info("memory")["used_memory"]
    events = [{"i": i, "text": "x" * 2000} for i in range(12_000)]
    raw.config_set("maxmemory", used + 5_000_000)
    try:
        with pytest.warns(RedisnbWarning, match="failed"):
            added = Stream(conn, "s").add_many(form(events))
    finally:
        raw.config_set("maxmemory", 0)
    assert {*added["status"]} == {"added", "failed"}
    failed = added["status"] == "failed"
    assert added["error"][failed].str.contains("OOM|command not allowed").all()
    assert added["entry_id"].isna().equals(failed)
    read = Stream(conn, "s").range(limit=None)
    assert read["entry_id"].tolist() == added["entry_id"].dropna().tolist()
    assert read["i"].tolist() == added.index[~failed].tolist()


def test_an_event_that_has_changed_since_it_was_checked(conn, raw, monkeypatch):
    raw.flushall()
    events = [{"i": i} for i in range(2500)]
    check = Commands.check

    def checked(self, **options):
        check(self, **options)
        events[1700]["i"] = {1}

    monkeypatch.setattr(Commands, "check", checked)
    with pytest.warns(RedisnbWarning, match="1 failed"):
        added = Stream(conn, "s").add_many(events)
    assert added.index[added["status"] != "added"].tolist() == [1700]
    assert raw.xlen("s") == 2499


def test_large_events_are_not_packed_by_the_thousand(conn, raw):
    raw.flushall()
    sizes = []
    commands = Commands(({"text": "x" * 1_000_000} for _ in range(12)), "*", ["XADD", "s"], JSON)
    for part, _ in commands.parts():
        sizes.append(len(part))
    assert sum(sizes) == 12
    assert max(sizes) <= 4


def test_what_came_before_an_iterator_failed_is_added(conn, raw):
    raw.flushall()

    def broken():
        yield from ({"i": i} for i in range(1500))
        raise OverflowError("no more")

    with pytest.raises(OverflowError, match="no more"):
        Stream(conn, "s").add_many(broken())
    assert raw.xlen("s") == 1500
