"""Replies to frames. Nothing else in redisnb makes a DataFrame of what a server sends."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa

from redisnb.entries import AUTO, Fields, Layout, as_text, entry_times
from redisnb.frames.decoding import (
    RESERVED,
    Again,
    Decoded,
    Decoder,
    Types,
    as_texts,
    maker,
    object_array,
    to_pandas,
)
from redisnb.frames.fitting import Fitting, missing
from redisnb.frames.schemas import DEAD_LETTERS, ENTRIES, PENDING, VALUES, column, table

__all__ = [
    "added",
    "assembled",
    "captured",
    "dead_letters",
    "entries",
    "found",
    "framed",
    "information",
    "just_ids",
    "paused_collector",
    "pending",
    "read",
    "trimmed",
    "uncollected",
    "values",
    "with_times",
]

_Part = TypeVar("_Part")


def entries(
    replies: Sequence[tuple[bytes, Fields | None]],
    layout: Layout = AUTO,
    *,
    types: Types = "infer",
    columns: Sequence[str] | None = None,
    schema: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Make a frame in schema ENTRIES of entries; `read` says how."""
    return read(lambda: [replies], layout, types=types, columns=columns, schema=schema)


def found(
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
    return captured(lambda: [entries], layout, many=many, types=types, schema=schema)


def captured(
    pages: Callable[[], Iterable[Sequence[tuple[str, bytes, Fields | None]]]],
    layout: Layout,
    *,
    many: bool,
    types: Types = "infer",
    columns: Sequence[str] | None = None,
    schema: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Do what `found` does for pages of entries; `read` says how."""
    keys: list[str] = []

    def bodies() -> Iterator[Sequence[tuple[bytes, Fields | None]]]:
        keys.clear()
        for page in pages():
            keys.extend(key for key, _, _ in page)
            yield [(id, fields) for _, id, fields in page]

    streams = keys if many else None
    return framed(bodies, layout, types=types, columns=columns, schema=schema, streams=streams)


def read(
    pages: Callable[[], Iterable[Sequence[tuple[bytes, Fields | None]]]],
    layout: Layout,
    *,
    types: Types = "infer",
    columns: Sequence[str] | None = None,
    schema: Mapping[str, Any] | None = None,
    moved: Callable[[int], object] | None = None,
) -> pd.DataFrame:
    """Make a frame in schema ENTRIES of pages of entries.

    Parameters
    ----------
    pages : callable
        Gives pages of (ID, fields) as the server sends them; fields None where the body is gone
        (the frame's ``attrs["trimmed"]`` lists those IDs). It is called again where what comes
        late changes how the first pages have to be read.
    layout, types
        As in `columns.spread`.
    columns : sequence of str, optional
        The event's columns to keep, in this order; one that does not occur is all missing.
    schema : mapping of str to dtype, optional
        What `check_schema` gives: these columns, and of these types; ``frame.attrs["misfits"]``
        counts the values of each that do not fit, and are missing.
    moved : callable, optional
        Is told the length of each page.
    """
    return framed(pages, layout, types=types, columns=columns, schema=schema, moved=moved)


def framed(
    pages: Callable[[], Iterable[Sequence[tuple[bytes, Fields | None]]]],
    layout: Layout,
    *,
    types: Types = "infer",
    columns: Sequence[str] | None,
    schema: Mapping[str, Any] | None,
    streams: Sequence[str] | None = None,
    moved: Callable[[int], object] | None = None,
) -> pd.DataFrame:
    """Do what `read` does; `streams` is each entry's stream, where they are several."""
    if schema is None:
        wanted = types if isinstance(types, Mapping) else {}
        decoder = Decoder(layout, maker(types), only=columns)
        return assembled(pages, decoder, columns, wanted, streams=streams, moved=moved)
    fitting, columns = Fitting(schema), [*schema] if columns is None else columns
    _check_columns(columns, schema)
    decoder = Decoder(layout, fitting.make, only=columns)
    frame = assembled(pages, decoder, columns, schema, streams=streams, moved=moved)
    frame.attrs["misfits"] = fitting.misfits
    return frame


def assembled(
    pages: Callable[[], Iterable[Sequence[tuple[bytes, Fields | None]]]],
    decoder: Decoder,
    columns: Sequence[str] | None,
    wanted: Mapping[str, Any],
    *,
    first: Iterable[Any] = (),
    streams: Sequence[str] | None = None,
    moved: Callable[[int], object] | None = None,
) -> pd.DataFrame:
    """Put a frame in schema ENTRIES together.

    Parameters
    ----------
    columns
        As for `read`; None stands for `first`, what is found, and what is wanted, in this order.
    wanted : mapping of str to dtype
        What a column that is not found has.
    """
    read = _decode(pages, decoder, moved)
    data = {"entry_id": to_pandas(read.entry_ids.cast(pa.string()))}
    if streams is not None:
        data["stream"] = column([*streams], "str")
    if columns is None:
        columns = [*first, *read.columns, *(name for name in wanted if name not in RESERVED)]
    for name in columns:
        if name not in data:
            found = read.columns.get(name)
            dtype = wanted.get(name, np.dtype(object))
            data[name] = missing(len(read.entry_ids), dtype) if found is None else found
    frame = pd.DataFrame(data, index=entry_times(read.entry_ids), copy=False)
    frame.attrs["odd"] = read.odd
    return trimmed(frame, read.trimmed)


def _check_columns(columns: Sequence[str], schema: Mapping[str, Any]) -> None:
    for name in columns:
        if name not in schema and name not in RESERVED:
            raise ValueError(f"columns={name!r}: the schema has only {', '.join(schema)}")


def _decode(
    pages: Callable[[], Iterable[Sequence[tuple[bytes, Fields | None]]]],
    decoder: Decoder,
    moved: Callable[[int], object] | None = None,
) -> Decoded:
    while True:
        read = 0
        try:
            # The collector would walk through the page's lists again and again, and find nothing.
            with paused_collector():
                for page in pages():
                    decoder.feed(page)
                    read += len(page)
                    if moved is not None:
                        moved(len(page))
            return decoder.finish()
        except Again as again:
            decoder.close()
            decoder = again.decoder
            if moved is not None:
                moved(-read)
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


def uncollected(parts: Iterable[_Part]) -> Iterator[_Part]:
    """Give what is read, and let the collector run only while somebody looks at it."""
    rest = iter(parts)
    while True:
        with paused_collector():
            found = next(rest, None)
        if found is None:
            return
        yield found


def trimmed(frame: pd.DataFrame, entry_ids: Sequence[bytes]) -> pd.DataFrame:
    """Note in a frame which entries have no body any more."""
    if entry_ids:
        frame.attrs["trimmed"] = [id.decode() for id in entry_ids]
    return frame


def information(found: Mapping[str, Any]) -> pd.DataFrame:
    """Make a frame of one row, a column for each thing that is known."""
    dtypes = {str: "str", int: "int64", float: "float64"}
    return pd.DataFrame(
        {
            name: column([value], dtypes[type(value)])
            if type(value) in dtypes
            else object_array([value])
            for name, value in found.items()
        }
    )


def just_ids(entry_ids: Sequence[bytes]) -> pd.DataFrame:
    """Make a frame in schema ENTRIES of IDs alone."""
    return with_times(table(ENTRIES, [(id.decode(),) for id in entry_ids]))


def with_times(frame: pd.DataFrame) -> pd.DataFrame:
    """Index a frame by the times of its entries."""
    entry_ids = [id.encode() for id in frame["entry_id"]]
    frame.index = entry_times(pa.array(entry_ids, pa.binary()))
    return frame


def pending(
    rows: Sequence[tuple[bytes, bytes, int, int]],
    bodies: Sequence[Fields | None] | None = None,
    layout: Layout = AUTO,
    schema: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Make a frame in schema PENDING from XPENDING's rows, with the events' columns if given."""
    # What a consumer has given back by XNACK, since Redis 8.8, is nobody's, and idle for -1 ms.
    frame = table(
        PENDING,
        [
            (id.decode(), as_text(owner), None if idle < 0 else idle, n)
            for id, owner, idle, n, *_ in rows
        ],
    )
    if schema is None or bodies is None:
        return _with_events(frame, bodies, Decoder(layout, maker("infer"), taken=PENDING))
    fitting = Fitting(schema)
    decoder = Decoder(layout, fitting.make, only=[*schema], taken=PENDING)
    found = _with_events(frame, bodies, decoder)
    for name, dtype in schema.items():
        if name not in found:
            found[name] = missing(len(found), dtype)
    found.attrs["misfits"] = fitting.misfits
    return found[[*PENDING, *schema]]


def dead_letters(
    rows: Sequence[Sequence[Any]],
    bodies: Sequence[Fields],
    layout: Layout = AUTO,
    *,
    types: Types = "infer",
) -> pd.DataFrame:
    """Make a frame in schema DEAD_LETTERS of its rows, with the columns of the letters' events."""
    frame = table(DEAD_LETTERS, rows)
    return _with_events(frame, bodies, Decoder(layout, maker(types), taken=DEAD_LETTERS))


def _with_events(
    frame: pd.DataFrame, bodies: Sequence[Fields | None] | None, decoder: Decoder
) -> pd.DataFrame:
    """Index a frame by its entries' times, and add the columns of their bodies if given."""
    with_times(frame)
    if bodies is None:
        return frame
    page = list(zip([id.encode() for id in frame["entry_id"]], bodies, strict=True))
    read = _decode(lambda: [page], decoder)
    for name, values in read.columns.items():
        frame[name] = values
    return trimmed(frame, read.trimmed)


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
    layout: Layout,
    *,
    types: Types = "infer",
    schema: Mapping[str, Any] | None = None,
    opaque: Mapping[int, bytes],
) -> pd.DataFrame:
    """Make a frame in schema VALUES of pages of keys and what they hold, as the fields of entries.

    Parameters
    ----------
    pages, layout, types, schema
        As for `read`.
    opaque : mapping of row to bytes
        Values that stay bytes, each the only one of its row, where there is no schema.
    """
    if schema is not None:
        fitting = Fitting(schema)
        read = _decode(pages, Decoder(layout, fitting.make, only=[*schema], taken=VALUES))
        rows = len(read.entry_ids)
        absent = {
            name: missing(rows, dtype) for name, dtype in schema.items() if name not in read.columns
        }
        fitted = {name: (absent | read.columns)[name] for name in schema}
        frame = pd.DataFrame({"key": _keys(read)} | fitted, copy=False)
        frame.attrs["misfits"] = fitting.misfits
        return frame
    read = _decode(pages, Decoder(layout, maker(types), taken=VALUES))
    found = read.columns
    for row in [*opaque][:1]:
        # All are in one column, whatever its name; some are UTF-8 by accident.
        name = next(name for name, held in found.items() if not pd.isna(held[row]))
        plain = pd.Series(found[name], dtype=object)
        plain = plain.where(plain.notna(), None)
        found[name] = object_array([opaque.get(i, value) for i, value in enumerate(plain)])
    return pd.DataFrame({"key": _keys(read)} | found, copy=False)


def _keys(read: Decoded) -> Any:
    return to_pandas(as_texts(read.entry_ids))
