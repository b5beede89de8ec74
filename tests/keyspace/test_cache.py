"""Cache, with a plain client looking at what is stored and for how long."""

import asyncio
import datetime as dt
import importlib
import itertools
import linecache
import threading

import numpy as np
import pandas as pd
import pytest
import redis

from redisnb import Cache, EncodeError, connect, frames, wire
from redisnb.errors import EntryIdError, RedisnbError, RedisnbWarning
from redisnb.keyspace import encoding
from redisnb.keyspace.cache import glob
from tests.deadlines import deadline, until

HOUR = 3_600_000
FRAME = pd.DataFrame(
    {"text": ["a", "ü", None], "whole": pd.array([1, None, 3], "Int64"), "real": [0.5, 1, 2]},
    index=pd.date_range("2024-01-01", periods=3, tz="UTC", name="day"),
)
#: Means nothing to Redis' patterns if it is escaped.
ODD = "a*[b-c]?\\^d:"


@pytest.fixture
def cache(conn) -> Cache:
    return Cache(conn, prefix="p:")


def commands(raw: redis.Redis, act) -> list[str]:
    """Return the commands that the server receives while `act` runs."""
    with raw.monitor() as monitor:
        act()
        raw.echo("that is all")
        seen = []
        while "that is all" not in (command := monitor.next_command()["command"]):
            # A new link says hello first.
            if command.split()[0] not in ("HELLO", "CLIENT", "SELECT"):
                seen.append(command)
    return seen


# Values


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("text", b"text"),
        ("größe ☕", "größe ☕".encode()),
        ("", b""),
        ("5", b'"5"'),
        ("null", b'"null"'),
        ('{"a": 1}', b'"{\\"a\\": 1}"'),
        (5, b"5"),
        (2**63, b"9223372036854775808"),
        (1.5, b"1.5"),
        (True, b"true"),
        (None, b"null"),
        ([1, [2, None]], b"[1,[2,null]]"),
        ({"a": {"b": [1]}}, b'{"a":{"b":[1]}}'),
        (b"\xff\x00", b"\xff\x00"),
    ],
)
def test_a_value_is_stored_as_others_would_and_comes_back(cache, raw, value, stored):
    cache.set("k", value)
    assert raw.get("p:k") == stored
    assert cache.get("k") == value
    assert type(cache.get("k")) is type(value)


@pytest.mark.parametrize("value", [b"", b"text", b"5", b"\x00redisnb1", b"\x00" * 100])
def test_bytes_that_look_like_something_else_come_back_as_bytes(cache, value):
    cache.set("k", value)
    assert cache.get("k") == value


@pytest.mark.parametrize(
    "value", [FRAME, FRAME.iloc[:0], FRAME["whole"], FRAME["text"].rename(None), pd.DataFrame()]
)
def test_a_frame_comes_back_as_it_was_and_is_no_pickle(cache, raw, value):
    cache.set("k", value)
    compare = pd.testing.assert_frame_equal if value.ndim == 2 else pd.testing.assert_series_equal
    compare(cache.get("k"), value, check_freq=False)
    assert raw.get("p:k").startswith(b"\x00redisnb1")
    assert b"pandas" not in raw.get("p:k")[:30]
    # The beginning of every pickle longer than a few bytes.
    assert b"\x80\x04\x95" not in raw.get("p:k")


def test_what_other_programs_wrote(cache, raw):
    for stored, value in [
        (b"hello", "hello"), (b'{"a": 1}', {"a": 1}), (b"007", "007"), (b"\xff", b"\xff"),
        (b"NaN", "NaN"), (b"", ""),
    ]:  # fmt: skip
        raw.set("p:k", stored)
        assert cache.get("k") == value


def test_a_missing_value(cache):
    assert cache.get("k") is None
    assert cache.get("k", 5) == 5
    assert cache.exists("k") is False
    assert "k" not in cache
    assert cache.delete("k") == cache.delete() == 0
    cache.set("k", None)
    assert cache.get("k", 5) is None
    assert cache.exists("k") is True
    assert "k" in cache


