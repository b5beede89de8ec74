"""The commands `redisnb capture` and `redisnb replay`, once their arguments are known."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import NoReturn

from redisnb import wire
from redisnb.arguments import Place, UsageError
from redisnb.captures import OnError, capture, open_capture
from redisnb.errors import ReplayError
from redisnb.replays import Replay
from redisnb.stream import Stream
from redisnb.terminal import in_shell, say, say_report, say_table
from redisnb.wire import Connection, connect

__all__: list[str] = []


class TerminatedError(KeyboardInterrupt):
    """Say that a signal ends the process, as a Ctrl-C would."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def run_capture(given: argparse.Namespace) -> int:
    """Capture, and return the exit status."""
    if given.path == "-":
        _check_open(sys.stdout, "standard output")
    stop = threading.Event() if given.follow else None
    with (
        _signals(_terminated if stop is None else lambda _: stop.set()),
        connect(_address()) as conn,
    ):
        streams = [Stream(conn, key, format=given.format or "auto") for key in given.streams]
        if stop is None:
            _check_there(streams)
        captured = capture(
            streams or conn,
            given.path,
            match=given.match,
            start=given.start,
            end=given.end,
            where=given.where,
            limit=given.limit,
            follow=given.follow,
            timeout=given.timeout,
            stop=stop,
            overwrite=given.overwrite,
            rows=given.rows,
            every=given.every,
            progress=_shows(given),
        )
    if not given.quiet:
        say_table(captured)
    return 0


def run_replay(given: argparse.Namespace) -> int:
    """Replay, and return the exit status."""
    if any(place.kind == "pipe" for place in given.sources):
        _check_open(sys.stdin, "standard input")
    with _signals(_terminated), ExitStack() as stack:
        is_here = given.to_url_env is None or any(p.kind == "stream" for p in given.sources)
        here = stack.enter_context(connect(_address())) if is_here else None
        to = here
        if given.to_url_env is not None:
            to = stack.enter_context(connect(_address(given.to_url_env)))
        assert to is not None
        sources = [_source(place, here) for place in given.sources]
        _check_there([each for each in sources if isinstance(each, Stream)])
        made = Replay(
            sources,
            _target(given.target, to, sources, given.on_error),
            start=given.start,
            end=given.end,
            where=given.where,
            limit=given.limit,
            speed=given.speed,
            rate=given.rate,
            max_gap=given.max_gap,
            ids=given.ids,
            stamp=given.stamp,
            resume=given.resume,
            allow_self=given.allow_self,
            on_error=given.on_error,
        )
        if given.dry_run:
            return _dry_run(made, given)
        if given.restart:
            made.forget()
        report = made.run(progress=_shows(given))
    if not given.quiet:
        say_report(report)
    if report.unknown:
        say(
            f"redisnb: {report.unknown:,} entries were sent without a reply, and may be in the "
            "target or not; with --resume NAME it would be known"
        )
        return 1
    return 0


def _dry_run(made: Replay, given: argparse.Namespace) -> int:
    frame = made.dry_run()
    if given.quiet:
        return 0
    if len(frame):
        say_table(frame)
    else:
        say("redisnb: nothing would be sent")
        if given.resume is not None:
            say(f"redisnb: {in_shell(made.report.note)}")
    if made.report.unreadable:
        say(f"redisnb: {made.report.unreadable:,} lines or rows held no entry")
    return 0


def _address(variable: str | None = None) -> str:
    """Return the address of a server: a private one would be empty."""
    names = ("REDISNB_URL", "REDIS_URL") if variable is None else (variable,)
    found = next(filter(None, map(os.environ.get, names)), None)
    if found is None:
        raise UsageError(
            f"no address of a server: set {' or '.join(f'${name}' for name in names)}, such as "
            "redis://host:6379/0"
        )
    return found


def _source(place: Place, conn: Connection | None) -> Stream | str:
    if place.kind == "stream":
        assert conn is not None
        return Stream(conn, place.name)
    if place.kind == "path" and not os.path.lexists(place.name):
        raise ReplayError(
            f"there is no file {place.name!r}; the stream of that key is stream={place.name}",
            path=place.name,
        )
    return place.name


def _target(
    place: Place, conn: Connection, sources: Sequence[Stream | str], on_error: OnError
) -> Stream | Connection | dict[str, Stream]:
    if place.kind == "stream":
        return Stream(conn, place.name)
    if place.name == "*":
        return conn
    keys: list[str] = []
    for each in sources:
        if isinstance(each, Stream):
            keys.append(each.key)
        else:
            keys += open_capture(each, on_error=on_error).streams
    if not keys:
        raise ReplayError(
            f"the source does not say which streams it has, which the target {place.name!r} would "
            "need; take '*', or the key of one stream"
        )
    return {key: Stream(conn, place.name.replace("*", key)) for key in keys}


def _check_there(streams: Sequence[Stream]) -> None:
    """Refuse a stream that is not there: it is a slip of the pen."""
    for stream in streams:
        if not wire.ask(stream.conn, "EXISTS", stream.key, key=stream.key):
            raise ReplayError(f"there is no stream {stream.key!r} in {stream.conn.url}")


def _check_open(file: object, name: str) -> None:
    if file is None:
        raise OSError(errno.EBADF, f"{name} is closed")


def _shows(given: argparse.Namespace) -> bool:
    """Say whether to show a progress bar."""
    return (
        not given.quiet
        and sys.stderr is not None
        and sys.stderr.isatty()
        and find_spec("tqdm") is not None
    )


def _terminated(number: int) -> NoReturn:
    raise TerminatedError(number)


@contextmanager
def _signals(then: Callable[[int], object]) -> Iterator[None]:
    """Do `then` at what else than a Ctrl-C asks a process to end."""
    # Who ignores one has a reason, as nohup has.
    watched = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.signal(number, lambda number, _: then(number)) for number in watched}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
