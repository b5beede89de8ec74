"""What a panel reads of one group."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple

import pandas as pd

from redisnb import frames, wire
from redisnb.durations import Duration
from redisnb.stream import ConsumerGroup

__all__ = ["ENTRIES_LISTED", "UNSEEN", "GroupLook", "LookRequest", "PendingEvents", "look_at_group"]

#: How many pending entries and dead letters are listed.
ENTRIES_LISTED = 1_000


class LookRequest(NamedTuple):
    """What of a group is to be read.

    Attributes
    ----------
    tab : str
        What is shown: "pending", "consumers", "letters" or "position".
    consumer : str
        Only the pending entries of this one; "" for all.
    min_idle : duration
        Only pending entries that are idle for at least this long.
    events : bool
        Whether the events of pending entries are shown.
    """

    tab: str = "pending"
    consumer: str = ""
    min_idle: Duration = 0
    events: bool = False

    @property
    def is_chosen(self) -> bool:
        """Whether only some pending entries are listed."""
        return self.tab == "pending" and bool(self.consumer or self.min_idle)


class GroupLook(NamedTuple):
    """What was read of a group; what was not asked for is None.

    Attributes
    ----------
    consumers, pending, letters : DataFrame
        In schemas CONSUMERS, PENDING and DEAD_LETTERS.
    waited : timedelta or None
        How long ago the next entry to be delivered was added; None if there is none.
    now : Timestamp
        The server's time.
    """

    consumers: pd.DataFrame | None = None
    pending: pd.DataFrame | None = None
    letters: pd.DataFrame | None = None
    waited: timedelta | None = None
    now: pd.Timestamp | None = None


UNSEEN = GroupLook()


class PendingEvents:
    """The events of pending entries, which are read once: entries never change."""

    def __init__(self) -> None:
        self._known: pd.DataFrame | None = None

    def forget(self) -> None:
        """Forget them, as for another group."""
        self._known = None

    def read(self, group: ConsumerGroup, request: LookRequest) -> pd.DataFrame:
        """Return the pending entries with their events."""
        found = _listed_pending(group, request)
        known = self._known
        if known is None or not set(found["entry_id"]) <= set(known["entry_id"]):
            self._known = _listed_pending(group, request, payload=True)
            return self._known
        events = known.set_index("entry_id").iloc[:, len(frames.PENDING) - 1 :]
        return found.join(events, on="entry_id")


def look_at_group(
    group: ConsumerGroup, row: dict[str, Any], request: LookRequest, events: PendingEvents
) -> GroupLook:
    """Read what is to be shown of a group.

    Notes
    -----
    XINFO CONSUMERS, TIME, XRANGE for the next entry where there may be one, XPENDING for up to
    1,000 entries; for their events an XRANGE each, once; the dead letters where they are shown.
    """
    now = wire.now(group.stream.conn)
    waited = None
    if pd.isna(row["lag"]) or row["lag"]:
        following = group.stream.range(f"({row['last_delivered_id']}", limit=1)
        waited = now - following.index[0] if len(following) else None
    letters = group.dead_letters(limit=ENTRIES_LISTED) if request.tab == "letters" else None
    shows_events = request.events and request.tab == "pending"
    pending = events.read(group, request) if shows_events else _listed_pending(group, request)
    return GroupLook(group.consumers(), pending, letters, waited, now)


def _listed_pending(
    group: ConsumerGroup, request: LookRequest, *, payload: bool = False
) -> pd.DataFrame:
    chosen: dict[str, Any] = {}
    if request.is_chosen:
        chosen = {"consumer": request.consumer or None, "min_idle": request.min_idle}
    return group.pending(payload=payload, limit=ENTRIES_LISTED, **chosen)
