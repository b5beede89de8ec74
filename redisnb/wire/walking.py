"""Iteration over the keys of a database, with the same commands for each."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from typing import Any

from redis.connection import ConnectionInterface as Link
from redis.exceptions import ResponseError

from redisnb.errors import explain
from redisnb.wire.asking import Command, ask, pack
from redisnb.wire.connection import Connection, lease
from redisnb.wire.replies import receive, receive_many

__all__ = ["scan", "template", "walk"]

#: How many keys one SCAN looks at: it blocks the server for a millisecond or two.
SCAN_COUNT = 5_000
#: How many where commands for each key follow.
WALK_COUNT = 1_000


class _Scan:
    """The position of an iteration, and the keys that it has returned."""

    def __init__(self, match: str, type: str | None) -> None:
        if not isinstance(match, str):
            raise TypeError(f"match is a pattern such as 'user:*', not {match!r}")
        self._match = match
        self._narrowed = () if type is None else ("TYPE", type)
        self._seen: set[bytes] = set()
        self._cursor = b"0"
        self.ended = False

    def command(self, count: int) -> Command:
        return ("SCAN", self._cursor, "MATCH", self._match, "COUNT", count, *self._narrowed)

    @property
    def share(self) -> float:
        """The share of the database that SCAN has been through."""
        # A cursor counts from its highest bit down, so that it holds while the table of keys grows:
        # https://github.com/redis/redis/blob/7.0/src/dict.c, at dictScan
        return 1.0 if self.ended else int(f"{int(self._cursor):064b}"[::-1], 2) / 2**64

    def fresh(self, reply: Any) -> list[bytes]:
        """Return the keys of a reply that are new."""
        self._cursor, page = reply
        self.ended = self._cursor == b"0"
        # SCAN may return a key twice while the table of keys grows or shrinks,
        # https://redis.io/docs/latest/commands/scan/#scan-guarantees
        fresh = [key for key in dict.fromkeys(page) if key not in self._seen]
        self._seen.update(fresh)
        return fresh


def scan(conn: Connection, match: str, type: str | None = None) -> Iterator[list[bytes]]:
    """Yield the keys that match, each once, in pages that may be empty."""
    walked = _Scan(match, type)
    while not walked.ended:
        # Also empty pages: where few keys match, the caller can stop between two.
        yield walked.fresh(ask(conn, *walked.command(SCAN_COUNT), key=match))


def walk(
    conn: Connection,
    match: str,
    questions: Sequence[Command],
    type: str | None = None,
    *,
    most: int | None = None,
) -> Generator[tuple[list[bytes], list[Any]], None, float]:
    """Yield the keys that match, with the replies to the same commands for each.

    The next SCAN is sent before the commands for a page, so that the server has work while their
    replies are read.

    Parameters
    ----------
    questions : sequence of commands
        Without the key, which becomes the last argument of each.
    most : int, optional
        End with the SCAN that has found so many keys.

    Yields
    ------
    (keys, replies)
        As many replies for each key as there are commands, in order; an error is a value.

    Returns
    -------
    float
        The share of the database that was walked, by SCAN's cursor.

    Raises
    ------
    redis.exceptions.ResponseError
        If the server refuses SCAN.
    """
    walked, found = _Scan(match, type), 0
    count = WALK_COUNT if most is None else min(WALK_COUNT, max(most, 1))
    about = template(questions)
    # Commands without a reply yet: the keys that they are for, or None for a SCAN.
    sent: deque[list[bytes] | None] = deque()

    def send(keys: list[bytes]) -> None:
        packed = []
        if not walked.ended and (most is None or found < most):
            packed.append(pack(walked.command(count)))
            sent.append(None)
        if keys:
            packed += [about % ((len(key), key) * len(questions)) for key in keys]
            sent.append(keys)
        if packed:
            link.send_packed_command([b"".join(packed)])

    with lease(conn) as link:
        send([])
        while sent:
            keys = sent.popleft()
            if keys is not None:
                yield keys, _receive_all(link, len(keys) * len(questions))
                continue
            reply = receive(link)
            if isinstance(reply, ResponseError):
                raise explain(reply, match, ("SCAN",))
            fresh = walked.fresh(reply)
            found += len(fresh)
            # Where few match, a SCAN looks at more.
            count = WALK_COUNT if 2 * len(fresh) >= min(count, WALK_COUNT) else SCAN_COUNT
            send(fresh)
    return walked.share


def _receive_all(link: Link, count: int) -> list[Any]:
    found: list[Any] = []
    for part in receive_many(link, count):
        found += part
    return found


def template(questions: Sequence[Command]) -> bytes:
    """Return packed commands with placeholders for the length and the bytes of a key in each."""
    packed = [pack((*question, b"")) for question in questions]
    heads = [each.removesuffix(b"$0\r\n\r\n").replace(b"%", b"%%") for each in packed]
    return b"".join(head + b"$%d\r\n%b\r\n" for head in heads)
