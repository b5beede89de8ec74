"""Replies to frames, and frames to events. Nothing else in redisnb makes a DataFrame of a reply.

============ ============= ======================================================================
schema       index         columns
============ ============= ======================================================================
ENTRIES      entry_time    entry_id, then the event's columns in the order in which they are seen
PENDING      entry_time    entry_id, consumer, idle, deliveries (then the event's columns)
ADDED        range         entry_id, status ("added", "failed", "unknown", "unsent"), error
GROUPS       range         stream, group, consumers, pending, last_delivered_id, entries_read, lag,
                           oldest_pending, lag_unknown
CONSUMERS    range         consumer, pending, idle, inactive
STREAMS      range         stream, length, groups, first_id, last_id, size, lag, pending,
                           oldest_pending, dead_letters
DEAD_LETTERS entry_time    entry_id, origin_id, group, consumer, deliveries, error, redrives (then
                           the event's columns)
POSITION     range         stream, group, before, after, skipped, repeated
REPLAY       range         stream, target, entries, bytes, first_id, last_id, span, duration
KEYS         range         key, type, ttl, expires_at (then size, encoding)
VALUES       range         key, then the columns in the order in which they are seen
PREVIEW      range         by type: string: value; hash: field, value; list: index, value;
                           set: value; zset: value, score; stream: as ENTRIES; none: nothing
ERRORS       range         entry_id, error, message, traceback
CAPTURED     range         stream, entries, bytes, first_id, last_id, path
============ ============= ======================================================================

`entry_time` is datetime64[ms, UTC]. Durations are timedelta64[ms]. Counts that a server may not
know are Int64. Names and IDs are str; a name that is not UTF-8 stays bytes, in an object column.
`columns` says how an event becomes columns.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import redis

from redisnb.arrays import to_pandas
from redisnb.columns import Types, objects
from redisnb.decoder import Again, Decoder
from redisnb.entries import EntryId, Fields, Format, as_text, entry_times, time_index
from redisnb.errors import EncodeError, RedisnbWarning

__all__ = [
    "ADDED",
    "CAPTURED",
    "CONSUMERS",
    "DEAD_LETTERS",
    "ENTRIES",
    "ERRORS",
    "GROUPS",
    "KEYS",
    "PENDING",
    "POSITION",
    "PREVIEW",
    "REPLAY",
    "STREAMS",
    "VALUES",
    "Where",
]

ENTRIES = {"entry_id": "str"}
PENDING = {"entry_id": "str", "consumer": "str", "idle": "timedelta64[ms]", "deliveries": "int64"}
ADDED = {"entry_id": "str", "status": "str", "error": "str"}
GROUPS = {
    "stream": "str",
    "group": "str",
    "consumers": "int64",
    "pending": "int64",
    "last_delivered_id": "str",
    "entries_read": "Int64",
    "lag": "Int64",
    "oldest_pending": "timedelta64[ms]",
    "lag_unknown": "str",
}
CONSUMERS = {
    "consumer": "str",
    "pending": "int64",
    "idle": "timedelta64[ms]",
    "inactive": "timedelta64[ms]",
}
STREAMS = {
    "stream": "str",
    "length": "int64",
    "groups": "int64",
    "first_id": "str",
    "last_id": "str",
    "size": "Int64",
    "lag": "Int64",
    "pending": "int64",
    "oldest_pending": "timedelta64[ms]",
    "dead_letters": "Int64",
}
DEAD_LETTERS = {
    "entry_id": "str",
    "origin_id": "str",
    "group": "str",
    "consumer": "str",
    "deliveries": "int64",
    "error": "str",
    "redrives": "int64",
}
POSITION = {
    "stream": "str",
    "group": "str",
    "before": "str",
    "after": "str",
    "skipped": "int64",
    "repeated": "int64",
}
REPLAY = {
    "stream": "str",
    "target": "str",
    "entries": "int64",
    "bytes": "int64",
    "first_id": "str",
    "last_id": "str",
    "span": "timedelta64[ms]",
    "duration": "timedelta64[ms]",
}
KEYS = {
    "key": "str",
    "type": "str",
    "ttl": "timedelta64[ms]",
    "expires_at": "datetime64[ms, UTC]",
}
KEY_SIZES = {"size": "Int64", "encoding": "str"}
VALUES = {"key": "str"}
PREVIEW = {
    "none": {},
    "string": {"value": "str"},
    "hash": {"field": "str", "value": "str"},
    "list": {"index": "int64", "value": "str"},
    "set": {"value": "str"},
    "zset": {"value": "str", "score": "float64"},
    "stream": ENTRIES,
}
ERRORS = {"entry_id": "str", "error": "str", "message": "str", "traceback": "str"}
CAPTURED = {
    "stream": "str",
    "entries": "int64",
    "bytes": "int64",
    "first_id": "str",
    "last_id": "str",
    "path": "str",
}

#: A value (or list of values) for each of some columns, or a function from a frame to a mask.
Where: TypeAlias = Mapping[str, Any] | Callable[[pd.DataFrame], Any]


def table(schema: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> pd.DataFrame:
    """Make a frame of `schema` from rows of Python values (durations in ms, None for missing)."""
    columns: Sequence[Sequence[Any]] = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pd.DataFrame(
        {
            name: _array(list(values), dtype)
            for (name, dtype), values in zip(schema.items(), columns, strict=True)
        }
    )


def _array(values: list[Any], dtype: str) -> Any:
    if dtype == "str":
        if any(isinstance(value, bytes) for value in values):
            return objects(values)
        return pd.array(values, dtype="str")
    limits = np.iinfo("int64")
    if dtype == "timedelta64[ms]":
        # numpy takes the smallest int64 for NaT.
        return pa.array(values, pa.int64()).fill_null(limits.min).to_numpy().view("m8[ms]")
    if dtype == "datetime64[ms, UTC]":
        # Beyond the last time that there is, which becomes NaT as well.
        return time_index([limits.max if value is None else value for value in values])
    return pd.Series(values, dtype=dtype).array


def entries(
    replies: Sequence[tuple[bytes, Fields | None]],
    format: Format = "auto",
    *,
    types: Types = "infer",
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Make a frame in schema ENTRIES of entries; `read` says how."""
    return read(lambda: [replies], format, types=types, columns=columns)


