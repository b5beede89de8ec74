"""GroupsPanel: which groups are stuck, why, and what frees them."""

from redisnb.panels.consumer_groups.panel import GroupsPanel, groups
from redisnb.panels.consumer_groups.seeing import GroupRank, ranked_groups

__all__ = [
    "GroupRank",
    "GroupsPanel",
    "groups",
    "ranked_groups",
]
