"""Consumer: what is handled is settled, nothing else is, and it ends when it is told to."""

import asyncio
import functools
import gc
import os
import signal
import subprocess
import sys
import threading
import time
import warnings

import pandas as pd
import pytest
import redis

from redisnb import Consumer, ConsumerGroup, Stream, connect, frames, stop_all
from redisnb.consumers import consumer as module
from redisnb.consumers import record
from redisnb.errors import ConnectError, GroupMissingError
from redisnb.stream.following import BLOCK
from tests.consuming import STATS, Handler, fill, left, pending, set_block, threads
from tests.deadlines import deadline

pytestmark = pytest.mark.filterwarnings("ignore:text that would be numbers")


@pytest.fixture(autouse=True)
def quick(server, monkeypatch):
    set_block(monkeypatch, 10)


# What is handled


def handlers(seen: list[int]) -> dict[str, dict]:
    """The same handler in every form that is taken."""

    def plain(entry):
        seen.append(entry.id.ms)

    async def coroutine(entry):
        await asyncio.sleep(0)
        seen.append(entry.id.ms)

    class Callable:
        async def __call__(self, entry):
            seen.append(entry.id.ms)

    def frame(frame):
        seen.extend(frame["i"].astype(int))

    async def coroutine_frame(frame):
        seen.extend(frame["i"].astype(int))

    return {
        "plain": {"on_entry": plain},
        "coroutine": {"on_entry": coroutine},
        "partial": {"on_entry": functools.partial(coroutine)},
        "object": {"on_entry": Callable()},
        "frame": {"on_frame": frame},
        "coroutine frame": {"on_frame": coroutine_frame},
    }


every_form = pytest.mark.parametrize("form", list(handlers([])))


@pytest.mark.parametrize("protocol", [2, 3])
@every_form
def test_a_group_is_consumed_and_acknowledged(group, raw, wait_until, form):
    fill(raw, 250)
    seen: list[int] = []
    with Consumer(group, **handlers(seen)[form]) as consumer:
        wait_until(lambda: len(seen) == 250)
        fill(raw, 255, 251)
        wait_until(lambda: consumer.stats["handled"] == 255)
        assert consumer.state == "running"
    assert (consumer.state, consumer.error) == ("stopped", None)
    assert seen == list(range(1, 256))
    assert pending(raw) == []
    assert left(raw) == seen
    assert consumer.stats == dict(zip(STATS, (255, 255, 0, 0, 0, 0, 0), strict=True))
    assert consumer.frame()["i"].tolist() == seen
    assert consumer.errors().empty


@every_form
@pytest.mark.parametrize("after", ["keep", "delete"])
def test_a_stream_is_consumed(stream, raw, wait_until, form, after):
    fill(raw, 250)
    seen: list[int] = []
    with Consumer(stream, **handlers(seen)[form], start="all", after=after) as consumer:
        wait_until(lambda: consumer.stats["handled"] == 250)
    assert seen == list(range(1, 251))
    assert left(raw) == (seen if after == "keep" else [])


def test_a_group_may_delete_what_is_handled(group, raw, wait_until):
    fill(raw, 10)
    handler = Handler(fail=(4,))
    with Consumer(group, handler, after="delete", count=3):
        wait_until(lambda: len(handler.seen) == 10)
    assert (left(raw), pending(raw)) == ([4], [4])


@every_form
def test_run_in_asyncio_code(group, raw, wait_until, form):
    fill(raw, 10)
    seen: list[int] = []
    consumer = Consumer(group, **handlers(seen)[form], count=4)

    async def main():
        task = asyncio.create_task(consumer.arun())
        await asyncio.to_thread(wait_until, lambda: consumer.stats["handled"] == 10)
        assert consumer.state == "running"
        assert threads() == ["redisnb:heartbeat of s"]
        consumer.stop()
        await task

    asyncio.run(main())
    assert (consumer.state, consumer.error) == ("stopped", None)
    assert seen == list(range(1, 11))
    assert pending(raw) == []


@pytest.mark.parametrize(
    ("start", "expected"),
    [(None, []), ("new", []), ("all", [1, 2, 3, 4, 5]), ("4-0", [4, 5]), ("-5min", [])],
)
def test_where_a_stream_begins(stream, raw, wait_until, start, expected):
    fill(raw, 5)
    handler = Handler()
    with Consumer(stream, handler, start=start):
        # Added after start(): new, whether or not the thread has come to its first read.
        raw.xadd("s", {"i": 6}, id=f"{raw.time()[0] * 1000}-0")
        wait_until(lambda: len(handler.seen) > len(expected))
    assert handler.seen[:-1] == expected


