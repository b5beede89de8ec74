"""PublishPanel: one event, the same event many times, and the rows of a frame."""

import ast
import json
import threading
import time

import numpy as np
import pandas as pd
import pytest
import redis

from redisnb import (
    ConnectError,
    EncodeError,
    EntryIdError,
    ReadOnlyError,
    Stream,
    UncertainWriteError,
    connect,
    frames,
    stop_all,
)
from redisnb.panels import PublishPanel
from redisnb.panels.publish import panel as publish
from redisnb.panels.widgets.parts import Column, Controls, Row, Sparkline, Text, Tree
from redisnb.panels.widgets.table import Table
from redisnb.stream import add_in_parts
from tests.deadlines import deadline
from tests.panels.conftest import threads
from tests.panels.looking import (
    cells,
    controls,
    inside,
    is_off,
    lines,
    open_row,
    press,
    select,
    table,
    texts,
)

HOSTILE = "<img src=x onerror=window.pwned=1> $\\alpha$\n</textarea> \u202e"
LABEL = "Published here"


def form(panel):
    return controls(panel, "publish")


def typed(panel):
    """Return the content of the form, in the chosen way of writing."""
    return form(panel)[form(panel)["mode"]]


def stored(raw, key="s"):
    return [json.loads(fields[b"payload"]) for _, fields in raw.xrange(key)]


def says(panel, part):
    return any(part in line for line in lines(panel))


# -- one event


def test_publish_adds_the_event_and_says_its_id_and_time(stream, raw, wait_until):
    panel = PublishPanel(stream)
    said = texts(panel)
    assert (said["heading"], said["rnb-place"]) == ("Publish to 's'", stream.conn.name)
    assert "'s' does not exist yet: the first event creates it." in lines(panel)
    assert table(panel, LABEL).empty == "Nothing yet: what you publish shows here, the last ten."
    assert panel.state == "ready"

    entry_id = panel.publish({"item": "tea", "at": {"shop": 1}, "n": np.int64(2)})
    assert raw.xrange("s") == [
        (entry_id.encode(), {b"payload": b'{"item":"tea","at":{"shop":1},"n":2}'})
    ]
    assert f"published {entry_id} at {entry_id.time:%Y-%m-%d %H:%M:%S} UTC" in lines(panel)
    assert (panel.last_error, panel.state, said["alert"]) == (None, "ready", "")
    assert cells(panel, LABEL) == [
        [
            f"{entry_id.time:%Y-%m-%d %H:%M:%S.%f}"[:-3],
            entry_id,
            '{"item": "tea", "at": {"shop": 1}, "n": 2}',
        ]
    ]
    wait_until(lambda: "1 entry." in lines(panel))


def test_the_button_publishes_what_is_typed_and_keeps_it(stream, raw):
    panel = PublishPanel(stream)
    press(panel, "publish", fields=[["item", "tea"], ["amount", "2"], ["note", '"2"'], ["", ""]])
    press(panel, "publish")
    assert stored(raw) == [{"item": "tea", "amount": 2, "note": "2"}] * 2
    assert typed(panel)[:2] == [["item", "tea"], ["amount", "2"]]


def test_a_text_is_what_one_would_type(stream, raw):
    panel = PublishPanel(stream)
    panel.publish('item=tea note="two words"')
    assert (form(panel)["mode"], typed(panel)) == ("line", 'item=tea note="two words"')
    panel.publish(' {"n": 1}')
    assert (form(panel)["mode"], typed(panel)) == ("json", ' {"n": 1}')
    # Lines of fields cannot hold every event.
    PublishPanel(stream).publish({"": 1})
    assert stored(raw) == [{"item": "tea", "note": "two words"}, {"n": 1}, {"": 1}]


def test_in_a_stream_of_fields_all_is_text(conn, raw):
    panel = PublishPanel(Stream(conn, "s", format="fields"))
    press(panel, "publish", fields=[["a", "2"], ["b", '{"x": 1}']])
    assert raw.xrange("s")[0][1] == {b"a": b"2", b"b": b'{"x": 1}'}
    assert typed(PublishPanel(Stream(conn, "s", format="fields"))) == [
        ["a", "2"],
        ["b", '{"x": 1}'],
    ]
    assert panel.publish({"at": {"shop": 1}}) is None
    assert isinstance(panel.last_error, EncodeError)
    assert form(panel).errors["fields"].startswith("'at': a field is text or a finite number")


