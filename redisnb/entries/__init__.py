"""Entries: what one is, by its ID, its fields and its event."""

from redisnb.entries.events import (
    PAYLOAD,
    Entry,
    Fields,
    Format,
    as_text,
    check_format,
    free_name,
    is_json_object,
    json_object,
    make_entry,
    split_fields,
    write_event,
    write_json,
)
from redisnb.entries.ids import (
    EntryId,
    Position,
    entry_times,
    full_ids,
    range_bounds,
    resolve_position,
    time_index,
    time_to_ms,
)
from redisnb.entries.json_text import dump_json, load_json, native
from redisnb.entries.order import merged, order_of

__all__ = [
    "PAYLOAD",
    "Entry",
    "EntryId",
    "Fields",
    "Format",
    "Position",
    "as_text",
    "check_format",
    "dump_json",
    "entry_times",
    "free_name",
    "full_ids",
    "is_json_object",
    "json_object",
    "load_json",
    "make_entry",
    "merged",
    "native",
    "order_of",
    "range_bounds",
    "resolve_position",
    "split_fields",
    "time_index",
    "time_to_ms",
    "write_event",
    "write_json",
]
