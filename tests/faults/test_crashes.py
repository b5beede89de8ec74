"""Consumers and servers that are killed."""

import time

import pytest

import redisnb
from tests.deadlines import until
from tests.faults.publisher import Publisher
from tests.faults.scene import RECOVERED_WITHIN, ends, shows


@pytest.mark.parametrize("die", ["before", "after"])
def test_a_consumer_is_killed_at_an_entry(place, scene, die):
    scene.publish(30)
    place.child(scene, "first", die=die, at=15).dies()
    assert len(scene.ledger.ids()) == (14 if die == "before" else 15)
    assert len(scene.pending("first")) >= 6
    # Another one takes over what is idle for min_idle.
    consumer = scene.consumer("second").start()
    found = scene.settles(1)
    assert found.repeats >= (die == "after")
    assert ends(consumer)


def test_the_same_consumer_starts_again_and_has_its_backlog_at_once(place, scene):
    scene.publish(30)
    first = place.child(scene, "me", die="before", at=15, min_idle=60)
    first.dies()
    again = place.child(scene, "me", min_idle=60).started()
    scene.settles(1, seconds=RECOVERED_WITHIN)
    assert again.stop()
    assert again.state()["state"] == "stopped"


def test_a_consumer_is_killed_from_outside_while_it_works(place, scene):
    first = place.child(scene, "first", slow=0.005).started()
    scene.publish(200)
    until(lambda: scene.handled(50))
    first.kill()
    consumer = scene.consumer("second").start()
    scene.settles(1)
    assert ends(consumer)


def test_the_server_is_killed_under_load(scene):
    consumer = scene.consumer(min_idle=60).start()
    with Publisher(scene.server.url, scene.key) as publisher:
        # Any list does for what it is told; this one is in the books.
        scene.published = publisher.acknowledged
        for _ in range(2):
            noted = len(scene.ledger.ids())
            until(lambda noted=noted: scene.handled(noted + 100))
            scene.server.kill()
            shows(consumer, "stalled")
            scene.server.start()
            back = time.monotonic()
            shows(consumer, "running")
            scene.works_again(back)
    scene.settles(2)
    assert consumer.error is None
    events = [fields["event"] for _, fields in scene.raw.xrange(scene.key) if "event" in fields]
    assert len(events) == len(set(events)), "no event twice, uncertain or not"
    assert publisher.uncertain <= 2
    assert ends(consumer)


def test_the_server_starts_again_empty_and_the_group_is_missing(scene):
    consumer = scene.consumer().start()
    scene.publish(20)
    scene.settles()
    scene.server.restart(empty=True)
    shows(consumer, "failed")
    assert isinstance(consumer.error, redisnb.GroupMissingError)
    assert scene.key in str(consumer.error)
    assert ends(consumer)


def test_the_server_starts_again_empty_and_the_group_is_made_again(scene):
    consumer = scene.consumer(on_missing_group="recreate").start()
    scene.publish(20)
    scene.settles()
    scene.server.restart(empty=True)
    scene.works_again()
    scene.publish(20)
    scene.settles()
    assert ends(consumer)


def test_a_follower_says_that_the_server_started_again_empty(scene):
    consumer = scene.consumer(source=scene.stream, start="all").start()
    scene.publish(20)
    until(scene.handled)
    # IDs of the new stream are smaller than those it has seen.
    scene.server.restart(empty=True)
    scene.raw.xadd(scene.key, {"n": 1}, id="1-0")
    until(lambda: "1-0" in scene.ledger.ids())
    assert "reset" in set(consumer.errors()["error"])
    scene.works_again()
    assert scene.account().repeats == 0
    assert ends(consumer)
