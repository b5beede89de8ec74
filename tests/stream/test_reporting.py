"""What becomes of each event, also of those that cannot be sent."""

import pandas as pd
import pytest
import redis

from redisnb import ConnectError, EncodeError, RedisnbWarning, Stream, connect

EVENTS = [{"id": "a", "n": 1}, {"id": "b", "n": object()}, {"id": "c", "n": 3}, ["d"], {"id": "e"}]
FAILED = [False, True, False, True, False]


@pytest.fixture
def stream(conn):
    return Stream(conn, "s")


def sources():
    yield "list", lambda: EVENTS
    yield "tuple", lambda: tuple(EVENTS)
    yield "iterator", lambda: iter(EVENTS)
    yield "view", lambda: dict(enumerate(EVENTS)).values()


@pytest.mark.parametrize("source", [make for _, make in sources()], ids=[n for n, _ in sources()])
def test_the_rest_is_sent(stream, source):
    with pytest.warns(RedisnbWarning, match="of 5 events 2 failed; first: row 1: 'n'"):
        added = stream.add_many(source(), errors="report", label="id")
    assert added["status"].tolist() == ["failed" if each else "added" for each in FAILED]
    assert added["id"].fillna("-").tolist() == ["a", "b", "c", "-", "e"]
    assert added["error"].iloc[1].startswith("row 1: 'n'")
    assert stream.range()["id"].tolist() == ["a", "c", "e"]
    assert stream.range()["entry_id"].tolist() == added["entry_id"].dropna().tolist()


def test_of_a_frame(stream):
    frame = pd.DataFrame({"id": [7, 8, 9], "n": [1, {1}, None]})
    with pytest.warns(RedisnbWarning, match="of 3 events 1 failed"):
        added = stream.add_many(frame, errors="report", label="id")
    assert added[["status", "id"]].values.tolist() == [["added", 7], ["failed", 8], ["added", 9]]
    assert added["id"].dtype == "int64"
    named = pd.DataFrame({"n": [1, 2]}, index=pd.Index(["x", "y"], name="id"))
    assert stream.add_many(named, label="id")["id"].tolist() == ["x", "y"]
    read = stream.range("(" + added["entry_id"].iloc[0])
    assert stream.add_many(read, label="n")["n"].isna().sum() == read["n"].isna().sum()


def test_without_it_nothing_is_sent(stream, raw):
    with pytest.raises(EncodeError, match="row 1"):
        stream.add_many(EVENTS)
    assert not raw.exists("s")


@pytest.mark.parametrize(
    ("events", "values"),
    [
        ([{"k": 1}, {}, {"k": None}], [1, pd.NA, pd.NA]),
        ([{"k": True}], [True]),
        ([{"k": 2**70}], [2**70]),
        ([{"k": 1.5}, {"k": "x"}], [1.5, "x"]),
        ([{"k": {"i": 1}}], [{"i": 1}]),
        ([{"a": {"k": 5}}], [None]),
    ],
)
@pytest.mark.filterwarnings("ignore:.*no event has it")
def test_labels_of_any_kind(stream, events, values):
    found = stream.add_many(events, label="k")["k"]
    assert found.isna().tolist() == pd.isna(pd.Series(values, dtype=object)).tolist()
    assert found.dropna().tolist() == [value for value in values if pd.isna(value) is not True]


def test_a_member_of_an_object_is_a_label_too(stream):
    events = [{"user": {"id": 7}}, {"user": {"id": 8}}, {"user.id": 9}, {"user": 1}]
    found = stream.add_many(events, label="user.id")["user.id"]
    assert found.tolist()[:3] == [7, 8, 9]
    assert pd.isna(found.iloc[3])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        ({"errors": "reprot"}, ValueError, "errors='reprot'; choose 'raise' or 'report'"),
        ({"errors": None}, ValueError, "choose 'raise' or 'report'"),
        ({"label": "status"}, ValueError, "the result has a column of that name"),
        ({"label": ["id"]}, TypeError, "it is the name of one member"),
    ],
)
def test_what_is_no_report(stream, raw, call, error, message):
    with pytest.raises(error, match=message):
        stream.add_many([{"id": 1}], **call)
    assert not raw.exists("s")


