"""capture(): entries of streams into files."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import pandas as pd
import redis

from redisnb import frames, wire
from redisnb.captures.dividing import divide
from redisnb.captures.json_lines import CapturedEntry
from redisnb.captures.naming import CapturePath, ResumePoint, resume_point, shown_name
from redisnb.captures.sources import Sources, size
from redisnb.captures.writer import CaptureWriter
from redisnb.durations import Duration, milliseconds
from redisnb.entries import AUTO, EntryId, Position, as_text, common_layout, range_bounds
from redisnb.errors import RedisnbError, is_unavailable, option, warn
from redisnb.frames import Selection, Where
from redisnb.hints import hinted
from redisnb.progress import progress_bar
from redisnb.stream import Stream, Wait, resolve_start
from redisnb.wire import Connection

__all__ = ["capture"]


@hinted
def capture(
    source: Stream | Sequence[Stream] | Connection,
    path: CapturePath,
    *,
    match: str | None = None,
    start: Position | None = None,
    end: Position | None = None,
    where: Where | None = None,
    limit: int | None = None,
    follow: bool = False,
    timeout: Duration | None = None,
    stop: threading.Event | None = None,
    overwrite: bool = False,
    format: str | None = None,
    rows: int | None = None,
    every: Duration | None = None,
    partitions: int | None = None,
    resume: bool = False,
    progress: bool = False,
) -> pd.DataFrame:
    """Write the entries of streams into a file, from which they can be replayed byte for byte.

    Parameters
    ----------
    source : Stream, sequence of Stream, or Connection
        What to capture; with a connection, the streams that match `match`. Several streams
        are written into one file, in the order of their entry IDs; they must share one connection.
    path : str, path or binary file
        A file, ``*.parquet``, ``*.jsonl``, ``*.jsonl.gz`` or ``*.jsonl.zst``; or, without an
        ending, a directory of Parquet files. "-" is standard output, as JSON Lines; an open file
        gets JSON Lines too, unless its name or `format` says otherwise. A URL of fsspec (``s3://``,
        ``gs://``, ``memory://``: ``pip install redisnb[remote]``) is a remote file or directory.
    match : str, optional
        A glob pattern as for `keys`; None takes all streams. Streams created later are not
        captured.
    start, end, where
        As for `Stream.range`.
    limit : int, optional
        The maximum number of entries, None for all.
    follow : bool
        Keep capturing new entries until Ctrl-C (in a notebook: until the kernel is interrupted),
        then return as usual; SIGTERM ends the process once the file is finished. `start` may be
        "new", for entries added from now on.
    timeout : duration, optional
        With `follow`: end when no entry has arrived for this long.
    stop : threading.Event, optional
        With `follow`: end within half a second after it is set; for a capture in a thread.
    overwrite : bool
        Replace an existing file once the new one is complete.
    format : {"parquet", "jsonl", "jsonl.gz", "jsonl.zst"}, optional
        The kind of file, if its name does not tell.
    rows : int, optional
        In a directory: the maximum number of entries per file.
    every : duration, optional
        In a directory: begin a new file at each multiple of this since 1970 (UTC), by the time of
        the entries; "1h" makes one file per hour.
    partitions : int, optional
        In a directory, of one stream: the number of files, which have about the same number of
        entries, see `Stream.partitions`; without `follow`, `limit`, `rows`, `every` and `resume`.
    resume : bool
        In a directory: continue after what earlier captures wrote there, in new files. However the
        last one ended, each entry is captured once; `start` applies to new streams only.
    progress : bool
        Show a progress bar.

    Returns
    -------
    DataFrame in schema CAPTURED
        One row per stream, in the order given (with a pattern: by name): the number of entries, the
        `bytes` of their names and values, the first and the last ID, and how many entries were
        `missed`: removed before they were read. In `path`, bytes that are not UTF-8 are spelled
        as in names.

    Raises
    ------
    FileExistsError
        If the file exists and `overwrite` is not set.
    ValueError
        If the name has another ending, no stream matches, or `where` names a column that no entry
        has.
    OSError
        If the file cannot be written, for example because the disk is full.

    Warns
    -----
    RedisnbWarning
        If entries were removed before they were read; while it follows, as `Stream.follow` does.

    Notes
    -----
    XRANGE in pages of up to 1,000, then XREAD and XINFO STREAM; with `partitions` first XLEN and
    XREVRANGE. Reads only. Memory stays flat.
    Until it is complete, a file is called ``<path>.part`` (in a directory, ``.<name>.part``). An
    error leaves it under that name, with what was read until then, and an existing file intact.
    A remote file is written into a temporary folder first, and uploaded when it is complete.
    A process that is killed leaves JSON Lines that can be read, but no readable Parquet file.

    Examples
    --------
    >>> captured = rnb.capture(orders, "orders.parquet", start="2024-05-01 10:31")
    >>> captured[["stream", "entries", "path"]]
       stream  entries            path
    0  orders        3  orders.parquet
    """
    streams = _streams(source, match)
    _check_end(follow, end, timeout, stop, limit)
    conn, layouts = streams[0].conn, {stream.key: stream.layout for stream in streams}
    others = {"follow": follow, "limit": limit, "rows": rows, "every": every, "resume": resume}
    cuts, start, end = divide(streams, partitions, start, end, others)
    sources = Sources(conn)
    point = resume_point(path) if resume else None
    if follow:
        wire.warn_of_absent(conn, *layouts)
        pages = sources.follow(_start_ids(streams, start, point), Wait(conn, timeout))
    else:
        bounds = _bounds(streams, start, end, point)
        pages = sources.range(bounds, limit if where is None else None)
    choice = _Choice(streams, where, limit)
    total = _total(streams, limit) if not follow and start is end is where is None else None
    ms = None if every is None else milliseconds(every, "every")
    writer = CaptureWriter(
        path,
        layouts,
        overwrite=overwrite,
        rows=rows,
        every=ms,
        cuts=cuts,
        format=format,
        resume_from=point,
    )
    summary = _Summary(layouts)
    with progress_bar(progress, total, "entries") as advance:
        _write(pages, choice, writer, summary, sources, advance, follow, stop)
    name = shown_name(path)
    _warn_of_missed(sources, name)
    if not follow and partitions is None:
        wire.warn_of_absent(conn, *summary.empty_keys())
    return summary.frame(sources.missed, name)


def _write(
    pages: Generator[list[CapturedEntry]],
    choice: _Choice,
    writer: CaptureWriter,
    summary: _Summary,
    sources: Sources,
    advance: Callable[[int], object],
    follow: bool,
    stop: threading.Event | None,
) -> None:
    """Write what is chosen of pages, and finish the file."""
    with (
        _note_of_part(writer),
        _end_requests(follow, stop) as is_to_end,
        writer,
        # The link and the garbage collector must not wait until an error is forgotten.
        closing(pages),
    ):
        for page in map(choice.of_page, pages):
            writer.write(page)
            summary.add(page)
            advance(len(page))
            if choice.is_complete() or is_to_end():
                break
            if follow:
                writer.turn(time.time_ns() // 10**6)
        choice.check()
        writer.missed = sources.missed.total()


def _check_end(
    follow: bool,
    end: Position | None,
    timeout: Duration | None,
    stop: threading.Event | None,
    limit: int | None,
) -> None:
    """Refuse what cannot end a capture, with `follow` or without it."""
    if follow and end is not None:
        raise ValueError(
            f"{option('follow', True)} goes on until it is stopped; leave out {option('end')}"
        )
    if not follow and (timeout is not None or stop is not None):
        raise ValueError(f"{option('timeout')} and stop= are for {option('follow', True)}")
    frames.check_limit(limit)


def _streams(source: Any, match: str | None) -> list[Stream]:
    """Return the streams to capture."""
    if isinstance(source, Connection):
        return _matching(source, "*" if match is None else match)
    if match is not None:
        raise ValueError("match= is for a connection: capture(conn, path, match='orders:*')")
    streams = list(source) if isinstance(source, list | tuple) else [source]
    if not streams or not all(isinstance(each, Stream) for each in streams):
        raise TypeError(
            "capture(source, path): source is a Stream, a list of them, or a connection, not "
            f"{type(source).__name__}"
        )
    if len({stream.conn for stream in streams}) > 1:
        raise ValueError("the streams of one capture have one connection; make one for each")
    keys = [stream.key for stream in streams]
    if len(set(keys)) < len(keys):
        raise ValueError(f"one of these streams is given twice: {', '.join(keys)}")
    return streams


def _matching(conn: Connection, match: str) -> list[Stream]:
    keys = [as_text(key) for page in wire.scan(conn, match, "stream") for key in page]
    if not keys:
        wire.warn_of_no_match(conn, match, kind="stream")
        raise ValueError(f"no stream of this database matches {match!r}")
    return [Stream(conn, key) for key in sorted(keys)]


def _start_ids(
    streams: Sequence[Stream], start: Position | None, point: ResumePoint | None
) -> dict[str, EntryId]:
    """Return the ID after which each stream is followed; the resume point counts before `start`."""
    last_ids = {} if point is None else point.last_ids
    begin = "all" if start is None else start
    return {
        stream.key: EntryId(last_ids[stream.key])
        if stream.key in last_ids
        else resolve_start(stream, begin)
        for stream in streams
    }


def _bounds(
    streams: Sequence[Stream],
    start: Position | None,
    end: Position | None,
    point: ResumePoint | None,
) -> dict[str, tuple[str, str]]:
    """Return the range of each stream; the resume point counts before `start`."""
    last_ids = {} if point is None else point.last_ids
    first, last = range_bounds(start, end, lambda: wire.now(streams[0].conn))
    keys = [stream.key for stream in streams]
    return {key: (f"({last_ids[key]}" if key in last_ids else first, last) for key in keys}


def _total(streams: Sequence[Stream], limit: int | None) -> int | None:
    """Return the expected number of entries for the progress bar; None if XLEN is refused."""
    try:
        return min(sum(map(len, streams)), sys.maxsize if limit is None else limit)
    except redis.ResponseError as error:
        if not is_unavailable(error):
            raise
        return None


class _Choice:
    """The entries that a capture takes: those that `where` chooses, up to the limit."""

    def __init__(self, streams: Sequence[Stream], where: Where | None, limit: int | None) -> None:
        layout = common_layout(stream.layout for stream in streams)
        self._are_many = len(streams) > 1
        schema = None if self._are_many else streams[0].schema
        self._selection = Selection(where, None, layout, AUTO, schema)
        self._remaining = limit

    def of_page(self, page: list[CapturedEntry]) -> list[CapturedEntry]:
        """Return the entries of the next page that are captured."""
        page = self._selection.of_page(page, many=self._are_many)[: self._remaining]
        if self._remaining is not None:
            self._remaining -= len(page)
        return page

    def is_complete(self) -> bool:
        """Return whether the limit is reached."""
        return self._remaining == 0

    def check(self) -> None:
        """Raise ValueError if `where` names a column that no entry has."""
        self._selection.check()


class _Summary:
    """What has been captured from each stream."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._tallies = {key: _Tally() for key in keys}

    def add(self, page: list[CapturedEntry]) -> None:
        for key, entries in _by_key(page).items():
            self._tallies[key].add(entries)

    def empty_keys(self) -> list[str]:
        """Return the streams without any entry."""
        return [key for key, tally in self._tallies.items() if not tally.entries]

    def frame(self, missed: Mapping[str, int], name: str) -> pd.DataFrame:
        rows = [(key, *tally.row(), missed[key], name) for key, tally in self._tallies.items()]
        return frames.table(frames.CAPTURED, rows)


def _by_key(page: list[CapturedEntry]) -> dict[str, list[CapturedEntry]]:
    parts: dict[str, list[CapturedEntry]] = {key: [] for key in {entry[0] for entry in page}}
    if len(parts) == 1:
        return {page[0][0]: page}
    for entry in page:
        parts[entry[0]].append(entry)
    return parts


@dataclass
class _Tally:
    """The entries of one stream, counted and measured."""

    entries: int = 0
    size: int = 0
    first: str | None = None
    last: str | None = None

    def add(self, page: Sequence[CapturedEntry]) -> None:
        self.entries += len(page)
        self.size += size([entry[2] for entry in page])
        self.first = self.first or page[0][1].decode()
        self.last = page[-1][1].decode()

    def row(self) -> tuple[Any, ...]:
        return self.entries, self.size, self.first, self.last


def _warn_of_missed(sources: Sources, name: str) -> None:
    for message in sources.messages:
        warn(f"{message} and are not in {name}")


@contextmanager
def _note_of_part(writer: CaptureWriter) -> Iterator[None]:
    """Add to an error where the entries captured before it are."""
    try:
        yield
    except (redis.RedisError, RedisnbError, OSError, ValueError, KeyboardInterrupt) as error:
        if writer.part_path is not None:
            error.add_note(f"what was captured before that is in {writer.part_path}")
        raise


@contextmanager
def _end_requests(follow: bool, stop: threading.Event | None) -> Iterator[Callable[[], bool]]:
    """Yield a function that returns whether a following capture has been asked to end.

    `stop` asks for it, and so does the first Ctrl-C or SIGTERM; a second one interrupts.
    """
    received: list[int] = []

    def note(number: int, _: object) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    # Only the main thread may set handlers; an ignored signal is ignored for a reason.
    may_handle = follow and threading.current_thread() is threading.main_thread()
    numbers = [number for number in (signal.SIGINT, signal.SIGTERM) if may_handle]
    numbers = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
    handlers = {number: signal.signal(number, note) for number in numbers}
    try:
        yield lambda: bool(received) or (stop is not None and stop.is_set())
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if signal.SIGTERM in received:
        # The file is whole: now the signal takes its usual effect.
        signal.raise_signal(signal.SIGTERM)
