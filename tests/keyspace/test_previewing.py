"""preview(): the value of one key of each type, compared with what was put there."""

import contextlib
import threading

import pandas as pd
import pandas.testing as pdt
import pytest
import redis

from redisnb import Cache, Connection, Stream, connect, frames, keys, preview, values, wire
from redisnb.entries import as_text
from redisnb.errors import RedisnbError
from redisnb.keyspace import modules, previewing

MB = 1024 * 1024


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def conn(request, server) -> Connection:
    """A connection to an empty server, with each protocol."""
    with connect(server.url, protocol=request.param) as connection:
        connection.client.flushall()
        yield connection


@pytest.fixture
def client(conn) -> redis.Redis:
    return conn.client


def rows(frame: pd.DataFrame) -> list[tuple]:
    return list(frame.itertuples(index=False, name=None))


def fill(client: redis.Redis, command: str, n: int) -> None:
    """Store 1 to n under the key "k"."""
    client.eval(f"for i = 1, ARGV[1] do redis.call({command}) end", 1, "k", n)


FILL = {
    "hash": "'HSET', KEYS[1], 'f' .. i, 'v' .. i",
    "list": "'RPUSH', KEYS[1], 'v' .. i",
    "set": "'SADD', KEYS[1], 'v' .. i",
    "zset": "'ZADD', KEYS[1], i, 'v' .. i",
    "stream": "'XADD', KEYS[1], i .. '-0', 'i', i",
}


# Each type


def test_a_string(conn, client, has_schema):
    client.set("k", '{"a": 1}')
    frame = preview(conn, "k")
    assert has_schema(frame, frames.PREVIEW["string"])
    assert rows(frame) == [('{"a": 1}',)]
    assert frame.attrs == {"type": "string", "length": 8, "truncated": False}
    client.set("k", "007")
    assert rows(preview(conn, "k")) == [("007",)]
    client.set("k", "")
    assert rows(preview(conn, "k")) == [("",)]


def test_a_hash(conn, client, has_schema):
    client.hset("k", mapping={"name": "Ann", "zip": "00501", "größe": ""})
    frame = preview(conn, "k")
    assert has_schema(frame, frames.PREVIEW["hash"])
    assert sorted(fields(frame)) == [("größe", ""), ("name", "Ann"), ("zip", "00501")]
    assert frame["ttl"].isna().all()
    assert frame.attrs == {"type": "hash", "length": 3, "truncated": False}


def fields(frame):
    return [row[:2] for row in rows(frame)]


def test_fields_of_a_hash_that_expire(conn, client, wait_until):
    client.hset("k", mapping={f"f{i}": i for i in range(300)})
    if not conn.supports("HPEXPIRE"):
        assert preview(conn, "k", limit=300)["ttl"].isna().all()
        return
    client.hpexpire("k", 60_000, "f7", "f200")
    client.hpexpire("k", 1, "f3")
    wait_until(lambda: client.hlen("k") == 299)
    frame = preview(conn, "k", limit=300)
    left = frame.set_index("field")["ttl"].dropna()
    assert sorted(left.index) == ["f200", "f7"]
    assert ((left > pd.Timedelta("30s")) & (left <= pd.Timedelta("60s"))).all()
    assert frame["ttl"].dtype == "timedelta64[ms]"


def test_a_list(conn, client, has_schema):
    client.rpush("k", "b", "a", "b")
    frame = preview(conn, "k")
    assert has_schema(frame, frames.PREVIEW["list"])
    assert rows(frame) == [(0, "b"), (1, "a"), (2, "b")]
    assert frame.attrs == {"type": "list", "length": 3, "truncated": False}


@pytest.mark.parametrize("values", [{"a", "b", ""}, {"1", "2", "30"}])
def test_a_set(conn, client, has_schema, values):
    client.sadd("k", *values)
    frame = preview(conn, "k")
    assert has_schema(frame, frames.PREVIEW["set"])
    assert sorted(frame["value"]) == sorted(values)
    assert frame.attrs == {"type": "set", "length": 3, "truncated": False}


def test_a_sorted_set(conn, client, has_schema):
    scores = {"low": "-inf", "tenth": 0.1, "b": 2, "a": 2, "large": 2**53 + 2, "top": "inf"}
    client.zadd("k", scores)
    frame = preview(conn, "k")
    assert has_schema(frame, frames.PREVIEW["zset"])
    assert frame["value"].tolist() == ["low", "tenth", "a", "b", "large", "top"]
    assert frame["score"].tolist() == [float("-inf"), 0.1, 2.0, 2.0, 2.0**53 + 2, float("inf")]
    assert frame.attrs == {"type": "zset", "length": 6, "truncated": False}


