"""Frames: replies to frames, frames to fields, and which rows are wanted."""

from redisnb.frames.decoding import Types
from redisnb.frames.filters import Filter, Where
from redisnb.frames.fitting import Schema, check_schema
from redisnb.frames.limits import check_limit, cut, lacking
from redisnb.frames.pieces import Pieces
from redisnb.frames.replies import (
    added,
    captured,
    dead_letters,
    entries,
    found,
    paused_collector,
    pending,
    read,
    trimmed,
    values,
)
from redisnb.frames.schemas import (
    ADDED,
    CAPTURED,
    CONSUMERS,
    DEAD_LETTERS,
    ENTRIES,
    ERRORS,
    GROUPS,
    KEY_SIZES,
    KEYS,
    PENDING,
    POSITION,
    PREVIEW,
    REPLAY,
    STREAMS,
    VALUES,
    table,
)
from redisnb.frames.selection import Page, Selection, Transform
from redisnb.frames.to_events import Missing, entry_ids, records

__all__ = [
    "ADDED",
    "CAPTURED",
    "CONSUMERS",
    "DEAD_LETTERS",
    "ENTRIES",
    "ERRORS",
    "GROUPS",
    "KEYS",
    "KEY_SIZES",
    "PENDING",
    "POSITION",
    "PREVIEW",
    "REPLAY",
    "STREAMS",
    "VALUES",
    "Filter",
    "Missing",
    "Page",
    "Pieces",
    "Schema",
    "Selection",
    "Transform",
    "Types",
    "Where",
    "added",
    "captured",
    "check_limit",
    "check_schema",
    "cut",
    "dead_letters",
    "entries",
    "entry_ids",
    "found",
    "lacking",
    "paused_collector",
    "pending",
    "read",
    "records",
    "table",
    "trimmed",
    "values",
]
