"""What a replay leaves on the target's server: its bookmark, and entries that must remain."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import redis

from redisnb import wire
from redisnb.entries import EntryId
from redisnb.errors import ReplayError, either, option
from redisnb.replays.step import Checkpoint
from redisnb.wire import Connection

__all__ = ["Bookmark", "Mark", "TargetLedger", "bookmark_removed_error", "target_removed_error"]

#: The part of a definition that names the first and the last entry of each source.
ENDS = "first and last entry"
_PLAN = {"definition", "bounds", "shift"}


class Mark(NamedTuple):
    """The content of a bookmark; without one, that of a replay that has not begun."""

    plan: Mapping[str, Any] | None
    checkpoint: Checkpoint
    is_finished: bool


class Bookmark:
    """The hash of a replay; `step` documents its fields, and moves it."""

    def __init__(self, conn: Connection, name: str) -> None:
        self.conn, self.key = conn, f"redisnb:replay:{name}"

    def read(self, sources: int) -> Mark:
        """Return its content, for a replay of so many sources.

        Raises
        ------
        ReplayError
            If the key holds something else.
        """
        fields = wire.mapping(wire.ask(self.conn, "HGETALL", self.key, key=self.key))
        if not fields:
            return Mark(None, Checkpoint.of("", sources), False)
        try:
            plan = json.loads(fields[b"plan"])
            if set(plan) != _PLAN:
                raise ValueError(f"its plan is {plan!r}")
            checkpoint = Checkpoint.of(fields.get(b"position", b"").decode(), sources)
        except (ValueError, KeyError, TypeError) as error:
            raise ReplayError(
                f"{self.key!r} is not the bookmark of a replay ({error}); choose another name"
            ) from error
        return Mark(plan, checkpoint, fields.get(b"state") in (b"finished", b"incomplete"))

    def check(self, mark: Mark, definition: Mapping[str, Any]) -> None:
        """Refuse a bookmark that belongs to another replay.

        Raises
        ------
        ReplayError
            The error names the difference.
        """
        if mark.plan is None:
            return
        # In the form in which it comes back from JSON.
        now = json.loads(json.dumps(definition))
        for what, then in mark.plan["definition"].items():
            if what in now and not _is_unchanged(what, now[what], then):
                raise ReplayError(
                    f"{self.key!r} is the bookmark of another replay: its {what} was {then!r} and "
                    f"is now {now[what]!r}; give {option('resume')} another name, or let this one "
                    f"begin again with {either('Replay(...).forget()', '--restart')}"
                )

    def forget(self) -> bool:
        """Remove it; return whether there was one."""
        return bool(wire.ask(self.conn, "UNLINK", self.key, key=self.key))


def _is_unchanged(what: str, now: Any, then: Any) -> bool:
    """Return whether a part of a definition is the same; the entries of a stream may change."""
    if what == ENDS and len(now) == len(then):
        return all(None in pair or pair[0] == pair[1] for pair in zip(now, then, strict=True))
    return bool(now == then)


class TargetLedger:
    """What was added to each target, to check that it is still there; it may be trimmed."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self.forget()

    def forget(self) -> None:
        """Forget what was added."""
        # How many entries each had ever taken, None where the server does not count them.
        self._before: dict[str, int | None] = {}
        self._count: Counter[str] = Counter()
        self._last: dict[str, EntryId] = {}

    def look(self, keys: Iterable[str]) -> None:
        """Note how many entries streams have taken so far."""
        self._before |= {key: _entries_added(self._info(key)) for key in keys}

    def renew(self) -> None:
        """Begin another run: a target to which nothing was added may have been removed since."""
        self._before = {key: n for key, n in self._before.items() if key in self._last}

    def record(self, keys: Sequence[str], ids: Sequence[bytes]) -> None:
        """Note the target and the ID of each entry; the ID is "" where it was there before."""
        streams = set(keys)
        for key in streams:
            # Usually there is one.
            many = len(streams) > 1
            its = [id for of, id in zip(keys, ids, strict=False) if of == key] if many else ids
            self._count[key] += len(its) - its.count(b"")
            last = next(filter(None, reversed(its)), None)
            if last is not None:
                self._last[key] = EntryId(last)

    def has_any_last(self) -> bool:
        """Return whether any target still has the last entry that was added."""
        info = {key: self._info(key) for key in self._last}
        return any(_has(info[key], last) for key, last in self._last.items())

    def check(self, *, resumed: bool) -> None:
        """Refuse to finish where a target was removed in between.

        Raises
        ------
        ReplayError
            If a target is gone, or was made again.
        """
        for key, last in self._last.items():
            info = self._info(key)
            before, now = self._before.get(key), _entries_added(info)
            is_short = before is not None and now is not None and now < before + self._count[key]
            if is_short or (info is not None and not _has(info, last)):
                raise target_removed_error(key, resumed=resumed)

    def _info(self, key: str) -> Mapping[bytes, Any] | None:
        """Return XINFO STREAM of a stream: empty where there is none, None if refused."""
        try:
            return wire.mapping(wire.ask(self._conn, "XINFO", "STREAM", key, key=key))
        except redis.ResponseError as error:
            return {} if "no such key" in str(error) else None


def _entries_added(info: Mapping[bytes, Any] | None) -> int | None:
    if info is None:
        return None
    # Since Redis 7.0: https://redis.io/docs/latest/commands/xinfo-stream/
    count: int | None = info.get(b"entries-added") if info else 0
    return count


def _has(info: Mapping[bytes, Any] | None, last: EntryId) -> bool:
    return info is not None and EntryId(info.get(b"last-generated-id", b"0-0")) >= last


def target_removed_error(key: str, *, resumed: bool) -> ReplayError:
    """Return the error for a target that is gone, and with it what was added."""
    forget = either("Replay(...).forget()", "--restart")
    again = f"{forget} lets it begin again" if resumed else "run it again to begin again"
    return ReplayError(
        f"{key!r} no longer has what was added: it was removed, or the server has lost it; {again}"
    )


def bookmark_removed_error(bookmark: str) -> ReplayError:
    """Return the error for a bookmark that is gone while the replayed entries are not."""
    return ReplayError(
        f"{bookmark!r} was removed while the replay was running, and the target still has what was "
        "added: to begin again would add it twice. Empty the target, or take another one, then run "
        "it again"
    )