def test_a_label_that_is_not_there(stream, raw):
    with pytest.warns(RedisnbWarning, match="no event has it; did you mean 'order_id'"):
        added = stream.add_many([{"order_id": 1}, {"order_id": 2}], label="ordr_id")
    assert added["ordr_id"].isna().all()
    raw.delete("s")
    with pytest.raises(ValueError, match="the frame has no such column; did you mean 'order_id'"):
        stream.add_many(pd.DataFrame({"order_id": [1]}), label="ordr_id")
    assert not raw.exists("s")


def test_without_a_server(tcp_server):
    stream = Stream(connect(tcp_server.url), "s")
    tcp_server.kill()
    with pytest.raises(ConnectError):
        stream.add_many(EVENTS[:1])
    with pytest.warns(RedisnbWarning, match="of 5 events 3 unsent, 2 failed"):
        added = stream.add_many(EVENTS, errors="report", label="id", maxlen=10)
    assert added["status"].tolist() == ["failed" if each else "unsent" for each in FAILED]
    assert added["entry_id"].isna().all()
    assert added["id"].tolist()[:3] == ["a", "b", "c"]
    assert "127.0.0.1" in added["error"].iloc[0]
    taken = iter(EVENTS)
    with pytest.raises(ConnectError):
        stream.add_many(taken, errors="report", label="id")
    assert next(taken) is EVENTS[0]


def test_a_server_that_goes_in_the_middle(tcp_server):
    conn = connect(tcp_server.url)
    stream = Stream(conn, "s")

    def events():
        for i in range(5000):
            if i == 3000:
                tcp_server.kill()
            yield {"id": i}

    with pytest.warns(RedisnbWarning, match="unknown|may have more"):
        added = stream.add_many(events(), errors="report", label="id")
    assert added["id"].tolist() == list(range(len(added)))
    assert set(added["status"]) <= {"added", "unknown"}


# Streams that are to be there


def test_nothing_is_added_where_there_is_no_stream(stream, raw):
    assert stream.add({"i": 1}, create=False) is None
    with pytest.warns(RedisnbWarning, match="of 2 events 2 failed; first: there is no such stream"):
        added = stream.add_many([{"i": 1}, {"i": 2}], create=False)
    assert added["status"].tolist() == ["failed"] * 2
    with pytest.warns(RedisnbWarning, match="2 failed"):
        stream.add_many([{"i": 1}, {"i": 2}], ids=["1-0", "2-0"], create=False, maxlen=5)
    assert not raw.exists("s")
    first = stream.add({"i": 1})
    assert stream.add({"i": 2}, create=False, maxlen=1) > first
    assert stream.add_many([{"i": 3}], create=False)["status"].tolist() == ["added"]
    assert stream.range()["i"].tolist() == [2, 3]


def test_numbers_of_the_server(stream, knows_lag):
    if not knows_lag:
        with pytest.raises(redis.ResponseError, match="Invalid stream ID") as caught:
            stream.add({"i": 1}, id="0-*")
        assert "is for Redis 7" in "".join(caught.value.__notes__)
        return
    assert [stream.add({"i": 1}, id=id) for id in ("0-*", "0-*", "5-*")] == ["0-1", "0-2", "5-0"]
    added = stream.add_many([{}] * 3, ids=["5-*", "7-*", "7-*"])
    assert added["entry_id"].tolist() == ["5-1", "7-0", "7-1"]
    with pytest.raises(redis.ResponseError, match="equal or smaller"):
        stream.add({"i": 1}, id="6-*")
    for id in ("-*", "x-*", "5-0-*", "*-*"):
        with pytest.raises(ValueError, match="is not an entry ID"):
            stream.add({"i": 1}, id=id)
