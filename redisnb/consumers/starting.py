"""How a consumer begins: it asks the server some things, and rides out what its loop rides out."""

from __future__ import annotations

import math
import time

import redis

from redisnb import wire
from redisnb.consumers.deleting import warn_of_others
from redisnb.consumers.loop import Worker
from redisnb.consumers.record import Tally
from redisnb.errors import ConnectError, is_lacking
from redisnb.patience import Patience
from redisnb.stream import ConsumerGroup

__all__: list[str] = []


def is_there(group: ConsumerGroup) -> bool:
    """Return whether a group exists; True where XINFO is refused, as reading will tell."""
    try:
        return not group.info().empty
    except redis.ResponseError as error:
        if not is_lacking(error):
            raise
        return True


def begin(worker: Worker, tally: Tally, *, patient: bool) -> bool:
    """Let a worker begin, and return whether it has: not if it is told to stop meanwhile.

    While the server is away it is tried again: until it is back if `patient`, else for the
    connection's timeout.

    Raises
    ------
    GroupMissingError, ConnectError, RedisnbError, redis.exceptions.RedisError
        If it cannot begin.
    """
    patience = Patience(math.inf if patient else worker.conn.timeout)
    tally.become("starting")
    try:
        while True:
            try:
                worker.begin()
                warn_of_others(worker.job)
                if not worker.job.groups:
                    wire.warn_of_absent(worker.conn, *worker.job.streams)
                return True
            except (redis.RedisError, ConnectError, OSError) as error:
                wait = patience.wait_after(error)
                tally.become("stalled", error)
            time.sleep(wait)
            if worker.stopping:
                tally.become("stopped")
                return False
    except BaseException:
        tally.become("stopped")
        raise
