"""Replays: entries again, at their own pace."""

from redisnb.replays.one_call import replay
from redisnb.replays.pace import Pace
from redisnb.replays.plan import Ids, Replayable, Target
from redisnb.replays.replaying import Replay
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
