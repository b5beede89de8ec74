"""Ctrl-C, cancelled tasks, cells that are run again, kernels that start again."""

import asyncio
import contextlib
import os
import random
import signal
import threading
import time
import uuid
from collections.abc import Callable

import pytest

import redisnb
from tests.deadlines import deadline, until
from tests.faults.scene import SLACK, STOPPED_WITHIN, ends, shows

#: How often something is interrupted, each time at another moment.
TIMES = 15


def moments() -> list[float]:
    """Yield waits until an interrupt, in seconds."""
    chance = random.Random(7)
    return [chance.uniform(0, 0.06) for _ in range(TIMES)]


def interrupt(seconds: float, action: Callable[[], object]) -> None:
    """Do something, and press Ctrl-C a while after it has begun, wherever that is.

    Once more if it goes on for long: in a callback of C code an interrupt is lost.
    """
    pressed, ended = threading.Event(), threading.Event()

    def press() -> None:
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        pressed.set()
        while not ended.wait(deadline(10)):
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    timer = threading.Timer(seconds, press)
    try:
        # Out of `asyncio.run` comes a cancel, where the task had not begun.
        with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
            timer.start()
            try:
                action()
            finally:
                # It must not come later.
                until(pressed.is_set)
                time.sleep(0.001)
    finally:
        # Here nothing comes for seconds.
        ended.set()
        timer.join()


@pytest.mark.alone
@pytest.mark.parametrize("call", ["run", "arun"])
@pytest.mark.parametrize("form", ["plain", "coroutine"])
# Inside the constructor of Python's own event loop it leaves half a loop, which cannot be closed.
@pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <function BaseEventLoop.__del__"
    ":pytest.PytestUnraisableExceptionWarning"
)
def test_keyboard_interrupt_at_any_point(place, scene, form, call):
    async def coroutine(entry):
        await asyncio.sleep(0.001)
        scene.ledger.note(entry.id)

    def plain(entry):
        time.sleep(0.0005)
        scene.ledger.note(entry.id)

    handler = {"plain": plain, "coroutine": coroutine}[form]
    scene.publish(500)
    for seconds in moments():
        consumer = redisnb.Consumer(scene.group(), handler, count=10, min_idle=60)
        calls = {"run": consumer.run, "arun": lambda c=consumer: asyncio.run(c.arun())}
        interrupt(seconds, calls[call])
        assert consumer.state in ("stopped", "failed", "starting")
        until(lambda: not place.threads())
        handled = set(scene.ledger.ids())
        left = set(scene.to_come())
        assert handled | left >= set(scene.published), "acknowledged means handled"
    consumer = scene.consumer(min_idle=60).start()
    scene.settles(TIMES)
    assert ends(consumer)


@pytest.mark.parametrize("concurrency", [1, 7])
def test_cancel_at_any_point(place, scene, concurrency):
    async def handler(entry):
        await asyncio.sleep(0.0005)
        scene.ledger.note(entry.id)

    async def run_for(consumer, seconds):
        task = asyncio.create_task(consumer.arun())
        await asyncio.sleep(seconds)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    scene.publish(500)
    for seconds in moments():
        consumer = redisnb.Consumer(
            scene.group(), handler, count=10, min_idle=60, concurrency=concurrency
        )
        asyncio.run(run_for(consumer, seconds))
        assert consumer.state in ("stopped", "starting")
        until(lambda: not place.threads())
        handled = set(scene.ledger.ids())
        assert handled | set(scene.to_come()) >= set(scene.published)
    consumer = scene.consumer(min_idle=60).start()
    # A cancelled entry was not handled: none is handled twice.
    scene.settles(0)
    assert ends(consumer)


@pytest.mark.alone
def test_keyboard_interrupt_while_publishing(scene):
    returned = []

    def publish() -> None:
        while True:
            returned.append(scene.stream.add({"event": str(uuid.uuid4())}))

    for seconds in moments():
        interrupt(seconds / 10, publish)
    there = scene.raw.xrange(scene.key)
    ids = [entry_id for entry_id, _ in there]
    events = [fields["event"] for _, fields in there]
    assert len(events) == len(set(events)), "none twice"
    assert set(returned) <= set(ids)
    assert len(ids) - len(returned) <= TIMES


@pytest.mark.alone
def test_keyboard_interrupt_while_reading(scene):
    """What a read took and could not return is in the backlog."""
    scene.publish(500)
    group, got = scene.group(), []

    def read() -> None:
        while True:
            got.extend(group.read(5)["entry_id"])
            time.sleep(0.001)

    for seconds in moments():
        interrupt(seconds, read)
    got += group.read(10_000, backlog=True)["entry_id"].tolist()
    got += group.read(10_000)["entry_id"].tolist()
    assert set(got) == set(scene.published)


