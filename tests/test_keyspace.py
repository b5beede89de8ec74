"""keys() and streams(), compared with what a plain client finds."""

import threading

import pandas as pd
import pytest
import redis

from redisnb import connect, frames, keys, keyspace, streams
from redisnb.errors import RedisnbWarning


@pytest.fixture
def zoo(conn, raw):
    """One key of each type."""
    raw.set("string", "x")
    raw.hset("hash", "f", 1)
    raw.rpush("list", 1)
    raw.sadd("set", 1)
    raw.zadd("zset", {"a": 1})
    raw.xadd("stream", {"a": 1}, id="1-0")
    return conn


TYPES = ["hash", "list", "set", "stream", "string", "zset"]


def fill(raw: redis.Redis, n: int, name: str = "'key:' .. i", expiry: str = "") -> None:
    raw.eval(f"for i = 1, ARGV[1] do redis.call('SET', {name}, i{expiry}) end", 0, n)


def test_keys_of_each_type(zoo, has_schema):
    frame = keys(zoo)
    assert has_schema(frame, frames.KEYS)
    assert frame["key"].tolist() == TYPES
    assert frame["type"].tolist() == TYPES
    assert frame[["ttl", "expires_at"]].isna().all(axis=None)
    assert frame.attrs["truncated"] is False


def test_no_key_at_all(conn, has_schema):
    assert has_schema(keys(conn), frames.KEYS)
    assert has_schema(keys(conn, sizes=True), frames.KEYS | frames.KEY_SIZES)
    assert has_schema(streams(conn), frames.STREAMS)
    assert len(keys(conn)) == len(streams(conn)) == 0


@pytest.mark.parametrize("type", TYPES)
def test_keys_of_one_type(zoo, type):
    assert keys(zoo, type=type)["key"].tolist() == [type]
    assert keys(zoo, "no*", type=type).empty


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ("s*", ["set", "stream", "string"]),
        ("?ash", ["hash"]),
        ("[lz]*", ["list", "zset"]),
        ("set", ["set"]),
        ("SET", []),
        ("nothing*", []),
        ("", []),
    ],
)
def test_a_pattern(zoo, has_schema, match, expected):
    frame = keys(zoo, match)
    assert has_schema(frame, frames.KEYS)
    assert frame["key"].tolist() == expected


def test_ttls(conn, raw):
    raw.set("hour", "x", px=3_600_000)
    raw.set("ever", "x")
    raw.set("moment", "x", pxat=4_102_444_800_000)
    frame = keys(conn).set_index("key")
    assert pd.Timedelta("59min") < frame.loc["hour", "ttl"] <= pd.Timedelta("1h")
    assert pd.isna(frame.loc["ever", "ttl"])
    # PTTL and the server's clock are two commands; a few milliseconds may lie between them.
    exact = pd.Timestamp("2100-01-01", tz="UTC")
    assert abs(frame.loc["moment", "expires_at"] - exact) < pd.Timedelta("1s")
    due = pd.Timestamp(raw.execute_command("PEXPIRETIME", "hour"), unit="ms", tz="UTC")
    assert abs(frame.loc["hour", "expires_at"] - due) < pd.Timedelta("1s")


def test_sizes(zoo, raw, has_schema):
    frame = keys(zoo, sizes=True)
    assert has_schema(frame, frames.KEYS | frames.KEY_SIZES)
    assert frame["size"].tolist() == [raw.memory_usage(key) for key in TYPES]
    assert frame["encoding"].tolist() == [raw.object("encoding", key).decode() for key in TYPES]


def test_names_that_are_no_text(conn, raw, has_schema):
    names = [b"\xff\xfe", "größe".encode(), b"a b\n*", b"", b"\x00"]
    for name in names:
        raw.set(name, "x")
    found = keys(conn)["key"]
    assert found.tolist() == [b"".decode(), "\x00", "a b\n*", "größe", b"\xff\xfe"]
    assert [name.encode() if isinstance(name, str) else name for name in found] == sorted(names)
    raw.delete(b"\xff\xfe")
    assert has_schema(keys(conn), frames.KEYS)


def test_a_limit(conn, raw):
    fill(raw, 2500)
    for limit in (0, 1, 999, 1000, 2499, 2500, 2501, None):
        frame = keys(conn, limit=limit)
        expected = 2500 if limit is None else min(limit, 2500)
        assert len(frame) == frame["key"].nunique() == expected
        assert frame.attrs["truncated"] is (expected < 2500)
        assert frame["key"].is_monotonic_increasing
    for limit in (-1, 1.5, "all"):
        with pytest.raises(ValueError, match=f"limit={limit!r}; it is a number of rows"):
            keys(conn, limit=limit)


def test_ten_thousand_keys_each_once_and_without_keys(conn, raw):
    fill(raw, 12_345)
    raw.config_resetstat()
    frame = keys(conn, "key:*")
    assert sorted(frame["key"]) == sorted(key.decode() for key in raw.scan_iter(count=5000))
    assert len(frame) == 12_345
    sent = raw.info("commandstats")
    assert "cmdstat_keys" not in sent
    assert sent["cmdstat_type"]["calls"] == sent["cmdstat_pttl"]["calls"] == 12_345


def test_the_default_limit_warns(server, raw):
    raw.flushall()
    fill(raw, 100_001)
    with connect(server.url) as conn:
        with pytest.warns(
            RedisnbWarning, match="default limit of 100,000 rows; limit=None"
        ) as seen:
            assert len(keys(conn)) == 100_000
        assert seen[0].filename == __file__
        assert keys(conn, "key:7")["key"].tolist() == ["key:7"]


