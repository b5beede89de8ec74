"""Run the benchmarks: ``python -m tests.benchmarks``."""

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import redisnb
from tests.benchmarks import (
    caches,
    captures,
    consumers,
    flights,
    groups,
    growth,
    imports,
    keyspace,
    painting,
    panels,
    publishing,
    ranges,
    replays,
    report,
    tables,
    timing,
)
from tests.benchmarks.figures import Row
from tests.benchmarks.workload import Bench, LeftOut, Workload, text_client

#: The promised figures, and the real flights.
WORKLOADS: dict[str, Callable[[Bench], AbstractContextManager[Workload]]] = {
    "range-json": ranges.range_json,
    "range-flat": ranges.range_flat,
    "range-memory": ranges.range_memory,
    "frames-memory": ranges.frames_memory,
    "capture-json": captures.capture_json,
    "capture-flat": captures.capture_flat,
    "capture-memory": captures.capture_memory,
    "add-many": publishing.add_many,
    "replay": replays.replay_speed,
    "replay-late": replays.replay_lateness,
    "group-read": groups.group_read,
    "consume": consumers.consume,
    "keys": keyspace.keys,
    "values": keyspace.values,
    "streams": keyspace.streams,
    "cache-set": caches.cache_set,
    "cache-get": caches.cache_get,
    "panel-live": panels.panel_live,
    "panel-painted": painting.panel_painted,
    "panel-voila": painting.panel_voila,
    "panel-table": tables.panel_table,
    "import": imports.import_time,
    "flights-add": flights.flights_add,
    "flights-range": flights.flights_range,
    "growth-json": growth.growth_json,
    "growth-flat": growth.growth_flat,
    "growth-add": growth.growth_add,
    "growth-keys": growth.growth_keys,
}
LEAST_REPEATS = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the workloads that are asked for; return 1 if a result was wrong."""
    options = _options(arguments)
    rows: list[Row] = []
    wrong = False
    with redisnb.Server(maxmemory="6gb") as server, text_client(server.url) as client:
        bench = Bench(server.url, options.entries)
        server_cpu = partial(timing.server_cpu, client)
        found = report.machine(client)
        print(report.facts(found), flush=True)
        try:
            for name in options.only or WORKLOADS:
                wrong |= not _run(name, bench, options.repeat, rows, server_cpu)
        finally:
            # Also after a Ctrl-C: the workloads that are done have taken minutes.
            print(f"\n{report.table(rows)}\n\n{report.LEGEND}")
            print(report.listed(bench.notes))
            if options.json:
                report.save(options.json, found, rows, bench.notes)
    if options.write and not wrong:
        command = f"--entries {options.entries} --repeat {options.repeat} --write"
        report.write(command, found, rows, bench.notes)
    return int(wrong)


def _run(
    name: str, bench: Bench, repeat: int, rows: list[Row], server_cpu: Callable[[], float]
) -> bool:
    """Add a workload's rows; say whether all its results were right."""
    print(f"{name} ...", file=sys.stderr, flush=True)
    bench.empty()
    try:
        with WORKLOADS[name](bench) as workload:
            rows += timing.measure(name, workload, max(repeat, workload.least_repeats), server_cpu)
    except LeftOut as reason:
        bench.note(f"{name} is left out: {reason}")
    except AssertionError as error:
        bench.note(f"{name}: WRONG RESULT, not timed: {error}")
        return False
    return True


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="Time redisnb beside what people write without it, on a private server.",
    )
    parser.add_argument("--entries", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--repeat", type=int, default=LEAST_REPEATS, metavar="TIMES")
    parser.add_argument("--only", nargs="+", choices=WORKLOADS, metavar="NAME")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument(
        "--write",
        action="store_true",
        help="write tests/benchmarks/README.md, and README.md's part",
    )
    options = parser.parse_args(arguments)
    if options.repeat < LEAST_REPEATS:
        parser.error(f"--repeat is at least {LEAST_REPEATS}: one run says little")
    if options.entries < 1:
        parser.error("--entries is at least 1")
    if options.write and options.only:
        parser.error("--write writes all workloads, and --only leaves some out")
    return options


if __name__ == "__main__":
    sys.exit(main())
