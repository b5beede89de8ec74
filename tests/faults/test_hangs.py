"""Servers and links that say nothing."""

import asyncio
import contextlib
import os
import signal
import threading
import time
import warnings

import pytest
import redis

import redisnb
from tests.deadlines import deadline, until
from tests.faults.scene import FAILING_RATE, STOPPED_WITHIN, ends, rate, shows

TIMEOUT = 0.5


# SIGSTOP


@pytest.mark.parametrize("timeout", [TIMEOUT, 5])
def test_the_server_hangs_while_a_consumer_is_blocked(place, timeout):
    scene = place.scene(timeout=timeout)
    consumer = scene.consumer().start()
    scene.publish(5)
    scene.settles()
    until(scene.server.blocked)
    scene.server.freeze()
    assert shows(consumer, "stalled") < timeout + 2
    scene.server.thaw()
    scene.works_again()
    shows(consumer, "running")
    assert consumer.error is None
    scene.settles()
    assert ends(consumer)


def test_the_server_hangs_with_entries_on_their_way(place):
    """It wakes up and delivers to a link that no client listens to any more."""
    scene = place.scene(timeout=TIMEOUT)
    consumer = scene.consumer(min_idle=60).start()
    until(scene.server.blocked)
    for _ in range(3):
        scene.server.freeze()
        publisher = threading.Thread(target=scene.publish, args=(5,))
        publisher.start()
        shows(consumer, "stalled")
        scene.server.thaw()
        publisher.join()
        scene.settles(0, seconds=3)
    assert ends(consumer)


def test_the_server_hangs_while_it_is_published_to(place):
    scene = place.scene(timeout=TIMEOUT)
    scene.server.freeze()
    start = time.monotonic()
    with pytest.raises(redisnb.UncertainWriteError, match=scene.key):
        # The link is open, so it is sent.
        scene.stream.add({"event": "one"})
    with pytest.raises(redisnb.ConnectError):
        # A new link cannot be made; this was never sent.
        scene.stream.add({"event": "two"})
    assert time.monotonic() - start < deadline(3)
    scene.server.thaw()
    until(lambda: scene.stream.conn.client.ping())
    assert scene.stream.add({"event": "three"})
    assert [fields["event"] for _, fields in scene.raw.xrange(scene.key)] == ["one", "three"]


@pytest.mark.alone
def test_the_server_hangs_while_a_batch_is_published(place):
    scene = place.scene(timeout=TIMEOUT)
    events = ({"event": n} for n in range(5_000))
    hangs = iter([scene.server.freeze])

    def frozen_in_the_middle():
        for n, event in enumerate(events):
            if n == 2_500:
                next(hangs)()
            yield event

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", redisnb.RedisnbWarning)
        added = scene.stream.add_many(frozen_in_the_middle())
    scene.server.thaw()
    assert len(said) == 1
    counts = added["status"].value_counts()
    assert set(counts.index) == {"added", "unknown"}
    acknowledged = added.loc[added["status"] == "added", "entry_id"]
    there = [entry_id for entry_id, _ in scene.raw.xrange(scene.key)]
    assert set(acknowledged) <= set(there)
    sent = [fields["event"] for _, fields in scene.raw.xrange(scene.key)]
    assert len(set(sent)) == len(sent), "none twice"


@pytest.mark.parametrize("when", ["blocked", "handling"])
def test_the_server_hangs_while_a_consumer_is_stopped(place, when):
    scene = place.scene(timeout=TIMEOUT)
    consumer = scene.consumer(handler=lambda entry: time.sleep(0.02), min_idle=60).start()
    if when == "handling":
        scene.publish(50)
        until(lambda: scene.handled(5))
    else:
        until(scene.server.blocked)
    scene.server.freeze()
    assert ends(consumer)
    assert consumer.state == "stopped"
    until(lambda: not place.threads(), STOPPED_WITHIN)
    scene.server.thaw()
    noted = len(scene.ledger.ids())
    # What it handled and could not acknowledge comes again, the rest for the first time.
    again = scene.consumer(min_idle=60).start()
    scene.settles(1)
    assert len(scene.ledger.ids()) >= noted
    assert ends(again)


def test_the_server_hangs_when_a_consumer_is_started(place):
    """It says so soon, and can be started when the server is back."""
    scene = place.scene(timeout=TIMEOUT)
    consumer = scene.consumer()
    scene.server.freeze()
    start = time.monotonic()
    with pytest.raises((redisnb.ConnectError, redis.TimeoutError)):
        consumer.start()
    assert time.monotonic() - start < deadline(2)
    scene.server.thaw()
    consumer.start()
    scene.works_again()
    scene.settles()
    assert ends(consumer)


