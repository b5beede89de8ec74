"""ConsumerGroup, compared with what the server says of the group."""

import datetime as dt
import threading
import time

import pandas as pd
import pytest
import redis

from redisnb import ConsumerGroup, EntryId, Stream, connect, frames
from redisnb.errors import EntryIdError, GroupMissingError, RedisnbError, RedisnbWarning
from redisnb.stream import state
from tests.deadlines import deadline


@pytest.fixture
def stream(conn, raw) -> Stream:
    """The entries 1-0 to 5-0."""
    fill(raw, 5)
    return Stream(conn, "s")


@pytest.fixture
def group(stream, raw) -> ConsumerGroup:
    raw.xgroup_create("s", "g", "0")
    return ConsumerGroup(stream, "g", consumer="me")


@pytest.fixture
def other(group) -> ConsumerGroup:
    """The same group, seen by another consumer."""
    return ConsumerGroup(group.stream, "g", consumer="other")


def fill(raw: redis.Redis, n: int) -> None:
    """Add the entries 1-0 to n-0 with the field i."""
    script = "for i = 1, ARGV[1] do redis.call('XADD', KEYS[1], i .. '-0', 'i', i) end"
    raw.eval(script, 1, "s", n)


def pending(raw: redis.Redis) -> dict[str, tuple[str, int]]:
    """Return which consumer holds each entry, and how often it was delivered."""
    return {
        row["message_id"].decode(): (row["consumer"].decode(), row["times_delivered"])
        for row in raw.xpending_range("s", "g", "-", "+", 10_000)
    }


def ids_of(frame: pd.DataFrame) -> list[int]:
    return [EntryId(id).ms for id in frame["entry_id"]]


#: Every call that needs the group.
MISSING = [
    ("read", lambda group: group.read()),
    ("read backlog", lambda group: group.read(backlog=True)),
    ("read block", lambda group: group.read(block=1)),
    ("ack", lambda group: group.ack(["1-0"])),
    ("pending", lambda group: group.pending()),
    ("pending payload", lambda group: group.pending(payload=True, consumer="x", min_idle=1)),
    ("claim", lambda group: group.claim("1-0", min_idle=0)),
    ("autoclaim", lambda group: group.autoclaim(min_idle=0)),
    ("consumers", lambda group: group.consumers()),
    ("lag", lambda group: group.lag()),
    ("release", lambda group: group.release("1-0")),
    ("bury", lambda group: group.bury("1-0", min_idle=0)),
    ("remove_consumer", lambda group: group.remove_consumer("me")),
    ("set_position", lambda group: group.set_position("all")),
    ("set_position dry", lambda group: group.set_position("new", dry_run=True)),
]


# Create and destroy


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ({}, []),
        ({"start": "new"}, []),
        ({"start": "all"}, [1, 2, 3, 4, 5]),
        ({"start": "3-0"}, [3, 4, 5]),
        ({"start": "3"}, [3, 4, 5]),
        ({"start": EntryId("3-1")}, [4, 5]),
        ({"start": "0-0"}, [1, 2, 3, 4, 5]),
        ({"start": "(3-0"}, [4, 5]),
        ({"start": dt.datetime(1970, 1, 1, 0, 0, 0, 2500, tzinfo=dt.UTC)}, [3, 4, 5]),
        ({"start": "1970-01-01 00:00:00.004"}, [4, 5]),
        ({"start": "-5min"}, []),
    ],
)
def test_where_a_group_begins(stream, raw, start, expected):
    group = ConsumerGroup(stream, "g")
    assert group.create(**start) is True
    raw.xadd("s", {"i": 9}, id=f"{raw.time()[0] * 1000}-0")
    assert ids_of(group.read())[:-1] == expected


def test_creating_it_again_changes_nothing(group, raw):
    group.read(2)
    before = raw.xinfo_groups("s")
    for start in ("new", "all", "5-0"):
        assert group.create(start) is False
    assert raw.xinfo_groups("s") == before


def test_creating_it_makes_the_stream(conn, raw):
    group = ConsumerGroup(Stream(conn, "new"), "g")
    assert group.create() is True
    assert (raw.type("new"), raw.xlen("new")) == (b"stream", 0)
    group.stream.add({"i": 1})
    assert group.read()["i"].tolist() == [1]