def test_the_form_begins_as_the_last_entry(stream, raw):
    raw.xadd("s", {"payload": '{"not": "the last"}'})
    raw.xadd("s", {"payload": '{"item": "tea", "id": "007", "n": "2", "at": {"shop": 1}}'})
    panel = PublishPanel(stream)
    assert form(panel)["mode"] == "fields"
    assert typed(panel) == [["item", "tea"], ["id", "007"], ["n", '"2"'], ["at", '{"shop": 1}']]
    panel.publish()
    assert stored(raw)[-1] == stored(raw)[-2]

    raw.xadd("s", {"payload": json.dumps({str(n): n for n in range(300)})})
    assert len(typed(PublishPanel(stream))) == 300
    # More fields than the form has room for.
    raw.xadd("s", {"payload": json.dumps({str(n): n for n in range(501)})})
    assert form(PublishPanel(stream))["mode"] == "json"
    raw.xadd("s", {"a": b"\xff", "b": "1"})
    panel = PublishPanel(stream)
    assert typed(panel) == [["", ""]]
    assert says(panel, "The last entry has plain fields, and this form writes JSON;")


def test_what_was_typed_goes_along(stream):
    panel = PublishPanel(stream)
    press(panel, "mode", mode="json", fields=[["item", "tea"], ["n", "2"]])
    assert typed(panel) == '{\n  "item": "tea",\n  "n": 2\n}'
    assert {"fields", "line"} <= set(form(panel).hidden)
    press(panel, "mode", json='{"item"')
    assert typed(panel) == '{"item"'
    press(panel, "mode", mode="line", json='{"item": "tea", "note": "two words"}')
    assert typed(panel) == 'item=tea note="two words"'
    press(panel, "mode", mode="fields")
    assert typed(panel) == [["item", "tea"], ["note", "two words"]]
    press(panel, "mode", mode="json", fields=[["", ""]])
    assert typed(panel) == ""


def test_what_cannot_go_along_stays_and_says_why(stream):
    panel = PublishPanel(stream)
    press(panel, "mode", mode="line", fields=[["a", "1"], ["a", "2"]])
    assert (form(panel)["mode"], typed(panel)) == ("fields", [["a", "1"], ["a", "2"]])
    assert form(panel).errors["fields"] == (
        "the field 'a' occurs twice\nCorrect or clear it to switch to One line."
    )
    assert "fields" not in form(panel).hidden
    press(panel, "mode", mode="line", fields=[["a", "1"]])
    assert (form(panel).errors["fields"], panel.last_error) == ("", None)
    press(panel, "mode", mode="fields", line='""=1')
    assert typed(panel) == '""=1'
    assert form(panel).errors["line"].startswith("it has a field without a name")


@pytest.mark.parametrize(
    ("mode", "content", "words"),
    [
        ("json", '{"a": 1,\n "b" 2}', "not JSON: line 2, column 6: expecting ':' delimiter"),
        ("json", '{"a": "\\ud800"}', "'a': a lone surrogate is not valid text"),
        ("fields", [["a", "1"], ["a", "2"]], "the field 'a' occurs twice"),
        ("fields", [], "there is no event yet"),
        ("line", "a=1 b", "character 5: 'b' has no '='"),
    ],
)
def test_an_invalid_event_is_explained_next_to_it_and_kept(stream, raw, mode, content, words):
    panel = PublishPanel(stream)
    if mode != "fields":
        press(panel, "mode", mode=mode)
    press(panel, "publish", **{mode: content})
    assert form(panel).errors[mode].startswith(words)
    assert (typed(panel), panel.state) == (content, "ready")
    assert isinstance(panel.last_error, ValueError)
    assert not raw.exists("s")

    assert panel.publish("a=1") is not None
    assert (panel.last_error, set(form(panel).errors.values())) == (None, {""})


def test_a_payload_of_5_mb(stream, raw, wait_until):
    text = "x" * 5_000_000
    panel = PublishPanel(stream)
    entry_id = panel.publish(json.dumps({"a": text}))
    assert raw.xrange("s")[0][1][b"payload"] == b'{"a":"%b"}' % text.encode()
    assert [len(row[2]) for row in cells(panel, LABEL)] == [200]
    assert len(panel.frame()["event"].iloc[0]) == 5_000_009
    open_row(panel, LABEL, entry_id)
    assert says(panel, "It is too large to show")
    # It is too long to start from, and the panel says so.
    panel = PublishPanel(stream)
    assert "1 entry. The last entry is too long to start from." in lines(panel)
    panel.publish("n=1")
    wait_until(lambda: "2 entries." in lines(panel))


