"""One run of a consumer: read, hand over, settle, again and again, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import compress
from typing import Any, TypeAlias

import pandas as pd
import redis

from redisnb import frames, wire
from redisnb.consumers.batches import CUTS, MOST_ENTRIES, key_and_id, next_count, sift
from redisnb.consumers.job import Job
from redisnb.consumers.record import State, Tally
from redisnb.entries import Entry, make_entry
from redisnb.errors import GroupMissingError, is_passing
from redisnb.patience import Backoff, Patience
from redisnb.stream import (
    BLOCK,
    LOOK_LATER,
    LOOK_SOON,
    Command,
    Found,
    GroupCursor,
    StreamCursor,
    resolve_start,
)

__all__: list[str] = []

#: How long after `stop` a coroutine in hand is cancelled, and until when anything is sent to the
#: server, in seconds.
CUT_AFTER, SENT_WITHIN = 1.0, 1.6
#: How long what is handled waits at most to be settled while a batch goes on, in seconds.
SETTLE_EVERY = 1.0
#: How many commands ask at most for what was dropped, in a second.
LOOKS_A_SECOND = 4

#: How often entries, by key and ID, have been delivered where it is not once.
Deliveries: TypeAlias = Mapping[tuple[str, bytes], int]


class Worker:
    """Read streams without a group.

    Parameters
    ----------
    job : Job
    tally : Tally
        Gets the state, the counts, the entries and the errors.
    """

    #: How long after a read without entries to ask what was dropped, in seconds.
    looks_after = LOOK_LATER
    link_name: str | None = None  # in the server's list of clients

    def __init__(self, job: Job, tally: Tally) -> None:
        self.job, self.tally = job, tally
        first = next(iter(job.streams.values()))
        self.conn, self._layout = first.conn, first.layout
        self._pieces = frames.Pieces(first.layout, schema=job.schema)
        # Handled, and the server does not know yet.
        self._done: dict[str, list[bytes]] = {key: [] for key in job.streams}
        self._count = job.count
        # What a handler of frames has raised for, while it worked for others.
        self._failed_alone: set[tuple[str, bytes]] = set()
        self._stop = threading.Event()
        self._abandoned = self._cut = self._ending = self._has_more = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ident: int | None = None
        self._until: float | None = None  # then nothing is sent any more

    # -- from any thread

    def begin(self) -> None:
        """Find where to begin; it asks the server, so a mistake shows before anything runs."""
        if self.job.after == "delete":
            wire.check_sends(self.conn, "XDEL")
        begins, streams = self.job.begins or "new", self.job.streams.items()
        after = {key: resolve_start(stream, begins) for key, stream in streams}
        self._cursor: StreamCursor | GroupCursor = StreamCursor(after)

    @property
    def stopping(self) -> bool:
        """Whether it was told to stop."""
        return self._stop.is_set()

    def stop(self) -> None:
        """End soon: a plain handler returns first, a coroutine has a second to do so."""
        if self._stop.is_set():
            return
        # Not in the loop, which a handler may hold up.
        self._until = time.monotonic() + SENT_WITHIN
        self._stop.set()
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: it has ended
                self._loop.call_soon_threadsafe(self._hurry)

    def abandon(self) -> None:
        """Go on without it: its handler does not return, and perhaps never will."""
        self._abandoned = True
        self.tally.become("failed", TimeoutError("after stop() the handler did not return"))

    def become(self, state: State, error: BaseException | None = None) -> None:
        """Change the state that is shown."""
        if not self._abandoned:
            self.tally.become(state, error)

    def runs_here(self) -> bool:
        """Return whether the calling thread is that of its loop."""
        return self._ident == threading.get_ident()

    # -- in its loop

    async def run(self) -> None:
        """Consume until it is told to stop, or as `Consumer.arun` says."""
        self._loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        self._task, self._ident = task, threading.get_ident()
        self._link = wire.async_link(self.conn, self.link_name)
        self._talking = asyncio.Lock()
        self._since = self._settled_at = self._look_at = time.monotonic()
        try:
            try:
                await self._run()
            finally:
                self._ending = True
                self._until = self._until or time.monotonic() + SENT_WITHIN
                await self._end()
                await self._link.disconnect()
        except asyncio.CancelledError:
            self.become("stopped")
            if not self._cut or task.uncancel():
                raise
        except BaseException as error:
            self.become("failed", error)
            raise
        else:
            self.become("stopped")

    async def _run(self) -> None:
        patience = Patience(math.inf, self._can_go_on)
        while not self._is_over():
            try:
                await self._step()
                patience.reset()
            except (redis.RedisError, GroupMissingError, OSError) as error:
                if isinstance(error, redis.AuthenticationError):
                    raise wire.refusal(self.conn, error) from error
                wait = patience.wait_after(error)
                self.become("stalled", error)
                if not isinstance(error, redis.ResponseError):
                    # No reply: nobody knows what was delivered.
                    await self._link.disconnect()
                    self._cursor.restart()
                await asyncio.sleep(wait)

    def _can_go_on(self, error: Exception) -> bool:
        return is_passing(error)

    def _is_over(self) -> bool:
        patience = self.job.timeout
        waited = patience is not None and time.monotonic() - self._since >= patience
        return waited or not self._goes_on()

    def _goes_on(self) -> bool:
        return not self._stop.is_set()

    def _hurry(self) -> None:
        assert self._loop is not None
        self._loop.call_later(CUT_AFTER, self._cut_off)

    def _cut_off(self) -> None:
        """Cancel what goes on for too long after `stop`: a handler, or a wait for the server."""
        if not self._ending:
            self._cut = True
            self._task.cancel()

    async def _step(self) -> None:
        await self._settle()
        await self._look()
        await self._take(await self._read(BLOCK), {})

    async def _take(self, found: list[Found], deliveries: Deliveries) -> None:
        """Have entries handled, and note in `_done` which were."""
        if found:
            self._look_at = min(self._look_at, time.monotonic() + LOOK_SOON)
            chosen = self._chosen(found)
            self.tally.received(chosen)
            await self._hand_over(chosen, deliveries)
            # The time that a handler takes is no waiting.
            self._since = time.monotonic()

    def _chosen(self, found: list[Found]) -> list[Found]:
        """Return what `where` chooses, and what has no body any more."""
        filter, whole = self.job.filter, [each for each in found if each[2]]
        if filter is None or not whole:
            return found
        keys, ids, bodies = zip(*whole, strict=True)
        wanted = filter.of_entries(ids, bodies, keys if len(self.job.streams) > 1 else keys[0])
        skipped = {each[:2] for each in compress(whole, (~wanted).tolist())}
        self.tally.count("skipped", len(skipped))
        self._skip([each for each in found if each[:2] in skipped])
        return [each for each in found if each[:2] not in skipped]

    async def _read(self, block: int | None) -> list[Found]:
        if block is not None and self.job.timeout is not None:
            block = min(block, int(self.job.timeout * 1000) or 1)
        has_more, self._has_more = self._has_more, False
        # Not while a reply comes at once: thousands of lists would be looked at several times.
        with frames.paused_collector() if has_more else contextlib.nullcontext():
            reply = await self._ask(self._cursor.command(self._count, block), wait=block or 0)
            self.become("running")
            found = self._cursor.feed(reply)
        self._has_more = self.job.takes_frames and len(found) >= self._count
        self._count = next_count(self._count, found) if self.job.grows else self._count
        return found

    async def _look(self) -> None:
        """Ask now and then what was dropped before it was read."""
        if time.monotonic() < self._look_at:
            return
        look = self._cursor.look()
        few = len(self._cursor.looking) == len(self.job.streams)
        self._look_at = time.monotonic() + (self.looks_after if few else len(look) / LOOKS_A_SECOND)
        replies = await wire.ask_many_async(self._link, look, timeout=self._time_for(0))
        await self._seen(wire.shown(look, replies))

    async def _seen(self, replies: Sequence[Any]) -> None:
        """Take what a look has shown."""
        self.tally.noticed(self._cursor.seen(replies))

    async def _hand_over(self, found: list[Found], deliveries: Deliveries) -> None:
        whole = [each for each in found if each[2]]
        gone = [each for each in found if not each[2]]
        for key, id, _ in gone:
            self._done[key].append(id)
        self.tally.count("trimmed", len(gone))
        if self.job.takes_frames:
            if whole and self._goes_on():
                await self._handle_batch(whole, deliveries)
            return
        waiting = iter(whole)
        if self.job.concurrency == 1:
            await self._lane(waiting, deliveries)
            return
        try:
            async with asyncio.TaskGroup() as lanes:
                for _ in range(min(self.job.concurrency, len(whole))):
                    lanes.create_task(self._lane(waiting, deliveries))
        except BaseExceptionGroup as errors:
            # What a handler may raise is kept; this ends the consumer, and one reason is enough.
            raise errors.exceptions[0] from None

    async def _lane(self, waiting: Iterator[Found], deliveries: Deliveries) -> None:
        """Handle one entry after the other."""
        handler, goes_on, count = self.job.handler, self._goes_on, self.tally.count
        for each in waiting:
            if not goes_on():
                return
            if self._ours((each,)):
                # A plain function has returned, or raised, before there is anything to await.
                rest = handler(self._entry(each, deliveries), goes_on)
                error = None if rest is None else await rest
                if error is None:
                    count("handled", 1)
                    self._handled((each,))
                else:
                    self.tally.failed(each[1], 1, error)
                    self._failed((each,), deliveries, error)
                if time.monotonic() - self._settled_at >= SETTLE_EVERY:
                    # Where it does not succeed, the next step tries again.
                    with contextlib.suppress(redis.RedisError, OSError):
                        await self._settle()

    async def _handle_batch(self, found: Sequence[Found], deliveries: Deliveries) -> None:
        """Have a batch handled as frames; while the handler fails at all of it, try again."""
        backoff, cuts, found = Backoff(), CUTS, list(found)
        while True:
            works = all(each[:2] in self._failed_alone for each in found)
            sifted = await sift(found, self._attempt, self._goes_on, cuts=cuts, works=works)
            if len(self._failed_alone) > MOST_ENTRIES:
                self._failed_alone.clear()
            for each, error in sifted.failed:
                self._failed_alone.add(each[:2])
                self.tally.failed(each[1], 1, error)
                self._failed([each], deliveries, error)
            if sifted.handler is None:
                return
            self.tally.failed(found[0][1], len(found), sifted.handler)
            self._blame(found, deliveries)
            self.become("stalled", sifted.handler)
            until = time.monotonic() + backoff.next()
            while time.monotonic() < until:
                if self._is_over():
                    return
                await asyncio.sleep(0.02)
            # Smaller parts, and what came meanwhile: if it succeeds at any, it is others that fail.
            cuts += 1
            if len(found) < MOST_ENTRIES:
                found += await self._more()

    async def _more(self) -> list[Found]:
        """Return what has come, without a wait."""
        chosen = self._chosen(await self._read(None))
        self._since = time.monotonic() if chosen else self._since
        self.tally.received(chosen)
        return chosen

    async def _attempt(self, found: Sequence[Found]) -> Exception | None:
        if not (found := self._ours(found)):
            return None
        rest = self.job.handler(self._frame(found), self._goes_on)
        error = None if rest is None else await rest
        if error is None:
            self.become("running")
            self.tally.count("handled", len(found))
            self._handled(found)
            self._failed_alone.difference_update(map(key_and_id, found))
            if time.monotonic() - self._settled_at >= SETTLE_EVERY:
                with contextlib.suppress(redis.RedisError, OSError):
                    await self._settle()
        return error

    @frames.paused_collector()
    def _frame(self, found: Sequence[Found]) -> pd.DataFrame:
        keys, ids, bodies = zip(*found, strict=True)
        several = keys if len(self.job.streams) > 1 else None
        return self._pieces.frame([*zip(ids, bodies, strict=True)], several)

    async def _settle(self) -> None:
        """Tell the server what was handled."""
        async with self._talking:
            self._settled_at = time.monotonic()
            for key, done in self._done.items():
                while done:
                    part = done[: wire.BATCH]
                    for command in self._settling(key, part):
                        await self._ask(command)
                    # Not before: whatever broke in between is said again.
                    del done[: len(part)]
                    self._settled(key, part)

    async def _ask(self, command: Command, *, wait: int = 0) -> Any:
        timeout = self._time_for(wait / 1000)
        key = next(iter(self.job.streams))
        return await wire.ask_async(self._link, *command, key=key, timeout=timeout)

    def _time_for(self, wait: float) -> float:
        """Return how long a reply may take, in seconds."""
        limit = self.conn.timeout + wait
        if self._until is not None:
            limit = min(limit, self._until - time.monotonic())
        if limit <= 0 or self._abandoned:
            raise redis.TimeoutError("it was told to stop")
        return limit

    # -- what differs in a group

    def _entry(self, each: Found, deliveries: Deliveries) -> Entry:
        """Return an entry for the handler, which gets it next."""
        key, id, fields = each
        return make_entry(id, fields, key, self._layout)

    def _ours(self, found: Sequence[Found]) -> Sequence[Found]:
        """Return which of what was read are still to be handled."""
        return found

    def _skip(self, found: Sequence[Found]) -> None:
        """Note what `where` does not choose: without a group it is passed over."""

    def _handled(self, found: Sequence[Found]) -> None:
        """Note what the handler has returned from."""
        for key, id, _ in found:
            self._done[key].append(id)

    def _failed(self, found: Sequence[Found], deliveries: Deliveries, error: Exception) -> None:
        """Note what the handler raised on: without a group it is passed over."""

    def _blame(self, found: Sequence[Found], deliveries: Deliveries) -> None:
        """Note entries of which it is not said that they failed."""

    def _settling(self, key: str, ids: Sequence[bytes]) -> list[Command]:
        """Return the commands that settle entries."""
        return [("XDEL", key, *ids)] if self.job.after == "delete" else []

    def _settled(self, key: str, ids: Sequence[bytes]) -> None:
        """Note what has been settled."""

    async def _end(self) -> None:
        """Leave everything in order, as far as the server allows."""
        with contextlib.suppress(redis.RedisError, OSError):
            await self._settle()
