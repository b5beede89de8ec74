"""The parser of a command, and what `redisnb capture` and `redisnb replay` have in common."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NoReturn

from redisnb.cli import arguments
from redisnb.cli.terminal import without_passwords
from redisnb.entries import range_bounds
from redisnb.errors import nearest

__all__ = ["EXIT", "RANGE", "SERVER", "CommandParser", "add_choice", "add_quiet", "settle"]

# A relative time, which argparse would take for an option.
_NEGATIVE = re.compile(r"-\d")
_ADDRESS = re.compile(r"(--[\w-]+=)?(rediss?|valkeys?|unix)://", re.IGNORECASE)

SERVER = """\
server:
  The address comes from $REDISNB_URL, else $REDIS_URL, else $REDIS_HOST and $REDIS_PORT. There is
  no option for it, since every user of this machine can read the arguments of a process, and an
  address has a password:
    export REDISNB_URL=redis://:PASSWORD@host:6379/0     (rediss:// for TLS, unix:// for a socket)
"""
RANGE = """\
positions:
  --start and --end take an entry ID (1700000000000-0), a time (2024-05-01T10:30, in UTC unless it
  says a zone), a time of today (10:30, UTC) or one before now by the server's clock (-5min). Both
  ends belong to the range; a leading ( leaves one out: '(1700000000000-0'.
"""
EXIT = """\
exit status:
    0  done{done}
    1  failed; a line on standard error says why, and how to continue
    2  the command is wrong, or there is no address; nothing was {nothing}
  130  interrupted by Ctrl-C (143 by SIGTERM, 129 by SIGHUP); a line says how to continue
{more}\
Only data is written to standard output.
"""


class CommandParser(argparse.ArgumentParser):
    """The parser of one command; its operands and options may come in any order."""

    #: Whether the command may have an address, if that has no password.
    takes_address = False

    # argparse overloads it for namespaces of other classes.
    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse, and check how the arguments go together."""
        argv = list(args or ())
        if any(
            _ADDRESS.match(each) and not (self.takes_address and "@" not in each) for each in argv
        ):
            has_other = "--to-url-env" in self._option_string_actions
            other = ", or the variable that --to-url-env names" if has_other else ""
            self.error(
                "an address in the command shows its password to every user of this machine; put "
                f"it into the environment: $REDISNB_URL{other}"
            )
        options, rest = super().parse_known_args(_attach_negative_values(argv), namespace)
        if "operands" not in options:
            return options, rest
        # Of operands with options between them, argparse takes only the first run.
        options.operands += [each for each in rest if each == "-" or not each.startswith("-")]
        unknown = [each for each in rest if each != "-" and each.startswith("-")]
        if unknown:
            name = unknown[0].partition("=")[0]
            meant = nearest(name, self._option_string_actions)
            hint = f"; did you mean {meant}?" if meant else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        try:
            options.check(options)
        except ValueError as error:
            self.error(str(error))
        return options, []

    def error(self, message: str) -> NoReturn:
        """Exit with the usage and a message, without passwords."""
        super().error(without_passwords(message))


def _attach_negative_values(argv: Sequence[str]) -> list[str]:
    """Return the arguments with values such as -5min joined to their options."""
    joined: list[str] = []
    for text in argv:
        option = joined[-1] if joined else ""
        if _NEGATIVE.match(text) and option.startswith("--") and "=" not in option:
            joined[-1] = f"{option}={text}"
        else:
            joined.append(text)
    return joined


def add_choice(parser: argparse.ArgumentParser) -> None:
    """Add the options that select entries."""
    first = parser.add_mutually_exclusive_group()
    first.add_argument("--start", metavar="POSITION", help="the first entry, see below")
    first.add_argument(
        "--last",
        type=arguments.parse_duration,
        metavar="TIME",
        help="from this long ago on, as 1h",
    )
    parser.add_argument("--end", metavar="POSITION", help="the last entry")
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="CONDITION",
        help="only these, as carrier=UA, or carrier=UA,AA for one of them, or an expression, as "
        "\"carrier = 'UA' and dep_delay > 60\"; all of several --where have to be true; a value "
        "with a comma is quoted as in CSV",
    )
    parser.add_argument("--limit", type=arguments.parse_count, metavar="N", help="the most entries")


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """Add the option that leaves only errors."""
    parser.add_argument("--quiet", action="store_true", help="print only what is wrong")


def settle(options: argparse.Namespace, begins: Sequence[str] = ()) -> None:
    """Convert the options that select entries into those of the Python functions."""
    if options.last is not None:
        options.start = f"-{options.last}"
    options.where = arguments.parse_where(options.where)
    # Only to check that they are positions: the server's clock is the one that counts.
    start = None if options.start in begins else options.start
    range_bounds(start, options.end, lambda: datetime.now(UTC))