def test_several_at_once(cache, raw):
    values = {"a": 1, "b": "text", "c": FRAME, "d": None}
    cache.set_many(values)
    assert set(raw.keys()) == {b"p:a", b"p:b", b"p:c", b"p:d"}
    found = cache.get_many(["b", "missing", "a", "a", "d", "c"])
    assert list(found) == ["b", "a", "d", "c"]
    pd.testing.assert_frame_equal(found.pop("c"), FRAME, check_freq=False)
    assert found == {"b": "text", "a": 1, "d": None}
    assert cache.get_many([]) == cache.get_many(iter(())) == {}
    assert cache.set_many({}) is None
    assert cache.delete("a", "b", "missing") == 2
    assert set(raw.keys()) == {b"p:c", b"p:d"}


def test_several_at_once_or_none(cache, raw):
    sent = commands(raw, lambda: cache.set_many({"a": 1, "b": 2}, ttl=1))
    assert [command.split()[0] for command in sent] == ["MULTI", "SET", "SET", "EXEC"]
    raw.flushall()
    with pytest.raises(EncodeError, match="a cache takes text"):
        cache.set_many({"a": 1, "b": object()})
    assert raw.dbsize() == 0


@pytest.mark.parametrize("value", [object(), {1, 2}, float("nan"), {"a": b"\xff"}, {1: 2}, [{1}]])
def test_a_value_that_a_cache_does_not_take(cache, raw, value):
    with pytest.raises(EncodeError):
        cache.set("k", value)
    assert raw.dbsize() == 0


def test_the_frame_that_arrow_cannot_hold_is_refused_by_column(cache, raw):
    with pytest.raises(EncodeError, match="column 'mixed'") as caught:
        cache.set("k", pd.DataFrame({"fine": [1, 2], "mixed": [1, {2}]}))
    assert caught.value.column == "mixed"
    assert raw.dbsize() == 0


def test_another_type_of_key(cache, raw):
    raw.rpush("p:k", 1)
    with pytest.raises(redis.ResponseError, match="wrong kind of value") as caught:
        cache.get("k")
    assert caught.value.__notes__ == [
        "'p:k' holds another type of value; redisnb.keys(conn, 'p:k') shows which"
    ]
    assert cache.get_many(["k"]) == {}
    cache.set("k", 1)
    assert raw.type("p:k") == b"string"


def damaged(stored: bytes) -> dict[str, bytes]:
    middle = len(stored) // 2
    return {
        "cut": stored[:-1],
        "head": stored[:15],
        "longer": stored + b"\x00",
        "flipped": stored[:middle] + bytes([stored[middle] ^ 1]) + stored[middle + 1 :],
        "other": stored[:8] + b"9" + stored[9:],
    }


@pytest.mark.parametrize("how", damaged(b"x" * 40))
def test_a_damaged_frame_is_a_miss_with_a_warning(cache, raw, how):
    cache.set("k", FRAME)
    raw.set("p:k", damaged(raw.get("p:k"))[how])
    message = "the value of 'p:k' counts as missing: it (is damaged|was written by another)"
    for get in (
        lambda: cache.get("k", "default"),
        lambda: cache.get_many(["k"]).get("k", "default"),
    ):
        with pytest.warns(RedisnbWarning, match=message) as seen:
            assert get() == "default"
        assert seen[0].filename == __file__
    assert cache.exists("k"), "it is there, only not readable"


# Values in parts


def noise(seed: int) -> pd.DataFrame:
    """Return a frame that does not compress."""
    return pd.DataFrame({"noise": np.random.default_rng(seed).random(1000)})


LARGE, OTHER = noise(1), noise(2)


@pytest.fixture
def small_parts(monkeypatch) -> None:
    monkeypatch.setattr(encoding, "_PART_BYTES", 1000)


