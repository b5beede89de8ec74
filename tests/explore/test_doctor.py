"""What is wrong with a server, and that the cure can be pasted."""

import json
import re
import warnings

import pytest
import redis

import redisnb as rnb
from redisnb import frames
from redisnb.explore import doctoring, examination, key_checks, server_checks, stream_checks
from redisnb.stream.groups import why
from redisnb.wire import Server
from tests.deadlines import deadline

pytestmark = pytest.mark.usefixtures("healthy")

SECRET = "hunter2-payload"


def found(frame, about):
    return frame[frame["about"] == about].to_dict("records")


def paste(remedies, conn, allowed=()):
    """Run each remedy as it is pasted; return how many of them write, which is refused."""
    refused = 0
    for remedy in filter(None, remedies):
        try:
            exec(remedy, {"rnb": rnb, "conn": conn})
        except rnb.ReadOnlyError:
            refused += 1
    return refused


@pytest.fixture
def impatient(monkeypatch):
    """Have things count as stuck, large and many at once."""
    monkeypatch.setattr(why, "STUCK_AFTER", 0)
    monkeypatch.setattr(stream_checks, "LONG", 100)
    monkeypatch.setattr(key_checks, "HUGE", 100_000)


@pytest.fixture
def ill(conn, raw, impatient):
    """A database in which much is wrong."""
    for n in range(20):
        raw.set(f"session:{n}", SECRET, px=10**7 if n < 15 else None)
        raw.hset(f"user:{n}", mapping={"a": SECRET})
    raw.set("big:1", SECRET * 10_000)
    stream = rnb.Stream(conn, "orders")
    stream.add_many([{"secret": SECRET, "n": n} for n in range(200)])
    group = rnb.ConsumerGroup(stream, "etl", consumer="ann")
    group.create("all")
    group.read(50)
    bob = rnb.ConsumerGroup(stream, "etl", consumer="bob")
    bob.read(1)
    bob.bury(bob.pending(consumer="bob"), min_idle=0)
    rnb.ConsumerGroup(stream, "audit").create("all")
    raw.xadd("lost:dead", {"a": 1})
    raw.xadd("lost", {"a": 1})
    return conn


def test_a_database_in_which_much_is_wrong(ill, has_schema, wait_until, knows_lag):
    # The rate of a stream is known once its entries are not of this moment.
    wait_until(lambda: rnb.streams(ill, "orders")["rate"].iloc[0] > 0)
    said = rnb.doctor(ill)
    assert has_schema(said, frames.FINDINGS)
    order = said["severity"].map(["error", "warning", "note"].index)
    assert order.is_monotonic_increasing
    etl = [row["finding"] for row in found(said, "group 'etl' of 'orders'")]
    assert any(each.startswith("'ann' holds 50 and has not asked for") for each in etl)
    assert "1 dead letter" in etl
    (audit, *_) = found(said, "group 'audit' of 'orders'")
    assert audit["finding"] == "entries wait, and the group has no consumer"
    (session,) = found(said, "keys 'session:*'")
    assert session["finding"] == "some keys never expire, and most do"
    assert re.fullmatch(r"5 keys, .*; 15 keys do", session["evidence"])
    assert found(said, "keys 'user:*'")[0]["severity"] == "note"
    assert found(said, "key 'big:1'")[0]["severity"] == "warning"
    assert found(said, "stream 'lost'")[0]["finding"] == "it has 1 dead letter"
    if knows_lag:
        grows = found(said, "stream 'orders'")
        assert "it grows, and nothing was ever removed from it" in [r["finding"] for r in grows]
    unknown = ["whether something bounds the growth of 1 stream"]
    assert said.attrs["not_looked_at"] == ([] if knows_lag else unknown)
    assert SECRET not in said.to_string() + repr(said)


@pytest.mark.parametrize("separator", [":", "/", "_"])
@pytest.mark.parametrize(
    ("lasting", "expiring", "finding"),
    [
        (0, 20, None),
        (1, 19, "some keys never expire, and most do"),
        (10, 10, "some keys never expire, and most do"),
        (14, 6, "most keys never expire, and some do"),
        (18, 2, "most keys never expire, and some do"),
        (19, 1, "almost none of them expires"),
        (20, 0, "none of them expires"),
        (9, 0, None),
    ],
)
def test_what_never_expires(conn, raw, separator, lasting, expiring, finding):
    for i in range(lasting + expiring):
        raw.set(f"s{separator}{i}", "x", ex=None if i < lasting else 1_000)
    said = found(rnb.doctor(conn), f"keys 's{separator}*'")
    assert [row["finding"] for row in said] == ([] if finding is None else [finding])
    for row in said:
        assert re.match(rf"{lasting} keys?, ", row["evidence"])
        assert len(eval(row["remedy"].partition("; ")[0].removeprefix("keys = ")))
        assert ("sep=" in row["remedy"]) == (separator != ":" and row["severity"] == "note")


