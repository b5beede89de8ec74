"""Dead letters: entries that a group gives up on are moved, not lost, and can be sent back."""

import threading

import pandas as pd
import pytest
import redis

from redisnb import ConsumerGroup, Stream, connect, frames, wire
from redisnb.errors import EntryIdError, GroupMissingError, RedisnbError, RedisnbWarning, code
from redisnb.stream import without_letter_head
from redisnb.stream.groups import scripts

LAST = f"{2**64 - 1}-{2**64 - 1}"
HEAD = [b"dead:stream", b"s", b"dead:id", b"1-0", b"dead:group", b"g", b"dead:consumer", b"me",
        b"dead:deliveries", b"3", b"dead:error", b"KeyError", b"dead:redrives", b"0"]  # fmt: skip


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def group(request, server, has_five) -> ConsumerGroup:
    """The entries 1-0 to 5-0, all of them delivered to the consumer "me"."""
    with connect(server.url, protocol=request.param) as conn:
        yield has_five(conn)


@pytest.fixture
def has_five():
    def fill(conn) -> ConsumerGroup:
        conn.client.flushall()
        for i in range(1, 6):
            conn.client.xadd("s", {"i": i}, id=f"{i}-0")
        group = ConsumerGroup(Stream(conn, "s"), "g", consumer="me")
        group.create("all")
        group.read()
        return group

    return fill


def bury(group: ConsumerGroup, *ids: str, deliveries=3, error="KeyError", delete=False):
    letters = [(id.encode(), deliveries, error) for id in ids]
    key = group.stream.key
    talk = scripts.bury_held(key, group.name, group.consumer, letters, delete=delete)
    return wire.converse(group.stream.conn, talk, key=key)


def client(group: ConsumerGroup) -> redis.Redis:
    return group.stream.conn.client


def raw_entries(group: ConsumerGroup, key: str) -> list[list[bytes]]:
    """The flat fields of each entry, exactly as stored."""
    return [fields for _, fields in wire.ask(group.stream.conn, "XRANGE", key, "-", "+", key=key)]


def pending(group: ConsumerGroup) -> dict[str, tuple[str, int]]:
    frame = group.pending()
    return {row.entry_id: (row.consumer, row.deliveries) for row in frame.itertuples(index=False)}


def left(group: ConsumerGroup) -> list[str]:
    return list(pending(group))


def letters(group: ConsumerGroup) -> list[str]:
    return group.dead_letters()["origin_id"].tolist()


def is_dead_letters(frame: pd.DataFrame, *more: str) -> bool:
    dtypes = frame.dtypes.astype(str).to_dict()
    assert list(dtypes.items())[: len(frames.DEAD_LETTERS)] == [*frames.DEAD_LETTERS.items()]
    assert list(frame.columns[len(frames.DEAD_LETTERS) :]) == list(more)
    assert frame.index.name == "entry_time"
    assert str(frame.index.dtype) == "datetime64[ms, UTC]"
    return True


# Bury


def test_an_entry_is_moved_with_where_it_comes_from(group):
    assert bury(group, "1-0", "3-0") == ([b"1-0", b"3-0"], [])
    assert left(group) == ["2-0", "4-0", "5-0"]
    assert len(group.stream) == 5
    third = [*HEAD]
    third[3] = b"3-0"
    assert raw_entries(group, "s:dead") == [[*HEAD, b"i", b"1"], [*third, b"i", b"3"]]


def test_an_entry_is_deleted_from_the_stream_too(group):
    assert bury(group, "2-0", delete=True) == ([b"2-0"], [])
    assert group.stream.range()["i"].tolist() == [1, 3, 4, 5]
    assert raw_entries(group, "s:dead")[0][-2:] == [b"i", b"2"]


