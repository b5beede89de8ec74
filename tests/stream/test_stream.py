"""Stream: what is published is what is stored, and what is stored is what is read."""

import asyncio
import datetime as dt
import os
import re
import signal
import sys
import threading
import time
import warnings

import pandas as pd
import pytest
import redis

import redisnb as rnb
from redisnb import EntryId, Stream, connect, frames
from redisnb.errors import (
    ConnectError,
    EncodeError,
    EntryIdError,
    RedisnbWarning,
    UncertainWriteError,
)
from redisnb.frames.decoding import STR
from redisnb.stream import state
from tests.consuming import in_xread
from tests.deadlines import deadline

pytestmark = pytest.mark.filterwarnings("ignore:text that would be numbers")

NEW_YEAR = dt.datetime(2013, 1, 1, tzinfo=dt.UTC)
MS = 1_356_998_400_000  # the same in an entry ID
HOUR = 3_600_000


@pytest.fixture
def stream(conn) -> Stream:
    return Stream(conn, "s")


@pytest.fixture
def five(stream, raw) -> Stream:
    """The entries 1-0 to 5-0, with the fields i and even."""
    for i in range(1, 6):
        raw.xadd("s", {"i": i, "even": str(i % 2 == 0).lower()}, id=f"{i}-0")
    return Stream(stream.conn, "s", format="fields")


def fill(raw: redis.Redis, n: int, key: str = "s") -> None:
    """Add the entries 1-0 to n-0 with the field i, at the server's own speed."""
    script = "for i = 1, ARGV[1] do redis.call('XADD', KEYS[1], i .. '-0', 'i', i) end"
    raw.eval(script, 1, key, n)


def ids_of(frame: pd.DataFrame) -> list[int]:
    return [EntryId(id).ms for id in frame["entry_id"]]


# Publish


def test_an_event_is_stored_as_one_json_field(stream, raw):
    id = stream.add({"item": "Tee ☕", "amount": 2, "user": {"id": 7}, "none": None})
    assert isinstance(id, EntryId)
    json = '{"item":"Tee ☕","amount":2,"user":{"id":7},"none":null}'
    assert raw.xrange("s") == [(id.encode(), {b"payload": json.encode()})]
    now = raw.time()[0]
    assert abs(id.ms / 1000 - now) < 60


@pytest.mark.parametrize(
    ("format", "event", "fields"),
    [
        ("auto", {"a": {"b": 1}}, [b"payload", b'{"a":{"b":1}}']),
        ("json", {"a": {"b": 1}}, [b"payload", b'{"a":{"b":1}}']),
        ("json", {}, [b"payload", b"{}"]),
        ("fields", {"a": 1.5, "b": True, "c": "", "d": None, b"\xff": b"\xfe"},
         [b"a", b"1.5", b"b", b"true", b"c", b"", b"\xff", b"\xfe"]),
        ("raw", {"fields": [(b"a", b"1"), (b"a", b"\xff"), (b"", b"")]},
         [b"a", b"1", b"a", b"\xff", b"", b""]),
    ],
)  # fmt: skip
def test_what_each_format_stores_and_reads(conn, raw, format, event, fields):
    stream = Stream(conn, "s", format=format)
    stream.add(event)
    stream.add_many([event])
    # A script has the reply as it is; redis-py makes a dict of it.
    read = "return redis.call('XRANGE', KEYS[1], '-', '+')"
    assert [entry for _, entry in raw.eval(read, 1, "s")] == [fields, fields]
    (entry, _) = stream.follow("all", timeout=0.01)
    assert entry.fields == tuple(zip(fields[::2], fields[1::2], strict=True))
    if format == "raw":
        assert entry.event == event
        assert stream.range()["fields"].tolist() == [event["fields"]] * 2


def test_formats_read_the_same_entries_as_they_say(conn, raw, has_schema):
    raw.xadd("s", {"payload": '{"a": 1, "b": {"c": "x"}}'}, id="1-0")
    raw.xadd("s", {"payload": '{"a": 2}', "a": "field"}, id="2-0")
    read = {
        format: Stream(conn, "s", format=format) for format in ("auto", "json", "fields", "raw")
    }
    for format in ("json", "auto"):
        with pytest.warns(RedisnbWarning, match="'a' as 'a_field'"):
            frame = read[format].range()
        assert has_schema(frame, frames.ENTRIES, "a", "b.c", "a_field")
        assert frame["a"].tolist() == [1, 2]
        assert frame["a_field"].tolist()[1] == "field"
    assert has_schema(read["fields"].range(), frames.ENTRIES, "payload", "a")
    assert has_schema(read["auto"].head(1), frames.ENTRIES, "a", "b.c")
    assert read["raw"].range()["fields"].tolist()[1] == [
        (b"payload", b'{"a": 2}'),
        (b"a", b"field"),
    ]


@pytest.mark.parametrize(
    ("id", "stored"),
    [
        ("5-3", "5-3"),
        ("5", "5-0"),
        (EntryId("6-1"), "6-1"),
        (NEW_YEAR, f"{MS}-0"),
        (pd.Timestamp("2013-01-01 01:00", tz="Europe/Paris"), f"{MS}-0"),
        ("2013-01-01 00:00", f"{MS}-0"),
    ],
)
def test_an_entry_gets_the_id_it_is_given(stream, raw, id, stored):
    assert stream.add({"i": 1}, id=id) == stored
    assert [id.decode() for id, _ in raw.xrange("s")] == [stored]


def test_an_id_that_is_not_the_largest_is_refused(stream, raw):
    stream.add({"i": 1}, id="5-0")
    with pytest.raises(redis.ResponseError, match="equal or smaller"):
        stream.add({"i": 2}, id="5-0")
    assert raw.xlen("s") == 1


@pytest.mark.parametrize("id", ["-5min", "10:30", NEW_YEAR.replace(tzinfo=None), "5-", -5])
def test_an_id_that_cannot_be_an_entrys_own(stream, raw, id):
    with pytest.raises(EntryIdError):
        stream.add({"i": 1}, id=id)
    assert not raw.exists("s")


def test_adding_trims(stream, raw):
    for i in range(1, 6):
        stream.add({"i": i}, id=f"{i}-0", maxlen=3)
    assert [id for id, _ in raw.xrange("s")] == [b"3-0", b"4-0", b"5-0"]
    stream.add({"i": 6}, id="6-0", minid="5")
    assert [id for id, _ in raw.xrange("s")] == [b"5-0", b"6-0"]
    stream.add({"i": 7}, id=NEW_YEAR, minid=NEW_YEAR)
    assert raw.xlen("s") == 1
    added = stream.add_many([{"i": i} for i in range(5)], maxlen=2)
    assert added["status"].eq("added").all(), "also those that were trimmed at once"
    assert raw.xlen("s") == 2
    with pytest.raises(ValueError, match="give maxlen= or minid=, not both"):
        stream.add({}, maxlen=1, minid="1")
    with pytest.raises(ValueError, match="maxlen=-1"):
        stream.add({}, maxlen=-1)
    assert raw.xlen("s") == 2
    stream.add({}, maxlen=0)
    assert raw.xlen("s") == 0


