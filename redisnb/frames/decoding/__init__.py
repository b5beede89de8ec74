"""Decoding: entries to the columns of a frame."""

from redisnb.frames.decoding.arrays import ColumnPart, as_texts, to_pandas
from redisnb.frames.decoding.blocks import Block, Shapes, select_block, sort_entries
from redisnb.frames.decoding.columns import (
    ENTRY_FIELD,
    FIELD,
    INTEGER,
    JSON,
    NUMBER,
    RESERVED,
    STR,
    Reading,
    Types,
    column_maker,
    dtype_of,
    is_float,
    null_objects,
    object_array,
    read_entry,
    warn_of_renamed,
)
from redisnb.frames.decoding.decoder import DecodeAgain, Decoded, Decoder
from redisnb.frames.decoding.objects import array_or_list

__all__ = [
    "ENTRY_FIELD",
    "FIELD",
    "INTEGER",
    "JSON",
    "NUMBER",
    "RESERVED",
    "STR",
    "Block",
    "ColumnPart",
    "DecodeAgain",
    "Decoded",
    "Decoder",
    "Reading",
    "Shapes",
    "Types",
    "array_or_list",
    "as_texts",
    "column_maker",
    "dtype_of",
    "is_float",
    "null_objects",
    "object_array",
    "read_entry",
    "select_block",
    "sort_entries",
    "to_pandas",
    "warn_of_renamed",
]