def test_every_byte_of_an_entry_is_kept(group):
    body = [b"dead:id", b"mine", b"a", b"", b"a", b"\x00\xff\r\n", b"", b"x", b"\xfe", b"1"]
    client(group).execute_command("XADD", "s", "6-0", *body)
    group.read()
    bury(group, "6-0")
    assert raw_entries(group, "s:dead")[0][14:] == body
    stream = Stream(group.stream.conn, "s", format="raw")
    frame = ConsumerGroup(stream, "g").dead_letters()
    assert is_dead_letters(frame, "fields")
    assert frame["fields"].tolist() == [list(zip(body[::2], body[1::2], strict=True))]
    done = group.redrive("all", to="stream")
    assert raw_entries(group, "s")[-1] == body
    assert group.read()["entry_id"].tolist() == done["entry_id"].tolist()


def test_what_is_not_held_any_more_is_left_alone(group):
    group.ack("1-0")
    other = ConsumerGroup(group.stream, "g", consumer="other")
    other.claim("2-0", min_idle=0)
    assert bury(group, "1-0", "2-0", "3-0", "77-0") == ([b"3-0"], [])
    assert bury(group, "3-0") == ([], [])
    assert letters(group) == ["3-0"]
    assert pending(group)["2-0"] == ("other", 2)


def test_an_entry_without_a_body_is_only_acknowledged(group, raw):
    raw.xdel("s", "1-0", "2-0")
    assert bury(group, "1-0", "3-0", "2-0") == ([b"3-0"], [b"1-0", b"2-0"])
    assert left(group) == ["4-0", "5-0"]
    assert letters(group) == ["3-0"]
    assert bury(group) == ([], [])


@pytest.mark.parametrize("n", [99, 100, 101, 250])
def test_more_letters_than_a_script_takes(conn, has_five, n):
    group = has_five(conn)
    conn.client.eval(
        "for i = 6, ARGV[1] do redis.call('XADD', KEYS[1], i .. '-0', 'i', i) end", 1, "s", n
    )
    group.read(n)
    ids = [f"{i}-0" for i in range(1, n + 1)]
    assert bury(group, *ids) == ([id.encode() for id in ids], [])
    assert left(group) == []
    assert letters(group) == ids
    again = group.redrive("all")
    assert again["entry_id"].tolist() == ids
    assert left(group) == ids


