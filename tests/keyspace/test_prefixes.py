"""tree(), compared with what is counted key by key."""

import re

import pandas as pd
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from redisnb import RedisnbWarning, connect, frames, keys, tree, wire
from redisnb.entries import as_text
from redisnb.keyspace import prefixes
from redisnb.wire import walking


def rows(frame: pd.DataFrame, *columns: str) -> list[list]:
    """Return some columns of a frame as rows of Python values, None for what is missing."""
    chosen = frame[list(columns)].astype(object)
    return chosen.where(chosen.notna(), None).to_numpy().tolist()


def fill(raw: redis.Redis, n: int, name: str = "'key:' .. i") -> None:
    raw.eval(f"for i = 1, ARGV[1] do redis.call('SET', {name}, i) end", 0, n)


@pytest.fixture
def mixed(conn, raw):
    """Keys of several types under several prefixes, some of which expire."""
    raw.mset({"user": "x", "user:1": "x", "user:admin:1": "x", "user:admin:2": "x", ":x": "x"})
    raw.hset("user:2", "f", 1)
    raw.set("session:1", "x", px=1_000_000)
    raw.set("session:2", "x", px=3_000_000)
    raw.set("session:3", "x", px=9_000_000)
    raw.set("session:4", "x")
    return conn


def test_prefixes(mixed, raw, has_schema):
    frame = tree(mixed)
    assert has_schema(frame, frames.TREE)
    assert rows(frame, "prefix", "keys", "types", "persistent") == [
        ["", 1, "string 1", 1],
        [":", 1, "string 1", 1],
        ["session:", 4, "string 4", 1],
        ["user:", 4, "string 3, hash 1", 4],
    ]
    size = sum(raw.memory_usage(f"session:{i}") for i in range(1, 5))
    session = frame.loc[2]
    assert session["size"] == size
    minute = pd.Timedelta("1min")
    spread = session[["shortest_ttl", "median_ttl", "longest_ttl"]]
    for ttl, ms in zip(spread, (1_000_000, 3_000_000, 9_000_000), strict=True):
        assert pd.Timedelta(ms, "ms") - minute < ttl <= pd.Timedelta(ms, "ms")
    assert frame.loc[[0, 1, 3], spread.index].isna().all(axis=None)
    assert frame.attrs == {"keys": 10, "sampled": None, "refused": 0, "truncated": False}


def test_levels_stand_below_one_another(mixed):
    for depth in (2, 9):
        frame = tree(mixed, depth=depth)
        assert rows(frame, "prefix", "keys") == [
            ["", 1], [":", 1], ["session:", 4], ["user:", 4], ["user:admin:", 2],
        ]  # fmt: skip
    assert tree(mixed, "user:*", depth=2)["prefix"].tolist() == ["user:", "user:admin:"]
    assert tree(mixed, "user", sep="se")["prefix"].tolist() == ["use"]


@pytest.mark.parametrize("sep", ["*", "[", "\\", "?", "::", "ß", "%"])
def test_any_separator(conn, raw, sep):
    raw.mset({f"a{sep}b{sep}c": 1, f"a{sep}d": 1, "ab": 1})
    frame = tree(conn, sep=sep, depth=2)
    assert rows(frame, "prefix", "keys") == [["", 1], [f"a{sep}", 2], [f"a{sep}b{sep}", 1]]
    raw.flushall()
    raw.mset({f"{sep}{sep}": 1, f"a{sep}": 1})
    frame = tree(conn, sep=sep, depth=2)
    assert frame["prefix"].tolist() == [sep, 2 * sep, f"a{sep}"]


def test_a_pattern(mixed, raw):
    raw.mset({"[x]:1": 1, "x:1": 1, "a*b:1": 1, "a\\b:1": 1})
    for match, expected in {
        r"\[x\]:*": ["[x]:"],
        "[x]:*": ["x:"],
        r"a\*b:*": ["a*b:"],
        "a?b:?": ["a*b:", "a\\b:"],
        r"a\\b*": ["a\\b:"],
        "": [],
    }.items():
        assert tree(mixed, match)["prefix"].tolist() == expected


def test_names_that_are_no_text(conn, raw):
    raw.mset({b"caf\xe9:1": 1, b"caf\xe9:\xff": 1, b"\xff": 1, b"": 1, "größe:1".encode(): 1})
    assert rows(tree(conn), "prefix", "keys") == [["", 2], ["caf�xe9:", 2], ["größe:", 1]]
    assert tree(conn, "caf�xe9:*")["keys"].tolist() == [2]
    assert tree(conn, sep="�xe9")["prefix"].tolist() == ["", "caf�xe9"]


