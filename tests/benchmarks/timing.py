"""Run the variants of a workload in turn and take their times."""

import gc
import time

from tests.benchmarks.figures import Row
from tests.benchmarks.workload import Measured, Variant, Workload


def measure(name: str, workload: Workload, repeat: int) -> list[Row]:
    """Check each variant, then time them in turn, A B C A B C, so that drift hits all alike.

    Raises
    ------
    AssertionError
        If the result of a variant is wrong.
    """
    first = [_checked(variant) for variant in workload.variants]
    runs: list[list[Measured]] = [[] for _ in workload.variants]
    for _ in range(repeat):
        for variant, done in zip(workload.variants, runs, strict=True):
            done.append(_timed(variant))
    return [
        Row(
            workload=name,
            variant=variant.name,
            role=variant.role,
            entries=variant.entries,
            seconds=tuple(run.seconds for run in done),
            by_median=workload.by_median,
            size=max((run.size for run in done if run.size is not None), default=size),
            frame=done[0].frame,
            targets=variant.targets,
        )
        for variant, size, done in zip(workload.variants, first, runs, strict=True)
    ]


def _checked(variant: Variant) -> int | None:
    """Run a variant once, check the result, and return the size of what it stored."""
    variant.before()
    variant.check(variant.run())
    return None if variant.size is None else variant.size()


def _timed(variant: Variant) -> Measured:
    variant.before()
    gc.collect()
    start = time.perf_counter()
    result = variant.run()
    seconds = time.perf_counter() - start
    return result if isinstance(result, Measured) else Measured(seconds)
