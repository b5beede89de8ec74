"""What Tab completes in %redis and %%redis, with a real server."""

import os
import re
import signal
import time
from types import SimpleNamespace

import pytest

from redisnb import connect
from redisnb.explore.completion.matching import IDENTIFIER, LONGEST_HINT
from redisnb.keyspace.lookups import completing
from tests.deadlines import deadline

HOSTILE = [b"or\"q'", b"or\nn", b"or<b>", b"or\\x", b"or er", b"or\xff", "or\ufffdxff".encode()]


@pytest.fixture
def conn(conn, shell):
    shell.user_ns["conn"] = conn
    return conn


@pytest.fixture
def documented(conn):
    """Skip a test where the server does not describe its commands: before Redis 7.0."""
    try:
        conn.client.execute_command("COMMAND DOCS", "get")
    except Exception:  # noqa: BLE001 - redis-py fails at the reply of some versions
        if not conn.supports("COMMAND|DOCS"):
            pytest.skip("no COMMAND DOCS before Redis 7.0")


@pytest.fixture
def shop(raw):
    """Some keys of each type."""
    for stream, group in (("orders", "check-in"), ("order s", "night shift")):
        raw.xgroup_create(stream, group, mkstream=True)
    for consumer in ("ann", "o'neil"):
        raw.xgroup_createconsumer("orders", "check-in", consumer)
    raw.hset("ordinary", mapping={"name": 1, "full name": 1, b"n\xff": 1, "[n]": 1})
    raw.set("order", 1)
    raw.zadd("ordered", {"a": 1})


# Commands


@pytest.mark.usefixtures("documented")
def test_commands_with_their_arguments_in_the_case_that_is_typed(conn, completed):
    ranges = {"XRANGE": "key start end [COUNT count]"}
    assert completed("%redis XRAN") == ranges
    assert completed("rows = %redis xran") == {"xrange": ranges["XRANGE"]}
    assert completed("%%redis\nPING\n  XRAN") == ranges
    assert completed("%%redis XRAN") == ranges
    assert completed("%redis --raw XRAN") == ranges
    found = completed("%redis ")
    assert {"XADD", "SET", "ZADD", "PING"} <= found.keys()
    assert found["PING"] == "[message]"
    assert found["DBSIZE"] == "no arguments"
    assert max(map(len, found.values())) == LONGEST_HINT
    assert completed("%redis XNOSUCH") == {}


@pytest.mark.usefixtures("documented")
def test_subcommands_and_keywords(conn, completed):
    assert completed("%redis XINFO G") == {"GROUPS": "key"}
    assert completed("%redis xinfo ").keys() == {"consumers", "groups", "help", "stream"}
    assert completed("%redis XINFO NOSUCH ") == {}
    assert completed("%redis XRANGE orders - + ") == {"COUNT": "COUNT count"}
    assert completed("%redis xrange orders - + ") == {"count": "COUNT count"}
    assert completed("%redis XADD orders ma") == {"maxlen": "keyword"}
    assert completed("%redis XRANGE orders - + COUNT ") == {}
    assert completed("%redis XRANGE orders ") == {}
    assert completed("%redis NOSUCH ") == {}


def test_before_redis_7_names_alone(conn, completed, shop, monkeypatch):
    from redisnb.explore.commands import listed
    from redisnb.explore.completion import asking

    # As where COMMAND DOCS is refused.
    monkeypatch.setattr(
        asking, "known_commands", lambda quick: listed(asking.wire.ask(quick, "COMMAND", key=""))
    )
    monkeypatch.setattr("redisnb.explore.completion.matching.known_commands", asking.known_commands)
    assert completed("%redis XRAN") == {"XRANGE": "command"}
    assert completed("%redis XRANGE or") == {'"order s"': "stream", "orders": "stream"}
    assert completed("%redis HGET or") == {"ordinary": "hash"}
    assert completed("%redis SORT ord").keys() == {
        '"order s"', "order", "ordered", "orders", "ordinary",
    }  # fmt: skip
    assert completed("%redis XRANGE orders ") == {}


def test_a_hint_has_no_place_where_a_line_may_end(conn, shell):
    result = shell.Completer.custom_matchers[-1]
    found = result(SimpleNamespace(full_text="%redis ", cursor_line=0, cursor_position=7))
    hints = [each.type for each in found["completions"]]
    assert hints
    assert not any(re.search(r"[ \t]|[-|](?!\N{WORD JOINER})", hint) for hint in hints)


# Names


