"""The bytes of a field as text, as hexadecimal, and decoded: compressed, MessagePack, frames."""

from __future__ import annotations

import json
import zlib
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa

from redisnb import cards
from redisnb.errors import DecodeError
from redisnb.keyspace import decode, is_envelope

__all__ = ["FieldContent", "decoded_field", "hex_text", "plain_text", "plain_tree"]

#: How much of a decoded value is shown, in bytes, and how many rows of a frame.
_MOST_DECODED, _FRAME_ROWS = 1_000_000, 100
#: How much of a field is shown in hexadecimal and as text.
_HEX_BYTES, _TEXT_BYTES = 2_048, 20_000
#: How many codings may be inside of each other, as JSON that is compressed.
_DEPTH = 4
#: The largest integer that JavaScript does not round.
_EXACT_IN_PAGES = 2**53


class FieldContent(NamedTuple):
    """What bytes hold: the names of their codings, from the outermost on, and the value."""

    codings: list[str]
    value: Any


def decoded_field(stored: bytes) -> FieldContent | None:
    """Return what bytes hold; None if they are plain text, or nothing that is known here."""
    found = _content(stored, _DEPTH)
    return found if found.codings else None


def _content(stored: bytes, depth: int) -> FieldContent:
    if is_envelope(stored):
        return _unwrapped(stored)
    coding = _compression(stored)
    if coding and depth:
        try:
            inside = _decompressed(stored, coding)
        except (zlib.error, OSError, pa.ArrowException):
            return FieldContent([], stored)
        if len(inside) > _MOST_DECODED:
            return FieldContent(
                [coding], f"more than {cards.amount(_MOST_DECODED)}: too large to show"
            )
        within = _content(inside, depth - 1)
        return FieldContent([coding, *within.codings], within.value)
    try:
        text = stored.decode()
    except UnicodeDecodeError:
        return _packed(stored)
    if text[:1] in ("{", "[") and len(stored) <= _MOST_DECODED:
        try:
            return FieldContent(["JSON"], json.loads(text))
        except (ValueError, RecursionError):
            pass
    return FieldContent([], text)


def _compression(stored: bytes) -> str:
    if stored.startswith(b"\x1f\x8b"):
        return "gzip"
    return "zstd" if stored.startswith(b"\x28\xb5\x2f\xfd") else ""


def _decompressed(stored: bytes, coding: str) -> bytes:
    # One byte more than is shown tells whether it is too large: a bomb stays small.
    if coding == "gzip":
        return zlib.decompressobj(wbits=31).decompress(stored, _MOST_DECODED + 1)
    with pa.CompressedInputStream(pa.BufferReader(stored), "zstd") as file:
        return bytes(file.read(_MOST_DECODED + 1))


def _packed(stored: bytes) -> FieldContent:
    try:
        value = msgspec.msgpack.decode(stored[:_MOST_DECODED])
    except (msgspec.DecodeError, ValueError, RecursionError):
        return FieldContent([], stored)
    # Any single byte is a number to MessagePack.
    return (
        FieldContent(["MessagePack"], value)
        if isinstance(value, dict | list)
        else FieldContent([], stored)
    )


def _unwrapped(stored: bytes) -> FieldContent:
    try:
        value = decode(stored)
    except DecodeError as error:
        return FieldContent(["redisnb"], f"it cannot be read: {error}")
    if isinstance(value, bytes):
        return FieldContent(["redisnb, bytes"], value[:_MOST_DECODED])
    frame = value.to_frame() if isinstance(value, pd.Series) else value
    shape = f"redisnb, a frame of {len(frame):,} rows and {frame.shape[1]:,} columns"
    head = frame.head(_FRAME_ROWS)
    rows = [dict(zip(head.columns, row, strict=True)) for row in head.itertuples(index=False)]
    return FieldContent([shape], rows)


def plain_tree(value: Any) -> Any:
    """Return a value in what JSON and JavaScript can hold, for a `JsonTree`."""
    if isinstance(value, dict):
        return {_name_text(name): plain_tree(each) for name, each in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain_tree(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _EXACT_IN_PAGES else str(value)
    if isinstance(value, float):
        return value if np.isfinite(value) else str(value)
    return None if pd.isna(value) else str(value)


def _name_text(name: Any) -> str:
    return name.decode(errors="backslashreplace") if isinstance(name, bytes) else str(name)


def plain_text(stored: bytes) -> str:
    """Return bytes as text, with escapes for what is none; the beginning of many."""
    text = cards.legible(stored[:_TEXT_BYTES].decode(errors="backslashreplace"))
    return f"{text}{_rest(stored, _TEXT_BYTES)}"


def hex_text(stored: bytes) -> str:
    """Return bytes in hexadecimal; the beginning of many."""
    return f"{stored[:_HEX_BYTES].hex(' ')}{_rest(stored, _HEX_BYTES)}"


def _rest(stored: bytes, shown: int) -> str:
    return f" … {len(stored) - shown:,} more bytes" if len(stored) > shown else ""
