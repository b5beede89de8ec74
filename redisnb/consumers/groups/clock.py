"""A server's clock that has gone back: then what other consumers hold does not grow idle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from redisnb.consumers.groups.link import GroupLink
from redisnb.entries import as_text, to_bytes
from redisnb.stream import Notice

__all__: list[str] = []

#: How many looks in a row find an entry of another consumer idle for no time at all, until it is
#: clear that no heartbeat keeps it.
FRESH_LOOKS = 4

#: An entry of another consumer: its stream, ID, owner and deliveries.
_Delivery: TypeAlias = tuple[str, bytes, bytes, int]


class Clock:
    """The idle times of what other consumers hold, look after look.

    Parameters
    ----------
    link : GroupLink

    Attributes
    ----------
    is_suspicious : bool
        Whether the last look found an entry that was idle for no time.
    """

    def __init__(self, link: GroupLink) -> None:
        self._link = link
        # Entries that were idle for no time, and in how many looks in a row.
        self._fresh: dict[_Delivery, int] = {}
        self._has_told = False

    @property
    def is_suspicious(self) -> bool:
        """Whether to look again soon."""
        return bool(self._fresh)

    async def look(
        self, keys: Sequence[str], replies: Sequence[Any], held: Mapping[str, Sequence[bytes]]
    ) -> list[Notice]:
        """Return a notice, once, if the clock has gone back.

        Parameters
        ----------
        keys : sequence of str
            The streams of this look.
        replies : sequence
            The replies to XINFO STREAM and XINFO GROUPS of each; fewer where XINFO is refused.
        held : mapping
            What this consumer holds itself.
        """
        fresh: dict[_Delivery, int] = {}
        group, name = self._link.group, to_bytes(self._link.group)
        me = to_bytes(self._link.consumer)
        for key, groups in zip(keys, replies[1::2], strict=False):
            row = next((each for each in groups or () if each[b"name"] == name), None)
            if self._has_told or row is None or row[b"pending"] <= len(held.get(key, ())):
                continue
            for id, owner, idle, n in await self._link.ask(("XPENDING", key, group, "-", "+", 10)):
                if owner != me and idle == 0:
                    delivery = (key, id, owner, n)
                    fresh[delivery] = self._fresh.get(delivery, 0) + 1
        self._fresh = fresh
        stuck = next((each for each, looks in fresh.items() if looks >= FRESH_LOOKS), None)
        if stuck is None:
            return []
        self._has_told = True
        key, id, owner, _ = stuck
        message = (
            f"{key!r}: entry {id.decode()} of consumer {as_text(owner)!r} does not grow idle, "
            "as if the server's clock had gone back; it is taken over when the clock has "
            "caught up, or by group.claim(entries, min_idle=0)"
        )
        return [Notice("clock", key, id.decode(), 0, message)]
