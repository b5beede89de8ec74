"""Sending: copies of an event, or rows of a frame, part by part, with what became of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import pandas as pd

from redisnb import frames
from redisnb.durations import duration
from redisnb.entries import EntryId
from redisnb.errors import UncertainWriteError
from redisnb.panels.parts import Task
from redisnb.panels.publishing.form import SendOptions
from redisnb.panels.publishing.template import Template
from redisnb.stream import Stream, add_in_parts

__all__ = ["SentCount", "SentPart", "check_added", "sent_copies", "sent_events", "sent_rows"]

#: How many are sent between two looks whether to stop.
_PART = 1_000


class SentPart(NamedTuple):
    """Events that were sent together, and their outcomes in schema ADDED."""

    events: Sequence[Mapping[Any, Any]]
    added: pd.DataFrame


class SentCount:
    """How many of some events were sent, and what became of them."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.counts: Counter[str] = Counter()
        self._began = time.monotonic()

    def take(self, added: pd.DataFrame) -> None:
        """Count a part."""
        self.counts.update(added["status"])

    def text(self, *, is_over: bool) -> str:
        """Return it in words."""
        added = self.counts["added"]
        others = [f"{n:,} {what}" for what, n in self.counts.items() if n and what != "added"]
        words = ", ".join([f"{added:,} of {self.total:,} added", *others])
        if not is_over:
            return words
        left = self.total - sum(self.counts.values())
        took = duration(timedelta(seconds=time.monotonic() - self._began))
        return f"stopped: {words}, {left:,} not sent" if left else f"{words} in {took}"


def sent_copies(
    stream: Stream, template: Template, options: SendOptions, task: Task
) -> Iterator[SentPart]:
    """Send copies of an event, as often and as far apart as the options say."""
    times, every, id, maxlen = options
    if times > 1 and not every:
        for first in range(1, times + 1, _PART):
            task.check()
            events = [template.event(n) for n in range(first, min(first + _PART, times + 1))]
            for added in add_in_parts(stream, events, count=_PART, maxlen=maxlen):
                yield SentPart(events, added)
        return
    began = time.monotonic()
    for n in range(1, times + 1):
        task.wait(max(0.0, began + (n - 1) * every - time.monotonic()))
        event = template.event(n)
        yield _part_of_one(event, stream.add(event, id=id, maxlen=maxlen))


def sent_events(
    stream: Stream, events: Sequence[Mapping[Any, Any]], task: Task
) -> Iterator[SentPart]:
    """Send events, one after the other."""
    for event in events:
        task.check()
        yield _part_of_one(event, stream.add(event))


def sent_rows(stream: Stream, rows: pd.DataFrame, task: Task) -> Iterator[SentPart]:
    """Send the rows of a frame."""
    for added in add_in_parts(stream, rows, count=_PART):
        yield SentPart([], added[added["status"] != "unsent"])
        task.check()


def _part_of_one(event: Mapping[Any, Any], id: EntryId) -> SentPart:
    return SentPart([event], frames.added_frame([id.encode()], {}))


def check_added(stream: Stream, added: pd.DataFrame) -> None:
    """Raise where not all of a part was added, with what the server said."""
    failed = added[added["status"] != "added"]
    if not len(failed):
        return
    unknown = int((failed["status"] == "unknown").sum())
    if unknown:
        raise UncertainWriteError(
            f"no reply came for {unknown:,}, so they may or may not have been added: look with "
            "tail() before publishing them again",
            stream=stream.key,
            rows=unknown,
        )
    raise ValueError(str(failed["error"].iloc[0]))
