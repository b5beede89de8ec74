"""How many entries there are in each bucket of time."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from redisnb import frames, wire
from redisnb.entries import LAST_TIME, id_milliseconds
from redisnb.errors import option
from redisnb.stream.density.gaps import MILLISECOND, Doubt, Gap
from redisnb.stream.density.sampling import READ_AT_ENDS, Sampling

__all__ = ["Buckets", "count", "estimate"]

#: The most rows of a histogram.
MOST_BUCKETS = 1_000_000
#: The most pieces into which a gap is cut at once.
MOST_PIECES = 256
#: The position after the last that is a time.
TIMES_END = (LAST_TIME + 1) * MILLISECOND


class Buckets:
    """The numbers of entries by bucket of time, added in the order of their IDs.

    Parameters
    ----------
    every : int
        The length of a bucket in ms; each begins at a multiple of it since 1970.

    Attributes
    ----------
    first : int or None
        The number of the first bucket.
    untimed : float
        How many entries have IDs beyond the year 9999, which are no times.

    Raises
    ------
    ValueError
        If there are more than a million, when entries are added.
    """

    def __init__(self, every: int) -> None:
        self.every, self.untimed = every, 0.0
        self.first: int | None = None
        self._counts = self._drifts = self._variances = np.zeros(0)

    def add(self, ids: Sequence[bytes]) -> None:
        """Add entries."""
        first, last = id_milliseconds((ids[0], ids[-1]))
        if first // self.every == last // self.every and last <= LAST_TIME:
            # Most of what is read in a gap is in one bucket.
            within = self.reach(first // self.every, last // self.every)
            self._counts[within] += len(ids)
            return
        timed = np.array([ms for ms in id_milliseconds(ids) if ms <= LAST_TIME], "int64")
        self.untimed += len(ids) - len(timed)
        if len(timed):
            numbers, counts = np.unique(timed // self.every, return_counts=True)
            within = self.reach(int(numbers[0]), int(numbers[-1]))
            self._counts[within][numbers - numbers[0]] += counts

    def add_gap(self, gap: Gap, scale: float) -> None:
        """Add the estimate for a gap, with equal shares for equal times."""
        if gap.before > TIMES_END:
            self.untimed += gap.entries * scale
            return
        width = self.every * MILLISECOND
        first, last = (gap.after + 1) // width, (gap.before - 1) // width
        within = self.reach(first, last)
        shares = np.full(last - first + 1, width / gap.size)
        shares[0] = ((first + 1) * width - gap.after - 1) / gap.size
        shares[-1] = (gap.before - max(last * width, gap.after + 1)) / gap.size
        self._counts[within] += gap.entries * scale * shares
        doubt = gap.doubt(shares)
        self._drifts[within] += doubt.drift * scale
        self._variances[within] += doubt.variance * scale**2

    def reach(self, first: int, last: int) -> slice:
        """Return where the buckets from `first` to `last` are, added if they are new."""
        self.first = first if self.first is None else self.first
        number = last - self.first + 1
        if number > MOST_BUCKETS:
            least = math.ceil(number * self.every / MOST_BUCKETS / 1000)
            raise ValueError(
                f"{option('every', f'{self.every}ms')} makes {number:,} rows, and a histogram has "
                f"at most {MOST_BUCKETS:,}; {option('every', f'{least}s')} makes few enough, and "
                f"so do {option('start')} and {option('end')} nearer to each other"
            )
        more = np.zeros(max(0, number - len(self._counts)))
        if len(more):
            self._counts = np.concatenate([self._counts, more])
            self._drifts = np.concatenate([self._drifts, more])
            self._variances = np.concatenate([self._variances, more])
        return slice(first - self.first, number)

    def counts(self) -> list[int]:
        """Return the entries of each bucket as whole numbers with the same sum."""
        reached = np.round(np.cumsum(self._counts)).astype("int64")
        return np.diff(reached, prepend=0).tolist()  # type: ignore[no-any-return]

    @property
    def error(self) -> int:
        """How many entries a bucket may be off by."""
        largest = Doubt(self._drifts, self._variances).error.max(initial=0)
        # And one more, since the estimates were rounded.
        return math.ceil(largest) + 1 if largest else 0


def count(pages: wire.Pages, every: int) -> Buckets:
    """Return the numbers of entries by bucket, of all that there are now."""
    buckets = Buckets(every)
    ends = pages.look()
    if ends is not None and ends[1].ms <= LAST_TIME:
        # Too many rows are refused before all entries are read.
        buckets.reach(*(each.ms // every for each in ends))
    for page in frames.without_collector(pages):
        buckets.add([id for id, _ in page])
    return buckets


def estimate(sampling: Sampling, every: int) -> tuple[Buckets, int]:
    """Return the numbers of entries by bucket, and by how much each may be off."""
    for gap in sampling.take_gaps(lambda gap: gap.after + 1 < TIMES_END < gap.before):
        # The last time, which the histogram ends with, is read there.
        sampling.read(gap.cut_at([TIMES_END]), READ_AT_ENDS)
    while sampling.gaps and not sampling.is_spent:
        gaps = _worst(sampling)
        pieces = max(2, int(sampling.left) // (2 * READ_AT_ENDS * len(gaps)))
        sampling.read(
            [piece for gap in gaps for piece in _pieces(gap, min(pieces, MOST_PIECES), every)],
            READ_AT_ENDS,
        )
    buckets = Buckets(every)
    scale = sampling.scale
    for _, part in sampling.parts():
        if isinstance(part, Gap):
            buckets.add_gap(part, scale)
        else:
            buckets.add(part)
    error = buckets.error + math.ceil(sampling.unexplained)
    if sampling.total is not None:
        error = min(error, max(0, sampling.total - sampling.known))
    return buckets, error


def _worst(sampling: Sampling) -> list[Gap]:
    """Take the gaps that may be off by most; all, if they can be read through."""
    if sampling.entries - sampling.known <= sampling.left:
        return sampling.take_gaps(lambda _: True)
    largest = max(gap.doubt().error for gap in sampling.gaps)
    return sampling.take_gaps(lambda gap: gap.doubt().error >= largest / 2)


def _pieces(gap: Gap, pieces: int, every: int) -> list[Gap]:
    """Cut a gap where buckets begin, or within its only bucket."""
    width = every * MILLISECOND
    first, last = (gap.after + 1) // width, (gap.before - 1) // width
    if first == last:
        return gap.cut(min(pieces, math.ceil(gap.entries / READ_AT_ENDS) + 1))
    step = max(1, round((last - first) / pieces)) * width
    return gap.cut_at(range(-(-(gap.after + 2) // step) * step, gap.before, step))