def test_the_entry_that_a_handler_gets(group, raw, wait_until):
    raw.xadd("s", {"name": b"\xff", "price": "1.50"}, id="1356998400000-7")
    entries = []
    with Consumer(group, entries.append):
        wait_until(lambda: entries)
    (entry,) = entries
    assert (entry.id, entry.stream) == ("1356998400000-7", "s")
    assert entry.time == pd.Timestamp("2013-01-01", tz="UTC")
    assert entry.fields == ((b"name", b"\xff"), (b"price", b"1.50"))
    assert entry.event == {"name": "�xff", "price": "1.50"}


@pytest.mark.parametrize("batch", [1, 3, 1000])
def test_a_frame_has_at_most_a_batch(group, raw, wait_until, has_schema, batch):
    fill(raw, 10)
    given = []
    with Consumer(group, on_frame=given.append, count=batch) as consumer:
        wait_until(lambda: consumer.stats["handled"] == 10)
    assert [len(frame) for frame in given] == [
        min(batch, 10 - start) for start in range(0, 10, batch)
    ]
    for frame in given:
        assert has_schema(frame, frames.ENTRIES, "i")
    assert pending(raw) == []


@pytest.mark.slow
def test_the_collector_is_paused_for_no_handler_and_no_wait(
    group, raw, server, monkeypatch, wait_until
):
    set_block(monkeypatch, 500)
    fill(raw, 8)
    ran = []

    def handler(frame):
        ran.append(gc.isenabled())
        if len(ran) == 2:
            raise ValueError("no")

    with (
        warnings.catch_warnings(action="ignore"),
        Consumer(group, on_frame=handler, count=4, max_deliveries=1) as consumer,
    ):
        # Both reads were full, so that the next one is taken for one that comes at once.
        wait_until(lambda: consumer.stats["handled"] == 8)
        wait_until(gc.isenabled)
        # And when the next one has come to nothing, there is no pause any more.
        calls = raw.info("commandstats")["cmdstat_xreadgroup"]["calls"]
        wait_until(lambda: raw.info("commandstats")["cmdstat_xreadgroup"]["calls"] > calls + 1)
        assert gc.isenabled()
    assert all(ran)
    assert len(ran) > 2
    assert gc.isenabled()


@pytest.mark.parametrize("protocol", [2, 3])
def test_its_own_backlog_comes_first(group, raw, wait_until):
    fill(raw, 6)
    group.read(3)
    ConsumerGroup(group.stream, "g", consumer="other").read(1)
    raw.xdel("s", "2-0")
    handler = Handler()
    with Consumer(group, handler, count=2) as consumer:
        wait_until(lambda: len(handler.seen) == 4)
        wait_until(lambda: consumer.stats["handled"] == 4)
    assert handler.seen == [1, 3, 5, 6]
    assert consumer.stats == dict(zip(STATS, (5, 4, 0, 1, 0, 0, 0), strict=True))
    assert consumer.frame().attrs["trimmed"] == ["2-0"]
    assert pending(raw) == [4], "that one is another consumer's; the one without a body is settled"


def test_a_frame_handler_does_not_see_entries_without_a_body(group, raw, wait_until):
    fill(raw, 3)
    group.read()
    raw.xdel("s", "1-0", "2-0", "3-0")
    given = []
    with Consumer(group, on_frame=given.append):
        wait_until(lambda: pending(raw) == [])
    assert given == []


@pytest.mark.parametrize("protocol", [2, 3])
def test_two_consumers_share_a_group(group, raw, wait_until):
    handler, other = Handler(), Handler()
    second = ConsumerGroup(group.stream, "g", consumer="other")
    with Consumer(group, handler, count=5), Consumer(second, other, count=5):
        fill(raw, 500)
        wait_until(lambda: len(handler.seen) + len(other.seen) == 500)
        wait_until(lambda: pending(raw) == [])
    assert sorted(handler.seen + other.seen) == list(range(1, 501))


# What is not handled


