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
as what it was (a tuple as a list). An envelope is a mark, the kind of content, its length, its
CRC-32, and the content; nothing in it is ever executed.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import Any

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
        If the value is none that a cache takes, or larger than the 512 MB of a Redis string.
    """
    stored = _encode(value)
    if len(stored) > _MOST:
        raise EncodeError(f"{len(stored):,} bytes; a Redis string ends at {_MOST:,}")
    return stored


def _encode(value: object) -> bytes:
    if isinstance(value, str):
        quoted = jsontext.dumps(value)
        plain = str(value).encode()
        return quoted if _reads_otherwise(plain, value) else plain
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
    if value is None or isinstance(value, bool | int | float | list | tuple | Mapping):
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
    return _HEADER.pack(_MARK, kind, len(content), zlib.crc32(content)) + content


def _open(stored: bytes) -> Any:
    if not stored.startswith(_MARK):
        raise DecodeError("it was written by another version of redisnb")
    if len(stored) < _HEADER.size:
        raise DecodeError("it is damaged: its header is cut off")
    _, kind, length, checksum = _HEADER.unpack_from(stored)
    content = stored[_HEADER.size :]
    if len(content) != length or zlib.crc32(content) != checksum:
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
    import pyarrow as pa

    try:
        table = pa.Table.from_pandas(frame)
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        # Arrow ends its message with the column's name, and may begin it with a value.
        column = next((str(name) for name in frame if repr(str(name)) in str(error)), None)
        column = column or next((str(n) for n in frame if f"column {n} " in str(error)), None)
        raise EncodeError(
            f"column {column!r}: Arrow cannot hold it; give it one type per column, "
            "for example frame[column].astype(str)",
            column=column,
        ) from None
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(
        sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")
    ) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def _pandas(content: bytes) -> pd.DataFrame:
    import pyarrow as pa

    try:
        with pa.ipc.open_stream(content) as reader:
            return reader.read_all().to_pandas()  # type: ignore[no-any-return]
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DecodeError(f"it holds no readable Arrow table ({type(error).__name__})") from None
