"""keys(), streams() and values(), compared with what a plain client finds."""

import contextlib
import json
import threading
import warnings

import pandas as pd
import pytest
import redis

from redisnb import Cache, Stream, connect, frames, keys, streams, values, wire
from redisnb.entries import to_bytes
from redisnb.errors import DecodeError, RedisnbWarning
from redisnb.keyspace import listing
from redisnb.wire import walking
from tests.deadlines import deadline


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
    seconds, micros = raw.time()
    now = pd.Timestamp(seconds * 10**6 + micros, unit="us", tz="UTC")
    due = now + pd.Timedelta(raw.pttl("hour"), "ms")
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
    assert found.tolist() == [b"".decode(), "\x00", "a b\n*", "größe", "�xff�xfe"]
    assert list(map(to_bytes, found)) == sorted(names)
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


@pytest.mark.parametrize("call", [keys, values])
def test_a_sample(conn, raw, call):
    fill(raw, 2500)
    for sample in (1, 10, 999, 1000, 2499):
        frame = call(conn, sample=sample)
        assert len(frame) == frame["key"].nunique() == frame.attrs["sampled"] == sample
        assert frame.attrs["truncated"] is False
        assert frame["key"].is_monotonic_increasing
    for sample in (2500, 10**6):
        frame = call(conn, sample=sample)
        assert (len(frame), frame.attrs["sampled"]) == (2500, None)
    raw.mset({f"few:{i}": i for i in range(5)})
    assert len(call(conn, "few:*", sample=3)) == 3
    assert call(conn, "nothing", sample=3).empty
    for sample in (0, -1, 1.5, "all", True):
        with pytest.raises(ValueError, match=f"sample={sample!r}; it is a number of keys"):
            call(conn, sample=sample)
    with pytest.raises(ValueError, match="sample=5 and limit=7 are two numbers of rows; leave"):
        call(conn, sample=5, limit=7)


def test_a_sample_of_a_type_and_of_what_has_values(zoo, raw):
    fill(raw, 2500)
    raw.eval("for i = 1, 50 do redis.call('RPUSH', 'list:' .. i, i) end", 0)
    frame = keys(zoo, type="list", sample=10, sizes=True)
    assert frame["type"].tolist() == ["list"] * 10
    assert frame["size"].notna().all()
    frame = values(zoo, sample=2000)
    assert len(frame) == frame.attrs["sampled"] == 2000
    assert keys(zoo, type="stream", sample=10)["key"].tolist() == ["stream"]


def test_a_sample_does_not_go_through_the_whole_database(conn, raw):
    fill(raw, 12_345)
    for call in (keys, values):
        raw.config_resetstat()
        call(conn, sample=10)
        sent = raw.info("commandstats")
        assert sent["cmdstat_scan"]["calls"] < 4
        assert sent["cmdstat_type"]["calls"] < 2500


def test_ten_thousand_keys_each_once_and_without_keys(conn, raw):
    fill(raw, 12_345)
    raw.config_resetstat()
    frame = keys(conn, "key:*")
    assert sorted(frame["key"]) == sorted(key.decode() for key in raw.scan_iter(count=5000))
    assert len(frame) == 12_345
    sent = raw.info("commandstats")
    assert "cmdstat_keys" not in sent
    assert sent["cmdstat_type"]["calls"] == sent["cmdstat_pttl"]["calls"] == 12_345


@pytest.mark.parametrize("type", [None, "string", "hash"])
def test_pages_have_what_keys_has(conn, raw, has_schema, type):
    fill(raw, 12_345)
    raw.hset("hash", "f", 1)
    parts = list(listing.key_pages(conn, "*", type=type))
    assert len(parts) > 2
    for part in parts:
        assert has_schema(part, frames.KEYS)
        assert part["key"].is_monotonic_increasing
    found = pd.concat(parts).sort_values("key", ignore_index=True)
    assert found[["key", "type"]].equals(keys(conn, type=type)[["key", "type"]])