def test_a_raising_handler_leaves_its_entry_pending(group, raw, wait_until, has_schema):
    assert has_schema(Consumer(group, print).errors(), frames.ERRORS)
    fill(raw, 10)
    handler = Handler(fail=(3, 7))
    with Consumer(group, handler, count=4) as consumer:
        wait_until(lambda: consumer.stats["handled"] == 8)
        assert consumer.state == "running"
    assert handler.seen == list(range(1, 11)), "each once: no hot loop on what fails"
    assert pending(raw) == [3, 7]
    assert consumer.stats == dict(zip(STATS, (10, 8, 2, 0, 0, 0, 0), strict=True))
    errors = consumer.errors()
    assert has_schema(errors, frames.ERRORS)
    assert errors.iloc[:, :3].to_numpy().tolist() == [
        ["3-0", "ValueError", "no 3 today"],
        ["7-0", "ValueError", "no 7 today"],
    ]
    assert errors["traceback"][0].startswith("Traceback")
    assert "in __call__" in errors["traceback"][0]
    # Started again it tries them first, and goes on.
    handler.fail, handler.seen = (7,), []
    fill(raw, 11, 11)
    with consumer:
        wait_until(lambda: handler.seen == [3, 7, 11])
        wait_until(lambda: pending(raw) == [7])


@pytest.mark.parametrize("form", ["coroutine", "frame", "coroutine frame"])
def test_a_raising_handler_of_another_form(group, raw, wait_until, form):
    fill(raw, 6)

    async def coroutine(entry):
        await asyncio.sleep(0)
        1 / (entry.id.ms - 2)

    def frame(frame):
        1 / (int(frame["i"].iloc[0]) - 3)

    async def coroutine_frame(given):
        frame(given)

    handler = {
        "coroutine": {"on_entry": coroutine},
        "frame": {"on_frame": frame},
        "coroutine frame": {"on_frame": coroutine_frame},
    }[form]
    with Consumer(group, **handler, count=2) as consumer:
        wait_until(lambda: consumer.stats["received"] == 6)
        wait_until(lambda: consumer.stats["handled"] + consumer.stats["failed"] == 6)
    expected = [2] if form == "coroutine" else [3]
    assert pending(raw) == expected
    assert consumer.errors()["entry_id"].tolist() == [f"{expected[0]}-0"]
    assert consumer.errors()["error"].tolist() == ["ZeroDivisionError"]
    assert consumer.stats["failed"] == len(expected)


def test_without_a_group_a_failing_entry_is_passed_over_and_not_deleted(stream, raw, wait_until):
    fill(raw, 5)
    handler = Handler(fail=(2, 4))
    with Consumer(stream, handler, start="all", after="delete") as consumer:
        wait_until(lambda: consumer.stats["handled"] == 3)
    assert left(raw) == [2, 4]
    assert consumer.errors()["entry_id"].tolist() == ["2-0", "4-0"]


def test_it_keeps_only_the_last_of_everything(group, raw, wait_until, monkeypatch):
    monkeypatch.setattr(record, "KEPT_ENTRIES", 7)
    monkeypatch.setattr(record, "KEPT_ERRORS", 3)
    fill(raw, 20)
    with Consumer(group, Handler(fail=tuple(range(1, 21)))) as consumer:
        wait_until(lambda: consumer.stats["failed"] == 20)
    assert consumer.frame()["i"].tolist() == list(range(14, 21))
    assert consumer.errors()["entry_id"].tolist() == ["18-0", "19-0", "20-0"]


def test_what_it_shows_is_empty_before_it_runs(group, has_schema):
    consumer = Consumer(group, print)
    assert has_schema(consumer.frame(), frames.ENTRIES)
    assert (consumer.state, consumer.error) == ("stopped", None)
    assert consumer.stats == dict.fromkeys(STATS, 0)
    assert consumer.stop() is True


# The end


def test_stop_leaves_the_rest_pending(group, raw, wait_until):
    fill(raw, 10)
    handler = Handler(wait=3)
    consumer = Consumer(group, handler).start()
    assert handler.waits.wait(deadline(10))
    stopping = threading.Thread(target=consumer.stop)
    stopping.start()
    wait_until(lambda: consumer._worker.is_stopping)
    handler.go_on.set()
    stopping.join()
    assert handler.seen == [1, 2, 3]
    assert consumer.state == "stopped"
    assert pending(raw) == list(range(4, 11))
    assert consumer.stats == dict(zip(STATS, (10, 3, 0, 0, 0, 0, 0), strict=True))


def test_stop_from_inside_a_handler(group, raw, wait_until):
    fill(raw, 10)
    said = []

    def handler(entry):
        if entry.id.ms == 3:
            said.append(consumer.stop())

    consumer = Consumer(group, handler).start()
    wait_until(lambda: consumer.state == "stopped")
    assert said == [False], "it cannot wait for itself"
    assert consumer.stop() is True
    assert pending(raw) == list(range(4, 11))


