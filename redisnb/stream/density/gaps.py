"""The parts of a range of which no entry was read, and how many entries each may have.

A position is an entry ID as one number, as `id_number` returns it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from redisnb.entries import LARGEST_PART

__all__ = ["Doubt", "Gap", "Rate", "doubt_of_all"]

#: The positions of one millisecond.
MILLISECOND = LARGEST_PART + 1
#: How many standard errors an estimate may be wrong by.
SIGMAS = 4


class Rate(NamedTuple):
    """How many entries there are beside a gap.

    Attributes
    ----------
    entries : int
        Those counted.
    span : int
        The positions among which they are.
    dispersion : float
        How many times as unevenly as by chance they are spread: about 50 if they are added in
        batches of 50.
    """

    entries: int
    span: int
    dispersion: float = 1

    @classmethod
    def of(cls, reached: Sequence[int], entries: int) -> Rate:
        """Return the rate of two or more entries that were read away from a position.

        Parameters
        ----------
        reached : sequence of int
            The position, and where equal parts of the entries end.
        entries : int
            How many entries were read.
        """
        spans = [abs(one - other) for one, other in pairwise(reached)]
        mean = sum(spans) / len(spans)
        spread = sum((span - mean) ** 2 for span in spans) / len(spans) / mean**2
        # That reading ends at an entry is no chance.
        return cls(entries - 1, sum(spans), max(1, spread * entries / len(spans)))

    def unsure(self) -> Rate:
        """Return the rate as one that may be wrong by as much as it is."""
        return self._replace(dispersion=self.entries)


class Doubt(NamedTuple):
    """By how much the estimate for a gap, or for a share of one, may be wrong.

    Attributes
    ----------
    drift : float
        Because the rates at its ends differ.
    variance : float
        By chance, squared: each rate is that of a few entries, and they do not arrive evenly.
    """

    drift: Any
    variance: Any

    @property
    def error(self) -> Any:
        """What the estimate is hardly ever wrong by."""
        return self.drift + SIGMAS * self.variance**0.5


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

    def doubt(self, share: Any = 1) -> Doubt:
        """Return by how much the estimate may be wrong, for a share of the gap or for several."""
        rates = left, right = self._rates()
        dispersions = self.left.dispersion, self.right.dispersion
        counted = self.left.entries, self.right.entries
        variance = sum(
            rate**2 * dispersion / entries
            for rate, dispersion, entries in zip(rates, dispersions, counted, strict=True)
        )
        drift = max(0, abs(left - right) - 2 * variance**0.5) / 2
        return Doubt(
            share * min(self.size * drift, self.size),
            share**2 * self.size**2 * variance / 4 + share * self.entries * max(dispersions),
        )

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


def doubt_of_all(gaps: Iterable[Gap]) -> Doubt:
    """Return by how much the estimates for some gaps may be wrong together."""
    doubts = [gap.doubt() for gap in gaps]
    return Doubt(sum(each.drift for each in doubts), sum(each.variance for each in doubts))