@pytest.mark.parametrize("value", [LARGE, LARGE["noise"], b"\x00redisnb1" * 500])
def test_a_large_value_is_a_hash_of_parts_under_the_same_key(cache, raw, small_parts, value):
    cache.set("k", value)
    found = cache.get("k")
    assert found == value if isinstance(value, bytes) else found.equals(value)
    assert raw.keys() == [b"p:k"]
    fields = raw.hgetall("p:k")
    count = int(fields.pop(b"redisnb"))
    assert count > 1
    assert set(fields) == {b"%d" % i for i in range(count)}
    assert b"".join(fields[b"%d" % i] for i in range(count)) == encoding.encode(value)
    assert max(map(len, fields.values())) == 1000
    assert cache.exists("k")
    assert cache.ttl("k") is None
    assert cache.expire("k", "1h")
    assert cache.keys()["key"].tolist() == ["k"]
    assert cache.delete("k") == 1
    cache.set("k", value)
    assert cache.flush(confirm="p:") == 1


def test_text_and_json_are_never_in_parts(cache, raw, small_parts):
    cache.set_many({"text": "x" * 5000, "json": ["x"] * 5000, "bytes": b"\xff" * 5000})
    assert {raw.type(key) for key in raw.keys("p:*")} == {b"string"}
    assert cache.get("text") == "x" * 5000


def test_large_and_small_values_replace_each_other(cache, raw, small_parts):
    raw.rpush("p:k", 1)
    for value in (LARGE, FRAME.iloc[:0, :0], OTHER, LARGE, 5):
        cache.set("k", value)
        found = cache.get("k")
        assert found == value if isinstance(value, int) else found.equals(value)
        assert raw.keys() == [b"p:k"]
    assert raw.type("p:k") == b"string"


def test_several_of_which_some_are_large(cache, raw, small_parts):
    values = {"a": LARGE, "b": 1, "c": OTHER}
    cache.set_many(values, ttl="1h")
    assert set(raw.keys()) == {b"p:a", b"p:b", b"p:c"}
    assert all(HOUR - 10_000 < raw.pttl(key) <= HOUR for key in raw.keys("p:*"))
    raw.rpush("p:list", 1)
    raw.hset("p:hash", "a", 1)
    found = cache.get_many(["c", "missing", "list", "hash", "b", "a"])
    assert list(found) == ["c", "b", "a"]
    assert found["b"] == 1
    pd.testing.assert_frame_equal(found["a"], LARGE)
    pd.testing.assert_frame_equal(found["c"], OTHER)


