"""LivePanel: entries as they arrive, filtered where they are read."""

from redisnb.panels.following.panel import LivePanel, live

__all__ = [
    "LivePanel",
    "live",
]
