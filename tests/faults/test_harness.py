"""The harness itself: the proxy's faults, the ledger's sums, the server's lives."""

import time

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.deadlines import deadline
from tests.faults.ledger import Ledger, account
from tests.faults.proxy import Proxy, arguments, message_end

# They use fixtures.
pytestmark = pytest.mark.alone


@pytest.fixture
def server(place):
    return place.server


@pytest.fixture
def raw(server):
    return server.client


@pytest.fixture
def proxy(server):
    with Proxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def client(proxy):
    with redis.Redis(
        port=proxy.port,
        protocol=2,
        socket_timeout=deadline(0.3),
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    ) as client:
        client.ping()
        yield client


MESSAGES = [
    b"+OK\r\n",
    b"-ERR no\r\n",
    b":7\r\n",
    b"$-1\r\n",
    b"$0\r\n\r\n",
    b"$4\r\na\r\nb\r\n",
    b"*-1\r\n",
    b"*0\r\n",
    b"*2\r\n*1\r\n$1\r\nx\r\n$2\r\n\r\n\r\n",
    b"%1\r\n+a\r\n*1\r\n_\r\n",
]


@pytest.mark.parametrize("message", MESSAGES)
def test_messages_are_cut_where_they_end(message):
    assert message_end(b"..." + message + b"+OK\r\n", 3) == 3 + len(message)
    for part in range(len(message)):
        assert message_end(message[:part], 0) is None


def test_the_words_of_a_request():
    assert arguments(b"*3\r\n$3\r\nSET\r\n$0\r\n\r\n$3\r\na\r\n\r\n") == [b"SET", b"", b"a\r\n"]


def test_a_lost_reply_is_to_a_command_that_was_carried_out(proxy, client, raw):
    fault = proxy.lose("INCRBY")
    client.set("text", "INCRBY")
    with pytest.raises(redis.ConnectionError):
        client.incr("n")
    assert (fault.hits, raw.get("n")) == (1, "1")
    assert client.incr("n") == 2


def test_a_fault_may_choose(proxy, client):
    proxy.lose("GET", when=lambda request, reply: request[1] == b"b" and reply != b"$-1\r\n")
    client.mset({"a": 1, "c": 1})
    assert client.mget("a", "b") == ["1", None]
    assert (client.get("a"), client.get("b")) == ("1", None)
    client.set("b", 1)
    with pytest.raises(redis.ConnectionError):
        client.get("b")


def test_a_reply_that_is_cut_or_late(proxy, client):
    client.set("k", "value")
    proxy.cut("GET", 6)
    with pytest.raises(redis.ConnectionError):
        client.get("k")
    proxy.delay("GET", deadline(0.6))
    with pytest.raises(redis.TimeoutError):
        client.get("k")
    proxy.delay("GET", 0.1)
    start = time.monotonic()
    assert client.get("k") == "value"
    assert time.monotonic() - start >= 0.1


def test_a_reply_in_single_bytes(proxy, client):
    client.set("k", "value")
    fault = proxy.drip("GET", left=-1)
    assert client.get("k") == client.get("k") == "value"
    assert fault.hits == 2


def test_a_silent_link(proxy, client, raw):
    proxy.silence()
    for _ in range(2):
        with pytest.raises(redis.TimeoutError):
            client.incr("n")
    proxy.heal()
    assert client.incr("n") == 1
    proxy.silence(new=False)
    with pytest.raises(redis.TimeoutError):
        client.incr("n")
    assert client.incr("n") == 2


def test_a_refusing_port_and_a_refused_upstream(proxy, client, server):
    proxy.refuse()
    with pytest.raises(redis.ConnectionError, match="refused"):
        client.ping()
    proxy.accept()
    assert client.ping()
    server.kill()
    with pytest.raises(redis.ConnectionError):
        client.ping()
    server.start()
    assert client.ping()


def test_the_proxy_counts_commands_and_leaves_no_link(proxy, client, server):
    for _ in range(3):
        client.get("k")
    assert proxy.counts["GET"] == 3
    assert len(server.links()) == 1
    proxy.cut_links()
    assert client.get("k") is None
    assert proxy.connections == 2


def test_a_server_keeps_what_it_acknowledged_or_forgets_it(server, raw):
    raw.set("k", 1)
    server.restart()
    assert raw.get("k") == "1"
    server.restart(empty=True)
    assert raw.get("k") is None


def test_the_server_counts_what_it_refuses(server, client, raw):
    before = server.commands()
    raw.execute_command("REPLICAOF", "127.0.0.1", 1)
    for _ in range(2):
        with pytest.raises(redis.ResponseError):
            client.set("k", 1)
    client.get("k")
    assert server.commands() - before == {"set": 2, "get": 1, "replicaof": 1, "slaveof": 0} or (
        server.commands() - before == {"set": 2, "get": 1, "replicaof": 1}
    )


def test_the_ledger_and_its_sums(tmp_path):
    ledger = Ledger(tmp_path / "ledger")
    for entry_id in ("1-0", "2-0", "1-0", "1-0"):
        ledger.note(entry_id, "me")
    other = Ledger(tmp_path / "ledger")
    other.note("4-0")
    found = account(["1-0", "2-0", "3-0"], ledger.ids(), ["9-0"])
    assert (found.lost, found.repeats, found.stuck) == (["3-0"], 2, ["9-0"])
    assert [line.consumer for line in ledger.lines()] == ["me", "me", "me", "me", "-"]
    ledger.close()
    other.close()
