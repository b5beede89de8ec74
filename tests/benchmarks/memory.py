"""The peak of memory of one task, in a process of its own."""

import contextlib
import gc
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import orjson
import pandas as pd

import redisnb
from redisnb.captures import reader
from tests.benchmarks.entries import json_idiom
from tests.benchmarks.workload import Measured, text_client

#: Rows, the sum of their column `id`, and the frame if it is one.
Result = tuple[int, int, pd.DataFrame | None]


def _range(url: str, key: str) -> Result:
    with redisnb.connect(url) as conn:
        frame = redisnb.Stream(conn, key).range(limit=None)
    return len(frame), int(frame["id"].sum()), frame


def _frames(url: str, key: str) -> Result:
    rows = checksum = 0
    with redisnb.connect(url) as conn:
        for frame in redisnb.Stream(conn, key).frames():
            rows += len(frame)
            checksum += int(frame["id"].sum())
    return rows, checksum, None


def _capture(url: str, key: str) -> Result:
    rows = checksum = 0
    with redisnb.connect(url) as conn, tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "capture.parquet")
        redisnb.capture(redisnb.Stream(conn, key), path)
        for page in reader.open_capture(path):
            rows += len(page)
            checksum += sum(orjson.loads(fields[1])["id"] for _, _, fields in page)
    return rows, checksum, None


def _idiom(url: str, key: str) -> Result:
    with text_client(url) as client:
        frame = json_idiom(client, key)
    return len(frame), int(frame["id"].sum()), frame


TASKS: dict[str, Callable[[str, str], Result]] = {
    "range": _range,
    "frames": _frames,
    "capture": _capture,
    "idiom": _idiom,
}


def peak(task: str, url: str, key: str) -> Measured:
    """Let a fresh process read a stream."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.memory"],
        # Not an argument, which others on this machine could see: the URL has the password.
        input=json.dumps([task, url, key]),
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, f"the memory task {task!r} failed:\n{done.stderr}"
    return Measured(**json.loads(done.stdout))


def measured(task: str, url: str, key: str) -> Measured:
    """Run a task in this process and say how far its memory went above the start."""
    # What is imported at first use, threads and the like are no part of the peak.
    TASKS[task](url, f"{key}:warm-up")
    gc.collect()
    start = _reset_peak()
    began, cpu = time.perf_counter(), time.process_time()
    rows, checksum, frame = TASKS[task](url, key)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    extra = _peak() - start
    size = None if frame is None else int(frame.memory_usage(deep=True).sum())
    return Measured(seconds, cpu, 0, extra, size, rows, checksum)


def _reset_peak() -> int:
    """Let the peak be what is used now, where Linux can; return it in bytes."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _peak()


def _peak() -> int:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        # Linux: a new process begins with its parent's value here, so this is the second choice.
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def main() -> None:
    """Carry out what standard input says and print the figures."""
    task, url, key = json.load(sys.stdin)
    print(json.dumps(asdict(measured(task, url, key))))


if __name__ == "__main__":
    main()
