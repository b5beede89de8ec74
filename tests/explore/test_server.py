"""The server's state, clients and slow commands as frames."""

import re

import pandas as pd
import pytest
import redis

import redisnb as rnb
from redisnb import frames
from redisnb.frames.shaping import server as module


@pytest.fixture
def limited(server, raw):
    """Connect as a user with these rules alone."""
    made = []

    def connect(*rules):
        raw.execute_command("ACL", "SETUSER", "limited", "reset", "on", ">pw", *rules)
        made.append(rnb.connect(server.url, username="limited", password="pw"))
        return made[-1]

    yield connect
    for conn in made:
        conn.close()
    raw.acl_deluser("limited")


def test_info(conn, raw, has_schema):
    raw.set("a", 1)
    found = rnb.info(conn)
    assert has_schema(found, frames.INFO)
    facts = found.set_index("name")["value"]
    assert facts["redis_version"] == raw.info()["redis_version"]
    assert facts["db0"].startswith("keys=1,")
    assert found[found["section"] == "keyspace"]["name"].tolist() == ["db0"]
    assert set(rnb.info(conn, "Memory")["section"]) == {"memory"}
    assert "commandstats" in set(rnb.info(conn, "everything")["section"])


def test_a_section_without_facts(conn, has_schema):
    assert has_schema(rnb.info(conn, "keyspace"), frames.INFO)
    assert rnb.info(conn, "keyspace").empty


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ("memroy", "no such section; did you mean 'memory'"),
        ("keyspaces", "no such section; did you mean 'keyspace'"),
        ("nonsense", "no such section; there are all, "),
    ],
)
def test_a_section_that_is_not_there(conn, section, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        rnb.info(conn, section)


def test_clients(server, conn, has_schema):
    with rnb.connect(server.url, client_name="other"):
        found = rnb.clients(conn)
    assert has_schema(found, frames.CLIENTS)
    assert found["own"].sum() == 1
    (own,) = found[found["own"]].to_dict("records")
    assert own["command"].startswith("client")
    assert own["user"] == "default"
    assert own["memory"] > 0
    assert pd.Timedelta(0) <= own["idle"] <= own["age"]
    assert "other" in set(found["name"])
    assert found["id"].is_monotonic_increasing


def test_a_line_of_the_list_of_clients():
    line = (
        b"id=7 addr=/tmp/a b/s:0 laddr=/tmp/a b/s:0 fd=8 name=\xff age=3 idle=2 db=1 "
        b"cmd=client|list user=default tot-mem=22298 lib-name=redis-py lib-ver=8.1.0"
    )
    state = dict(module._CLIENT_FACT.findall(line))
    assert module._client_row(state, 7) == (
        *(7, "/tmp/a b/s:0", "�xff", "default", 1, 3000, 2000, "client|list", 22298),
        *("redis-py 8.1.0", True),
    )
    # Before Redis 6.2, and where CLIENT ID is refused.
    state = {b"id": b"7", b"addr": b"h:1", b"name": b"", b"age": b"3", b"idle": b"2", b"cmd": b"x"}
    assert module._client_row(state, None)[-6:] == (3000, 2000, "x", None, None, None)


@pytest.fixture
def slow(raw):
    """Have the server keep every command."""
    raw.slowlog_reset()
    before = raw.config_get("slowlog-log-slower-than")["slowlog-log-slower-than"]
    raw.config_set("slowlog-log-slower-than", 0)
    yield raw
    raw.config_set("slowlog-log-slower-than", before)
    raw.slowlog_reset()


def test_the_slow_log(conn, slow, has_schema):
    slow.set(b"caf\xe9", "<b>" * 100)
    slow.mset({f"key:{n}": "x" * 100 for n in range(10)})
    found = rnb.slowlog(conn, limit=None)
    assert has_schema(found, frames.SLOWLOG)
    assert found["id"].is_monotonic_decreasing
    assert (found["duration"] > pd.Timedelta(0)).any()
    assert abs(found["time"].iloc[0] - pd.Timestamp.now("UTC")) < pd.Timedelta("1min")
    commands = found["command"].tolist()
    assert any(each.startswith("SET caf�xe9 <b><b>") for each in commands)
    (cut,) = [each for each in commands if each.startswith("MSET key:0")]
    assert (len(cut), cut[-1]) == (200, "…")
    assert len(rnb.slowlog(conn, limit=2)) == 2
    assert rnb.slowlog(conn, limit=2).attrs["truncated"]
    assert rnb.slowlog(conn, limit=0).empty


def test_an_empty_slow_log(conn, raw, has_schema):
    raw.slowlog_reset()
    found = rnb.slowlog(conn, limit=None)
    assert has_schema(found, frames.SLOWLOG)
    assert found.attrs["truncated"] is False


@pytest.mark.parametrize(
    ("call", "command"), [(rnb.info, "info"), (rnb.clients, "client"), (rnb.slowlog, "slowlog")]
)
def test_a_user_that_may_not_ask(limited, call, command):
    with pytest.raises(redis.ResponseError) as caught:
        call(limited("~*", "+@read"))
    assert re.search(rf"\+{command}.* in this user's ACL allows it", caught.value.__notes__[0])


def test_without_its_own_id(limited):
    try:
        conn = limited("~*", "+client|list")
    except redis.ResponseError:
        pytest.skip("this server's ACL has no subcommands (since Redis 7.0)")
    assert rnb.clients(conn)["own"].isna().all()


def test_on_a_read_only_connection(server, slow):
    with rnb.connect(server.url, read_only=True) as conn:
        assert len(rnb.info(conn))
        assert len(rnb.clients(conn))
        assert len(rnb.slowlog(conn))


@pytest.mark.parametrize("call", [rnb.info, rnb.clients, rnb.slowlog])
def test_what_is_no_connection(call):
    with pytest.raises(TypeError, match=r"redisnb\.connect\(\)"):
        call("redis://localhost")


def test_arguments_that_cannot_be_right(conn):
    with pytest.raises(TypeError, match="section is a name"):
        rnb.info(conn, "")
    with pytest.raises(ValueError, match="limit=-1"):
        rnb.slowlog(conn, limit=-1)
    with pytest.raises(TypeError, match="did you mean limit="):
        rnb.slowlog(conn, count=3)
