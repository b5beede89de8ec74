"""Entries: what one is, by its ID, its fields and its event."""

from redisnb.entries.coding import Builtin, Decode
from redisnb.entries.events import (
    BEGINS_OBJECT,
    Entry,
    Parts,
    carries_json,
    field_value,
    free_name,
    json_object,
    json_value,
    make_entry,
    split_fields,
    write_event,
    write_json,
)
from redisnb.entries.ids import (
    EntryId,
    Position,
    begin_hint,
    entry_times,
    full_ids,
    is_entry_id,
    range_bounds,
    resolve_position,
    time_index,
    time_to_ms,
)
from redisnb.entries.json_edit import edit_json
from redisnb.entries.json_members import ABSENT, MemberReader
from redisnb.entries.json_text import dump_json, load_json, load_objects, native
from redisnb.entries.layout import AUTO, PAYLOAD, Fields, Format, Layout, common_layout
from redisnb.entries.order import merged, order_of
from redisnb.entries.text import SPELLED, as_text, holds_spelled, is_text, to_bytes

__all__ = [
    "ABSENT",
    "AUTO",
    "BEGINS_OBJECT",
    "PAYLOAD",
    "SPELLED",
    "Builtin",
    "Decode",
    "Entry",
    "EntryId",
    "Fields",
    "Format",
    "Layout",
    "MemberReader",
    "Parts",
    "Position",
    "as_text",
    "begin_hint",
    "carries_json",
    "common_layout",
    "dump_json",
    "edit_json",
    "entry_times",
    "field_value",
    "free_name",
    "full_ids",
    "holds_spelled",
    "is_entry_id",
    "is_text",
    "json_object",
    "json_value",
    "load_json",
    "load_objects",
    "make_entry",
    "merged",
    "native",
    "order_of",
    "range_bounds",
    "resolve_position",
    "split_fields",
    "time_index",
    "time_to_ms",
    "to_bytes",
    "write_event",
    "write_json",
]
