"""Users and servers with less than everything: what they may do works, the rest says what it needs.

The rules that are tried are those of README.md.
"""

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice

import pandas as pd
import pytest
import redis

import redisnb as rnb
from redisnb import RedisnbWarning, frames
from redisnb.wire import Server, connect
from tests.consuming import threads
from tests.deadlines import deadline
from tests.readme import README

ENDS = ["first_id", "last_id", "first_time", "last_time"]
TABLE = README.read_text().replace(r"\|", "|")  # as it is in a table
ROLES = dict(re.findall(r"^\| ([a-z, ]+) \| `(~.*?)` \|", TABLE, re.M))


@pytest.fixture
def role(server, raw, protocol) -> Iterator[Callable[..., rnb.Connection]]:
    """``role("viewer")`` or ``role("~* +xread")`` connects as a user that may do just that."""
    made = []

    def make(rule: str) -> rnb.Connection:
        rules = ROLES.get(rule, rule).split()
        raw.execute_command("ACL", "SETUSER", "some", "reset", "on", ">pw", *rules)
        made.append(connect(server.url, username="some", password="pw", protocol=protocol))
        return made[-1]

    yield make
    for conn in made:
        conn.close()
    raw.acl_deluser("some")


@pytest.fixture
def orders(raw) -> redis.Redis:
    """Five orders, of which a group has read none, a cached value, and what is of others."""
    raw.flushall()
    for i in range(5):
        raw.xadd("orders", {"payload": f'{{"n":{i}}}'})
    raw.xgroup_create("orders", "etl", "0")
    raw.set("report:a", "1", px=10**6)
    raw.xadd("secret", {"x": "1"})
    raw.set("secrets", "1")
    return raw


@contextmanager
def one_warning(match: str) -> Iterator[None]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    assert len({str(each.message) for each in caught}) == 1
    assert re.search(match, str(caught[0].message))


def first_five(stream: rnb.Stream) -> list[rnb.Entry]:
    return list(islice(stream.follow("all", timeout=deadline(10)), 5))


def handled(consumer, n: int, wait_until) -> None:
    with consumer:
        wait_until(lambda: consumer.stats["handled"] >= n or consumer.error)
    assert consumer.error is None
    assert consumer.stats["handled"] == n
    wait_until(lambda: threads() == [])


# -- the roles of the README


def test_the_readme_has_the_roles():
    assert len(ROLES) == 9


def test_a_viewer_sees_everything(role, orders, has_schema):
    conn = role("viewer")
    stream = rnb.Stream(conn, "orders")
    group = rnb.ConsumerGroup(stream, "etl")
    assert len(stream.range()) == len(stream.range("-5min")) == len(stream) == 5
    assert stream.profile()["kinds"].tolist() == ["int 5"]
    assert stream.info()["pending"].tolist() == [0]
    assert stream.groups()["lag"].tolist() == [5]
    assert group.lag() == 5
    assert has_schema(group.pending(), frames.PENDING)
    assert len(rnb.keys(conn, sizes=True)) == 4
    assert rnb.keys(conn, "report:*")["ttl"].notna().all()
    assert len(rnb.streams(conn)) == 2
    assert len(rnb.groups(conn)) == 1
    assert rnb.watch(conn, duration=0)["lag"].tolist() == [5, pd.NA]
    assert rnb.tree(conn)["keys"].tolist() == [3, 1]
    assert len(rnb.values(conn)) == 2
    assert len(rnb.preview(conn, "orders")) == 5
    assert stream.histogram("1h")["entries"].sum() == stream.partitions(2)["entries"].sum() == 5
    assert rnb.Cache(conn, prefix="report:").get_many(["a"]) == {"a": 1}
    with pytest.raises(redis.ResponseError, match="xadd") as caught:
        stream.add({"n": 6})
    assert "+xadd in this user's ACL allows it" in caught.value.__notes__[0]


def test_an_examiner_examines_all(role, orders):
    conn = role("examiner")
    assert rnb.doctor(conn).attrs["not_looked_at"] == []
    assert len(rnb.info(conn)) * len(rnb.clients(conn)) > 0
    assert "id" in rnb.slowlog(conn)


def test_a_follower_needs_one_command(role, orders):
    conn = role("follower")
    with one_warning(
        "'orders': without XINFO, entries that are dropped before they are read go unnoticed"
    ):
        entries = first_five(rnb.Stream(conn, "orders"))
    assert [entry.event["n"] for entry in entries] == [0, 1, 2, 3, 4]


