"""A thread that keeps a group's entries with their consumer while a slow handler has them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

import redis

from redisnb import wire
from redisnb.errors import ConnectError
from redisnb.stream import ConsumerGroup, give_back, keep_held

__all__: list[str] = []


class Heartbeat:
    """A thread that sets the idle time of the entries in hand back to 0 from time to time.

    It is a thread of its own, since a handler may block the event loop.

    Parameters
    ----------
    groups : iterable of ConsumerGroup
        One for each stream that is read.
    every : float
        The time between two beats, in seconds.

    Attributes
    ----------
    lost : set of (str, bytes)
        Key and ID of each entry that another consumer has taken over.
    gone : set of (str, bytes)
        Key and ID of each entry that was trimmed and is in no pending list any more, so that no
        other consumer can get it.
    """

    def __init__(self, groups: Iterable[ConsumerGroup], every: float) -> None:
        self._groups = {group.stream.key: group for group in groups}
        self._every = every
        self._held: dict[str, dict[bytes, None]] = {key: {} for key in self._groups}
        self.lost: set[tuple[str, bytes]] = set()
        self.gone: set[tuple[str, bytes]] = set()
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._gives_back = False
        name = f"redisnb:heartbeat of {','.join(self._groups)}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def stop(self, *, give_back: bool = False) -> None:
        """End at once; with `give_back` any consumer may claim what is still held."""
        self._gives_back = give_back
        self._end.set()
        if not give_back and self._thread.is_alive():
            # It ends at once unless it waits for the server.
            self._thread.join(0.1)

    def hold(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Keep the entries of a new batch from now on, given by key and ID."""
        with self._lock:
            self.lost.clear()
        self.keep(entries)

    def keep(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Keep more entries."""
        with self._lock:
            for key, id in entries:
                self._held[key][id] = None

    def drop(self, key: str, ids: Sequence[bytes]) -> None:
        """Stop keeping entries."""
        with self._lock:
            held = self._held[key]
            for id in ids:
                held.pop(id, None)
            if self.lost or self.gone:
                settled = {(key, id) for id in ids}
                self.lost -= settled
                self.gone -= settled

    def held_ids(self) -> dict[str, list[bytes]]:
        """Return the IDs of the entries that are kept, by stream."""
        with self._lock:
            return {key: list(ids) for key, ids in self._held.items() if ids}

    def _run(self) -> None:
        while not self._end.wait(self._every):
            self._each(self._keep)
        if self._gives_back:
            self._each(self._give_back)

    def _each(self, action: Callable[[ConsumerGroup, list[bytes]], None]) -> None:
        for key, ids in self.held_ids().items():
            try:
                action(self._groups[key], ids)
            except redis.ResponseError:
                # It concerns this stream alone: its group is gone.
                continue
            except (redis.RedisError, ConnectError, OSError):
                # The loop meets the same error and reports it; the next beat tries again.
                return

    def _keep(self, group: ConsumerGroup, ids: list[bytes]) -> None:
        key, conn = group.stream.key, group.stream.conn
        for part in wire.batches(ids):
            talk = keep_held(key, group.name, group.consumer, part)
            lost, gone = wire.converse(conn, talk, key=key)
            with self._lock:
                # What was settled since is neither.
                held = self._held[key]
                self.lost |= {(key, id) for id in lost if id in held}
                self.gone |= {(key, id) for id in gone if id in held}
                for id in lost | gone:
                    held.pop(id, None)

    def _give_back(self, group: ConsumerGroup, ids: list[bytes]) -> None:
        key, conn = group.stream.key, group.stream.conn
        for part in wire.batches(ids):
            wire.converse(conn, give_back(key, group.name, group.consumer, part), key=key)
