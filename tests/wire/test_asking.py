"""Commands and raw replies, on a real server."""

import asyncio
import os
import signal

import pandas as pd
import pytest
import redis

from redisnb import connect, wire
from redisnb.errors import ConnectError
from tests.deadlines import deadline


def fill(raw, n, key="s"):
    """Add the entries 1-0, 2-0, ... n-0."""
    with raw.pipeline(transaction=False) as pipeline:
        for i in range(1, n + 1):
            pipeline.xadd(key, {"i": i}, id=f"{i}-0")
        pipeline.execute()


def numbers(pages):
    return [int(id.partition(b"-")[0]) for page in pages for id, _ in page]


def test_ask_gives_the_raw_reply(conn):
    assert wire.ask(conn, "SET", "k", b"\xff\x00", key="k") == b"OK"
    assert wire.ask(conn, "GET", "k", key="k") == b"\xff\x00"
    assert wire.ask(conn, "GET", "no such key", key="no such key") is None


def test_a_refusal_has_the_remedy_as_a_note_and_keeps_the_link(conn, raw):
    raw.set("text", "x")
    before = raw.info("stats")["total_connections_received"]
    with pytest.raises(redis.ResponseError, match="wrong kind of value") as caught:
        wire.ask(conn, "XLEN", "text", key="text")
    assert caught.value.__notes__ == [
        "'text' holds another type of value; redisnb.keys(conn, 'text') shows which"
    ]
    assert wire.ask(conn, "ECHO", "next", key="") == b"next"
    assert raw.info("stats")["total_connections_received"] == before


def test_the_longest_wait_is_the_timeout_and_the_time_it_may_block(server, raw):
    raw.flushall()
    block = deadline(0.3)
    with connect(server.url, timeout=0.8 * block) as conn:
        assert wire.ask(conn, "BLPOP", "nothing", block, key="nothing", wait=block) is None
        with pytest.raises(redis.TimeoutError):
            wire.ask(conn, "BLPOP", "nothing", 5, key="nothing")
        assert wire.ask(conn, "ECHO", "next", key="") == b"next"


def test_ask_async_does_the_same(conn, raw):
    raw.set("text", b"\xff")

    async def both():
        link = wire.async_link(conn)
        try:
            assert await wire.ask_async(link, "GET", "text", key="text", timeout=5) == b"\xff"
            with pytest.raises(redis.ResponseError) as caught:
                await wire.ask_async(link, "XLEN", "text", key="text", timeout=5)
            assert "holds another type" in caught.value.__notes__[0]
            assert await wire.ask_async(link, "ECHO", "next", key="", timeout=5) == b"next"
        finally:
            await link.disconnect()

    asyncio.run(both())


def test_a_reply_that_is_late_is_not_taken_for_the_next_one(conn, raw):
    async def ask_twice():
        link = wire.async_link(conn)
        try:
            with pytest.raises(redis.TimeoutError, match=r"no reply within 0\.1 s"):
                await wire.ask_async(link, "BLPOP", "slow", 5, key="slow", timeout=0.1)
            raw.rpush("slow", "late")
            assert await wire.ask_async(link, "ECHO", "next", key="", timeout=5) == b"next"
        finally:
            await link.disconnect()

    asyncio.run(ask_twice())


def test_a_cancel_is_never_lost(conn, raw, wait_until):
    # At any point: before the command is sent, on its way, while it blocks.
    async def cancelled_after(steps):
        link = wire.async_link(conn)
        await wire.ask_async(link, "PING", key="", timeout=5)
        task = asyncio.create_task(wire.ask_async(link, "BLPOP", "x", 1, key="x", timeout=5))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await link.disconnect()

    for steps in range(12):
        asyncio.run(cancelled_after(steps))
    wait_until(lambda: raw.info("clients")["blocked_clients"] == 0)


@pytest.mark.parametrize("n", [0, 1, 999, 1000, 1001, 2500])
def test_ask_many_gives_each_reply_in_order(conn, n):
    replies = list(wire.ask_many(conn, [("ECHO", str(i)) for i in range(n)]))
    assert replies == [str(i).encode() for i in range(n)]


def test_ask_many_gives_an_error_as_a_value(conn, raw):
    raw.set("text", "x")
    replies = list(wire.ask_many(conn, [("ECHO", "a"), ("XLEN", "text"), ("ECHO", "b")]))
    assert [type(reply) for reply in replies] == [bytes, redis.ResponseError, bytes]
    assert replies[::2] == [b"a", b"b"]