@pytest.mark.parametrize(
    ("start", "error"),
    [("soon", EntryIdError), (dt.datetime(2024, 1, 1), EntryIdError), (5.5, EntryIdError)],  # noqa: DTZ001 - the point
)
def test_a_start_that_is_none(stream, raw, start, error):
    with pytest.raises(error):
        ConsumerGroup(stream, "g").create(start)
    assert raw.xinfo_groups("s") == []


def test_creating_it_on_another_type_of_key(conn, raw):
    raw.set("text", "x")
    for start in ("all", "new"):
        with pytest.raises(redis.ResponseError, match="wrong kind of value") as caught:
            ConsumerGroup(Stream(conn, "text"), "g").create(start)
        assert "holds another type of value" in caught.value.__notes__[0]


@pytest.mark.parametrize("call", [call for _, call in MISSING], ids=[name for name, _ in MISSING])
def test_any_call_on_another_type_of_key(conn, raw, call):
    raw.set("text", "x")
    with pytest.raises(redis.ResponseError, match="wrong kind of value"):
        call(ConsumerGroup(Stream(conn, "text"), "g"))


def test_destroying_it(group, raw):
    group.read(2)
    assert group.destroy() is True
    assert raw.xinfo_groups("s") == []
    assert raw.xlen("s") == 5
    assert group.destroy() is False
    raw.delete("s")
    assert group.destroy() is False


def test_its_arguments(stream, conn):
    with pytest.raises(TypeError, match=r"stream is a redisnb\.Stream, not str"):
        ConsumerGroup("s", "g")
    mine = ConsumerGroup(stream, "g")
    assert mine.consumer == ConsumerGroup(stream, "h").consumer
    assert repr(ConsumerGroup(stream, "g", consumer="me")) == (
        "ConsumerGroup('s', 'g', consumer='me')"
    )


@pytest.mark.parametrize("key", ["s", "missing"])
@pytest.mark.parametrize("call", [call for _, call in MISSING], ids=[name for name, _ in MISSING])
def test_a_missing_group_is_named_with_the_way_to_make_it(stream, raw, call, key):
    group = ConsumerGroup(Stream(stream.conn, key), "g")
    message = rf"stream '{key}' has no consumer group 'g'; create\(\) makes it"
    with pytest.raises(GroupMissingError, match=message) as caught:
        call(group)
    assert (caught.value.stream, caught.value.group) == (key, "g")
    assert not raw.exists("missing")


@pytest.mark.parametrize(
    ("key", "names", "asked", "hint"),
    [
        ("s", ["boarding"], "g", "; it has 'boarding'"),
        ("s", ["a", "b", "c", "d", "e"], "g", "; it has 'a', 'b', 'c' and 2 more"),
        ("s", ["boarding", "billing"], "boardin", "; did you mean 'boarding'?"),
        # Without its prefix; with a slip.
        ("flights", [], "g", "; did you mean 'airport:flights'?"),
        ("airport:flight", [], "g", "; did you mean 'airport:flights'?"),
        ("lights", [], "g", ""),
    ],
)
def test_a_missing_group_is_told_with_what_there_is(stream, raw, key, names, asked, hint):
    raw.xadd("airport:flights", {"a": 1})
    for name in names:
        raw.xgroup_create("s", name)
    with pytest.raises(GroupMissingError) as caught:
        ConsumerGroup(Stream(stream.conn, key), asked).read(1)
    assert str(caught.value).partition("from the first entry on")[2] == hint


def test_a_missing_group_has_no_row(stream, conn, has_schema):
    for key in ("s", "missing"):
        info = ConsumerGroup(Stream(conn, key), "g").info()
        assert has_schema(info, frames.GROUPS)
        assert info.empty


# Read and acknowledge


def test_what_is_read_is_pending(group, other, raw, has_schema):
    first = group.read(2)
    assert has_schema(first, frames.ENTRIES, "i")
    assert first["i"].tolist() == [1, 2]
    assert other.read(2)["i"].tolist() == [3, 4]
    assert group.read()["i"].tolist() == [5]
    assert pending(raw) == {
        "1-0": ("me", 1), "2-0": ("me", 1), "3-0": ("other", 1), "4-0": ("other", 1),
        "5-0": ("me", 1),
    }  # fmt: skip
    empty = group.read()
    assert has_schema(empty, frames.ENTRIES, "i")
    assert empty.empty


