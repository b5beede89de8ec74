"""Entries to batches: the IDs that they get, and the command that adds them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Literal

from redisnb import wire
from redisnb.entries import id_pair, next_pair, time_to_ms
from redisnb.replays import step
from redisnb.replays.feed import Batch
from redisnb.replays.plan import Plan
from redisnb.replays.step import Item, Place

__all__ = ["Packer"]


class Packer:
    """Makes the batches of a replay; of its plan, the pace is not looked at."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._shift: int | None = None
        self._text: str | None = None
        self._missed_before = 0
        # Targets that were sent something, without a reply, and may not be there.
        self.doubted: set[str] = set()

    def restore(self, shift: int | None, missed: int) -> None:
        """Go on with the shift that a bookmark has kept, and what it knows to be missing."""
        self._shift, self._text, self._missed_before = shift, None, missed

    @property
    def outcome(self) -> Literal["finished", "incomplete"]:
        """How it ends."""
        return "incomplete" if self.missed else "finished"

    @property
    def missed(self) -> int:
        """How many entries of the sources were removed before they were read, in all its runs."""
        return self._missed_before + sum(source.missed for source in self._plan.sources)

    def settle_shift(self, first: bytes) -> None:
        """Find out, once, by how much IDs are moved, if they are: `first` becomes the present."""
        if self._plan.ids == "shift" and self._shift is None:
            now = time_to_ms(wire.now(self._plan.target.conn))
            self._shift, self._text = now - id_pair(first)[0], None

    def pack(
        self, items: list[Item], dues: list[float], before: Place, *, state: str = "running"
    ) -> Batch:
        """Make a batch of entries, behind the place `before`."""
        plan = self._plan
        given = self._given(items, before.last)
        kept = plan.bookmark is not None
        after = step.moved(before, items, given, missed=self.missed, kept=kept)
        command = step.command(
            items,
            given,
            known=self.known(before),
            bookmark=None if plan.bookmark is None else plan.bookmark.key,
            plan=self._kept() if plan.bookmark is not None else "",
            before=before.stored,
            after=after.stored,
            state=state,
        )
        return Batch(items, dues, given, wire.pack(command), after)

    def known(self, place: Place) -> set[str]:
        """Name the targets that are there when a replay has come to a place."""
        made = {self._plan.target.key(key) for read in place.read for key in read}
        return made - self.doubted

    def _kept(self) -> str:
        """Return what the bookmark keeps of the plan; it is part of each batch."""
        if self._text is None:
            bounds = [source.bounds for source in self._plan.sources]
            kept = {"definition": self._plan.definition(), "bounds": bounds, "shift": self._shift}
            self._text = json.dumps(kept)
        return self._text

    def _given(self, items: Sequence[Item], last: Mapping[str, str]) -> list[str] | None:
        """Return the IDs that entries get, or None if the server gives them."""
        if self._plan.ids == "new":
            return None
        if self._plan.ids == "keep":
            return [id.decode() for _, id, _ in items]
        largest = {target: id_pair(id) for target, id in last.items()}
        given: list[str] = []
        for origin, id, _ in items:
            ms, seq = id_pair(id)
            place = ms + (self._shift or 0), seq
            # Two streams may have the same ID, and become one.
            before = largest.get(origin.target)
            if before is not None and place <= before:
                place = next_pair(before)
            largest[origin.target] = place
            given.append(f"{place[0]}-{place[1]}")
        return given
