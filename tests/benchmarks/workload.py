"""A workload: variants of the same work, side by side, on one server."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import redis

import redisnb
from tests.benchmarks.figures import Target


class LeftOut(Exception):  # noqa: N818 - no error: the table goes on without it
    """Why a workload cannot run here."""


@dataclass(frozen=True)
class Measured:
    """What a run says of itself, where it is not this process that works."""

    seconds: float
    #: CPU seconds.
    client_cpu: float | None = None
    server_cpu: float = 0
    size: int | None = None
    frame: int | None = None
    rows: int | None = None
    checksum: int | None = None


@dataclass(frozen=True)
class Variant:
    """One way to do the work."""

    name: str
    run: Callable[[], Any]
    #: Raises an AssertionError if what `run` returned, or what it left on the server, is wrong.
    check: Callable[[Any], None]
    entries: int
    #: "ours", or what ours is compared with, such as "idiom", "redis-py", "wire" or "peer".
    role: str = "ours"
    #: Prepares each run and is not timed.
    before: Callable[[], Any] = lambda: None
    #: What it stored, in bytes.
    size: Callable[[], int] | None = None
    targets: tuple[Target, ...] = ()


@dataclass(frozen=True)
class Workload:
    """Variants, and how often to run them."""

    variants: list[Variant]
    least_repeats: int = 3
    by_median: bool = False


@dataclass
class Bench:
    """The server, the length of the streams, and why something is missing in the table."""

    url: str
    entries: int
    notes: list[str] = field(default_factory=list)

    def at_most(self, count: int) -> int:
        """Return `count`, or the length of the streams if that is less."""
        return min(count, self.entries)

    def note(self, text: str) -> None:
        """Say something below the table, once."""
        if text not in self.notes:
            self.notes.append(text)

    def empty(self) -> None:
        """Delete everything on the server."""
        with text_client(self.url) as client:
            client.flushall()

    @contextmanager
    def connections(self) -> Iterator[tuple[redisnb.Connection, redis.Redis]]:
        """Open redisnb's connection, and a redis-py client as people make it."""
        with redisnb.connect(self.url) as conn, text_client(self.url) as client:
            yield conn, client


def text_client(url: str) -> redis.Redis:
    """Make a client that decodes, with one known shape of replies and time for large ones."""
    return redis.Redis.from_url(url, decode_responses=True, protocol=2, socket_timeout=60)
