"""The command `redisnb`: demo, lab, capture, replay."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import redis

import redisnb
from redisnb import commands
from redisnb.arguments import UsageError
from redisnb.connection import connect
from redisnb.demo import demo
from redisnb.errors import MissingExtraError, RedisnbError
from redisnb.server import Server
from redisnb.terminal import in_shell, one_line, say, warnings_said
from redisnb.transfer import TerminatedError, run_capture, run_replay

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0 is success, 1 an error that it says on standard error, 2 a wrong usage, 130 a Ctrl-C, 143 a
    SIGTERM, 129 a SIGHUP, and 141 an end of whoever has read standard output.
    """
    given = _parser().parse_args(argv)
    try:
        with warnings_said():
            return _run(given)
    except UsageError as error:
        say(f"redisnb: {one_line(error)}")
        return 2
    except KeyboardInterrupt as error:
        notes = getattr(error, "__notes__", [])
        say(f"redisnb: interrupted{'; ' if notes else ''}{in_shell('; '.join(notes))}")
        code = 128 + (error.number if isinstance(error, TerminatedError) else signal.SIGINT)
        if threading.active_count() > 1:
            # What waits for standard input cannot be woken, and an orderly end would wait for it.
            os._exit(code)
        return code
    except BrokenPipeError:
        _give_up_output()
        return 128 + signal.SIGPIPE
    except (RedisnbError, redis.RedisError, OSError, ValueError) as error:
        say(f"redisnb: {one_line(error)}")
        _give_up_output()
        return 1


def _run(given: argparse.Namespace) -> int:
    if given.command == "demo":
        demo()
        return 0
    if given.command == "lab":
        return lab(port=given.port, browser=given.browser)
    return run_capture(given) if given.command == "capture" else run_replay(given)


def _give_up_output() -> None:
    """See to it that Python does not complain, at its end, of what it cannot write any more."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="redisnb", description="Redis as DataFrames.")
    parser.add_argument("--version", action="version", version=f"redisnb {redisnb.__version__}")
    added = parser.add_subparsers(
        dest="command", required=True, metavar="command", parser_class=commands.Command
    )
    added.add_parser("demo", help="run the main job on a private Redis with 20,000 real flights")
    opens = added.add_parser(
        "lab",
        help="open the notebooks in JupyterLab, on a private Redis unless $REDISNB_URL is set",
    )
    opens.add_argument("--port", type=int, help="JupyterLab's port (default: 8888 or the next)")
    opens.add_argument(
        "--no-browser", dest="browser", action="store_false", help="only print the address"
    )
    commands.add_capture(added)
    commands.add_replay(added)
    return parser


def lab(*, port: int | None = None, browser: bool = True) -> int:
    """Copy the notebooks to ``./notebooks`` and open them in JupyterLab, on loopback.

    All kernels share one server: that of ``$REDISNB_URL``, or a private one which goes, with its
    data, when JupyterLab ends.

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
    """
    if find_spec("jupyterlab") is None:
        raise MissingExtraError("jupyterlab", "lab")
    for line in copy_notebooks(Path("notebooks")):
        print(f"redisnb: {line}")
    url = os.environ.get("REDISNB_URL")
    if url:
        with connect(url) as conn:
            print(f"redisnb: the notebooks use {conn.url}")
        return _run_lab(url, port, browser)
    with Server() as server:
        print("redisnb: the notebooks share a private Redis server, which is gone when this ends")
        return _run_lab(server.url, port, browser)


def copy_notebooks(folder: Path) -> list[str]:
    """Copy redisnb's notebooks into a folder, never over a file; return a line on each."""
    source = _notebooks()
    lines = []
    folder.mkdir(exist_ok=True)
    for notebook in sorted(source.glob("*.ipynb")):
        target = folder / notebook.name
        if not target.exists():
            target.write_bytes(notebook.read_bytes())
            lines.append(f"copied {target}")
        elif target.read_bytes() != notebook.read_bytes():
            lines.append(f"kept your {target}; remove it to get the original")
    return lines


def _notebooks() -> Path:
    """Find the notebooks: in the installed package, or beside it in a checkout."""
    package = Path(redisnb.__file__).parent
    inside = package / "notebooks"
    return inside if inside.is_dir() else package.parent / "notebooks"


def _run_lab(url: str, port: int | None, browser: bool) -> int:
    command = [sys.executable, "-m", "jupyterlab", "--ServerApp.ip=127.0.0.1"]
    command += ["--LabApp.default_url=/lab/tree/notebooks"]
    if port is not None:
        command += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    if not browser:
        command.append("--no-browser")
    # JupyterLab does not start for root unless told so; on loopback and with a token it may.
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    jupyter = subprocess.Popen(command, env={**os.environ, "REDISNB_URL": url})
    # A Ctrl-C reaches JupyterLab too, which asks whether it is meant: it decides when to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _terminated)
    try:
        code = jupyter.wait()
        # As a shell reports an end by a signal.
        return code if code >= 0 else 128 - code
    finally:
        if jupyter.poll() is None:
            jupyter.terminate()
            jupyter.wait()


def _terminated(*_: object) -> NoReturn:
    raise SystemExit(128 + signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
