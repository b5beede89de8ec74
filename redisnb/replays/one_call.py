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

    Fields are copied byte for byte, except for what `transform` changes and for frames.

    Parameters
    ----------
    source : Stream, path, DataFrame or Arrow table, or a list of these
        Several are merged by entry ID. A stream is read up to the entry that is the last one at the
        beginning. A path names a capture, a file or a directory; "-" is standard input. A frame's
        rows become events in the target's format; its `entry_id` or `entry_time`, a column or the
        index, has their times.
    target : Stream, Connection or mapping of str to Stream
        A stream takes all entries; with a Connection each goes to the key that it comes from, and a
        mapping has the target of each key. A source that names no streams (events without entry
        IDs, a frame without `entry_id`, `stream` and the index `entry_time`) can only go to a
        stream.
    start, end : position, optional
        As for `Stream.range`.
    where : mapping, str or callable, optional
        As for `Stream.range`; a function gets one page at a time, as from `Stream.frames` (a source
        that is a frame, whole).
    schema : mapping of str to dtype, optional
        As for `Stream`, and instead of its own: what `where` sees of streams and captures.
    transform : callable, optional
        Gets such a page, without the schema, as a frame in schema ENTRIES (with `stream` where the
        source has several), and returns it, changed. It may drop rows, if it keeps the column
        `entry_id`, but not add any. A changed cell is written at its place in the entry's JSON or
        into its field, a missing one as null (a field is left out); a dropped column is removed
        from every entry that has it, and a new one is added where it has a value. The rest stays
        byte for byte.
    limit : int, optional
        The most entries, counted after `where`.
    speed : float, default 1
        1 keeps the original gaps, 60 turns a minute into a second, ``float("inf")`` never waits.
    rate : float, optional
        Entries per second, instead of `speed`.
    max_gap : duration, optional
        The longest gap between two entries, in the time of the replay.
    ids : {"new", "keep", "shift"}
        "new" lets the target's server generate IDs. "keep" keeps the original ones; an entry that
        is already there, the same, is skipped. "shift" moves them, the first to now.
    stamp : bool
        Add the fields ``replay:stream`` and ``replay:id``: where the entry comes from. They become
        members of the event, next to those of its JSON.
    resume : str, optional
        A name under which the target's server keeps how far it came: killed at any point and run
        again, the target has every entry once, in order. `where` and `transform` then have to
        select the same.
    allow_self : bool
        Allow replaying a stream, or a capture of it, onto itself, so that its entries are there
        twice.
    on_error : {"raise", "skip"}
        What to do with a line of a file that holds no entry; with "raise" nothing of it is sent.
    progress : bool
        Show a progress bar.
    dry_run : bool
        Read all of it, and return what would be sent.

    Returns
    -------
    Report
        Its state is "incomplete" if entries of a stream were removed before they were read. A dry
        run returns a DataFrame in schema REPLAY, one row per stream, see `Replay.dry_run`.

    Raises
    ------
    ReplayError
        If a capture cannot be used, or a source lacks the times or stream names that are needed
        (nothing was sent); if an ID is taken in the target or is smaller than its last one, or the
        name in `resume` is that of another replay (nothing more was sent); if the target, or the
        bookmark alone, was removed in between.
    ValueError, TypeError
        If the options contradict each other; nothing was sent.
    redis.exceptions.RedisError, ConnectError
        If the server refuses an entry, or is away for longer than the connection's timeout. A note
        says how to continue.

    Warns
    -----
    RedisnbWarning
        If the replay is incomplete.

    Notes
    -----
    EVAL of a script of XADD for each batch of up to 500 entries, so that nothing follows an entry
    that is refused; with `resume` it moves the hash ``redisnb:replay:<name>`` in the same step.
    After a lost reply the hash tells whether the batch was added; without `resume`, entries with
    explicit IDs are sent again, which the server takes once, and others are counted as unknown.
    What is due within a millisecond is one batch. An outage and a pause move the rest of the
    schedule.

    Examples
    --------
    >>> test = rnb.Stream(conn, "test")
    >>> rnb.replay(orders, test, speed=60, dry_run=True)[["entries", "span", "duration"]]
       entries            span        duration
    0        4 0 days 00:03:00 0 days 00:00:03
    >>> report = rnb.replay(orders, test, speed=10_000, where={"item": "tea"})
    >>> report.added, test.range()["item"].tolist()
    (2, ['tea', 'tea'])
    """
    once = Replay(source, target, **options)
    return once.dry_run() if dry_run else once.run(progress=progress)
