"""What a run reads from its source: how much at a time, what of it is chosen, what was missed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from itertools import chain, compress

import redis

from redisnb import frames
from redisnb.consumers.job import Job
from redisnb.consumers.link import Link
from redisnb.consumers.record import ConsumerState, Tally
from redisnb.consumers.settlement import Deliveries
from redisnb.consumers.sources import EntryBatch, EntrySource
from redisnb.stream import LOOK_SOON, StreamEntry

__all__: list[str] = []

#: How many entries, and how many bytes, the largest batch has that grows by itself.
MOST_ENTRIES, MOST_BYTES = 10_000, 8_000_000
#: How many commands a second ask at most for what was dropped.
LOOKS_A_SECOND = 4


class SourceReader:
    """The reads of one run, and since when it has waited for an entry.

    Parameters
    ----------
    job : Job
    tally : Tally
        Gets the entries and the counts.
    source : EntrySource
    link : Link
        Where the source is asked what was dropped.
    become : callable
        Changes the state.

    Attributes
    ----------
    is_over : bool
        Whether the last read found nothing, and none has for the consumer's timeout.
    """

    def __init__(
        self,
        job: Job,
        tally: Tally,
        source: EntrySource,
        link: Link,
        become: Callable[[ConsumerState], None],
    ) -> None:
        self._job, self._tally, self._source, self._link = job, tally, source, link
        self._become = become
        self._count, self._has_more = job.count, False
        self._look_at = time.monotonic()
        self.wait_again()

    def wait_again(self) -> None:
        """Begin to wait for an entry: the time that a handler takes is not spent waiting."""
        self._waits_since, self.is_over = time.monotonic(), False

    def has_waited(self) -> bool:
        """Return whether no entry has come for the consumer's timeout."""
        timeout = self._job.timeout
        return timeout is not None and time.monotonic() - self._waits_since >= timeout

    async def left_by_others(self) -> EntryBatch:
        """Return entries that another consumer has left, or none."""
        return await self._source.left_by_others(self._count)

    async def next(self, block: int) -> EntryBatch:
        """Return the next entries, after at most `block` ms."""
        if self._job.timeout is not None:
            block = min(block, int(self._job.timeout * 1000) or 1)
        with self._paused_collector():
            batch = await self._source.read(self._count, block)
            self._note(batch.entries)
        # Only an empty reply shows that there was no entry: the loop may have slept meanwhile.
        is_empty = not batch.entries and not batch.from_backlog
        self.is_over = is_empty and self.has_waited()
        return batch

    async def more(self) -> list[StreamEntry]:
        """Return new entries to add to a batch in hand, without a wait."""
        try:
            with self._paused_collector():
                entries = await self._source.read_more(self._count)
                self._note(entries)
        except (redis.RedisError, OSError) as error:
            if not self._source.is_transient(error):
                raise
            # The batch in hand is tried again all the same.
            await self._link.close()
            self._source.restart(error)
            return []
        if entries := self._chosen(entries):
            self.wait_again()
        self._tally.add_entries(entries)
        return entries

    def admit(self, batch: EntryBatch) -> tuple[list[StreamEntry], Deliveries]:
        """Return the entries of a batch that are handed over, with their deliveries."""
        self._look_at = min(self._look_at, time.monotonic() + LOOK_SOON)
        entries = self._chosen(batch.entries)
        self._tally.add_entries(entries)
        return entries, batch.deliveries

    async def look(self) -> None:
        """Ask now and then what was dropped before it was read."""
        now = time.monotonic()
        if now < self._look_at:
            return
        cursor = self._source.cursor
        commands = cursor.look()
        has_all = len(cursor.looking) == len(self._job.streams)
        self._look_at = now + (
            self._source.look_after if has_all else len(commands) / LOOKS_A_SECOND
        )
        if await self._source.look(await self._link.look(commands)):
            self._look_at = min(self._look_at, time.monotonic() + LOOK_SOON)

    def _paused_collector(self) -> contextlib.AbstractContextManager[None]:
        # Not while one reply follows the other: it would look at thousands of lists several times.
        return frames.paused_collector() if self._has_more else contextlib.nullcontext()

    def _note(self, entries: Sequence[StreamEntry]) -> None:
        self._become("running")
        self._has_more = self._job.takes_frames and len(entries) >= self._count
        if self._job.grows:
            self._count = next_count(self._count, entries)

    def _chosen(self, entries: list[StreamEntry]) -> list[StreamEntry]:
        """Return the entries that `where` chooses, and those that have no body any more."""
        filter, whole = self._job.filter, [each for each in entries if each[2]]
        if filter is None or not whole:
            return entries
        keys, ids, bodies = zip(*whole, strict=True)
        mask = filter.of_entries(ids, bodies, keys if len(self._job.streams) > 1 else keys[0])
        skipped = {each[:2] for each in compress(whole, (~mask).tolist())}
        self._tally.count("skipped", len(skipped))
        self._source.settlement.note_skipped([each for each in entries if each[:2] in skipped])
        return [each for each in entries if each[:2] not in skipped]


def next_count(count: int, entries: Sequence[StreamEntry]) -> int:
    """Return how many entries to read next, after a reply to a read of `count`."""
    size = sum(map(len, chain.from_iterable(fields or () for _, _, fields in entries)))
    if size > MOST_BYTES:
        return max(1, count // 2)
    is_full = len(entries) >= count
    return min(2 * count, MOST_ENTRIES) if is_full and 2 * size <= MOST_BYTES else count