def test_the_backlog_is_what_this_consumer_has_not_acknowledged(group, other, raw, has_schema):
    group.read(3)
    other.read()
    assert group.read(backlog=True)["i"].tolist() == [1, 2, 3]
    assert group.read(2, backlog=True)["i"].tolist() == [1, 2]
    group.ack("2-0")
    assert group.read(backlog=True)["i"].tolist() == [1, 3]
    assert other.read(backlog=True)["i"].tolist() == [4, 5]
    raw.xdel("s", "3-0")
    backlog = group.read(backlog=True)
    assert (ids_of(backlog), backlog.attrs["trimmed"]) == ([1, 3], ["3-0"])
    group.ack(backlog)
    assert has_schema(group.read(backlog=True), frames.ENTRIES, "i")


def test_read_many(group, raw):
    fill_more = "for i = 6, 2500 do redis.call('XADD', KEYS[1], i .. '-0', 'i', i) end"
    raw.eval(fill_more, 1, "s")
    assert group.read(2400)["i"].tolist() == list(range(1, 2401))
    assert group.read()["i"].tolist() == list(range(2401, 2501))


def test_types_of_what_is_read(group):
    assert group.read(types="text")["i"].tolist() == ["1", "2", "3", "4", "5"]


def test_reading_waits_for_an_entry(group, raw, wait_until):
    group.read()
    start = time.monotonic()
    assert group.read(block="50ms").empty
    assert 0.05 <= time.monotonic() - start < deadline(1)

    def add_when_it_waits():
        wait_until(lambda: raw.info("clients")["blocked_clients"] == 1)
        raw.xadd("s", {"i": 6}, id="6-0")

    writer = threading.Thread(target=add_when_it_waits)
    writer.start()
    assert group.read(block=20)["i"].tolist() == [6]
    writer.join()


def test_ctrl_c_while_reading_leaves_the_connection_usable(group, raw, ctrl_c, wait_until):
    group.read()
    ctrl_c("xreadgroup")
    with pytest.raises(KeyboardInterrupt):
        group.read(block=20)
    # Until the server has seen that the reader is gone, it would give it the entry.
    wait_until(lambda: raw.info("clients")["blocked_clients"] == 0)
    raw.xadd("s", {"i": 6}, id="6-0")
    assert group.read()["i"].tolist() == [6]


@pytest.mark.parametrize("count", [0, -1, 1.5, None])
def test_a_count_that_is_none(group, raw, count):
    with pytest.raises(ValueError, match="count="):
        group.read(count)
    assert pending(raw) == {}


def test_ack(group, raw):
    frame = group.read()
    assert group.ack("1-0") == 1
    assert group.ack(["1-0", b"2-0", "77-7"]) == 1
    assert group.ack(frame) == 3
    assert group.ack(frame) == 0
    assert group.ack([]) == 0
    assert pending(raw) == {}
    with pytest.raises(EntryIdError, match="'x' is neither an entry ID nor a time"):
        group.ack(["1-0", "x"])


def test_ack_more_than_one_command_takes(group, raw):
    raw.eval("for i = 6, 2500 do redis.call('XADD', KEYS[1], i .. '-0', 'i', i) end", 1, "s")
    frame = group.read(2500)
    assert group.ack(frame.iloc[:2400]) == 2400
    assert list(pending(raw)) == [f"{i}-0" for i in range(2401, 2501)]


# Pending


def test_pending_is_what_the_server_lists(group, other, raw, has_schema):
    empty = group.pending()
    assert has_schema(empty, frames.PENDING)
    assert empty.empty
    assert empty.attrs["truncated"] is False
    group.read(2)
    group.read(backlog=True)
    other.read(1)
    frame = group.pending()
    assert has_schema(frame, frames.PENDING)
    rows = raw.xpending_range("s", "g", "-", "+", 10)
    assert frame["entry_id"].tolist() == [row["message_id"].decode() for row in rows]
    assert frame["consumer"].tolist() == ["me", "me", "other"]
    assert frame["deliveries"].tolist() == [row["times_delivered"] for row in rows]
    assert frame["idle"].between(pd.Timedelta(0), pd.Timedelta("1min")).all()
    assert frame.index.tolist() == [pd.Timestamp(i, unit="ms", tz="UTC") for i in (1, 2, 3)]


