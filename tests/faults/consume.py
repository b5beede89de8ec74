"""A process with one consumer, which a test can kill; `children` talks to it.

It says "started" on its link when the consumer runs, answers "state" and "stop", and ends when the
link does.
"""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

import redisnb
from tests.faults.ledger import Ledger
from tests.faults.servers import connected


@dataclass(frozen=True)
class Orders:
    """What the process is to do.

    Attributes
    ----------
    die : {"", "before", "after"}
        Kill itself at the `at`-th entry: before the handler has done its work, or after it and
        before anything can be acknowledged.
    slow : float
        How long the handler takes, in seconds.
    poison : str
        Kill itself at each entry whose first field has this value.
    frames : bool
        Handle a frame of entries at a time; all of it comes again where it is cut short.
    """

    url: str
    key: str
    group: str
    consumer: str
    ledger: str
    batch: int = 10
    min_idle: float = 1
    max_deliveries: int | None = None
    on_missing_group: Literal["fail", "recreate"] = "fail"
    timeout: float = 1
    protocol: int = 2
    die: str = ""
    at: int = 1
    slow: float = 0
    poison: str = ""
    frames: bool = False


def handler(orders: Orders) -> Callable[[Any, Any], None]:
    """Make a handler of an ID and its first value: it notes it, and dies where it is told to."""
    ledger = Ledger(Path(orders.ledger))
    calls = 0

    def die(when: str) -> None:
        if orders.die == when and calls == orders.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def handle(entry_id: Any, value: Any) -> None:
        nonlocal calls
        calls += 1
        die("before")
        if orders.poison and value == orders.poison:
            os.kill(os.getpid(), signal.SIGKILL)
        ledger.note(entry_id, orders.consumer)
        die("after")
        time.sleep(orders.slow)

    return handle


def state(consumer: redisnb.Consumer) -> dict[str, Any]:
    """Return what a test may want to know of a consumer."""
    return {"state": consumer.state, "error": repr(consumer.error), "stats": consumer.stats}


def main(orders: Orders, link: "Connection[Any, Any]") -> None:
    """Consume until the link ends."""
    conn = connected(orders.url, timeout=orders.timeout, protocol=orders.protocol)
    stream = redisnb.Stream(conn, orders.key, format="fields")
    handle = handler(orders)

    def on_entry(entry: Any) -> None:
        handle(entry.id, entry.fields[0][1].decode())

    def on_frame(frame: Any) -> None:
        for row in frame.itertuples(index=False):
            handle(row[0], row[1])

    consumer = redisnb.Consumer(
        redisnb.ConsumerGroup(stream, orders.group, consumer=orders.consumer),
        None if orders.frames else on_entry,
        on_frame=on_frame if orders.frames else None,
        count=orders.batch,
        min_idle=orders.min_idle,
        max_deliveries=orders.max_deliveries,
        on_missing_group=orders.on_missing_group,
    )
    answers = {"state": lambda: state(consumer), "stop": consumer.stop}
    # A Ctrl-C is one way to end it.
    with suppress(EOFError, KeyboardInterrupt), consumer:
        link.send("started")
        while True:
            link.send(answers[link.recv()]())
