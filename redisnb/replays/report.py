"""What a replay has done, and how far it has come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pandas as pd

from redisnb import cards, frames
from redisnb.durations import duration
from redisnb.entries import EntryId, id_pair
from redisnb.errors import either, option
from redisnb.replays.gate import ENDED
from redisnb.replays.pace import Schedule
from redisnb.replays.plan import Plan
from redisnb.replays.player import Player
from redisnb.replays.step import Copied, Origin

__all__ = [
    "Progress",
    "Report",
    "bar_length",
    "bar_position",
    "card_of",
    "dry_frame",
    "note_of",
    "progress_of",
    "report_of",
    "words_of",
]


#: The longest duration that a frame can hold, in milliseconds.
LONGEST_DURATION = 2**63 // 1_000_000
#: What `Report.copies` returns.
_COPIES = dict.fromkeys(("stream", "entry_id", "target", "added_id"), "str")


@dataclass(frozen=True, repr=False)
class Progress:
    """How far a replay has come.

    Attributes
    ----------
    done : int
        Entries that are added, skipped or unknown.
    total : int or None
        How many there are, if known; with `where` it is an upper bound.
    position : str or None
        The ID of the last one in its source.
    share : float or None
        How much of the source's time, or of its entries, is done, from 0 to 1.
    left : timedelta or None
        How long the rest takes by the schedule, at most.
    """

    done: int
    total: int | None
    position: str | None
    share: float | None
    left: timedelta | None

    def __repr__(self) -> str:
        left = None if self.left is None else f"{duration(self.left)} left"
        return cards.line("Progress", self._count(), self._share(), left)

    def _count(self) -> str:
        return f"{self.done:,} done" if self.total is None else f"{self.done:,} of {self.total:,}"

    def _share(self) -> str:
        if self.total:
            return f"{self.done / self.total:.0%}"
        return "" if self.share is None else f"{self.share:.0%} of its time"


@dataclass(frozen=True, repr=False)
class Report:
    """What a replay has done.

    Attributes
    ----------
    state : str
        "finished", or "stopped" and so on, as `Replay.state`.
    read : int
        Entries that were read, including those that `where` left out.
    missed : int
        Entries of the source that were removed before they were read: their number, or, where
        it is not counted, at least 1. With `resume`, over all runs.
    added : int
        Entries that are in the target for this replay.
    skipped : int
        Entries that were there before: the same, under the same ID.
    unknown : int
        Entries that were sent without a reply, and not sent again.
    failed : int
        Entries that the server refused; the first one ends a replay.
    unreadable : int
        Lines or rows of a file that held no entry, with ``on_error="skip"``.
    lateness : dict of str to timedelta
        How long after its due time an entry was added: "p50", "p99" and "max"; empty without a
        schedule.
    duration : timedelta
        How long it was running.
    position : str or None
        The source's ID of the last entry that is done.
    note : str
        How to continue, or why there was nothing to do; "" where all is done.

    Examples
    --------
    >>> report = rnb.replay(orders, rnb.Stream(conn, "test"), speed=float("inf"))
    >>> report.state, report.read, report.added, report.failed
    ('finished', 4, 4, 0)
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
    recent: Sequence[Copied]

    def frame(self) -> pd.DataFrame:
        """Return the last 100,000 entries in the target, as far as their IDs are known.

        Returns
        -------
        DataFrame in schema ADDED
            One row per entry that was added ("added") or may have been ("unknown").

        Examples
        --------
        >>> report = rnb.replay(orders, rnb.Stream(conn, "test"), speed=float("inf"), ids="keep")
        >>> report.frame()
                  entry_id status error
        0  1714559400000-0  added   NaN
        1  1714559460000-0  added   NaN
        2  1714559520000-0  added   NaN
        3  1714559580000-0  added   NaN
        """
        unknown = ("unknown", "no reply")
        added = [id for *_, id in self.recent]
        wrong = {row: unknown for row, id in enumerate(added) if id is None}
        return frames.added_frame(added, wrong)

    def copies(self, limit: int | None = None) -> pd.DataFrame:
        """Return the last of these entries beside what they were in their source.

        Parameters
        ----------
        limit : int, optional
            At most so many; all by default.

        Returns
        -------
        DataFrame
            `stream` and `entry_id`, where the entry was; `target` and `added_id`, where it is now,
            missing without a reply. The oldest first.

        Examples
        --------
        >>> report = rnb.replay(orders, rnb.Stream(conn, "test"), speed=float("inf"), ids="keep")
        >>> report.copies(2)
           stream         entry_id target         added_id
        0  orders  1714559520000-0   test  1714559520000-0
        1  orders  1714559580000-0   test  1714559580000-0
        """
        last = self.recent if limit is None else self.recent[-limit:]
        rows = [
            (key, id.decode(), target, None if new is None else new.decode())
            for key, id, target, new in last
        ]
        return frames.table(_COPIES, rows)

    def __repr__(self) -> str:
        late = self._late_by()
        parts = [
            self.state,
            f"{self.added:,} added of {self.read:,} read",
            *(f"{n} {name}" for name, n in self._exceptions()),
            f"in {self.duration.total_seconds():.1f} s",
            f"late by {late}" if late else "",
        ]
        text = ", ".join(filter(None, parts))
        return cards.line("Report", f"{text}; {self.note}" if self.note else text)

    def _repr_html_(self) -> str:
        pairs = [
            ("read", f"{self.read:,}"),
            ("added", f"{self.added:,}"),
            *self._exceptions(),
            ("ran for", duration(self.duration)),
            ("last entry", self.position),
            ("late by", self._late_by()),
        ]
        return cards.card("Report", "replay", self.state, pairs, note=self.note)

    def _exceptions(self) -> list[tuple[str, str]]:
        """Return the counts that are shown where there are any."""
        names = ("missed", "skipped", "unknown", "failed", "unreadable")
        counts = [(name, getattr(self, name)) for name in names]
        return [(name, f"{n:,}") for name, n in counts if n]

    def _late_by(self) -> str:
        return ", ".join(
            f"{name} {each.total_seconds() * 1000:,.1f} ms" for name, each in self.lateness.items()
        )


