"""Consumers: a loop that hands each entry to a handler, alone or in a group."""

from redisnb.consumers.consumer import Consumer
from redisnb.consumers.record import KEPT_ENTRIES

__all__ = [
    "KEPT_ENTRIES",
    "Consumer",
]