def test_ask_many_is_one_batch_ahead(conn, raw, wait_until):
    replies = wire.ask_many(conn, [("INCR", "n")] * 2500)
    for asked, sent in [(1, 2000), (999, 2000), (1, 2500), (1500 - 1, 2500)]:
        for _ in range(asked):
            next(replies)
        # The first reply of a batch comes before the server has seen to the last command.
        wait_until(lambda sent=sent: int(raw.get("n")) >= sent)
        assert int(raw.get("n")) == sent
    assert list(replies) == []


def test_batches_leave_nothing_out():
    assert [list(part) for part in wire.batches([])] == []
    parts = list(wire.batches(range(2001)))
    assert [len(part) for part in parts] == [1000, 1000, 1]
    assert [i for part in parts for i in part] == list(range(2001))


def test_a_transaction_is_carried_out_together(conn, raw):
    assert wire.transaction(conn, [("SET", "a", "1"), ("INCR", "a"), ("GET", "a")]) == [
        b"OK",
        2,
        b"2",
    ]
    with pytest.raises(redis.ResponseError, match="syntax error"):
        wire.transaction(conn, [("SET", "b", "1"), ("SET", "c", "1", "NONSENSE")])
    assert raw.get("b") == b"1", "Redis finds this one only when it carries it out"
    with pytest.raises(redis.ResponseError, match="wrong number of arguments"):
        wire.transaction(conn, [("SET", "d", "1"), ("GET",)])
    assert not raw.exists("d")
    assert wire.ask(conn, "ECHO", "next", key="") == b"next"


def test_now_is_the_servers_clock(conn, raw):
    (before, micros), found = raw.time(), wire.now(conn)
    assert found >= pd.Timestamp(before, unit="s", tz="UTC") + pd.Timedelta(micros, "us")
    after, micros = raw.time()
    assert found <= pd.Timestamp(after, unit="s", tz="UTC") + pd.Timedelta(micros, "us")


@pytest.mark.parametrize("reply", [{b"a": 1, b"b": [2]}, [b"a", 1, b"b", [2]]])
def test_a_mapping_is_one_in_either_protocol(reply):
    assert wire.mapping(reply) == {b"a": 1, b"b": [2]}
    assert wire.mapping([]) == {}


def test_without_a_server_the_error_is_ours(tcp_server):
    conn = connect(tcp_server.url)
    tcp_server.kill()
    with pytest.raises(ConnectError, match="Connection refused"):
        wire.ask(conn, "PING", key="")
    tcp_server.start()
    assert wire.ask(conn, "PING", key="") == b"PONG"


def test_a_server_that_hangs_is_waited_for_no_longer_than_the_timeout(tcp_server):
    conn = connect(tcp_server.url, timeout=deadline(0.2))
    os.kill(tcp_server.process.pid, signal.SIGSTOP)
    try:
        with pytest.raises(redis.TimeoutError):
            wire.ask(conn, "PING", key="")
        with pytest.raises(ConnectError, match=f"did not answer within {conn.timeout:g} s"):
            wire.ask(conn, "PING", key="")
    finally:
        os.kill(tcp_server.process.pid, signal.SIGCONT)
    assert wire.ask(conn, "ECHO", "late", key="") == b"late"


def test_commands_are_sent_by_bytes_too(conn, raw):
    replies = wire.ask_many(conn, [("SET", f"k{i}", b"x" * 1_000_000) for i in range(40)])
    next(replies)
    assert raw.dbsize() <= 12
    assert list(replies) == [b"OK"] * 39


# In asyncio code


@pytest.fixture
def with_link(conn):
    """``with_link(talk)`` runs ``talk(link)`` with an asyncio link."""

    def run(talk):
        async def main():
            link = wire.async_link(conn)
            try:
                return await talk(link)
            finally:
                await link.disconnect()

        return asyncio.run(main())

    return run


def test_an_error_about_no_key_in_particular_has_no_remedy(with_link, raw):
    raw.set("text", "x")

    async def talk(link):
        with pytest.raises(redis.ResponseError, match="wrong kind of value") as caught:
            await wire.ask_async(link, "XLEN", "text", key=None, timeout=5)
        return getattr(caught.value, "__notes__", [])

    assert with_link(talk) == []


def test_ask_many_async_gives_an_error_as_a_value(with_link, raw):
    raw.set("text", "x")

    async def talk(link):
        commands = [("ECHO", "a"), ("XLEN", "text"), ("ECHO", "b")]
        assert await wire.ask_many_async(link, [], timeout=5) == []
        return await wire.ask_many_async(link, commands, timeout=5)

    replies = with_link(talk)
    assert [type(reply) for reply in replies] == [bytes, redis.ResponseError, bytes]
    assert replies[::2] == [b"a", b"b"]


def test_ask_many_async_ends_where_a_reply_does_not_come(with_link, raw):
    async def talk(link):
        with pytest.raises(redis.TimeoutError):
            await wire.ask_many_async(
                link, [("INCR", "n"), ("BLPOP", "x", 5), ("INCR", "n")], timeout=0.05
            )

    with_link(talk)
    assert raw.get("n") == b"1"