@pytest.mark.slow
def test_an_entry_of_many_fields(group):
    for id, n in (("6-0", 500), ("7-0", 3500), ("8-0", 3501)):
        body = [part for i in range(n) for part in (f"f{i}", i)]
        client(group).execute_command("XADD", "s", id, *body)
    group.read()
    with pytest.raises(RedisnbError, match=r"entry 8-0 .* has more than 3,500 fields"):
        bury(group, "5-0", "6-0", "8-0", "7-0")
    assert left(group) == ["1-0", "2-0", "3-0", "4-0", "8-0"], "it is not lost"
    assert [len(fields) // 2 for fields in raw_entries(group, "s:dead")] == [8, 507, 3507]
    assert group.redrive("all", to="stream")["status"].tolist() == ["added"] * 3
    assert raw_entries(group, "s")[-1] == raw_entries(group, "s")[6]


# What a MULTI does not do: it would go on to the XACK after an XADD that fails.
@pytest.mark.parametrize("key", ["s:dead", "s:dead:redrives"])
def test_an_entry_is_not_lost_where_the_dead_letters_cannot_be_written(group, key):
    client(group).set(key, "text")
    with pytest.raises(redis.ResponseError, match=f"{key} belongs to the dead letters of s"):
        bury(group, "1-0", "2-0", delete=True)
    assert left(group) == ["1-0", "2-0", "3-0", "4-0", "5-0"]
    assert len(group.stream) == 5
    assert client(group).get(key) == b"text"


def test_an_entry_is_not_lost_where_adding_fails(group):
    client(group).xadd("s:dead", {"i": 1}, id=LAST)
    with pytest.raises(redis.ResponseError, match=r"exhausted|equal or smaller"):
        bury(group, "1-0", delete=True)
    assert left(group) == ["1-0", "2-0", "3-0", "4-0", "5-0"]
    assert len(group.stream) == 5


def test_what_passes_is_still_seen_to_pass(conn, has_five):
    group = has_five(conn)
    memory = conn.client.config_get("maxmemory")
    conn.client.config_set("maxmemory", 1)
    try:
        with pytest.raises(redis.ResponseError) as caught:
            bury(group, "1-0")
    finally:
        conn.client.config_set("maxmemory", memory["maxmemory"])
    assert code(caught.value) == "OOM"
    assert left(group)[0] == "1-0"


def test_burying_for_a_group_or_a_stream_that_is_gone(group):
    group.destroy()
    with pytest.raises(redis.ResponseError, match="NOGROUP"):
        bury(group, "1-0")
    client(group).delete("s")
    with pytest.raises(redis.ResponseError, match="NOGROUP"):
        bury(group, "1-0")
    client(group).set("s", "text")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE") as caught:
        bury(group, "1-0")
    assert "'s' holds another type of value" in caught.value.__notes__[0]


# Bury by hand


def test_by_hand(group, has_schema):
    frame = group.pending()
    done = group.bury(frame.iloc[[0, 2]], min_idle=0, error="no such item")
    assert has_schema(done, frames.ADDED)
    assert done["status"].tolist() == ["added", "added"]
    assert done["error"].isna().all()
    assert left(group) == ["2-0", "4-0", "5-0"]
    assert len(group.stream) == 5
    dead = group.dead_letters()
    assert dead["entry_id"].tolist() == done["entry_id"].tolist()
    assert dead.drop(columns="entry_id").to_dict("records") == [
        {"origin_id": f"{i}-0", "group": "g", "consumer": "me", "deliveries": 1,
         "error": "no such item", "redrives": 0, "i": i}
        for i in (1, 3)
    ]  # fmt: skip
    assert group.redrive(done)["entry_id"].tolist() == ["1-0", "3-0"]
    assert left(group) == ["1-0", "2-0", "3-0", "4-0", "5-0"]
    assert letters(group) == []
    group.bury("3-0", min_idle="1h")
    again = group.dead_letters()
    assert again[["error", "redrives"]].iloc[0].tolist() == ["by hand", 1], "it was given back"


def test_by_hand_whoever_holds_it(group):
    other = ConsumerGroup(group.stream, "g", consumer="other")
    for _ in range(2):
        other.claim(["2-0", "3-0"], min_idle=0)
    client(group).xclaim("s", "g", b"\xff", 0, ["4-0"], justid=True)
    assert group.bury(["4-0", "2-0", "1-0"], min_idle=0)["status"].tolist() == ["added"] * 3
    dead = group.dead_letters()
    assert dead["origin_id"].tolist() == ["4-0", "2-0", "1-0"]
    assert dead["consumer"].tolist() == ["�xff", "other", "me"]
    assert dead["deliveries"].tolist() == [1, 3, 1]
    assert pending(group) == {"3-0": ("other", 3), "5-0": ("me", 1)}


def test_by_hand_only_what_is_idle(group):
    client(group).xclaim("s", "g", "other", 0, ["1-0", "4-0"], idle=60_000, justid=True)
    for ids, min_idle, expected in [(["1-0", "2-0"], "60s", [True, False]), ("4-0", "1h", [False])]:
        with pytest.warns(RedisnbWarning, match="1 failed") as seen:
            done = group.bury(ids, min_idle=min_idle)
        assert seen[0].filename == __file__
        assert (done["status"] == "added").tolist() == expected
    assert (
        done["error"]
        .str.fullmatch(
            r"entry 4-0 was delivered to consumer 'other' 6\d\d\d\d ms ago, which may be at work; "
            "a smaller min_idle= takes it nevertheless"
        )
        .all()
    )
    assert letters(group) == ["1-0"]
    assert pending(group)["4-0"] == ("other", 1)
    assert group.pending(min_idle="60s")["entry_id"].tolist() == ["4-0"], "it is as idle as before"


@pytest.mark.slow
def test_by_hand_what_cannot_be_buried_stays(group):
    body = [part for i in range(3501) for part in (f"f{i}", i)]
    client(group).execute_command("XADD", "s", "6-0", *body)
    group.read()
    group.ack("1-0")
    group.stream.conn.client.xdel("s", "2-0")
    with pytest.warns(RedisnbWarning, match="'s': of 6 entries 5 failed; first: entry 1-0 is not"):
        done = group.bury(["1-0", "2-0", "3-0", "3-0", "6-0", "77-0"], min_idle=0)
    assert done["status"].tolist() == ["failed"] * 2 + ["added"] + ["failed"] * 3
    assert done["entry_id"].notna().tolist() == [False, False, True, False, False, False]
    for error, words in zip(
        done["error"],
        [
            "entry 1-0 is not pending in group 'g'",
            "entry 2-0 is not in 's' any more; it was acknowledged",
            None,
            "entry 3-0 is not pending in group 'g'",
            "entry 6-0 has more fields than a script can add; it stays pending",
            "entry 77-0 is not pending in group 'g'",
        ],
        strict=True,
    ):
        assert pd.isna(error) if words is None else words in error
    assert letters(group) == ["3-0"]
    assert left(group) == ["4-0", "5-0", "6-0"]


def test_by_hand_more_than_a_script_takes(conn, has_five):
    group = has_five(conn)
    conn.client.eval("for i = 6, 250 do redis.call('XADD', KEYS[1], i .. '-0', 'i', i) end", 1, "s")
    group.read(250)
    done = group.bury(group.pending(), min_idle=0)
    assert (len(done), left(group)) == (250, [])
    assert letters(group) == [f"{i}-0" for i in range(1, 251)]


def test_by_hand_with_a_reason_of_any_kind(group):
    hostile = "{0} {id} 'x'\r\n\x00 größe <b>"
    group.bury("1-0", min_idle=0, error=hostile)
    group.bury("2-0", min_idle=0, error="")
    assert group.dead_letters()["error"].tolist() == [hostile, ""]
    assert raw_entries(group, "s:dead")[0][11] == hostile.encode()


def test_by_hand_without_room_nothing_is_lost(group):
    client(group).xadd("s:dead", {"i": 1}, id=LAST)
    with pytest.raises(redis.ResponseError, match=r"exhausted|equal or smaller"):
        group.bury(["1-0", "2-0"], min_idle=0)
    assert left(group) == ["1-0", "2-0", "3-0", "4-0", "5-0"]


def test_by_hand_what_is_wrong_is_said_before_anything_is_sent(group):
    for arguments, error, message in [
        ({"entries": "nonsense", "min_idle": 0}, EntryIdError, "'nonsense' is neither an entry"),
        ({"entries": pd.DataFrame({"a": [1]}), "min_idle": 0}, ValueError, "no column entry_id"),
        ({"entries": "1-0", "min_idle": -1}, ValueError, "min_idle"),
        ({"entries": "1-0", "min_idle": 0, "error": KeyError()}, TypeError, "a text such as .* not "
         "KeyError"),
        ({"entries": "1-0"}, TypeError, "min_idle"),
    ]:  # fmt: skip
        with pytest.raises(error, match=message):
            group.bury(**arguments)
    assert len(left(group)) == 5
    assert group.bury([], min_idle=0).empty
    assert letters(group) == []


def test_after_a_lost_reply_burying_by_hand_can_be_done_again(proxy, raw, has_five):
    with connect(proxy.url) as conn:
        group = has_five(conn)
        proxy.lines = 0
        with pytest.raises(redis.ConnectionError) as caught:
            group.bury(["1-0", "2-0"], min_idle=0)
        assert "burying the same ones again" in caught.value.__notes__[0]
        assert raw.xlen("s:dead") == 2
        with pytest.warns(RedisnbWarning, match="1-0 is not pending in group 'g'"):
            done = group.bury(["1-0", "2-0", "3-0"], min_idle=0)
        assert done["status"].tolist() == ["failed", "failed", "added"]
        assert raw.xlen("s:dead") == 3


# List


def test_dead_letters(group):
    empty = group.dead_letters()
    assert is_dead_letters(empty)
    assert (len(empty), empty.attrs) == (0, {"missed": 0, "truncated": False})
    before = group.stream.conn.client.time()[0] * 1000
    bury(group, "2-0", deliveries=7, error="ValueError")
    bury(group, "1-0")
    frame = group.dead_letters()
    assert is_dead_letters(frame, "i")
    assert frame.drop(columns="entry_id").to_dict("records") == [
        {"origin_id": "2-0", "group": "g", "consumer": "me", "deliveries": 7,
         "error": "ValueError", "redrives": 0, "i": 2},
        {"origin_id": "1-0", "group": "g", "consumer": "me", "deliveries": 3,
         "error": "KeyError", "redrives": 0, "i": 1},
    ]  # fmt: skip
    assert frame["entry_id"].tolist() == [id.decode() for id, _ in client(group).xrange("s:dead")]
    assert (frame.index >= pd.Timestamp(before, unit="ms", tz="UTC")).all()
    assert group.dead_letters(types="text")["i"].tolist() == ["2", "1"]
    group.destroy()
    assert len(group.dead_letters()) == 2


def test_the_events_of_dead_letters_have_their_columns(group):
    added = group.stream.add_many([{"n": 1, "user": {"id": 7}, "group": "theirs"}, {"n": 2}])
    group.read()
    bury(group, *added["entry_id"])
    with pytest.warns(RedisnbWarning, match="'group' as 'group_field'"):
        frame = group.dead_letters()
    assert is_dead_letters(frame, "n", "user.id", "group_field")
    assert frame["n"].tolist() == [1, 2]
    assert frame["group"].tolist() == ["g", "g"]


def test_a_dead_letter_without_what_it_has_besides(group):
    [added] = group.stream.add_many([{"n": 1, "dead:id": "theirs"}])["entry_id"]
    entry = group.stream.entry(added)
    group.read()
    bury(group, added)
    dead = Stream(group.stream.conn, "s:dead")
    [letter] = map(bytes.decode, dict(client(group).xrange("s:dead")))
    found = without_letter_head(dead.entry(letter))
    assert (found.id, found.event) == (letter, {"n": 1, "dead:id": "theirs"})
    assert found.fields == entry.fields
    assert without_letter_head(entry) is entry


def test_the_dead_letters_of_other_groups_are_not_listed(group):
    other = ConsumerGroup(group.stream, "h", consumer="you")
    other.create("all")
    other.read()
    bury(other, "1-0", "2-0")
    bury(group, "1-0")
    assert (letters(group), letters(other)) == (["1-0"], ["1-0", "2-0"])


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 4, None])
def test_the_limit_of_dead_letters(group, limit):
    other = ConsumerGroup(group.stream, "h", consumer="you")
    other.create("all")
    other.read()
    bury(other, "1-0", "2-0")
    bury(group, "1-0", "2-0", "3-0")
    frame = group.dead_letters(limit=limit)
    assert frame["origin_id"].tolist() == ["1-0", "2-0", "3-0"][:limit]
    assert frame.attrs["truncated"] is (limit is not None and limit < 3)


