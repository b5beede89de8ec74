"""What a replay has done, and how far it is."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pandas as pd

from redisnb import frames
from redisnb.entries import EntryId, id_pair
from redisnb.errors import either, option
from redisnb.replays.pace import Schedule
from redisnb.replays.plan import Plan
from redisnb.replays.player import Player
from redisnb.replays.step import Origin

__all__ = [
    "Progress",
    "Report",
    "bar_length",
    "bar_position",
    "dry_frame",
    "note_of",
    "progress_of",
    "report_of",
]


#: The longest duration that a frame can hold, in milliseconds.
LONGEST = 2**63 // 1_000_000


@dataclass(frozen=True)
class Progress:
    """Say how far a replay is.

    Attributes
    ----------
    done : int
        Entries that are added, skipped or unknown.
    total : int or None
        How many there are, if that is known; with `where` at most so many.
    position : str or None
        The ID of the last one in its source.
    share : float or None
        How much of the source's time, or of its entries, is behind it, from 0 to 1.
    left : timedelta or None
        How long the rest takes, by the schedule, at most.
    """

    done: int
    total: int | None
    position: str | None
    share: float | None
    left: timedelta | None


@dataclass(frozen=True, repr=False)
class Report:
    """Say what a replay has done.

    Attributes
    ----------
    state : str
        "finished", or "stopped" and so on, as `Replay.state`.
    read : int
        Entries that were read, those included that `where` did not want.
    missed : int
        Entries of the source that were removed before they were read: their number, or, where
        nobody counts them, at least 1. With `resume`, in all its runs.
    added : int
        Entries that are in the target for this replay.
    skipped : int
        Entries that were there before, the same, under the same ID.
    unknown : int
        Entries that were sent without a reply, and not again.
    failed : int
        Entries that the server refused; the first one ends a replay.
    unreadable : int
        Lines or rows of a file that held no entry, with ``on_error="skip"``.
    lateness : dict of str to timedelta
        How long after they were due entries had been added: "p50", "p99" and "max"; empty where
        nothing was due.
    duration : timedelta
        How long it was at work.
    position : str or None
        The source's ID of the last entry that is done.
    note : str
        How to go on, or why there was nothing to do; "" where all is done.
    """

    state: str
    read: int
    missed: int
    added: int
    skipped: int
    unknown: int
    failed: int
    unreadable: int
    lateness: Mapping[str, timedelta]
    duration: timedelta
    position: str | None
    note: str
    recent: Sequence[bytes | None]

    def frame(self) -> pd.DataFrame:
        """Return the last 100,000 entries in the target, as far as their IDs are known.

        Returns
        -------
        DataFrame in schema ADDED
            One row per entry that was added ("added") or may have been ("unknown").
        """
        unknown = ("unknown", "no reply")
        wrong = {row: unknown for row, id in enumerate(self.recent) if id is None}
        return frames.added_frame(self.recent, wrong)

    def __repr__(self) -> str:
        counts = {
            "added": self.added,
            "missed": self.missed,
            "skipped": self.skipped,
            "unknown": self.unknown,
            "failed": self.failed,
            "unreadable": self.unreadable,
        }
        parts = [f"{n:,} {what}" for what, n in counts.items() if n or what == "added"]
        parts[0] = f"{self.state}: {parts[0]} of {self.read:,} read"
        parts.append(f"in {self.duration.total_seconds():.1f} s")
        if self.lateness:
            late = ", ".join(
                f"{name} {each.total_seconds() * 1000:.1f} ms"
                for name, each in self.lateness.items()
            )
            parts.append(f"late by {late}")
        text = f"<Report {', '.join(parts)}>"
        return f"{text}\n{self.note}" if self.note else text

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"


def progress_of(at: Player) -> Progress:
    """Return how far a replay is."""
    plan = at.plan
    last = None if at.last is None else EntryId(at.last)
    ends = _ends(plan)
    share: float | None = None
    left: timedelta | None = None
    total = _total(plan)
    if last is not None and ends is not None:
        span, behind = ends[1].ms - ends[0].ms, last.ms - ends[0].ms
        share = behind / span if span else 1.0
        if plan.pace.uses_times:
            left = timedelta(seconds=plan.pace.seconds(max(0, span - behind)))
    elif total:
        share = min(1.0, at.place.count / total)
    if plan.pace.rate is not None and total is not None:
        left = timedelta(seconds=max(0, total - at.place.count) / plan.pace.rate)
    return Progress(at.place.count, total, last, share, left)


def report_of(at: Player) -> Report:
    """Return what a replay has done so far."""
    sources = at.plan.sources
    return Report(
        state=at.state,
        read=sum(source.read for source in sources),
        missed=at.packer.missed,
        added=at.counts.added,
        skipped=at.counts.skipped,
        unknown=at.counts.unknown,
        failed=at.counts.failed,
        unreadable=sum(source.skipped for source in sources),
        lateness={
            name: timedelta(seconds=seconds) for name, seconds in at.lateness.seconds().items()
        },
        duration=timedelta(seconds=at.seconds),
        position=None if at.last is None else at.last.decode(),
        note=note_of(at),
        recent=list(at.counts.recent),
    )


def note_of(at: Player) -> str:
    """Say how to go on."""
    if at.found_ended and not at.packer.missed:
        return (
            "the replay of this name was finished before, so nothing was added; "
            f"{either('Replay(...).forget()', '--restart')} lets it begin again"
        )
    if at.state == "finished":
        return ""
    if at.state == "incomplete":
        return (
            "entries of the source were removed before they were read, and are not in the target: "
            f"{at.packer.missed:,}, as far as it can be counted"
        )
    if at.plan.bookmark is not None:
        again = either("the same call", "the same command")
        return f"{at.place.count:,} entries are done; {again} again goes on from there"
    if at.last is None:
        return "nothing was added"
    start = option("start", f"({at.last.decode()}")
    return f"{at.place.count:,} entries are done; {start} goes on behind them"


def bar_length(plan: Plan) -> tuple[int | None, str]:
    """Return how long a progress bar is, and in what unit.

    In seconds of the schedule where there is one: the bar then knows when it will end.
    """
    ends = _ends(plan)
    if plan.pace.uses_times and ends is not None:
        return round(plan.pace.seconds(ends[1].ms - ends[0].ms)), "s"
    return _total(plan), "entries"


def bar_position(player: Player, unit: str) -> int:
    """Return how far a progress bar is, in that unit."""
    if unit == "entries":
        return player.place.count
    ends, last = _ends(player.plan), player.last
    if ends is None or last is None:
        return 0
    return round(player.plan.pace.seconds(EntryId(last).ms - ends[0].ms))


def dry_frame(player: Player, name: str) -> pd.DataFrame:
    """Read what is to be sent, and sum it up for each stream and source, in schema REPLAY."""
    read = [source.read for source in player.plan.sources]
    schedule = Schedule(player.plan.pace)
    rows: dict[Origin, list[Any]] = {}
    try:
        for page in () if player.found_ended else player.items():
            for origin, id, fields in page:
                text = id.decode()
                row = rows.setdefault(
                    origin, [origin.key, origin.target, 0, 0, text, text, None, None]
                )
                row[2] += 1
                row[3] += sum(map(len, fields))
                row[5] = text
                due = schedule.due(id_pair(id)[0]) * 1000
                row[7] = round(min(due, LONGEST))
    finally:
        # The replay itself has read nothing yet.
        for source, before in zip(player.plan.sources, read, strict=True):
            source.read = before
    for row in rows.values():
        row[6] = min(EntryId(row[5]).ms - EntryId(row[4]).ms, LONGEST)
    message = f"{name}: entries of the source were removed before they were read"
    return frames.mark_missed(
        frames.table(frames.REPLAY, rows.values()), player.packer.missed, message
    )


def _ends(plan: Plan) -> tuple[EntryId, EntryId] | None:
    found = [source.ends for source in plan.sources if source.ends is not None]
    if not found:
        return None
    return min(first for first, _ in found), max(last for _, last in found)


def _total(plan: Plan) -> int | None:
    counts = [source.count for source in plan.sources]
    known = None if None in counts else sum(count or 0 for count in counts)
    limit = plan.limit
    return known if limit is None else limit if known is None else min(known, limit)
