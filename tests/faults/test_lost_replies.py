"""Replies that are lost, cut, late, or come byte by byte; the server has done what it was asked."""

import asyncio
import contextlib
import warnings

import pytest
import redis

import redisnb
from tests.deadlines import deadline, until
from tests.faults.scene import ends

TIMEOUT = 0.5
#: What becomes of a reply. A late one comes after the timeout of a read that blocks for 0.5 s.
FAULTS = {
    "lost": lambda proxy, command, **more: proxy.lose(command, **more),
    "cut": lambda proxy, command, **more: proxy.cut(command, at=3, **more),
    "late": lambda proxy, command, **more: proxy.delay(command, seconds=1.3, **more),
    "bytes": lambda proxy, command, **more: proxy.drip(command, **more),
}
every_fault = pytest.mark.parametrize("fault", FAULTS)
both_protocols = pytest.mark.parametrize("protocol", [2, 3])


def events(scene) -> list[str]:
    return [fields["event"] for _, fields in scene.raw.xrange(scene.key)]


# XADD


@every_fault
def test_add(place, fault):
    scene = place.scene(timeout=TIMEOUT)
    happens = FAULTS[fault](scene.proxy, "XADD")
    with (
        contextlib.nullcontext() if fault == "bytes" else pytest.raises(redisnb.UncertainWriteError)
    ):
        scene.stream.add({"event": 1})
    until(lambda: happens.hits == 1)
    assert events(scene) == ["1"], "there, once: it is not sent again"
    # A late reply is not taken for the next one.
    assert scene.stream.add({"event": 2}) == scene.raw.xrevrange(scene.key, count=1)[0][0]


@every_fault
def test_add_with_an_id(place, fault):
    scene = place.scene(timeout=TIMEOUT)
    happens = FAULTS[fault](scene.proxy, "XADD")
    assert scene.stream.add({"event": 1}, id="5-1") == "5-1"
    until(lambda: happens.hits == 1)
    assert scene.stream.add({"event": 2}, id="5-2") == "5-2"
    assert events(scene) == ["1", "2"]


@pytest.mark.alone
@every_fault
def test_add_many(place, fault):
    scene = place.scene(timeout=TIMEOUT)
    # The reply to the 6th of 10.
    happens = FAULTS[fault](scene.proxy, "XADD", when=lambda request, reply: b"5" in request)
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always", redisnb.RedisnbWarning)
        frame = scene.stream.add_many([{"event": n} for n in range(10)])
    until(lambda: happens.hits == 1)
    assert events(scene) == list("0123456789")
    if fault == "bytes":
        assert set(frame["status"]) == {"added"}
    else:
        assert frame["status"].tolist() == ["added"] * 5 + ["unknown"] * 5
    added = frame.loc[frame["status"] == "added", "entry_id"].tolist()
    assert added == [id for id, _ in scene.raw.xrange(scene.key)][: len(added)]


@every_fault
def test_add_many_with_ids(place, fault):
    scene = place.scene(timeout=TIMEOUT)
    happens = FAULTS[fault](scene.proxy, "XADD", when=lambda request, reply: b"5" in request)
    ids = [f"7-{n}" for n in range(10)]
    frame = scene.stream.add_many([{"event": n} for n in range(10)], ids=ids)
    until(lambda: happens.hits == 1)
    assert frame["status"].tolist() == ["added"] * 10
    assert frame["entry_id"].tolist() == ids
    assert events(scene) == list("0123456789")


# What a consumer asks


def with_entries(request: list[bytes], reply: bytes) -> bool:
    """A read that gave something: its reply is no nil, and no empty list."""
    return len(reply) > 50


def holds_something(request: list[bytes], reply: bytes) -> bool:
    """A claim or a list that has an entry in it, and is not one of those of `start`."""
    by_the_consumer = request[0].upper() != b"XPENDING" or request[-1] == b"me"
    return by_the_consumer and b"-" in reply.replace(b"0-0", b"")


def changes_something(request: list[bytes], reply: bytes) -> bool:
    """An acknowledgement, or a read or claim that gave something."""
    return request[0].upper() == b"XACK" or holds_something(request, reply)


@every_fault
@both_protocols
def test_xreadgroup(place, fault, protocol):
    scene = place.scene(timeout=TIMEOUT, protocol=protocol)
    happens = FAULTS[fault](scene.proxy, "XREADGROUP", when=with_entries)
    # With a min_idle of a minute nothing but its own backlog brings them back.
    consumer = scene.consumer(min_idle=60).start()
    scene.publish(3)
    scene.settles(0)
    until(lambda: happens.hits == 1)
    assert ends(consumer)


