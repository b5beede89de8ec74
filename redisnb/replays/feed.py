"""What a replay has read and not sent yet, each entry with the time when it is due."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from redisnb.entries import id_milliseconds, merge_by_id, to_bytes
from redisnb.errors import ReplayError, option
from redisnb.frames import paused_collector
from redisnb.replays import step
from redisnb.replays.pace import Schedule
from redisnb.replays.plan import Plan
from redisnb.replays.sources import Source
from redisnb.replays.step import Item, Origin, Place

__all__ = ["CHOSEN", "Batch", "Feed", "unsent"]

#: How many entries are chosen at a time where they have to be in time: a frame takes a while.
CHOSEN = 200


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries that are sent together."""

    items: list[Item]
    dues: list[float]
    given: list[str] | None
    command: bytes
    after: Place


class Feed:
    """Entries between the pages that they come in and the batches that they leave in.

    Attributes
    ----------
    items : deque of Item
    dues : deque of float
        When each is due, in seconds after the first; empty without a schedule.
    broken : BaseException or None
        Why no more can be read: it cannot be told from the end any more.
    """

    def __init__(self, pages: Iterator[list[Item]], schedule: Schedule | None) -> None:
        self._pages, self._schedule = pages, schedule
        self.items: deque[Item] = deque()
        self.dues: deque[float] = deque()
        self.broken: BaseException | None = None

    def more(self) -> bool:
        """Read one more page, if there is one."""
        try:
            with paused_collector():
                page = next(self._pages, None)
        except BaseException as error:
            # After that the pages seem to have come to their end.
            self.broken = error
            raise
        if page is None:
            return False
        self.items.extend(page)
        if self._schedule is not None:
            due = self._schedule.due
            self.dues.extend(map(due, id_milliseconds(id for _, id, _ in page)))
        return True

    def take(self, until: float | None, most: int) -> tuple[list[Item], list[float]]:
        """Take a batch of what is due by `until`: at least one entry, and at most `most`."""
        count = min(len(self.items), most)
        if until is not None:
            count = next((i for i, due in enumerate(self.dues) if i and due > until), count)
            count = min(count, most)
        return (
            [self.items.popleft() for _ in range(count)],
            [self.dues.popleft() for _ in range(count if until is not None else 0)],
        )

    def drop(self, count: int) -> None:
        """Leave out what was sent after all."""
        for waiting in (self.items, self.dues):
            for _ in range(min(count, len(waiting))):
                waiting.popleft()

    def put_back(self, items: Sequence[Item], dues: Sequence[float]) -> None:
        """Take back what was not sent after all."""
        self.items.extendleft(reversed(items))
        self.dues.extendleft(reversed(dues))


def unsent(plan: Plan, place: Place, stopping: Callable[[], bool]) -> Iterator[list[Item]]:
    """Read what is still to be sent, behind a place."""
    left = None if plan.limit is None else plan.limit - place.count
    nothing = not place.count
    if left == 0:
        return
    series = [
        _series(plan, index, source, place, stopping) for index, source in enumerate(plan.sources)
    ]
    for page in merge_by_id(series):
        nothing = False
        wanted = list(page if left is None else page[:left])
        _check_sizes(wanted)
        yield wanted
        left = None if left is None else left - len(wanted)
        if left == 0:
            return
    if nothing:
        for source in plan.sources:
            source.check()


def _series(
    plan: Plan, index: int, source: Source, place: Place, stopping: Callable[[], bool]
) -> Iterator[list[Item]]:
    target, stamp = plan.target, plan.stamp
    origins: dict[str, Origin] = {}
    size = CHOSEN if plan.pace.is_timed else None
    for page in source.pages(place.read[index], size=size):
        if stopping():
            # It may take long until `where` wants one.
            return
        for key in {key for key, _, _ in page} - origins.keys():
            origins[key] = Origin(index, key, target.key(key))
        if stamp:
            page = [
                (key, id, [*fields, b"replay:stream", to_bytes(key), b"replay:id", id])
                for key, id, fields in page
            ]
        if page:
            yield [(origins[key], id, fields) for key, id, fields in page]


def _check_sizes(items: Sequence[Item]) -> None:
    if max([len(fields) for _, _, fields in items], default=0) <= step.MOST_PARTS:
        return
    for origin, id, fields in items:
        if len(fields) > step.MOST_PARTS:
            raise ReplayError(
                f"entry {id.decode()} of {origin.key!r} has more than {step.MOST_PARTS // 2:,} "
                f"fields, more than can be replayed; {option('where')} leaves it out"
            )
