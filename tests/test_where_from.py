"""What a frame tells of its origin, where things begin, and what a forked child waits for."""

import multiprocessing
import time

import pyarrow.parquet as pq
import pytest

import redisnb as rnb
from tests.deadlines import deadline


@pytest.fixture
def stream(conn) -> rnb.Stream:
    stream = rnb.Stream(conn, "orders")
    stream.add_many([{"n": n} for n in range(3)], ids=["1-0", "2-0", "3-0"])
    return stream


def test_a_frame_says_where_it_is_from(conn, stream):
    for frame, bounds in [
        (stream.range(), ["-", "+"]),
        (stream.range("2-0", "(3-0", reverse=True), ["2-0", "(3-0"]),
        (stream.head(1), ["-", "+"]),
        (stream.tail(1), ["-", "+"]),
        (next(stream.frames("2-0")), ["2-0", "+"]),
    ]:
        origin = {name: frame.attrs[name] for name in ("stream", "range", "server")}
        assert origin == {"stream": "orders", "range": bounds, "server": conn.url}


def test_a_group_keeps_the_columns_that_it_has_read(stream):
    group = rnb.ConsumerGroup(stream, "g")
    group.create("all")
    read = group.read()
    assert read.attrs["range"] == ["1-0", "3-0"]
    empty = group.read()
    assert empty.empty
    assert empty.dtypes.to_dict() == read.dtypes.to_dict()


def test_start_takes_words(stream, tmp_path):
    assert stream.range("all")["n"].tolist() == [0, 1, 2]
    assert stream.range("new").empty
    assert [len(frame) for frame in stream.frames("all")] == [3]
    assert rnb.capture(stream, tmp_path / "c.jsonl", start="all")["entries"].tolist() == [3]
    target = rnb.Stream(stream.conn, "copy")
    assert rnb.replay(stream, target, start="all", speed=float("inf")).added == 3
    assert rnb.replay(stream, target, start="new", speed=float("inf")).added == 0


def test_a_consumer_says_where_it_begins(stream):
    consumer = rnb.Consumer(stream, print)
    assert consumer.begins == "new"
    assert repr(consumer) == "Consumer('orders', start='new', stopped)"
    assert repr(rnb.Consumer(stream, print, start="all")).endswith("start='all', stopped)")
    grouped = rnb.Consumer(rnb.ConsumerGroup(stream, "g"), print)
    assert grouped.begins is None
    assert "start=" not in repr(grouped)


def test_what_is_no_text_is_cut_in_what_a_table_shows(conn, tmp_path):
    image = b"\xff" * 5_000
    conn.client.xadd("s", {b"image": image, b"text": b"x" * 5_000})
    rnb.capture(rnb.Stream(conn, "s"), tmp_path / "c.parquet")
    (event,) = pq.read_table(tmp_path / "c.parquet")["event"].to_pylist()
    assert "... (5,000 bytes)" in event
    assert "x" * 5_000 in event
    loaded = rnb.load(tmp_path / "c.parquet")
    assert rnb.to_bytes(loaded["image"].iloc[0]) == image


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_no_consumer_to_wait_for(stream):
    with rnb.Consumer(stream, print):
        child = multiprocessing.get_context("fork").Process(target=rnb.stop_all)
        began = time.monotonic()
        child.start()
        child.join(deadline(10))
        assert child.exitcode == 0
        assert time.monotonic() - began < deadline(1.5)


def test_a_hint_never_fails_what_it_is_about(tcp_server):
    with rnb.connect(tcp_server.url) as conn:
        tcp_server.kill()
        assert rnb.wire.near_key(conn, "ordres") is None
        tcp_server.start()
