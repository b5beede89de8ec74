"""What a consume panel shows: its streams and its rows."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from redisnb.consumers import KEPT_ENTRIES, Consumer
from redisnb.stream import ConsumerGroup, Stream

__all__: list[str] = []


class RecentRows:
    """The latest rows of a consumer, newest first, as of one moment."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self.count = consumer.stats["received"]
        self.length = min(self.count, KEPT_ENTRIES)

    def frame(self, start: int, stop: int) -> pd.DataFrame:
        """Return the rows from `start` to `stop`, counted from the newest."""
        n = max(0, min(stop, self.length) - start)
        return self._consumer.frame(n, before=self.count - start).iloc[::-1]


def introduce(source: Stream | ConsumerGroup | Consumer) -> tuple[str, str, str]:
    """Return a title, the endpoint, and a sentence on what happens to an entry."""
    streams, groups = read_by(source.source if isinstance(source, Consumer) else source)
    keys = ", ".join(repr(stream.key) for stream in streams)
    place = streams[0].conn.name
    how = f" as {groups[0].consumer!r} of group {groups[0].name!r}" if groups else ""
    if isinstance(source, Consumer):
        how = how or f" from {source.begins!r} on"
        note = f"Reads{how} and passes each entry to your handler."
        return f"Consumer of {keys}", place, note
    if how:
        return f"Consume {keys}", place, f"Reads{how}."
    return f"Watch {keys}", place, "Shows what is added; nothing is acknowledged or deleted."


def read_by(
    source: Stream | ConsumerGroup | Sequence[Stream] | Sequence[ConsumerGroup],
) -> tuple[list[Stream], list[ConsumerGroup]]:
    """Return the streams that are read, and their groups."""
    sources = [source] if isinstance(source, Stream | ConsumerGroup) else [*source]
    groups = [each for each in sources if isinstance(each, ConsumerGroup)]
    streams = [each.stream if isinstance(each, ConsumerGroup) else each for each in sources]
    return streams, groups