def words_of(player: Player) -> Iterator[str]:
    """Yield what a repr says: the state, and why; how far it has come, and its pace."""
    error = cards.error_line(player.error)
    yield f"{player.state}: {error}" if error else player.state
    done = player.checkpoint.count
    if done or player.state not in ("stopped", "failed"):
        yield progress_of(player)._count()
    yield str(player.plan.pace)


def card_of(player: Player) -> str:
    """Return the card of a replay, of what it has counted itself."""
    now, said = progress_of(player), report_of(player)
    is_over = player.state in (*ENDED, "stopped")
    left = "" if now.left is None or is_over else duration(now.left)
    note = said.note if is_over and said.read else ""
    pairs = [
        ("done", now._count().removesuffix(" done")),
        ("share", now._share()),
        ("time left", left),
        ("pace", str(player.plan.pace) or "as fast as the server takes them"),
        *said._exceptions(),
        ("ran for", duration(said.duration) if said.duration else ""),
        ("last entry", now.position),
        ("late by", said._late_by()),
    ]
    note = "; ".join(filter(None, (cards.error_line(player.error), note)))
    return cards.card("Replay", player.plan.title, player.state, pairs, note=note)


def progress_of(player: Player) -> Progress:
    """Return how far a replay has come."""
    plan = player.plan
    last = None if player.last is None else EntryId(player.last)
    ends = _ends(plan)
    share: float | None = None
    left: timedelta | None = None
    total = _entry_total(plan)
    if last is not None and ends is not None:
        span, behind = ends[1].ms - ends[0].ms, last.ms - ends[0].ms
        share = behind / span if span else 1.0
        if plan.pace.uses_times:
            left = timedelta(seconds=plan.pace.seconds(max(0, span - behind)))
    elif total:
        share = min(1.0, player.checkpoint.count / total)
    if plan.pace.rate is not None and total is not None:
        left = timedelta(seconds=max(0, total - player.checkpoint.count) / plan.pace.rate)
    return Progress(player.checkpoint.count, total, last, share, left)


