"""Events to the commands that add them, in parts of what is sent at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from itertools import chain, islice, repeat
from typing import Any, TypeAlias

import pandas as pd

from redisnb import wire
from redisnb.entries import Layout, dump_members, json_size, write_event
from redisnb.errors import EncodeError
from redisnb.frames import Missing, Rows
from redisnb.wire import BATCH, BATCH_BYTES

__all__ = ["Commands", "Part", "Prepared"]

#: An XADD as it goes over the wire, or why there is none.
Prepared: TypeAlias = "bytes | EncodeError"
#: One in so many is looked at for its size.
SAMPLED = 32
#: What is sent at once, and whether it is known to be the last.
Part: TypeAlias = "tuple[list[Prepared], bool]"


class Commands:
    """An XADD for each of many events, `command` followed by a full ID and the fields.

    Those of JSON are made as they are sent, since to hold them all takes longer than to make them
    again; any others are made by `check`. An event that cannot be carried has its error in its
    place.

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
        How many there are; None of an iterator, which is taken as its events are sent.
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
        # What was made before it is sent.
        self._made: list[Prepared] | None = None

    def check(self, *, report: bool = False) -> None:
        """Find out whether all events can be carried, unless they are an iterator's.

        Raises
        ------
        EncodeError
            If one cannot, naming its row, without `report`.
        """
        if self.size is None or (report and self._is_json):
            return
        made: list[Prepared] = []
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
                    made += part
            start, most = stop, _fitting(size, stop - start)
        if not self._is_json:
            self._made = made

    def parts(self, start: int = 0, stop: int | None = None) -> Iterator[Part]:
        """Give those of the events from one up to another, which an iterator does not have."""
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
        if self._made is not None:
            return self._made[start:stop]
        members = self._members(start, stop) if self._is_json else None
        if members is not None:
            return self._joined(start, members)
        # What `check` has seen may have changed since, and is looked at anew.
        return self._one_by_one(start, self._events(start, stop))

    def _taken(self, source: Iterator[Any]) -> Iterator[Part]:
        """Take from an iterator, but not what is beyond its IDs."""
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
            except Exception as error:  # noqa: BLE001 - raised below, when what came before is sent
                broken = error
            members = _of_dicts(events) if self._is_json else None
            if members is not None:
                part = self._joined(start, members)
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
        """Return the JSON of events, without the braces; None where each has to be looked at."""
        if isinstance(self._source, Rows):
            members = self._source.json_members(start, stop)
            if members is not None:
                return members
        return _of_dicts(self._events(start, stop))

    def _json_size(self, start: int, stop: int) -> int | None:
        """Return about how long the JSON of events is; None where each has to be looked at."""
        if isinstance(self._source, Rows):
            members = self._source.json_members(start, stop)
            return None if members is None else _size(members)
        events = self._events(start, stop)
        return json_size(events) if set(map(type, events)) == {dict} else None

    def _joined(self, start: int, members: list[bytes]) -> list[Prepared]:
        """Return the commands for JSON members, between which only these and the IDs differ."""
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
        made: list[Prepared] = []
        for row, (id, event) in enumerate(zip(ids, events, strict=False), start):
            try:
                made.append(wire.pack((*self._command, id, *write_event(event, self._layout))))
            except EncodeError as error:
                made.append(error.at_row(row))
        return made


def _of_dicts(events: list[Any]) -> list[bytes] | None:
    return dump_members(events) if set(map(type, events)) == {dict} else None


def _size(part: Sequence[Prepared]) -> int:
    """Return about how many bytes these are."""
    some = [len(each) for each in part[::SAMPLED] if isinstance(each, bytes)]
    return sum(some) * len(part) // len(some) if some else 0


def _fitting(size: int, count: int) -> int:
    """Return how many events are sent at once, where so many have about this size."""
    return max(1, min(BATCH, BATCH_BYTES * count // (size + 1)))
