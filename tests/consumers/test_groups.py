"""Consumers of a group: no entry is lost, stuck, or taken from a consumer that is at work."""

import asyncio
import subprocess
import sys
import threading
import time
from itertools import pairwise

import pytest
import redis

from redisnb import Consumer, ConsumerGroup, Stream, connect, frames
from redisnb.background import Run
from redisnb.consumers import consumer as consumers
from redisnb.consumers import loop, reading, settlement
from redisnb.consumers.groups import source, sweep
from redisnb.errors import GroupMissingError, RedisnbError, RedisnbWarning
from tests.consuming import STATS, Handler, fill, left, pending, set_block, threads
from tests.deadlines import deadline

pytestmark = pytest.mark.filterwarnings("ignore:text that would be numbers")


@pytest.fixture(autouse=True)
def quick(server, monkeypatch):
    set_block(monkeypatch, 10)
    monkeypatch.setattr("redisnb.consumers.job.SHORTEST_IDLE", 1)
    monkeypatch.setattr(sweep, "SWEEP_EVERY", 0.01)


def named(group: ConsumerGroup, consumer: str) -> ConsumerGroup:
    return ConsumerGroup(group.stream, group.name, consumer=consumer)


def deliver(raw: redis.Redis, consumer: str = "dead", count: int = 100) -> None:
    """Give entries to a consumer that does nothing with them."""
    raw.xreadgroup("g", consumer, {"s": ">"}, count=count)


# Again, until it succeeds


@pytest.mark.parametrize("protocol", [2, 3])
def test_what_fails_is_delivered_again_until_it_succeeds(group, raw, wait_until):
    fill(raw, 5)
    deliveries = []

    def handler(entry):
        if entry.id.ms == 3:
            deliveries.append(entry.deliveries)
            if len(deliveries) < 4:
                raise ValueError("not yet")

    with Consumer(group, handler, min_idle=0.05) as consumer:
        wait_until(lambda: consumer.stats["handled"] == 5)
        wait_until(lambda: pending(raw) == [])
    assert deliveries == [1, 2, 3, 4]
    assert consumer.errors()["entry_id"].tolist() == ["3-0"] * 3
    assert consumer.stats == dict(zip(STATS, (8, 5, 3, 0, 0, 0, 0), strict=True))