@pytest.mark.parametrize("hang", [False, True])
def test_an_event_without_a_reply_is_uncertain_and_not_sent_again(proxy, raw, wait_until, hang):
    raw.flushall()
    with connect(proxy.url, timeout=deadline(0.3)) as conn:
        proxy.lines, proxy.hang = 0, hang
        with pytest.raises(UncertainWriteError, match="may or may not have been added") as caught:
            Stream(conn, "s").add({"word": "confidential"})
    assert (caught.value.stream, caught.value.rows) == ("s", 1)
    assert conn.url in str(caught.value)
    assert "confidential" not in f"{caught.value}{caught.value.__cause__}"
    wait_until(lambda: raw.exists("s"))
    assert raw.xlen("s") == 1


def test_without_a_server_an_event_is_certainly_not_added(tcp_server):
    stream = Stream(connect(tcp_server.url), "s")
    stream.add({"i": 1})
    tcp_server.kill()
    for add in (stream.add, lambda event: stream.add_many([event])):
        with pytest.raises(ConnectError, match="Connection refused"):
            add({"i": 2})
    tcp_server.start()
    stream.add({"i": 3})
    assert stream.range()["i"].tolist() == [1, 3]


# Publish many


def test_many_events_have_a_row_each(stream, raw, has_schema):
    added = stream.add_many({"i": i} for i in range(2500))
    assert has_schema(added, frames.ADDED)
    assert added["status"].eq("added").all()
    assert added["error"].isna().all()
    stored = raw.xrange("s")
    assert added["entry_id"].tolist() == [id.decode() for id, _ in stored]
    assert [fields[b"payload"] for _, fields in stored] == [b'{"i":%d}' % i for i in range(2500)]


@pytest.mark.parametrize("events", [[], iter(()), pd.DataFrame(), pd.DataFrame({"a": []})])
def test_no_event_at_all(stream, raw, has_schema, events):
    added = stream.add_many(events, ids=[])
    assert len(added) == 0
    assert has_schema(added, frames.ADDED)
    assert not raw.exists("s")


def test_a_frame_is_published_and_read_back(stream, raw):
    frame = pd.DataFrame(
        {
            "text": pd.array(["a", "ü", None], dtype=STR),
            "whole": pd.array([1, None, 3], dtype="Int64"),
            "real": [0.5, 1.0, -2.25],
            "flag": [True, False, True],
        }
    )
    stream.add_many(frame)
    assert [fields[b"payload"].decode() for _, fields in raw.xrange("s")] == [
        '{"text":"a","whole":1,"real":0.5,"flag":true}',
        '{"text":"ü","whole":null,"real":1.0,"flag":false}',
        '{"text":null,"whole":3,"real":-2.25,"flag":true}',
    ]
    read = stream.range()
    pd.testing.assert_frame_equal(read.drop(columns="entry_id").reset_index(drop=True), frame)


def test_a_frame_that_was_read_can_be_published_as_it_is(stream, conn, raw):
    stream.add_many([{"i": i} for i in range(3)], ids=["1", "2", "3"])
    read = stream.range()
    copy = Stream(conn, "copy")
    copy.add_many(read, ids=read["entry_id"])
    assert raw.xrange("copy") == raw.xrange("s")
    pd.testing.assert_frame_equal(copy.range(), read)


def test_an_index_with_a_name_is_a_member(stream):
    stream.add_many(pd.DataFrame({"b": [1]}, index=pd.Index(["x"], name="a")))
    assert next(stream.follow("all")).event == {"a": "x", "b": 1}


def test_ids_by_time_are_numbered(stream, raw):
    frame = pd.DataFrame({"i": range(5)})
    hours = [0, 0, 0, 1, 1]
    times = pd.Timestamp(NEW_YEAR) + pd.to_timedelta(hours, unit="h")
    added = stream.add_many(frame, ids=times)
    expected = [f"{MS}-0", f"{MS}-1", f"{MS}-2", f"{MS + HOUR}-0", f"{MS + HOUR}-1"]
    assert added["entry_id"].tolist() == expected
    assert [id.decode() for id, _ in raw.xrange("s")] == expected
    assert stream.range().index.tolist() == times.tolist()


@pytest.mark.parametrize(
    ("ids", "error", "message"),
    [
        (["1", "2"], ValueError, "2 IDs for 3 events"),
        (["1", "2", "3", "4"], ValueError, "4 IDs for 3 events"),
        ("5-0", TypeError, "give one ID for each event"),
        (["1", "2", "-5min"], EntryIdError, "relative time"),
        ([NEW_YEAR.replace(tzinfo=None)] * 3, EntryIdError, "no time zone"),
    ],
)
def test_ids_that_do_not_fit(stream, raw, ids, error, message):
    with pytest.raises(error, match=message):
        stream.add_many([{"i": i} for i in range(3)], ids=ids)
    assert not raw.exists("s")


def test_one_event_is_not_many(stream, raw):
    for event in ({"i": 1}, '{"i": 1}', b""):
        with pytest.raises(TypeError, match=r"add\(\) takes one"):
            stream.add_many(event)
    assert not raw.exists("s")


@pytest.mark.parametrize(
    "events",
    [
        [{"ok": 1}, {"ok": 1, "bad": {1}}],
        pd.DataFrame({"ok": [1, 2], "bad": [None, {1}]}),
    ],
)
def test_an_event_that_cannot_be_carried_stops_all_of_them(stream, raw, events):
    with pytest.raises(EncodeError, match="row 1: 'bad': JSON cannot carry a set") as caught:
        stream.add_many(events)
    assert (caught.value.row, caught.value.column) == (1, "bad")
    assert not raw.exists("s")


def test_a_refused_event_shows_and_the_others_are_added(stream, raw, has_schema):
    with pytest.warns(RedisnbWarning, match="'s': of 5 events 2 failed; first: .*smaller") as seen:
        added = stream.add_many([{"i": i} for i in range(5)], ids=["1", "9", "2", "3", "10"])
    assert seen[0].filename == __file__
    assert has_schema(added, frames.ADDED)
    assert added["status"].tolist() == ["added", "added", "failed", "failed", "added"]
    assert added["entry_id"].fillna("").tolist() == ["1-0", "9-0", "", "", "10-0"]
    assert added["error"].isna().tolist() == [True, True, False, False, True]
    assert added["error"][2].startswith("ERR The ID specified in XADD is equal or smaller")
    assert [id for id, _ in raw.xrange("s")] == [b"1-0", b"9-0", b"10-0"]