def test_remedies_can_be_pasted(ill, server):
    said = rnb.doctor(ill)
    with rnb.connect(server.url, read_only=True) as reader:
        # What mends something is refused here; what shows something works.
        assert (
            paste(said["remedy"], reader)
            == said["remedy"]
            .str.contains(r"claim\(|bury\(|redrive\(|\.ack\(|trim\(|remove_consumer")
            .sum()
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert paste(said["remedy"], ill) == 0
    after = rnb.doctor(ill)
    assert "1 dead letter" not in [r["finding"] for r in found(after, "group 'etl' of 'orders'")]


def test_an_empty_database(conn, has_schema):
    said = rnb.doctor(conn)
    assert has_schema(said, frames.FINDINGS)
    assert found(said, f"db{conn.database}")[0]["finding"] == "0 keys"
    assert set(said["severity"]) <= {"warning", "note"}
    assert not said.attrs["not_looked_at"]


def test_what_the_server_is_and_can_do(conn, raw):
    said = rnb.doctor(conn)
    identity, can = found(said, "the server")
    assert raw.info()["redis_version"] in identity["finding"]
    assert "primary" in identity["finding"]
    assert ("valkey_version" in raw.info()) is ("Valkey" in identity["finding"])
    assert can["evidence"].startswith("has scripts (EVAL)")


def test_it_only_reads(ill, server, raw):
    before = {key: raw.dump(key) for key in sorted(raw.keys())}
    with rnb.connect(server.url, read_only=True) as reader:
        said = rnb.doctor(reader)
    assert "error" in set(said["severity"])
    assert {key: raw.dump(key) for key in sorted(raw.keys())} == before


# -- users and servers with less


@pytest.fixture
def limited(server, raw):
    made = []

    def connect(*rules):
        raw.execute_command("ACL", "SETUSER", "limited", "reset", "on", ">pw", *rules)
        made.append(rnb.connect(server.url, username="limited", password="pw"))
        return made[-1]

    yield connect
    for conn in made:
        conn.close()
    raw.acl_deluser("limited")


def test_a_user_that_may_only_read(ill, limited):
    said = rnb.doctor(limited("~*", "+@read"))
    missed = said.attrs["not_looked_at"]
    assert "the state of the server (INFO)" in missed
    assert "slow commands (SLOWLOG)" in missed
    assert said[said["finding"].isin(missed)]["finding"].tolist() == missed
    assert missed[-1].startswith("this user or server has no TIME")
    assert found(said, "group 'etl' of 'orders'")
    assert found(said, "keys 'session:*'")


@pytest.mark.parametrize(
    ("rules", "missed"),
    [
        (["~*", "+ping"], {"keys", "streams"}),
        (["~*", "+@all", "-config"], {"whether the server saves to disk (CONFIG GET save)"}),
        (["~*", "+@all", "-scan"], {"keys", "streams"}),
        (["~*", "+@all", "-command"], {"what the server can do (COMMAND INFO)"}),
        (["~*", "+@all", "-xpending"], {"group 'etl' of 'orders'"}),
        (["~session:*", "+@all"], {"the values of 25 keys"}),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_what_is_refused_is_said(ill, limited, rules, missed):
    said = rnb.doctor(limited(*rules))
    assert missed <= {
        re.sub(r"^the values of \d+", "the values of 25", each)
        for each in said.attrs["not_looked_at"]
    }
    evidence = said[said["about"] == "not looked at"]["evidence"]
    assert len(evidence)
    assert evidence.str.len().min() > 0


def test_warnings_become_notes(ill, limited):
    said = rnb.doctor(limited("~*", "+@all", "-xinfo", "-time"))
    notes = said[said["about"] == "the examination"]["finding"].tolist()
    streams, time = sorted(notes)
    assert streams.startswith("for some streams XINFO was refused")
    assert time.startswith("this user or server has no TIME")
    assert set(notes) <= {*said.attrs["not_looked_at"]}


def test_other_warnings_are_left_alone(conn, monkeypatch):
    monkeypatch.setattr(doctoring, "check_keys", lambda exam: warnings.warn("old", stacklevel=1))
    with pytest.warns(UserWarning, match="old"):
        said = rnb.doctor(conn)
    assert not said.attrs["not_looked_at"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "lacks", ["CONFIG", "SLOWLOG", "COMMAND", "MEMORY", "XINFO", "SCAN", "DBSIZE", "TIME"]
)
def test_a_managed_server(lacks, has_schema):
    with (
        Server(options={f"rename-command {lacks}": '""'}) as server,
        rnb.connect(server.url) as conn,
    ):
        stream = rnb.Stream(conn, "orders")
        stream.add({"a": 1})
        rnb.ConsumerGroup(stream, "etl").create("all")
        said = rnb.doctor(conn)
        assert has_schema(said, frames.FINDINGS)
        if lacks != "MEMORY":
            assert said.attrs["not_looked_at"]


# -- time


def test_no_time_is_said(ill):
    said = rnb.doctor(ill, timeout="1ms")
    assert said.attrs["not_looked_at"]
    assert "timeout" in said[said["about"] == "not looked at"]["evidence"].str.cat()


def test_a_sample_of_many_keys(conn, raw, monkeypatch):
    monkeypatch.setattr(key_checks, "PARTS_SEEN", 5)
    raw.eval("for i = 1, 12000 do redis.call('SET', 'user:' .. i, 'x') end", 0)
    said = rnb.doctor(conn)
    (user,) = found(said, "keys 'user:*'")
    assert user["evidence"].startswith("about 12,000 keys, ")
    assert any(
        re.fullmatch(r"[67],\d+ of 12,000 keys", each) for each in said.attrs["not_looked_at"]
    )


def test_more_groups_than_are_asked(conn, raw, monkeypatch):
    monkeypatch.setattr(stream_checks, "GROUPS_SEEN", 2)
    raw.xadd("s", {"a": 1})
    for n in range(5):
        raw.xgroup_create("s", f"g{n}", "0")
    said = rnb.doctor(conn)
    assert sum(said["about"].str.startswith("group ")) >= 2
    assert said.attrs["not_looked_at"] == ["3 more groups"]


def test_more_of_a_kind_than_are_named(conn, raw, impatient, monkeypatch):
    monkeypatch.setattr(key_checks, "HUGE", 100)
    monkeypatch.setattr(stream_checks, "LARGE", 0)
    for n in range(8):
        raw.set(f"k{n}", "x" * 1000)
        raw.xadd(f"s{n}:dead", {"a": 1})
        raw.xadd(f"s{n}", {"a": 1})
    said = rnb.doctor(conn)
    assert sum(said["finding"].str.startswith("it takes")) == 5
    assert found(said, "keys")[0]["finding"] == "3 more are huge"
    assert sum(said["finding"].str.startswith("it has 1 dead")) == 5
    assert "3 more have dead letters" in [each["finding"] for each in found(said, "streams")]


# -- by literals: what a test server is not brought to

HEALTHY = {"used_memory": "1000", "maxmemory": "0", "role": "master", "aof_enabled": "1"}


@pytest.mark.parametrize(
    ("facts", "severity", "finding"),
    [
        ({"loading": "1"}, "error", "the server is still reading its data from disk"),
        ({"rdb_last_bgsave_status": "err"}, "error", "the last snapshot could not be saved"),
        (
            {"aof_last_write_status": "err"},
            "error",
            "the last write to the log (appendonly) failed",
        ),
        (
            {"used_memory": "95", "maxmemory": "100", "maxmemory_policy": "noeviction"},
            "error",
            "95% of maxmemory is used",
        ),
        (
            {"used_memory": "95", "maxmemory": "100", "maxmemory_policy": "allkeys-lru"},
            "warning",
            "95% of maxmemory is used",
        ),
        (
            {"used_memory": "95", "maxmemory": "100", "maxmemory_policy": "volatile-ttl"},
            "warning",
            "95% of maxmemory is used",
        ),
        ({"evicted_keys": "7"}, "warning", "7 keys evicted"),
        (
            {"used_memory": str(2**30), "used_memory_rss": str(2**32)},
            "warning",
            "the memory is fragmented",
        ),
        (
            {"used_memory": str(2**32), "used_memory_rss": str(2**30)},
            "warning",
            "a part of the memory seems to be swapped out",
        ),
        (
            {"role": "slave", "master_link_status": "down", "master_link_down_since_seconds": "61"},
            "error",
            "this replica has had no link to its primary for 1 min 1 s",
        ),
        (
            {"master_repl_offset": str(2**30), "slave0": "ip=h,port=1,state=online,offset=7,lag=0"},
            "warning",
            "the replica h:1 is behind",
        ),
        (
            {"master_repl_offset": "7", "slave0": "ip=h,port=1,state=online,offset=7,lag=99"},
            "warning",
            "the replica h:1 is behind",
        ),
        (
            {"master_repl_offset": "7", "slave0": "ip=h,port=1,state=wait_bgsave,offset=0,lag=0"},
            "warning",
            "the replica h:1 is not in step",
        ),
        ({"rejected_connections": "3"}, "warning", "3 connections rejected"),
        (
            {"connected_clients": "95", "maxclients": "100"},
            "error",
            "nearly all connections are taken",
        ),
        ({"blocked_clients": "1"}, "note", "1 client in a blocking command"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_what_the_server_says_of_itself(facts, severity, finding):
    said = [row for check in server_checks._FACT_CHECKS for row in check(HEALTHY | facts)]
    assert [row[0] for row in said] == [severity]
    assert said[0][2] == finding
    assert said[0][4]


def test_nothing_is_said_of_a_healthy_server():
    assert [row for check in server_checks._FACT_CHECKS for row in check(HEALTHY)] == []
    assert [row for check in server_checks._FACT_CHECKS for row in check({})] == []


def test_makes_of_servers():
    valkey = {"redis_version": "7.2.4", "valkey_version": "9.1.2", "role": "slave"}
    assert server_checks._identity(valkey)[2] == (
        "Valkey 9.1.2 (it also says Redis 7.2.4), replica"
    )
    assert "unknown" in server_checks._identity({})[2]


def test_nothing_is_saved(conn, raw):
    saves = raw.config_get("save")["save"]
    if saves or raw.info()["aof_enabled"]:
        pytest.skip("this server saves")
    (persistence,) = found(rnb.doctor(conn), "persistence")
    assert (persistence["severity"], persistence["finding"]) == (
        "warning",
        "nothing is saved to disk",
    )
    raw.config_set("save", "3600 1")
    try:
        assert found(rnb.doctor(conn), "persistence") == []
    finally:
        raw.config_set("save", "")


def test_a_private_server_need_not_save():
    with rnb.connect() as conn:
        (persistence,) = found(rnb.doctor(conn), "persistence")
    assert persistence["severity"] == "note"


def test_slow_commands_by_name_alone(conn, raw, monkeypatch):
    monkeypatch.setattr(server_checks, "SLOW_MICROSECONDS", 0)
    raw.config_set("slowlog-log-slower-than", 0)
    raw.set("a", SECRET)
    raw.config_set("slowlog-log-slower-than", 10_000)
    (slow,) = found(rnb.doctor(conn), "slow commands")
    raw.slowlog_reset()
    assert "(" in slow["evidence"]
    assert SECRET not in json.dumps(slow)


def test_other_databases_are_not_looked_at(server, conn, raw):
    raw.set("a", 1)
    with rnb.connect(server.url, db=3) as other:
        other.client.set("b", 1)
        assert found(rnb.doctor(other), "db3")[0]["finding"] == "1 key"
    assert rnb.doctor(conn).attrs["not_looked_at"] == ["database 3"]


# -- names, sizes, arguments


def test_names_that_are_no_utf_8_or_hostile(conn, raw, impatient):
    raw.set(b"big:\xff'\n", "x" * 200_000)
    for n in range(20):
        raw.set(f"a[b*?\\'c:{n}", 1)
    raw.xadd(b"s\xff'", {"a": 1})
    raw.xgroup_create(b"s\xff'", b"<g>\xfe", "0")
    said = rnb.doctor(conn)
    assert found(said, "group '<g>�xfe' of \"s�xff'\"")
    assert "\n\x00" not in repr(said)
    assert "<g>" not in said._repr_html_()
    assert paste(said["remedy"], conn) == 0
    (row,) = [each for each in said["remedy"] if "'c:*" in each]
    assert eval(row, {"rnb": rnb, "conn": conn})["keys"].sum() == 20


def test_counts():
    assert [examination.counted(n, "key") for n in (0, 1, 2000)] == [
        "0 keys",
        "1 key",
        "2,000 keys",
    ]


def test_arguments_that_cannot_be_right(conn):
    with pytest.raises(TypeError, match=r"redisnb\.connect\(\)"):
        rnb.doctor("redis://localhost")
    with pytest.raises(ValueError, match="timeout='soon' is not a duration"):
        rnb.doctor(conn, timeout="soon")
    with pytest.raises(TypeError, match="did you mean timeout="):
        rnb.doctor(conn, timout=3)


def test_a_server_that_is_away(tcp_server):
    conn = rnb.connect(tcp_server.url, timeout=deadline(5))
    tcp_server.kill()
    with pytest.raises((rnb.ConnectError, redis.ConnectionError)):
        rnb.doctor(conn)
