"""Limits on the number of rows: checked before, and marked in the frame that was cut."""

from __future__ import annotations

import warnings

import pandas as pd

from redisnb.errors import RedisnbWarning

__all__ = ["check_limit", "cut"]


def check_limit(limit: int | None, name: str = "limit") -> None:
    """Refuse a number of rows that cannot be one."""
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
        raise ValueError(f"{name}={limit!r}; it is a number of rows, at least 0, or None for all")


def cut(
    frame: pd.DataFrame, limit: int | None, default: int, way_on: str, *, stacklevel: int = 3
) -> pd.DataFrame:
    """Mark a frame that stopped at its limit, with a warning if the limit was the default."""
    frame.attrs["truncated"] = limit is not None
    if limit == default:
        warnings.warn(
            f"stopped at the default limit of {limit:,} rows; {way_on}",
            RedisnbWarning,
            stacklevel=stacklevel,
        )
    return frame
