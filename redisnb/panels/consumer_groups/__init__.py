"""ConsumerGroupsPanel: which groups are stuck, why, and what frees them."""

from redisnb.panels.consumer_groups.panel import ConsumerGroupsPanel, groups_panel

__all__ = [
    "ConsumerGroupsPanel",
    "groups_panel",
]
