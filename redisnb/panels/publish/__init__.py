"""The panel that publishes."""

from redisnb.panels.publish.panel import PublishPanel

__all__ = [
    "PublishPanel",
]
