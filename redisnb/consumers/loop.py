"""One run of a consumer: read, hand over, settle, again and again, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
from collections.abc import Callable

import redis

from redisnb import wire
from redisnb.consumers.batches import Batches
from redisnb.consumers.job import Job
from redisnb.consumers.lanes import Lanes, Passing, pass_over
from redisnb.consumers.link import Link, Stop
from redisnb.consumers.reading import SourceReader
from redisnb.consumers.record import ConsumerState, Tally
from redisnb.consumers.settlement import Settler
from redisnb.consumers.sources import EntryBatch, EntrySource
from redisnb.errors import GroupMissingError
from redisnb.patience import Patience
from redisnb.stream import BLOCK

__all__: list[str] = []

#: How long after `stop` a coroutine in hand is cancelled, in seconds.
CUT_AFTER = 1.0

#: What keeps a run from ending that is abandoned.
_NO_REPLY, _NO_RETURN = "the server did not answer", "the handler did not return"


class Worker:
    """One run of a consumer.

    Parameters
    ----------
    job : Job
    tally : Tally
        Gets the state, the counts, the entries and the errors.
    source : callable
        Makes the source that is read.
    """

    def __init__(
        self, job: Job, tally: Tally, source: Callable[[Job, Link, Tally], EntrySource]
    ) -> None:
        self.job, self._tally = job, tally
        self._stop = Stop()
        self._link = Link(job.conn, next(iter(job.streams)), self._stop)
        self._source = source(job, self._link, tally)
        settlement = self._source.settlement
        self._settler = Settler(settlement)
        self._reader = SourceReader(job, tally, self._source, self._link, self.become)
        handing = (job, tally, settlement, self._settler)
        self._handover: Batches | Lanes | Passing
        if job.handler.function is pass_over:
            self._handover = Passing(job, tally, settlement)
        elif job.takes_frames:
            self._handover = Batches(*handing, self._reader, self.become, self._stop)
        else:
            self._handover = Lanes(*handing, self._stop)
        self._blocker = _NO_REPLY
        self._is_cut = self._is_ending = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ident: int | None = None

    # -- from any thread

    def begin(self) -> None:
        """Find where to begin; it asks the server, so a mistake shows before anything runs."""
        self._source.begin()

    @property
    def is_stopping(self) -> bool:
        """Whether it was told to stop."""
        return self._stop.is_asked

    def stop(self) -> None:
        """End soon: a plain handler returns first, a coroutine has a second to do so."""
        if self._stop.is_asked:
            return
        # Not in the loop, which a handler may hold up.
        self._stop.ask()
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: it has ended
                self._loop.call_soon_threadsafe(self._hurry)

    def abandon(self) -> None:
        """Go on without it: what holds it up does not end, and perhaps never will."""
        self._stop.is_abandoned = True
        self._tally.become("failed", TimeoutError(f"after stop() {self._blocker}"))
        self._source.abandon()

    def become(self, state: ConsumerState, error: BaseException | None = None) -> None:
        """Change the state that is shown."""
        if not self._stop.is_abandoned:
            self._tally.become(state, error)

    def runs_here(self) -> bool:
        """Return whether the calling thread is that of its loop."""
        return self._ident == threading.get_ident()

    # -- in its loop

    async def run(self) -> None:
        """Consume until it is told to stop, or as `Consumer.arun` says."""
        self._loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        self._task, self._ident = task, threading.get_ident()
        self._link.open(self._source.link_name)
        self._reader.wait_again()
        try:
            try:
                self._source.start()
                await self._run()
            finally:
                self._is_ending = True
                self._stop.limit()
                await self._end()
        except asyncio.CancelledError:
            self.become("stopped")
            if not self._is_cut or task.uncancel():
                raise
        except BaseException as error:
            self.become("failed", error)
            raise
        else:
            self.become("stopped")

    async def _run(self) -> None:
        patience = Patience(math.inf, self._source.is_transient)
        while not self._stop.is_asked and not self._reader.is_over:
            try:
                await self._step()
                patience.reset()
            except (redis.RedisError, GroupMissingError, OSError) as error:
                if isinstance(error, redis.AuthenticationError):
                    raise wire.refusal(self.job.conn, error) from error
                wait = patience.wait_after(error)
                self.become("stalled", error)
                if not isinstance(error, redis.ResponseError):
                    # Without a reply it is unknown what was delivered.
                    await self._link.close()
                    self._source.restart(error)
                await asyncio.sleep(wait)
                # A timeout limits the wait for a lost server too.
                self._reader.is_over = self._reader.has_waited()

    async def _step(self) -> None:
        await self._source.prepare()
        await self._settler.settle()
        await self._reader.look()
        batch = await self._reader.left_by_others()
        if batch.entries:
            await self._take(batch)
            await self._settler.settle()
        await self._take(await self._reader.next(BLOCK))

    async def _take(self, batch: EntryBatch) -> None:
        """Have a batch handled, in the portions that the source makes of it."""
        parts = self._source.portions(batch, self._stop.goes_on)
        try:
            async with contextlib.aclosing(parts) as portions:
                async for portion in portions:
                    if portion.entries:
                        await self._hand_over(portion)
        except redis.ResponseError as error:
            # The rest of the batch was read, and not handed over.
            self._source.restart(error)
            raise

    async def _hand_over(self, portion: EntryBatch) -> None:
        # A `where` may be a function of the user's, too.
        self._blocker = _NO_RETURN
        entries, deliveries = self._reader.admit(portion)
        trimmed = [each for each in entries if not each[2]]
        self._source.settlement.note_trimmed(trimmed)
        self._tally.count("trimmed", len(trimmed))
        await self._handover.hand_over([each for each in entries if each[2]], deliveries)
        self._reader.wait_again()
        self._blocker = _NO_REPLY

    def _hurry(self) -> None:
        assert self._loop is not None
        self._loop.call_later(CUT_AFTER, self._cut_off)

    def _cut_off(self) -> None:
        """Cancel what takes too long after `stop`: a handler, or a wait for the server."""
        if not self._is_ending:
            self._is_cut = True
            self._task.cancel()

    async def _end(self) -> None:
        """Leave everything in order, as far as the server allows."""
        try:
            with contextlib.suppress(redis.RedisError, OSError):
                await self._settler.settle()
        finally:
            await self._source.end()
            await self._link.close()
