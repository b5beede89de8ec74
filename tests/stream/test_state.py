"""The state of groups and streams, compared with what really is in them."""

import random

import pandas as pd
import pytest
import redis

from redisnb import ConsumerGroup, Stream, connect, frames, streams
from redisnb.stream import state


@pytest.fixture
def conn(server):
    with connect(server.url) as connection:
        connection.client.flushall()
        yield connection


@pytest.fixture
def counts(conn) -> bool:
    """Return whether the server counts what is added and read."""
    conn.client.xgroup_create("counts", "g", "0", mkstream=True)
    (group,) = conn.client.xinfo_groups("counts")
    conn.client.delete("counts")
    return "lag" in group


@pytest.fixture
def group(conn) -> ConsumerGroup:
    """The entries 1-0 to 5-0, and a group at their beginning."""
    for i in range(1, 6):
        conn.client.xadd("s", {"i": i}, id=f"{i}-0")
    conn.client.xgroup_create("s", "g", "0")
    return ConsumerGroup(Stream(conn, "s"), "g", consumer="me")


def lag(group: ConsumerGroup) -> tuple[int | None, str | None]:
    info = group.info()
    return tuple(None if pd.isna(value) else value for value in info.loc[0, ["lag", "lag_unknown"]])


# The lag

# What the group has not read is deleted here, of which redisnb warns.
OWED = pytest.mark.filterwarnings("ignore:.*still has to handle")


@pytest.mark.parametrize(
    ("arrange", "known"),
    [
        (lambda group, client: None, 5),
        (lambda group, client: group.stream.delete("3-0"), 4),
        (lambda group, client: group.read(), 0),
        (lambda group, client: (group.read(), group.stream.delete("5-0")), 0),
        (lambda group, client: (group.read(2), group.stream.delete(["3-0", "4-0", "5-0"])), 0),
        (lambda group, client: (group.read(1), group.stream.trim(maxlen=2)), 2),
        (lambda group, client: (group.read(1), group.stream.trim(maxlen=0)), 0),
        (lambda group, client: client.xgroup_setid("s", "g", "9-0"), 0),
        (lambda group, client: (group.read(1), group.stream.delete(["1-0", "2-0"])), 3),
    ],
)
@OWED
def test_at_the_ends_of_a_stream_the_lag_is_known_on_any_server(group, arrange, known):
    arrange(group, group.stream.conn.client)
    assert lag(group) == (known, None)
    assert group.lag() == known
    assert streams(group.stream.conn)["lag"].tolist() == [known]


@pytest.mark.parametrize(
    ("arrange", "known", "why", "left"),
    [
        (lambda group, client: group.read(2), 3, None, 3),
        (
            lambda group, client: (group.read(2), group.stream.delete("4-0")),
            *(None, state.DELETED, 2),
        ),
        (
            lambda group, client: (group.stream.delete("4-0"), group.read(2)),
            *(None, state.NO_START, 2),
        ),
        (lambda group, client: client.xgroup_setid("s", "g", "3-0"), None, state.NO_START, 2),
        (
            lambda group, client: (group.read(1), group.stream.trim(maxlen=2), group.read(1)),
            *(None, state.DROPPED, 1),
        ),
    ],
)
@OWED
def test_in_the_middle_it_is_what_the_server_counts(group, counts, arrange, known, why, left):
    arrange(group, group.stream.conn.client)
    # After a trim 7.0 counts wrong, which redisnb knows; 8.2 and Valkey 9 count right.
    assert lag(group) in ([(known, why), (left, None)] if counts else [(None, state.NOT_COUNTED)])
    assert group.lag() == left


def test_the_reason_is_missing_where_the_lag_is_known(group, has_schema):
    frame = group.info()
    assert has_schema(frame, frames.GROUPS)
    assert frame["lag_unknown"].isna().all()
    assert str(frame["lag"].dtype) == "Int64"


