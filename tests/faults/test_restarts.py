"""Consumers that are started and stopped again and again, while faults happen to them."""

import random
import threading
import time

import pytest

import redisnb
from tests.deadlines import until
from tests.faults.scene import ends

ROUNDS = 8
#: What is asked at the start and in the loop.
COMMANDS = ("XINFO", "CLIENT", "XPENDING", "XREADGROUP", "XAUTOCLAIM", "XACK", "HELLO")


class Running(threading.Thread):
    """A consumer's `run`, which is to return when it is stopped, and not before."""

    def __init__(self, consumer: redisnb.Consumer) -> None:
        super().__init__(daemon=True)
        self.consumer = consumer
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.consumer.run()
        except BaseException as error:  # noqa: BLE001 - told where it is joined
            self.error = error


def lost_reply(scene, chance):
    kind, command = chance.choice(("lose", "cut", "delay", "drip")), chance.choice(COMMANDS)
    more = {"cut": {"at": chance.randrange(1, 30)}, "delay": {"seconds": 1.3}}.get(kind, {})
    fault = getattr(scene.proxy, kind)(command, **more)
    return lambda: setattr(fault, "left", 0)


def refused(scene, chance):
    scene.proxy.refuse()
    return scene.proxy.accept


def cut_links(scene, chance):
    scene.proxy.cut_links()
    return lambda: None


def killed_links(scene, chance):
    scene.raw.client_kill_filter(_type="normal", skipme=True)
    return lambda: None


def frozen(scene, chance):
    scene.server.freeze()
    return scene.server.thaw


def killed(scene, chance):
    scene.server.kill()
    return scene.server.start


OF_LINKS = (lost_reply, refused, cut_links, killed_links)
OF_SERVER = (frozen, killed)


@pytest.mark.parametrize("form", ["group", "stream"])
def test_it_never_ends_by_itself(place, seed, form):
    chance = random.Random(f"{form} {seed}")
    scene = place.scene(timeout=0.5)
    for _ in range(ROUNDS):
        published = scene.publish(5)
        source = scene.stream if form == "stream" else None
        after = {"after": "keep", "start": "all"} if form == "stream" else {}
        running = Running(scene.consumer(source=source, **after))
        # Before it begins, while it does, or later.
        happens = [chance.choice(OF_LINKS), chance.choice(OF_SERVER)][chance.choice([0, 0, 1]) :]
        happens = happens[: chance.choice([1, 2])]
        wait = chance.choice([0, 0, 0.002, 0.02, 0.2])
        early = chance.random() < 0.4
        finish = [fault(scene, chance) for fault in happens] if early else []
        running.start()
        time.sleep(wait)
        finish += [] if early else [fault(scene, chance) for fault in happens]
        time.sleep(chance.uniform(0.05, 0.9))
        for each in finish:
            each()
        scene.server.revive()
        scene.proxy.heal()
        said = [fault.__name__ for fault in happens]
        until(lambda running=running: running.consumer.state == "running", 10, f"after {said}")
        until(lambda published=published: set(published) <= set(scene.ledger.ids()))
        assert running.is_alive(), (said, running.error)
        assert ends(running.consumer)
        running.join(5)
        assert not running.is_alive()
        assert running.error is None, said
        assert running.consumer.state == "stopped"
