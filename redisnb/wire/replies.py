"""Replies on a link: one by one, or as many as have come.

redis-py reads from the socket, with its timeouts, its TLS and its errors, and feeds hiredis'
reader. To ask it for each reply takes about a microsecond; what the reader has already is taken
from it here, in a twentieth of that.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import redis
from redis._parsers.hiredis import NOT_ENOUGH_DATA
from redis.connection import ConnectionInterface as Link
from redis.exceptions import ResponseError

from redisnb.errors import words

__all__ = ["receive", "receive_many"]

# What redis-py takes for broken connections, and what are answers: nothing was carried out.
_ANSWERS = (redis.AuthenticationError, redis.BusyLoadingError)
# What needs no closer look. A list does: an error may stand in it.
_PLAIN = {bytes, int, type(None), dict, float, bool}


def receive(link: Link, timeout: float | None = None) -> Any:
    """Return the next reply on a link, an error as a value."""
    # An error is a reply like any other: the link stays in step and can be used on.
    try:
        # A link that has broken is dropped by who has leased it.
        if timeout is None:
            return link.read_response(disable_decoding=True, disconnect_on_error=False)
        return link.read_response(disable_decoding=True, timeout=timeout, disconnect_on_error=False)
    except ResponseError as error:
        return error
    except AttributeError:
        if getattr(link, "_sock", None) is not None:
            raise
        # redis-py 8.0, on a link that another thread has closed meanwhile.
        raise redis.ConnectionError("the link was closed") from None
    except _ANSWERS as error:
        return ResponseError(words(error))


def receive_many(link: Link, count: int) -> Iterator[list[Any]]:
    """Give the next replies on a link as they come, in lists; an error as a value.

    What came before a link broke is given before that is raised.
    """
    while count:
        found = [receive(link)]
        broken = _take_ready(link, found, count - 1)
        count -= len(found)
        yield found
        if broken is not None:
            raise broken


def _take_ready(link: Link, found: list[Any], most: int) -> Exception | None:
    """Take what is ready beside the reply that was found; return the error that ends it."""
    reader = getattr(getattr(link, "_parser", None), "_reader", None)
    if reader is None or not most:
        return None
    try:
        found.extend(islice(iter(reader.gets, NOT_ENOUGH_DATA), most))
    except redis.InvalidResponse as error:
        return error
    if not {*map(type, islice(found, 1, None))} - _PLAIN:
        return None
    ready = found[1:]
    del found[1:]
    for reply in ready:
        told = reply[0] if type(reply) is list and reply else reply
        if isinstance(told, _ANSWERS):
            found.append(ResponseError(words(told)))
        elif isinstance(told, redis.ConnectionError):
            return told
        elif type(reply).__name__ == "PushNotification":
            # It answers nothing, and nothing here asks for any.
            continue
        else:
            found.append(reply)
    return None
