"""replay(): what goes from where to where, when, and what becomes of it."""

import asyncio
import datetime
import logging
import math
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pandas as pd
import pytest
import redis

from redisnb import (
    EncodeError,
    EntryId,
    EntryIdError,
    Replay,
    ReplayError,
    Stream,
    capture,
    connect,
    frames,
    replay,
    stop_all,
    wire,
)
from redisnb.captures.writer import CaptureWriter
from redisnb.entries import AUTO, id_pair, pair_bounds
from redisnb.replays import plan, player, replaying, step
from redisnb.replays.sources import ALL
from redisnb.wire import Server
from tests.consuming import threads
from tests.deadlines import deadline
from tests.replaying import add, after, fields, fill, numbers, once_sent, stored, write

pytestmark = pytest.mark.filterwarnings("ignore:text that would be numbers")

INF = math.inf
FIRST = 1_700_000_000_000
# In the package, the function has its name.


@pytest.fixture
def filled(raw, conn):
    fill(raw, 50)
    return conn


@pytest.fixture
def here(filled) -> Stream:
    return Stream(filled, "from")


@pytest.fixture
def there(filled) -> Stream:
    return Stream(filled, "to")


# -- where from


def test_fields_are_carried_byte_for_byte(here, there, raw):
    report = replay(here, there, speed=INF)

    assert [parts for _, parts in stored(raw)] == [fields(i) for i in range(50)]
    assert (report.state, report.read, report.added) == ("finished", 50, 50)
    assert report.skipped == report.unknown == report.failed == report.unreadable == 0
    assert report.frame()["entry_id"].tolist() == [id for id, _ in stored(raw)]
    assert set(report.frame()["status"]) == {"added"}
    copies = report.copies()
    assert copies["entry_id"].tolist() == [id.decode() for id, _ in raw.xrange("from")]
    assert copies["added_id"].tolist() == [id for id, _ in stored(raw)]
    assert set(zip(copies["stream"], copies["target"], strict=True)) == {("from", "to")}
    assert report.copies(3)["entry_id"].tolist() == copies["entry_id"].tolist()[-3:]


@pytest.mark.parametrize("name", ["c.parquet", "c.jsonl", "c.jsonl.gz", "c.jsonl.zst", "c"])
def test_a_capture(name, raw, filled, there, tmp_path):
    write(raw, tmp_path / name)
    replay(tmp_path / name, there, speed=INF, ids="keep")

    assert stored(raw) == stored(raw, "from")


def test_a_capture_can_be_named_by_text(raw, there, tmp_path):
    write(raw, tmp_path / "c.parquet")
    assert replay(f"{tmp_path}/c.parquet", there, speed=INF).added == 50


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (None, None, range(50)),
        (f"{FIRST + 10}", f"{FIRST + 20}", range(10, 21)),
        (f"({FIRST + 10}", f"({FIRST + 20}", range(11, 20)),
        (f"{FIRST + 10}-2", f"{FIRST + 20}-1", range(11, 20)),
        (f"({FIRST + 11}-2", f"({FIRST + 20}-2", range(12, 20)),
        (pd.Timestamp(FIRST + 45, unit="ms", tz="UTC"), None, range(45, 50)),
        ("-5min", None, ()),
    ],
)
@pytest.mark.parametrize("kind", ["stream", "file", "frame"])
def test_a_range(kind, start, end, expected, raw, here, there, tmp_path):
    source = here
    if kind == "file":
        source = tmp_path / "c.jsonl"
        write(raw, source)
    if kind == "frame":
        source, there = here.range()[["entry_id", "i"]], Stream(there.conn, "to", format="fields")
    report = replay(source, there, start=start, end=end, speed=INF)

    assert numbers(raw) == list(expected)
    assert report.added == len(expected)


def test_bounds_as_numbers():
    most = 2**64 - 1
    assert pair_bounds(ALL) == ((0, 0), (most, most))
    assert pair_bounds(("(5-0", "(5-0")) == ((5, 1), (4, most))
    assert pair_bounds((f"(5-{most}", "5")) == ((6, 0), (5, most))


def test_several_sources_are_merged_by_id(filled, there, raw, tmp_path):
    with CaptureWriter(tmp_path / "odd.parquet", {"odd": AUTO}) as writer:
        writer.write([("odd", id.encode(), parts) for id, parts in stored(raw, "odd")])
    replay([Stream(filled, "even"), tmp_path / "odd.parquet"], there, speed=INF, ids="keep")

    assert stored(raw) == stored(raw, "from")


def test_a_capture_of_several_streams_out_of_order(filled, there, raw, tmp_path):
    """Entries are read one by one as they arrive, and none is lost or waits forever."""
    path = tmp_path / "c.jsonl"
    with CaptureWriter(path, {"even": AUTO, "odd": AUTO}) as writer:
        for key in ("even", "odd"):
            writer.write([(key, id.encode(), parts) for id, parts in stored(raw, key)])
    report = replay([path, Stream(filled, "from")], there, speed=100)

    assert sorted(numbers(raw)) == sorted([*range(50), *range(50)])
    assert report.added == 100


def test_somebodys_own_lines(there, raw, tmp_path):
    path = tmp_path / "own.jsonl"
    path.write_text("".join(f'{{"i": {i}}}\n' for i in range(5)))
    report = replay(path, there, rate=1000, where={"i": [1, 3]})

    assert there.range()["i"].tolist() == [1, 3]
    assert (report.read, report.added) == (5, 2)
    with pytest.raises(ReplayError, match=r"own\.jsonl has no times of entries"):
        replay(path, there)


def test_lines_through_a_pipe_are_read_once(there, raw, here, monkeypatch, tmp_path):
    path = tmp_path / "c.jsonl"
    write(raw, path)
    with path.open("rb") as file:
        monkeypatch.setattr("sys.stdin", file)
        piped = Replay("-", there, speed=INF, limit=20)
        assert piped.run().added == 20
        assert piped.progress.total == 20
    assert numbers(raw) == list(range(20))


def test_a_line_that_cannot_be_used_is_found_before_anything_is_sent(there, raw, tmp_path):
    path = tmp_path / "c.jsonl"
    write(raw, path)
    lines = path.read_bytes().splitlines(keepends=True)
    # The last line is the seal.
    path.write_bytes(b"".join([*lines[:-2], lines[-2][:9]]))
    with pytest.raises(ReplayError, match=f"line {len(lines) - 1}") as caught:
        replay(path, there, speed=INF)

    assert caught.value.line == len(lines) - 1
    assert not raw.exists("to")

    report = replay(path, there, speed=INF, on_error="skip")

    assert numbers(raw) == list(range(49))
    assert report.unreadable == 1
    assert "1 unreadable" in repr(report)


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        (7, TypeError, "source is a Stream, the path of a capture, a DataFrame"),
        ([], ValueError, "the list of sources is empty"),
        ("no/such/file", FileNotFoundError, "no/such/file"),
    ],
)
def test_what_is_no_source(source, error, message, there):
    with pytest.raises(error, match=message):
        replay(source, there)


