"""Ctrl-C in each call that waits for the server: it ends, and the connection is as it was."""

import contextlib
import os
import signal
import threading
import time

import pandas as pd
import pytest
import redis

import redisnb as rnb
from tests.deadlines import deadline

CALLS = {
    "keys": lambda conn, stream, group, path: rnb.keys(conn),
    "streams": lambda conn, stream, group, path: rnb.streams(conn),
    "groups": lambda conn, stream, group, path: rnb.groups(conn),
    "watch": lambda conn, stream, group, path: rnb.watch(conn),
    "tree": lambda conn, stream, group, path: rnb.tree(conn),
    "values": lambda conn, stream, group, path: rnb.values(conn),
    "preview": lambda conn, stream, group, path: rnb.preview(conn, "k"),
    "range": lambda conn, stream, group, path: stream.range(),
    "frames": lambda conn, stream, group, path: list(stream.frames()),
    "tail": lambda conn, stream, group, path: stream.tail(),
    "info": lambda conn, stream, group, path: stream.info(),
    "follow": lambda conn, stream, group, path: list(stream.follow("all")),
    "add": lambda conn, stream, group, path: stream.add({"a": 1}),
    "add_many": lambda conn, stream, group, path: stream.add_many([{"a": 1}] * 10),
    "add_many frame": lambda conn, stream, group, path: stream.add_many(pd.DataFrame({"a": [1]})),
    "trim": lambda conn, stream, group, path: stream.trim(maxlen=100),
    "group.read": lambda conn, stream, group, path: group.read(block="1min"),
    "pending": lambda conn, stream, group, path: group.pending(),
    "autoclaim": lambda conn, stream, group, path: group.autoclaim(min_idle="1min"),
    "dead_letters": lambda conn, stream, group, path: group.dead_letters(),
    "lag": lambda conn, stream, group, path: group.lag(),
    "cache.get": lambda conn, stream, group, path: rnb.Cache(conn).get("k"),
    "cache.set": lambda conn, stream, group, path: rnb.Cache(conn).set(
        "frame", pd.DataFrame({"a": [1]})
    ),
    "cache.delete_matching": lambda conn, stream, group, path: rnb.Cache(conn).delete_matching(
        "x*"
    ),
    "capture": lambda conn, stream, group, path: rnb.capture(stream, path),
    "replay": lambda conn, stream, group, path: rnb.replay(
        stream, rnb.Stream(conn, "t"), speed=None
    ),
    "dry run": lambda conn, stream, group, path: rnb.replay(
        stream, rnb.Stream(conn, "t"), dry_run=True
    ),
    "consumer.run": lambda conn, stream, group, path: rnb.Consumer(group, print).run(),
    "connect": lambda conn, stream, group, path: rnb.connect(conn.url, timeout="1min"),
}


@contextlib.contextmanager
def paused(server):
    """Make a server keep all clients waiting."""
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


@pytest.fixture(scope="module")
def own_server(server):
    with rnb.Server() as own:
        yield own


@pytest.mark.parametrize("call", CALLS)
def test_ctrl_c_ends_it(own_server, tmp_path, call):
    with redis.Redis.from_url(own_server.url) as raw:
        raw.flushall()
        raw.set("k", "x")
    with rnb.connect(own_server.url, timeout="1min") as conn:
        stream = rnb.Stream(conn, "s")
        stream.add_many([{"a": i} for i in range(20)])
        group = rnb.ConsumerGroup(stream, "g")
        group.create("all")
        began = time.monotonic()
        with paused(own_server):
            main = threading.main_thread().ident
            threading.Timer(0.1, signal.pthread_kill, [main, signal.SIGINT]).start()
            with pytest.raises(KeyboardInterrupt):
                CALLS[call](conn, stream, group, tmp_path / "c.jsonl")
        assert time.monotonic() - began < deadline(4)
        # No reply of then is taken for one of now.
        assert rnb.preview(conn, "k")["value"].tolist() == ["x"]
        assert stream.range(limit=20)["a"].tolist()[5:] == list(range(20))[5:]
