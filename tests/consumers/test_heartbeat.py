"""Heartbeat: what a consumer has in hand stays its own, in a thread that ends."""

import os
import signal
import threading
import time

import pytest

from redisnb import ConsumerGroup, Stream, connect
from redisnb.consumers.groups.heartbeat import Heartbeat
from tests.deadlines import deadline

DAY = 24 * 60 * 60 * 1000
OLD = 60_000
EVERY = 0.02


def threads():
    return [each for each in threading.enumerate() if each.name.startswith("redisnb:heartbeat")]


@pytest.fixture
def make(conn):
    """``make("s", "t")`` makes a heartbeat of the group g on these streams; it is stopped."""
    made = []

    def heartbeat(*keys, every=EVERY, conn=conn, start=True):
        groups = [ConsumerGroup(Stream(conn, key), "g", consumer="me") for key in keys]
        made.append(Heartbeat(groups, every))
        if start:
            made[-1].start()
        return made[-1]

    yield heartbeat
    for each in made:
        each.stop()


def take(client, key="s", *, n=2, idle=OLD):
    """Give `me` `n` entries that have long been idle."""
    client.xgroup_create(key, "g", "0", mkstream=True)
    ids = [client.xadd(key, {"n": i}) for i in range(n)]
    client.xreadgroup("g", "me", {key: ">"})
    age(client, ids, key, idle=idle)
    return ids


def of(key, ids):
    return [(key, id) for id in ids]


def age(client, ids, key="s", idle=OLD):
    client.xclaim(key, "g", "me", 0, ids, idle=idle, justid=True)


def held(client, key="s"):
    """Who has what, for how long, and how often it was delivered."""
    return {
        row["message_id"]: (
            row["consumer"].decode(),
            row["time_since_delivered"],
            row["times_delivered"],
        )
        for row in client.xpending_range(key, "g", "-", "+", 10_000)
    }


