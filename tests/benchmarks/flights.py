"""The real flights: published, and read back."""

import functools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd

import redisnb
from tests import year
from tests.benchmarks import entries, publishing
from tests.benchmarks.ranges import wire
from tests.benchmarks.wire import BareWire
from tests.benchmarks.workload import Bench, LeftOut, Variant, Workload

KEY = publishing.KEY
ALL = 336_776

_year = functools.cache(year.flights)


@contextmanager
def flights_add(bench: Bench) -> Iterator[Workload]:
    """Publish the flights of 2013, gaps included."""
    flights = _flights(bench)
    expected = _columns(flights.astype(object).where(flights.notna(), None))

    def check(_: object) -> None:
        stored = entries.payloads(conn, KEY)
        assert {name: [event[name] for event in stored] for name in expected} == expected

    def check_ours(added: pd.DataFrame) -> None:
        assert added["status"].eq("added").all()
        check(added)

    with bench.connections() as (conn, client):
        stream = redisnb.Stream(conn, KEY)
        yield Workload(
            [
                Variant(
                    "Stream.add_many(flights)",
                    lambda: stream.add_many(flights),
                    check_ours,
                    len(flights),
                    before=lambda: client.delete(KEY),
                ),
                Variant(
                    "to_json, redis-py pipeline of 1,000",
                    lambda: publishing.pipeline(client, KEY, _lines(flights)),
                    check,
                    len(flights),
                    role="idiom",
                    before=lambda: client.delete(KEY),
                ),
            ]
        )


@contextmanager
def flights_range(bench: Bench) -> Iterator[Workload]:
    """Read them back, with their types."""
    flights = _flights(bench)
    lines = [line.encode() for line in _lines(flights)]
    expected = flights.reset_index(drop=True)

    def check_ours(frame: pd.DataFrame) -> None:
        found = frame[list(flights.columns)].reset_index(drop=True)
        pd.testing.assert_frame_equal(found, expected)

    def check_idiom(frame: pd.DataFrame) -> None:
        assert len(frame) == len(flights)
        assert frame["distance"].sum() == flights["distance"].sum()
        assert frame["arr_delay"].sum() == flights["arr_delay"].sum()

    def bodies(start: int, stop: int) -> list[entries.Body]:
        return [(b"payload", line) for line in lines[start:stop]]

    with bench.connections() as (conn, client):
        stream = entries.fill(conn, KEY, len(flights), bodies)
        yield Workload(
            [
                Variant(
                    "Stream.range(limit=None)",
                    lambda: stream.range(limit=None),
                    check_ours,
                    len(flights),
                ),
                Variant(
                    "redis-py xrange, json.loads, DataFrame",
                    lambda: entries.json_idiom(client, KEY),
                    check_idiom,
                    len(flights),
                    role="idiom",
                ),
                wire(BareWire(bench.url, KEY), len(flights)),
            ]
        )


def _flights(bench: Bench) -> pd.DataFrame:
    try:
        return _year().head(bench.at_most(ALL))
    except ModuleNotFoundError as error:
        raise LeftOut(str(error)) from None


def _columns(frame: pd.DataFrame) -> dict[Any, list[Any]]:
    return {name: column.tolist() for name, column in frame.items()}


def _lines(flights: pd.DataFrame) -> list[str]:
    text = flights.reset_index().to_json(orient="records", lines=True, date_format="iso")
    assert json.loads(text.partition("\n")[0])["carrier"] == flights["carrier"].iloc[0]
    return text.splitlines()
