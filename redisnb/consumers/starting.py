"""How a consumer begins: it tries again after the errors that its loop tries again after."""

from __future__ import annotations

import math
import time

import redis

from redisnb import wire
from redisnb.consumers.groups import warn_of_others
from redisnb.consumers.loop import Worker
from redisnb.errors import ConnectError
from redisnb.patience import Patience

__all__: list[str] = []


def begin(worker: Worker, *, patient: bool) -> bool:
    """Let a worker begin, and return whether it has: not if it is told to stop while it waits.

    While the server is away it tries again: until the server is back if `patient`, else for the
    connection's timeout.

    Raises
    ------
    GroupMissingError, ConnectError, RedisnbError, redis.exceptions.RedisError
        If it cannot begin.
    """
    patience = Patience(math.inf if patient else worker.job.conn.timeout)
    worker.become("starting")
    try:
        while True:
            try:
                worker.begin()
                warn_of_others(worker.job)
                if not worker.job.groups:
                    wire.warn_of_absent(worker.job.conn, *worker.job.streams)
                return True
            except (redis.RedisError, ConnectError, OSError) as error:
                wait = patience.wait_after(error)
                worker.become("stalled", error)
            time.sleep(wait)
            if worker.is_stopping:
                worker.become("stopped")
                return False
    except BaseException:
        worker.become("stopped")
        raise