def test_pages_come_also_where_nothing_matches(conn, raw):
    fill(raw, 12_345)
    parts = list(listing.key_pages(conn, "nothing*"))
    assert len(parts) > 2
    assert all(part.empty for part in parts)
    assert Cache(conn).delete_matching("nothing*") == 0


def test_keys_that_are_known_are_described(zoo, raw):
    frame = listing.described_keys(zoo, [b"set", b"gone", b"hash"], sizes=True)
    assert frame["key"].tolist() == ["hash", "set"]
    assert frame["size"].tolist() == [raw.memory_usage("hash"), raw.memory_usage("set")]


@pytest.mark.slow
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


@contextlib.contextmanager
def meanwhile(work):
    """Call `work` again and again in a thread; at least once before the block begins."""
    done, begun = threading.Event(), threading.Event()

    def loop():
        while not done.is_set():
            work()
            begun.set()

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        assert begun.wait(deadline(10))
        yield
    finally:
        done.set()
        thread.join()


@pytest.mark.slow
@pytest.mark.parametrize("protocol", [3])  # the walk is the same in both
def test_no_key_twice_while_the_table_of_keys_is_rehashed(conn, raw, server, monkeypatch):
    fill(raw, 300, "'stay:' .. i")
    # Small pages, so that the table grows and shrinks between many of them.
    monkeypatch.setattr(walking, "WALK_COUNT", 20)
    monkeypatch.setattr(walking, "SCAN_COUNT", 20)
    sent = []
    fresh = walking._Scan.fresh

    def spy(scan, reply):
        sent.extend(reply[1])
        return fresh(scan, reply)

    monkeypatch.setattr(walking._Scan, "fresh", spy)
    with redis.Redis.from_url(server.url) as other:

        def churn():
            fill(other, 4000, "'churn:' .. i")
            other.eval("for i = 1, 4000 do redis.call('DEL', 'churn:' .. i) end", 0)

        repeated = 0
        with meanwhile(churn):
            # Repeated until it happens.
            while not repeated:
                sent.clear()
                found = keys(conn, "stay:*", limit=None)["key"]
                assert found.tolist() == sorted(f"stay:{i}" for i in range(1, 301))
                repeated += len(sent) - len(set(sent))
            monkeypatch.undo()
            for _ in range(10):
                assert keys(conn, limit=None)["key"].is_unique
                assert values(conn, "stay:*")["key"].tolist() == found.tolist()


def test_a_limit_ends_the_walk_over_all_names_of_a_type(conn, raw, monkeypatch):
    fill(raw, 50, "'k:' .. i")
    raw.config_resetstat()
    monkeypatch.setattr(listing, "server_types", lambda type: ("string", "hash", "list"))
    frame = keys(conn, type="bloom", limit=10)
    assert (len(frame), frame.attrs["truncated"]) == (10, True)
    assert raw.info("commandstats")["cmdstat_scan"]["calls"] == 1


def test_a_key_that_goes_between_the_walk_and_the_look(conn, raw, has_schema):
    raw.set("stay", "x")
    frame = listing.described_keys(conn, [b"gone", b"stay"], sizes=True)
    assert frame["key"].tolist() == ["stay"]
    assert streams(conn).empty


# Streams


def test_streams(conn, raw, has_schema, knows_lag):
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
    sizes, ages = frame.pop("size"), frame.pop("oldest_pending")
    times = frame.pop("first_time").notna() & frame.pop("last_time").notna()
    assert times.tolist() == [True, True, False]
    assert frame.pop("rate").isna().all()
    assert ages.notna().tolist() == [False, True, False]
    assert sizes.tolist() == [raw.memory_usage(key) for key in ("a", "b", "empty")]
    assert frame.astype(object).where(frame.notna(), None).to_numpy().tolist() == [
        ["a", 1, 0, "1-0", "1-0", 0, 0, 0],
        ["b", 3, 2, "1-0", "3-0", 3 if knows_lag else None, 2, 0],
        ["empty", 0, 1, None, "0-0", 0, 0, 0],
    ]
    assert streams(conn, "[ae]*")["stream"].tolist() == ["a", "empty"]
    assert has_schema(streams(conn, "text"), frames.STREAMS)


