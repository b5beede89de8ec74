"""ReplayPanel: entries replayed at their own pace, or faster, and seen beside what they were."""

from redisnb.panels.replaying.panel import ReplayPanel, replay

__all__ = [
    "ReplayPanel",
    "replay",
]
