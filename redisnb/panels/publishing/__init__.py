"""PublishingPanel: events typed, edited or made by a template, and published."""

from redisnb.panels.publishing.panel import PublishingPanel, publish

__all__ = [
    "PublishingPanel",
    "publish",
]
