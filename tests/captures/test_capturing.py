"""capture() and load(): streams into files and back, also while entries arrive."""

import datetime as dt
import gc
import io
import os
import signal
import subprocess
import sys
import textwrap
import threading
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import redis

from redisnb import Connection, RedisnbWarning, ReplayError, Stream, capture, connect, frames, load
from redisnb.captures import reader, sources
from redisnb.entries import Layout, as_text
from tests.consuming import in_xread
from tests.deadlines import deadline

HOUR = 3_600_000


def read(path):
    return [entry for page in reader.open_capture(path) for entry in page]


@pytest.fixture
def stored(server):
    """A function that returns the entries of streams, read by a plain client."""

    def of(*keys):
        with redis.Redis.from_url(server.url, protocol=2) as client:
            client.response_callbacks.clear()
            found = [
                (key, id, fields)
                for key in keys
                for id, fields in client.execute_command("XRANGE", key, "-", "+")
            ]
        return sorted(found, key=lambda entry: tuple(map(int, entry[1].split(b"-"))))

    return of


@pytest.fixture
def stream(conn, raw):
    """A stream of six entries: JSON, JSON with blanks, flat, repeated, bytes, empty."""
    add = raw.execute_command
    add("XADD", "s", "1-0", "payload", '{"carrier":"UA","delay":2}')
    add("XADD", "s", "1-1", "payload", '{"carrier": "AA", "delay": 4}')
    add("XADD", "s", "2-0", "carrier", "UA", "delay", "7")
    add("XADD", "s", "3-0", "carrier", "UA", "carrier", "AA", "delay", "7")
    add("XADD", "s", "4-0", b"\xff", b"\x00\xfe")
    add("XADD", "s", "5-0", "", "")
    return Stream(conn, "s")


def fill(raw, n, *keys):
    """Add n entries to each stream, at 1-0, 2-0, ..., at the server's own speed."""
    script = """for i = 1, ARGV[1] do for k, key in ipairs(KEYS) do
        redis.call('XADD', key, i .. '-' .. k, 'payload', '{"i":' .. i .. ',"k":' .. k .. '}')
    end end"""
    raw.eval(script, len(keys), *keys, n)


@pytest.mark.parametrize("name", ["c.parquet", "c.jsonl", "c.jsonl.gz", "c.jsonl.zst", "c"])
def test_a_capture_has_every_entry_byte_for_byte(stream, stored, tmp_path, name, has_schema):
    path = str(tmp_path / name)
    frame = capture(stream, path)

    assert read(path) == stored("s")
    assert has_schema(frame, frames.CAPTURED)
    size = sum(len(part) for _, _, fields in stored("s") for part in fields)
    assert frame.loc[0].tolist() == ["s", 6, size, "1-0", "5-0", 0, path]
    pd.testing.assert_frame_equal(load(path), stream.range())


class InBytes:
    """A path-like object with a path in bytes."""

    def __init__(self, path):
        self._path = os.fsencode(path)

    def __fspath__(self):
        return self._path


@pytest.mark.parametrize("kind", [str, Path, InBytes])
@pytest.mark.parametrize("name", [b"\xff.parquet", b"\xff.jsonl.gz", b"\xff"])
def test_a_path_that_is_no_utf_8(stream, stored, tmp_path, name, kind):
    path = kind(os.fsdecode(os.path.join(os.fsencode(tmp_path), name)))
    frame = capture(stream, path)

    shown = as_text(name)
    assert frame["path"].tolist() == [f"{tmp_path}/{shown}"]
    assert os.listdir(os.fsencode(tmp_path)) == [name]
    assert read(path) == stored("s")
    assert len(load(path)) == 6


def test_a_path_in_bytes_is_refused(stream, tmp_path):
    path = os.fsencode(tmp_path / "c.jsonl")
    for use in (lambda: capture(stream, path), lambda: load(path)):
        with pytest.raises(TypeError, match=r"os\.fsdecode\(b'"):
            use()
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("name", ["c.parquet", "c.jsonl.zst"])
def test_20000_entries(conn, raw, stored, tmp_path, name):
    fill(raw, 20_000, "s")
    frame = capture(Stream(conn, "s"), tmp_path / name)
    assert frame["entries"][0] == 20_000
    assert read(tmp_path / name) == stored("s")


# Which entries


