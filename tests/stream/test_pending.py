"""Conversations about a pending list, on a new server and on the oldest one."""

import pytest
import redis

from redisnb import connect, wire
from redisnb.stream.groups import pending

DAY = 24 * 60 * 60 * 1000


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def conn(request, server):
    with connect(server.url, protocol=request.param) as connection:
        connection.client.flushall()
        connection.client.xgroup_create("s", "g", "0", mkstream=True)
        yield connection


@pytest.fixture
def raw(conn):
    return conn.client


@pytest.fixture
def say(conn):
    """``say(pending.keep, "me", ids)`` holds a conversation."""

    def hold(conversation, consumer, *args):
        return wire.converse(conn, conversation("s", "g", consumer, *args), key="s")

    return hold


@pytest.fixture
def take(raw):
    """``take("me", 1, 2, idle=1000)``: that consumer is given the entries 1-0 and 2-0."""

    def deliver(consumer, *numbers, idle=0, times=1):
        for n in numbers:
            raw.xadd("s", {"n": n}, id=f"{n}-0")
        raw.xreadgroup("g", consumer, {"s": ">"})
        taken = ids(*numbers)
        raw.xclaim("s", "g", consumer, 0, taken, idle=idle, retrycount=times, justid=True)
        return taken

    return deliver


def ids(*numbers):
    return [b"%d-0" % n for n in numbers]


def held(raw):
    """Return which consumer has each entry, and how often it was delivered."""
    rows = raw.xpending_range("s", "g", "-", "+", 10_000)
    return {row["message_id"]: (row["consumer"].decode(), row["times_delivered"]) for row in rows}


def idle(raw, id):
    (row,) = raw.xpending_range("s", "g", id, id, 1)
    return row["time_since_delivered"]


# claim_page


def test_what_has_been_idle_for_long_is_claimed_with_its_deliveries(raw, say, take):
    take("gone", 1, 2, idle=60_000)
    take("gone", 3, idle=60_000, times=7)
    take("busy", 4)
    claimed = say(pending.claim_page, "me", 30_000, b"0-0", 100)
    assert claimed == (
        b"0-0",
        [(b"1-0", [b"n", b"1"]), (b"2-0", [b"n", b"2"]), (b"3-0", [b"n", b"3"])],
        {b"1-0": 2, b"2-0": 2, b"3-0": 8},
    )
    assert held(raw) == {
        b"1-0": ("me", 2),
        b"2-0": ("me", 2),
        b"3-0": ("me", 8),
        b"4-0": ("busy", 1),
    }
    assert idle(raw, b"1-0") < 30_000


def test_what_is_this_consumers_own_is_claimed_too(raw, say, take):
    take("me", 1, idle=60_000)
    claimed = say(pending.claim_page, "me", 30_000, b"0-0", 100)
    assert claimed.entries == [(b"1-0", [b"n", b"1"])]
    assert claimed.deliveries == {b"1-0": 2}


def test_nothing_is_claimed_where_nothing_is_idle(raw, say, take):
    assert say(pending.claim_page, "me", 0, b"0-0", 100) == (b"0-0", [], {})
    take("busy", 1)
    assert say(pending.claim_page, "me", 30_000, b"0-0", 100) == (b"0-0", [], {})
    assert held(raw) == {b"1-0": ("busy", 1)}


def test_a_body_that_is_gone_comes_as_a_tombstone_in_its_place(raw, say, take):
    take("gone", 1, 2, 3, 10, idle=60_000)
    raw.xdel("s", "1-0", "3-0")
    claimed = say(pending.claim_page, "me", 30_000, b"0-0", 100)
    assert claimed.entries == [
        (b"1-0", None),
        (b"2-0", [b"n", b"2"]),
        (b"3-0", None),
        (b"10-0", [b"n", b"10"]),
    ]
    assert {id: claimed.deliveries[id] for id in ids(2, 10)} == {b"2-0": 2, b"10-0": 2}
    # Redis 7 has taken them off the list; on 6.2 they wait for an XACK.
    for id in ids(1, 3):
        assert held(raw).get(id, ("me", 2)) == ("me", 2)


