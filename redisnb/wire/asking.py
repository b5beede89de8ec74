"""Commands and raw replies over one link, one or many at a time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeAlias, TypeVar

import hiredis
import pandas as pd
import redis
from redis.asyncio.connection import AbstractConnection as AsyncLink
from redis.connection import ConnectionInterface as Link
from redis.exceptions import ResponseError

from redisnb.entries import SPELLED, to_bytes
from redisnb.errors import code, explain, is_transient
from redisnb.wire.connection import Connection, lease
from redisnb.wire.replies import metered, receive, receive_many

__all__ = [
    "BATCH",
    "BATCH_BYTES",
    "Command",
    "Conversation",
    "ask",
    "ask_async",
    "ask_in_bounds",
    "ask_many",
    "ask_many_async",
    "ask_packed",
    "batches",
    "clock",
    "close_async",
    "command_parts",
    "converse",
    "converse_async",
    "exchange",
    "mapping",
    "now",
    "own_clock",
    "pack",
    "replies_to",
    "round_trip",
    "xinfo_states",
]

T = TypeVar("T")
Command: TypeAlias = Sequence[Any]
#: A generator that yields commands, receives their replies and returns a result. Blocking and
#: asyncio code drive the same ones.
Conversation: TypeAlias = Generator[tuple[Any, ...], Any, T]
#: How many commands, or about how many bytes of them, are sent at once.
BATCH, BATCH_BYTES = 1000, 4 * 1024 * 1024
#: How long to wait until the other end has closed a connection too, in seconds.
CLOSED_WITHIN = 0.2


def ask(conn: Connection, *command: Any, key: str, wait: float = 0) -> Any:
    """Send one command and return its raw reply; `wait` is how long it may block, in seconds.

    Raises
    ------
    redis.exceptions.ResponseError
        If the server refuses the command, with the remedy as a note where it is known.
    redis.exceptions.ConnectionError, redis.exceptions.TimeoutError
        If there is no reply; it is then unknown whether the command was carried out.
    ConnectError
        If the server cannot be reached: nothing was sent.
    """
    with lease(conn) as link:
        link.send_packed_command([pack(command)])
        reply = receive(link, conn.timeout + wait if wait else None)
        if isinstance(reply, ResponseError) and code(reply) == "NOAUTH":
            # A new link authenticates again.
            link.disconnect()
    if isinstance(reply, ResponseError):
        raise explain(reply, key, command)
    return reply


def round_trip(conn: Connection) -> float:
    """Return how long the server takes to reply to PING, in seconds, once it is connected.

    A refusal is a reply like any other. Raises what `ask` does without one.
    """
    with lease(conn) as link:
        began = time.perf_counter()
        link.send_packed_command([pack(("PING",))])
        receive(link)
        return time.perf_counter() - began


def ask_packed(
    conn: Connection, packed: bytes, meanwhile: Callable[[], object] = lambda: None
) -> Any:
    """Send one packed command, call `meanwhile`, and return the raw reply, an error as a value.

    If `meanwhile` raises, the reply is lost.
    """
    with lease(conn) as link:
        link.send_packed_command([packed])
        meanwhile()
        return receive(link)


def converse(conn: Connection, conversation: Conversation[T], *, key: str) -> T:
    """Drive a conversation and return its result."""
    try:
        command = next(conversation)
        while True:
            command = conversation.send(ask(conn, *command, key=key))
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


async def ask_async(link: AsyncLink, *command: Any, key: str | None, timeout: float) -> Any:
    """Do what `ask` does, on a link of `async_link`, within `timeout` seconds."""
    try:
        # Not by redis-py's timeouts: it returns None for a late reply, which is then taken for the
        # next one, and it sends in `asyncio.wait_for`, which before Python 3.12 loses a cancel
        # that arrives when the command has just been sent
        # (https://github.com/python/cpython/issues/86296).
        async with asyncio.timeout(timeout):
            await link.send_packed_command(pack(command))
            return await link.read_response(disable_decoding=True)
    except TimeoutError:
        await link.disconnect(nowait=True)
        raise redis.TimeoutError(f"no reply within {timeout:g} s") from None
    except asyncio.CancelledError:
        # The reply may still arrive, and would be taken for the next one.
        await link.disconnect(nowait=True)
        raise
    except ResponseError as error:
        raise (error if key is None else explain(error, key, command)) from None


async def close_async(link: AsyncLink) -> None:
    """Disconnect a link of `async_link`, at once whatever the server does.

    redis-py waits until what was sent has arrived, and with TLS for an answer; a server that hangs
    gives neither, and the wait ends with an error.
    """
    with contextlib.suppress(redis.RedisError, OSError):
        async with asyncio.timeout(CLOSED_WITHIN):
            await link.disconnect()


async def ask_many_async(
    link: AsyncLink, commands: Iterable[Command], *, timeout: float
) -> list[Any]:
    """Send a few commands, one after the other, and return their replies, an error as a value."""
    replies: list[Any] = []
    for command in commands:
        try:
            replies.append(await ask_async(link, *command, key=None, timeout=timeout))
        except ResponseError as error:
            replies.append(error)
    return replies


async def converse_async(
    link: AsyncLink, conversation: Conversation[T], *, key: str, timeout: float
) -> T:
    """Do what `converse` does, each reply within `timeout` seconds."""
    try:
        command = next(conversation)
        while True:
            reply = await ask_async(link, *command, key=key, timeout=timeout)
            command = conversation.send(reply)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


def ask_many(conn: Connection, commands: Iterable[Command]) -> Generator[Any, None, None]:
    """Send commands in batches and yield the reply to each, an error as a value.

    Each batch is sent before the replies to the one before are read, so that the server is never
    idle.
    """
    return replies_to(conn, command_parts(map(pack, commands)))


def replies_to(conn: Connection, parts: Iterator[list[bytes]]) -> Generator[Any, None, None]:
    """Do what `ask_many` does, for parts of packed commands."""
    with lease(conn) as link:
        in_flight = _send(link, parts)
        while in_flight:
            following = _send(link, parts)
            for replies in receive_many(link, in_flight):
                yield from replies
            in_flight = following


def exchange(
    conn: Connection,
    parts: Iterator[list[bytes]],
    replies: list[Any],
    advance: Callable[[int], object],
) -> None:
    """Do what `ask_many` does, for parts of packed commands and into a list.

    `advance` is called with the number of commands in each part that was answered. When the
    connection breaks, `replies` has the certain ones; what else was taken from `parts` was sent and
    not answered; `parts` still has the rest.
    """
    with lease(conn) as link:
        in_flight = _send(link, parts)
        while in_flight:
            following = _send(link, parts)
            for found in receive_many(link, in_flight):
                replies += found
            advance(in_flight)
            in_flight = following


def ask_in_bounds(
    conn: Connection, commands: Sequence[Command], waits: Sequence[float], replies: list[Any]
) -> None:
    """Send commands over one link and add the reply to each to `replies`, an error as a value.

    A command may block for its part of `waits`, in seconds.

    Raises
    ------
    LargeReplyError
        If the replies are larger than `metered` lets through.
    ConnectError
        If the server cannot be reached: nothing was sent.
    redis.exceptions.ConnectionError, redis.exceptions.TimeoutError
        If the link broke: all commands may have been carried out, also those without a reply.
    """
    parts, blocked = command_parts(map(pack, commands)), iter(waits)
    with lease(conn) as link, metered(link):
        in_flight = _send(link, parts)
        while in_flight:
            following = _send(link, parts)
            # One by one: those before a break are kept.
            replies.extend(
                receive(link, conn.timeout + wait if wait else None)
                for wait in islice(blocked, in_flight)
            )
            in_flight = following
        if any(isinstance(reply, ResponseError) and code(reply) == "NOAUTH" for reply in replies):
            link.disconnect()


def pack(command: Command) -> bytes:
    """Return a command as sent; text is encoded by `to_bytes`, so that it can spell any bytes."""
    if any([SPELLED in part for part in command if type(part) is str]):  # noqa: C419 - in half the time
        command = [to_bytes(each) if isinstance(each, str) else each for each in command]
    return hiredis.pack_command(tuple(command))  # type: ignore[no-any-return]


def _send(link: Link, parts: Iterator[list[bytes]]) -> int:
    part = next(parts, None)
    if not part:
        return 0
    # One buffer: a system call for each command would take most of the time.
    link.send_packed_command([b"".join(part)])
    return len(part)


def command_parts(packed: Iterator[bytes]) -> Iterator[list[bytes]]:
    """Yield packed commands in parts that are sent at once."""
    while True:
        part: list[bytes] = []
        size = 0
        for command in islice(packed, BATCH):
            part.append(command)
            size += len(command)
            if size > BATCH_BYTES:
                break
        if not part:
            return
        yield part


def batches(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Yield arguments in portions that fit into one command."""
    for i in range(0, len(values), BATCH):
        yield values[i : i + BATCH]


