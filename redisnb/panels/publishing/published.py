"""PublishedHere: the events that a panel has published."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from typing import Any

import pandas as pd

from redisnb import frames
from redisnb.entries import EntryId
from redisnb.panels.publishing.sending import SentPart

__all__ = ["PublishedHere"]

#: How many are kept.
_KEPT = 1_000
#: What `PublishedHere.frame` returns, by `entry_time`.
_PUBLISHED_HERE = {"entry_time": "datetime64[ms, UTC]", "entry_id": "str", "event": "str"}


class PublishedHere:
    """The last 1,000 events that were published."""

    def __init__(self) -> None:
        self._events: deque[tuple[EntryId, Mapping[Any, Any]]] = deque(maxlen=_KEPT)

    def take(self, part: SentPart) -> None:
        """Keep the events of a part that were added."""
        for event, id in zip(part.events, part.added["entry_id"], strict=False):
            if isinstance(id, str):
                self._events.appendleft((EntryId(id), event))

    def newest(self) -> str:
        """Return the ID of the newest; "" without one."""
        return self._events[0][0] if self._events else ""

    def events(self, entries: pd.DataFrame) -> list[Mapping[Any, Any]]:
        """Return the events of rows of `frame`, the oldest first."""
        ids = set(entries["entry_id"])
        return [event for id, event in reversed(list(self._events)) if id in ids]

    def frame(self) -> pd.DataFrame:
        """Return them by time, the newest first, as `entry_id` and `event`, which is JSON text."""
        rows = [
            (None if pd.isna(id.time) else id.ms, id, json.dumps(event, ensure_ascii=False))
            for id, event in list(self._events)
        ]
        return frames.table(_PUBLISHED_HERE, rows).set_index("entry_time")
