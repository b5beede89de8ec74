"""GroupsPanel: which groups are stuck, why, and what frees them."""

from redisnb.panels.consumer_groups.panel import GroupsPanel, groups

__all__ = [
    "GroupsPanel",
    "groups",
]
