"""A replay's bookmark on the target's server: how far it came, and what it was to do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from redisnb import wire
from redisnb.errors import ReplayError
from redisnb.replays.step import Place
from redisnb.wire import Connection

__all__ = ["Bookmark", "Mark"]

#: What of a definition names the first and the last entry of each source.
ENTRIES = "first and last entry"
_PLAN = {"definition", "bounds", "shift"}


class Mark(NamedTuple):
    """What a bookmark says; without a replay of that name, that it has not begun."""

    plan: Mapping[str, Any] | None
    place: Place
    finished: bool


class Bookmark:
    """Name the hash of a replay; `step` says what is in it, and moves it."""

    def __init__(self, conn: Connection, name: str) -> None:
        self.conn, self.key = conn, f"redisnb:replay:{name}"

    def read(self, sources: int) -> Mark:
        """Read it, for a replay of so many sources.

        Raises
        ------
        ReplayError
            If something else has that key.
        """
        found = wire.mapping(wire.ask(self.conn, "HGETALL", self.key, key=self.key))
        if not found:
            return Mark(None, Place.of("", sources), False)
        try:
            plan = json.loads(found[b"plan"])
            if set(plan) != _PLAN:
                raise ValueError(f"its plan is {plan!r}")
            place = Place.of(found.get(b"position", b"").decode(), sources)
        except (ValueError, KeyError, TypeError) as error:
            raise ReplayError(
                f"{self.key!r} is not the bookmark of a replay ({error}); choose another name"
            ) from error
        return Mark(plan, place, found.get(b"state") == b"finished")

    def check(self, mark: Mark, definition: Mapping[str, Any]) -> None:
        """Refuse to go on with another replay.

        Raises
        ------
        ReplayError
            It says what is different.
        """
        if mark.plan is None:
            return
        # As it comes back from JSON.
        now = json.loads(json.dumps(definition))
        for what, then in mark.plan["definition"].items():
            if what in now and not _is_same(what, now[what], then):
                raise ReplayError(
                    f"{self.key!r} is the bookmark of another replay: its {what} was {then!r} and "
                    f"is now {now[what]!r}; give resume= another name, or let this one begin again "
                    "with Replay(...).forget()"
                )

    def forget(self) -> bool:
        """Remove it; say whether there was one."""
        return bool(wire.ask(self.conn, "UNLINK", self.key, key=self.key))


def _is_same(what: str, now: Any, then: Any) -> bool:
    """Compare two parts of a definition. Of a stream it is not fixed which entries there are."""
    if what == ENTRIES and len(now) == len(then):
        return all(None in pair or pair[0] == pair[1] for pair in zip(now, then, strict=True))
    return bool(now == then)