@pytest.mark.usefixtures("documented", "shop")
def test_keys_of_the_type_that_the_command_takes(conn, completed):
    assert completed("%redis XRANGE or") == {'"order s"': "stream", "orders": "stream"}
    assert completed("%redis XREAD STREAMS orders or").keys() == {'"order s"', "orders"}
    assert completed("%redis HGETALL or") == {"ordinary": "hash"}
    assert completed("%redis ZRANGE or") == {"ordered": "zset"}
    assert completed("%redis GET or") == {"order": "string"}
    assert completed("%redis TYPE or").keys() == {
        '"order s"', "order", "ordered", "orders", "ordinary",
    }  # fmt: skip
    assert completed("%redis TYPE ord?") == {}
    assert completed('%redis TYPE "order ') == {'"order s"': "key"}
    assert completed("%redis TYPE 'order ") == {"'order s'": "key"}


@pytest.mark.usefixtures("documented", "shop")
def test_groups_consumers_and_fields(conn, completed):
    assert completed("%redis XINFO CONSUMERS orders ") == {"check-in": "group"}
    assert completed('%redis XPENDING "order s" ') == {'"night shift"': "group"}
    people = {"ann": "consumer", '"o\'neil"': "consumer"}
    assert completed("%redis XGROUP DELCONSUMER orders check-in ") == people
    assert completed("%redis XAUTOCLAIM orders check-in a") == {"ann": "consumer"}
    # Before a stream is typed, those of any.
    assert completed("%redis XREADGROUP GROUP ").keys() == {"check-in", '"night shift"'}
    assert completed("%redis xreadgroup group check-in ") == people
    fields = {"name": "field", '"n\\xff"': "field"}
    assert completed("%redis HGET ordinary n") == fields
    assert completed("%redis HMGET ordinary x [").keys() == {"[n]"}
    assert len(completed("%redis HDEL ordinary ")) == 4
    # A key of another type, or none.
    assert completed("%redis HGET order ") == completed("%redis HGET nosuch ") == {}
    assert completed("%redis XINFO CONSUMERS order ") == {}
    assert completed("%redis XINFO CONSUMERS nosuch ") == {}


@pytest.mark.usefixtures("documented")
def test_what_is_completed_names_the_key_whatever_is_in_it(conn, raw, shell, completed):
    raw.mset({name: str(n) for n, name in enumerate(HOSTILE)})
    found = {}
    for begin in ("or", '"or', "'or"):
        found = completed(f"%redis GET {begin}")
        read = [shell.run_line_magic("redis", f"GET {word}") for word in found]
        assert sorted(read) == [str(n) for n in range(len(HOSTILE))]


@pytest.mark.usefixtures("documented")
def test_few_among_many(conn, raw, completed):
    raw.eval("for i = 1, 20000 do redis.call('SET', 'user:' .. i, 1) end", 0)
    raw.xadd("orders", {"n": 1})
    raw.set("uses", 1)
    assert completed("%redis XLEN ") == {"orders": "stream"}
    assert len(completed("%redis GET u")) == 100
    assert completed("%redis GET uses") == {"uses": "string"}


# Python's names


def test_options_and_variables(conn, shell, completed, server):
    shell.user_ns.update(name="a", number=5, _hidden=1, other=connect(server.url))
    assert completed("%redis --").keys() == {"--conn", "--raw"}
    assert completed("%%redis --raw --c").keys() == {"--conn"}
    assert completed("%redis --conn ") == {"conn": "Connection", "other": "Connection"}
    assert completed("%redis --conn o") == {"other": "Connection"}
    assert completed("%redis GET $n") == {"$name": "str", "$number": "int"}
    assert "$_hidden" not in completed("%redis GET $")
    # An option stands only at the beginning.
    assert completed("%redis PING --") == completed("%%redis\n--") == {}
    # Within an expression IPython completes.
    assert "number" in completed("%redis SET k {num")
    shell.user_ns["other"].close()


def test_the_connection_that_the_magic_would_use(conn, raw, shell, server, completed):
    with connect(server.url, db=1) as other:
        raw.set("first", 1)
        other.client.set("second", 1)
        shell.user_ns["other"] = other
        assert completed("%redis GET ").keys() == {"first"}
        assert completed("%redis --conn other GET ").keys() == {"second"}
        assert completed("%redis --conn=other GET ").keys() == {"second"}
        assert completed("%%redis --conn other\nGET ").keys() == {"second"}
        assert completed("%redis --conn nosuch GET ") == {}
        shell.run_line_magic("redis", "--conn other")
        assert completed("%redis GET ").keys() == {"second"}
        other.client.flushdb()


# Nothing