def test_an_empty_source(conn, raw, tmp_path):
    report = replay([Stream(conn, "none"), Stream(conn, "nor this")], Stream(conn, "to"))

    assert (report.state, report.read, report.added) == ("finished", 0, 0)
    assert report.position is None
    assert report.lateness == {}
    assert report.frame().empty
    assert not raw.exists("to")
    assert replay(pd.DataFrame({"entry_id": []}), Stream(conn, "to")).added == 0


def test_a_key_of_another_type_is_no_source(conn, raw):
    raw.set("from", "x")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        replay(Stream(conn, "from"), Stream(conn, "to"))


def test_the_source_goes_away_for_a_while(raw, tcp_server, conn):
    fill(tcp_server.client, 3000)
    with connect(tcp_server.url) as from_:
        again = Replay(Stream(from_, "from"), Stream(conn, "to"), rate=20_000)

        def restart():
            tcp_server.kill()
            tcp_server.start()

        once_sent(again, 100, restart)
        assert again.run().added == 3000
    assert numbers(raw) == list(range(3000))


@pytest.mark.slow
def test_the_source_stays_away(raw, tcp_server, server):
    raw.flushall()
    fill(tcp_server.client, 3000)
    with connect(tcp_server.url, timeout=deadline(0.3)) as from_, connect(server.url) as conn:
        again = Replay(Stream(from_, "from"), Stream(conn, "to"), rate=10_000)
        once_sent(again, 100, tcp_server.kill)
        again.start()._end_event.wait(deadline(5))
        assert again.state == "failed"
        assert "continues after them" in again.error.__notes__[-1]
        with pytest.raises(Exception, match="cannot use"):
            again.run()
        tcp_server.start()
        assert again.run().added == 3000
    assert numbers(raw) == list(range(3000))


# -- frames


def test_an_entries_frame(filled, raw):
    found = Stream(filled, "from").range(limit=10)[["entry_id", "i"]]
    replay(found.iloc[::-1], Stream(filled, "to"), speed=INF, ids="keep")

    back = Stream(filled, "to").range()
    assert back["i"].tolist() == list(range(10))
    assert back["entry_id"].tolist() == found["entry_id"].tolist()
    assert list(back.columns) == ["entry_id", "i"]


def times(n):
    return pd.date_range("2024-05-01", periods=n, freq="ms", tz="UTC")


@pytest.mark.parametrize("as_index", [False, True])
def test_a_frame_with_times(as_index, conn, raw):
    frame = pd.DataFrame({"i": range(4), "entry_time": times(4)[[2, 0, 0, 1]]})
    if as_index:
        frame = frame.set_index("entry_time")
    replay(frame, Stream(conn, "to"), speed=INF, ids="keep")

    back = Stream(conn, "to").range()
    assert back["i"].tolist() == [1, 2, 3, 0]
    assert [EntryId(id).seq for id in back["entry_id"]] == [0, 1, 0, 0]
    assert list(back.columns) == ["entry_id", "i"]


def test_a_frame_without_times(conn, raw):
    frame = pd.DataFrame({"i": range(4)})
    to = Stream(conn, "to")
    replay(frame, to, speed=INF)
    replay(frame, to, rate=1000, limit=2)

    assert to.range()["i"].tolist() == [0, 1, 2, 3, 0, 1]
    for options in (
        {},
        {"speed": 2},
        {"speed": INF, "ids": "keep"},
        {"speed": INF, "ids": "shift"},
        {"speed": INF, "stamp": True},
        {"speed": INF, "resume": "r"},
        {"speed": INF, "start": "5-0"},
    ):
        with pytest.raises(ReplayError, match=r"give it a column entry_id or entry_time"):
            replay(frame, to, **options)
    with pytest.raises(ReplayError, match="several sources"):
        replay([frame, frame], to, speed=INF)


def test_a_frame_of_several_streams_keeps_them_apart(conn, raw):
    frame = pd.DataFrame(
        {"entry_id": ["1-0", "2-0", "3-0"], "stream": ["a", "b", "a"], "i": [1, 2, 3]},
        index=pd.Index(times(3), name="entry_time"),
    )
    replay(frame, conn, speed=INF)

    assert Stream(conn, "a").range()["i"].tolist() == [1, 3]
    assert Stream(conn, "b").range()["i"].tolist() == [2]


def test_wrong_times_and_ids(conn, raw):
    to = Stream(conn, "to")
    naive = pd.DataFrame({"entry_time": pd.date_range("2024", periods=2), "i": [1, 2]})
    with pytest.raises(EntryIdError, match="no time zone"):
        replay(naive, to)
    with pytest.raises(EntryIdError, match="not an entry ID"):
        replay(pd.DataFrame({"entry_id": ["x"], "i": [1]}), to)
    with pytest.raises(EntryIdError, match="no time zone"):
        replay(Stream(conn, "from"), to, start=datetime.datetime(2024, 1, 1))  # noqa: DTZ001


def test_a_row_that_cannot_be_carried_is_found_before_anything_is_sent(conn, raw):
    frame = pd.DataFrame({"i": [1, object()]})
    with pytest.raises(EncodeError, match="row 1"):
        replay(frame, Stream(conn, "to"), speed=INF)
    assert not raw.exists("to")


# -- where to


def test_a_connection_keeps_streams_apart(filled, raw, server):
    with connect(server.url, db=3) as other:
        report = replay(
            [Stream(filled, "even"), Stream(filled, "odd")], other, speed=INF, ids="keep"
        )
        assert report.added == 50
        for key in ("even", "odd"):
            assert stored(other.client, key) == stored(raw, key)


def test_a_mapping_says_where_to(filled, raw):
    where = {key: Stream(filled, f"{key}:2") for key in ("even", "odd")}
    replay([Stream(filled, "even"), Stream(filled, "odd")], where, speed=INF, ids="keep")

    for key in ("even", "odd"):
        assert stored(raw, f"{key}:2") == stored(raw, key)
    with pytest.raises(
        ReplayError, match="the target has no stream for 'from'; it has streams for"
    ):
        replay(Stream(filled, "from"), where)


