"""Consumer groups: read, acknowledge, claim, dead letters."""

from redisnb.stream.groups.group import ConsumerGroup
from redisnb.stream.groups.key import is_group_missing, missing_group
from redisnb.stream.groups.pending import claim_page, count_deliveries, give_back, keep_held
from redisnb.stream.groups.scripts import bury_held

__all__ = [
    "ConsumerGroup",
    "bury_held",
    "claim_page",
    "count_deliveries",
    "give_back",
    "is_group_missing",
    "keep_held",
    "missing_group",
]
