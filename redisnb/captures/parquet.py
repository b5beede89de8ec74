"""Entries as rows of Parquet files, byte for byte, and readable by other programs.

========== ============================ =========================================================
column     type                         value
========== ============================ =========================================================
entry_time timestamp[ms, UTC]           the time in the ID, null beyond the year 9999
stream     string, dictionary           the key of the stream
entry_id   string                       ``"1700000000000-0"``
event      string                       the text of the only field, `payload`; else the fields as a
                                        JSON object, only for display
fields     list of (name, value) binary the fields; null if `event` is the whole entry
========== ============================ =========================================================

The file's metadata have, under ``redisnb``, ``{"version": 1, "streams": {key: format}}``, as the
header of JSON Lines has it; under ``redisnb_missed`` how many entries were removed before they
could be captured; in a directory under ``redisnb_after`` the last entry ID of each stream so far;
and under ``redisnb_seal`` the checksum of the file (`parquet_seal`). Pages have checksums of their
own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate, chain
from typing import Any, cast

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from redisnb.captures.json_lines import (
    CANONICAL_ID,
    ESCAPED_BYTES,
    VERSION,
    CapturedEntry,
    Order,
    UnusableError,
)
from redisnb.entries import PAYLOAD, Fields, Layout, as_text, entry_times, is_text

__all__: list[str] = []

_PAIR = pa.struct([("name", pa.binary()), ("value", pa.binary())])
_PAIRS = pa.list_(_PAIR)
SCHEMA = pa.schema(
    [
        ("entry_time", pa.timestamp("ms", "UTC")),
        ("stream", pa.dictionary(pa.int32(), pa.string())),
        ("entry_id", pa.string()),
        ("event", pa.string()),
        ("fields", _PAIRS),
    ]
)
#: The columns that reading needs: three of text, and the fields.
READ_COLUMNS = ["stream", "entry_id", "event", "fields"]
_STREAMS_KEY = b"redisnb"
_LAST_IDS_KEY = b"redisnb_after"
#: Of a longer value that is not text, only so many bytes are shown as JSON.
_LONGEST_PREVIEW = 1000
_WHOLE_ID = f"^{CANONICAL_ID.pattern.decode()}$"


def metadata(streams: Mapping[str, Layout]) -> dict[bytes, bytes]:
    """Return the metadata that name the streams of a file and their layouts."""
    saved = {key: layout.saved() for key, layout in streams.items()}
    return {_STREAMS_KEY: orjson.dumps({"version": VERSION, "streams": saved})}


def last_ids_metadata(last_ids: Mapping[str, str]) -> dict[bytes, bytes]:
    """Return the metadata that tell the next capture where to resume in a directory."""
    return {_LAST_IDS_KEY: orjson.dumps(last_ids)}


def last_ids_in(path: str) -> dict[str, str] | None:
    """Return the last IDs that a directory's last file tells; None if it tells none."""
    from pyarrow.parquet import read_metadata

    with pa.OSFile(os.fsencode(path)) as file:
        stored = (read_metadata(file).metadata or {}).get(_LAST_IDS_KEY)
    return None if stored is None else orjson.loads(stored)


def missed_in(metadata: Mapping[bytes, bytes] | None) -> int:
    """Return how many entries a file lacks according to its metadata."""
    missed = (metadata or {}).get(b"redisnb_missed", b"0")
    return int(missed) if missed.isdigit() else 0


def record_batches(
    page: Sequence[CapturedEntry], codes: Mapping[str, int]
) -> Iterator[pa.RecordBatch]:
    """Yield entries as rows, in as many parts as the 2 GB limit of an array requires.

    Parameters
    ----------
    page : sequence of (stream, ID, fields)
    codes : mapping of str to int
        All streams of the file, numbered from 0.
    """
    try:
        batch = _record_batch(page, codes)
    except (pa.ArrowException, OverflowError):
        if len(page) < 2:
            raise
        middle = len(page) // 2
        yield from record_batches(page[:middle], codes)
        yield from record_batches(page[middle:], codes)
    else:
        yield batch


def _record_batch(page: Sequence[CapturedEntry], codes: Mapping[str, int]) -> pa.RecordBatch:
    entry_ids = pa.array([entry[1] for entry in page], pa.binary())
    streams = pa.DictionaryArray.from_arrays(
        pa.array([codes[entry[0]] for entry in page], pa.int32()), pa.array(codes, pa.string())
    )
    columns = [entry_times(entry_ids), streams, entry_ids.cast(pa.string())]
    columns += (
        _content_columns([entry[2] for entry in page]) if page else ([], pa.array([], _PAIRS))
    )
    return pa.RecordBatch.from_arrays(list(map(pa.array, columns)), schema=SCHEMA)


