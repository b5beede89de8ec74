"""ReplayingPanel: entries replayed at their own pace, or faster, and seen beside what they were."""

from redisnb.panels.replaying.panel import ReplayingPanel, replay_panel

__all__ = [
    "ReplayingPanel",
    "replay_panel",
]
