"""Stream.profile: of all entries, or of a sample that finds changes between its places."""

import pandas as pd
import pytest
import redis

import redisnb as rnb
from redisnb import RedisnbWarning, frames

pytestmark = pytest.mark.slow

MS = 1_700_000_000_000


def event(i: int) -> dict:
    """Return one of 3,000 events of which 2,000 have an integer, and 500 a new member."""
    return (
        {"amount": i if i < 2_000 else str(i), "carrier": "UA" if i % 3 else "AA"}
        | ({"note": "x"} if i % 2 else {})
        | ({"user": {"id": i}} if i >= 2_500 else {})
        | ({"old": True} if i < 777 else {})
    )


def id_of(i: int) -> str:
    return f"{MS + 37 * (i // 2)}-{i % 2}"


@pytest.fixture
def stream(conn) -> rnb.Stream:
    stream = rnb.Stream(conn, "orders")
    stream.add_many([event(i) for i in range(3_000)], ids=[id_of(i) for i in range(3_000)])
    return stream


CHANGES = {
    "amount": f"int until {id_of(1_999)}, text since {id_of(2_000)}",
    "carrier": "",
    "note": "",
    "user.id": f"present since {id_of(2_500)}",
    "old": f"present until {id_of(776)}",
}


def test_all_entries(stream, has_schema):
    frame = stream.profile()
    assert has_schema(frame, frames.PROFILE)
    assert dict(zip(frame["column"], frame["changes"], strict=True)) == CHANGES
    assert frame["kinds"].tolist()[0] == "int 2000, text 1000"
    assert frame["distinct"].tolist() == [3_000, 2, 1, 1, 500]
    assert frame["top"].tolist()[1] == "'UA' 2000, 'AA' 1000"
    assert frame["first_seen"].tolist()[0] == id_of(0)
    assert frame["last_seen"].tolist()[0] == id_of(2_999)
    assert frame.attrs == {
        "entries": 3_000,
        "total": 3_000,
        "sampled": False,
        "odd": 0,
        "odd_ids": [],
        "missed": 0,
        "stream": "orders",
        "range": ["-", "+"],
        "server": stream.conn.url,
    }


@pytest.mark.parametrize("sample", [60, 250, 1_000, 2_999])
def test_a_sample_finds_the_entries_where_something_changes(stream, sample):
    frame = stream.profile(sample=sample)
    assert dict(zip(frame["column"], frame["changes"], strict=True)) == CHANGES
    assert frame.attrs["sampled"]
    assert 0.5 * sample <= frame.attrs["entries"] <= sample + 1
    assert frame.attrs["total"] == 3_000
    assert frame["first_seen"].iloc[0] == id_of(0)
    assert frame["last_seen"].iloc[0] == id_of(2_999)
    rows = frame.set_index("column")
    counts = rows.loc["amount", "kinds"]
    assert rows.loc["amount", "present"] == frame.attrs["entries"]
    assert "int" in counts


def test_the_smallest_sample_is_the_first_and_the_last_entry(stream):
    frame = stream.profile(sample=2)
    assert frame.attrs["entries"] == 2
    assert frame.set_index("column")["changes"]["amount"] == CHANGES["amount"]


def test_the_default_sample_of_a_large_stream_is_said(stream, monkeypatch):
    monkeypatch.setattr("redisnb.stream.profile.DEFAULT_SAMPLE", 100)
    with pytest.warns(RedisnbWarning, match="of 3,000 entries; sample=None looks at all"):
        stream.profile(sample=100)


def test_a_range(stream):
    frame = stream.profile(id_of(1_000), id_of(1_999))
    assert frame["column"].tolist() == ["amount", "carrier", "note"]
    assert frame.attrs["entries"] == frame.attrs["total"] == 1_000
    assert frame.attrs["range"] == [id_of(1_000), id_of(1_999)]
    frame = stream.profile(id_of(1_000), sample=100)
    assert frame.attrs["sampled"]
    assert frame.attrs["total"] == pytest.approx(2_000, rel=0.1)
    assert frame.set_index("column")["changes"]["amount"] == CHANGES["amount"]
    assert stream.profile(id_of(2_990), sample=100).attrs["entries"] == 10


def test_bursts_of_equal_times(conn):
    stream = rnb.Stream(conn, "s")
    ids = [f"{ms}-{seq}" for ms in (5, 7) for seq in range(1_000)] + [f"{2**64 - 1}-{2**64 - 1}"]
    stream.add_many([{"n": i if i < 1_500 else str(i)} for i in range(2_001)], ids=ids)
    frame = stream.profile(sample=100)
    assert frame["changes"].tolist() == ["int until 7-499, text since 7-500"]
    assert frame["last_seen"].tolist() == [ids[-1]]


