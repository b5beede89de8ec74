"""The panel that publishes events."""

from redisnb.panels.publish.panel import PublishPanel

__all__ = [
    "PublishPanel",
]