def test_a_failing_entry_waits_for_min_idle(group, raw, wait_until):
    fill(raw, 1)
    delivered = []

    def handler(entry):
        # By the server's clock: when the handler comes to it is another matter.
        (seconds, micros), (row,) = (
            raw.pipeline().time().xpending_range("s", "g", "-", "+", 1).execute()
        )
        delivered.append(seconds * 1000 + micros // 1000 - row["time_since_delivered"])
        raise ValueError

    with Consumer(group, handler, min_idle=0.2):
        wait_until(lambda: len(delivered) == 3)
    assert all(later - earlier >= 200 - 2 for earlier, later in pairwise(delivered))


def test_a_failing_frame_is_handed_over_again_in_halves(group, raw, wait_until):
    fill(raw, 4)
    given = []

    def handler(frame):
        given.append(frame["i"].astype(int).tolist())
        if len(given) == 1:
            raise ValueError

    with Consumer(group, on_frame=handler, min_idle=0.05, count=2):
        wait_until(lambda: len(given) == 4)
        wait_until(lambda: pending(raw) == [])
    assert given == [[1, 2], [1], [2], [3, 4]]


def test_retries_come_before_an_entry_has_failed(group, raw, wait_until):
    fill(raw, 3)
    seen = []

    def handler(entry):
        seen.append(entry.id.ms)
        if seen.count(2) < 3 and entry.id.ms == 2:
            raise ValueError

    with Consumer(group, handler, retries=2) as consumer:
        wait_until(lambda: pending(raw) == [] and len(seen) == 5)
    assert seen == [1, 2, 2, 2, 3]
    assert consumer.stats["failed"] == 0


# Dead letters


@pytest.mark.parametrize("after", ["keep", "delete"])
@pytest.mark.parametrize("limit", [1, 3])
def test_what_fails_too_often_is_a_dead_letter(group, raw, wait_until, limit, after):
    fill(raw, 5)
    handler = Handler(fail=(3,))
    with Consumer(group, handler, min_idle=0.05, max_deliveries=limit, after=after) as consumer:
        wait_until(lambda: consumer.stats["dead"] == 1)
        wait_until(lambda: pending(raw) == [])
    assert sorted(handler.seen) == sorted([1, 2, 4, 5] + [3] * limit)
    assert left(raw) == ([] if after == "delete" else [1, 2, 3, 4, 5])
    assert consumer.stats["failed"] == limit
    ((_, letter),) = raw.xrange("s:dead")
    assert letter == {
        b"dead:stream": b"s",
        b"dead:id": b"3-0",
        b"dead:group": b"g",
        b"dead:consumer": b"me",
        b"dead:deliveries": b"%d" % limit,
        b"dead:error": b"ValueError",
        b"dead:redrives": b"0",
        b"i": b"3",
    }


def in_a_coroutine(handler):
    async def coroutine(frame):
        await asyncio.sleep(0)
        handler(frame)

    return coroutine


def dead(raw):
    return [letter[b"dead:id"] for _, letter in raw.xrange("s:dead")]


@pytest.mark.parametrize("form", [lambda handler: handler, in_a_coroutine])
@pytest.mark.parametrize(
    ("n", "wrong"), [(2, [1]), (99, [37]), (100, [1, 50, 51, 100]), (5, [2, 4])]
)
def test_of_a_frame_only_what_fails_alone_is_dead(group, raw, wait_until, n, wrong, form):
    fill(raw, n)
    handled = []

    def handler(frame):
        numbers = frame["i"].astype(int).tolist()
        if set(numbers) & set(wrong):
            raise ValueError("poison")
        handled.extend(numbers)

    with Consumer(group, on_frame=form(handler), max_deliveries=2, min_idle=0.05) as consumer:
        wait_until(lambda: consumer.stats["dead"] == len(wrong))
        wait_until(lambda: pending(raw) == [])
    assert {*dead(raw)} == {b"%d-0" % i for i in wrong}
    assert sorted(handled) == [i for i in range(1, n + 1) if i not in wrong]
    assert consumer.stats["handled"] == n - len(wrong)
    counts = {letter[b"dead:id"]: letter[b"dead:deliveries"] for _, letter in raw.xrange("s:dead")}
    assert {*counts.values()} == {b"2"}


def test_a_handler_that_fails_at_everything_buries_nothing(group, raw, wait_until):
    """Its database is down: whatever the entry, it raises."""
    fill(raw, 20)
    calls, up = [], threading.Event()

    def handler(frame):
        calls.append(len(frame))
        if not up.is_set():
            raise ConnectionError("the database is down")

    for _ in range(3):
        with Consumer(group, on_frame=handler, max_deliveries=1) as consumer:
            wait_until(lambda: consumer.state == "stalled")
            assert isinstance(consumer.error, ConnectionError)
            assert consumer.errors()["error"].tolist()[:1] == ["ConnectionError"]
        assert pending(raw) == list(range(1, 21))
    # Once for the whole, twice and four times for its parts, before it is tried again.
    assert calls[:8] in ([20, 10, 10, 5, 5, 5, 5], [20, 10, 10, 5, 5, 5, 5, 20])
    assert not raw.exists("s:dead")
    # Nothing of that has counted, also for others.
    counts = raw.xpending_range("s", "g", "-", "+", 99)
    assert {row["times_delivered"] for row in counts} <= {0, 1}
    with Consumer(group, on_frame=handler, max_deliveries=1) as consumer:
        wait_until(lambda: consumer.state == "stalled")
        up.set()
        wait_until(lambda: pending(raw) == [])
        wait_until(lambda: consumer.state == "running")
    assert consumer.stats["handled"] == 20
    assert not raw.exists("s:dead")


def test_a_stop_in_the_middle_of_another_attempt_buries_nothing(group, raw):
    fill(raw, 20)
    calls, again = [], threading.Event()

    def handler(frame):
        calls.append(len(frame))
        if len(calls) == 8:
            again.set()
            time.sleep(0.3)
        raise ConnectionError("the database is down")

    with Consumer(group, on_frame=handler, max_deliveries=1):
        assert again.wait(deadline(10))
    assert calls[7:] == [20]
    counts = raw.xpending_range("s", "g", "-", "+", 99)
    assert [row["times_delivered"] for row in counts] == [0] * 20
    assert not raw.exists("s:dead")


def test_entries_that_all_fail_hold_up_no_others(group, raw, wait_until):
    fill(raw, 6)
    handled = []

    def handler(frame):
        numbers = frame["i"].astype(int).tolist()
        if min(numbers) <= 6:
            raise ValueError("poison")
        handled.extend(numbers)

    with Consumer(group, on_frame=handler, max_deliveries=1) as consumer:
        wait_until(lambda: consumer.state == "stalled")
        raw.xadd("s", {"i": 7}, id="7-0")
        wait_until(lambda: consumer.stats["dead"] == 6)
        wait_until(lambda: pending(raw) == [])
    assert handled == [7]
    assert {*dead(raw)} == {b"%d-0" % i for i in range(1, 7)}


def test_without_a_group_a_handler_that_fails_at_everything_is_tried_again(stream, raw, wait_until):
    fill(raw, 8)
    up, seen = threading.Event(), []

    def handler(frame):
        if not up.is_set():
            raise ConnectionError
        seen.extend(frame["entry_id"])

    with Consumer(stream, on_frame=handler, start="all", after="delete") as consumer:
        wait_until(lambda: consumer.state == "stalled")
        assert left(raw) == list(range(1, 9))
        up.set()
        wait_until(lambda: left(raw) == [])
    assert seen == [f"{i}-0" for i in range(1, 9)]


def test_the_batch_of_a_frame_grows(group, raw, wait_until):
    fill(raw, 3000)
    sizes = []
    with Consumer(group, on_frame=lambda frame: sizes.append(len(frame))):
        wait_until(lambda: sum(sizes) == 3000)
    assert sizes == [100, 200, 400, 800, 1500]
    sizes.clear()
    fill(raw, 3500, start=3001)
    with Consumer(group, on_frame=lambda frame: sizes.append(len(frame)), count=100):
        wait_until(lambda: sum(sizes) == 500)
    assert sizes == [100] * 5


def test_a_batch_grows_no_further_than_its_bytes_allow(group, raw, wait_until, monkeypatch):
    monkeypatch.setattr(reading, "MOST_BYTES", 40_000)
    for i in range(1, 1001):
        raw.xadd("s", {"i": i, "x": "y" * 97}, id=f"{i}-0")
    sizes = []
    with Consumer(group, on_frame=lambda frame: sizes.append(len(frame))):
        wait_until(lambda: sum(sizes) == 1000)
    assert sizes == [100, 200, 200, 200, 200, 100]


def test_without_room_for_dead_letters_nothing_is_lost(group, raw, wait_until):
    fill(raw, 3)
    raw.set("s:dead", "not a stream")
    with Consumer(group, Handler(fail=(2,)), max_deliveries=1) as consumer:
        wait_until(lambda: consumer.state == "failed")
    assert "s:dead" in str(consumer.error)
    assert pending(raw) == [2]


def test_a_full_server_stalls_the_dead_letters_until_there_is_room(group, raw, wait_until):
    fill(raw, 3)
    raw.config_set("maxmemory", 1)
    try:
        with Consumer(group, Handler(fail=(2,)), max_deliveries=1) as consumer:
            wait_until(lambda: consumer.state == "stalled")
            assert "OOM" in str(consumer.error) or "maxmemory" in str(consumer.error)
            assert pending(raw) == [2]
            raw.config_set("maxmemory", 0)
            wait_until(lambda: consumer.state == "running")
            wait_until(lambda: pending(raw) == [])
    finally:
        raw.config_set("maxmemory", 0)
    assert raw.xlen("s:dead") == 1


def test_a_full_server_holds_up_no_suspect_for_ever(group, raw, wait_until):
    fill(raw, 4)
    deliver(raw, "me")
    raw.xclaim("s", "g", "me", 0, [f"{i}-0" for i in range(1, 5)], retrycount=3, justid=True)
    handler = Handler(fail=(1,))
    try:
        raw.config_set("maxmemory", 1)
        with Consumer(group, handler, max_deliveries=2) as consumer:
            wait_until(lambda: consumer.state == "stalled")
            raw.config_set("maxmemory", 0)
            wait_until(lambda: pending(raw) == [])
    finally:
        raw.config_set("maxmemory", 0)
    assert handler.seen == [1, 2, 3, 4]
    assert dead(raw) == [b"1-0"]


@pytest.mark.parametrize("grouped", [False, True])
def test_a_batch_whose_handler_fails_outlives_its_link(
    group, stream, raw, proxy, wait_until, grouped
):
    fill(raw, 8)
    up, seen = threading.Event(), []

    def handler(frame):
        if not up.is_set():
            raise ConnectionError("the database is down")
        seen.extend(frame["entry_id"])

    with connect(proxy.url) as conn:
        source = Stream(conn, "s", format="fields")
        source = ConsumerGroup(source, "g", consumer="me") if grouped else source
        options = {} if grouped else {"start": "all"}
        with Consumer(source, on_frame=handler, **options) as consumer:
            wait_until(lambda: consumer.state == "stalled")
            proxy.lines = 0
            failures = consumer.stats["failed"]
            wait_until(lambda: consumer.stats["failed"] >= failures + 16)
            up.set()
            wait_until(lambda: {*seen} == {f"{i}-0" for i in range(1, 9)})


def test_an_entry_that_ends_its_consumers_takes_no_other_with_it(group, raw, wait_until):
    fill(raw, 10)
    seen = []

    def handler(entry):
        seen.append(entry.id.ms)
        if entry.id.ms == 4:
            raise SystemExit  # as good as a crash, for nothing is settled here

    def is_done() -> bool:
        return 10 in seen and not pending(raw)

    runs = 0
    while not is_done():
        runs += 1
        assert runs < 10
        consumer = Consumer(group, handler, max_deliveries=2).start()
        wait_until(lambda c=consumer: c.state == "failed" or is_done())
        # The handled ones before it were settled on the way out.
        consumer.stop()
    assert seen.count(4) == 3, "twice as often as allowed, and alone for the last time"
    assert sorted(set(seen)) == list(range(1, 11))
    assert len(seen) == 10 + 2
    assert [letter[b"dead:id"] for _, letter in raw.xrange("s:dead")] == [b"4-0"]
    ((_, letter),) = raw.xrange("s:dead")
    assert (letter[b"dead:error"], letter[b"dead:deliveries"]) == (b"ConsumerLost", b"3")


# What others left


def test_what_a_dead_consumer_left_is_taken_over(group, raw, wait_until):
    fill(raw, 2500)
    deliver(raw, count=2000)
    raw.xdel("s", "7-0", "1500-0")
    handler = Handler()
    with Consumer(group, handler, min_idle=0.05, count=100) as consumer:
        wait_until(lambda: consumer.stats["handled"] == 2498)
        wait_until(lambda: pending(raw) == [])
    assert sorted(handler.seen) == [i for i in range(1, 2501) if i not in (7, 1500)]
    assert consumer.stats["trimmed"] == 2


def test_what_is_fresh_is_left_to_its_consumer(group, raw, wait_until):
    fill(raw, 10)
    deliver(raw, "slow", 5)
    handler = Handler()
    with Consumer(group, handler, min_idle=3600) as consumer:
        wait_until(lambda: consumer.stats["handled"] == 5)
        fill(raw, 11, 11)
        wait_until(lambda: consumer.stats["handled"] == 6)
    assert (handler.seen, pending(raw)) == ([6, 7, 8, 9, 10, 11], [1, 2, 3, 4, 5])


@pytest.mark.slow
def test_new_entries_do_not_wait_for_a_long_sweep(group, raw, wait_until):
    fill(raw, 1000)
    deliver(raw, count=1000)
    handler = Handler(wait=10)
    with Consumer(group, handler, min_idle=0.05, count=1) as consumer:
        assert handler.waits.wait(deadline(10))
        fill(raw, 1001, 1001)
        handler.go_on.set()
        wait_until(lambda: consumer.stats["handled"] == 1001, 20)
    # The sweep may have begun behind entry 10, where that was not idle for long enough.
    assert 0 < handler.seen.index(1001) - handler.seen.index(10) < 10


@pytest.mark.slow
def test_a_slow_handler_keeps_its_entries(group, raw, wait_until):
    fill(raw, 3)
    slow, other = Handler(wait=1), Handler()
    with Consumer(group, slow, min_idle=deadline(0.5)) as first:
        assert slow.waits.wait(deadline(10))
        with Consumer(named(group, "other"), other, min_idle=deadline(0.5)) as second:
            fill(raw, 4, 4)
            # Three times as long as it takes until another consumer may have them.
            began = time.monotonic()
            wait_until(lambda: time.monotonic() - began > deadline(1.5))
            assert other.seen == [4]
            slow.go_on.set()
            wait_until(lambda: pending(raw) == [])
    assert (slow.seen, other.seen) == ([1, 2, 3], [4])
    assert (first.stats["handled"], second.stats["handled"]) == (3, 1)


def test_what_others_have_taken_is_not_handled_here(group, raw, wait_until):
    fill(raw, 3)
    handler = Handler(wait=1)
    with Consumer(group, handler, min_idle=0.3) as consumer:
        assert handler.waits.wait(deadline(10))
        raw.xclaim("s", "g", "thief", 0, ["2-0"])
        heartbeat = consumer._worker._source._heartbeat
        wait_until(lambda: heartbeat.lost == {("s", b"2-0")})
        handler.go_on.set()
        wait_until(lambda: consumer.stats["handled"] == 3)
    assert handler.seen == [1, 3, 2], "when the thief did nothing with it for so long"


# Acknowledged


def test_a_slow_batch_is_acknowledged_on_the_way(group, raw, wait_until, monkeypatch):
    monkeypatch.setattr(settlement, "SETTLE_EVERY", 0)
    fill(raw, 10)
    handler = Handler(wait=6)
    with Consumer(group, handler):
        assert handler.waits.wait(deadline(10))
        assert pending(raw) == [6, 7, 8, 9, 10]
        handler.go_on.set()
        wait_until(lambda: pending(raw) == [])


def test_nothing_is_acknowledged_before_its_handler_returns(group, raw, wait_until):
    fill(raw, 1)
    handler = Handler(wait=1)
    with Consumer(group, handler):
        assert handler.waits.wait(deadline(10))
        assert pending(raw) == [1]
        handler.go_on.set()
        wait_until(lambda: pending(raw) == [])


def test_several_at_a_time_are_no_more_than_that(group, raw, wait_until):
    fill(raw, 100)
    now, most, seen = 0, 0, []

    async def handler(entry):
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.001)
        now -= 1
        seen.append(entry.id.ms)
        if entry.id.ms % 10 == 0:
            raise ValueError

    with Consumer(group, handler, concurrency=8, count=50) as consumer:
        wait_until(lambda: consumer.stats["handled"] == 90)
        wait_until(lambda: len(pending(raw)) == 10)
    assert most == 8
    assert sorted(seen) == list(range(1, 101))