@every_fault
def test_xreadgroup_of_the_backlog(place, fault):
    scene = place.scene(timeout=TIMEOUT)
    scene.leave_behind(3, owner="me", idle=0)
    happens = FAULTS[fault](scene.proxy, "XREADGROUP", when=with_entries)
    consumer = scene.consumer(min_idle=60).start()
    scene.settles(0)
    until(lambda: happens.hits == 1)
    assert ends(consumer)


@every_fault
def test_xack(place, fault):
    scene = place.scene(timeout=TIMEOUT)
    happens = FAULTS[fault](scene.proxy, "XACK")
    consumer = scene.consumer(min_idle=60).start()
    scene.publish(3)
    scene.settles(0)
    until(lambda: happens.hits == 1)
    scene.works_again()
    scene.settles(0)
    assert consumer.stats["handled"] == 4
    assert ends(consumer)


@pytest.mark.parametrize("command", ["XAUTOCLAIM", "XCLAIM", "XPENDING"])
@every_fault
def test_the_sweep(place, command, fault):
    scene = place.scene(timeout=TIMEOUT)
    scene.leave_behind(5)
    happens = FAULTS[fault](scene.proxy, command, when=holds_something)
    consumer = scene.consumer(min_idle=2).start()
    # What was claimed by a command whose reply is lost is its own, and is in its backlog.
    scene.settles(0)
    until(lambda: happens.hits == 1)
    assert ends(consumer)


@pytest.mark.parametrize("command", ["XPENDING", "XCLAIM"])
@every_fault
def test_the_heartbeat(place, command, fault):
    scene = place.scene(timeout=TIMEOUT)
    happens = FAULTS[fault](scene.proxy, command, when=holds_something)
    consumer = scene.consumer(handler=until_hit(happens), min_idle=1).start()
    scene.publish(3)
    scene.settles(0)
    until(lambda: happens.hits == 1)
    assert ends(consumer)


def until_hit(fault):
    """Make a handler that takes as long as it takes the fault to happen."""
    return lambda entry: until(lambda: fault.hits)


def test_one_reply_of_each_kind_after_the_other(place):
    scene = place.scene(timeout=TIMEOUT)
    consumer = scene.consumer(min_idle=60).start()
    for fault in FAULTS.values():
        for command in ("XREADGROUP", "XACK"):
            happens = fault(scene.proxy, command, when=lambda request, reply: True)
            scene.publish(3)
            until(lambda happens=happens: happens.hits == 1)
            until(scene.handled)
    scene.settles(len(FAULTS))
    assert ends(consumer)


def test_a_read_that_is_lost_is_no_reason_to_bury(place):
    """It counts as a delivery, and no client has seen the entries."""
    scene = place.scene(timeout=TIMEOUT)
    happens = scene.proxy.lose("XREADGROUP", when=with_entries)
    consumer = scene.consumer(min_idle=60, max_deliveries=1).start()
    scene.publish(5)
    scene.settles(0)
    until(lambda: happens.hits == 1)
    assert consumer.stats["dead"] == 0
    assert ends(consumer)


@every_fault
def test_the_last_chance(place, fault):
    """Before an entry that may kill its consumers is handed over, it is marked; then it is."""
    scene = place.scene(timeout=TIMEOUT)
    ids = scene.leave_behind(3, owner="me", idle=0)
    scene.raw.xclaim(scene.key, "g", "me", 0, ids, retrycount=5, justid=True)
    happens = FAULTS[fault](
        scene.proxy, "XCLAIM", when=lambda request, reply: b"RETRYCOUNT" in request
    )
    consumer = scene.consumer(min_idle=60, max_deliveries=2).start()
    scene.settles(0)
    until(lambda: happens.hits == 1)
    assert consumer.stats["dead"] == 0, "no handler had it"
    assert ends(consumer)


def test_stop_just_before_the_last_chance(place):
    """The mark is there and the handler was not called: another one must not take it for dead."""
    scene = place.scene()
    ids = scene.leave_behind(3, owner="me", idle=0)
    scene.raw.xclaim(scene.key, "g", "me", 0, ids, retrycount=5, justid=True)
    happens = scene.proxy.delay(
        "XCLAIM",
        # Long enough for `stop`, and not longer than it waits.
        seconds=min(deadline(0.4), 1.5),
        when=lambda request, reply: b"RETRYCOUNT" in request,
    )
    consumer = scene.consumer(min_idle=60, max_deliveries=2).start()
    until(lambda: happens.hits)
    assert ends(consumer)
    assert scene.ledger.ids() == []
    other = scene.consumer("other", min_idle=60, max_deliveries=2).start()
    scene.settles(0)
    assert other.stats["dead"] == 0
    assert ends(other)