def test_an_id_of_its_own(stream, raw):
    panel = PublishPanel(stream)
    press(panel, "publish", fields=[["a", "1"]], id=" 5-1 ")
    assert raw.xrange("s")[0][0] == b"5-1"
    assert form(panel)["id"] == ""
    press(panel, "publish", id="2100-01-01 10:30")
    assert raw.xrange("s")[1][0] == b"4102482600000-0"

    press(panel, "publish", id="yesterday")
    assert form(panel).errors["id"].startswith("an ID like 1700000000000-0, or a time")
    assert form(panel)["id"] == "yesterday"
    assert isinstance(panel.last_error.__cause__, EntryIdError)
    press(panel, "publish", id="1-0")
    assert says(panel, "equal or smaller than the target stream top item")
    assert isinstance(panel.last_error, redis.ResponseError)
    assert (form(panel).errors["id"], form(panel)["id"], raw.xlen("s")) == ("", "1-0", 2)


def test_an_id_beyond_the_calendar_has_no_time(stream, raw):
    raw.xadd("s", {"payload": '{"n": 1}'}, id="18446744073709551000-0")
    panel = PublishPanel(stream)
    assert panel.publish() == "18446744073709551000-1"
    assert "published 18446744073709551000-1" in lines(panel)
    assert pd.isna(panel.frame().index[0])


def test_trimming_can_be_seen_before(stream, raw):
    for n in range(12):
        raw.xadd("s", {"payload": json.dumps({"n": n})})
    panel = PublishPanel(stream)
    press(panel, "maxlen", maxlen="10")
    assert "12 entries; to keep 10, the next event drops the oldest 3." in lines(panel)
    press(panel, "maxlen", maxlen="ten")
    assert form(panel).errors["maxlen"] == "a whole number, at least 1"
    press(panel, "maxlen", maxlen="13")
    assert form(panel).errors["maxlen"] == ""
    assert "12 entries." in lines(panel)
    for wrong in ("0", "-1", "ten", "1.5", "9" * 30):
        press(panel, "publish", maxlen=wrong)
        assert form(panel).errors["maxlen"] == "a whole number, at least 1"
    press(panel, "publish", maxlen="10")
    assert [event["n"] for event in stored(raw)] == [*range(3, 12), 11]


def test_the_last_ten_and_send_again(stream, raw):
    panel = PublishPanel(stream)
    added = [panel.publish({"n": n}) for n in range(12)]
    found = panel.frame()
    assert found["entry_id"].tolist() == added[:1:-1]
    assert found["event"].tolist() == [f'{{"n": {n}}}' for n in range(11, 1, -1)]
    assert (found.index.name, str(found.index.dtype)) == ("entry_time", "datetime64[ms, UTC]")

    assert is_off(panel, "send_again") == "select events in the table first"
    select(panel, LABEL, added[11], added[5])
    assert is_off(panel, "send_again") == ""
    press(panel, "send_again")
    # In their old order, and the selection stays.
    assert [event["n"] for event in stored(raw)[12:]] == [5, 11]
    assert says(panel, "2 of 2 sent again, the last one as ")
    assert panel.send_again(found.tail(1)) == 0
    assert says(panel, "none of the last 10 is selected")
    press(panel, "send_again")
    assert raw.xlen("s") == 16


def test_an_entry_is_shown_in_full(stream, raw):
    panel = PublishPanel(stream)
    entry_id = panel.publish({"item": "tea"})
    open_row(panel, LABEL, entry_id)
    [tree] = [part for part in inside(panel) if isinstance(part, Tree)]
    assert json.loads(tree.value) == {"item": "tea"}
    raw.delete("s")
    open_row(panel, LABEL, entry_id)
    assert json.loads(tree.value) == {"item": "tea"}
    assert says(panel, "It is no longer in the stream.")


# -- many


def test_send_many_in_the_background(stream, raw, wait_until):
    panel = PublishPanel(stream)
    press(panel, "publish", fields=[["n", "1"]])
    began = time.monotonic()
    press(panel, "send_many", n="5", every="20ms")
    assert panel.state == "publishing"
    assert is_off(panel, "send_many") == "it is already sending: stop that first"
    assert panel.send_many(1, 0) is False
    assert isinstance(panel.last_error, RuntimeError)
    wait_until(lambda: panel.state == "ready")
    assert time.monotonic() - began >= 0.08
    assert stored(raw) == [{"n": 1}] * 6
    assert says(panel, "5 of 5 added in ")
    assert len(panel.frame()) == len(cells(panel, LABEL)) == 6
    assert panel.send_many(3, 0) is True
    wait_until(lambda: raw.xlen("s") == 9 and panel.state == "ready")