def test_an_exit_among_several_ends_the_consumer(group, raw, wait_until):
    fill(raw, 10)
    cleaned = []

    async def handler(entry):
        if entry.id.ms == 3:
            raise SystemExit("enough")
        try:
            await asyncio.sleep(20)
        finally:
            cleaned.append(entry.id.ms)

    consumer = Consumer(group, handler, concurrency=3).start()
    wait_until(lambda: consumer.state == "failed")
    assert isinstance(consumer.error, SystemExit)
    assert sorted(cleaned) == [1, 2]
    assert pending(raw) == list(range(1, 11))


# Left pending


def idle(raw: redis.Redis) -> list[int]:
    """How long ago, in ms, each pending entry was delivered or kept."""
    rows = raw.xpending_range("s", "g", "-", "+", 10_000)
    return [row["time_since_delivered"] for row in rows]


@pytest.mark.parametrize("form", ["entry", "several", "frame"])
def test_what_is_left_pending_is_handled_once_and_not_kept(group, raw, wait_until, form):
    fill(raw, 5)
    deliver(raw, "me", 3)
    deliver(raw, "dead", 1)
    seen = []

    async def handler(entry):
        seen.append(entry.id.ms)

    how = {
        "entry": {"on_entry": handler},
        "several": {"on_entry": handler, "concurrency": 3},
        "frame": {"on_frame": lambda frame: seen.extend(frame["i"].astype(int).tolist())},
    }[form]
    with Consumer(group, **how, after="pending", min_idle=0.03, count=2) as consumer:
        wait_until(lambda: consumer.stats["handled"] == 4)
        # Many a sweep and many a heartbeat later.
        wait_until(lambda: min(idle(raw)) > 200)
        assert pending(raw) == [1, 2, 3, 4, 5]
        assert group.ack(["1-0", "5-0"]) == 2
        fill(raw, 6, 6)
        wait_until(lambda: consumer.stats["handled"] == 5)
        assert consumer._worker._source._heartbeat.held_ids() == {}
    assert seen == [1, 2, 3, 5, 6]
    assert (pending(raw, "me"), pending(raw, "dead")) == ([2, 3, 6], [4])


