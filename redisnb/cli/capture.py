"""The command `redisnb capture`: its options, its help, and what it does."""

from __future__ import annotations

import argparse
import sys
import threading
from typing import Any, get_args

from redisnb.captures import capture
from redisnb.cli import arguments
from redisnb.cli.parser import EXIT, RANGE, SERVER, add_choice, add_quiet, settle
from redisnb.cli.process import (
    check_open,
    check_there,
    open_server,
    shows_progress,
    signals,
    terminated,
)
from redisnb.cli.terminal import say_table
from redisnb.entries import Builtin, Format
from redisnb.stream import Stream

__all__ = ["add_capture", "run_capture"]

_PIPE = "  141  the reader of standard output has gone; no message\n"
_CAPTURE = """\
Write the entries of streams into a file, from which `redisnb replay` adds them again byte for byte,
and which pandas.read_parquet or redisnb.load reads.

PATH is *.parquet, *.jsonl, *.jsonl.gz or *.jsonl.zst; without an ending, a directory of Parquet
files; a URL such as s3://bucket/orders; or - for JSON Lines on standard output. A file is called
PATH.part until it is whole.

A capture with --follow ends at Ctrl-C, SIGTERM or SIGHUP: its file is finished, and that is
success.
"""


def add_capture(commands: Any) -> None:
    """Add the command `capture`."""
    parser = commands.add_parser(
        "capture",
        help="write the entries of streams into a file",
        usage="redisnb capture [options] STREAM... PATH\n"
        "       redisnb capture [options] --match PATTERN PATH",
        description=_CAPTURE,
        epilog=f"{RANGE}\n{SERVER}\n{EXIT.format(done='', nothing='written', more=_PIPE)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(check=_check_capture)
    parser.add_argument("operands", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument(
        "--match", metavar="PATTERN", help="all streams whose keys match, as 'orders:*'"
    )
    add_choice(parser)
    parser.add_argument(
        "--follow",
        action="store_true",
        help="continue with what arrives; --start new leaves out what is there",
    )
    parser.add_argument(
        "--timeout",
        type=arguments.parse_duration,
        metavar="TIME",
        help="with --follow: end when nothing has arrived for this long",
    )
    _add_files(parser)
    _add_layout(parser)
    add_quiet(parser)


def _add_files(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which files are written, and which replaced."""
    parser.add_argument(
        "--rows",
        type=arguments.parse_count,
        metavar="N",
        help="in a directory: the most entries of one file",
    )
    parser.add_argument(
        "--every",
        type=arguments.parse_duration,
        metavar="TIME",
        help="in a directory: begin a file at each multiple of this, as 1h, by the entries' times",
    )
    parser.add_argument(
        "--partitions",
        type=arguments.parse_count,
        metavar="N",
        help="in a directory, of one stream: write N files of about equal numbers of entries",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="in a directory: continue after what is there, as after a restart",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a file once the new one is whole"
    )


def _add_layout(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how an entry carries its event."""
    parser.add_argument(
        "--format",
        choices=get_args(Format),
        help="the format of the entries, which --where and a later replay need (default: auto)",
    )
    parser.add_argument(
        "--field",
        metavar="NAME",
        help="the field that holds the events' JSON (default: payload)",
    )
    parser.add_argument(
        "--decode",
        choices=get_args(Builtin),
        help="what that field holds instead of JSON (default: nothing, it is JSON)",
    )


def _check_capture(args: argparse.Namespace) -> None:
    *streams, path = args.operands
    if (args.match is None) is (not streams):
        raise arguments.UsageError(
            "give streams and a path: redisnb capture orders orders.parquet"
            if args.match is None
            else f"--match is for all streams and takes one path, not {' '.join(args.operands)}"
        )
    for name in ("format", "field"):
        if args.match is not None and getattr(args, name) is not None:
            raise arguments.UsageError(
                f"--{name} is for streams that are named, and not for --match"
            )
    if args.follow and args.end is not None:
        raise arguments.UsageError("--follow runs until it is stopped; leave out --end")
    if args.timeout is not None and not args.follow:
        raise arguments.UsageError("--timeout is for --follow")
    args.streams, args.path = [arguments.parse_stream(text).name for text in streams], path
    settle(args, begins=("new", "all") if args.follow else ())


def run_capture(args: argparse.Namespace) -> int:
    """Capture, and return the exit status."""
    if args.path == "-":
        check_open(sys.stdout, "standard output")
    stop = threading.Event() if args.follow else None
    with (
        signals(terminated if stop is None else lambda _: stop.set()),
        open_server() as conn,
    ):
        options = ("format", "field", "decode")
        layout = {name: getattr(args, name) for name in options if getattr(args, name)}
        streams = [Stream(conn, key, **layout) for key in args.streams]
        if stop is None:
            check_there(streams)
        captured = capture(
            streams or conn,
            args.path,
            match=args.match,
            start=args.start,
            end=args.end,
            where=args.where,
            limit=args.limit,
            follow=args.follow,
            timeout=args.timeout,
            stop=stop,
            overwrite=args.overwrite,
            rows=args.rows,
            every=args.every,
            partitions=args.partitions,
            resume=args.resume,
            progress=shows_progress(args),
        )
    if not args.quiet:
        say_table(captured)
    return 1 if captured["missed"].any() else 0