@pytest.mark.parametrize("kind", ["file", "pipe", "frame", "entries"])
@pytest.mark.parametrize("mapped", [False, True])
def test_what_names_no_stream_goes_to_one(kind, mapped, filled, there, raw, tmp_path, monkeypatch):
    path = tmp_path / "own.jsonl"
    path.write_text('{"i": 0}\n{"i": 1}\n')
    frame = pd.DataFrame({"i": [0, 1]})
    entries = Stream(filled, "from").range(limit=2)[["entry_id", "i"]]
    source = {"file": path, "pipe": "-", "frame": frame, "entries": entries}[kind]
    keys = raw.keys()
    with path.open("rb") as file:
        monkeypatch.setattr("sys.stdin", file)
        several = {"frame": there, "": there} if mapped else filled
        with pytest.raises(
            ReplayError, match=r"does not name the stream .* give a Stream as target"
        ):
            replay(source, several, speed=INF)
        assert raw.keys() == keys

        file.seek(0)
        seen = []
        replay(source, there, speed=INF, where=lambda page: seen.extend(page) or page["i"].notna())
    assert there.range()["i"].tolist() == [0, 1]
    assert "stream" not in seen


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        ("to", TypeError, "target is a Stream, a Connection .* not str"),
        ({}, TypeError, "a Stream for each key"),
        ({"from": "to"}, TypeError, "a Stream for each key"),
    ],
)
def test_what_is_no_target(target, error, message, here):
    with pytest.raises(error, match=message):
        replay(here, target)


def test_a_target_of_two_connections(here, server):
    with connect(server.url) as other:
        streams = {"from": Stream(other, "a"), "b": Stream(here.conn, "b")}
        with pytest.raises(ValueError, match="one connection"):
            replay(here, streams)


def test_a_target_of_another_type(here, there, raw):
    raw.set("to", "x")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE") as caught:
        replay(here, there)
    assert "'to' holds another type" in caught.value.__notes__[0]


@pytest.mark.parametrize("way", ["stream", "connection", "other url"])
def test_not_onto_itself_unless_it_is_said(way, here, raw, server):
    with connect(server.url) as other:
        if way == "other url":
            other.url = "redis://the-same-by-another-name/0"
        target = here.conn if way == "connection" else Stream(other, "from")
        with pytest.raises(ValueError, match="onto itself"):
            replay(here, target)
        assert raw.xlen("from") == 50

        assert replay(here, target, speed=INF, allow_self=True).added == 50
    assert numbers(raw, "from") == [*range(50), *range(50)]


@pytest.mark.parametrize("name", ["x.parquet", "x.jsonl", "x.jsonl.zst", "x", "frame"])
def test_what_was_captured_does_not_go_back_unless_it_is_said(name, here, there, raw, tmp_path):
    other = Stream(here.conn, "other")
    other.add_many([{"i": i} for i in range(3)])
    path = tmp_path / name
    if name == "frame":
        source = here.range()
    else:
        capture([here, other], path)
        source = path
    into = Stream(here.conn, "from")
    for ids in ("new", "shift"):
        with pytest.raises(ValueError, match="onto itself; give another target, or say allow_self"):
            replay(source, into, speed=INF, ids=ids)
    assert raw.xlen("from") == 50
    # Other targets are allowed: one with another entry of the same ID, and one that is empty.
    if name != "frame":
        raw.xadd("to", {"x": "y"}, id=here.head(1)["entry_id"].item())
    assert replay(source, there, speed=INF).added in (50, 53)
    if name != "frame":
        with pytest.raises(ValueError, match="onto itself"):
            replay(path, here.conn, speed=INF)
    assert replay(source, into, speed=INF, allow_self=True).added in (50, 53)
    raw.delete("from")
    assert replay(source, into, speed=INF, ids="keep").added in (50, 53)
    if name != "frame":
        raw.delete("from", "other")
        assert replay(path, here.conn, speed=INF).added == 53


def test_another_database_or_server_is_not_itself(here, server, raw):
    with Server() as another:
        for url, db in ((server.url, 4), (another.url, 0)):
            with connect(url, db=db) as other:
                other.client.flushdb()
                assert replay(here, other, speed=INF).added == 50


def test_a_server_that_may_not_be_asked_is_told_by_its_address(here, server, raw, monkeypatch):
    with connect(server.url) as other:
        other.url = "redis://another-name/0"
        ask = wire.ask

        def refuse(conn, *command, **options):
            if command[0] == "INFO":
                raise redis.ResponseError("NOPERM this user has no permissions")
            return ask(conn, *command, **options)

        monkeypatch.setattr(plan.wire, "ask", refuse)
        assert replay(here, Stream(other, "from"), speed=INF).added == 50


# -- choice


def test_where(here, there, raw):
    report = replay(here, there, speed=INF, where={"i": [3, 5, 8]})

    assert numbers(raw) == [3, 5, 8]
    assert (report.read, report.added) == (50, 3)
    assert "3 added of 50 read" in repr(report)


def test_where_may_be_a_function(here, there, raw):
    replay(here, there, speed=500, where=lambda frame: frame["i"].astype(int) >= 47, limit=2)
    assert numbers(raw) == [47, 48]


def test_a_slip_in_where(here, there, raw):
    with pytest.raises(ValueError, match="where='j': no entry has this column"):
        replay(here, there, speed=INF, where={"j": 1})


def test_where_sees_the_stream_of_each_entry(filled, there, raw, tmp_path):
    path = tmp_path / "c.jsonl"
    with CaptureWriter(path, {"even": AUTO, "odd": AUTO}) as writer:
        for i in range(50):
            id, parts = stored(raw, "from")[i]
            writer.write([(("even", "odd")[i % 2], id.encode(), parts)])
    replay(path, there, speed=INF, where={"stream": "odd"})

    assert numbers(raw) == list(range(1, 50, 2))


def test_transform(here, there, raw):
    def double(frame):
        assert list(frame.columns[:2]) == ["entry_id", "i"]
        numbers = frame["i"].astype(int)
        return frame[["entry_id", "i"]].assign(i=numbers * 2)[numbers % 2 == 0]

    report = replay(
        here, there, speed=INF, transform=double, where=lambda f: f["i"].astype(int) < 10
    )

    back = there.range()
    assert back["i"].tolist() == [0, 4, 8, 12, 16]
    assert list(back.columns) == ["entry_id", "i"]
    assert (report.read, report.added) == (50, 5)


def test_transform_without_ids_keeps_all_rows(here, there):
    replay(here, there, speed=INF, transform=lambda frame: frame[["i"]].reset_index(drop=True))
    assert there.range()["i"].tolist() == list(range(50))
    assert "same" not in there.range()


