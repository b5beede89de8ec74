"""The profile of a stream: what its entries have in each column, from all of them or a sample."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import pandas as pd
from redis.exceptions import ResponseError

from redisnb import frames, wire
from redisnb.entries import Position, id_number, number_id, range_bounds
from redisnb.errors import explain, is_of_key, is_unavailable, warn
from redisnb.hints import hinted
from redisnb.stream.density import Measurer
from redisnb.stream.key import mark_origin
from redisnb.stream.seeking import seek_switches
from redisnb.wire import StreamPage

__all__ = ["Profiler"]

#: How many entries are looked at unless another number is given.
DEFAULT_SAMPLE = 20_000
#: Into how many ranges of about equal size a stream is divided for a sample, at most.
_MOST_RANGES = 32
#: The most entries that are read at each place of a sample; of a smaller one, as many as places.
_MOST_EACH = 100


class Profiler(Measurer):
    """The method of a stream that describes what its entries have in common."""

    @hinted
    def profile(
        self,
        start: Position | None = None,
        end: Position | None = None,
        *,
        sample: int | None = DEFAULT_SAMPLE,
    ) -> pd.DataFrame:
        """Describe each column of the entries: kinds of values, range, gaps and changes.

        Parameters
        ----------
        start, end : str, EntryId, aware datetime or int, optional
            As for `range`.
        sample : int or None, default 20,000
            About how many entries to look at, at least 2; None for all. A larger stream is read in
            many places, spread evenly over its entries, with the first and the last one included.

        Returns
        -------
        DataFrame in schema PROFILE
            One row per column, in the order in which they occur; empty without entries.

            - `kinds`: the kinds of its values with their counts, as "int 120, text 3, null 1": int,
              float, bool, text, list, object (an empty one), null; in fields also int text and
              float text (what JSON would read as a number) and bytes (what is not UTF-8).
            - `present`, `missing`: how many entries have a value, and how many have null or none.
            - `distinct`: how many values differ; missing where there are more than 20,000 (of one
              kind in a column; 500,000 in all).
            - `min`, `max`: of its numbers by value, or of its texts, whichever are more.
            - `top`: its most frequent values with their counts, text in quotes.
            - `first_seen`, `last_seen`: the IDs of the first and the last entry that has a value.
            - `changes`: where the kind of its values changes, or entries begin or cease to have it,
              as "int until 1700000000123-0, text since 1700000000124-0; present since
              1700000000100-0". Up to four changes are listed. Where there are more, a kind (or the
              column) begins or ends only if it has three values (entries) or more, and those before
              its first (after its last) are more than ten times as many as lie between any two of
              its own. So kinds that alternate are "mixed throughout", integers and floats that
              alternate are numbers, and a column in every second entry changes nothing.

            Values are cut at 60 characters. ``frame.attrs`` has "entries", how many were looked at,
            of "total" (an estimate for a part of a stream), and whether that is "sampled"; "odd",
            how many are odd, and "odd_ids", the first ten; with a schema, "misfits" by column;
            "missed" and the origin as for `range`.

        Raises
        ------
        ValueError
            If the format is "raw", which has no columns.
        EntryIdError
            If a position is neither an ID nor a time.
        redis.exceptions.ResponseError
            If the key is not a stream.

        Warns
        -----
        RedisnbWarning
            If only the default sample was looked at, or there are more than 1,000 columns.

        Notes
        -----
        XLEN, XRANGE, XREVRANGE and XINFO STREAM. Reads only, in bounded memory. Counts are those of
        the sample. A change that lies between two places of a sample is looked for there, so that
        `changes` is exact for a single one; where it is not, it says "or earlier", "or later". What
        begins and ends between two places, a sample cannot know.

        Examples
        --------
        >>> orders.profile()[["column", "kinds", "present", "distinct", "min", "max"]]
           column   kinds  present  distinct     min  max
        0    item  text 4        4         3  coffee  tea
        1  amount   int 4        4         4       1    5
        """
        if self.layout.format == "raw":
            raise ValueError(
                "format='raw' has no columns to describe; Stream(conn, key).profile() reads fields "
                "and JSON"
            )
        frames.check_limit(sample, "sample")
        if sample is not None and sample < 2:
            raise ValueError(f"sample={sample}; a sample has at least the first and the last entry")
        bounds = range_bounds(start, end, lambda: wire.now(self.conn))
        length = self._length()
        if sample is not None and (length is None or length > sample):
            ends = [None if bound in ("-", "+") else bound for bound in bounds]
            ranges = self.partitions(min(_MOST_RANGES, sample), *ends)
            total = int(ranges["entries"].sum())
            if length is not None and ends == [None, None]:
                total = length
            if total > sample and not ranges.empty:
                return mark_origin(self._profile_sample(ranges, sample, total), self, *bounds)
        return mark_origin(self._profile_all(bounds), self, *bounds)

    def _length(self) -> int | None:
        """Return the number of entries; None where this user or server has no XLEN."""
        (reply,) = wire.ask_many(self.conn, [("XLEN", self.key)])
        if isinstance(reply, ResponseError):
            if is_unavailable(reply) and not is_of_key(reply):
                return None
            raise explain(reply, self.key, ("XLEN", self.key))
        return int(reply)

    def _profile_all(self, bounds: tuple[str, str]) -> pd.DataFrame:
        profile = frames.Profile(self.layout, self.schema)
        pages = wire.Pages(self.conn, self.key, *bounds)
        for page in frames.without_collector(pages):
            profile.feed(page)
        profile.finish()
        frame = profile.frame()
        if not pages.has_begun:
            wire.warn_of_absent(self.conn, self.key)
        frame.attrs |= {"total": profile.entries + pages.missed, "sampled": False}
        return frames.mark_missed(frame, pages.missed, pages.message)

    def _profile_sample(self, ranges: pd.DataFrame, sample: int, total: int) -> pd.DataFrame:
        profile = frames.Profile(self.layout, self.schema)
        first, last = id_number(ranges["start"].iloc[0]), -1
        missed = 1
        for page in self._sampled_pages(ranges, sample):
            # A place may lie among the entries of the one before.
            new = [entry for entry in page if id_number(entry[0]) > last]
            if new:
                missed = 0 if last < 0 and id_number(new[0][0]) == first else missed
                profile.feed(new, after_gap=len(new) == len(page))
                last = id_number(new[-1][0])
        seek_switches(self.conn, self.key, profile.finish(), profile.kinds)
        frame = profile.frame()
        frame.attrs |= {"total": total, "sampled": True}
        if sample == DEFAULT_SAMPLE:
            warn(
                f"{self.key!r}: the profile is of {profile.entries:,} of {total:,} entries; "
                "sample=None looks at all"
            )
        message = f"{self.key!r}: entries were removed while the sample was taken"
        return frames.mark_missed(frame, missed, message)

    def _sampled_pages(self, ranges: pd.DataFrame, sample: int) -> Iterator[StreamPage]:
        """Yield entries at places that are spread over ranges of about equal size."""
        each = min(_MOST_EACH, math.isqrt(sample))
        places = list(_places(ranges, max(1, sample // each - 1)))
        end = ranges["end"].iloc[-1]
        size, i = wire.PAGE_BYTES, 0
        while i < len(places):
            # As many at once as fit into a page, by the size of the entries before.
            count = max(1, min(each, wire.PAGE_BYTES // size))
            some = places[i : i + max(1, wire.PAGE_BYTES // (size * count))]
            i += len(some)
            for page in self._ask_entries(
                [("XRANGE", self.key, place, end, "COUNT", count) for place in some]
            ):
                size = _entry_size(page) or size
                yield page
        (tail,) = self._ask_entries([("XREVRANGE", self.key, end, places[-1], "COUNT", count)])
        yield tail[::-1]

    def _ask_entries(self, commands: Sequence[wire.Command]) -> Iterator[StreamPage]:
        for reply in wire.ask_many(self.conn, commands):
            if isinstance(reply, ResponseError):
                raise explain(reply, self.key)
            yield reply


def _places(ranges: pd.DataFrame, count: int) -> Iterator[str]:
    """Yield IDs to read from: as many in each range, at equal distances, from its first on."""
    firsts = [id_number(id) for id in ranges["start"]]
    lasts = [id_number(id.removeprefix("(")) for id in ranges["end"]]
    for i in range(count):
        which, part = divmod(i * len(firsts), count)
        low, high = firsts[which], lasts[which]
        yield number_id(low + (high - low) * part // count)


def _entry_size(page: StreamPage) -> int:
    """Return about how many bytes an entry has, 0 where there is none."""
    return sum(len(part) for _, fields in page for part in fields) // len(page) if page else 0