def test_a_capture_needs_one_command(role, orders, tmp_path):
    conn = role("capture")
    assert rnb.capture(rnb.Stream(conn, "orders"), tmp_path / "c.parquet")["entries"][0] == 5
    assert len(rnb.load(tmp_path / "c.parquet")) == 5


def test_without_its_length_a_stream_is_measured_too(role, orders):
    stream = rnb.Stream(role("~orders +xrange +xrevrange"), "orders")
    assert stream.partitions(5)["entries"].tolist() == [1] * 5
    assert stream.histogram("1h")["entries"].sum() == 5
    with pytest.raises(redis.ResponseError, match="xrevrange") as caught:
        rnb.Stream(role("capture"), "orders").partitions(5)
    assert "+xrevrange in this user's ACL allows it" in caught.value.__notes__[0]


def test_a_producer_needs_one_command(role, orders):
    stream = rnb.Stream(role("producer"), "orders")
    assert stream.add({"n": 5})
    assert stream.add_many([{"n": 6}, {"n": 7}], maxlen=100)["status"].eq("added").all()
    assert orders.xlen("orders") == 8


def test_a_consumer_reads_and_deletes(role, orders, wait_until):
    stream = rnb.Stream(role("consumer"), "orders")
    handled(rnb.Consumer(stream, print, start="all", after="delete"), 5, wait_until)
    assert orders.xlen("orders") == 0


def test_a_group_consumer_handles_and_buries(role, orders, wait_until):
    group = rnb.ConsumerGroup(rnb.Stream(role("group consumer"), "orders"), "etl", consumer="me")

    def handle(entry):
        if entry.event["n"] == 2:
            raise ValueError(entry.id)

    with rnb.Consumer(group, handle, max_deliveries=1) as consumer:
        wait_until(lambda: consumer.stats["dead"] == 1 or consumer.state == "failed")
    assert (consumer.error, consumer.stats["handled"]) == (None, 4)
    assert orders.xlen("orders:dead") == 1
    assert len(group.redrive("all")) == 1
    assert (orders.xlen("orders"), orders.xlen("orders:dead")) == (5, 0)


def test_a_replayer_replays_and_resumes(role, orders):
    conn = role("replayer")
    here, there = rnb.Stream(conn, "orders"), rnb.Stream(conn, "orders:test")
    assert rnb.replay(here, there, speed=float("inf"), resume="r").added == 5
    assert rnb.replay(here, there, speed=float("inf"), resume="r").added == 0


def test_a_cache_needs_no_more_than_its_keys(role, orders):
    cache = rnb.Cache(role("cache"), prefix="report:")
    frame = pd.DataFrame({"a": [1, 2]})
    cache.set("f", frame, ttl="1h")
    cache.set_many({"b": 1, "c": "x"})
    assert cache.get("f").equals(frame)
    assert cache.get_many(["a", "b", "none"]) == {"a": 1, "b": 1}
    assert cache.keys()["key"].tolist() == ["a", "b", "c", "f"]
    assert cache.expire("b", "1min")
    assert cache.persist("b")
    assert cache.delete_matching("[bc]") == 2
    assert cache.delete("f") == 1
    assert orders.exists("secrets")


# -- extras never fail the main thing


def test_without_the_length_of_a_stream_it_is_estimated(role, orders):
    stream = rnb.Stream(role("~orders +xrange +xrevrange"), "orders")
    frame = stream.profile()
    assert (frame["present"].tolist(), frame.attrs["sampled"]) == ([5], False)
    assert stream.profile(sample=2).attrs["sampled"]


def test_without_time_this_machine_s_clock_goes(role, orders, knows_lag):
    conn = role("~* +@read")
    with one_warning(r"has no TIME, .* this machine's clock .*; \+time in the user's ACL"):
        assert len(rnb.Stream(conn, "orders").range("-5min")) == 5
        assert rnb.Stream(conn, "orders").groups()["lag"].tolist() == [5]
        assert len(rnb.Stream(conn, "orders").range("-5min")) == 5
        found = rnb.keys(conn, "report:*")
    left = found["expires_at"] - pd.Timestamp.now("UTC")
    assert (left - found["ttl"]).abs().max() < pd.Timedelta("1min")


