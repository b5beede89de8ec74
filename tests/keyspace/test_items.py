"""conn[key] and cache[key]: values by key, and the keys that Tab completes."""

import itertools
import os
import signal
import threading
import time

import pandas as pd
import pandas.testing as pdt
import pytest

from redisnb import Cache, Stream, connect, keys, preview
from redisnb.keyspace.lookups import completing
from tests.deadlines import deadline

HOSTILE = [b"or\"q'", b"or\nn", b"or<b>", b"or\\x", b"or er", b"or\xff", "or\ufffdxff".encode()]


@pytest.fixture
def completed(ipython):
    """``completed('conn["or')`` returns what IPython completes."""

    def complete(text: str) -> list[str]:
        from IPython.core.completer import provisionalcompleter

        with provisionalcompleter():
            found = list(ipython.Completer.completions(text, len(text)))
        return [each.text for each in found if each.type == "dict key"]

    return complete


# Values


def test_a_connection_has_previews_under_keys(conn, raw):
    raw.hset("h", mapping={"a": 1, "b": 2})
    Stream(conn, "orders").add({"n": 1})
    raw.set(b"\xff", "x")
    for name in ("h", "orders", b"h", "\ufffdxff", b"\xff"):
        pdt.assert_frame_equal(conn[name], preview(conn, name))
        assert conn[name].attrs == preview(conn, name).attrs
        assert name in conn
    # Of a large value the beginning, and it says so.
    raw.rpush("l", *range(101))
    assert len(conn["l"]) == 100
    assert conn["l"].attrs["truncated"]


def test_a_missing_key_is_a_key_error_with_the_name_that_was_meant(conn, raw):
    raw.set("orders", 1)
    for name in ("order", b"order"):
        assert name not in conn
        with pytest.raises(KeyError, match="no key 'order'; did you mean 'orders'"):
            conn[name]
    with pytest.raises(KeyError, match="no key 'zzz'"):
        conn["zzz"]


@pytest.mark.parametrize("key", [5, None, slice(None, 5), ("a", "b")])
def test_other_keys_are_refused(conn, key):
    for look in (lambda: conn[key], lambda: key in conn):
        with pytest.raises(TypeError, match="key is the name of one key, not"):
            look()


def test_a_loop_does_not_ask_for_keys_0_1_2(conn):
    for each in (conn, Cache(conn)):
        with pytest.raises(TypeError, match="is not iterable"):
            iter(each)
        assert not pd.api.types.is_list_like(each)


def test_a_cache_has_its_values_under_keys(conn, raw):
    cache = Cache(conn, prefix="report:")
    cache.set_many({"daily": {"a": 1}, "none": None})
    assert cache["daily"] == {"a": 1}
    assert cache["none"] is None
    assert cache[b"daily"] == {"a": 1}
    assert "daily" in cache
    assert "weekly" not in cache
    with pytest.raises(KeyError, match="no key 'dayly'; did you mean 'daily'"):
        cache["dayly"]
    with pytest.raises(KeyError, match="no key 'dayly'; did you mean 'daily'"):
        cache.ttl("dayly")
    # A key of something else is of no use here.
    raw.set("ripart:x", 1)
    with pytest.raises(KeyError) as caught:
        Cache(conn, prefix="ripert:")["x"]
    assert caught.value.args == ("no key 'x'",)


def test_reading_by_key_works_on_a_read_only_connection(conn, raw):
    raw.set("k", "v")
    with connect(conn, read_only=True) as reader:
        assert reader["k"]["value"].tolist() == ["v"]
        assert "k" in reader
        assert Cache(reader)["k"] == "v"
        assert reader._ipython_key_completions_() == ["k"]


# Completion


def test_tab_completes_keys_by_what_is_typed(conn, raw, ipython, completed):
    raw.mset({"orders": 1, "order:1": 1, "user:1": 1, "[or]": 1})
    ipython.user_ns["conn"] = conn
    assert completed('conn["or') == ["order:1", "orders"]
    assert completed("x = conn['user:") == ["1"]
    assert completed("f(conn[") == ["'[or]'", "'order:1'", "'orders'", "'user:1'"]
    assert completed('conn["zz') == []


def test_a_rare_key_is_found_among_many(conn, raw, ipython, completed):
    raw.eval("for i = 1, 20000 do redis.call('SET', 'user:' .. i, 1) end", 0)
    raw.set("orders", 1)
    ipython.user_ns["conn"] = conn
    assert completed('conn["or') == ["orders"]
    assert len(conn._ipython_key_completions_()) == 1
    ipython.Completer.text_until_cursor = "conn["
    assert len(conn._ipython_key_completions_()) == 500


