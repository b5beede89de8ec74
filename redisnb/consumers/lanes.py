"""How entries come to a handler one by one, or, to a coroutine, several at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence

from redisnb.consumers.job import Job
from redisnb.consumers.link import Stop
from redisnb.consumers.record import Tally
from redisnb.consumers.settlement import Deliveries, Settlement, Settler
from redisnb.entries import Entry
from redisnb.stream import StreamEntry

__all__: list[str] = []

#: How often entries are read at most that nothing is done with, in seconds.
PASSED_OVER_EVERY = 0.2


def pass_over(entry: Entry) -> None:
    """Do nothing with an entry: a consumer with this handler only reads, and calls nothing."""


class Passing:
    """The way of entries that nothing is done with: at once, whole batches, and not too often.

    To call a function for each of 10,000 entries a second takes a tenth of a core, and so does
    reading them as they come, few at a time.

    Parameters
    ----------
    job, tally, settlement
        As for `Lanes`.
    """

    def __init__(self, job: Job, tally: Tally, settlement: Settlement) -> None:
        self._most, self._tally, self._settlement = job.count, tally, settlement

    async def hand_over(self, entries: Sequence[StreamEntry], deliveries: Deliveries) -> None:
        """Note entries as handled."""
        held = self._settlement.still_held(entries)
        self._tally.count("handled", len(held))
        self._settlement.note_handled(held)
        if len(entries) < self._most:
            await asyncio.sleep(PASSED_OVER_EVERY)


class Lanes:
    """The lanes on which entries go to their handler: as many as it may have at a time.

    Parameters
    ----------
    job : Job
    tally : Tally
        Gets the counts and the errors.
    settlement : Settlement
        Gets what becomes of each entry.
    settler : Settler
    stop : Stop
        No entry is handed over after it.
    """

    def __init__(
        self, job: Job, tally: Tally, settlement: Settlement, settler: Settler, stop: Stop
    ) -> None:
        self._handler, self._concurrency = job.handler, job.concurrency
        self._tally, self._stop = tally, stop
        self._settlement, self._settler = settlement, settler

    async def hand_over(self, entries: Sequence[StreamEntry], deliveries: Deliveries) -> None:
        """Have entries handled."""
        waiting = iter(entries)
        if self._concurrency == 1:
            await self._lane(waiting, deliveries)
            return
        try:
            async with asyncio.TaskGroup() as lanes:
                for _ in range(min(self._concurrency, len(entries))):
                    lanes.create_task(self._lane(waiting, deliveries))
        except BaseExceptionGroup as errors:
            # What a handler may raise is kept; this ends the consumer, and one reason is enough.
            raise errors.exceptions[0] from None

    async def _lane(self, waiting: Iterator[StreamEntry], deliveries: Deliveries) -> None:
        """Handle one entry after the other."""
        # The road of every single entry: each call on it shows.
        handler, count, stop, settler = self._handler, self._tally.count, self._stop, self._settler
        goes_on, settlement, now = stop.goes_on, self._settlement, time.monotonic
        held, entry, handled = settlement.still_held, settlement.entry, settlement.note_handled
        for each in waiting:
            if stop.is_asked:
                return
            if held((each,)):
                # A plain function has returned, or raised, before there is anything to await.
                rest = handler(entry(each, deliveries), goes_on)
                error = None if rest is None else await rest
                if error is None:
                    count("handled", 1)
                    handled((each,))
                else:
                    self._tally.add_failure(each, 1, error)
                    settlement.note_failed((each,), deliveries, error)
                if now() >= settler.due_at:
                    await settler.try_to_settle()
