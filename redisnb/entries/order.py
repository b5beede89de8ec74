"""Several series of entries as one, in the order of their IDs."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from operator import itemgetter
from typing import Any, TypeAlias, TypeVar

__all__: list[str] = []

#: Something with its entry ID, bytes, in the second place.
T = TypeVar("T", bound=Sequence[Any])
#: An entry ID as it orders.
Number: TypeAlias = tuple[int, int]

_place = itemgetter(0)


def merged(series: Sequence[Iterator[list[T]]]) -> Iterator[list[T]]:
    """Merge series of pages by entry ID; where IDs are equal, the series keep their order.

    No more than a page of each series is in memory. A series that goes back to an earlier ID stays
    in its own order.
    """
    left = list(series)
    # Of each series, what was read and not given yet, each entry with its place in the order.
    waiting: list[list[tuple[Number, T]]] = [[] for _ in left]
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
        # Whatever comes later goes behind this; or beside it, if it is of the first such series.
        bound = min(reached)
        first = reached.index(bound)
        cuts = [
            (bisect_right if i <= first else bisect_left)(entries, bound, key=_place)
            for i, entries in enumerate(waiting)
        ]
        ready = [each for entries, cut in zip(waiting, cuts, strict=True) for each in entries[:cut]]
        waiting = [entries[cut:] for entries, cut in zip(waiting, cuts, strict=True)]
        ready.sort(key=_place)
        yield [entry for _, entry in ready]
    for entries, pages in zip(waiting, left, strict=True):
        if entries:
            yield [entry for _, entry in entries]
        yield from pages


def order_of(entry: Sequence[Any]) -> Number:
    """Return an entry's ID as it orders."""
    ms, _, seq = entry[1].partition(b"-")
    return int(ms), int(seq)
