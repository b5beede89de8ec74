"""How batches come to a handler of frames, and which entries it is where the handler raises."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import pandas as pd

from redisnb import frames
from redisnb.consumers.job import Job
from redisnb.consumers.link import Stop
from redisnb.consumers.reading import MOST_ENTRIES, SourceReader
from redisnb.consumers.record import ConsumerState, Tally
from redisnb.consumers.settlement import Deliveries, Settlement, Settler, key_and_id
from redisnb.patience import Backoff
from redisnb.stream import StreamEntry

__all__: list[str] = []

#: After how many cuts in halves without a success it is the handler that fails, and of how many
#: entries at least: of fewer, each counts.
CUTS, ENOUGH = 2, 4


class Batches:
    """The batches that go to a handler as frames.

    Parameters
    ----------
    job : Job
    tally : Tally
        Gets the counts and the errors.
    settlement : Settlement
        Gets what becomes of each entry.
    settler : Settler
    reader : SourceReader
        Where more entries come from while the handler fails.
    become : callable
        Changes the state.
    stop : Stop
        No frame is handed over after it.
    """

    def __init__(
        self,
        job: Job,
        tally: Tally,
        settlement: Settlement,
        settler: Settler,
        reader: SourceReader,
        become: Callable[[ConsumerState, BaseException | None], None],
        stop: Stop,
    ) -> None:
        self._handler, self._tally, self._become, self._stop = job.handler, tally, become, stop
        self._settlement, self._settler, self._reader = settlement, settler, reader
        self._is_many = len(job.streams) > 1
        self._pieces = frames.Pieces(job.layout, schema=job.schema)
        # What the handler has raised for, while it worked for others.
        self._failed_alone: set[tuple[str, bytes]] = set()

    async def hand_over(self, entries: Sequence[StreamEntry], deliveries: Deliveries) -> None:
        """Have a batch handled; while the handler fails at all of it, try again."""
        if not entries or self._stop.is_asked:
            return
        batch = list(entries)
        try:
            await self._hand_over(batch, deliveries)
        finally:
            # Stopped in the middle of another attempt: what did not fail alone is as before.
            undecided: list[StreamEntry] = []
            if self._stop.is_asked:
                undecided = [each for each in batch if each[:2] not in self._failed_alone]
            self._settlement.end_attempts(undecided)

    async def _hand_over(self, batch: list[StreamEntry], deliveries: Deliveries) -> None:
        backoff, cuts = Backoff(), CUTS
        while True:
            works = all(each[:2] in self._failed_alone for each in batch)
            goes_on = self._stop.goes_on
            verdict = await sift(batch, self._attempt, goes_on, cuts=cuts, works=works)
            if len(self._failed_alone) > MOST_ENTRIES:
                self._failed_alone.clear()
            for each, error in verdict.failures:
                self._failed_alone.add(each[:2])
                self._tally.add_failure(each, 1, error)
                self._settlement.note_failed([each], deliveries, error)
            if verdict.handler is None:
                return
            self._tally.add_failure(batch[0], len(batch), verdict.handler)
            self._settlement.excuse(batch, deliveries)
            self._become("stalled", verdict.handler)
            if not await self._wait(backoff.next()):
                return
            # Smaller parts, and what has come since: if it succeeds at any, it is others that fail.
            cuts += 1
            if len(batch) < MOST_ENTRIES:
                batch += await self._reader.more()

    async def _wait(self, seconds: float) -> bool:
        """Wait, and return whether the run goes on."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self._stop.is_asked or self._reader.has_waited():
                return False
            await asyncio.sleep(0.02)
        return True

    async def _attempt(self, entries: Sequence[StreamEntry]) -> Exception | None:
        if not (entries := self._settlement.still_held(entries)):
            return None
        self._settlement.note_attempt(entries)
        rest = self._handler(self._frame(entries), self._stop.goes_on)
        error = None if rest is None else await rest
        if error is None:
            self._become("running", None)
            self._tally.count("handled", len(entries))
            self._settlement.note_handled(entries)
            self._failed_alone.difference_update(map(key_and_id, entries))
            if time.monotonic() >= self._settler.due_at:
                await self._settler.try_to_settle()
        return error

    @frames.paused_collector()
    def _frame(self, entries: Sequence[StreamEntry]) -> pd.DataFrame:
        keys, ids, bodies = zip(*entries, strict=True)
        return self._pieces.frame([*zip(ids, bodies, strict=True)], keys if self._is_many else None)


class Verdict(NamedTuple):
    """The entries that failed alone, with their errors; or why a handler failed at everything."""

    failures: list[tuple[StreamEntry, Exception]]
    handler: Exception | None = None


async def sift(
    batch: Sequence[StreamEntry],
    attempt: Callable[[Sequence[StreamEntry]], Awaitable[Exception | None]],
    goes_on: Callable[[], bool],
    *,
    cuts: int = CUTS,
    works: bool = False,
) -> Verdict:
    """Have a batch handled, in ever smaller parts where the handler raises.

    Parameters
    ----------
    attempt : coroutine function
        Has entries handled, and returns what the handler raised.
    goes_on : callable
        Whether to begin another attempt; entries that had none are not in the result.
    cuts : int
        After how many cuts it is the handler that fails, if nothing has succeeded.
    works : bool
        Whether it is known that the handler works.
    """
    error = await attempt(batch)
    if error is None:
        return Verdict([])
    first, failing = error, [(batch, error)]
    failures: list[tuple[StreamEntry, Exception]] = []
    cut, succeeded = 0, works or len(batch) < ENOUGH
    while failing and goes_on():
        if not succeeded and (cut == cuts or all(len(part) == 1 for part, _ in failing)):
            return Verdict([], first)
        again: list[tuple[Sequence[StreamEntry], Exception]] = []
        for part, error in failing:
            if len(part) == 1:
                if succeeded:
                    failures.append((part[0], error))
                else:
                    again.append((part, error))
                continue
            middle = (len(part) + 1) // 2
            for half in (part[:middle], part[middle:]):
                if not goes_on():
                    return Verdict(failures)
                raised = await attempt(half)
                if raised is None:
                    succeeded = True
                else:
                    again.append((half, raised))
        failing, cut = again, cut + 1
    return Verdict(failures)