FOREIGN = [
    [b"i", b"1"],
    HEAD,
    [*HEAD[:2], *HEAD[4:6], *HEAD[2:4], *HEAD[6:], b"i", b"1"],
    [*HEAD[:3], b"x", *HEAD[4:], b"i", b"1"],
    [*HEAD[:9], b"many", *HEAD[10:], b"i", b"1"],
    [*HEAD[:13], b"-1", b"i", b"1"],
    [*HEAD[:13], b"", b"i", b"1"],
]


def test_what_is_no_dead_letter_is_named_and_no_harm(group):
    bury(group, "1-0")
    ids = [client(group).execute_command("XADD", "s:dead", "*", *each) for each in FOREIGN]
    foreign = [id.decode() for id in ids]
    with pytest.warns(RedisnbWarning, match="7 entries of 's:dead' are not dead letters"):
        frame = group.dead_letters()
    assert frame["origin_id"].tolist() == ["1-0"]
    assert frame.attrs["foreign"] == foreign
    with pytest.warns(RedisnbWarning, match="7 failed"):
        done = group.redrive(foreign)
    assert done["status"].tolist() == ["failed"] * 7
    assert done["error"].str.contains("is not a dead letter").all()
    assert client(group).xlen("s:dead") == 8
    assert group.redrive("all")["entry_id"].tolist() == ["1-0"]


