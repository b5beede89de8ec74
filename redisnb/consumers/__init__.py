"""Consumers: a loop that hands each entry of a stream or a group to a handler."""

from redisnb.consumers.consumer import Consumer, tap
from redisnb.consumers.lanes import pass_over
from redisnb.consumers.record import KEPT_ENTRIES, HandlerError, Tap

__all__ = [
    "KEPT_ENTRIES",
    "Consumer",
    "HandlerError",
    "Tap",
    "pass_over",
    "tap",
]
