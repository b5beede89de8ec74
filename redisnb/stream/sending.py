"""Events to one stream, and what became of each.

An event whose reply is lost may be in the stream. It is sent again only if it has an ID of its own,
which the server takes once. A refusal of what was sent before says nothing about the first time:
only a look at the stream does.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from itertools import repeat
from typing import Any, TypeAlias

import hiredis
import pandas as pd
import redis

from redisnb import frames, wire
from redisnb.backoff import Backoff
from redisnb.entries import Layout, write_event, write_json
from redisnb.errors import ConnectError, EncodeError, code, words
from redisnb.frames import Missing
from redisnb.wire import Connection

__all__ = ["NoStreamError", "Sending", "commands", "reason"]

#: An XADD as it goes over the wire, or why there is none.
Prepared: TypeAlias = "bytes | EncodeError"

_LOST = "the first reply was lost, and"

# What may stand before the ID of an XADD, with how many words each has.
_BEFORE_ID = {b"NOMKSTREAM": 1, b"MAXLEN": 3, b"MINID": 3, b"LIMIT": 2, b"ACKED": 1}

# What breaks off a conversation with the server, or lets none begin.
_BROKEN = (ConnectError, redis.ConnectionError, redis.TimeoutError, redis.InvalidResponse)


def commands(
    batch: Iterable[Mapping[Any, Any]] | pd.DataFrame,
    positions: Sequence[str] | str,
    command: Sequence[Any],
    layout: Layout,
    missing: Missing | None = None,
    *,
    report: bool = False,
) -> Iterator[Prepared] | list[Prepared]:
    """Prepare an XADD for each event, `command` followed by a full ID and the fields.

    All of them are made here and now, unless the events are an iterator: those are made one by
    one as they are taken, and an event that cannot be carried gives its error in its place, as it
    does with `report`.

    Raises
    ------
    EncodeError
        If an event cannot be carried, naming its row, without `report`.
    """
    if isinstance(batch, Mapping | str | bytes):
        raise TypeError("add_many() takes many events; add() takes one")
    if isinstance(positions, str) and positions != "*":
        raise TypeError(f"ids={positions!r}; give one ID for each event, or '*'")
    numbered = None if isinstance(positions, str) else positions
    if numbered is not None and isinstance(batch, Sized) and len(numbered) != len(batch):
        raise ValueError(f"{len(numbered)} IDs for {len(batch)} events")
    source = (
        frames.records(batch, layout, missing=missing) if isinstance(batch, pd.DataFrame) else batch
    )
    entry_ids = repeat("*") if numbered is None else numbered
    # An iterator may be longer than its IDs: what is beyond them is not taken from it.
    rows = zip(entry_ids, source, strict=False)
    is_json = layout.carries and not layout.json and layout.coding is None
    prepared = (_json if is_json else _any)(rows, command, layout)
    if isinstance(batch, Iterator):
        return prepared
    made = list(prepared)
    for each in made:
        if isinstance(each, EncodeError) and not report:
            raise each
    return made


def _any(
    rows: Iterable[tuple[str, Mapping[Any, Any]]], command: Sequence[Any], layout: Layout
) -> Iterator[Prepared]:
    for row, (id, event) in enumerate(rows):
        try:
            yield wire.pack((*command, id, *write_event(event, layout)))
        except EncodeError as error:
            yield error.at_row(row)


def _json(
    rows: Iterable[tuple[str, Mapping[Any, Any]]], command: Sequence[Any], layout: Layout
) -> Iterator[Prepared]:
    # As `_any`, in half the time: only the ID and the payload differ between two rows.
    *_, start = wire.pack((*command, "", layout.field, "")).partition(b"*")
    field = b"$%d\r\n%b\r\n" % (len(layout.field), layout.field)
    head = b"*" + start.removesuffix(b"$0\r\n\r\n%b$0\r\n\r\n" % field)
    write = write_json
    for row, (id, event) in enumerate(rows):
        try:
            text = write(event)
        except EncodeError as error:
            yield error.at_row(row)
        else:
            yield b"%b$%d\r\n%b\r\n%b$%d\r\n%b\r\n" % (
                head,
                len(id),
                id.encode(),
                field,
                len(text),
                text,
            )


class NoStreamError(redis.ResponseError):
    """There is no stream, and it was said to make none."""


class Sending:
    """Send prepared commands, and hold what became of each row.

    Parameters
    ----------
    conn : Connection
        Where to.
    prepared : iterator or list
        What `commands` returns.
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
        prepared: Iterator[Prepared] | list[Prepared],
        *,
        again: bool,
        moved: Callable[[int], object] = lambda rows: None,
    ) -> None:
        self.entry_ids: list[bytes | None] = []
        self.wrong: dict[int, tuple[str, Exception]] = {}
        self.lost: Exception | None = None
        self._conn, self._again, self._moved = conn, again, moved
        self._size = len(prepared) if isinstance(prepared, list) else None
        self._source = iter(enumerate(prepared))
        # A list's end may come with that of a batch, and is then not seen before the next one.
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
        for row, each in self._source:
            if isinstance(each, EncodeError):
                self.wrong[row] = ("failed", each)
            else:
                self.wrong[row] = ("unsent", error)
        self.entry_ids = [None] * len(self.wrong)
        self.lost = error

    def _run(self) -> None:
        backoff = Backoff()
        deadline, settled = 0.0, -1
        while True:
            try:
                if self._open:
                    self._send_again()
                if not self._ended and len(self.entry_ids) != self._size:
                    self._send_new()
                return
            except _BROKEN as error:
                if not self.entry_ids:
                    raise
                broken = error
            now, before = time.monotonic(), settled
            settled = len(self.entry_ids) - len(self._open)
            if settled > before:
                deadline = now + self._conn.timeout
                backoff.reset()
            if not self._again or now >= deadline:
                self._give_up(broken)
                return
            time.sleep(min(backoff.next(), deadline - now))

    def _send_new(self) -> None:
        """Send what was never sent."""
        rows: list[int] = []
        replies: list[Any] = []
        # The commands of the last rows: of an iterator, nobody else has them.
        kept: list[bytes] = []

        def take() -> Iterator[bytes]:
            try:
                for row, each in self._source:
                    if isinstance(each, EncodeError):
                        self.wrong[row] = ("failed", each)
                    else:
                        rows.append(row)
                        kept.append(each)
                        yield each
            except _BROKEN as error:
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
            last = max(rows[-1:] + list(self.wrong), default=-1)
            self.entry_ids += [None] * (last + 1 - len(self.entry_ids))
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
                again = (self._open[row] for row in part)
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