def test_one_entry_and_none(conn, has_schema):
    stream = rnb.Stream(conn, "s")
    frame = stream.profile()
    assert has_schema(frame, frames.PROFILE)
    assert len(frame) == frame.attrs["entries"] == frame.attrs["total"] == 0
    stream.add({"a": 1}, id="5-0")
    frame = stream.profile()
    assert frame.iloc[0].tolist()[:5] == ["a", "int 1", 1, 0, 1]
    assert frame.attrs["entries"] == 1
    assert len(stream.profile("6")) == 0
    rnb.Stream(conn, "orders").add({"a": 1})
    with pytest.warns(RedisnbWarning, match="'order': no such stream; 'orders' is there"):
        rnb.Stream(conn, "order").profile()


def test_other_layouts(conn):
    rnb.Stream(conn, "f", format="fields").add_many([{"n": 1, "x": "a"}, {"n": 2.5}])
    frame = rnb.Stream(conn, "f").profile()
    assert frame["kinds"].tolist() == ["int text 1, float text 1", "text 1"]
    coded = rnb.Stream(conn, "z", decode=("gzip", "gzip"))
    coded.add({"a": {"b": 1}})
    assert coded.profile()["column"].tolist() == ["a.b"]
    assert rnb.Stream(conn, "z").profile().attrs["odd"] == 1
    debezium = rnb.Stream(conn, "d", field="value", json=["key"])
    debezium.add({"key": {"id": 7}, "op": "c"})
    assert debezium.profile()["column"].tolist() == ["op", "key.id"]
    strict = rnb.Stream(conn, "f", schema={"x": "Int64"})
    assert strict.profile().attrs["misfits"] == {"x": 1}


@pytest.mark.parametrize("left", [2_000, 3, 0])
def test_a_stream_that_is_trimmed_meanwhile_says_so(stream, raw, monkeypatch, left):
    partitions = rnb.Stream.partitions

    def trim_after(*args):
        ranges = partitions(*args)
        raw.xtrim("orders", maxlen=left, approximate=False)
        return ranges

    monkeypatch.setattr(rnb.Stream, "partitions", trim_after)
    with pytest.warns(RedisnbWarning, match="'orders': entries were removed while the sample"):
        frame = stream.profile(sample=500)
    assert frame.attrs["missed"] == 1
    assert frame.attrs["entries"] <= left


def test_wrong_input(stream, conn, raw):
    with pytest.raises(ValueError, match=r"format='raw' has no columns"):
        rnb.Stream(conn, "orders", format="raw").profile()
    for sample in (0, 1):
        with pytest.raises(ValueError, match="at least the first and the last"):
            stream.profile(sample=sample)
    with pytest.raises(ValueError, match="sample='all'"):
        stream.profile(sample="all")
    with pytest.raises(TypeError, match="did you mean sample="):
        stream.profile(samples=5)
    raw.set("text", "x")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE") as caught:
        rnb.Stream(conn, "text").profile()
    assert "holds another type" in caught.value.__notes__[0]
    with pytest.raises(rnb.EntryIdError):
        stream.profile("yesterday")


def test_it_only_reads(stream):
    reader = rnb.connect(stream.conn, read_only=True)
    frame = rnb.Stream(reader, "orders").profile(sample=50)
    pd.testing.assert_frame_equal(frame, stream.profile(sample=50))
    reader.close()


def test_a_change_among_entries_without_the_column_is_not_said_to_be_exact(conn):
    stream = rnb.Stream(conn, "s")
    rare = {0: 1, 1_300: 2, 1_700: "x", 2_999: "y"}
    stream.add_many(
        [{"n": 1} | ({"rare": rare[i]} if i in rare else {}) for i in range(3_000)],
        ids=[id_of(i) for i in range(3_000)],
    )
    said = stream.profile(sample=16).set_index("column")["changes"]["rare"].split("; ")[0]
    until, since = said.removeprefix("int until ").split(", text since ")
    if "or later" in said:
        ids = [each.partition(" ")[0] for each in (until, since)]
        assert rnb.EntryId(ids[0]) <= rnb.EntryId(id_of(1_300))
        assert rnb.EntryId(ids[1]) >= rnb.EntryId(id_of(1_700))
    else:
        assert (until, since) == (id_of(1_300), id_of(1_700))
