"""Names and values that are no UTF-8: one spelling, by which they are found again everywhere."""

import asyncio

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import redisnb as rnb
from redisnb.entries import as_text, to_bytes
from redisnb.entries.text import is_text

KEY, GROUP, CONSUMER = b"orders:\xff", b"g\xfe", b"c\xfd"
NAME, VALUE = b"caf\xe9", b"\x80\xef\xbf\xbdx41 \\xff"

parts = st.sampled_from(
    [
        b"\xef\xbf\xbd",
        b"x",
        b"ff",
        b"\\",
        b"\\x",
        b"\xff",
        b"\xed\xa0\x80",
        b"\xf0\x9f",
        b"\xbd",
        b"a",
    ]
)
stored = st.binary() | st.lists(parts).map(b"".join)


@given(stored)
def test_bytes_come_back_from_their_text(value):
    text = as_text(value)
    assert to_bytes(text) == value
    # It can be printed, put into Arrow and sent to a browser.
    assert text.encode().decode() == text
    if is_text(value) and "�x" not in value.decode():
        assert text == value.decode()


@given(stored, stored)
def test_no_two_are_spelled_alike(one, other):
    assert (as_text(one) == as_text(other)) is (one == other)


def test_it_is_the_one_that_the_readme_has():
    assert as_text(b"caf\xe9") == "caf�xe9"
    assert rnb.to_bytes("caf�xe9") == b"caf\xe9"
    # Where a text itself looks as if it had been spelled.
    assert as_text("�xff".encode()) == "�xef�xbf�xbdxff"
    assert as_text("� xff".encode()) == "� xff"


@pytest.fixture
def found(conn, raw) -> str:
    """The name of a stream, as `streams` returns it; it has three entries and a group."""
    raw.set("text", "x")
    for i in range(3):
        raw.xadd(KEY, {NAME: VALUE, "n": f"n{i}"}, id=f"{i + 1}-0")
    raw.xgroup_create(KEY, GROUP, "0")
    raw.xreadgroup(GROUP, CONSUMER, {KEY: ">"}, count=1)
    (name,) = rnb.streams(conn)["stream"]
    return name


def test_frames_keep_their_dtypes_and_masks_work(conn, found):
    keys = rnb.keys(conn)
    assert keys["key"].dtype == "str"
    assert rnb.tree(conn, f"{found}*")["prefix"].tolist() == ["orders:"]
    assert keys[keys["key"].str.startswith("orders:")]["key"].tolist() == [found]
    assert rnb.keys(conn, f"{found}*")["key"].tolist() == [found]
    frame = rnb.Stream(conn, found).range()
    assert frame[as_text(NAME)].dtype == "str"
    assert frame[as_text(NAME)].map(rnb.to_bytes).tolist() == [VALUE] * 3
    for wanted in VALUE, as_text(VALUE):
        chosen = rnb.Stream(conn, found).range(where={as_text(NAME): wanted})
        assert chosen["n"].tolist() == ["n0", "n1", "n2"]


def test_a_name_is_a_name_however_it_is_given(conn, found):
    assert rnb.Stream(conn, KEY).key == rnb.Stream(conn, found).key == found
    assert len(rnb.Stream(conn, KEY)) == len(rnb.Stream(conn, found)) == 3
    assert rnb.preview(conn, KEY).equals(rnb.preview(conn, found))
    cache = rnb.Cache(conn, prefix="orders:")
    assert cache.keys()["key"].tolist() == ["�xff"]
    assert cache.expire("�xff", "1h") is cache.persist(b"\xff") is True
    assert cache.delete("�xff") == 1


def test_following(conn, found):
    for key in KEY, found:
        stream = rnb.Stream(conn, key)
        ids = [entry.id for entry in stream.follow("all", timeout=0.05)]
        assert ids == ["1-0", "2-0", "3-0"]

        async def followed(stream=stream):
            return [(each.stream, each.id) async for each in stream.afollow("all", timeout=0.05)]

        assert asyncio.run(followed()) == [(found, id) for id in ids]