def test_dead_letters_where_there_is_another_type_of_value(group):
    client(group).set("s:dead", "text")
    for call in (group.dead_letters, lambda: group.redrive("all")):
        with pytest.raises(redis.ResponseError, match="wrong kind of value") as caught:
            call()
        assert "'s:dead' holds another type of value" in caught.value.__notes__[0]


@pytest.mark.parametrize("limit", [-1, 1.5, True])
def test_a_limit_that_is_none(group, limit):
    with pytest.raises(ValueError, match="limit="):
        group.dead_letters(limit=limit)


# Redrive


def test_back_to_the_group(group, has_schema):
    other_group = ConsumerGroup(group.stream, "h", consumer="you")
    other_group.create("new")
    bury(group, "1-0", "2-0", "3-0")
    done = group.redrive(group.dead_letters().iloc[[0, 2]])
    assert has_schema(done, frames.ADDED)
    assert done["entry_id"].tolist() == ["1-0", "3-0"]
    assert done["status"].tolist() == ["added", "added"]
    assert done["error"].isna().all()
    assert letters(group) == ["2-0"]
    assert pending(group) == {
        "1-0": ("me", 0), "3-0": ("me", 0), "4-0": ("me", 1), "5-0": ("me", 1),
    }  # fmt: skip
    assert other_group.read().empty
    assert len(group.stream) == 5
    somebody = ConsumerGroup(group.stream, "g", consumer="somebody")
    assert somebody.autoclaim(min_idle="1h")["i"].tolist() == [1, 3]
    assert pending(group)["1-0"] == ("somebody", 1)


