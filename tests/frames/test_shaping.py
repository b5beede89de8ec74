"""Replies to commands, as servers send them in RESP2 and RESP3: frames, or plain Python.

Those of modules are from their documentation, since no server here has them: JSON.GET, FT.SEARCH.
"""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redisnb import RedisnbWarning, frames
from redisnb.frames import REPLY, shape_reply

ENTRY = [b"5-0", [b"a", b"1", b"b", b"x"]]
TOMBSTONE = [b"6-0", None]


def shaped(command, reply):
    return shape_reply(command.encode().split(), reply)


def rows(frame):
    return frame.reset_index(drop=True).to_dict("split")["data"]


@pytest.mark.parametrize("command", ["XRANGE s - +", "xrevrange s + -"])
def test_entries(command):
    frame = shaped(command, [ENTRY, [b"6-0", [b"payload", b'{"a": 2, "c": {"d": true}}']]])
    assert list(frame.columns) == ["entry_id", "a", "b", "c.d"]
    assert frame["a"].tolist() == ["1", 2]
    assert frame["entry_id"].tolist() == ["5-0", "6-0"]
    assert frame.index.name == "entry_time"


@pytest.mark.parametrize(
    "command", ["XREAD COUNT 1 STREAMS s 0", "XREADGROUP GROUP g c STREAMS s >"]
)
@pytest.mark.parametrize("form", [list, dict])
def test_entries_of_one_stream(command, form, has_schema):
    frame = shaped(command, form([(b"s", [ENTRY, TOMBSTONE])]))
    assert has_schema(frame, frames.ENTRIES, "a", "b")
    assert frame.attrs["trimmed"] == ["6-0"]


@pytest.mark.parametrize("form", [list, dict])
def test_entries_of_several_streams(form, has_schema):
    frame = shaped("XREAD STREAMS s t 0 0", form([(b"s", [ENTRY]), (b"t\xff", [ENTRY])]))
    assert has_schema(frame, frames.ENTRIES, "stream", "a", "b")
    assert frame["stream"].tolist() == ["s", "t�xff"]


@pytest.mark.parametrize(
    ("command", "reply", "more"),
    [
        ("XRANGE s - +", [], []),
        ("XREAD STREAMS s 0", None, []),
        ("XREAD STREAMS s t 0 0", None, ["stream"]),
        ("XREADGROUP GROUP g c STREAMS s >", None, []),
        ("XCLAIM s g c 0 5-0", [], []),
        ("XAUTOCLAIM s g c 0 0", [b"0-0", [], []], []),
    ],
)
def test_no_entries(command, reply, more, has_schema):
    assert has_schema(shaped(command, reply), frames.ENTRIES, *more)


def test_claims(has_schema):
    assert has_schema(shaped("XCLAIM s g c 0 5-0", [ENTRY]), frames.ENTRIES, "a", "b")
    assert shaped("XCLAIM s g c 0 5-0 justid", [b"5-0"]) == ["5-0"]
    frame = shaped("XAUTOCLAIM s g c 0 0", [b"7-0", [ENTRY], [b"6-0"]])
    assert frame.attrs["next"] == "7-0"
    assert frame.attrs["deleted"] == ["6-0"]
    reply = [b"0-0", [b"5-0"], []]
    assert shaped("XAUTOCLAIM s g c 0 0 JUSTID", reply) == ["0-0", ["5-0"], []]


def test_claims_of_redis_6_without_a_body():
    with pytest.warns(RedisnbWarning, match="entries without a body: 2"):
        frame = shaped("XAUTOCLAIM s g c 0 0", [b"0-0", [ENTRY, None, [None, None]]])
    assert frame["entry_id"].tolist() == ["5-0"]
    assert frame.attrs["deleted"] == []


def test_pending(has_schema):
    frame = shaped("XPENDING s g - + 10", [[b"5-0", b"ann", 1500, 2]])
    assert has_schema(frame, frames.PENDING)
    assert frame["idle"].tolist() == [pd.Timedelta("1.5s")]
    assert has_schema(shaped("XPENDING s g IDLE 5 - + 10", []), frames.PENDING)


def test_pending_in_short(has_schema):
    frame = shaped("XPENDING s g", [3, b"5-0", b"7-0", [[b"ann", b"2"], [b"bob", b"1"]]])
    assert has_schema(frame, REPLY["XPENDING"])
    assert rows(frame) == [["ann", 2], ["bob", 1]]
    assert frame.attrs == {"count": 3, "first": "5-0", "last": "7-0"}
    empty = shaped("XPENDING s g", [0, None, None, None])
    assert has_schema(empty, REPLY["XPENDING"])
    assert empty.attrs == {"count": 0, "first": None, "last": None}


GROUP = {
    b"name": b"g",
    b"consumers": 1,
    b"pending": 2,
    b"last-delivered-id": b"5-0",
    b"entries-read": None,
    b"lag": 3,
}


