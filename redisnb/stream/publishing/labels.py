"""A member of the events, such as an order number, as a column of the result of add_many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from redisnb import frames
from redisnb.errors import nearest, warn

__all__ = ["Labels"]


class Labels:
    """The values of one member of the events, collected while they are taken.

    Parameters
    ----------
    name : str
        The member; a dotted name is a member of a nested object.
    """

    def __init__(self, name: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f"label={name!r}; it is the name of one member of the events")
        if name in frames.ADDED:
            raise ValueError(f"label={name!r}: the result has a column of that name; rename yours")
        self._name = name
        self._values: list[Any] = []
        self._members: list[str] = []

    def collect(self, events: Any) -> Any:
        """Return the same events; their values are collected at the latest when they are taken."""
        if isinstance(events, pd.DataFrame):
            named = [name for name in events.index.names if name == self._name]
            if not named and self._name not in events.columns:
                meant = nearest(self._name, [str(name) for name in events.columns])
                hint = f"; did you mean {meant!r}?" if meant else ""
                raise ValueError(f"label={self._name!r}: the frame has no such column{hint}")
            column = events.index.get_level_values(self._name) if named else events[self._name]
            self._values = [None if pd.isna(each) else each for each in column.tolist()]
            return events
        if isinstance(events, Iterator):
            return self._collecting(events)
        if not isinstance(events, Sequence):
            events = list(events)
        if not isinstance(events, str | bytes):
            self._values = list(map(self._value, events))
        return events

    def _collecting(self, events: Iterable[Any]) -> Iterator[Any]:
        for event in events:
            self._values.append(self._value(event))
            yield event

    def _value(self, event: Any) -> Any:
        if not isinstance(event, Mapping):
            return None
        self._members = self._members or [str(name) for name in event]
        value: Any = event
        if self._name in event:
            return event[self._name]
        for part in self._name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        return value

    def add_to(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Add the column to a frame of the first events."""
        values = self._values[: len(frame)]
        if values and all(value is None for value in values):
            meant = nearest(self._name, self._members)
            hint = f"; did you mean {meant!r}?" if meant else ""
            warn(f"label={self._name!r}: no event has it{hint}")
        kinds = {type(value) for value in values} - {type(None)}
        if kinds <= {str}:
            frame[self._name] = frames.column(values, "str")
        elif kinds == {int} and all(
            -(2**63) <= value < 2**63 for value in values if value is not None
        ):
            frame[self._name] = frames.column(values, "Int64" if None in values else "int64")
        else:
            frame[self._name] = pd.Series(values, dtype=object, index=frame.index)
        return frame