def test_a_stream(conn, has_schema):
    stream = Stream(conn, "k")
    stream.add_many([{"i": i, "user": {"name": "Ann"}} for i in range(5)])
    frame = preview(conn, "k", limit=3)
    assert has_schema(frame, frames.PREVIEW["stream"], "i", "user.name")
    pdt.assert_frame_equal(frame, stream.tail(3), check_flags=False)
    assert frame.attrs == {"odd": 0, "type": "stream", "length": 5, "truncated": True}
    stream.trim(maxlen=0)
    frame = preview(conn, "k")
    assert has_schema(frame, frames.PREVIEW["stream"])
    assert frame.attrs == {"odd": 0, "type": "stream", "length": 0, "truncated": False}


def test_no_such_key(conn):
    frame = preview(conn, "k")
    assert frame.shape == (0, 0)
    assert frame.attrs == {"type": "none", "length": 0, "truncated": False}


def test_every_type_has_its_schema():
    assert set(frames.PREVIEW) == {*previewing._ELEMENT_COMMANDS, "json", "none"}


# What a module brings cannot be had without one; the server's own types are as unknown without
# their commands.
def test_a_type_that_is_unknown(conn, client, monkeypatch):
    client.sadd("k", 1)
    monkeypatch.delitem(previewing._ELEMENT_COMMANDS, "set")
    with pytest.raises(
        RedisnbError, match=r"'k' holds a value of type 'set', of which there is no"
    ):
        preview(conn, "k")


@pytest.mark.parametrize("shape", [list, dict], ids=["resp2", "resp3"])
def test_what_a_server_tells_of_a_value_is_a_row(shape):
    # As BF.INFO, TDIGEST.INFO and TS.INFO have it, with and without a map.
    told = {
        b"Capacity": 100,
        b"name": b"caf\xe9",
        b"rate": 0.5,
        b"none": None,
        b"labels": [[b"a", b"1"], [b"b", b"2"]],
        b"rules": {b"x": [b"y", 5]},
    }
    given = told if shape is dict else [part for pair in told.items() for part in pair]
    frame = modules.description_frame(given)
    assert frame.shape == (1, 6)
    assert frame.loc[0, ["Capacity", "name", "rate"]].tolist() == [100, "caf�xe9", 0.5]
    assert frame["labels"].item() == [["a", "1"], ["b", "2"]]
    assert frame["rules"].item() == {"x": ["y", 5]}
    assert frame["Capacity"].dtype == "int64"


def test_types_have_plain_names():
    assert [modules.plain_type(name) for name in ("string", "ReJSON-RL", "bloomfltr")] == [
        *("string", "json", "bloom"),
    ]
    assert modules.server_types("bloom") == ("MBbloom--", "bloomfltr")
    assert modules.server_types("hash") == ("hash",)


def test_a_vector_set(conn, client):
    if not conn.supports("VADD"):
        pytest.skip("this server has no vector sets")
    client.execute_command("VADD", "k", "VALUES", 3, 1, 2, 3, "one")
    frame = preview(conn, "k")
    assert frame.attrs == {"type": "vectorset", "length": None, "truncated": False}
    assert frame.loc[0, ["vector-dim", "size"]].tolist() == [3, 1]
    assert keys(conn, type="vectorset")[["key", "type"]].values.tolist() == [["k", "vectorset"]]
    assert values(conn).attrs["skipped"] == {"vectorset": 1}


def test_lifetimes_of_fields_where_they_can_be_read(expiring):
    client = expiring.client
    client.hset("k", mapping={"a": 1, "b": 2})
    wire.ask(expiring, "HPEXPIRE", "k", 60_000, "FIELDS", 1, b"a", key="k")
    left = preview(expiring, "k").set_index("field")["ttl"]
    assert left["a"].total_seconds() == pytest.approx(60, abs=1)
    assert left.isna()["b"]
    # One who may not ask for them may still read the hash.
    client.acl_setuser(
        "some", enabled=True, passwords=["+pw"], keys=["*"], commands=["+@all", "-hpttl"]
    )
    try:
        with connect(expiring.url, username="some", password="pw") as some:
            frame = preview(some, "k")
    finally:
        client.acl_deluser("some")
    assert sorted(fields(frame)) == [("a", "1"), ("b", "2")]
    assert frame["ttl"].isna().all()