@pytest.mark.slow
@pytest.mark.parametrize("unread", [False, True])
@pytest.mark.parametrize("seed", range(6))
@OWED
def test_whatever_happens_the_lag_is_right(conn, seed, unread):
    dice = random.Random(seed)
    client = conn.client
    client.xgroup_create("s", "g", "0", mkstream=True)
    group = ConsumerGroup(Stream(conn, "s"), "g", consumer="me")
    for step in range(1, 80):
        what = dice.choice(["add", "add", "add", "read", "delete", "trim", "set"])
        position = client.xinfo_groups("s")[0]["last-delivered-id"].decode()
        read = [id.decode() for id, _ in client.xrange("s", "-", position)]
        there = [id.decode() for id, _ in client.xrange("s")]
        droppable = there if unread else read
        if what == "add":
            client.xadd("s", {"i": step}, id=f"{step}-0")
        elif what == "read":
            group.read(dice.randint(1, 3))
        elif what == "delete" and droppable:
            group.stream.delete(dice.choice(droppable))
        elif what == "trim" and droppable:
            group.stream.trim(minid=dice.choice(droppable))
        elif what == "set":
            group.set_position(dice.choice(["all", "new", *there]))
        position = client.xinfo_groups("s")[0]["last-delivered-id"].decode()
        left = len(client.xrange("s", f"({position}"))
        assert group.lag() == left, (step, what)
        known, why = lag(group)
        assert (known is None) is (why is not None)
        # What is dropped before the group has read it, some servers count for ever.
        assert unread or known in (left, None), (step, what)


def test_counting_takes_more_than_a_page(conn):
    script = "for i = 1, 2500 do redis.call('XADD', KEYS[1], i .. '-0', 'i', i) end"
    conn.client.eval(script, 1, "s")
    conn.client.xgroup_create("s", "g", "200-0")
    group = ConsumerGroup(Stream(conn, "s"), "g")
    assert lag(group)[0] is None
    assert group.lag() == 2300


# Streams


def test_the_oldest_pending_entry_and_the_dead_letters(conn, has_schema):
    client = conn.client
    now = client.time()[0] * 1000
    hours = {"1": now - 3_600_000, "2": now - 7_200_000, "3": now - 10_800_000}
    for key in ("a", "b", "c"):
        for ms in sorted(hours.values()):
            client.xadd(key, {"i": 1}, id=f"{ms}-0")
        for name in ("g", "h"):
            client.xgroup_create(key, name, "0")
    # In a, h holds the older ones; in c, nothing is pending any more.
    client.xreadgroup("h", "me", {"a": ">"}, count=2)
    client.xack("a", "h", f"{hours['3']}-0")
    client.xgroup_setid("a", "g", f"{hours['2']}-0")
    client.xreadgroup("g", "me", {"a": ">"})
    client.xreadgroup("g", "me", {"c": ">"}, count=1)
    client.xack("c", "g", f"{hours['3']}-0")
    client.xadd("a:dead", {"i": 1})
    client.xadd("a:dead", {"i": 2})
    client.set("b:dead", "text")
    frame = streams(conn).set_index("stream")
    assert has_schema(streams(conn), frames.STREAMS)
    assert frame["dead_letters"].to_dict() == {"a": 2, "a:dead": 0, "b": 0, "c": 0}
    assert frame["pending"].to_dict() == {"a": 2, "a:dead": 0, "b": 0, "c": 0}
    assert frame["oldest_pending"].isna().to_dict() == {
        "a": False, "a:dead": True, "b": True, "c": True,
    }  # fmt: skip
    age = frame["oldest_pending"]["a"]
    assert pd.Timedelta("2h") <= age < pd.Timedelta("2h 1min")
    info = Stream(conn, "a").info().loc[0]
    assert info["dead_letters"] == 2
    assert abs(info["oldest_pending"] - age) < pd.Timedelta("1min")
    (of_group,) = ConsumerGroup(Stream(conn, "a"), "h").info()["oldest_pending"]
    assert abs(of_group - age) < pd.Timedelta("1min")


def test_an_entry_of_the_far_future_has_no_age(conn):
    conn.client.xadd("s", {"i": 1}, id=f"{2**64 - 1}-1")
    conn.client.xgroup_create("s", "g", "0")
    conn.client.xreadgroup("g", "me", {"s": ">"})
    assert streams(conn)["oldest_pending"].isna().all()
    assert Stream(conn, "s").groups()["oldest_pending"].isna().all()


