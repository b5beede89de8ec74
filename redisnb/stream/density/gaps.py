"""The parts of a range of which no entry was read, and how many entries each may have.

A position is an entry ID as one number, as `id_number` returns it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from redisnb.entries import LARGEST_PART

__all__ = ["Gap", "Rate"]

#: The positions of one millisecond.
MILLISECOND = LARGEST_PART + 1
#: How many standard errors an estimate may be wrong by.
SIGMAS = 4


class Rate(NamedTuple):
    """Entries counted beside a gap, and the positions among which they are."""

    entries: int
    span: int


class Gap(NamedTuple):
    """The positions between two others, of which no entry was read.

    Attributes
    ----------
    after, before : int
        The positions around it.
    left, right : Rate
        What is known of the entries on either side.
    from_left, from_right : bool
        Whether the entries at this end of it are still to be read.
    """

    after: int
    before: int
    left: Rate
    right: Rate
    from_left: bool = True
    from_right: bool = True

    @property
    def size(self) -> int:
        """The number of positions, each of which may have an entry."""
        return self.before - self.after - 1

    def _rates(self) -> tuple[float, float]:
        # Entries that were added at once have the same millisecond, and tell nothing of the next.
        least = MILLISECOND if self.size > MILLISECOND else 1
        left, right = (rate.entries / max(rate.span, least) for rate in (self.left, self.right))
        return left, right

    @property
    def entries(self) -> float:
        """The estimated number of entries: as many as at its ends, on average."""
        return min(self.size * sum(self._rates()) / 2, self.size)

    def error(self, share: float = 1) -> float:
        """Return by how much the estimate may be wrong, for a share of the gap.

        The rates at both ends differ, each was measured with few entries, and entries do not arrive
        evenly.
        """
        left, right = self._rates()
        mean = share * self.entries
        drift = share * self.size * abs(left - right) / 2
        noise = mean**2 * (1 / (self.left.entries or 1) + 1 / (self.right.entries or 1)) / 4
        return min(drift, self.size) + SIGMAS * math.sqrt(noise + mean)

    def cut(self, pieces: int) -> list[Gap]:
        """Return pieces of about equal length, with the new ends to be read."""
        pieces = min(pieces, self.size)
        return self.cut_at([self.after + 1 + self.size * i // pieces for i in range(1, pieces)])

    def cut_at(self, positions: Sequence[int]) -> list[Gap]:
        """Return the pieces between ascending positions, each of which begins one.

        Without any, more is read from its beginning.
        """
        if not positions:
            return [self._replace(from_left=True)]
        edges = [self.after + 1, *positions, self.before]
        pieces = [
            self._replace(after=first - 1, before=end, from_left=True, from_right=True)
            for first, end in pairwise(edges)
        ]
        pieces[0] = pieces[0]._replace(from_left=self.from_left)
        pieces[-1] = pieces[-1]._replace(from_right=self.from_right)
        return pieces
