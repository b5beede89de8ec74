"""What the tests of consumers share."""

import threading
from typing import Any

import pytest
import redis

from redisnb import Entry, EntryId
from redisnb.consumers import loop

STATS = ("received", "handled", "failed", "trimmed", "dead", "skipped", "missed")


def set_block(monkeypatch: pytest.MonkeyPatch, ms: int) -> None:
    """Set how long a read waits, in ms: most tests need not wait for half a second."""
    monkeypatch.setattr(loop, "BLOCK", ms)


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("redisnb:")]


def fill(raw: redis.Redis, n: int, start: int = 1) -> None:
    """Add the entries start-0 to n-0 with the field i."""
    script = "for i = ARGV[1], ARGV[2] do redis.call('XADD', KEYS[1], i .. '-0', 'i', i) end"
    raw.eval(script, 1, "s", start, n)


def pending(raw: redis.Redis, consumer: str | None = None) -> list[int]:
    rows: Any = raw.xpending_range("s", "g", "-", "+", 10_000, consumer)
    return [EntryId(row["message_id"]).ms for row in rows]


def left(raw: redis.Redis) -> list[int]:
    found: Any = raw.xrange("s")
    return [EntryId(id).ms for id, _ in found]


class Handler:
    """Notes what it is given; raises for, or waits at, some of it."""

    def __init__(self, fail: tuple[int, ...] = (), wait: int | None = None) -> None:
        self.seen: list[int] = []
        self.fail, self.wait = fail, wait
        self.waits, self.go_on = threading.Event(), threading.Event()

    def __call__(self, entry: Entry) -> None:
        self.seen.append(entry.id.ms)
        if entry.id.ms == self.wait:
            self.waits.set()
            assert self.go_on.wait(20)
        if entry.id.ms in self.fail:
            raise ValueError(f"no {entry.id.ms} today")


def in_xread(raw: redis.Redis) -> int:
    """Return how many clients wait for entries: each has read all that there are."""
    return sum(each["cmd"] == "xread" and "b" in each["flags"] for each in raw.client_list())
