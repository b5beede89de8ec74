"""All streams and all consumer groups of a database as frames."""

from __future__ import annotations

import pandas as pd
import redis

from redisnb import frames, wire
from redisnb.errors import explain, is_of_key, warn
from redisnb.hints import hinted
from redisnb.stream import (
    GROUP_QUESTIONS,
    STREAM_QUESTIONS,
    look,
    rows_of_groups,
    rows_of_streams,
)
from redisnb.wire import Connection

__all__ = ["groups", "streams"]


@hinted
def streams(conn: Connection, match: str = "*") -> pd.DataFrame:
    """List the streams of a database with their state.

    Parameters
    ----------
    conn, match
        As for `keys`.

    Returns
    -------
    DataFrame in schema STREAMS
        By name. `Stream.info` describes the columns. What this user may not read is missing; a
        stream that it may not read at all has only its name.

    Notes
    -----
    SCAN, with XINFO STREAM, XINFO GROUPS and MEMORY USAGE for each stream; then XLEN of its dead
    letters, XPENDING for each group with pending entries, and XREVRANGE for a stream with an entry
    of the last minute, pipelined. Reads only.

    Examples
    --------
    >>> rnb.streams(conn)[["stream", "length", "groups", "pending"]]
       stream  length  groups  pending
    0  orders       4       1        0
    """
    wire.check_connection(conn, "streams(conn)")
    with frames.paused_collector():
        seen = look(wire.walk(conn, match, STREAM_QUESTIONS, "stream"))
        if not seen:
            wire.warn_of_no_match(conn, match, kind="stream")
        return frames.table(frames.STREAMS, rows_of_streams(conn, seen))


@hinted
def groups(conn: Connection, match: str = "*") -> pd.DataFrame:
    """List the consumer groups of all streams of a database.

    Parameters
    ----------
    conn : Connection
        What `redisnb.connect` returns.
    match : str, default "*"
        A glob pattern for the names of the streams, as for `keys`.

    Returns
    -------
    DataFrame in schema GROUPS
        By stream and name; `Stream.groups` describes the columns. The groups of a stream that this
        user may not read are left out, and ``frame.attrs["refused"]`` counts these streams.

    Raises
    ------
    redis.exceptions.ResponseError
        If this user or server has no XINFO GROUPS.

    Notes
    -----
    SCAN, with XINFO STREAM and XINFO GROUPS for each stream; then XPENDING and XINFO CONSUMERS for
    each group with pending entries, pipelined. Reads only.

    Examples
    --------
    >>> frame = billing.read(3)
    >>> rnb.groups(conn)[["stream", "group", "consumers", "pending"]]
       stream    group  consumers  pending
    0  orders  billing          1        3
    """
    wire.check_connection(conn, "groups(conn)")
    with frames.paused_collector():
        seen = look(wire.walk(conn, match, GROUP_QUESTIONS, "stream"))
        if not seen:
            wire.warn_of_no_match(conn, match, kind="stream")
        errors = {
            each.key: each.groups for each in seen if isinstance(each.groups, redis.ResponseError)
        }
        for key, error in errors.items():
            if not is_of_key(error):
                raise explain(error, key, ("XINFO", "GROUPS", key))
        frame = frames.table(frames.GROUPS, rows_of_groups(conn, seen))
    frame.attrs["refused"] = len(errors)
    if errors:
        warn(
            f"{len(errors):,} of {len(seen):,} streams may not be read by this user; their groups "
            "are left out"
        )
    return frame
