"""Consumers: a loop that hands each entry of a stream or a group to a handler."""

from redisnb.consumers.consumer import Consumer
from redisnb.consumers.record import KEPT_ENTRIES

__all__ = [
    "KEPT_ENTRIES",
    "Consumer",
]
