"""The command `redisnb replay`: its options, its help, and what it does."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, cast, get_args

from redisnb.captures import OnError, is_remote, open_capture
from redisnb.cli import arguments
from redisnb.cli.arguments import Endpoint
from redisnb.cli.parser import EXIT, RANGE, SERVER, add_choice, add_quiet, settle
from redisnb.cli.process import (
    check_open,
    check_there,
    open_server,
    shows_progress,
    signals,
    terminated,
)
from redisnb.cli.terminal import say, say_report, say_table
from redisnb.errors import ReplayError
from redisnb.replays import Ids, Pace, Replay, ReplayOptions
from redisnb.stream import Stream
from redisnb.wire import Connection

__all__ = ["add_replay", "run_replay"]

_REPLAY = f"""\
Add the entries of streams or captures to a stream again, byte for byte and with their original
gaps. Several sources are merged by entry ID.

SOURCE is
  a path     if it has a slash or ends with {", ".join(arguments.ENDINGS[:-1])}
  -          for JSON Lines on standard input
  a key      of a stream otherwise; if a file has that name it is refused: write ./NAME for the
             file, and stream=NAME for the stream
TARGET is
  a key      of a stream, which takes all entries
  '*'        so that each entry goes to the key it comes from
  'test:*'   the same, with * in place of that key (stream=NAME takes a * as it is)
"""


def add_replay(commands: Any) -> None:
    """Add the command `replay`."""
    done = " (also if --resume finds that it was done before)"
    parser = commands.add_parser(
        "replay",
        help="add the entries of streams or files to a stream again",
        usage="redisnb replay [options] SOURCE... TARGET",
        description=_REPLAY,
        epilog=f"{RANGE}\n{SERVER}\n{EXIT.format(done=done, nothing='sent', more='')}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(check=_check_replay)
    parser.add_argument("operands", nargs="+", help=argparse.SUPPRESS)
    add_choice(parser)
    _add_pace(parser)
    _add_ids(parser)
    _add_resume(parser)
    _add_safeguards(parser)
    parser.add_argument(
        "--to-url-env",
        metavar="VARIABLE",
        help="the target is on another server, whose address this environment variable has",
    )
    add_quiet(parser)


def _add_pace(parser: argparse.ArgumentParser) -> None:
    """Add the options that say when each entry is due."""
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument(
        "--speed",
        type=arguments.parse_speed,
        metavar="10x",
        help="times as fast as the entries came; max never waits (default: 1x)",
    )
    pace.add_argument(
        "--rate", type=arguments.parse_rate, metavar="N", help="entries per second instead"
    )
    parser.add_argument(
        "--max-gap",
        type=arguments.parse_duration,
        metavar="TIME",
        help="the longest gap in the time of the replay",
    )


def _add_ids(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which ID an entry gets, and which it had."""
    parser.add_argument(
        "--ids",
        choices=get_args(Ids),
        default="new",
        help="IDs of the target's clock (default), the original ones, or these moved to now",
    )
    parser.add_argument(
        "--stamp",
        action="store_true",
        help="add the fields replay:stream and replay:id, where an entry comes from",
    )


def _add_resume(parser: argparse.ArgumentParser) -> None:
    """Add the options of a replay that continues where it ended."""
    parser.add_argument(
        "--resume",
        metavar="NAME",
        help="note in the target's server how far it came: ended at any point, the same command "
        "continues, and the target has every entry once",
    )
    parser.add_argument(
        "--restart", action="store_true", help="with --resume: forget that, and begin again"
    )