def test_the_expiry_of_a_large_value(conn, raw, small_parts, expire_time):
    cache = Cache(conn, ttl="1h")
    cache.set("k", LARGE)
    assert HOUR - 10_000 < raw.pttl("k") <= HOUR
    cache.set("k", LARGE, expire_at=dt.datetime(2100, 1, 1, tzinfo=dt.UTC))
    assert expire_time("k") == 4_102_444_800_000
    Cache(conn).set("k", OTHER)
    assert raw.pttl("k") == -1
    cache.set("k", LARGE, expire_at=dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
    assert raw.dbsize() == 0, "that is past"


@pytest.mark.slow
def test_a_reader_sees_whole_values_only(conn, server, small_parts):
    values = [LARGE, OTHER, 5]
    cache = Cache(conn)
    cache.set("k", LARGE)
    odd, done, reads = [], threading.Event(), []

    def known(value):
        return value == 5 if isinstance(value, int) else any(map(value.equals, values[:2]))

    def read():
        with connect(server.url) as other:
            reader = Cache(other)
            while not done.is_set():
                try:
                    one, many = reader.get("k"), reader.get_many(["k", "missing"])["k"]
                except Exception as error:  # noqa: BLE001 - the thread's end is the test's result
                    odd.append(error)
                    return
                reads.append(type(one))
                odd.extend(value for value in (one, many) if not known(value))

    reader = threading.Thread(target=read)
    reader.start()
    turns = itertools.cycle(values)

    def written():
        for value in itertools.islice(turns, 300):
            cache.set("k", value)
        return odd or set(reads) == {pd.DataFrame, int}

    until(written)
    done.set()
    reader.join(deadline(10))
    assert odd == []


@pytest.mark.parametrize("sent", range(1, 6))
def test_a_crash_between_two_parts_leaves_the_old_value(cache, raw, small_parts, monkeypatch, sent):
    cache.set("k", OTHER, ttl="1h")
    calls = []

    def crash(conn, commands, **options):
        if len(calls) == sent:
            raise KeyboardInterrupt
        calls.append(commands)
        return transaction(conn, commands, **options)

    transaction = wire.transaction
    with monkeypatch.context() as patch:
        patch.setattr(wire, "transaction", crash)
        with pytest.raises(KeyboardInterrupt):
            cache.set_many({"small": 1, "k": LARGE, "other": LARGE})
    assert not cache.exists("small")
    pd.testing.assert_frame_equal(cache.get("k"), OTHER)
    (spare,) = set(raw.keys()) - {b"p:k"}
    assert spare.startswith(b"p:k:")
    assert raw.hlen(spare) == sent
    assert 50_000 < raw.pttl(spare) <= 60_000


@pytest.mark.parametrize("before", [2, 5])
def test_parts_that_somebody_deletes_meanwhile(cache, raw, small_parts, monkeypatch, before):
    cache.set("k", OTHER)

    def others_delete(conn, commands, **options):
        calls.append(1)
        if len(calls) == before:
            raw.delete(*set(raw.keys()) - {b"p:k"})
        return transaction(conn, commands, **options)

    calls, transaction = [], wire.transaction
    monkeypatch.setattr(wire, "transaction", others_delete)
    with pytest.raises(RedisnbError, match=r"deleted parts of p:k while .* is still there"):
        cache.set("k", LARGE)
    pd.testing.assert_frame_equal(cache.get("k"), OTHER)
    assert {raw.pttl(key) > 0 for key in set(raw.keys()) - {b"p:k"}} == {True}


def damage(raw: redis.Redis, how: str) -> None:
    if how == "flipped":
        part = raw.hget("p:k", "2")
        raw.hset("p:k", "2", part[:-1] + bytes([part[-1] ^ 1]))
    elif how == "swapped":
        raw.hset("p:k", mapping={"1": raw.hget("p:k", "2"), "2": raw.hget("p:k", "1")})
    elif how == "more":
        raw.hset("p:k", "more", "x")
    elif how == "first":
        raw.hset("p:k", "0", b"x" * 1000)
    else:
        raw.hdel("p:k", *how.split())


@pytest.mark.parametrize(
    "how", ["flipped", "swapped", "more", "first", "0", "2", "0 1 2 3 4 5 6 7 8 9"]
)
def test_a_damaged_part_is_a_miss_with_a_warning(cache, raw, small_parts, how):
    cache.set("k", LARGE)
    damage(raw, how)
    message = "the value of 'p:k' counts as missing: it (is damaged|was written by another)"
    for get in (
        lambda: cache.get("k", "default"),
        lambda: cache.get_many(["k"]).get("k", "default"),
    ):
        with pytest.warns(RedisnbWarning, match=message) as seen:
            assert get() == "default"
        assert seen[0].filename == __file__


def test_the_hash_of_somebody_else(cache, raw, small_parts):
    raw.hset("p:k", mapping={"0": "a", "1": "b"})
    with pytest.raises(redis.ResponseError, match="wrong kind of value"):
        cache.get("k")
    assert cache.get_many(["k"]) == {}


@pytest.mark.parametrize(("then", "found"), [("5", 5), (None, "default"), (FRAME, FRAME)])
def test_a_large_value_that_is_replaced_while_it_is_looked_at(
    cache, small_parts, monkeypatch, then, found
):
    def replace(conn, commands, **options):
        monkeypatch.setattr(wire, "transaction", transaction)
        if isinstance(then, str):
            cache.set("k", 5)
        elif then is None:
            cache.delete("k")
        else:
            cache.set("k", then)
        return transaction(conn, commands, **options)

    transaction = wire.transaction
    cache.set("k", LARGE)
    monkeypatch.setattr(wire, "transaction", replace)
    value = cache.get("k", "default")
    assert value.equals(found) if isinstance(found, pd.DataFrame) else value == found


@pytest.mark.parametrize("forbidden", ["get", "hgetall"])
def test_a_user_who_may_not_read(cache, conn, raw, small_parts, forbidden):
    cache.set("k", LARGE)
    raw.acl_setuser(
        "reader",
        enabled=True,
        passwords=["+secret"],
        keys=["*"],
        commands=["+@all", f"-{forbidden}"],
    )
    try:
        with (
            connect(conn.url.replace("unix://", "unix://reader:secret@")) as limited,
            pytest.raises(redis.ResponseError, match=f"'{forbidden}'"),
        ):
            Cache(limited, prefix="p:").get("k")
    finally:
        raw.acl_deluser("reader")


# Expiry


@pytest.mark.parametrize(
    ("own", "arguments", "expected"),
    [
        (None, {}, None),
        ("1h", {}, HOUR),
        (None, {"ttl": "1h"}, HOUR),
        (None, {"ttl": 3600}, HOUR),
        (None, {"ttl": dt.timedelta(hours=1)}, HOUR),
        ("1d", {"ttl": pd.Timedelta("1h")}, HOUR),
        (None, {"ttl": 3599.9999}, HOUR),
    ],
)
def test_the_expiry_comes_in_the_same_command(conn, raw, own, arguments, expected):
    cache = Cache(conn, prefix="p:", ttl=own)
    for store in (
        lambda: cache.set("k", "v", **arguments),
        lambda: cache.set_many({"k": "v"}, **arguments),
    ):
        sent = [
            command
            for command in commands(raw, store)
            if command.split()[0] not in ("MULTI", "EXEC")
        ]
        assert sent == ["SET p:k v" + (f" PX {expected}" if expected else "")]
        left = raw.pttl("p:k")
        assert left == -1 if expected is None else expected - 10_000 < left <= expected


def test_a_point_in_time(conn, raw, expire_time):
    cache = Cache(conn, ttl="1h")
    moment = dt.datetime(2100, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1)))
    sent = commands(raw, lambda: cache.set("k", "v", expire_at=moment))
    assert sent == ["SET k v PXAT 4102441200000"]
    cache.set("k", "v", expire_at=pd.Timestamp("2100-01-01 00:00:00.0000001", tz="UTC"))
    assert expire_time("k") == 4_102_444_800_001
    cache.set("k", "v", expire_at=dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
    assert not cache.exists("k"), "that is past"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"ttl": 0}, ValueError, "ttl=0: a value lives for at least 1 ms"),
        ({"ttl": -1}, ValueError, "ttl=-1 is negative"),
        ({"ttl": "soon"}, ValueError, "ttl='soon' is not a duration"),
        ({"ttl": 1, "expire_at": dt.datetime.now(dt.UTC)}, ValueError, "not both"),
        ({"expire_at": dt.datetime(2100, 1, 1)}, EntryIdError, "no time zone"),  # noqa: DTZ001
    ],
)
def test_an_expiry_that_is_none(cache, conn, raw, arguments, error, message):
    with pytest.raises(error, match=message):
        cache.set("k", "v", **arguments)
    with pytest.raises(error, match=message):
        cache.set_many({"k": "v"}, **arguments)
    if "expire_at" not in arguments:
        with pytest.raises(error, match=message):
            cache.expire("k", arguments["ttl"])
        with pytest.raises(error, match=message):
            cache.memoize(**arguments)
        with pytest.raises(error, match=message):
            Cache(conn, **arguments)
    assert raw.dbsize() == 0


