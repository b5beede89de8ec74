"""A range of a stream in pages, and the number of entries removed while it is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from redis.exceptions import ResponseError

from redisnb.entries import EntryId
from redisnb.errors import explain
from redisnb.wire.asking import Command, ask_many, pack
from redisnb.wire.connection import Connection, lease
from redisnb.wire.missed import MissedCount, StreamPage, Turn
from redisnb.wire.replies import receive

__all__ = ["FIRST_PAGE", "PAGE", "PAGE_BYTES", "Pages"]

#: How many entries or keys one paged command asks for; the first of a stream asks for few, since
#: the size of its entries is unknown.
PAGE, FIRST_PAGE = 1000, 10
#: The approximate size of a page, estimated from every 64th entry of the one before.
PAGE_BYTES, SAMPLED_EVERY = 8 * 1024 * 1024, 64


class Pages:
    """The pages of a range of a stream, with a count of entries removed while it is read.

    Iteration yields lists of (ID, fields); after an error it continues after the last entry
    yielded.

    Each page begins with the last entry of the one before: if that is gone, entries may have been
    removed unread, which `MissedCount` finds out.

    Parameters
    ----------
    conn : Connection
    key : str
    start, end : str
        The bounds of the range as XRANGE takes them.
    limit : int, optional
        The most entries.
    reverse : bool
        Newest first.
    most, most_bytes : int, optional
        The most entries of a page, 1,000 by default, and about how many bytes they have.
    after : str, optional
        Continue after this entry, which was read before.
    """

    def __init__(
        self,
        conn: Connection,
        key: str,
        start: str,
        end: str,
        *,
        limit: int | None = None,
        reverse: bool = False,
        most: int | None = None,
        most_bytes: int = PAGE_BYTES,
        after: str | None = None,
    ) -> None:
        self._conn, self._key, self._reverse = conn, key, reverse
        self._first, self._to = (end, start) if reverse else (start, end)
        self._left, self._most_bytes = limit, most_bytes
        self._most = PAGE if most is None else most
        self._count = min(FIRST_PAGE, self._most)
        # The next page, its last entry, and the last one of the page before it.
        self._page: StreamPage = []
        self._last = None if after is None else after.encode()
        self._behind: bytes | None = None
        self._missed_count = MissedCount(reverse=reverse)
        # Whether the entry that this page should begin with may have been removed before.
        self._resumes = after is not None
        self._looked = self._is_broken = self._is_through = self._unsure = False
        self._ended = limit == 0

    def __iter__(self) -> Iterator[StreamPage]:
        """Yield the pages; each is requested before the one before it is yielded.

        Raises
        ------
        redis.exceptions.ResponseError
            If the key is not a stream.
        """
        with lease(self._conn) as link:

            def send(commands: Sequence[Command]) -> int:
                if commands:
                    link.send_packed_command([b"".join(map(pack, commands))])
                return len(commands)

            # After an error a page may be left that was not yielded yet.
            sent = 0 if self._page or self._unsure else send(self._commands())
            while sent or self._page or self._unsure:
                if sent:
                    self._take([receive(link) for _ in range(sent)])
                if self._unsure:
                    send([self._question()])
                    self._answer(receive(link))
                sent = send(self._commands())
                page, self._page = self._page, []
                if page:
                    yield page

    def one_by_one(self) -> Iterator[StreamPage]:
        """Yield the pages without holding a link between two, to read many streams at once."""
        while commands := self._commands():
            self._take(list(ask_many(self._conn, commands)))
            if self._unsure:
                self._answer(*ask_many(self._conn, [self._question()]))
            page, self._page = self._page, []
            if page:
                yield page

    def look(self) -> tuple[EntryId, EntryId] | None:
        """Start counting now, and limit the range to the last entry that there is now.

        Returns
        -------
        (EntryId, EntryId) or None
            The IDs of the first and the last entry, if there are any.

        Raises
        ------
        redis.exceptions.ResponseError
            If the key is not a stream.
        """
        replies = list(
            ask_many(
                self._conn,
                [self._question(), self._range(self._first, 1), self._from_far()],
            )
        )
        near, far = (_checked(reply, self._key) for reply in replies[1:])
        if not (near and far):
            return None
        self._begin(replies[0], near, far)
        self._missed_count.restart()
        self._to = far[0][0].decode()
        return EntryId(near[0][0]), EntryId(far[0][0])

    def _begin(self, reply: Any, near: StreamPage, far: StreamPage) -> None:
        self._looked = True
        self._missed_count.begin(reply, near, far, self._to)

    @property
    def has_begun(self) -> bool:
        """Whether any entry was read."""
        return self._last is not None

    @property
    def missed(self) -> int:
        """How many entries were removed before they were read; 1 if the number is unknown."""
        return self._missed_count.number

    @property
    def is_counted(self) -> bool:
        """Whether the number of missed entries is known."""
        return self._missed_count.is_known

    @property
    def message(self) -> str:
        """The warning of entries that were missed; "" if none were."""
        if not self.missed:
            return ""
        if self.is_counted:
            return f"{self._key!r}: {self.missed:,} entries were removed before they were read"
        return f"{self._key!r}: entries were removed while it was read; some are missing"

    # -- commands

    def _commands(self) -> list[Command]:
        if self._ended:
            return []
        count, more = self._next_size(), []
        # The state is not needed for a single page.
        if not self._looked and (self._left is None or self._left > count):
            more = [self._question()]
            if self._to not in ("-", "+"):
                more.append(self._from_far())
        if self._last is None:
            return [self._range(self._first, count), *more]
        return [self._range(self._last, count + 1), *more]

    def _next_size(self) -> int:
        return self._count if self._left is None else min(self._left, self._count)

    def _range(self, first: str | bytes, count: int) -> Command:
        command = "XREVRANGE" if self._reverse else "XRANGE"
        return (command, self._key, first, self._to, "COUNT", count)

    def _from_far(self) -> Command:
        command = "XRANGE" if self._reverse else "XREVRANGE"
        return (command, self._key, self._to, self._first, "COUNT", 1)

    def _question(self) -> Command:
        return ("XINFO", "STREAM", self._key)

    # -- replies

    def _take(self, replies: Sequence[Any]) -> None:
        """Store the page in the replies to `_commands`, and advance."""
        page, *extra = replies
        page = _checked(page, self._key)
        count, self._behind = self._next_size(), self._last
        if extra and page:
            far = _checked(extra[1], self._key) if len(extra) > 1 else []
            self._begin(extra[0], [] if self._resumes else page, far)
        self._is_through = len(page) < count + (self._behind is not None)
        if self._behind is not None:
            self._is_broken = not page or page[0][0] != self._behind
            page = page[:count] if self._is_broken else page[1:]
            self._unsure = self._is_broken or self._is_through
        if page:
            self._last = page[-1][0]
            self._missed_count.read(page)
            self._count = self._next_count(page, count)
        if self._left is not None:
            self._left -= len(page)
        self._ended = self._is_through or self._left == 0
        self._page = page
        self._resumes = self._resumes and self._unsure

    def _next_count(self, page: StreamPage, count: int) -> int:
        """Return how many entries to ask for next: more each time, within the limit of bytes."""
        some = page[::SAMPLED_EVERY]
        size = sum(len(part) for _, fields in some for part in fields) // len(some) + 1
        return max(1, min(self._most, 8 * count, self._most_bytes // size))

    def _answer(self, reply: Any) -> None:
        """Find out what was missed, after a page with a gap before it, or the last one."""
        turn = Turn(
            self._page,
            self._behind,
            self._last,
            is_broken=self._is_broken,
            is_through=self._is_through,
            is_limited=self._left == 0,
            resumes=self._resumes,
        )
        self._unsure = self._resumes = False
        self._missed_count.compare(reply, turn)


def _checked(reply: Any, key: str) -> StreamPage:
    if isinstance(reply, ResponseError):
        raise explain(reply, key)
    return reply  # type: ignore[no-any-return]