def test_transform_of_a_frame_sees_its_own_types(conn):
    frame = pd.DataFrame({"when": times(3), "i": range(3)})
    to = Stream(conn, "to")
    replay(
        frame,
        to,
        speed=INF,
        where=lambda f: f["when"].dt.microsecond > 0,
        transform=lambda f: f.assign(i=f["i"] * 10),
    )
    assert to.range()["i"].tolist() == [10, 20]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda frame: frame.iloc[::-1],
        lambda frame: pd.concat([frame, frame]),
        lambda frame: frame.drop(columns="entry_id").iloc[1:],
        lambda frame: frame.assign(entry_id="5-5"),
    ],
)
def test_a_transform_that_loses_track(wrong, here, there, raw):
    with pytest.raises(ValueError, match="it may drop rows, if it keeps the column entry_id"):
        replay(here, there, speed=INF, transform=wrong)
    assert not raw.exists("to")


def test_what_is_no_transform(here, there):
    with pytest.raises(TypeError, match="transform= is a function"):
        replay(here, there, transform="x")
    with pytest.raises(TypeError, match="returns a DataFrame, not NoneType"):
        replay(here, there, speed=INF, transform=lambda frame: None)


def test_a_transform_that_cannot_be_carried(here, there, raw):
    with pytest.raises(EncodeError, match=f"entry {FIRST}-0: 'i'"):
        replay(here, there, speed=INF, transform=lambda f: f.assign(i=[object()] * len(f)))
    assert not raw.exists("to")


def test_what_where_raises_ends_it_and_nothing_is_lost(here, there, raw, monkeypatch):
    monkeypatch.setattr(step, "STEP_ENTRIES", 5)
    calls = []

    def sometimes(frame):
        calls.append(len(frame))
        if len(calls) == 2:
            raise ZeroDivisionError
        return frame["i"].notna()

    again = Replay(here, there, speed=INF, where=sometimes)
    with pytest.raises(ZeroDivisionError) as caught:
        again.run()
    done = raw.xlen("to")
    assert done < 50
    assert caught.value.__notes__
    again.run()

    assert numbers(raw) == list(range(50))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ids": "old"}, "ids='old'; choose"),
        ({"limit": -1}, "limit=-1"),
        ({"speed": 0}, "speed=0"),
        ({"speed": -2}, "speed=-2"),
        ({"speed": 2, "rate": 2}, "give one of them"),
        ({"resume": ""}, "resume=''; it is a name"),
        ({"resume": True}, "resume=True; it is a name"),
        ({"on_error": "ignore"}, "on_error='ignore'"),
    ],
)
def test_wrong_options(options, message, there, raw, tmp_path):
    write(raw, tmp_path / "c.jsonl")
    with pytest.raises(ValueError, match=message):
        replay(tmp_path / "c.jsonl", there, **options)
    assert not raw.exists("to")


def test_stamp(filled, there, raw):
    replay([Stream(filled, "even"), Stream(filled, "odd")], there, speed=INF, stamp=True, limit=2)

    first, second = stored(raw)
    assert first[1] == [
        *fields(0),
        *(b"replay:stream", b"even", b"replay:id", f"{FIRST}-0".encode()),
    ]
    assert second[1][-4:] == [b"replay:stream", b"odd", b"replay:id", f"{FIRST + 1}-1".encode()]


def test_an_entry_with_too_many_fields(conn, raw):
    add(raw, "from", [("1-0", [b"x"] * step.MOST_PARTS), ("2-0", [b"x"] * (step.MOST_PARTS + 2))])
    with pytest.raises(ReplayError, match=r"entry 2-0 of .from. has more than 3,500"):
        replay(Stream(conn, "from"), Stream(conn, "to"), speed=INF)
    assert replay(Stream(conn, "from"), Stream(conn, "to"), speed=INF, limit=1).added == 1
    assert stored(raw, "to")[0][1] == stored(raw, "from")[0][1]


def test_large_entries_go_a_few_at_a_time(conn, raw):
    add(raw, "from", [(f"{i + 1}-0", [b"i", b"%d" % i, b"x", bytes(400_000)]) for i in range(7)])
    commands = []
    ask = wire.ask_packed

    def counting(conn, packed, meanwhile):
        commands.append(len(packed))
        return ask(conn, packed, meanwhile)

    player.wire.ask_packed = counting
    try:
        replay(Stream(conn, "from"), Stream(conn, "to"), speed=INF)
    finally:
        player.wire.ask_packed = ask
    assert numbers(raw) == list(range(7))
    assert max(commands) <= step.STEP_BYTES
    assert len(commands) >= 2


# -- IDs


def test_shifted_ids_keep_their_gaps(here, there, raw):
    before = time.time()
    replay(here, there, speed=INF, ids="shift")

    moved = {
        (id_pair(new)[0] - id_pair(old)[0], id_pair(new)[1] - id_pair(old)[1])
        for (new, _), (old, _) in zip(stored(raw), stored(raw, "from"), strict=True)
    }
    assert len(moved) == 1
    assert abs(id_pair(stored(raw)[0][0])[0] / 1000 - before) < 5


def test_the_same_id_of_two_streams_is_counted_up(conn, raw):
    add(raw, "a", [("5-0", fields(0)), ("5-1", fields(2)), ("6-0", fields(4))])
    add(raw, "b", [("5-0", fields(1)), ("5-1", fields(3)), ("7-0", fields(5))])
    both = [Stream(conn, "a"), Stream(conn, "b")]
    replay(both, Stream(conn, "to"), speed=INF, ids="shift")

    assert numbers(raw) == list(range(6))
    first = id_pair(stored(raw)[0][0])[0]
    ids = [(id_pair(id)[0] - first, id_pair(id)[1]) for id, _ in stored(raw)]
    assert ids == [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (2, 0)]
    with pytest.raises(ReplayError, match=r"entry 5-0 of 'b' cannot go to 'kept': .* another"):
        replay(both, Stream(conn, "kept"), speed=INF, ids="keep")


def test_what_is_there_already_is_skipped(here, there, raw):
    replay(here, there, speed=INF, ids="keep", limit=20)
    report = replay(here, there, speed=INF, ids="keep")

    assert (report.skipped, report.added) == (20, 30)
    assert stored(raw) == stored(raw, "from")
    assert len(report.frame()) == 30
    assert "30 added of 50 read, 20 skipped" in repr(report)


@pytest.mark.parametrize(
    ("taken", "parts", "message"),
    [
        (f"{FIRST + 5}-2", [b"i", b"5"], "there is another entry with the ID"),
        (f"{FIRST + 5}-2", [*fields(5)[:-1], b"other"], "there is another entry with the ID"),
        (f"{FIRST + 5}-3", [b"i", b"5"], "it has no entry .* and larger IDs already"),
    ],
)
def test_an_entry_in_the_way_stops_it(taken, parts, message, here, there, raw):
    replay(here, there, speed=INF, ids="keep", limit=5)
    add(raw, "to", [(taken, parts)])
    with pytest.raises(ReplayError, match=message) as caught:
        replay(here, there, speed=INF, ids="keep")

    assert raw.xlen("to") == 6
    assert f"entry {FIRST + 5}-2 of 'from' cannot go to 'to'" in str(caught.value)
    assert "ids='new'" in str(caught.value)
    assert caught.value.__notes__ == [
        f"5 entries are done; start='({FIRST + 4}-1' continues after them"
    ]