def report_of(player: Player) -> Report:
    """Return what a replay has done so far."""
    sources = player.plan.sources
    return Report(
        state=player.state,
        read=sum(source.read for source in sources),
        missed=player.packer.missed,
        added=player.counts.added,
        skipped=player.counts.skipped,
        unknown=player.counts.unknown,
        failed=player.counts.failed,
        unreadable=sum(source.skipped for source in sources),
        lateness={
            name: timedelta(seconds=seconds) for name, seconds in player.lateness.seconds().items()
        },
        duration=timedelta(seconds=player.seconds),
        position=None if player.last is None else player.last.decode(),
        note=note_of(player),
        recent=list(player.counts.recent),
    )


def note_of(player: Player) -> str:
    """Return how to continue; "" where all is done."""
    if player.was_finished and not player.packer.missed:
        return (
            "the replay of this name was finished before, so nothing was added; "
            f"{either('Replay(...).forget()', '--restart')} lets it begin again"
        )
    if player.state == "finished":
        return ""
    if player.state == "incomplete":
        return (
            "entries of the source were removed before they were read, and are not in the target: "
            f"{player.packer.missed:,}, as far as it can be counted"
        )
    if player.plan.bookmark is not None:
        again = either("the same call", "the same command")
        return f"{player.checkpoint.count:,} entries are done; {again} again continues from there"
    if player.last is None:
        return "nothing was added"
    start = option("start", f"({player.last.decode()}")
    return f"{player.checkpoint.count:,} entries are done; {start} continues after them"


def bar_length(plan: Plan) -> tuple[int | None, str]:
    """Return how long a progress bar is, and in what unit.

    It counts seconds of the schedule where there is one, so that it shows the time that is left.
    """
    ends = _ends(plan)
    if plan.pace.uses_times and ends is not None:
        return round(plan.pace.seconds(ends[1].ms - ends[0].ms)), "s"
    return _entry_total(plan), "entries"


def bar_position(player: Player, unit: str) -> int:
    """Return the position of a progress bar in that unit."""
    if unit == "entries":
        return player.checkpoint.count
    ends, last = _ends(player.plan), player.last
    if ends is None or last is None:
        return 0
    return round(player.plan.pace.seconds(EntryId(last).ms - ends[0].ms))


def dry_frame(player: Player, name: str) -> pd.DataFrame:
    """Return what is to be sent by stream and source, in schema REPLAY; read all of it."""
    read = [source.read for source in player.plan.sources]
    schedule = Schedule(player.plan.pace)
    rows: dict[Origin, list[Any]] = {}
    try:
        for page in () if player.was_finished else player.items():
            for origin, id, fields in page:
                text = id.decode()
                row = rows.setdefault(
                    origin, [origin.key, origin.target, 0, 0, text, text, None, None]
                )
                row[2] += 1
                row[3] += sum(map(len, fields))
                row[5] = text
                due = schedule.due(id_pair(id)[0]) * 1000
                row[7] = round(min(due, LONGEST_DURATION))
    finally:
        # For the report of the replay itself, nothing was read.
        for source, before in zip(player.plan.sources, read, strict=True):
            source.read = before
    for row in rows.values():
        row[6] = min(EntryId(row[5]).ms - EntryId(row[4]).ms, LONGEST_DURATION)
    message = f"{name}: entries of the source were removed before they were read"
    return frames.mark_missed(
        frames.table(frames.REPLAY, rows.values()), player.packer.missed, message
    )


def _ends(plan: Plan) -> tuple[EntryId, EntryId] | None:
    ends = [source.ends for source in plan.sources if source.ends is not None]
    if not ends:
        return None
    return min(first for first, _ in ends), max(last for _, last in ends)


def _entry_total(plan: Plan) -> int | None:
    counts = [source.count for source in plan.sources]
    count = None if None in counts else sum(count or 0 for count in counts)
    limit = plan.limit
    return count if limit is None else limit if count is None else min(count, limit)
