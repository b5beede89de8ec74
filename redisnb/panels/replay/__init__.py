"""The panel that replays."""

from redisnb.panels.replay.panel import ReplayPanel

__all__ = [
    "ReplayPanel",
]
