"""What a capture reads: the entries of streams, in the order of their IDs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Mapping
from itertools import chain

import redis

from redisnb import frames, wire
from redisnb.captures.json_lines import CapturedEntry
from redisnb.entries import EntryId, Fields, merge_by_id, order_of
from redisnb.errors import ConnectError, is_transient
from redisnb.stream import StreamCursor, Wait, followed_pages
from redisnb.wire import Connection

__all__: list[str] = []

#: How many entries, and about how many bytes, several streams hold in memory together.
BUFFER_ENTRIES, BUFFER_BYTES = 20_000, 32 * 1024 * 1024


class Sources:
    """The streams of a capture, and how many entries were removed before they were read."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._pages: dict[str, wire.Pages] = {}
        self._cursor = StreamCursor({})

    @property
    def missed(self) -> Counter[str]:
        """How many entries of each stream are missing."""
        ranges = Counter({key: pages.missed for key, pages in self._pages.items()})
        return ranges + self._cursor.missed

    @property
    def messages(self) -> list[str]:
        """What is missing and has not been warned of."""
        return [pages.message for pages in self._pages.values() if pages.missed]

    def range(
        self, bounds: Mapping[str, tuple[str, str]], limit: int | None
    ) -> Generator[list[CapturedEntry]]:
        """Yield the entries of each stream between two bounds."""
        many = len(bounds)
        most = max(1, min(wire.PAGE, BUFFER_ENTRIES // many)) if many > 1 else None
        for key, each in bounds.items():
            self._pages[key] = wire.Pages(
                self._conn,
                key,
                *each,
                limit=limit if many == 1 else None,
                most=most,
                most_bytes=wire.PAGE_BYTES if many == 1 else BUFFER_BYTES // many,
            )
        with frames.paused_collector():
            yield from merge_by_id([self._series(key, many=many > 1) for key in bounds])

    def _series(self, key: str, *, many: bool) -> Generator[list[CapturedEntry]]:
        pages = self._pages[key]
        # Plain iteration would hold one link per stream until its end.
        for page in pages.one_by_one() if many else pages:
            yield [(key, id, fields) for id, fields in page]

    def follow(self, after: dict[str, EntryId], wait: Wait) -> Generator[list[CapturedEntry]]:
        """Yield the entries there are, then new ones; empty pages while none arrive."""
        try:
            bounds = {key: (f"({id}", "+") for key, id in after.items()}
            for page in self.range(bounds, None):
                yield page
                after |= {key: EntryId(id) for key, id in {e[0]: e[1] for e in page}.items()}
        except (redis.RedisError, ConnectError, OSError) as error:
            # followed_pages() retries for a while.
            if not is_transient(error):
                raise
        self._cursor = StreamCursor(after)
        for entries in followed_pages(self._conn, self._cursor, wait):
            page = [(key, id, fields) for key, id, fields in entries if fields is not None]
            yield sorted(page, key=order_of) if len(after) > 1 else page


def size(bodies: Iterable[Fields]) -> int:
    """Return the size of the names and values of entries in bytes."""
    return sum(map(len, chain.from_iterable(bodies)))
