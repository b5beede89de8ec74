"""A publisher that goes on whatever happens, and notes what it was told."""

import threading
import time
from typing import Any, Self

import redis

import redisnb
from tests.faults.servers import connected


class Publisher(threading.Thread):
    """Adds numbered events, one after the other, until it is told to end.

    Attributes
    ----------
    acknowledged : list of str
        The IDs that it was given for an event; these must be handled.
    uncertain, refused : int
        How often the outcome was unknown, and how often certainly nothing was added.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        name: str = "publisher",
        timeout: float = 1,
        pause: float = 0,
        own_ids: bool = False,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._conn = connected(url, timeout=timeout)
        self._stream = redisnb.Stream(self._conn, key, format="fields")
        self._pause, self._own_ids = pause, own_ids
        self._ended = threading.Event()
        self.acknowledged: list[str] = []
        self.uncertain = self.refused = 0

    def run(self) -> None:
        n = 0
        while not self._ended.is_set():
            n += 1
            try:
                self._add(n)
            except redisnb.UncertainWriteError:
                self.uncertain += 1
            except (redisnb.ConnectError, redis.ResponseError):
                self.refused += 1
                # As any publisher would do while the server is away.
                time.sleep(0.05)
            time.sleep(self._pause)

    def _add(self, n: int) -> None:
        more: dict[str, Any] = {"id": f"{time.time_ns() // 1000}-0"} if self._own_ids else {}
        self.acknowledged.append(self._stream.add({"event": f"{self.name}-{n}"}, **more))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Stop publishing."""
        self._ended.set()
        if self.is_alive():
            self.join()
        self._conn.close()
