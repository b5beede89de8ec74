"""What a replay is told: where from, where to, and how; and what it refuses."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import pandas as pd
import redis

from redisnb import cards, frames, wire
from redisnb.captures import OnError, open_capture
from redisnb.entries import AUTO, Layout, common_layout, range_bounds
from redisnb.errors import ReplayError, either, is_unavailable, option
from redisnb.frames import ArrowTable, Selection, Transform, Where
from redisnb.replays.bookmark import ENDS, Bookmark
from redisnb.replays.options import Ids, ReplayOptions, check_replay_options
from redisnb.replays.pace import Pace
from redisnb.replays.sources import ALL, FileSource, FrameSource, ReplaySource, StreamSource
from redisnb.stream import Stream
from redisnb.wire import Connection

__all__: list[str] = []

#: What can be replayed: a stream, the path of a capture, a frame.
Replayable: TypeAlias = "Stream | str | os.PathLike[str] | pd.DataFrame | ArrowTable"


class Target:
    """The target of a replay: where the entries of each stream go.

    Parameters
    ----------
    target : Stream, Connection or mapping of str to Stream
        As for `replay`.

    Raises
    ------
    TypeError, ValueError
        If it is none of these.
    """

    def __init__(self, target: Stream | Connection | Mapping[str, Stream]) -> None:
        self._stream = target if isinstance(target, Stream) else None
        self._streams: Mapping[str, Stream] | None = None
        if isinstance(target, Mapping):
            self._streams = dict(target)
            wrong = [key for key, each in target.items() if not isinstance(each, Stream)]
            if wrong or not target:
                raise TypeError("a mapping as target= has a Stream for each key of the source")
            conns = {id(each.conn): each.conn for each in target.values()}
            if len(conns) > 1:
                raise ValueError("the streams of a target have one connection; start two replays")
            (self.conn,) = conns.values()
        elif isinstance(target, Stream):
            self.conn = target.conn
        elif isinstance(target, Connection):
            self.conn = target
        else:
            raise TypeError(
                "target is a Stream, a Connection (each stream keeps its key) or a mapping of keys "
                f"to Streams, not {type(target).__name__}"
            )
        #: What it is, for messages and for a repr.
        self.name = repr(target)
        self.title = self.name if self._stream is None else cards.quoted(self._stream.key)
        if self._streams is not None:
            self.name = self.title = cards.name_list(each.key for each in self._streams.values())
        #: Whether all entries go to one stream, wherever they come from.
        self.is_one = isinstance(target, Stream)

    def key(self, key: str) -> str:
        """Return the key of the target stream for the entries of a stream.

        Raises
        ------
        ReplayError
            If the mapping does not have it.
        """
        if self._stream is not None:
            return self._stream.key
        if self._streams is None:
            return key
        if key not in self._streams:
            raise ReplayError(
                f"the target has no stream for {key!r}; it has streams for "
                f"{', '.join(map(repr, self._streams))}"
            )
        return self._streams[key].key

    def definition(self) -> Any:
        """Return what a bookmark stores of it."""
        if self._stream is not None:
            return self._stream.key
        return self._streams and {key: each.key for key, each in self._streams.items()}


@dataclass(frozen=True)
class Plan:
    """What a replay is told; `replay` documents it."""

    sources: Sequence[ReplaySource]
    target: Target
    pace: Pace
    ids: Ids
    stamp: bool
    limit: int | None
    bookmark: Bookmark | None
    range_options: Mapping[str, Any]  # start= and end= as given, for the bookmark
    allow_self: bool

    @property
    def title(self) -> str:
        """From where to where, in words for a repr."""
        titles = [source.title for source in self.sources]
        more = len(titles) - cards.NAMES_SHOWN
        shown = ", ".join(titles[: cards.NAMES_SHOWN])
        return f"{shown}{f', … {more:,} more' if more > 0 else ''} to {self.target.title}"

    def definition(self) -> dict[str, Any]:
        """Return what has to stay the same under a bookmark."""
        return {
            "sources": [sorted(each.keys) if each.repeatable else None for each in self.sources],
            ENDS: [each.fixed for each in self.sources],
            "target": self.target.definition(),
            "ids": self.ids,
            "stamp": self.stamp,
            "limit": self.limit,
            **self.range_options,
        }

    def names_the_same_as(self, other: Plan) -> bool | None:
        """Return whether another plan is of the same replay; None if only the cells can tell."""
        if self.target.conn.url != other.target.conn.url:
            return False
        if self.bookmark is not None and other.bookmark is not None:
            return self.bookmark.key == other.bookmark.key
        return None if self.definition() == other.definition() else False

    def check_target(self) -> set[str]:
        """Return the keys of the target streams; refuse those that cannot be one.

        Raises
        ------
        ReplayError
            If a stream has no target.
        redis.exceptions.ResponseError
            If a key holds another type.
        ValueError
            If a stream would be replayed onto itself.
        """
        targets: set[str] = set()
        for source in self.sources:
            for key in source.keys:
                target, conn = self.target.key(key), self.target.conn
                targets.add(target)
                _check_is_stream(conn, target)
                if self.allow_self or not self._is_own(source, key, target):
                    continue
                raise ValueError(
                    f"{source.name} would be replayed onto itself; give another target, or "
                    f"say {option('allow_self', True)}"
                )
        return targets

    def _is_own(self, source: ReplaySource, key: str, target: str) -> bool:
        """Return whether a stream of a source is the target, or was captured from it."""
        if isinstance(source, StreamSource):
            return target == key and _is_same_database(source.stream.conn, self.target.conn)
        # Entries that keep their IDs are added once.
        if self.ids == "keep" or key not in source.firsts:
            return False
        id, fields = source.firsts[key]
        # A user without permission to read the target may replay all the same.
        with suppress(redis.ResponseError):
            recording = wire.ask(self.target.conn, "XRANGE", target, id, id, key=target)
            return bool(recording) and fields in (None, recording[0][1])
        return False


def _check_is_stream(conn: Connection, target: str) -> None:
    """Refuse a target of another type, where this user may ask for it."""
    try:
        wire.ask(conn, "XLEN", target, key=target)
    except redis.ResponseError as error:
        if not is_unavailable(error):
            raise


class SelectionOptions(NamedTuple):
    """Which entries are selected, and what they become; `replay` documents the options."""

    where: Where | None
    transform: Transform | None
    written: Layout
    schema: Mapping[str, Any] | None

    def of(self, layout: Layout, schema: Mapping[str, Any] | None = None) -> Selection:
        """Return the selection for a source; `schema` is its own."""
        range_options = schema if self.schema is None else self.schema
        return Selection(self.where, self.transform, layout, self.written, range_options)


def plan_of(
    source: Replayable | Sequence[Replayable],
    target: Stream | Connection | Mapping[str, Stream],
    options: ReplayOptions,
    stop_event: threading.Event,
) -> Plan:
    """Return the plan of a replay with all its options; sources stop once `stop_event` is set.

    Raises
    ------
    ReplayError, ValueError, TypeError
        As for `replay`.
    """
    pace = Pace.of(options["speed"], options["rate"], options["max_gap"])
    frames.check_limit(options["limit"])
    check_replay_options(options)
    to = Target(target)
    all_sources = list(source) if isinstance(source, list | tuple) else [source]
    if not all_sources:
        raise ValueError("there is nothing to replay: the list of sources is empty")
    start, end, resume = options["start"], options["end"], options["resume"]
    # Relative times go by the clock of the source, if it has one.
    clock = next((each.conn for each in all_sources if isinstance(each, Stream)), to.conn)
    bounds = range_bounds(start, end, lambda: wire.now(clock))
    selection = SelectionOptions(
        options["where"],
        options["transform"],
        target.layout if isinstance(target, Stream) else AUTO,
        frames.check_schema(options["schema"]),
    )
    sources = [
        source_of(each, bounds, selection, stop_event, options["on_error"]) for each in all_sources
    ]
    check_streams(sources, to)
    ids, stamp = options["ids"], options["stamp"]
    check_ids(sources, pace, ids, stamp=stamp, resume=resume, ranged=bounds != ALL)
    return Plan(
        sources=sources,
        target=to,
        pace=pace,
        ids=ids,
        stamp=stamp,
        limit=options["limit"],
        bookmark=None if resume is None else Bookmark(to.conn, resume),
        # As given, not what it means today.
        range_options={"start": start and str(start), "end": end and str(end)},
        allow_self=options["allow_self"],
    )


def source_of(
    source: Any,
    bounds: tuple[str, str],
    selection: SelectionOptions,
    stop_event: threading.Event,
    on_error: OnError,
) -> ReplaySource:
    """Return the source for what the caller passed; `replay` documents what that may be."""
    if isinstance(source, Stream):
        return StreamSource(source, bounds, selection.of(source.layout, source.schema), stop_event)
    if frames.is_arrow(source):
        source = frames.from_arrow(source)
    if isinstance(source, pd.DataFrame):
        return FrameSource(source, bounds, selection.of(AUTO))
    if not isinstance(source, str | os.PathLike) and not callable(getattr(source, "read", None)):
        raise TypeError(
            "source is a Stream, the path of a capture, a DataFrame, or a list of these, not "
            f"{type(source).__name__}"
        )
    recording = open_capture(source, on_error=on_error)
    layout = common_layout(recording.streams.values())
    return FileSource(recording, bounds, selection.of(layout))


def check_ids(
    sources: Sequence[ReplaySource],
    pace: Pace,
    ids: str,
    *,
    stamp: bool,
    resume: str | None,
    ranged: bool,
) -> None:
    """Refuse options that need entry IDs for a source without IDs."""
    needs = {
        "the original gaps": pace.uses_times,
        option("ids", ids): ids != "new",
        option("stamp", True): stamp,
        option("resume"): resume is not None,
        f"{option('start')} and {option('end')}": ranged,
        "several sources": len(sources) > 1,
    }
    for source in sources:
        needs_ids = [what for what, is_needed in needs.items() if is_needed]
        if needs_ids and not source.has_ids:
            raise ReplayError(
                f"{source.name} has no times of entries, which {needs_ids[0]} would need: give it "
                f"a column entry_id or entry_time, or say {option('speed', float('inf'))} or "
                f"{option('rate')}"
            )


def check_streams(sources: Sequence[ReplaySource], target: Target) -> None:
    """Refuse a target that goes by stream for a source that does not name its streams."""
    for source in sources:
        if not target.is_one and not source.has_streams:
            raise ReplayError(
                f"{source.name} does not name the stream of an entry, so there is no key to keep: "
                f"give {either('a Stream', 'the key of a stream')} as "
                f"{either('target', 'TARGET')}"
            )


def _is_same_database(one: Connection, other: Connection) -> bool:
    """Return whether two connections have the same database, whatever their addresses."""
    if one is other or one.url == other.url:
        return True
    if one.database != other.database:
        return False
    run_ids = []
    for conn in (one, other):
        try:
            info = bytes(wire.ask(conn, "INFO", "server", key=""))
        except redis.ResponseError:
            # Not every user may run INFO.
            return False
        run_ids.append([line for line in info.split(b"\r\n") if line.startswith(b"run_id:")])
    return run_ids[0] == run_ids[1] != []