def test_pending_of_one_consumer(group, other):
    group.read(2)
    other.read(2)
    assert ids_of(other.pending(consumer="me")) == [1, 2]
    assert ids_of(group.pending(consumer="other")) == [3, 4]
    assert group.pending(consumer="nobody").empty


def test_pending_for_long(group, raw):
    group.read(3)
    raw.xclaim("s", "g", "me", 0, ["2-0"], idle=3_600_000)
    assert ids_of(group.pending(min_idle="30min")) == [2]
    assert group.pending(min_idle="2h").empty
    assert group.pending(min_idle=1800)["idle"].iloc[0] >= pd.Timedelta("1h")
    assert ids_of(group.pending(consumer="me", min_idle=dt.timedelta(minutes=30))) == [2]
    with pytest.raises(ValueError, match="min_idle=-1 is negative"):
        group.pending(min_idle=-1)


def test_pending_with_payload_and_entries_that_are_gone(group, raw, has_schema):
    group.read()
    raw.xdel("s", "2-0", "4-0")
    frame = group.pending(payload=True)
    assert has_schema(frame, frames.PENDING, "i")
    assert ids_of(frame) == [1, 2, 3, 4, 5]
    assert frame["i"].astype(object).where(frame["i"].notna(), None).tolist() == [
        1,
        None,
        3,
        None,
        5,
    ]
    assert frame.attrs["trimmed"] == ["2-0", "4-0"]
    raw.xtrim("s", maxlen=0, approximate=False)
    assert has_schema(group.pending(payload=True), frames.PENDING)
    assert group.pending(payload=True).attrs["trimmed"] == [f"{i}-0" for i in range(1, 6)]


def test_the_events_columns_do_not_hide_those_of_the_list(conn, raw):
    raw.xadd("s", {"consumer": "theirs", "idle": "x"}, id="1-0")
    raw.xgroup_create("s", "g", "0")
    group = ConsumerGroup(Stream(conn, "s"), "g", consumer="me")
    group.read()
    with pytest.warns(RedisnbWarning, match="'consumer' as 'consumer_field'"):
        frame = group.pending(payload=True)
    assert frame[["consumer", "consumer_field", "idle_field"]].to_numpy().tolist() == [
        ["me", "theirs", "x"]
    ]


@pytest.mark.parametrize("n", [999, 1000, 1001, 2500])
def test_more_pending_than_a_page(conn, raw, n):
    fill(raw, n)
    raw.xgroup_create("s", "g", "0")
    group = ConsumerGroup(Stream(conn, "s"), "g", consumer="me")
    group.read(n)
    expected = list(range(1, n + 1))
    assert ids_of(group.pending()) == expected
    assert ids_of(group.pending(limit=None, consumer="me", payload=True)) == expected
    for limit in (0, 998, 1000, n - 1, n, n + 1):
        frame = group.pending(limit=limit)
        assert ids_of(frame) == expected[:limit]
        assert frame.attrs["truncated"] is (limit < n)


# Take over


def test_claim(group, other, raw, has_schema):
    other.read(4)
    claimed = group.claim(["1-0", "3-0"], min_idle=0)
    assert has_schema(claimed, frames.ENTRIES, "i")
    assert claimed["i"].tolist() == [1, 3]
    assert pending(raw) == {
        "1-0": ("me", 2), "2-0": ("other", 1), "3-0": ("me", 2), "4-0": ("other", 1),
    }  # fmt: skip
    assert group.pending(consumer="me")["idle"].max() < pd.Timedelta("1min")
    assert group.claim(group.pending(consumer="other"), min_idle=0)["i"].tolist() == [2, 4]
    nothing = group.claim(["5-0", "77-0"], min_idle=0)
    assert has_schema(nothing, frames.ENTRIES)
    assert nothing.empty, "they are not pending"