def test_all_events_are_refused_where_the_key_is_no_stream(stream, raw):
    raw.set("s", "text")
    with pytest.warns(RedisnbWarning, match="2 failed; first: WRONGTYPE"):
        added = stream.add_many([{"i": 1}, {"i": 2}])
    assert added["status"].tolist() == ["failed", "failed"]


@pytest.mark.parametrize(
    ("replies", "hang"), [(0, False), (1300, False), (1300, True), (2000, False), (3499, False)]
)
def test_replies_lost_in_the_middle(proxy, raw, wait_until, replies, hang):
    raw.flushall()
    events = [{"i": i} for i in range(3500)]
    with connect(proxy.url, timeout=deadline(0.5)) as conn:
        stream = Stream(conn, "s")
        # A reply is a line with the ID's length and a line with the ID.
        proxy.lines, proxy.hang = 2 * replies, hang
        # One batch is on its way while the replies to the one before are read.
        sent = min(replies // 1000 * 1000 + 2000, 3500)
        with pytest.warns(RedisnbWarning, match=f"of 3,500 events .*{sent - replies:,} unknown"):
            added = stream.add_many(events)
        assert len(stream) <= sent
    expected = ["added"] * replies + ["unknown"] * (sent - replies) + ["unsent"] * (3500 - sent)
    assert added["status"].tolist() == expected
    first = [id.decode() for id, _ in raw.xrange("s", count=replies or 1)]
    assert added["entry_id"].dropna().tolist() == first[:replies]
    assert added["error"].isna().tolist() == [status == "added" for status in expected]
    # They did arrive, each once, which the sender cannot know.
    wait_until(lambda: raw.xlen("s") >= min(replies // 1000 * 1000 + 1000, 3500))
    assert raw.xlen("s") <= sent


# Read a range


def test_every_reader_has_the_schema_without_a_stream(conn, has_schema):
    for format in ("auto", "json", "fields", "raw"):
        stream = Stream(conn, "missing", format=format)
        for frame in (stream.range(), stream.head(), stream.tail(), stream.range(reverse=True),
                      stream.range(where={"a": 1}), stream.range(limit=0)):  # fmt: skip
            assert has_schema(frame, frames.ENTRIES)
            assert len(frame) == 0
        assert has_schema(stream.range(columns=["a"]), frames.ENTRIES, "a")
        assert list(stream.frames()) == []
        assert list(stream.follow("all", timeout=0.01)) == []
        assert len(stream) == 0
        assert stream.delete("1-0") == 0
        assert stream.trim(maxlen=5) == 0
        assert has_schema(stream.info(), frames.STREAMS)
        assert has_schema(stream.groups(), frames.GROUPS)
    assert rnb.keys(conn).empty, "reading makes no key"


def test_every_reader_has_the_schema_with_entries(five, has_schema):
    for frame in (five.range(), five.head(), five.tail(), five.range(reverse=True), *five.frames()):
        assert has_schema(frame, frames.ENTRIES, "i", "even")
        assert len(frame) == 5
    assert has_schema(five.range("6"), frames.ENTRIES)
    assert five.range().dtypes.astype(str).to_dict() == {
        "entry_id": "str", "i": "int64", "even": "str",
    }  # fmt: skip
    assert five.range().index[0] == pd.Timestamp(1, unit="ms", tz="UTC")


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({}, [1, 2, 3, 4, 5]),
        ({"start": "2"}, [2, 3, 4, 5]),
        ({"end": "2"}, [1, 2]),
        ({"start": "2-0", "end": "4-0"}, [2, 3, 4]),
        ({"start": "(2-0", "end": "(4-0"}, [3]),
        ({"start": "(2", "end": "4"}, [3, 4]),
        ({"start": EntryId("3-1")}, [4, 5]),
        ({"start": "-", "end": "+"}, [1, 2, 3, 4, 5]),
        ({"start": dt.datetime(1970, 1, 1, 0, 0, 0, 2500, tzinfo=dt.UTC)}, [3, 4, 5]),
        ({"end": dt.datetime(1970, 1, 1, 0, 0, 0, 2500, tzinfo=dt.UTC)}, [1, 2]),
        ({"start": "1970-01-01 00:00:00.004"}, [4, 5]),
        ({"start": "1970-01-01T01:00:00.004+01:00"}, [4, 5]),
    ],
)
def test_where_a_range_begins_and_ends(five, bounds, expected):
    assert ids_of(five.range(**bounds)) == expected
    assert ids_of(five.range(**bounds, reverse=True)) == expected[::-1]
    assert [i for frame in five.frames(**bounds) for i in ids_of(frame)] == expected


def test_an_end_without_a_sequence_takes_in_all_of_its_millisecond(stream, raw):
    for id in ("1-0", "1-1", "1-2", "2-0"):
        raw.xadd("s", {"i": 1}, id=id)
    assert stream.range("1", "1")["entry_id"].tolist() == ["1-0", "1-1", "1-2"]
    assert stream.range("(1-0", "(1-2")["entry_id"].tolist() == ["1-1"]
    assert len(stream.range(end=dt.datetime(1970, 1, 1, 0, 0, 0, 1000, tzinfo=dt.UTC))) == 3


def test_a_relative_time_is_by_the_servers_clock(stream, raw):
    now = raw.time()[0] * 1000
    for minutes in (60, 10, 4, 1):
        stream.add({"minutes": minutes}, id=str(now - minutes * 60_000))
    assert stream.range("-5min")["minutes"].tolist() == [4, 1]
    assert stream.range("-30min", "-2min")["minutes"].tolist() == [10, 4]
    assert stream.range(end="-1h")["minutes"].tolist() in ([60], []), "60 minutes and a moment"
    assert [frame["minutes"].tolist() for frame in stream.frames("-5min")] == [[4, 1]]


def test_a_time_of_today(stream, raw):
    midnight = raw.time()[0] // 86400 * 86400 * 1000
    for hour in (0, 9, 11):
        stream.add({"hour": hour}, id=str(midnight + hour * HOUR))
    assert stream.range("09:00", "10:30")["hour"].tolist() == [9]


def test_a_limit_says_that_there_is_more(five):
    for limit, truncated in [(0, True), (4, True), (5, False), (6, False), (None, False)]:
        frame = five.range(limit=limit)
        assert ids_of(frame) == [1, 2, 3, 4, 5][:limit]
        assert frame.attrs["truncated"] is truncated
    newest = five.range("2", limit=2, reverse=True)
    assert (ids_of(newest), newest.attrs["truncated"]) == ([5, 4], True)
    odd = five.range(limit=1, where={"even": "false"})
    assert (ids_of(odd), odd.attrs["truncated"]) == ([1], True)
    odd = five.range(limit=3, where={"even": "false"})
    assert (ids_of(odd), odd.attrs["truncated"]) == ([1, 3, 5], False)


@pytest.mark.slow
def test_the_default_limit_warns(server, raw):
    raw.flushall()
    fill(raw, 100_001)
    stream = Stream(connect(server.url), "s")
    with pytest.warns(RedisnbWarning, match="stopped at the default limit of 100,000 rows") as seen:
        frame = stream.range()
    assert "limit=None reads all" in str(seen[0].message)
    assert seen[0].filename == __file__
    assert (len(frame), frame.attrs["truncated"], frame["i"].iloc[-1]) == (100_000, True, 100_000)
    everything = stream.range(limit=None)
    assert (len(everything), everything.attrs["truncated"]) == (100_001, False)
    assert everything["i"].tolist() == list(range(1, 100_002))
    pieces = [len(frame) for frame in stream.frames(count=30_000)]
    assert pieces == [30_000, 30_000, 30_000, 10_001]


@pytest.mark.parametrize("n", [999, 1000, 1001, 2500])
def test_several_pages_are_one_frame(stream, raw, n):
    fill(raw, n)
    expected = list(range(1, n + 1))
    assert stream.range()["i"].tolist() == expected
    assert stream.range(reverse=True)["i"].tolist() == expected[::-1]
    assert stream.range(limit=n - 1)["i"].tolist() == expected[:-1]
    assert stream.range("(1-0", f"({n}-0", limit=None)["i"].tolist() == expected[1:-1]
    assert ids_of(stream.range()) == [EntryId(id).ms for id, _ in raw.xrange("s")]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"i": 3}, [3]),
        ({"i": [2, 4, 9]}, [2, 4]),
        ({"i": (2,)}, [2]),
        ({"i": {5, 6}}, [5]),
        ({"i": []}, []),
        ({"even": "true"}, [2, 4]),
        ({"even": "true", "i": [1, 2]}, [2]),
        ({"entry_id": "3-0"}, [3]),
        ({}, [1, 2, 3, 4, 5]),
        (lambda frame: frame["i"] > "3", [4, 5]),
        (lambda frame: (frame["i"].astype(int) % 2 == 0).tolist(), [2, 4]),
        (lambda frame: frame.index >= pd.Timestamp(4, unit="ms", tz="UTC"), [4, 5]),
    ],
)
def test_where_chooses_rows(five, has_schema, where, expected):
    frame = five.range(where=where)
    assert ids_of(frame) == expected
    assert has_schema(frame, frames.ENTRIES, *(["i", "even"] if expected else []))
    assert ids_of(five.range(where=where, reverse=True)) == expected[::-1]
    assert [i for frame in five.frames(where=where, count=2) for i in ids_of(frame)] == expected


