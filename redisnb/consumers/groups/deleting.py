"""How handled entries are settled, and which other groups lose those that are deleted."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import redis

from redisnb import wire
from redisnb.consumers.job import Job
from redisnb.entries import EntryId, as_text
from redisnb.errors import warn
from redisnb.stream import ConsumerGroup, Notice, group_rows
from redisnb.wire import Command

__all__: list[str] = []


class Deleting:
    """The commands that settle what a group's consumer has handled.

    Since Redis 8.2 the server deletes an entry once the last group has acknowledged it
    (https://redis.io/docs/latest/commands/xackdel/). Elsewhere other groups lose what they have not
    read.

    Parameters
    ----------
    job : Job
    group : str
        The group's name.
    """

    def __init__(self, job: Job, group: str) -> None:
        self._job, self._group = job, group
        self._deletes = job.after == "delete"
        self._spares = self._watches = False

    def begin(self) -> None:
        """Find out whether the server keeps what other groups have to handle."""
        if self._deletes:
            self._spares = _spares(next(iter(self._job.groups.values())))
            self._watches = not self._spares

    def commands(self, key: str, ids: Sequence[bytes]) -> list[Command]:
        """Return the commands that settle entries."""
        if self._spares:
            return [("XACKDEL", key, self._group, "ACKED", "IDS", len(ids), *ids)]
        acking: list[Command] = [("XACK", key, self._group, *ids)]
        return [*acking, ("XDEL", key, *ids)] if self._deletes else acking

    def notices(self, keys: Sequence[str], replies: Sequence[Any]) -> list[Notice]:
        """Return a notice, once, if other groups have not read what is deleted.

        `replies` are those to XINFO STREAM and XINFO GROUPS of each stream.
        """
        if not self._watches:
            return []
        for key, stream, groups in zip(keys, replies[::2], replies[1::2], strict=False):
            last = EntryId(stream[b"last-generated-id"]) if stream else EntryId("0-0")
            behind = [
                as_text(each[b"name"])
                for each in groups or ()
                if each[b"pending"] or EntryId(each[b"last-delivered-id"]) < last
            ]
            if others := [name for name in behind if name != self._group]:
                self._watches = False
                return [Notice("shared", key, str(last), 0, _losing_groups(key, others))]
        return []


def warn_of_others(job: Job) -> None:
    """Warn if entries will be deleted that a group has not read, or not acknowledged."""
    if job.after != "delete":
        return
    for key, stream in job.streams.items():
        own = job.groups.get(key)
        if own is not None and _spares(own):
            continue
        # Where XINFO is refused it cannot be known.
        with contextlib.suppress(redis.ResponseError):
            rows = group_rows(stream.conn, key)
            behind = [name for _, name, _, pending, _, _, lag, *_ in rows if pending or lag != 0]
            if others := [name for name in behind if own is None or name != own.name]:
                warn(_losing_groups(key, others))


def _spares(group: ConsumerGroup) -> bool:
    """Return whether this user can have only those deleted that every group has acknowledged."""
    stream = group.stream
    command = ("XACKDEL", stream.key, group.name, "ACKED", "IDS", 1, "0-0")
    try:
        # No entry has this ID.
        wire.ask(stream.conn, *command, key=stream.key)
    except redis.ResponseError:
        return False
    return True


def _losing_groups(key: str, groups: Sequence[str]) -> str:
    return (
        f"{key!r}: after='delete' takes entries from {', '.join(map(repr, groups))}, which has not "
        "read or acknowledged them all; after='keep' leaves them, and "
        "trim(maxlen=0, only='acked') deletes what every group has acknowledged"
    )
