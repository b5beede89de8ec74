"""streams() and groups(), compared with what the methods of each stream return."""

import threading

import pandas as pd
import pytest
import redis

from redisnb import RedisnbWarning, Stream, connect, frames, groups, streams
from tests.deadlines import deadline

pytestmark = pytest.mark.slow


@pytest.fixture
def several(conn, raw):
    """Streams with no, one and two groups, some with pending entries, and keys of other types."""
    raw.set("text", "x")
    raw.hset("hash", "f", 1)
    for key in ("b", "a", "none", "a:dead"):
        for i in range(1, 6):
            raw.xadd(key, {"i": i})
    raw.xgroup_create("b", "late", "0")
    raw.xgroup_create("b", "early", "0")
    raw.xgroup_create("a", "g", "0")
    raw.xgroup_create("empty", "g", "$", mkstream=True)
    raw.xreadgroup("late", "ann", {"b": ">"}, count=2)
    raw.xreadgroup("g", "bob", {"a": ">"}, count=5)
    return conn


def test_groups_of_all_streams(several, has_schema):
    frame = groups(several)
    assert has_schema(frame, frames.GROUPS)
    assert frame[["stream", "group"]].to_numpy().tolist() == [
        ["a", "g"], ["b", "early"], ["b", "late"], ["empty", "g"],
    ]  # fmt: skip
    assert frame.attrs == {"refused": 0}
    each = [Stream(several, key).groups() for key in ("a", "b", "empty")]
    durations = ["oldest_pending", "longest_idle"]
    expected = pd.concat(each, ignore_index=True)
    pd.testing.assert_frame_equal(frame.drop(columns=durations), expected.drop(columns=durations))
    assert frame[durations].isna().equals(expected[durations].isna())
    assert frame[durations].notna().sum().tolist() == [2, 2]
    assert groups(several, "[ae]*")["stream"].tolist() == ["a", "empty"]
    assert has_schema(groups(several, "none"), frames.GROUPS)
    assert groups(several, "none").empty


def test_streams_are_those_that_each_stream_knows(several):
    frame = streams(several)
    each = [Stream(several, key).info() for key in ("a", "a:dead", "b", "empty", "none")]
    expected = pd.concat(each, ignore_index=True)
    moving = ["oldest_pending", "rate"]
    pd.testing.assert_frame_equal(frame.drop(columns=moving), expected.drop(columns=moving))
    assert frame[moving].isna().equals(expected[moving].isna())


def test_no_stream_at_all(conn, raw, has_schema):
    raw.set("text", "x")
    for match in ("*", "text", "nothing"):
        assert has_schema(groups(conn, match), frames.GROUPS)
        assert groups(conn, match).empty


def test_names_that_are_no_text(conn, raw):
    raw.xadd(b"\xff", {"i": 1})
    raw.xgroup_create(b"\xff", b"\xfe", "0")
    raw.xreadgroup(b"\xfe", b"\xfd", {b"\xff": ">"})
    frame = groups(conn, "�xff")
    assert frame[["stream", "group", "pending"]].to_numpy().tolist() == [["�xff", "�xfe", 1]]
    assert frame["longest_idle"].notna().all()


def test_more_streams_than_a_batch(conn, raw):
    raw.eval(
        "for i = 1, 1500 do local key = 's:' .. i redis.call('XADD', key, '1-0', 'i', i) "
        "redis.call('XGROUP', 'CREATE', key, 'g', 0) "
        "if i % 3 == 0 then redis.call('XREADGROUP', 'GROUP', 'g', 'me', 'STREAMS', key, '>') end "
        "end",
        0,
    )
    frame = groups(conn)
    assert frame["stream"].tolist() == sorted(f"s:{i}" for i in range(1, 1501))
    assert frame["pending"].sum() == frame["longest_idle"].notna().sum() == 500
    assert streams(conn)["pending"].sum() == 500


def test_streams_that_come_and_go_meanwhile(several, raw):
    """The listing is of some moment for each stream; what is gone has no row, and nothing fails."""
    done = threading.Event()

    def churn():
        while not done.is_set():
            for i in range(20):
                raw.xadd(f"churn:{i}", {"i": 1})
                raw.xgroup_create(f"churn:{i}", "g", "0")
                raw.xreadgroup("g", "me", {f"churn:{i}": ">"})
            raw.xgroup_destroy("churn:1", "g")
            raw.unlink(*(f"churn:{i}" for i in range(20)))
            raw.mset({f"churn:{i}": "text" for i in range(20)})
            raw.unlink(*(f"churn:{i}" for i in range(20)))

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(100):
            found = groups(several)
            assert found.loc[~found["stream"].str.startswith("churn"), "group"].size == 4
            found = streams(several)
            assert found.loc[~found["stream"].str.startswith("churn"), "stream"].size == 5
    finally:
        done.set()
        thread.join(deadline(10))


@pytest.fixture
def limited(several, server, raw):
    """``limited(keys, commands)`` connects as a user that may do just that."""
    made = []

    def make(keys: list[str], *commands: str):
        raw.acl_setuser(
            "some", enabled=True, passwords=["+pw"], keys=keys, commands=[*commands], reset=True
        )
        made.append(connect(f"unix://some:pw@{server.directory}/socket"))
        return made[-1]

    yield make
    for conn in made:
        conn.close()
    raw.acl_deluser("some")


def test_streams_that_a_user_may_not_read(limited):
    conn = limited(["b"], "+@read", "+ping", "+time")
    with pytest.warns(RedisnbWarning, match="4 of 5 streams may not be read by this user") as seen:
        frame = groups(conn)
    assert len(seen) == 1
    assert seen[0].filename == __file__
    assert frame["stream"].tolist() == ["b", "b"]
    assert frame.attrs["refused"] == 4


def test_a_user_without_xinfo(limited):
    conn = limited(["*"], "+@read", "+ping", "+time", "-xinfo")
    with pytest.raises(redis.ResponseError, match="xinfo") as caught:
        groups(conn)
    assert "in this user's ACL allows it" in caught.value.__notes__[0]


def test_a_user_with_fewer_commands(limited, has_schema):
    conn = limited(["*"], "+ping", "+time", "+scan", "+xinfo")
    frame = groups(conn)
    assert has_schema(frame, frames.GROUPS)
    assert frame["oldest_pending"].isna().all()
    assert frame["longest_idle"].notna().tolist() == [True, False, True, False]
    frame = streams(conn)
    assert has_schema(frame, frames.STREAMS)
    assert frame[["size", "rate", "oldest_pending", "dead_letters"]].isna().all(axis=None)
    assert frame[["length", "first_time"]].notna().sum().tolist() == [5, 4]
