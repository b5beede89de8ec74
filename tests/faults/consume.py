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


def handler(orders: Orders) -> Callable[[Any], None]:
    """Make a handler that notes each entry, and dies where it is told to."""
    ledger = Ledger(Path(orders.ledger))
    calls = 0

    def die(when: str) -> None:
        if orders.die == when and calls == orders.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def handle(entry: Any) -> None:
        nonlocal calls
        calls += 1
        die("before")
        if orders.poison and entry.fields[0][1] == orders.poison.encode():
            os.kill(os.getpid(), signal.SIGKILL)
        ledger.note(entry.id, orders.consumer)
        die("after")
        time.sleep(orders.slow)

    return handle


def state(consumer: redisnb.Consumer) -> dict[str, Any]:
    """Return what a test may want to know of a consumer."""
    return {"state": consumer.state, "error": repr(consumer.error), "stats": consumer.stats}


def main(orders: Orders, link: "Connection[Any, Any]") -> None:
    """Consume until the link ends."""
    conn = redisnb.connect(orders.url, timeout=orders.timeout, protocol=orders.protocol)
    stream = redisnb.Stream(conn, orders.key, format="fields")
    consumer = redisnb.Consumer(
        redisnb.ConsumerGroup(stream, orders.group, consumer=orders.consumer),
        handler(orders),
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