def mapping(reply: Any) -> dict[bytes, Any]:
    """Return a reply of names and values as a dict: RESP3 sends a map, RESP2 a flat list."""
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))


def xinfo_states(commands: Iterable[Command], replies: Iterable[Any]) -> list[Any]:
    """Return XINFO's replies as mappings, or lists of them; None where there is no such key.

    Where the server or this user has no XINFO, the error is returned in its place: no read
    depends on it.

    Raises
    ------
    redis.exceptions.ResponseError
        If a key is not a stream, or the error is transient.
    """
    states: list[Any] = []
    for command, reply in zip(commands, replies, strict=True):
        if isinstance(reply, ResponseError):
            if "no such key" not in str(reply):
                if is_transient(reply) or code(reply) == "WRONGTYPE":
                    raise explain(reply, command[-1])
                states.append(reply)
                continue
            states.append(None)
        elif reply and isinstance(reply, list) and isinstance(reply[0], list | dict):
            states.append([mapping(each) for each in reply])
        else:
            states.append(mapping(reply))
    return states


def clock(conn: Connection) -> pd.Timestamp | None:
    """Return the server's time, on which entry IDs are based; None where TIME is refused."""
    try:
        seconds, micros = ask(conn, "TIME", key="")
    except ResponseError as error:
        if is_transient(error):
            raise
        return None
    return pd.Timestamp(int(seconds) * 10**6 + int(micros), unit="us", tz="UTC")