# Bounds


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(FILL))
@pytest.mark.parametrize("n", [1, 100, 3000])
def test_a_limit(conn, client, kind, n):
    fill(client, FILL[kind], n)
    for limit in {1, 99, 100, 101, 2999, 3000, 3001}:
        frame = preview(conn, "k", limit=limit)
        assert len(frame) == min(limit, n)
        assert frame.attrs.items() >= {"type": kind, "length": n, "truncated": limit < n}.items()
        numbers = frame["i"] if kind == "stream" else frame["value"].str[1:].astype(int)
        assert numbers.is_unique
        if kind == "hash":
            assert (frame["field"].str[1:].astype(int) == numbers).all()
        if kind in ("list", "zset"):
            assert numbers.tolist() == [*range(1, len(frame) + 1)]
        if kind == "stream":
            assert numbers.tolist() == [*range(n - len(frame) + 1, n + 1)]
    assert len(preview(conn, "k")) == min(n, 100)


@pytest.mark.parametrize(("limit", "error"), [(0, "one element"), (None, "one element"),
                                              (-1, "number of rows"), (1.5, "number of rows"),
                                              (True, "number of rows")])  # fmt: skip
def test_a_limit_that_is_none(conn, client, limit, error):
    client.rpush("k", 1, 2)
    with pytest.raises(ValueError, match=f"limit={limit}; .*{error}"):
        preview(conn, "k", limit=limit)


def scans(client: redis.Redis, kind: str) -> int:
    """Return how often the server was asked for a part of a hash or a set."""
    return client.info("commandstats")[f"cmdstat_{kind[0]}scan"]["calls"]


@pytest.mark.parametrize("kind", ["hash", "set"])
def test_what_is_left_of_a_large_one(conn, client, kind, wait_until):
    fill(client, FILL[kind], 20_000)
    client.config_resetstat()
    assert len(preview(conn, "k", limit=10)) == 10
    assert scans(client, kind) == 1, "it is not read to the end"
    # While a child saves, tables do not shrink: most parts of this one are empty.
    client.config_set("rdb-key-save-delay", 10**7)
    client.bgsave()
    try:
        remove, first = ("HDEL", "f") if kind == "hash" else ("SREM", "v")
        client.execute_command(remove, "k", *(f"{first}{i}" for i in range(1, 19_991)))
        frame = preview(conn, "k")
        # Valkey's tables have more in a part, and this one has fewer that are empty.
        assert scans(client, kind) > (1 if "valkey_version" in client.info("server") else 2)
    finally:
        client.config_set("rdb-key-save-delay", 0)
        # This ends the child.
        client.flushall()
        wait_until(lambda: not client.info("persistence")["rdb_bgsave_in_progress"])
    assert sorted(frame["value"]) == [f"v{i}" for i in range(19_991, 20_001)]
    assert frame.attrs.items() >= {"type": kind, "length": 10, "truncated": False}.items()


@pytest.mark.parametrize("size", [MB - 1, MB, MB + 1, 40 * MB])
def test_a_string_of_many_bytes(conn, client, size):
    client.setrange("k", size - 1, "x")
    client.setrange("k", 0, "begin")
    (value,) = preview(conn, "k")["value"]
    assert len(value) == min(size, MB)
    assert value.startswith("begin\x00")
    assert preview(conn, "k").attrs == {"type": "string", "length": size, "truncated": size > MB}


@pytest.mark.parametrize("before", range(4))
def test_a_character_that_the_cut_goes_through(conn, client, before):
    text = "a" * (MB - before) + "🙂" * 2
    client.set("k", text)
    (value,) = preview(conn, "k")["value"]
    assert value == "a" * (MB - before)
    client.set("k", b"a" * (MB - 1) + b"\xff" * 2)
    (value,) = preview(conn, "k")["value"]
    assert value == "a" * (MB - 1) + "�xff"
    client.set("k", text.encode()[: MB - before + 2])
    (value,) = preview(conn, "k")["value"]
    assert ("�x" in value) is (before >= 2)


@pytest.mark.parametrize(
    "command", ["HSET k f", "RPUSH k", "SADD k", "ZADD k 1", "XADD k 1-0 value"]
)
def test_elements_come_whole(conn, client, command):
    large = "x" * (5 * MB)
    client.execute_command(*command.split(), large)
    assert preview(conn, "k")["value"].tolist() == [large]


# What is no text, and what would like to be more than data