def ids_in(path):
    return [entry[1].decode() for entry in read(path)]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"start": "2-0"}, ["2-0", "3-0", "4-0", "5-0"]),
        ({"start": "(1-0", "end": "2"}, ["1-1", "2-0"]),
        ({"end": dt.datetime(1970, 1, 1, 0, 0, 0, 1000, dt.UTC)}, ["1-0", "1-1"]),
        ({"limit": 2}, ["1-0", "1-1"]),
        ({"limit": 0}, []),
        ({"where": {"carrier": "UA"}}, ["1-0", "2-0"]),
        ({"where": {"carrier": "UA"}, "limit": 1}, ["1-0"]),
        (
            {"where": lambda frame: frame["entry_id"] > "2", "start": "1-1"},
            ["2-0", "3-0", "4-0", "5-0"],
        ),
        ({"start": "9-0"}, []),
    ],
)
def test_some_of_the_entries(conn, raw, tmp_path, options, expected):
    path = tmp_path / "c.jsonl"
    for id, carrier in [("1-0", "UA"), ("1-1", "AA"), ("2-0", "UA"), ("3-0", "B6"), ("4-0", "")]:
        raw.xadd("s", {"carrier": carrier}, id=id)
    raw.xadd("s", {"carrier": "DL"}, id="5-0")

    frame = capture(Stream(conn, "s"), path, **options)

    assert ids_in(path) == expected
    assert frame["entries"].tolist() == [len(expected)]
    assert frame["first_id"].dropna().tolist() == expected[:1]
    assert frame["last_id"].dropna().tolist() == expected[-1:]


def test_a_column_that_no_entry_has(stream, tmp_path):
    with pytest.raises(ValueError, match=r"'carier'.*no entry has this"):
        capture(stream, tmp_path / "c.parquet", where={"carier": "UA"})
    assert not (tmp_path / "c.parquet").exists()


def test_a_stream_that_is_not_there(conn, tmp_path):
    frame = capture(Stream(conn, "none", format="json"), tmp_path / "c.parquet")
    assert frame["entries"].tolist() == [0]
    assert frame["first_id"].isna().all()
    assert load(tmp_path / "c.parquet").empty
    assert reader.open_capture(tmp_path / "c.parquet").streams == {"none": Layout("json")}


# Several streams


def test_several_streams_are_merged_by_id(conn, raw, stored, tmp_path):
    fill(raw, 2500, "a", "b", "c")
    raw.xadd("b", {"x": 1}, id="9000-0")
    raw.xadd("c", {"x": 1}, id="8999-18446744073709551615")
    streams = [Stream(conn, key) for key in "bca"]

    frame = capture(streams, tmp_path / "c.parquet")

    assert read(tmp_path / "c.parquet") == stored("a", "b", "c")
    assert frame["stream"].tolist() == ["b", "c", "a"]
    assert frame["entries"].tolist() == [2501, 2501, 2500]
    found = load(tmp_path / "c.parquet")
    assert found.columns[:2].tolist() == ["entry_id", "stream"]
    assert found["stream"].tolist()[:4] == ["a", "b", "c", "a"]


def test_several_streams_of_large_entries(conn, raw, stored, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "BUFFER_BYTES", 20_000)
    for i in range(1, 60):
        raw.xadd("a", {"x": os.urandom(500)}, id=f"{i}-0")
        raw.xadd("b", {"x": b"1"}, id=f"{i}-0")
    capture([Stream(conn, "a"), Stream(conn, "b")], tmp_path / "c.jsonl")
    assert read(tmp_path / "c.jsonl") == stored("a", "b")


def test_the_streams_of_a_pattern(conn, raw, stored, tmp_path):
    fill(raw, 30, *(f"orders:{i:02}" for i in range(50)))
    raw.xadd("visits", {"x": 1})
    raw.set("orders:text", "x")
    before = {each["id"] for each in raw.client_list()}

    frame = capture(conn, tmp_path / "c.parquet", match="orders:*", limit=1000)

    assert frame["stream"].tolist() == [f"orders:{i:02}" for i in range(50)]
    assert frame["entries"].sum() == 1000
    assert read(tmp_path / "c.parquet") == stored(*frame["stream"])[:1000]
    # One link is enough for all of them.
    assert len({each["id"] for each in raw.client_list()} - before) < 10


