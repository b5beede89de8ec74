"""replay(): a replay from its beginning to its end, in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Unpack, overload

import pandas as pd

from redisnb.hints import hinted
from redisnb.replays.options import ReplayOptions, takes_options
from redisnb.replays.plan import Replayable
from redisnb.replays.replaying import Replay
from redisnb.replays.report import Report
from redisnb.stream import Stream
from redisnb.wire import Connection

__all__ = ["replay"]


@overload
def replay(
    source: Replayable | Sequence[Replayable],
    target: Stream | Connection | Mapping[str, Stream],
    *,
    progress: bool = ...,
    dry_run: Literal[False] = ...,
    **options: Unpack[ReplayOptions],
) -> Report: ...
@overload
def replay(
    source: Replayable | Sequence[Replayable],
    target: Stream | Connection | Mapping[str, Stream],
    *,
    progress: bool = ...,
    dry_run: Literal[True],
    **options: Unpack[ReplayOptions],
) -> pd.DataFrame: ...
@hinted
@takes_options
def replay(
    source: Replayable | Sequence[Replayable],
    target: Stream | Connection | Mapping[str, Stream],
    *,
    progress: bool = False,
    dry_run: bool = False,
    **options: Unpack[ReplayOptions],
) -> Report | pd.DataFrame:
    """Add the entries of streams, captures or frames to a stream, at their own pace.

    Fields are carried byte for byte, but for what `transform` changes, or where the source is a
    frame.

    Parameters
    ----------
    source : Stream, path, DataFrame or Arrow table, or a list of these
        Several are merged by entry ID. Of a stream it is what is there at the beginning. A path
        names a capture, a file or a directory; "-" is standard input. A frame's rows become events
        of the target's format; its `entry_id` or `entry_time`, a column or the index, say when.
    target : Stream, Connection or mapping of str to Stream
        A stream takes all entries; in a Connection each goes to the key it comes from, and a
        mapping says for each key where to. What has no streams (events without entry IDs, a frame
        without `entry_id`, `stream` and the index `entry_time`) can only go to a stream.
    start, end : position, optional
        As for `Stream.range`.
    where : mapping, str or callable, optional
        As for `Stream.range`; a function sees a page at a time, as one of `Stream.frames` (of a
        frame, all of it).
    schema : mapping of str to dtype, optional
        As for `Stream`, of whose own it takes the place: what `where` sees of streams and captures.
    transform : callable, optional
        Gets such a page, without the schema, as a frame in schema ENTRIES (with `stream` where the
        source has several), and returns it, changed. It may drop rows, if it keeps the column
        `entry_id`, but not add any. A changed cell is written at its place in the entry's JSON or
        into its field, a missing one as null (a field is left out); a dropped column leaves every
        entry that has it, and a new one goes where it has a value. All else stays byte for byte.
    limit : int, optional
        The most entries, counted behind `where`.
    speed : float, default 1
        1 keeps the original gaps, 60 makes a minute a second, ``float("inf")`` waits for nothing.
    rate : float, optional
        Entries per second, instead of `speed`.
    max_gap : duration, optional
        The longest silence between two entries, in the time of the replay.
    ids : {"new", "keep", "shift"}
        "new" leaves IDs to the target. "keep" gives each entry its own; one that is there already,
        the same, is skipped. "shift" moves them, so that the first one is that of the present.
    stamp : bool
        Add the fields ``replay:stream`` and ``replay:id``: where the entry comes from. They are
        members of the event beside those of its JSON.
    resume : str, optional
        A name, under which the target's server keeps how far it came: killed at any point and run
        again, the target has every entry once, in order. The choice of `where` and `transform` is
        then to stay the same.
    allow_self : bool
        Let a stream be replayed onto itself, or what was captured of it, so that its entries are
        there twice.
    on_error : {"raise", "skip"}
        What to do with a line of a file that holds no entry: by default nothing of it is sent.
    progress : bool
        Show a progress bar.
    dry_run : bool
        Read all of it, and say what would be sent.

    Returns
    -------
    Report
        Or, of a dry run, a DataFrame in schema REPLAY, one row per stream, see `Replay.dry_run`.
        Its state is "incomplete" if entries of a stream were removed before they were read.

    Raises
    ------
    ReplayError
        If a capture cannot be used, or a source does not say the times or the streams that are
        needed (nothing was sent); if an ID is taken in the target or lies behind its end, or the
        name in `resume` is that of another replay (nothing more was sent); if the target, or the
        bookmark alone, was removed meanwhile.
    ValueError, TypeError
        If the options contradict each other; nothing was sent.
    redis.exceptions.RedisError, ConnectError
        If the server refuses an entry, or stays away for longer than the connection's timeout. A
        note says how to go on.

    Warns
    -----
    RedisnbWarning
        If the replay is incomplete.

    Notes
    -----
    A script of XADD for each batch of up to 500 entries, so that nothing follows an entry that is
    refused; with `resume` it moves the hash ``redisnb:replay:<name>`` in the same step. A batch
    whose reply is lost is asked for there; without `resume`, entries with IDs of their own are sent
    again, which the server takes once, and others are counted as unknown. What is due within a
    millisecond is one batch. An outage and a pause move the rest of the schedule.

    Examples
    --------
    >>> replay("incident.parquet", Stream(conn, "test"), speed=60, where={"carrier": "UA"})
    """
    once = Replay(source, target, **options)
    return once.dry_run() if dry_run else once.run(progress=progress)