def test_what_is_no_text_is_spelled(conn, client):
    odd = b"\xff\x00"
    seen = as_text(odd)
    client.set("string", odd)
    client.hset("hash", mapping={odd: b"\xfe", "a": "b"})
    client.rpush("list", odd, "a")
    client.sadd("set", odd, "a")
    client.zadd("zset", {odd: 1, "a": 2})
    client.xadd("stream", {odd: b"\xfe"})
    assert rows(preview(conn, "string")) == [(seen,)]
    assert set(fields(preview(conn, "hash"))) == {(seen, "�xfe"), ("a", "b")}
    assert rows(preview(conn, "list")) == [(0, seen), (1, "a")]
    assert set(preview(conn, "set")["value"]) == {seen, "a"}
    assert rows(preview(conn, "zset")) == [(seen, 1.0), ("a", 2.0)]
    assert preview(conn, "stream")[seen].tolist() == ["�xfe"]


@pytest.mark.parametrize(
    "name", [b"\xff\xfe", "größe", b"gr\xc3\xb6\xc3\x9fe", "", b"a b\r\n\x00*", "*"]
)
def test_names(conn, client, name):
    client.rpush(name, "x")
    client.rpush("other", "y")
    assert preview(conn, name)["value"].tolist() == ["x"]
    raw = name.encode() if isinstance(name, str) else name
    assert preview(conn, raw)["value"].tolist() == ["x"]
    for kind in FILL:
        client.delete(raw)
        client.eval(f"local i = 1; redis.call({FILL[kind]})", 1, raw)
        attrs = preview(conn, name).attrs
        assert attrs.items() >= {"type": kind, "length": 1, "truncated": False}.items()


@pytest.mark.parametrize("name", [None, 5, ["k"]])
def test_a_name_that_is_none(conn, name):
    with pytest.raises(TypeError, match="key is the name of one key, not"):
        preview(conn, name)


HOSTILE = [
    "<script>alert(1)</script>",
    "__import__('os').getcwd()",
    "cos\nsystem\n(S'true'\ntR.",
    "*1\r\n$8\r\nFLUSHALL\r\n",
    "-WRONGTYPE not an error\r\n",
    "nan",
    "\x00",
]


def test_values_that_would_like_to_be_more_than_data(conn, client):
    client.hset("hash", mapping=dict(zip(HOSTILE, reversed(HOSTILE), strict=True)))
    client.rpush("list", *HOSTILE)
    client.zadd("zset", dict.fromkeys(HOSTILE, 1))
    assert dict(fields(preview(conn, "hash"))) == dict(zip(HOSTILE, HOSTILE[::-1], strict=True))
    assert preview(conn, "list")["value"].tolist() == HOSTILE
    assert set(preview(conn, "zset")["value"]) == set(HOSTILE)
    for text in HOSTILE:
        client.set("string", text)
        assert rows(preview(conn, "string")) == [(text,)]


def test_what_a_cache_keeps(conn, client):
    cache = Cache(conn)
    cache.set("frame", pd.DataFrame({"a": [1]}))
    cache.set("json", {"a": [1]})
    # Some of these are UTF-8 by accident of their checksum.
    names = [f"bytes:{i}" for i in range(100)]
    for name in names:
        cache.set(name, name.encode())
    assert any(client.get(name).isascii() for name in names)
    for name in ["frame", *names]:
        assert rows(preview(conn, name)) == [(client.get(name),)]
    assert rows(preview(conn, "json")) == [('{"a":[1]}',)]


# What changes meanwhile, and what is sent


@pytest.mark.parametrize("after", ["list", "none"])
@pytest.mark.parametrize("before", ["string", "hash", "set"])
def test_a_key_that_becomes_another(conn, client, monkeypatch, before, after):
    if before == "string":
        client.set("k", "old")
    else:
        fill(client, FILL[before], 3)
    ask_many = wire.ask_many

    def late(conn, commands):
        monkeypatch.undo()
        client.delete("k")
        if after == "list":
            client.rpush("k", "new")
        return ask_many(conn, commands)

    monkeypatch.setattr(wire, "ask_many", late)
    frame = preview(conn, "k")
    assert frame.attrs["type"] == after
    assert rows(frame) == ([(0, "new")] if after == "list" else [])