def _binary(values: Sequence[bytes]) -> pa.Array:
    array = pa.array(values, pa.binary())
    if isinstance(array, pa.ChunkedArray):
        raise OverflowError("more than an array holds")
    return array


def _content_columns(bodies: Sequence[Fields]) -> tuple[pa.Array, pa.Array]:
    """Return the columns `event` and `fields`."""
    columns = _field_columns(bodies)
    if columns is None:
        return _mixed_columns(bodies)
    names, values = columns
    if names == [PAYLOAD]:
        try:
            return values[0].cast(pa.string()), pa.nulls(len(bodies), _PAIRS)
        except pa.ArrowInvalid:
            # Not all of them are UTF-8.
            return _mixed_columns(bodies)
    objects = _join_objects(names, values)
    if objects is None:
        objects = _binary(list(map(_preview_object, bodies))).cast(pa.string())
    # Row by row, and not column by column.
    rows, width = len(bodies), len(names)
    order = np.arange(rows * width).reshape(width, rows).T.ravel()
    pairs = [
        _binary(names).take(pa.array(order // rows)),
        pa.concat_arrays(values).take(pa.array(order)),
    ]
    ends = pa.array(np.arange(0, rows * width + 1, width, dtype="int32"))
    return objects, pa.ListArray.from_arrays(ends, _pair_structs(pairs))


def _field_columns(bodies: Sequence[Fields]) -> tuple[list[bytes], list[pa.Array]] | None:
    """Return names and columns of entries that all have the same names; None for any others."""
    first = bodies[0]
    if set(map(len, bodies)) != {len(first)}:
        return None
    columns = list(zip(*bodies, strict=True))
    if any(names.count(names[0]) != len(bodies) for names in columns[::2]):
        return None
    return list(first[::2]), list(map(_binary, columns[1::2]))


def _mixed_columns(bodies: Sequence[Fields]) -> tuple[pa.Array, pa.Array]:
    """Return the columns `event` and `fields`, made entry by entry."""
    texts: list[bytes] = []
    others: list[Fields] = []
    counts: list[int | None] = []
    for fields in bodies:
        if len(fields) == 2 and fields[0] == PAYLOAD and is_text(fields[1]):
            texts.append(fields[1])
            counts.append(None)
        else:
            texts.append(_preview_object(fields))
            others.append(fields)
            counts.append(len(fields) // 2)
    flat = list(chain.from_iterable(others))
    ends = accumulate((count or 0 for count in counts), initial=0)
    pairs = _pair_structs([_binary(flat[i::2]) for i in (0, 1)])
    mask = pa.array([count is None for count in counts])
    lists = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pairs, mask=mask)
    return _binary(texts).cast(pa.string()), lists


def _pair_structs(pairs: Sequence[pa.Array]) -> pa.StructArray:
    return pa.StructArray.from_arrays(pairs, fields=list(_PAIR))


def _join_objects(names: Fields, columns: Sequence[pa.Array]) -> pa.Array | None:
    """Return JSON objects joined from columns; None unless all can stand in JSON unchanged."""
    if len(set(names)) < len(names):
        return None
    pieces: list[Any] = []
    opening = "{"
    for name, values in zip(names, columns, strict=True):
        try:
            texts = values.cast(pa.string())
        except pa.ArrowInvalid:
            return None
        if data := texts.buffers()[2]:
            content = data.to_pybytes()
            if len(content.translate(None, ESCAPED_BYTES)) < len(content):
                return None
        quoted = orjson.dumps(as_text(name)).decode()
        pieces += [f'{opening}{quoted}:"', texts]
        opening = '",'
    return pc.binary_join_element_wise(*pieces, '"}', "")


def _preview_object(fields: Fields) -> bytes:
    """Return fields as a JSON object for display."""
    parts = list(map(_preview_text, fields))
    pairs = list(zip(parts[::2], parts[1::2], strict=True))
    members: dict[str, Any] = dict(pairs)
    if len(members) < len(pairs):
        lists: dict[str, list[str]] = {}
        for name, value in pairs:
            lists.setdefault(name, []).append(value)
        members = {name: each[0] if len(each) == 1 else each for name, each in lists.items()}
    return orjson.dumps(members)


def _preview_text(part: bytes) -> str:
    # Spelled out, an image would be six times as large; `fields` has all of it.
    is_long = len(part) > _LONGEST_PREVIEW and not is_text(part)
    return (
        f"{as_text(part[:_LONGEST_PREVIEW])}... ({len(part):,} bytes)" if is_long else as_text(part)
    )


def streams_in(schema: pa.Schema) -> dict[str, Layout]:
    """Return the streams named in a file's metadata, none if it has lost them.

    Raises
    ------
    UnusableError
        If it is not a capture, or one of another version.
    """
    lacking = [name for name in READ_COLUMNS if name not in schema.names]
    if lacking:
        raise UnusableError(
            f"not a capture: it has no column {lacking[0]!r}; pd.read_parquet() may read it, and a "
            "frame can be replayed"
        )
    try:
        stored = orjson.loads((schema.metadata or {}).get(_STREAMS_KEY, b"{}"))
        version, streams = stored.get("version", VERSION), stored.get("streams", {})
        streams = {str(key): Layout.read(saved) for key, saved in streams.items()}
    except (ValueError, AttributeError):
        raise UnusableError("its metadata are damaged") from None
    if version != VERSION:
        raise UnusableError(
            f"a capture of version {version!r}; this redisnb reads version {VERSION}"
        )
    return streams


def entries_in(
    batch: pa.RecordBatch, order: Order, wrong: Callable[[int, str], object]
) -> list[CapturedEntry]:
    """Return the entries of rows; call `wrong` with each row that holds none and the reason.

    Raises
    ------
    UnusableError
        If the columns have other types.
    """
    try:
        keys, entry_ids, texts = (batch.column(name).cast(pa.string()) for name in READ_COLUMNS[:3])
        pairs = batch.column("fields").cast(_PAIRS)
    except pa.ArrowException as error:
        raise UnusableError(f"not a capture: {error}") from None
    bodies = _bodies(texts.cast(pa.binary()), pairs)
    encoded = keys.dictionary_encode()
    ids = entry_ids.cast(pa.binary()).to_pylist()
    if None not in bodies and _ascend(encoded, entry_ids, order):
        streams = encoded.dictionary.to_pylist()
        each = map(streams.__getitem__, encoded.indices.to_pylist())
        return list(zip(each, ids, cast("list[Fields]", bodies), strict=True))
    entries: list[CapturedEntry] = []
    for row, (key, id, body) in enumerate(zip(keys.to_pylist(), ids, bodies, strict=True)):
        try:
            if key is None or id is None or body is None:
                raise ValueError("it has no stream, no entry ID or no fields")
            order.check_id(key, id)
        except ValueError as error:
            wrong(row, str(error))
        else:
            entries.append((key, id, body))
    return entries


def _bodies(texts: pa.Array, pairs: pa.ListArray) -> list[Fields | None]:
    """Return the fields of each row, None for a row without."""
    if pairs.null_count == len(pairs):
        return [None if text is None else [PAYLOAD, text] for text in texts.to_pylist()]
    parts = pairs.flatten()
    flat: list[Any] = [None] * (2 * len(parts))
    for i, name in enumerate(("name", "value")):
        flat[i::2] = parts.field(name).to_pylist()
    lengths = pc.list_value_length(pairs).to_pylist()
    ends = accumulate(2 * (length or 0) for length in lengths)
    bodies: list[Fields | None] = []
    for text, length, end in zip(texts.to_pylist(), lengths, ends, strict=True):
        if length is None:
            bodies.append(None if text is None else [PAYLOAD, text])
        else:
            body = flat[end - 2 * length : end]
            bodies.append(body if body and None not in body else None)
    return bodies


def _ascend(keys: pa.DictionaryArray, entry_ids: pa.StringArray, order: Order) -> bool:
    """Check all rows at once as `order.check` does; return False if any may be wrong."""
    if keys.null_count or entry_ids.null_count:
        return False
    if not pc.all(pc.match_substring_regex(entry_ids, _WHOLE_ID)).as_py():
        return False
    parts = pc.list_flatten(pc.split_pattern(entry_ids, "-"))
    try:
        numbers = parts.cast(pa.uint64()).to_numpy().reshape(-1, 2)
    except pa.ArrowInvalid:
        return False
    codes = keys.indices.to_numpy()
    last = {}
    for code, key in enumerate(keys.dictionary.to_pylist()):
        before = np.array([order.last(key)], "uint64")
        ms, seq = np.vstack([before, numbers[codes == code]]).T
        later = ms[1:] > ms[:-1]
        same = (ms[1:] == ms[:-1]) & (seq[1:] > seq[:-1])
        if not (later | same).all():
            return False
        last[key] = int(ms[-1]), int(seq[-1])
    order.advance(last)
    return True
