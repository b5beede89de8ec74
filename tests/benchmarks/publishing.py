"""Publishing many events into a stream."""

import csv
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd
import redis
from redis.connection import parse_url

import redisnb
from tests.benchmarks import entries, figures
from tests.benchmarks.workload import Bench, Measured, Variant, Workload

KEY = "published"
EVENTS = 200_000
PIPELINE = 1_000


@contextmanager
def add_many(bench: Bench) -> Iterator[Workload]:
    """Publish events of six members as JSON."""
    count = bench.at_most(EVENTS)
    events = entries.events(0, count)
    frame = entries.scalar_frame(count)
    with bench.connections() as (conn, client):
        stream = redisnb.Stream(conn, KEY)

        def variant(
            name: str, source: Any, expected: list[Any], times: float, share: float
        ) -> Variant:
            return Variant(
                f"Stream.add_many({name})",
                lambda: stream.add_many(source()),
                check_added(conn, expected),
                count,
                before=lambda: client.delete(KEY),
                targets=(figures.idiom(times), figures.ceiling(share)),
            )

        yield Workload(
            [
                variant("mappings", lambda: events, events, 4, 0.75),
                variant("iterator", lambda: iter(events), events, 4, 1),
                variant("DataFrame", lambda: frame, frame.to_dict("records"), 3, 0.6),
                Variant(
                    f"redis-py pipeline of {PIPELINE:,}, json.dumps",
                    lambda: pipeline(client, KEY, map(json.dumps, events)),
                    check_stored(conn, events),
                    count,
                    role="idiom",
                    before=lambda: client.delete(KEY),
                ),
                *redis_benchmark(bench, client, count, _mean_size(events)),
            ]
        )


def check_added(
    conn: redisnb.Connection, expected: list[dict[str, Any]]
) -> Callable[[pd.DataFrame], None]:
    """Make a check of what `add_many` returned and of what it left in the stream."""
    stored = check_stored(conn, expected)

    def check(added: pd.DataFrame) -> None:
        assert len(added) == len(expected)
        assert added["status"].eq("added").all()
        assert added["entry_id"].is_unique
        stored(None)

    return check


def check_stored(
    conn: redisnb.Connection, expected: list[dict[str, Any]]
) -> Callable[[object], None]:
    """Make a check of what is in the stream."""

    def check(_: object) -> None:
        assert entries.payloads(conn, KEY) == expected

    return check


def pipeline(client: redis.Redis, key: str, payloads: Any) -> None:
    """Publish payloads as people do without redisnb."""
    pipe = client.pipeline(transaction=False)
    for i, payload in enumerate(payloads, 1):
        pipe.xadd(key, {"payload": payload})
        if i % PIPELINE == 0:
            pipe.execute()
    pipe.execute()


def _mean_size(events: list[dict[str, Any]]) -> int:
    return sum(len(json.dumps(event, separators=(",", ":"))) for event in events) // len(events)


def redis_benchmark(bench: Bench, client: redis.Redis, count: int, size: int) -> list[Variant]:
    """Let redis-benchmark, a program in C, add as many entries of the same size."""
    program = shutil.which("redis-benchmark")
    if program is None:
        bench.note("redis-benchmark is not on PATH: add_many has no ceiling to compare with")
        return []
    options = parse_url(bench.url)
    command = [
        *(program, "-s", options["path"], "-a", options["password"], "-c", "1", "-P", "500"),
        *("-n", str(count), "--csv", "XADD", KEY, "*", "payload", "x" * size),
    ]

    def run() -> Measured:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        *_, line = csv.reader(done.stdout.splitlines())
        # Its own figure, without its start. It counts in ms, and few entries take none.
        rate = float(line[1])
        return Measured(count / rate if 0 < rate < float("inf") else 0.001)

    def check(_: Measured) -> None:
        assert count <= client.xlen(KEY) < count + 500

    return [
        Variant(
            f"redis-benchmark XADD -c 1 -P 500, {size} bytes",
            run,
            check,
            count,
            role="wire",
            before=lambda: client.delete(KEY),
        )
    ]
