"""Where the files of a directory begin, if each has the entries of one range of a stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from redisnb.entries import IdPair, Position, id_pair
from redisnb.errors import option
from redisnb.stream import Stream

__all__: list[str] = []


def divide(
    streams: Sequence[Stream],
    n: int | None,
    start: Position | None,
    end: Position | None,
    others: Mapping[str, object],
) -> tuple[list[IdPair] | None, Position | None, Position | None]:
    """Return where each file but the first begins, and the bounds of all together.

    Without a number of files, nothing begins one, and the bounds stay as they are.

    Raises
    ------
    ValueError
        If there are several streams, or one of the `others` is set.
    """
    if n is None:
        return None, start, end
    asked = option("partitions", n)
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ValueError(f"{asked}; it is a number of files, at least 1")
    for name, value in others.items():
        if value is not None and value is not False:
            raise ValueError(
                f"{asked} makes files of a range that has an end, each with a part of it; leave "
                f"out {option(name, value)}"
            )
    if len(streams) > 1:
        raise ValueError(f"{asked} is for one stream; capture each into a directory of its own")
    ranges = streams[0].partitions(n, start, end)
    if ranges.empty:
        # No entry has this ID.
        return [], "0-0", "0-0"
    first, *cuts = ranges["start"]
    return [id_pair(id) for id in cuts], first, ranges["end"].iloc[-1]
