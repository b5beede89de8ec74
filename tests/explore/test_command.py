"""Any command: its reply as a frame, what is refused, errors, and links that break."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import redis

import redisnb as rnb
from redisnb import frames, wire
from redisnb.explore.commands.refusing import blocked_seconds
from redisnb.frames import REPLY
from redisnb.wire import replies as meter
from tests.deadlines import deadline


@pytest.fixture
def orders(conn) -> rnb.Stream:
    stream = rnb.Stream(conn, "orders")
    events = [{"n": n, "user": {"name": f"u{n}"}} for n in range(5)]
    stream.add_many(events, ids=[f"{n}-0" for n in range(1, 6)])
    group = rnb.ConsumerGroup(stream, "billing", consumer="ann")
    group.create("all")
    group.read(3)
    return stream


def notes(error) -> str:
    return "\n".join([str(error), *getattr(error, "__notes__", ())])


# -- frames


def test_entries_are_as_a_stream_reads_them(conn, orders):
    for command in ("XRANGE orders - +", "XREAD STREAMS orders 0"):
        pd.testing.assert_frame_equal(rnb.command(conn, command), orders.range())
    found = rnb.command(conn, "XREVRANGE orders + - COUNT 2")
    pd.testing.assert_frame_equal(found, orders.range(reverse=True, limit=2))
    found = rnb.command(conn, "XREAD COUNT 1 STREAMS orders other 0 0")
    assert found[["stream", "n"]].to_numpy().tolist() == [["orders", 0]]


def test_the_commands_of_groups(conn, orders, raw, has_schema):
    pending = rnb.command(conn, "XPENDING orders billing - + 10")
    assert has_schema(pending, frames.PENDING)
    assert pending["consumer"].tolist() == ["ann"] * 3
    summary = rnb.command(conn, "XPENDING orders billing")
    assert has_schema(summary, REPLY["XPENDING"])
    assert summary.attrs == {"count": 3, "first": "1-0", "last": "3-0"}
    assert has_schema(rnb.command(conn, "XINFO GROUPS orders"), REPLY["XINFO GROUPS"])
    found = rnb.command(conn, "XINFO CONSUMERS orders billing")
    assert has_schema(found, REPLY["XINFO CONSUMERS"])
    assert (
        dict(zip(*rnb.command(conn, "XINFO STREAM orders").to_numpy().T, strict=True))["length"]
        == 5
    )
    read = rnb.command(conn, "XREADGROUP GROUP billing ann STREAMS orders >")
    assert read["n"].tolist() == [3, 4]
    assert rnb.command(conn, "XREADGROUP GROUP billing ann STREAMS orders >").empty
    assert rnb.command(conn, "XCLAIM orders billing bob 0 1-0 2-0")["n"].tolist() == [0, 1]
    assert rnb.command(conn, "XCLAIM orders billing bob 0 1-0 JUSTID") == ["1-0"]
    raw.xdel("orders", "4-0")
    tombstone = rnb.command(conn, "XREADGROUP GROUP billing ann STREAMS orders 0")
    assert tombstone.attrs["trimmed"] == ["4-0"]
    assert tombstone["entry_id"].tolist() == ["3-0", "4-0", "5-0"]


def test_autoclaim(conn, orders, raw, knows_lag):
    found = rnb.command(conn, "XAUTOCLAIM orders billing bob 0 0 COUNT 2")
    assert found["n"].tolist() == [0, 1]
    assert found.attrs["next"] == "3-0"
    raw.xdel("orders", "1-0")
    if knows_lag:  # Redis 7
        found = rnb.command(conn, "XAUTOCLAIM orders billing cyd 0 0")
        assert found.attrs["deleted"] == ["1-0"]
    else:
        with pytest.warns(rnb.RedisnbWarning, match="entries without a body: 1"):
            found = rnb.command(conn, "XAUTOCLAIM orders billing cyd 0 0")
    assert found["entry_id"].tolist() == ["2-0", "3-0"]


def test_keys_and_values(conn, raw, has_schema):
    raw.hset("h", mapping={"a": 1, b"\xff": "x\ny"})
    raw.zadd("z", {"a": 1.5, "b": float("inf")})
    raw.sadd("s", "a", "b")
    for command, schema, values in [
        ("SCAN 0 MATCH h", REPLY["SCAN"], [["h"]]),
        ("HGETALL h", REPLY["HGETALL"], [["a", "1"], ["�xff", "x\ny"]]),
        ("HSCAN h 0", REPLY["HGETALL"], [["a", "1"], ["�xff", "x\ny"]]),
        ("HRANDFIELD h 2 WITHVALUES", REPLY["HGETALL"], [["a", "1"], ["�xff", "x\ny"]]),
        ("SSCAN s 0", REPLY["SSCAN"], [["a"], ["b"]]),
        ("ZSCAN z 0", REPLY["ZSCAN"], [["a", 1.5], ["b", float("inf")]]),
        ("ZRANGE z 0 -1 WITHSCORES", REPLY["ZSCAN"], [["a", 1.5], ["b", float("inf")]]),
        ("ZRANDMEMBER z 2 WITHSCORES", REPLY["ZSCAN"], [["a", 1.5], ["b", float("inf")]]),
        ("ZPOPMIN z", REPLY["ZSCAN"], [["a", 1.5]]),
        ("ZPOPMAX z 5", REPLY["ZSCAN"], [["b", float("inf")]]),
        ("HGETALL nothing", REPLY["HGETALL"], []),
        ("ZRANGE nothing 0 -1 WITHSCORES", REPLY["ZSCAN"], []),
        ("CONFIG GET maxmemory-samples", REPLY["CONFIG GET"], [["maxmemory-samples", "5"]]),
    ]:
        found = rnb.command(conn, command)
        assert has_schema(found, schema)
        assert sorted(found.to_numpy().tolist()) == values
    assert rnb.command(conn, "SCAN 0").attrs["cursor"] == "0"


def test_the_server(conn, has_schema):
    assert has_schema(rnb.command(conn, "INFO"), frames.INFO)
    assert len(rnb.command(conn, "CLIENT LIST")) >= 1
    assert has_schema(rnb.command(conn, "CLIENT INFO"), frames.CLIENTS)
    assert has_schema(rnb.command(conn, "SLOWLOG GET"), frames.SLOWLOG)
    assert "total.allocated" in set(rnb.command(conn, "MEMORY STATS")["name"])


def test_plain_replies(conn):
    assert rnb.command(conn, r'SET a "x y\xff"') == "OK"
    assert rnb.command(conn, "GET a") == "x y�xff"
    assert rnb.command(conn, "GET b") is None
    assert rnb.command(conn, "INCR n") == 1
    assert rnb.command(conn, "LRANGE n2 0 -1") == []
    assert rnb.command(conn, "MGET a b") == ["x y�xff", None]
    assert rnb.command(conn, "GET a", raw=True) == b"x y\xff"
    assert rnb.command(conn, "XRANGE s - +", raw=True) == []


def test_a_sequence_of_arguments(conn):
    for value, stored in [
        ("a b\n$x", b"a b\n$x"),
        (b"\x00\xff", b"\x00\xff"),
        (5, b"5"),
        (0.5, b"0.5"),
        (np.int64(3), b"3"),
        (rnb.EntryId("1-0"), b"1-0"),
        ("", b""),
    ]:
        assert rnb.command(conn, ["SET", "a b", value]) == "OK"
        assert rnb.command(conn, ("GET", "a b"), raw=True) == stored


# -- several


def test_several_lines(conn, orders):
    found = rnb.command(conn, "# three\nSET a 1\n\n  INCR a\nXRANGE orders - + COUNT 1\n")
    assert found[:2] == ["OK", 2]
    assert found[2]["n"].tolist() == [0]
    assert rnb.command(conn, "\n# one\nGET a\n") == "2"


def test_an_error_among_several_stands_in_its_place(conn):
    text = "SET a 1\nLPUSH a 1\nGET a\nGTE a\nXINFO"
    with pytest.warns(rnb.RedisnbWarning) as caught:
        found = rnb.command(conn, text)
    said = str(caught[0].message)
    assert len(caught) == 1
    assert said.startswith("3 of 5 commands failed: line 2: LPUSH: WRONGTYPE")
    assert "line 4: GTE: " in said
    assert [type(each) for each in found[::2]] == [str, str, redis.ResponseError]
    assert "'a' holds another type of value" in notes(found[1])
    assert "its syntax: XINFO" in notes(found[4]) or not conn.supports("XACKDEL")


def test_thousands_of_lines(conn):
    found = rnb.command(conn, "\n".join(f"SET key:{n} {n}" for n in range(3_000)))
    assert found == ["OK"] * 3_000
    assert conn.client.dbsize() == 3_000


def test_a_transaction(conn, orders):
    found = rnb.command(conn, "MULTI\nSET a 1\nXRANGE orders - + COUNT 1\nEXEC\nGET a")
    assert found[:3] == ["OK", "QUEUED", "QUEUED"]
    assert found[3][0] == "OK"
    assert found[3][1]["n"].tolist() == [0]
    assert found[4] == "1"
    with pytest.warns(rnb.RedisnbWarning, match="1 of 4 commands failed: line 3: LPUSH: WRONGTYPE"):
        found = rnb.command(conn, "MULTI\nSET a 1\nLPUSH a 1\nEXEC")
    assert isinstance(found[3][1], redis.ResponseError)
    with pytest.warns(rnb.RedisnbWarning, match="2 of 3 commands failed"):
        rnb.command(conn, "MULTI\nNONSENSE\nEXEC")
    assert rnb.command(conn, "MULTI\nSET b 1\nDISCARD") == ["OK", "QUEUED", "OK"]
    assert rnb.command(conn, "GET b") is None


# -- refused


REFUSED = [
    ("MONITOR", "redisnb.slowlog(conn) lists slow commands"),
    ("SUBSCRIBE a", "conn.client.pubsub() listens"),
    ("psubscribe a", "stream.follow()"),
    ("SELECT 2", "redisnb.connect('redis://host:port/2')"),
    ("AUTH secret", "redisnb.connect('redis://user:password@host:port/0')"),
    ("HELLO 3", "protocol=3"),
    ("RESET", "conn.client.client() has a link of its own"),
    ("QUIT", "conn.close()"),
    ("CLIENT REPLY OFF", "CLIENT REPLY is not sent"),
    ("client tracking on", "CLIENT TRACKING is not sent"),
    ("CLIENT SETNAME a", "client_name="),
    ("SCRIPT DEBUG YES", "redis-cli --ldb"),
    ("READONLY", "link of its own"),
    ("PSYNC ? -1", "a replica"),
    ("WATCH a", "conn.client.transaction()"),
    ("MULTI", "MULTI is not sent without its EXEC"),
    ("SET a 1\nMULTI\nSET b 1", "line 2: MULTI is not sent"),
    ("EXEC", "no MULTI stands before it"),
    ("MULTI\nEXEC\nDISCARD", "line 3: DISCARD is not sent: no MULTI"),
    ("SET a 1\nMONITOR", "line 2: MONITOR is not sent"),
    ("XREAD BLOCK 0 STREAMS a $", "stream.follow()"),
    ("XREADGROUP GROUP g c BLOCK 0 STREAMS a >", "group.read(block='5s')"),
    ("XREAD BLOCK 90000 STREAMS a $", "blocks for 90 s"),
    ("BLPOP a 0", "for it blocks for ever; a time of up to 60 s"),
    ("BLMPOP 0 1 a LEFT", "for ever"),
    ("BZPOPMIN a inf", "blocks for inf s"),
    ("WAIT 1 0", "for ever"),
    ("BLPOP a 50\nBLPOP a 50", "block for 100 s one after the other"),
    ("redis-cli -n 1 GET a", "redisnb.connect(...) has the address"),
    ("127.0.0.1:6379> GET a", "leave redis-cli's prompt out"),
    ("help xrange", "COMMAND DOCS XRANGE"),
    ("DEBUG SLEEP 100", "blocks for 100 s"),
    ("redis://:secret@host GET a", "%redis --conn URL"),
    ('"" a', "name is empty"),
    ('GET "a', "double quote at character 5 is not closed"),
    ("", "there is no command"),
    ([], "there is no command"),
]


@pytest.mark.parametrize(("command", "says"), REFUSED)
def test_refused(conn, raw, command, says):
    with pytest.raises(ValueError, match=r".") as caught:
        rnb.command(conn, command)
    assert says in str(caught.value)
    assert "secret" not in str(caught.value)
    assert raw.dbsize() == 0


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("XREAD COUNT 5 BLOCK 1500 STREAMS a $", 1.5),
        ("XREAD STREAMS BLOCK 0", 0),
        ("XREADGROUP GROUP g BLOCK STREAMS a >", 0),
        ("XREADGROUP GROUP BLOCK 0 NOACK BLOCK 20 STREAMS a >", 0.02),
        ("XREAD BLOCK", 0),
        ("XREAD BLOCK x STREAMS a $", 0),
        ("BLPOP a 1.5", 1.5),
        ("BLPOP a nan", 0),
        ("BLPOP a -1", 0),
        ("BLPOP", 0),
        ("WAIT 0 100", 0.1),
        ("WAITAOF 0 0 100", 0.1),
        ("debug sleep 2", 2),
        ("GET BLOCK", 0),
    ],
)
def test_how_long_a_command_blocks(words, seconds):
    assert blocked_seconds(words.encode().split()) == seconds


@pytest.mark.slow
def test_a_block_waits_longer_than_the_timeout(server, raw):
    timeout = deadline(0.3)
    block = 2 * timeout
    with rnb.connect(server.url, timeout=timeout) as conn:
        began = time.monotonic()
        assert rnb.command(conn, f"XREAD BLOCK {int(block * 1000)} STREAMS nothing $").empty
        assert rnb.command(conn, f"BLPOP nothing {block}\nPING") == [None, "PONG"]
        assert time.monotonic() - began >= 1.7 * block


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (5, "command is text such as 'GET user:7', or a list of arguments"),
        (b"GET a", "not bytes"),
        (["SET", "a", None], "argument 2 of SET is None"),
        (["SET", "a", {"secret": 1}], "argument 2 of SET is a dict; json.dumps()"),
        ([["SET", "a", 1]], "argument 0 of the command is a list"),
    ],
)
def test_what_is_no_command(conn, command, says):
    with pytest.raises(TypeError) as caught:
        rnb.command(conn, command)
    assert says in str(caught.value)
    assert "secret" not in str(caught.value)


def test_what_is_no_connection():
    with pytest.raises(TypeError, match=r"command\(conn, command\): conn is what redisnb\.connect"):
        rnb.command("redis://localhost", "GET a")


# -- errors of the server


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("XRANG orders", "did you mean XRANGE?"),
        ("GTE a", "did you mean GET?"),
        ("xgruop create", "did you mean XGROUP?"),
        (["GET a"], "['GET', 'key'], or the text 'GET key'"),
        ("NOSUCHTHING", "this server has no NOSUCHTHING"),
        ("LPUSH text 1", "'text' holds another type of value"),
    ],
)
def test_advice(conn, raw, command, says):
    raw.set("text", "x")
    with pytest.raises(redis.ResponseError) as caught:
        rnb.command(conn, command)
    assert says in notes(caught.value)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("XINFO GRUPS orders", "did you mean XINFO GROUPS?"),
        ("GET", "its syntax: GET key"),
        ("XRANGE orders - + COUNT", "its syntax: XRANGE key start end [COUNT count]"),
        ("XINFO GROUPS", "its syntax: XINFO GROUPS key"),
        ("XINFO", "its syntax: XINFO CONSUMERS | GROUPS | HELP | STREAM ..."),
        ("MSET", "its syntax: MSET key value [key value ...]"),
        ("SET a", "[NX | XX"),
    ],
)
def test_advice_by_the_server(conn, command, says):
    try:
        wire.ask(conn, "COMMAND", "DOCS", "get", key="")
    except redis.ResponseError:
        pytest.skip("this server has no COMMAND DOCS (since Redis 7.0)")
    with pytest.raises(redis.ResponseError) as caught:
        rnb.command(conn, command)
    assert says in notes(caught.value)


@pytest.mark.parametrize("command", ["BITOP AND a text list", "ZUNION 2 text list"])
def test_no_advice_is_better_than_a_wrong_one(conn, raw, command):
    raw.set("text", "x")
    raw.rpush("list", "x")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE") as caught:
        rnb.command(conn, command)
    assert "'AND'" not in notes(caught.value)
    assert "'2'" not in notes(caught.value)
    assert "holds another type" not in notes(caught.value)


def test_without_advice_it_is_the_servers_error(server, raw):
    raw.execute_command("ACL", "SETUSER", "some", "reset", "on", ">pw", "~*", "+get", "+ping")
    try:
        with rnb.connect(server.url, username="some", password="pw") as conn:
            with pytest.raises(redis.ResponseError, match="wrong number of arguments"):
                rnb.command(conn, "GET")
            with pytest.raises(redis.ResponseError, match="no permissions") as caught:
                rnb.command(conn, "SET a 1")
        assert "+set in this user's ACL" in notes(caught.value)
    finally:
        raw.acl_deluser("some")


# -- writes


def test_a_read_only_connection_sends_nothing_of_the_lines(server, raw):
    raw.flushall()
    with rnb.connect(server.url, read_only=True) as conn:
        assert rnb.command(conn, "GET a\nTTL a") == [None, -2]
        with pytest.raises(rnb.ReadOnlyError, match="CONFIG SET was not sent"):
            rnb.command(conn, "GET a\nCONFIG SET maxmemory-samples 5")
        with pytest.raises(redis.ResponseError, match="wrong number"):
            rnb.command(conn, "GET")
        # Also where they would be sent in several parts.
        text = "\n".join(["GET a"] * 3_000 + ["SET a 1"])
        reads = raw.info("commandstats").get("cmdstat_get", {}).get("calls", 0)
        with pytest.raises(rnb.ReadOnlyError):
            rnb.command(conn, text)
        assert raw.info("commandstats").get("cmdstat_get", {}).get("calls", 0) == reads
    assert raw.dbsize() == 0


def test_a_server_that_cannot_be_reached(tcp_server):
    with rnb.connect(tcp_server.url) as conn:
        tcp_server.kill()
        with pytest.raises(rnb.ConnectError) as caught:
            rnb.command(conn, "SET a 1")
        assert "hunter2" not in str(caught.value)
        tcp_server.start()
        assert rnb.command(conn, "EXISTS a") == 0


@pytest.mark.slow
def test_a_reply_that_is_lost(proxy):
    with rnb.connect(proxy.url, timeout=deadline(0.5)) as conn:
        for text, rows in [("SET a 1", 1), ("GET a\nSET b 1\nINCR c", 2), ("EVAL 'return 1' 0", 1)]:
            assert rnb.command(conn, "PING") == "PONG"
            proxy.lines, proxy.hang = 0, True
            with pytest.raises(rnb.UncertainWriteError, match="may or may not") as caught:
                rnb.command(conn, text)
            assert (caught.value.rows, caught.value.stream) == (rows, "")
        # What came before is certain.
        assert rnb.command(conn, "PING") == "PONG"
        proxy.lines, proxy.hang = 1, True
        with pytest.raises(redis.TimeoutError):
            rnb.command(conn, "SET a 1\nGET a")
        assert rnb.command(conn, "PING") == "PONG"
        proxy.lines, proxy.hang = 0, False
        with pytest.raises(redis.ConnectionError):
            rnb.command(conn, "GET a")
        assert rnb.command(conn, "GET a") == "1"


def test_an_interrupt(conn, ctrl_c):
    ctrl_c("blpop")
    with pytest.raises(KeyboardInterrupt) as caught:
        rnb.command(conn, "BLPOP nothing 50")
    assert "may have been carried out" in notes(caught.value)
    assert rnb.command(conn, "PING") == "PONG"


# -- large replies


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(meter, "MOST_REPLY_BYTES", 2**20)
    monkeypatch.setattr(meter, "MOST_REPLY_LINES", 10_000)


def test_a_large_reply_is_not_read(conn, raw, small):
    raw.set("big", b"x" * 2**21)
    with pytest.raises(rnb.RedisnbError, match="the reply to GET is larger than") as caught:
        rnb.command(conn, "GET big")
    assert "redisnb.preview(conn, key)" in str(caught.value)
    assert len(rnb.command(conn, "GETRANGE big 0 9")) == 10
    # All replies together.
    raw.set("half", b"x" * 2**19)
    assert len(rnb.command(conn, "GET half")) == 2**19
    with pytest.raises(rnb.RedisnbError, match="line 2: the reply to GET, with those before it"):
        rnb.command(conn, "GET half\nGET half")
    raw.rpush("list", *["\r\n"] * 4_000)
    with pytest.raises(rnb.RedisnbError, match="millions of elements"):
        rnb.command(conn, "LRANGE list 0 -1")
    assert len(rnb.command(conn, "LRANGE list 0 99")) == 100


def test_writes_before_and_after_a_large_reply(conn, raw, small):
    raw.set("big", b"x" * 2**21)
    with pytest.raises(rnb.UncertainWriteError, match="may or may not") as caught:
        rnb.command(conn, "SET a 1\nGET big\nSET b 1\nGET b")
    assert caught.value.rows == 1
    with pytest.raises(rnb.RedisnbError, match="; GETDEL was carried out"):
        rnb.command(conn, "GETDEL big")
    assert not raw.exists("big")
    assert rnb.command(conn, "PING") == "PONG"


_GIGABYTE = r"""
import re, sys
from pathlib import Path
import redisnb as rnb

