"""The panel that shows entries as they arrive."""

from redisnb.panels.consume.panel import ConsumePanel

__all__ = [
    "ConsumePanel",
]
