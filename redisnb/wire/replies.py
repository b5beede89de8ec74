"""Replies on a link: one by one, or as many as have arrived.

redis-py reads from the socket, with its timeouts, TLS and errors, and feeds hiredis' reader. To
ask redis-py for each reply takes about a microsecond; replies that the reader already has are taken
from it directly here, in a twentieth of that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import redis
from redis._parsers.hiredis import NOT_ENOUGH_DATA
from redis.connection import ConnectionInterface as Link
from redis.exceptions import ResponseError

from redisnb.errors import RedisnbError, code, is_transient, words

__all__ = [
    "MOST_REPLY_BYTES",
    "LargeReplyError",
    "metered",
    "receive",
    "receive_many",
    "receive_unless_refused",
    "served",
]

#: The largest reply that `metered` lets through: its bytes, and its line ends, of which an element
#: has one or two. An element of 4 bytes on the wire may take 80 bytes of memory.
MOST_REPLY_BYTES, MOST_REPLY_LINES = 64 * 1024 * 1024, 4_000_000

# Errors that redis-py treats as broken connections, but are replies: nothing was carried out.
_REPLIED_ERRORS = (redis.AuthenticationError, redis.BusyLoadingError)
# What a server replies to a client that is not known to it, and a node of a cluster to any client.
_REFUSES_ALL = frozenset({"ASK", "CROSSSLOT", "MOVED", "NOAUTH"})
# Replies that are no errors. A list is not among them: it may contain one.
_SIMPLE_TYPES = {bytes, int, type(None), dict, float, bool}


class LargeReplyError(RedisnbError):
    """A reply that is larger than its reader wanted; the rest of it was not read."""


class _Meter:
    """A reader that takes only so much from the socket."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self._bytes = self._lines = 0
        self.gets, self.has_data = reader.gets, reader.has_data

    def feed(self, buffer: bytearray, start: int, length: int) -> None:
        self._bytes += length
        self._lines += buffer.count(b"\r\n", start, start + length)
        if self._bytes > MOST_REPLY_BYTES or self._lines > MOST_REPLY_LINES:
            raise LargeReplyError("the reply is too large")
        self._reader.feed(buffer, start, length)


@contextmanager
def metered(link: Link) -> Iterator[None]:
    """Read no more than `MOST_REPLY_BYTES` from a link, or some million elements, in a with block.

    Raises
    ------
    LargeReplyError
        If the replies are larger, as soon as so much has come: the link cannot be used again.
    """
    # redis-py has no place to say it. It takes the reader from its parser before each read.
    parser: Any = vars(link)["_parser"]
    reader = parser._reader
    parser._reader = _Meter(reader)
    try:
        yield
    finally:
        if parser._reader is not None:
            parser._reader = reader


def receive(link: Link, timeout: float | None = None) -> Any:
    """Return the next reply on a link, an error as a value."""
    # An error is a reply like any other: the link stays usable.
    try:
        # `lease` closes a link that breaks.
        if timeout is None:
            return link.read_response(disable_decoding=True, disconnect_on_error=False)
        return link.read_response(disable_decoding=True, timeout=timeout, disconnect_on_error=False)
    except ResponseError as error:
        return error
    except AttributeError:
        if getattr(link, "_sock", None) is not None:
            raise
        # redis-py 8.0, on a link that another thread has closed.
        raise redis.ConnectionError("the link was closed") from None
    except _REPLIED_ERRORS as error:
        return ResponseError(words(error))


def receive_unless_refused(link: Link) -> Any:
    """Return the next reply on a link; None for an error, with which the server answers, too."""
    try:
        return link.read_response()
    except ResponseError:
        # This user may not run the command, or the server refuses all (MISCONF).
        return None


def receive_many(link: Link, count: int) -> Iterator[list[Any]]:
    """Yield the next replies on a link in lists, as they arrive; an error as a value.

    If the link breaks, the replies before are yielded first.
    """
    while count:
        found = [receive(link)]
        broken = _take_ready(link, found, count - 1)
        count -= len(found)
        yield found
        if broken is not None:
            raise broken


def _take_ready(link: Link, found: list[Any], most: int) -> Exception | None:
    """Add the replies that have arrived to `found`; return the error that broke the link."""
    reader = getattr(getattr(link, "_parser", None), "_reader", None)
    if reader is None or not most:
        return None
    try:
        found.extend(islice(iter(reader.gets, NOT_ENOUGH_DATA), most))
    except redis.InvalidResponse as error:
        return error
    if not {*map(type, islice(found, 1, None))} - _SIMPLE_TYPES:
        return None
    ready = found[1:]
    del found[1:]
    for reply in ready:
        first = reply[0] if type(reply) is list and reply else reply
        if isinstance(first, _REPLIED_ERRORS):
            found.append(ResponseError(words(first)))
        elif isinstance(first, redis.ConnectionError):
            return first
        elif type(reply).__name__ == "PushNotification":
            # It is not a reply.
            continue
        else:
            found.append(reply)
    return None


def served(replies: Sequence[Any]) -> Sequence[Any]:
    """Return replies, an error as a value.

    Raises
    ------
    redis.exceptions.ResponseError
        If one of them says that nothing is served, as while the server loads its data.
    """
    for reply in replies:
        if isinstance(reply, ResponseError) and (
            is_transient(reply) or code(reply) in _REFUSES_ALL
        ):
            raise reply
    return replies
