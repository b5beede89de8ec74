"""Replies to frames. Only this module makes a DataFrame of what a server sends."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa

from redisnb.entries import AUTO, Fields, Layout, as_text, entry_times, time_index
from redisnb.frames.decoding import (
    RESERVED,
    DecodeAgain,
    Decoded,
    Decoder,
    Types,
    as_texts,
    column_maker,
    object_array,
    to_pandas,
)
from redisnb.frames.fitting import Fitting, missing
from redisnb.frames.schemas import (
    DEAD_LETTERS,
    ENTRIES,
    PENDING,
    VALUES,
    column,
    table,
)

__all__ = [
    "added_frame",
    "dead_letters_frame",
    "decode_frame",
    "entries_frame",
    "ids_frame",
    "info_frame",
    "keyed_entries_frame",
    "keyed_pages_frame",
    "mark_trimmed",
    "members_frame",
    "pages_frame",
    "paused_collector",
    "pending_frame",
    "timed_frame",
    "values_frame",
    "with_times",
    "without_collector",
]

_Part = TypeVar("_Part")


def entries_frame(
    replies: Sequence[tuple[bytes, Fields | None]],
    layout: Layout = AUTO,
    *,
    types: Types = "infer",
    columns: Sequence[str] | None = None,
    schema: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Make a frame in schema ENTRIES of entries; `pages_frame` says how."""
    return pages_frame(lambda: [replies], layout, types=types, columns=columns, schema=schema)