def test_the_server_hangs_while_a_patient_consumer_is_stopped(place):
    """With the default timeout of 5 s, and with a handler that the heartbeat is at work for."""
    waits, go_on = threading.Event(), threading.Event()

    def handler(entry):
        waits.set()
        assert go_on.wait(20)

    scene = place.scene(timeout=5)
    consumer = scene.consumer(handler=handler).start()
    scene.publish(5)
    assert waits.wait(deadline(10))
    scene.server.freeze()
    time.sleep(0.5)  # the heartbeat comes every third of a second
    go_on.set()
    assert ends(consumer)
    assert consumer.state == "stopped"
    scene.server.thaw()
    again = scene.consumer(min_idle=60).start()
    scene.settles(1)
    assert ends(again)


@pytest.mark.parametrize("form", ["plain", "coroutine"])
@pytest.mark.parametrize("hangs", [False, True])
def test_stop_with_a_handler_that_does_not_give_up(place, form, hangs):
    """A coroutine is cancelled, and this one does not mind; the server may hang as well."""
    waits, go_on = threading.Event(), threading.Event()

    def plain(entry):
        waits.set()
        assert go_on.wait(20)

    async def coroutine(entry):
        waits.set()
        while not go_on.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.05)

    scene = place.scene(timeout=TIMEOUT)
    handler = {"plain": plain, "coroutine": coroutine}[form]
    consumer = redisnb.Consumer(scene.group(), handler, count=3, min_idle=60)
    scene.consumers.append(consumer)
    consumer.start()
    scene.publish(5)
    assert waits.wait(deadline(10))
    if hangs:
        scene.server.freeze()
    assert ends(consumer) is False
    assert consumer.state == "failed"
    assert isinstance(consumer.error, TimeoutError)
    assert str(consumer.error) == "after stop() the handler did not return"
    scene.server.thaw()
    # If the server hangs, nothing can be given back: the next one of that name has it all.
    again = scene.consumer("me" if hangs else "other", min_idle=60).start()
    scene.settles(0)
    go_on.set()
    until(lambda: len(place.threads()) <= 2, 5, "the handler's thread has ended")
    scene.works_again()
    scene.settles(0)
    assert ends(again)


@pytest.mark.parametrize("grouped", [False, True])
def test_stop_while_it_begins_and_the_server_hangs(place, grouped):
    scene = place.scene(timeout=20)
    scene.server.freeze()
    raised = []

    def run():
        try:
            consumer.run()
        except TimeoutError as error:
            raised.append(error)

    consumer = scene.consumer(source=None if grouped else scene.stream)
    thread = threading.Thread(target=run)
    thread.start()
    until(lambda: consumer.state == "starting")
    assert ends(consumer) is False
    assert consumer.state == "failed"
    assert str(consumer.error) == "after stop() the server did not answer"
    scene.server.thaw()
    thread.join(deadline(10))
    assert raised == [consumer.error]
    until(lambda: not place.threads(), 5, "it has ended")
    assert consumer.state == "failed"
    again = scene.consumer().start()
    scene.works_again()
    assert ends(again)


@pytest.mark.alone
def test_stop_all_while_the_server_hangs(place):
    scene = place.scene(timeout=TIMEOUT)
    consumers = [scene.consumer(f"c{n}").start() for n in range(3)]
    until(lambda: scene.server.blocked() == 3)
    scene.server.freeze()
    start = time.monotonic()
    redisnb.stop_all()
    assert time.monotonic() - start < deadline(STOPPED_WITHIN + 0.5)
    assert [each.state for each in consumers] == ["stopped"] * 3
    scene.server.thaw()


def test_a_consumer_hangs(place):
    """As when a lid is closed: others take its entries over, and it must not mind when it wakes."""
    scene = place.scene(timeout=TIMEOUT)
    child = place.child(scene, "asleep", slow=0.05).started()
    scene.publish(20)
    until(lambda: scene.handled(3))
    os.kill(child.pid, signal.SIGSTOP)
    consumer = scene.consumer("awake", lambda entry: time.sleep(0.1)).start()
    until(scene.handled)
    os.kill(child.pid, signal.SIGCONT)
    scene.publish(20)
    scene.settles(1)
    assert child.stop()
    assert ends(consumer)


# Links


