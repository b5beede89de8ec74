"""How many entries of a range were removed before they were read."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Any, NamedTuple, TypeAlias

from redis.exceptions import ResponseError

from redisnb.entries import LAST_ID, EntryId, Fields
from redisnb.wire.asking import mapping

__all__ = ["MissedCount", "StreamPage", "Turn"]

StreamPage: TypeAlias = "list[tuple[bytes, Fields]]"


class Turn(NamedTuple):
    """A page of a range and what is known of it.

    Attributes
    ----------
    page : list of (ID, fields)
    behind : bytes or None
        The last entry of the page before it.
    last : bytes or None
        The last entry read so far.
    is_broken : bool
        Whether `behind` was gone when the page was read.
    is_through : bool
        Whether the range ends with it.
    is_limited : bool
        Whether the limit of entries was reached with it.
    resumes : bool
        Whether it is the first page after entries that were read earlier.
    """

    page: StreamPage
    behind: bytes | None
    last: bytes | None
    is_broken: bool
    is_through: bool
    is_limited: bool
    resumes: bool


class MissedCount:
    """The number of entries of a range that were removed before they were read.

    It follows from the stream's length at the beginning if the range is the whole stream, else from
    the server's count of entries ever added (since Redis 7) if it begins at the stream's first
    entry. Removals from the middle of a part of a stream cannot be detected.

    Parameters
    ----------
    reverse : bool
        Whether the range is read from its end.

    Attributes
    ----------
    number : int
        1 if entries were missed and their number is unknown.
    is_known : bool
        Whether it is the exact number.
    """

    def __init__(self, *, reverse: bool) -> None:
        self.number, self.is_known = 0, True
        self._reverse = reverse
        self._start: _Start | None = None
        # How many entries were read since the start, and how many of these were added later.
        self._read = self._newer = 0

    def begin(self, reply: Any, near: StreamPage, far: StreamPage, end: str) -> None:
        """Store what the stream is when reading begins.

        Parameters
        ----------
        reply : reply to XINFO STREAM
        near, far : list of (ID, fields)
            The first page, and one entry at the other end of the range.
        end : str
            The bound of the range at that end.
        """
        self._read = 0
        state = _state(reply)
        if state is None:
            return
        ids = list(map(_id_of, near))
        # The entries of this page, counted next, that were in the stream then.
        self._read = -sum(id < state.first for id in ids)
        to = _id_of(far[0]) if far else None
        if self._reverse:
            to = state.first if end == "-" else to
            from_end = bool(ids) and state.last <= ids[0]
            to_end = to is not None and to <= state.first
        else:
            to = state.last if end == "+" else to
            from_end = bool(ids) and state.first >= ids[0]
            to_end = to is not None and to >= state.last
        self._start = _Start(state, to, from_end, to_end)

    def restart(self) -> None:
        """Count the entries read from zero again."""
        self._read = 0

    def read(self, page: StreamPage) -> None:
        """Count the entries of a page."""
        self._read += len(page)
        start = self._start
        if start is not None and not self._reverse and EntryId(page[-1][0]) > start.state.last:
            self._newer += len(page) - bisect_right(page, start.state.last, key=_id_of)

    def compare(self, reply: Any, turn: Turn) -> None:
        """Compare with a reply to XINFO STREAM after a broken page, or the last one."""
        start, now = self._start, _state(reply)
        if start is None or now is None:
            if turn.is_broken:
                self._note(None)
            return
        if turn.is_through and start.from_end and start.to_end:
            self._note(start.state.length - self._read + self._newer)
            return
        assert turn.behind is not None
        assert turn.last is not None
        behind, last = EntryId(turn.behind), EntryId(turn.last)
        if start.to is None or (behind <= start.to if self._reverse else behind >= start.to):
            return
        is_reset = now.generated < start.state.generated or now.added < start.state.added
        is_countable = now.counts and not is_reset
        gone = now.removed - start.state.removed
        if self._reverse:
            if turn.is_through and last > start.to:
                is_exact = is_countable and start.to_end and now.first <= last
                self._note(gone if is_exact else None)
            return
        if turn.is_broken and (is_reset or now.first > behind):
            # All entries read are gone, and those of this page before the stream's first entry.
            left = bisect_left(turn.page, now.first, key=_id_of)
            unread = gone - self._read + len(turn.page) - left
            beyond = last if turn.is_limited else start.to
            is_exact = is_countable and start.from_end and unread >= 0
            if is_exact and (now.first <= beyond or (start.to_end and not turn.is_limited)):
                self._note(unread)
            elif unread or turn.resumes:
                self._note(None)
        if turn.is_through and last < start.to and not self.number:
            self._note(None)

    def _note(self, number: int | None) -> None:
        """Note how many entries were missed; None for an unknown number, possibly 0."""
        self.is_known = number is not None
        self.number = max(0, number) if number is not None else max(1, self.number)


class _State(NamedTuple):
    """The state of a stream, by XINFO STREAM.

    Attributes
    ----------
    first, last : EntryId
        LAST_ID where the stream is empty.
    generated : EntryId
        The last ID that was generated.
    counts : bool
        Whether the server counts added entries.
    added, removed : int
        How many ever; 0 if it does not.
    """

    length: int
    first: EntryId
    last: EntryId
    generated: EntryId
    counts: bool
    added: int
    removed: int


class _Start(NamedTuple):
    """The state of the stream when reading began.

    Attributes
    ----------
    to : EntryId or None
        The last entry of the range in reading order.
    from_end, to_end : bool
        Whether the range begins, or ends, at the end of the stream.
    """

    state: _State
    to: EntryId | None
    from_end: bool
    to_end: bool


def _state(reply: Any) -> _State | None:
    """Parse a reply to XINFO STREAM; return None where it was refused."""
    if isinstance(reply, ResponseError):
        if "no such key" not in str(reply):
            return None
        return _State(0, LAST_ID, LAST_ID, EntryId("0-0"), counts=False, added=0, removed=0)
    state = mapping(reply)
    first, last = state[b"first-entry"], state[b"last-entry"]
    length, added = state[b"length"], state.get(b"entries-added")
    return _State(
        length,
        EntryId(first[0]) if first else LAST_ID,
        EntryId(last[0]) if last else LAST_ID,
        EntryId(state[b"last-generated-id"]),
        counts=added is not None,
        added=added or 0,
        removed=0 if added is None else added - length,
    )


def _id_of(entry: tuple[bytes, Fields]) -> EntryId:
    return EntryId(entry[0])