def test_deliveries_are_counted_anew(group):
    bury(group, "1-0", "2-0")
    group.redrive("all")
    other = ConsumerGroup(group.stream, "g", consumer="other")
    other.claim("1-0", min_idle=0)
    group.read(backlog=True)
    found = pending(group)
    assert (found["1-0"], found["2-0"]) == (("other", 1), ("me", 1))


def test_back_to_the_stream(group):
    other_group = ConsumerGroup(group.stream, "h", consumer="you")
    other_group.create("new")
    bury(group, "1-0", "2-0", delete=True)
    done = group.redrive("all", to="stream")
    assert done["status"].tolist() == ["added", "added"]
    tail = group.stream.tail(2)
    assert tail["entry_id"].tolist() == done["entry_id"].tolist()
    assert tail["i"].tolist() == [1, 2]
    assert letters(group) == []
    assert other_group.read()["i"].tolist() == group.read()["i"].tolist() == [1, 2]


def test_the_chosen_ones(group):
    bury(group, "1-0", "2-0", error="KeyError")
    bury(group, "3-0", "4-0", error="ValueError")
    ids = group.dead_letters()["entry_id"].tolist()
    assert group.redrive(ids[0])["entry_id"].tolist() == ["1-0"]
    assert group.redrive(where={"error": "KeyError"})["entry_id"].tolist() == ["2-0"]
    assert group.redrive(where=lambda frame: frame["i"] > 3)["entry_id"].tolist() == ["4-0"]
    assert group.redrive(where={"error": ["OSError"]}).empty
    assert group.redrive([]).empty
    assert group.redrive([ids[2].encode()])["entry_id"].tolist() == ["3-0"]
    assert group.redrive("all").empty
    assert group.redrive(where={"nonsense": 1}).empty, "there is no letter that could have it"


