"""load(): a capture as a frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from redisnb import frames
from redisnb.captures.json_lines import CapturedEntry
from redisnb.captures.naming import CapturePath
from redisnb.captures.reader import OnError, Recording, open_capture
from redisnb.entries import AUTO, Decode, Layout, common_layout
from redisnb.errors import ReplayError, warn
from redisnb.frames import Schema, Selection, Types, Where
from redisnb.hints import hinted

__all__ = ["load"]


@hinted
def load(
    path: CapturePath,
    *,
    columns: Sequence[str] | None = None,
    where: Where | None = None,
    types: Types = "infer",
    schema: Schema | None = None,
    decode: Decode | None = None,
    on_error: OnError = "raise",
) -> pd.DataFrame:
    """Read a capture into a frame.

    Parameters
    ----------
    path : str, path or binary file
        What `capture` wrote: a file, or a directory of Parquet files, also by a URL of fsspec.
        The format is detected from the content.
    columns, where, types, schema
        As for `Stream.range`.
    decode : str, callable or pair, optional
        As for `Stream`; the capture stores it, unless it is a function.
    on_error : {"raise", "skip"}
        What to do with a line or a row without an entry; "skip" counts them in
        ``frame.attrs["skipped"]``, with a RedisnbWarning.

    Returns
    -------
    DataFrame in schema ENTRIES
        In the order of the file, oldest first. With `stream` if several streams were captured.
        ``attrs["missed"]`` is how many entries were removed before they could be captured.

    Raises
    ------
    ReplayError
        If it is not a capture, is damaged, or a line or a row holds no entry.
    FileNotFoundError
        If the file does not exist.

    Warns
    -----
    RedisnbWarning
        If entries are missing, lines or rows were skipped, or JSON Lines have no last line because
        they were cut off or their capture was killed.

    Examples
    --------
    >>> captured = rnb.capture(orders, "orders.parquet")
    >>> rnb.load("orders.parquet", where={"item": "tea"})
                                      entry_id item  amount
    entry_time
    2024-05-01 10:30:00+00:00  1714559400000-0  tea       2
    2024-05-01 10:32:00+00:00  1714559520000-0  tea       5
    """
    frames.check_columns(columns)
    fitted = frames.check_schema(schema, types)
    file = open_capture(path, on_error=on_error)
    if not file.has_ids:
        raise ReplayError(
            f"{file.path} has events without entry IDs; pd.read_json({file.path!r}, lines=True) "
            "reads them",
            path=file.path,
        )
    layout = common_layout(file.streams.values()).decoding(decode)
    # A capture may have lost its header, or two captures may have been joined.
    check = frames.ColumnCheck("columns", columns or (), layout, fitted or types)
    for many in (len(file.streams) > 1, True):
        try:
            frame = frames.keyed_pages_frame(
                lambda: _selected_pages(file, where, layout, fitted, check, many=many),  # noqa: B023 - at once
                layout,
                many=many,
                columns=columns,
                types=types,
                schema=fitted,
            )
            break
        except _SeveralStreamsError:
            continue
    file.warn_if_cut_off()
    check.note_frame(frame, values=True)
    check.warn()
    if file.missed:
        message = f"{file.path}: {file.missed:,} entries were removed before they were captured"
        frames.mark_missed(frame, file.missed, message)
    if file.skipped:
        frame.attrs["skipped"] = file.skipped
        warn(f"{file.path}: {file.skipped:,} lines or rows held no entry, and were skipped")
    return frame


class _SeveralStreamsError(Exception):
    """A capture has more streams than its header names."""


def _selected_pages(
    file: Recording,
    where: Where | None,
    layout: Layout,
    schema: Schema | None,
    check: frames.ColumnCheck,
    *,
    many: bool,
) -> Iterator[list[CapturedEntry]]:
    selection = Selection(where, None, layout, AUTO, schema)
    keys: set[str] = set()
    for page in file:
        keys |= {entry[0] for entry in page}
        if len(keys) > 1 and not many:
            raise _SeveralStreamsError
        chosen = selection.of_page(page, many=many)
        check.note_entries([fields for _, _, fields in chosen[:20]])
        yield chosen
    selection.check()
