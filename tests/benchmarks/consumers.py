"""Handing each entry of a group to a handler, and acknowledging it."""

import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import redis

import redisnb
from redisnb.errors import RedisnbWarning
from redisnb.wire.connection import lease
from tests.benchmarks import entries, figures, peers
from tests.benchmarks.figures import Target
from tests.benchmarks.workload import Bench, Variant, Workload

KEY, GROUP, NAME = "jobs", "workers", "alice"
COUNT = 100
#: How many entries one run takes at most: a consumer's pace does not depend on it.
ENTRIES = 100_000


def a_second(least: int) -> Target:
    """At least so many entries a second."""
    return Target(f">= {least:,}/s", least, True, lambda row, _: row.rate)


@contextmanager
def consume(bench: Bench) -> Iterator[Workload]:
    """Consume a stream in a group: bare, by entry, by frame, and with a handler that fails."""
    count = bench.at_most(ENTRIES)
    total = sum(range(count))
    with bench.connections() as (conn, client):
        stream = entries.fill(conn, KEY, count, entries.json_bodies)
        group = redisnb.ConsumerGroup(stream, GROUP, consumer=NAME)

        def create() -> None:
            group.destroy()
            assert group.create("all")

        def check(expected: tuple[int, int], pending: int = 0) -> Callable[[Any], None]:
            def same(handled: tuple[int, int]) -> None:
                assert handled == expected
                assert client.xpending(KEY, GROUP)["pending"] == pending

            return same

        def variant(
            name: str, run: Callable[[], Any], same: Callable[[Any], None], *targets: Target
        ) -> Variant:
            role = "ours" if targets else "idiom"
            return Variant(name, run, same, count, role, before=create, targets=targets)

        yield Workload(
            [
                variant(
                    f"bare XREADGROUP COUNT {COUNT}, XACK",
                    lambda: loop(conn, count),
                    check((count, 0)),
                ),
                Variant(
                    f"redis-py: xreadgroup(count={COUNT}), json.loads, xack",
                    lambda: redis_py(client, count),
                    check((count, total)),
                    count,
                    role="redis-py",
                    before=create,
                ),
                variant(
                    "Consumer(on_entry), entry.event",
                    lambda: by_entry(group, count),
                    check((count, total)),
                    figures.idiom(0.4),
                ),
                variant(
                    "Consumer(on_frame)",
                    lambda: by_frame(group, count),
                    check((count, total)),
                    figures.idiom(0.5),
                ),
                variant(
                    "Consumer(on_entry), always raises",
                    lambda: failing(group, count),
                    check((count, 0), count),
                    a_second(30_000),
                ),
                *peers.consuming(bench, KEY, count),
            ]
        )


def loop(conn: redisnb.Connection, count: int) -> tuple[int, int]:
    """Read and acknowledge, and do nothing else, over redis-py's own link."""
    rows = 0
    with lease(conn) as link:
        while rows < count:
            link.send_command(
                *("XREADGROUP", "GROUP", GROUP, NAME, "COUNT", COUNT, "STREAMS", KEY, ">")
            )
            reply = link.read_response(disable_decoding=True)
            # A list of pairs in RESP2, a mapping in RESP3.
            found = reply[KEY.encode()] if isinstance(reply, dict) else reply[0][1]
            link.send_command("XACK", KEY, GROUP, *[each[0] for each in found])
            rows += int(link.read_response())
    return rows, 0


def redis_py(client: redis.Redis, count: int) -> tuple[int, int]:
    """Look at each event as people do who have redis-py alone."""
    total = rows = 0
    while rows < count:
        reply: Any = client.xreadgroup(GROUP, NAME, {KEY: ">"}, count=COUNT)
        found = reply[0][1]
        total += sum(json.loads(fields["payload"])["id"] for _, fields in found)
        rows += int(client.xack(KEY, GROUP, *[entry_id for entry_id, _ in found]))
    return rows, total


def by_entry(group: redisnb.ConsumerGroup, count: int) -> tuple[int, int]:
    """Have a handler look at each event."""
    total = calls = 0

    def handle(entry: redisnb.Entry) -> None:
        nonlocal total, calls
        total += entry.event["id"]
        calls += 1
        if calls == count:
            consumer.stop()

    consumer = redisnb.Consumer(group, handle)
    consumer.run()
    return consumer.stats["handled"], total


def by_frame(group: redisnb.ConsumerGroup, count: int) -> tuple[int, int]:
    """Have a handler look at a column of each frame."""
    total = rows = 0

    def handle(frame: Any) -> None:
        nonlocal total, rows
        total += int(frame["id"].sum())
        rows += len(frame)
        if rows == count:
            consumer.stop()

    consumer = redisnb.Consumer(group, on_frame=handle)
    consumer.run()
    return consumer.stats["handled"], total


def failing(group: redisnb.ConsumerGroup, count: int) -> tuple[int, int]:
    """Have a handler fail at each entry."""
    calls = 0

    def handle(entry: redisnb.Entry) -> None:
        nonlocal calls
        calls += 1
        if calls == count:
            consumer.stop()
        raise ValueError(entry.id)

    consumer = redisnb.Consumer(group, handle)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RedisnbWarning)
        consumer.run()
    return consumer.stats["failed"], consumer.stats["handled"]
