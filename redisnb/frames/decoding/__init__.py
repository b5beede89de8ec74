"""Decoding: entries to the columns of a frame."""

from redisnb.frames.decoding.arrays import Part, as_texts, to_pandas
from redisnb.frames.decoding.blocks import Block, Shapes, chosen, sort
from redisnb.frames.decoding.columns import (
    ENTRY_FIELD,
    FIELD,
    INTEGER,
    JSON,
    NUMBER,
    RESERVED,
    STR,
    Types,
    maker,
    named,
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
    "STR",
    "Again",
    "Block",
    "Decoded",
    "Decoder",
    "Part",
    "Shapes",
    "Types",
    "as_texts",
    "chosen",
    "maker",
    "named",
    "object_array",
    "read_entry",
    "sort",
    "to_pandas",
    "typed",
]