def test_where_sees_the_stream_of_several(conn, raw, tmp_path):
    fill(raw, 5, "a", "b")
    frame = capture(conn, tmp_path / "c.jsonl", where={"stream": "b"})
    assert frame["entries"].tolist() == [0, 5]
    assert load(tmp_path / "c.jsonl")["stream"].unique().tolist() == ["b"]


def test_what_is_no_source(conn, raw, server, tmp_path):
    path = tmp_path / "c.jsonl"
    stream = Stream(conn, "s")
    with pytest.raises(ValueError, match="no stream of this database matches 'none:"):
        capture(conn, path, match="none:*")
    with pytest.raises(ValueError, match="match= is for a connection"):
        capture(stream, path, match="s*")
    with pytest.raises(TypeError, match="or a connection, not str"):
        capture("s", path)
    with pytest.raises(TypeError, match="a list of them"):
        capture([], path)
    with pytest.raises(ValueError, match="given twice: s, s"):
        capture([stream, Stream(conn, "s")], path)
    with connect(server.url) as other, pytest.raises(ValueError, match="one connection"):
        capture([stream, Stream(other, "t")], path)
    with pytest.raises(ValueError, match="leave out end="):
        capture(stream, path, follow=True, end="-1min")
    with pytest.raises(ValueError, match="are for follow=True"):
        capture(stream, path, timeout=1)
    with pytest.raises(ValueError, match="limit"):
        capture(stream, path, limit=-1)
    assert not list(tmp_path.iterdir())


def test_another_type_of_key(conn, raw, tmp_path):
    raw.set("s", "x")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        capture(Stream(conn, "s"), tmp_path / "c.parquet")
    assert not (tmp_path / "c.parquet").exists()


# Where to


def test_files_of_a_directory(conn, raw, tmp_path):
    fill(raw, 2500, "s")
    capture(Stream(conn, "s"), tmp_path / "c", rows=1000)
    assert sorted(os.listdir(tmp_path / "c")) == [f"part-0000{i}.parquet" for i in range(3)]
    assert len(load(tmp_path / "c")) == len(pd.read_parquet(tmp_path / "c")) == 2500


def test_a_file_for_each_hour(conn, raw, tmp_path):
    for i, hour in enumerate((5, 5, 6, 9)):
        raw.xadd("s", {"x": 1}, id=f"{hour * HOUR}-{i}")
    capture(Stream(conn, "s"), tmp_path / "c", every="1h")
    sizes = [len(load(tmp_path / "c" / name)) for name in sorted(os.listdir(tmp_path / "c"))]
    assert sizes == [2, 1, 1]


def test_standard_output_and_an_open_file(stream, stored, capfdbinary):
    frame = capture(stream, "-")
    out = capfdbinary.readouterr().out
    assert read(io.BytesIO(out)) == stored("s")
    assert frame["path"].tolist() == ["-"]
    file = io.BytesIO()
    capture(stream, file)
    assert file.getvalue() == out


def test_a_file_that_is_there_is_replaced_at_the_end_if_asked(stream, tmp_path):
    path = tmp_path / "c.jsonl"
    path.write_text("mine")
    with pytest.raises(FileExistsError):
        capture(stream, path)
    with pytest.raises(ZeroDivisionError):
        capture(stream, path, overwrite=True, where=lambda frame: 1 / 0)
    assert path.read_text() == "mine"
    capture(stream, path, overwrite=True)
    assert len(ids_in(path)) == 6


def test_progress(stream, tmp_path, capsys):
    capture(stream, tmp_path / "c.jsonl", progress=True)
    assert "6.00/6.00" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["c.parquet", "c.jsonl.gz"])
def test_a_server_that_goes_leaves_what_was_read(tcp_server, tmp_path, name):
    client = tcp_server.client
    fill(client, 5000, "s")
    path = tmp_path / name
    with connect(tcp_server.url, timeout=deadline(0.5)) as conn:

        def kill(frame):
            if len(frame) and frame["i"].iloc[-1] > 2000:
                tcp_server.kill()
            return frame["i"] > 0

        with pytest.raises(redis.ConnectionError) as caught:
            capture(Stream(conn, "s"), path, where=kill)
    assert f"what was captured before that is in {path}.part" in caught.value.__notes__
    with (
        pytest.warns(RedisnbWarning, match="its capture was broken off")
        if "jsonl" in name
        else nullcontext()
    ):
        found = load(f"{path}.part")
    assert found["i"].tolist() == list(range(1, len(found) + 1))
    assert len(found) > 2000
    assert not path.exists()
    assert gc.isenabled()


