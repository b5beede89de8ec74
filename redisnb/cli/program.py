"""The command `redisnb`: demo, lab, dashboard, doctor, capture, replay."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import NoReturn

import redis

import redisnb
from redisnb.cli.arguments import UsageError
from redisnb.cli.capture import add_capture, run_capture
from redisnb.cli.dashboard import open_dashboard
from redisnb.cli.demo import demo
from redisnb.cli.doctor import add_doctor, run_doctor
from redisnb.cli.lab import open_lab
from redisnb.cli.parser import CommandParser
from redisnb.cli.process import TerminatedError, signals, terminated
from redisnb.cli.replay import add_replay, run_replay
from redisnb.cli.terminal import one_line, say, warnings_said
from redisnb.errors import RedisnbError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0: success; 1: an error, printed on standard error; 2: wrong usage; 3: `doctor` found an error;
    130: Ctrl-C; 143: SIGTERM; 129: SIGHUP; 141: the reader of standard output has gone.
    """
    with warnings_said():
        return _main(argv)


def _main(argv: Sequence[str] | None) -> int:
    try:
        return _run_command(_parser().parse_args(argv))
    except UsageError as error:
        say(f"redisnb: {one_line(error)}")
        return 2
    except KeyboardInterrupt as error:
        notes = getattr(error, "__notes__", [])
        say(f"redisnb: interrupted{'; ' if notes else ''}{'; '.join(notes)}")
        code = 128 + (error.number if isinstance(error, TerminatedError) else signal.SIGINT)
        if threading.active_count() > 1:
            # A thread that waits for standard input cannot be woken; an orderly exit would wait.
            os._exit(code)
        return code
    except BrokenPipeError:
        _give_up_output()
        return 128 + signal.SIGPIPE
    except (RedisnbError, redis.RedisError, OSError, ValueError) as error:
        say(f"redisnb: {one_line(error)}")
        _give_up_output()
        return 1


def _run_command(args: argparse.Namespace) -> int:
    if args.command == "demo":
        _run_demo()
        return 0
    if args.command == "lab":
        return open_lab(port=args.port, browser=args.browser)
    if args.command == "dashboard":
        return open_dashboard(
            args.url, read_only=args.read_only, port=args.port, browser=args.browser
        )
    runs = {"doctor": run_doctor, "capture": run_capture, "replay": run_replay}
    return runs[args.command](args)


def _run_demo() -> None:
    asked: list[int] = []

    def end(number: int) -> NoReturn:
        asked.append(number)
        terminated(number)

    def show(text: str) -> None:
        if asked:
            # It was raised where Python ignores errors, such as in a finalizer.
            terminated(asked[0])
        print(text)

    with signals(end, numbers=(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)):
        demo(show)


def _give_up_output() -> None:
    """Keep Python from complaining, at exit, about output that it can no longer write."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="redisnb", description="Redis as DataFrames.")
    parser.add_argument("--version", action="version", version=f"redisnb {redisnb.__version__}")
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="command", parser_class=CommandParser
    )
    commands.add_parser(
        "demo",
        help="run the main job on a private Redis with 20,000 real flights, step by step",
        description="Publish, read, share out, replay and cache 20,000 real flights on a private "
        "Redis, and show the code of each step. It takes a few seconds and leaves nothing behind.",
    )
    opens = commands.add_parser(
        "lab",
        help="copy the notebooks and open them in JupyterLab, on a private Redis unless "
        "$REDISNB_URL is set",
        description="Copy the notebooks into ./redisnb-notebooks (from a checkout of redisnb, into "
        "~/redisnb-notebooks) and open them in JupyterLab. Their kernels share one server: that of "
        "$REDISNB_URL, or a private one that is removed, with its data, when JupyterLab ends.",
    )
    shows = commands.add_parser(
        "dashboard",
        help="open the dashboard alone, as a page",
        description="Open the dashboard alone, as a page. The server is that of the URL, else of "
        "$REDISNB_URL, else of $REDIS_URL, else of $REDIS_HOST and $REDIS_PORT, else a private one "
        "that is removed, with its data, when this ends.",
    )
    shows.takes_address = True
    shows.add_argument("url", nargs="?", help="redis://..., rediss://... or unix://...")
    shows.add_argument("--read-only", action="store_true", help="let no panel write")
    for each, server, port in ((opens, "JupyterLab", 8888), (shows, "Voila", 8866)):
        each.add_argument("--port", type=int, help=f"{server}'s port (default: {port} or the next)")
        each.add_argument(
            "--no-browser", dest="browser", action="store_false", help="only print the address"
        )
    add_doctor(commands)
    add_capture(commands)
    add_replay(commands)
    return parser