def test_a_search_goes_on_at_the_next_tab(conn, raw, monkeypatch):
    raw.mset({f"user:{n}": 1 for n in range(30)})
    # More than two SCANs find, even where a bucket of the server's table has several.
    orders = sorted(f"order:{n}" for n in range(60))
    raw.mset(dict.fromkeys(orders, 1))
    monkeypatch.setattr(completing, "_stopped", {})
    monkeypatch.setattr(completing, "KEYS_AT_ONCE", 1)
    monkeypatch.setattr(completing, "SCAN_SECONDS", -1)
    look = completing.names_beginning
    assert look(conn, "or", most=10) == []
    monkeypatch.setattr(completing, "SCAN_SECONDS", 10)
    # Other names are looked for from the beginning.
    assert look(conn, "us", most=100) == sorted(f"user:{n}" for n in range(30))
    # Time for two SCANs.
    monkeypatch.setattr(completing, "SCAN_SECONDS", 2)
    ticks = itertools.count(1)
    monkeypatch.setattr(completing.time, "monotonic", lambda: next(ticks))
    found, tabs = [], 0
    while found != orders:
        found, tabs = look(conn, "or"[: 1 + tabs], most=100), tabs + 1
        assert tabs < 100
    assert tabs > 1


def test_what_is_completed_names_the_key_whatever_is_in_it(conn, raw, ipython, completed):
    raw.mset(dict.fromkeys(HOSTILE, "v"))
    ipython.user_ns["conn"] = conn
    names = completed('conn["or')
    assert len(names) == len(HOSTILE)
    for name in names:
        frame = eval(f'conn["{name}"]', {"conn": conn})
        assert frame["value"].tolist() == ["v"]


def test_names_of_a_cache_are_without_its_prefix(conn, raw, ipython, completed):
    cache = Cache(conn, prefix="re*:")
    cache.set_many({"user:1": 1, "orders": 2})
    raw.mset({"user:2": 1, "rex:user:3": 1})
    ipython.user_ns["cache"] = cache
    assert completed('cache["us') == ["user:1"]
    assert completed("cache[") == ["'orders'", "'user:1'"]


def test_nothing_is_sent_on_a_closed_connection(conn, raw):
    raw.set("k", 1)
    conn.close()
    assert conn._ipython_key_completions_() == []
    assert Cache(conn)._ipython_key_completions_() == []
    assert conn.closed


def test_nothing_is_offered_by_a_user_who_may_not_scan(conn, raw, server):
    raw.set("k", 1)
    raw.acl_setuser("some", enabled=True, nopass=True, keys=["*"], commands=["+@read", "-scan"])
    try:
        with connect(server.url, username="some", password="x") as limited:
            assert limited._ipython_key_completions_() == []
            # The server answers: it is asked again.
            raw.execute_command("ACL", "SETUSER", "some", "+scan")
            assert limited._ipython_key_completions_() == ["k"]
    finally:
        raw.acl_deluser("some")


@pytest.mark.parametrize("sent", [signal.SIGSTOP, signal.SIGKILL])
def test_a_server_that_does_not_answer_is_left_alone_for_a_while(tcp_server, monkeypatch, sent):
    tcp_server.client.set("k", 1)
    with connect(tcp_server.url) as conn:
        assert conn._ipython_key_completions_() == ["k"]
        os.kill(tcp_server.process.pid, sent)
        if sent == signal.SIGKILL:
            tcp_server.process.wait()
        start = time.monotonic()
        assert conn._ipython_key_completions_() == []
        assert time.monotonic() - start < deadline(1)
        if sent == signal.SIGKILL:
            tcp_server.start()
        else:
            os.kill(tcp_server.process.pid, signal.SIGCONT)
        # It would answer now.
        assert conn._ipython_key_completions_() == []
        later = time.monotonic() + completing.REST_SECONDS
        monkeypatch.setattr(completing.time, "monotonic", lambda: later)
        assert conn._ipython_key_completions_() == ["k"]


def test_a_slow_host_name_does_not_hold_up_a_completion(conn, raw, monkeypatch, wait_until):
    raw.set("k", 1)
    monkeypatch.setattr(completing, "MOST_SECONDS", 0.05)
    real = completing.names_beginning
    started, goes_on = [], threading.Event()

    def slow(quick, *args, **options):
        started.append(quick)
        assert goes_on.wait(deadline(10))
        return real(quick, *args, **options)

    look = lambda quick: slow(quick, "", most=10)  # noqa: E731
    assert completing.unasked(conn, look) == []
    # One question at a time.
    assert completing.unasked(conn, look) == []
    assert len(started) == 1
    goes_on.set()
    wait_until(lambda: completing.unasked(conn, look) == ["k"])


def test_every_offered_name_is_one_of_keys(conn, raw):
    raw.mset(dict.fromkeys(HOSTILE, 1))
    assert conn._ipython_key_completions_() == keys(conn)["key"].tolist()
