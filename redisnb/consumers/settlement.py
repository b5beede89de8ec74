"""What becomes of entries, and how the server is told."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Protocol, TypeAlias

import redis

from redisnb import wire
from redisnb.consumers.job import Job
from redisnb.consumers.link import Link
from redisnb.entries import Entry, make_entry
from redisnb.stream import StreamEntry

__all__: list[str] = []

#: The longest that a handled entry waits to be settled while a batch goes on, in seconds.
SETTLE_EVERY = 1.0

#: The deliveries of entries, by key and ID, where there are others than one.
Deliveries: TypeAlias = Mapping[tuple[str, bytes], int]
#: What names an entry among those of several streams.
key_and_id: Callable[[StreamEntry], tuple[str, bytes]] = itemgetter(0, 1)


class Settlement(Protocol):
    """What becomes of the entries that a run has read."""

    def still_held(self, entries: Sequence[StreamEntry]) -> Sequence[StreamEntry]:
        """Return the entries that are still this consumer's to handle."""

    def entry(self, each: StreamEntry, deliveries: Deliveries) -> Entry:
        """Return an entry for its handler, which gets it next."""

    def note_attempt(self, entries: Sequence[StreamEntry]) -> None:
        """Note entries that a handler gets next, in a frame."""

    def end_attempts(self, undecided: Iterable[StreamEntry]) -> None:
        """Note the end of the attempts at a batch, and the entries that they leave undecided."""

    def note_handled(self, entries: Sequence[StreamEntry]) -> None:
        """Note entries that the handler has returned from."""

    def note_failed(
        self, entries: Sequence[StreamEntry], deliveries: Deliveries, error: Exception
    ) -> None:
        """Note entries that the handler raised for."""

    def excuse(self, entries: Sequence[StreamEntry], deliveries: Deliveries) -> None:
        """Note entries that are to be tried again since it is the handler that fails."""

    def note_skipped(self, entries: Sequence[StreamEntry]) -> None:
        """Note entries that `where` does not choose."""

    def note_trimmed(self, entries: Sequence[StreamEntry]) -> None:
        """Note entries whose body is gone."""

    async def settle(self) -> None:
        """Tell the server what was noted; what fails is told again the next time."""


class Unsettled(dict[str, list[bytes]]):
    """IDs of entries, by stream, that the server has yet to be told of."""

    def __init__(self, keys: Iterable[str]) -> None:
        super().__init__((key, []) for key in keys)

    def note(self, entries: Iterable[StreamEntry]) -> None:
        """Add entries."""
        for key, id, _ in entries:
            self[key].append(id)

    async def settle(self, settle: Callable[[str, Sequence[bytes]], Awaitable[None]]) -> None:
        """Call `settle` with a stream and its IDs, in parts, and forget each part after it."""
        for key, ids in self.items():
            while ids:
                part = ids[: wire.BATCH]
                await settle(key, part)
                # Not before: whatever broke in between is told again.
                del ids[: len(part)]


class Settler:
    """Has entries settled, by one task at a time, and knows when that is due.

    Attributes
    ----------
    due_at : float
        The latest time to settle while a batch goes on, by the monotonic clock.
    """

    def __init__(self, settlement: Settlement) -> None:
        self._settlement = settlement
        self._lock = asyncio.Lock()
        self.due_at = time.monotonic() + SETTLE_EVERY

    async def settle(self) -> None:
        """Settle what has been noted so far."""
        async with self._lock:
            self.due_at = time.monotonic() + SETTLE_EVERY
            await self._settlement.settle()

    async def try_to_settle(self) -> None:
        """Settle; where that fails, the loop tries again after the batch."""
        with contextlib.suppress(redis.RedisError, OSError):
            await self.settle()


class UngroupedSettlement:
    """What becomes of entries without a group: handled, they may be deleted; else nothing.

    Parameters
    ----------
    job : Job
    link : Link
        Where entries are deleted.
    """

    def __init__(self, job: Job, link: Link) -> None:
        self._link, self._layout = link, job.layout
        self._deletes = job.after == "delete"
        self._handled = Unsettled(job.streams)

    def still_held(self, entries: Sequence[StreamEntry]) -> Sequence[StreamEntry]:
        """Return all: a stream is read by others too."""
        return entries

    def entry(self, each: StreamEntry, deliveries: Deliveries) -> Entry:
        """Return an entry for its handler."""
        key, id, fields = each
        return make_entry(id, fields, key, self._layout)

    def note_attempt(self, entries: Sequence[StreamEntry]) -> None:
        """Do nothing: attempts are not counted."""

    def end_attempts(self, undecided: Iterable[StreamEntry]) -> None:
        """Do nothing, as in `note_attempt`."""

    def note_handled(self, entries: Sequence[StreamEntry]) -> None:
        """Note entries that may be deleted."""
        if self._deletes:
            for key, id, _ in entries:
                self._handled[key].append(id)

    def note_failed(
        self, entries: Sequence[StreamEntry], deliveries: Deliveries, error: Exception
    ) -> None:
        """Do nothing: they are passed over."""

    def excuse(self, entries: Sequence[StreamEntry], deliveries: Deliveries) -> None:
        """Do nothing, as in `note_attempt`."""

    def note_skipped(self, entries: Sequence[StreamEntry]) -> None:
        """Do nothing: they are passed over."""

    def note_trimmed(self, entries: Sequence[StreamEntry]) -> None:
        """Do nothing: there is nothing left to delete."""

    async def settle(self) -> None:
        """Delete what was handled."""
        await self._handled.settle(self._delete)

    async def _delete(self, key: str, ids: Sequence[bytes]) -> None:
        await self._link.ask(("XDEL", key, *ids))