def test_send_many_stops(stream, raw, wait_until):
    panel = PublishPanel(stream)
    assert is_off(panel, "stop") == "nothing is being sent"
    panel.publish({"n": 1})
    panel.send_many(1000, "1s")
    wait_until(lambda: raw.xlen("s") == 2)
    began = time.monotonic()
    press(panel, "stop")
    assert time.monotonic() - began < deadline(1)
    assert panel.state == "ready"
    assert "stopped: 1 of 1,000 added, 999 not sent" in lines(panel)
    assert is_off(panel, "send_many") == ""

    panel.send_many(1000, "1s")
    wait_until(lambda: raw.xlen("s") == 3)
    stop_all()
    assert threads() == []
    assert panel.state == "stopped"
    # Publishing by hand still works.
    assert panel.publish() is not None
    panel.send_many(1000, "1s")
    panel.close()
    assert threads() == []


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [("n", "0", "a whole number"), ("n", "many", "a whole number"), ("every", "5", "a time with")],
)
def test_what_is_no_number_and_no_time_is_explained(stream, raw, name, value, words):
    panel = PublishPanel(stream)
    press(panel, "publish", fields=[["n", "1"]])
    press(panel, "send_many", **{name: value})
    assert controls(panel, "n").errors[name].startswith(words)
    assert controls(panel, "n")[name] == value
    form(panel)["id"] = "9999999999999-0"
    assert panel.send_many(2, 0) is False
    assert form(panel).errors["id"] == "an ID is used once: clear it to send many"
    assert raw.xlen("s") == 1
    assert panel.send_many(0, 0) is False
    assert str(panel.last_error) == "n=0; it is at least 1"


def test_publish_a_frame(stream, raw, wait_until, has_schema, monkeypatch):
    monkeypatch.setattr(publish, "ROWS_PER_PART", 10)
    frame = pd.DataFrame({"n": range(35), "text": "x"})
    panel = PublishPanel(stream, frame=frame)
    assert len(panel.added()) == 0
    press(panel, "publish_frame")
    wait_until(lambda: panel.state == "ready")
    assert [event["n"] for event in stored(raw)] == list(range(35))
    assert says(panel, "35 of 35 added in ")
    added = panel.added()
    assert has_schema(added, frames.ADDED)
    assert added["entry_id"].tolist() == [id.decode() for id, _ in raw.xrange("s")]
    assert controls(panel, "n").captions["publish_frame"] == "Publish the 35 rows again"
    assert len(panel.frame()) == 0
    panel.publish_frame()
    wait_until(lambda: raw.xlen("s") == 70 and panel.state == "ready")
    assert len(panel.added()) == 35


@pytest.mark.slow
def test_a_frame_continues_after_a_stop(conn, raw, wait_until, monkeypatch):
    def slow(*args, **options):
        for part in add_in_parts(*args, **options):
            yield part
            sent.set()
            go_on.wait(5)

    sent, go_on = threading.Event(), threading.Event()
    monkeypatch.setattr(publish, "ROWS_PER_PART", 10)
    monkeypatch.setattr(publish, "add_in_parts", slow)
    panel = PublishPanel(Stream(conn, "s"), frame=pd.DataFrame({"n": range(35)}))
    panel.publish_frame()
    assert sent.wait(deadline(5))
    stopping = threading.Thread(target=panel.stop)
    stopping.start()
    wait_until(lambda: panel.state == "stopping")
    go_on.set()
    stopping.join()
    assert panel.state == "ready"
    done = raw.xlen("s")
    assert done in (10, 20)
    assert f"stopped: {done} of 35 added, {35 - done} not sent" in lines(panel)
    assert controls(panel, "n").captions["publish_frame"] == f"Publish the other {35 - done} rows"
    press(panel, "publish_frame")
    wait_until(lambda: panel.state == "ready")
    assert [event["n"] for event in stored(raw)] == list(range(35))
    assert panel.added()["status"].tolist() == ["added"] * 35


