"""The panel that replays entries."""

from redisnb.panels.replay.panel import ReplayPanel

__all__ = [
    "ReplayPanel",
]
