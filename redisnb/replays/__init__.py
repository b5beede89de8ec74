"""Replays: entries published again, at their own pace."""

from redisnb.replays.one_call import replay
from redisnb.replays.options import Ids, ReplayOptions
from redisnb.replays.pace import Pace
from redisnb.replays.plan import Replayable, Target
from redisnb.replays.replaying import Replay
from redisnb.replays.report import Report

__all__ = [
    "Ids",
    "Pace",
    "Replay",
    "ReplayOptions",
    "Replayable",
    "Report",
    "Target",
    "replay",
]