def test_the_lag_is_missing_where_the_server_does_not_know_that_of_one_group(conn, raw, knows_lag):
    for i in (1, 2, 3):
        raw.xadd("s", {"i": i}, id=f"{i}-0")
    raw.xgroup_create("s", "known", "0")
    raw.xgroup_create("s", "unknown", "2-0")
    known = [group.get("lag") for group in raw.xinfo_groups("s")]
    assert known == ([3, None] if knows_lag else [None, None])
    assert streams(conn)["lag"].isna().all()


def test_more_streams_than_a_batch(conn, raw):
    raw.eval("for i = 1, 1500 do redis.call('XADD', 's:' .. i, '1-0', 'i', i) end", 0)
    frame = streams(conn)
    assert frame["stream"].tolist() == sorted(f"s:{i}" for i in range(1, 1501))
    assert frame["length"].eq(1).all()


def test_a_stream_whose_name_is_no_text(conn, raw):
    raw.xadd(b"\xff", {"i": 1}, id="1-0")
    assert streams(conn)["stream"].tolist() == ["�xff"]
    assert streams(conn)["length"].tolist() == [1]


@contextlib.contextmanager
def user(server, raw, *commands):
    """A connection of a user that may only use `commands`."""
    raw.acl_setuser(
        "some", enabled=True, passwords=["+pw"], keys=["*"], commands=[*commands], reset=True
    )
    try:
        with connect(f"unix://some:pw@{server.directory}/socket") as conn:
            yield conn
    finally:
        raw.acl_deluser("some")


def test_a_user_who_may_not_ask_for_memory(server, raw):
    raw.flushall()
    raw.xadd("s", {"i": 1}, id="1-0")
    with user(server, raw, "+@read", "+ping", "+time", "-memory") as conn:
        assert streams(conn)["size"].isna().all()
        assert keys(conn, sizes=True)["size"].isna().all()


def test_a_user_who_may_not_ask_for_types(server, raw):
    raw.flushall()
    raw.set("k", 1)
    with user(server, raw, "+ping", "+scan", "+time") as conn:
        with pytest.raises(redis.exceptions.NoPermissionError, match="'type' command"):
            keys(conn)
        with pytest.raises(redis.exceptions.NoPermissionError, match="'type' command"):
            values(conn)
        assert conn.client.ping()


def test_a_user_who_may_not_ask_for_ttls(server, raw):
    raw.flushall()
    raw.set("k", 1)
    with user(server, raw, "+ping", "+scan", "+time", "+type", "+get") as conn:
        with pytest.raises(redis.exceptions.NoPermissionError, match="'pttl' command"):
            keys(conn)
        assert values(conn)["value"].tolist() == [1]


# Values


def rows(frame: pd.DataFrame) -> list[list]:
    """Return a frame's rows as Python values, None for what is missing."""
    return frame.astype(object).where(frame.notna(), None).to_numpy().tolist()


def test_values_of_hashes(conn, raw, has_schema):
    raw.hset("user:2", mapping={"name": "Bob", "age": "31", "zip": "00501"})
    raw.hset("user:1", mapping={"name": "Ann", "age": "30", "zip": "10001"})
    raw.hset("other", "x", 1)
    frame = values(conn, "user:*")
    assert has_schema(frame, frames.VALUES, "name", "age", "zip")
    assert frame.dtypes.astype(str).tolist() == ["str", "str", "int64", "str"]
    assert rows(frame) == [["user:1", "Ann", 30, "10001"], ["user:2", "Bob", 31, "00501"]]
    assert frame.attrs == {"skipped": {}, "truncated": False}
    assert values(conn, "user:*", types="text")["age"].tolist() == ["30", "31"]
    assert str(values(conn, "user:*", types={"age": "float64"})["age"].dtype) == "float64"
    with pytest.raises(DecodeError, match="column 'name' cannot be read as int64"):
        values(conn, "user:*", types={"name": "int64"})


