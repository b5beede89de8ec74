"""The process of a command: which signals end it, which server it uses, what it can show."""

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
    "open_server",
    "shows_progress",
    "signals",
    "terminated",
]


class TerminatedError(KeyboardInterrupt):
    """A signal that ends the process as a Ctrl-C would."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def open_server(variable: str | None = None, *, read_only: bool = False) -> wire.Connection:
    """Connect to the server in the environment; a private server would be empty."""
    found = wire.environment_address() if variable is None else os.environ.get(variable)
    if not found:
        names = "$REDISNB_URL or $REDIS_URL" if variable is None else f"${variable}"
        raise UsageError(f"no address of a server: set {names}, such as redis://host:6379/0")
    # Without a URL `connect` looks there as well, and says where it found one that does not work.
    return wire.connect(None if variable is None else os.environ[variable], read_only=read_only)


def check_there(streams: Sequence[Stream]) -> None:
    """Refuse a stream that does not exist: it is a typing error."""
    for stream in streams:
        if not wire.ask(stream.conn, "EXISTS", stream.key, key=stream.key):
            meant = wire.near_key(stream.conn, stream.key)
            hint = f"; did you mean {meant!r}?" if meant else ""
            raise ReplayError(f"there is no stream {stream.key!r} in {stream.conn.url}{hint}")


def check_open(file: object, name: str) -> None:
    """Refuse a standard stream that is closed."""
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
    """End the process in order, at a signal."""
    raise TerminatedError(number)


@contextmanager
def signals(
    then: Callable[[int], object], *, numbers: Sequence[int] = (signal.SIGTERM, signal.SIGHUP)
) -> Iterator[None]:
    """Call `then` at the signals, apart from Ctrl-C unless named, that ask a process to end."""
    # A signal that is ignored stays so, as under nohup.
    numbers = [n for n in numbers if signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.signal(number, lambda number, _: then(number)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
