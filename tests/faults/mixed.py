"""Publishers and consumers under a random mix of faults, drawn from a seed."""

import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from tests.deadlines import deadline
from tests.faults.children import Child
from tests.faults.place import Place
from tests.faults.proxy import Proxy
from tests.faults.publisher import Publisher
from tests.faults.scene import RECOVERED_WITHIN, SLACK, STOPPED_WITHIN
from tests.faults.servers import connected

MIN_IDLE, TIMEOUT = 1, 0.5
#: How long a handler takes: often enough a fault finds a batch half done.
SLOW = 0.004
#: The consumers; the first one runs in a thread of this process, the others in their own; the last
#: one is given frames.
NAMES = ("thread", "child-1", "child-2")
COMMANDS = ("XREADGROUP", "XACK", "XAUTOCLAIM", "XCLAIM", "XPENDING")


@dataclass
class Report:
    """What a run has shown.

    Attributes
    ----------
    hits : int
        How many consumers were hit by faults, each counted again for each fault.
    doubled : list of str
        Events that are in the stream twice although their publisher sent them once.
    recoveries : list of float
        How long after the end of a fault the slowest consumer handled something, in seconds.
    broken : list of str
        The gates that were not passed, in words.
    """

    seed: int
    batch: int
    published: int = 0
    handled: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    hits: int = 0
    lost: list[str] = field(default_factory=list)
    repeats: int = 0
    doubled: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    recoveries: list[float] = field(default_factory=list)
    drained: float = 0
    stops: list[float] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def judge(self) -> None:
        """Compare with the gates."""
        most = self.hits * self.batch
        gates = {
            f"LOSS {len(self.lost)} (e.g. {self.lost[:3]})": not self.lost,
            f"STUCK {len(self.stuck)}": not self.stuck,
            f"DUP {self.repeats} > {most}": self.repeats <= most,
            f"DOUBLED {self.doubled[:3]}": not self.doubled,
            f"stop took {max(self.stops, default=0):.1f} s": all(
                stop < deadline(STOPPED_WITHIN + SLACK) for stop in self.stops
            ),
        }
        self.broken += [what for what, passed in gates.items() if not passed]

    def __str__(self) -> str:
        faults = " ".join(f"{name}:{n}" for name, n in sorted(self.faults.items()))
        parts = [
            f"{self.published} published",
            f"{self.faults.total()} faults ({faults})",
            f"LOSS {len(self.lost)}",
            f"DUP {self.repeats} (<= {self.hits * self.batch})",
            f"STUCK {len(self.stuck)}",
            f"DOUBLED {len(self.doubled)}",
            f"slowest recovery {max(self.recoveries, default=0):.2f} s",
            f"drained in {self.drained:.1f} s",
            f"slowest stop {max(self.stops, default=0):.2f} s",
        ]
        result = f"BROKEN: {'; '.join(self.broken)}" if self.broken else "ok"
        return f"seed {self.seed}: {', '.join(parts)}: {result}"


def run(place: Place, seed: int, seconds: float) -> Report:
    """Run a seed at a place of its own, and report."""
    mix = Mix(place, Report(seed, batch=10), random.Random(seed))
    try:
        mix.start()
        mix.storm(seconds)
        mix.calm_down()
    finally:
        mix.close()
    mix.report.judge()
    return mix.report