@pytest.mark.parametrize("cell", ["%%redis\n# GET ", "%redis # GET "])
def test_comments(conn, completed, cell):
    assert completed(cell) == {}


def test_other_lines_are_left_to_ipython(conn, raw, shell, completed):
    calls = raw.info("commandstats")
    shell.user_ns["words"] = {"alpha": 1}
    assert completed('words["al') == {"alpha": "dict key"}
    assert "print" in completed("pri")
    assert "%redis" in completed("%red")
    assert raw.info("commandstats").keys() - calls.keys() <= {"cmdstat_info"}


def test_without_a_connection(shell, completed):
    assert completed("%redis XR") == {}


def test_nothing_is_sent_on_a_closed_connection(conn, completed):
    conn.close()
    assert completed("%redis XR") == {}
    assert conn.closed


def test_a_read_only_connection(conn, raw, shell, completed, shop):
    raw.config_resetstat()
    with connect(conn, read_only=True) as reader:
        shell.user_ns["conn"] = reader
        assert "XRANGE" in completed("%redis XR")
        assert "orders" in completed("%redis XRANGE or")
        for line in ("XINFO CONSUMERS orders ", "XGROUP DELCONSUMER orders check-in ", "HGET ord"):
            completed(f"%redis {line}")
        completed("%redis HGET ordinary ")
    used = {name.removeprefix("cmdstat_") for name in raw.info("commandstats")}
    allowed = {"command", "command|docs", "scan", "hscan", "xinfo", "xinfo|groups"}
    allowed |= {"xinfo|consumers", "config", "config|resetstat", "info", "hello", "ping", "select"}
    assert used <= allowed | {"client", "client|setinfo", "auth", "client|maint_notifications"}


@pytest.mark.parametrize(
    ("commands", "line", "wanted"),
    [
        (["+@read"], "XR", set()),
        # Without the commands' syntax, any key.
        (["+@read"], "XRANGE or", {"orders", '"order s"', "order", "ordered", "ordinary"}),
        (["+@all", "-scan"], "XRANGE or", set()),
        (["+@all", "-xinfo"], "XPENDING orders ", set()),
        (["+@all", "-hscan"], "HGET ordinary ", set()),
    ],
)
def test_what_the_user_may_not_ask(
    conn, server, raw, shell, completed, shop, commands, line, wanted
):
    raw.acl_setuser("some", enabled=True, nopass=True, keys=["*"], commands=commands)
    try:
        with connect(server.url, username="some", password="x") as limited:
            shell.user_ns["conn"] = limited
            assert completed(f"%redis {line}").keys() == wanted
    finally:
        raw.acl_deluser("some")


@pytest.mark.parametrize("sent", [signal.SIGSTOP, signal.SIGKILL])
def test_a_server_that_does_not_answer(tcp_server, shell, completed, monkeypatch, capfd, sent):
    tcp_server.client.set("k", 1)
    with connect(tcp_server.url) as conn:
        shell.user_ns["conn"] = conn
        assert completed("%redis PIN").keys() == {"PING"}
        os.kill(tcp_server.process.pid, sent)
        if sent == signal.SIGKILL:
            tcp_server.process.wait()
        start = time.monotonic()
        assert completed("%redis GET ") == {}
        assert time.monotonic() - start < deadline(1)
        # For a while it is not even asked.
        monkeypatch.setattr(completing.wire, "brief", None)
        assert completed("%redis GET ") == {}
        assert conn._ipython_key_completions_() == []
        monkeypatch.undo()
        if sent == signal.SIGKILL:
            tcp_server.start()
        else:
            os.kill(tcp_server.process.pid, signal.SIGCONT)
        later = time.monotonic() + completing.REST_SECONDS
        monkeypatch.setattr(completing.time, "monotonic", lambda: later)
        assert completed("%redis GET ").keys() == {"k"}
    assert "Traceback" not in capfd.readouterr().err


# The shell


def test_the_matcher_goes_with_the_extension(shell):
    def registered():
        matchers = shell.Completer.custom_matchers
        return [each for each in matchers if getattr(each, "matcher_identifier", "") == IDENTIFIER]

    assert len(registered()) == 1
    shell.run_line_magic("reload_ext", "redisnb")
    assert len(registered()) == 1
    shell.run_line_magic("unload_ext", "redisnb")
    assert registered() == []
    shell.run_line_magic("load_ext", "redisnb")


def test_the_older_way_of_asking(conn, shell):
    with pytest.warns(PendingDeprecationWarning):
        begun, found = shell.Completer.complete(line_buffer="%redis PIN", cursor_pos=10)
    assert (begun, found) == ("PIN", ["PING"])