def test_an_error_leaves_the_connection_usable(stream, raw, tmp_path):
    fill(raw, 5000, "t")
    with pytest.raises(ZeroDivisionError):
        capture(Stream(stream.conn, "t"), tmp_path / "c.jsonl", where=lambda frame: 1 / 0)
    assert gc.isenabled()
    assert len(stream) == 6


# Follow


@pytest.fixture
def brief(monkeypatch):
    """Make a read wait less: a request to end is noticed only after a read."""
    monkeypatch.setattr("redisnb.stream.following.BLOCK", 50)


@pytest.fixture
def following(tmp_path, wait_until, brief):
    """A function that captures in a thread; its `end()` stops it and returns the frame."""
    stop, results, threads = threading.Event(), [], []

    def begin(source, path, **options):
        def run():
            results.append(capture(source, path, follow=True, stop=stop, **options))

        threads.append(threading.Thread(target=run))
        threads[0].start()

    def end():
        stop.set()
        threads[0].join(5)
        assert not threads[0].is_alive()
        return results[0]

    begin.end = end
    yield begin
    stop.set()
    for thread in threads:
        thread.join(10)


def written(path):
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def test_following_goes_on_until_it_is_stopped_and_loses_nothing(
    conn, raw, stored, tmp_path, following, wait_until
):
    fill(raw, 1500, "s", "t")
    path = tmp_path / "c.jsonl"
    part = tmp_path / "c.jsonl.part"
    following([Stream(conn, "s"), Stream(conn, "t")], path)
    wait_until(lambda: b'"1500-2"' in part.read_bytes() if part.exists() else False)
    for i in range(200):
        raw.xadd("st"[i % 2], {"x": i})
    # What has arrived can be read by other programs already.
    wait_until(lambda: part.read_bytes().count(b"\n") == 3201)
    assert not path.exists()

    frame = following.end()

    # Compared by stream: entries of the same ID are in the order in which they arrived.
    found = read(path)
    assert [entry for entry in found if entry[0] == "s"] == stored("s")
    assert [entry for entry in found if entry[0] == "t"] == stored("t")
    assert frame["entries"].tolist() == [1600, 1600]


@pytest.mark.parametrize("protocol", [2, 3])
def test_following_parquet(conn, raw, stored, tmp_path, following, wait_until):
    following(Stream(conn, "s"), tmp_path / "c.parquet")
    for i in range(50):
        raw.xadd("s", {"x": i})
    wait_until(lambda: in_xread(raw))
    following.end()
    assert read(tmp_path / "c.parquet") == stored("s")


@pytest.mark.parametrize(
    ("start", "expected"), [(None, 9), ("all", 9), ("new", 3), ("3-0", 6), ("(4-0", 4)]
)
def test_where_following_begins(stream, raw, tmp_path, following, wait_until, start, expected):
    following(stream, tmp_path / "c.jsonl", start=start)
    wait_until(lambda: in_xread(raw))
    for _ in range(3):
        raw.xadd("s", {"x": 1})
    size = written(tmp_path / "c.jsonl.part")
    wait_until(lambda: written(tmp_path / "c.jsonl.part") > size or in_xread(raw))
    wait_until(lambda: len((tmp_path / "c.jsonl.part").read_bytes().splitlines()) == expected + 1)
    assert following.end()["entries"].tolist() == [expected]


def test_following_ends_when_nothing_comes_and_at_the_limit(stream, tmp_path):
    frame = capture(stream, tmp_path / "c.jsonl", follow=True, timeout="50ms")
    assert frame["entries"].tolist() == [6]
    frame = capture(stream, tmp_path / "d.jsonl", follow=True, limit=3)
    assert frame["entries"].tolist() == [3]


def test_following_finishes_the_file_of_an_hour(stream, tmp_path, following, wait_until):
    following(stream, tmp_path / "c", every="1h", start=f"{5 * HOUR}-0")
    stream.add({"x": 1}, id=f"{5 * HOUR}-0")
    # By the clock, that hour is long over.
    wait_until((tmp_path / "c/part-00000.parquet").exists)
    stream.add({"x": 1})
    following.end()
    assert len(load(tmp_path / "c")) == 2


