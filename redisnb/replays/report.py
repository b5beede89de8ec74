"""What a replay has done, and how far it is."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import pandas as pd

from redisnb import frames

__all__ = ["Progress", "Report"]


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

    @property
    def frame(self) -> pd.DataFrame:
        """The last 100,000 entries in the target, as far as their IDs are known.

        Returns
        -------
        DataFrame in schema ADDED
            One row per entry that was added ("added") or may have been ("unknown").
        """
        unknown = ("unknown", "no reply")
        wrong = {row: unknown for row, id in enumerate(self.recent) if id is None}
        return frames.added(self.recent, wrong)

    def __repr__(self) -> str:
        counts = {
            "added": self.added,
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
