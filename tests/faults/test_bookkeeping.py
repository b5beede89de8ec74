"""What happens to the group's and the stream's books: trims, gaps, sweeps, claims, dead letters."""

import asyncio
import threading
import time
import warnings

import pytest

import redisnb
from tests.deadlines import deadline, until
from tests.faults.scene import ends, rate


def raising_at(*numbers: int):
    """Make a handler that raises at entries with these values of n."""

    def handler(entry):
        if int(entry.fields[0][1]) in numbers:
            raise ValueError("poison")

    return handler


# Trimmed


def test_entries_that_are_trimmed_while_pending(scene):
    scene.leave_behind(10, owner="me")
    scene.leave_behind(10, owner="gone")
    scene.raw.xtrim(scene.key, maxlen=0, approximate=False)
    scene.published.clear()
    consumer = scene.consumer().start()
    scene.works_again()
    until(lambda: not scene.pending())
    assert scene.ledger.ids() == scene.published
    # Each is reported. Redis 7 takes some off the list by itself, and says so.
    assert consumer.stats["trimmed"] == 20
    assert ends(consumer)


def test_entries_that_are_trimmed_while_its_handler_is_at_work(scene):
    trimmed = []

    def handler(entry):
        if not trimmed:
            trimmed.append(scene.raw.xtrim(scene.key, maxlen=0, approximate=False))

    consumer = scene.consumer(handler=handler).start()
    scene.publish(5)
    scene.settles()
    assert trimmed
    assert consumer.stats["handled"] == 5, "it had read them before"
    assert ends(consumer)


def test_entries_that_are_trimmed_under_a_slow_handler(scene):
    """Redis 7 takes them off the list at a claim: the consumer that claims reports them."""

    def handler(entry):
        scene.raw.xtrim(scene.key, maxlen=0, approximate=False)
        time.sleep(0.8)

    scene.publish(3)
    slow = scene.consumer("slow", handler).start()
    until(lambda: slow.stats["received"] == 3)
    rival = scene.consumer("rival").start()
    until(lambda: not scene.pending())
    assert ends(slow)
    assert ends(rival)
    assert {line.consumer for line in scene.ledger.lines()} == {"slow"}
    assert scene.account().repeats == 0
    trimmed = slow.stats["trimmed"] + rival.stats["trimmed"]
    # The entry in hand counts as both where the rival has swept it.
    assert len(scene.ledger.ids()) + trimmed >= 3


def counts_entries(scene) -> bool:
    """Return whether the server counts what was ever added to a stream (since Redis 7)."""
    scene.raw.xadd("counts-entries", {"n": 1})
    return "entries-added" in scene.raw.xinfo_stream("counts-entries")


def hold_up(scene):
    """Make a handler that waits at the first entry, and the events to steer it by."""
    waits, go_on = threading.Event(), threading.Event()

    def handler(entry):
        waits.set()
        assert go_on.wait(20)

    return handler, waits, go_on


def test_a_trim_gap_under_a_follower(place):
    scene = place.scene(group=False)
    handler, waits, go_on = hold_up(scene)
    consumer = scene.consumer(handler=handler, source=scene.stream).start()
    first = scene.publish(1)
    assert waits.wait(deadline(10))
    scene.publish(30)
    scene.raw.xtrim(scene.key, maxlen=10, approximate=False)
    go_on.set()
    last = scene.published[-10:]
    until(lambda: set(last) <= set(scene.ledger.ids()))
    if counts_entries(scene):
        until(lambda: consumer.stats["missed"] == 20)
        assert consumer.errors()["error"].tolist() == ["gap"]
        scene.works_again()
        time.sleep(1.2)  # the next look must not say it once more
        assert consumer.stats["missed"] == 20
    assert scene.ledger.ids()[:11] == [*first, *last]
    assert ends(consumer)


def test_a_trim_gap_before_a_group_has_read(scene):
    consumer = scene.consumer().start()
    scene.publish(1)
    scene.settles()
    assert ends(consumer)
    scene.publish(30)
    scene.raw.xtrim(scene.key, maxlen=10, approximate=False)
    del scene.published[1:-10]
    consumer.start()
    scene.settles()
    if counts_entries(scene):
        assert consumer.stats["missed"] == 20
        assert consumer.errors()["error"].tolist() == ["gap"]
    assert ends(consumer)


