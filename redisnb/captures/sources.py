"""What a capture reads: the entries of streams, in the order of their IDs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Mapping
from itertools import chain

import redis

from redisnb import frames, wire
from redisnb.captures.json_lines import Captured
from redisnb.entries import EntryId, Fields, merge_by_id, order_of
from redisnb.errors import ConnectError, is_passing
from redisnb.stream import StreamCursor, Wait, followed_pages
from redisnb.wire import Connection

__all__: list[str] = []

#: How many entries, and about how many bytes of them, several streams have in memory together.
BUFFERED, BUFFERED_BYTES = 20_000, 32 * 1024 * 1024


class Sources:
    """Read streams, and note how many entries were removed before they were read."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._read: dict[str, wire.Pages] = {}
        self._cursor = StreamCursor({})

    @property
    def missed(self) -> Counter[str]:
        """How many entries of each stream are missing."""
        ranges = Counter({key: pages.missed for key, pages in self._read.items()})
        return ranges + self._cursor.missed

    @property
    def messages(self) -> list[str]:
        """What of it has not been told."""
        return [pages.message for pages in self._read.values() if pages.missed]

    def range(
        self, bounds: Mapping[str, tuple[str, str]], limit: int | None
    ) -> Generator[list[Captured]]:
        """Give what there is of each stream between two bounds."""
        many = len(bounds)
        most = max(1, min(wire.PAGE, BUFFERED // many)) if many > 1 else None
        for key, each in bounds.items():
            self._read[key] = wire.Pages(
                self._conn,
                key,
                *each,
                limit=limit if many == 1 else None,
                most=most,
                most_bytes=wire.PAGE_BYTES if many == 1 else BUFFERED_BYTES // many,
            )
        with frames.paused_collector():
            yield from merge_by_id([self._series(key, many=many > 1) for key in bounds])

    def _series(self, key: str, *, many: bool) -> Generator[list[Captured]]:
        pages = self._read[key]
        # Iterated, each would hold a link until its end.
        for page in pages.one_by_one() if many else pages:
            yield [(key, id, fields) for id, fields in page]

    def follow(self, after: dict[str, EntryId], wait: Wait) -> Generator[list[Captured]]:
        """Give what there is, and then what comes; empty pages while nothing does."""
        try:
            bounds = {key: (f"({id}", "+") for key, id in after.items()}
            for page in self.range(bounds, None):
                yield page
                after |= {key: EntryId(id) for key, id in {e[0]: e[1] for e in page}.items()}
        except (redis.RedisError, ConnectError, OSError) as error:
            # From here on it is tried again for a while.
            if not is_passing(error):
                raise
        self._cursor = StreamCursor(after)
        for found in followed_pages(self._conn, self._cursor, wait):
            whole = [(key, id, fields) for key, id, fields in found if fields is not None]
            yield sorted(whole, key=order_of) if len(after) > 1 else whole


def size(bodies: Iterable[Fields]) -> int:
    """Return how many bytes the names and values of entries have."""
    return sum(map(len, chain.from_iterable(bodies)))