def test_what_is_left_pending_comes_again_in_the_next_run(group, raw, wait_until):
    fill(raw, 4)
    handler = Handler(fail=(3,))
    consumer = Consumer(group, handler, after="pending")
    with consumer:
        wait_until(lambda: len(handler.seen) == 4)
    assert max(idle(raw)) < 60_000, "it is not given back"
    group.ack(["2-0"])
    with consumer:
        wait_until(lambda: len(handler.seen) == 7)
    assert handler.seen == [1, 2, 3, 4, 1, 3, 4]
    assert pending(raw, "me") == [1, 3, 4]
    assert consumer.stats == dict(zip(STATS, (7, 5, 2, 0, 0, 0, 0), strict=True))


def test_what_is_left_pending_may_be_taken_over(group, raw, wait_until):
    fill(raw, 4)
    handler, other = Handler(fail=(3,)), Handler()
    with Consumer(group, handler, after="pending") as consumer:
        wait_until(lambda: len(handler.seen) == 4)
        with Consumer(named(group, "other"), other, min_idle=0.2):
            wait_until(lambda: pending(raw) == [])
        assert consumer.state == "running"
    assert (handler.seen, other.seen) == ([1, 2, 3, 4], [1, 2, 3, 4])


def test_what_is_in_hand_is_kept_before_it_is_left_pending(group, raw, wait_until):
    fill(raw, 2)
    handler = Handler(wait=1)
    with Consumer(group, handler, after="pending", min_idle=0.03) as consumer:
        assert handler.waits.wait(deadline(10))
        assert consumer._worker._source._heartbeat.held_ids() == {"s": [b"1-0", b"2-0"]}
        handler.go_on.set()
        wait_until(lambda: consumer.stats["handled"] == 2)


