"""connect(): every kind of target, on loopback and unix sockets only."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback

import pytest
import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

import redisnb as rnb
from redisnb import connect, wire
from redisnb.errors import ConnectError, UncertainWriteError
from redisnb.wire import server as module
from redisnb.wire.connection import lease
from tests.deadlines import deadline

# Not in the lines of source that a traceback quotes.
SECRET = "hunter2"


def texts(error: BaseException) -> str:
    """Everything that a notebook shows of an error, with those behind it."""
    return "".join(traceback.format_exception(error)) + repr(error) + str(vars(error))


@pytest.fixture
def silent_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


# What to connect to


@pytest.mark.parametrize("protocol", [2, 3])
def test_a_redis_url(tcp_server, protocol):
    url = tcp_server.url.replace("/0", "/3")
    with connect(url, protocol=protocol, client_name="mine") as conn:
        assert conn.url == f"redis://127.0.0.1:{tcp_server.port}/3"
        assert conn.name == f"127.0.0.1:{tcp_server.port}/3"
        assert conn.server is None
        assert conn.timeout == deadline(5)
        conn.client.set("k", "v")
        tcp_server.client.select(3)
        assert tcp_server.client.get("k") == b"v"
        hello = wire.mapping(wire.ask(conn, "HELLO", key=""))
        assert hello[b"proto"] == protocol
        links = {client["id"]: client["name"] for client in tcp_server.client.client_list()}
        assert links[str(hello[b"id"])] == "mine"


def test_a_unix_url(server, raw, tmp_path):
    path = str(server.directory / "socket")
    other = tmp_path / "redis.sock"
    other.symlink_to(path)
    with connect(server.url.replace(path, str(other))) as conn:
        assert (conn.url, conn.name) == (f"unix://{other}?db=0", f"{other}/0")
    with connect(server.url.replace("db=0", "db=5")) as conn:
        # The path of a private server tells nothing, also in another process.
        assert (conn.url, conn.name) == (f"unix://{path}?db=5", "private server/5")
        conn.client.set("k", "v")
    assert raw.execute_command("MOVE", "k", 5) == 0, "k is in database 5, not in this one"
    assert raw.info("keyspace")["db5"]["keys"] == 1


def test_the_database_may_be_an_option(server, raw):
    raw.flushall()
    with connect(server.url, db=7) as conn:
        conn.client.set("k", "v")
        assert conn.name.endswith("/7")
    assert list(raw.info("keyspace")) == ["db7"]


def test_settings_of_a_pool_in_a_url_do_no_harm(tcp_server):
    # Other programs' URLs carry them; an asyncio link does not know them.
    options = "max_connections=5&timeout=3&decode_responses=True&health_check_interval=1"
    with connect(f"{tcp_server.url}?{options}") as conn:
        stream = rnb.Stream(conn, "s")
        stream.add({"i": 1})

        async def first():
            return await anext(stream.afollow("all", timeout=1))

        assert asyncio.run(first()).event == {"i": 1}
        assert conn.client.ping()


def test_the_environment(monkeypatch, server, tcp_server):
    monkeypatch.setenv("REDISNB_URL", server.url)
    monkeypatch.setenv("REDIS_URL", tcp_server.url)
    with connect() as conn:
        assert conn.url.startswith("unix://")
        assert conn.server is None, "somebody else's, not ours to stop"
    monkeypatch.setenv("REDISNB_URL", "")
    with connect() as conn:
        assert conn.url == f"redis://127.0.0.1:{tcp_server.port}/0"
    with connect(server.url) as conn:
        assert conn.url.startswith("unix://")


def test_a_connection_is_returned_as_it_is(conn):
    assert connect(conn) is conn


CLIENTS = {
    "plain": {},
    "text": {"decode_responses": True},
    "resp3": {"protocol": 3, "decode_responses": True},
    "latin-1": {"decode_responses": True, "encoding": "latin-1", "encoding_errors": "ignore"},
    "retries": {"retry": Retry(ConstantBackoff(0), 5), "retry_on_error": [redis.ConnectionError]},
    "checks": {"health_check_interval": 1, "client_name": "mine", "max_connections": 2},
    "old": {"legacy_responses": False},
}


@pytest.mark.parametrize("options", CLIENTS.values(), ids=CLIENTS)
def test_a_client_of_any_kind_gives_the_same_and_stays_as_it_is(server, raw, options):
    raw.flushall()
    raw.xadd("größe", {b"\xff": b"\xfe", "ä": "1"}, id="1-0")
    raw.xgroup_create("größe", "g", 0)
    raw.set(b"\xff", b"\xff")
    with redis.Redis.from_url(server.url, **options) as client:
        mine = dict(client.connection_pool.connection_kwargs)
        with connect(client) as conn:
            assert conn.url == f"unix://{server.directory}/socket?db=0"
            stream = rnb.Stream(conn, "größe")
            assert stream.range().iloc[0].to_dict() == {"entry_id": "1-0", "�xff": "�xfe", "ä": 1}
            assert rnb.ConsumerGroup(stream, "g").read()["entry_id"].tolist() == ["1-0"]
            assert set(rnb.keys(conn)["key"]) == {"größe", "�xff"}
            assert rnb.streams(conn)["pending"].tolist() == [1]
            assert conn.client.get(b"\xff") == b"\xff"

            async def followed():
                return [entry.fields async for entry in stream.afollow("all", timeout=0.01)]

            assert asyncio.run(followed()) == [((b"\xff", b"\xfe"), ("ä".encode(), b"1"))]
        assert client.connection_pool.connection_kwargs == mine
        assert client.ping(), "its own links still work"


def test_a_client_with_a_blocking_pool(server):
    pool = redis.BlockingConnectionPool.from_url(server.url, max_connections=1, timeout=1)
    with redis.Redis(connection_pool=pool) as client, connect(client) as conn:
        assert conn.client.ping()


def test_nothing_is_sent_twice_whatever_the_client_does(proxy, raw):
    raw.flushall()
    retrying = redis.Redis.from_url(
        proxy.url, retry=Retry(ConstantBackoff(0), 5), retry_on_error=[redis.ConnectionError]
    )
    with retrying, connect(retrying) as conn:
        raw.config_resetstat()
        stream = rnb.Stream(conn, "s")
        for error, add in [
            (UncertainWriteError, lambda: stream.add({"i": 1})),
            (redis.ConnectionError, lambda: conn.client.xadd("s", {"i": 2})),
            (redis.ConnectionError, lambda: wire.ask(conn, "XADD", "s", "*", "i", 3, key="s")),
        ]:
            conn.client.ping()
            proxy.lines = 0
            with pytest.raises(error):
                add()
        conn.client.xadd("s", {"i": 4})
    assert raw.xlen("s") == raw.info("commandstats")["cmdstat_xadd"]["calls"] == 4


@pytest.mark.parametrize(
    "option", [{"decode_responses": True}, {"retry": None}, {"encoding": "latin-1"}]
)
def test_an_option_that_redisnb_decides_itself(server, option):
    (name,) = option
    with pytest.raises(TypeError, match=rf"connect\({name}=\.\.\.\): redisnb decides that itself"):
        connect(server.url, **option)


@pytest.mark.parametrize(
    ("timeout", "message"),
    [(0, "timeout=0: a server needs"), ("-1s", "is negative"), ("soon", "is not a duration")],
)
def test_a_timeout_that_is_none(server, timeout, message):
    with pytest.raises(ValueError, match=message):
        connect(server.url, timeout=timeout)


# The private server


def run(script: str, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", f"import json, sys\nimport redisnb as rnb\n{script}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


@pytest.mark.slow
def test_without_any_address_the_process_has_a_private_server_that_goes_with_it(server):
    process = run("""
