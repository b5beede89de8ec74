"""Entry IDs: parse, order, to and from time, and the bounds of a range.

An entry ID is two numbers, ``milliseconds-sequence``; the first is usually the time at which the
entry was added. This module reads no clock: a caller that resolves a relative time passes `now`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from numbers import Integral
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from redisnb.durations import milliseconds
from redisnb.entries.order import LARGEST_PART, next_pair, previous_pair
from redisnb.errors import EntryIdError, option, warn

__all__ = ["EntryId", "Position", "is_entry_id"]

#: A place in a stream: an ID, an aware time, a text such as "-5min", or an integer of milliseconds.
Position: TypeAlias = "EntryId | str | datetime | int"

# Redis reads up to 127 characters,
# https://redis.io/docs/latest/develop/data-types/streams/#entry-ids
_ID = re.compile(r"([0-9]{1,127})(?:-([0-9]{1,127}))?")
# pandas completes a time without a date with the local day of this machine.
_DATED = re.compile(r"[0-9]{4}([-/.]?)[0-9]{1,2}\1[0-9]{1,2}([^0-9].*)?")
_TIME_OF_DAY = re.compile(r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?")
# The digits of the milliseconds from 2001 to 2286.
_MS_DIGITS = 13
#: The last millisecond of the year 9999, beyond which datetime objects cannot go.
LAST_TIME = 253_402_300_799_999


class EntryId(str):
    """An entry ID: a string, ``"1700000000000-0"``, that orders as two numbers.

    Parameters
    ----------
    value : str, bytes or EntryId
        ``"ms-seq"``, or ``"ms"`` alone for sequence 0; each part below 2**64.

    Raises
    ------
    EntryIdError
        If `value` is not an entry ID.

    Examples
    --------
    >>> rnb.EntryId("9-0") < rnb.EntryId("10-0")
    True
    >>> rnb.EntryId("1714559400000-0").time
    Timestamp('2024-05-01 10:30:00+0000', tz='UTC')
    """

    __slots__ = ("ms", "seq")
    ms: int
    seq: int

    def __new__(cls, value: str | bytes) -> EntryId:
        """Parse `value`."""
        text = value.decode("ascii", "replace") if isinstance(value, bytes) else value
        match = _ID.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise EntryIdError(
                f"{value!r} is not an entry ID; one looks like '1700000000000-0'", value=value
            )
        ms, seq = int(match[1]), int(match[2] or 0)
        if ms > LARGEST_PART or seq > LARGEST_PART:
            raise EntryIdError(f"{value!r}: each part of an entry ID is below 2**64", value=value)
        self = super().__new__(cls, f"{ms}-{seq}")
        self.ms, self.seq = ms, seq
        return self

    @property
    def time(self) -> pd.Timestamp | Any:
        """The time in the ID, UTC, to the millisecond; NaT beyond the year 9999."""
        return time_of(self.ms)

    # `str` compares as text: each of the four comparisons has to be replaced.
    def __lt__(self, other: object) -> bool:
        """Compare as numbers, also with a plain string that is an ID."""
        return _id_numbers(self) < _id_numbers(other) if isinstance(other, str) else NotImplemented

    def __gt__(self, other: object) -> bool:
        """Compare as numbers."""
        return _id_numbers(self) > _id_numbers(other) if isinstance(other, str) else NotImplemented

    def __le__(self, other: object) -> bool:
        """Compare as numbers."""
        return _id_numbers(self) <= _id_numbers(other) if isinstance(other, str) else NotImplemented

    def __ge__(self, other: object) -> bool:
        """Compare as numbers."""
        return _id_numbers(self) >= _id_numbers(other) if isinstance(other, str) else NotImplemented

    __hash__ = str.__hash__


_FIRST_ID = EntryId("0-0")
#: The largest possible entry ID.
LAST_ID = EntryId(f"{LARGEST_PART}-{LARGEST_PART}")


def _id_numbers(id: str) -> tuple[int, int]:
    full = id if isinstance(id, EntryId) else EntryId(id)
    return full.ms, full.seq


def id_before(id: EntryId) -> EntryId:
    """Return the ID just before `id`, so that reading after it starts with `id`; 0-0 for 0-0."""
    return EntryId("{}-{}".format(*previous_pair((id.ms, id.seq)))) if id > _FIRST_ID else id


def id_after(id: EntryId) -> EntryId:
    """Return the ID just after `id`; the last ID for itself."""
    return EntryId("{}-{}".format(*next_pair((id.ms, id.seq)))) if id < LAST_ID else id


def is_entry_id(value: object) -> bool:
    """Return whether a text or bytes is an entry ID, and not a time or anything else."""
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else value
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def time_of(ms: int) -> pd.Timestamp | Any:
    """Return the UTC timestamp of an ID's first part, or NaT beyond the year 9999."""
    return pd.Timestamp(ms, unit="ms", tz="UTC") if ms <= LAST_TIME else pd.NaT


