"""Replaying as fast as the server takes it, beside publishing the same events."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redisnb
from tests.benchmarks import entries, figures
from tests.benchmarks.publishing import EVENTS, KEY, check_stored
from tests.benchmarks.workload import Bench, Variant, Workload

INF = float("inf")


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

        def variant(name: str, run: Callable[[], Any]) -> Variant:
            return Variant(name, run, check, count, before=before, targets=(figures.added(0.6),))

        def replay(what: Any, **options: Any) -> Callable[[], Any]:
            return lambda: redisnb.replay(what, target, speed=INF, **options)

        yield Workload(
            [
                variant("replay(stream)", replay(source)),
                variant("replay(stream, ids='keep')", replay(source, ids="keep")),
                variant("replay(stream, resume=...)", replay(source, resume="bench")),
                variant("replay('*.parquet')", replay(path)),
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
