"""When entries are due."""

import math

import hypothesis
import pytest
from hypothesis import strategies as st

from redisnb import ReplayError, Stream, replay
from redisnb.replays.pace import Lateness, Pace, Schedule


def dues(times, **options):
    schedule = Schedule(Pace.of(*(options.get(name) for name in ("speed", "rate", "max_gap"))))
    return [schedule.due(ms) for ms in times]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [0, 0, 1, 61]),
        ({"speed": 1}, [0, 0, 1, 61]),
        ({"speed": 60}, [0, 0, 1 / 60, 61 / 60]),
        ({"speed": 0.5}, [0, 0, 2, 122]),
        ({"speed": math.inf}, [0, 0, 0, 0]),
        ({"rate": 10}, [0, 0.1, 0.2, 0.3]),
        ({"rate": math.inf}, [0, 0, 0, 0]),
        ({"max_gap": "2s"}, [0, 0, 1, 3]),
        ({"max_gap": 0}, [0, 0, 0, 0]),
        ({"max_gap": "2s", "speed": 60}, [0, 0, 1 / 60, 61 / 60]),
        ({"max_gap": "500ms", "speed": 60}, [0, 0, 1 / 60, 1 / 60 + 0.5]),
    ],
)
def test_dues(options, expected):
    first = 1_700_000_000_000
    times = [first, first, first + 1000, first + 61_000]
    assert dues(times, **options) == pytest.approx(expected)


def test_what_is_older_than_the_one_before_is_due_with_it():
    assert dues([1000, 3000, 2000, 500, 4000]) == [0, 2, 2, 2, 3]


def test_the_silence_after_one_that_was_cut_is_its_own():
    assert dues([0, 10_000, 10_500, 20_000], max_gap=1) == [0, 1, 1.5, 2.5]


@pytest.mark.slow
def test_a_million_gaps_do_not_drift():
    schedule = Schedule(Pace.of(3, None, None))
    assert [schedule.due(i) for i in range(1_000_001)][-1] == pytest.approx(1000 / 3, abs=1e-9)


def test_the_largest_ids_have_a_schedule():
    assert dues([2**64 - 2, 2**64 - 1]) == [0, 0.001]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"speed": 0}, "speed=0; it is above 0"),
        ({"speed": -1}, "speed=-1; it is above 0"),
        ({"speed": math.nan}, "speed=nan"),
        ({"speed": True}, "speed=True"),
        ({"speed": "10x"}, "speed='10x'"),
        ({"rate": 0}, "rate=0; it is above 0: entries per second"),
        ({"rate": -math.inf}, "rate=-inf"),
        ({"speed": 1, "rate": 1}, "speed=1 and rate=1: give one"),
        ({"max_gap": -1}, "max_gap=-1 is negative"),
        ({"max_gap": "soon"}, "max_gap='soon' is not a duration"),
        ({"max_gap": 1, "rate": 1}, "max_gap=1: without the original gaps"),
        ({"max_gap": 1, "speed": math.inf}, "max_gap=1: without the original gaps"),
    ],
)
def test_what_is_no_pace(options, message):
    with pytest.raises(ValueError, match=message):
        dues([], **options)


def test_what_a_pace_needs():
    known = [Pace.of(*each, None) for each in ((None, None), (math.inf, None), (None, 5))]
    assert [pace.uses_times for pace in known] == [True, False, False]
    assert [pace.is_timed for pace in known] == [True, False, True]


@hypothesis.given(
    st.lists(st.integers(0, 10**6)),
    st.sampled_from([0.1, 1, 7, 1000]),
    st.none() | st.integers(0, 10**4),
)
def test_dues_ascend_and_keep_the_gaps(gaps, speed, most):
    times = [sum(gaps[: i + 1]) for i in range(len(gaps))]
    max_gap = None if most is None else most / 1000
    found = dues(times, speed=speed, max_gap=max_gap)
    for i in range(1, len(found)):
        gap = gaps[i] / 1000 / speed
        wanted = gap if max_gap is None else min(gap, max_gap)
        assert found[i] - found[i - 1] == pytest.approx(wanted, abs=1e-5)
        assert found[i] >= found[i - 1]


def test_lateness():
    late = Lateness()
    assert late.seconds() == {}
    for ms in range(1, 101):
        late.add(ms / 1000)
    assert late.seconds() == {"p50": 0.05, "p99": 0.099, "max": 0.1}


def test_what_is_early_is_not_late():
    late = Lateness()
    late.add(-0.001)
    assert late.seconds() == {"p50": 0, "p99": 0, "max": 0}


def test_lateness_is_kept_in_little_memory():
    late = Lateness()
    for i in range(100_000):
        late.add(i / 7000)
    assert len(late._counts) < 5000
    assert late.seconds()["p50"] == pytest.approx(50_000 / 7000, rel=0.01)


def test_nobody_waits_for_a_hundred_years(conn, raw):
    for id in ("1-0", "18446744073709551610-0"):
        raw.xadd("from", {"payload": "{}"}, id=id)
    there = Stream(conn, "to")
    with pytest.raises(ReplayError, match=r"entry 18446744073709551610-0 .* years; max_gap="):
        replay(Stream(conn, "from"), there, speed=1)
    assert raw.xlen("to") == 1
    assert replay(Stream(conn, "from"), there, speed=1, max_gap="10ms").added == 2
