"""GroupStates: what a group knows of entries: pending, or acknowledged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from redisnb.entries import EntryId
from redisnb.stream import ConsumerGroup, StreamEntry

__all__ = ["GroupStates"]

#: How many pending entries are asked for between the first and the last in view.
_MOST_PENDING = 1_000
#: Of how many entries the state is kept that they had when they were in view.
_KEPT_STATES = 2_000


class GroupStates:
    """What the groups know of the entries in view, as of the last look.

    Parameters
    ----------
    groups : sequence of ConsumerGroup
        One for each stream; none where streams are read without a group.
    """

    def __init__(self, groups: Sequence[ConsumerGroup]) -> None:
        self._groups = {group.stream.key: group for group in groups}
        self._known: dict[tuple[str, bytes], str] = {}

    @property
    def is_grouped(self) -> bool:
        """Whether there is a group to ask."""
        return bool(self._groups)

    def of(self, entry: StreamEntry) -> str:
        """Return "acknowledged", or "pending" and with what; "" if that is not known."""
        return self._known.get(entry[:2], "")

    def look(self, entries: Sequence[StreamEntry]) -> bool:
        """Ask about entries; return whether anything differs from what was known of them."""
        by_key: dict[str, list[bytes]] = defaultdict(list)
        for key, id, _ in entries:
            by_key[key].append(id)
        known: dict[tuple[str, bytes], str] = {}
        for key, ids in by_key.items():
            states = self._states(self._groups[key], ids)
            known |= {(key, id): state for id, state in states.items()}
        differs = any(self._known.get(each) != state for each, state in known.items())
        # Replaced at once: others look at it meanwhile.
        self._known = dict([*self._known.items(), *known.items()][-_KEPT_STATES:])
        return differs

    def _states(self, group: ConsumerGroup, ids: Sequence[bytes]) -> dict[bytes, str]:
        order = sorted(ids, key=EntryId)
        pending = group.pending(order[0].decode(), order[-1].decode(), limit=_MOST_PENDING)
        rows = zip(pending["entry_id"], pending["consumer"], pending["deliveries"], strict=True)
        found = {id.encode(): _holder_text(group, holder, n) for id, holder, n in rows}
        if pending.attrs.get("truncated"):
            # Of what comes after the last one it is not known.
            last = EntryId(pending["entry_id"].iloc[-1])
            order = [id for id in order if EntryId(id) <= last]
        return {id: found.get(id, "acknowledged") for id in order}


def _holder_text(group: ConsumerGroup, holder: str, deliveries: int) -> str:
    whose = "" if holder == group.consumer else f" with {holder}" if holder else ", released"
    return f"pending{whose}" + (f", {deliveries:,} deliveries" if deliveries > 1 else "")
