"""Ways to break redisnb, and for each a scenario in which that must be noticed.

A mutation is a patch of the package in this process. Its scenario passes without the patch and
fails with it; one that passes with it would show that the fault tests are blind to such a mistake.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import redis

import redisnb
from redisnb import patience, wire
from redisnb.consumers import handler, loop
from redisnb.consumers.groups import heartbeat, settlement, sweep
from redisnb.stream import cursor
from redisnb.stream.publishing import sending
from tests.deadlines import until
from tests.faults.place import Place
from tests.faults.scene import FAILING_RATE, ends, rate, shows

#: How long a scenario waits for what does not come in a mutated package, in seconds.
PATIENCE = 3


class NotHere(Exception):  # noqa: N818 - no error: there is nothing to notice
    """Why a scenario cannot happen on this server."""


@dataclass(frozen=True)
class Mutation:
    """A patch, and the scenario that has to fail with it."""

    name: str
    what: str
    owner: Any
    attribute: str
    mutate: Callable[[Any], Any]
    scenario: Callable[[Place], None]

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Break the package inside the block."""
        original = getattr(self.owner, self.attribute)
        with mock.patch.object(self.owner, self.attribute, self.mutate(original)):
            yield


def noticed(mutation: Mutation, executable: Path) -> str | None:
    """Run the scenario with the mutation; return what it complains of, None if of nothing."""
    try:
        with mutation.applied(), Place(executable) as place:
            mutation.scenario(place)
    except AssertionError as error:
        return str(error).partition("\n")[0]
    return None


def tell(index: int, executable: Path, link: Any) -> None:
    """Send on a link what `noticed` returns: a patch is best made in a process of its own."""
    link.send(noticed(MUTATIONS[index], executable))


def show(executable: Path) -> int:
    """Run and print all; return how many went unnoticed, or have a scenario that never passes."""
    bad = 0
    for mutation in MUTATIONS:
        try:
            with Place(executable) as place:
                mutation.scenario(place)
        except NotHere as reason:
            print(f"{mutation.name}: left out, {reason}")
            continue
        complaint = noticed(mutation, executable)
        bad += complaint is None
        print(
            f"{mutation.name} ({mutation.what}): "
            + ("NOT NOTICED" if complaint is None else f"noticed: {complaint}"),
            flush=True,
        )
    return bad


# Scenarios


def a_lost_reply_to_add(place: Place) -> None:
    """One event has one copy."""
    scene = place.scene()
    scene.proxy.lose("XADD")
    with suppress(redisnb.UncertainWriteError):
        scene.stream.add({"event": "one"})
    assert len(scene.stream) == 1, f"{len(scene.stream)} copies of one event"


def a_lost_reply_to_a_read(place: Place) -> None:
    """What the server has delivered and no client has seen is in the backlog."""
    scene = place.scene()
    consumer = scene.consumer(min_idle=60).start()
    fault = scene.proxy.lose("XREADGROUP", when=lambda request, reply: len(reply) > 50)
    scene.publish(3)
    until(lambda: fault.hits)
    scene.settles(0, seconds=PATIENCE)
    assert ends(consumer)


def a_backlog_at_the_start(place: Place) -> None:
    """What an earlier run was given and has not acknowledged comes first."""
    scene = place.scene()
    scene.leave_behind(3, owner="me", idle=0)
    consumer = scene.consumer(min_idle=60).start()
    scene.settles(0, seconds=PATIENCE)
    assert ends(consumer)


def a_handler_that_fails_once(place: Place) -> None:
    """Its entry comes again."""
    scene = place.scene()
    failed: list[Any] = []

    def handle(entry: Any) -> None:
        if not failed:
            failed.append(entry.id)
            raise ValueError("not yet")

    consumer = scene.consumer(handler=handle).start()
    scene.publish(3)
    scene.settles(0, seconds=PATIENCE + 1)
    assert ends(consumer)


