"""Stream.histogram: entries by time, exact where they were all read, honest where not."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from redisnb import EntryIdError, RedisnbWarning, Stream, frames
from redisnb.durations import milliseconds
from redisnb.stream.density import measurer, sampling
from tests.stream.test_partitions import DAY, NOW, SHAPES, at, fill, protocol, stored

pytestmark = pytest.mark.slow

__all__ = ["protocol"]

LAST_TIME = 253_402_300_799_999
HOUR = 3_600_000


def has_histogram(found: pd.DataFrame) -> bool:
    assert found.index.name == "time"
    assert str(found.index.dtype) == "datetime64[ms, UTC]"
    assert found.dtypes.astype(str).to_dict() == frames.HISTOGRAM
    return True


def counted(pairs, every: int) -> pd.Series:
    """Return what pandas counts."""
    times = pd.to_datetime([ms for ms, _ in pairs], unit="ms", utc=True).as_unit("ms")
    return pd.Series(1, index=times).resample(pd.Timedelta(every, "ms"), origin="epoch").sum()


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("every", ["1min", "7min", dt.timedelta(hours=1), 0.5, "1d"])
def test_it_is_what_pandas_counts(conn, raw, every, exact):
    some = np.random.default_rng(3)
    pairs = at(some.integers(0, 3 * HOUR, 3_000).tolist())
    fill(raw, pairs)
    found = Stream(conn, "s").histogram(every, exact=exact)
    assert has_histogram(found)
    expected = counted(pairs, milliseconds(every, "every"))
    assert found.index.equals(expected.index.rename("time"))
    assert found["entries"].tolist() == expected.tolist()
    attrs = {name: found.attrs[name] for name in ("exact", "error", "untimed", "missed")}
    assert attrs == {"exact": True, "error": 0, "untimed": 0, "missed": 0}
    assert found.attrs["stream"] == "s"


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize(
    ("start", "end"),
    [(NOW + HOUR, None), (f"({NOW + HOUR}-0", f"({NOW + 2 * HOUR}-0"), (None, NOW + HOUR)],
)
def test_a_range_is_counted_as_it_is_read(conn, raw, start, end, exact):
    fill(raw, at(np.arange(0, 3 * HOUR, 5_000).tolist()))
    stream = Stream(conn, "s")
    found = stream.histogram("10min", start, end, exact=exact)
    expected = stream.range(start, end).resample("10min")["entry_id"].count()
    assert found["entries"].tolist() == expected.tolist()
    assert found.index.equals(expected.index.rename("time"))


@given(stored, st.sampled_from([1, 1000, DAY]), st.sampled_from([30, 40_000]))
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@pytest.mark.filterwarnings("ignore:.*beyond the year 9999")
def test_no_entry_vanishes(conn, raw, pairs, every, most):
    # Few buckets, or it is refused.
    pairs = [(ms if ms > LAST_TIME else ms % (1000 * every), seq) for ms, seq in pairs]
    pairs = sorted(set(pairs) - {(0, 0)})
    fill(raw, pairs)
    timed = [ms for ms, _ in pairs if ms <= LAST_TIME]
    stream = Stream(conn, "s")
    all = stream.histogram(every / 1000, exact=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measurer, "SAMPLED_ENTRIES", most)
        some = stream.histogram(every / 1000)
    for found in all, some:
        assert has_histogram(found)
        assert found["entries"].sum() + found.attrs["untimed"] == len(pairs)
        assert len(found) == (max(timed) // every - min(timed) // every + 1 if timed else 0)
    assert all["entries"].sum() == len(timed)
    assert some.index.equals(all.index)
    if some.attrs["exact"]:
        pd.testing.assert_frame_equal(some, all)


MORE_SHAPES = SHAPES | {
    "one after the other": lambda _: np.arange(0, 7 * DAY, 7 * DAY // 60_000),
    "by day and night": lambda some: (
        lambda t: t[some.random(len(t)) < (1 + np.sin(t / DAY * 2 * np.pi)) / 2]
    )(np.arange(0, 7 * DAY, 7 * DAY // 120_000)),
    "batches of 50": lambda some: np.repeat(some.integers(0, 7 * DAY, 1_200), 50),
    "batches of 1000": lambda some: np.repeat(some.integers(0, 7 * DAY, 60), 1000),
    "less and less": lambda some: some.exponential(DAY / 2, 60_000).astype(int),
}


@pytest.mark.parametrize("shape", MORE_SHAPES)
def test_the_error_is_said(conn, raw, monkeypatch, shape):
    monkeypatch.setattr(measurer, "SAMPLED_ENTRIES", 12_000)
    pairs = at(MORE_SHAPES[shape](np.random.default_rng(7)).tolist())
    fill(raw, pairs)
    stream = Stream(conn, "s")
    for every in "1min", "1h", "1d":
        found, true = stream.histogram(every), counted(pairs, milliseconds(every, "every"))
        assert has_histogram(found)
        assert not found.attrs["exact"]
        assert found.index.equals(true.index.rename("time"))
        assert found["entries"].sum() == len(pairs)
        assert found["entries"].min() >= 0
        assert (found["entries"] - true.array).abs().max() <= found.attrs["error"]
    assert stream.histogram("1h", exact=True)["entries"].tolist() == counted(pairs, HOUR).tolist()


def test_an_even_stream_is_estimated_well(conn, raw):
    fill(raw, at(np.random.default_rng(7).integers(0, 7 * DAY, 100_000).tolist()))
    found = Stream(conn, "s").histogram("6h")
    assert not found.attrs["exact"]
    assert found.attrs["error"] < 0.3 * found["entries"].mean()


def test_single_entries_say_little(conn, raw, monkeypatch):
    # So large that few are read, and at the beginning of buckets.
    monkeypatch.setattr(sampling, "SAMPLED_BYTES", 400_000)
    monkeypatch.setattr(sampling.wire, "PAGE_BYTES", 10_000)
    first = NOW - NOW % HOUR - NOW
    fill(raw, at(range(first, first + HOUR, 10_000)), payload=bytes(10_000))
    found = Stream(conn, "s").histogram("10min")
    assert not found.attrs["exact"]
    assert found["entries"].tolist() == pytest.approx([60] * 6, abs=15)
    assert found.attrs["error"] > 60


def test_ids_that_are_no_times_are_counted_apart(conn, raw):
    fill(raw, [*at(range(5)), (LAST_TIME + 1, 0), (2**64 - 1, 2**64 - 1)])
    for exact in False, True:
        with pytest.warns(RedisnbWarning, match="2 entries have IDs beyond the year 9999"):
            found = Stream(conn, "s").histogram(exact=exact)
        assert found["entries"].tolist() == [5]
        assert found.attrs["untimed"] == 2
    fill(raw, [(LAST_TIME, 0)])
    assert Stream(conn, "s").histogram("1d").index[0] == pd.Timestamp("9999-12-31", tz="UTC")


def test_what_is_removed_meanwhile_is_reported(conn, raw, monkeypatch):
    fill(raw, at(range(50_000)))

    def read(self, gaps, count):
        raw.xtrim("s", 10, approximate=False)
        return plain(self, gaps, count)

    plain = sampling.Sampling.read
    monkeypatch.setattr(sampling.Sampling, "read", read)
    with pytest.warns(RedisnbWarning, match="removed while it was read"):
        found = Stream(conn, "s").histogram("1s")
    assert found.attrs["missed"]


@pytest.mark.long
@pytest.mark.parametrize("exact", [False, True])
def test_too_many_rows_are_refused(conn, raw, exact):
    fill(raw, [(1, 0), *at(range(100))])
    stream = Stream(conn, "s")
    with pytest.raises(ValueError, match=r"a histogram has at most 1,000,000; every='1701s'"):
        stream.histogram("1s", exact=exact)
    assert stream.histogram("1701s", exact=exact)["entries"].sum() == 101


@pytest.mark.parametrize(
    ("every", "error"),
    [
        (0, "every=0; a bucket has at least 1 ms"),
        ("1 fortnight", "every='1 fortnight' is not a duration"),
        (None, "every=None is not a duration"),
        (-1, "every=-1 is negative"),
    ],
)
def test_a_bucket_has_a_length(conn, every, error):
    with pytest.raises(ValueError, match=error):
        Stream(conn, "s").histogram(every)


def test_bad_ranges_are_refused_as_elsewhere(conn, raw):
    fill(raw, at(range(3)))
    stream = Stream(conn, "s")
    for method in stream.histogram, stream.partitions:
        argument = "1min" if method == stream.histogram else 3
        with pytest.raises(EntryIdError, match="no time zone"):
            method(argument, dt.datetime(2024, 1, 1))  # noqa: DTZ001 - refused
        with pytest.warns(RedisnbWarning, match="exchange them"):
            assert method(argument, "2024-01-02", "2024-01-01").empty


@pytest.mark.parametrize("exact", [False, True])
def test_without_entries_there_is_no_row(conn, raw, exact):
    raw.xadd("orders", {"x": 1}, id="1-0")
    with pytest.warns(RedisnbWarning, match="'order': no such stream; 'orders' is there"):
        missing = Stream(conn, "order").histogram(exact=exact)
    raw.xdel("orders", "1-0")
    for found in missing, Stream(conn, "orders").histogram(exact=exact):
        assert has_histogram(found)
        assert found.empty
        assert found.attrs["exact"]
    raw.set("s", "x")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        Stream(conn, "s").histogram(exact=exact)


def test_it_can_be_plotted(conn, raw):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    fill(raw, at(range(0, 10 * HOUR, 60_000)))
    axes = Stream(conn, "s").histogram("1h").plot()
    assert len(axes.lines[0].get_ydata()) == 10 + (NOW % HOUR > 0)
    matplotlib.pyplot.close("all")
