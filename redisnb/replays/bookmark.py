"""What a replay leaves on the target's server: its bookmark, and what the targets have to keep."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import redis

from redisnb import wire
from redisnb.entries import EntryId
from redisnb.errors import ReplayError, either, option
from redisnb.replays.step import Place
from redisnb.wire import Connection

__all__ = ["Bookmark", "Held", "Mark", "removed", "unmarked"]

#: What of a definition names the first and the last entry of each source.
ENTRIES = "first and last entry"
_PLAN = {"definition", "bounds", "shift"}


class Mark(NamedTuple):
    """What a bookmark says; without a replay of that name, that it has not begun."""

    plan: Mapping[str, Any] | None
    place: Place
    ended: bool


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
        return Mark(plan, place, found.get(b"state") in (b"finished", b"incomplete"))

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
                    f"is now {now[what]!r}; give {option('resume')} another name, or let this one "
                    f"begin again with {either('Replay(...).forget()', '--restart')}"
                )

    def forget(self) -> bool:
        """Remove it; say whether there was one."""
        return bool(wire.ask(self.conn, "UNLINK", self.key, key=self.key))


def _is_same(what: str, now: Any, then: Any) -> bool:
    """Compare two parts of a definition. Of a stream it is not fixed which entries there are."""
    if what == ENTRIES and len(now) == len(then):
        return all(None in pair or pair[0] == pair[1] for pair in zip(now, then, strict=True))
    return bool(now == then)


class Held:
    """Remember what streams were given, and ask whether they have it; entries may be trimmed."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self.forget()

    def forget(self) -> None:
        """Begin with what there is now."""
        # How many entries each had ever taken, None where the server does not count them.
        self._before: dict[str, int | None] = {}
        self._given: Counter[str] = Counter()
        self._last: dict[str, EntryId] = {}

    def look(self, keys: Iterable[str]) -> None:
        """Note what there is in streams."""
        self._before |= {key: _added(self._shown(key)) for key in keys}

    def renew(self) -> None:
        """Go on; what was given nothing may have been removed meanwhile."""
        self._before = {key: n for key, n in self._before.items() if key in self._last}

    def gave(self, keys: Sequence[str], ids: Sequence[bytes]) -> None:
        """Note the streams that entries went to, and their IDs there; "" for what was there."""
        streams = set(keys)
        for key in streams:
            # Mostly there is one.
            many = len(streams) > 1
            its = [id for of, id in zip(keys, ids, strict=False) if of == key] if many else ids
            self._given[key] += len(its) - its.count(b"")
            last = next(filter(None, reversed(its)), None)
            if last is not None:
                self._last[key] = EntryId(last)

    def is_kept(self) -> bool:
        """Say whether some stream has the last that it was given."""
        shown = {key: self._shown(key) for key in self._last}
        return any(_has(shown[key], last) for key, last in self._last.items())

    def check(self, *, resumed: bool) -> None:
        """Refuse to say that all is done where a stream was removed meanwhile.

        Raises
        ------
        ReplayError
            If a stream is gone, or was made again.
        """
        for key, last in self._last.items():
            shown = self._shown(key)
            before, now = self._before.get(key), _added(shown)
            is_short = before is not None and now is not None and now < before + self._given[key]
            if is_short or (shown is not None and not _has(shown, last)):
                raise removed(key, resumed=resumed)

    def _shown(self, key: str) -> Mapping[bytes, Any] | None:
        """Return what the server says of a stream: nothing where there is none; None if refused."""
        try:
            return wire.mapping(wire.ask(self._conn, "XINFO", "STREAM", key, key=key))
        except redis.ResponseError as error:
            return {} if "no such key" in str(error) else None


def _added(shown: Mapping[bytes, Any] | None) -> int | None:
    if shown is None:
        return None
    found: int | None = shown.get(b"entries-added") if shown else 0
    return found


def _has(shown: Mapping[bytes, Any] | None, last: EntryId) -> bool:
    return shown is not None and EntryId(shown.get(b"last-generated-id", b"0-0")) >= last


def removed(key: str, *, resumed: bool) -> ReplayError:
    """Make the error that says that a target is gone with what it was given."""
    forget = either("Replay(...).forget()", "--restart")
    again = f"{forget} lets it begin again" if resumed else "run it again to begin anew"
    return ReplayError(
        f"{key!r} has not kept what it was given: it was removed, or the server has lost it; "
        f"{again}"
    )


def unmarked(bookmark: str) -> ReplayError:
    """Make the error that says that a bookmark is gone, and what was replayed is not."""
    return ReplayError(
        f"{bookmark!r} was removed while the replay was running, and the target still has what it "
        "was given: to begin again would add it twice. Empty the target, or take another one, "
        "then run it again"
    )