def test_claim_leaves_what_is_fresh_and_what_is_gone(group, other, raw):
    other.read()
    raw.xclaim("s", "g", "other", 0, ["1-0", "2-0"], idle=3_600_000)
    raw.xdel("s", "2-0")
    assert group.claim(other.pending(), min_idle="30min")["i"].tolist() == [1]
    assert pending(raw)["3-0"] == ("other", 1)
    with pytest.raises(TypeError, match="min_idle"):
        group.claim("1-0")
    assert group.claim([], min_idle=0).empty


def test_claim_more_than_one_command_takes(conn, raw):
    fill(raw, 2500)
    raw.xgroup_create("s", "g", "0")
    stream = Stream(conn, "s")
    ConsumerGroup(stream, "g", consumer="other").read(2500)
    group = ConsumerGroup(stream, "g", consumer="me")
    assert ids_of(group.claim(group.pending(), min_idle=0)) == list(range(1, 2501))
    assert {owner for owner, _ in pending(raw).values()} == {"me"}


def test_autoclaim(group, other, raw, has_schema):
    assert has_schema(group.autoclaim(min_idle=0), frames.ENTRIES)
    other.read()
    raw.xclaim("s", "g", "other", 0, ["2-0", "3-0"], idle=3_600_000)
    raw.xdel("s", "3-0")
    claimed = group.autoclaim(min_idle="30min")
    assert has_schema(claimed, frames.ENTRIES, "i")
    assert claimed["i"].tolist() == [2]
    assert claimed.attrs["trimmed"] == ["3-0"]
    assert sorted(pending(raw)) == ["1-0", "2-0", "4-0", "5-0"]
    assert group.autoclaim(min_idle="30min").empty
    assert pending(raw)["2-0"] == ("me", 3), "of which one by the test itself"
    assert ids_of(group.autoclaim(min_idle=0)) == [1, 2, 4, 5], "also from itself"


@pytest.mark.slow
@pytest.mark.parametrize("limit", [0, 1, 999, 1000, 1001, 2499, 2500, 9999, None])
def test_autoclaim_more_than_a_page(conn, raw, limit):
    fill(raw, 2500)
    raw.xgroup_create("s", "g", "0")
    stream = Stream(conn, "s")
    ConsumerGroup(stream, "g", consumer="other").read(2500)
    group = ConsumerGroup(stream, "g", consumer="me")
    expected = list(range(1, 2501))[:limit]
    assert ids_of(group.autoclaim(min_idle=0, limit=limit)) == expected
    mine = [EntryId(id).ms for id, (owner, _) in pending(raw).items() if owner == "me"]
    assert mine == expected


def test_autoclaim_looks_past_pages_that_are_all_too_fresh(conn, raw):
    # One command looks at 10 times COUNT entries, and says so with an empty page.
    fill(raw, 150)
    raw.xgroup_create("s", "g", "0")
    stream = Stream(conn, "s")
    ConsumerGroup(stream, "g", consumer="other").read(150)
    raw.xclaim("s", "g", "other", 0, ["140-0", "150-0"], idle=3_600_000)
    group = ConsumerGroup(stream, "g", consumer="me")
    assert ids_of(group.autoclaim(min_idle="30min", limit=1)) == [140]
    assert ids_of(group.autoclaim(min_idle="30min", limit=1)) == [150]


@pytest.mark.parametrize(
    ("call", "command", "lines"),
    [
        (lambda group: group.read(), "xreadgroup", 0),
        (lambda group: group.read(block="5s"), "xreadgroup", 0),
        (lambda group: group.claim(["1-0"], min_idle=0), "xclaim", 0),
        (lambda group: group.autoclaim(min_idle=0), "xautoclaim", 0),
    ],
)
def test_a_lost_reply_says_how_to_see_what_was_given(conn, proxy, raw, call, command, lines):
    fill(raw, 5)
    raw.xgroup_create("s", "g", "0")
    raw.xreadgroup("g", "other", {"s": ">"}, count=2)
    with connect(proxy.url) as cut:
        group = ConsumerGroup(Stream(cut, "s"), "g", consumer="me")
        proxy.lines = lines
        with pytest.raises(redis.ConnectionError) as caught:
            call(group)
        assert raw.info("commandstats")[f"cmdstat_{command}"]["calls"]
        assert "delivered to consumer 'me'" in caught.value.__notes__[0]
        held = [id for id, (owner, _) in pending(raw).items() if owner == "me"]
        assert held
        assert group.read(backlog=True)["entry_id"].tolist() == held


