"""Streams and groups that are removed, renamed or overwritten under a consumer."""

import pytest
import redis

import redisnb
from tests.deadlines import until
from tests.faults.scene import FAILING_RATE, ends, rate, shows


def delete(scene):
    scene.raw.delete(scene.key)


def rename(scene):
    scene.raw.rename(scene.key, f"{scene.key}-elsewhere")


def destroy_the_group(scene):
    scene.raw.xgroup_destroy(scene.key, scene.group_name)


def flushall(scene):
    scene.raw.flushall()


def overwrite(scene):
    scene.raw.set(scene.key, "a string now")


VANISHES = [delete, rename, destroy_the_group, flushall]
every_way = pytest.mark.parametrize("vanish", VANISHES, ids=lambda way: way.__name__)
also_overwritten = pytest.mark.parametrize(
    "vanish", [*VANISHES, overwrite], ids=lambda way: way.__name__
)


def asked(scene):
    return lambda: scene.server.commands().total()


@also_overwritten
@pytest.mark.parametrize("when", ["waiting", "handling"])
def test_the_consumer_fails_and_says_why(scene, vanish, when):
    if when == "handling":
        # While an entry is in hand, so that the acknowledgement is what fails.
        def handler(entry):
            if entry.event["n"] == "3":
                vanish(scene)
    else:
        handler = None
    consumer = scene.consumer(handler=handler).start()
    scene.publish(5)
    if when == "waiting":
        scene.settles()
        until(scene.server.blocked)
        vanish(scene)
    shows(consumer, "failed")
    if vanish is overwrite:
        assert isinstance(consumer.error, redis.ResponseError | redisnb.GroupMissingError)
    else:
        assert isinstance(consumer.error, redisnb.GroupMissingError)
    assert scene.key in str(consumer.error) + str(getattr(consumer.error, "__notes__", ""))
    assert rate(asked(scene), 0.5) == 0, "it has given up"
    assert ends(consumer)


@every_way
def test_the_group_is_made_again(scene, vanish):
    consumer = scene.consumer(on_missing_group="recreate").start()
    scene.publish(5)
    scene.settles()
    until(scene.server.blocked)
    vanish(scene)
    scene.works_again()
    before = len(scene.ledger.ids())
    scene.publish(5)
    # A group that starts again from 0 gives what the stream still has once more.
    found = scene.settles(1)
    assert found.repeats == (5 if vanish is destroy_the_group else 0)
    assert len(scene.ledger.ids()) == before + 5
    shows(consumer, "running")
    assert rate(asked(scene), 1) <= FAILING_RATE, "no hot loop"
    before = asked(scene)()
    until(lambda: asked(scene)() > before, 3, "it goes on asking")
    assert ends(consumer)


def test_the_group_is_made_again_again_and_again(scene):
    """Not in a hot loop, even if it is removed all the time."""
    consumer = scene.consumer(on_missing_group="recreate").start()
    until(scene.server.blocked)
    for n in range(4):
        until(lambda: scene.raw.exists(scene.key) and scene.server.blocked())
        (delete if n % 2 else flushall)(scene)
    scene.works_again()
    scene.settles()
    assert ends(consumer)


def test_a_string_in_the_place_of_the_stream_is_not_removed(scene):
    consumer = scene.consumer(on_missing_group="recreate").start()
    until(scene.server.blocked)
    overwrite(scene)
    shows(consumer, "failed", "stalled")
    assert rate(asked(scene), 1) <= FAILING_RATE
    assert scene.raw.get(scene.key) == "a string now"
    assert ends(consumer)


def test_it_does_not_start_where_there_is_no_group(place):
    scene = place.scene(group=False)
    with pytest.raises(redisnb.GroupMissingError, match=scene.key):
        scene.consumer().start()
    consumer = scene.consumer(on_missing_group="recreate").start()
    scene.works_again()
    assert ends(consumer)