def a_follower_with_a_slow_handler(place: Place) -> None:
    """What is added between two reads is read."""
    scene = place.scene(group=False)
    consumer = scene.consumer(handler=lambda entry: time.sleep(0.1), source=scene.stream).start()
    for _ in range(5):
        scene.publish(1)
        time.sleep(0.05)  # some of them come while the handler is at work
    until(scene.handled, PATIENCE, "everything is handled")
    assert ends(consumer)


def a_slow_handler_and_a_rival(place: Place) -> None:
    """While its owner is alive an entry is handled once, however long that takes."""
    scene = place.scene()
    slow = scene.consumer("slow", lambda entry: time.sleep(0.8), count=4).start()
    scene.publish(4)
    until(lambda: len(scene.pending("slow")) == 4)
    rival = scene.consumer("rival").start()
    scene.settles(0)
    # It may still be at work on what another consumer has handled since.
    assert ends(slow)
    assert ends(rival)
    scene.settles(0)


def a_refused_acknowledgement(place: Place) -> None:
    """It is said again when the server takes it."""
    scene = place.scene()

    def handle(entry: Any) -> None:
        # Not by its ID, which may be noted later.
        if entry.event["n"] == "5":
            # A replica whose primary is away keeps its data.
            scene.raw.execute_command("REPLICAOF", "127.0.0.1", 1)

    consumer = scene.consumer(handler=handle, min_idle=60).start()
    scene.publish(5)
    shows(consumer, "stalled")
    scene.raw.execute_command("REPLICAOF", "NO", "ONE")
    scene.settles(0, seconds=PATIENCE)
    assert ends(consumer)


def a_refusing_server(place: Place) -> None:
    """It is not asked all the time."""
    scene = place.scene()
    consumer = scene.consumer().start()
    until(scene.server.blocked)
    scene.raw.execute_command("REPLICAOF", "127.0.0.1", 1)
    shows(consumer, "stalled")
    asked = rate(scene.proxy.counts.total)
    assert asked <= FAILING_RATE, f"{asked:.0f} commands per second"
    assert ends(consumer)


def a_trimmed_stream(place: Place) -> None:
    """A follower says what it has missed, where the server counts (since Redis 7)."""
    scene = place.scene(group=False)
    scene.publish(1)
    if "entries-added" not in scene.raw.xinfo_stream(scene.key):
        raise NotHere("before Redis 7 a server does not count what was added")
    waits = []

    def handle(entry: Any) -> None:
        waits.append(entry.id)
        until(lambda: not scene.raw.exists("wait"))

    scene.raw.set("wait", 1)
    consumer = scene.consumer(handler=handle, source=scene.stream).start()
    scene.publish(1)
    until(lambda: waits)
    scene.publish(30)
    scene.raw.xtrim(scene.key, maxlen=10, approximate=False)
    scene.raw.delete("wait")
    until(lambda: consumer.stats["missed"] == 20, PATIENCE, "20 are reported as missed")
    assert ends(consumer)


def a_handler_that_does_not_return(place: Place) -> None:
    """After stop() others may have its entries at once."""
    scene = place.scene()
    waits: list[Any] = []
    goes_on: list[int] = []

    def handle(entry: Any) -> None:
        waits.append(entry.id)
        until(lambda: goes_on)

    consumer = scene.consumer(handler=handle, min_idle=60).start()
    scene.publish(1)
    until(lambda: waits)
    assert not ends(consumer)
    goes_on.append(1)
    until(lambda: not place.threads())
    assert scene.pending() == scene.published, "acknowledged after stop()"


# Mutations


def sending_again(init: Any) -> Any:
    def always(self: Any, *arguments: Any, **more: Any) -> None:
        init(self, *arguments, **more | {"again": True})

    return always


def retrying_async(ask: Any) -> Any:
    async def again(link: Any, *arguments: Any, **more: Any) -> Any:
        for _ in range(3):
            try:
                return await ask(link, *arguments, **more)
            except (redis.ConnectionError, redis.TimeoutError):
                await link.disconnect()
        return await ask(link, *arguments, **more)

    return again


def acknowledging_first(take: Any) -> Any:
    async def early(self: Any, batch: Any) -> None:
        for key, id, _ in batch.entries:
            await self._link.ask(("XACK", key, self.job.groups[key].name, id))
        await take(self, batch)

    return early