def test_which_ones_has_to_be_said(group):
    bury(group, "1-0")
    for arguments, error, message in [
        ({}, ValueError, r"redrive\('all'\) takes all"),
        ({"entries": "all", "where": {"i": 1}}, ValueError, "by entries or where="),
        ({"where": {"nonsense": 1}}, ValueError, "no entry has this column; there are entry"),
        ({"entries": "nonsense"}, EntryIdError, "'nonsense' is neither an entry ID nor a time"),
        ({"entries": 5.5}, TypeError, "give entry IDs or a frame"),
        ({"entries": "all", "to": "nobody"}, ValueError, "choose 'group' or 'stream'"),
        ({"entries": "all", "max_redrives": 0}, ValueError, "max_redrives=0"),
        ({"entries": "all", "max_redrives": None}, ValueError, "max_redrives=None"),
        ({"entries": "all", "max_redrives": True}, ValueError, "max_redrives=True"),
    ]:
        with pytest.raises(error, match=message):
            group.redrive(**arguments)
    assert letters(group) == ["1-0"]
    assert left(group) == ["2-0", "3-0", "4-0", "5-0"]


def test_a_letter_that_cannot_go_back_stays(group):
    other_group = ConsumerGroup(group.stream, "h", consumer="you")
    other_group.create("all")
    other_group.read()
    bury(other_group, "1-0")
    bury(group, "1-0", "2-0", "3-0", "4-0")
    group.stream.delete("1-0")
    first, second, third, fourth = group.dead_letters()["entry_id"]
    theirs = other_group.dead_letters()["entry_id"].iloc[0]
    # The group was set back, and the entry delivered again.
    group.set_position("2-0")
    group.read(1)
    with pytest.warns(RedisnbWarning, match="'s:dead': of 6 dead letters 5 failed; first: entry 1"):
        done = group.redrive([first, second, theirs, "77-0", third, third])
    assert done["entry_id"].fillna("-").tolist() == ["-", "-", "-", "-", "3-0", "-"]
    assert done["status"].tolist() == ["failed"] * 4 + ["added", "failed"]
    for error, words in zip(
        done["error"],
        [
            "entry 1-0 is not in 's' any more; to='stream' adds it again",
            "entry 2-0 is already pending in the group, with consumer 'me'",
            "belongs to another group, 'h'",
            "'s:dead' has no entry 77-0",
            None,
            f"'s:dead' has no entry {third}",
        ],
        strict=True,
    ):
        assert pd.isna(error) if words is None else words in error
    assert letters(group) == ["1-0", "2-0", "4-0"]
    assert pending(group)["2-0"] == ("me", 1)
    assert group.redrive([first, fourth], to="stream")["status"].tolist() == ["added"] * 2


@pytest.mark.parametrize("to", ["group", "stream"])
def test_what_fails_again_and_again_does_not_go_round_for_ever(group, to):
    id = "1-0"
    for n in range(3):
        bury(group, id)
        assert group.dead_letters()["redrives"].tolist() == [n]
        counted = client(group).hkeys("s:dead:redrives")
        assert len(counted) == (n if to == "stream" else 0), "what came back is in the letter now"
        id = group.redrive("all", to=to)["entry_id"][0]
        if to == "stream":
            group.read()
    bury(group, id)
    with pytest.warns(RedisnbWarning, match="redriven 3 time"):
        done = group.redrive("all", to=to)
    assert done["status"].tolist() == ["failed"]
    assert "max_redrives=" in done["error"][0]
    assert group.dead_letters()["redrives"].tolist() == [3]
    assert group.redrive("all", to=to, max_redrives=4)["status"].tolist() == ["added"]
    assert 0 < client(group).ttl("s:dead:redrives") <= 30 * 24 * 3600


def test_each_group_counts_its_redrives(group):
    other = ConsumerGroup(group.stream, "h", consumer="you")
    other.create("all")
    other.read()
    bury(group, "1-0")
    group.redrive("all")
    bury(other, "1-0")
    assert other.dead_letters()["redrives"].tolist() == [0]
    other.redrive("all", to="stream")
    (again,) = group.read()["entry_id"]
    other.read()
    bury(group, "1-0", again)
    bury(other, again)
    assert group.dead_letters()["redrives"].tolist() == [1, 1]
    assert other.dead_letters()["redrives"].tolist() == [1], "all of them saw it"


