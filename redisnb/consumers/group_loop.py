"""One run of a group's consumer: what it adds to `Worker` so that no entry is lost or stuck."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

import redis

from redisnb import wire
from redisnb.background import logger
from redisnb.consumers.batches import key_and_id
from redisnb.consumers.deleting import Deleting
from redisnb.consumers.heartbeat import Heartbeat
from redisnb.consumers.identity import Reader, take_name
from redisnb.consumers.job import Job
from redisnb.consumers.loop import Deliveries, Worker
from redisnb.consumers.record import Tally
from redisnb.consumers.starting import is_there
from redisnb.entries import Entry, as_text, make_entry, to_bytes
from redisnb.errors import GroupMissingError, code
from redisnb.stream import (
    BLOCK,
    LOOK_SOON,
    Command,
    Found,
    GroupCursor,
    Notice,
    bury_held,
    claim_page,
    count_deliveries,
    give_back,
    is_missing,
    missing_group,
)
from redisnb.wire import Conversation, T

__all__: list[str] = []

#: How long after one look for what others have left the next one begins, in seconds, unless the
#: look takes long.
SWEEP_EVERY = 1.5
#: How many streams are looked at before what is new is read, and how many in a second: a consumer
#: of a thousand streams must not be a load to its server.
SWEPT_AT_ONCE, SWEPT_PER_SECOND = 5, 8
#: How many looks in a row find an entry of another consumer idle for no time at all, until it is
#: clear that no heartbeat keeps it.
FRESH = 4
#: What is added to an entry's deliveries before it is handed over alone, for the last time.
LAST_CHANCE = 1000
#: What stands for the error of an entry whose last chance ended with its consumer.
CONSUMER_LOST = "ConsumerLost"


class GroupWorker(Worker):
    """Read as a consumer of a group.

    Entries in hand are kept by a heartbeat. Those that are acknowledged, dead, or failed leave it;
    the last are pending until they are idle for long enough to be taken over, like anybody's. Where
    all are to stay pending, none are taken over here: a sweep would find its own again and again.
    """

    looks_after = 10.0

    def __init__(self, job: Job, tally: Tally) -> None:
        super().__init__(job, tally)
        first = next(iter(job.groups.values()))
        self._group, self._me = first.name, first.consumer
        self._acks = job.after != "pending"
        # To be moved to the dead letters: ID, deliveries, error.
        self._dead: dict[str, list[tuple[bytes, int, str]]] = {key: [] for key in job.streams}
        # Not chosen, and to be acknowledged.
        self._skipped: dict[str, list[bytes]] = {key: [] for key in job.streams}
        # What no handler has had a fair chance at, with the deliveries to count until then: marked
        # for a last chance that has not begun, or of a batch whose handler failed at everything.
        self._marked: dict[tuple[str, bytes], int] = {}
        # The marks of what a batch's handler has been given since.
        self._tried: dict[tuple[str, bytes], int] = {}
        # What others hold and was not idle, how often in a row, and whether that was told.
        self._fresh: dict[tuple[str, bytes, bytes, int], int] = {}
        self._is_told = False
        self._sweep_at = self._swept_from = 0.0
        self._sweeping: dict[str, bytes] = {}
        self._creates = False

    def begin(self) -> None:
        """Check that the group exists, and that no other consumer reads under this name."""
        wire.check_sends(self.conn, "XREADGROUP")
        for group in self.job.groups.values():
            if not is_there(group):
                if self.job.on_missing_group == "fail":
                    raise missing_group(group)
                group.create("all")
        self.link_name = take_name(self.conn, Reader.of([*self.job.groups.values()]))
        self._cursor = self._own = GroupCursor(self.job.streams, self._group, self._me)
        self._deleting = Deleting(self.job, self._group)
        self._heartbeat = Heartbeat(self.job.groups.values(), self.job.min_idle / 3000)

    def abandon(self) -> None:
        """Go on without it, and let others have what it holds."""
        super().abandon()
        self._heartbeat.stop(give_back=True)

    async def _run(self) -> None:
        self._heartbeat.start()
        await super()._run()

    def _can_go_on(self, error: Exception) -> bool:
        if isinstance(error, GroupMissingError) and self.job.on_missing_group == "recreate":
            self._creates = True
            return True
        return super()._can_go_on(error)

    async def _step(self) -> None:
        if self._creates:
            await self._create()
        await self._settle()
        await self._look()
        if self._own.in_backlog:
            found = await self._read(None)
            await self._take(found, await self._deliveries(found))
            return
        if self._acks:
            await self._sweep()
        goes_on = self._sweeping and time.monotonic() >= self._sweep_at
        await self._take(await self._read(None if goes_on else BLOCK), {})

    async def _seen(self, replies: Sequence[Any]) -> None:
        """Find out whether the server's clock has gone back: then nothing of others grows idle."""
        await super()._seen(replies)
        self.tally.noticed(self._deleting.seen(self._own.looking, replies))
        held, name = self._heartbeat.held(), to_bytes(self._group)
        fresh: dict[tuple[str, bytes, bytes, int], int] = {}
        # Nothing is looked at any more where XINFO was refused.
        for key, groups in zip(self._own.looking, replies[1::2], strict=False):
            ours = next((each for each in groups or () if each[b"name"] == name), None)
            if self._is_told or ours is None or ours[b"pending"] <= len(held.get(key, ())):
                continue
            for id, owner, idle, n in await self._ask(("XPENDING", key, self._group, "-", "+", 10)):
                if owner != to_bytes(self._me) and idle == 0:
                    fresh[key, id, owner, n] = self._fresh.get((key, id, owner, n), 0) + 1
        self._fresh = fresh
        if fresh:
            self._look_at = min(self._look_at, time.monotonic() + LOOK_SOON)
        stuck = [each for each, times in fresh.items() if times >= FRESH]
        if stuck:
            self._is_told = True
            key, id, owner, _ = stuck[0]
            message = (
                f"{key!r}: entry {id.decode()} of consumer {as_text(owner)!r} does not grow idle, "
                "as if the server's clock had gone back; it is taken over when the clock has "
                "caught up, or by group.claim(entries, min_idle=0)"
            )
            self.tally.noticed([Notice("clock", key, id.decode(), 0, message)])

    async def _create(self) -> None:
        for key in self.job.streams:
            try:
                await self._ask(("XGROUP", "CREATE", key, self._group, "0", "MKSTREAM"))
            except redis.ResponseError as error:
                if code(error) != "BUSYGROUP":
                    raise
            else:
                message = f"{key!r}: group {self._group!r} was gone; it begins anew, from the start"
                self.tally.noticed([Notice("reset", key, "0-0", 0, message)])
                self._own.passed(key, b"0-0")
        self._creates = False

    async def _deliveries(self, found: Sequence[Found]) -> Deliveries:
        counts: dict[tuple[str, bytes], int] = {}
        for key in dict.fromkeys(each[0] for each in found):
            ids = [id for of, id, _ in found if of == key]
            talk = count_deliveries(key, self._group, self._me, ids)
            counts |= {(key, id): n for id, n in (await self._converse(talk)).items()}
        return counts

    async def _sweep(self) -> None:
        """Take over a page of what has been idle for too long, and handle it."""
        if time.monotonic() < self._sweep_at:
            return
        if not self._sweeping:
            self._swept_from = time.monotonic()
            self._sweeping = dict.fromkeys(self.job.streams, b"0-0")
        portion = list(self._sweeping.items())[:SWEPT_AT_ONCE]
        for key, start in portion:
            claimed = await self._converse(
                claim_page(key, self._group, self._me, self.job.min_idle, start, self._count)
            )
            self._sweeping[key] = claimed.start
            if claimed.start == b"0-0":
                del self._sweeping[key]
            if claimed.entries:
                break
        if self._sweeping and not any(key in self._sweeping for key, _ in portion):
            # So many had nothing: the others in a while.
            self._sweep_at = time.monotonic() + SWEPT_AT_ONCE / SWEPT_PER_SECOND
        if not self._sweeping:
            # Soon, for what is given back or redriven; later, where the pending list is long.
            took = time.monotonic() - self._swept_from
            latest = max(SWEEP_EVERY, self.job.min_idle / 2000)
            pause = min(max(SWEEP_EVERY, 20 * took), latest)
            last = len(portion) if len(self.job.streams) > SWEPT_AT_ONCE else 0
            pause = max(pause, last / SWEPT_PER_SECOND)
            self._sweep_at = time.monotonic() + pause
        found = [(key, id, fields) for id, fields in claimed.entries]
        if found:
            name = f"group {self._group!r} of {key!r}"
            logger.info("%s: %r takes over %d entries", name, self._me, len(found))
        await self._take(found, {(key, id): n for id, n in claimed.deliveries.items()})
        await self._settle()

    async def _take(self, found: list[Found], deliveries: Deliveries) -> None:
        self._heartbeat.hold(map(key_and_id, found))
        limit, others = self.job.max_deliveries, found
        if limit is not None and deliveries:
            suspects = [each for each in found if each[2] and deliveries.get(each[:2], 1) > limit]
            for each in suspects:
                await self._take_alone(each, deliveries[each[:2]])
            alone = {each[:2] for each in suspects}
            others = [each for each in found if each[:2] not in alone]
        await super()._take(others, deliveries)
        if not self._acks:
            for key, id, _ in found:
                self._own.passed(key, id)

    async def _take_alone(self, each: Found, n: int) -> None:
        """Handle an entry that was delivered too often, and perhaps has ended its consumers.

        Others that were read with it look the same. So each is marked first, and one that comes
        again with the mark is dead.
        """
        if not self._goes_on():
            return
        key, id, _ = each
        if n <= LAST_CHANCE:
            self._marked[key, id] = n
            mark = ("RETRYCOUNT", n + LAST_CHANCE, "JUSTID")
            await self._ask(("XCLAIM", key, self._group, self._me, 0, id, *mark))
        elif (key, id) in self._marked:
            # By this run, which then lost its link: it had no chance yet.
            n = self._marked[key, id]
        else:
            self._dead[key].append((id, n - LAST_CHANCE - 1, CONSUMER_LOST))
            self.tally.received([each])
            return
        await super()._take([each], {(key, id): n})
        await self._settle()

    async def _more(self) -> list[Found]:
        if self._own.in_backlog:
            return []
        more = await super()._more()
        self._heartbeat.keep(map(key_and_id, more))
        return more

    async def _handle_batch(self, found: Sequence[Found], deliveries: Deliveries) -> None:
        try:
            await super()._handle_batch(found, deliveries)
        finally:
            if not self._goes_on():
                # Stopped in the middle of another attempt: what did not fail alone is as before.
                tried = self._tried.items()
                self._marked |= {each: n for each, n in tried if each not in self._failed_alone}
            self._tried.clear()

    async def _attempt(self, found: Sequence[Found]) -> Exception | None:
        if self._marked:
            for each in map(key_and_id, self._ours(found)):
                if each in self._marked:
                    self._tried[each] = self._marked.pop(each)
        return await super()._attempt(found)

    def _entry(self, each: Found, deliveries: Deliveries) -> Entry:
        key, id, fields = each
        if self._marked:
            self._marked.pop((key, id), None)
        n = deliveries.get((key, id), 1) if deliveries else 1
        return make_entry(id, fields, key, self._layout, n)

    def _ours(self, found: Sequence[Found]) -> Sequence[Found]:
        lost = self._heartbeat.lost
        return [each for each in found if each[:2] not in lost] if lost else found

    def _skip(self, found: Sequence[Found]) -> None:
        for key, id, _ in found:
            self._skipped[key].append(id)

    def _handled(self, found: Sequence[Found]) -> None:
        for key, id, _ in found:
            if self._acks:
                self._done[key].append(id)
            else:
                self._heartbeat.drop(key, [id])

    def _failed(self, found: Sequence[Found], deliveries: Deliveries, error: Exception) -> None:
        limit = self.job.max_deliveries
        for key, id, _ in found:
            n = deliveries.get((key, id), 1)
            if limit is not None and n >= limit:
                self._dead[key].append((id, n, type(error).__qualname__))
            else:
                self._heartbeat.drop(key, [id])

    def _blame(self, found: Sequence[Found], deliveries: Deliveries) -> None:
        # As if it had not been delivered; `_end` says so to the server.
        for each in found:
            self._marked[each[:2]] = max(0, deliveries.get(each[:2], 1) - 1)

    def _settling(self, key: str, ids: Sequence[bytes]) -> list[Command]:
        return self._deleting.commands(key, ids)

    def _settled(self, key: str, ids: Sequence[bytes]) -> None:
        self._heartbeat.drop(key, ids)

    async def _settle(self) -> None:
        await super()._settle()
        async with self._talking:
            for key, skipped in self._skipped.items():
                while skipped:
                    part = skipped[: wire.BATCH]
                    await self._ask(("XACK", key, self._group, *part))
                    del skipped[: len(part)]
                    self._settled(key, part)
            for key, dead in self._dead.items():
                if dead:
                    await self._bury(key, dead)

    async def _bury(self, key: str, dead: list[tuple[bytes, int, str]]) -> None:
        letters = dead[:]
        buried, trimmed = await self._converse(
            bury_held(key, self._group, self._me, letters, delete=self.job.after == "delete")
        )
        del dead[: len(letters)]
        self.tally.count("dead", len(buried))
        self.tally.count("trimmed", len(trimmed))
        self._heartbeat.drop(key, [id for id, _, _ in letters])

    async def _end(self) -> None:
        await super()._end()
        with contextlib.suppress(redis.RedisError, OSError, GroupMissingError):
            held = self._heartbeat.held()
            for (key, n), marked in self._marks(held).items():
                for part in wire.batches(marked):
                    mark = ("RETRYCOUNT", n, "JUSTID")
                    await self._ask(("XCLAIM", key, self._group, self._me, 0, *part, *mark))
            for key, ids in held.items():
                # What is handled, and could not be settled, must not be handled by another.
                for part in wire.batches([id for id in ids if not self._is_done(key, id)]):
                    left = await self._converse(give_back(key, self._group, self._me, part))
                    self._heartbeat.gone |= {(key, id) for id in left.gone}
        self._heartbeat.stop()
        gone = [each for each in self._heartbeat.gone if not self._is_done(*each)]
        self.tally.count("trimmed", len(gone))

    def _marks(self, held: Mapping[str, Sequence[bytes]]) -> dict[tuple[str, int], list[bytes]]:
        """Return the marks of what is still held, by stream and deliveries."""
        found: dict[tuple[str, int], list[bytes]] = {}
        here = {key: {*ids} for key, ids in held.items()}
        for (key, id), n in self._marked.items():
            if id in here.get(key, ()):
                found.setdefault((key, n), []).append(id)
        return found

    def _is_done(self, key: str, id: bytes) -> bool:
        return id in self._done[key] or id in self._skipped[key]

    async def _ask(self, command: Command, *, wait: int = 0) -> Any:
        try:
            return await super()._ask(command, wait=wait)
        except redis.ResponseError as error:
            if not is_missing(error):
                raise
            raise await self._missing(error) from error

    async def _converse(self, talk: Conversation[T]) -> T:
        key = next(iter(self.job.streams))
        try:
            return await wire.converse_async(self._link, talk, key=key, timeout=self._time_for(0))
        except redis.ResponseError as error:
            if not is_missing(error):
                raise
            raise await self._missing(error) from error

    async def _missing(self, error: redis.ResponseError) -> GroupMissingError:
        """Find which group is missing: the server's error does not always name its stream."""
        groups = self.job.groups
        for key, group in groups.items():
            if f"'{key}'" in str(error):
                return missing_group(group, look=False)
        look = [("XINFO", "GROUPS", key) for key in groups]
        replies = await wire.ask_many_async(self._link, look, timeout=self._time_for(0))
        name = to_bytes(self._group)
        for group, found in zip(groups.values(), wire.shown(look, replies), strict=True):
            if isinstance(found, redis.ResponseError):
                continue
            if name not in [each[b"name"] for each in found or ()]:
                return missing_group(group, look=False)
        return missing_group(next(iter(groups.values())), look=False)
