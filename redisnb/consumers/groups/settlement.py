"""What becomes of a group's entries: acknowledged, tried again, or dead letters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from redisnb.consumers.groups.chances import Chances
from redisnb.consumers.groups.deleting import Deleting
from redisnb.consumers.groups.heartbeat import Heartbeat
from redisnb.consumers.groups.letters import Letters
from redisnb.consumers.groups.link import GroupLink
from redisnb.consumers.job import Job
from redisnb.consumers.record import Tally
from redisnb.consumers.settlement import Deliveries, Unsettled
from redisnb.entries import Entry, make_entry
from redisnb.stream import StreamEntry

__all__: list[str] = []


class GroupSettlement:
    """What becomes of a group's entries.

    Those in hand are kept by the heartbeat. Those that are acknowledged, dead, or failed leave it;
    the last are pending until they are idle for long enough to be taken over, as any other.

    Parameters
    ----------
    job : Job
    link : GroupLink
    heartbeat : Heartbeat
    chances : Chances
    deleting : Deleting
    tally : Tally
        Gets the counts of dead letters.
    """

    def __init__(
        self,
        job: Job,
        link: GroupLink,
        heartbeat: Heartbeat,
        chances: Chances,
        deleting: Deleting,
        tally: Tally,
    ) -> None:
        self._link, self._heartbeat, self._chances = link, heartbeat, chances
        self._deleting, self._layout = deleting, job.layout
        self._limit, self._acks = job.max_deliveries, job.after != "pending"
        self._handled, self._skipped = Unsettled(job.streams), Unsettled(job.streams)
        delete = job.after == "delete"
        self.letters = Letters(job.streams, link, heartbeat, tally, delete=delete)

    def still_held(self, entries: Sequence[StreamEntry]) -> Sequence[StreamEntry]:
        """Return the entries that no other consumer has taken over."""
        lost = self._heartbeat.lost
        return [each for each in entries if each[:2] not in lost] if lost else entries

    def entry(self, each: StreamEntry, deliveries: Deliveries) -> Entry:
        """Return an entry for its handler, which gets it next."""
        key, id, fields = each
        if self._chances.marks:
            self._chances.marks.pop((key, id), None)
        n = deliveries.get((key, id), 1) if deliveries else 1
        return make_entry(id, fields, key, self._layout, n)

    def note_attempt(self, entries: Sequence[StreamEntry]) -> None:
        """Note entries that a handler gets next, in a frame."""
        self._chances.note_attempt(entries)

    def end_attempts(self, undecided: Iterable[StreamEntry]) -> None:
        """Note the end of the attempts at a batch, and the entries that they leave undecided."""
        self._chances.end_attempts(undecided)

    def note_handled(self, entries: Sequence[StreamEntry]) -> None:
        """Note entries to acknowledge, or to leave pending."""
        for key, id, _ in entries:
            if self._acks:
                self._handled[key].append(id)
            else:
                self._heartbeat.drop(key, [id])

    def note_failed(
        self, entries: Sequence[StreamEntry], deliveries: Deliveries, error: Exception
    ) -> None:
        """Note entries to leave pending, or dead letters."""
        for key, id, _ in entries:
            n = deliveries.get((key, id), 1)
            if self._limit is not None and n >= self._limit:
                self.letters.add(key, id, n, type(error).__qualname__)
            else:
                self._heartbeat.drop(key, [id])

    def excuse(self, entries: Sequence[StreamEntry], deliveries: Deliveries) -> None:
        """Note entries whose delivery does not count."""
        self._chances.excuse(entries, deliveries)

    def note_skipped(self, entries: Sequence[StreamEntry]) -> None:
        """Note entries to acknowledge, and not to delete."""
        self._skipped.note(entries)

    def note_trimmed(self, entries: Sequence[StreamEntry]) -> None:
        """Note entries to acknowledge: they are pending and have no body."""
        self._handled.note(entries)

    async def settle(self) -> None:
        """Acknowledge, delete and bury what was noted."""
        await self._handled.settle(self._settle)
        await self._skipped.settle(self._acknowledge)
        await self.letters.bury()

    def unsettled(self) -> set[tuple[str, bytes]]:
        """Return the key and the ID of what was noted to be acknowledged, and is not yet."""
        return {
            (key, id)
            for ids_of in (self._handled, self._skipped)
            for key, ids in ids_of.items()
            for id in ids
        }

    async def _settle(self, key: str, ids: Sequence[bytes]) -> None:
        for command in self._deleting.commands(key, ids):
            await self._link.ask(command)
        self._heartbeat.drop(key, ids)

    async def _acknowledge(self, key: str, ids: Sequence[bytes]) -> None:
        await self._link.ask(("XACK", key, self._link.group, *ids))
        self._heartbeat.drop(key, ids)