@pytest.mark.alone
def test_follow_warns_of_a_gap(place):
    scene = place.scene(group=False)
    if not counts_entries(scene):
        pytest.skip("before Redis 7 a server does not count what was added")
    entries = scene.stream.follow(timeout="8s")
    seen = []

    def read(n: int) -> None:
        seen.extend(next(entries).id for _ in range(n))

    scene.publish(1)
    read(1)
    scene.publish(30)
    scene.raw.xtrim(scene.key, maxlen=10, approximate=False)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", redisnb.RedisnbWarning)
        read(10)
        while not said and len(seen) < 500:
            scene.publish(1)
            read(1)
            time.sleep(0.01)
    assert "20 entries" in str(said[0].message)
    assert seen == [scene.published[0], *scene.published[21:]]


def test_a_lag_that_nobody_knows(scene):
    """Entries deleted in front of the group: Redis 7 then gives no lag, and Redis 6 never does."""
    consumer = scene.consumer().start()
    scene.publish(5)
    scene.settles()
    assert ends(consumer)
    scene.publish(20)
    scene.raw.xdel(scene.key, *scene.published[10:15])
    [said] = scene.raw.xinfo_groups(scene.key)
    assert said.get("lag") is None
    assert set(scene.group().info()["lag"].dropna()) <= {15}, "unknown, or right"
    del scene.published[10:15]
    consumer.start()
    scene.settles()
    assert ends(consumer)


# Sweeps and claims


def test_a_sweep_over_thousands_of_pending(scene):
    """Of 5,000, every tenth is idle: pages without an entry lie in between."""
    ids = scene.leave_behind(5_000, idle=0)
    stale = ids[::10]
    scene.raw.xclaim(scene.key, "g", "gone", 0, stale, idle=10_000_000, justid=True)
    consumer = scene.consumer(min_idle=600, count=100).start()
    before = scene.proxy.counts["XAUTOCLAIM"]
    until(lambda: len(scene.ledger.ids()) == len(stale))
    until(lambda: len(scene.pending()) == 4_500)
    assert sorted(scene.ledger.ids()) == sorted(stale)
    assert scene.proxy.counts["XAUTOCLAIM"] - before <= 30
    assert ends(consumer)


def test_a_consumer_takes_over_thousands(scene):
    scene.leave_behind(5_000)
    consumer = scene.consumer(count=500).start()
    scene.settles()
    assert consumer.stats["handled"] == 5_000
    assert ends(consumer)


def test_new_entries_do_not_wait_for_a_long_sweep(scene):
    scene.leave_behind(2_000)
    consumer = scene.consumer(handler=lambda entry: time.sleep(0.002), count=50).start()
    until(lambda: scene.handled(50))
    added = scene.publish(1)
    until(lambda: added[0] in scene.ledger.ids(), 3)
    assert len(set(scene.ledger.ids())) < 1_500, "and the sweep still goes on"
    scene.settles(seconds=20)
    assert ends(consumer)


def test_several_claimers(scene):
    scene.leave_behind(300)
    consumers = [scene.consumer(f"c{n}").start() for n in range(4)]
    found = scene.settles(0)
    assert found.repeats == 0
    shares = {line.consumer for line in scene.ledger.lines()}
    assert len(shares) > 1
    assert all(ends(consumer) for consumer in consumers)


@pytest.mark.parametrize("form", ["plain", "coroutine", "frame"])
def test_a_handler_slower_than_min_idle_runs_once(scene, form):
    """A plain handler holds up the whole loop; its heartbeat is a thread of its own."""
    # The longer, the later a heartbeat may be.
    least = deadline(1)

    def plain(entry):
        time.sleep(0.9 * least)
        scene.ledger.note(entry.id, "slow")

    async def coroutine(entry):
        await asyncio.sleep(0.9 * least)
        scene.ledger.note(entry.id, "slow")

    def frame(frame):
        time.sleep(2.7 * least)
        for entry_id in frame["entry_id"]:
            scene.ledger.note(entry_id, "slow")

    handler = {"plain": plain, "coroutine": coroutine}.get(form)
    slow = redisnb.Consumer(
        scene.group("slow"),
        handler,
        on_frame=frame if form == "frame" else None,
        count=3,
        min_idle=least,
    )
    scene.consumers.append(slow)
    scene.publish(3)
    slow.start()
    until(lambda: len(scene.pending("slow")) == 3)
    rival = scene.consumer("rival", min_idle=least).start()
    scene.settles(0)
    assert {line.consumer for line in scene.ledger.lines()} == {"slow"}
    # It may still be at work on what another consumer has handled since.
    assert ends(slow)
    assert ends(rival)
    scene.settles(0)


# Failing entries


