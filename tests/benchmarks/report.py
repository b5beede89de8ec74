"""What is printed: the machine, one table, and what is missing in it."""

import json
import os
import platform
import re
import statistics
from collections.abc import Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import redis

from tests.benchmarks.figures import MB, Row, on_idiom, on_wire
from tests.benchmarks.slower import slower

HEADER = (
    *("workload", "variant", "entries", "best s", "client CPU s", "server CPU s", "s/million"),
    *("x idiom", "x wire", "MB"),
)
PACKAGES = (
    *("redisnb", "redis", "hiredis", "pandas", "pyarrow", "orjson"),
    *("polars", "valkey-glide-sync", "coredis", "walrus", "faststream"),
)
_TEXT_COLUMNS = {"workload", "variant"}
LEGEND = """\
best s, CPU s: the least of the runs (import and panel-live: the median). Wall time tells of the
machine's other work too, CPU time hardly. Client is the process that does the work, with its
threads and children; server is the main thread of the server.
s/million: best s for a million entries. x idiom: how many times as fast as the idiom, which is what
people write without redisnb; x wire: how many times as long as the bare wire, a bare loop or
redis-benchmark; both by best s, per entry.
MB: for *-memory the peak above the start of a fresh process, for cache-set and capture-* what is
stored."""
PAGE = Path(__file__).with_name("README.md")
README = Path(__file__).parents[2] / "README.md"
#: The workloads of which the project's README has a line.
EXCERPT = ("range-json", "add-many", "group-read", "keys", "consume")


def machine(client: redis.Redis) -> dict[str, str]:
    """Gather what the figures depend on."""
    server: Any = client.info("server")
    installed = {each.name: each.version for each in distributions()}
    return {
        "machine": f"{os.cpu_count()} cores ({platform.machine()}, {platform.system()}), "
        f"load {os.getloadavg()[0]:.1f} at the start",
        "server": f"{server.get('server_name', 'redis')} {server['redis_version']}, Unix socket",
        "python": platform.python_version(),
        **{package: installed[package] for package in PACKAGES if package in installed},
    }


def facts(found: dict[str, str]) -> str:
    """Write the machine's facts on two lines and the packages' versions on one."""
    packages = [f"{name} {found[name]}" for name in found if name not in ("machine", "server")]
    return "\n".join([found["machine"], found["server"], ", ".join(packages)])


def table(rows: Sequence[Row]) -> str:
    """Write one table, a Markdown one that is aligned for the eye."""
    return _aligned(HEADER, [_cells(row, beside(row, rows)) for row in rows])


def _aligned(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(header, *lines, strict=True)]
    marks = tuple(
        "-" * width if name in _TEXT_COLUMNS else "-" * (width - 1) + ":"
        for name, width in zip(header, widths, strict=True)
    )
    return "\n".join(
        "| "
        + " | ".join(
            cell.ljust(width) if name in _TEXT_COLUMNS else cell.rjust(width)
            for name, cell, width in zip(header, line, widths, strict=True)
        )
        + " |"
        for line in [header, marks, *lines]
    )


def excerpt(page: str) -> str:
    """Return a line on each of some workloads of a page: its first variant beside the idiom."""
    lines = [line[1:-1].split("|") for line in page.splitlines() if line.startswith("|")]
    found: dict[str, list[dict[str, str]]] = {name: [] for name in EXCERPT}
    for line in lines[2:]:
        cells = dict(zip(HEADER, map(str.strip, line), strict=True))
        if cells["workload"] in found:
            found[cells["workload"]].append(cells)
    return "\n".join(map(_sentence, found.values()))


def _sentence(rows: Sequence[dict[str, str]]) -> str:
    idiom = next(row for row in rows if not row["x idiom"])
    ours = next(row for row in rows if row["x idiom"])
    times = float(ours["x idiom"])
    compared = f"{times:.1f} times as fast" if times >= 1 else f"{1 / times:.1f} times as long"
    return (
        f"- `{ours['variant']}`: {ours['entries']} entries in {float(ours['best s']):.2f} s, "
        f"{compared} as `{idiom['variant']}`"
    )


def beside(row: Row, rows: Sequence[Row]) -> dict[str, Row]:
    """Return the rows of the same workload by their role, of several the fastest."""
    others = [other for other in rows if other.workload == row.workload]
    return {other.role: other for other in sorted(others, key=lambda other: other.rate)}


def _cells(row: Row, others: dict[str, Row]) -> tuple[str, ...]:
    figures = row_figures(row, others)
    single = row.entries == 1
    return (
        row.workload,
        row.variant,
        "" if single else f"{row.entries:,}",
        f"{row.time:.3f}",
        f"{row.of(row.client_cpu):.3f}",
        f"{row.of(row.server_cpu):.3f}",
        "" if single else f"{1e6 / row.rate:.2f}",
        _ratio(figures["x_idiom"]),
        _ratio(figures["x_wire"]),
        "" if row.size is None else f"{row.size / MB:,.1f}",
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
        "client_cpu_seconds": list(row.client_cpu),
        "server_cpu_seconds": list(row.server_cpu),
        "entries_per_second": row.rate,
        "x_idiom": on_idiom(row, others) if row.role != "idiom" else None,
        "x_wire": on_wire(row, others) if row.role != "wire" else None,
        "bytes": row.size,
        "frame_bytes": row.frame,
        "targets": [{"target": text, "figure": f, "met": met} for text, f, met in judged],
    }


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def listed(notes: Sequence[str]) -> str:
    """Write the notes."""
    return "\n".join(f"- {note}" for note in notes)


def write(command: str, found: dict[str, str], rows: Sequence[Row], notes: Sequence[str]) -> None:
    """Write the page of the benchmarks, and its excerpt into the project's README."""
    figures = [row_figures(row, beside(row, rows)) for row in rows]
    page = f"""\
# Benchmarks

`python -m tests.benchmarks {command}` wrote this page. It starts
its own server, checks every result before it times it, and runs the variants in turn, here on
{", ".join(facts(found).splitlines())}.

{table(rows)}

{LEGEND}

## What is slower, and why

{slower(figures)}

{listed(notes)}
"""
    PAGE.write_text(f"{page.rstrip()}\n")
    text, count = re.subn(
        r"(?<=\n\n)- `[^\n]* entries in .*?(?=\n\n)",
        lambda _: excerpt(page),
        README.read_text(),
        flags=re.DOTALL,
    )
    assert count == 1, f"{README} has {count} such lists"
    README.write_text(text)


def save(path: Path, found: dict[str, str], rows: Sequence[Row], notes: Sequence[str]) -> None:
    """Write everything as JSON."""
    content = {
        "machine": found,
        "rows": [row_figures(row, beside(row, rows)) for row in rows],
        "notes": list(notes),
    }
    path.write_text(json.dumps(content, indent=1) + "\n")
