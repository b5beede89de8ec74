"""Run seeds of the mixed run, or the mutations: ``python -m tests.faults``."""

import argparse
import sys
from collections.abc import Sequence

from redisnb.wire.server import find_executable
from tests.faults import mixed, mutations
from tests.faults.place import Place


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; return 1 if a gate is broken or a mutation goes unnoticed."""
    options = _options(arguments)
    executable = find_executable()
    print(f"with {executable}")
    if options.mutations:
        return int(mutations.show(executable) > 0)
    reports = []
    for seed in range(options.first, options.first + options.seeds):
        with Place(executable) as place:
            reports.append(mixed.run(place, seed, options.seconds))
        print(reports[-1], flush=True)
    print(mixed.summary(reports))
    return int(any(report.broken for report in reports))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults",
        description="Publish and consume while servers, links and processes fail, and do the sums.",
    )
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="how many seeds")
    parser.add_argument("--first", type=int, default=1, metavar="SEED", help="the first seed")
    parser.add_argument("--seconds", type=float, default=10, metavar="S", help="faults per seed")
    parser.add_argument(
        "--mutations", action="store_true", help="break redisnb in known ways; all must be noticed"
    )
    options = parser.parse_args(arguments)
    if options.seeds < 1 or options.seconds <= 0:
        parser.error("--seeds and --seconds are more than 0")
    return options


if __name__ == "__main__":
    sys.exit(main())