def test_stop_from_inside_a_coroutine_handler(group, raw):
    fill(raw, 10)

    async def handler(entry):
        if entry.id.ms == 3:
            consumer.stop()

    consumer = Consumer(group, handler)
    asyncio.run(consumer.arun())
    assert consumer.state == "stopped"
    assert pending(raw) == list(range(4, 11))


def test_stop_is_fast_when_nothing_happens(group, raw, wait_until, monkeypatch):
    set_block(monkeypatch, BLOCK)
    consumer = Consumer(group, print).start()
    wait_until(lambda: raw.info("clients")["blocked_clients"])
    start = time.monotonic()
    assert consumer.stop() is True
    assert time.monotonic() - start < deadline(1)
    wait_until(lambda: threads() == [])


def test_stop_does_not_wait_long_for_a_handler_that_hangs(group, raw, wait_until, monkeypatch):
    monkeypatch.setattr(module, "STOP_WITHIN", 0.2)
    fill(raw, 3)
    handler = Handler(wait=2)
    consumer = Consumer(group, handler).start()
    assert handler.waits.wait(deadline(10))
    start = time.monotonic()
    assert consumer.stop() is False
    assert 0.2 <= time.monotonic() - start < deadline(1)
    assert consumer.state == "failed"
    assert isinstance(consumer.error, TimeoutError)
    assert "the handler did not return" in str(consumer.error)
    # Others may have what it holds at once, and it is not acknowledged any more.
    other = ConsumerGroup(group.stream, "g", consumer="other")
    wait_until(lambda: len(other.pending(min_idle="1h")) == 3)
    assert other.autoclaim(min_idle="1min")["i"].tolist() == [1, 2, 3]
    # The same consumer can be started again before that.
    fill(raw, 4, 4)
    second = Handler()
    with Consumer(group, second) as again:
        wait_until(lambda: second.seen == [4])
        handler.go_on.set()
        wait_until(lambda: len(threads()) == 2)
        assert (again.state, handler.seen) == ("running", [1, 2])
    assert consumer.state == "failed"
    assert pending(raw) == [1, 2, 3]


@pytest.mark.slow
def test_stop_returns_when_the_server_hangs(tcp_server, wait_until, monkeypatch):
    set_block(monkeypatch, BLOCK)
    stream = Stream(connect(tcp_server.url), "s")
    consumer = Consumer(stream, print).start()
    wait_until(lambda: tcp_server.client.info("clients")["blocked_clients"])
    os.kill(tcp_server.process.pid, signal.SIGSTOP)
    start = time.monotonic()
    consumer.stop()
    assert time.monotonic() - start < deadline(2.5)
    os.kill(tcp_server.process.pid, signal.SIGCONT)
    wait_until(lambda: consumer.state == "stopped")


def test_it_can_be_started_again_and_again(group, raw, wait_until):
    handler = Handler()
    consumer = Consumer(group, handler)
    for i in range(1, 6):
        assert consumer.start() is consumer
        assert consumer.start() is consumer, "running, it stays so"
        fill(raw, i, i)
        wait_until(lambda n=i: consumer.stats["handled"] == n)
        # The loop and its heartbeat; the last ones may be about to end.
        wait_until(lambda: len(threads()) == 2)
        assert consumer.stop()
    assert handler.seen == [1, 2, 3, 4, 5]


def test_one_loop_at_a_time(group, wait_until):
    with Consumer(group, print) as consumer, pytest.raises(RuntimeError, match="is running"):
        asyncio.run(consumer.arun())


def pressed_before(original):
    def press(*_, **options):
        raise KeyboardInterrupt

    return press


def pressed_after(original):
    def press(*arguments, **options):
        original(*arguments, **options)
        raise KeyboardInterrupt

    return press


@pytest.mark.parametrize("press", [pressed_before, pressed_after])
@pytest.mark.parametrize(
    "place", [(module, "this_run"), (module, "begin"), (threading.Thread, "start")]
)
def test_a_ctrl_c_while_it_starts_leaves_nothing_running(
    group, raw, wait_until, monkeypatch, press, place
):
    consumer = Consumer(group, lambda entry: None)
    with monkeypatch.context() as patch:
        patch.setattr(module, "STOP_WITHIN", deadline(1))
        owner, name = place
        patch.setattr(owner, name, press(getattr(owner, name)))
        with pytest.raises(KeyboardInterrupt):
            consumer.start()
        began = time.monotonic()
        assert consumer.stop() is True
        assert time.monotonic() - began < deadline(0.8)
    wait_until(lambda: threads() == [])
    fill(raw, 1)
    with consumer:
        wait_until(lambda: pending(raw) == [] and consumer.stats["handled"] == 1)