class Mix:
    """The publishers and consumers of one run, and what is done to them."""

    def __init__(self, place: Place, report: Report, chance: random.Random) -> None:
        self.place, self.report, self.chance = place, report, chance
        self.scene = place.scene(timeout=TIMEOUT)
        self.server = place.server
        self.protocol = 2 + report.seed % 2
        self._stack = ExitStack()
        # One for the publishers, one for each consumer.
        self.publishing, *proxies = (
            self._stack.enter_context(Proxy(self.server.port)) for _ in range(1 + len(NAMES))
        )
        self.proxies: dict[str, Proxy] = dict(zip(NAMES, proxies, strict=True))
        self._publishers = [
            Publisher(
                self.publishing.url,
                self.scene.key,
                name=name,
                timeout=TIMEOUT,
                pause=0.004,
                own_ids=name == "numbered",
            )
            for name in ("numbered", "plain")
        ]
        self._conn = self._stack.enter_context(
            connected(self.proxies["thread"].url, timeout=TIMEOUT, protocol=self.protocol)
        )
        self._consumer = self.scene.consumer(
            "thread",
            lambda entry: time.sleep(SLOW),
            source=self.scene.group("thread", self._conn),
            min_idle=MIN_IDLE,
        )
        self._children: dict[str, Child] = {}

    def start(self) -> None:
        """Start the consumers and then the publishers."""
        for name in NAMES[1:]:
            self._children[name] = self._child(name)
        self._consumer.start()
        for child in self._children.values():
            child.started()
        for publisher in self._publishers:
            publisher.start()

    def close(self) -> None:
        """End the publishers, and close all links."""
        self.server.revive()
        for publisher in self._publishers:
            publisher.end()
        self._stack.close()

    def _child(self, name: str) -> Child:
        return self.place.child(
            self.scene,
            name,
            url=self.proxies[name].url,
            min_idle=MIN_IDLE,
            timeout=TIMEOUT,
            protocol=self.protocol,
            slow=SLOW,
            frames=name == NAMES[-1],
        )

    # -- the storm

    def storm(self, seconds: float) -> None:
        """Let faults happen one after the other, or two at a time, and watch the recovery."""
        end = time.monotonic() + seconds
        self._recovers("the start")
        while time.monotonic() < end:
            time.sleep(self.chance.uniform(0, 0.4))
            faults = self._choose()
            ends = [fault(self) for fault in faults]
            for fault in faults:
                self.report.faults[fault.__name__] += 1
            for finish in ends:
                finish()
            self._recovers(" and ".join(fault.__name__ for fault in faults))

    def _choose(self) -> list["Fault"]:
        """Choose a fault, or one of the server and another one while it lasts."""
        chance = self.chance
        if chance.random() < 0.3:
            return [chance.choice(OF_SERVER), chance.choice(OF_LINKS)]
        return [chance.choice(OF_SERVER + OF_LINKS)]

    def _recovers(self, what: str) -> None:
        """Wait until every consumer handles something again."""
        since, start = time.time(), time.monotonic()
        waiting = set(NAMES)
        while waiting:
            lines = self.scene.ledger.lines()
            waiting -= {line.consumer for line in lines[-2_000:] if line.at > since}
            if time.monotonic() - start > deadline(RECOVERED_WITHIN + SLACK):
                self.report.broken.append(f"{sorted(waiting)} did not recover from {what}")
                break
            time.sleep(0.02)
        self.report.recoveries.append(time.monotonic() - start)

    def one(self) -> tuple[str, Proxy]:
        """Choose a consumer."""
        name = self.chance.choice(NAMES)
        return name, self.proxies[name]

    def for_a_while(self, least: float = 0.2, most: float = 1.2) -> None:
        """Let a fault last."""
        time.sleep(self.chance.uniform(least, most))

    def hit(self, n: int) -> None:
        """Count the consumers that a fault hits."""
        self.report.hits += n

    def replace(self, name: str) -> None:
        """Kill a consumer's process and start another one in its place."""
        self._children[name].kill()
        self._children[name] = self._child(name)
        self._children[name].started()

    # -- the calm

    def calm_down(self) -> None:
        """Heal everything, wait until it is drained, stop, and do the sums."""
        for proxy in (self.publishing, *self.proxies.values()):
            proxy.heal()
        for publisher in self._publishers:
            publisher.end()
        scene, report = self.scene, self.report
        scene.published = [id for each in self._publishers for id in each.acknowledged]
        self._drain(3 * MIN_IDLE + 5)
        found = scene.account()
        report.lost, report.repeats, report.stuck = found.lost, found.repeats, found.stuck
        report.published, report.handled = len(scene.published), len(set(scene.ledger.ids()))
        events = Counter(fields["event"] for _, fields in scene.raw.xrange(scene.key))
        report.doubled = [event for event, n in events.items() if n > 1]
        self._stop("thread", self._consumer.stop)
        for name, child in self._children.items():
            self._stop(name, child.stop)

    def _drain(self, seconds: float) -> None:
        start = time.monotonic()
        while time.monotonic() - start < seconds:
            if self.scene.handled() and not self.scene.pending():
                break
            time.sleep(0.05)
        self.report.drained = time.monotonic() - start

    def _stop(self, name: str, stop: Callable[[], Any]) -> None:
        start = time.monotonic()
        if not stop():
            self.report.broken.append(f"{name} did not stop")
        self.report.stops.append(time.monotonic() - start)


