"""Replays: entries again, at their own pace."""

from redisnb.replays.pace import Pace
from redisnb.replays.plan import Ids, Replayable, Target
from redisnb.replays.replaying import Replay, replay
from redisnb.replays.report import Report

__all__ = [
    "Ids",
    "Pace",
    "Replay",
    "Replayable",
    "Report",
    "Target",
    "replay",
]