def test_it_starts_again_once_the_group_is_there(scene):
    consumer = scene.consumer().start()
    destroy_the_group(scene)
    shows(consumer, "failed")
    scene.group().create("all")
    consumer.start()
    scene.works_again()
    shows(consumer, "running")
    assert consumer.error is None
    assert ends(consumer)


@pytest.mark.parametrize("recreates", [False, True])
def test_one_of_two_streams(place, recreates):
    first, second = scenes = [place.scene() for _ in range(2)]
    by_key = {scene.key: scene for scene in scenes}
    groups = [
        redisnb.ConsumerGroup(redisnb.Stream(first.conn, key, format="fields"), "g", consumer="me")
        for key in by_key
    ]
    consumer = redisnb.Consumer(
        groups,
        lambda entry: by_key[entry.stream].ledger.note(entry.id),
        min_idle=1,
        on_missing_group="recreate" if recreates else "fail",
    )
    first.consumers.append(consumer)
    consumer.start()
    for scene in scenes:
        scene.publish(5)
    for scene in scenes:
        scene.settles()
    delete(second)
    if recreates:
        second.works_again()
        first.works_again()
        assert first.account().repeats == 0
    else:
        shows(consumer, "failed")
        assert second.key in str(consumer.error)
    assert ends(consumer)


# Without a group


def follower(place):
    """Make a scene without a group, and a consumer that follows its stream."""
    scene = place.scene(group=False)
    scene.publish(5)
    consumer = scene.consumer(source=scene.stream, start="all").start()
    until(scene.handled)
    return scene, consumer


@pytest.mark.parametrize("vanish", [delete, rename, flushall], ids=lambda way: way.__name__)
def test_a_follower_goes_on_with_the_next_stream(place, vanish):
    scene, consumer = follower(place)
    vanish(scene)
    scene.works_again()
    assert rate(asked(scene), 1) <= FAILING_RATE, "no hot loop"
    before = asked(scene)()
    until(lambda: asked(scene)() > before, 3, "it goes on asking")
    assert scene.account().repeats == 0
    assert ends(consumer)


def test_a_follower_of_what_becomes_a_string(place):
    scene, consumer = follower(place)
    overwrite(scene)
    # A blocked XREAD does not notice; the next one is refused.
    shows(consumer, "failed")
    assert isinstance(consumer.error, redis.ResponseError)
    assert "WRONGTYPE" in str(consumer.error)
    assert rate(asked(scene), 0.5) == 0
    assert ends(consumer)


@pytest.mark.alone
def test_follow_warns_of_a_stream_that_begins_anew(place):
    scene = place.scene(group=False)
    scene.publish(3)
    entries = scene.stream.follow("all", timeout="8s")
    assert [next(entries).id for _ in range(3)] == scene.published
    scene.raw.delete(scene.key)
    scene.raw.xadd(scene.key, {"n": 1}, id="1-0")
    with pytest.warns(redisnb.RedisnbWarning, match=scene.key):
        assert next(entries).id == "1-0"


@pytest.mark.parametrize("resume", [None, "name"])
def test_the_source_of_a_replay_starts_again_empty(place, resume):
    scene, target = place.scene(), place.another().scene()
    ids = scene.publish(5000)
    seen = []

    def transform(frame):
        if sum(seen) < 1000 <= sum(seen) + len(frame):
            scene.server.restart(empty=True)
        seen.append(len(frame))
        return frame

    made = redisnb.Replay(
        scene.stream,
        target.stream,
        transform=transform,
        resume=resume,
        speed=float("inf"),
    )
    made.start()
    until(lambda: made.state in ("incomplete", "finished", "failed"))
    report = made.report
    assert (made.state, report.state) == ("incomplete", "incomplete")
    assert report.added == target.raw.xlen(target.key) < len(ids)
    assert report.missed == len(ids) - report.added
    if resume is not None:
        assert target.raw.hget("redisnb:replay:name", "state") == "incomplete"
