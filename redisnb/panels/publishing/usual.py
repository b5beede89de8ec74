"""What a stream's last entries have: the members of their events, and the carrying field."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from redisnb import cards
from redisnb.entries import Entry
from redisnb.stream import Stream

__all__ = ["Member", "Usual", "look_at_last"]

#: How many entries are looked at, and of how many members it is told.
_LAST_ENTRIES, _MOST_MEMBERS = 100, 200
#: In which share of the entries a member is so usual that its absence is told.
_MOSTLY = 0.9
_EXAMPLES, _EXAMPLE_LENGTH = 3, 30


class Member(NamedTuple):
    """A member of events: its dotted name, its kind, in how many entries it is, and its values.

    Attributes
    ----------
    value : object
        The newest.
    examples : list of str
        The most frequent, in short.
    """

    name: str
    kind: str
    seen: int
    value: Any
    examples: list[str]


class Usual(NamedTuple):
    """What the last entries of a stream have in common.

    Attributes
    ----------
    stream : Stream
        Writes as the last entry is written: with the field that carries it.
    last : Entry or None
    looked_at : int
        How many entries.
    members : sequence of Member
    """

    stream: Stream
    last: Entry | None
    looked_at: int
    members: Sequence[Member]

    def tones(self, event: Mapping[str, Any]) -> dict[str, str]:
        """Return for each member whether an event has it: "good", or "warn" as another kind."""
        kinds = {name: _kind_in_json(value) for name, value in _flat_values(event)}
        return {
            each.name: ""
            if each.name not in kinds
            else "good"
            if self._is_alike(each, kinds[each.name])
            else "warn"
            for each in self.members
        }

    def remarks(self, event: Mapping[str, Any]) -> str:
        """Return how an event differs from the last entries; "" if it does not."""
        kinds = {name: _kind_in_json(value) for name, value in _flat_values(event)}
        if not self.members:
            return ""
        known = {each.name for each in self.members}
        missing = [
            each.name
            for each in self.members
            if each.name not in kinds and each.seen >= _MOSTLY * self.looked_at
        ]
        parts = [f"without {_quoted_names(missing)}, which they have"] if missing else []
        parts += [
            f"{each.name!r} is {kinds[each.name]} instead of {each.kind}"
            for each in self.members
            if each.name in kinds and not self._is_alike(each, kinds[each.name])
        ]
        new = [name for name in kinds if name not in known]
        parts += [
            f"{_quoted_names(new)} is new" if len(new) == 1 else f"{_quoted_names(new)} are new"
        ] * bool(new)
        return f"Unlike the last {self.looked_at:,} entries: {'; '.join(parts)}." if parts else ""

    def _is_alike(self, member: Member, kind: str) -> bool:
        is_text = self.stream.layout.is_text(member.name.partition(".")[0])
        return is_text or kind in ("null", *member.kind.split(" or "))


def look_at_last(stream: Stream) -> Usual:
    """Look at the last entries of a stream."""
    frame = stream.tail(_LAST_ENTRIES)
    last = stream.entry(frame["entry_id"].iloc[-1]) if len(frame) else None
    members = [
        _member(str(name), frame[name])
        for name in list(frame.columns)[: _MOST_MEMBERS + 1]
        if name not in ("entry_id", "entry_field")
    ]
    return Usual(_written_alike(stream, last), last, len(frame), members)


def _written_alike(stream: Stream, last: Entry | None) -> Stream:
    """Return the stream so that it writes what its readers find in the last entry."""
    layout = stream.layout
    if last is None or layout.format != "auto" or layout.coding is not None:
        return stream
    options = layout.options()
    if last.field is None:
        return Stream(stream.conn, stream.key, **{**options, "format": "fields"})
    if last.field == layout.field.decode():
        return stream
    return Stream(stream.conn, stream.key, **{**options, "format": "json", "field": last.field})


def _member(name: str, column: pd.Series[Any]) -> Member:
    there = column.dropna().tolist()
    kinds = Counter(map(_kind_in_json, there))
    texts = Counter(cards.legible(str(each))[:_EXAMPLE_LENGTH] for each in there)
    examples = [text for text, _ in texts.most_common(_EXAMPLES)]
    value = there[-1] if there else None
    return Member(name, " or ".join(kinds) or "null", len(there), value, examples)


def _flat_values(event: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in event.items():
        if isinstance(value, Mapping) and value:
            yield from _flat_values(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _kind_in_json(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "text"
    return "list" if isinstance(value, list | tuple) else "object"


def _quoted_names(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:5]))
    return f"{shown} and {len(names) - 5:,} more" if len(names) > 5 else shown
