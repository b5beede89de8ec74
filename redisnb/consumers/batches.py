"""Batches: how large one is, and of one whose handler raises, which entries it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from itertools import chain
from operator import itemgetter
from typing import NamedTuple

from redisnb.stream import Found

__all__: list[str] = []

#: After how many cuts in halves without a success it is the handler that fails, and of how many
#: entries at least: of fewer, each counts.
CUTS, ENOUGH = 2, 4

#: Up to how many entries, and how many bytes, a batch grows that is to grow.
MOST_ENTRIES, MOST_BYTES = 10_000, 8_000_000

#: What names an entry among those of several streams.
key_and_id: Callable[[Found], tuple[str, bytes]] = itemgetter(0, 1)


class Sifted(NamedTuple):
    """What failed alone, with its error; or why a handler failed at everything."""

    failed: list[tuple[Found, Exception]]
    handler: Exception | None = None


async def sift(
    batch: Sequence[Found],
    attempt: Callable[[Sequence[Found]], Awaitable[Exception | None]],
    goes_on: Callable[[], bool],
    *,
    cuts: int = CUTS,
    works: bool = False,
) -> Sifted:
    """Have a batch handled, in ever smaller parts where the handler raises.

    Parameters
    ----------
    attempt : coroutine function
        Has entries handled, and returns what the handler raised.
    goes_on : callable
        Whether to begin another attempt; what had none is not in the result.
    cuts : int
        After how many cuts it is the handler that fails, if nothing has succeeded.
    works : bool
        Whether it is known that the handler works.
    """
    error = await attempt(batch)
    if error is None:
        return Sifted([])
    first, failing = error, [(batch, error)]
    failed: list[tuple[Found, Exception]] = []
    done, succeeded = 0, works or len(batch) < ENOUGH
    while failing and goes_on():
        if not succeeded and (done == cuts or all(len(part) == 1 for part, _ in failing)):
            return Sifted([], first)
        again: list[tuple[Sequence[Found], Exception]] = []
        for part, error in failing:
            if len(part) == 1:
                if succeeded:
                    failed.append((part[0], error))
                else:
                    again.append((part, error))
                continue
            middle = (len(part) + 1) // 2
            for half in (part[:middle], part[middle:]):
                if not goes_on():
                    return Sifted(failed)
                found = await attempt(half)
                if found is None:
                    succeeded = True
                else:
                    again.append((half, found))
        failing, done = again, done + 1
    return Sifted(failed)


def next_count(count: int, found: Sequence[Found]) -> int:
    """Return how many entries to read next, after a reply to a read of `count`."""
    size = sum(map(len, chain.from_iterable(fields or () for _, _, fields in found)))
    if size > MOST_BYTES:
        return max(1, count // 2)
    is_full = len(found) >= count
    return min(2 * count, MOST_ENTRIES) if is_full and 2 * size <= MOST_BYTES else count