def test_a_poison_entry_becomes_a_dead_letter(scene):
    deliveries = []

    def handler(entry):
        if entry.fields[0][1] == b"2":
            deliveries.append(entry.deliveries)
            raise ValueError("poison")

    consumer = scene.consumer(handler=handler, max_deliveries=2).start()
    scene.publish(5)
    poison = scene.published.pop(1)
    scene.settles(0)
    assert deliveries == [1, 2]
    [(_, dead)] = scene.raw.xrange(f"{scene.key}:dead")
    assert dead == {
        "dead:stream": scene.key,
        "dead:id": poison,
        "dead:group": "g",
        "dead:consumer": "me",
        "dead:deliveries": "2",
        "dead:error": "ValueError",
        "dead:redrives": "0",
        "n": "2",
    }
    until(lambda: consumer.stats["dead"] == 1)
    assert consumer.stats["failed"] == 2
    assert consumer.errors()["entry_id"].tolist() == [poison] * 2
    scene.works_again()
    assert ends(consumer)


def test_poison_entries_among_several_consumers(scene):
    """Each becomes one dead letter, whichever consumer had it last, and nothing else does."""
    poison = {3, 11, 12, 25}
    handler = raising_at(*poison)
    consumers = [
        scene.consumer(f"c{n}", handler, count=5, max_deliveries=3).start() for n in range(3)
    ]
    scene.publish(30)
    bad = [scene.published[n - 1] for n in sorted(poison)]
    scene.published = [entry_id for entry_id in scene.published if entry_id not in bad]
    scene.settles(0, seconds=12)
    dead = [fields for _, fields in scene.raw.xrange(f"{scene.key}:dead")]
    assert sorted(fields["dead:id"] for fields in dead) == sorted(bad)
    assert {fields["dead:deliveries"] for fields in dead} == {"3"}
    assert all(ends(consumer) for consumer in consumers)


def test_a_poison_entry_without_a_limit_is_no_hot_loop(scene):
    consumer = scene.consumer(handler=raising_at(2)).start()
    scene.publish(3)
    until(lambda: len(scene.ledger.ids()) == 2)
    poison = scene.published[1]
    until(lambda: consumer.stats["failed"] >= 2)
    failed = consumer.stats["failed"]
    # One attempt each second and a half costs nine commands, with those of an idle loop.
    assert 0 < rate(lambda: scene.server.commands().total(), 4) <= 7
    assert 1 <= consumer.stats["failed"] - failed <= 4
    assert scene.pending() == [poison]
    assert consumer.state == "running"
    assert ends(consumer)


def test_an_entry_that_kills_its_consumers(place, scene):
    """Each one dies at it, and the batch around it is delivered with it."""
    scene.publish(5)
    poison = scene.published.pop(2)
    dead = f"{scene.key}:dead"
    deaths = 0
    while True:
        child = place.child(scene, "me", max_deliveries=2, poison="3")
        until(lambda child=child: child.is_dead() or scene.raw.exists(dead))
        if not child.is_dead():
            break
        deaths += 1
        assert deaths <= 4
    scene.settles(deaths)
    assert [fields["dead:id"] for _, fields in scene.raw.xrange(dead)] == [poison]
    assert deaths >= 1
    assert child.started().stop()


def test_retries_in_place(scene):
    calls = []

    def handler(entry):
        calls.append(entry.id)
        if len(calls) < 3:
            raise ValueError("not yet")

    consumer = scene.consumer(handler=handler, retries=2, min_idle=60).start()
    scene.publish(1)
    scene.settles(0)
    assert calls == scene.published * 3
    assert consumer.stats["failed"] == 0
    assert ends(consumer)


# Somebody tidies up


def test_a_consumer_is_removed_while_it_owns_pending_entries(scene):
    """Its entries leave the group's list with it; those in hand are still handled."""
    handler, waits, go_on = hold_up(scene)
    consumer = scene.consumer(handler=handler).start()
    scene.publish(1)
    assert waits.wait(deadline(10))
    assert scene.raw.xgroup_delconsumer(scene.key, "g", "me") == 1
    go_on.set()
    scene.settles(0)
    scene.publish(10)
    scene.settles(0)
    assert consumer.state == "running"
    assert ends(consumer)


def test_the_group_is_set_back(scene):
    """XGROUP SETID: everything is delivered once more, and that is no fault."""
    consumer = scene.consumer().start()
    scene.publish(10)
    scene.settles(0)
    scene.raw.xgroup_setid(scene.key, "g", "0")
    until(lambda: len(scene.ledger.ids()) == 20)
    scene.settles(1)
    assert ends(consumer)
