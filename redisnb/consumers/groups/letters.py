"""Entries on their way to the dead letters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from redisnb.consumers.groups.heartbeat import Heartbeat
from redisnb.consumers.groups.link import GroupLink
from redisnb.consumers.record import Tally
from redisnb.stream import bury_held

__all__: list[str] = []


class Letters:
    """Entries that become dead letters when they are settled next.

    Parameters
    ----------
    keys : iterable of str
        The streams.
    link : GroupLink
    heartbeat : Heartbeat
        Keeps them until then.
    tally : Tally
        Gets the counts.
    delete : bool
        Whether they are deleted from their stream.
    """

    def __init__(
        self,
        keys: Iterable[str],
        link: GroupLink,
        heartbeat: Heartbeat,
        tally: Tally,
        *,
        delete: bool,
    ) -> None:
        self._link, self._heartbeat, self._tally, self._delete = link, heartbeat, tally, delete
        self._letters: dict[str, list[tuple[bytes, int, str]]] = {key: [] for key in keys}

    def add(self, key: str, id: bytes, deliveries: int, error: str) -> None:
        """Add an entry, with its deliveries and the class of its error."""
        self._letters[key].append((id, deliveries, error))

    async def bury(self) -> None:
        """Move them to the dead letters."""
        for key, letters in self._letters.items():
            if letters:
                await self._bury(key, letters)

    async def _bury(self, key: str, letters: list[tuple[bytes, int, str]]) -> None:
        part: Sequence[tuple[bytes, int, str]] = letters[:]
        owner = (self._link.group, self._link.consumer)
        buried, trimmed = await self._link.converse(
            bury_held(key, *owner, part, delete=self._delete)
        )
        # Not before: whatever broke in between is told again.
        del letters[: len(part)]
        self._tally.count("dead", len(buried))
        self._tally.count("trimmed", len(trimmed))
        self._heartbeat.drop(key, [id for id, _, _ in part])
