"""The order of entry IDs: numbers, never text; and series of entries merged in it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from operator import itemgetter
from typing import Any, TypeAlias, TypeVar

__all__: list[str] = []

#: Something with its entry ID, bytes, in the second place.
T = TypeVar("T", bound=Sequence[Any])
#: The two numbers of an entry ID, milliseconds and sequence; a stream is in their order.
IdPair: TypeAlias = tuple[int, int]
#: The largest value of either.
LARGEST_PART = 2**64 - 1

_position = itemgetter(0)


def merge_by_id(series: Sequence[Iterator[list[T]]]) -> Iterator[list[T]]:
    """Merge series of pages by entry ID; where IDs are equal, the series keep their order.

    No more than a page of each series is in memory. A series that goes back to an earlier ID stays
    in its own order.
    """
    left = list(series)
    # Of each series, the entries that are read and not yielded yet, each with its ID in order.
    waiting: list[list[tuple[IdPair, T]]] = [[] for _ in left]
    reached = [(0, 0) for _ in left]
    while len(left) > 1:
        for i, pages in enumerate(left):
            page = () if waiting[i] else next(filter(None, pages), ())
            if page:
                places = accumulate(map(order_of, page), max, initial=reached[i])
                next(places)
                waiting[i] = list(zip(places, page, strict=True))
                reached[i] = waiting[i][-1][0]
        going = [i for i, entries in enumerate(waiting) if entries]
        left, waiting = [left[i] for i in going], [waiting[i] for i in going]
        reached = [reached[i] for i in going]
        if not going:
            return
        # An unread entry has a larger ID than `bound`; or the same one, in series `first` or later.
        bound = min(reached)
        first = reached.index(bound)
        cuts = [
            (bisect_right if i <= first else bisect_left)(entries, bound, key=_position)
            for i, entries in enumerate(waiting)
        ]
        ready = [each for entries, cut in zip(waiting, cuts, strict=True) for each in entries[:cut]]
        waiting = [entries[cut:] for entries, cut in zip(waiting, cuts, strict=True)]
        ready.sort(key=_position)
        yield [entry for _, entry in ready]
    for entries, pages in zip(waiting, left, strict=True):
        if entries:
            yield [entry for _, entry in entries]
        yield from pages


def id_pair(id: str | bytes) -> IdPair:
    """Return the two numbers of a full entry ID."""
    ms, _, seq = id.partition("-") if isinstance(id, str) else id.partition(b"-")
    return int(ms), int(seq)


def id_number(id: str | bytes) -> int:
    """Return a full entry ID as one number, in which milliseconds are multiples of 2**64."""
    ms, seq = id_pair(id)
    return ms << 64 | seq


def number_id(number: int) -> str:
    """Return the entry ID of a number that `id_number` returned."""
    return f"{number >> 64}-{number & LARGEST_PART}"


def order_of(entry: Sequence[Any]) -> IdPair:
    """Return the two numbers of the ID in an entry's second place, to sort by."""
    return id_pair(entry[1])


def id_milliseconds(ids: Iterable[bytes]) -> list[int]:
    """Return the milliseconds of full entry IDs."""
    return [int(id.partition(b"-")[0]) for id in ids]


def next_pair(pair: IdPair) -> IdPair:
    """Return the pair just after another one; after the last ID, a pair that no ID can have."""
    ms, seq = pair
    return (ms, seq + 1) if seq < LARGEST_PART else (ms + 1, 0)


def previous_pair(pair: IdPair) -> IdPair:
    """Return the pair just before another one; before 0-0, a pair that no ID can have."""
    ms, seq = pair
    return (ms, seq - 1) if seq else (ms - 1, LARGEST_PART)


def pair_bounds(bounds: tuple[str, str]) -> tuple[IdPair, IdPair]:
    """Return the smallest and the largest pair within two bounds as XRANGE takes them."""
    first, last = bounds
    return _pair_bound(first, 0, next_pair), _pair_bound(last, LARGEST_PART, previous_pair)


def _pair_bound(bound: str, otherwise: int, inside: Callable[[IdPair], IdPair]) -> IdPair:
    if bound in ("-", "+"):
        return otherwise, otherwise
    ms, dash, seq = bound.removeprefix("(").partition("-")
    pair = int(ms), int(seq) if dash else otherwise
    return inside(pair) if bound.startswith("(") else pair