def test_a_target_that_is_ahead(here, there, raw):
    add(raw, "to", [("*", fields(0))])
    with pytest.raises(ReplayError, match="larger IDs already; nothing after it was sent"):
        replay(here, there, speed=INF, ids="keep")
    assert raw.xlen("to") == 1


def test_zero_is_no_id(conn, raw):
    frame = pd.DataFrame({"entry_id": ["0-0"], "i": [1]})
    with pytest.raises(redis.ResponseError, match=r"greater than 0-0"):
        replay(frame, Stream(conn, "to"), speed=INF, ids="keep")


# -- lost links


@pytest.mark.parametrize("lines", [0, 2])
def test_a_lost_reply_is_unknown_and_not_sent_again(lines, here, proxy, raw, monkeypatch):
    monkeypatch.setattr(step, "STEP_ENTRIES", 10)
    monkeypatch.setattr(wire, "ask_packed", wire.ask_packed)  # to put it back
    with connect(proxy.url) as to:
        after(4, lambda: setattr(proxy, "lines", lines))
        report = replay(here, Stream(to, "to"), speed=INF)

    assert (report.added, report.unknown) == (40, 10)
    assert numbers(raw) == list(range(50))  # in fact they were added
    assert report.frame()["status"].value_counts().to_dict() == {"added": 40, "unknown": 10}
    assert report.copies()["added_id"].isna().sum() == 10
    assert len(set(report.copies()["entry_id"])) == 50
    assert "10 unknown" in repr(report)


@pytest.mark.parametrize("ids", ["keep", "shift"])
def test_entries_with_ids_are_sent_again(ids, here, proxy, raw, monkeypatch):
    monkeypatch.setattr(step, "STEP_ENTRIES", 10)
    monkeypatch.setattr(wire, "ask_packed", wire.ask_packed)  # to put it back
    with connect(proxy.url) as to:
        after(4, lambda: setattr(proxy, "lines", 1))
        report = replay(here, Stream(to, "to"), speed=INF, ids=ids)

    assert (report.added, report.unknown, report.skipped) == (50, 0, 0)
    assert numbers(raw) == list(range(50))
    assert report.frame()["entry_id"].tolist() == [id for id, _ in stored(raw)]


@pytest.mark.slow
def test_a_target_that_stays_away(here, raw, tcp_server):
    with connect(tcp_server.url, timeout=deadline(0.3)) as to:
        again = Replay(here, Stream(to, "to"), rate=200)
        once_sent(again, 10, tcp_server.kill)
        again.start()._end_event.wait(deadline(5))

        assert again.state == "failed"
        done = again.report.added + again.report.unknown
        last = stored(raw, "from")[done - 1][0]
        assert again.error.__notes__ == [
            f"{done} entries are done; start='({last}' continues after them"
        ]

        tcp_server.start()
        report = again.run()
        assert report.added + report.unknown == 50
        assert report.state == "finished"


def test_a_server_that_is_loading_is_asked_again(here, there, raw, monkeypatch):
    ask, left = wire.ask_packed, 2

    def loading(*args):
        nonlocal left
        left -= 1
        return redis.ResponseError("LOADING Redis is loading") if left >= 0 else ask(*args)

    monkeypatch.setattr(player.wire, "ask_packed", loading)
    assert replay(here, there, speed=INF).added == 50


def test_a_server_that_refuses_the_script(here, there, raw, server):
    raw.execute_command("ACL", "SETUSER", "reader", "on", ">secret", "~*", "+@all", "-eval")
    try:
        path = server.url.partition("@")[2].partition("?")[0]
        with connect(f"unix://reader:secret@{path}") as to:
            with pytest.raises(redis.ResponseError, match=r"NOPERM|no permissions") as caught:
                replay(here, Stream(to, "to"), speed=INF)
            assert "secret" not in str(caught.value)
    finally:
        raw.execute_command("ACL", "DELUSER", "reader")


# -- pace


def test_the_original_gaps(here, there, raw):
    began = time.monotonic()
    report = replay(here, there, speed=0.2)
    took = time.monotonic() - began

    # The benchmarks measure how late an entry may be, and the report says how late it was.
    assert set(report.lateness) == {"p50", "p99", "max"}
    assert "late by p50" in repr(report)
    late = report.lateness["max"].total_seconds()
    assert 0.245 - 0.002 <= report.duration.total_seconds() <= took < deadline(5)
    ms = [id_pair(id)[0] for id, _ in stored(raw)]
    assert ms[-1] - ms[0] == pytest.approx(245, abs=late * 1000 + 2)


def test_nothing_is_early(raw, conn):
    fill(raw, 100)
    began = wire.now(conn).timestamp() * 1000
    replay(Stream(conn, "from"), Stream(conn, "to"), speed=0.5)
    ms = np.array([id_pair(id)[0] for id, _ in stored(raw)])
    # A millisecond early is in time, and IDs have no fractions of one.
    assert (ms - began - 2 * np.arange(100)).min() >= -2


def test_a_pause_moves_the_schedule(here, there, raw, wait_until):
    again = Replay(here, there, speed=0.2)
    once_sent(again, 10, again.pause)
    again.start()
    wait_until(lambda: again.state == "paused")
    before = raw.xlen("to")
    pause = deadline(0.5)
    time.sleep(pause)
    assert raw.xlen("to") == before
    again.resume()
    report = again.run()

    assert report.added == 50
    assert report.lateness["max"].total_seconds() < pause


def test_a_pause_while_it_waits_is_not_forgotten(conn, raw, wait_until):
    add(raw, "from", [("1-0", fields(0)), ("301-0", fields(1))])
    again = Replay(Stream(conn, "from"), Stream(conn, "to")).start()
    wait_until(lambda: raw.xlen("to") == 1)
    again.pause()
    again.resume()
    began = time.process_time()
    assert again.run().added == 2
    assert time.process_time() - began < deadline(0.15)


# -- step by step


