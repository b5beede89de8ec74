"""What differs between two events, member by member."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

__all__ = ["Difference", "differences"]


class Difference(NamedTuple):
    """A member that two events do not share: its dotted name, and its value in each.

    A value is a list of one, or empty where the event has no such member.
    """

    name: str
    one: list[Any]
    other: list[Any]


def differences(one: Mapping[Any, Any], other: Mapping[Any, Any]) -> list[Difference]:
    """Return the members whose values differ, in the order of the first event."""
    mine, theirs = dict(_flat_members(one)), dict(_flat_members(other))
    return [
        Difference(
            name, [mine[name]] if name in mine else [], [theirs[name]] if name in theirs else []
        )
        for name in dict.fromkeys([*mine, *theirs])
        if (name in mine) != (name in theirs) or not _are_equal(mine[name], theirs[name])
    ]


def _flat_members(event: Mapping[Any, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in event.items():
        full = f"{before}{name}"
        if isinstance(value, Mapping) and value:
            yield from _flat_members(value, f"{full}.")
        else:
            yield full, value


def _are_equal(one: Any, other: Any) -> bool:
    # True equals 1 in Python, and 1 equals 1.0; an event tells the first from the second.
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
