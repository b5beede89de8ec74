"""The sweep over what other consumers have left pending."""

from __future__ import annotations

import time

from redisnb.background import logger
from redisnb.consumers.groups.link import GroupLink
from redisnb.consumers.job import Job
from redisnb.consumers.sources import EntryBatch
from redisnb.stream import claim_page

__all__: list[str] = []

#: How long after one sweep the next one begins, in seconds, unless a sweep takes long.
SWEEP_EVERY = 1.5
#: How many streams are swept before new entries are read, and how many in a second: a consumer of a
#: thousand streams must not be a load to its server.
SWEPT_AT_ONCE, SWEPT_PER_SECOND = 5, 8


class Sweep:
    """The sweep over the pending lists of a group's streams, page by page.

    Parameters
    ----------
    job : Job
        Says after which idle time entries are taken over.
    link : GroupLink
    """

    def __init__(self, job: Job, link: GroupLink) -> None:
        self._keys, self._min_idle, self._link = list(job.streams), job.min_idle, link
        self._next_at = self._began_at = 0.0
        # Where to go on in the pending lists of the streams that are not swept yet.
        self._starts: dict[str, bytes] = {}

    @property
    def goes_on(self) -> bool:
        """Whether the next page is due, and belongs to a sweep that has begun."""
        return bool(self._starts) and self._is_due()

    async def page(self, count: int) -> EntryBatch:
        """Take over the next page of what has been idle for too long, if it is due."""
        if not self._is_due():
            return EntryBatch([], {})
        if not self._starts:
            self._began_at = time.monotonic()
            self._starts = dict.fromkeys(self._keys, b"0-0")
        portion = list(self._starts.items())[:SWEPT_AT_ONCE]
        group, consumer = self._link.group, self._link.consumer
        for key, start in portion:
            page = claim_page(key, group, consumer, self._min_idle, start, count)
            claimed = await self._link.converse(page)
            self._starts[key] = claimed.start
            if claimed.start == b"0-0":
                del self._starts[key]
            if claimed.entries:
                break
        self._pause(portion)
        if claimed.entries:
            n = len(claimed.entries)
            logger.info("group %r of %r: %r takes over %d entries", group, key, consumer, n)
        return EntryBatch(
            [(key, id, fields) for id, fields in claimed.entries],
            {(key, id): n for id, n in claimed.deliveries.items()},
        )

    def _is_due(self) -> bool:
        return time.monotonic() >= self._next_at

    def _pause(self, portion: list[tuple[str, bytes]]) -> None:
        if not self._starts:
            # Soon, for what is given back or redriven; later, where the pending list is long.
            duration = time.monotonic() - self._began_at
            latest = max(SWEEP_EVERY, self._min_idle / 2000)
            pause = min(max(SWEEP_EVERY, 20 * duration), latest)
            last = len(portion) if len(self._keys) > SWEPT_AT_ONCE else 0
            self._next_at = time.monotonic() + max(pause, last / SWEPT_PER_SECOND)
        elif not any(key in self._starts for key, _ in portion):
            # All of these streams were empty: the others in a while.
            self._next_at = time.monotonic() + SWEPT_AT_ONCE / SWEPT_PER_SECOND
