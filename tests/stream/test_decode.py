"""Streams with payloads that are not JSON, in every function that reads them."""

import gzip
import json
import zlib

import msgspec
import pandas as pd
import pytest

import redisnb as rnb
from redisnb.cli import main
from redisnb.errors import EncodeError
from tests.deadlines import until

BOTH = ("gzip", "gzip")
EVENTS = [{"carrier": ("UA", "AA")[i % 2], "i": i, "v": i / 2} for i in range(400)]


@pytest.fixture
def stream(conn):
    """A stream of compressed events, and among them one that is none, and one that is not."""
    stream = rnb.Stream(conn, "packed", decode=BOTH)
    stream.add_many(EVENTS[:200])
    conn.client.xadd("packed", {"payload": b"ping"})
    conn.client.xadd("packed", {"payload": json.dumps(EVENTS[0])})
    stream.add_many(EVENTS[200:])
    return stream


def test_every_reader_reads_it(stream, conn, tmp_path):
    assert json.loads(gzip.decompress(conn.client.xrange("packed")[0][1][b"payload"])) == EVENTS[0]
    frame = stream.range()
    assert frame.attrs["odd"] == 2
    events = frame[["carrier", "i", "v"]].dropna().astype({"i": int})
    assert events.to_dict("records") == EVENTS
    assert frame["payload"].dropna().tolist() == ["ping", json.dumps(EVENTS[0])]

    chosen = stream.range(where={"carrier": "UA"})
    assert chosen["i"].tolist() == list(range(0, 400, 2))
    assert stream.range(where="payload = 'ping'").shape[0] == 1
    assert pd.concat(stream.frames(count=90, where="i < 300"))["i"].tolist() == list(range(300))
    assert [entry.event["i"] for entry in stream.follow("all", timeout=0.3, where="i = 7")] == [7]
    assert stream.entry(frame["entry_id"].iloc[0]).event == EVENTS[0]

    group = rnb.ConsumerGroup(stream, "g", consumer="c")
    group.create("all")
    assert group.read(1000)["i"].dropna().tolist() == list(range(400))
    assert group.pending(payload=True, limit=1000)["i"].dropna().tolist() == list(range(400))

    for ending in ("parquet", "jsonl.zst"):
        path = tmp_path / f"c.{ending}"
        rnb.capture(stream, path, where="i >= 300 or payload = 'ping'")
        loaded = rnb.load(path, where={"carrier": "AA"})
        assert loaded["i"].tolist() == list(range(301, 400, 2))
        rnb.replay(path, rnb.Stream(conn, ending), where="i < 310", speed=float("inf"))
        # Byte for byte, whatever the target is.
        stored = [fields[b"payload"] for _, fields in conn.client.xrange(ending)]
        assert [json.loads(gzip.decompress(each))["i"] for each in stored] == list(range(300, 310))


@pytest.mark.slow
def test_a_consumer_gets_events_and_frames(stream):
    seen, frames = [], []
    with rnb.Consumer(stream, lambda entry: seen.append(entry.event), start="all") as consumer:
        until(lambda: consumer.stats["handled"] == 402)
    assert [each for each in seen if "i" in each] == EVENTS
    group = rnb.ConsumerGroup(stream, "g")
    group.create("all")
    with rnb.Consumer(group, on_frame=frames.append) as consumer:
        until(lambda: consumer.stats["handled"] == 402)
    assert pd.concat(frames)["i"].dropna().tolist() == list(range(400))


def test_a_stream_that_only_reads_refuses_to_write(conn):
    stream = rnb.Stream(conn, "packed", decode="gzip")
    for write in (
        lambda: stream.add({"a": 1}),
        lambda: stream.add_many([{"a": 1}]),
        lambda: stream.add_many(pd.DataFrame({"a": [1]})),
    ):
        with pytest.raises(EncodeError, match=r"decode='gzip' only reads; .* decode=\(read, write"):
            write()
    assert not conn.client.exists("packed")


def test_functions_of_the_user(conn, tmp_path):
    def read(payload):
        return msgspec.msgpack.decode(zlib.decompress(payload))

    def write(event):
        return zlib.compress(msgspec.msgpack.encode(event))

    stream = rnb.Stream(conn, "own", field="data", json=["key"], decode=(read, write))
    frame = pd.DataFrame({"key": ["a", "b"], "n": [1, 2], "at": pd.to_datetime(["2026", "2027"])})
    assert stream.add_many(frame)["status"].tolist() == ["added"] * 2
    stored = conn.client.xrange("own")[1][1]
    assert read(stored[b"key"]) == "b"
    assert read(stored[b"data"]) == {"n": 2, "at": "2027-01-01T00:00:00"}
    # The key is text and no object: it is a member, as JSON text would be.
    stream = rnb.Stream(conn, "own", field="data", decode=(read, write))
    assert stream.range()["n"].tolist() == [1, 2]
    path = tmp_path / "own.parquet"
    rnb.capture(stream, path)
    assert "n" not in rnb.load(path)
    assert rnb.load(path, decode=read)["n"].tolist() == [1, 2]


def test_a_transform_writes_back_what_it_changes(stream, conn):
    before = conn.client.xrange("packed")
    target = rnb.Stream(conn, "target")
    rnb.replay(stream, target, speed=float("inf"), transform=lambda frame: frame, ids="keep")
    assert conn.client.xrange("target") == before
    conn.client.delete("target")

    def doubled(frame):
        return frame.assign(i=frame["i"].replace(7, 14))

    rnb.replay(stream, target, speed=float("inf"), transform=doubled, ids="keep")
    after = conn.client.xrange("target")
    assert [i for i, both in enumerate(zip(before, after, strict=True)) if both[0] != both[1]] == [
        7
    ]
    changed = gzip.decompress(after[7][1][b"payload"])
    assert changed == json.dumps({**EVENTS[7], "i": 14}, separators=(",", ":")).encode()

    reader = rnb.Stream(conn, "packed", decode="gzip")
    with pytest.raises(EncodeError, match="decode='gzip' only reads"):
        rnb.replay(reader, rnb.Stream(conn, "other"), speed=float("inf"), transform=doubled)
    # What stands beside it may change all the same.
    conn.client.delete("packed")
    conn.client.xadd("packed", {"payload": gzip.compress(b'{"a":1}'), "kind": "x"})
    rnb.replay(
        reader,
        rnb.Stream(conn, "beside"),
        speed=float("inf"),
        transform=lambda frame: frame.assign(kind="y"),
    )
    assert rnb.Stream(conn, "beside", decode="gzip").range()["kind"].tolist() == ["y"]


def test_the_command_line(stream, server, tmp_path, monkeypatch):
    monkeypatch.setenv("REDIS_URL", server.url)
    path = str(tmp_path / "c.parquet")
    assert main(["capture", "packed", path, "--decode", "gzip", "--where", "i < 5", "--quiet"]) == 0
    assert rnb.load(path)["i"].tolist() == [0, 1, 2, 3, 4]