def test_groups(conn, raw, found):
    stream = rnb.Stream(conn, found)
    (name,) = stream.groups()["group"]
    group = rnb.ConsumerGroup(stream, name, consumer=as_text(CONSUMER))
    assert (
        group.pending()["consumer"].tolist() == group.consumers()["consumer"].tolist() == ["c�xfd"]
    )
    assert group.lag() == 2
    assert group.read(backlog=True)["entry_id"].tolist() == ["1-0"]
    assert group.ack("1-0") == 1
    assert group.read()["entry_id"].tolist() == ["2-0", "3-0"]
    assert len(group.bury("2-0", min_idle="0ms")) == 1
    dead = group.dead_letters()
    assert dead[["group", "consumer"]].iloc[0].tolist() == ["g�xfe", "c�xfd"]
    assert dead[as_text(NAME)].map(rnb.to_bytes).tolist() == [VALUE]
    assert group.redrive(dead)["status"].tolist() == ["added"]
    assert "2-0" in group.pending()["entry_id"].tolist()
    assert raw.xlen(KEY + b":dead") == 0


@pytest.mark.slow
def test_consumers(conn, raw, found, wait_until):
    group = rnb.ConsumerGroup(rnb.Stream(conn, KEY), as_text(GROUP))
    seen = []

    def handle(entry):
        seen.append((entry.stream, entry.event, entry.fields))
        if entry.id == "3-0":
            raise ValueError

    with rnb.Consumer(group, handle, min_idle="1s", max_deliveries=1) as consumer:
        wait_until(lambda: consumer.stats["dead"] == 1 and raw.xpending(KEY, GROUP)["pending"] == 0)
    fields = ((NAME, VALUE), (b"n", b"n1"))
    assert (found, {as_text(NAME): as_text(VALUE), "n": "n1"}, fields) in seen
    assert raw.xlen(KEY + b":dead") == 1


@pytest.mark.parametrize("name", ["c.parquet", "c.jsonl"])
def test_captures_and_replays(conn, raw, found, tmp_path, name):
    assert rnb.capture(conn, tmp_path / name, match="orders:*")["stream"].tolist() == [found]
    assert rnb.load(tmp_path / name)[as_text(NAME)].map(rnb.to_bytes).tolist() == [VALUE] * 3
    for target, source in (b"t\xff", tmp_path / name), (b"u\xff", rnb.Stream(conn, KEY)):
        assert rnb.replay(source, rnb.Stream(conn, target), speed=None).added == 3
        assert [fields for _, fields in raw.xrange(target)] == [
            fields for _, fields in raw.xrange(KEY)
        ]


def test_what_is_read_is_written_again_as_it_was(conn, raw, found):
    frame = rnb.Stream(conn, found).range()
    copy = rnb.Stream(conn, "copy", format="fields")
    copy.add_many(frame)
    assert raw.xrange("copy")[0][1] == {NAME: VALUE, b"n": b"n0"}
    copy.add({"caf�xe9": "a�xff"})
    assert raw.xrevrange("copy", count=1)[0][1] == {NAME: b"a\xff"}

    def change(frame):
        return frame.assign(**{"caf�xe9": frame["caf�xe9"] + "�xff"})

    rnb.replay(rnb.Stream(conn, found), rnb.Stream(conn, "changed"), speed=None, transform=change)
    assert raw.xrange("changed")[0][1] == {NAME: VALUE + b"\xff", b"n": b"n0"}


def test_a_value_of_a_schema_is_text(conn, found):
    frame = rnb.Stream(conn, found, schema={as_text(NAME): "str"}).range()
    assert frame[as_text(NAME)].tolist() == [as_text(VALUE)] * 3
    assert not frame.attrs.get("misfits")


def test_one_value_among_others_leaves_the_column_text(conn, raw):
    for i, value in enumerate([b"5", b"\xff", b"x"]):
        raw.xadd("s", {"a": value})
        raw.set(f"k{i}", value)
    for column in (rnb.Stream(conn, "s").range()["a"], rnb.values(conn)["value"]):
        assert column.dtype == "str"
        assert column.tolist() == ["5", "�xff", "x"]
        assert pd.api.types.is_bool_dtype(column.str.startswith("x"))
