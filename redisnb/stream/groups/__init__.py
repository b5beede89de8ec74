"""Consumer groups: read, acknowledge, claim, dead letters."""

from redisnb.stream.groups.dead_letters import without_letter_head
from redisnb.stream.groups.group import ConsumerGroup
from redisnb.stream.groups.key import is_group_missing, missing_group
from redisnb.stream.groups.pending import claim_page, count_deliveries, give_back, keep_held
from redisnb.stream.groups.scripts import bury_held
from redisnb.stream.groups.why import STUCK_AFTER, holder_text, lag_text

__all__ = [
    "STUCK_AFTER",
    "ConsumerGroup",
    "bury_held",
    "claim_page",
    "count_deliveries",
    "give_back",
    "holder_text",
    "is_group_missing",
    "keep_held",
    "lag_text",
    "missing_group",
    "without_letter_head",
]