@pytest.mark.alone
def test_keyboard_interrupt_while_starting_and_stopping(place, scene):
    """Whatever comes of it: the consumer can be stopped, and started."""
    scene.publish(300)
    consumer = scene.consumer(min_idle=60)
    for seconds in moments():
        interrupt(seconds / 3, consumer.start)
        interrupt(seconds / 10, consumer.stop)
        assert ends(consumer)
        assert consumer.state in ("stopped", "starting")
        until(lambda: not place.threads())
    consumer.start()
    scene.settles(TIMES)
    assert ends(consumer)


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_a_handler_that_wants_to_end_everything(place, scene, error):
    """Its consumer has failed, and what it had is for others at once."""

    def handler(entry):
        raise error("enough")

    consumer = scene.consumer(handler=handler, min_idle=60).start()
    scene.publish(5)
    shows(consumer, "failed")
    assert isinstance(consumer.error, error)
    until(lambda: not place.threads())
    assert ends(consumer)
    other = scene.consumer("other", min_idle=60).start()
    scene.settles(0)
    assert ends(other)


@pytest.mark.alone
@pytest.mark.filterwarnings("ignore:.*replaces the one that read")
def test_a_cell_that_is_run_twenty_times(place, scene):
    links = set()
    consumers = []
    for _ in range(20):
        consumers.append(scene.consumer(min_idle=60).start())
        scene.publish(5)
        links.add(len(scene.server.links()))
        # One loop and its heartbeat; the last ones may be about to end.
        until(lambda: len(place.threads()) <= 2)
    scene.settles(20)
    assert [each.state for each in consumers] == ["stopped"] * 19 + ["running"]
    assert max(links) <= 3
    assert len(scene.raw.xinfo_consumers(scene.key, "g")) == 1
    assert ends(consumers[-1])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_kernel_that_starts_again(place, scene, number):
    child = place.child(scene, "kernel", min_idle=60).started()
    scene.publish(200)
    until(lambda: scene.handled(20))
    os.kill(child.pid, number)
    child.dies()
    # The same name, at once.
    again = place.child(scene, "kernel", min_idle=60).started()
    scene.works_again()
    scene.settles(1)
    assert len(scene.server.links()) <= 3
    assert again.stop()


def test_two_kernels_under_one_name(place, scene):
    child = place.child(scene, "kernel", min_idle=60).started()
    until(scene.server.blocked)
    with pytest.raises(redisnb.RedisnbError, match="kernel"):
        scene.consumer("kernel").start()
    scene.works_again()
    assert child.state()["state"] == "running"


def test_nothing_after_stop_has_returned(place, scene):
    """A handler that does not return is left behind, and may do so later."""
    waits, go_on, returned = threading.Event(), threading.Event(), threading.Event()

    def handler(entry):
        waits.set()
        assert go_on.wait(20)
        returned.set()

    consumer = scene.consumer(handler=handler, min_idle=60).start()
    scene.publish(5)
    assert waits.wait(deadline(10))
    assert ends(consumer) is False
    assert consumer.state == "failed"
    assert isinstance(consumer.error, TimeoutError)
    left_behind = place.threads()
    acknowledged = scene.server.commands()["xack"]
    # Given back: another one has them although min_idle is a minute.
    other = scene.consumer("other").start()
    scene.settles(0)
    go_on.set()
    assert returned.wait(deadline(5))
    until(lambda: not any(thread.is_alive() for thread in left_behind))
    ours = [line for line in scene.ledger.lines() if line.consumer == "me"]
    assert len(ours) == 1, "the one that it had; no further handler was called"
    assert scene.server.commands()["xack"] - acknowledged <= 5
    assert ends(other)


def held_up(scene):
    """Start a consumer whose first call of the handler does not return until it is told to."""
    waits, go_on = threading.Event(), threading.Event()
    calls = []

    def handler(entry):
        calls.append(entry.id)
        if len(calls) == 1:
            waits.set()
            assert go_on.wait(20)

    consumer = scene.consumer(handler=handler, min_idle=60).start()
    scene.publish(5)
    assert waits.wait(deadline(10))
    return consumer, go_on


def test_starting_again_while_the_handler_does_not_return(place, scene):
    consumer, go_on = held_up(scene)
    assert not ends(consumer)
    consumer.start()
    scene.settles(1)
    go_on.set()
    until(lambda: len(place.threads()) <= 2, 5, "the first run's thread has ended")
    assert consumer.state == "running"
    scene.works_again()
    assert ends(consumer)


@pytest.mark.alone
@pytest.mark.filterwarnings("ignore:.*replaces the one that read")
def test_a_cell_that_is_run_again_while_its_handler_does_not_return(place, scene):
    _, go_on = held_up(scene)
    start = time.monotonic()
    consumer = scene.consumer(min_idle=60).start()
    assert time.monotonic() - start < deadline(STOPPED_WITHIN + SLACK)
    scene.settles(1)
    go_on.set()
    until(lambda: len(place.threads()) <= 2, 5, "the first one's thread has ended")
    assert consumer.state == "running"
    scene.works_again()
    assert ends(consumer)


def test_no_handler_and_no_ack_after_stop(scene):
    for _ in range(5):
        consumer = scene.consumer(min_idle=60).start()
        scene.publish(50)
        until(lambda: scene.handled(5))
        assert ends(consumer)
        handled, acknowledged = len(scene.ledger.ids()), len(scene.pending())
        asked = scene.server.commands().total()
        time.sleep(0.1)  # for whatever might still come
        assert (len(scene.ledger.ids()), len(scene.pending())) == (handled, acknowledged)
        assert scene.server.commands().total() - asked <= 1
    # What is left is for others at once.
    other = scene.consumer("other", min_idle=60).start()
    scene.settles(5)
    assert ends(other)