# Give back


def test_what_is_released_is_anybodys_at_once(group, other, raw):
    group.read(3)
    assert group.release(["1-0", "2-0"]) == 2
    assert pending(raw) == {"1-0": ("me", 1), "2-0": ("me", 1), "3-0": ("me", 1)}
    assert ids_of(group.pending(min_idle="23h")) == [1, 2]
    assert ids_of(other.autoclaim(min_idle="10min")) == [1, 2]
    assert pending(raw)["1-0"] == ("other", 2)


def test_only_what_it_holds_is_released(group, other, raw):
    group.read(2)
    other.read(1)
    raw.xdel("s", "2-0")
    assert group.release(["1-0", "3-0", "4-0", "77-0"]) == 1
    assert pending(raw)["3-0"] == ("other", 1)
    assert group.pending(consumer="other", min_idle="1h").empty
    assert group.release([]) == 0
    assert group.release(group.pending().iloc[:0]) == 0
    with pytest.raises(EntryIdError, match="'x' is neither an entry ID nor a time"):
        group.release(["1-0", "x"])


def test_release_more_than_one_command_takes(conn, raw):
    fill(raw, 2500)
    raw.xgroup_create("s", "g", "0")
    group = ConsumerGroup(Stream(conn, "s"), "g", consumer="me")
    assert group.release(group.read(2500)) == 2500
    assert len(group.pending(min_idle="23h")) == 2500


# Consumers


def test_a_consumer_that_holds_something_stays(group, other, raw):
    group.read(2)
    other.read(2)
    with pytest.raises(
        RedisnbError, match="'other' of group 'g' holds 2 pending entries"
    ) as caught:
        group.remove_consumer("other")
    assert "claim(pending(consumer='other'), min_idle='1min')" in str(caught.value)
    assert pending(raw)["3-0"] == ("other", 1)
    group.claim(group.pending(consumer="other"), min_idle=0)
    assert group.remove_consumer("other") is True
    assert group.consumers()["consumer"].tolist() == ["me"]
    assert group.remove_consumer("other") is False
    assert len(pending(raw)) == 4


def test_the_name_of_a_consumer_to_remove(group, raw):
    raw.xgroup_createconsumer("s", "g", b"\xff")
    assert group.remove_consumer(group.consumers()["consumer"][0]) is True
    for name in (None, 5, ["me"], group.consumers()):
        with pytest.raises(TypeError, match="name is the name of one consumer"):
            group.remove_consumer(name)


# Position


def moved(frame: pd.DataFrame) -> list:
    assert len(frame) == 1
    return frame.loc[0, ["before", "after", "skipped", "repeated"]].tolist()


@pytest.mark.parametrize(
    ("start", "after", "skipped", "repeated", "next_read"),
    [
        ("new", "5-0", 3, 0, []),
        ("all", "0-0", 0, 2, [1, 2, 3, 4, 5]),
        ("2-0", f"1-{2**64 - 1}", 0, 1, [2, 3, 4, 5]),
        ("(2-0", "2-0", 0, 0, [3, 4, 5]),
        ("4", f"3-{2**64 - 1}", 1, 0, [4, 5]),
        (dt.datetime(1970, 1, 1, 0, 0, 0, 4500, tzinfo=dt.UTC), f"4-{2**64 - 1}", 2, 0, [5]),
        ("9-0", f"8-{2**64 - 1}", 3, 0, []),
    ],
)
def test_set_position(group, raw, has_schema, start, after, skipped, repeated, next_read):
    group.read(2)
    dry = group.set_position(start, dry_run=True)
    assert has_schema(dry, frames.POSITION)
    assert raw.xinfo_groups("s")[0]["last-delivered-id"] == b"2-0"
    done = group.set_position(start)
    pd.testing.assert_frame_equal(done, dry)
    assert dry.loc[0, ["stream", "group"]].tolist() == ["s", "g"]
    assert moved(dry) == ["2-0", after, skipped, repeated]
    assert sorted(pending(raw)) == ["1-0", "2-0"], "what is pending stays so"
    assert group.lag() == len(next_read)
    assert ids_of(group.read()) == next_read


