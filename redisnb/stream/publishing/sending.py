"""Events to one stream, and what became of each.

An event whose reply is lost may be in the stream. It is sent again only if it has an ID of its own,
which the server takes once. A refusal of what was sent before says nothing about the first time:
only a look at the stream does.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any

import hiredis
import redis

from redisnb import wire
from redisnb.errors import ConnectError, EncodeError, code, words
from redisnb.patience import Patience
from redisnb.stream.publishing.packing import Part
from redisnb.wire import Connection

__all__ = ["NoStreamError", "Sending", "reason"]

_LOST = "the first reply was lost, and"

# What may stand before the ID of an XADD, with how many words each has.
_BEFORE_ID = {b"NOMKSTREAM": 1, b"MAXLEN": 3, b"MINID": 3, b"LIMIT": 2, b"ACKED": 1}

# What breaks off a conversation with the server, or lets none begin.
_BROKEN = (ConnectError, redis.ConnectionError, redis.TimeoutError, redis.InvalidResponse)


class NoStreamError(redis.ResponseError):
    """There is no stream, and it was said to make none."""


class Sending:
    """Send prepared commands, and hold what became of each row.

    Parameters
    ----------
    conn : Connection
        Where to.
    parts : iterator of Part
        Commands in the order of their rows.
    size : int or None
        How many rows; None if nobody knows before they are taken.
    again : bool
        Whether to send again what was not answered; each event then has an ID of its own.
    moved : callable
        Told how many more rows are done.

    Attributes
    ----------
    entry_ids : list of bytes or None
        One for each row; of an iterator, for those that were taken from it.
    wrong : dict of row to (status, error)
        Why a row has no entry ID.
    lost : Exception or None
        What it was given up for. The rest of a list is "unsent" then, and the rest of an iterator
        still in it.
    """

    def __init__(
        self,
        conn: Connection,
        parts: Iterator[Part],
        size: int | None,
        *,
        again: bool,
        moved: Callable[[int], object] = lambda rows: None,
    ) -> None:
        self.entry_ids: list[bytes | None] = []
        self.wrong: dict[int, tuple[str, Exception]] = {}
        self.lost: Exception | None = None
        self._conn, self._again, self._moved = conn, again, moved
        self._size, self._parts, self._taken = size, parts, 0
        self._ended = False
        self._own_error: Exception | None = None
        # What was sent, or was about to be, and is not settled; in order.
        self._open: dict[int, bytes] = {}

    def run(self) -> None:
        """Send all of them, over one link after the other if they may be sent again.

        It is given up when no more row was settled for the connection's timeout.

        Raises
        ------
        ConnectError
            If there is no server to send it to; nothing was sent.
        """
        self._run()
        if self._own_error is not None:
            raise self._own_error

    def unsent(self, error: Exception) -> None:
        """Note of a list that nothing was sent, and why."""
        for row, each in enumerate(chain.from_iterable(part for part, _ in self._parts)):
            if isinstance(each, EncodeError):
                self.wrong[row] = ("failed", each)
            else:
                self.wrong[row] = ("unsent", error)
        self.entry_ids = [None] * len(self.wrong)
        self.lost = error

    def _run(self) -> None:
        # Whatever breaks a link, another one may be whole.
        patience = Patience(self._conn.timeout if self._again else 0, lambda error: True)
        settled = 0
        while True:
            try:
                if self._open:
                    self._send_again()
                if not self._ended:
                    self._send_new()
                return
            except _BROKEN as error:
                if not self.entry_ids:
                    raise
                broken = error
            before, settled = settled, len(self.entry_ids) - len(self._open)
            if settled > before:
                patience.reset()
            try:
                wait = patience.wait_after(broken)
            except _BROKEN:
                self._give_up(broken)
                return
            time.sleep(wait)

    def _send_new(self) -> None:
        """Send what was never sent."""
        rows: list[int] = []
        replies: list[Any] = []
        # The commands of the last rows: of an iterator, nobody else has them.
        kept: list[bytes] = []

        def take() -> Iterator[list[bytes]]:
            try:
                for part, is_last in self._parts:
                    self._ended = is_last
                    first, self._taken = self._taken, self._taken + len(part)
                    sent = [each for each in part if isinstance(each, bytes)]
                    if len(sent) == len(part):
                        rows.extend(range(first, self._taken))
                    for row, each in enumerate(part if len(sent) < len(part) else (), first):
                        if isinstance(each, EncodeError):
                            self.wrong[row] = ("failed", each)
                        else:
                            rows.append(row)
                    kept.extend(sent)
                    if sent:
                        yield sent
            except Exception as error:  # noqa: BLE001 - raised when what came before is answered
                # An iterator may read from a server too; our own link is whole.
                self._own_error = error
            self._ended = True

        def answered(count: int) -> None:
            done = len(replies) - count
            try:
                if self._again and {*map(type, replies[done:])} - {bytes}:
                    for reply in replies[done:]:
                        _break_off_while_loading(reply)
                        done += 1
                else:
                    done += count
            finally:
                # What is refused for the moment is open, and what follows it.
                del kept[: done - len(replies) + count]
                self._moved(done - len(replies) + count)
                del replies[done:]

        try:
            wire.exchange(self._conn, take(), replies, answered)
        finally:
            # A batch may be answered in part.
            with contextlib.suppress(redis.BusyLoadingError):
                answered(len(kept) - (len(rows) - len(replies)))
            self._open = dict(zip(rows[len(replies) :], kept, strict=False))
            first = len(self.entry_ids)
            self.entry_ids += [None] * (self._taken - first)
            if len(rows) == self._taken - first and set(map(type, replies)) <= {bytes}:
                self.entry_ids[first : first + len(replies)] = replies
            else:
                for row, reply in zip(rows, replies, strict=False):
                    if isinstance(reply, bytes):
                        self.entry_ids[row] = reply
                    else:
                        self.wrong[row] = ("failed", _refusal(reply))

    def _send_again(self) -> None:
        """Send once more what is open, in order, and settle what can be settled."""
        rows = list(self._open)
        # The first one alone: a server that still reads its data from disk would refuse some, then
        # take one that is later, and after that none of those any more.
        for part in filter(None, (rows[:1], rows[1:])):
            replies: list[Any] = []
            try:
                again = wire.cut(self._open[row] for row in part)
                wire.exchange(self._conn, again, replies, lambda count: None)
            finally:
                refused = {}
                for row, reply in zip(part, replies, strict=False):
                    if isinstance(reply, bytes):
                        self._settle(row, reply)
                    else:
                        refused[row] = _refusal(reply)
            self._look_for(refused)

    def _look_for(self, refused: Mapping[int, redis.ResponseError]) -> None:
        """Settle what was refused the second time: the first time it may have been taken."""
        if not refused:
            return
        _break_off_while_loading(*refused.values())
        sent = {row: _read(self._open[row]) for row in refused}
        commands = [("XRANGE", key, id, id) for key, id, _ in sent.values()]
        # Of two rows with the same ID and fields one was added.
        counted = set(self.entry_ids)
        # An error that breaks it off would keep its link for as long as somebody has the error.
        with contextlib.closing(wire.ask_many(self._conn, commands)) as found:
            for entries, (row, refusal) in zip(found, refused.items(), strict=True):
                _break_off_while_loading(entries)
                _, id, fields = sent[row]
                if isinstance(entries, redis.ResponseError):
                    status, note = "unknown", f"{_LOST} looking for it failed: {words(entries)}"
                elif not entries:
                    status = "unknown"
                    note = f"{_LOST} no entry has its ID: trimmed or deleted, or never added"
                elif entries[0][1] != fields or id in counted:
                    status, note = "failed", "another entry has that ID"
                else:
                    counted.add(id)
                    self._settle(row, id)
                    continue
                refusal.add_note(note)
                self._settle(row, None, (status, refusal))

    def _settle(
        self, row: int, entry_id: bytes | None, wrong: tuple[str, Exception] | None = None
    ) -> None:
        del self._open[row]
        self._moved(1)
        self.entry_ids[row] = entry_id
        if wrong is not None:
            self.wrong[row] = wrong

    def _give_up(self, error: Exception) -> None:
        self.lost = error
        self.wrong |= dict.fromkeys(self._open, ("unknown", error))
        if self._size is not None:
            unsent = range(len(self.entry_ids), self._size)
            self.wrong |= dict.fromkeys(unsent, ("unsent", error))
            self.entry_ids += [None] * len(unsent)


def _break_off_while_loading(*replies: Any) -> None:
    """Take what a server says while it reads its data from disk for no reply."""
    for reply in replies:
        if isinstance(reply, redis.ResponseError) and code(reply) == "LOADING":
            raise redis.BusyLoadingError(words(reply))


def _read(packed: bytes) -> tuple[bytes, bytes, list[bytes]]:
    """Return the key, the entry ID and the fields of a packed XADD."""
    reader = hiredis.Reader()
    reader.feed(packed)
    _, key, *rest = reader.gets()
    # How to trim, and whether to make the stream, may come first.
    while rest[0] in _BEFORE_ID:
        rest = rest[_BEFORE_ID[rest[0]] :]
    id, *fields = rest
    return key, id, fields


def _refusal(reply: Any) -> redis.ResponseError:
    if reply is None:
        return NoStreamError("there is no such stream, and create=False makes none")
    assert isinstance(reply, redis.ResponseError)
    return reply


def reason(error: Exception) -> str:
    """Return the words of an error and of its notes."""
    text = words(error) if isinstance(error, redis.RedisError) else str(error)
    return "; ".join((text, *getattr(error, "__notes__", ())))
