"""Decoding: entries to the columns of a frame."""

from redisnb.frames.decoding.arrays import Part, to_pandas
from redisnb.frames.decoding.columns import (
    ENTRY_FIELD,
    FIELD,
    INTEGER,
    JSON,
    NUMBER,
    RESERVED,
    Types,
    maker,
    object_array,
    read_entry,
)
from redisnb.frames.decoding.decoder import Again, Decoded, Decoder
from redisnb.frames.decoding.objects import typed

__all__ = [
    "ENTRY_FIELD",
    "FIELD",
    "INTEGER",
    "JSON",
    "NUMBER",
    "RESERVED",
    "Again",
    "Decoded",
    "Decoder",
    "Part",
    "Types",
    "maker",
    "object_array",
    "read_entry",
    "to_pandas",
    "typed",
]
