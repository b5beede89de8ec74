"""Cache values and the bytes that hold them.

=========================== =====================================================================
value                       stored as
=========================== =====================================================================
str                         the text itself; as a JSON string if the text would read as JSON
dict, list, int, float,     JSON text
bool, None
bytes                       the bytes themselves; in an envelope if they would read as text or JSON
DataFrame, Series           an envelope around an Arrow table
=========================== =====================================================================

So other programs read what redisnb writes, redisnb reads what they write, and each value comes back
as what it was (a tuple as a list, numpy's numbers as Python's, a list in a frame as an array); a
frame that would come back otherwise is refused. An envelope is a mark, the kind of content, its
length, the CRC-32 of kind and content, and the content; nothing in it is ever executed.

An envelope too large for one string is a hash: the field `redisnb` says how many parts it has, and
the fields 0, 1, ... hold them.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from redisnb.entries import dump_json, load_json, native
from redisnb.errors import DecodeError, EncodeError

__all__ = ["PARTS", "decode", "decode_parts", "encode", "is_envelope", "split"]

# No text and no JSON starts with a zero byte.
_MARK = b"\x00redisnb1"
_HEADER = struct.Struct(">9scQI")
_BYTES, _FRAME, _SERIES = b"b", b"f", b"s"
#: A Redis string ends at 512 MB.
_MOST = 512 * 1024 * 1024
#: What one part of a larger envelope holds: not more than a slow line carries within a timeout.
_PART = 64 * 1024 * 1024
#: The field that tells a hash of parts from others' hashes.
PARTS = b"redisnb"
#: What Arrow keeps exactly, whatever the values are; beside numpy's numbers and times.
_EXACT = (
    *(pd.StringDtype, pd.DatetimeTZDtype, pd.BooleanDtype, pd.Float32Dtype, pd.Float64Dtype),
    *(pd.Int8Dtype, pd.Int16Dtype, pd.Int32Dtype, pd.Int64Dtype),
    *(pd.UInt8Dtype, pd.UInt16Dtype, pd.UInt32Dtype, pd.UInt64Dtype),
)


def encode(value: object) -> bytes:
    """Return the bytes to store for a value.

    Raises
    ------
    EncodeError
        If the value is none that a cache takes, a frame that would not come back as it is, or
        text or JSON larger than the 512 MB of a Redis string.
    """
    stored = _encode(value)
    if len(stored) > _MOST and not stored.startswith(_MARK):
        raise EncodeError(
            f"{len(stored):,} bytes; a Redis string ends at {_MOST:,}, and only frames and bytes "
            "are stored in parts"
        )
    return stored


def split(stored: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Give the fields of the hash that holds an envelope, none if a string is enough for it."""
    if len(stored) > _PART and stored.startswith(_MARK):
        starts = range(0, len(stored), _PART)
        yield PARTS, b"%d" % len(starts)
        for i, start in enumerate(starts):
            yield b"%d" % i, stored[start : start + _PART]


def _encode(value: object) -> bytes:
    if isinstance(value, str):
        text = str.__str__(value)  # an EntryId too is stored as the text that it is
        quoted = dump_json(text)
        plain = text.encode()
        return quoted if _reads_otherwise(plain, text) else plain
    if isinstance(value, bytes):
        alone = len(value) <= _MOST and not _reads_otherwise(value, value)
        return value if alone else _envelope(_BYTES, value)
    if isinstance(value, pd.DataFrame):
        return _envelope(_FRAME, _arrow(value))
    if isinstance(value, pd.Series):
        name = value.name
        if name is not None and not isinstance(name, str):
            raise EncodeError(f"a series' name is text or None, not {type(name).__name__}")
        kept = value.to_frame("value" if name is None else name)
        return _envelope(_SERIES, b"0" if name is None else b"1", _arrow(kept))
    if value is None or isinstance(
        value, bool | int | float | list | tuple | Mapping | np.bool_ | np.number
    ):
        return dump_json(value)
    raise EncodeError(
        f"a cache takes text, bytes, JSON values, DataFrames and Series, not {type(value).__name__}"
    )


def _reads_otherwise(stored: bytes, value: str | bytes) -> bool:
    try:
        found = decode(stored)
    except DecodeError:
        return True
    return type(found) is not type(value) or found != value


def decode(stored: bytes) -> Any:
    """Return the value that `stored` holds.

    Raises
    ------
    DecodeError
        If it is an envelope, but a damaged one or of another version of redisnb.
    """
    if is_envelope(stored):
        return _open(stored)
    try:
        return load_json(stored, strict=True)
    except ValueError:
        pass
    try:
        return stored.decode()
    except UnicodeDecodeError:
        return stored


def is_envelope(stored: bytes) -> bool:
    """Return whether bytes begin as an envelope does, in any version."""
    return stored.startswith(_MARK[:-1])


def decode_parts(fields: Mapping[bytes, bytes]) -> Any:
    """Return the value that the fields of a hash hold, of which `PARTS` is one.

    Raises
    ------
    DecodeError
        As for `decode`, or if a part is missing.
    """
    try:
        stored = b"".join([fields[b"%d" % i] for i in range(len(fields) - 1)])
    except KeyError:
        raise DecodeError("it is damaged: a part of it is missing") from None
    return _open(stored)


def _envelope(kind: bytes, *content: bytes | memoryview) -> bytes:
    length = sum(map(len, content))
    header = _HEADER.pack(_MARK, kind, length, _checksum(kind, *content))
    return b"".join((header, *content))


def _checksum(*content: bytes | memoryview) -> int:
    checksum = 0
    for each in content:
        checksum = zlib.crc32(each, checksum)
    return checksum