def test_where_over_several_pages(stream, raw):
    fill(raw, 2500)
    raw.xadd("s", {"late": "x"}, id="2501-0")
    assert stream.range(where={"i": [1, 1000, 1001, 2500]})["i"].tolist() == [1, 1000, 1001, 2500]
    assert stream.range(where={"late": "x"})["entry_id"].tolist() == ["2501-0"]
    assert stream.range(where={"i": 2000}, limit=1).attrs["truncated"] is False
    assert [
        frame["i"].tolist()
        for frame in stream.frames(where=lambda f: f["i"].isin(["1000", "2000"]), count=2)
    ] == [["1000", "2000"]]


def test_where_with_a_column_that_does_not_exist(five):
    message = "where='colour': no entry has this column; there are entry_id, i, even"
    with pytest.raises(ValueError, match=message):
        five.range(where={"i": 1, "colour": "red"})
    with pytest.raises(ValueError, match=message):
        list(five.frames(where={"colour": "red"}))
    assert five.range("6", where={"colour": "red"}).empty, "there is no entry to say so"


def test_columns_are_kept_in_the_order_asked_for(five, has_schema):
    with pytest.warns(RedisnbWarning, match="columns='colour': no entry has this column"):
        frame = five.range(columns=["even", "colour", "i"])
    assert has_schema(frame, frames.ENTRIES, "even", "colour", "i")
    assert frame["colour"].isna().all()
    assert has_schema(five.range(columns=[]), frames.ENTRIES)
    assert has_schema(five.range(columns=["entry_id", "i"]), frames.ENTRIES, "i")
    # where= looks at all of them.
    assert five.range(columns=["i"], where={"even": "true"})["i"].tolist() == [2, 4]
    assert [list(f.columns) for f in five.frames(columns=["i"])] == [["entry_id", "i"]]


def test_types(five):
    assert five.range(types="text")["i"].tolist() == ["1", "2", "3", "4", "5"]
    chosen = five.range(types={"i": "float32", "even": "category", "colour": "int64"})
    assert chosen.dtypes.astype(str).to_dict() == {
        "entry_id": "str", "i": "float32", "even": "category", "colour": "Int64",
    }  # fmt: skip
    with pytest.raises(rnb.DecodeError, match="column 'even' cannot be read as int64"):
        five.range(types={"even": "int64"})
    assert [str(f["i"].dtype) for f in five.frames(types={"i": "Int64"})] == ["Int64"]


def test_types_are_those_of_the_whole_frame_and_not_of_a_page(stream, raw):
    fill(raw, 1500)
    raw.xadd("s", {"i": "007"}, id="9999-0")
    assert stream.range()["i"].tolist()[::1500] == ["1", "007"]
    assert str(stream.range(limit=1500)["i"].dtype) == "int64"


@pytest.mark.parametrize(("n", "count"), [(2500, 1000), (2500, 999), (2500, 2500), (3000, 1500)])
def test_frames_have_all_the_entries_in_pieces(stream, raw, n, count):
    fill(raw, n)
    pieces = list(stream.frames(count=count))
    assert [len(piece) for piece in pieces] == [
        min(count, n - start) for start in range(0, n, count)
    ]
    pd.testing.assert_frame_equal(pd.concat(pieces), stream.range(types="text"))