@pytest.mark.parametrize("pace", [{"speed": 1e-6}, {"speed": INF}, {"rate": 1e-6}])
def test_it_steps_from_the_first_entry_on(pace, here, there, raw, wait_until):
    again = Replay(here, there, **pace)
    again.pause()
    again.start()
    wait_until(lambda: again.state == "paused")
    assert (again.progress.done, raw.xlen("to")) == (0, 0)

    again.step()
    wait_until(lambda: again.progress.done == 1)
    again.step(3)
    again.step()
    again.step(2)
    wait_until(lambda: again.progress.done == 7)
    assert numbers(raw) == list(range(7))
    assert again.state == "paused"

    # Entries that do not exist cannot be sent.
    again.step(44)
    wait_until(lambda: again.state == "finished")
    assert numbers(raw) == list(range(50))
    assert all(late.total_seconds() < deadline(1) for late in again.report.lateness.values())


def test_a_pause_comes_at_once_and_steps_do_not_wait_for_what_is_due(conn, raw, wait_until):
    add(raw, "from", [("1-0", fields(0)), ("9999999-0", fields(1)), ("99999999-0", fields(2))])
    again = Replay(Stream(conn, "from"), Stream(conn, "to")).start()
    wait_until(lambda: raw.xlen("to") == 1)
    again.pause()
    wait_until(lambda: again.state == "paused", 1)
    again.step()
    wait_until(lambda: raw.xlen("to") == 2)
    assert again.state == "paused"


@pytest.mark.slow
def test_what_comes_next_keeps_its_gap_from_the_last_step(conn, raw, wait_until):
    add(raw, "from", [("1-0", fields(0)), ("9999000-0", fields(1)), ("9999400-0", fields(2))])
    again = Replay(Stream(conn, "from"), Stream(conn, "to"))
    again.pause()
    again.start()
    again.step(2)
    wait_until(lambda: raw.xlen("to") == 2)
    stepped = time.monotonic()
    wait_until(lambda: time.monotonic() - stepped > 0.5)
    again.resume()
    resumed = time.monotonic()
    wait_until(lambda: again.state == "finished")
    assert raw.xlen("to") == 3
    assert 0.35 < time.monotonic() - resumed < deadline(1)


def test_a_resume_while_a_step_is_on_its_way_is_shown(here, there, raw, wait_until):
    again = Replay(here, there, speed=1e-6)
    again.pause()
    again.start()
    wait_until(lambda: again.state == "paused")
    gate = again._player.gate
    hold = gate.hold

    def resumed_meanwhile(count):
        let_through = hold(count)
        again.resume()
        return let_through

    gate.hold = resumed_meanwhile
    again.step()
    wait_until(lambda: again.state == "running")
    assert raw.xlen("to") == 1
    again.pause()
    wait_until(lambda: again.state == "paused")
    again.stop()


def test_a_step_that_cannot_be_made(here, there, raw, wait_until):
    again = Replay(here, there, speed=1e-6)
    again.pause()
    with pytest.raises(RuntimeError, match=r"is stopped; pause\(\) and start\(\) it, then step"):
        again.step()
    again.start()
    for wrong in (0, -1, 1.5, True):
        with pytest.raises(ValueError, match=f"n={wrong}; give a whole number, at least 1"):
            again.step(wrong)
    again.resume()
    wait_until(lambda: again.state == "running")
    with pytest.raises(RuntimeError, match=r"is running; pause\(\) it first"):
        again.step()
    again.stop()
    with pytest.raises(RuntimeError, match="is stopped; "):
        again.step()


def test_steps_wait_for_a_server_that_is_away(here, raw, tcp_server, wait_until):
    with connect(tcp_server.url) as to:
        again = Replay(here, Stream(to, "to"), speed=INF)
        again.pause()
        again.start()
        wait_until(lambda: again.state == "paused")
        tcp_server.kill()
        again.step(3)
        wait_until(lambda: again.state == "stalled")
        tcp_server.start()
        wait_until(lambda: again.progress.done == 3)
        wait_until(lambda: again.state == "paused")
        assert numbers(tcp_server.client) == [0, 1, 2]


@pytest.mark.parametrize("end", ["resume", "stop"])
def test_steps_end_with_the_pause(end, here, raw, tcp_server, wait_until):
    with connect(tcp_server.url) as to:
        again = Replay(here, Stream(to, "to"), speed=INF)
        again.pause()
        again.start()
        tcp_server.kill()
        again.step(20)
        wait_until(lambda: again.state == "stalled")
        getattr(again, end)()
        again.pause()
        tcp_server.start()
        again.start()
        wait_until(lambda: again.state == "paused")
        again.step()
        # The current entry is sent before the pause takes effect.
        done = 2 if end == "resume" else 1
        wait_until(lambda: again.progress.done == done)
        assert again.state == "paused"
        assert numbers(tcp_server.client) == list(range(done))


def test_it_is_stalled_once_until_the_server_is_back(here, raw, tcp_server, wait_until, caplog):
    with (
        connect(tcp_server.url) as to,
        caplog.at_level(logging.INFO, "redisnb"),
    ):
        again = Replay(here, Stream(to, "to"), speed=0.2)
        once_sent(again, 10, tcp_server.kill)
        again.start()
        wait_until(lambda: again.state == "stalled")
        rest, tries = again._player.gate.rest, []

        def counted(seconds):
            tries.append(again.state)
            rest(seconds)

        again._player.gate.rest = counted
        wait_until(lambda: len(tries) == 4)
        tcp_server.start()
        assert again.run().state == "finished"
    assert set(tries) == {"stalled"}
    states = [each.getMessage().partition(" is ")[2] for each in caplog.records]
    assert states == ["starting", "running", "stalled: ConnectError", "running", "finished"]


# -- run, stop, look


def test_in_a_thread(here, there, raw, wait_until):
    again = Replay(here, there, speed=0.2)
    once_sent(again, 10, again._stop_event.wait)
    assert again.state == "stopped"
    assert again.start() is again
    assert again.start() is again
    assert "redisnb:replay:Stream('to')" in threads()
    wait_until(lambda: raw.xlen("to") >= 10)
    assert again.state == "running"
    assert again.stop()
    assert again.stop()
    assert again.state == "stopped"
    wait_until(lambda: threads() == [])
    done = raw.xlen("to")
    assert 10 <= done < 50
    report = again.report
    assert report.added == done
    assert f"{done} entries are done; start='(" in report.note
    time.sleep(0.05)
    assert raw.xlen("to") == done

    assert again.run().added == 50
    assert again.run().added == 50  # nothing is left
    assert numbers(raw) == list(range(50))


def test_what_is_stopped_goes_on_elsewhere_as_the_note_says(here, there, raw):
    again = Replay(here, there, speed=0.2)
    once_sent(again, 10, again._player.gate.stop)
    assert again.run().state == "stopped"
    replay(here, there, speed=INF, start=f"({again.report.position}")

    assert numbers(raw) == list(range(50))