def test_the_expiry_can_be_looked_at_and_changed(cache, raw, expire_time):
    with pytest.raises(KeyError, match="no key 'k'"):
        cache.ttl("k")
    assert cache.expire("k", 1) is cache.persist("k") is False
    assert cache.expire_at("k", dt.datetime(2100, 1, 1, tzinfo=dt.UTC)) is False
    cache.set("k", "v")
    assert cache.ttl("k") is None
    assert cache.persist("k") is False
    assert cache.expire("k", "1h") is True
    assert HOUR - 10_000 < raw.pttl("p:k") <= HOUR
    assert pd.Timedelta("59min") < cache.ttl("k") <= pd.Timedelta("1h")
    assert isinstance(cache.ttl("k"), pd.Timedelta)
    assert cache.persist("k") is True
    assert raw.pttl("p:k") == -1
    assert cache.expire_at("k", dt.datetime(2100, 1, 1, tzinfo=dt.UTC)) is True
    assert expire_time("p:k") == 4_102_444_800_000
    cache.set("k", "v")
    assert cache.ttl("k") is None, "a new value, a new expiry"
    assert cache.expire_at("k", dt.datetime(2020, 1, 1, tzinfo=dt.UTC)) is True
    assert not raw.exists("p:k")


def test_a_value_goes_when_its_time_has_come(cache, wait_until):
    cache.set("k", "v", ttl="30ms")
    wait_until(lambda: cache.get("k") is None)
    assert "k" not in cache


