"""Streams and their consumer groups: publish, read, follow, settle what is pending."""

from redisnb.stream.cursor import Command, Found, GroupCursor, Notice, StreamCursor
from redisnb.stream.dead_letters import bury_held, dead_letters_key
from redisnb.stream.following import BLOCK, LOOK_LATER, LOOK_SOON, Pace, followed_pages
from redisnb.stream.group import ConsumerGroup, is_missing
from redisnb.stream.pending import claim_page, count_deliveries, give_back, keep_held
from redisnb.stream.state import stream_rows
from redisnb.stream.stream import Stream

__all__ = [
    "BLOCK",
    "LOOK_LATER",
    "LOOK_SOON",
    "Command",
    "ConsumerGroup",
    "Found",
    "GroupCursor",
    "Notice",
    "Pace",
    "Stream",
    "StreamCursor",
    "bury_held",
    "claim_page",
    "count_deliveries",
    "dead_letters_key",
    "followed_pages",
    "give_back",
    "is_missing",
    "keep_held",
    "stream_rows",
]