def test_stop_does_not_wait_for_what_is_due(conn, raw, wait_until):
    add(raw, "from", [("1-0", fields(0)), ("9999999-0", fields(1))])
    again = Replay(Stream(conn, "from"), Stream(conn, "to")).start()
    wait_until(lambda: raw.xlen("to") == 1)
    began = time.monotonic()
    assert again.stop()
    assert time.monotonic() - began < deadline(0.5)
    assert Replay(Stream(conn, "from"), Stream(conn, "to")).stop()


def test_a_paused_one_can_be_stopped(here, there, wait_until):
    again = Replay(here, there, speed=1e-6).start()
    again.pause()
    wait_until(lambda: again.state == "paused")
    assert again.stop()


@pytest.mark.slow
def test_a_server_that_hangs_does_not_hold_up_stop(here, raw, tcp_server, wait_until, monkeypatch):
    monkeypatch.setattr(replaying, "STOP_SECONDS", 0.2)
    with connect(tcp_server.url, timeout=1) as to:
        again = Replay(here, Stream(to, "to"), rate=100)
        hanging = threading.Event()

        def hang():
            tcp_server.process.send_signal(signal.SIGSTOP)
            hanging.set()

        once_sent(again, 3, hang)
        again.start()
        try:
            assert hanging.wait(deadline(5))
            time.sleep(0.05)
            assert not again.stop()
            assert again.state == "failed"
            assert "did not answer" in str(again.error)
            with pytest.raises(RuntimeError, match="still waits"):
                again.start()
        finally:
            tcp_server.process.send_signal(signal.SIGCONT)
        wait_until(lambda: not threads())
        assert again.state == "failed"
        assert again.run().state == "finished"


def test_stop_ends_a_search_that_finds_nothing(conn, raw, wait_until):
    fill(raw, 3000)
    seen = []

    def where(frame):
        seen.append(len(frame))
        time.sleep(0.05)
        return frame["i"].isna()

    again = Replay(Stream(conn, "from"), Stream(conn, "to"), where=where).start()
    wait_until(lambda: seen)
    assert again.stop()
    assert (again.state, sum(seen) < 3000) == ("stopped", True)


def test_a_pause_at_full_speed(conn, raw, wait_until, monkeypatch):
    monkeypatch.setattr(step, "STEP_ENTRIES", 10)
    fill(raw, 3000)
    again = Replay(Stream(conn, "from"), Stream(conn, "to"), speed=INF)
    once_sent(again, 100, again.pause)
    again.start()
    wait_until(lambda: again.state == "paused")
    done = again.report.added
    assert done == raw.xlen("to") < 3000
    again.resume()
    assert again.run().added == 3000
    assert numbers(raw) == list(range(3000))


def test_stop_all(here, there, wait_until):
    again = Replay(here, there, speed=1e-6).start()
    stop_all()
    assert again.state == "stopped"


def test_ctrl_c_stops_it_after_the_batch_in_hand(here, there, raw, wait_until):
    def press():
        wait_until(lambda: raw.xlen("to") > 5)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    presser = threading.Thread(target=press)
    presser.start()
    again = Replay(here, there, speed=0.1)
    once_sent(again, 10, again._stop_event.wait)
    with pytest.raises(KeyboardInterrupt) as caught:
        again.run()
    presser.join()

    assert again.state == "stopped"
    assert numbers(raw) == list(range(again.report.added))
    assert caught.value.__notes__ == [again.report.note]
    assert "continues after them" in again.report.note


WAITING = """
import sys
import redisnb
sys.modules["redisnb.replays.replaying"].STOP_SECONDS = 0.1
with redisnb.connect(sys.argv[1]) as conn:
    redisnb.replay("-", redisnb.Stream(conn, "to"), speed=float("inf"))
"""


@pytest.mark.slow
def test_a_program_ends_that_waits_for_standard_input(raw, server, wait_until):
    """Python closes open files at exit, and aborts where a thread holds the lock of one."""
    raw.flushall()
    pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", WAITING, server.url], **pipes) as process:
        process.stdin.write(b'{"redisnb":1,"streams":{"a":"auto"}}\n')
        process.stdin.write(b'{"stream":"a","id":"1-0","fields":[["i","0"]]}\n')
        process.stdin.flush()
        wait_until(lambda: raw.xlen("to"), 30)
        process.send_signal(signal.SIGINT)
        assert process.wait(deadline(10)) == -signal.SIGINT
        *_, interrupt, note = process.stderr.read().splitlines()
        assert interrupt == b"KeyboardInterrupt"
        assert note == b"1 entries are done; start='(1-0' continues after them"


def test_a_ctrl_c_while_it_begins_leaves_nothing_behind(here, there, raw, wait_until, monkeypatch):
    start = threading.Thread.start

    def interrupted(thread):
        start(thread)
        raise KeyboardInterrupt

    again = Replay(here, there, speed=1e-6)
    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        again.run()
    assert again.state == "stopped"
    assert caught.value.__notes__ == [again.report.note]
    wait_until(lambda: threads() == [])


def test_awaited(here, there, raw):
    async def main():
        ticks = 0
        task = asyncio.create_task(Replay(here, there, speed=0.2).arun())
        while not task.done():
            await asyncio.sleep(0.01)
            ticks += 1
        return ticks, await task

    ticks, report = asyncio.run(main())
    assert ticks > 3
    assert report.added == 50


def test_a_cancelled_task_stops_it(here, there, raw, wait_until):
    again = Replay(here, there, speed=1e-6)

    async def main():
        await asyncio.wait_for(again.arun(), 0.1)

    with pytest.raises(TimeoutError):
        asyncio.run(main())
    assert again.state == "stopped"
    wait_until(lambda: threads() == [])


def test_a_task_that_is_cancelled_while_it_begins_leaves_nothing(
    here, there, raw, wait_until, monkeypatch
):
    again = Replay(here, there, speed=1e-6)
    start = again.start

    def slowly():
        time.sleep(0.1)
        return start()

    monkeypatch.setattr(again, "start", slowly)
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(again.arun(), 0.02))
    assert again.state == "stopped"
    wait_until(lambda: threads() == [])


def test_what_goes_wrong_is_awaited_too(here, there, raw):
    add(raw, "to", [("*", fields(0))])
    with pytest.raises(ReplayError, match="larger IDs"):
        asyncio.run(Replay(here, there, speed=INF, ids="keep").arun())


def test_another_run_of_the_cell_replaces_it(here, there, raw, wait_until, monkeypatch):
    from redisnb.background import Run

    runs = iter([Run("cell", "1"), Run("cell", "2"), Run("other", "3"), Run("cell", "4")])
    monkeypatch.setattr(replaying, "this_run", lambda: next(runs))
    first = Replay(here, there, speed=1e-6).start()
    second = Replay(here, there, speed=1e-6).start()
    wait_until(lambda: [each.state for each in (first, second)] == ["stopped", "running"])
    third = Replay(here, there, speed=1e-6).start()
    fourth = Replay(here, Stream(there.conn, "elsewhere"), speed=1e-6).start()
    wait_until(lambda: [each.state for each in (second, third, fourth)] == ["running"] * 3)