def test_stop_all(group, stream, raw, wait_until):
    consumers = [
        Consumer(ConsumerGroup(stream, "g", consumer=f"c{i}"), print).start() for i in range(5)
    ]
    wait_until(lambda: raw.info("clients")["blocked_clients"] == 5)
    wait_until(lambda: len(threads()) == 10)
    start = time.monotonic()
    stop_all()
    assert time.monotonic() - start < deadline(2)
    assert [consumer.state for consumer in consumers] == ["stopped"] * 5
    wait_until(lambda: threads() == [])


def test_no_link_is_left(server, raw, wait_until):
    def links() -> int:
        return sum(each["name"].startswith(("mine", "redisnb:")) for each in raw.client_list())

    raw.flushall()
    with connect(server.url, client_name="mine") as conn:
        group = ConsumerGroup(Stream(conn, "s"), "g")
        group.create()
        before = links()
        for _ in range(3):
            with Consumer(group, print):
                wait_until(lambda: links() > before)
            wait_until(lambda: links() == before)
        raw.xgroup_destroy("s", "g")
        with pytest.raises(GroupMissingError):
            asyncio.run(Consumer(group, print).arun())
        wait_until(lambda: links() == before)


@pytest.mark.slow
def test_a_process_with_a_running_consumer_ends(server, raw):
    raw.flushall()
    fill(raw, 3)
    script = """
import sys, redisnb as rnb
stream = rnb.Stream(rnb.connect(sys.argv[1]), "s")
consumer = rnb.Consumer(stream, lambda entry: print(entry.id, flush=True), start="all").start()
while consumer.stats["handled"] < 3:
    pass
"""
    done = subprocess.run(
        [sys.executable, "-c", script, server.url], capture_output=True, text=True, timeout=20
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "1-0\n2-0\n3-0\n", "")


# Blocking


def test_run_returns_when_a_handler_stops_it(group, raw, wait_until):
    fill(raw, 5)

    def handler(entry):
        if entry.id.ms == 3:
            consumer.stop()

    consumer = Consumer(group, handler)
    assert consumer.run() is None
    assert (consumer.state, pending(raw)) == ("stopped", [4, 5])
    consumer = Consumer(group, lambda entry: None, timeout="50ms")
    consumer.run()
    assert (consumer.stats["handled"], pending(raw)) == (2, [])
    wait_until(lambda: threads() == [])


def test_run_waits_inside_a_running_event_loop_too(stream, raw):
    fill(raw, 3)
    seen = []

    async def cell():
        Consumer(stream, seen.append, start="all", timeout="50ms").run()

    asyncio.run(cell())
    assert [entry.id.ms for entry in seen] == [1, 2, 3]


def test_run_raises_what_ends_it(group, raw, wait_until):
    fill(raw, 2)
    consumer = Consumer(group, lambda entry: raw.delete("s"))
    with pytest.raises(GroupMissingError, match=r"create\(\) makes it"):
        consumer.run()
    assert consumer.state == "failed"
    wait_until(lambda: threads() == [])


def test_run_is_for_one_that_is_not_running(group, raw):
    with Consumer(group, print) as consumer:
        with pytest.raises(RuntimeError, match="is running; make another Consumer"):
            consumer.run()
        assert consumer.state in ("starting", "running")


@pytest.mark.slow
def test_a_ctrl_c_ends_run_in_order(server, raw, wait_until):
    raw.flushall()
    raw.xgroup_create("s", "g", "0", mkstream=True)
    script = """
import sys, threading, redisnb as rnb
group = rnb.ConsumerGroup(rnb.Stream(rnb.connect(sys.argv[1]), "s"), "g")
consumer = rnb.Consumer(group, lambda entry: print(entry.id, flush=True))
try:
    consumer.run()
finally:
    print(consumer.state, threading.active_count(), flush=True)
"""
    command = [sys.executable, "-c", script, server.url]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        fill(raw, 2)
        wait_until(lambda: raw.info("clients")["blocked_clients"] and not pending(raw))
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=deadline(10))
    assert out == "1-0\n2-0\nstopped 1\n"
    assert err.endswith("KeyboardInterrupt\n")
    assert run.returncode == -signal.SIGINT
    fill(raw, 1, start=3)
    assert pending(raw) == []


# Cancelled


