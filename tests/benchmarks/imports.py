"""What `import redisnb` takes."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks import figures
from tests.benchmarks.workload import Bench, Measured, Variant, Workload

SCRIPT = """\
import sys, time
start, cpu = time.perf_counter(), time.process_time()
import {modules}
print(time.perf_counter() - start, time.process_time() - cpu)
"""


@contextmanager
def import_time(bench: Bench) -> Iterator[Workload]:
    """Import in a fresh interpreter."""
    target = figures.slower_than_idiom(1.2)
    yield Workload(
        [
            Variant("import redisnb", lambda: _import("redisnb"), _took, 1, targets=(target,)),
            Variant(
                "import pandas, pyarrow, redis",
                lambda: _import("pandas, pyarrow, redis"),
                _took,
                1,
                role="idiom",
            ),
        ],
        least_repeats=7,
        by_median=True,
    )


def _import(modules: str) -> Measured:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(modules=modules)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        # Compiled beforehand, as what is installed is.
        env={k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"},
    )
    seconds, cpu = map(float, done.stdout.split())
    return Measured(seconds, cpu)


def _took(measured: Measured) -> None:
    assert measured.seconds > 0