def test_a_piece_does_not_guess(stream, raw):
    """What a column is would else be told by the entries that happen to be in the piece."""
    raw.xadd("s", {"qty": "7", "note": "x", "payload": '{"n": 1, "f": 0.5, "t": true}'}, id="1-0")
    raw.xadd("s", {"payload": '{"n": null, "u": {"id": 5}}'}, id="2-0")
    raw.xadd("s", {"qty": "007", "payload": '{"n": "one", "new": [1]}'}, id="3-0")
    with pytest.warns(RedisnbWarning, match=r"schema=\{'qty': 'Int64'\}") as caught:
        pieces = list(stream.frames(count=1))
    assert (len(caught), caught[0].filename) == (1, __file__)
    types = {"n": "Int64", "f": "Float64", "t": "boolean", "qty": "str", "note": "str"}
    assert pieces[0].iloc[:, 1:].dtypes.astype(str).to_dict() == types
    assert pieces[1].iloc[:, 1:].dtypes.astype(str).to_dict() == types | {"u.id": "Int64"}
    assert pieces[1].isna().iloc[0].tolist() == [False, *[True] * 5, False]
    types |= {"n": "str", "u.id": "Int64", "new": "object"}
    assert pieces[2].iloc[:, 1:].dtypes.astype(str).to_dict() == types
    assert pieces[2]["qty"].tolist() == ["007"]
    # A whole read sees all of it.
    assert str(stream.range(limit=1)["qty"].dtype) == "int64"


@pytest.mark.parametrize("options", [{"types": "text"}, {"types": {"qty": "Int64"}}])
def test_who_says_the_types_is_not_told_of_them(stream, raw, options):
    raw.xadd("s", {"qty": "7"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(stream.frames(**options))) == 1


def test_frames_read_no_further_than_they_are_asked(stream, raw):
    fill(raw, 20_000)
    raw.config_resetstat()
    pieces = stream.frames(count=1000)
    next(pieces)
    # Pages of 10, 80, 640 and 1,000; one more may be on its way while the last is looked at.
    assert raw.info("commandstats")["cmdstat_xrange"]["calls"] <= 5
    pieces.close()
    with pytest.raises(ValueError, match="count=0"):
        next(stream.frames(count=0))


def test_head_and_tail(stream, raw):
    fill(raw, 2500)
    everything = stream.range()
    for n in (0, 1, 10, 1000, 1001, 2500, 9999):
        pd.testing.assert_frame_equal(
            stream.head(n), everything.head(n) if n else stream.head(0), check_dtype=bool(n)
        )
        assert ids_of(stream.tail(n)) == list(range(max(1, 2501 - n), 2501))
    assert (len(stream.head()), len(stream.tail())) == (10, 10)


@pytest.mark.parametrize("n", [-1, 2.5, True, "5"])
def test_a_number_of_rows_that_is_none(five, n):
    for call in (five.head, five.tail):
        with pytest.raises(ValueError, match=f"n={n!r}; it is a number of rows"):
            call(n)
    with pytest.raises(ValueError, match=f"limit={n!r}"):
        five.range(limit=n)
    with pytest.raises(ValueError, match=f"count={n!r}"):
        next(five.frames(count=n))


# Follow


def added_while_it_waits(raw, wait_until, *ids: str) -> threading.Thread:
    """Add an entry each time that a client waits in XREAD."""

    def work() -> None:
        for id in ids:
            wait_until(lambda: in_xread(raw))
            raw.xadd("s", {"late": id}, id=id)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def follow(stream, *args, **kwargs) -> list[EntryId]:
    return [entry.id for entry in stream.follow(*args, **kwargs)]


def afollow(stream, *args, **kwargs) -> list[EntryId]:
    async def collect():
        return [entry.id async for entry in stream.afollow(*args, **kwargs)]

    return asyncio.run(collect())


both = pytest.mark.parametrize("follow", [follow, afollow])


@pytest.mark.slow
@both
@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("all", ["1-0", "2-0", "3-0", "4-0", "5-0"]),
        ("new", []),
        ("4-0", ["4-0", "5-0"]),
        ("4", ["4-0", "5-0"]),
        (EntryId("3-1"), ["4-0", "5-0"]),
        ("0-0", ["1-0", "2-0", "3-0", "4-0", "5-0"]),
        ("(3-0", ["4-0", "5-0"]),
        ("(2-5", ["3-0", "4-0", "5-0"]),
        ("(5-0", []),
        (dt.datetime(1970, 1, 1, 0, 0, 0, 3500, tzinfo=dt.UTC), ["4-0", "5-0"]),
        ("-5min", []),
    ],
)
def test_where_following_begins(five, follow, start, expected):
    assert follow(five, start, timeout=0.03) == expected


@pytest.mark.parametrize("text", ['{"i": 1}', b'{"i": 1}'])
def test_json_text_under_payload_is_encoded_twice_and_said(conn, text):
    stream = Stream(conn, "s")
    frame = pd.DataFrame({"payload": ['{"i": 1}']})
    calls = [lambda: stream.add_many([{"payload": '{"i": 1}'}]), lambda: stream.add_many(frame)]
    if isinstance(text, str):
        calls.append(lambda: stream.add({"payload": text}))
    for call in calls:
        with pytest.warns(
            RedisnbWarning, match=r"encoded twice; add\(json.loads\(text\)\)"
        ) as caught:
            call()
        assert caught[0].filename == __file__
    stream.add({"payload": "no object"})
    stream.add({"payload": '{"i": 1}', "more": 1})
    Stream(conn, "f", format="fields").add({"payload": text})


def test_a_schema_gives_every_frame_the_same_columns(conn, raw, tmp_path, wait_until):
    for i, qty in enumerate(["7", "", "x", "9"]):
        raw.xadd("s", {"qty": qty, "note": "n"}, id=f"{i + 1}-0")
    assert Stream(conn, "s").infer_schema() == {"qty": "str", "note": "str"}
    assert Stream(conn, "s").infer_schema(1) == {"qty": "Int64", "note": "str"}
    stream = Stream(conn, "s", schema={"qty": "int64", "more": "boolean"})
    group = rnb.ConsumerGroup(stream, "g", consumer="c")
    group.create("all")
    frames_of = [stream.range(), stream.tail(4), group.read(9), *stream.frames(count=1)]
    for frame in [*frames_of, stream.range("5"), group.read(9)]:
        assert frame.iloc[:, 1:].dtypes.astype(str).to_dict() == {"qty": "Int64", "more": "boolean"}
    assert frames_of[0]["qty"].tolist() == [7, pd.NA, pd.NA, 9]
    assert frames_of[0].attrs["misfits"] == {"qty": 2}
    pending = group.pending(payload=True)
    assert pending["qty"].tolist() == [7, pd.NA, pd.NA, 9]
    assert (list(pending.columns[-2:]), pending.attrs["misfits"]) == (["qty", "more"], {"qty": 2})
    assert stream.range(where="qty > 7")["entry_id"].tolist() == ["4-0"]
    assert follow(stream, "all", timeout=0.03, where="qty is null") == ["2-0", "3-0"]
    seen = []
    with rnb.Consumer(stream, on_frame=seen.append, start="all", after="keep") as consumer:
        wait_until(lambda: consumer.stats["handled"] == 4)
    for frame in [*seen, consumer.frame()]:
        assert frame.iloc[:, 1:].dtypes.astype(str).to_dict() == {"qty": "Int64", "more": "boolean"}
    # Another one for once, and in a file.
    assert stream.range(schema={"qty": "str"})["qty"].tolist() == ["7", "", "x", "9"]
    rnb.capture(stream, tmp_path / "c.jsonl")
    loaded = rnb.load(tmp_path / "c.jsonl", schema={"qty": "Int64"}, where={"qty": [7, 9]})
    assert loaded["qty"].tolist() == [7, 9]
    with pytest.raises(ValueError, match="types= is for frames without a schema"):
        stream.range(types="text")


