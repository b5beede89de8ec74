"""What is printed: the machine, one table, and what is missing in it."""

import json
import os
import platform
import statistics
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import redis

from tests.benchmarks.figures import MB, Row, on_idiom, on_wire

HEADER = (
    *("workload", "variant", "entries", "best s", "median s", "entries/s"),
    *("x idiom", "x wire", "MB", "target", "met"),
)
_TEXT_COLUMNS = {"workload", "variant", "target", "met"}
LEGEND = """\
x idiom: how many times as fast as the idiom; x wire: how many times as long as the bare wire, or as
redis-benchmark, both per entry and from the best run of each (import and panel-live: the median).
MB: for *-memory the peak above the start of a fresh process, for cache-set and capture-* what is
stored."""


def machine(client: redis.Redis) -> dict[str, str]:
    """Gather what the figures depend on."""
    server: Any = client.info("server")
    packages = ("redisnb", "redis", "hiredis", "pandas", "pyarrow", "orjson")
    return {
        "machine": f"{os.cpu_count()} cores ({platform.machine()}, {platform.system()}), "
        f"load {os.getloadavg()[0]:.1f} at the start",
        "server": f"{server.get('server_name', 'redis')} {server['redis_version']}, Unix socket",
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
    }


def facts(found: dict[str, str]) -> str:
    """Write the machine's facts on two lines and the packages' versions on one."""
    packages = [f"{name} {found[name]}" for name in found if name not in ("machine", "server")]
    return "\n".join([found["machine"], found["server"], ", ".join(packages)])


def table(rows: Sequence[Row]) -> str:
    """Write one table, a Markdown one that is aligned for the eye."""
    lines = [HEADER, *(_cells(row, beside(row, rows)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    marks = tuple(
        "-" * width if name in _TEXT_COLUMNS else "-" * (width - 1) + ":"
        for name, width in zip(HEADER, widths, strict=True)
    )
    return "\n".join(
        "| "
        + " | ".join(
            cell.ljust(width) if name in _TEXT_COLUMNS else cell.rjust(width)
            for name, cell, width in zip(HEADER, line, widths, strict=True)
        )
        + " |"
        for line in [HEADER, marks, *lines[1:]]
    )


def beside(row: Row, rows: Sequence[Row]) -> dict[str, Row]:
    """Return the rows of the same workload by their role."""
    return {other.role: other for other in rows if other.workload == row.workload}


def _cells(row: Row, others: dict[str, Row]) -> tuple[str, ...]:
    figures = row_figures(row, others)
    single = row.entries == 1
    return (
        row.workload,
        row.variant,
        "" if single else f"{row.entries:,}",
        f"{figures['best']:.3f}",
        f"{figures['median']:.3f}",
        "" if single else f"{row.rate:,.0f}",
        _ratio(figures["x_idiom"]),
        _ratio(figures["x_wire"]),
        "" if row.size is None else f"{row.size / MB:,.1f}",
        ", ".join(target["target"] for target in figures["targets"]),
        ", ".join(_met(target) for target in figures["targets"]),
    )


def row_figures(row: Row, others: dict[str, Row]) -> dict[str, Any]:
    """Work out all that can be said of a row."""
    judged = [(target.text, *target.judge(row, others)) for target in row.targets]
    return {
        "workload": row.workload,
        "variant": row.variant,
        "role": row.role,
        "entries": row.entries,
        "seconds": list(row.seconds),
        "best": min(row.seconds),
        "median": statistics.median(row.seconds),
        "entries_per_second": row.rate,
        "x_idiom": on_idiom(row, others) if row.role != "idiom" else None,
        "x_wire": on_wire(row, others) if row.role != "wire" else None,
        "bytes": row.size,
        "frame_bytes": row.frame,
        "targets": [{"target": text, "figure": f, "met": met} for text, f, met in judged],
    }


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _met(target: dict[str, Any]) -> str:
    if target["met"] is None:
        return "?"
    return f"{'yes' if target['met'] else 'NO'} ({target['figure']:.2f})"


def save(path: Path, found: dict[str, str], rows: Sequence[Row], notes: Sequence[str]) -> None:
    """Write everything as JSON."""
    content = {
        "machine": found,
        "rows": [row_figures(row, beside(row, rows)) for row in rows],
        "notes": list(notes),
    }
    path.write_text(json.dumps(content, indent=1) + "\n")
