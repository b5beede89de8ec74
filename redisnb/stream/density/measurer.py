"""The methods of a stream that measure how its entries are spread."""

from __future__ import annotations

import pandas as pd

from redisnb import frames, wire
from redisnb.durations import Duration, milliseconds
from redisnb.entries import Position, range_bounds
from redisnb.errors import option, warn
from redisnb.hints import hinted
from redisnb.stream.density.buckets import count, estimate
from redisnb.stream.density.ranges import equal_ranges
from redisnb.stream.density.sampling import Sampling
from redisnb.stream.key import StreamKey, mark_origin

__all__ = ["Measurer"]

#: How many entries a histogram reads about, and for how long, unless it is to be exact.
SAMPLED_ENTRIES, SAMPLED_SECONDS = 40_000, 1.0


class Measurer(StreamKey):
    """The methods of a stream that measure how its entries are spread."""

    @hinted
    def histogram(
        self,
        every: Duration = "1min",
        start: Position | None = None,
        end: Position | None = None,
        *,
        exact: bool = False,
    ) -> pd.DataFrame:
        """Count the entries by time, from some of them unless the stream is small.

        Parameters
        ----------
        every : duration, default "1min"
            The length of a bucket, from 1 ms on. Buckets begin at multiples of it since 1970, UTC,
            as those of pandas do with ``origin="epoch"``.
        start, end : str, EntryId, aware datetime or int, optional
            As for `range`.
        exact : bool
            Read every entry, in bounded memory.

        Returns
        -------
        DataFrame in schema HISTOGRAM
            One row per bucket, from the one of the first entry to that of the last, of the entries
            that there are now: `time`, at which it begins, is the index. Empty without such entries
            or without the stream. ``frame.attrs["exact"]`` says whether the numbers are exact, and
            ``attrs["error"]`` by how many entries any of them may be wrong, else 0. It is an
            estimate: four standard errors, as far as the entries read tell, and what the total of
            the whole stream shows to be missing; of a part of a stream the total is not known, and
            a burst can be overlooked. The numbers for a whole stream add up to its length.
            ``attrs["untimed"]`` is how many entries have IDs beyond the year 9999, which are in no
            bucket; ``attrs["missed"]`` how many were removed before they were counted, 1 for an
            unknown number.

        Raises
        ------
        ValueError
            If `every` is not a duration, is 0, or makes more than a million rows.
        redis.exceptions.ResponseError
            If the key is not a stream.

        Warns
        -----
        RedisnbWarning
            If entries are untimed or missed.

        Notes
        -----
        XLEN, XRANGE and XREVRANGE: about 40,000 entries in many places, for at most a second, and
        about 64 MB. With `exact` XRANGE in pages, and XINFO STREAM; O(n). Reads only.

        Examples
        --------
        >>> orders.histogram("2min")
                                   entries
        time
        2024-05-01 10:30:00+00:00        2
        2024-05-01 10:32:00+00:00        2
        """
        width = milliseconds(every, "every")
        if not width:
            raise ValueError(f"{option('every', every)}; a bucket has at least 1 ms")
        bounds = range_bounds(start, end, lambda: wire.now(self.conn))
        if exact:
            pages = wire.Pages(self.conn, self.key, *bounds)
            buckets, error = count(pages, width), 0
            missed, message = pages.missed, pages.message
        else:
            sampling = Sampling(
                self.conn, self.key, *bounds, most=SAMPLED_ENTRIES, seconds=SAMPLED_SECONDS
            )
            buckets, error = estimate(sampling, width)
            missed, message = sampling.missed(), sampling.message
        if buckets.first is None and not buckets.untimed:
            wire.warn_of_absent(self.conn, self.key)
        counts, first = buckets.counts(), (buckets.first or 0) * width
        times = range(first, first + len(counts) * width, width)
        frame = frames.timed_frame(frames.HISTOGRAM, times, [[n] for n in counts])
        untimed = round(buckets.untimed)
        frame.attrs |= {"exact": not error, "error": error, "untimed": untimed}
        if untimed:
            were = "1 entry has an ID" if untimed == 1 else f"{untimed:,} entries have IDs"
            warn(f"{were} beyond the year 9999, and not counted in the histogram")
        return frames.mark_missed(mark_origin(frame, self, *bounds), missed, message)

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
        >>> for start, end in orders.partitions(2)[["start", "end"]].itertuples(index=False):
        ...     print(orders.range(start, end)["item"].tolist())
        ['tea', 'coffee']
        ['tea', 'milk']
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