@both
@pytest.mark.parametrize(
    "where", [{"i": [2, 5]}, "i = 2 or i = '5'", lambda frame: frame["i"].astype(int).isin([2, 5])]
)
def test_following_what_is_wanted(five, follow, where):
    assert follow(five, "all", timeout=0.03, where=where) == ["2-0", "5-0"]


@both
def test_following_refuses_what_is_no_filter_at_once(five, follow):
    with pytest.raises(ValueError, match="text stands in single quotes"):
        five.follow(where='i = "2"')
    with pytest.raises(ValueError, match="text stands in single quotes"):
        five.afollow(where='i = "2"')


def test_following_gives_entries(five):
    entry = next(five.follow("2"))
    assert (entry.id, entry.stream, entry.format) == ("2-0", "s", "fields")
    assert entry.fields == ((b"i", b"2"), (b"even", b"true"))
    assert entry.event == {"i": "2", "even": "true"}
    assert entry.time == pd.Timestamp(2, unit="ms", tz="UTC")


@both
def test_following_over_several_pages(stream, raw, follow):
    fill(raw, 2500)
    assert follow(stream, "all", timeout=0.03) == [f"{i}-0" for i in range(1, 2501)]


@pytest.mark.parametrize("start", ["new", "all", "6"])
def test_following_sees_what_comes_while_it_waits(five, raw, wait_until, start):
    expected = [f"{i}-0" for i in range(1 if start == "all" else 6, 9)]
    writer = added_while_it_waits(raw, wait_until, "6-0", "7-0", "8-0")
    following = five.follow(start)
    assert [next(following).id for _ in expected] == expected
    writer.join()


@pytest.mark.parametrize("start", ["new", "all", "6"])
def test_following_in_asyncio_sees_what_comes_while_it_waits(five, raw, wait_until, start):
    expected = [f"{i}-0" for i in range(1 if start == "all" else 6, 9)]

    async def collect():
        following = five.afollow(start)
        found = [(await anext(following)).id for _ in expected]
        await following.aclose()
        return found

    writer = added_while_it_waits(raw, wait_until, "6-0", "7-0", "8-0")
    assert asyncio.run(collect()) == expected
    writer.join()


@pytest.mark.parametrize("start", ["new", "all", "6"])
def test_nothing_is_skipped_between_the_call_and_the_first_entry(five, raw, start):
    following = five.follow(start, timeout=0.05)
    raw.xadd("s", {"i": 6}, id="6-0")
    found = [next(following).id]
    raw.xadd("s", {"i": 7}, id="7-0")
    found += [entry.id for entry in following]
    assert found[-2:] == ["6-0", "7-0"]

    async def later():
        following = five.afollow(start, timeout=0.05)
        raw.xadd("s", {"i": 8}, id="8-0")
        return [entry.id async for entry in following]

    assert asyncio.run(later())[-1] == "8-0"


def test_nothing_is_skipped_while_the_loop_is_busy(stream, raw):
    fill(raw, 1500)
    seen = []
    for entry in stream.follow("all", timeout=0.05):
        seen.append(entry.id.ms)
        if len(seen) % 700 == 0:
            raw.xadd("s", {"i": 0}, id=f"{5000 + len(seen)}-0")
    assert seen == [*range(1, 1501), 5700, 6400]


def test_a_new_stream_is_followed_from_its_first_entry(stream, raw, wait_until):
    writer = added_while_it_waits(raw, wait_until, "1-0")
    assert next(stream.follow("new")).id == "1-0"
    writer.join()


@pytest.mark.slow
@both
def test_following_ends_when_nothing_comes(five, follow):
    for timeout in (0.1, "100ms", dt.timedelta(milliseconds=100)):
        start = time.monotonic()
        assert follow(five, "new", timeout=timeout) == []
        assert 0.1 <= time.monotonic() - start < deadline(1.5)


def test_the_time_that_the_loop_takes_is_no_waiting(five, raw):
    seen = []
    for entry in five.follow("4", timeout=0.1):
        seen.append(entry.id)
        if entry.id == "5-0":
            time.sleep(0.15)
            raw.xadd("s", {"i": 6}, id="6-0")
    assert seen == ["4-0", "5-0", "6-0"]


@both
def test_without_a_time_to_wait_it_reads_what_is_there(five, follow):
    assert follow(five, "4", timeout=0) == ["4-0", "5-0"]
    assert follow(five, "new", timeout=0) == []
    with pytest.raises(ValueError, match="timeout=-1 is negative"):
        follow(five, "all", timeout=-1)


def test_leaving_the_loop_leaves_the_connection_usable(stream, raw):
    fill(raw, 1500)
    for entry in stream.follow("all"):
        if entry.id.ms == 1200:
            break
    assert len(stream) == 1500


def test_ctrl_c_while_following_leaves_the_connection_usable(five, ctrl_c, raw):
    following = five.follow("all")
    for _ in range(5):
        next(following)
    ctrl_c("xread")
    with pytest.raises(KeyboardInterrupt):
        next(following)
    raw.xadd("s", {"i": 6}, id="6-0")
    assert (len(five), ids_of(five.tail(1))) == (6, [6])
    assert follow(five, "5", timeout=0.05) == ["5-0", "6-0"]


def links_of(raw, name: str) -> int:
    return sum(client["name"] == name for client in raw.client_list())


