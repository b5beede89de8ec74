"""read_stream(): the partitions of a stream, and the Dask DataFrame that reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from redisnb import frames, wire
from redisnb.dask.workers import StreamRecipe, read_partition
from redisnb.entries import Decode, EntryId, Fields, Format, Position
from redisnb.errors import MissingExtraError, nearest
from redisnb.frames import Schema
from redisnb.hints import hinted
from redisnb.stream import Stream

if TYPE_CHECKING:
    import dask.dataframe as dd

__all__ = ["read_stream"]

#: How many entries the schema is inferred from, spread over the partitions.
_SAMPLE = 10_000


@hinted
def read_stream(
    key: str,
    *,
    partitions: int = 16,
    start: Position | None = None,
    end: Position | None = None,
    columns: Sequence[str] | None = None,
    schema: Schema | None = None,
    format: Format = "auto",
    field: str = "payload",
    json: Sequence[str] = (),
    decode: Decode | None = None,
    env: str | None = None,
    strict: bool = True,
) -> dd.DataFrame:
    """Return a stream as a Dask DataFrame whose partitions are ranges of entry IDs.

    Each process, this one and those of the workers, connects by itself, read-only, to the address
    in its own environment: URL and password are in no graph, and pass through no scheduler.

    Parameters
    ----------
    key : str
        The stream's key.
    partitions : int, default 16
        How many partitions, of about equal numbers of entries. A millisecond is never divided, so
        there may be fewer.
    start, end : str, EntryId, aware datetime or int, optional
        As for `Stream.range`. Entries that are added later are in no partition.
    columns : sequence of str, optional
        The event's columns to read; by default all of the schema. What Dask itself selects is also
        all that is read.
    schema : mapping of str to dtype, optional
        As for `Stream`. By default it is inferred from up to 10,000 entries of all partitions, in
        dtypes that have missing values; a column that none of these has is not read.
    format, field, json, decode
        As for `Stream`; a function is sent to the workers.
    env : str, optional
        The name of the environment variable with the server's URL, in each process; by default
        those of `connect`: REDISNB_URL, REDIS_URL, or REDIS_HOST and REDIS_PORT.
    strict : bool, default True
        Fail in a partition whose entries were removed since this call, or that has values that do
        not fit the schema. False reads what is left, and such values as missing; the ``attrs`` of
        the frame that `map_partitions` passes count both, as those of `Stream.range` do.

    Returns
    -------
    dask.dataframe.DataFrame
        In schema ENTRIES, by `entry_time` and sorted; every partition has the same columns and
        dtypes. Its divisions are the times of the partitions' first entries; they are unknown
        where an ID has no time (beyond the year 9999). Without entries, one empty partition.

    Raises
    ------
    ConnectError
        If this process has no such variable, or no server answers; in a worker, the error of the
        task names the process and the variable.
    MissingExtraError
        If Dask is not installed: ``pip install redisnb[dask]``.
    RedisnbError, DecodeError
        In a task, if `strict` (see there). Nothing is returned.

    Notes
    -----
    Here those of `Stream.partitions`, and XRANGE for each partition; in a task those of
    `Stream.range`. Reads only. Removals from the middle of a partition cannot be detected.

    Examples
    --------
    >>> import redisnb.dask  # its workers read $REDISNB_URL too
    >>> frame = redisnb.dask.read_stream("orders", partitions=2)
    >>> int(frame["amount"].sum().compute())
    11
    """
    try:
        import dask
        import dask.dataframe as dd
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "dask") from None
    frames.check_columns(columns)
    if isinstance(partitions, bool) or not isinstance(partitions, int) or partitions < 1:
        raise ValueError(f"partitions={partitions!r}; it is a number, at least 1")
    if env is not None and not env.isidentifier():
        # It is not repeated: it may be the URL, with a password.
        raise ValueError(
            "env= is the name of an environment variable, such as 'REDISNB_URL', that has the URL "
            "in each process"
        )
    options = {"format": format, "field": field, "json": json, "decode": decode}
    recipe = StreamRecipe(key, env, {n: v for n, v in options.items() if v}, strict)
    stream = recipe.stream(schema)
    sample = 1 if stream.schema is not None else max(1, _SAMPLE // partitions)
    parts = _plan(stream, partitions, start, end, sample=sample)
    dtypes = _schema(stream, parts, columns)
    like = frames.entries_frame([], stream.layout, schema=dtypes)
    # Dask would make text of every column of objects, also of lists.
    with dask.config.set({"dataframe.convert-string": False}):
        frame: dd.DataFrame
        if not parts:
            frame = dd.from_pandas(like, npartitions=1)
        else:
            frame = dd.from_map(
                read_partition,
                [(part.first, part.end) for part in parts],
                recipe=recipe,
                schema=dtypes,
                meta=like[["entry_id", *dtypes]],
                divisions=_divisions(parts),
                label="redis-stream",
            )
    return frame


class _Partition(NamedTuple):
    """A partition: its first entry, the bound at its end, and some of its entries."""

    first: str
    end: str
    entries: list[tuple[bytes, Fields]]


def _plan(
    stream: Stream, partitions: int, start: Position | None, end: Position | None, *, sample: int
) -> list[_Partition]:
    """Return the partitions that have entries; each begins with the first one of a millisecond."""
    ranges = stream.partitions(partitions, start, end)
    if ranges.empty:
        return []
    first, last = ranges["start"].iloc[0], ranges["end"].iloc[-1]
    # Dask looks for a time in one partition alone.
    cuts = {EntryId(id).ms: f"{EntryId(id).ms}-0" for id in ranges["start"].iloc[1:]}
    cuts.pop(EntryId(first).ms, None)
    starts = [first, *cuts.values()]
    parts = []
    for begin, behind in zip(starts, [*(f"({id}" for id in starts[1:]), last], strict=True):
        pages = wire.Pages(stream.conn, stream.key, begin, behind, limit=sample)
        if entries := [entry for page in pages for entry in page]:
            parts.append(_Partition(entries[0][0].decode(), behind, entries))
    return parts


def _schema(
    stream: Stream, parts: Sequence[_Partition], columns: Sequence[str] | None
) -> dict[str, Any]:
    """Return the columns of all partitions with their dtypes."""
    if stream.schema is not None:
        known: Mapping[str, Any] = stream.schema
        reason = "the schema does not have it"
    else:
        entries = [entry for part in parts for entry in part.entries]
        known = frames.frame_schema(frames.entries_frame(entries, stream.layout))
        reason = f"none of {len(entries):,} entries has it; schema={{...}} names its dtype"
    for name in columns or ():
        if name not in known and name != "entry_id":
            near = nearest(str(name), known)
            hint = "" if near is None else f"; did you mean {near!r}?"
            raise ValueError(f"columns={name!r}: {reason}{hint}")
    names = known if columns is None else [name for name in columns if name != "entry_id"]
    chosen = frames.check_schema({name: known[name] for name in names})
    assert chosen is not None
    return chosen


def _divisions(parts: Sequence[_Partition]) -> list[Any] | None:
    """Return the times of the first entries and of the last one; None where one has no time."""
    last = parts[-1].end
    times = [EntryId(id).time for id in (*(part.first for part in parts), last)]
    return None if any(pd.isna(time) for time in times) else times
