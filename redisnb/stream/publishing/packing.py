"""Events to packed XADD commands, in parts that are sent at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from itertools import chain, islice, repeat
from typing import Any, TypeAlias

import pandas as pd

from redisnb import wire
from redisnb.entries import Layout, dump_members, json_size, write_event
from redisnb.errors import EncodeError
from redisnb.frames import Missing, Rows, from_arrow, is_arrow, records
from redisnb.wire import BATCH, BATCH_BYTES

__all__ = ["CommandPart", "Commands", "Prepared", "as_events", "first_event"]

#: A packed XADD, or the error for an event that cannot be written.
Prepared: TypeAlias = "bytes | EncodeError"
#: The size of a part is estimated from every 32nd command.
SIZED_EVERY = 32
#: Commands that are sent at once, and whether they are known to be the last.
CommandPart: TypeAlias = "tuple[list[Prepared], bool]"


def as_events(events: object) -> Iterable[Mapping[Any, Any]] | pd.DataFrame:
    """Return many events as `Commands` takes them; refuse what is none."""
    if is_arrow(events):
        return from_arrow(events)
    if not isinstance(events, Iterable):
        raise TypeError(
            "add_many(events): events are mappings, in a list or an iterator, or a DataFrame, "
            f"not {type(events).__name__}"
        )
    return events


def first_event(events: object, layout: Layout) -> object:
    """Return the first of many events, None from an iterator."""
    if isinstance(events, pd.DataFrame):
        return next(records(events.iloc[:1], layout), None)
    return events[0] if isinstance(events, Sequence) and events else None


class Commands:
    """The XADD commands of many events: `command`, followed by a full ID and the fields.

    Commands with JSON are packed when they are sent, since to keep all of them takes longer than to
    pack them again; `check` packs the others. The error of an event that cannot be written stands
    in its place.

    Parameters
    ----------
    events : iterable of mappings, or DataFrame
    positions : sequence of str, or "*"
        An ID for each event.
    command : sequence
    layout : Layout
    missing : {"omit", "null"}, optional
        As for `frames.Rows`.

    Attributes
    ----------
    size : int or None
        How many there are; None for an iterator, which is taken while its events are sent.
    """

    def __init__(
        self,
        events: Iterable[Mapping[Any, Any]] | pd.DataFrame,
        positions: Sequence[str] | str,
        command: Sequence[Any],
        layout: Layout,
        missing: Missing | None = None,
    ) -> None:
        if isinstance(events, Mapping | str | bytes):
            raise TypeError("add_many() takes many events; add() takes one")
        if isinstance(positions, str) and positions != "*":
            raise TypeError(f"ids={positions!r}; give one ID for each event, or '*'")
        self._ids = None if isinstance(positions, str) else positions
        if self._ids is not None and isinstance(events, Sized) and len(self._ids) != len(events):
            raise ValueError(f"{len(self._ids)} IDs for {len(events)} events")
        self._command, self._layout = command, layout
        self._is_json = layout.carries and not layout.json and layout.coding is None
        self._source: Rows | list[Any] | Iterator[Any]
        if isinstance(events, pd.DataFrame):
            self._source = Rows(events, layout, missing=missing)
        else:
            self._source = events if isinstance(events, Iterator) else list(events)
        self.size = None if isinstance(self._source, Iterator) else len(self._source)
        # Commands that `check` has packed.
        self._packed: list[Prepared] | None = None

    def check(self, *, report: bool = False) -> None:
        """Check that all events can be written, except those of an iterator.

        Raises
        ------
        EncodeError
            If one cannot, naming its row; not with `report`.
        """
        if self.size is None or (report and self._is_json):
            return
        packed: list[Prepared] = []
        start, most = 0, _fitting(_size(self._part(0, 1)), 1)
        while start < self.size:
            stop = min(start + most, self.size)
            size = self._json_size(start, stop) if self._is_json else None
            if size is None:
                part = self._one_by_one(start, self._events(start, stop))
                size = _size(part)
                for each in part if not report else ():
                    if isinstance(each, EncodeError):
                        raise each
                if not self._is_json:
                    packed += part
            start, most = stop, _fitting(size, stop - start)
        if not self._is_json:
            self._packed = packed

    def parts(self, start: int = 0, stop: int | None = None) -> Iterator[CommandPart]:
        """Yield the commands in parts; `start` and `stop` not for an iterator."""
        if isinstance(self._source, Iterator):
            yield from self._taken(self._source)
            return
        assert self.size is not None
        stop = self.size if stop is None else min(stop, self.size)
        most = _fitting(_size(self._part(start, start + 1)), 1)
        while start < stop:
            part = self._part(start, min(start + most, stop))
            yield part, start + len(part) == stop
            start, most = start + len(part), _fitting(_size(part), len(part))

    def _part(self, start: int, stop: int) -> list[Prepared]:
        if self._packed is not None:
            return self._packed[start:stop]
        members = self._members(start, stop) if self._is_json else None
        if members is not None:
            return self._from_members(start, members)
        # The events may have changed since `check`.
        return self._one_by_one(start, self._events(start, stop))

    def _taken(self, source: Iterator[Any]) -> Iterator[CommandPart]:
        """Yield the commands for an iterator, but not more than there are IDs."""
        left = None if self._ids is None else len(self._ids)
        first = list(islice(source, 1 if left is None else min(1, left)))
        waiting = chain(first, source)
        start, most = 0, _fitting(_size(self._one_by_one(0, first)), 1)
        while True:
            most = most if left is None else min(most, left - start)
            events: list[Any] = []
            broken = None
            try:
                events += islice(waiting, most)
            except Exception as error:  # noqa: BLE001 - raised below, after the events before it are sent
                broken = error
            members = _of_dicts(events) if self._is_json else None
            if members is not None:
                part = self._from_members(start, members)
            else:
                part = self._one_by_one(start, events)
            is_last = len(part) < most or start + len(part) == left
            if part:
                yield part, is_last and broken is None
            if broken is not None:
                raise broken
            if is_last or not part:
                return
            start, most = start + len(part), _fitting(_size(part), len(part))

    def _events(self, start: int, stop: int) -> list[Any]:
        if isinstance(self._source, Rows):
            return list(self._source.events(start, stop))
        assert isinstance(self._source, list)
        return self._source[start:stop]

    def _members(self, start: int, stop: int) -> list[bytes] | None:
        """Return the JSON of events without braces; None if they have to be packed one by one."""
        if isinstance(self._source, Rows):
            members = self._source.json_members(start, stop)
            if members is not None:
                return members
        return _of_dicts(self._events(start, stop))

    def _json_size(self, start: int, stop: int) -> int | None:
        """Return the approximate size of their JSON; None if they have to be packed one by one."""
        if isinstance(self._source, Rows):
            members = self._source.json_members(start, stop)
            return None if members is None else _size(members)
        events = self._events(start, stop)
        return json_size(events) if set(map(type, events)) == {dict} else None

    def _from_members(self, start: int, members: list[bytes]) -> list[Prepared]:
        """Return the commands for JSON members, from one template."""
        _, _, command = wire.pack(self._command).partition(b"\r\n")
        field = self._layout.field
        head = (b"*%d\r\n%b" % (len(self._command) + 3, command)).replace(b"%", b"%%")
        tail = (b"$%d\r\n%b\r\n" % (len(field), field)).replace(b"%", b"%%")
        tail += b"$%d\r\n{%b}\r\n"
        if self._ids is None:
            template = head + b"$1\r\n*\r\n" + tail
            return [template % (len(each) + 2, each) for each in members]
        template = head + b"$%d\r\n%b\r\n" + tail
        ids = self._ids[start : start + len(members)]
        return [
            template % (len(id), id.encode(), len(each) + 2, each)
            for id, each in zip(ids, members, strict=True)
        ]

    def _one_by_one(self, start: int, events: list[Any]) -> list[Prepared]:
        ids = repeat("*") if self._ids is None else self._ids[start:]
        packed: list[Prepared] = []
        for row, (id, event) in enumerate(zip(ids, events, strict=False), start):
            try:
                packed.append(wire.pack((*self._command, id, *write_event(event, self._layout))))
            except EncodeError as error:
                packed.append(error.at_row(row))
        return packed


def _of_dicts(events: list[Any]) -> list[bytes] | None:
    return dump_members(events) if set(map(type, events)) == {dict} else None


def _size(part: Sequence[Prepared]) -> int:
    """Return the approximate size of commands in bytes."""
    some = [len(each) for each in part[::SIZED_EVERY] if isinstance(each, bytes)]
    return sum(some) * len(part) // len(some) if some else 0


def _fitting(size: int, count: int) -> int:
    """Return how many events to send at once, if `count` of them have this size."""
    return max(1, min(BATCH, BATCH_BYTES * count // (size + 1)))