def test_following_goes_on_after_a_restart(tcp_server, tmp_path, following, wait_until):
    with connect(tcp_server.url, timeout=5) as conn:
        following(Stream(conn, "s"), tmp_path / "c.jsonl")
        part = tmp_path / "c.jsonl.part"
        tcp_server.client.xadd("s", {"x": 1})
        wait_until(lambda: written(part) and part.read_bytes().count(b"\n") == 2)
        tcp_server.kill()
        tcp_server.start()
        tcp_server.client.xadd("s", {"x": 2})
        wait_until(lambda: part.read_bytes().count(b"\n") == 3)
        following.end()
    assert load(tmp_path / "c.jsonl")["x"].tolist() == [1, 2]


def test_what_following_missed_is_said(conn, raw, tmp_path, knows_lag, monkeypatch):
    if not knows_lag:
        pytest.skip("the server does not count what a stream has taken")
    raw.xadd("s", {"x": 0})
    real, dropped, stop = sources.followed_pages, [], threading.Event()

    def pages(conn, cursor, patience):
        for found in real(conn, cursor, patience):
            if dropped and not found:
                # All has come, and what is missing was asked for.
                stop.set()
            yield found
            patience._look_at = 0
            if not dropped:
                for _ in range(10):
                    raw.xadd("s", {"x": 1})
                dropped.append(raw.xtrim("s", maxlen=3, approximate=False))
                raw.xadd("s", {"x": 2})

    monkeypatch.setattr(sources, "followed_pages", pages)
    monkeypatch.setattr("redisnb.stream.following.BLOCK", 50)
    with pytest.warns(RedisnbWarning, match=r"entries were dropped before they were read"):
        frame = capture(Stream(conn, "s"), tmp_path / "c.jsonl", follow=True, stop=stop)
    assert frame["entries"].tolist() == [5]


def test_an_interrupt_ends_following_in_order(stream, stored, raw, tmp_path, ctrl_c, brief):
    before = signal.getsignal(signal.SIGINT)
    ctrl_c("xread")
    frame = capture(stream, tmp_path / "c.parquet", follow=True)
    assert frame["entries"].tolist() == [6]
    assert read(tmp_path / "c.parquet") == stored("s")
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_interrupt_is_one(stream, raw, tmp_path, monkeypatch):
    def pages(*_):
        for _ in range(3):
            signal.raise_signal(signal.SIGINT)
        yield []

    monkeypatch.setattr(sources, "followed_pages", pages)
    with pytest.raises(KeyboardInterrupt) as caught:
        capture(stream, tmp_path / "c.parquet", follow=True)
    assert "c.parquet.part" in caught.value.__notes__[0]
    assert len(load(tmp_path / "c.parquet.part")) == 6


def test_an_interrupt_of_what_does_not_follow(stream, tmp_path):
    def where(frame):
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        capture(stream, tmp_path / "c.jsonl", where=where)
    assert not (tmp_path / "c.jsonl").exists()


CHILD = """
    import os, redisnb
    with redisnb.connect(os.environ["REDISNB_URL"]) as conn:
        redisnb.capture(redisnb.Stream(conn, "s"), os.environ["PATH_TO"], follow=True)
        print("went on", flush=True)
        import time; time.sleep(5)
"""


@pytest.fixture
def child(server, tmp_path):
    def begin(name):
        environment = {**os.environ, "REDISNB_URL": server.url, "PATH_TO": str(tmp_path / name)}
        command = [sys.executable, "-c", textwrap.dedent(CHILD)]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        begun.append(process)
        return process

    begun = []
    yield begin
    for process in begun:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.slow
def test_sigterm_ends_the_process_when_the_file_is_whole(
    stream, raw, stored, tmp_path, child, wait_until
):
    process = child("c.parquet")
    wait_until(lambda: in_xread(raw))
    stream.add({"x": 1})
    process.terminate()
    out, _ = process.communicate(timeout=deadline(5))
    assert (process.returncode, out) == (-signal.SIGTERM, "")
    assert read(tmp_path / "c.parquet") == stored("s")[: len(read(tmp_path / "c.parquet"))]
    assert len(read(tmp_path / "c.parquet")) >= 6


@pytest.mark.slow
def test_what_a_killed_process_leaves(stream, raw, stored, tmp_path, child, wait_until):
    process = child("c.jsonl")
    wait_until(lambda: in_xread(raw))
    process.kill()
    process.wait()
    assert not (tmp_path / "c.jsonl").exists()
    assert read(tmp_path / "c.jsonl.part") == stored("s")
    # The file that is left does not disturb the next capture.
    capture(stream, tmp_path / "c.jsonl")
    assert read(tmp_path / "c.jsonl") == stored("s")


