"""Replaying as fast as the server takes it, beside publishing the same events."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redisnb
from tests.benchmarks import entries, figures
from tests.benchmarks.publishing import EVENTS, KEY, check_stored
from tests.benchmarks.workload import Bench, Measured, Variant, Workload

INF = float("inf")


#: How late an entry may be, 99 times of 100, at a thousand a second, in ms.
LATEST = 15


@contextmanager
def replay_lateness(bench: Bench) -> Iterator[Workload]:
    """Replay a thousand entries a second; the seconds are how late they are, 99 times of 100."""
    count = bench.at_most(3_000)
    with bench.connections() as (conn, client):
        source, target = redisnb.Stream(conn, "source"), redisnb.Stream(conn, KEY)
        ids = [f"{ms}-0" for ms in range(1, count + 1)]
        source.add_many(({"i": i} for i in range(count)), ids=ids)

        def replay(**options: Any) -> Measured:
            report = redisnb.replay(source, target, **options)
            assert (report.state, report.added) == ("finished", count)
            return Measured(report.lateness["p99"].total_seconds())

        def sleep() -> Measured:
            """Wake up as often as an entry is due, and do nothing."""
            late, due = [], time.perf_counter()
            for _ in range(count):
                due += 0.001
                time.sleep(max(0, due - time.perf_counter()))
                late.append(time.perf_counter() - due)
            return Measured(max(sorted(late)[int(0.99 * count) - 1], 1e-6))

        def variant(name: str, run: Callable[[], Measured], role: str = "ours") -> Variant:
            targets = (figures.late(LATEST),) if role == "ours" else ()
            return Variant(
                name, run, lambda _: None, count, role, lambda: client.delete(KEY), targets=targets
            )

        yield Workload(
            [
                variant("replay(stream)", replay),
                variant(
                    "replay(stream, where=function)",
                    lambda: replay(where=lambda frame: frame["i"].notna()),
                ),
                variant("time.sleep", sleep, "idiom"),
            ]
        )


@contextmanager
def replay_speed(bench: Bench) -> Iterator[Workload]:
    """Replay JSON payloads of six members, one of them nested."""
    count = bench.at_most(EVENTS)
    events = entries.events(0, count)
    with tempfile.TemporaryDirectory() as directory, bench.connections() as (conn, client):
        source = entries.fill(conn, "source", count, entries.json_bodies)
        target = redisnb.Stream(conn, KEY)
        path = Path(directory, "capture.parquet")
        redisnb.capture(source, path)
        stored = check_stored(conn, events)

        def check(report: redisnb.Report) -> None:
            assert (report.state, report.added) == ("finished", count)
            stored(None)

        def before() -> None:
            client.delete(KEY, "redisnb:replay:bench")

        def variant(name: str, run: Callable[[], Any], share: float = 0.8) -> Variant:
            return Variant(name, run, check, count, before=before, targets=(figures.added(share),))

        def replay(what: Any, **options: Any) -> Callable[[], Any]:
            return lambda: redisnb.replay(what, target, speed=INF, **options)

        yield Workload(
            [
                variant("replay(stream)", replay(source)),
                variant("replay(stream, ids='keep')", replay(source, ids="keep")),
                variant("replay(stream, resume=...)", replay(source, resume="bench")),
                variant("replay('*.parquet')", replay(path), 0.7),
                Variant(
                    "Stream.add_many(mappings)",
                    lambda: target.add_many(events),
                    stored,
                    count,
                    role="add-many",
                    before=before,
                ),
            ]
        )