def test_values_of_hashes_whose_fields_come_and_go(conn, raw):
    raw.hset("1", mapping={"a": 1, "b": "true"})
    raw.hset("2", mapping={"b": "x", "c": 2**53 + 1})
    raw.hset("3", mapping={"d": "1.5", "a": 7})
    frame = values(conn)
    assert frame.columns.tolist() == ["key", "a", "b", "c", "d"]
    assert frame.dtypes.astype(str).tolist() == ["str", "Int64", "str", "Int64", "float64"]
    assert rows(frame) == [
        ["1", 1, "true", None, None],
        ["2", None, "x", 2**53 + 1, None],
        ["3", 7, None, None, 1.5],
    ]


def test_values_of_json(conn, raw):
    raw.set("1", json.dumps({"id": 1, "user": {"name": "Ann", "tags": ["a"]}, "ok": True}))
    raw.set("2", json.dumps({"id": 2, "user": {"name": "1", "age": 5}, "ok": None}))
    raw.set("3", "{}")
    frame = values(conn)
    assert frame.columns.tolist() == ["key", "id", "user.name", "user.tags", "ok", "user.age"]
    assert frame.dtypes.astype(str).tolist() == [
        *("str", "Int64", "str", "object", "boolean", "Int64")
    ]
    assert rows(frame) == [
        ["1", 1, "Ann", ["a"], True, None],
        ["2", 2, "1", None, None, 5],
        ["3", None, None, None, None, None],
    ]
    raw.delete("1", "2")
    assert rows(values(conn)) == [["3"]]


@pytest.mark.parametrize(
    ("stored", "expected", "dtype"),
    [
        (["1", "20"], [1, 20], "int64"),
        (["1.50", "2"], [1.5, 2.0], "float64"),
        (["007", "1"], ["007", "1"], "str"),
        (["x", ""], ["x", ""], "str"),
        (['"x"', "[1]", "null", "true"], ['"x"', "[1]", "null", "true"], "str"),
        (['{"a": 1', "{oops}", "{'a': 1}", " "], ['{"a": 1', "{oops}", "{'a': 1}", " "], "str"),
        ([b"\xff\x00", "x"], ["�xff\x00", "x"], "str"),
    ],
)
def test_values_of_other_strings(conn, raw, has_schema, stored, expected, dtype):
    for i, value in enumerate(stored):
        raw.set(f"{i}", value)
    frame = values(conn)
    assert has_schema(frame, frames.VALUES, "value")
    assert frame["value"].tolist() == expected
    assert str(frame["value"].dtype) == dtype


def test_values_of_all_kinds_together(zoo, raw):
    raw.set("object", '{"f": "x", "value": {"n": 1}}')
    raw.set("broken", '{"f": ')
    raw.hset("with-payload", mapping={"payload": '{"f": 2}', "g": "3"})
    frame = values(zoo)
    # A hash's field and a JSON member are one column, as in a stream.
    assert frame.columns.tolist() == ["key", "value", "f", "value.n", "payload", "g"]
    assert rows(frame) == [
        ["broken", '{"f": ', None, None, None, None],
        ["hash", None, "1", None, None, None],
        ["object", None, "x", 1, None, None],
        ["string", "x", None, None, None, None],
        ["with-payload", None, None, None, '{"f": 2}', 3],
    ]
    assert frame.attrs["skipped"] == {"list": 1, "set": 1, "zset": 1, "stream": 1}
    assert len(frame) + 4 == len(keys(zoo))


def test_a_hash_keeps_its_payload_and_a_json_member_its_name(conn, raw):
    raw.hset("hash", "payload", '{"a": 1}')
    assert rows(values(conn)) == [["hash", '{"a": 1}']]
    raw.set("json", '{"payload": {"a": 2}}')
    frame = values(conn)
    assert frame.columns.tolist() == ["key", "payload", "payload.a"]
    assert rows(frame) == [["hash", '{"a": 1}', None], ["json", None, 2]]


