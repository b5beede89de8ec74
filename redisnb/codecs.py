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
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from redisnb import jsontext
from redisnb.errors import DecodeError, EncodeError

__all__ = ["decode", "encode"]

# No text and no JSON starts with a zero byte.
_MARK = b"\x00redisnb1"
_HEADER = struct.Struct(">9scQI")
_BYTES, _FRAME, _SERIES = b"b", b"f", b"s"
#: A Redis string ends at 512 MB.
_MOST = 512 * 1024 * 1024


def encode(value: object) -> bytes:
    """Return the bytes to store for a value.

    Raises
    ------
    EncodeError
        If the value is none that a cache takes, a frame that would not come back as it is, or
        larger than the 512 MB of a Redis string.
    """
    stored = _encode(value)
    if len(stored) > _MOST:
        raise EncodeError(f"{len(stored):,} bytes; a Redis string ends at {_MOST:,}")
    return stored


def _encode(value: object) -> bytes:
    if isinstance(value, str):
        text = str.__str__(value)  # an EntryId too is stored as the text that it is
        quoted = jsontext.dumps(text)
        plain = text.encode()
        return quoted if _reads_otherwise(plain, text) else plain
    if isinstance(value, bytes):
        return _envelope(_BYTES, value) if _reads_otherwise(value, value) else value
    if isinstance(value, pd.DataFrame):
        return _envelope(_FRAME, _arrow(value))
    if isinstance(value, pd.Series):
        name = value.name
        if name is not None and not isinstance(name, str):
            raise EncodeError(f"a series' name is text or None, not {type(name).__name__}")
        kept = value.to_frame("value" if name is None else name)
        return _envelope(_SERIES, (b"0" if name is None else b"1") + _arrow(kept))
    if value is None or isinstance(
        value, bool | int | float | list | tuple | Mapping | np.bool_ | np.number
    ):
        return jsontext.dumps(value)
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
    if stored.startswith(_MARK[:-1]):
        return _open(stored)
    try:
        return jsontext.loads(stored)
    except ValueError:
        pass
    try:
        return stored.decode()
    except UnicodeDecodeError:
        return stored


def _envelope(kind: bytes, content: bytes) -> bytes:
    return _HEADER.pack(_MARK, kind, len(content), _checksum(kind, content)) + content


def _checksum(kind: bytes, content: bytes) -> int:
    return zlib.crc32(content, zlib.crc32(kind))


def _open(stored: bytes) -> Any:
    if not stored.startswith(_MARK):
        raise DecodeError("it was written by another version of redisnb")
    if len(stored) < _HEADER.size:
        raise DecodeError("it is damaged: its header is cut off")
    _, kind, length, checksum = _HEADER.unpack_from(stored)
    content = stored[_HEADER.size :]
    if len(content) != length or _checksum(kind, content) != checksum:
        raise DecodeError("it is damaged: its length or checksum is wrong")
    if kind == _BYTES:
        return content
    if kind == _FRAME:
        return _pandas(content)
    if kind == _SERIES:
        series = _pandas(content[1:]).iloc[:, 0]
        return series if content[:1] == b"1" else series.rename(None)
    raise DecodeError(f"it holds an unknown kind of value ({kind!r})")


def _arrow(frame: pd.DataFrame) -> bytes:
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


def _kept(frame: pd.DataFrame) -> bytes | None:
    """Return a frame as an Arrow stream, or None if it would not read back as the same frame."""
    import pyarrow as pa

    names = (*frame.columns.names, *frame.index.names)
    if not all(name is None or isinstance(name, str) for name in names):
        return None
    if frame.columns.nlevels == 1 and frame.columns.inferred_type.startswith("mixed"):
        return None
    try:
        table = pa.Table.from_pandas(frame)
        sink = pa.BufferOutputStream()
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
            writer.write_table(table)
        stored: bytes = sink.getvalue().to_pybytes()
        back = _pandas(stored)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        return None
    if not _same(frame.columns, back.columns) or not _same(frame.index, back.index):
        return None
    pairs = zip(frame.items(), back.items(), strict=True)
    return stored if all(_same(column, found) for (_, column), (_, found) in pairs) else None


def _same(one: pd.Series | pd.Index, other: pd.Series | pd.Index) -> bool:
    """Say whether values, or labels and their names, are the same; the freq of times may go."""
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
    one, other = jsontext.native(one), jsontext.native(other)
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _pandas(content: bytes) -> pd.DataFrame:
    import pyarrow as pa

    try:
        with pa.ipc.open_stream(content) as reader:
            return reader.read_all().to_pandas()  # type: ignore[no-any-return]
    except (pa.ArrowException, OSError, ValueError, TypeError, LookupError) as error:
        raise DecodeError(f"it holds no readable Arrow table ({type(error).__name__})") from None
