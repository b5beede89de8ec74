"""Single entries: by ID, by time, with brackets, and `in`."""

import datetime as dt

import pandas as pd
import pandas.testing as pdt
import pytest

from redisnb import EntryIdError, RedisnbWarning, Stream

NEW_YEAR = pd.Timestamp("2024-01-01", tz="UTC")
MS = NEW_YEAR.value // 10**6


@pytest.fixture
def stream(conn, raw):
    """Entries in the first milliseconds of the year, two in the first."""
    for i, id in enumerate(["5-0", f"{MS}-0", f"{MS}-7", f"{MS + 1}-3", f"{MS + 2}-0"]):
        raw.xadd("s", {"i": i}, id=id)
    return Stream(conn, "s", schema={"i": "Int64"})


# Each names the third or the first of a millisecond.
PLACES = [
    (f"{MS + 1}-3", 3),
    (MS, 1),
    (MS + 1, 3),
    (NEW_YEAR, 1),
    (NEW_YEAR.to_pydatetime(), 1),
    ("2024-01-01", 1),
    ("2024-01-01 00:00:00.001", 3),
    ("5", 0),
    (5, 0),
    (b"5-0", 0),
]


@pytest.mark.parametrize(("place", "i"), PLACES)
def test_one_entry(stream, place, i):
    assert stream.entry(place).event == {"i": str(i)}
    assert stream[place].event == {"i": str(i)}
    assert place in stream


@pytest.mark.parametrize("place", ["6-0", f"{MS}-1", MS + 3, "2025-01-01", 0, "-1min"])
def test_none(stream, place):
    assert stream.entry(place) is None
    assert place not in stream
    with pytest.raises(KeyError, match="'s' has no entry"):
        stream[place]


@pytest.mark.parametrize(
    "place", ["yesterday", None, 1.5, True, -1, 2**64, NEW_YEAR.tz_localize(None), ("5-0", "6-0")]
)
def test_what_names_no_entry(stream, place):
    for look in (stream.entry, stream.__getitem__, stream.__contains__):
        with pytest.raises(EntryIdError):
            look(place)


@pytest.mark.parametrize(
    ("start", "end"),
    [(None, None), ("6", None), (None, MS), (MS, MS + 1), ("2024", "(2024-01-01 00:00:00.002")],
)
def test_a_slice_is_a_range(stream, start, end):
    pdt.assert_frame_equal(stream[start:end], stream.range(start, end))


def test_a_slice_has_no_step(stream):
    with pytest.raises(ValueError, match=r"has no step; range\(start, end, limit=, reverse=\)"):
        stream[::2]


def test_a_stream_is_no_list(stream):
    with pytest.raises(TypeError, match="not iterable"):
        list(stream)


def test_deleting_by_time(stream, raw):
    assert stream.delete(NEW_YEAR) == 2
    assert stream.delete([MS + 1, "5-0", "2024-01-01 00:00:00.009"]) == 2
    assert [id for id, _ in raw.xrange("s")] == [f"{MS + 2}-0".encode()]
    # An ID without its second part is the first one of its millisecond, as for the server.
    raw.xadd("s", {"i": 9}, id=f"{MS + 5}-4")
    assert stream.delete(f"{MS + 5}") == 0
    assert stream.delete(MS + 5) == 1


def test_integers_are_milliseconds_everywhere(conn, stream):
    assert stream.range(MS, MS)["i"].tolist() == [1, 2]
    assert stream.range(f"({MS}")["i"].tolist() == [3, 4]
    assert [entry.event["i"] for entry in stream.follow(MS + 1, timeout=0.05)] == ["3", "4"]
    assert stream.add({"i": 5}, id=MS + 9) == f"{MS + 9}-0"
    added = stream.add_many([{"i": 6}, {"i": 7}], ids=[MS + 10, MS + 10])
    assert added["entry_id"].tolist() == [f"{MS + 10}-0", f"{MS + 10}-1"]
    assert stream.trim(minid=MS + 9) == 5
    assert [len(frame) for frame in stream.frames(MS + 10)] == [2]


def test_a_relative_time(conn):
    stream = Stream(conn, "now")
    stream.add({"i": 1})
    assert "-1min" not in stream
    today = dt.datetime.now(dt.UTC)
    with pytest.warns(RedisnbWarning, match="exchange them"):
        assert stream[today : today - dt.timedelta(hours=1)].empty
