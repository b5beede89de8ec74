"""The panel of keys."""

from redisnb.panels.keys.panel import KeysPanel

__all__ = [
    "KeysPanel",
]
