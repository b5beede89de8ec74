"""`redisnb lab`: the notebooks in JupyterLab, on loopback, with a server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import redisnb
from redisnb.errors import MissingExtraError
from redisnb.wire import Server, connect

__all__: list[str] = []

#: How long a Jupyter program may take to end after a Ctrl-C, in seconds.
_GRACE = 10.0
_FIRST = "00-start-here.ipynb"
_DASHBOARD = "import redisnb as rnb\n\nrnb.panels.dashboard(rnb.connect(), snapshot=False)"


def open_lab(*, port: int | None = None, browser: bool = True) -> int:
    """Copy the notebooks to ``./redisnb-notebooks`` and open them in JupyterLab, on loopback.

    In a checkout of redisnb they are copied to ``~/redisnb-notebooks``, outside of it. A file that
    is there already is kept. All kernels share one server: that of ``$REDISNB_URL``, or a private
    one that is removed, with its data, when JupyterLab ends.

    Parameters
    ----------
    port : int, optional
        JupyterLab's port; by default 8888 or the next one that is free.
    browser : bool, default True
        Open a browser; the address is printed in any case.

    Returns
    -------
    int
        JupyterLab's exit code.

    Raises
    ------
    MissingExtraError
        If JupyterLab is not installed.
    ConnectError
        If the server cannot be reached or started.
    OSError
        If the folder cannot be made or written.
    """
    if find_spec("jupyterlab") is None:
        raise MissingExtraError("jupyterlab", "lab")
    folder = folder_of_copies(Path.cwd())
    for line in copy_notebooks(folder):
        print(f"redisnb: {line}")
    command = [
        "-m",
        "jupyterlab",
        "--ServerApp.ip=127.0.0.1",
        # One Ctrl-C ends it, as it does every other command.
        "--ServerApp.answer_yes=True",
        f"--ServerApp.root_dir={folder.parent}",
        f"--LabApp.default_url=/lab/tree/{folder.name}/{_FIRST}",
    ]
    if port is not None:
        command += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    # JupyterLab does not start for root unless told so; on loopback and with a token it may.
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    given = os.environ.get("REDISNB_URL")
    return with_server(given, lambda url: run_jupyter(command, browser, {"REDISNB_URL": url}))


def notebook_of(*sources: str) -> dict[str, object]:
    """Return a notebook of code cells that have not run."""
    cells: list[dict[str, object]] = [
        {
            "cell_type": "code",
            "execution_count": None,
            "id": f"dashboard-{i}",
            "metadata": {},
            "outputs": [],
            "source": source,
        }
        for i, source in enumerate(sources)
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {
        "cells": cells,
        "metadata": {"kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def with_server(url: str | None, then: Callable[[str], int]) -> int:
    """Call a function with the URL of a server that answers: a private one by default."""
    if url:
        with connect(url) as conn:
            print(f"redisnb: the server is {conn.url}")
        return then(url)
    with Server() as server:
        print("redisnb: the server is a private Redis server, which is removed when this ends")
        return then(server.url)


def folder_of_copies(here: Path) -> Path:
    """Return the folder for the copies: in a folder, or at home if that is in a checkout."""
    # Beside their originals, work on the copies would show as changes of redisnb itself.
    inside = here.resolve().is_relative_to(_notebooks().parent.resolve())
    parent = Path.home() if inside else here
    return parent / "redisnb-notebooks"


def copy_notebooks(folder: Path) -> list[str]:
    """Copy redisnb's notebooks into a folder, replacing no file; return lines on what was done."""
    folder.mkdir(exist_ok=True)
    contents = {path.name: path.read_bytes() for path in sorted(_notebooks().glob("*.ipynb"))}
    kept = []
    for name, content in contents.items():
        target = folder / name
        if not target.exists():
            target.write_bytes(content)
        elif target.read_bytes() != content:
            kept.append(name)
    # Changed, it is the user's board; there is no original to compare.
    board = folder / "dashboard.ipynb"
    if not board.exists():
        board.write_text(json.dumps(notebook_of(_DASHBOARD)))
    lines = [f"the notebooks are in {folder}; {board.name} has all panels"]
    if kept:
        lines.append(f"kept your {', '.join(kept)}; remove a file to get the original")
    return lines


def _notebooks() -> Path:
    """Return the folder of the notebooks: in the installed package, or next to it in a checkout."""
    package = Path(redisnb.__file__).parent
    inside = package / "notebooks"
    return inside if inside.is_dir() else package.parent / "notebooks"


def run_jupyter(command: Sequence[str], browser: bool, variables: Mapping[str, str]) -> int:
    """Run a Jupyter program until it ends, with more variables in the environment."""
    options = [] if browser else ["--no-browser"]
    jupyter = subprocess.Popen(
        [sys.executable, *command, *options], env={**os.environ, **variables}
    )
    # A Ctrl-C reaches the program too, which ends by itself, or hangs if it has only just started.
    signal.signal(signal.SIGINT, lambda *_: _end_later(jupyter))
    signal.signal(signal.SIGTERM, _terminated)
    try:
        code = jupyter.wait()
        # As a shell reports an end by a signal.
        return code if code >= 0 else 128 - code
    finally:
        if jupyter.poll() is None:
            jupyter.terminate()
            jupyter.wait()


def _end_later(process: subprocess.Popen[bytes]) -> None:
    """End a process if it does not end by itself."""
    for seconds, end in ((_GRACE, process.terminate), (1.5 * _GRACE, process.kill)):
        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()


def _terminated(*_: object) -> NoReturn:
    raise SystemExit(128 + signal.SIGTERM)
