"""Reading a stream into a frame: time and memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd
import redis

import redisnb
from tests.benchmarks import entries, figures, memory, peers
from tests.benchmarks.figures import Target
from tests.benchmarks.wire import PAGE, BareWire
from tests.benchmarks.workload import Bench, Measured, Variant, Workload

WARM_UP_ENTRIES = 1_000


@contextmanager
def range_json(bench: Bench) -> Iterator[Workload]:
    """Read JSON payloads of six members, one of them nested."""
    expected = entries.json_frame(bench.entries)
    targets = (figures.idiom(8), figures.peer(2), figures.wire(2.3))
    with bench.connections() as (conn, client):
        stream = entries.fill(conn, "events", bench.entries, entries.json_bodies)
        bare = BareWire(bench.url, "events")
        yield Workload(
            [
                ours(stream, expected, targets),
                idiom("json.loads", entries.json_idiom, client, "events", expected),
                wire(bare, bench.entries),
                *peers.reading(bench, "events", expected),
            ]
        )


@contextmanager
def range_flat(bench: Bench) -> Iterator[Workload]:
    """Read entries of four fields, typed."""
    expected = entries.flat_frame(bench.entries)
    targets = (figures.idiom(7), figures.wire(1.8))
    with bench.connections() as (conn, client):
        stream = entries.fill(conn, "flat", bench.entries, entries.flat_bodies)
        bare = BareWire(bench.url, "flat")
        yield Workload(
            [
                ours(stream, expected, targets),
                idiom("dict per entry", entries.flat_idiom, client, "flat", expected),
                wire(bare, bench.entries),
            ]
        )


def ours(stream: redisnb.Stream, expected: pd.DataFrame, targets: tuple[Target, ...]) -> Variant:
    """Read a whole stream by `Stream.range`."""
    return Variant(
        "Stream.range(limit=None)",
        lambda: stream.range(limit=None),
        entries.check(expected),
        len(expected),
        targets=targets,
    )


def idiom(
    how: str,
    read: Callable[[redis.Redis, str], pd.DataFrame],
    client: redis.Redis,
    key: str,
    expected: pd.DataFrame,
) -> Variant:
    """Read a whole stream as people do."""
    return Variant(
        f"redis-py xrange, {how}, DataFrame",
        lambda: read(client, key),
        entries.check_idiom(expected),
        len(expected),
        role="idiom",
    )


def wire(bare: BareWire, count: int) -> Variant:
    """Receive the same entries and drop them."""

    def check(received: int) -> None:
        assert (bare.entries, received) == (count, bare.size)

    return Variant(f"wire: pages of {PAGE:,}, dropped", bare.drop, check, count, role="wire")


def checksum(count: int) -> int:
    """Return the sum of the first `count` entries' IDs."""
    return count * (count - 1) // 2


@contextmanager
def range_memory(bench: Bench) -> Iterator[Workload]:
    """Hold what reading takes against what the frame itself takes."""
    targets = (figures.of_frame(2.2),)
    fill_with_warm_up(bench, "events", entries.json_bodies)
    fill_with_warm_up(bench, "flat", entries.flat_bodies)
    yield Workload(
        [
            peak("Stream.range, JSON", "range", bench, "events", targets),
            peak("Stream.range, flat", "range", bench, "flat", targets),
            peak("redis-py, JSON", "idiom", bench, "events"),
        ]
    )


@contextmanager
def frames_memory(bench: Bench) -> Iterator[Workload]:
    """Walk over the whole stream in frames."""
    targets = (figures.megabytes(150),)
    fill_with_warm_up(bench, "events", entries.json_bodies)
    yield Workload([peak("Stream.frames(), JSON", "frames", bench, "events", targets)])


def fill_with_warm_up(bench: Bench, key: str, bodies: Callable[[int, int], Any]) -> None:
    """Make a stream, and a short one to begin with."""
    with bench.connections() as (conn, _):
        entries.fill(conn, key, bench.entries, bodies)
        entries.fill(conn, f"{key}:warm-up", bench.at_most(WARM_UP_ENTRIES), bodies)


def peak(name: str, task: str, bench: Bench, key: str, targets: tuple[Target, ...] = ()) -> Variant:
    """Let a fresh process read a stream, and hold its memory against the targets."""
    count = bench.entries

    def check(measured: Measured) -> None:
        assert (measured.rows, measured.checksum) == (count, checksum(count))

    return Variant(
        f"{name}, own process",
        lambda: memory.peak(task, bench.url, key),
        check,
        count,
        role="idiom" if task == "idiom" else "ours",
        targets=targets,
    )