def test_keys_that_come_go_and_expire_meanwhile(conn, raw):
    fill(raw, 3000, "'stay:' .. i")
    fill(raw, 3000, "'short:' .. i", ", 'PX', 1 + i % 50")
    done = threading.Event()

    def churn():
        n = 0
        while not done.is_set():
            n += 1
            fill(raw, 200, f"'churn:{n % 3}:' .. i", ", 'PX', 1 + i % 20")
            raw.unlink(*(f"churn:{n % 3}:{i}" for i in range(1, 100)))

    with redis.Redis(connection_pool=raw.connection_pool):
        thread = threading.Thread(target=churn)
        thread.start()
        try:
            for sizes in (False, True):
                frame = keys(conn, sizes=sizes)
                stay = frame[frame["key"].str.startswith("stay:")]
                assert len(stay) == stay["key"].nunique() == 3000
                assert frame["key"].is_unique
                assert (frame["type"] == "string").all()
                others = frame[~frame["key"].str.startswith("stay:")]
                assert others["ttl"].notna().all()
        finally:
            done.set()
            thread.join()


def test_a_key_that_goes_between_the_walk_and_the_look(conn, raw, has_schema):
    raw.set("stay", "x")
    rows = keyspace._rows(conn, [b"gone", b"stay"], sizes=True, skip=0)
    assert [row[0] for row in rows] == ["stay"]
    assert streams(conn).empty


# Streams


def test_streams(conn, raw, has_schema):
    raw.set("text", "x")
    for key, n in (("b", 3), ("a", 1)):
        for i in range(1, n + 1):
            raw.xadd(key, {"i": i}, id=f"{i}-0")
    raw.xgroup_create("b", "g", "0")
    raw.xgroup_create("b", "h", "0")
    raw.xreadgroup("g", "me", {"b": ">"}, count=2)
    raw.xgroup_create("empty", "g", "0", mkstream=True)
    frame = streams(conn)
    assert has_schema(frame, frames.STREAMS)
    sizes = frame.pop("size")
    assert sizes.tolist() == [raw.memory_usage(key) for key in ("a", "b", "empty")]
    assert frame.astype(object).where(frame.notna(), None).to_numpy().tolist() == [
        ["a", 1, 0, "1-0", "1-0", 0, 0],
        ["b", 3, 2, "1-0", "3-0", 3, 2],
        ["empty", 0, 1, None, "0-0", 0, 0],
    ]
    assert streams(conn, "[ae]*")["stream"].tolist() == ["a", "empty"]
    assert has_schema(streams(conn, "text"), frames.STREAMS)


def test_the_lag_is_missing_where_the_server_does_not_know_that_of_one_group(conn, raw):
    for i in (1, 2, 3):
        raw.xadd("s", {"i": i}, id=f"{i}-0")
    raw.xgroup_create("s", "known", "0")
    raw.xgroup_create("s", "unknown", "2-0")
    assert [group["lag"] for group in raw.xinfo_groups("s")] == [3, None]
    assert streams(conn)["lag"].isna().all()


def test_more_streams_than_a_batch(conn, raw):
    raw.eval("for i = 1, 1500 do redis.call('XADD', 's:' .. i, '1-0', 'i', i) end", 0)
    frame = streams(conn)
    assert frame["stream"].tolist() == sorted(f"s:{i}" for i in range(1, 1501))
    assert frame["length"].eq(1).all()


def test_a_stream_whose_name_is_no_text(conn, raw):
    raw.xadd(b"\xff", {"i": 1}, id="1-0")
    assert streams(conn)["stream"].tolist() == [b"\xff"]
    assert streams(conn)["length"].tolist() == [1]


def test_a_user_who_may_not_ask_for_memory(server, raw):
    raw.flushall()
    raw.xadd("s", {"i": 1}, id="1-0")
    raw.acl_setuser(
        "viewer",
        enabled=True,
        passwords=["+pw"],
        keys=["*"],
        commands=["+@read", "+ping", "+time", "-memory"],
        reset=True,
    )
    try:
        with connect(f"unix://viewer:pw@{server.directory}/socket") as conn:
            assert streams(conn)["size"].isna().all()
            assert keys(conn, sizes=True)["size"].isna().all()
    finally:
        raw.acl_deluser("viewer")


def test_a_user_who_may_not_ask_for_types(server, raw):
    raw.flushall()
    raw.set("k", 1)
    raw.acl_setuser("nobody", enabled=True, passwords=["+pw"], keys=["*"],
                    commands=["+ping", "+scan", "+time"], reset=True)  # fmt: skip
    try:
        with connect(f"unix://nobody:pw@{server.directory}/socket") as conn:
            with pytest.raises(redis.exceptions.NoPermissionError, match="'type' command"):
                keys(conn)
            assert conn.client.ping()
    finally:
        raw.acl_deluser("nobody")


def test_an_old_server_does_the_same(wheel_server, has_schema):
    with connect(wheel_server.url) as conn, redis.Redis.from_url(wheel_server.url) as raw:
        raw.flushall()
        raw.set("text", "x", px=3_600_000)
        raw.xadd("s", {"i": 1}, id="1-0")
        raw.xgroup_create("s", "g", "0")
        assert has_schema(keys(conn, sizes=True), frames.KEYS | frames.KEY_SIZES)
        assert keys(conn)["key"].tolist() == ["s", "text"]
        assert keys(conn, type="string")["ttl"].notna().all()
        assert has_schema(streams(conn), frames.STREAMS)
        assert streams(conn)["lag"].isna().all()
