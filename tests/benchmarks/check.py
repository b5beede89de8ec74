"""Whether redisnb has become slower than it was: ``python -m tests.benchmarks.check``."""

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from operator import truediv
from pathlib import Path

import redisnb
from tests.benchmarks import report, timing
from tests.benchmarks.__main__ import WORKLOADS
from tests.benchmarks.figures import Row
from tests.benchmarks.workload import Bench, Workload, text_client

KEPT = Path(__file__).with_name("ratios.json")
#: The workloads that it runs.
NAMES = ["range-json", "range-flat", "add-many", "keys", "values", "consume"]
ENTRIES, REPEAT, TRIES = 20_000, 9, 3
#: With what ours is compared, by its role: the first that a workload has. A bare loop mostly waits
#: for replies, and the CPU time of a wait depends on how busy the machine is.
BESIDE = ["redis-py", "idiom", "wire"]
#: How many times the ratio that is kept is too much.
WORSE = 1.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare with the ratios that are kept, or keep those of now; return 1 if one is worse."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.check", description=__doc__)
    parser.add_argument("--update", action="store_true", help=f"write {KEPT.name}")
    options = parser.parse_args(arguments)
    if options.update:
        tries = [measure() for _ in range(TRIES)]
        KEPT.write_text(json.dumps(_each(statistics.median, tries), indent=1) + "\n")
        return 0
    tries, is_good = [], False
    # What is slower is so each time; what the machine did meanwhile is not.
    while not is_good and len(tries) < TRIES:
        tries.append(measure())
        lines, is_good = compare(_each(min, tries), json.loads(KEPT.read_text()))
        print("\n".join(lines), flush=True)
    return int(not is_good)


def _each(of: Callable[[list[float]], float], tries: list[dict[str, float]]) -> dict[str, float]:
    return {name: of([found[name] for found in tries]) for name in tries[0]}


def measure() -> dict[str, float]:
    """Return the ratios of now."""
    rows: list[Row] = []
    with redisnb.Server() as server, text_client(server.url) as client:
        bench = Bench(server.url, ENTRIES)
        for name in NAMES:
            bench.empty()
            with WORKLOADS[name](bench) as workload:
                cpu = partial(timing.server_cpu, client)
                rows += timing.measure(name, needed(workload), REPEAT, cpu)
    return ratios(rows)


def needed(workload: Workload) -> Workload:
    """Leave out all but ours and what it is compared with, which needs no other program."""
    roles = {"ours", _other(variant.role for variant in workload.variants)}
    return replace(workload, variants=[v for v in workload.variants if v.role in roles])


def _other(roles: Iterable[str]) -> str:
    return min(set(roles) & set(BESIDE), key=BESIDE.index)


def ratios(rows: Sequence[Row]) -> dict[str, float]:
    """Return the CPU time of each variant of ours, on that of what it is compared with.

    CPU time, because beside other work wall time differs by half from check to check; and the
    median of the ratios round by round, because the two runs of a round have the same neighbours.
    """
    found = {}
    for row in rows:
        if row.role == "ours":
            others = report.beside(row, rows)
            other = others[_other(others)]
            runs = statistics.median(map(truediv, row.client_cpu, other.client_cpu))
            found[f"{row.workload}: {row.variant}"] = round(runs * other.entries / row.entries, 4)
    return found


def compare(now: Mapping[str, float], kept: Mapping[str, float]) -> tuple[list[str], bool]:
    """Say of each ratio what it was; return also whether all are known and none is worse."""
    lines, are_good = [], True
    for name in [*now, *(name for name in kept if name not in now)]:
        is_good = name in now and name in kept and now[name] <= WORSE * kept[name]
        were, is_now = (f"{each[name]:.3f}" if name in each else "unknown" for each in (kept, now))
        lines.append(f"{'ok' if is_good else 'NO'}  {name}: {is_now}, was {were}")
        are_good &= is_good
    return lines, are_good


if __name__ == "__main__":
    sys.exit(main())
