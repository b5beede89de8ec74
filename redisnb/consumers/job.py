"""The job of a consumer: its options, and which of them are refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from redisnb import cards
from redisnb.consumers.handler import Handler
from redisnb.durations import Duration, milliseconds
from redisnb.entries import Layout, Position
from redisnb.errors import choose
from redisnb.frames import Filter
from redisnb.stream import ConsumerGroup, Stream, check_alike
from redisnb.wire import Connection

__all__ = [
    "Job",
    "at_least",
    "handler_of",
    "shortest_idle",
    "sources_of",
]

#: The shortest time after which entries may be taken from a consumer, in ms: its heartbeat has to
#: come first.
SHORTEST_IDLE = 1000


@dataclass(frozen=True)
class Job:
    """The options of a consumer; `Consumer` documents them.

    Raises
    ------
    ValueError
        If options contradict each other, or do not fit the source.
    """

    streams: Mapping[str, Stream]
    groups: Mapping[str, ConsumerGroup]
    handler: Handler
    takes_frames: bool
    schema: Mapping[str, Any] | None
    filter: Filter | None
    start: Position | None
    count: int
    grows: bool
    concurrency: int
    timeout: float | None  # seconds
    after: Literal["keep", "delete", "pending"]
    min_idle: int  # ms
    max_deliveries: int | None
    on_missing_group: Literal["fail", "recreate"]

    def __post_init__(self) -> None:
        at_least(1, self.count, "count")
        choose(self.after, ("keep", "delete", "pending"), "after")
        choose(self.on_missing_group, ("fail", "recreate"), "on_missing_group")
        if self.groups and self.start is not None:
            raise ValueError("start= is for a stream; a group's position is set by its create()")
        if self.max_deliveries is not None:
            at_least(1, self.max_deliveries, "max_deliveries")
            if not self.groups:
                raise ValueError("max_deliveries= is for a group; a stream counts no deliveries")
        if self.after == "pending" and not self.groups:
            raise ValueError(
                "after='pending' is for a group; a stream has nothing pending: choose 'keep'"
            )
        if self.after == "pending" and self.max_deliveries is not None:
            raise ValueError(
                "after='pending' hands an entry over once, and max_deliveries= counts how often; "
                "leave one of them out"
            )

    @property
    def begins(self) -> Position | None:
        """Where reading begins; None for a group, which has its own position."""
        return None if self.groups else "new" if self.start is None else self.start

    @property
    def title(self) -> str:
        """What it reads, in words for a repr."""
        if self.groups:
            group = next(iter(self.groups.values()))
            several = f" on {len(self.groups):,} streams" if len(self.groups) > 1 else ""
            return f"{cards.quoted(group.name)} as {cards.quoted(group.consumer)}{several}"
        return f"{cards.name_list(self.streams)}, start={cards.cut_name(repr(self.begins))}"

    @property
    def place(self) -> str:
        """Where that is, in words."""
        of = f"of {cards.name_list(self.streams)} " if self.groups else ""
        return f"{of}on {cards.cut_name(self.conn.name)}"

    @property
    def conn(self) -> Connection:
        """The one connection of all streams."""
        return next(iter(self.streams.values())).conn

    @property
    def layout(self) -> Layout:
        """The one layout of all streams."""
        return next(iter(self.streams.values())).layout

    def readers(self) -> set[tuple[str, ...]]:
        """Return the server, stream, group and consumer name of each reader."""
        return {
            (stream.conn.url, key, *((group.name, group.consumer) if group else ()))
            for key, stream in self.streams.items()
            for group in (self.groups.get(key),)
        }


def sources_of(source: Any) -> tuple[list[Stream], list[ConsumerGroup]]:
    """Return the streams that are read, and the groups in which they are.

    Raises
    ------
    TypeError
        If it is not a stream, a group, or a list of either.
    ValueError
        If one consumer cannot read them together.
    """
    sources = list(source) if isinstance(source, list | tuple) else [source]
    kinds = {type(each) for each in sources}
    if len(kinds) != 1 or not isinstance(sources[0], Stream | ConsumerGroup):
        names = ", ".join(sorted(kind.__name__ for kind in kinds)) or "nothing"
        raise TypeError(
            "Consumer(source, handler): source is a Stream or a ConsumerGroup, or a list of "
            f"either, not {names}"
        )
    groups = [each for each in sources if isinstance(each, ConsumerGroup)]
    streams = [group.stream for group in groups] or sources
    check_alike(streams, "one consumer reads")
    attributes = {
        "group name": {group.name for group in groups},
        "consumer name": {group.consumer for group in groups},
    }
    for kind, different in attributes.items():
        if len(different) > 1:
            raise ValueError(f"one consumer reads streams of one {kind}; start one for each")
    return streams, groups


def handler_of(
    on_entry: Callable[[Any], Any] | None,
    on_frame: Callable[[Any], Any] | None,
    *,
    retries: int,
    concurrency: int,
) -> Handler:
    """Return the one handler that was given."""
    if (on_entry is None) == (on_frame is None):
        raise TypeError("give one handler: on_entry= or on_frame=")
    function: Any = on_frame if on_entry is None else on_entry
    handler = Handler(function, at_least(0, retries, "retries"))
    if at_least(1, concurrency, "concurrency") > 1 and (
        on_entry is None or not handler.is_coroutine
    ):
        raise ValueError(
            f"concurrency={concurrency}: only an `async def` handler of entries can have several "
            "at the same time"
        )
    return handler


def shortest_idle(min_idle: Duration) -> int:
    """Return `min_idle` in ms; refuse one that a heartbeat cannot keep up with."""
    idle = milliseconds(min_idle, "min_idle")
    if idle < SHORTEST_IDLE:
        raise ValueError(
            f"min_idle={min_idle!r} is too short: it would take entries from consumers that are "
            "at work, before their heartbeat comes; give at least 1 s"
        )
    return idle


def at_least(least: int, value: int, name: str) -> int:
    """Return a whole number that is large enough; refuse any other value."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name}={value!r}; give a whole number, at least {least}")
    return value