def test_bodies_that_are_all_gone(raw, say, take):
    take("gone", 1, 2, idle=60_000)
    raw.xtrim("s", maxlen=0, approximate=False)
    claimed = say(pending.claim_page, "me", 30_000, b"0-0", 100)
    assert claimed.start == b"0-0"
    assert claimed.entries == [(b"1-0", None), (b"2-0", None)]


def test_a_pending_list_is_claimed_page_by_page(raw, say, take):
    take("gone", *range(1, 11), idle=60_000)
    raw.xdel("s", "4-0")
    start, found, pages = b"0-0", [], 0
    while pages == 0 or start != b"0-0":
        page = say(pending.claim_page, "me", 30_000, start, 3)
        assert set(page.deliveries) >= {id for id, fields in page.entries if fields}
        start, pages = page.start, pages + 1
        found += page.entries
    assert [id for id, _ in found] == ids(*range(1, 11))
    assert [id for id, fields in found if fields is None] == [b"4-0"]
    assert 3 <= pages <= 5


def test_a_page_goes_on_where_the_last_one_ended(say, take):
    take("gone", 1, 2, 3, 4, idle=60_000)
    first = say(pending.claim_page, "me", 30_000, b"0-0", 2)
    assert [id for id, _ in first.entries] == ids(1, 2)
    assert first.start in (b"2-0", b"3-0")
    second = say(pending.claim_page, "me", 30_000, first.start, 2)
    assert [id for id, _ in second.entries] == ids(3, 4)


def test_a_page_may_be_empty_before_the_end(say, take):
    # The server looks at ten times as many entries as it is asked for.
    take("busy", *range(1, 31))
    take("gone", 31, idle=60_000)
    start, found, empty = b"0-0", [], 0
    while not found:
        page = say(pending.claim_page, "me", 30_000, start, 1)
        start, found, empty = page.start, page.entries, empty + (not page.entries)
        assert found or start != b"0-0"
    assert (found, empty) == ([(b"31-0", [b"n", b"31"])], 3)


def test_a_group_that_is_missing_is_an_error(say, raw):
    raw.xgroup_destroy("s", "g")
    with pytest.raises(redis.ResponseError, match="NOGROUP"):
        say(pending.claim_page, "me", 0, b"0-0", 10)


# deliveries


def test_deliveries_are_those_of_a_consumers_entries(say, take):
    take("me", 1)
    take("me", 2, times=5)
    take("other", 3, times=3)
    take("me", 4, times=2)
    assert say(pending.count_deliveries, "me", ids(2, 1, 3, 9)) == {b"2-0": 5, b"1-0": 1}
    assert say(pending.count_deliveries, "other", ids(1, 2, 3)) == {b"3-0": 3}
    assert say(pending.count_deliveries, "me", []) == {}
    assert say(pending.count_deliveries, "nobody", ids(1)) == {}


def test_deliveries_of_ids_that_differ_in_length(say, take):
    # As text, 10-0 is before 9-0.
    take("me", 9, 10)
    assert say(pending.count_deliveries, "me", ids(10, 9)) == {b"9-0": 1, b"10-0": 1}


@pytest.mark.parametrize("n", [3, 4, 5, 8, 9])
def test_deliveries_of_more_than_one_page(say, take, monkeypatch, n):
    monkeypatch.setattr(wire, "PAGE", 4)
    taken = take("me", *range(1, n + 1))
    assert say(pending.count_deliveries, "me", taken) == dict.fromkeys(taken, 1)


# keep


def test_what_is_kept_is_idle_no_more_and_was_not_delivered_again(raw, say, take):
    taken = take("me", 1, 2, idle=60_000, times=3)
    assert say(pending.keep_held, "me", taken) == (set(), set())
    assert max(idle(raw, id) for id in taken) < 30_000
    assert held(raw) == dict.fromkeys(taken, ("me", 3))
    assert say(pending.claim_page, "other", 30_000, b"0-0", 10).entries == []


