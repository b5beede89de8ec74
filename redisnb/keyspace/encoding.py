"""Cache values and the bytes that hold them.

=========================== =====================================================================
value                       stored as
=========================== =====================================================================
str                         the text itself; as a JSON string if the text would read as JSON
dict, list, int, float,     JSON text
bool, None
bytes                       the bytes themselves; in an envelope if they would read as text or JSON
DataFrame, Series           an envelope around an Arrow table (tables of polars, DuckDB and pyarrow
                            are accepted too, and come back as a DataFrame)
=========================== =====================================================================

So other programs read what redisnb writes, redisnb reads what they write, and each value comes back
as it was (a tuple as a list, numpy's numbers as Python's); a frame that would come back different
is refused. An envelope is a mark, the kind of content, its length, the CRC-32 of kind and content,
and the content; nothing in it is ever executed.

An envelope too large for one string is stored as a hash: the field `redisnb` is the number of
parts, and the fields 0, 1, ... hold them.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from redis.exceptions import ResponseError

from redisnb import frames, wire
from redisnb.entries import dump_json, load_json
from redisnb.errors import DecodeError, EncodeError
from redisnb.keyspace.arrow_frames import arrow_to_frame, frame_to_arrow

__all__ = ["PART_COUNT", "decode", "decode_parts", "encode", "is_envelope", "large_value", "split"]

# No text and no JSON starts with a zero byte.
_MARK = b"\x00redisnb1"
_HEADER = struct.Struct(">9scQI")
_BYTES_KIND, _FRAME_KIND, _SERIES_KIND = b"b", b"f", b"s"
#: The largest Redis string: https://redis.io/docs/latest/develop/data-types/strings/
_STRING_LIMIT = 512 * 1024 * 1024
#: The size of one part of a larger envelope: what a slow line carries within a timeout.
_PART_BYTES = 64 * 1024 * 1024
#: The field with the number of parts, which tells a hash of parts from other hashes.
PART_COUNT = b"redisnb"


def encode(value: object) -> bytes:
    """Return the bytes to store for a value.

    Raises
    ------
    EncodeError
        If the value is of another kind, is a frame that would not come back as it is, or is text
        or JSON larger than the 512 MB of a Redis string.
    """
    stored = _encode(value)
    if len(stored) > _STRING_LIMIT and not stored.startswith(_MARK):
        raise EncodeError(
            f"{len(stored):,} bytes; a Redis string ends at {_STRING_LIMIT:,}, and only frames "
            "and bytes are stored in parts"
        )
    return stored


def split(stored: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the fields of the hash that holds an envelope; none if it fits into one string."""
    if len(stored) > _PART_BYTES and stored.startswith(_MARK):
        starts = range(0, len(stored), _PART_BYTES)
        yield PART_COUNT, b"%d" % len(starts)
        for i, start in enumerate(starts):
            yield b"%d" % i, stored[start : start + _PART_BYTES]


def _encode(value: object) -> bytes:
    if frames.is_arrow(value):
        value = frames.from_arrow(value)
    if isinstance(value, str):
        text = str.__str__(value)  # an EntryId, too, is stored as its text
        quoted = dump_json(text)
        plain = text.encode()
        return quoted if _reads_otherwise(plain, text) else plain
    if isinstance(value, bytes):
        alone = len(value) <= _STRING_LIMIT and not _reads_otherwise(value, value)
        return value if alone else _envelope(_BYTES_KIND, value)
    if isinstance(value, pd.DataFrame):
        return _envelope(_FRAME_KIND, frame_to_arrow(value))
    if isinstance(value, pd.Series):
        name = value.name
        if name is not None and not isinstance(name, str):
            raise EncodeError(f"a series' name is text or None, not {type(name).__name__}")
        frame = value.to_frame("value" if name is None else name)
        return _envelope(_SERIES_KIND, b"0" if name is None else b"1", frame_to_arrow(frame))
    if value is None or isinstance(
        value, bool | int | float | list | tuple | Mapping | np.bool_ | np.number
    ):
        return dump_json(value)
    raise EncodeError(
        f"a cache takes text, bytes, JSON values, DataFrames and Series, not {type(value).__name__}"
    )


def _reads_otherwise(stored: bytes, value: str | bytes) -> bool:
    try:
        decoded = decode(stored)
    except DecodeError:
        return True
    return type(decoded) is not type(value) or decoded != value


def decode(stored: bytes) -> Any:
    """Return the value that `stored` holds.

    Raises
    ------
    DecodeError
        If it is a damaged envelope, or one of another version of redisnb.
    """
    if is_envelope(stored):
        return _open_envelope(stored)
    try:
        return load_json(stored, strict=True)
    except ValueError:
        pass
    try:
        return stored.decode()
    except UnicodeDecodeError:
        return stored


def is_envelope(stored: bytes) -> bool:
    """Return whether bytes begin like an envelope of any version."""
    return stored.startswith(_MARK[:-1])


def large_value(reply: Any) -> Mapping[bytes, bytes] | None:
    """Return the fields of a hash that is a large value in parts, else None."""
    fields = {} if reply is None or isinstance(reply, ResponseError) else wire.mapping(reply)
    return fields if PART_COUNT in fields else None


def decode_parts(fields: Mapping[bytes, bytes]) -> Any:
    """Return the value that the fields of a hash hold, `PART_COUNT` among them.

    Raises
    ------
    DecodeError
        As for `decode`, or if a part is missing.
    """
    try:
        stored = b"".join([fields[b"%d" % i] for i in range(len(fields) - 1)])
    except KeyError:
        raise DecodeError("it is damaged: a part of it is missing") from None
    return _open_envelope(stored)


def _envelope(kind: bytes, *content: bytes | memoryview) -> bytes:
    length = sum(map(len, content))
    header = _HEADER.pack(_MARK, kind, length, _checksum(kind, *content))
    return b"".join((header, *content))


def _checksum(*content: bytes | memoryview) -> int:
    checksum = 0
    for each in content:
        checksum = zlib.crc32(each, checksum)
    return checksum


def _open_envelope(stored: bytes) -> Any:
    if not stored.startswith(_MARK):
        raise DecodeError("it was written by another version of redisnb")
    if len(stored) < _HEADER.size:
        raise DecodeError("it is damaged: its header is cut off")
    _, kind, length, checksum = _HEADER.unpack_from(stored)
    content = memoryview(stored)[_HEADER.size :]
    if len(content) != length or _checksum(kind, content) != checksum:
        raise DecodeError("it is damaged: its length or checksum is wrong")
    if kind == _BYTES_KIND:
        return bytes(content)
    if kind == _FRAME_KIND:
        return arrow_to_frame(content)
    if kind == _SERIES_KIND:
        series = arrow_to_frame(content[1:]).iloc[:, 0]
        return series if content[0] == ord("1") else series.rename(None)
    raise DecodeError(f"it holds an unknown kind of value ({kind!r})")