def keyed_entries_frame(
    entries: Sequence[tuple[str, bytes, Fields | None]],
    layout: Layout,
    *,
    many: bool,
    types: Types = "infer",
    schema: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Make a frame in schema ENTRIES of (stream, ID, fields), with `stream` where there are many.

    An event's own column `stream` then gets the suffix ``_field``.
    """
    return keyed_pages_frame(lambda: [entries], layout, many=many, types=types, schema=schema)


def keyed_pages_frame(
    pages: Callable[[], Iterable[Sequence[tuple[str, bytes, Fields | None]]]],
    layout: Layout,
    *,
    many: bool,
    types: Types = "infer",
    columns: Sequence[str] | None = None,
    schema: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Do what `found` does for pages of entries; `pages_frame` says how."""
    keys: list[str] = []

    def bodies() -> Iterator[Sequence[tuple[bytes, Fields | None]]]:
        keys.clear()
        for page in pages():
            keys.extend(key for key, _, _ in page)
            yield [(id, fields) for _, id, fields in page]

    streams = keys if many else None
    return pages_frame(bodies, layout, types=types, columns=columns, schema=schema, streams=streams)


def pages_frame(
    pages: Callable[[], Iterable[Sequence[tuple[bytes, Fields | None]]]],
    layout: Layout,
    *,
    types: Types = "infer",
    columns: Sequence[str] | None = None,
    schema: Mapping[str, Any] | None = None,
    streams: Sequence[str] | None = None,
    advance: Callable[[int], object] | None = None,
) -> pd.DataFrame:
    """Make a frame in schema ENTRIES of pages of entries.

    Parameters
    ----------
    pages : callable
        Returns pages of (ID, fields) as the server sends them; fields are None where the body is
        gone (the frame's ``attrs["trimmed"]`` lists those IDs). It is called again where a late
        entry changes how the first pages have to be read.
    layout, types
        As in `columns.spread`.
    columns : sequence of str, optional
        The event's columns to keep, in this order; one that no entry has is all missing.
    schema : mapping of str to dtype, optional
        As `check_schema` returns it: the columns and their types; ``frame.attrs["misfits"]`` counts
        the values of each that do not fit, which are missing.
    streams : sequence of str, optional
        The stream of each entry, where there are several.
    advance : callable, optional
        Called with the length of each page, and with a negative length where pages are read again.
    """
    if schema is None:
        dtypes = types if isinstance(types, Mapping) else {}
        decoder = Decoder(layout, column_maker(types), only=columns)
        return decode_frame(pages, decoder, columns, dtypes, streams=streams, advance=advance)
    fitting, columns = Fitting(schema), [*schema] if columns is None else columns
    _check_columns(columns, schema)
    decoder = Decoder(layout, fitting.make, only=columns)
    frame = decode_frame(pages, decoder, columns, schema, streams=streams, advance=advance)
    frame.attrs["misfits"] = fitting.misfits
    return frame


def decode_frame(
    pages: Callable[[], Iterable[Sequence[tuple[bytes, Fields | None]]]],
    decoder: Decoder,
    columns: Sequence[str] | None,
    dtypes: Mapping[str, Any],
    *,
    first: Iterable[Any] = (),
    streams: Sequence[str] | None = None,
    advance: Callable[[int], object] | None = None,
) -> pd.DataFrame:
    """Make a frame in schema ENTRIES of what a decoder returns for pages of entries.

    Parameters
    ----------
    columns
        As for `pages_frame`; None stands for `first`, the decoded columns, and those of `dtypes`,
        in this order.
    dtypes : mapping of str to dtype
        The dtype of a column that no entry has.
    """
    decoded = _decode_pages(pages, decoder, advance)
    data = {"entry_id": to_pandas(decoded.entry_ids.cast(pa.string()))}
    if streams is not None:
        data["stream"] = column([*streams], "str")
    if columns is None:
        columns = [*first, *decoded.columns, *(name for name in dtypes if name not in RESERVED)]
    for name in columns:
        if name not in data:
            values = decoded.columns.get(name)
            dtype = dtypes.get(name, np.dtype(object))
            data[name] = missing(len(decoded.entry_ids), dtype) if values is None else values
    frame = pd.DataFrame(data, index=entry_times(decoded.entry_ids), copy=False)
    frame.attrs["odd"] = decoded.odd
    return mark_trimmed(frame, decoded.trimmed)


def _check_columns(columns: Sequence[str], schema: Mapping[str, Any]) -> None:
    for name in columns:
        if name not in schema and name not in RESERVED:
            raise ValueError(f"columns={name!r}: the schema has only {', '.join(schema)}")


def _decode_pages(
    pages: Callable[[], Iterable[Sequence[tuple[bytes, Fields | None]]]],
    decoder: Decoder,
    advance: Callable[[int], object] | None = None,
) -> Decoded:
    while True:
        read = 0
        try:
            # The collector would walk through the page's lists again and again in vain.
            with paused_collector():
                for page in pages():
                    decoder.feed(page)
                    read += len(page)
                    if advance is not None:
                        advance(len(page))
            return decoder.finish()
        except DecodeAgain as again:
            decoder.close()
            decoder = again.decoder
            if advance is not None:
                advance(-read)
        finally:
            decoder.close()


@contextmanager
def paused_collector() -> Iterator[None]:
    """Keep Python's cyclic garbage collector from running in a with block."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def without_collector(parts: Iterable[_Part]) -> Iterator[_Part]:
    """Yield parts as they are read; the collector runs only while the caller uses one."""
    rest = iter(parts)
    while True:
        with paused_collector():
            part = next(rest, None)
        if part is None:
            return
        yield part


def mark_trimmed(frame: pd.DataFrame, entry_ids: Sequence[bytes]) -> pd.DataFrame:
    """Note in a frame which entries no longer have a body."""
    if entry_ids:
        frame.attrs["trimmed"] = [id.decode() for id in entry_ids]
    return frame


def info_frame(values: Mapping[str, Any]) -> pd.DataFrame:
    """Make a frame of one row, with a column for each value."""
    dtypes = {str: "str", int: "int64", float: "float64"}
    return pd.DataFrame(
        {
            name: column([value], dtypes[type(value)])
            if type(value) in dtypes
            else object_array([value])
            for name, value in values.items()
        }
    )


def ids_frame(entry_ids: Sequence[bytes]) -> pd.DataFrame:
    """Make a frame in schema ENTRIES of IDs without events."""
    return with_times(table(ENTRIES, [(id.decode(),) for id in entry_ids]))


def with_times(frame: pd.DataFrame) -> pd.DataFrame:
    """Index a frame by the times of its entries."""
    entry_ids = [id.encode() for id in frame["entry_id"]]
    frame.index = entry_times(pa.array(entry_ids, pa.binary()))
    return frame


def timed_frame(
    schema: Mapping[str, str], times: Iterable[int], rows: Iterable[Sequence[Any]]
) -> pd.DataFrame:
    """Make a frame of rows with their `time` in ms, in schema HISTOGRAM or WATCH."""
    frame = table(schema, rows)
    frame.index = time_index(times, "time")
    return frame


def pending_frame(
    rows: Sequence[tuple[bytes, bytes, int, int]],
    bodies: Sequence[Fields | None] | None = None,
    layout: Layout = AUTO,
    schema: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Make a frame in schema PENDING from XPENDING's rows, with the events' columns if given."""
    # An entry that a consumer has released by XNACK (Redis 8.8) has no owner and is idle for -1 ms.
    frame = table(
        PENDING,
        [
            (id.decode(), as_text(owner), None if idle < 0 else idle, n)
            for id, owner, idle, n, *_ in rows
        ],
    )
    if schema is None or bodies is None:
        return _with_events(frame, bodies, Decoder(layout, column_maker("infer"), taken=PENDING))
    fitting = Fitting(schema)
    decoder = Decoder(layout, fitting.make, only=[*schema], taken=PENDING)
    frame = _with_events(frame, bodies, decoder)
    for name, dtype in schema.items():
        if name not in frame:
            frame[name] = missing(len(frame), dtype)
    frame.attrs["misfits"] = fitting.misfits
    return frame[[*PENDING, *schema]]


def dead_letters_frame(
    rows: Sequence[Sequence[Any]],
    bodies: Sequence[Fields],
    layout: Layout = AUTO,
    *,
    types: Types = "infer",
) -> pd.DataFrame:
    """Make a frame in schema DEAD_LETTERS of its rows, with the columns of the letters' events."""
    frame = table(DEAD_LETTERS, rows)
    return _with_events(frame, bodies, Decoder(layout, column_maker(types), taken=DEAD_LETTERS))


def _with_events(
    frame: pd.DataFrame, bodies: Sequence[Fields | None] | None, decoder: Decoder
) -> pd.DataFrame:
    """Index a frame by its entries' times, and add the columns of their bodies if given."""
    with_times(frame)
    if bodies is None:
        return frame
    page = list(zip([id.encode() for id in frame["entry_id"]], bodies, strict=True))
    decoded = _decode_pages(lambda: [page], decoder)
    for name, values in decoded.columns.items():
        frame[name] = values
    return mark_trimmed(frame, decoded.trimmed)


def added_frame(
    entry_ids: Sequence[bytes | None], wrong: Mapping[int, tuple[str, str]]
) -> pd.DataFrame:
    """Make a frame in schema ADDED of entry IDs and of (status, error) of rows without one."""
    status = ["added"] * len(entry_ids)
    error: list[str | None] = [None] * len(entry_ids)
    for row, (status_of_row, error_of_row) in wrong.items():
        status[row], error[row] = status_of_row, error_of_row
    columns = {
        "entry_id": pa.array(entry_ids, pa.binary()).cast(pa.string()),
        "status": pa.array(status, pa.string()),
        "error": pa.array(error, pa.string()),
    }
    return pd.DataFrame({name: to_pandas(values) for name, values in columns.items()})


def values_frame(
    pages: Callable[[], Iterable[Sequence[tuple[bytes, Fields]]]],
    layout: Layout,
    *,
    types: Types = "infer",
    schema: Mapping[str, Any] | None = None,
    opaque: Mapping[int, bytes],
) -> pd.DataFrame:
    """Make a frame in schema VALUES of pages of keys and their values, as the fields of entries.

    Parameters
    ----------
    pages, layout, types, schema
        As for `pages_frame`.
    opaque : mapping of row to bytes
        Values that stay bytes, each the only one of its row; used without a schema.
    """
    if schema is not None:
        fitting = Fitting(schema)
        decoder = Decoder(layout, fitting.make, only=[*schema], taken=VALUES)
        decoded = _decode_pages(pages, decoder)
        columns = {
            name: decoded.columns[name]
            if name in decoded.columns
            else missing(len(decoded.entry_ids), dtype)
            for name, dtype in schema.items()
        }
        frame = pd.DataFrame({"key": _key_texts(decoded)} | columns, copy=False)
        frame.attrs["misfits"] = fitting.misfits
        return frame
    decoded = _decode_pages(pages, Decoder(layout, column_maker(types), taken=VALUES))
    columns = decoded.columns
    for row in [*opaque][:1]:
        # All are in one column, whatever its name; some are UTF-8 by accident.
        name = next(name for name, array in columns.items() if not pd.isna(array[row]))
        plain = pd.Series(columns[name], dtype=object)
        plain = plain.where(plain.notna(), None)
        columns[name] = object_array([opaque.get(i, value) for i, value in enumerate(plain)])
    return pd.DataFrame({"key": _key_texts(decoded)} | columns, copy=False)


def members_frame(
    pages: Callable[[], Iterable[Sequence[tuple[bytes, Fields]]]], layout: Layout
) -> pd.DataFrame:
    """Make a frame of the columns of pages of objects, as the fields of entries without IDs."""
    decoded = _decode_pages(pages, Decoder(layout, column_maker("infer")))
    return pd.DataFrame(decoded.columns, index=range(len(decoded.entry_ids)), copy=False)


def _key_texts(decoded: Decoded) -> Any:
    return to_pandas(as_texts(decoded.entry_ids))