def time_index(ms: Iterable[int], name: str = "entry_time") -> pd.DatetimeIndex:
    """Return the index of a frame of entries: datetime64[ms, UTC], NaT beyond the year 9999."""
    nat = np.iinfo("int64").min  # numpy's NaT
    values = np.array([m if m <= LAST_TIME else nat for m in ms], dtype="int64")
    return pd.DatetimeIndex(values.view("datetime64[ms]"), name=name).tz_localize("UTC")


def entry_times(entry_ids: pa.Array | pa.ChunkedArray) -> pd.DatetimeIndex:
    """Return the index `entry_time` of binary entry IDs: datetime64[ms, UTC]."""
    try:
        if pc.all(pc.equal(pc.binary_slice(entry_ids, _MS_DIGITS, _MS_DIGITS + 1), b"-")).as_py():
            # Nearly all IDs have so many digits, and this takes half the time.
            ms = pc.binary_slice(entry_ids, 0, _MS_DIGITS).cast(pa.string()).cast(pa.int64())
            ms = ms.to_numpy()
        else:
            parts = pc.list_flatten(pc.split_pattern(entry_ids.cast(pa.string()), "-"))
            ms = parts.cast(pa.int64()).to_numpy()[::2]
    except pa.ArrowInvalid:
        # The largest IDs are beyond int64.
        return time_index(map(int, parts.to_pylist()[::2]))
    if len(ms) and ms.max() > LAST_TIME:
        ms = np.where(ms > LAST_TIME, np.iinfo("int64").min, ms)
    return pd.DatetimeIndex(ms.view("datetime64[ms]"), name="entry_time").tz_localize("UTC")


def time_to_ms(moment: datetime, *, up: bool = False) -> int:
    """Return a time as an ID's first part.

    Parameters
    ----------
    moment : datetime or pandas.Timestamp
        With a time zone.
    up : bool
        Round a fraction of a millisecond up instead of down.

    Raises
    ------
    EntryIdError
        If `moment` has no time zone, is NaT, or lies before 1970.
    """
    if not isinstance(moment, datetime):
        raise EntryIdError(
            f"{moment!r} is not a time; give an aware datetime, such as "
            "pd.Timestamp('2030-01-01', tz='UTC')",
            value=moment,
        )
    if pd.isna(moment):
        raise EntryIdError("NaT is not a time", value=moment)
    if moment.tzinfo is None:
        raise EntryIdError(
            f"{moment} has no time zone, so it could be any of 24 hours; "
            "give it one, for example .replace(tzinfo=datetime.UTC) or .tz_localize('UTC')",
            value=moment,
        )
    # Not `Timestamp.value`, which counts nanoseconds and ends in the year 2262.
    exact = pd.Timestamp(moment).asm8
    whole = exact.astype("datetime64[ms]")
    ms = int(whole.astype("int64")) + int(up and whole < exact)
    if ms < 0:
        raise EntryIdError(f"{moment} lies before 1970; entry IDs start there", value=moment)
    return ms


def resolve_position(value: object, now: Callable[[], datetime], *, up: bool = False) -> str:
    """Return the text of the ID that a position of the user's means.

    Parameters
    ----------
    value : EntryId, str, bytes, datetime or int
        An ID (``"5-0"``, or ``"5"``, which stays incomplete so that the server completes it at
        the right end of a range); an aware datetime; a timestamp as text (UTC where it names no
        zone); a time of today such as ``"10:30"`` (UTC); a relative time such as ``"-5min"``; the
        milliseconds since 1970.
    now : callable
        Returns the present time; called only for a relative time or a time of today.
    up : bool
        Round a time's fraction of a millisecond up instead of down.

    Raises
    ------
    EntryIdError
        If `value` is none of these.
    """
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, EntryId):
        return str(value)
    if isinstance(value, datetime):
        return str(time_to_ms(value, up=up))
    if isinstance(value, Integral) and not isinstance(value, bool):
        if not 0 <= int(value) <= LARGEST_PART:
            raise EntryIdError(
                f"{value!r}: the milliseconds of an entry ID are from 0 to 2**64 - 1", value=value
            )
        return str(int(value))
    if isinstance(value, date) or not isinstance(value, str):
        raise EntryIdError(
            f"{value!r} is neither an entry ID nor a time; "
            "write '1700000000000-0', an aware datetime, '2024-05-01 10:30' or '-5min'",
            value=value,
        )
    text = value.strip()
    if _ID.fullmatch(text):
        full = EntryId(text)
        return str(full) if "-" in text else str(full.ms)
    return str(time_to_ms(_read_time(text, now), up=up))


