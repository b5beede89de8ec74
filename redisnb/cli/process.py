"""The process of a command: how it is ended, which server it uses, what it can show."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import NoReturn

from redisnb import wire
from redisnb.cli.arguments import UsageError
from redisnb.errors import ReplayError
from redisnb.stream import Stream

__all__ = [
    "TerminatedError",
    "check_open",
    "check_there",
    "server_address",
    "shows_progress",
    "signals",
    "terminated",
]


class TerminatedError(KeyboardInterrupt):
    """A signal ends the process, as a Ctrl-C would."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def server_address(variable: str | None = None) -> str:
    """Return the address of a server: a private one would be empty."""
    names = ("REDISNB_URL", "REDIS_URL") if variable is None else (variable,)
    found = next(filter(None, map(os.environ.get, names)), None)
    if found is None:
        raise UsageError(
            f"no address of a server: set {' or '.join(f'${name}' for name in names)}, such as "
            "redis://host:6379/0"
        )
    return found


def check_there(streams: Sequence[Stream]) -> None:
    """Refuse a stream that is not there: it is a slip of the pen."""
    for stream in streams:
        if not wire.ask(stream.conn, "EXISTS", stream.key, key=stream.key):
            meant = wire.near_key(stream.conn, stream.key)
            hint = f"; did you mean {meant!r}?" if meant else ""
            raise ReplayError(f"there is no stream {stream.key!r} in {stream.conn.url}{hint}")


def check_open(file: object, name: str) -> None:
    """Refuse a standard stream that was closed."""
    if file is None:
        raise OSError(errno.EBADF, f"{name} is closed")


def shows_progress(args: argparse.Namespace) -> bool:
    """Return whether to show a progress bar."""
    return (
        not args.quiet
        and sys.stderr is not None
        and sys.stderr.isatty()
        and find_spec("tqdm") is not None
    )


def terminated(number: int) -> NoReturn:
    """End the process by a signal, in order."""
    raise TerminatedError(number)


@contextmanager
def signals(then: Callable[[int], object]) -> Iterator[None]:
    """Do `then` at what else than a Ctrl-C asks a process to end."""
    # Who ignores one has a reason, as nohup has.
    numbers = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.signal(number, lambda number, _: then(number)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