def test_asking_takes_no_more_commands_at_once_for_more_streams(conn):
    """Sent in few writes: a round trip per stream would show as one read of the server each."""
    client = conn.client
    for i in range(300):
        client.xadd(f"s:{i}", {"i": 1}, id="1-0")
        client.xgroup_create(f"s:{i}", "g", "0")
        client.xreadgroup("g", "me", {f"s:{i}": ">"})
    before = client.info("stats")
    frame = streams(conn)
    after = client.info("stats")
    assert frame["pending"].tolist() == [1] * 300
    assert after["total_commands_processed"] - before["total_commands_processed"] > 5 * 300
    if "total_reads_processed" in after:
        assert after["total_reads_processed"] - before["total_reads_processed"] < 100


def test_what_a_user_may_not_ask_for_is_missing(conn, request):
    client = conn.client
    client.xadd("s", {"i": 1}, id="1-0")
    client.xadd("s:dead", {"i": 1}, id="1-0")
    client.xgroup_create("s", "g", "0")
    client.xreadgroup("g", "me", {"s": ">"})
    directory = conn.url.removeprefix("unix://").partition("?")[0]
    client.acl_setuser(
        "some", enabled=True, passwords=["+pw"], keys=["s"], reset=True,
        commands=["+@read", "+ping", "+time", "+xinfo", "+xpending"],
    )  # fmt: skip
    try:
        with connect(f"unix://some:pw@{directory}") as limited:
            info = Stream(limited, "s").info()
            assert info["dead_letters"].isna().all()
            assert info["pending"].tolist() == [1]
            assert Stream(limited, "s").groups()["lag"].tolist() == [0]
    finally:
        client.acl_deluser("some")
    assert Stream(conn, "s").info()["dead_letters"].tolist() == [1]


def test_a_user_who_may_not_see_the_stream_gets_what_the_server_counts(conn, counts):
    client = conn.client
    client.xadd("s", {"i": 1}, id="1-0")
    client.xgroup_create("s", "g", "0")
    (asked,) = client.xinfo_groups("s")
    group = {key.encode() if isinstance(key, str) else key: value for key, value in asked.items()}
    expected = (1, None) if counts else (None, state.NOT_COUNTED)
    assert state.lag_of(None, group) == expected


# The rate

NOW = 1_800_000_000_000


def rate(ages, *, deleted="0-0", newest=None, read=50) -> float | None:
    """Return the rate of a stream whose entries were added so many ms ago, the last one last."""
    ids = [b"%d-%d" % (NOW - age, seq) for seq, age in enumerate(ages)]
    stream = {
        b"length": len(ages),
        b"last-generated-id": ids[-1] if newest is None else newest.encode(),
        b"max-deleted-entry-id": deleted.encode(),
        b"entry-size": 10,
    }
    count = state.count_for_rate(stream, None, NOW)
    page = [(id, [b"a", b"1"]) for id in ids[::-1][: min(count, read)]] if count else None
    return state.rate_of(stream, page, NOW)


@pytest.mark.parametrize(
    ("ages", "expected"),
    [
        # 30 of the last minute, and more before it.
        (range(100_000, 0, -2_000), 30 / 60),
        # Ten a second, and a thousand: the last 50 entries tell.
        (range(30_000, 0, -100), 49 / 5),
        (range(3_000, 0, -1), 49 / 0.05),
        # All there is is of the last minute.
        ([20_000, 10_000, 1_000], 2 / 20),
        ([0] * 500, 49_000.0),
        # It stopped: half a minute, a minute, an hour ago.
        (range(33_000, 30_000, -10), 49 / 30.5),
        ([61_000, 60_001], 0.0),
        ([3_600_000], 0.0),
    ],
)
def test_the_rate(ages, expected):
    assert rate([*ages]) == pytest.approx(expected, rel=0.03)


def test_the_rate_is_missing_where_it_cannot_be_known():
    assert rate([10_000, 5_000]) == pytest.approx(0.1)
    # IDs that are no times of adding.
    assert rate([NOW - 1]) is rate([NOW - 1_357_000_000_000]) is rate([10_000, -1]) is None
    assert rate([5], newest=f"{2**64 - 1}-{2**64 - 1}") is None
    # The last entry was deleted, or one of those that would count.
    assert rate([10_000, 5_000], newest=f"{NOW - 5}-0") is None
    assert rate([10_000, 5_000], newest=f"{NOW - 5_000}-9") is None
    assert rate([10_000, 5_000], deleted=f"{NOW - 7_000}-0") is None
    assert rate([10_000, 5_000], deleted=f"{NOW - 70_000}-0") == pytest.approx(0.1)
    assert rate([100_000, 5_000], deleted=f"{NOW - 70_000}-0") == pytest.approx(1 / 60)
    # One entry has no rate, unless it is known that there was no other one.
    assert rate([5_000]) is None
    assert rate([70_000, 5_000]) == pytest.approx(1 / 60)
    # Nothing can be read any more.
    assert rate([10_000, 5_000], read=0) is None


