"""Where a run's entries come from: what a source does for the loop, and that of streams alone."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, NamedTuple, Protocol

from redisnb import wire
from redisnb.consumers.job import Job
from redisnb.consumers.link import Link
from redisnb.consumers.record import Tally
from redisnb.consumers.settlement import Deliveries, Settlement, UngroupedSettlement
from redisnb.errors import is_transient
from redisnb.stream import LOOK_LATER, GroupCursor, StreamCursor, StreamEntry, resolve_start

__all__: list[str] = []


class EntryBatch(NamedTuple):
    """Entries that were read together."""

    entries: list[StreamEntry]
    deliveries: Deliveries
    #: Whether there may be new entries, which were not read yet.
    from_backlog: bool = False


class EntrySource(Protocol):
    """Streams that are read, alone or in a group.

    Attributes
    ----------
    cursor : StreamCursor or GroupCursor
        The position, once it has begun.
    settlement : Settlement
        What becomes of its entries.
    link_name : str or None
        The name of the link in the server's list of clients.
    look_after : float
        How long after one look at what was dropped the next one comes, in seconds.
    """

    cursor: StreamCursor | GroupCursor
    look_after: float
    link_name: str | None

    @property
    def settlement(self) -> Settlement:
        """What becomes of its entries."""

    def begin(self) -> None:
        """Find the position; a mistake of the caller shows here, before anything runs."""

    def start(self) -> None:
        """Start what runs next to the loop."""

    def is_transient(self, error: Exception) -> bool:
        """Return whether the loop may go on after an error."""

    def restart(self, error: Exception) -> None:
        """Read again what a lost reply may have held."""

    async def prepare(self) -> None:
        """Make what is missing."""

    async def left_by_others(self, count: int) -> EntryBatch:
        """Return entries that another consumer has left, or none."""

    async def read(self, count: int, block: int | None) -> EntryBatch:
        """Return the next entries: `count` from each stream, after at most `block` ms."""

    async def read_more(self, count: int) -> list[StreamEntry]:
        """Return new entries to add to a batch in hand, without a wait."""

    def portions(
        self, batch: EntryBatch, goes_on: Callable[[], bool]
    ) -> AsyncGenerator[EntryBatch, None]:
        """Yield the parts of a batch that are handed over one after the other.

        The next one is asked for when one is handled. `goes_on` is whether the run does.
        """

    async def look(self, replies: Sequence[Any]) -> bool:
        """Take what XINFO has shown, and return whether to look again soon."""

    async def end(self) -> None:
        """Leave everything in order, as far as the server allows."""

    def abandon(self) -> None:
        """Leave everything to other consumers: the loop does not end."""


class UngroupedSource:
    """Streams that are read without a group.

    Parameters
    ----------
    job : Job
    link : Link
        Where it reads.
    tally : Tally
        Gets what was missed.
    """

    link_name: str | None = None

    def __init__(self, job: Job, link: Link, tally: Tally) -> None:
        self._job, self._link, self._tally = job, link, tally
        self.look_after = LOOK_LATER
        self.settlement = UngroupedSettlement(job, link)

    def begin(self) -> None:
        """Find the position in each stream."""
        if self._job.after == "delete":
            wire.check_sends(self._link.conn, "XDEL")
        streams = self._job.streams.items()
        after = {key: resolve_start(stream, self._job.begins or "new") for key, stream in streams}
        self.cursor: StreamCursor | GroupCursor = StreamCursor(after)

    def start(self) -> None:
        """Do nothing: nothing has to be kept."""

    def is_transient(self, error: Exception) -> bool:
        """Return whether the loop may go on after an error."""
        return is_transient(error)

    def restart(self, error: Exception) -> None:
        """Go on from the same position."""
        self.cursor.restart()

    async def prepare(self) -> None:
        """Do nothing: a stream may be missing."""

    async def left_by_others(self, count: int) -> EntryBatch:
        """Return none: no consumer owns an entry."""
        return EntryBatch([], {})

    async def read(self, count: int, block: int | None) -> EntryBatch:
        """Return the next entries."""
        reply = await self._link.ask(self.cursor.command(count, block), wait=block or 0)
        return EntryBatch(self.cursor.feed(reply), {})

    async def read_more(self, count: int) -> list[StreamEntry]:
        """Return the next entries, without a wait."""
        return (await self.read(count, None)).entries

    async def portions(
        self, batch: EntryBatch, goes_on: Callable[[], bool]
    ) -> AsyncGenerator[EntryBatch, None]:
        """Yield the batch."""
        yield batch

    async def look(self, replies: Sequence[Any]) -> bool:
        """Note what was missed."""
        self._tally.add_notices(self.cursor.seen(replies))
        return False

    async def end(self) -> None:
        """Do nothing: no consumer waits for these entries."""

    def abandon(self) -> None:
        """Do nothing, as in `end`."""