# Load


def test_load_takes_what_range_takes(conn, raw, tmp_path):
    fill(raw, 1200, "s")
    stream = Stream(conn, "s")
    capture(stream, tmp_path / "c.parquet")
    for options in (
        {"columns": ["k"]},
        {"types": "text"},
        {"types": {"i": "float64"}},
        {"where": {"i": [3, 1100]}},
        {"where": lambda frame: frame["i"] > 1000, "columns": ["entry_id", "k"]},
    ):
        expected = stream.range(**options)
        pd.testing.assert_frame_equal(load(tmp_path / "c.parquet", **options), expected)
    for read in stream.range, partial(load, tmp_path / "c.parquet"):
        with pytest.warns(RedisnbWarning, match="columns='I': .* entry_id, i, k; did you mean 'i'"):
            assert list(read(columns=["I", "i"])) == ["entry_id", "I", "i"]


def test_load_keeps_the_format_of_the_stream(conn, raw, tmp_path):
    fill(raw, 3, "s")
    for format in ("auto", "json", "fields", "raw"):
        stream = Stream(conn, "s", format=format)
        capture(stream, tmp_path / "c.jsonl", overwrite=True)
        pd.testing.assert_frame_equal(load(tmp_path / "c.jsonl"), stream.range())


def test_load_finds_several_streams_also_without_a_header(conn, raw, tmp_path):
    fill(raw, 1500, "s", "t")
    path = tmp_path / "c.jsonl"
    capture([Stream(conn, "s"), Stream(conn, "t", format="json")], path)
    expected = load(path)
    assert expected["stream"].tolist() == ["s", "t"] * 1500
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[1:]))
    pd.testing.assert_frame_equal(load(path), expected)
    assert load(path, columns=["stream", "k"]).columns.tolist() == ["entry_id", "stream", "k"]


@pytest.mark.filterwarnings("ignore:names that are taken")
def test_load_and_an_events_own_column_of_that_name(conn, tmp_path):
    for key in "st":
        Stream(conn, key).add({"stream": "Spree"})
    capture(Stream(conn, "s"), tmp_path / "c.jsonl")
    capture(conn, tmp_path / "d.jsonl")
    assert load(tmp_path / "c.jsonl").columns.tolist() == ["entry_id", "stream_field"]
    assert load(tmp_path / "d.jsonl").columns.tolist() == ["entry_id", "stream", "stream_field"]


def test_load_says_what_it_has_skipped(stream, tmp_path):
    path = tmp_path / "c.jsonl"
    capture(stream, path)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ReplayError, match="line 8"):
        load(path)
    with pytest.warns(RedisnbWarning, match="1 lines or rows held no entry"):
        frame = load(path, on_error="skip")
    assert len(frame) == 6
    assert frame.attrs["skipped"] == 1


def test_load_of_what_has_no_ids(tmp_path):
    (tmp_path / "c.jsonl").write_text('{"i":1}\n')
    with pytest.raises(ReplayError, match=r"without entry IDs; pd\.read_json"):
        load(tmp_path / "c.jsonl")
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.jsonl")


def test_load_refuses_a_column_that_no_entry_has(stream, tmp_path):
    capture(stream, tmp_path / "c.jsonl")
    with pytest.raises(ValueError, match="no entry has this"):
        load(tmp_path / "c.jsonl", where={"carier": 1})


def test_reading_needs_no_more_than_a_viewer_may(server, raw, stream, tmp_path):
    raw.execute_command(
        *("ACL", "SETUSER", "viewer", "on", ">pw", "~s", "resetchannels", "-@all"),
        *("+xrange", "+xread", "+xlen", "+xinfo|stream", "+time", "+ping", "+hello", "+auth"),
    )
    try:
        url = server.url.replace("unix://", "unix://")
        with connect(url, username="viewer", password="pw") as conn:
            assert isinstance(conn, Connection)
            frame = capture(Stream(conn, "s"), tmp_path / "c.jsonl", follow=True, timeout="10ms")
            assert frame["entries"].tolist() == [6]
    finally:
        raw.execute_command("ACL", "DELUSER", "viewer")