def _add_safeguards(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what may be sent at all."""
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="read all of it, say what would be sent, send nothing",
    )
    parser.add_argument(
        "--on-error",
        choices=get_args(OnError),
        default="raise",
        help="what to do with a line that holds no entry (default: raise)",
    )
    parser.add_argument(
        "--allow-self", action="store_true", help="let a stream be replayed onto itself"
    )


def _check_replay(args: argparse.Namespace) -> None:
    *sources, target = args.operands
    if not sources:
        raise arguments.UsageError("give a source and a target: redisnb replay orders.parquet test")
    args.sources, args.target = (
        [arguments.parse_source(text) for text in sources],
        arguments.parse_target(target),
    )
    if sources.count("-") > 1:
        raise arguments.UsageError("there is one standard input, and - is given twice")
    if args.target.kind == "pattern" and args.target.name != "*" and "-" in sources:
        raise arguments.UsageError(
            f"TARGET {target!r} needs the names of the streams beforehand, which standard input "
            "does not give; take '*', or the key of one stream"
        )
    # What contradicts each other.
    Pace.of(args.speed, args.rate, args.max_gap)
    if args.resume == "":
        raise arguments.UsageError("--resume takes a name, such as nightly")
    if args.restart and (args.resume is None or args.dry_run):
        raise arguments.UsageError("--restart is for --resume, without --dry-run")
    settle(args)


def run_replay(args: argparse.Namespace) -> int:
    """Replay, and return the exit status."""
    if any(endpoint.kind == "pipe" for endpoint in args.sources):
        check_open(sys.stdin, "standard input")
    with signals(terminated), ExitStack() as stack:
        replay = _make_replay(args, stack)
        if args.dry_run:
            return _dry_run(replay, args)
        if args.restart:
            replay.forget()
        report = replay.run(progress=shows_progress(args))
    if not args.quiet:
        say_report(report)
    if report.unknown and not report.missed:
        say(
            f"redisnb: {report.unknown:,} entries were sent without a reply, and may be in the "
            "target or not; with --resume NAME it would be known"
        )
    return 1 if report.missed or report.unknown else 0


def _make_replay(args: argparse.Namespace, stack: ExitStack) -> Replay:
    """Return the replay that a command asks for; `stack` closes its connections."""
    source_conn, target_conn = _open_connections(args, stack)
    sources = [_open_source(endpoint, source_conn) for endpoint in args.sources]
    check_there([each for each in sources if isinstance(each, Stream)])
    target = _open_target(args.target, target_conn, sources, args.on_error)
    names = ReplayOptions.__annotations__.keys() & vars(args).keys()
    options = cast(ReplayOptions, {name: getattr(args, name) for name in names})
    return Replay(sources, target, **options)


def _open_connections(
    args: argparse.Namespace, stack: ExitStack
) -> tuple[Connection | None, Connection]:
    """Return the connections of the sources, if they need one, and of the target."""
    if args.to_url_env is None:
        conn = stack.enter_context(open_server())
        return conn, conn
    reads_streams = any(endpoint.kind == "stream" for endpoint in args.sources)
    source_conn = stack.enter_context(open_server()) if reads_streams else None
    return source_conn, stack.enter_context(open_server(args.to_url_env))


def _dry_run(replay: Replay, args: argparse.Namespace) -> int:
    frame = replay.dry_run()
    if args.quiet:
        return 0
    if len(frame):
        say_table(frame)
    else:
        say("redisnb: nothing would be sent")
        if args.resume is not None:
            say(f"redisnb: {replay.report.note}")
    if replay.report.unreadable:
        say(f"redisnb: {replay.report.unreadable:,} lines or rows held no entry")
    return 0


def _open_source(endpoint: Endpoint, conn: Connection | None) -> Stream | str:
    if endpoint.kind == "stream":
        assert conn is not None
        return Stream(conn, endpoint.name)
    exists = os.path.lexists(endpoint.name) or is_remote(endpoint.name)
    if endpoint.kind == "path" and not exists:
        raise ReplayError(
            f"there is no file {endpoint.name!r}; the stream of that key is stream={endpoint.name}",
            path=endpoint.name,
        )
    return endpoint.name


def _open_target(
    endpoint: Endpoint, conn: Connection, sources: Sequence[Stream | str], on_error: OnError
) -> Stream | Connection | dict[str, Stream]:
    if endpoint.kind == "stream":
        return Stream(conn, endpoint.name)
    if endpoint.name == "*":
        return conn
    keys: list[str] = []
    for each in sources:
        if isinstance(each, Stream):
            keys.append(each.key)
        else:
            keys += open_capture(each, on_error=on_error).streams
    if not keys:
        raise ReplayError(
            f"the source does not name its streams, which the target {endpoint.name!r} needs; take "
            "'*', or the key of one stream"
        )
    return {key: Stream(conn, endpoint.name.replace("*", key)) for key in keys}
