"""The chances of entries that were delivered too often, and of those that had no fair one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from redisnb import wire
from redisnb.consumers.groups.link import GroupLink
from redisnb.consumers.settlement import Deliveries, key_and_id
from redisnb.consumers.sources import EntryBatch
from redisnb.stream import StreamEntry

__all__: list[str] = []

#: What is added to an entry's deliveries before it is handed over alone, for the last time.
LAST_CHANCE = 1000


class Chances:
    """The marks of entries, as deliveries in the group's pending list.

    An entry that was delivered too often has perhaps ended its consumers, and others that were read
    with it look the same. So each is marked first and handed over alone, and one that comes again
    with the mark is dead.

    Parameters
    ----------
    link : GroupLink
    limit : int, optional
        How many deliveries an entry may have; None looks at none.

    Attributes
    ----------
    marks : dict of (str, bytes) to int
        The entries, by key and ID, that no handler has had a fair chance at, and the deliveries to
        count until then: of a last chance that has not begun, or of a batch whose handler failed at
        everything.
    """

    def __init__(self, link: GroupLink, limit: int | None) -> None:
        self._link, self._limit = link, limit
        self.marks: dict[tuple[str, bytes], int] = {}
        # The marks of the entries that the handler was given in the attempts at this batch.
        self._attempts: dict[tuple[str, bytes], int] = {}

    def suspects(self, batch: EntryBatch) -> list[StreamEntry]:
        """Return the entries that were delivered too often."""
        if self._limit is None or not batch.deliveries:
            return []
        counts, limit = batch.deliveries, self._limit
        return [each for each in batch.entries if each[2] and counts.get(each[:2], 1) > limit]

    async def grant(self, key: str, id: bytes, n: int) -> int | None:
        """Return the deliveries with which an entry has its last chance; None if it had it.

        An entry without a mark has it on the server when this returns.
        """
        if n <= LAST_CHANCE:
            self.marks[key, id] = n
            await self._mark(key, n + LAST_CHANCE, [id])
            return n
        # The mark of this run, which lost its link since: there was no chance yet.
        return self.marks.get((key, id))

    def note_attempt(self, entries: Sequence[StreamEntry]) -> None:
        """Note that the handler gets entries of a batch."""
        if self.marks:
            for each in map(key_and_id, entries):
                if each in self.marks:
                    self._attempts[each] = self.marks.pop(each)

    def end_attempts(self, undecided: Iterable[StreamEntry]) -> None:
        """Give back the marks of entries that the attempts at a batch leave undecided."""
        for each in map(key_and_id, undecided):
            if each in self._attempts:
                self.marks[each] = self._attempts[each]
        self._attempts.clear()

    def excuse(self, entries: Sequence[StreamEntry], deliveries: Deliveries) -> None:
        """Count the delivery of entries as none; `tell` says so to the server."""
        for each in map(key_and_id, entries):
            self.marks[each] = max(0, deliveries.get(each, 1) - 1)

    async def tell(self, held: Mapping[str, Sequence[bytes]]) -> None:
        """Tell the server the marks of what is still held."""
        marks: dict[tuple[str, int], list[bytes]] = {}
        held_ids = {key: {*ids} for key, ids in held.items()}
        for (key, id), n in self.marks.items():
            if id in held_ids.get(key, ()):
                marks.setdefault((key, n), []).append(id)
        for (key, n), ids in marks.items():
            for part in wire.batches(ids):
                await self._mark(key, n, part)

    async def _mark(self, key: str, n: int, ids: Sequence[bytes]) -> None:
        owner = (self._link.group, self._link.consumer)
        await self._link.ask(("XCLAIM", key, *owner, 0, *ids, "RETRYCOUNT", n, "JUSTID"))
