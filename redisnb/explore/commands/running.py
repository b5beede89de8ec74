"""command(): any command of Redis, with its reply as a frame where that is tabular."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import redis
from redis.exceptions import ResponseError

from redisnb import frames, wire
from redisnb.errors import RedisnbError, UncertainWriteError, warn, words
from redisnb.explore.commands.advising import advise, title
from redisnb.explore.commands.arguments import Argument, arguments
from redisnb.explore.commands.refusing import (
    blocked_seconds,
    check_blocks,
    check_transactions,
    refuse,
)
from redisnb.explore.commands.results import Results
from redisnb.explore.commands.splitting import read_lines
from redisnb.hints import hinted
from redisnb.wire import Connection

__all__ = ["Request", "command", "run"]

#: How many of the commands that failed are named.
_FAILURES_NAMED = 3


class Request(NamedTuple):
    """A command to send: its words, and where it stands in a text ("line 3: ", or "")."""

    words: Sequence[bytes]
    place: str = ""


@hinted
def command(conn: Connection, command: str | Sequence[Argument], *, raw: bool = False) -> Any:
    r"""Send any command, and return its reply as a frame where it is tabular.

    Parameters
    ----------
    conn : Connection
        What `redisnb.connect` returns.
    command : str or sequence of str, bytes, int, float
        Text such as ``"XRANGE orders - + COUNT 5"``, split into words as redis-cli does: in double
        quotes ``\n``, ``\"`` and ``\xHH`` are escapes, in single quotes everything stands for
        itself. Or its arguments, one by one and whatever is in them: ``["SET", "a b", value]``.
        Text of several lines has a command in each (blank lines and those that begin with ``#``
        have none); they are sent together, in one pipeline.
    raw : bool
        Return what the server sent: bytes, integers, lists, in RESP3 also maps.

    Returns
    -------
    DataFrame, or plain Python; of several commands a list, which shows them with their results
        ====================================== =================================================
        command                                frame
        ====================================== =================================================
        XRANGE, XREVRANGE, XREAD, XREADGROUP,  ENTRIES, as `Stream.range` reads them; XAUTOCLAIM
        XCLAIM, XAUTOCLAIM                     has ``attrs["next"]`` and ``attrs["deleted"]``
        XPENDING with a range                  PENDING
        XPENDING without                       `consumer`, `pending`; ``attrs`` has "count",
                                               "first" and "last"
        XINFO GROUPS, XINFO CONSUMERS          a row for each, by Redis' own names
        XINFO STREAM, CONFIG GET, MEMORY STATS `name`, `value`
        SCAN, SSCAN                            `key`, `value`; ``attrs["cursor"]`` continues it
        HGETALL, HSCAN, WITHVALUES             `field`, `value`
        ZSCAN, ZPOPMIN, ZPOPMAX, WITHSCORES    `value`, `score`
        INFO; CLIENT LIST, CLIENT INFO;        INFO; CLIENTS, without `own`; SLOWLOG
        SLOWLOG GET
        JSON.GET of an array of objects        their members
        FT.SEARCH                              `key`, then the fields; ``attrs["total"]``
        ====================================== =================================================

        Frames without a row have their columns. Anything else is text (for bytes; those that are
        not UTF-8 are spelled, see `to_bytes`), numbers, None, lists and dicts of them. In a list,
        the error of a command that failed stands in its place. EXEC returns the list of what its
        commands do.

    Raises
    ------
    ValueError
        If a quote is not closed or there is no command; or if the command would block for more than
        60 s, or has no end (MONITOR, SUBSCRIBE), or changes the link that it shares with other
        calls (SELECT, AUTH, MULTI without EXEC, ...): the message has what does it instead. Nothing
        was sent.
    TypeError
        If an argument is neither text, bytes nor a number. Nothing was sent.
    ReadOnlyError
        If the connection is read-only and a command is not known to only read. Nothing was sent.
    ConnectError
        If the server cannot be reached. Nothing was sent.
    redis.exceptions.ResponseError
        If the server refuses a single command, with its syntax or what was meant as a note.
    UncertainWriteError
        If there is no reply to a command that may write: it may or may not have been carried out.
    RedisnbError
        If the replies are larger than 64 MB, or have millions of elements; the rest is not read.

    Warns
    -----
    RedisnbWarning
        If some of several commands failed.

    Notes
    -----
    The command; after an error also COMMAND LIST, COMMAND, COMMAND DOCS or COMMAND GETKEYS.

    Examples
    --------
    >>> rnb.command(conn, "XLEN orders")
    4
    >>> rnb.command(conn, ["HSET", "user:7", "name", "Ann Lee"])
    1
    >>> rnb.command(conn, "HGETALL user:7")
      field    value
    0  name  Ann Lee
    """
    wire.check_connection(conn, "command(conn, command)")
    texts: list[str] = []
    if isinstance(command, str):
        lines = read_lines(command)
        texts = [line.text for line in lines]
        requests = [Request([each.value for each in line.words], line.place) for line in lines]
    elif isinstance(command, list | tuple):
        if not command:
            raise ValueError("there is no command; a list has its name and its arguments")
        requests = [Request(arguments(command))]
    else:
        raise TypeError(
            f"command is text such as 'GET user:7', or a list of arguments such as ['GET', key], "
            f"not {type(command).__name__}"
        )
    results, failures = run(conn, requests, raw=raw)
    if failures:
        warn(failures)
    return results[0] if len(results) == 1 else Results(texts, results)


def run(conn: Connection, requests: Sequence[Request], *, raw: bool) -> tuple[list[Any], str]:
    """Send commands in one pipeline; return the result of each, and a warning of failures or "".

    See `command` for what it raises.
    """
    for each in requests:
        refuse(*each)
    check_transactions(requests)
    waits = [blocked_seconds(*each) for each in requests]
    check_blocks(waits)
    for each in requests:
        wire.check_sends(conn, *each.words)
    replies = _replies_in_bounds(conn, requests, waits)
    failures = _failures(conn, requests, replies)
    return replies if raw else _shaped(requests, replies), failures


def _replies_in_bounds(
    conn: Connection, requests: Sequence[Request], waits: Sequence[float]
) -> list[Any]:
    replies: list[Any] = []
    try:
        wire.ask_in_bounds(conn, [each.words for each in requests], waits, replies)
    except wire.LargeReplyError:
        raise _too_large(requests, len(replies)) from None
    except (redis.ConnectionError, redis.TimeoutError, redis.InvalidResponse, OSError) as error:
        left = requests[len(replies) :]
        if not any(_may_write(each) for each in left):
            raise
        raise _uncertain(conn, left, str(error) or type(error).__name__) from error
    except KeyboardInterrupt as error:
        if any(_may_write(each) for each in requests[len(replies) :]):
            error.add_note("what was sent may have been carried out")
        raise
    return replies


def _may_write(request: Request) -> bool:
    return not wire.only_reads(request.words)


def _uncertain(conn: Connection, left: Sequence[Request], reason: str) -> UncertainWriteError:
    writes = [each for each in left if _may_write(each)]
    first, *others = writes
    more = f" and {len(others):,} more" if others else ""
    return UncertainWriteError(
        f"{conn.url}: no reply ({reason}) to {first.place}{title(first.words)}{more}, so it may or "
        "may not have been carried out; look before sending it again",
        stream="",
        rows=len(writes),
    )


def _too_large(requests: Sequence[Request], answered: int) -> RedisnbError:
    """Return the error of a reply that was not read to its end."""
    first, *others = requests[answered:]
    name, more = title(first.words), ", with those before it," if answered else ""
    said = (
        f"{first.place}the reply to {name}{more} is larger than {wire.MOST_REPLY_BYTES >> 20} MB "
        "or has millions of elements, and was not read to its end; ask for less (COUNT, a range), "
        "or use redisnb.preview(conn, key), stream.frames(), or conn.client, which has no such "
        "limit"
    )
    if _may_write(first) or name == "EXEC":
        said += f"; {name} was carried out"
    if n := sum(map(_may_write, others)):
        said += f"; what was sent after it may or may not have been carried out (commands: {n:,})"
        return UncertainWriteError(said, stream="", rows=n)
    return RedisnbError(said)


def _failures(conn: Connection, requests: Sequence[Request], replies: Sequence[Any]) -> str:
    """Raise the error of a single command; return a warning of those among several, or ""."""
    failed = [
        (request, reply)
        for request, reply in zip(requests, replies, strict=True)
        if isinstance(reply, ResponseError)
    ]
    # EXEC returns those of the commands before it.
    for at, queued in _transactions(requests, replies).items():
        inner = zip(queued, replies[at], strict=True)
        failed += [pair for pair in inner if isinstance(pair[1], ResponseError)]
    for request, error in failed[:_FAILURES_NAMED]:
        advise(conn, error, request.words)
    if failed and len(requests) == 1:
        raise failed[0][1]
    if not failed:
        return ""
    named = [
        f"{request.place}{title(request.words)}: {words(error)}"
        for request, error in failed[:_FAILURES_NAMED]
    ]
    if len(failed) > _FAILURES_NAMED:
        named.append("...")
    return f"{len(failed):,} of {len(requests):,} commands failed: {'; '.join(named)}"


def _shaped(requests: Sequence[Request], replies: Sequence[Any]) -> list[Any]:
    """Return replies as results, errors as they are."""
    results = [*map(_result, requests, replies)]
    for at, queued in _transactions(requests, replies).items():
        results[at] = [*map(_result, queued, replies[at])]
    return results


def _result(request: Request, reply: Any) -> Any:
    return reply if isinstance(reply, ResponseError) else frames.shape_reply(request.words, reply)


def _transactions(
    requests: Sequence[Request], replies: Sequence[Any]
) -> dict[int, Sequence[Request]]:
    """Return the commands whose replies are in that to an EXEC, by where that is."""
    found: dict[int, Sequence[Request]] = {}
    queued: list[Request] = []
    for at, (request, reply) in enumerate(zip(requests, replies, strict=True)):
        if title(request.words) == "MULTI":
            queued = []
        elif reply == b"QUEUED":
            queued.append(request)
        elif title(request.words) == "EXEC" and _length(reply) == len(queued):
            found[at] = queued
    return found


def _length(reply: Any) -> int | None:
    return len(reply) if isinstance(reply, list) else None
