"""ConsumerGroupsPanel: which groups are stuck, why, and what frees them."""

from redisnb.panels.consumer_groups.panel import ConsumerGroupsPanel, groups_panel
from redisnb.panels.consumer_groups.seeing import GroupRank, ranked_groups

__all__ = [
    "ConsumerGroupsPanel",
    "GroupRank",
    "groups_panel",
    "ranked_groups",
]