def found(
    entries: Sequence[tuple[str, bytes, Fields | None]], format: Format, *, many: bool
) -> pd.DataFrame:
    """Make a frame in schema ENTRIES of (stream, ID, fields), with `stream` where there are many.

    An event's own column `stream` then gets the suffix ``_field``.
    """
    return captured(lambda: [entries], format, many=many)


def captured(
    pages: Callable[[], Iterable[Sequence[tuple[str, bytes, Fields | None]]]],
    format: Format,
    *,
    many: bool,
    types: Types = "infer",
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Do what `found` does for pages of entries; `read` says how."""
    keys: list[str] = []

    def bodies() -> Iterator[Sequence[tuple[bytes, Fields | None]]]:
        keys.clear()
        for page in pages():
            keys.extend(key for key, _, _ in page)
            yield [(id, fields) for _, id, fields in page]

    decoder = Decoder(format, types=types, only=columns)
    return _entries(*_decode(bodies, decoder), columns, {"stream": keys} if many else {})


def read(
    pages: Callable[[], Iterable[Sequence[tuple[bytes, Fields | None]]]],
    format: Format,
    *,
    types: Types = "infer",
    columns: Sequence[str] | None = None,
    moved: Callable[[int], object] | None = None,
) -> pd.DataFrame:
    """Make a frame in schema ENTRIES of pages of entries.

    Parameters
    ----------
    pages : callable
        Gives pages of (ID, fields) as the server sends them; fields None where the body is gone
        (the frame's ``attrs["trimmed"]`` lists those IDs). It is called again where what comes
        late changes how the first pages have to be read.
    format, types
        As in `columns.spread`.
    columns : sequence of str, optional
        The event's columns to keep, in this order; one that does not occur is all missing.
    moved : callable, optional
        Is told the length of each page.
    """
    decoder = Decoder(format, types=types, only=columns)
    return _entries(*_decode(pages, decoder, moved), columns, {})


def _entries(
    entry_ids: pa.ChunkedArray,
    found: Mapping[Any, Any],
    gone: Sequence[bytes],
    columns: Sequence[str] | None,
    more: Mapping[str, list[str]],
) -> pd.DataFrame:
    """Put a frame in schema ENTRIES together; `more` is what comes after the IDs."""
    data = {"entry_id": to_pandas(entry_ids.cast(pa.string()))}
    data |= {name: _array(values, "str") for name, values in more.items()}
    if columns is None:
        data |= found
    else:
        absent = objects([None] * len(entry_ids))
        data |= {name: found.get(name, absent) for name in columns if name not in data}
    return trimmed(pd.DataFrame(data, index=entry_times(entry_ids), copy=False), gone)


def _decode(
    pages: Callable[[], Iterable[Sequence[tuple[bytes, Fields | None]]]],
    decoder: Decoder,
    moved: Callable[[int], object] | None = None,
) -> tuple[Any, dict[Any, Any], list[bytes]]:
    while True:
        read, last = 0, b""
        try:
            # The collector would walk through the page's lists again and again, and find nothing.
            with paused_collector():
                for page in pages():
                    decoder.feed(page)
                    read, last = read + len(page), page[-1][0] if page else last
                    if moved is not None:
                        moved(len(page))
            return decoder.finish()
        except Again as again:
            decoder.close()
            decoder = again.decoder
            if moved is not None:
                moved(-read)
        except (redis.RedisError, KeyboardInterrupt) as error:
            if read:
                error.add_note(
                    f"{read:,} entries were read before that, the last one {last.decode()}; "
                    f"range('({last.decode()}', ...) goes on behind it"
                )
            raise
        finally:
            decoder.close()


@contextmanager
def paused_collector() -> Iterator[None]:
    """Keep Python's cyclic garbage collector from running."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def trimmed(frame: pd.DataFrame, entry_ids: Sequence[bytes]) -> pd.DataFrame:
    """Note in a frame which entries have no body any more."""
    if entry_ids:
        frame.attrs["trimmed"] = [id.decode() for id in entry_ids]
    return frame


def mask(frame: pd.DataFrame, where: Where) -> Any:
    """Return which rows of `frame` `where` wants, as a boolean array.

    A mapping wants equal values, or one of several values; a column that the frame lacks
    matches nothing. A function may give NA, for a row that it does not want.
    """
    if callable(where):
        wanted: Any = pd.array(where(frame), dtype="boolean").fillna(False).to_numpy(dtype=bool)
        if len(wanted) != len(frame):
            raise ValueError(f"where gave {len(wanted)} truth values for {len(frame)} rows")
        return wanted
    found = np.ones(len(frame), dtype=bool)
    for name, wanted in where.items():
        if name not in frame.columns:
            return np.zeros(len(frame), dtype=bool)
        among = list(wanted) if pd.api.types.is_list_like(wanted) else [wanted]
        found &= frame[name].isin(among).to_numpy(dtype=bool)
    return found


def pending(
    rows: Sequence[tuple[bytes, bytes, int, int]],
    bodies: Sequence[Fields | None] | None = None,
    format: Format = "auto",
) -> pd.DataFrame:
    """Make a frame in schema PENDING from XPENDING's rows, with the events' columns if given."""
    frame = table(PENDING, [(id.decode(), as_text(owner), idle, n) for id, owner, idle, n in rows])
    return _with_events(frame, bodies, Decoder(format, taken=PENDING))


def dead_letters(
    rows: Sequence[Sequence[Any]],
    bodies: Sequence[Fields],
    format: Format = "auto",
    *,
    types: Types = "infer",
) -> pd.DataFrame:
    """Make a frame in schema DEAD_LETTERS of its rows, with the columns of the letters' events."""
    frame = table(DEAD_LETTERS, rows)
    return _with_events(frame, bodies, Decoder(format, types=types, taken=DEAD_LETTERS))


def _with_events(
    frame: pd.DataFrame, bodies: Sequence[Fields | None] | None, decoder: Decoder
) -> pd.DataFrame:
    """Index a frame by its entries' times, and add the columns of their bodies if given."""
    entry_ids = [id.encode() for id in frame["entry_id"]]
    frame.index = entry_times(pa.array(entry_ids, pa.binary()))
    if bodies is None:
        return frame
    page = list(zip(entry_ids, bodies, strict=True))
    _, found, gone = _decode(lambda: [page], decoder)
    for name, values in found.items():
        frame[name] = values
    return trimmed(frame, gone)


def records(frame: pd.DataFrame) -> Iterator[dict[Hashable, Any]]:
    """Turn a frame's rows into events, missing values as None and times as ISO 8601 text.

    The columns `entry_id` and, in an ENTRIES frame, `stream` name entries and are no part of an
    event; nor is the index, unless it has a name other than `entry_time`.

    Raises
    ------
    EncodeError
        If two columns have the same name, or a name is no text.
    """
    indexed = [name for name in frame.index.names if name not in (None, "entry_time")]
    if indexed:
        frame = frame.reset_index(level=indexed, allow_duplicates=True)
    if frame.index.names == ["entry_time"] and "entry_id" in frame.columns:
        frame = frame.drop(columns=["entry_id", "stream"], errors="ignore")
    for name in frame.columns:
        if not isinstance(name, str | bytes):
            raise EncodeError(
                f"column {name!r}: a name is text, not {type(name).__name__}; "
                "frame.rename(columns=str) makes it so",
                column=str(name),
            )
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise EncodeError(f"two columns are named {twice[0]!r}", column=str(twice[0]))
    columns = [_plain(frame[name]) for name in frame.columns]
    names = list(frame.columns)
    if not names:
        return iter([{} for _ in range(len(frame))])
    return (dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True))


def _plain(column: pd.Series) -> list[Any]:
    """Return a column's values as Python objects, with None for what is missing."""
    if isinstance(column.dtype, np.dtype | pd.DatetimeTZDtype) and column.dtype.kind == "M":
        # As JSON and fields have it; many rows may have the same time.
        codes, times = pd.factorize(column)
        texts = [*(time.isoformat() for time in times), None]
        return [texts[code] for code in codes]
    missing = column.isna().tolist()
    values = column.astype(object).tolist()
    return [None if gone else value for value, gone in zip(values, missing, strict=True)]


def entry_ids(entries: object) -> list[str]:
    """Return the IDs that a frame with a column `entry_id`, an ID, or several IDs name.

    Raises
    ------
    EntryIdError
        If one of them is no full ID.
    """
    if isinstance(entries, pd.DataFrame):
        if "entry_id" not in entries.columns:
            raise ValueError("this frame has no column entry_id; give a frame of entries, or IDs")
        entries = entries["entry_id"].tolist()
    if isinstance(entries, str | bytes):
        entries = [entries]
    if not isinstance(entries, Iterable):
        raise TypeError(f"give entry IDs or a frame of entries, not {type(entries).__name__}")
    return [EntryId(entry) for entry in entries]


def check_limit(limit: int | None, name: str = "limit") -> None:
    """Refuse a number of rows that cannot be one."""
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
        raise ValueError(f"{name}={limit!r}; it is a number of rows, at least 0, or None for all")


def cut(
    frame: pd.DataFrame, limit: int | None, default: int, way_on: str, *, stacklevel: int = 3
) -> pd.DataFrame:
    """Mark a frame that stopped at its limit, with a warning if the limit was the default."""
    frame.attrs["truncated"] = limit is not None
    if limit == default:
        warnings.warn(
            f"stopped at the default limit of {limit:,} rows; {way_on}",
            RedisnbWarning,
            stacklevel=stacklevel,
        )
    return frame


def added(entry_ids: Sequence[bytes | None], wrong: Mapping[int, tuple[str, str]]) -> pd.DataFrame:
    """Make a frame in schema ADDED of entry IDs and what was wrong with rows that have none."""
    status = ["added"] * len(entry_ids)
    error: list[str | None] = [None] * len(entry_ids)
    for row, (what, why) in wrong.items():
        status[row], error[row] = what, why
    columns = {
        "entry_id": pa.array(entry_ids, pa.binary()).cast(pa.string()),
        "status": pa.array(status, pa.string()),
        "error": pa.array(error, pa.string()),
    }
    return pd.DataFrame({name: to_pandas(values) for name, values in columns.items()})


def values(
    pages: Callable[[], Iterable[Sequence[tuple[bytes, Fields]]]],
    format: Format,
    *,
    types: Types = "infer",
    opaque: Mapping[int, bytes],
) -> pd.DataFrame:
    """Make a frame in schema VALUES of pages of keys and what they hold, as the fields of entries.

    Parameters
    ----------
    pages, format, types
        As for `read`.
    opaque : mapping of row to bytes
        Values that stay bytes, each the only one of its row.
    """
    decoder: Decoder | None = Decoder(format, types=types, taken=VALUES)
    while decoder is not None:
        present, decoder = decoder, None
        try:
            for page in pages():
                present.feed(page)
            keys, found, _ = present.finish()
        except Again as again:
            decoder = again.decoder
        finally:
            present.close()
    for row in [*opaque][:1]:
        # All are in one column, whatever its name; some are UTF-8 by accident.
        name = next(name for name, column in found.items() if not pd.isna(column[row]))
        column = [value if isinstance(value, str | bytes) else None for value in found[name]]
        found[name] = objects([opaque.get(i, value) for i, value in enumerate(column)])
    named = _array([as_text(key) for key in keys.to_pylist()], "str")
    return pd.DataFrame({"key": named} | found, copy=False)