# Faults: each begins when it is called, and returns what ends it.

Ending = Callable[[], None]
Fault = Callable[[Mix], Ending]


def killed_consumer(mix: Mix) -> Ending:
    name = mix.chance.choice(NAMES[1:])
    mix.hit(1)
    return lambda: mix.replace(name)


def lost_reply(mix: Mix) -> Ending:
    command = mix.chance.choice(COMMANDS)
    _, proxy = mix.one()
    kind = mix.chance.choice(("lose", "cut", "delay", "drip"))
    more: dict[str, dict[str, Any]] = {
        "cut": {"at": mix.chance.randrange(1, 30)},
        "delay": {"seconds": 1.3},
    }
    fault = getattr(proxy, kind)(command, **more.get(kind, {}))
    mix.hit(1)

    def finish() -> None:
        deadline = time.monotonic() + 1.5
        # Some commands are rare, and then it does not happen.
        while not fault.hits and time.monotonic() < deadline:
            time.sleep(0.02)
        fault.left = 0

    return finish


def unanswered_publishers(mix: Mix) -> Ending:
    kind = mix.chance.choice(("lose", "cut"))
    fault = getattr(mix.publishing, kind)("XADD", at=mix.chance.randrange(1, 10), left=3)

    def finish() -> None:
        deadline = time.monotonic() + 1.5
        while fault.left and time.monotonic() < deadline:
            time.sleep(0.02)
        fault.left = 0

    return finish


def frozen_server(mix: Mix) -> Ending:
    mix.server.freeze()
    mix.hit(len(NAMES))

    def finish() -> None:
        mix.for_a_while(0.2, 2)
        mix.server.thaw()

    return finish


def killed_server(mix: Mix) -> Ending:
    mix.server.kill()
    mix.hit(len(NAMES))

    def finish() -> None:
        mix.for_a_while(0, 1)
        mix.server.start()

    return finish


def client_kill(mix: Mix) -> Ending:
    for link in mix.server.links():
        mix.server.client.client_kill_filter(_id=link["id"])
    mix.hit(len(NAMES))
    return lambda: None


def client_pause(mix: Mix) -> Ending:
    seconds = mix.chance.uniform(0.2, 1.5)
    mix.server.client.client_pause(int(seconds * 1000))
    mix.hit(len(NAMES))
    return lambda: time.sleep(seconds)


def black_hole(mix: Mix) -> Ending:
    _, proxy = mix.one()
    proxy.silence()
    mix.hit(1)

    def finish() -> None:
        mix.for_a_while(0.5, 2)
        proxy.heal()

    return finish


def half_open(mix: Mix) -> Ending:
    mix.one()[1].silence(new=False)
    mix.hit(1)
    return lambda: None


def refused(mix: Mix) -> Ending:
    _, proxy = mix.one()
    proxy.refuse()
    mix.hit(1)

    def finish() -> None:
        mix.for_a_while()
        proxy.accept()

    return finish


OF_SERVER: tuple[Fault, ...] = (frozen_server, killed_server, client_kill, client_pause)
OF_LINKS: tuple[Fault, ...] = (
    killed_consumer,
    killed_consumer,
    lost_reply,
    lost_reply,
    black_hole,
    half_open,
    refused,
    unanswered_publishers,
)


def summary(reports: list[Report]) -> str:
    """Return the sums of several runs, next to the gates."""
    recoveries = [each for report in reports for each in report.recoveries]
    broken = sum(bool(report.broken) for report in reports)
    return (
        f"{len(reports)} runs, {sum(report.faults.total() for report in reports)} faults, "
        f"{sum(report.published for report in reports)} published: "
        f"LOSS {sum(len(report.lost) for report in reports)} (gate 0), "
        f"STUCK {sum(len(report.stuck) for report in reports)} (gate 0), "
        f"DOUBLED {sum(len(report.doubled) for report in reports)} (gate 0), "
        f"DUP {sum(report.repeats for report in reports)} "
        f"(gate {sum(report.hits * report.batch for report in reports)}), "
        f"slowest recovery {max(recoveries, default=0):.2f} s (gate {RECOVERED_WITHIN}), "
        f"slowest stop {max((stop for report in reports for stop in report.stops), default=0):.2f} "
        f"s (gate {STOPPED_WITHIN}): {broken} broken"
    )