@pytest.mark.slow
def test_a_key_that_changes_all_the_time(conn, client):
    change = """
        redis.call('DEL', KEYS[1])
        local kind = ARGV[1] % 4
        if kind == 0 then redis.call('SET', KEYS[1], 'string')
        elseif kind == 1 then redis.call('HSET', KEYS[1], 'f', 'hash')
        elseif kind == 2 then redis.call('RPUSH', KEYS[1], 'list') end"""
    stop = threading.Event()

    def keep_changing() -> None:
        turn = 0
        while not stop.wait(0.0002):
            turn += 1
            client.eval(change, 1, "k", turn)

    thread = threading.Thread(target=keep_changing)
    thread.start()
    with contextlib.ExitStack() as stack:
        stack.callback(thread.join)
        stack.callback(stop.set)
        for _ in range(500):
            frame = preview(conn, "k")
            kind = frame.attrs["type"]
            assert list(frame.columns) == list(frames.PREVIEW[kind])
            said = [row[1] if kind == "hash" else row[-1] for row in rows(frame)]
            assert said == ([] if kind == "none" else [kind])


def test_a_user_who_may_only_read(conn, client):
    client.set("string", "x")
    for kind, command in FILL.items():
        client.eval(f"local i = 1; redis.call({command})", 1, kind)
    options = {**conn._options, "username": "reader", "password": "pw"}
    client.acl_setuser("reader", enabled=True, passwords=["+pw"], keys=["*"],
                       categories=["+@read"], commands=["+ping"], reset=True)  # fmt: skip
    try:
        with Connection(conn._link_class, options) as limited:
            for kind in ("string", *FILL):
                assert preview(limited, kind).attrs["length"] == 1
            client.acl_setuser("reader", commands=["-hlen", "-type"])
            with pytest.raises(redis.ResponseError, match="type"):
                preview(limited, "hash")
            client.acl_setuser("reader", commands=["+type"])
            with pytest.raises(redis.ResponseError, match="hlen"):
                preview(limited, "hash")
            assert preview(limited, "list")["value"].tolist() == ["v1"]
    finally:
        client.acl_deluser("reader")


def test_nothing_is_sent_that_writes(conn, client):
    for kind, command in FILL.items():
        client.eval(f"local i = 1; redis.call({command})", 1, kind)
    client.set("string", "x")
    client.config_resetstat()
    for kind in ("string", *FILL):
        preview(conn, kind)
    sent = {name.removeprefix("cmdstat_") for name in client.info("commandstats")}
    # Asked about HPTTL, which not every server has.
    asked = {"command|info", "command", "hpttl"}
    assert sent - asked - {"config|resetstat", "config", "info", "select", "auth", "hello"} == {
        *("type", "strlen", "getrange", "hlen", "hscan", "llen", "lrange", "scard", "sscan"),
        *("zcard", "zrange", "xlen", "xrevrange"),
    }


# A pattern, and pages


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["hash", "set", "zset"])
def test_a_pattern_finds_what_is_far_behind_the_beginning(conn, client, has_schema, kind):
    fill(client, FILL[kind], 5_000)
    beginning = "f" if kind == "hash" else "v"
    frame = preview(conn, "k", match=f"{beginning}432?")
    assert has_schema(frame, frames.PREVIEW[kind])
    names = frame.iloc[:, 0].tolist()
    assert sorted(names) == [f"{beginning}432{i}" for i in range(10)]
    assert frame.attrs == {"type": kind, "length": 5_000, "truncated": False}
    assert len(preview(conn, "k", match=f"{beginning}432?", limit=3)) == 3
    assert preview(conn, "k", match=f"{beginning}432?", limit=3).attrs["truncated"]
    assert rows(preview(conn, "k", match="nothing")) == []


def test_a_pattern_is_for_what_has_names(conn, client):
    fill(client, FILL["list"], 3)
    with pytest.raises(ValueError, match="'k' is of type 'list', which has no fields or members"):
        preview(conn, "k", match="*")
    with pytest.raises(ValueError, match="of type 'none'"):
        preview(conn, "nothing", match="*")


@pytest.mark.parametrize("kind", ["hash", "list", "set", "zset"])
@pytest.mark.parametrize("n", [1, 100, 101, 3_456])
def test_the_pages_have_each_element_once(conn, client, has_schema, kind, n):
    fill(client, FILL[kind], n)
    pages = list(previewing.value_pages(conn, "k", count=100))
    assert all(has_schema(page, frames.PREVIEW[kind]) for page in pages)
    assert [page.attrs["truncated"] for page in pages] == [True] * (len(pages) - 1) + [False]
    frame = pd.concat(pages)
    assert len(frame) == n
    assert sorted(frame["value"]) == sorted(f"v{i}" for i in range(1, n + 1))
    if kind in ("list", "zset"):
        assert frame["value"].tolist() == [f"v{i}" for i in range(1, n + 1)]
    if kind == "list":
        assert frame["index"].tolist() == list(range(n))
