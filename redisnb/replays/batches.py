"""From pages to batches: what is read but not sent yet, when it is due, and its command."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from redisnb import wire
from redisnb.entries import id_milliseconds, id_pair, merge_by_id, next_pair, time_to_ms, to_bytes
from redisnb.errors import ReplayError, option
from redisnb.frames import paused_collector
from redisnb.replays import step
from redisnb.replays.pace import Schedule
from redisnb.replays.plan import Plan
from redisnb.replays.sources import ReplaySource
from redisnb.replays.step import Checkpoint, Item, Origin

__all__ = ["TIMED_PAGE", "Batch", "Feed", "Packer", "remaining_pages"]

#: How many entries are filtered at a time where there is a schedule: a frame takes a while.
TIMED_PAGE = 200


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries that are sent together, and the command that adds them."""

    items: list[Item]
    dues: list[float]
    new_ids: list[str] | None
    command: bytes
    after: Checkpoint


class Feed:
    """The entries that were read in pages and wait to leave in batches.

    Attributes
    ----------
    items : deque of Item
    dues : deque of float
        When each is due, in seconds after the first; empty without a schedule.
    broken : BaseException or None
        Why reading failed; after that the pages look as if they had ended.
    """

    def __init__(self, pages: Iterator[list[Item]], schedule: Schedule | None) -> None:
        self._pages, self._schedule = pages, schedule
        self.items: deque[Item] = deque()
        self.dues: deque[float] = deque()
        self.broken: BaseException | None = None

    def more(self) -> bool:
        """Read one more page; return whether there was one."""
        try:
            with paused_collector():
                page = next(self._pages, None)
        except BaseException as error:
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
        """Take what is due by `until`: at least one entry, and at most `most`."""
        count = min(len(self.items), most)
        if until is not None:
            count = next((i for i, due in enumerate(self.dues) if i and due > until), count)
            count = min(count, most)
        return (
            [self.items.popleft() for _ in range(count)],
            [self.dues.popleft() for _ in range(count if until is not None else 0)],
        )

    def drop(self, count: int) -> None:
        """Drop the first `count` entries, which were sent after all."""
        for waiting in (self.items, self.dues):
            for _ in range(min(count, len(waiting))):
                waiting.popleft()

    def put_back(self, items: Sequence[Item], dues: Sequence[float]) -> None:
        """Take back entries that were not sent after all."""
        self.items.extendleft(reversed(items))
        self.dues.extendleft(reversed(dues))


class Packer:
    """What makes the batches of a replay; it does not look at the pace in the plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._shift: int | None = None
        self._text: str | None = None
        self._missed_before = 0
        # Targets that something was sent to without a reply, and that may not exist.
        self.doubted: set[str] = set()

    def restore(self, shift: int | None, missed: int) -> None:
        """Continue with the shift and the number of missed entries from a bookmark."""
        self._shift, self._text, self._missed_before = shift, None, missed

    @property
    def outcome(self) -> Literal["finished", "incomplete"]:
        """The state in which the replay ends."""
        return "incomplete" if self.missed else "finished"

    @property
    def missed(self) -> int:
        """How many entries of the sources were removed before they were read, over all runs."""
        return self._missed_before + sum(source.missed for source in self._plan.sources)

    def settle_shift(self, first: bytes) -> None:
        """Determine, once, by how much ``ids="shift"`` moves IDs: `first` becomes the present."""
        if self._plan.ids == "shift" and self._shift is None:
            now = time_to_ms(wire.now(self._plan.target.conn))
            self._shift, self._text = now - id_pair(first)[0], None

    def pack(
        self, items: list[Item], dues: list[float], before: Checkpoint, *, state: str = "running"
    ) -> Batch:
        """Return a batch of entries that follow the checkpoint `before`."""
        plan = self._plan
        new_ids = self._new_ids(items, before.last)
        after = step.checkpoint_after(
            before, items, new_ids, missed=self.missed, bookmarked=plan.bookmark is not None
        )
        command = step.step_command(
            items,
            new_ids,
            known=self.known_targets(before),
            bookmark=None if plan.bookmark is None else plan.bookmark.key,
            plan=self._plan_text() if plan.bookmark is not None else "",
            before=before.stored,
            after=after.stored,
            state=state,
        )
        return Batch(items, dues, new_ids, wire.pack(command), after)

    def known_targets(self, checkpoint: Checkpoint) -> set[str]:
        """Return the targets that exist once a replay has reached a checkpoint."""
        targets = {self._plan.target.key(key) for read in checkpoint.read for key in read}
        return targets - self.doubted

    def _plan_text(self) -> str:
        """Return the plan as the bookmark stores it; each batch includes it."""
        if self._text is None:
            bounds = [source.bounds for source in self._plan.sources]
            definition = self._plan.definition()
            saved = {"definition": definition, "bounds": bounds, "shift": self._shift}
            self._text = json.dumps(saved)
        return self._text

    def _new_ids(self, items: Sequence[Item], last: Mapping[str, str]) -> list[str] | None:
        """Return the IDs for entries, or None if the server generates them."""
        if self._plan.ids == "new":
            return None
        if self._plan.ids == "keep":
            return [id.decode() for _, id, _ in items]
        largest = {target: id_pair(id) for target, id in last.items()}
        new_ids: list[str] = []
        for origin, id, _ in items:
            ms, seq = id_pair(id)
            new_id = ms + (self._shift or 0), seq
            # Two streams that become one may have the same ID.
            before = largest.get(origin.target)
            if before is not None and new_id <= before:
                new_id = next_pair(before)
            largest[origin.target] = new_id
            new_ids.append(f"{new_id[0]}-{new_id[1]}")
        return new_ids


def remaining_pages(
    plan: Plan, checkpoint: Checkpoint, stopping: Callable[[], bool]
) -> Iterator[list[Item]]:
    """Yield what is still to be sent, after a checkpoint."""
    left = None if plan.limit is None else plan.limit - checkpoint.count
    nothing = not checkpoint.count
    if left == 0:
        return
    series = [
        _series(plan, index, source, checkpoint.read[index], stopping)
        for index, source in enumerate(plan.sources)
    ]
    for page in merge_by_id(series):
        nothing = False
        items = list(page if left is None else page[:left])
        _check_sizes(items)
        yield items
        left = None if left is None else left - len(items)
        if left == 0:
            return
    if nothing:
        for source in plan.sources:
            source.check()


def _series(
    plan: Plan,
    index: int,
    source: ReplaySource,
    after: Mapping[str, str],
    stopping: Callable[[], bool],
) -> Iterator[list[Item]]:
    target, stamp = plan.target, plan.stamp
    origins: dict[str, Origin] = {}
    size = TIMED_PAGE if plan.pace.is_timed else None
    for page in source.pages(after, size=size):
        if stopping():
            # It may take long until an entry matches `where`.
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