def now(conn: Connection) -> pd.Timestamp:
    """Return the server's time; this machine's, with a warning, where TIME is refused."""
    return clock(conn) or own_clock(conn)


def own_clock(conn: Connection) -> pd.Timestamp:
    """Return this machine's time instead of the server's, with one warning."""
    conn.warn_once(
        "this user or server has no TIME, so this machine's clock is used instead of the server's; "
        "+time in the user's ACL gives the server's"
    )
    return pd.Timestamp.now("UTC")


def transaction(conn: Connection, commands: Sequence[Command], *, needed: bool = True) -> list[Any]:
    """Carry out commands at one moment (MULTI, EXEC) and return their replies.

    https://redis.io/docs/latest/develop/using-commands/transactions/

    Parameters
    ----------
    conn : Connection
    commands : sequence of Command
    needed : bool, default True
        Raise an error of one of the commands. Reads can do without a transaction: False returns
        errors as values, and also what a server or user without MULTI replies one by one.

    Raises
    ------
    redis.exceptions.ResponseError
        If the server refuses the transaction, or one of its commands.
    """
    begun, *queued, replies = ask_many(conn, (("MULTI",), *commands, ("EXEC",)))
    if not needed and isinstance(begun, ResponseError) and not is_transient(begun):
        return queued
    # A command that is refused when it is queued has the better text than EXEC's own.
    each = replies if needed and isinstance(replies, list) else ()
    for reply in (begun, *queued, replies, *each):
        if isinstance(reply, ResponseError):
            raise explain(reply, "", ("MULTI",))
    return list(replies)