def test_values_whose_columns_have_the_name_of_the_key(conn, raw):
    raw.hset("h", mapping={"key": "k", "key_field": "kf"})
    with pytest.warns(RedisnbWarning, match="'key' as 'key_field'"):
        frame = values(conn)
    assert rows(frame) == [["h", "k", "kf"]]
    assert frame.columns.tolist() == ["key", "key_field", "key_field_field"]
    raw.delete("h")
    raw.set("s", '{"key": 1}')
    with pytest.warns(RedisnbWarning, match="'key' as 'key_field'"):
        assert rows(values(conn)) == [["s", 1]]


def test_plain_text_beside_a_member_named_value(conn, raw):
    raw.set("1", '{"value": 1}')
    raw.set("2", "x")
    frame = values(conn)
    assert frame.columns.tolist() == ["key", "value"]
    assert rows(frame) == [["1", 1], ["2", "x"]]


def test_names_and_values_that_are_no_text(conn, raw):
    raw.hset(b"\xff", mapping={b"\xfe": b"\xfd", "a": 1})
    raw.hset("größe", mapping={"a": 2})
    frame = values(conn)
    assert frame.columns.tolist() == ["key", "a", "�xfe"]
    assert rows(frame) == [["größe", 2, None], ["�xff", 1, "�xfd"]]


def test_what_a_cache_keeps_as_frames_and_bytes_stays_bytes(conn, raw):
    cache = Cache(conn)
    cache.set("frame", pd.DataFrame({"a": [1]}))
    cache.set("text", "x")
    cache.set("number", 1)
    # Some of these are UTF-8 by accident of their checksum.
    names = [f"bytes:{i}" for i in range(100)]
    for name in names:
        cache.set(name, name.encode())
    stored = {key: raw.get(key) for key in ["frame", *names]}
    assert any(value.isascii() for value in stored.values())
    for more in (None, '{"value": 1}', '{"other": 1}'):
        if more is not None:
            raw.set("0", more)
        column = values(conn).set_index("key")["value"]
        assert {key: column[key] for key in stored} == stored
        assert column["text"] == "x"
        assert column["number"] == "1"
        assert more is None or column["0"] == (1 if "value" in more else None)