@every_fault
def test_a_dead_letter(place, fault):
    scene = place.scene(timeout=TIMEOUT)
    happens = FAULTS[fault](scene.proxy, "EVAL")

    def handler(entry):
        if entry.id == poison:
            raise ValueError("poison")

    scene.publish(5)
    poison = scene.published.pop(2)
    consumer = scene.consumer(handler=handler, min_idle=60, max_deliveries=1).start()
    scene.settles(0)
    until(lambda: happens.hits == 1)
    dead = [fields["dead:id"] for _, fields in scene.raw.xrange(f"{scene.key}:dead")]
    assert dead == [poison], "once"
    scene.works_again()
    assert ends(consumer)


@every_fault
def test_deleting_what_is_handled(place, fault):
    scene = place.scene(timeout=TIMEOUT)
    # Which asks whether it may spare what other groups have to handle.
    consumer = scene.consumer(min_idle=60, after="delete").start()
    # Since Redis 8.2 one command does both.
    (known,) = scene.raw.execute_command("COMMAND INFO", "XACKDEL")
    happens = FAULTS[fault](scene.proxy, "XACKDEL" if known else "XDEL")
    scene.publish(5)
    scene.settles(0)
    until(lambda: not scene.raw.xlen(scene.key))
    until(lambda: happens.hits == 1)
    assert ends(consumer)


@every_fault
def test_looking_for_gaps(place, fault):
    scene = place.scene(timeout=TIMEOUT)
    consumer = scene.consumer(min_idle=60).start()
    happens = FAULTS[fault](scene.proxy, "XINFO")
    scene.publish(3)
    until(lambda: happens.hits)
    scene.works_again()
    scene.settles(0)
    assert consumer.stats["missed"] == 0
    assert ends(consumer)


@every_fault
@pytest.mark.parametrize("command", ["XINFO", "CLIENT", "XPENDING", "XREADGROUP"])
def test_starting(place, fault, command):
    """A lost reply takes all of the connection's timeout, and is no reason to give up."""
    scene = place.scene(timeout=TIMEOUT)
    if command == "XPENDING":
        # It is asked only where something is pending.
        scene.leave_behind(1, owner="me", idle=0)
    happens = FAULTS[fault](scene.proxy, command)
    consumer = scene.consumer(min_idle=60).start()
    scene.publish(3)
    until(lambda: happens.hits)
    scene.settles(0)
    assert ends(consumer)


@pytest.mark.parametrize("form", ["coroutine", "frame", "coroutine frame"])
@pytest.mark.parametrize("command", ["XREADGROUP", "XACK"])
def test_other_handlers(place, form, command):
    scene = place.scene(timeout=TIMEOUT)
    handler = handlers(scene)[form]
    happens = scene.proxy.lose(command, when=lambda request, reply: reply[:2] != b"*-")
    consumer = redisnb.Consumer(scene.group(), count=10, min_idle=60, **handler)
    scene.consumers.append(consumer)
    consumer.start()
    scene.publish(30)
    scene.settles(0)
    until(lambda: happens.hits == 1)
    assert ends(consumer)


def handlers(scene):
    """Return handlers of other forms, which note what they are given."""

    async def coroutine(entry):
        await asyncio.sleep(0.001)
        scene.ledger.note(entry.id)

    def frame(frame):
        for entry_id in frame["entry_id"]:
            scene.ledger.note(entry_id)

    async def coroutine_frame(given):
        frame(given)

    return {
        "coroutine": {"on_entry": coroutine, "concurrency": 5},
        "frame": {"on_frame": frame},
        "coroutine frame": {"on_frame": coroutine_frame},
    }


@pytest.mark.parametrize("command", ["XREADGROUP", "XACK", "XAUTOCLAIM", "XCLAIM"])
def test_several_streams(place, command):
    scenes = [place.scene(timeout=TIMEOUT) for _ in range(2)]
    first = scenes[0]
    by_key = {scene.key: scene for scene in scenes}
    for scene in scenes:
        scene.leave_behind(5)
    happens = first.proxy.lose(command, when=changes_something)
    groups = [
        redisnb.ConsumerGroup(redisnb.Stream(first.conn, key, format="fields"), "g", consumer="me")
        for key in by_key
    ]
    consumer = redisnb.Consumer(
        groups,
        lambda entry: by_key[entry.stream].ledger.note(entry.id),
        count=10,
        min_idle=2,
    )
    first.consumers.append(consumer)
    consumer.start()
    for scene in scenes:
        scene.publish(20)
    for scene in scenes:
        scene.settles(int(command == "XACK"))
    until(lambda: happens.hits == 1)
    assert ends(consumer)