# Many keys


def test_keys(cache, conn, raw, has_schema):
    assert has_schema(cache.keys(), frames.KEYS)
    cache.set_many({"b": 1, "a": 2, "ab": 3}, ttl="1h")
    raw.set("other", 1)
    raw.set("p", 1)
    frame = cache.keys()
    assert has_schema(frame, frames.KEYS)
    assert frame["key"].tolist() == ["a", "ab", "b"]
    assert frame["ttl"].between(pd.Timedelta("59min"), pd.Timedelta("1h")).all()
    assert cache.keys("a*")["key"].tolist() == ["a", "ab"]
    assert cache.keys("nothing*").empty
    assert Cache(conn).keys()["key"].tolist() == ["other", "p", "p:a", "p:ab", "p:b"]


def test_a_prefix_with_characters_of_patterns(conn, raw):
    cache = Cache(conn, prefix=ODD)
    # What the prefix would match as a pattern:
    others = ["abd:k", "axbc?\\^d:k", "axbx?^d:k", "a*b?\\^d:k"]
    for key in others:
        raw.set(key, 1)
    cache.set_many({"k": 1, "*": 2})
    assert cache.get("k") == 1
    assert cache.keys()["key"].tolist() == ["*", "k"]
    assert cache.keys(r"\*")["key"].tolist() == ["*"]
    assert cache.delete_matching(r"\*") == 1
    assert cache.flush(confirm=ODD) == 1
    assert sorted(raw.keys()) == sorted(key.encode() for key in others)


@pytest.mark.parametrize("text", [*"*?[]\\^-", "", "a-b", "[a-z]", "größe", "\\*", "a\\b", ODD])
def test_a_quoted_pattern_matches_itself_only(conn, raw, text):
    raw.set(text, 1)
    for other in ("x", "a", "aa", "ab", "axb"):
        raw.set(other, 1)
    assert raw.keys(glob(text)) == [text.encode()]


def test_keys_that_are_no_text(conn, raw):
    prefix = "größe:"
    cache = Cache(conn, prefix=prefix)
    raw.set(prefix.encode() + b"\xff", 1)
    cache.set("ü", 1)
    assert cache.keys()["key"].tolist() == ["ü", "�xff"]
    assert cache.delete_matching("*") == 2
    assert raw.dbsize() == 0


def test_names_that_are_no_text(cache, raw):
    """They are used as `keys` returns them."""
    raw.set(b"p:\xff", "x")
    (name,) = cache.keys()["key"]
    assert name == "�xff"
    assert cache.expire(name, "1h") is cache.persist(name) is True
    assert cache.delete(name, "other") == 1
    assert raw.keys() == []


