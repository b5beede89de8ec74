"""The checksum of a Parquet file, kept in the file's own metadata.

Under ``redisnb_seal`` they have ``redisnb_crc32:5d1f6c0e``, the CRC-32 of the file with
``00000000`` in that place.
"""

from __future__ import annotations

import os
import zlib
from typing import BinaryIO

__all__: list[str] = []

_SEAL, _UNSEALED = b"redisnb_crc32:", b"00000000"
#: Says that there is a checksum, at some distance from it: damage takes at most one of the two.
_SEAL_MARK = b"redisnb_sealed"
#: How many bytes of a file are read at once.
CHECKSUM_BYTES = 1024 * 1024


def seal_metadata(missed: int) -> dict[str, str]:
    """Return the metadata that a file needs before `seal`."""
    distance = "." * 64
    return {
        "redisnb_missed": str(missed),
        "redisnb_seal": (_SEAL + _UNSEALED).decode(),
        "redisnb_note": f"{distance}{_SEAL_MARK.decode()}{distance}",
    }


def seal(path: str) -> None:
    """Write the checksum of a complete file into it."""
    with open(path, "r+b") as file:
        place = _seal_offset(file)
        crc32 = _crc32(file, place)
        file.seek(place)
        file.write(b"%08x" % crc32)


def is_damaged(path: str) -> bool:
    """Return whether a file differs from what was sealed."""
    with open(path, "rb") as file:
        place = _seal_offset(file)
        if place < 0:
            return _SEAL_MARK in _footer(file)[1]
        file.seek(place)
        return file.read(len(_UNSEALED)) != b"%08x" % _crc32(file, place)


def _seal_offset(file: BinaryIO) -> int:
    """Return the offset of the checksum in a file, or a negative number if there is none."""
    begin, footer = _footer(file)
    offset = footer.rfind(_SEAL)
    return offset if offset < 0 else begin + offset + len(_SEAL)


def _footer(file: BinaryIO) -> tuple[int, bytes]:
    """Return the offset of a file's metadata, which are its last part, and the metadata."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 8))
    begin = max(0, size - 8 - int.from_bytes(file.read(4), "little"))
    file.seek(begin)
    return begin, file.read()


def _crc32(file: BinaryIO, place: int) -> int:
    """Return the checksum of a file as it was before one was written in that place."""
    file.seek(0)
    crc32, left = 0, place
    while chunk := file.read(min(left, CHECKSUM_BYTES)):
        crc32, left = zlib.crc32(chunk, crc32), left - len(chunk)
    crc32 = zlib.crc32(_UNSEALED, crc32)
    file.seek(place + len(_UNSEALED))
    while chunk := file.read(CHECKSUM_BYTES):
        crc32 = zlib.crc32(chunk, crc32)
    return crc32