def counting(log):
    """A conversation that adds up, and notes what it was told."""
    for n in (1, 2, 3):
        log.append((yield ("INCRBY", "n", n)))
    return sum(log)


def silent():
    """A conversation in which nothing is said."""
    return "done"
    yield


def refused():
    yield ("INCR", "n")
    yield ("XLEN", "text")
    yield ("INCR", "n")


def both_ways(conn, with_link):
    async def async_way(conversation, link):
        return await wire.converse_async(link, conversation, key="text", timeout=5)

    return [
        lambda conversation: wire.converse(conn, conversation, key="text"),
        lambda conversation: with_link(lambda link: async_way(conversation, link)),
    ]


@pytest.mark.parametrize("way", [0, 1], ids=["blocking", "async"])
def test_a_conversation_is_sent_each_reply_and_gives_its_result(conn, with_link, raw, way):
    converse = both_ways(conn, with_link)[way]
    log = []
    assert converse(counting(log)) == 10
    assert log == [1, 3, 6]
    assert raw.get("n") == b"6"
    assert converse(silent()) == "done"


@pytest.mark.parametrize("way", [0, 1], ids=["blocking", "async"])
def test_a_conversation_ends_with_the_first_refusal(conn, with_link, raw, way):
    raw.set("text", "x")
    converse = both_ways(conn, with_link)[way]
    with pytest.raises(redis.ResponseError, match="wrong kind of value") as caught:
        converse(refused())
    assert "holds another type" in caught.value.__notes__[0]
    assert raw.get("n") == b"1"
    assert converse(counting([])) == 2 + 4 + 7


def test_a_conversation_in_asyncio_waits_no_longer_than_the_timeout(with_link):
    def slow():
        yield ("BLPOP", "x", 5)

    async def talk(link):
        with pytest.raises(redis.TimeoutError, match=r"no reply within 0\.05 s"):
            await wire.converse_async(link, slow(), key="x", timeout=0.05)

    with_link(talk)


# What XINFO shows


def test_what_is_shown_are_mappings_in_either_protocol():
    commands = [("XINFO", "STREAM", "s"), ("XINFO", "GROUPS", "s"), ("XINFO", "GROUPS", "t")]
    expected = [{b"length": 1}, [{b"name": b"g"}, {b"name": b"h"}], {}]
    resp2 = [[b"length", 1], [[b"name", b"g"], [b"name", b"h"]], []]
    resp3 = [{b"length": 1}, [{b"name": b"g"}, {b"name": b"h"}], []]
    assert wire.xinfo_states(commands, resp2) == wire.xinfo_states(commands, resp3) == expected
    assert wire.xinfo_states([], []) == []
    with pytest.raises(ValueError, match="zip"):
        wire.xinfo_states(commands, resp2[:2])


def test_what_a_server_shows(conn, raw):
    raw.xgroup_create("s", "g", "0", mkstream=True)
    raw.xadd("s", {"a": 1}, id="1-0")
    raw.xadd("no groups", {"a": 1}, id="2-0")
    commands = [
        ("XINFO", what, key) for key in ("s", "no groups", "none") for what in ("STREAM", "GROUPS")
    ]
    stream, groups, other, no_groups, *missing = wire.xinfo_states(
        commands, wire.ask_many(conn, commands)
    )
    assert (stream[b"length"], stream[b"last-generated-id"]) == (1, b"1-0")
    assert stream[b"first-entry"] == [b"1-0", [b"a", b"1"]]
    assert [(group[b"name"], group[b"last-delivered-id"]) for group in groups] == [(b"g", b"0-0")]
    assert other[b"length"] == 1
    assert not no_groups
    assert missing == [None, None]


def test_what_a_server_does_not_show(conn, raw):
    raw.set("text", "x")
    commands = [("XINFO", "STREAM", "none"), ("XINFO", "STREAM", "text")]
    with pytest.raises(redis.ResponseError, match="wrong kind of value") as caught:
        wire.xinfo_states(commands, wire.ask_many(conn, commands))
    assert "'text' holds another type of value" in caught.value.__notes__[0]


def test_a_server_that_wants_the_password_again_has_answered(tcp_server):
    """To redis-py that is a broken connection; but what was asked is known to be undone."""
    with connect(tcp_server.url) as conn:
        assert wire.ask(conn, "RESET", key="") == b"RESET"
        with pytest.raises(redis.ResponseError, match="NOAUTH") as caught:
            wire.ask(conn, "INCR", "n", key="n")
        assert "the server wants a password" in caught.value.__notes__[0]
        assert wire.ask(conn, "INCR", "n", key="n") == 1, "on a link that has said it"