a, b = rnb.connect(), rnb.connect()
a.client.set("k", "v")
a.close()
print(json.dumps([
    b.client.get("k").decode(), a.server is b.server, b.server.running, repr(b), b.url,
    b.server.pid, str(b.server.directory),
]))
""")
    out, said = process.communicate(timeout=deadline(20))
    assert process.returncode == 0, said
    value, shared, running, name, url, pid, directory = json.loads(out)
    assert (value, shared, running) == ("v", True, True)
    assert name == "Connection('private server/0')"
    assert url == f"unix://{directory}/socket?db=0"
    assert said.splitlines() == [
        "redisnb: no $REDISNB_URL or $REDIS_URL; using a private Redis server, "
        "which is gone with this process"
    ]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not os.path.exists(directory)


def test_the_private_server_is_started_again_if_it_has_ended(server, monkeypatch, capfd):
    monkeypatch.setattr(module, "_private", None)
    with connect() as first, first.server:
        with connect() as second:
            assert second.server is first.server
        assert len(capfd.readouterr().err.splitlines()) == 1
    with connect() as third, third.server:
        assert third.server is not first.server
        assert third.client.ping()


@pytest.mark.slow
def test_two_kernels_share_the_server_of_the_environment(server, raw):
    raw.flushall()
    stream = "stream = rnb.Stream(rnb.connect(), 's')\n"
    reader = run(
        stream + "print(next(stream.follow('all', timeout=20)).event)", REDISNB_URL=server.url
    )
    writer = run(stream + "print(stream.add({'from': 'the other'}))", REDISNB_URL=server.url)
    assert reader.communicate(timeout=deadline(30)) == ("{'from': 'the other'}\n", "")
    added, said = writer.communicate(timeout=deadline(30))
    assert (raw.xrange("s")[0][0].decode(), said) == (added.strip(), "")


# Its life


def test_a_with_block_closes_every_link(server, raw, wait_until):
    def mine() -> int:
        return sum(client["name"] == "mine" for client in raw.client_list())

    with connect(server.url, client_name="mine") as conn:
        with lease(conn), lease(conn):
            assert mine() == 2
        conn.client.ping()
        assert mine() == 2
    wait_until(lambda: mine() == 0)
    conn.client.ping()
    assert mine() == 1, "the next command opens a new one"
    conn.close()
    wait_until(lambda: mine() == 0)


def test_a_closed_connection_is_closed_until_it_is_used(server):
    conn = connect(server.url)
    assert not conn.closed
    for use in (lambda: wire.ask(conn, "PING", key=""), conn.client.ping):
        conn.close()
        assert conn.closed
        assert use()
        assert not conn.closed


def test_a_brief_connection_is_of_the_same_kind_and_does_not_wait_long(tcp_server):
    conn = connect(tcp_server.url, read_only=True, db=3)
    with wire.brief(conn, 0.2) as quick:
        assert (quick.url, quick.read_only, quick.timeout) == (conn.url, True, 0.2)
        assert wire.ask(quick, "PING", key="")
        os.kill(tcp_server.process.pid, signal.SIGSTOP)
        start = time.monotonic()
        with pytest.raises(redis.TimeoutError):
            wire.ask(quick, "PING", key="")
    with pytest.raises(ConnectError), wire.brief(conn, 0.2) as quick:
        wire.ask(quick, "PING", key="")
    assert time.monotonic() - start < deadline(2)
    assert quick.closed


def test_an_asyncio_link_has_the_same_shape_and_does_not_wait_for_ever(tcp_server):
    async def echo(conn):
        link = wire.async_link(conn)
        try:
            return await wire.ask_async(link, "ECHO", b"\xff", key="", timeout=conn.timeout)
        finally:
            await link.disconnect()

    with redis.Redis.from_url(tcp_server.url, decode_responses=True) as client:
        conn = connect(client, timeout=deadline(0.2))
    assert asyncio.run(echo(conn)) == b"\xff"
    os.kill(tcp_server.process.pid, signal.SIGSTOP)
    start = time.monotonic()
    with pytest.raises(redis.TimeoutError):
        asyncio.run(echo(conn))
    assert time.monotonic() - start < deadline(2)


@pytest.mark.parametrize("protocol", [2, 3])
def test_a_server_that_never_answers_is_an_error_within_the_timeout(silent_port, protocol):
    start = time.monotonic()
    with pytest.raises(ConnectError, match=r"it did not answer within 0\.2 s") as caught:
        connect(f"redis://:{SECRET}@127.0.0.1:{silent_port}", timeout="200ms", protocol=protocol)
    assert 0.15 < time.monotonic() - start < deadline(2)
    assert caught.value.url == f"redis://127.0.0.1:{silent_port}/0"
    assert SECRET not in texts(caught.value)


def test_links_that_the_server_has_closed_are_replaced(conn, raw):
    stream = rnb.Stream(conn, "s")
    stream.add({"i": 0})
    for i in range(1, 4):
        assert raw.client_kill_filter(_type="normal", skipme=True) >= 1
        stream.add({"i": i})
        raw.client_kill_filter(_type="normal", skipme=True)
        assert len(stream) == i + 1
        raw.client_kill_filter(_type="normal", skipme=True)
        assert conn.client.xlen("s") == i + 1
    assert stream.range()["i"].tolist() == [0, 1, 2, 3]


def test_threads_get_their_own_replies(conn):
    wrong = []

    def work(name: int) -> None:
        for i in range(100):
            text = f"{name}:{i}".encode()
            if wire.ask(conn, "ECHO", text, key="") != text:
                wrong.append(text)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_calls_leave_their_link_in_use(conn, raw):
    stream, cache = rnb.Stream(conn, "s"), rnb.Cache(conn, prefix="p:")
    group = rnb.ConsumerGroup(stream, "g")

    def calls():
        yield group.create("all")
        yield stream.add_many([{"i": i} for i in range(1500)])
        yield from (stream.range(), stream.range("5", reverse=True), stream.range(limit=5000))
        yield from (stream.head(), stream.tail(), stream.info(), stream.groups(), len(stream))
        yield list(stream.frames())
        yield list(stream.follow("all", timeout=0.01))
        yield from (group.read(1200), group.pending(payload=True), group.consumers(), group.info())
        yield from (group.claim(group.pending(), min_idle=0), group.autoclaim(min_idle=0))
        yield cache.set_many({"a": 1, "b": 2})
        yield from (cache.keys(), cache.get_many(["a", "b"]), cache.delete_matching("*"))
        yield from (rnb.keys(conn), rnb.keys(conn, sizes=True), rnb.streams(conn))
        yield from (rnb.keys(conn, "nothing"), rnb.streams(conn, "nothing"))
        yield from (rnb.groups(conn), rnb.groups(conn, "nothing"))
        yield from (rnb.tree(conn, sample=10**6), rnb.tree(conn, sample=None))

    before = raw.info("stats")["total_connections_received"]
    for n, _ in enumerate(calls()):
        assert raw.info("stats")["total_connections_received"] == before, f"call {n} reconnects"


# Interrupts


def usable(conn) -> bool:
    """Return whether the next replies are those to the next commands."""
    asked = [f"next {i}".encode() for i in range(5)]
    return [wire.ask(conn, "ECHO", text, key="") for text in asked] == asked


def test_replies_left_behind_by_ask_many(conn):
    replies = wire.ask_many(conn, [("ECHO", f"old {i}") for i in range(10)])
    assert [next(replies) for _ in range(3)] == [b"old 0", b"old 1", b"old 2"]
    assert usable(conn), "while it is open, others have another link"
    replies.close()
    assert usable(conn)


def test_replies_left_behind_by_pages(conn, raw):
    rnb.Stream(conn, "s").add_many([{"i": i} for i in range(3000)])
    pages = iter(wire.Pages(conn, "s", "-", "+"))
    next(pages)
    pages.close()
    assert usable(conn)


def test_ctrl_c_in_the_middle_of_a_long_range(conn, raw):
    stream = rnb.Stream(conn, "s")
    stream.add_many([{"i": i} for i in range(3000)])

    def interrupted(frame):
        signal.raise_signal(signal.SIGINT)
        return frame["i"] >= 0

    with pytest.raises(KeyboardInterrupt):
        stream.range(where=interrupted)
    assert usable(conn)
    assert len(stream.range()) == 3000


def test_ctrl_c_while_replies_are_awaited(conn, ctrl_c, raw):
    ctrl_c("blpop")
    with pytest.raises(KeyboardInterrupt):
        list(wire.ask_many(conn, [("SET", "a", 1), ("BLPOP", "nothing", 5), ("SET", "b", 1)]))
    assert usable(conn)
    ctrl_c("blpop")
    with pytest.raises(KeyboardInterrupt):
        wire.ask(conn, "BLPOP", "nothing", 5, key="nothing")
    assert usable(conn)
    # The reply to the wait must reach no caller: the link is gone.
    assert raw.rpush("nothing", "late") == 1
    assert usable(conn)


# What can go wrong


def test_no_secret_is_shown(tcp_server):
    tcp_server.client.execute_command("ACL", "SETUSER", "somebody", "on", ">hunter3", "+@all", "~*")
    url = f"redis://somebody:hunter3@127.0.0.1:{tcp_server.port}/0"
    with connect(url) as conn:
        assert conn.client.acl_whoami() == "somebody"
        shown = f"{conn!r} {conn} {conn._repr_html_()} {conn.url} {conn.name} {conn.client!r}"
        assert repr(conn) == f"Connection('127.0.0.1:{tcp_server.port}/0')"
        assert conn.url in conn._repr_html_()
        tcp_server.kill()
        with pytest.raises(ConnectError) as caught:
            wire.ask(conn, "PING", key="")
    for text in (shown, texts(caught.value)):
        assert "hunter" not in text
        assert "somebody" not in text


def test_an_odd_path_is_escaped_where_html_is_made(tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        path = tmp_path / "<b>"
        listener.bind(str(path))
        conn = rnb.Connection(
            redis.UnixDomainSocketConnection, {"path": str(path), "socket_timeout": 1}
        )
        assert "<b>" in repr(conn)
        assert "<b>" not in conn._repr_html_()


@pytest.mark.parametrize(
    "url",
    [
        "redis://:hunter2@127.0.0.1:port",
        "redis://:hunter2@[127.0.0.1",
        "redis://:hunter2@127.0.0.1:99999",
        "redis://:hunter2/more@127.0.0.1:{port}",
        "redis://:hunter2#more@127.0.0.1:{port}",
        "redis://:hunter2@127.0.0.1:{port}/0?db=hunter2",
        "unix://",
        "unix://hunter2",
        "hunter2@127.0.0.1",
        "redis:/hunter2@127.0.0.1",
        "",
    ],
)
def test_a_url_that_cannot_be_read(url, closed_port):
    with pytest.raises(ConnectError) as caught:
        connect(url.replace("{port}", str(closed_port)))
    assert SECRET not in texts(caught.value)
    assert re.search(
        r"cannot read the redis://|a unix:// URL names a socket|is not a Redis address",
        str(caught.value),
    )


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("user", ["", ":wrong", "nobody:wrong"])
def test_a_user_who_is_not_let_in(tcp_server, user, protocol):
    url = f"redis://{user}@127.0.0.1:{tcp_server.port}/0"
    with pytest.raises(ConnectError, match="it refused the user name or password") as caught:
        connect(url, protocol=protocol)
    assert caught.value.url == f"redis://127.0.0.1:{tcp_server.port}/0"
    assert "nobody" not in texts(caught.value)
    assert ":wrong" not in texts(caught.value)


def test_a_database_that_does_not_exist(tcp_server):
    with pytest.raises(ConnectError, match="DB index is out of range"):
        connect(tcp_server.url.replace("/0", "/99"))


def test_tls_is_not_silently_left_out(closed_port):
    with pytest.raises(ConnectError, match=f"rediss://127.0.0.1:{closed_port}/0"):
        connect(f"rediss://127.0.0.1:{closed_port}")


def test_a_link_that_is_given_back_while_all_are_closed(server, monkeypatch):
    """redis-py iterates over a set while a forgotten generator returns its link."""
    conn = connect(server.url)
    conn.client.ping()
    disconnect, calls = conn._pool.disconnect, []

    def overtaken():
        calls.append(1)
        if len(calls) < 3:
            raise RuntimeError("Set changed size during iteration")
        disconnect()

    monkeypatch.setattr(conn._pool, "disconnect", overtaken)
    conn.close()
    assert len(calls) == 3