def test_what_cannot_be_handled_is_not_left_pending(group, raw, wait_until):
    fill(raw, 3)
    deliver(raw, "me")
    raw.xdel("s", "2-0")
    with Consumer(group, Handler(), after="pending") as consumer:
        wait_until(lambda: pending(raw) == [1, 3])
    assert consumer.stats["trimmed"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("lines", [0, 3])
def test_a_lost_reply_brings_back_only_what_was_not_handled(group, raw, proxy, wait_until, lines):
    fill(raw, 3)
    handler = Handler(fail=(2,))
    with connect(proxy.url) as conn:
        lossy = ConsumerGroup(Stream(conn, "s", format="fields"), "g", consumer="me")
        with Consumer(lossy, handler, after="pending") as consumer:
            wait_until(lambda: len(handler.seen) == 3)
            proxy.lines = lines
            fill(raw, 6, 4)
            wait_until(lambda: len(handler.seen) == 6)
            wait_until(lambda: consumer.state == "running")
    assert handler.seen == [1, 2, 3, 4, 5, 6]
    assert pending(raw) == [1, 2, 3, 4, 5, 6]


def test_of_a_group_that_is_made_again_a_lost_reply_brings_back_all(
    group, raw, proxy, wait_until, monkeypatch
):
    fill(raw, 3)
    handler, prepare = Handler(), source.GroupSource.prepare

    async def and_lose_the_first_entries(self):
        is_missing = self._creates
        await prepare(self)
        if is_missing:
            # Of RESP2: behind the reply that says that there is no backlog.
            proxy.lines = 6

    monkeypatch.setattr(source.GroupSource, "prepare", and_lose_the_first_entries)
    how = {"after": "pending", "on_missing_group": "recreate"}
    with connect(proxy.url, protocol=2) as conn:
        lossy = ConsumerGroup(Stream(conn, "s", format="fields"), "g", consumer="me")
        with Consumer(lossy, handler, **how):
            wait_until(lambda: len(handler.seen) == 3)
            raw.xgroup_destroy("s", "g")
            wait_until(lambda: len(handler.seen) == 6)
    assert handler.seen == [1, 2, 3] * 2


# Stopped


def test_stop_gives_back_what_is_in_hand(group, raw, wait_until):
    fill(raw, 10)
    handler = Handler(wait=3)
    consumer = Consumer(group, handler).start()
    assert handler.waits.wait(deadline(10))
    stopping = threading.Thread(target=consumer.stop)
    stopping.start()
    wait_until(lambda: consumer._worker.is_stopping)
    handler.go_on.set()
    stopping.join()
    # Nobody has to wait for a minute.
    taken = named(group, "other").autoclaim(min_idle="1min")
    assert taken["i"].tolist() == [4, 5, 6, 7, 8, 9, 10]


def test_stop_cancels_a_coroutine_that_goes_on(group, raw, wait_until, monkeypatch):
    monkeypatch.setattr(loop, "CUT_AFTER", 0.05)
    fill(raw, 3)
    cancelled = []

    async def handler(entry):
        if entry.id.ms == 2:
            try:
                await asyncio.sleep(20)
            except asyncio.CancelledError:
                cancelled.append(entry.id.ms)
                raise

    with Consumer(group, handler) as consumer:
        wait_until(lambda: consumer.stats["handled"] == 1)
    assert (consumer.state, consumer.error, cancelled) == ("stopped", None, [2])
    assert pending(raw) == [2, 3]


def test_stop_of_a_task_cancels_its_handler_too(group, raw, monkeypatch):
    monkeypatch.setattr(loop, "CUT_AFTER", 0.05)
    fill(raw, 3)
    reached = asyncio.Event()

    async def handler(entry):
        reached.set()
        await asyncio.sleep(20)

    consumer = Consumer(group, handler)

    async def main():
        task = asyncio.create_task(consumer.arun())
        await reached.wait()
        assert consumer.stop() is False, "it cannot wait for its own loop"
        await task
        assert asyncio.current_task().cancelling() == 0

    asyncio.run(main())
    assert (consumer.state, pending(raw)) == ("stopped", [1, 2, 3])


# One consumer of a name


def test_a_cell_that_is_run_again_replaces_its_consumer(group, raw, wait_until, monkeypatch):
    made = []
    for i in range(1, 21):
        monkeypatch.setattr(consumers, "this_run", lambda n=i: Run("cell", f"run {n}"))
        handler = Handler()
        made.append((Consumer(group, handler).start(), handler))
        fill(raw, i, i)
        wait_until(lambda h=handler, n=i: h.seen == [n])
        wait_until(lambda: len(threads()) == 2)
    assert [consumer.state for consumer, _ in made] == ["stopped"] * 19 + ["running"]


def test_a_second_consumer_of_a_name_replaces_the_first_and_says_so(group, wait_until):
    first = Consumer(group, print).start()
    with pytest.warns(RedisnbWarning, match="replaces the one that read under the same name"):
        second = Consumer(group, print).start()
    wait_until(lambda: (first.state, second.state) == ("stopped", "running"))


def test_a_stream_is_followed_once_by_a_cell_that_is_run_again(stream, wait_until, monkeypatch):
    monkeypatch.setattr(consumers, "this_run", lambda: Run("cell", "first"))
    first, second = Consumer(stream, print).start(), Consumer(stream, print).start()
    monkeypatch.setattr(consumers, "this_run", lambda: Run("another", "x"))
    third = Consumer(stream, print).start()
    monkeypatch.setattr(consumers, "this_run", lambda: Run("cell", "second"))
    again = Consumer(stream, print).start()
    states = ["stopped", "stopped", "running", "running"]
    wait_until(lambda: [each.state for each in (first, second, third, again)] == states)


def test_other_names_and_groups_are_left_alone(group, stream, raw, wait_until):
    raw.xgroup_create("s", "h", "0")
    raw.xgroup_create("t", "g", "0", mkstream=True)
    others = [
        named(group, "other"),
        ConsumerGroup(stream, "h", consumer="me"),
        ConsumerGroup(Stream(stream.conn, "t"), "g", consumer="me"),
    ]
    running = [Consumer(each, print).start() for each in (group, *others)]
    wait_until(lambda: {consumer.state for consumer in running} == {"running"})


OTHER_PROCESS = """
import sys, redisnb as rnb
group = rnb.ConsumerGroup(rnb.Stream(rnb.connect(sys.argv[1]), "s"), "g", consumer="me")
with rnb.Consumer(group, print) as consumer:
    while consumer.state != "running":
        pass
    print("reads", flush=True)
    sys.stdin.read()
"""


@pytest.mark.slow
def test_a_name_that_another_process_reads_under_is_refused(group, server, wait_until):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", OTHER_PROCESS, server.url], **pipes) as other:
        assert other.stdout.readline() == b"reads\n"
        consumer = Consumer(group, print)
        with pytest.raises(RedisnbError, match="another name: ConsumerGroup"):
            consumer.start()
        assert consumer.state == "stopped"
        other.kill()
    with consumer:
        wait_until(lambda: consumer.state == "running")


# A group that is missing


@pytest.mark.parametrize("how", ["destroyed", "deleted", "never made"])
def test_a_missing_group_may_be_made_again(stream, raw, wait_until, how):
    group = ConsumerGroup(stream, "g")
    if how != "never made":
        raw.xgroup_create("s", "g", "0", mkstream=True)
    fill(raw, 3)
    handler = Handler()
    with Consumer(group, handler, on_missing_group="recreate") as consumer:
        wait_until(lambda: consumer.stats["handled"] == 3)
        if how == "destroyed":
            raw.xgroup_destroy("s", "g")
            wait_until(lambda: handler.seen == [1, 2, 3] * 2)
        elif how == "deleted":
            raw.delete("s")
            wait_until(lambda: raw.exists("s"))
            fill(raw, 2)
            wait_until(lambda: handler.seen == [1, 2, 3, 1, 2])
        wait_until(lambda: consumer.state == "running")
    notes = consumer.errors()
    assert notes["error"].tolist() == ([] if how == "never made" else ["reset"])
    assert all("begins again, from the start" in text for text in notes["message"])


def test_a_group_that_is_missing_at_the_end_leaves_no_thread(group, raw, wait_until):
    fill(raw, 1)

    def handler(entry):
        raw.xgroup_destroy("s", "g")
        assert consumer.stop() is False, "it cannot wait for its own loop"
        raise ValueError("a dead letter of no group")

    consumer = Consumer(group, handler, max_deliveries=1).start()
    wait_until(lambda: consumer.state == "failed")
    assert isinstance(consumer.error, GroupMissingError)
    wait_until(lambda: threads() == [])


# Several streams


@pytest.fixture
def several(stream, group, raw) -> list[ConsumerGroup]:
    raw.xgroup_create("t", "g", "0", mkstream=True)
    return [group, ConsumerGroup(Stream(stream.conn, "t", format="fields"), "g", consumer="me")]


def test_several_streams_in_one_consumer(several, raw, wait_until):
    seen = []
    for i in range(1, 251):
        raw.xadd("s", {"i": i}, id=f"{i}-0")
        raw.xadd("t", {"i": -i}, id=f"{i}-0")
    raw.xreadgroup("g", "me", {"t": ">"}, count=30)
    raw.xreadgroup("g", "dead", {"s": ">"}, count=30)

    def handler(entry):
        if entry.event["i"] == "-40" and (entry.stream, "-40", 1) not in seen:
            seen.append((entry.stream, "-40", 1))
            raise ValueError
        seen.append((entry.stream, entry.event["i"], entry.deliveries))

    with Consumer(several, handler, min_idle=0.05, max_deliveries=5) as consumer:
        wait_until(lambda: consumer.stats["handled"] == 500)
        wait_until(lambda: raw.xpending("s", "g")["pending"] == 0)
        wait_until(lambda: raw.xpending("t", "g")["pending"] == 0)
    assert len(seen) == 501
    assert [i for stream, i, _ in seen if stream == "s" and int(i) > 30] == [
        str(i) for i in range(31, 251)
    ]
    assert [n for stream, i, n in seen if stream == "t" and -int(i) <= 30] == [2] * 30
    assert [n for stream, i, n in seen if stream == "s" and int(i) <= 30] == [2] * 30
    frame = consumer.frame()
    assert list(frame.columns) == ["entry_id", "stream", "i"]
    assert set(frame["stream"]) == {"s", "t"}


def test_a_frame_of_several_streams_says_which(several, raw, wait_until):
    raw.xadd("s", {"i": 1}, id="1-0")
    raw.xadd("t", {"i": 2}, id="1-0")
    given = []
    with Consumer(several, on_frame=given.append) as consumer:
        wait_until(lambda: consumer.stats["handled"] == 2)
    rows = [row for frame in given for row in frame[["stream", "i"]].to_numpy().tolist()]
    assert sorted(rows) == [["s", "1"], ["t", "2"]]


def test_one_missing_group_of_several_is_named(several, raw, wait_until):
    with Consumer(several, print) as consumer:
        wait_until(lambda: consumer.state == "running")
        raw.xgroup_destroy("t", "g")
        wait_until(lambda: consumer.state == "failed")
    assert isinstance(consumer.error, GroupMissingError)
    assert consumer.error.stream == "t"


def test_several_streams_without_a_group(stream, conn, raw, wait_until):
    other = Stream(conn, "t", format="fields")
    stream.add_many([{"i": i} for i in range(150)])
    other.add_many([{"i": i} for i in range(50)])
    seen = []
    consumer = Consumer([stream, other], seen.append, start="all", after="delete")
    with consumer:
        wait_until(lambda: consumer.stats["handled"] == 200)
    assert (raw.xlen("s"), raw.xlen("t")) == (0, 0)
    assert sorted({entry.stream for entry in seen}) == ["s", "t"]


# What was missed


def test_entries_dropped_before_the_group_read_them_are_reported(
    group, raw, wait_until, knows_lag, monkeypatch
):
    if not knows_lag:
        pytest.skip("this server does not count entries")
    fill(raw, 5)
    handler = Handler(wait=5)
    with Consumer(group, handler) as consumer:
        assert handler.waits.wait(deadline(10))
        fill(raw, 25, 6)
        raw.xtrim("s", maxlen=3, approximate=False)
        consumer._worker._source.look_after = 0
        consumer._worker._reader._look_at = 0
        handler.go_on.set()
        wait_until(lambda: consumer.stats["handled"] == 8)
    assert handler.seen == [1, 2, 3, 4, 5, 23, 24, 25]
    assert consumer.stats["missed"] == 17
    assert consumer.errors().iloc[0, :2].tolist() == ["5-0", "gap"]
    assert "17 entries were dropped before group" in consumer.errors()["message"][0]


def test_frames_of_the_dead_letters_are_there(group, raw, wait_until, has_schema):
    fill(raw, 3)
    with Consumer(group, Handler(fail=(2,)), max_deliveries=1) as consumer:
        wait_until(lambda: consumer.stats["dead"] == 1)
    assert has_schema(group.dead_letters(), frames.DEAD_LETTERS, "i")


@pytest.mark.slow
@pytest.mark.parametrize("ends", ["failed", "stopped"])
def test_it_is_started_again_the_moment_it_has_ended(group, raw, wait_until, monkeypatch, ends):
    become = loop.Worker.become

    def slow(self, state, error=None):
        become(self, state, error)
        if state == ends:
            # As long as another thread has the processor.
            time.sleep(0.2)

    monkeypatch.setattr(loop.Worker, "become", slow)
    handled = []
    timeout = "50ms" if ends == "stopped" else None
    consumer = Consumer(group, lambda entry: handled.append(entry.id), timeout=timeout).start()
    wait_until(lambda: consumer.state in ("running", ends))
    if ends == "failed":
        raw.xgroup_destroy("s", "g")
    wait_until(lambda: consumer.state == ends)
    group.create()
    # Before the start: a consumer that waits 50 ms for an entry may end before one comes.
    fill(raw, 1)
    consumer.start()
    wait_until(lambda: handled == ["1-0"])
    consumer.stop()


@pytest.mark.parametrize("form", ["entry", "frame"])
@pytest.mark.parametrize(
    "where", [{"i": [2, 4]}, "i = 2 or i = 4", lambda f: f["i"].isin(["2", "4"])]
)
def test_only_what_is_wanted_is_handled_and_the_rest_acknowledged(
    group, raw, wait_until, form, where
):
    fill(raw, 5)
    raw.xdel("s", "5-0")
    seen = []
    handler = {
        "entry": {"on_entry": lambda entry: seen.append(entry.event["i"])},
        "frame": {"on_frame": lambda frame: seen.extend(frame["i"].tolist())},
    }[form]
    with Consumer(group, where=where, after="delete", **handler) as consumer:
        wait_until(lambda: consumer.stats["handled"] == 2)
        wait_until(lambda: not pending(raw))
    assert seen == ["2", "4"]
    stats = consumer.stats
    assert (stats["received"], stats["skipped"]) == (2, 2)
    assert consumer.frame()["entry_id"].tolist() == ["2-0", "4-0"]
    # What `where` does not choose stays in the stream.
    assert left(raw) == [1, 3]


def test_what_is_not_wanted_does_not_wait_for_an_ack(group, raw, wait_until):
    fill(raw, 4)
    with Consumer(group, print, where={"i": 3}, after="pending") as consumer:
        wait_until(lambda: consumer.stats["handled"] == 1)
        wait_until(lambda: pending(raw) == [3])


def test_a_where_that_raises_loses_nothing(group, raw, wait_until):
    fill(raw, 3)
    with Consumer(group, print, where=lambda frame: 1 / 0) as consumer:
        wait_until(lambda: consumer.state == "failed")
    assert isinstance(consumer.error, ZeroDivisionError)
    other = named(group, "other")
    with Consumer(other, lambda entry: None, max_deliveries=9) as consumer:
        wait_until(lambda: consumer.stats["handled"] == 3)


def test_a_consumer_may_have_a_schema_of_its_own(group, raw, wait_until):
    fill(raw, 2)
    given = []
    with Consumer(group, on_frame=given.append, schema={"i": "Int64"}, where="i > 1") as consumer:
        wait_until(lambda: consumer.stats["handled"] == 1)
    for frame in (given[0], consumer.frame()):
        assert frame["i"].tolist() == [2]
        assert frame["i"].dtype == "Int64"


def test_a_stream_is_read_for_what_is_wanted(stream, raw, wait_until):
    fill(raw, 4)
    seen = []
    with Consumer(stream, lambda e: seen.append(e.id), start="all", where="i >= 3", after="delete"):
        wait_until(lambda: seen == ["3-0", "4-0"])
        wait_until(lambda: left(raw) == [1, 2])