# What a follower asks


@every_fault
def test_a_consumer_without_a_group(place, fault):
    scene = place.scene(group=False, timeout=TIMEOUT)
    happens = FAULTS[fault](scene.proxy, "XREAD", when=with_entries)
    consumer = scene.consumer(source=scene.stream, after="delete").start()
    for _ in range(3):
        scene.publish(5)
        until(scene.handled)
    until(lambda: happens.hits == 1)
    assert scene.account().repeats == 0
    until(lambda: not scene.raw.xlen(scene.key))
    assert ends(consumer)


@every_fault
def test_follow(place, fault):
    scene = place.scene(group=False, timeout=TIMEOUT)
    happens = FAULTS[fault](scene.proxy, "XREAD", when=with_entries)
    entries = scene.stream.follow(timeout="1500ms")
    for _ in range(3):
        scene.publish(5)
        for _ in range(5):
            scene.ledger.note(next(entries).id)
    until(lambda: happens.hits == 1)
    assert scene.ledger.ids() == scene.published


@every_fault
def test_afollow(place, fault):
    scene = place.scene(group=False, timeout=TIMEOUT)
    happens = FAULTS[fault](scene.proxy, "XREAD", when=with_entries)

    async def follow():
        entries = scene.stream.afollow(timeout="1500ms")
        for _ in range(3):
            scene.publish(5)
            for _ in range(5):
                scene.ledger.note((await anext(entries)).id)
        await entries.aclose()

    asyncio.run(follow())
    until(lambda: happens.hits == 1)
    assert scene.ledger.ids() == scene.published


# What is asked by hand


def read_all(group) -> list[str]:
    """Take what is left, and what was taken before."""
    parts = [group.read(100, backlog=True), group.read(100)]
    return [entry_id for part in parts for entry_id in part["entry_id"]]


@every_fault
def test_reading_by_hand(place, fault):
    """What a read took and could not return is in the backlog."""
    scene = place.scene(timeout=TIMEOUT)
    scene.publish(10)
    group = scene.group()
    happens = FAULTS[fault](scene.proxy, "XREADGROUP")
    with answered(fault):
        group.read(5)
    until(lambda: happens.hits == 1)
    assert read_all(group) == scene.published


@pytest.mark.parametrize("command", ["XACK", "XCLAIM", "XAUTOCLAIM", "XPENDING"])
@every_fault
def test_working_by_hand(place, command, fault):
    """The error comes soon, nothing is lost, and doing it again does it."""
    scene = place.scene(timeout=TIMEOUT)
    ids = scene.leave_behind(5)
    group = scene.group()
    work = {
        "XACK": lambda: group.ack(ids),
        "XCLAIM": lambda: group.claim(ids, min_idle=0),
        "XAUTOCLAIM": lambda: group.autoclaim(min_idle=0),
        "XPENDING": lambda: group.pending(),
    }[command]
    happens = FAULTS[fault](scene.proxy, command)
    with answered(fault):
        work()
    until(lambda: happens.hits == 1)
    again = work()
    if command == "XACK":
        assert (again, scene.pending()) == (0, [])
    else:
        assert again["entry_id"].tolist() == ids == scene.pending()


@every_fault
def test_redriving(place, fault):
    """A letter that went back is a letter no more, and went back once."""
    scene = place.scene(timeout=TIMEOUT)

    def handler(entry):
        raise ValueError("poison")

    consumer = scene.consumer(handler=handler, min_idle=60, max_deliveries=1).start()
    ids = scene.publish(3)
    until(lambda: consumer.stats["dead"] == 3)
    assert ends(consumer)
    happens = FAULTS[fault](scene.proxy, "EVAL")
    group = scene.group()
    with answered(fault):
        group.redrive("all")
    until(lambda: happens.hits == 1)
    assert group.dead_letters().empty
    assert scene.pending() == ids
    consumer = scene.consumer().start()
    scene.settles(0)
    assert ends(consumer)


def answered(fault: str):
    """Expect an error unless the reply comes, in whatever pieces."""
    if fault == "bytes":
        return contextlib.nullcontext()
    return pytest.raises((redis.ConnectionError, redis.TimeoutError))
