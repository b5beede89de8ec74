"""Voila, marimo and `redisnb dashboard`: pages with a panel, in hosts other than JupyterLab."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redisnb.cli.lab import notebook_of
from tests.deadlines import deadline, until

MARIMO = """# /// script
# [tool.marimo.display]
# theme = "{theme}"
# ///
import marimo

app = marimo.App(width="full")


@app.cell
def _():
{cell}
    return


if __name__ == "__main__":
    app.run()
"""


@contextmanager
def voila(folder: Path, cell: str, theme: str = "light") -> Iterator[str]:
    """Show what a cell displays in Voila; return the address."""
    path = folder / "panel.ipynb"
    path.write_text(json.dumps(notebook_of(cell)))
    port = _free_port()
    options = [f"--port={port}", "--no-browser", f"--theme={theme}", "--Voila.ip=127.0.0.1"]
    with _serving(folder, port, "voila", str(path), *options) as address:
        yield address


@contextmanager
def app(folder: Path, url: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `redisnb dashboard` in a folder; return it, and its address, once it answers."""
    process = subprocess.Popen(
        [sys.executable, "-m", "redisnb", "dashboard", "--no-browser"],
        cwd=folder,
        env={**os.environ, "REDISNB_URL": url},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)/\?token=\w+", line):
                break
        else:
            raise RuntimeError("it did not start")
        until(lambda: _is_there(int(found[1])), 60)
        yield process, found[0]
    finally:
        process.terminate()
        try:
            process.communicate(timeout=deadline(20))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def descendants(pid: int) -> list[int]:
    """Return the processes that a process started, and those that they started."""
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    children = [int(each) for each in found.stdout.split()]
    return [*children, *(each for child in children for each in descendants(child))]


@contextmanager
def marimo(folder: Path, cell: str, theme: str = "light") -> Iterator[str]:
    """Show what a cell displays in marimo; return the address."""
    path = folder / "panel_page.py"
    indented = "\n".join(f"    {line}" for line in cell.splitlines())
    path.write_text(MARIMO.format(theme=theme, cell=indented))
    port = _free_port()
    options = ["--headless", "--no-token", "--host=127.0.0.1", f"--port={port}"]
    with _serving(folder, port, "marimo", "-q", "run", str(path), *options) as address:
        yield address


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _serving(folder: Path, port: int, module: str, *arguments: str) -> Iterator[str]:
    address = f"http://127.0.0.1:{port}/"
    log = folder / f"{module}.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments], stdout=output, stderr=subprocess.STDOUT
        )
    try:
        end = time.monotonic() + deadline(60)
        while not _is_there(port):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{module} did not start:\n{log.read_text()[-3000:]}")
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(deadline(10))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _is_there(port: int) -> bool:
    # A page of Voila takes as long as its cells.
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
