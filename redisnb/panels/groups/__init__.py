"""The panel of consumer groups."""

from redisnb.panels.groups.panel import GroupsPanel

__all__ = [
    "GroupsPanel",
]