def acknowledging_failures(call: Any) -> Any:
    async def passed_over(rest: Any) -> None:
        await rest

    def never_fails(self: Any, what: Any, goes_on: Any) -> Any:
        rest = call(self, what, goes_on)
        return rest and passed_over(rest)

    return never_fails


def without_backlog(restart: Any) -> Any:
    def skip(self: Any) -> None:
        restart(self)
        self.skip_backlog()

    return skip


def always_at_the_end(command: Any) -> Any:
    def dollar(self: Any, count: int, block: int | None) -> Any:
        words = command(self, count, block)
        n = len(self.after)
        return (*words[:-n], *["$"] * n)

    return dollar


def claiming_everything(claim: Any) -> Any:
    def at_once(key: str, group: str, consumer: str, idle: int, *more: Any) -> Any:
        return claim(key, group, consumer, 0, *more)

    return at_once


def forgetting(settle: Any) -> Any:
    async def once(self: Any) -> None:
        try:
            await settle(self)
        except (redis.RedisError, OSError):
            for ids in self._handled.values():
                ids.clear()
            raise

    return once


def nothing(_: Any) -> Any:
    return lambda *arguments, **more: None


def no_notices(_: Any) -> Any:
    return lambda *arguments: []


def no_wait(_: Any) -> Any:
    return lambda self: 0.0


def never_abandoning(_: Any) -> Any:
    def goes_on(self: Any) -> None:
        self._stop._until = time.monotonic() + 60

    return goes_on


MUTATIONS = (
    Mutation(
        "retried-writes",
        "redis-py's retries left on for writes",
        sending.Sending,
        "__init__",
        sending_again,
        a_lost_reply_to_add,
    ),
    Mutation(
        "retried-reads",
        "redis-py's retries left on for reads",
        wire,
        "ask_async",
        retrying_async,
        a_lost_reply_to_a_read,
    ),
    Mutation(
        "early-ack",
        "acknowledged before the handler",
        loop.Worker,
        "_take",
        acknowledging_first,
        a_handler_that_fails_once,
    ),
    Mutation(
        "failed-ack",
        "acknowledged although the handler raised",
        handler.Handler,
        "__call__",
        acknowledging_failures,
        a_handler_that_fails_once,
    ),
    Mutation(
        "no-backlog-after-error",
        "own backlog not read after a lost link",
        cursor.GroupCursor,
        "restart",
        without_backlog,
        a_lost_reply_to_a_read,
    ),
    Mutation(
        "no-backlog-at-start",
        "own backlog not read at the start",
        cursor.GroupCursor,
        "restart",
        without_backlog,
        a_backlog_at_the_start,
    ),
    Mutation(
        "dollar",
        "a follower asks for what comes after each call",
        cursor.StreamCursor,
        "command",
        always_at_the_end,
        a_follower_with_a_slow_handler,
    ),
    Mutation(
        "min-idle-0",
        "claims whatever is pending",
        sweep,
        "claim_page",
        claiming_everything,
        a_slow_handler_and_a_rival,
    ),
    Mutation(
        "no-heartbeat",
        "entries in hand are not kept",
        heartbeat.Heartbeat,
        "_keep",
        nothing,
        a_slow_handler_and_a_rival,
    ),
    Mutation(
        "forgotten-acks",
        "an acknowledgement that failed is not repeated",
        settlement.GroupSettlement,
        "settle",
        forgetting,
        a_refused_acknowledgement,
    ),
    Mutation(
        "hot-loop",
        "no wait between attempts",
        patience.Backoff,
        "next",
        no_wait,
        a_refusing_server,
    ),
    Mutation(
        "silent-gaps",
        "what was missed is not reported",
        cursor.StreamCursor,
        "seen",
        no_notices,
        a_trimmed_stream,
    ),
    Mutation(
        "late-ack",
        "acknowledged after stop() has returned",
        loop.Worker,
        "abandon",
        never_abandoning,
        a_handler_that_does_not_return,
    ),
)