def test_set_position_counts_many_entries(conn, raw):
    fill(raw, 2500)
    raw.xgroup_create("s", "g", "100-0")
    group = ConsumerGroup(Stream(conn, "s"), "g", consumer="me")
    assert moved(group.set_position("new"))[2:] == [2400, 0]
    raw.xdel("s", "2000-0")
    assert moved(group.set_position("(500-0"))[2:] == [0, 1999]


@pytest.mark.parametrize("start", ["(2-0", "(4-0"])
def test_the_server_still_knows_the_lag_after_set_position(group, raw, knows_lag, start):
    if not knows_lag:
        pytest.skip("the server does not count")
    group.read(3)
    group.set_position(start)
    rest = int(start[1])
    assert raw.xinfo_groups("s")[0]["lag"] == 5 - rest
    raw.xadd("s", {"i": 6}, id="6-0")
    group.read(1)
    assert raw.xinfo_groups("s")[0]["lag"] == 5 - rest


def test_a_position_that_is_none(group, raw):
    for start in ("soon", 5.5, None):
        with pytest.raises(EntryIdError):
            group.set_position(start)
    assert raw.xinfo_groups("s")[0]["last-delivered-id"] == b"0-0"


# State


def test_info_and_consumers(group, other, raw, has_schema, knows_lag):
    assert has_schema(group.consumers(), frames.CONSUMERS)
    other.read(3)
    group.read(1)
    group.ack("4-0")
    raw.xgroup_create("s", "another", "0")
    info = group.info()
    assert has_schema(info, frames.GROUPS)
    age = pd.Timestamp(raw.time()[0], unit="s") - pd.Timestamp(1, unit="ms")
    assert abs(info.pop("oldest_pending")[0] - age) < pd.Timedelta("1min")
    assert pd.Timedelta(0) <= info.pop("longest_idle")[0] < pd.Timedelta("1min")
    assert info.astype(object).where(info.notna(), None).to_dict("records") == [
        {
            "stream": "s", "group": "g", "consumers": 2, "pending": 3,
            "last_delivered_id": "4-0",
            "entries_read": 4 if knows_lag else None, "lag": 1 if knows_lag else None,
            "lag_unknown": None if knows_lag else state.NOT_COUNTED,
        }
    ]  # fmt: skip
    consumers = group.consumers()
    assert has_schema(consumers, frames.CONSUMERS)
    assert consumers["consumer"].tolist() == ["me", "other"]
    assert consumers["pending"].tolist() == [0, 3]
    assert consumers["idle"].between(pd.Timedelta(0), pd.Timedelta("1min")).all()
    theirs = {row["name"]: row.get("inactive") for row in raw.xinfo_consumers("s", "g")}
    assert consumers["inactive"].notna().tolist() == [theirs[b"me"] is not None] * 2


def test_names_that_are_no_text(conn, raw):
    raw.xadd("s", {"i": 1})
    raw.xgroup_create("s", b"\xff", "0")
    raw.xreadgroup(b"\xff", b"\xfe", {"s": ">"})
    groups = Stream(conn, "s").groups()
    assert groups["group"].tolist() == ["�xff"]
    assert groups["pending"].tolist() == [1]


# A server before Redis 7.0, which counts neither what a group has read nor since when a consumer
# has been inactive, and leaves nothing of a pending entry that was deleted


@pytest.fixture
def old(conn, raw, knows_lag):
    if knows_lag:
        pytest.skip("this server counts what a group has read (since Redis 7.0)")
    fill(raw, 1500)
    return ConsumerGroup(Stream(conn, "s"), "g", consumer="me")