def _open(stored: bytes) -> Any:
    if not stored.startswith(_MARK):
        raise DecodeError("it was written by another version of redisnb")
    if len(stored) < _HEADER.size:
        raise DecodeError("it is damaged: its header is cut off")
    _, kind, length, checksum = _HEADER.unpack_from(stored)
    content = memoryview(stored)[_HEADER.size :]
    if len(content) != length or _checksum(kind, content) != checksum:
        raise DecodeError("it is damaged: its length or checksum is wrong")
    if kind == _BYTES:
        return bytes(content)
    if kind == _FRAME:
        return _pandas(content)
    if kind == _SERIES:
        series = _pandas(content[1:]).iloc[:, 0]
        return series if content[0] == ord("1") else series.rename(None)
    raise DecodeError(f"it holds an unknown kind of value ({kind!r})")


def _arrow(frame: pd.DataFrame) -> memoryview:
    """Return a frame as an Arrow stream that reads back as the same frame, or say what is not."""
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise EncodeError(f"two columns are named {twice[0]!r}", column=str(twice[0]))
    stored = _kept(frame)
    if stored is not None:
        return stored
    plain = frame.reset_index(drop=True)
    for i, name in enumerate(plain.columns):
        if _kept(plain.iloc[:, [i]].set_axis(["column"], axis="columns")) is None:
            raise EncodeError(
                f"column {name!r}: Arrow cannot hold it as it is; give it one plain type, "
                "for example frame[column].astype(str)",
                column=str(name),
            )
    if _kept(plain) is None:
        raise EncodeError(
            "Arrow cannot hold these names of columns; make them text: "
            "frame.columns = list(map(str, frame.columns))"
        )
    raise EncodeError("Arrow cannot hold this index as it is; make it columns: frame.reset_index()")


def _kept(frame: pd.DataFrame) -> memoryview | None:
    """Return a frame as an Arrow stream, or None if it would not read back as the same frame."""
    import pyarrow as pa

    names = (*frame.columns.names, *frame.index.names)
    if not all(name is None or isinstance(name, str) for name in names):
        return None
    if frame.columns.nlevels == 1 and frame.columns.inferred_type.startswith("mixed"):
        return None
    try:
        stored = _stream(frame)
        # To read all of it back takes as long as to write it.
        if _is_exact(frame):
            return stored
        back = _pandas(stored)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        return None
    if not _same(frame.columns, back.columns) or not _same(frame.index, back.index):
        return None
    pairs = zip(frame.items(), back.items(), strict=True)
    return stored if all(_same(column, found) for (_, column), (_, found) in pairs) else None


def _stream(frame: pd.DataFrame) -> memoryview:
    import pyarrow as pa

    table = pa.Table.from_pandas(frame)
    sink = pa.BufferOutputStream()
    # Against lz4: about as fast to write and to read, and a third of the bytes to send.
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
        if not table.num_rows:
            # Then there was no batch to write, and the categories go with the first.
            columns = [column.combine_chunks() for column in table.columns]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=table.schema))
    return memoryview(sink.getvalue())


def _is_exact(frame: pd.DataFrame) -> bool:
    """Return whether the types alone tell that a frame reads back as the same frame."""
    types = [frame.index.dtype, *frame.dtypes]
    names = [str(name) for name in frame.columns]
    # Arrow has one name for an index without a name, or with that of a column, and for a column.
    clash = frame.index.name in names or any(name.startswith("__index_level_") for name in names)
    if clash or not all(map(_is_exact_type, types)):
        return False
    # Zones, categories, units and names are kept or lost without a row, too.
    empty = frame.iloc[:0]
    back = _pandas(_stream(empty))
    return (
        types == [back.index.dtype, *back.dtypes]
        and _same(empty.index, back.index)
        and _same(empty.columns, back.columns)
    )


def _is_exact_type(dtype: Any) -> bool:
    if isinstance(dtype, pd.CategoricalDtype):
        return _is_exact_type(dtype.categories.dtype)
    return dtype.kind in "biufmM" if isinstance(dtype, np.dtype) else isinstance(dtype, _EXACT)


def _same(one: pd.Series | pd.Index, other: pd.Series | pd.Index) -> bool:
    """Return whether values, or labels and their names, are the same; the freq of times may go."""
    if isinstance(one, pd.Index) and list(one.names) != list(other.names):
        return False
    if one.dtype != object and one.dtype == other.dtype and one.equals(other):  # type: ignore[arg-type]
        return True
    return len(one) == len(other) and all(map(_same_cell, one, other))


def _same_cell(one: Any, other: Any) -> bool:
    if isinstance(one, list | tuple | np.ndarray):
        alike = isinstance(other, list | tuple | np.ndarray) and len(one) == len(other)
        return alike and all(map(_same_cell, one, other))
    if isinstance(one, dict):
        alike = isinstance(other, dict) and one.keys() == other.keys()
        return alike and all(_same_cell(one[key], other[key]) for key in one)
    if isinstance(other, list | tuple | np.ndarray | dict):
        return False
    if pd.isna(one) or pd.isna(other):
        return bool(pd.isna(one) and pd.isna(other))
    # numpy compares an integer with a float as two floats. And True == 1, but no number.
    one, other = native(one), native(other)
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _pandas(content: bytes | memoryview) -> pd.DataFrame:
    import pyarrow as pa

    try:
        with pa.ipc.open_stream(content) as reader:
            return reader.read_all().to_pandas()  # type: ignore[no-any-return]
    except (pa.ArrowException, OSError, ValueError, TypeError, LookupError) as error:
        raise DecodeError(f"it holds no readable Arrow table ({type(error).__name__})") from None
