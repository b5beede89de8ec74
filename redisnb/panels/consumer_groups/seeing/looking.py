"""What a panel has seen of its groups, and how seldom it asks for what costs more."""

from __future__ import annotations

import threading
import time
from typing import Any

import pandas as pd

from redisnb import frames
from redisnb.errors import GroupMissingError
from redisnb.panels.consumer_groups.seeing.history import Backlogs
from redisnb.panels.consumer_groups.seeing.ranking import (
    GroupName,
    GroupRank,
    find_row,
    ranked_groups,
)
from redisnb.panels.consumer_groups.seeing.reading import (
    UNSEEN,
    GroupLook,
    LookRequest,
    PendingEvents,
    look_at_group,
)
from redisnb.panels.consumer_groups.seeing.sources import GroupsSource
from redisnb.stream import ConsumerGroup

__all__ = ["GroupsSeen"]

#: How often all groups are read, in seconds; with more streams than this, a second for each.
_ALL_EVERY = 10.0
#: However long all groups take, this many times as long nothing of the kind is asked.
_LEFT_ALONE = 20
#: How often the open group is asked why, in seconds, if its numbers change, and if they do not:
#: that takes a command for each of a hundred entries.
_WHY_EVERY, _WHY_AT_LEAST = 20.0, 60.0
_NUMBERS = ("pending", "lag", "consumers", "last_delivered_id")


class GroupsSeen:
    """The groups as they were seen last, and of one of them, which is open, more.

    Attributes
    ----------
    groups : DataFrame
        All of them, in schema GROUPS.
    ranks : list of GroupRank
        The same, the worst first.
    opened : GroupName or None
        The one that is open: the worst, until the user chooses.
    row : dict or None
        Its row; None if it is gone.
    look : GroupLook
    findings : DataFrame or None
        What holds it up, in schema FINDINGS.
    is_there : bool
        Whether the stream exists, if there is only one.
    """

    def __init__(self, source: GroupsSource) -> None:
        self.source = source
        self.groups = frames.table(frames.GROUPS, [])
        self.ranks: list[GroupRank] = []
        self.opened: GroupName | None = None
        self.row: dict[str, Any] | None = None
        self.look: GroupLook = UNSEEN
        self.findings: pd.DataFrame | None = None
        self.is_there = True
        self.backlogs = Backlogs()
        self._events = PendingEvents()
        self._all_due = self._why_asked = 0.0
        # The numbers of the open group when it was asked why.
        self._why_of: tuple[object, ...] = ()
        # Guards what was seen; never held while the server is asked.
        self._lock = threading.RLock()

    def choose(self, name: GroupName | None) -> bool:
        """Open another group; return whether it is another."""
        with self._lock:
            if name == self.opened:
                return False
            self.opened, self.row = name, find_row(self.groups, name)
            self.look, self.findings = UNSEEN, None
            self._events.forget()
            return True

    def hurry(self) -> None:
        """Ask for everything the next time."""
        self._all_due = self._why_asked = 0.0

    def group(self, name: GroupName, consumer: str = "") -> ConsumerGroup:
        """Return a group, as a consumer."""
        stream = self.source.stream(name.stream)
        return ConsumerGroup(stream, name.group, consumer=consumer or None)

    def read(self, request: LookRequest) -> bool:
        """Ask the server; return False if another group was opened meanwhile."""
        was_due = self._all_due
        groups = self._read_groups()
        ranks = ranked_groups(groups)
        with self._lock:
            self.groups, self.ranks = groups, ranks
            if self.opened is None and ranks:
                self.choose(ranks[0].name)
            name = self.opened
        row = find_row(groups, name)
        look, findings = UNSEEN, None
        if name is not None and row is not None:
            try:
                look = look_at_group(self.group(name), row, request, self._events)
                findings = self._read_findings(name, row)
            except GroupMissingError:
                # It was destroyed just now.
                row, look, findings = None, UNSEEN, None
        with self._lock:
            # Of the others nothing new was heard, unless all were read.
            is_all = self.source.is_one or self._all_due != was_due
            heard = [each for each in ranks if is_all or (name and each.name.stream == name.stream)]
            self.backlogs.add(heard, name, row, look.waited)
            if name != self.opened:
                return False
            self.row, self.look, self.findings = row, look, findings
            return True

    def _read_groups(self) -> pd.DataFrame:
        began = time.monotonic()
        if self.source.is_one or self.opened is None or began >= self._all_due:
            groups = self.source.read()
            took = time.monotonic() - began
            streams = groups["stream"].nunique()
            self._all_due = began + max(_ALL_EVERY, streams, _LEFT_ALONE * took)
        else:
            groups = self.source.read_stream(self.groups, self.opened.stream)
        if self.source.is_one:
            self.is_there = bool(len(groups)) or not self.source.streams[0].info().empty
        return groups

    def _read_findings(self, name: GroupName, row: dict[str, Any]) -> pd.DataFrame:
        numbers = tuple(map(str, (row[each] for each in _NUMBERS)))
        every = _WHY_EVERY if numbers != self._why_of else _WHY_AT_LEAST
        now, findings = time.monotonic(), self.findings
        if findings is None or now >= self._why_asked + every:
            self._why_asked, self._why_of = now, numbers
            findings = self.group(name).why()
        return findings
