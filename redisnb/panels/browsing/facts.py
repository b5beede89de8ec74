"""What a stream is: how many entries, of which time; and what a user's positions in it mean."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from redisnb import cards, wire
from redisnb.entries import LAST_TIME, EntryId, range_bounds
from redisnb.errors import EntryIdError
from redisnb.panels.timespans import TimeSpan, time_text
from redisnb.stream import Stream

__all__ = ["StreamFacts", "bound_of", "bound_text", "is_reversed", "ms_of_bound", "stream_facts"]

_NO_POSITION = "neither an ID nor a time: 2013-01-02 11:40, 11:40, -1h or 1357126800000-0"


class StreamFacts(NamedTuple):
    """What a stream was when it was looked at last.

    Attributes
    ----------
    is_there : bool
    length : int or None
        None where this user may not know it.
    last_id : str
        "" where there is no entry.
    whole : TimeSpan or None
        The time of its entries; None where there is none.
    text : str
        All of it in a line.
    """

    is_there: bool = False
    length: int | None = 0
    last_id: str = ""
    whole: TimeSpan | None = None
    text: str = ""


def stream_facts(stream: Stream) -> StreamFacts:
    """Look at a stream."""
    rows = stream.info()
    if rows.empty:
        return StreamFacts()
    row = rows.iloc[0]
    # This user may be refused a part of it.
    length = None if pd.isna(row["length"]) else int(row["length"])
    if pd.isna(row["first_id"]):
        return StreamFacts(is_there=True, length=length)
    first = EntryId(row["first_id"]).ms
    # The last entry may have an ID that is no time; and the last ID may be of one that is deleted.
    last = LAST_TIME if pd.isna(row["last_time"]) else round(row["last_time"].timestamp() * 1000)
    parts = [] if length is None else [f"{length:,} {'entry' if length == 1 else 'entries'}"]
    parts += [] if pd.isna(row["size"]) else [cards.amount(int(row["size"]))]
    whole = TimeSpan(first, last) if first <= last else None
    return StreamFacts(True, length, str(row["last_id"]), whole, " · ".join(parts))


def bound_of(stream: Stream, text: str, *, is_start: bool) -> str:
    """Return the bound of a range that a user's text means; "-" or "+" for none.

    Raises
    ------
    EntryIdError
        If it is neither an ID nor a time.
    """
    position = text or None
    start, end = (position, None) if is_start else (None, position)
    try:
        bounds = range_bounds(start, end, lambda: wire.now(stream.conn))
    except EntryIdError as error:
        raise EntryIdError(_NO_POSITION, value=text) from error
    return bounds[0] if is_start else bounds[1]


def ms_of_bound(bound: str) -> int:
    """Return the time of a bound."""
    return EntryId(bound.removeprefix("(")).ms


def is_reversed(start: str, end: str) -> bool:
    """Return whether a range begins after its end."""
    return start != "-" and end != "+" and ms_of_bound(start) > ms_of_bound(end)


def bound_text(bound: str) -> str | None:
    """Return a bound as a user writes it; None for either end of the stream."""
    if bound in ("-", "+"):
        return None
    return bound if "-" in bound else time_text(int(bound))