def test_an_asyncio_follow_has_a_link_of_its_own_and_closes_it(server, raw, wait_until):
    raw.flushall()
    fill(raw, 5)
    with connect(server.url, client_name="mine") as conn:
        stream = Stream(conn, "s")
        before = links_of(raw, "mine")

        async def part():
            following = stream.afollow("all")
            assert (await anext(following)).id == "1-0"
            assert links_of(raw, "mine") == before + 1
            # The other link answers meanwhile.
            assert len(stream) == 5
            await following.aclose()

        async def cancelled():
            async def wait_for_more():
                async for _ in stream.afollow("new"):
                    pytest.fail("there is nothing new")

            task = asyncio.create_task(wait_for_more())
            await asyncio.to_thread(wait_until, lambda: links_of(raw, "mine") > before)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        for each in (part, cancelled):
            asyncio.run(each())
            wait_until(lambda: links_of(raw, "mine") == before)
        assert len(stream) == 5


def test_following_another_type_of_key(stream, raw):
    raw.set("s", "text")
    for start in ("all", "new"):
        with pytest.raises(redis.ResponseError, match="wrong kind of value"):
            follow(stream, start)
        with pytest.raises(redis.ResponseError, match="wrong kind of value"):
            afollow(stream, start)


@pytest.mark.slow
def test_following_a_server_that_hangs_ends_with_an_error(tcp_server):
    with connect(tcp_server.url, timeout=deadline(0.2)) as conn:
        stream = Stream(conn, "s")
        stream.add({"i": 1}, id="1-0")
        following, later = stream.follow("all"), stream.afollow("all")
        assert next(following).id == "1-0"

        async def follow():
            assert (await anext(later)).id == "1-0"
            os.kill(tcp_server.process.pid, signal.SIGSTOP)
            await anext(later)

        try:
            with pytest.raises(redis.TimeoutError):
                asyncio.run(follow())
            with pytest.raises(ConnectError, match=f"did not answer within {conn.timeout:g} s"):
                next(following)
        finally:
            os.kill(tcp_server.process.pid, signal.SIGCONT)
        assert len(stream) == 1


# Look after


def test_the_length_and_the_truth_of_a_stream(stream, raw):
    assert (len(stream), bool(stream)) == (0, True)
    fill(raw, 3)
    assert len(stream) == 3
    assert repr(stream) == "Stream('s')"


def test_the_state_of_a_stream(five, raw, has_schema, knows_lag):
    raw.xgroup_create("s", "behind", "0")
    raw.xgroup_create("s", "ahead", "5-0")
    raw.xreadgroup("behind", "somebody", {"s": ">"}, count=2)
    info = five.info()
    assert has_schema(info, frames.STREAMS)
    assert info["oldest_pending"].notna().all()
    assert info["first_time"].dt.as_unit("ms").astype("int64").tolist() == [1]
    assert info["last_time"].dt.as_unit("ms").astype("int64").tolist() == [5]
    assert info["rate"].isna().all(), "IDs of 1970 are no times of adding"
    apart = ["size", "oldest_pending", "first_time", "last_time", "rate"]
    shown = info.drop(columns=apart).astype(object)
    assert shown.where(shown.notna(), None).to_dict("records") == [
        {
            "stream": "s", "length": 5, "groups": 2, "first_id": "1-0", "last_id": "5-0",
            "lag": 3 if knows_lag else None, "pending": 2, "dead_letters": 0,
        }
    ]  # fmt: skip
    assert info["size"].tolist() == [raw.memory_usage("s")]
    raw.xtrim("s", maxlen=0, approximate=False)
    emptied = five.info()
    assert has_schema(emptied, frames.STREAMS)
    assert emptied.loc[0, ["length", "last_id"]].tolist() == [0, "5-0"]
    assert emptied[["first_id", "first_time", "last_time"]].isna().all(axis=None)


def test_the_groups_of_a_stream(five, raw, has_schema, knows_lag):
    assert has_schema(five.groups(), frames.GROUPS)
    raw.xgroup_create("s", "b", "0")
    raw.xgroup_create("s", "a", "4-0")
    raw.xreadgroup("b", "somebody", {"s": ">"}, count=2)
    groups = five.groups()
    assert has_schema(groups, frames.GROUPS)
    age = pd.Timestamp(raw.time()[0], unit="s") - pd.Timestamp(1, unit="ms")
    assert abs(groups.pop("oldest_pending")[1] - age) < pd.Timedelta("1min")
    assert groups.pop("longest_idle").lt(pd.Timedelta("1min")).tolist() == [False, True]
    assert groups.astype(object).where(groups.notna(), None).to_dict("records") == [
        {
            "stream": "s", "group": "a", "consumers": 0, "pending": 0,
            "last_delivered_id": "4-0", "entries_read": None, "lag": None,
            "lag_unknown": state.NO_START if knows_lag else state.NOT_COUNTED,
        },
        {
            "stream": "s", "group": "b", "consumers": 1, "pending": 2,
            "last_delivered_id": "2-0",
            "entries_read": 2 if knows_lag else None, "lag": 3 if knows_lag else None,
            "lag_unknown": None if knows_lag else state.NOT_COUNTED,
        },
    ]  # fmt: skip


def test_delete(five, raw):
    assert five.delete("1-0") == 1
    assert five.delete(["1-0", "2-0", b"3-0"]) == 2
    assert five.delete(five.range("4", "4")) == 1
    assert [id for id, _ in raw.xrange("s")] == [b"5-0"]
    assert five.delete([]) == 0
    assert five.delete(five.range("9")) == 0
    assert len(five) == 1


def test_delete_more_than_one_command_takes(stream, raw):
    fill(raw, 2500)
    assert stream.delete(stream.range()) == 2500
    assert raw.xlen("s") == 0


@pytest.mark.parametrize(
    ("entries", "error", "message"),
    [
        ("nonsense", EntryIdError, "'nonsense' is neither an entry ID nor a time"),
        (["1-0", "x"], EntryIdError, "'x' is neither an entry ID nor a time"),
        (5.5, TypeError, "give entry IDs or a frame of entries, not float"),
        ([5.5], EntryIdError, "5.5 is neither an entry ID nor a time"),
        (-5, EntryIdError, "-5: the milliseconds of an entry ID are from 0"),
        (pd.DataFrame({"id": ["1-0"]}), ValueError, "no column entry_id"),
    ],
)
def test_delete_what_is_no_entry(five, raw, entries, error, message):
    with pytest.raises(error, match=message):
        five.delete(entries)
    assert raw.xlen("s") == 5


