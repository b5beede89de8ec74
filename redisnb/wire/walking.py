"""Walking over the keys of a database, and asking the same of each."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from redis.connection import ConnectionInterface as Link
from redis.exceptions import ResponseError

from redisnb.errors import explain
from redisnb.wire.asking import Command, ask, pack
from redisnb.wire.connection import Connection, lease
from redisnb.wire.replies import receive, receive_many

__all__ = ["scan", "template", "walk"]

#: How many keys one SCAN looks at: a millisecond or two in which the server serves nobody else.
SCANNED = 5_000
#: How many where questions about each key follow.
ASKED = 1_000


class _Scan:
    """Where a walk is, and the keys that it has met."""

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

    def fresh(self, reply: Any) -> list[bytes]:
        """Return the keys of a reply that were not met before."""
        self._cursor, page = reply
        self.ended = self._cursor == b"0"
        # SCAN may return a key twice while the table of keys grows or shrinks.
        fresh = [key for key in dict.fromkeys(page) if key not in self._seen]
        self._seen.update(fresh)
        return fresh


def scan(conn: Connection, match: str, type: str | None = None) -> Iterator[list[bytes]]:
    """Walk over the keys that match, each once, page by page; a page may be empty."""
    walked = _Scan(match, type)
    while not walked.ended:
        # Also without a key: where few match, that is the moment to stop.
        yield walked.fresh(ask(conn, *walked.command(SCANNED), key=match))


def walk(
    conn: Connection, match: str, questions: Sequence[Command], type: str | None = None
) -> Iterator[tuple[list[bytes], list[Any]]]:
    """Walk over the keys that match, and give them with the replies to questions about each.

    The next SCAN goes in front of the questions about a page, so that the server has work while
    their replies are read.

    Parameters
    ----------
    questions : sequence of commands
        Without the key, which is the last argument of each.

    Yields
    ------
    (keys, replies)
        As many replies for each key as there are questions, in order; an error is a value.

    Raises
    ------
    redis.exceptions.ResponseError
        If the server refuses SCAN.
    """
    walked, count = _Scan(match, type), ASKED
    about = template(questions)
    # What is on its way: the keys of questions, or None for a SCAN.
    sent: deque[list[bytes] | None] = deque()

    def send(keys: list[bytes]) -> None:
        packed = []
        if not walked.ended:
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
                yield keys, _all(link, len(keys) * len(questions))
                continue
            reply = receive(link)
            if isinstance(reply, ResponseError):
                raise explain(reply, match, ("SCAN",))
            fresh = walked.fresh(reply)
            # Where few match, a SCAN looks at more.
            count = ASKED if 2 * len(fresh) >= ASKED else SCANNED
            send(fresh)


def _all(link: Link, count: int) -> list[Any]:
    found: list[Any] = []
    for part in receive_many(link, count):
        found += part
    return found


def template(questions: Sequence[Command]) -> bytes:
    """Return packed questions with places for the length and the bytes of a key in each."""
    packed = [pack((*question, b"")) for question in questions]
    heads = [each.removesuffix(b"$0\r\n\r\n").replace(b"%", b"%%") for each in packed]
    return b"".join(head + b"$%d\r\n%b\r\n" for head in heads)