def test_since_redis_7_keys_tell_their_moment_themselves(role, orders, expire_time):
    conn = role("~* +@read")
    try:
        orders.execute_command("PEXPIRETIME", "report:a")
    except redis.ResponseError:
        pytest.skip("this server has no PEXPIRETIME (since Redis 7.0)")
    found = rnb.keys(conn)
    ends = found.set_index("key")["expires_at"]
    assert ends["report:a"].value // 10**6 == expire_time("report:a")
    assert ends.drop("report:a").isna().all()


def test_keys_of_others_have_their_name_alone(role, orders):
    conn = role("~orders* +@read +time")
    with one_warning(r"^3 of 4 keys may not be read by this user; match=\.\.\. leaves them out"):
        found = rnb.keys(conn, sizes=True)
    assert found["key"].tolist() == ["orders", "report:a", "secret", "secrets"]
    assert found.attrs["refused"] == 3
    assert found[["type", "ttl", "size"]].notna().any(axis=1).tolist() == [True, *[False] * 3]
    assert rnb.keys(conn, "orders*").attrs["refused"] == 0


def test_the_pattern_that_would_do_is_named(role, orders):
    conn = role("~report:* +@read +time")
    with one_warning(r"^3 of 4 keys may not be read by this user; match='report:\*' leaves"):
        rnb.keys(conn)
    with one_warning("^keys that this user may not read are left out: 3$"):
        found = rnb.values(conn)
    assert found["key"].tolist() == ["report:a"]
    assert found.attrs["skipped"] == {"refused": 3}


@pytest.mark.parametrize(
    ("rule", "known"),
    [
        ("~* +@all -xinfo", ["length", *ENDS, "size", "dead_letters"]),
        ("~* +@all -xinfo|groups", ["length", "groups", *ENDS, "size", "dead_letters"]),
    ],
)
def test_without_xinfo_streams_have_what_else_can_be_seen(role, orders, has_schema, rule, known):
    try:
        conn = role(rule)
    except redis.ResponseError:
        pytest.skip("this server's ACL has no subcommands to take away (since Redis 7.0)")
    with one_warning(
        "for some streams XINFO was refused, and its values are missing: .*no permissions"
    ):
        found = rnb.streams(conn)
    assert has_schema(found, frames.STREAMS)
    assert found["stream"].tolist() == ["orders", "secret"]
    assert found["length"].tolist() == [5, 1]
    assert found.columns[found.notna().all()].tolist() == ["stream", *known]
    with pytest.warns(RedisnbWarning, match="for some streams XINFO was refused"):
        assert len(rnb.Stream(conn, "orders").info()) == 1
    # Which groups there are is what XINFO alone tells.
    with pytest.raises(redis.ResponseError) as caught:
        rnb.Stream(conn, "orders").groups()
    assert "in this user's ACL allows it" in caught.value.__notes__[0]


def test_a_stream_of_others_has_its_name(role, orders):
    conn = role("~orders* +@read +time")
    with one_warning("for some streams XINFO was refused, and its values are missing"):
        found = rnb.streams(conn)
    assert found["stream"].tolist() == ["orders", "secret"]
    assert found.notna().sum(axis=1).tolist()[1] == 1


def test_a_key_that_is_refused_is_named(role, orders):
    conn = role("~orders +@all")
    group = rnb.ConsumerGroup(rnb.Stream(conn, "orders"), "etl", consumer="me")
    group.read()
    with pytest.raises(redis.ResponseError) as caught:
        group.bury(group.pending(min_idle=0), min_idle=0)
    assert "'orders:dead'" in caught.value.__notes__[0]
    with pytest.raises(redis.ResponseError) as caught:
        rnb.Stream(conn, "secret").add({"a": 1})
    assert "redisnb asked for 'secret'" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    "lacks", ["client", "client|list", "client|setname", "multi", "info", "time", "xinfo"]
)
@pytest.mark.filterwarnings("ignore:this user or server has no TIME")
def test_a_group_consumer_does_without(role, orders, wait_until, lacks):
    try:
        conn = role(f"~* +@all -{lacks}")
    except redis.ResponseError:
        pytest.skip("this server's ACL has no subcommands to take away (since Redis 7.0)")
    group = rnb.ConsumerGroup(rnb.Stream(conn, "orders"), "etl", consumer="me")
    handled(rnb.Consumer(group, print), 5, wait_until)


