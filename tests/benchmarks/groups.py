"""Reading and acknowledging as a consumer group."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis

import redisnb
from tests.benchmarks import entries, figures
from tests.benchmarks.ranges import checksum
from tests.benchmarks.workload import Bench, Variant, Workload

KEY, GROUP = "shared", "workers"
COUNT = 10_000
IDIOM_ENTRIES = 20_000


@contextmanager
def group_read(bench: Bench) -> Iterator[Workload]:
    """Take every entry of a stream and acknowledge it."""
    count = bench.at_most(IDIOM_ENTRIES)
    with bench.connections() as (conn, client):
        stream = entries.fill(conn, KEY, bench.entries, entries.json_bodies)
        group = redisnb.ConsumerGroup(stream, GROUP, consumer="alice")

        def create() -> None:
            group.destroy()
            assert group.create("all")

        def check(expected: int) -> Any:
            def same(handled: tuple[int, int]) -> None:
                assert handled == (expected, checksum(expected))
                assert client.xpending(KEY, GROUP)["pending"] == 0

            return same

        yield Workload(
            [
                Variant(
                    f"ConsumerGroup.read({COUNT:,}), ack(frame)",
                    lambda: read(group),
                    check(bench.entries),
                    bench.entries,
                    before=create,
                    targets=(figures.idiom(10),),
                ),
                Variant(
                    "redis-py xreadgroup, json.loads and xack per entry",
                    lambda: idiom(client, count),
                    check(count),
                    count,
                    role="idiom",
                    before=create,
                ),
            ]
        )


def read(group: redisnb.ConsumerGroup) -> tuple[int, int]:
    """Read all that the group has in frames, acknowledge it, and return rows and checksum."""
    rows = total = 0
    while len(frame := group.read(COUNT)):
        rows += len(frame)
        total += int(frame["id"].sum())
        group.ack(frame)
    return rows, total


def idiom(client: redis.Redis, count: int) -> tuple[int, int]:
    """Do the same as people do without redisnb, until `count` entries are handled."""
    rows = total = 0
    while rows < count:
        most = min(COUNT, count - rows)
        reply: Any = client.xreadgroup(GROUP, "alice", {KEY: ">"}, count=most)
        [[_, found]] = reply
        for entry_id, fields in found:
            total += json.loads(fields["payload"])["id"]
            client.xack(KEY, GROUP, entry_id)
        rows += len(found)
    return rows, total