def test_two_redrives_at_once_do_not_double(conn, has_five):
    group = has_five(conn)
    conn.client.eval(
        "for i = 6, 1000 do redis.call('XADD', KEYS[1], i .. '-0', 'i', i) end", 1, "s"
    )
    group.read(1000)
    ids = [f"{i}-0" for i in range(1, 1001)]
    bury(group, *ids, delete=True)
    chosen = group.dead_letters()["entry_id"].tolist()
    ready, found = threading.Barrier(2), []

    def redrive(order: list[str]) -> None:
        # Below the method, as warnings are not safe in threads.
        talk = scripts.redrive("s", "g", "me", order, to="stream", max_redrives=3)
        ready.wait()
        found.append(wire.converse(conn, talk, key="s"))

    threads = [threading.Thread(target=redrive, args=(order,)) for order in (chosen, chosen[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    added = [id for entry_ids, _ in found for id in entry_ids if id is not None]
    assert len(added) == len(set(added)) == 1000
    assert sum(len(wrong) for _, wrong in found) == 1000
    assert sorted(group.stream.range()["i"]) == list(range(1, 1001))
    assert conn.client.xlen("s:dead") == 0


def test_where_the_group_is_gone_nothing_goes_back(group):
    bury(group, "1-0", "2-0")
    group.destroy()
    with pytest.raises(GroupMissingError, match=r"create\(\)"):
        group.redrive("all")
    assert letters(group) == ["1-0", "2-0"]
    client(group).delete("s")
    with pytest.raises(GroupMissingError):
        group.redrive("all")
    assert letters(group) == ["1-0", "2-0"]
    assert group.redrive("all", to="stream")["status"].tolist() == ["added"] * 2
    assert group.stream.range()["i"].tolist() == [1, 2]


@pytest.mark.parametrize("to", ["group", "stream"])
def test_nothing_is_doubled_where_the_redrives_cannot_be_counted(group, to):
    bury(group, "1-0")
    client(group).set("s:dead:redrives", "text")
    with pytest.raises(redis.ResponseError, match="s:dead:redrives belongs to the dead letters"):
        group.redrive("all", to=to)
    assert letters(group) == ["1-0"]
    assert (len(group.stream), left(group)) == (5, ["2-0", "3-0", "4-0", "5-0"])


def test_on_another_type_of_key(group):
    bury(group, "1-0")
    client(group).set("s", "text")
    for to in ("group", "stream"):
        with pytest.raises(redis.ResponseError, match=r"WRONGTYPE|wrong kind of value"):
            group.redrive("all", to=to)
    assert letters(group) == ["1-0"]


@pytest.mark.slow
@pytest.mark.parametrize("to", ["group", "stream"])
def test_after_a_lost_reply_a_redrive_can_be_done_again(proxy, raw, has_five, to):
    with connect(proxy.url) as conn:
        group = has_five(conn)
        bury(group, "1-0", "2-0")
        chosen = group.dead_letters()["entry_id"].tolist()
        proxy.lines = 0
        with pytest.raises(redis.ConnectionError) as caught:
            group.redrive(chosen, to=to)
        assert "redriving the same ones again" in caught.value.__notes__[0]
        assert raw.xlen("s:dead") == 0
        with pytest.warns(RedisnbWarning, match="has no entry"):
            assert group.redrive(chosen, to=to)["status"].tolist() == ["failed"] * 2
        assert raw.xlen("s") == (5 if to == "group" else 7)


def test_a_user_who_may_not_write_dead_letters(conn, has_five, server):
    group = has_five(conn)
    conn.client.acl_setuser(
        "some", enabled=True, passwords=["+pw"], keys=["s"], commands=["+@all"], reset=True
    )
    try:
        with connect(f"unix://some:pw@{server.directory}/socket") as limited:
            mine = ConsumerGroup(Stream(limited, "s"), "g", consumer="me")
            with pytest.raises(redis.ResponseError, match=r"NOPERM|[Nn]o permissions|can't access"):
                bury(mine, "1-0")
    finally:
        conn.client.acl_deluser("some")
    assert left(group)[0] == "1-0"
