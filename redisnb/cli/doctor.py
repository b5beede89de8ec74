"""The command `redisnb doctor`: its options, its help, and what it does."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from redisnb.cli import arguments
from redisnb.cli.process import check_open, open_server, signals, terminated
from redisnb.cli.terminal import printable, say
from redisnb.explore import doctor
from redisnb.wire import Connection, connect

__all__ = ["add_doctor", "run_doctor"]

_DOCTOR = """\
Examine a server and one database: what it is, what it can do, and what is wrong, worst first, with
the evidence and with the Python code that shows or mends it. It only reads.
"""
_END = """\
server:
  URL is redis://host:port/db (rediss:// for TLS, unix:// for a socket). An address with a password
  comes from $REDISNB_URL, else $REDIS_URL, else $REDIS_HOST and $REDIS_PORT: every user of this
  machine can read the arguments of a process.

exit status:
    0  examined; no finding is an error
    1  failed; a line on standard error says why
    2  the command is wrong, or there is no address; nothing was sent
    3  examined; at least one finding is an error
  130  interrupted by Ctrl-C (143 by SIGTERM, 129 by SIGHUP)
Only the findings are written to standard output.
"""


def add_doctor(commands: Any) -> None:
    """Add the command `doctor`."""
    parser = commands.add_parser(
        "doctor",
        help="say what a server is, and what is wrong with it and with what is in it",
        description=_DOCTOR,
        epilog=_END,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.takes_address = True
    parser.add_argument("url", nargs="?", metavar="URL", help="redis://host:port/db, see below")
    parser.add_argument(
        "--timeout",
        type=arguments.parse_duration,
        default="5s",
        metavar="TIME",
        help="about how long it may take; what there was no time for is listed (default: 5s)",
    )
    parser.add_argument(
        "--json", action="store_true", help="print the findings as a JSON array of objects"
    )


def run_doctor(args: argparse.Namespace) -> int:
    """Examine a server, print the findings and return the exit status."""
    check_open(sys.stdout, "standard output")
    with signals(terminated), _server(args.url) as conn:
        found = doctor(conn, timeout=args.timeout)
        place = conn.url
    print(found.to_json(orient="records") if args.json else printable(repr(found)), flush=True)
    if not args.json:
        target = repr(args.url) if args.url else ""
        say(
            f"redisnb: {place}; to run the code: import redisnb as rnb; "
            f"conn = rnb.connect({target})"
        )
    return 3 if (found["severity"] == "error").any() else 0


def _server(url: str | None) -> Connection:
    return connect(url, read_only=True) if url else open_server(read_only=True)
