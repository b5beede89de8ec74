"""Commands sent to one stream, and the result for each.

An event whose reply is lost may be in the stream. It is sent again only if it has an explicit ID,
which the server accepts once. A refusal the second time does not tell what happened the first time:
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
from redisnb.stream.publishing.packing import CommandPart
from redisnb.wire import Connection

__all__ = ["NoStreamError", "Sending", "reason"]

_LOST = "the first reply was lost, and"

# Options before the ID of an XADD, with the number of words of each.
_BEFORE_ID = {b"NOMKSTREAM": 1, b"MAXLEN": 3, b"MINID": 3, b"LIMIT": 2, b"ACKED": 1}

# Errors of a link that broke or could not be opened.
_BROKEN = (ConnectError, redis.ConnectionError, redis.TimeoutError, redis.InvalidResponse)


class NoStreamError(redis.ResponseError):
    """There is no stream, and none was to be created."""


class _FirstAttempt:
    """Commands on their way for the first time, and the replies to them.

    Parameters
    ----------
    parts : iterator of CommandPart
    taken : int
        The row of the next command.
    again, advance
        As for `Sending`.

    Attributes
    ----------
    taken : int
        The row after the last one taken from `parts`.
    rows : list of int
        The rows that have a command.
    replies : list
        The replies that are final, in the order of `rows`.
    wrong : dict of row to (status, error)
        The rows whose event cannot be written.
    ended : bool
        Whether `parts` has no more.
    own_error : Exception or None
        What `parts` itself has raised.
    """

    def __init__(
        self,
        parts: Iterator[CommandPart],
        taken: int,
        again: bool,
        advance: Callable[[int], object],
    ) -> None:
        self._parts, self._again, self._advance = parts, again, advance
        self.taken, self.ended = taken, False
        self.rows: list[int] = []
        self.replies: list[Any] = []
        self.wrong: dict[int, tuple[str, Exception]] = {}
        self.own_error: Exception | None = None
        # The commands of the last rows: those of an iterator are nowhere else.
        self._sent: list[bytes] = []

    def commands(self) -> Iterator[list[bytes]]:
        """Yield the commands to send, part by part."""
        try:
            for part, is_last in self._parts:
                self.ended = is_last
                first, self.taken = self.taken, self.taken + len(part)
                commands = [each for each in part if isinstance(each, bytes)]
                if len(commands) == len(part):
                    self.rows.extend(range(first, self.taken))
                for row, each in enumerate(part if len(commands) < len(part) else (), first):
                    if isinstance(each, EncodeError):
                        self.wrong[row] = ("failed", each)
                    else:
                        self.rows.append(row)
                self._sent.extend(commands)
                if commands:
                    yield commands
        except Exception as error:  # noqa: BLE001 - raised after the events before it are added
            # An iterator may read from a server too; this link is whole.
            self.own_error = error
        self.ended = True

    def answered(self, count: int) -> None:
        """Take the last `count` replies, unless the server is still loading."""
        before = done = len(self.replies) - count
        try:
            if self._again and {*map(type, self.replies[done:])} - {bytes}:
                for reply in self.replies[done:]:
                    _break_off_while_loading(reply)
                    done += 1
            else:
                done += count
        finally:
            # The commands refused while loading, and those after them, stay open.
            del self._sent[: done - before]
            self._advance(done - before)
            del self.replies[done:]

    def close(self) -> None:
        """Take the replies to a part that was answered incompletely."""
        with contextlib.suppress(redis.BusyLoadingError):
            self.answered(len(self._sent) - (len(self.rows) - len(self.replies)))

    def unanswered(self) -> dict[int, bytes]:
        """Return the commands without a final reply, by row."""
        return dict(zip(self.rows[len(self.replies) :], self._sent, strict=False))


class Sending:
    """The sending of packed commands, and the result for each row.

    Parameters
    ----------
    conn : Connection
    parts : iterator of CommandPart
        Commands in the order of their rows.
    size : int or None
        The number of rows; None for an iterator.
    again : bool
        Whether to send commands without a reply again; each event then has an explicit ID.
    advance : callable
        Called with the number of rows that are done since the last call.

    Attributes
    ----------
    entry_ids : list of bytes or None
        One for each row; for an iterator, for those that were taken from it.
    wrong : dict of row to (status, error)
        Why a row has no entry ID.
    lost : Exception or None
        The error for which it gave up. The rest of a list is then "unsent"; the rest of an iterator
        is still in it.
    """

    def __init__(
        self,
        conn: Connection,
        parts: Iterator[CommandPart],
        size: int | None,
        *,
        again: bool,
        advance: Callable[[int], object] = lambda rows: None,
    ) -> None:
        self.entry_ids: list[bytes | None] = []
        self.wrong: dict[int, tuple[str, Exception]] = {}
        self.lost: Exception | None = None
        self._conn, self._again, self._advance = conn, again, advance
        self._size, self._parts, self._taken = size, parts, 0
        self._ended = False
        self._own_error: Exception | None = None
        # Commands that were taken and have no certain result, in order.
        self._open: dict[int, bytes] = {}

    def run(self) -> None:
        """Send all commands, over several links if they may be sent again.

        It gives up when no row was settled for the connection's timeout.

        Raises
        ------
        ConnectError
            If the server cannot be reached; nothing was sent.
        """
        self._run()
        if self._own_error is not None:
            raise self._own_error

    def unsent(self, error: Exception) -> None:
        """Note that nothing of a list was sent, and why."""
        for row, each in enumerate(chain.from_iterable(part for part, _ in self._parts)):
            if isinstance(each, EncodeError):
                self.wrong[row] = ("failed", each)
            else:
                self.wrong[row] = ("unsent", error)
        self.entry_ids = [None] * len(self.wrong)
        self.lost = error

    def _run(self) -> None:
        # After any error of a link, another link may work.
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
        """Send the commands that were never sent, and take over what their replies say."""
        first = _FirstAttempt(self._parts, self._taken, self._again, self._advance)
        try:
            wire.exchange(self._conn, first.commands(), first.replies, first.answered)
        finally:
            first.close()
            self._ended, self._own_error = first.ended, first.own_error
            self._open, self.wrong = first.unanswered(), self.wrong | first.wrong
            start, self._taken = self._taken, first.taken
            self.entry_ids += [None] * (self._taken - start)
            rows, replies = first.rows, first.replies
            if len(rows) == self._taken - start and set(map(type, replies)) <= {bytes}:
                self.entry_ids[start : start + len(replies)] = replies
            else:
                for row, reply in zip(rows, replies, strict=False):
                    if isinstance(reply, bytes):
                        self.entry_ids[row] = reply
                    else:
                        self.wrong[row] = ("failed", _refusal(reply))

    def _send_again(self) -> None:
        """Send the open commands again, in order, and settle those that can be."""
        rows = list(self._open)
        # The first one alone: a server that is still loading would refuse some, then accept a later
        # one, and after that refuse those before it for their IDs.
        for part in filter(None, (rows[:1], rows[1:])):
            replies: list[Any] = []
            try:
                again = wire.command_parts(self._open[row] for row in part)
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
        """Settle commands that were refused the second time: the first may have succeeded."""
        if not refused:
            return
        _break_off_while_loading(*refused.values())
        sent = {row: _parse_xadd(self._open[row]) for row in refused}
        commands = [("XRANGE", key, id, id) for key, id, _ in sent.values()]
        # Of two rows with the same ID and fields, one was added.
        counted = set(self.entry_ids)
        # Closed, or an error that ends it would hold the link for as long as the error is kept.
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
        self._advance(1)
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
    """Treat the replies of a server that is still loading as a broken link."""
    for reply in replies:
        if isinstance(reply, redis.ResponseError) and code(reply) == "LOADING":
            raise redis.BusyLoadingError(words(reply))


def _parse_xadd(packed: bytes) -> tuple[bytes, bytes, list[bytes]]:
    """Return the key, the entry ID and the fields of a packed XADD."""
    reader = hiredis.Reader()
    reader.feed(packed)
    _, key, *rest = reader.gets()
    # The options come first.
    while rest[0] in _BEFORE_ID:
        rest = rest[_BEFORE_ID[rest[0]] :]
    id, *fields = rest
    return key, id, fields


def _refusal(reply: Any) -> redis.ResponseError:
    if reply is None:
        return NoStreamError("there is no such stream, and create=False does not create it")
    assert isinstance(reply, redis.ResponseError)
    return reply


def reason(error: Exception) -> str:
    """Return the text of an error with its notes."""
    text = words(error) if isinstance(error, redis.RedisError) else str(error)
    return "; ".join((text, *getattr(error, "__notes__", ())))