@contextlib.contextmanager
def ignored():
    """Ignore the warning about colliding names."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RedisnbWarning)
        yield


def test_no_value_at_all(conn, raw, has_schema):
    assert has_schema(values(conn), frames.VALUES)
    raw.rpush("list", 1)
    frame = values(conn, "*", types={"a": "float64"})
    assert has_schema(frame, frames.VALUES)
    assert frame.attrs == {"skipped": {"list": 1}, "truncated": False}
    with pytest.raises(ValueError, match="limit=-1; it is a number of rows"):
        values(conn, limit=-1)


def test_a_limit_of_values(conn, raw):
    raw.eval("for i = 1, 2500 do redis.call('HSET', 'h:' .. i, 'n', i) end", 0)
    raw.eval("for i = 1, 500 do redis.call('RPUSH', 'l:' .. i, i) end", 0)
    for limit in (0, 1, 999, 2499, 2500, 2501, None):
        frame = values(conn, limit=limit)
        expected = 2500 if limit is None else min(limit, 2500)
        assert len(frame) == frame["key"].nunique() == expected
        assert frame.attrs["truncated"] is (expected < 2500)
        assert frame["key"].is_monotonic_increasing
        if expected:
            assert (frame["key"] == "h:" + frame["n"].astype(str)).all()
    assert frame.attrs["skipped"] == {"list": 500}


@pytest.mark.slow
def test_the_default_limit_of_values_warns(server, raw):
    raw.flushall()
    fill(raw, 100_001)
    with connect(server.url) as conn:
        with pytest.warns(
            RedisnbWarning, match="default limit of 100,000 rows; limit=None"
        ) as seen:
            assert len(values(conn)) == 100_000
        assert seen[0].filename == __file__


@pytest.mark.parametrize("stored", ["hash", "json", "text", "mixed"])
def test_many_pages_of_values(conn, raw, stored):
    lines = {
        "hash": "redis.call('HSET', k, 'n', i, 's', 'x' .. i)",
        "json": """redis.call('SET', k, '{"n":' .. i .. ',"s":{"t":"x' .. i .. '"}}')""",
        "text": "redis.call('SET', k, i)",
    }
    lines["mixed"] = (
        f"if i % 3 == 0 then {lines['hash']} elseif i % 3 == 1 then {lines['json']} "
        f"else {lines['text']} end"
    )
    raw.eval(f"for i = 0, 7006 do local k = 'k:' .. i; {lines[stored]} end", 0)
    frame = values(conn).set_index("key")
    expected = range(7007)
    assert sorted(frame.index) == frame.index.tolist() == sorted(f"k:{i}" for i in expected)
    frame = frame.loc[[f"k:{i}" for i in expected]]
    if stored == "mixed":
        assert set(frame.columns) == {"n", "s", "s.t", "value"}
        # Text and JSON in one column stay as they are.
        fields, members = frame["n"].iloc[::3], frame["n"].iloc[1::3]
        assert fields.tolist() == [str(n) for n in expected[::3]]
        assert members.tolist() == [*expected[1::3]]
        assert frame["s.t"].iloc[1::3].tolist() == [f"x{i}" for i in expected[1::3]]
        assert frame["value"].iloc[2::3].tolist() == [*expected[2::3]]
        assert frame.notna().sum().sum() == 2336 * 2 + 2336 * 2 + 2335
        assert (str(frame["value"].dtype), str(frame["n"].dtype)) == ("Int64", "object")
    else:
        numbers = frame["value" if stored == "text" else "n"]
        assert str(numbers.dtype) == "int64"
        assert numbers.tolist() == [*expected]


def test_one_odd_value_among_many(conn, raw):
    raw.eval("""for i = 1, 5000 do redis.call('SET', 'k:' .. i, '{"n":' .. i .. '}') end""", 0)
    raw.set("k:2500", '{"n": "x", "m": 18446744073709551616}')
    frame = values(conn).set_index("key")
    assert frame["n"].drop("k:2500").tolist() == [
        int(key[2:]) for key in frame.index if key != "k:2500"
    ]
    assert rows(frame.loc[["k:2500"]]) == [["x", 2**64]]


def test_values_that_go_or_change_between_the_walk_and_the_read(conn, raw, monkeypatch):
    for name in ("gone", "hash", "json", "replaced", "retyped", "stays"):
        raw.hset(name, mapping={"a": 1})
    raw.set("vanished", "x")
    raw.set("became", "x")
    replies_to = wire.replies_to

    def late(conn, packed):
        raw.delete("gone", "vanished", "retyped", "replaced", "became")
        raw.set("retyped", "text")
        raw.hset("replaced", "a", 2)
        raw.sadd("became", 1)
        return replies_to(conn, packed)

    monkeypatch.setattr(wire, "replies_to", late)
    frame = values(conn)
    assert rows(frame) == [["hash", 1], ["json", 1], ["replaced", 2], ["stays", 1]]
    assert frame.attrs["skipped"] == {"changed": 2}


def test_values_while_keys_come_go_and_change_their_type(conn, raw, server):
    raw.eval("for i = 1, 2000 do redis.call('HSET', 'stay:' .. i, 'n', i) end", 0)
    churn = """
        for i = 1, 500 do
            local k = 'churn:' .. i
            redis.call('DEL', k)
            local kind = (i + ARGV[1]) % 5
            if kind == 0 then redis.call('HSET', k, 'm', i)
            elseif kind == 1 then redis.call('SET', k, '{"j":' .. i .. '}')
            elseif kind == 2 then redis.call('SET', k, 'text')
            elseif kind == 3 then redis.call('RPUSH', k, i) end
        end"""
    with redis.Redis.from_url(server.url) as other:
        turn = iter(range(10**9))
        with meanwhile(lambda: other.eval(churn, 0, next(turn))):
            for _ in range(10):
                frame = values(conn, limit=None)
                stay = frame[frame["key"].str.startswith("stay:")]
                assert sorted(stay["n"]) == [*range(1, 2001)]
                assert frame["key"].is_unique
                # Each other row is one whole value of one of the three kinds.
                others = frame[~frame["key"].str.startswith("stay:")]
                assert (others.drop(columns="key").notna().sum(axis=1) == 1).all()
                assert set(frame.columns) <= {"key", "n", "m", "j", "value"}
                assert set(frame.attrs["skipped"]) <= {"list", "changed"}


def test_a_user_who_may_not_read_values(server, raw):
    raw.flushall()
    raw.hset("h", "a", 1)
    with user(server, raw, "+ping", "+scan", "+time", "+type", "+get") as conn:
        with pytest.raises(redis.exceptions.NoPermissionError, match="'hgetall' command"):
            values(conn)
        assert conn.client.ping()


def test_values_that_would_like_to_be_more_than_data(conn, raw):
    hostile = [
        "<script>alert(1)</script>",
        "$(touch /tmp/x)",
        "__import__('os').getcwd()",
        "cos\nsystem\n(S'true'\ntR.",
        "*1\r\n$8\r\nFLUSHALL\r\n",
        "=1+1",
        "-WRONGTYPE not an error\r\n",
    ]
    raw.hset("h", mapping=dict(zip(hostile, reversed(hostile), strict=True)))
    for i, text in enumerate(hostile):
        raw.set(f"t{i}", text)
        raw.set(text, json.dumps({text: {text: text}}))
    with ignored():
        frame = values(conn).set_index("key")
    assert len(frame) == raw.dbsize() == 15
    for i, text in enumerate(hostile):
        assert frame.loc["h", text] == hostile[-1 - i]
        assert frame.loc[f"t{i}", "value"] == text
        assert frame.loc[text, f"{text}.{text}"] == text


def test_values_send_nothing_that_writes(server, raw):
    raw.flushall()
    raw.set("a", 1)
    raw.hset("b", "n", 2)
    raw.config_resetstat()
    with connect(server.url) as conn:
        assert len(values(conn)) == 2
    sent = {name.removeprefix("cmdstat_") for name in raw.info("commandstats")}
    assert {"scan", "type", "get", "hgetall"} <= sent
    assert not sent & {"keys", "set", "hset", "del", "eval"}


@pytest.mark.slow
def test_a_cut_connection_is_an_error_and_not_a_short_frame(proxy, raw):
    raw.flushall()
    raw.eval("for i = 1, 3000 do redis.call('HSET', 'h:' .. i, 'n', i) end", 0)
    with connect(proxy.url) as conn:
        assert len(values(conn)) == 3000
        proxy.lines = 15_000
        with pytest.raises(redis.ConnectionError):
            values(conn)
        assert len(values(conn)) == 3000


def test_a_stream_and_its_values(conn):
    Stream(conn, "s").add({"a": 1})
    assert values(conn).attrs["skipped"] == {"stream": 1}


def test_values_with_a_schema(conn, raw, has_schema):
    raw.set("v:json", '{"qty": 7, "user": {"id": 1}}')
    raw.set("v:text", "plain")
    raw.hset("v:hash", mapping={"qty": "x", "note": "n"})
    schema = {"qty": "Int64", "note": "str", "more": "boolean"}
    frame = values(conn, "v:*", schema=schema)
    assert has_schema(frame, frames.VALUES, "qty", "note", "more")
    assert frame.iloc[:, 1:].dtypes.astype(str).to_dict() == schema
    assert frame["qty"].tolist() == [pd.NA, 7, pd.NA]
    assert frame.attrs["misfits"] == {"qty": 1}
    empty = values(conn, "nothing:*", schema=schema)
    assert empty.iloc[:, 1:].dtypes.astype(str).to_dict() == schema
    with pytest.raises(ValueError, match="types= is for frames without a schema"):
        values(conn, "v:*", schema=schema, types="text")