def test_a_link_that_is_half_open(place):
    """The entries are given to a link with no client at its end; only the backlog has them."""
    scene = place.scene(timeout=TIMEOUT)
    consumer = scene.consumer(min_idle=60).start()
    for _ in range(2):
        until(scene.server.blocked)
        scene.proxy.silence(new=False)
        since = time.monotonic()
        scene.publish(5)
        until(scene.handled, 3)
        assert time.monotonic() - since < deadline(3)
    scene.settles(0)
    shows(consumer, "running")
    assert ends(consumer)


def test_a_network_that_swallows_everything(place):
    scene = place.scene(timeout=TIMEOUT)
    consumer = scene.consumer(min_idle=60).start()
    until(scene.server.blocked)
    scene.proxy.silence()
    scene.publish(5)
    shows(consumer, "stalled")
    assert isinstance(consumer.error, redis.TimeoutError | redis.ConnectionError)
    scene.proxy.heal()
    scene.works_again()
    scene.settles(0)
    assert ends(consumer)


def test_stop_in_a_network_that_swallows_everything(place):
    scene = place.scene(timeout=TIMEOUT)
    consumer = scene.consumer(min_idle=60).start()
    until(scene.server.blocked)
    scene.proxy.silence()
    assert ends(consumer)
    assert consumer.state == "stopped"


def test_publishing_on_a_half_open_link(place):
    scene = place.scene(timeout=TIMEOUT)
    assert scene.stream.add({"event": "one"})
    scene.proxy.silence(new=False)
    with pytest.raises(redisnb.UncertainWriteError):
        scene.stream.add({"event": "two"})
    assert scene.stream.add({"event": "three"})
    assert [fields["event"] for _, fields in scene.raw.xrange(scene.key)] == ["one", "three"]


def test_a_kernel_that_dies_behind_a_dead_link(place):
    """The server does not hear of it; the next one of that name must not wait for that."""
    scene = place.scene(timeout=TIMEOUT)
    child = place.child(scene, "me", min_idle=60).started()
    scene.publish(5)
    scene.settles()
    until(scene.server.blocked)
    scene.proxy.silence(new=False)
    child.kill()
    until(lambda: not scene.server.blocked())
    consumer = scene.consumer("me", min_idle=60)
    until(lambda: starts(consumer), 10, "the name is free")
    scene.works_again()
    assert ends(consumer)


def starts(consumer) -> bool:
    """Try to start a consumer, perhaps on a link that is dead too."""
    try:
        consumer.start()
    except (redisnb.RedisnbError, redis.TimeoutError):
        time.sleep(0.2)
        return False
    return True


# Quiet


def test_nothing_happens_for_many_timeouts(place):
    """Half a minute of quiet with the default timeout of 5 s is 3 s with one of 0.5 s."""
    scene = place.scene(timeout=TIMEOUT)
    consumer = scene.consumer().start()
    until(scene.server.blocked)
    before = scene.proxy.connections
    asked = rate(lambda: scene.server.commands().total(), 3)
    assert 0 < asked <= FAILING_RATE
    assert (consumer.state, consumer.error) == ("running", None)
    assert scene.proxy.connections == before, "on the link that it has"
    scene.works_again()
    assert ends(consumer)


def test_the_server_hangs_up_on_quiet_links(place):
    """As servers with a `timeout` do, and firewalls."""
    scene = place.scene(timeout=TIMEOUT)
    with redisnb.connect(scene.server.url) as conn:
        stream = redisnb.Stream(conn, scene.key)
        stream.add({"event": "one"})
        scene.raw.config_set("timeout", 1)
        until(lambda: not scene.server.links(), 10, "the quiet link is closed")
        assert stream.add({"event": "two"}), "sent on a new link"
        assert len(stream) == 2


def test_a_read_that_blocks_for_longer_than_the_timeout(place):
    scene = place.scene(timeout=TIMEOUT)
    start = time.monotonic()
    assert scene.group().read(block="1500ms").empty
    assert 1.5 <= time.monotonic() - start < deadline(2)
    later = threading.Timer(1, scene.publish, [1])
    later.start()
    assert len(scene.group().read(block="5s")) == 1
    later.join()


def test_a_follower_that_waits_for_longer_than_the_timeout(place):
    scene = place.scene(timeout=TIMEOUT)
    later = threading.Timer(1.2, scene.publish, [1])
    later.start()
    assert [entry.event for entry in scene.stream.follow(timeout="1700ms")] == [{"n": "1"}]
    later.join()
