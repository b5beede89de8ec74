"""Run the variants of a workload in turn and take their times."""

import gc
import resource
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import redis

from tests.benchmarks.figures import Row
from tests.benchmarks.workload import Measured, Variant, Workload


def client_cpu() -> float:
    """Return the CPU seconds of this process, its threads, and its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def server_cpu(client: redis.Redis) -> float:
    """Return the CPU seconds of the server's main thread, or of all where it tells no more."""
    info: Any = client.info("cpu")
    of = "_main_thread" if "used_cpu_user_main_thread" in info else ""
    return float(info[f"used_cpu_user{of}"] + info[f"used_cpu_sys{of}"])


def measure(name: str, workload: Workload, repeat: int, served: Callable[[], float]) -> list[Row]:
    """Check each variant, then time them in turn, A B C A B C, so that drift hits all alike.

    `served` returns the server's CPU seconds.

    Raises
    ------
    AssertionError
        If the result of a variant is wrong.
    """
    first = [_checked(variant) for variant in workload.variants]
    runs: list[list[Measured]] = [[] for _ in workload.variants]
    for _ in range(repeat):
        for variant, done in zip(workload.variants, runs, strict=True):
            done.append(_timed(variant, served))
    return [
        Row(
            workload=name,
            variant=variant.name,
            role=variant.role,
            entries=variant.entries,
            seconds=tuple(run.seconds for run in done),
            client_cpu=tuple(run.client_cpu or 0 for run in done),
            server_cpu=tuple(run.server_cpu for run in done),
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


def _timed(variant: Variant, served: Callable[[], float]) -> Measured:
    variant.before()
    gc.collect()
    server, client, start = served(), client_cpu(), time.perf_counter()
    result = variant.run()
    seconds = time.perf_counter() - start
    client, server = client_cpu() - client, served() - server
    if not isinstance(result, Measured):
        result = Measured(seconds)
    return replace(result, client_cpu=result.client_cpu or client, server_cpu=server)
