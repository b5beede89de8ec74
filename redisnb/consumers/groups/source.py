"""A group as a source: the backlog first, then what others have left, then what is new."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

import redis

from redisnb import wire
from redisnb.consumers.groups.chances import LAST_CHANCE, Chances
from redisnb.consumers.groups.clock import Clock
from redisnb.consumers.groups.deleting import Deleting
from redisnb.consumers.groups.heartbeat import Heartbeat
from redisnb.consumers.groups.identity import Identity, take_name
from redisnb.consumers.groups.link import GroupLink
from redisnb.consumers.groups.settlement import GroupSettlement
from redisnb.consumers.groups.sweep import Sweep
from redisnb.consumers.job import Job
from redisnb.consumers.link import Link
from redisnb.consumers.record import Tally
from redisnb.consumers.settlement import Deliveries, key_and_id
from redisnb.consumers.sources import EntryBatch
from redisnb.errors import GroupMissingError, code, is_transient, is_unavailable
from redisnb.stream import (
    ConsumerGroup,
    GroupCursor,
    Notice,
    StreamCursor,
    StreamEntry,
    count_deliveries,
    give_back,
    missing_group,
)

__all__: list[str] = []

#: How long after one look at what was dropped the next one comes, in seconds.
LOOK_AFTER = 10.0
#: What stands for the error of an entry whose last chance ended with its consumer.
CONSUMER_LOST = "ConsumerLost"


class GroupSource:
    """The streams of a group, as one of its consumers reads them.

    Where all entries are to stay pending, none are taken over from others: a sweep would find its
    own again and again.

    Parameters
    ----------
    job : Job
    link : Link
        Where it asks.
    tally : Tally
        Gets dead letters, and what was missed.
    """

    def __init__(self, job: Job, link: Link, tally: Tally) -> None:
        self._job, self._conn, self._tally = job, link.conn, tally
        self._link = GroupLink(job, link)
        self._acks = job.after != "pending"
        self._backlog = GroupCursor(job.streams, self._link.group, self._link.consumer)
        self.cursor: StreamCursor | GroupCursor = self._backlog
        self._heartbeat = Heartbeat(job.groups.values(), job.min_idle / 3000)
        self._chances = Chances(self._link, job.max_deliveries)
        self._deleting = Deleting(job, self._link.group)
        self.settlement = GroupSettlement(
            job, self._link, self._heartbeat, self._chances, self._deleting, tally
        )
        self._sweep = Sweep(job, self._link)
        self._clock = Clock(self._link)
        self._creates = False
        self.look_after = LOOK_AFTER
        self.link_name: str | None = None

    def begin(self) -> None:
        """Check that the group exists, and that no other consumer reads under this name."""
        wire.check_sends(self._conn, "XREADGROUP")
        for group in self._job.groups.values():
            if not exists(group):
                if self._job.on_missing_group == "fail":
                    raise missing_group(group)
                group.create("all")
        self.link_name = take_name(self._conn, Identity.of([*self._job.groups.values()]))
        self._deleting.begin()

    def start(self) -> None:
        """Start the heartbeat."""
        self._heartbeat.start()

    def is_transient(self, error: Exception) -> bool:
        """Return whether the loop may go on after an error."""
        recreates = self._job.on_missing_group == "recreate"
        return (recreates and isinstance(error, GroupMissingError)) or is_transient(error)

    def restart(self, error: Exception) -> None:
        """Read the backlog again, of a missing group once it is made."""
        self._creates = self._creates or isinstance(error, GroupMissingError)
        self.cursor.restart()

    async def prepare(self) -> None:
        """Create the groups that are missing, from the first entry on."""
        if not self._creates:
            return
        group = self._link.group
        for key in self._job.streams:
            try:
                await self._link.ask(("XGROUP", "CREATE", key, group, "0", "MKSTREAM"))
            except redis.ResponseError as error:
                if code(error) != "BUSYGROUP":
                    raise
            else:
                message = f"{key!r}: group {group!r} was gone; it begins again, from the start"
                self._tally.add_notices([Notice("reset", key, "0-0", 0, message)])
                self._backlog.passed(key, b"0-0")
        self._creates = False

    async def left_by_others(self, count: int) -> EntryBatch:
        """Take over a page of what has been idle for too long, if that is due."""
        if self._backlog.in_backlog or not self._acks:
            return EntryBatch([], {})
        batch = await self._sweep.page(count)
        if batch.entries:
            self._heartbeat.hold(map(key_and_id, batch.entries))
        return batch

    async def read(self, count: int, block: int | None) -> EntryBatch:
        """Return the next entries: the backlog first, and its deliveries."""
        in_backlog = self._backlog.in_backlog
        if in_backlog or self._sweep.goes_on:
            block = None
        reply = await self._link.ask(self.cursor.command(count, block), wait=block or 0)
        entries = self.cursor.feed(reply)
        deliveries = await self._deliveries(entries) if in_backlog else {}
        self._heartbeat.hold(map(key_and_id, entries))
        return EntryBatch(entries, deliveries, in_backlog)

    async def read_more(self, count: int) -> list[StreamEntry]:
        """Return new entries to add to a batch in hand, without a wait."""
        if self._backlog.in_backlog:
            return []
        reply = await self._link.ask(self.cursor.command(count, None))
        entries = self.cursor.feed(reply)
        self._heartbeat.keep(map(key_and_id, entries))
        return entries

    async def portions(
        self, batch: EntryBatch, goes_on: Callable[[], bool]
    ) -> AsyncGenerator[EntryBatch, None]:
        """Yield each entry that was delivered too often alone, and then the others."""
        suspects = self._chances.suspects(batch)
        for each in suspects:
            if not goes_on():
                break
            key, id, _ = each
            n = batch.deliveries[key, id]
            chance = await self._chances.grant(key, id, n)
            if chance is None:
                self.settlement.letters.add(key, id, n - LAST_CHANCE - 1, CONSUMER_LOST)
                self._tally.add_entries([each])
                continue
            yield EntryBatch([each], {(key, id): chance})
            # The next one may end this process.
            await self.settlement.settle()
        alone = {each[:2] for each in suspects}
        others = (
            [each for each in batch.entries if each[:2] not in alone] if alone else batch.entries
        )
        yield EntryBatch(others, batch.deliveries)
        if not self._acks:
            for key, id, _ in batch.entries:
                self._backlog.passed(key, id)

    async def look(self, replies: Sequence[Any]) -> bool:
        """Note what was missed, which groups lose entries, and whether the clock has gone back."""
        notices = self.cursor.seen(replies)
        # None of them any more where XINFO was refused.
        keys = self.cursor.looking
        self._tally.add_notices([*notices, *self._deleting.notices(keys, replies)])
        self._tally.add_notices(await self._clock.look(keys, replies, self._heartbeat.held_ids()))
        return self._clock.is_suspicious

    async def end(self) -> None:
        """Let others have at once what is still held and not handled."""
        try:
            with contextlib.suppress(redis.RedisError, OSError, GroupMissingError):
                await self._give_back()
        finally:
            self._heartbeat.stop()
        self._tally.count("trimmed", len(self._heartbeat.gone - self.settlement.unsettled()))

    def abandon(self) -> None:
        """Let others have at once what is held."""
        self._heartbeat.stop(give_back=True)

    async def _give_back(self) -> None:
        held = self._heartbeat.held_ids()
        await self._chances.tell(held)
        # What is handled, and could not be settled, must not be handled by another.
        unsettled = self.settlement.unsettled()
        owner = (self._link.group, self._link.consumer)
        for key, ids in held.items():
            for part in wire.batches([id for id in ids if (key, id) not in unsettled]):
                kept = await self._link.converse(give_back(key, *owner, part))
                self._heartbeat.gone |= {(key, id) for id in kept.gone}

    async def _deliveries(self, entries: Sequence[StreamEntry]) -> Deliveries:
        counts: dict[tuple[str, bytes], int] = {}
        for key in dict.fromkeys(each[0] for each in entries):
            ids = [id for of, id, _ in entries if of == key]
            count = count_deliveries(key, self._link.group, self._link.consumer, ids)
            counts |= {(key, id): n for id, n in (await self._link.converse(count)).items()}
        return counts


def exists(group: ConsumerGroup) -> bool:
    """Return whether a group exists; True where XINFO is refused, as reading will tell."""
    try:
        return not group.info().empty
    except redis.ResponseError as error:
        if not is_unavailable(error):
            raise
        return True
