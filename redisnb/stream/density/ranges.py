"""The ranges of entry IDs that divide a stream into parts of about equal size."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from itertools import pairwise

from redisnb.entries import id_number, number_id
from redisnb.stream.density.gaps import MILLISECOND, Gap
from redisnb.stream.density.sampling import READ_AT_ENDS, SAMPLED_BYTES, Sampling

__all__ = ["equal_ranges"]

#: Into how many pieces the range is cut first.
FIRST_PIECES = 64
#: How many gaps a partition may have: each is a part that may be on either side of a cut.
GAPS_EACH = 4
#: A stream with fewer entries, or with fewer for each partition, is read through.
FEW, FEW_EACH = 10_000, 100


def equal_ranges(sampling: Sampling, n: int) -> list[tuple[str, str, int]]:
    """Return at most `n` ranges, the first and the last bound of each and its entries."""
    _refine(sampling, n)
    parts, total = sampling.parts(), sampling.entries
    if not parts:
        return []
    cuts = dict(_cuts(sampling, min(n, total)))
    first, last = sampling.ends
    bounds = [number_id(position) for position in cuts]
    reached = [0, *cuts.values(), total]
    return [
        (start, end, after - before)
        for start, end, (before, after) in zip(
            [first, *bounds],
            [*(f"({id}" for id in bounds), last],
            pairwise(reached),
            strict=True,
        )
    ]


def _refine(sampling: Sampling, n: int) -> None:
    """Read in gaps until each is small beside a partition."""
    pieces = FIRST_PIECES
    while sampling.gaps and not sampling.is_spent:
        entries = sampling.entries
        is_small = entries <= max(FEW, FEW_EACH * n)
        most = 0 if is_small else entries / n / GAPS_EACH
        scale, off = sampling.scale, sampling.unexplained
        if off > entries / n / GAPS_EACH:
            # Some gaps hold far more or less than their ends tell, and it may be any of them.
            most = min(most, off / len(sampling.gaps) / 2)
        gaps = sampling.take_gaps(lambda gap: gap.entries * scale > most)  # noqa: B023
        if not gaps:
            return
        affordable = SAMPLED_BYTES // sampling.entry_size // (4 * GAPS_EACH * n)
        count = max(1, min(READ_AT_ENDS, affordable, entries // (4 * GAPS_EACH * n)))
        wanted = max(most, count)
        sampling.read(
            [
                piece
                for gap in gaps
                for piece in gap.cut(max(pieces, 1 + math.ceil(gap.entries * scale / wanted)))
            ],
            count,
        )
        pieces = 1


def _cuts(sampling: Sampling, n: int) -> Iterator[tuple[int, int]]:
    """Yield where each range but the first begins, and how many entries lie before that."""
    total, scale = sampling.entries, sampling.scale
    targets = deque(total * i // n for i in range(1, n))
    passed = 0.0
    for first, part in sampling.parts():
        entries = part.entries * scale if isinstance(part, Gap) else len(part)
        while targets and targets[0] < passed + entries:
            target = targets.popleft()
            if isinstance(part, Gap):
                yield _position_in(part, (target - passed) / entries), target
            else:
                index = max(0, math.floor(target - passed))
                yield (id_number(part[index]) if index else first), round(passed) + index
        passed += entries


def _position_in(gap: Gap, share: float) -> int:
    """Return the position at a share of a gap; the beginning of a millisecond if there is one."""
    position = min(gap.after + 1 + int(gap.size * share), gap.before)
    whole = -(-position // MILLISECOND) * MILLISECOND
    return whole if whole <= gap.before else position
