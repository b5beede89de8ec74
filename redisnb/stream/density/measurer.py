"""The methods of a stream that measure how its entries are spread."""

from __future__ import annotations

import pandas as pd

from redisnb import frames, wire
from redisnb.entries import Position, range_bounds
from redisnb.errors import option
from redisnb.hints import hinted
from redisnb.stream.density.ranges import equal_ranges
from redisnb.stream.density.sampling import Sampling
from redisnb.stream.key import StreamKey, mark_origin

__all__ = ["Measurer"]


class Measurer(StreamKey):
    """The methods of a stream that measure how its entries are spread."""

    @hinted
    def partitions(
        self, n: int, start: Position | None = None, end: Position | None = None
    ) -> pd.DataFrame:
        """Divide the stream, or a range of it, into ranges of about equal numbers of entries.

        Parameters
        ----------
        n : int
            The number of ranges, at least 1; there are fewer if there are fewer entries.
        start, end : str, EntryId, aware datetime or int, optional
            As for `range`.

        Returns
        -------
        DataFrame in schema PARTITIONS
            One row per range, in order: `start` and `end`, as `range`, `frames` and `capture` take
            them, and `entries`, an estimate unless ``frame.attrs["exact"]``. Every entry that is
            there now is in one range, and what is added later in none. Empty without such entries
            or without the stream.

        Raises
        ------
        ValueError
            If `n` is not a number from 1 on.
        redis.exceptions.ResponseError
            If the key is not a stream.

        Notes
        -----
        XLEN, XRANGE and XREVRANGE. Reads some hundred entries for each range, in several places;
        all if the stream is small; at most about 64 MB, so with huge entries the ranges are less
        equal. Reads only.

        Examples
        --------
        >>> for start, end in stream.partitions(8)[["start", "end"]].itertuples(index=False):
        ...     frame = stream.range(start, end, limit=None)
        """
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise ValueError(f"{option('n', n)}; it is a number of ranges, at least 1")
        bounds = range_bounds(start, end, lambda: wire.now(self.conn))
        sampling = Sampling(self.conn, self.key, *bounds)
        frame = frames.table(frames.PARTITIONS, equal_ranges(sampling, n))
        if frame.empty:
            wire.warn_of_absent(self.conn, self.key)
        frame.attrs["exact"] = not sampling.gaps
        return mark_origin(frame, self, *bounds)