def test_fewer_entries_are_read_for_the_rate_where_they_are_large():
    def count(size, memory=None):
        stream = {b"last-generated-id": b"%d-0" % NOW, b"entry-size": size, b"length": 10}
        return state.count_for_rate(stream, memory, NOW)

    assert count(100) == state.RATE_ENTRIES
    assert (count(6_000), count(100, memory=60_000)) == (10, 10)
    assert (count(10**8), count(0, memory=10**9)) == (2, 2)


def test_the_rate_and_times_of_a_stream(conn, has_schema):
    client = conn.client
    client.xgroup_create("never", "g", "0", mkstream=True)
    for i in range(5):
        client.xadd("now", {"i": i})
    client.xadd("gone", {"i": 1})
    client.xtrim("gone", maxlen=0, approximate=False)
    client.xadd("once", {"i": 1}, id="1700000000000-0")
    client.xadd("future", {"i": 1}, id=f"{2**64 - 1}-{2**64 - 1}")
    seconds, _ = client.time()
    frame = streams(conn).set_index("stream")
    assert has_schema(streams(conn), frames.STREAMS)
    assert frame["rate"].notna().to_dict() == {
        "future": False, "gone": False, "never": False, "now": True, "once": True,
    }  # fmt: skip
    assert frame["rate"]["now"] > 0 == frame["rate"]["once"]
    at = frame["last_time"]
    assert at["once"] == pd.Timestamp(1_700_000_000_000, unit="ms", tz="UTC")
    assert abs(at["now"] - pd.Timestamp(seconds, unit="s", tz="UTC")) < pd.Timedelta("1min")
    assert at[["future", "gone", "never"]].isna().all()
    client.xdel("now", frame["last_id"]["now"])
    info = Stream(conn, "now").info().loc[0]
    assert (info["last_id"], info["length"]) == (frame["last_id"]["now"], 4)
    assert pd.isna(info["rate"])
    # Some are the same millisecond.
    assert info["first_time"] <= info["last_time"] <= at["now"]


def test_the_consumer_that_has_not_asked_for_longest(conn, wait_until):
    client = conn.client
    for i in range(5):
        client.xadd("s", {"i": i})
    for name in ("g", "h"):
        client.xgroup_create("s", name, "0")
    client.xreadgroup("g", "asks no more", {"s": ">"}, count=1)
    client.xreadgroup("g", "holds nothing", {"s": ">"}, count=1, noack=True)
    wait_until(lambda: Stream(conn, "s").groups()["longest_idle"][0] > pd.Timedelta("50ms"))
    client.xreadgroup("g", "asks", {"s": ">"}, count=1)
    groups = Stream(conn, "s").groups()
    idle = ConsumerGroup(Stream(conn, "s"), "g").consumers().set_index("consumer")["idle"]
    assert pd.Timedelta("50ms") < groups["longest_idle"][0] <= idle["asks no more"]
    assert pd.isna(groups["longest_idle"][1])
    client.xclaim(
        "s", "g", "asks", 0, [client.xpending_range("s", "g", "-", "+", 1)[0]["message_id"]]
    )
    held = ConsumerGroup(Stream(conn, "s"), "g").info()["longest_idle"][0]
    assert held <= ConsumerGroup(Stream(conn, "s"), "g").consumers()["idle"][0]


def test_a_key_of_another_type(conn):
    conn.client.set("s", "text")
    group = ConsumerGroup(Stream(conn, "s"), "g")
    for call in (group.lag, group.info, lambda: group.set_position("all"), group.stream.info):
        with pytest.raises(redis.ResponseError, match="wrong kind of value") as caught:
            call()
        assert "'s' holds another type of value" in caught.value.__notes__[0]
