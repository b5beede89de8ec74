"""Limits on the number of rows: checked before a read, and noted in a truncated frame."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from redisnb.errors import option, warn

__all__ = ["check_columns", "check_limit", "mark_missed", "mark_truncated"]


def check_limit(limit: int | None, name: str = "limit") -> None:
    """Refuse a `limit` that is no number of rows."""
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
        raise ValueError(
            f"{option(name, limit)}; it is a number of rows, at least 0, or None for all"
        )


def check_columns(columns: Sequence[str] | None) -> None:
    """Refuse `columns` that are no list of names."""
    if isinstance(columns, str | bytes):
        raise TypeError(f"columns={columns!r}; it is a list of names: columns=[{columns!r}]")


def mark_truncated(
    frame: pd.DataFrame, limit: int | None, default: int, way_on: str
) -> pd.DataFrame:
    """Note whether a frame stopped at its limit; warn if the limit was the default."""
    frame.attrs["truncated"] = limit is not None
    if limit == default:
        warn(f"stopped at the default limit of {limit:,} rows; {way_on}")
    return frame


def mark_missed(frame: pd.DataFrame, missed: int, message: str) -> pd.DataFrame:
    """Note how many entries were removed before they were read; warn if there are any."""
    frame.attrs["missed"] = missed
    if missed:
        warn(f"{message} and are not in the frame")
    return frame