def flat(state):
    return [each for pair in state.items() for each in pair]


@pytest.mark.parametrize("form", [flat, dict])
def test_groups(form, has_schema):
    frame = shaped("XINFO GROUPS s", [form(GROUP), form({**GROUP, b"new": 5})])
    assert has_schema(frame, REPLY["XINFO GROUPS"], "new")
    assert frame["entries-read"].isna().all()
    # Before Redis 7.
    old = {name: GROUP[name] for name in [*GROUP][:4]}
    assert has_schema(shaped("xinfo groups s", [form(old)]), REPLY["XINFO GROUPS"])
    assert has_schema(shaped("XINFO GROUPS s", []), REPLY["XINFO GROUPS"])


@pytest.mark.parametrize("form", [flat, dict])
def test_consumers(form, has_schema):
    ann = {b"name": b"ann\xff", b"pending": 1, b"idle": 5, b"inactive": -1}
    frame = shaped("XINFO CONSUMERS s g", [form(ann), form({**ann, b"inactive": 7})])
    assert has_schema(frame, REPLY["XINFO CONSUMERS"])
    assert frame["name"].tolist() == ["ann�xff"] * 2
    assert frame["inactive"].isna().tolist() == [True, False]
    assert has_schema(shaped("XINFO CONSUMERS s g", []), REPLY["XINFO CONSUMERS"])


@pytest.mark.parametrize("form", [flat, dict])
def test_names_and_values(form, has_schema):
    state = form({b"length": 1, b"first-entry": ENTRY, b"last-generated-id": b"5-0"})
    frame = shaped("XINFO STREAM s", state)
    assert frame["value"].tolist() == [1, ["5-0", ["a", "1", "b", "x"]], "5-0"]
    frame = shaped("CONFIG GET a*", form({b"a": b"1", b"b": b""}))
    assert has_schema(frame, REPLY["CONFIG GET"])
    assert rows(frame) == [["a", "1"], ["b", ""]]
    assert has_schema(shaped("CONFIG GET nothing", form({})), REPLY["CONFIG GET"])


@pytest.mark.parametrize("form", [flat, dict])
def test_fields(form, has_schema):
    reply = form({b"a": b"1", b"b": b"\xff"})
    for command in ("HGETALL h", "HRANDFIELD h 2 WITHVALUES"):
        frame = shaped(command, reply)
        assert has_schema(frame, REPLY["HGETALL"])
        assert rows(frame) == [["a", "1"], ["b", "�xff"]]
        assert has_schema(shaped(command, form({})), REPLY["HGETALL"])
    pairs = [[b"a", b"1"], [b"b", b"2"]]
    assert rows(shaped("HRANDFIELD h 2 withvalues", pairs)) == [["a", "1"], ["b", "2"]]


def test_scans(has_schema):
    for command, page, name in [
        ("SCAN 0", [b"a", b"\xff"], "SCAN"),
        ("SSCAN s 0", [b"a", b"\xff"], "SSCAN"),
        ("HSCAN h 0", [b"a", b"1"], "HGETALL"),
        ("ZSCAN z 0", [b"a", b"1.5"], "ZSCAN"),
    ]:
        frame = shaped(command, [b"17", page])
        assert has_schema(frame, REPLY[name])
        assert frame.attrs["cursor"] == "17"
        assert frame.iloc[0, 0] == "a"
        assert has_schema(shaped(command, [b"0", []]), REPLY[name])
    frame = shaped("HSCAN h 0 NOVALUES", [b"0", [b"a", b"b", b"c"]])
    assert has_schema(frame, {"field": "str"})
    assert len(frame) == 3


@pytest.mark.parametrize(
    "command", ["ZRANGE z 0 -1 WITHSCORES", "ZUNION 1 z withscores", "ZPOPMIN z 2", "ZPOPMAX z 2"]
)
@pytest.mark.parametrize(
    "reply", [[b"a", b"1", b"b", b"-inf"], [[b"a", 1.0], [b"b", -float("inf")]]]
)
def test_scores(command, reply, has_schema):
    frame = shaped(command, reply)
    assert has_schema(frame, REPLY["ZSCAN"])
    assert rows(frame) == [["a", 1.0], ["b", float("-inf")]]
    assert has_schema(shaped(command, []), REPLY["ZSCAN"])


def test_one_popped_in_resp3():
    assert rows(shaped("ZPOPMIN z", [b"a", 1.0])) == [["a", 1.0]]