def test_delete_matching(cache, raw):
    cache.set_many({f"{letter}:{i}": i for letter in "ab" for i in range(5)})
    raw.set("a:5", 1)
    before = sorted(raw.keys())
    assert cache.delete_matching("a:*", dry_run=True) == 5
    assert sorted(raw.keys()) == before
    assert cache.delete_matching("a:*") == 5
    assert cache.delete_matching("a:*") == cache.delete_matching("nothing") == 0
    assert sorted(raw.keys()) == [b"a:5"] + [f"p:b:{i}".encode() for i in range(5)]


def test_delete_many_thousands(cache, raw):
    raw.eval("for i = 1, 12345 do redis.call('SET', 'p:' .. i, i) end", 0)
    raw.set("q", 1)
    assert cache.delete_matching("*", dry_run=True) == 12_345
    raw.config_resetstat()
    assert cache.delete_matching("*") == 12_345
    sent = raw.info("commandstats")
    assert raw.keys() == [b"q"]
    assert sent["cmdstat_unlink"]["calls"] > 1
    assert not {"cmdstat_keys", "cmdstat_del", "cmdstat_flushdb"} & set(sent)


def test_flush_with_a_prefix(cache, raw):
    cache.set_many({"a": 1, "b": 2})
    raw.set("other", 1)
    for wrong in ("", "p", "P:", "yes", "*", None, True):
        with pytest.raises(ValueError, match=r"every key under 'p:'; .*flush\(confirm='p:'\)"):
            cache.flush(confirm=wrong)
    assert raw.dbsize() == 3
    assert cache.flush(confirm="p:") == 2
    assert raw.keys() == [b"other"]


def test_flush_of_a_whole_database(conn, server, raw):
    with connect(server.url, db=1) as another:
        another.client.set("stay", 1)
        cache = Cache(conn)
        cache.set_many({"a": 1, "b": 2})
        raw.rpush("list", 1)
        for wrong in ("", "p:", "0", another.name, None):
            with pytest.raises(ValueError, match="the whole database") as caught:
                cache.flush(confirm=wrong)
            assert conn.name in str(caught.value)
        assert raw.dbsize() == 3
        assert cache.flush(confirm=conn.name) == 3
        assert raw.dbsize() == 0
        assert another.client.exists("stay")


# Functions


@pytest.fixture
def calls() -> list:
    return []


def test_memoize(cache, raw, calls):
    @cache.memoize(ttl="1h")
    def double(x, y=1, *, z="z"):
        """Say so."""
        calls.append((x, y, z))
        return {"x": x, "y": y, "z": z}

    assert double(1) == double(1) == double(x=1) == double(1, 1) == double(1, z="z", y=1)
    assert double(1, z="z", y=1) == double(z="z", y=1, x=1)
    assert calls == [(1, 1, "z")]
    for other in (1.0, "1", True, [1], (1,), None):
        double(other)
        double(other)
    assert len(calls) == 7
    double(1, 2)
    double(1, z=None)
    assert len(calls) == raw.dbsize() == 9
    key = raw.randomkey()
    assert key.startswith(f"p:{__name__}.test_memoize.<locals>.double:".encode())
    assert HOUR - 10_000 < raw.pttl(key) <= HOUR
    assert (double.__name__, double.__doc__) == ("double", "Say so.")


def test_memoize_with_frames(cache, calls):
    @cache.memoize()
    def total(frame, column="real"):
        calls.append(1)
        return frame[[column]] * 2

    first, second = total(FRAME), total(FRAME.copy())
    pd.testing.assert_frame_equal(first, second, check_freq=False)
    assert len(calls) == 1
    changed = FRAME.assign(real=[0.5, 1, 3])
    assert total(changed)["real"].tolist() == [1, 2, 6]
    renamed = FRAME.rename_axis("date")
    total(renamed)
    total(FRAME.iloc[::-1])
    assert len(calls) == 4