def test_no_key_at_all(conn, raw, has_schema):
    for match in ("*", "x*"):
        assert has_schema(tree(conn, match), frames.TREE)
        assert tree(conn, match).attrs["keys"] == 0
    raw.set("a:1", 1)
    assert has_schema(tree(conn, limit=0), frames.TREE)
    assert tree(conn, limit=0).attrs["truncated"] is True


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sep": ""}, "sep=''; it is the text between the parts, such as ':'"),
        ({"sep": None}, "sep=None; it is the text"),
        ({"sep": b":"}, "sep=b':'; it is the text"),
        ({"sep": [":", "/"]}, "it is the text"),
        ({"depth": 0}, "depth=0; it is a number of levels, at least 1"),
        ({"depth": True}, "depth=True; it is a number"),
        ({"depth": 1.5}, "depth=1.5; it is a number"),
        ({"sample": 0}, "sample=0; it is a number of keys, at least 1, or None for all"),
        ({"sample": 0.1}, "sample=0.1; it is a number of keys"),
        ({"limit": -1}, "limit=-1; it is a number of rows"),
    ],
)
def test_wrong_options(conn, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        tree(conn, **options)


def test_a_limit_keeps_the_largest(mixed):
    frame = tree(mixed, depth=2, limit=2)
    assert rows(frame, "prefix", "keys") == [["session:", 4], ["user:", 4]]
    assert frame.attrs["truncated"] is True
    assert tree(mixed, depth=2, limit=5).attrs["truncated"] is False


def test_the_default_limit_warns(conn, raw):
    fill(raw, 1001, "i .. ':x:' .. i")
    with pytest.warns(RedisnbWarning, match="default limit of 1,000 rows; limit=None lists all"):
        assert len(tree(conn)) == 1000
    frame = tree(conn, depth=2, limit=None)
    assert len(frame) == 2002
    assert frame["prefix"].str.count(":").tolist() == [1, 2] * 1001


def test_a_sample(conn, raw):
    fill(raw, 30_000, "(i % 3 == 0 and 'a:' or 'b:') .. i")
    raw.set("few:1", "x")
    with pytest.warns(RedisnbWarning, match="looked at .* of about 30,001 keys: the") as seen:
        frame = tree(conn, sample=5_000)
    assert len(seen) == 1
    assert seen[0].filename == __file__
    assert frame.attrs["keys"] == 30_001
    assert 5_000 <= frame.attrs["sampled"] < 7_000
    by_prefix = frame.set_index("prefix")
    assert by_prefix["keys"]["a:"] == pytest.approx(10_000, rel=0.1)
    assert by_prefix["keys"]["b:"] == pytest.approx(20_000, rel=0.1)
    whole = tree(conn, sample=None)
    assert whole.attrs["sampled"] is None
    assert rows(whole, "prefix", "keys") == [["a:", 10_000], ["b:", 20_000], ["few:", 1]]
    assert by_prefix["size"]["b:"] == pytest.approx(whole["size"][1], rel=0.1)
    # The number of keys that match is known by the share that SCAN went through.
    with pytest.warns(RedisnbWarning, match="of about"):
        frame = tree(conn, "a:*", sample=3_000)
    assert frame.attrs["keys"] == pytest.approx(10_000, rel=0.1)
    assert frame.attrs["keys"] == frame["keys"].sum()


@pytest.mark.parametrize("sample", [3, 4, 100, 10**9, None])
def test_a_sample_of_all(conn, raw, sample):
    raw.mset({"a:1": 1, "a:2": 1, "b": 1})
    frame = tree(conn, sample=sample)
    assert rows(frame, "prefix", "keys") == [["", 1], ["a:", 2]]
    assert frame.attrs["sampled"] is None


def test_few_that_match_are_found_however_many_others_there_are(conn, raw):
    fill(raw, 30_000)
    raw.mset({f"few:{i}": 1 for i in range(5)})
    frame = tree(conn, "few:*", sample=10)
    assert rows(frame, "prefix", "keys") == [["few:", 5]]
    assert frame.attrs == {"keys": 5, "sampled": None, "refused": 0, "truncated": False}


def test_the_cursor_tells_the_share_of_the_walk(conn, raw):
    fill(raw, 20_000)
    scan = walking._Scan("*", None)
    found, shares = 0, []
    while not scan.ended:
        found += len(scan.fresh(wire.ask(conn, *scan.command(500), key="*")))
        shares.append(scan.share)
        assert found / 20_000 == pytest.approx(scan.share, abs=0.05)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_another_separator_is_named(conn, raw):
    raw.mset({f"a/b/{i}": i for i in range(20)} | {"plain": 1})
    with pytest.warns(RedisnbWarning, match="no key has the separator ':', .* '/': sep='/'"):
        assert tree(conn)["prefix"].tolist() == [""]
    assert tree(conn, sep="/")["keys"].tolist() == [1, 20]
    raw.flushall()
    fill(raw, 20, "'plain' .. i")
    assert tree(conn)["keys"].tolist() == [20]


@pytest.fixture
def limited(mixed, server, raw):
    """``limited(*rules)`` connects as a user that may do just that."""
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


def test_keys_that_a_user_may_not_read(limited, has_schema):
    conn = limited(["user:*"], "+@read", "+ping")
    with pytest.warns(RedisnbWarning, match="6 keys may not be read by this user; they") as seen:
        frame = tree(conn)
    assert len(seen) == 1
    assert has_schema(frame, frames.TREE)
    assert frame.attrs["refused"] == 6
    assert rows(frame, "prefix", "keys", "types", "persistent")[2:] == [
        ["session:", 4, "refused 4", None],
        ["user:", 4, "string 3, hash 1", 4],
    ]
    assert frame["size"].isna().tolist() == [True, True, True, False]


def test_a_user_with_fewer_commands(limited):
    conn = limited(["*"], "+scan", "+type", "+pttl", "+ping")
    frame = tree(conn)
    assert frame["size"].isna().all()
    assert frame["persistent"].tolist() == [1, 1, 1, 4]
    with pytest.warns(RedisnbWarning, match="of about"):
        assert tree(conn, sample=1)["keys"].sum() > 0
    for lacks in ("type", "pttl", "scan"):
        conn = limited(["*"], "+@read", "+ping", f"-{lacks}")
        with pytest.raises(redis.exceptions.NoPermissionError, match=f"'{lacks}' command"):
            tree(conn)


def test_keys_that_are_gone_have_no_part(conn):
    found = prefixes._Prefixes(b":", 1)
    found._add([b"a:1", b"a:2", b"b:1"], [b"none", b"string", b"hash"], [-2, -1, -2], [None, 5, 9])
    table = frames.table(frames.TREE, found.rows(1.0, None)[0])
    assert rows(table, "prefix", "keys", "size") == [["a:", 1, 5]]


names = st.lists(st.sampled_from([b":", b"a", b"b", b"\xff", "ß".encode()]), max_size=6)


@given(st.sets(names.map(b"".join), max_size=30), st.integers(1, 4))
def test_every_prefix_counts_the_keys_that_begin_with_it(keys, depth):
    found = prefixes._Prefixes(b":", depth)
    n = len(keys)
    found._add([*keys], [b"string"] * n, [-1] * n, [1] * n)
    counted = {row[0]: row[1] for row in found.rows(1.0, None)[0]}
    begins = {
        b":".join(key.split(b":")[:level]) + b":"
        for key in keys
        for level in range(1, min(key.count(b":"), depth) + 1)
    }
    expected = {as_text(each): sum(key.startswith(each) for key in keys) for each in begins}
    if bare := sum(b":" not in key for key in keys):
        expected[""] = bare
    assert counted == expected
    # Each stands before those that it contains, and beside no other.
    order = [row[0] for row in found.rows(1.0, None)[0]]
    for i, prefix in enumerate(order):
        inside = [each.startswith(prefix) for each in order[i:]] if prefix else []
        assert inside == sorted(inside, reverse=True)
        assert not any(each.startswith(prefix) for each in order[:i] if prefix)


def test_it_adds_up_to_keys(mixed):
    frame, listed = tree(mixed), keys(mixed, sizes=True)
    assert frame["keys"].sum() == len(listed)
    assert frame["size"].sum() == listed["size"].sum()
    assert frame["persistent"].sum() == listed["ttl"].isna().sum()


def test_types_of_which_there_are_as_many_are_in_order(conn, raw):
    for i in range(20):
        raw.set(f"{i}:s", "x")
        raw.hset(f"{i}:h", "a", "b")
        raw.rpush(f"{i}:l", "x")
    assert set(tree(conn)["types"]) == {"hash 1, list 1, string 1"}
