"""Durations: "500ms", timedeltas or seconds, converted to whole milliseconds, and written."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from decimal import Decimal
from typing import TypeAlias

import numpy as np
import pandas as pd

from redisnb.errors import option

__all__ = ["Duration", "duration", "milliseconds"]

#: A `datetime.timedelta`, a `pandas.Timedelta`, a text such as ``"500ms"``, or seconds.
Duration: TypeAlias = timedelta | str | int | float

# The largest that a signed 64-bit integer holds.
_LONGEST = 2**63 - 1
# pandas deprecates "7d", "2w", "1H" and "5S"; "P1DT2H" is ISO 8601 and stays as it is.
_UNIT = re.compile(r"(?<![a-zA-Z])[dwHS](?![a-zA-Z])")


def milliseconds(value: Duration, name: str) -> int:
    """Convert a duration to whole milliseconds, rounded up so that it never becomes 0.

    Parameters
    ----------
    value : timedelta, pandas.Timedelta, str or number of seconds
        At least 0.
    name : str
        The parameter's name, for the error.

    Raises
    ------
    ValueError
        If `value` is not a duration, or is negative.
    """
    try:
        found = _milliseconds(value)
    except (ValueError, TypeError, ArithmeticError):
        found = None
    if found is None or found > _LONGEST:
        raise ValueError(
            f"{option(name, value)} is not a duration; write '500ms', a timedelta, or seconds"
        )
    if found < 0:
        raise ValueError(f"{option(name, value)} is negative; a duration is at least 0")
    return found


def _milliseconds(value: object) -> int | None:
    """Read a duration, rounded away from 0; return None for what is none."""
    # To pandas a numpy integer is a count of nanoseconds; here a number is seconds. (numpy's
    # timedelta64 calls itself an integer.)
    if isinstance(value, np.bool_ | np.number) and not isinstance(value, np.timedelta64):
        value = value.item()
    # pandas reads "5" as 5 nanoseconds, which is never meant.
    if isinstance(value, bool) or (isinstance(value, str) and not re.search("[a-zA-Z:]", value)):
        return None
    if isinstance(value, str) and not value.startswith("P"):
        value = _UNIT.sub(lambda unit: unit[0].swapcase(), value)
    if isinstance(value, int | float):
        # By its digits: 1.001 s are 1001 ms, and less than 1 ms is not nothing.
        exact = Decimal(repr(value)) * 1000
        return math.ceil(exact) if exact >= 0 else math.floor(exact)
    delta = pd.Timedelta(value)  # type: ignore[arg-type]
    if pd.isna(delta):
        return None
    unit = pd.Timedelta(1, "ms")
    return -(-delta // unit) if delta >= pd.Timedelta(0) else delta // unit


def duration(span: timedelta) -> str:
    """Write a time span with its two largest units: ``85 ms``, ``3.2 s``, ``4 min 5 s``."""
    seconds = span.total_seconds()
    if seconds < 0:
        return f"-{duration(-span)}"
    if seconds < 1:
        ms = seconds * 1000
        # Many commands of a server take less than one.
        return f"{ms:.2g} ms" if ms < 9.5 and not ms.is_integer() else f"{ms:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    total = round(seconds)
    for size, name, smaller, less in (
        (86_400, "d", 3_600, "h"),
        (3_600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if total >= size:
            rest = total % size // smaller
            return f"{total // size} {name} {rest} {less}" if rest else f"{total // size} {name}"
    return f"{total} s"