def test_a_frame_with_a_row_that_cannot_be_carried(stream, raw, wait_until):
    frame = pd.DataFrame({"n": [1, 2, {3}]})
    panel = PublishPanel(stream, frame=frame)
    panel.publish_frame()
    wait_until(lambda: panel.state == "ready")
    assert isinstance(panel.last_error, EncodeError)
    assert "row 2: 'n': JSON cannot carry a set; list() makes one that it can" in lines(panel)
    assert "stopped: 0 of 3 added, 3 not sent" in lines(panel)
    assert not raw.exists("s")


def test_what_the_server_refuses_of_a_frame(stream, raw, wait_until):
    raw.set("s", "x")
    panel = PublishPanel(stream, frame=pd.DataFrame({"n": [1, 2]}))
    assert panel.state == "failed"
    panel.publish_frame()
    wait_until(lambda: says(panel, "0 of 2 added, 2 failed in "))
    assert says(panel, "row 0: WRONGTYPE Operation against a key holding the wrong kind of value")
    assert panel.added()["status"].tolist() == ["failed", "failed"]


def test_a_frame_without_rows(stream):
    panel = PublishPanel(stream, frame=pd.DataFrame({"n": []}))
    assert is_off(panel, "publish_frame") == "it has no rows"
    assert "publish_frame" in controls(PublishPanel(stream), "n").hidden
    assert PublishPanel(stream).publish_frame() is False


# -- failures


def test_the_server_is_quoted_with_the_remedy(stream, raw, wait_until):
    raw.set("s", "x")
    panel = PublishPanel(stream)
    wrong = (
        "WRONGTYPE Operation against a key holding the wrong kind of value\n"
        "'s' holds another type of value; redisnb.keys(conn, 's') shows which"
    )
    assert (panel.state, texts(panel)["alert"]) == ("failed", wrong)
    assert panel.publish("a=1") is None
    assert lines(panel).count(wrong) == 2
    assert isinstance(panel.last_error, redis.ResponseError)
    raw.delete("s")
    assert panel.publish() is not None
    wait_until(lambda: panel.state == "ready")
    assert wrong not in lines(panel)


def test_a_lost_reply_is_no_reason_to_send_again(proxy, raw, wait_until):
    raw.flushall()
    with connect(proxy.url) as conn:
        panel = PublishPanel(Stream(conn, "s"))
        # It checks the stream, too.
        panel._ticker.stop()
        proxy.lines = 0
        assert panel.publish("n=1") is None
        assert says(panel, "may or may not have been added; look with tail() before adding again")
        # A successful check of the stream, once the connection works again, keeps the error.
        wait_until(lambda: "1 entry." in lines(panel) and panel.state == "ready")
        assert says(panel, "may or may not have been added")
        assert isinstance(panel.last_error, UncertainWriteError)
        assert (raw.xlen("s"), len(panel.frame())) == (1, 0)
        assert panel.publish() is not None
        assert not says(panel, "may or may not")
        panel.close()


def test_many_end_at_a_lost_reply(proxy, raw, wait_until, monkeypatch):
    raw.flushall()
    with connect(proxy.url) as conn:
        panel = PublishPanel(Stream(conn, "s"))
        panel.publish("n=1")
        panel._ticker.stop()
        monkeypatch.setattr(panel._ticker, "start", lambda: None)
        proxy.lines = 0
        panel.send_many(5, 0)
        wait_until(lambda: says(panel, "stopped: 0 of 5 added, 1 unknown, 4 not sent"))
        assert isinstance(panel.last_error, UncertainWriteError)
        assert raw.xlen("s") == 2
        panel.close()


def test_a_frame_with_lost_replies(proxy, raw, wait_until, monkeypatch):
    raw.flushall()
    monkeypatch.setattr(publish, "ROWS_PER_PART", 10)
    with connect(proxy.url) as conn:
        panel = PublishPanel(Stream(conn, "s"), frame=pd.DataFrame({"n": range(25)}))
        panel._ticker.stop()
        monkeypatch.setattr(panel._ticker, "start", lambda: None)
        proxy.lines = 2 * 13
        panel.publish_frame()
        wait_until(lambda: says(panel, "stopped: 13 of 25 added, 7 unknown, 5 not sent"))
        assert says(panel, "no reply came for 7 rows, so they may or may not have been added")
        assert (panel.last_error.rows, panel.last_error.stream) == (7, "s")
        assert panel.added()["status"].value_counts().to_dict() == {"added": 13, "unknown": 7}
        assert raw.xlen("s") == 20
        # Rows with an unknown outcome are counted separately.
        assert controls(panel, "n").captions["publish_frame"] == "Publish the other 5 rows"
        panel.publish_frame()
        wait_until(lambda: raw.xlen("s") == 25)
        panel.close()