def test_the_server(has_schema):
    assert has_schema(shaped("INFO memory", b"# Memory\r\nused:1\r\n"), frames.INFO)
    assert has_schema(shaped("INFO nothing", b""), frames.INFO)
    line = b"id=7 addr=h:1 name= age=3 idle=2 db=1 cmd=x user=default\n"
    for command in ("CLIENT LIST", "client info"):
        frame = shaped(command, line)
        assert has_schema(frame, frames.CLIENTS)
        assert frame["own"].isna().all()
    assert has_schema(shaped("SLOWLOG GET", []), frames.SLOWLOG)
    slow = [1, 1_700_000_000, 12_000, [b"GET", b"a"], b"h:1", b""]
    assert shaped("SLOWLOG GET 1", [slow])["command"].tolist() == ["GET a"]


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        (b'{"a": [1, 2.5, null]}', {"a": [1, 2.5, None]}),
        (b'[1, "a"]', [1, "a"]),
        (b'[{"a": 1}, 2]', [{"a": 1}, 2]),
        (b"[]", []),
        (b"5", 5),
        (None, None),
        ([b"{}"], ["{}"]),
        (b"no JSON", "no JSON"),
    ],
)
def test_json(reply, value):
    assert shaped("JSON.GET doc $", reply) == value


def test_json_objects():
    reply = b'[{"key": "x", "n": 123456789012345678901, "u": {"v": 1}}, {"key": "y", "u": {}}]'
    frame = shaped("JSON.GET doc $.orders", reply)
    assert list(frame.columns)[:3] == ["key", "n", "u.v"]
    assert frame["key"].tolist() == ["x", "y"]
    assert frame["n"][0] == 123456789012345678901
    assert len(shaped("JSON.GET doc $", b"[{}, {}]")) == 2


FOUND = {
    "FT.SEARCH idx *": [
        2,
        b"p:1",
        [b"name", b"a", b"n", b"1"],
        b"p:2",
        [b"name", b"b", b"n", b"2"],
    ],
    "FT.SEARCH idx * WITHSCORES": [
        *(2, b"p:1", b"0.5", [b"name", b"a", b"n", b"1"]),
        *(b"p:2", b"0.25", [b"name", b"b", b"n", b"2"]),
    ],
}


@pytest.mark.parametrize("command", FOUND)
def test_a_search(command):
    frame = shaped(command, FOUND[command])
    assert frame.attrs["total"] == 2
    assert frame["key"].tolist() == ["p:1", "p:2"]
    assert frame["name"].tolist() == ["a", "b"]
    assert frame["n"].tolist() == [1, 2]
    if "SCORES" in command:
        assert frame["score"].tolist() == [0.5, 0.25]


def test_a_search_in_resp3():
    reply = {
        b"attributes": [],
        b"format": b"STRING",
        b"results": [
            {b"id": b"p:1", b"extra_attributes": {b"name": b"a"}, b"values": []},
            {b"id": b"p:2", b"extra_attributes": {b"name": b"b"}, b"values": [], b"score": 0.5},
        ],
        b"total_results": 7,
        b"warning": [],
    }
    frame = shaped("FT.SEARCH idx *", reply)
    assert frame.attrs["total"] == 7
    assert frame[["key", "name"]].to_numpy().tolist() == [["p:1", "a"], ["p:2", "b"]]


def test_a_search_without_content_or_of_documents(has_schema):
    for command in ("FT.SEARCH idx * NOCONTENT", "FT.SEARCH idx * RETURN 0"):
        assert has_schema(shaped(command, [2, b"p:1", b"p:2"]), frames.VALUES)
    frame = shaped("FT.SEARCH idx *", [1, b"p:1", [b"$", b'{"name": "a", "n": 1}']])
    assert frame.to_dict("list") == {"key": ["p:1"], "name": ["a"], "n": [1]}
    assert has_schema(shaped("FT.SEARCH idx *", [0]), frames.VALUES)


@pytest.mark.parametrize(
    ("command", "reply", "value"),
    [
        ("GET a", b"\xff", "�xff"),
        ("GET a", None, None),
        ("INCR a", 5, 5),
        ("ZSCORE z a", 1.5, 1.5),
        ("LRANGE l 0 -1", [b"a", [1, None, {b"b": {b"c"}}]], ["a", [1, None, {"b": ["c"]}]]),
        ("XINFO HELP", [b"XINFO"], ["XINFO"]),
        ("CONFIG", b"OK", "OK"),
        ("ZRANGE WITHSCORES 0 -1", [b"a"], ["a"]),
        ("MGET a WITHSCORES", [b"1", b"2"], ["1", "2"]),
    ],
)
def test_anything_else(command, reply, value):
    found = shaped(command, reply)
    assert found == value
    assert type(found) is type(value)


@given(
    st.sampled_from([*map(bytes.decode, frames.shaping.shape._SHAPES), "ZRANGE z 0 1 WITHSCORES"]),
    st.recursive(
        st.none() | st.integers() | st.binary(max_size=5) | st.floats(allow_nan=False),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.binary(), inner, max_size=3),
    ),
)
@pytest.mark.filterwarnings("ignore::redisnb.errors.RedisnbWarning")
def test_a_reply_of_another_form_is_plain(command, reply):
    shaped(command, reply)
