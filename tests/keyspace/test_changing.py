"""Changes of many keys in parts."""

import pytest
from redis.exceptions import ResponseError

from redisnb import Cache, connect, preview
from redisnb.errors import ReadOnlyError, RedisnbError
from redisnb.keyspace import (
    deletions,
    expirations,
    expire_fields,
    matching_names,
    name_parts,
    persistences,
    replace_text,
)


@pytest.fixture
def conn(server, raw):
    raw.flushall()
    with connect(server.url) as conn:
        yield conn


@pytest.fixture
def full(raw):
    raw.mset({f"a:{i}": i for i in range(2_500)})
    raw.set("b", "text", px=100_000)
    raw.rpush("list", 1)


def test_by_pattern_and_type(conn, raw, full):
    assert sum(expirations(conn, matching_names(conn, "a:*"), "1h")) == 2_500
    assert 3_500_000 < raw.pttl("a:7") <= 3_600_000
    assert raw.ttl("list") == -1
    assert sum(persistences(conn, matching_names(conn, "*", type="string"))) == 2_501
    assert raw.ttl("b") == -1
    assert sum(deletions(conn, matching_names(conn, "*", type="list"))) == 1
    assert raw.dbsize() == 2_501


def test_by_name(conn, raw, full):
    parts = list(name_parts([f"a:{i}" for i in range(1_500)]))
    assert list(map(len, parts)) == [1_000, 500]
    assert list(deletions(conn, parts)) == [1_000, 500]
    assert sum(deletions(conn, name_parts(["a:1", b"b"]))) == 1
    raw.set(b"\xff", 1)
    assert sum(deletions(conn, name_parts([r"\xff", b"\xff"]))) == 1


def test_a_wrong_lifetime_is_refused_before_any_key(conn, raw, full):
    for wrong in (0, "soon"):
        with pytest.raises(ValueError, match="ttl"):
            expirations(conn, matching_names(conn, "*"), wrong)
    assert raw.ttl("a:1") == -1


def test_nothing_is_changed_over_a_connection_that_only_reads(server, raw, conn, full):
    with connect(server.url, read_only=True) as reads:
        for changes in (deletions, persistences, lambda conn, parts: expirations(conn, parts, 1)):
            with pytest.raises(ReadOnlyError):
                sum(changes(reads, name_parts(["a:1"])))
        with pytest.raises(ReadOnlyError):
            replace_text(reads, "b", "text", "new")
    assert raw.get("b") == b"text"


def test_a_cache_lets_keys_expire_by_pattern(conn, raw, full):
    cache = Cache(conn, prefix="a:")
    assert cache.expire_matching("*", "1h", dry_run=True) == 2_500
    assert raw.ttl("a:1") == -1
    assert cache.expire_matching("1*", "1h") == 1_111
    assert (raw.ttl("a:1") > 3_000, raw.ttl("a:2")) == (True, -1)
    assert cache.expire_matching("nothing", 1) == 0


def test_a_text_is_replaced_if_it_is_still_the_same(conn, raw, full):
    replace_text(conn, "b", "text", "new")
    assert (raw.get("b"), raw.pttl("b") > 0) == (b"new", True)
    with pytest.raises(RedisnbError, match="it has changed since it was read"):
        replace_text(conn, "b", "text", "newer")
    assert raw.get("b") == b"new"


def test_fields_of_a_hash_expire_and_are_kept(expiring):
    conn = expiring
    conn.client.hset("h", mapping={"a": 1, "b": 2, "größe": 3})
    assert expire_fields(conn, "h", ["a", "größe"], "10min") == 2
    left = preview(conn, "h").set_index("field")["ttl"]
    assert left.dropna().between("9min", "10min").tolist() == [True, True]
    assert left.isna()["b"]
    # Of those that are kept, one would not have expired.
    assert expire_fields(conn, "h", ["a", "b"], None) == 1
    assert preview(conn, "h").set_index("field")["ttl"].dropna().index.tolist() == ["größe"]
    with pytest.raises(ValueError, match="ttl=0"):
        expire_fields(conn, "h", ["a"], 0)


def test_a_part_that_the_server_refuses_ends_the_change(conn, raw, full):
    raw.acl_setuser("some", enabled=True, nopass=True, commands=["+@all"], keys=["a:*"])
    try:
        with connect(conn.url, username="some", password="x") as some:
            changes = persistences(some, [[b"a:1", b"b"], [b"a:2"]])
            with pytest.raises(ResponseError) as caught:
                next(changes)
        assert "permissions to access" in str(caught.value)
    finally:
        raw.acl_deluser("some")
