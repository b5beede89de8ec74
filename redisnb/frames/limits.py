"""Limits on the number of rows: checked before a read, and noted in a truncated frame."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from redisnb.errors import option, warn

__all__ = [
    "check_columns",
    "check_limit",
    "check_sample",
    "mark_missed",
    "mark_sampled",
    "mark_truncated",
    "most_rows",
]


def check_limit(limit: int | None, name: str = "limit") -> None:
    """Refuse a `limit` that is no number of rows."""
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
        raise ValueError(
            f"{option(name, limit)}; it is a number of rows, at least 0, or None for all"
        )


def check_sample(sample: int | None) -> None:
    """Refuse a `sample` that is no number of keys."""
    if sample is not None and (
        isinstance(sample, bool) or not isinstance(sample, int) or sample < 1
    ):
        raise ValueError(
            f"{option('sample', sample)}; it is a number of keys, at least 1, or None for all"
        )


def most_rows(limit: int | None, sample: int | None, default: int) -> int | None:
    """Return the most rows for two options that exclude each other, None for all.

    Raises
    ------
    ValueError
        If one of them is no number, or both are given.
    """
    check_limit(limit)
    check_sample(sample)
    if sample is None:
        return limit
    if limit != default:
        raise ValueError(
            f"{option('sample', sample)} and {option('limit', limit)} are two numbers of rows; "
            "leave one out"
        )
    return sample


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


def mark_sampled(frame: pd.DataFrame, more: bool) -> pd.DataFrame:
    """Note how many rows a sample has, if there are more than these."""
    frame.attrs |= {"sampled": len(frame) if more else None, "truncated": False}
    return frame


def mark_missed(frame: pd.DataFrame, missed: int, message: str) -> pd.DataFrame:
    """Note how many entries were removed before they were read; warn if there are any."""
    frame.attrs["missed"] = missed
    if missed:
        warn(f"{message} and are not in the frame")
    return frame
