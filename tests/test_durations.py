"""Durations: what people write for one, in whole milliseconds."""

import math
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from redisnb.durations import milliseconds


@pytest.mark.parametrize(
    ("value", "ms"),
    [
        ("500ms", 500),
        ("1.5h", 5_400_000),
        ("5m", 300_000),
        ("1d 2h", 93_600_000),
        ("2w", 1_209_600_000),
        ("1D", 86_400_000),
        ("1H 5S", 3_605_000),
        ("3 days", 259_200_000),
        ("PT2H5S", 7_205_000),
        ("00:01:30", 90_000),
        ("P1D", 86_400_000),
        (5, 5000),
        (0.1, 100),
        (1.001, 1001),
        (timedelta(seconds=2, milliseconds=1), 2001),
        (pd.Timedelta("3s"), 3000),
        (np.timedelta64(5, "s"), 5000),
        (10**10, 10**13),
        (0, 0),
        ("0s", 0),
    ],
)
def test_a_duration_comes_as_text_timedelta_or_seconds(value, ms):
    found = milliseconds(value, "ttl")
    assert (found, type(found)) == (ms, int)


@pytest.mark.parametrize("number", [np.int64(5), np.int8(5), np.float64(5), np.float32(5)])
def test_a_number_of_numpy_is_seconds_too(number):
    # pandas takes an integer of numpy for nanoseconds.
    assert milliseconds(number, "ttl") == 5000


@pytest.mark.parametrize(
    ("value", "ms"),
    [
        (timedelta(microseconds=1), 1),
        (pd.Timedelta(1, "ns"), 1),
        (1e-12, 1),
        ("1.0005ms", 2),
        (1.0000001, 1001),
    ],
)
def test_a_fraction_is_rounded_up_so_that_waiting_never_becomes_forever(value, ms):
    assert milliseconds(value, "block") == ms


@pytest.mark.parametrize(
    "value",
    [
        "5",
        "",
        "ms",
        "soon",
        "5 potatoes",
        "NaT",
        "5M",
        True,
        np.True_,
        None,
        [],
        math.nan,
        math.inf,
        1e300,
        pd.NaT,
        Decimal(5),
        timedelta.max,
        np.datetime64("2024-01-01"),
    ],
)
def test_anything_else_is_refused_with_the_ways_to_write_one(value):
    with pytest.raises(
        ValueError, match=r"^block=.* is not a duration; write '500ms', a timedelta"
    ):
        milliseconds(value, "block")


@pytest.mark.parametrize("value", [-1, -0.001, "-5s", timedelta(microseconds=-1)])
def test_a_negative_duration_is_refused(value):
    with pytest.raises(ValueError, match=r"^ttl=.* is negative; a duration is at least 0"):
        milliseconds(value, "ttl")