def cancel_at(consumer: Consumer, reached: asyncio.Event) -> None:
    async def main():
        task = asyncio.create_task(consumer.arun())
        await asyncio.wait_for(reached.wait(), 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_a_cancel_settles_what_was_handled_and_nothing_else(group, raw):
    fill(raw, 10)
    reached, cleaned = asyncio.Event(), []

    async def handler(entry):
        if entry.id.ms == 3:
            reached.set()
            try:
                await asyncio.sleep(20)
            finally:
                cleaned.append(entry.id.ms)

    consumer = Consumer(group, handler)
    cancel_at(consumer, reached)
    assert (consumer.state, consumer.error, cleaned) == ("stopped", None, [3])
    assert pending(raw) == list(range(3, 11))
    assert consumer.stats == dict(zip(STATS, (10, 2, 0, 0, 0, 0, 0), strict=True))
    # Nothing is lost: the next run has them.
    handler = Handler()
    consumer = Consumer(group, handler)
    handler.wait = 10
    handler.go_on.set()
    with consumer:
        assert handler.waits.wait(deadline(10))
    assert (handler.seen, pending(raw)) == (list(range(3, 11)), [])


def test_a_cancel_of_a_frame_handler_settles_nothing(group, raw):
    fill(raw, 3)
    reached = asyncio.Event()

    async def handler(frame):
        reached.set()
        await asyncio.sleep(20)

    cancel_at(Consumer(group, on_frame=handler, after="delete"), reached)
    assert (pending(raw), left(raw)) == ([1, 2, 3], [1, 2, 3])


def test_a_cancel_while_it_waits_for_entries(group, raw, wait_until):
    consumer = Consumer(group, print)

    async def main():
        task = asyncio.create_task(consumer.arun())
        await asyncio.to_thread(wait_until, lambda: raw.info("clients")["blocked_clients"])
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert consumer.state == "stopped"
    wait_until(lambda: raw.info("clients")["blocked_clients"] == 0)
    fill(raw, 1)
    assert group.read()["i"].tolist() == [1]


# Failed


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_an_exit_in_a_handler_ends_the_consumer_and_not_the_process(
    group, raw, wait_until, capfd, error
):
    fill(raw, 5)

    def handler(entry):
        if entry.id.ms == 3:
            raise error("enough")

    consumer = Consumer(group, handler).start()
    wait_until(lambda: not threads())
    assert consumer.state == "failed"
    assert isinstance(consumer.error, error)
    assert pending(raw) == [3, 4, 5]
    assert capfd.readouterr() == ("", "")
    with pytest.raises(error):
        asyncio.run(Consumer(group, handler).arun())
    assert pending(raw) == [3, 4, 5]


@pytest.mark.parametrize("key", ["s", "missing"])
def test_a_missing_group_is_an_error_at_once(stream, conn, raw, wait_until, key):
    fill(raw, 1)
    consumer = Consumer(ConsumerGroup(Stream(conn, key), "g"), print)
    begins = consumer.start, consumer.run, lambda: asyncio.run(consumer.arun()), consumer.__enter__
    for begin in begins:
        with pytest.raises(GroupMissingError, match=r"create\(\) makes it"):
            begin()
        assert consumer.state == "stopped"
    wait_until(lambda: threads() == [])


def test_another_type_of_key_is_an_error_at_once(stream, raw):
    raw.set("s", "text")
    for source in (stream, ConsumerGroup(stream, "g")):
        with pytest.raises(redis.ResponseError, match="wrong kind of value"):
            Consumer(source, print).start()


@pytest.mark.slow
def test_no_server_is_an_error_at_once(tcp_server):
    stream = Stream(connect(tcp_server.url), "s")
    tcp_server.kill()
    consumer = Consumer(stream, print)
    with pytest.raises(ConnectError, match="Connection refused"):
        consumer.start()
    assert consumer.state == "stopped"


GONE = {
    "destroyed": lambda raw: raw.xgroup_destroy("s", "g"),
    "deleted": lambda raw: raw.delete("s"),
    "flushed": lambda raw: raw.flushall(),
    "renamed": lambda raw: raw.rename("s", "t"),
}


@pytest.mark.parametrize("how", GONE)
def test_a_group_that_vanishes_fails_its_consumer(group, raw, wait_until, how):
    fill(raw, 1)
    handler = Handler()
    consumer = Consumer(group, handler).start()
    wait_until(lambda: raw.info("clients")["blocked_clients"])
    GONE[how](raw)
    wait_until(lambda: consumer.state == "failed")
    assert isinstance(consumer.error, GroupMissingError)
    assert (consumer.error.stream, consumer.error.group) == ("s", "g")
    assert consumer.stop() is True
    wait_until(lambda: threads() == [])
    assert consumer.state == "failed", "also after stop()"
    # With a new group it can start again.
    group.create("all")
    with consumer:
        raw.xadd("s", {"i": 1}, id="77-0")
        wait_until(lambda: handler.seen[-1] == 77)
        assert (consumer.state, consumer.error) == ("running", None)


def test_a_group_that_vanishes_under_a_coroutine(group, raw, wait_until):
    consumer = Consumer(group, print)

    async def main():
        task = asyncio.create_task(consumer.arun())
        await asyncio.to_thread(wait_until, lambda: raw.info("clients")["blocked_clients"])
        raw.xgroup_destroy("s", "g")
        await task

    with pytest.raises(GroupMissingError):
        asyncio.run(main())
    assert consumer.state == "failed"


def test_a_stream_that_becomes_something_else_fails_its_consumer(stream, raw, wait_until):
    fill(raw, 1)
    with Consumer(stream, print) as consumer:
        raw.set("s", "text")
        wait_until(lambda: consumer.state == "failed")
    assert "wrong kind of value" in str(consumer.error)
    assert "'s' holds another type of value" in consumer.error.__notes__[0]


def test_a_user_who_is_locked_out_fails_the_consumer(tcp_server, wait_until):
    admin = tcp_server.client
    admin.execute_command("ACL", "SETUSER", "worker", "on", ">first", "+@all", "~*")
    with connect(f"redis://worker:first@127.0.0.1:{tcp_server.port}") as conn:
        consumer = Consumer(Stream(conn, "s"), print).start()
        admin.execute_command("ACL", "SETUSER", "worker", "resetpass", ">second")
        admin.client_kill_filter(user="worker")
        wait_until(lambda: consumer.state == "failed")
    assert isinstance(consumer.error, ConnectError)
    assert "it refused the user name or password" in str(consumer.error)
    assert "first" not in f"{consumer.error!r} {consumer.error.__cause__!r}"


# The server goes away


@pytest.fixture
def lasting(tcp_server) -> ConsumerGroup:
    """A group on a server that keeps it over a restart."""
    group = ConsumerGroup(Stream(connect(tcp_server.url), "s", format="fields"), "g")
    group.create("all")
    return group


def test_a_server_that_comes_back(tcp_server, lasting, wait_until):
    handler = Handler()
    with Consumer(lasting, handler) as consumer:
        for i in (1, 2):
            fill(tcp_server.client, i, i)
            wait_until(lambda n=i: consumer.stats["handled"] == n)
            wait_until(lambda: pending(tcp_server.client) == [])
            tcp_server.kill()
            wait_until(lambda: consumer.state == "stalled")
            assert isinstance(consumer.error, redis.ConnectionError)
            tcp_server.start()
            wait_until(lambda: consumer.state == "running", 3)
            assert consumer.error is None
        fill(tcp_server.client, 3, 3)
        wait_until(lambda: consumer.stats["handled"] == 3)
        wait_until(lambda: pending(tcp_server.client) == [])
    assert handler.seen == [1, 2, 3]


def test_a_server_that_goes_before_the_acknowledgement(tcp_server, lasting, wait_until):
    fill(tcp_server.client, 5)
    seen = []

    def handler(entry):
        seen.append(entry.id.ms)
        if seen == [1, 2]:
            tcp_server.kill()

    with Consumer(lasting, handler) as consumer:
        wait_until(lambda: consumer.state == "stalled")
        assert seen == [1, 2, 3, 4, 5]
        tcp_server.start()
        wait_until(lambda: consumer.state == "running")
        wait_until(lambda: pending(tcp_server.client) == [])
    assert seen == [1, 2, 3, 4, 5], "handled, and acknowledged as soon as the server is back"


def test_a_server_that_comes_back_empty_fails_the_group(tcp_server, lasting, wait_until):
    with Consumer(lasting, print) as consumer:
        tcp_server.client.flushall()
        wait_until(lambda: consumer.state == "failed")
        assert isinstance(consumer.error, GroupMissingError)


def test_a_link_that_the_server_cuts(group, raw, wait_until):
    handler = Handler()
    with Consumer(group, handler) as consumer:
        for i in (1, 2, 3):
            wait_until(lambda: raw.info("clients")["blocked_clients"])
            raw.client_kill_filter(_type="normal", skipme=True)
            fill(raw, i, i)
            wait_until(lambda n=i: handler.seen == list(range(1, n + 1)))
            wait_until(lambda: consumer.state == "running")
    assert pending(raw) == []


def test_a_server_that_hangs_for_a_while(tcp_server, lasting, wait_until):
    handler = Handler()
    with connect(tcp_server.url, timeout=deadline(0.2)) as conn:
        group = ConsumerGroup(Stream(conn, "s", format="fields"), "g")
        with Consumer(group, handler, count=2) as consumer:
            wait_until(lambda: tcp_server.client.info("clients")["blocked_clients"])
            os.kill(tcp_server.process.pid, signal.SIGSTOP)
            try:
                wait_until(lambda: consumer.state == "stalled")
                assert isinstance(consumer.error, redis.TimeoutError)
            finally:
                os.kill(tcp_server.process.pid, signal.SIGCONT)
            fill(tcp_server.client, 5)
            wait_until(lambda: consumer.state == "running")
            wait_until(lambda: consumer.stats["handled"] == 5)
            wait_until(lambda: pending(tcp_server.client) == [])
    assert handler.seen == [1, 2, 3, 4, 5]


def test_stop_while_the_server_is_away(tcp_server, lasting, wait_until):
    consumer = Consumer(lasting, print).start()
    tcp_server.kill()
    wait_until(lambda: consumer.state == "stalled")
    start = time.monotonic()
    assert consumer.stop() is True
    assert time.monotonic() - start < deadline(2)
    assert consumer.state == "stopped"


# Its arguments


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, TypeError, "give one handler"),
        ({"on_entry": print, "on_frame": print}, TypeError, "give one handler"),
        ({"on_entry": "print"}, TypeError, "the handler is a function, not 'print'"),
        ({"on_frame": "print"}, TypeError, "the handler is a function, not 'print'"),
        ({"on_entry": print, "after": "archive"}, ValueError, "after='archive'; choose"),
        (
            {"on_entry": print, "after": "pending", "max_deliveries": 2},
            ValueError,
            "leave one of them out",
        ),
        ({"on_entry": print, "count": 0}, ValueError, "count=0; give a whole number, at least 1"),
        ({"on_entry": print, "count": -1}, ValueError, "count=-1"),
        ({"on_entry": print, "start": "all"}, ValueError, "start= is for a stream"),
    ],
)
def test_arguments_that_do_not_fit(group, arguments, error, message):
    with pytest.raises(error, match=message):
        Consumer(group, **arguments)


