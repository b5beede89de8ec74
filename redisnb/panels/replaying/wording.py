"""What a replaying panel says: what would be sent, how far it is, how late, and how it ended."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from datetime import timedelta

import pandas as pd

from redisnb import cards
from redisnb.durations import duration
from redisnb.entries import EntryId
from redisnb.panels.replaying.course import Course, Settings
from redisnb.panels.replaying.speeds import speed_text
from redisnb.replays import Report
from redisnb.stream import Stream
from redisnb.wire import Connection

__all__ = ["end_text", "late_text", "place_name", "plan_text", "progress_text_of", "wait_text"]

#: In which words the counts of a report stand, those of what went wrong.
_LATE = {"p50": "half within", "p99": "99 % within", "max": "at most"}
_WRONG = ("missed", "skipped", "unknown", "failed", "unreadable")


def place_name(each: object) -> str:
    """Return the name of a source or a target."""
    if isinstance(each, Stream):
        return each.key
    if isinstance(each, Connection):
        return "streams of the same keys"
    if isinstance(each, Mapping):
        return ", ".join(map(place_name, each.values()))
    if isinstance(each, list | tuple):
        return ", ".join(map(place_name, each))
    return os.fspath(each) if isinstance(each, str | os.PathLike) else "the frame"


def plan_text(plan: pd.DataFrame, settings: Settings) -> str:
    """Return what a dry run has found, in a line."""
    if plan.empty:
        return "Nothing is left to send."
    n, size = int(plan["entries"].sum()), int(plan["bytes"].sum())
    entries = "1 entry" if n == 1 else f"{n:,} entries"
    parts = [f"{entries} to send", cards.amount(size)]
    if settings.speed == math.inf:
        return " · ".join([*parts, "as fast as possible"])
    first, last = min(map(EntryId, plan["first_id"])), max(map(EntryId, plan["last_id"]))
    parts.append(f"{duration(timedelta(milliseconds=last.ms - first.ms))} of events")
    gap = f", no gap above {settings.max_gap}" if settings.max_gap else ""
    takes = duration(plan["duration"].max())
    return " · ".join([*parts, f"takes {takes} at {speed_text(settings.speed)}{gap}"])


def progress_text_of(course: Course) -> str:
    """Return how far a replay is; "" before it has begun."""
    replay = course.replay
    if replay is None or (position := replay.progress.position) is None:
        return ""
    now, state = replay.progress, replay.state
    parts = [f"{now.done:,} of {course.total:,} sent"]
    if moment := cards.moment(EntryId(position).ms):
        parts.append(f"at {moment}")
    if now.left is not None and not course.is_at_end and state != "failed":
        parts.append(f"{duration(now.left)} left")
    return " · ".join(parts)


def late_text(report: Report) -> str:
    """Return how late entries were, and what went wrong with others."""
    parts = []
    if late := report.lateness:
        parts.append(
            "late: " + ", ".join(f"{_LATE[name]} {_late_by(by)}" for name, by in late.items())
        )
    parts += [f"{n:,} {name}" for name in _WRONG if (n := getattr(report, name))]
    return " · ".join(parts)


def end_text(course: Course, *, was_stopped: bool) -> tuple[str, str]:
    """Return how a replay has ended, and its tone; "" while it has not, or has not begun."""
    replay = course.replay
    if replay is None or course.is_alive or (not course.has_begun and not course.is_at_end):
        return "", ""
    report = replay.report
    done = f"{report.added:,} added in {duration(report.duration)}"
    if replay.state == "finished":
        note = f": {report.note}" if report.note and not report.added else f": {done}."
        return f"All is sent{note}", "good"
    if replay.state == "incomplete":
        return f"{done}. {report.note}", "warn"
    left = max(0, course.total - replay.progress.done)
    how = "Stopped" if replay.state == "stopped" and was_stopped else "It ended"
    rest = f"{left:,} of {course.total:,} are left"
    return f"{how} after {replay.progress.position}: {rest}. Continue goes on there.", "warn"


def wait_text(state: str, idle: float) -> str:
    """Return that a replay waits, and has not ended."""
    if state == "running" and idle >= 2:
        span = f"{idle:.0f} s" if idle < 60 else duration(timedelta(seconds=idle))
        return f"waits for the next entry, {span} since the last"
    return ""


def _late_by(by: timedelta) -> str:
    ms = by.total_seconds() * 1000
    return f"{ms:,.1f} ms" if ms < 1000 else duration(by)