@pytest.mark.parametrize("lacks", ["xinfo", "xlen", "info", "time", "exists"])
def test_a_replay_does_without(role, orders, lacks):
    conn = role(f"~* +@all -{lacks}")
    here = rnb.Stream(conn, "orders")
    for target, ids in (("one", "new"), ("two", "keep")):
        there = rnb.Stream(conn, target)
        assert rnb.replay(here, there, speed=float("inf"), ids=ids, resume=target).added == 5
    assert orders.xlen("one") == orders.xlen("two") == 5


@pytest.mark.slow
@pytest.mark.parametrize("lacks", ["CLIENT", "HELLO", "MULTI", "EVAL", "XINFO", "TIME", "COMMAND"])
@pytest.mark.filterwarnings("ignore:this user or server has no TIME")
@pytest.mark.filterwarnings("ignore:for some streams XINFO was refused")
@pytest.mark.filterwarnings("ignore:.* without XINFO, entries")
def test_a_server_that_has_less(wait_until, lacks, tmp_path):
    """As managed servers have it: the command is unknown."""
    with (
        Server(options={f"rename-command {lacks}": '""'}) as server,
        connect(server.url) as conn,
    ):
        stream = rnb.Stream(conn, "orders")
        stream.add_many([{"n": i} for i in range(5)])
        conn.client.xgroup_create("orders", "etl", "0")
        assert len(stream.range("-5min")) == len(stream.tail(9)) == 5
        assert rnb.streams(conn)["length"].tolist() == [5]
        assert len(rnb.keys(conn)) == 1
        assert len(first_five(stream)) == 5
        assert len(rnb.capture(stream, tmp_path / "c.jsonl")) == 1
        cache = rnb.Cache(conn, prefix="c:")
        cache.set("a", 1)
        assert cache.get_many(["a", "b"]) == {"a": 1}
        group = rnb.ConsumerGroup(stream, "etl", consumer="me")
        if lacks == "XINFO":
            with pytest.raises(redis.ResponseError) as caught:
                group.info()
            assert "this server has no XINFO, or has it renamed" in caught.value.__notes__[0]
        handled(rnb.Consumer(group, print), 5, wait_until)
        if lacks == "EVAL":
            group.stream.add({"n": 6})
            group.read()
            with pytest.raises(redis.ResponseError) as caught:
                group.bury(group.pending(min_idle=0), min_idle=0)
            assert "this server has no EVAL, or has it renamed; with a" in str(
                caught.value.__notes__
            )
        if lacks == "MULTI":
            with pytest.raises(redis.ResponseError) as caught:
                cache.set_many({"a": 1, "b": 2})
            assert "this server has no MULTI, or has it renamed; with it" in str(
                caught.value.__notes__
            )


# -- what groups still have to handle


def test_who_may_not_ask_for_groups_may_trim_all_the_same(role, orders):
    conn = role("~orders +xadd +xtrim +xdel +xrange +xrevrange +ping +hello")
    stream = rnb.Stream(conn, "orders")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert stream.trim(maxlen=4) == 1
        assert stream.delete(stream.head(1)) == 1
        assert stream.add_many([{"n": 5}], maxlen=4)["status"].tolist() == ["added"]
    # To spare it, one has to ask; COMMAND too, before redisnb lets the server do so.
    for spare in (
        lambda: stream.trim(maxlen=1, only="acked"),
        lambda: stream.delete(stream.head(1), only="acked"),
    ):
        with pytest.raises(redis.ResponseError) as caught:
            spare()
        assert "xinfo" in str(caught.value) + "".join(caught.value.__notes__)
    with one_warning("'orders': nothing was trimmed: .*xinfo"):
        added = stream.add({"n": 6}, maxlen=1, only="acked")
    assert stream.tail(1)["entry_id"].item() == added
    assert len(orders.xrange("orders")) == 5


def test_a_consumer_that_may_not_let_the_server_spare(role, orders):
    rules = "~orders ~orders:* +xreadgroup +xack +xdel +xinfo +xpending +xclaim +xautoclaim"
    conn = role(f"{rules} +xrange +ping +hello +command +time +client +eval +type")
    group = rnb.ConsumerGroup(rnb.Stream(conn, "orders"), "etl", consumer="me")
    orders.xgroup_create("orders", "other", "0")
    consumer = rnb.Consumer(group, lambda entry: None, after="delete", timeout=0.2)
    with pytest.warns(rnb.RedisnbWarning, match="takes entries from 'other'"):
        consumer.run()
    assert consumer.stats["handled"] == 5
    assert orders.xlen("orders") == 0