def test_only_what_is_named_is_kept(raw, say, take):
    take("me", 1, 2, 3, idle=60_000)
    say(pending.keep_held, "me", ids(1, 3))
    assert [idle(raw, id) >= 60_000 for id in ids(1, 2, 3)] == [False, True, False]


def test_what_somebody_else_has_taken_over_is_lost_and_stays_theirs(raw, say, take):
    taken = take("me", 1, 2, 3, idle=60_000)
    raw.xclaim("s", "g", "other", 0, ["2-0"], idle=7_000)
    raw.xack("s", "g", "3-0")
    assert say(pending.keep_held, "me", taken) == ({b"2-0", b"3-0"}, set())
    assert held(raw) == {b"1-0": ("me", 1), b"2-0": ("other", 2)}
    assert idle(raw, b"2-0") >= 7_000


def test_what_somebody_else_takes_over_meanwhile_stays_theirs(conn, raw, take):
    """Between the two commands, as of one whose `min_idle` has just passed."""
    taken = take("me", 1, 2, 3, idle=60_000)
    talk = pending.keep_held("s", "g", "me", taken)
    owned = wire.ask(conn, *next(talk), key="s")
    raw.xclaim("s", "g", "other", 30_000, ["2-0"])
    raw.xack("s", "g", "3-0")
    kept = wire.ask(conn, *talk.send(owned), key="s")
    owned = wire.ask(conn, *talk.send(kept), key="s")
    with pytest.raises(StopIteration) as end:
        talk.send(owned)
    assert end.value.value == ({b"2-0"}, {b"3-0"})
    assert held(raw) == {b"1-0": ("me", 1), b"2-0": ("other", 2)}
    assert idle(raw, b"1-0") < 30_000


def test_what_is_all_lost(raw, say, take):
    taken = take("me", 1, 2)
    raw.xclaim("s", "g", "other", 0, taken)
    assert say(pending.keep_held, "me", taken) == (set(taken), set())
    assert say(pending.keep_held, "me", []) == (set(), set())
    assert set(held(raw).values()) == {("other", 2)}


def test_what_has_lost_its_body_is_not_lost(raw, say, take):
    taken = take("me", 1, 2)
    raw.xdel("s", "2-0")
    lost, gone = say(pending.keep_held, "me", taken)
    assert lost == set()
    # Redis 7 takes it off the list here; on 6.2 it stays.
    assert gone == set(taken).difference(held(raw))
    assert b"1-0" in held(raw)


# give_back


def test_what_was_given_back_can_be_claimed_at_once(raw, say, take):
    taken = take("me", 1, 2)
    kept = take("me", 3)
    assert say(pending.give_back, "me", taken) == (set(), set())
    assert held(raw) == dict.fromkeys([*taken, *kept], ("me", 1)), "nobody was given anything"
    assert min(idle(raw, id) for id in taken) >= DAY
    claimed = say(pending.claim_page, "other", DAY // 2, b"0-0", 10)
    assert claimed.entries == [(b"1-0", [b"n", b"1"]), (b"2-0", [b"n", b"2"])]
    assert claimed.deliveries == dict.fromkeys(taken, 2)
    assert held(raw)[b"3-0"] == ("me", 1)


def test_what_is_not_ones_own_is_not_given_back(raw, say, take):
    taken = take("me", 1, 2, 3)
    raw.xclaim("s", "g", "other", 0, ["2-0"])
    raw.xack("s", "g", "3-0")
    assert say(pending.give_back, "me", taken) == ({b"2-0", b"3-0"}, set())
    assert held(raw) == {b"1-0": ("me", 1), b"2-0": ("other", 2)}
    assert idle(raw, b"2-0") < DAY
    assert say(pending.give_back, "me", ids(2, 3, 99)) == (set(ids(2, 3, 99)), set())
    assert say(pending.give_back, "me", []) == (set(), set())