def are_fresh(client, ids, key="s"):
    rows = held(client, key)
    return all(rows[id][1] < OLD // 2 for id in ids)


def test_what_is_held_is_kept_beat_by_beat(make, raw, wait_until):
    ids = take(raw)
    heartbeat = make("s")
    heartbeat.hold(of("s", ids))
    for _ in range(3):
        wait_until(lambda: are_fresh(raw, ids))
        age(raw, ids)
    assert {row[2] for row in held(raw).values()} == {1}, "it is no delivery"
    assert heartbeat.lost == set()


def test_what_is_not_held_is_left_alone(make, raw, wait_until):
    first, second, third = take(raw, n=3)
    heartbeat = make("s")
    heartbeat.hold(of("s", [first, second, third]))
    wait_until(lambda: are_fresh(raw, [first, second, third]))
    heartbeat.drop("s", [second, b"99-0"])
    assert heartbeat.held_ids() == {"s": [first, third]}
    # A beat that has begun may still have it.
    beats = calls(raw)
    wait_until(lambda: calls(raw) > beats + 1)
    age(raw, [first, second, third])
    wait_until(lambda: are_fresh(raw, [first, third]))
    assert not are_fresh(raw, [second])


def calls(raw):
    return raw.info("commandstats").get("cmdstat_xpending", {"calls": 0})["calls"]


def test_with_nothing_to_hold_nothing_is_sent(make, raw):
    take(raw)
    raw.config_resetstat()
    heartbeat = make("s", every=0.001)
    assert heartbeat.held_ids() == {}
    heartbeat.hold(of("s", []))
    heartbeat.drop("s", [b"1-0"])
    time.sleep(0.02)  # twenty beats
    assert calls(raw) == 0


def test_what_somebody_else_takes_over_is_lost_and_stays_theirs(make, raw, wait_until):
    first, second = take(raw)
    heartbeat = make("s", every=0.1)
    heartbeat.hold(of("s", [first, second]))
    wait_until(lambda: are_fresh(raw, [first, second]))
    # As of one whose `min_idle` has passed: with an idle time of 0.
    raw.xclaim("s", "g", "other", 0, [second])
    wait_until(lambda: heartbeat.lost)
    assert heartbeat.lost == {("s", second)}
    raw.xclaim("s", "g", "other", 0, [second], idle=OLD)
    assert held(raw)[second][0] == "other"
    age(raw, [first])
    wait_until(lambda: are_fresh(raw, [first]))
    assert not are_fresh(raw, [second])
    assert heartbeat.lost == {("s", second)}
    assert heartbeat.held_ids() == {"s": [first]}, "it has nothing to keep or give back any more"


def test_what_is_dropped_is_not_lost(make, raw, wait_until):
    first, second = take(raw)
    heartbeat = make("s")
    heartbeat.hold(of("s", [first, second]))
    raw.xclaim("s", "g", "other", 0, [first, second])
    wait_until(lambda: len(heartbeat.lost) == 2)
    heartbeat.drop("s", [second])
    assert heartbeat.lost == {("s", first)}


def test_the_next_batch_begins_with_nothing_lost(make, raw, wait_until):
    first, second = take(raw)
    heartbeat = make("s")
    heartbeat.hold(of("s", [first]))
    raw.xclaim("s", "g", "other", 0, [first])
    wait_until(lambda: heartbeat.lost)
    # It was read again, as it may when the other consumer has died too.
    age(raw, [first, second])
    heartbeat.hold(of("s", [first, second]))
    wait_until(lambda: are_fresh(raw, [first, second]))
    assert heartbeat.lost == set()
    assert heartbeat.held_ids() == {"s": [first, second]}


def test_what_is_trimmed_in_hand_is_not_lost(make, raw, wait_until):
    """Its body was read before, and no other consumer will handle it: Redis 7 forgets it here."""
    first, second = take(raw)
    heartbeat = make("s")
    raw.xdel("s", first)
    heartbeat.hold(of("s", [first, second]))
    for _ in range(4):
        wait_until(lambda: are_fresh(raw, [second]))
        age(raw, [second])
    assert heartbeat.lost == set()


@pytest.mark.slow
def test_several_streams_and_more_than_one_batch(make, raw, wait_until):
    many, few = take(raw, "s", n=1500), take(raw, "t")
    heartbeat = make("s", "t")
    heartbeat.hold(of("s", many))
    heartbeat.hold(of("t", few))
    wait_until(lambda: are_fresh(raw, many) and are_fresh(raw, few, "t"))
    with pytest.raises(KeyError):
        heartbeat.hold(of("u", few))


def test_a_group_that_is_gone_does_not_stop_the_others(make, raw, wait_until):
    lost, kept = take(raw, "s"), take(raw, "t")
    heartbeat = make("s", "t")
    heartbeat.hold(of("s", lost))
    heartbeat.hold(of("t", kept))
    raw.xgroup_destroy("s", "g")
    for _ in range(2):
        age(raw, kept, "t")
        wait_until(lambda: are_fresh(raw, kept, "t"))
    # It is made again, and a consumer reads the same entries.
    raw.xgroup_create("s", "g", "0")
    raw.xreadgroup("g", "me", {"s": ">"})
    age(raw, lost)
    wait_until(lambda: are_fresh(raw, lost))


# The end


def test_it_ends_at_once_and_holds_what_it_held(make, raw, wait_until):
    ids = take(raw)
    heartbeat = make("s", every=3600)
    assert [thread.name for thread in threads()] == ["redisnb:heartbeat of s"]
    assert threads()[0].daemon
    heartbeat.hold(of("s", ids))
    heartbeat.stop()
    wait_until(lambda: not threads())
    assert not are_fresh(raw, ids), "no beat on the way out"
    heartbeat.stop()


def test_one_that_was_never_started_can_be_stopped(make):
    make("s", start=False).stop()


def test_it_can_give_back_what_it_holds(make, raw, wait_until):
    first, second, third, fourth = ids = take(raw, n=4)
    heartbeat = make("s", every=3600)
    heartbeat.hold(of("s", ids))
    heartbeat.drop("s", [third])
    raw.xclaim("s", "g", "other", 0, [fourth], idle=OLD)
    heartbeat.stop(give_back=True)
    wait_until(lambda: not threads())
    rows = held(raw)
    assert [rows[id][0] for id in ids] == ["me", "me", "me", "other"]
    assert [rows[id][1] >= DAY for id in ids] == [True, True, False, False]
    # Anybody can have them.
    claimed = raw.xautoclaim("s", "g", "third", min_idle_time=DAY)[1]
    assert [id for id, _ in claimed] == [first, second]


# Trouble


def test_a_server_that_goes_away_and_comes_back(tcp_server, make, wait_until):
    client = tcp_server.client
    ids = take(client)
    with connect(tcp_server.url, timeout=1) as conn:
        heartbeat = make("s", conn=conn)
        heartbeat.hold(of("s", ids))
        wait_until(lambda: are_fresh(client, ids))
        tcp_server.kill()
        tcp_server.start()
        # Redis keeps the times in its file.
        age(client, ids)
        wait_until(lambda: are_fresh(client, ids))
        assert heartbeat.lost == set()
        tcp_server.kill()
        heartbeat.stop()
        wait_until(lambda: not threads())


def test_a_server_that_hangs_holds_up_nobody(tcp_server, make, wait_until):
    ids = take(tcp_server.client)
    with connect(tcp_server.url, timeout=deadline(0.5)) as conn:
        heartbeat = make("s", conn=conn)
        heartbeat.hold(of("s", ids))
        wait_until(lambda: are_fresh(tcp_server.client, ids))
        os.kill(tcp_server.process.pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            heartbeat.hold(of("s", [b"99-0"]))
            assert heartbeat.held_ids() == {"s": [*ids, b"99-0"]}
            heartbeat.drop("s", [b"99-0"])
            heartbeat.stop()
            assert time.monotonic() - began < deadline(0.4)
            wait_until(lambda: not threads())
        finally:
            os.kill(tcp_server.process.pid, signal.SIGCONT)