def test_memoize_keeps_none_and_separates_functions(cache, calls):
    @cache.memoize()
    def one(x):
        calls.append("one")

    @cache.memoize()
    def two(x):
        calls.append("two")
        return x

    assert [one(1), one(1), two(1), two(1)] == [None, None, 1, 1]
    assert calls == ["one", "two"]


def test_memoize_of_a_function_whose_file_has_changed_since(cache, tmp_path, monkeypatch):
    path = tmp_path / "edited.py"
    path.write_text("def double(x):\n    return 2 * x\n")
    monkeypatch.syspath_prepend(tmp_path)
    double = importlib.import_module("edited").double
    # The file no longer contains Python.
    path.write_text("(\n(\n")
    assert [cache.memoize()(double)(4) for _ in range(2)] == [8, 8]


def test_memoize_of_variable_arguments(cache, calls):
    @cache.memoize()
    def add(*numbers, **more):
        calls.append(1)
        return [list(numbers), more]

    assert add(1, 2, a=1) == add(1, 2, a=1) == [[1, 2], {"a": 1}]
    assert add() == add() == [[], {}]
    assert len(calls) == 2
    # A function may look at the order of **more.
    assert list(add(1, b=2, a=1)[1]) == ["b", "a"]
    assert list(add(1, a=1, b=2)[1]) == ["a", "b"]


def test_memoize_does_not_keep_a_failure(cache, raw, calls):
    @cache.memoize()
    def fail(x):
        calls.append(1)
        raise RuntimeError("no")

    for _ in range(2):
        with pytest.raises(RuntimeError, match="no"):
            fail(1)
    assert (len(calls), raw.dbsize()) == (2, 0)


def test_memoize_computes_anew_what_is_damaged(cache, raw, calls):
    @cache.memoize()
    def frame(x):
        calls.append(1)
        return FRAME

    frame(1)
    (key,) = raw.keys()
    raw.set(key, raw.get(key)[:-1])
    with pytest.warns(RedisnbWarning, match="counts as missing: it is damaged"):
        again = frame(1)
    pd.testing.assert_frame_equal(again, FRAME)
    assert len(calls) == 2
    pd.testing.assert_frame_equal(frame(1), FRAME, check_freq=False)
    assert len(calls) == 2


def test_memoize_what_cannot_be_kept(cache, raw):
    @cache.memoize()
    def same(x):
        return object()

    with pytest.raises(EncodeError, match="argument 'x': a cache takes text") as caught:
        same(object())
    assert caught.value.column == "x"
    with pytest.raises(EncodeError, match="a cache takes text"):
        same(1)
    with pytest.raises(TypeError, match="missing a required argument: 'x'"):
        same()
    with pytest.raises(TypeError, match=r"write @cache\.memoize\(\) with the parentheses"):

        @cache.memoize
        def without(x):
            return x

    with pytest.raises(TypeError, match="plain functions, not coroutine functions"):

        @cache.memoize()
        async def later(x):
            return await asyncio.sleep(0, x)

    assert raw.dbsize() == 0


# Its arguments, and an old server


def test_a_cache_needs_a_connection(raw, conn):
    with pytest.raises(TypeError, match=r"conn is what redisnb\.connect\(\) returns, not Redis"):
        Cache(raw)
    assert repr(Cache(conn, prefix="p:")) == f"Cache({conn.name!r}, prefix='p:')"


def test_an_edited_function_begins_anew(conn, tmp_path):
    cache = Cache(conn)
    path = tmp_path / "edited.py"

    def load(body):
        path.write_text(f"@memoize\ndef double(n):\n    return {body}\n")
        linecache.clearcache()
        namespace = {"memoize": cache.memoize(), "__name__": "edited"}
        exec(compile(path.read_text(), str(path), "exec"), namespace)
        return namespace["double"]

    assert load("n * 2")(4) == 8
    assert load("n * 3")(4) == 12
    assert load("n * 2")(4) == 8
    assert len(cache.keys()) == 2