@pytest.mark.slow
def test_a_server_that_dies_and_comes_back(tcp_server, wait_until):
    with connect(tcp_server.url) as conn:
        panel = PublishPanel(Stream(conn, "s"))
        panel.publish("n=1")
        tcp_server.kill()
        wait_until(lambda: panel.state == "reconnecting", 2)
        assert panel.publish() is None
        assert isinstance(panel.last_error, ConnectError)
        shown = [*lines(panel), repr(panel), str(panel.last_error), panel.python()]
        assert not any("hunter2" in text for text in shown)
        tcp_server.start()
        wait_until(lambda: panel.state == "ready", 5)
        assert panel.publish() is not None
        panel.close()


@pytest.mark.slow
def test_a_server_that_was_away_at_first(tcp_server, wait_until):
    tcp_server.client.xadd("s", {"payload": '{"n": 1}'})
    conn = connect(tcp_server.url)
    tcp_server.kill()
    panel = PublishPanel(Stream(conn, "s"))
    assert panel.state == "reconnecting"
    tcp_server.start()
    wait_until(lambda: panel.state == "ready", 5)
    assert typed(panel) == [["n", "1"]]
    panel.close()
    conn.close()


def test_a_read_only_connection(server, raw):
    raw.flushall()
    raw.xadd("s", {"payload": '{"n": 1}'})
    with connect(server.url, read_only=True) as conn:
        panel = PublishPanel(Stream(conn, "s"), frame=pd.DataFrame({"n": [1]}))
        for name in ("publish", "send_many", "publish_frame", "send_again"):
            assert is_off(panel, name) == "this connection is read-only"
            press(panel, name)
        assert "1 entry; this connection is read-only." in lines(panel)
        assert panel.publish() is None
        assert isinstance(panel.last_error, ReadOnlyError)
        panel.close()
    assert raw.xlen("s") == 1


def test_two_at_once_are_two(stream, raw):
    panel = PublishPanel(stream)
    panel.publish({"n": 1})
    both = [threading.Thread(target=panel.publish) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert raw.xlen("s") == len(panel.frame()) == 3


# -- properties of every panel


def test_the_code_does_the_same(conn, raw, server):
    panel = PublishPanel(Stream(conn, "it's", format="json"))
    press(panel, "publish", fields=[["a", '{"b": [true, null, "it\'s"]}']], maxlen="9")
    form(panel)["id"] = "9999999999999-0"
    code = panel.python()
    assert "maxlen=9" in code
    local = {}
    exec(code.replace(conn.url, server.url), local)
    [first, second] = raw.xrange("it's")
    assert (first[1], second[0]) == (second[1], b"9999999999999-0")
    local["conn"].close()
    form(panel)["fields"] = [["", "x"]]
    assert ast.parse(panel.python()).body == []


def test_nothing_but_text_shows_what_the_server_has(conn, raw):
    panel = PublishPanel(Stream(conn, HOSTILE), frame=pd.DataFrame({HOSTILE: [HOSTILE]}))
    panel.publish({HOSTILE: HOSTILE})
    assert texts(panel)["heading"] == f"Publish to {HOSTILE!r}"
    kinds = (Text, Row, Column, Table, Controls, Sparkline, Tree)
    assert all(isinstance(part, kinds) for part in inside(panel))
    html = panel._repr_mimebundle_()["text/html"]
    assert "<img" not in html
    assert "&lt;img" in html
    assert "text/html" not in PublishPanel(Stream(conn, "s"), snapshot=False)._repr_mimebundle_()


def test_a_panel_is_made_of_what_it_is_for(conn):
    with pytest.raises(TypeError, match="Stream"):
        PublishPanel("orders")
    with pytest.raises(TypeError, match=r"frame=.*DataFrame, not list"):
        PublishPanel(Stream(conn, "s"), frame=[1])
    with pytest.raises(ValueError, match="bytes, which cannot be typed"):
        PublishPanel(Stream(conn, "s", format="raw"))
    assert threads() == []


def test_the_end(stream):
    panel = PublishPanel(stream)
    assert repr(panel) == "PublishPanel('s')"
    panel.close()
    assert threads() == []
    with pytest.raises(RuntimeError, match="is closed; make another"):
        panel.publish("n=1")