def test_trim(five, raw):
    assert five.trim(maxlen=4) == 1
    assert five.trim(minid="3-0") == 1
    assert five.trim(minid=dt.datetime(1970, 1, 1, 0, 0, 0, 3500, tzinfo=dt.UTC)) == 1
    assert [id for id, _ in raw.xrange("s")] == [b"4-0", b"5-0"]
    assert five.trim(minid="-5min") == 2
    assert raw.exists("s"), "an empty stream stays"
    for arguments, message in [
        ({}, r"trim\(\) needs maxlen= or minid="),
        ({"maxlen": 1, "minid": "1"}, "not both"),
        ({"maxlen": -1}, "maxlen=-1"),
        ({"minid": "soon"}, "'soon' is neither an entry ID nor a time"),
    ]:
        with pytest.raises(ValueError, match=message):
            five.trim(**arguments)


def test_trim_is_exact(stream, raw):
    fill(raw, 2500)
    assert stream.trim(maxlen=1234) == 1266
    assert raw.xlen("s") == 1234


def test_destroy(five, raw):
    raw.xgroup_create("s", "g", "0")
    assert five.destroy() is True
    assert not raw.exists("s")
    assert five.destroy() is False
    five.add({"i": 1}, id="1-0")
    assert five.groups().empty
    raw.set("s", "text")
    with pytest.raises(redis.ResponseError, match="wrong kind of value"):
        five.destroy()
    assert raw.get("s") == b"text"


def test_a_stream_needs_a_connection_and_a_format(conn, raw):
    for given in (raw, "redis://127.0.0.1", None):
        with pytest.raises(TypeError, match=r"conn is what redisnb\.connect\(\) returns, not"):
            Stream(given, "s")
    with pytest.raises(ValueError, match="format='yaml'; choose one of auto, json, fields, raw"):
        Stream(conn, "s", format="yaml")


def test_reading_gives_no_warning(five):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        five.range()
        list(five.frames(types="text"))


def test_a_position_in_parentheses_is_left_out(conn):
    stream = Stream(conn, "s")
    stream.add_many([{"i": i} for i in range(4)], ids=["5-0", "5-1", "6-0", "7-0"])
    assert [entry.id for entry in stream.follow("(5-1", timeout="10ms")] == ["6-0", "7-0"]
    assert [entry.id for entry in stream.follow("(5", timeout="10ms")] == ["6-0", "7-0"]
    assert stream.range("(5", "(7")["entry_id"].tolist() == ["6-0"]
    moment = pd.Timestamp(6, unit="ms", tz="UTC")
    assert stream.range(end=f"({moment}")["entry_id"].tolist() == ["5-0", "5-1"]


def test_destroy_removes_the_stream_and_its_last_id(conn, raw):
    stream = Stream(conn, "s")
    assert stream.destroy() is False
    stream.add({"i": 1}, id="9-0")
    assert stream.destroy() is True
    assert not raw.exists("s")
    assert stream.add({"i": 1}, id="1-0") == "1-0"
    raw.set("text", "kept")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        Stream(conn, "text").destroy()
    assert raw.get("text") == b"kept"


def test_where_has_to_give_a_truth_for_each_row(conn):
    stream = Stream(conn, "s")
    stream.add({"i": 1})
    with pytest.raises(ValueError, match="where gave 2 truth values for 1 rows"):
        stream.range(where=lambda frame: [True, False])


def test_an_iterator_is_taken_as_it_is_sent(conn, raw):
    taken = []

    def events():
        for i in range(5000):
            taken.append(i)
            if i == 4000:
                # Long before the end, the first are in the stream.
                assert raw.xlen("s") >= 1000
            yield {"i": i}

    added = Stream(conn, "s").add_many(events())
    assert added["status"].tolist() == ["added"] * 5000
    assert raw.xlen("s") == len(taken) == 5000


def test_of_an_iterator_an_event_that_cannot_be_carried_has_failed(conn, raw):
    events = iter([{"i": 1}, {"i": {1}}, {"i": 3}])
    with pytest.warns(RedisnbWarning, match="of 3 events 1 failed; first: row 1: 'i': JSON cannot"):
        added = Stream(conn, "s").add_many(events)
    assert added["status"].tolist() == ["added", "failed", "added"]
    assert added["entry_id"].isna().tolist() == [False, True, False]
    assert raw.xlen("s") == 2


def test_an_iterator_keeps_what_was_not_sent_when_the_connection_breaks(proxy, raw):
    raw.flushall()
    events = iter([{"i": i} for i in range(5000)])
    with connect(proxy.url, timeout=deadline(0.5)) as conn:
        proxy.lines = 2 * 1500
        with pytest.warns(RedisnbWarning, match="unknown"):
            added = Stream(conn, "s").add_many(events)
    assert added["status"].tolist() == ["added"] * 1500 + ["unknown"] * 1500
    assert next(events) == {"i": 3000}


@pytest.mark.parametrize("progress", [False, True])
def test_progress_is_shown_on_request(conn, capsys, progress):
    stream = Stream(conn, "s")
    stream.add_many([{"i": i} for i in range(30)], progress=progress)
    assert len(stream.range(limit=100, progress=progress)) == 30
    shown = capsys.readouterr().err
    assert ("30.0/30.0" in shown and "events" in shown and "entries" in shown) is progress


def test_progress_says_what_it_needs(conn, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(rnb.MissingExtraError, match="tqdm is not installed"):
        Stream(conn, "s").range(progress=True)


def test_an_error_in_the_middle_of_a_read_says_how_to_go_on(conn, raw):
    fill(raw, 5000)
    stream = Stream(conn, "s")

    def replace(frame):
        # Between two pages another client replaces the stream.
        if len(frame) == 1000:
            raw.set("s", "text")
        return [True] * len(frame)

    with pytest.raises(redis.ResponseError, match="WRONGTYPE") as caught:
        stream.range(where=replace)
    said = re.search(
        r"([0-9,]+) entries were read .*, the last one ([0-9]+)-0;", caught.value.__notes__[-1]
    )
    assert int(said[1].replace(",", "")) == int(said[2]) > 0
    assert f"range('({said[2]}-0', ...) continues after it" in caught.value.__notes__[-1]


def test_what_is_trimmed_while_it_is_read_is_left_out_and_nothing_else(conn, raw):
    fill(raw, 5000)

    def trim(frame):
        if frame["i"].iloc[0] == 91:
            raw.xtrim("s", minid=4000)
        return [True] * len(frame)

    found = Stream(conn, "s").range(where=trim)["i"].tolist()
    assert found == sorted(set(found))
    assert found[-1001:] == list(range(4000, 5001))


@pytest.mark.slow
def test_an_entry_of_64_mb_is_read(conn, raw):
    raw.xadd("s", {"i": 1, "blob": "x" * 64_000_000}, id=1)
    raw.xadd("s", {"i": 2, "blob": "y"}, id=2)
    frame = Stream(conn, "s").range()
    assert frame["blob"].str.len().tolist() == [64_000_000, 1]
