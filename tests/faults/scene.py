"""A stream, a group, a proxy and a ledger: what a fault happens to, and the gates to pass."""

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis

import redisnb
from tests.deadlines import deadline, until
from tests.faults.ledger import Account, Ledger, account
from tests.faults.proxy import Proxy
from tests.faults.servers import FaultServer, connected

#: The gates, in seconds and commands per second.
VISIBLE_WITHIN, RECOVERED_WITHIN, STOPPED_WITHIN = 10, 3, 2
IDLE_RATE, FAILING_RATE = 3, 5
#: What a busy machine may add to a time that is measured from outside.
SLACK = 0.5

_numbers = itertools.count(1)


class Scene:
    """One stream with one group on one server, seen through a proxy of its own.

    Attributes
    ----------
    published : list of str
        The IDs that a publisher was told; nothing of these may be lost.
    """

    batch = 10

    def __init__(
        self, server: FaultServer, directory: Path, *, timeout: float = 1, protocol: int = 2
    ) -> None:
        number = next(_numbers)
        self.server, self.raw = server, server.client
        self.key, self.group_name = f"stream-{number}-", "g"
        self.proxy = Proxy(server.port)
        self.ledger = Ledger(directory / f"ledger-{number}")
        self.conn = connected(self.proxy.url, timeout=timeout, protocol=protocol)
        self.stream = redisnb.Stream(self.conn, self.key, format="fields")
        self.published: list[str] = []
        self.consumers: list[redisnb.Consumer] = []
        self._count = 0

    def close(self) -> None:
        """Stop what runs, and close what is open."""
        for consumer in self.consumers:
            consumer.stop()
        self.proxy.close()
        self.conn.close()
        self.ledger.close()

    # -- publish and consume

    def publish(self, n: int) -> list[str]:
        """Add entries past the proxy, and note their IDs as acknowledged."""
        pipeline = self.raw.pipeline(transaction=False)
        for _ in range(n):
            self._count += 1
            pipeline.xadd(self.key, {"n": self._count})
        added: list[str] = pipeline.execute()
        self.published += added
        return added

    def create(self) -> None:
        """Create the group, from the first entry on."""
        self.raw.xgroup_create(self.key, self.group_name, "0", mkstream=True)

    def group(self, consumer: str = "me", conn: redisnb.Connection | None = None) -> Any:
        """Return the group as one of its consumers sees it, through the proxy."""
        stream = redisnb.Stream(conn or self.conn, self.key, format="fields")
        return redisnb.ConsumerGroup(stream, self.group_name, consumer=consumer)

    def consumer(
        self,
        name: str = "me",
        handler: Callable[[redisnb.Entry], Any] | None = None,
        *,
        source: Any = None,
        **options: Any,
    ) -> redisnb.Consumer:
        """Make a consumer whose handler calls `handler` and then notes the entry."""

        def note(entry: Any) -> None:
            if handler is not None:
                handler(entry)
            self.ledger.note(entry.id, name)

        options = {"count": self.batch, "min_idle": 1} | options
        consumer = redisnb.Consumer(source or self.group(name), note, **options)
        self.consumers.append(consumer)
        return consumer

    # -- what came of it

    def handled(self, n: int | None = None) -> bool:
        """Return whether `n` entries, or all that were published, were handled at least once."""
        ids = set(self.ledger.ids())
        return ids.issuperset(self.published) if n is None else len(ids) >= n

    def pending(self, consumer: str | None = None) -> list[str]:
        """List the IDs in the group's pending list."""
        try:
            rows = self.raw.xpending_range(
                self.key, self.group_name, "-", "+", 10_000, consumername=consumer
            )
        except redis.ResponseError:
            return []  # no such group
        return [row["message_id"] for row in rows]

    def to_come(self) -> list[str]:
        """List what the group still has to deliver, again or for the first time."""
        [group] = self.raw.xinfo_groups(self.key)
        fresh = self.raw.xrange(self.key, f"({group['last-delivered-id']}")
        return self.pending() + [entry_id for entry_id, _ in fresh]

    def leave_behind(self, n: int, owner: str = "gone", idle: int = 60_000) -> list[str]:
        """Publish entries and let a consumer take them that never comes back."""
        self.publish(n)
        reply = self.raw.xreadgroup(self.group_name, owner, {self.key: ">"}, count=n)
        ids = [entry_id for entry_id, _ in reply[0][1]]
        self.raw.xclaim(self.key, self.group_name, owner, 0, ids, idle=idle, justid=True)
        return ids

    def account(self) -> Account:
        """Return what is lost, doubled and pending now."""
        return account(self.published, self.ledger.ids(), self.pending())

    def settles(self, faults: int = 0, *, seconds: float = 8) -> Account:
        """Wait until all is handled and acknowledged, and check LOSS, STUCK and DUP."""
        until(
            lambda: self.handled() and not self.pending(),
            seconds,
            "everything is handled and nothing pending",
        )
        found = self.account()
        most = faults * self.batch
        assert not found.lost, f"LOSS {len(found.lost)}"
        assert not found.stuck, f"STUCK {len(found.stuck)}"
        assert found.repeats <= most, f"DUP {found.repeats}, and at most {most} may be"
        return found

    def works_again(self, since: float | None = None) -> float:
        """Publish something, wait until it is handled, and check that it was soon enough.

        `since` is when the fault ended (now, unless it is given); returns how long it took.
        """
        since = time.monotonic() if since is None else since
        added = self.publish(1)
        until(lambda: added[0] in self.ledger.ids(), 10, "it works again")
        took = time.monotonic() - since
        assert took < deadline(RECOVERED_WITHIN + SLACK)
        return took


def shows(consumer: redisnb.Consumer, *states: str) -> float:
    """Wait until a consumer shows a state and why; return how long it took."""
    start = time.monotonic()
    until(
        lambda: consumer.state in states,
        VISIBLE_WITHIN,
        lambda: f"{states}, but {consumer.state} ({consumer.error!r})",
    )
    if states != ("running",):
        until(lambda: consumer.error is not None, 1, "an error")
    return time.monotonic() - start


def ends(consumer: redisnb.Consumer) -> bool:
    """Stop a consumer, check how long it took, and say what stop() said."""
    start = time.monotonic()
    ended = consumer.stop()
    assert time.monotonic() - start < deadline(STOPPED_WITHIN + SLACK)
    return ended


def rate(count: Callable[[], int], seconds: float = 2) -> float:
    """Measure how much a count grows, per second."""
    before, start = count(), time.monotonic()
    time.sleep(seconds)  # the measurement itself
    return (count() - before) / (time.monotonic() - start)