def _read_time(text: str, now: Callable[[], datetime]) -> pd.Timestamp:
    """Read a relative time, a time of today or a timestamp; each in UTC unless it has a zone."""
    try:
        if text.startswith("-"):
            return pd.Timestamp(now()) - pd.Timedelta(milliseconds(text[1:], "start"), "ms")
        if _TIME_OF_DAY.fullmatch(text):
            return pd.Timestamp(f"{now().astimezone(UTC):%Y-%m-%d} {text}", tz="UTC")
        stamp = pd.Timestamp(text)
        if _DATED.fullmatch(text) and not pd.isna(stamp):
            return stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp
    except EntryIdError:
        raise
    except (ValueError, TypeError, OverflowError):
        pass
    raise EntryIdError(
        f"{text!r} is neither an entry ID nor a time; "
        "write '1700000000000-0', '2024-05-01 10:30' (UTC), '10:30' (today, UTC) or '-5min'",
        value=text,
    )


def range_bounds(start: object, end: object, now: Callable[[], datetime]) -> tuple[str, str]:
    """Return the two bounds of a range as XRANGE takes them.

    ``None`` means the first or the last entry; as start, "all" means the first one too, and "new"
    the present. A time as start includes the entries from that moment on; as end, those up to and
    including its millisecond. A leading ``(`` excludes the ID, or the whole millisecond of a time.

    Warns
    -----
    RedisnbWarning
        If the start lies after the end.
    """

    def bound(value: object, otherwise: str, up: bool) -> str:
        if value is None or value == otherwise or (up and value == "all"):
            return otherwise
        if up and value == "new":
            value = now()
        if isinstance(value, str) and value.startswith("("):
            text = resolve_position(value[1:], now, up=up)
            # Of a bare millisecond, the server would exclude one entry and not all.
            return f"({text}" if "-" in text else f"({text}-{LARGEST_PART if up else 0}"
        return resolve_position(value, now, up=up)

    with begin_hint(start):
        first = bound(start, "-", True)
    last = bound(end, "+", False)
    if first != "-" and last != "+" and start != end and _begins_behind_end(first, last):
        warn(
            f"nothing lies between {option('start', start)} and {option('end', end)}: exchange them"
        )
    return first, last


def _begins_behind_end(first: str, last: str) -> bool:
    """Return whether a range begins after its end, whether or not its ends are excluded."""
    one, other = (EntryId(each.removeprefix("(")) for each in (first, last))
    # Each time is rounded into the range, by less than a millisecond.
    return one > other if "-" in last else one.ms > other.ms + 1


@contextmanager
def begin_hint(start: object) -> Iterator[None]:
    """Add the words that a start may be to an error about one."""
    try:
        yield
    except EntryIdError as error:
        if isinstance(start, datetime):
            raise
        message = f"{error}; 'all' begins at the first entry, 'new' after the last one"
        raise EntryIdError(message, value=error.value) from None


def full_ids(times: Iterable[object]) -> list[str]:
    """Return a full ID for each position; equal or incomplete neighbours count up their sequence.

    Full IDs stay as they are, and so does ``"ms-*"``, whose sequence the server assigns. Times (and
    ``"ms"`` alone) become ``ms-0``, ``ms-1``, ... where several of the same millisecond follow one
    another.

    Raises
    ------
    EntryIdError
        If one of them is neither an ID nor an aware time.
    """
    ids: list[str] = []
    last_ms, last_seq = -1, -1
    for time in times:
        if isinstance(time, str) and time.endswith("-*"):
            # Only the part before the star has to be valid.
            ids.append(f"{EntryId(time.removesuffix('*') + '0').ms}-*")
            continue
        text = resolve_position(time, _no_clock)
        if "-" in text:
            full = EntryId(text)
            last_ms, last_seq = full.ms, full.seq
        else:
            ms = int(text)
            last_ms, last_seq = ms, last_seq + 1 if ms == last_ms else 0
        ids.append(f"{last_ms}-{last_seq}")
    return ids


def _no_clock() -> datetime:
    raise EntryIdError(
        "a relative time or a time of today cannot be an entry's own ID; use an ID or a datetime",
        value=None,
    )