def test_nothing_of_a_stream_is_pending(stream):
    with pytest.raises(ValueError, match=r"is for a group; .* choose 'keep'"):
        Consumer(stream, print, after="pending")


def test_a_source_that_is_none(conn):
    with pytest.raises(TypeError, match="or a list of either, not Connection"):
        Consumer(conn, print)


def test_its_repr(group, stream):
    assert repr(Consumer(stream, print)) == "Consumer('s', start='new', stopped)"
    assert repr(Consumer(group, print)) == "Consumer('g' as 'me', stopped)"


def test_a_timeout_ends_it_when_nothing_has_come_for_so_long(conn):
    stream = Stream(conn, "s")
    stream.add_many([{"i": i} for i in range(3)])
    seen = []
    consumer = Consumer(stream, seen.append, start="all", timeout="50ms")
    asyncio.run(consumer.arun())
    assert (len(seen), consumer.state) == (3, "stopped")


def test_a_timeout_ends_the_thread_too(group, wait_until):
    consumer = Consumer(group, lambda entry: None, timeout=0.05).start()
    wait_until(lambda: consumer.state == "stopped")
    assert consumer.stop()


def test_frame_gives_the_last_entries(conn):
    stream = Stream(conn, "s")
    stream.add_many([{"i": i} for i in range(5)])
    consumer = Consumer(stream, lambda entry: None, start="all", timeout="10ms")
    asyncio.run(consumer.arun())
    assert consumer.frame(2)["i"].tolist() == [3, 4]
    assert consumer.frame(0).empty
    assert consumer.frame()["i"].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("grouped", [False, True])
def test_only_an_empty_read_ends_it(conn, raw, grouped):
    """Also where the time is over before it could read: entries may be there."""
    for i in range(1, 2_000):
        raw.xadd("s", {"i": i}, id=f"{i}-0")
    stream = Stream(conn, "s")
    group = ConsumerGroup(stream, "g")
    group.create("all")
    source, options = (group, {}) if grouped else (stream, {"start": "all"})
    consumer = Consumer(source, lambda entry: None, timeout=0, **options)
    consumer.run()
    assert consumer.stats["handled"] == 1_999