def test_a_group_of_an_old_server(old, has_schema):
    group = old
    for _, call in MISSING:
        with pytest.raises(GroupMissingError, match="create"):
            call(group)
    assert (group.create("2"), group.create("all")) == (True, False)
    other = ConsumerGroup(group.stream, "g", consumer="other")
    assert other.read(1200)["i"].tolist() == list(range(2, 1202))
    assert ids_of(group.pending(min_idle=0)) == list(range(2, 1202))
    assert group.ack(other.read(backlog=True, count=100)) == 100
    info = group.info()
    assert has_schema(info, frames.GROUPS)
    assert info[["pending", "last_delivered_id"]].to_numpy().tolist() == [[1100, "1201-0"]]
    assert info[["entries_read", "lag"]].isna().all(axis=None)
    assert info["lag_unknown"].tolist() == [state.NOT_COUNTED]
    assert group.lag() == 299
    assert has_schema(group.consumers(), frames.CONSUMERS)
    assert group.consumers()["inactive"].isna().all()
    with pytest.raises(RedisnbError, match="holds 1,100 pending"):
        group.remove_consumer("other")
    assert other.release(other.pending()) == 1100
    assert len(group.autoclaim(min_idle="1h")) == 1100
    assert (group.remove_consumer("other"), group.remove_consumer("other")) == (True, False)
    assert moved(group.set_position("(1000-0")) == ["1201-0", "1000-0", 0, 201]
    assert group.lag() == 500
    assert moved(group.set_position("new")) == ["1000-0", "1500-0", 500, 0]
    assert group.destroy()


def test_tombstones_of_an_old_server(old, raw, has_schema):
    group = old
    group.create("all")
    other = ConsumerGroup(group.stream, "g", consumer="other")
    other.read(1200)
    raw.xdel("s", "1-0", "3-0", "1200-0")
    assert group.pending(payload=True, limit=3)["i"].isna().tolist() == [True, False, True]
    backlog = other.read(3, backlog=True)
    assert (ids_of(backlog), backlog.attrs["trimmed"]) == ([1, 2, 3], ["1-0", "3-0"])
    assert ids_of(group.claim(["1-0", "2-0", "3-0"], min_idle=0)) == [2]
    alive = [i for i in range(1, 1201) if i not in (1, 3, 1200)]
    claimed = group.autoclaim(min_idle=0)
    assert (ids_of(claimed), claimed.attrs["trimmed"]) == (alive, ["1-0", "3-0", "1200-0"])
    assert [EntryId(id).ms for id in group.pending()["entry_id"]] == alive
    assert has_schema(group.autoclaim(min_idle="1h"), frames.ENTRIES)


@pytest.mark.parametrize(
    "where", [{"i": [2, 4]}, "i = 2 or i = 4", lambda f: f["i"].isin(["2", "4"])]
)
@pytest.mark.filterwarnings("ignore:text that would be numbers")
def test_what_is_wanted_of_what_was_taken(group, where):
    assert ids_of(group.read(where=where)) == [2, 4]
    # The others were taken too.
    assert ids_of(group.read(backlog=True)) == [1, 2, 3, 4, 5]
    assert ids_of(group.read(backlog=True, where=where)) == [2, 4]
    assert group.read(where=where).empty
    found = group.pending(where=where)
    assert (list(found.columns), ids_of(found)) == (
        ["entry_id", "consumer", "idle", "deliveries"],
        [2, 4],
    )
    assert group.pending(where=where, payload=True)["i"].tolist() == [2, 4]
    assert ids_of(group.pending(where=where, limit=1)) == [2]
    assert group.pending(where=where, limit=2).attrs["truncated"] is False


@pytest.mark.filterwarnings("ignore:text that would be numbers")
def test_a_where_that_raises_says_where_the_entries_are(group):
    with pytest.raises(ZeroDivisionError) as caught:
        group.read(where=lambda frame: 1 / 0)
    assert "read(backlog=True) returns them" in caught.value.__notes__[0]
    assert len(group.pending()) == 5


def test_pending_entries_over_several_pages_that_are_wanted(conn, raw):
    fill(raw, 2500)
    raw.xgroup_create("s", "g", "0")
    group = ConsumerGroup(Stream(conn, "s"), "g", consumer="me")
    group.read(2500)
    raw.xdel("s", "2400-0")
    assert ids_of(group.pending(where="i > 2399 and i < 2403")) == [2401, 2402]
    assert ids_of(group.pending(where="i is null")) == [2400]
    with pytest.raises(ValueError, match="no entry has this column"):
        group.pending(where={"j": 1})
