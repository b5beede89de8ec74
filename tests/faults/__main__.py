"""Run seeds of the mixed run, or the mutations: ``python -m tests.faults``."""

import argparse
import sys
from collections.abc import Sequence

from tests.faults import mixed, mutations
from tests.faults.place import Place
from tests.faults.servers import executables


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; return 1 if a gate is broken or a mutation goes unnoticed."""
    options = _options(arguments)
    names = list(executables()) if options.server == "both" else [options.server]
    found = {name: path for name in names if (path := executables()[name]) is not None}
    for name in set(names) - set(found):
        print(f"{name}: there is no such server of its own here, left out")
    if options.mutations:
        unnoticed = sum(mutations.show(name, path) for name, path in found.items())
        return int(unnoticed > 0)
    reports = []
    for seed in range(options.first, options.first + options.seeds):
        for name, path in found.items():
            with Place(path) as place:
                reports.append(mixed.run(place, name, seed, options.seconds))
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
    parser.add_argument("--server", choices=["debian", "wheel", "both"], default="both")
    parser.add_argument(
        "--mutations", action="store_true", help="break redisnb in known ways; all must be noticed"
    )
    options = parser.parse_args(arguments)
    if options.seeds < 1 or options.seconds <= 0:
        parser.error("--seeds and --seconds are more than 0")
    return options


if __name__ == "__main__":
    sys.exit(main())
