"""Streams and consumer groups: publish, read, follow, acknowledge, claim, dead letters."""

from redisnb.stream.cursor import GroupCursor, Notice, StreamCursor, StreamEntry
from redisnb.stream.following import (
    BLOCK,
    LOOK_LATER,
    LOOK_SOON,
    Wait,
    followed_pages,
    resolve_start,
)
from redisnb.stream.groups import (
    STUCK_AFTER,
    ConsumerGroup,
    bury_held,
    claim_page,
    count_deliveries,
    give_back,
    holder_text,
    is_group_missing,
    keep_held,
    lag_text,
    missing_group,
    without_letter_head,
)
from redisnb.stream.key import check_alike, dead_letters_key, mark_origin
from redisnb.stream.publishing import add_in_parts
from redisnb.stream.rows import (
    GROUP_QUESTIONS,
    STREAM_QUESTIONS,
    group_rows,
    look,
    rows_of_groups,
    rows_of_streams,
)
from redisnb.stream.stream import Stream

__all__ = [
    "BLOCK",
    "GROUP_QUESTIONS",
    "LOOK_LATER",
    "LOOK_SOON",
    "STREAM_QUESTIONS",
    "STUCK_AFTER",
    "ConsumerGroup",
    "GroupCursor",
    "Notice",
    "Stream",
    "StreamCursor",
    "StreamEntry",
    "Wait",
    "add_in_parts",
    "bury_held",
    "check_alike",
    "claim_page",
    "count_deliveries",
    "dead_letters_key",
    "followed_pages",
    "give_back",
    "group_rows",
    "holder_text",
    "is_group_missing",
    "keep_held",
    "lag_text",
    "look",
    "mark_origin",
    "missing_group",
    "resolve_start",
    "rows_of_groups",
    "rows_of_streams",
    "without_letter_head",
]