def most_memory():
    # In MB, of this process alone: getrusage() starts with that of its parent.
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) // 1024

url, protocol, seconds, *commands = sys.argv[1:]
conn = rnb.connect(url, protocol=int(protocol), timeout=float(seconds))
rnb.command(conn, "PING")
before = most_memory()
for command in commands:
    try:
        rnb.command(conn, command)
    except rnb.RedisnbError as error:
        assert "is larger than 64 MB" in str(error)
    else:
        raise AssertionError(command)
print(most_memory() - before)
"""


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux")
def test_a_gigabyte_takes_little_memory(server, raw):
    raw.flushall()
    raw.setrange("big", 500 * 2**20, b"x")
    elements = 'EVAL "local t = {} for i = 1, 7999999 do t[i] = i end return t" 0'
    # The 5 s that a reply may take by default are too few for the script on a busy machine.
    seconds = str(deadline(30))
    for protocol in ("2", "3"):
        done = subprocess.run(
            [sys.executable, "-c", _GIGABYTE, server.url, protocol, seconds, "GET big", elements],
            capture_output=True,
            text=True,
            timeout=deadline(60),
        )
        assert done.returncode == 0, done.stderr
        assert int(done.stdout) < 400
    raw.flushall()


def test_threads_share_a_connection(conn):
    def count(_):
        for _ in range(50):
            assert rnb.command(conn, "INCR n\nPING")[1] == "PONG"

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, range(4)))
    assert rnb.command(conn, "GET n") == "200"