def test_progress(here, there, raw, wait_until):
    again = Replay(here, there, speed=0.1)
    assert again.progress.share is None
    once_sent(again, 20, again.pause)
    again.start()
    wait_until(lambda: again.state == "paused")
    now = again.progress
    assert now.position == stored(raw, "from")[now.done - 1][0]
    assert now.share == pytest.approx((now.done - 1) / 49)
    assert now.left.total_seconds() == pytest.approx((50 - now.done) / 100)
    assert now.total is None


def test_progress_by_count(conn, raw):
    again = Replay(pd.DataFrame({"i": range(100)}), Stream(conn, "to"), rate=1000)
    again.run()
    assert again.progress.share == 1
    assert again.progress.left.total_seconds() == 0
    assert again.progress.total == 100


@pytest.mark.parametrize("options", [{"speed": 0.25}, {"speed": INF}, {"speed": 0.1, "limit": 3}])
def test_a_progress_bar(options, here, there, monkeypatch):
    moves = []

    class Bar:
        def __init__(self, total, **_):
            moves.append(total)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def update(self, n):
            moves.append(n)

    monkeypatch.setattr("tqdm.auto.tqdm", Bar)
    replay(here, there, progress=True, **options)
    assert all(n >= 0 for n in moves[1:])
    if options == {"speed": INF}:
        assert moves[0] is None
        assert sum(moves[1:]) == 50


def test_a_report_shows_itself(here, there):
    report = replay(here, there, speed=INF)
    assert repr(report).startswith("Report(finished, 50 added of 50 read, in ")
    assert "<dd" in report._repr_html_()
    assert repr(Replay(here, there)) == "Replay('from' to 'to', stopped, 1x)"
    frame = pd.DataFrame({"i": [1]})
    assert repr(Replay(frame, there, speed=INF)) == "Replay(a frame to 'to', stopped)"


def test_the_last_ids_are_kept(here, there, monkeypatch):
    monkeypatch.setattr(step, "MOST_IDS", 10)
    report = replay(here, there, speed=INF)
    assert report.added == 50
    assert len(report.frame()) == 10


# -- another pace


def test_another_pace_goes_on_where_it_was(conn, raw, wait_until):
    # The same IDs in both, so that no position tells how far it is.
    add(raw, "a", [(f"{FIRST + i * 10}-0", [b"i", b"%d" % (2 * i)]) for i in range(100)])
    add(raw, "b", [(f"{FIRST + i * 10}-0", [b"i", b"%d" % (2 * i + 1)]) for i in range(100)])
    again = Replay([Stream(conn, "a"), Stream(conn, "b")], Stream(conn, "to"), ids="shift")
    once_sent(again, 20, again._stop_event.wait)
    again.start()
    wait_until(lambda: again.progress.done >= 20)
    with pytest.raises(RuntimeError, match=r"is running; stop\(\) it first"):
        again.set_pace(speed=2)
    for pace in ({"speed": 2}, {"rate": 200}, {"speed": 0.5, "max_gap": "1ms"}):
        assert again.stop()
        enough = again.progress.done + 10
        again.set_pace(**pace)
        once_sent(again, enough, again._stop_event.wait)
        again.start()
        wait_until(lambda enough=enough: again.progress.done >= enough)
    assert again.stop()
    again.set_pace(speed=INF)
    assert again.run().added == 200
    assert numbers(raw) == list(range(200))
    times = [id_pair(id)[0] for id, _ in stored(raw)]
    assert times[-1] - times[0] == 990


def test_a_pace_that_cannot_be(conn, raw):
    again = Replay(pd.DataFrame({"i": range(3)}), Stream(conn, "to"), speed=INF)
    with pytest.raises(ReplayError, match="has no times of entries, which the original gaps"):
        again.set_pace(speed=2)
    with pytest.raises(ValueError, match="give one of them"):
        again.set_pace(speed=2, rate=3)
    assert again.run().added == 3


# -- dry run


def test_a_dry_run(filled, there, raw, has_schema):
    both = [Stream(filled, "even"), Stream(filled, "odd")]
    frame = replay(
        both, there, speed=0.5, where=lambda f: f["i"].astype(int) >= 10, dry_run=True, ids="keep"
    )

    assert has_schema(frame, frames.REPLAY)
    assert frame["stream"].tolist() == ["even", "odd"]
    assert frame["target"].tolist() == ["to", "to"]
    assert frame["entries"].tolist() == [20, 20]
    assert frame["bytes"].tolist() == [20 * (1 + 2 + 4 + 1 + 4)] * 2
    assert frame["first_id"].tolist() == [f"{FIRST + 10}-1", f"{FIRST + 11}-2"]
    assert frame["last_id"].tolist() == [f"{FIRST + 48}-0", f"{FIRST + 49}-1"]
    assert frame["span"].dt.total_seconds().tolist() == [0.038, 0.038]
    assert frame["duration"].dt.total_seconds().tolist() == [0.076, 0.078]
    assert not raw.exists("to")
    assert raw.keys("redisnb:*") == []


def test_a_dry_run_of_nothing(conn, has_schema):
    frame = replay(Stream(conn, "from"), Stream(conn, "to"), dry_run=True)
    assert frame.empty
    assert has_schema(frame, frames.REPLAY)


@pytest.mark.parametrize("stop", [Replay.stop, lambda again: stop_all()])
def test_a_dry_run_can_be_stopped(stop, here, there, raw, wait_until):
    seen, going = threading.Event(), threading.Event()
    again = Replay(here, there, where=lambda f: (seen.set(), going.wait(10), f["i"] >= "0")[2])
    errors = []

    def look():
        try:
            again.dry_run()
        except ReplayError as error:
            errors.append(str(error))

    thread = threading.Thread(target=look)
    thread.start()
    assert seen.wait(deadline(10))
    threading.Timer(0.1, going.set).start()
    stop(again)
    thread.join(10)
    assert errors == ["the dry run of Replay('from' to 'to') was stopped"]
    assert again.dry_run()["entries"].tolist() == [50]
    assert again.report.read == 0


def test_a_dry_run_says_what_is_left(here, there, raw):
    replay(here, there, speed=INF, resume="r", limit=20)
    raw.hset("redisnb:replay:r", "state", "running")
    left = Replay(here, there, speed=INF, resume="r", limit=20).dry_run()
    assert left.empty
    assert raw.xlen("to") == 20
