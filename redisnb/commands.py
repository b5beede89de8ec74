"""The commands `redisnb capture` and `redisnb replay`: their options, and their help."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn, get_args

from redisnb import arguments
from redisnb.captures import OnError
from redisnb.entries import Format, range_bounds
from redisnb.replays import Ids, Pace
from redisnb.terminal import hidden, in_shell

__all__: list[str] = []

# A relative time, which argparse would take for an option.
_NEGATIVE = re.compile(r"-\d")
_ADDRESS = re.compile(r"(--[\w-]+=)?(redis|rediss|unix)://", re.IGNORECASE)

_SERVER = """\
server:
  The address comes from $REDISNB_URL, or else $REDIS_URL. There is no option for it, since
  everybody on this machine can read the arguments of a process, and an address has a password:
    export REDISNB_URL=redis://:PASSWORD@host:6379/0     (rediss:// for TLS, unix:// for a socket)
"""
_RANGE = """\
positions:
  --start and --end take an entry ID (1700000000000-0), a time (2024-05-01T10:30, in UTC unless it
  says a zone), a time of today (10:30, UTC) or one before now by the server's clock (-5min). Both
  ends belong to the range; a leading ( leaves one out: '(1700000000000-0'.
"""
_EXIT = """\
exit status:
    0  done{done}
    1  failed; a line on standard error says why, and how to go on
    2  the command is wrong, or there is no address; nothing was {nothing}
  130  interrupted by Ctrl-C (143 by SIGTERM, 129 by SIGHUP); a line says how to go on
{more}\
Only data are written to standard output.
"""
_CAPTURE = """\
Write the entries of streams into a file, from which `redisnb replay` adds them again byte for byte,
and which pandas.read_parquet or redisnb.load reads.

PATH is *.parquet, *.jsonl, *.jsonl.gz or *.jsonl.zst; without an ending, a directory of Parquet
files; or - for JSON Lines on standard output. A file is called PATH.part until it is whole.

A capture with --follow ends at Ctrl-C, SIGTERM or SIGHUP: its file is finished, and that is
success.
"""
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
_PIPE = "  141  whoever read standard output has gone; nothing is said\n"


class Command(argparse.ArgumentParser):
    """Parse one command, whose places and options may come in any order."""

    #: Whether an address may stand in it, if there is no password in that.
    takes_address = False

    # argparse has it twice, once for namespaces of another class.
    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse, and check how the arguments go together."""
        given = list(args or ())
        if any(
            _ADDRESS.match(each) and not (self.takes_address and "@" not in each) for each in given
        ):
            self.error(
                "an address in the command shows its password to everybody on this machine; put it "
                "into the environment: $REDISNB_URL, or the variable that --to-url-env names"
            )
        found, rest = super().parse_known_args(_joined(given), namespace)
        if "places" not in found:
            return found, rest
        # Of places with options between them, argparse takes the first run for all.
        found.places += [each for each in rest if each == "-" or not each.startswith("-")]
        unknown = [each for each in rest if each != "-" and each.startswith("-")]
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        try:
            found.check(found)
        except ValueError as error:
            self.error(in_shell(str(error)))
        return found, []

    def error(self, message: str) -> NoReturn:
        """End with the usage and a message, which has no secret."""
        super().error(hidden(message))


def _joined(given: Sequence[str]) -> list[str]:
    """Tie a value such as -5min to its option."""
    found: list[str] = []
    for text in given:
        option = found[-1] if found else ""
        if _NEGATIVE.match(text) and option.startswith("--") and "=" not in option:
            found[-1] = f"{option}={text}"
        else:
            found.append(text)
    return found


def add_capture(commands: Any) -> None:
    """Add the command `capture`."""
    parser = commands.add_parser(
        "capture",
        help="write the entries of streams into a file",
        usage="redisnb capture [options] STREAM... PATH\n"
        "       redisnb capture [options] --match PATTERN PATH",
        description=_CAPTURE,
        epilog=f"{_RANGE}\n{_SERVER}\n{_EXIT.format(done='', nothing='written', more=_PIPE)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(check=_check_capture)
    parser.add_argument("places", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument(
        "--match", metavar="PATTERN", help="all streams whose keys match, as 'orders:*'"
    )
    _add_choice(parser)
    parser.add_argument(
        "--follow",
        action="store_true",
        help="go on with what arrives; --start new leaves out what is there",
    )
    parser.add_argument(
        "--timeout",
        type=arguments.duration,
        metavar="TIME",
        help="with --follow: end when nothing has come for so long",
    )
    parser.add_argument(
        "--rows",
        type=arguments.count,
        metavar="N",
        help="in a directory: the most entries of one file",
    )
    parser.add_argument(
        "--every",
        type=arguments.duration,
        metavar="TIME",
        help="in a directory: begin a file at each multiple of this, as 1h, by the entries' times",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a file once the new one is whole"
    )
    parser.add_argument(
        "--format",
        choices=get_args(Format),
        help="what the streams hold, for --where and for whoever reads the file (default: auto)",
    )
    _add_quiet(parser)


def add_replay(commands: Any) -> None:
    """Add the command `replay`."""
    done = " (also if --resume finds that it was done before)"
    parser = commands.add_parser(
        "replay",
        help="add the entries of streams or files to a stream again",
        usage="redisnb replay [options] SOURCE... TARGET",
        description=_REPLAY,
        epilog=f"{_RANGE}\n{_SERVER}\n{_EXIT.format(done=done, nothing='sent', more='')}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(check=_check_replay)
    parser.add_argument("places", nargs="+", help=argparse.SUPPRESS)
    _add_choice(parser)
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument(
        "--speed",
        type=arguments.speed,
        metavar="10x",
        help="times as fast as the entries came; max waits for nothing (default: 1x)",
    )
    pace.add_argument("--rate", type=arguments.rate, metavar="N", help="entries per second instead")
    parser.add_argument(
        "--max-gap",
        type=arguments.duration,
        metavar="TIME",
        help="the longest silence of the replay",
    )
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
    parser.add_argument(
        "--resume",
        metavar="NAME",
        help="note in the target's server how far it came: ended at any point, the same command "
        "goes on, and the target has every entry once",
    )
    parser.add_argument(
        "--restart", action="store_true", help="with --resume: forget that, and begin again"
    )
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
    parser.add_argument(
        "--to-url-env",
        metavar="VARIABLE",
        help="the target is on another server, whose address this environment variable has",
    )
    _add_quiet(parser)


def _add_choice(parser: argparse.ArgumentParser) -> None:
    first = parser.add_mutually_exclusive_group()
    first.add_argument("--start", metavar="POSITION", help="the first entry, see below")
    first.add_argument(
        "--last", type=arguments.duration, metavar="TIME", help="from so long before now on, as 1h"
    )
    parser.add_argument("--end", metavar="POSITION", help="the last entry")
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="COLUMN=VALUE",
        help="only these, as carrier=UA, or carrier=UA,AA for one of them; all of several --where "
        "have to be true; a value with a comma is quoted as in CSV",
    )
    parser.add_argument("--limit", type=arguments.count, metavar="N", help="the most entries")


def _add_quiet(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quiet", action="store_true", help="say only what is wrong")


def _check_capture(found: argparse.Namespace) -> None:
    *streams, path = found.places
    if (found.match is None) is (not streams):
        raise arguments.UsageError(
            "give streams and a path: redisnb capture orders orders.parquet"
            if found.match is None
            else f"--match is for all streams and takes one path, not {' '.join(found.places)}"
        )
    if found.match is not None and found.format is not None:
        raise arguments.UsageError("--format is for streams that are named, and not for --match")
    if found.follow and found.end is not None:
        raise arguments.UsageError("--follow goes on until it is stopped; leave out --end")
    if found.timeout is not None and not found.follow:
        raise arguments.UsageError("--timeout is for --follow")
    found.streams, found.path = [arguments.stream(text).name for text in streams], path
    _settle(found, begins=("new", "all") if found.follow else ())


def _check_replay(found: argparse.Namespace) -> None:
    *sources, to = found.places
    if not sources:
        raise arguments.UsageError("give a source and a target: redisnb replay orders.parquet test")
    found.sources, found.target = [arguments.source(text) for text in sources], arguments.target(to)
    if sources.count("-") > 1:
        raise arguments.UsageError("there is one standard input, and - is given twice")
    if found.target.kind == "pattern" and found.target.name != "*" and "-" in sources:
        raise arguments.UsageError(
            f"TARGET {to!r} wants to know the streams beforehand, which standard input does not "
            "say; take '*', or the key of one stream"
        )
    # What these say of each other.
    Pace.of(found.speed, found.rate, found.max_gap)
    if found.resume == "":
        raise arguments.UsageError("--resume wants a name, such as nightly")
    if found.restart and (found.resume is None or found.dry_run):
        raise arguments.UsageError("--restart is for --resume, without --dry-run")
    _settle(found)


def _settle(found: argparse.Namespace, begins: Sequence[str] = ()) -> None:
    """Put what to choose into the terms of the Python functions."""
    if found.last is not None:
        found.start = f"-{found.last}"
    found.where = arguments.where(found.where)
    # Only to see whether they are positions: the clock that counts is the server's.
    start = None if found.start in begins else found.start
    range_bounds(start, found.end, lambda: datetime.now(UTC))
