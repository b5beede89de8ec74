"""PublishPanel: events typed, edited or made by a template, and published."""

from redisnb.panels.publishing.panel import PublishPanel, publish

__all__ = [
    "PublishPanel",
    "publish",
]
