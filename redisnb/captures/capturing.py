"""capture(): entries of streams into files."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import pandas as pd
import redis

from redisnb import frames, wire
from redisnb.captures.json_lines import CapturedEntry
from redisnb.captures.naming import CapturePath, resume_point
from redisnb.captures.sources import Sources, size
from redisnb.captures.writer import CaptureWriter
from redisnb.durations import Duration, milliseconds
from redisnb.entries import AUTO, EntryId, Position, as_text, common_layout, range_bounds
from redisnb.errors import RedisnbError, is_lacking, option, warn
from redisnb.frames import Selection, Where
from redisnb.hints import hinted
from redisnb.progress import progress_bar
from redisnb.stream import Patience, Stream, resolve_start
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
    resume: bool = False,
    progress: bool = False,
) -> pd.DataFrame:
    """Write the entries of streams into a file, from which they can be replayed byte for byte.

    Parameters
    ----------
    source : Stream, sequence of Stream, or Connection
        What to capture; of a connection the streams that match `match`. Several streams are written
        into one file, in the order of their entry IDs; they have one connection.
    path : str, path or binary file
        A file, ``*.parquet``, ``*.jsonl``, ``*.jsonl.gz`` or ``*.jsonl.zst``; or, without an
        ending, a directory of Parquet files. "-" is standard output, as JSON Lines; so is an open
        file, unless its name or `format` says something else. A URL of fsspec (``s3://``, ``gs://``,
        ``memory://``: ``pip install redisnb[remote]``) is a file or a directory elsewhere.
    match : str, optional
        A glob pattern as for `keys`; None takes all streams. Those that are made later are not
        captured.
    start, end, where
        As for `Stream.range`.
    limit : int, optional
        The most entries, None for all.
    follow : bool
        Go on with what arrives until a Ctrl-C (in a notebook: until the kernel is interrupted), and
        return as usual; a SIGTERM ends the process when the file is finished. `start` may be "new",
        for what is added from now on.
    timeout : duration, optional
        With `follow`: end when no entry has come for so long.
    stop : threading.Event, optional
        With `follow`: end when it is set, within half a second; for a capture in a thread.
    overwrite : bool
        Replace a file that is there, once the new one is whole.
    format : {"parquet", "jsonl", "jsonl.gz", "jsonl.zst"}, optional
        What kind of file it is, where its name does not say that.
    rows : int, optional
        In a directory: the most entries of one file.
    every : duration, optional
        In a directory: begin a new file at each multiple of this since 1970 (UTC), by the time of
        the entries; "1h" makes a file for each hour.
    resume : bool
        In a directory: go on behind what earlier captures have written there, in new files. Run
        again after whatever has ended it, it has each entry once; `start` is for new streams.
    progress : bool
        Show a progress bar.

    Returns
    -------
    DataFrame in schema CAPTURED
        A row for each stream, in the order given (of a pattern: by name): how many entries, the
        `bytes` of their names and values, the first and the last ID, and how many entries were
        `missed`: removed before they were read. In `path`, bytes that are no UTF-8 are spelled
        as in names.

    Raises
    ------
    FileExistsError
        If a file is there that is not to be replaced.
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
    XRANGE in pages of up to 1,000, then XREAD and XINFO STREAM; reads only. Memory stays flat.
    Until it is whole, a file is called ``<path>.part`` (in a directory, ``.<name>.part``). An error
    leaves it under that name, with what was read until then, and what it was to replace is intact.
    What goes elsewhere is written into a temporary folder first, and put there when it is whole.
    A process that is killed leaves JSON Lines that can be read, but no such Parquet file.
    """
    streams = _streams(source, match)
    conn = streams[0].conn
    if follow and end is not None:
        raise ValueError(
            f"{option('follow', True)} goes on until it is stopped; leave out {option('end')}"
        )
    if not follow and (timeout is not None or stop is not None):
        raise ValueError(f"{option('timeout')} and stop= are for {option('follow', True)}")
    frames.check_limit(limit)
    layouts = {stream.key: stream.layout for stream in streams}
    sources = Sources(conn)
    resumed = resume_point(path) if resume else None
    reached = {} if resumed is None else resumed.last_ids
    if follow:
        begin = "all" if start is None else start
        wire.warn_of_absent(conn, *layouts)
        after = {
            stream.key: EntryId(reached[stream.key])
            if stream.key in reached
            else resolve_start(stream, begin)
            for stream in streams
        }
        pages = sources.follow(after, Patience(conn, timeout))
    else:
        bounds = range_bounds(start, end, lambda: wire.now(conn))
        each = {
            key: (f"({reached[key]}" if key in reached else bounds[0], bounds[1]) for key in layouts
        }
        pages = sources.range(each, limit if where is None else None)
    schema = streams[0].schema if len(streams) == 1 else None
    selection = Selection(where, None, common_layout(layouts.values()), AUTO, schema)
    tallies = {key: _Tally() for key in layouts}
    whole = not follow and start is None and end is None and where is None
    total = _total(streams, limit) if whole else None
    span = None if every is None else milliseconds(every, "every")
    writer = CaptureWriter(
        path,
        layouts,
        overwrite=overwrite,
        rows=rows,
        every=span,
        format=format,
        resume_from=resumed,
    )
    left = limit
    try:
        with (
            _signals(follow) as told,
            writer,
            progress_bar(progress, total, "entries") as moved,
            # The link, and the collector, must not wait for somebody to forget an error.
            closing(pages),
        ):
            for page in pages:
                page = selection.of_page(page, many=len(streams) > 1)[:left]
                writer.write(page)
                for key, part in _by_key(page).items():
                    tallies[key].add(part)
                moved(len(page))
                left = None if left is None else left - len(page)
                if left == 0 or (follow and (told() or (stop is not None and stop.is_set()))):
                    break
                if follow:
                    writer.turn(time.time_ns() // 10**6)
            selection.check()
            writer.missed = sources.missed.total()
    except (redis.RedisError, RedisnbError, OSError, ValueError, KeyboardInterrupt) as error:
        if writer.part_path is not None:
            error.add_note(f"what was captured before that is in {writer.part_path}")
        raise
    # The text in a frame is UTF-8, which a name need not be.
    shown = as_text(os.fsencode(_path_text(path)))
    missed = sources.missed
    for message in sources.messages:
        warn(f"{message} and are not in {shown}")
    if not follow:
        wire.warn_of_absent(conn, *(key for key, tally in tallies.items() if not tally.entries))
    summary = [(key, *tally.row(), missed[key], shown) for key, tally in tallies.items()]
    return frames.table(frames.CAPTURED, summary)


def _path_text(path: CapturePath) -> str:
    if isinstance(path, str | os.PathLike):
        return os.fsdecode(path)
    return str(getattr(path, "name", path))


def _streams(source: Any, match: str | None) -> list[Stream]:
    """Return what is to be captured."""
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
    found = [as_text(key) for page in wire.scan(conn, match, "stream") for key in page]
    if not found:
        wire.warn_of_no_match(conn, match, kind="stream")
        raise ValueError(f"no stream of this database matches {match!r}")
    return [Stream(conn, key) for key in sorted(found)]


def _total(streams: Sequence[Stream], limit: int | None) -> int | None:
    """Return the most entries there may be, for the progress bar; None if XLEN is refused."""
    try:
        return min(sum(map(len, streams)), sys.maxsize if limit is None else limit)
    except redis.ResponseError as error:
        if not is_lacking(error):
            raise
        return None


def _by_key(page: list[CapturedEntry]) -> dict[str, list[CapturedEntry]]:
    found: dict[str, list[CapturedEntry]] = {key: [] for key in {entry[0] for entry in page}}
    if len(found) == 1:
        return {page[0][0]: page}
    for entry in page:
        found[entry[0]].append(entry)
    return found


@dataclass
class _Tally:
    """Count what is captured of one stream."""

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


@contextmanager
def _signals(wanted: bool) -> Iterator[Callable[[], bool]]:
    """Give what says whether a Ctrl-C or a SIGTERM has come, where they are to end it in order.

    A second one does what it does elsewhere.
    """
    came: list[int] = []

    def note(number: int, _: object) -> None:
        if came:
            raise KeyboardInterrupt
        came.append(number)

    # Only the main thread may say what a signal does; and who ignores one has a reason.
    here = wanted and threading.current_thread() is threading.main_thread()
    watched = [number for number in (signal.SIGINT, signal.SIGTERM) if here]
    watched = [number for number in watched if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, note) for number in watched}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if signal.SIGTERM in came:
        # The file is whole: now as if nobody had caught it.
        signal.raise_signal(signal.SIGTERM)
