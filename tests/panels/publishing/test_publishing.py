"""PublishPanel: one event, copies by a template, and the rows of a frame, without a browser."""

import json
import re
import threading
import time

import pandas as pd
import pytest

from redisnb import ConnectError, EncodeError, Stream, UncertainWriteError, connect, stop_all
from redisnb.panels.publishing import PublishPanel, publish
from redisnb.panels.publishing.usual import look_at_last
from tests.deadlines import until, until_quiet
from tests.panels.conftest import threads
from tests.panels.parts.acting import Page


@pytest.fixture
def soon(monkeypatch):
    """The panel looks at the server every moment."""
    monkeypatch.setattr("redisnb.panels.publishing.panel._LOOK_EVERY_SECONDS", 0.02)


class Form:
    """A panel on a page."""

    def __init__(self, stream, **options):
        self.panel = publish(stream, **options)
        self.view, self.page = self.panel._view, Page(self.panel)
        assert self.panel.wait()

    def shown(self, part, name="text"):
        return "" if self.page.shown(part)["hidden"] else self.page.shown(part)[name]

    def type(self, text):
        editor = self.view.writing.editor
        self.page.act(editor, "typed", {editor: text})

    def publish(self, **values):
        send = self.view.send
        self.page.press(
            send.publish, {getattr(send, name): value for name, value in values.items()}
        )
        assert self.panel.wait()

    @property
    def typed(self):
        return self.view.writing.editor["value"]

    @property
    def answer(self):
        return self.shown(self.view.send.answer)

    @property
    def state(self):
        return self.shown(self.view.state)


def stored(raw, key="s"):
    return [json.loads(fields[b"payload"]) for _, fields in raw.xrange(key)]


def test_an_event_is_typed_and_published(stream, raw):
    form = Form(stream)
    assert repr(form.panel) == "PublishPanel('s')"
    assert isinstance(form.panel, PublishPanel)
    assert "the first event creates it · writes JSON in 'payload'" in form.shown(form.view.about)
    assert (form.state, form.typed, form.panel.frame().empty) == ("ready", "", True)
    form.type('{"item": "tea",\n "n": }')
    assert form.shown(form.view.writing.editor, "error").startswith("line 2, column 7: a value is")
    assert form.shown(form.view.writing.editor, "line") == 2
    form.publish()
    assert (raw.exists("s"), form.typed) == (0, '{"item": "tea",\n "n": }')
    form.type('{"item": "tea", "n": 2}')
    assert form.shown(form.view.writing.editor, "error") == ""
    form.publish()
    [(id, fields)] = raw.xrange("s")
    assert fields == {b"payload": b'{"item":"tea","n":2}'}
    assert form.answer == f"published {id.decode()}"
    assert form.panel.frame()["event"].tolist() == ['{"item": "tea", "n": 2}']
    assert "1 entry" in form.shown(form.view.about)


def test_copies_are_made_by_a_template(stream, raw):
    form = Form(stream)
    form.type('{"n": {{n}}, "id": "o-{{n}}", "kind": {{choice("sale", "refund")}}}')
    assert form.shown(form.view.writing.preview).startswith('such as {"n": 1, "id": "o-1", "kind"')
    send = form.view.send
    assert form.page.shown(send.every)["hidden"]
    form.page.act(send.times, "typed", {send.times: "2,500"})
    assert form.shown(send.publish, "label") == "Publish 2,500"
    assert not form.page.shown(send.every)["hidden"]
    form.publish()
    assert form.answer.startswith("2,500 of 2,500 added in ")
    events = stored(raw)
    assert [each["n"] for each in events] == list(range(1, 2501))
    assert {each["kind"] for each in events} == {"sale", "refund"}
    assert len(form.panel.frame()) == 1_000
    raw.delete("s")
    # The address has no password.
    code = re.sub("conn = .*", "", form.panel.python())
    exec(code, {"conn": stream.conn})
    assert [each["id"] for each in stored(raw)] == [f"o-{n}" for n in range(1, 2501)]


def test_sending_over_time_is_stopped(stream, raw):
    form = Form(stream)
    form.type('{"n": {{n}}}')
    send = form.view.send
    form.page.press(send.publish, {send.times: "1000", send.every: "20ms"})
    until(lambda: raw.xlen("s") > 2)
    assert form.state == "publishing"
    assert form.page.shown(send.publish)["hidden"]
    form.panel.publish()  # A second one is not begun.
    form.page.press(send.stop)
    until(lambda: form.state == "ready")
    assert form.answer.startswith(f"stopped: {raw.xlen('s'):,} of 1,000 added, ")
    assert not form.page.shown(send.publish)["hidden"]
    form.page.press(send.publish, {send.every: "20ms"})
    until(lambda: form.state == "publishing")
    stop_all()
    until(lambda: form.state == "ready")
    until(lambda: threads() == [])


@pytest.mark.parametrize(
    ("entry", "written", "about"),
    [
        ({"data": '{"n": 1}'}, {b"data": b'{"n":2}'}, "writes JSON in 'data'"),
        (
            {"n": "1", "item": "tea"},
            {b"n": b"2", b"item": b"tea"},
            "writes a field for each member",
        ),
    ],
)
def test_it_writes_as_the_last_entry_is_written(stream, raw, entry, written, about):
    raw.xadd("s", entry)
    form = Form(stream)
    assert about in form.shown(form.view.about)
    form.type(form.typed.replace("1", "2"))
    form.publish()
    assert raw.xrange("s")[-1][1] == written


def test_published_at_once_it_is_written_so_too(stream, raw, monkeypatch):
    raw.xadd("s", {"data": '{"n": 1}'})
    may_look = threading.Event()

    def late(stream):
        assert may_look.wait(10)
        return look_at_last(stream)

    # The first answer comes when something is published already.
    monkeypatch.setattr("redisnb.panels.publishing.panel.look_at_last", late)
    panel = publish(stream)
    panel.publish({"n": 2})
    may_look.set()
    assert panel.wait()
    assert raw.xrange("s")[-1][1] == {b"data": b'{"n":2}'}


def test_it_says_what_is_unlike_the_last_entries(stream, raw):
    for n in range(10):
        raw.xadd("s", {"payload": json.dumps({"n": n, "user": {"id": f"u-{n}"}, "ok": True})})
    form = Form(stream)
    assert json.loads(form.typed)["n"] == 9
    names = [item["name"] for item in form.view.members.children]
    assert names == ["n", "user.id", "ok"]
    assert form.shown(form.view.writing.remarks) == ""
    form.type('{"n": "9", "ok": false, "new": 1}')
    said = form.shown(form.view.writing.remarks)
    assert "without 'user.id', which they have" in said
    assert "'n' is text instead of number" in said
    assert "'new' is new" in said
    items = {item["name"]: item for item in form.view.members.children}
    assert [each["tone"] for each in items.values()] == ["warn", "", "good"]
    form.page.act(form.view.members, "choose", item=items["user.id"].id)
    assert json.loads(form.typed)["user"] == {"id": "u-9"}


def test_any_entry_is_edited_and_published_again(conn, stream, raw):
    id = raw.xadd("other", {"payload": '{"n": 1, "text": "{{n}} {{secret}}"}'})
    form = Form(stream)
    form.panel.edit(Stream(conn, "other").entry(id.decode()))
    assert f"that of {id.decode()} in 'other'" in form.shown(form.view.note)
    form.publish()
    assert stored(raw) == [{"n": 1, "text": "{{n}} {{secret}}"}]
    raw.xadd("odd", {"a": b"\xff"})
    odd = Stream(conn, "odd")
    form.panel.edit(odd.entry(raw.xrange("odd")[0][0].decode()))
    grid = form.view.grid
    form.page.act(grid, "choose", row=0)
    until(lambda: form.view.details._seen)
    form.type("{}")
    form.panel._view.details.edit()
    assert json.loads(form.typed.replace("\\u007b", "{"))["n"] == 1
    form.page.press(form.view.again)
    assert form.panel.wait()
    assert len(raw.xrange("s")) == 2
    form.page.act(grid, "select", ranges=[[0, 2]])
    assert form.shown(form.view.again, "label") == "Publish 2 again"


def test_what_drops_entries_is_confirmed(stream, raw):
    for n in range(5):
        raw.xadd("s", {"payload": json.dumps({"n": n})})
    form = Form(stream)
    form.publish(maxlen="3")
    assert raw.xlen("s") == 5
    assert "drops the oldest 3 entries, which cannot" in form.shown(form.view.confirm.text)
    assert form.shown(form.view.confirm.yes, "label") == "Publish and drop 3"
    form.page.press(form.view.confirm.yes)
    assert form.panel.wait()
    assert raw.xlen("s") == 3
    form.publish()
    assert raw.xlen("s") == 3


def test_what_the_fields_have_is_checked(stream, raw):
    form = Form(stream)
    form.type('{"n": 1}')
    send = form.view.send
    for field, text in ((send.times, "0"), (send.maxlen, "x"), (send.entry_id, "noon")):
        before = field["value"]
        form.page.press(send.publish, {field: text})
        assert form.page.shown(field)["error"], field
        form.page.act(field, "left", {field: before})
    assert raw.exists("s") == 0
    form.publish(entry_id="5-1")
    assert raw.xrange("s")[0][0] == b"5-1"
    assert send.entry_id["value"] == ""
    form.publish(entry_id="5-1")
    assert "equal or smaller" in form.shown(form.view.trouble)


def test_a_read_only_connection_says_why(server, raw):
    raw.flushall()
    raw.xadd("s", {"payload": '{"n": 1}'})
    with connect(server.url, read_only=True) as conn:
        form = Form(Stream(conn, "s"))
        assert "read-only" in form.shown(form.view.send.publish, "disabled")
        form.panel.publish()
        assert "read-only" in str(form.panel.last_error)


def test_the_ways_of_typing(stream, raw):
    form = Form(stream)
    writing = form.view.writing
    form.type('{"item": "tea", "n": 2}')
    form.page.act(writing.way, "choose", {writing.way: "lines"})
    assert form.typed == "item=tea\nn=2"
    form.type("item=tea\nn={{n}}")
    form.page.act(writing.way, "choose", {writing.way: "json"})
    assert writing.way["value"] == "lines"
    assert "stays as it is typed" in form.shown(writing.editor, "error")
    form.publish(times="2")
    assert stored(raw) == [{"item": "tea", "n": 1}, {"item": "tea", "n": 2}]


def test_the_rows_of_a_frame(stream, raw):
    rows = pd.DataFrame({"n": range(2_500)})
    form = Form(stream, rows=rows)
    assert form.shown(form.view.send.rows, "label") == "Publish the 2,500 rows"
    form.page.press(form.view.send.rows)
    assert form.panel.wait()
    assert [each["n"] for each in stored(raw)] == list(range(2_500))
    assert len(form.panel.added()) == 2_500
    assert form.shown(form.view.send.rows, "label") == "Publish the 2,500 rows again"


def test_what_the_server_refuses_is_said(stream, raw):
    form = Form(stream)
    form.type('{"n": 1}')
    raw.set("s", "text")
    form.publish()
    assert "WRONGTYPE" in form.shown(form.view.trouble)
    assert (form.state, form.typed) == ("failed", '{"n": 1}')
    again, _ = form.view.trouble.children
    # Nothing offers to send again what may have arrived.
    assert form.page.shown(again)["hidden"]
    raw.delete("s")
    form.publish()
    assert (form.state, form.shown(form.view.trouble)) == ("ready", "")


def test_a_server_that_dies_and_comes_back(tcp_server, soon):
    with connect(tcp_server.url) as conn:
        form = Form(Stream(conn, "s"))
        form.type('{"n": 1}')
        tcp_server.kill()
        until(lambda: form.state == "reconnecting")
        form.publish()
        assert isinstance(form.panel.last_error, ConnectError)
        assert "hunter2" not in form.shown(form.view.trouble)
        tcp_server.start()
        until(lambda: form.state == "ready")
        form.publish()
        assert form.answer.startswith("published ")
        form.panel.close()


def test_a_server_that_was_away_at_first(tcp_server, soon):
    tcp_server.client.xadd("s", {"payload": '{"n": 1}'})
    with connect(tcp_server.url) as conn:
        tcp_server.kill()
        form = Form(Stream(conn, "s"))
        form.page.act(form.view.writing.editor, "left")
        until(lambda: form.state in ("failed", "reconnecting"))
        tcp_server.start()
        until(lambda: form.state == "ready")
        until(lambda: form.typed == '{\n  "n": 1\n}')
        form.panel.close()


def test_a_lost_reply_is_no_reason_to_send_again(proxy, raw):
    raw.delete("s")
    with connect(proxy.url) as conn:
        form = Form(Stream(conn, "s"))
        form.type('{"n": 1}')
        proxy.lines = 0
        form.publish()
        assert isinstance(form.panel.last_error, UncertainWriteError)
        again, _ = form.view.trouble.children
        assert form.page.shown(again)["hidden"]
        assert form.shown(form.view.trouble)
        until(lambda: raw.xlen("s") == 1)


def test_what_others_add_is_counted_while_it_is_shown(stream, raw, soon):
    form = Form(stream)
    form.type("")
    raw.xadd("s", {"payload": "{}"})
    until(lambda: form.shown(form.view.about).startswith("1 entry"))
    form.panel.root.set(hidden=True)
    raw.xadd("s", {"payload": "{}"})
    until_quiet(lambda: raw.info("commandstats")["cmdstat_xlen"]["calls"], 0.2)


def test_what_is_no_stream_is_refused(conn):
    with pytest.raises(TypeError, match="it is a Stream"):
        publish("s")
    with pytest.raises(ValueError, match="raw"):
        publish(Stream(conn, "s", format="raw"))


def test_an_event_that_cannot_be_typed_is_named(conn, stream, raw):
    raw.xadd("s", {"payload": '{"a": 1e999}'})
    form = Form(stream)
    assert form.typed == ""
    remarks = form.view.writing.remarks
    assert form.shown(remarks).startswith("The last entry cannot be typed: 'a': inf is not a JSON")
    raw.xadd("s", {"payload": json.dumps({"a": "x" * 20_000})})
    form = Form(stream)
    assert (form.typed, form.shown(form.view.writing.remarks)) == (
        "",
        "The last entry is too long to begin with.",
    )
    # Asked for, it is typed however long it is.
    form.page.press(form.view.writing.last)
    assert form.panel.wait()
    assert json.loads(form.typed) == {"a": "x" * 20_000}
    id = raw.xadd("bytes", {"a": b"\xff"}).decode()
    form.type("draft")
    form.panel.edit(Stream(conn, "bytes", format="raw").entry(id))
    assert form.shown(form.view.trouble).startswith(f"{id} cannot be typed: ")
    assert form.typed == "draft"
    assert "'bytes'" not in form.shown(form.view.note)
    with pytest.raises(EncodeError, match="JSON cannot carry a set"):
        form.panel.write({"a": {1, 2}})
    assert form.typed == "draft"


def test_the_last_entry_is_taken_and_what_was_typed_comes_back(stream, raw):
    form = Form(stream)
    form.page.press(form.view.writing.last)
    assert form.panel.wait()
    assert form.shown(form.view.writing.remarks) == "The stream has no entries yet."
    form.type('{"mine": 1}')
    raw.xadd("s", {"payload": '{"n": 7}'})
    form.page.press(form.view.writing.last)
    assert form.panel.wait()
    assert json.loads(form.typed) == {"n": 7}
    back, _ = form.view.note.children
    assert not form.page.shown(back)["hidden"]
    form.page.press(back)
    assert form.typed == '{"mine": 1}'


def test_rows_are_published_once_unless_asked_again(conn, stream, raw):
    rows = pd.DataFrame({"n": range(3)})
    form = Form(stream, rows=rows)
    assert not form.panel.is_used
    for _ in range(2):
        form.page.press(form.view.send.rows)
        assert form.panel.wait()
        assert len(form.panel.added()) == 3
    assert [each["n"] for each in stored(raw)] == [0, 1, 2, 0, 1, 2]
    with pytest.raises(ValueError, match=r"there is no frame: publish\(stream, rows=frame\)"):
        publish(Stream(conn, "other")).publish_rows()


def test_the_server_refuses_rows(stream, raw):
    form = Form(stream, rows=pd.DataFrame({"n": range(3)}))
    raw.set("s", "text")
    form.page.press(form.view.send.rows)
    assert form.panel.wait()
    assert "WRONGTYPE" in form.shown(form.view.trouble)
    assert form.panel.added()["status"].tolist() == ["failed"] * 3
    assert form.answer.startswith("0 of 3 added, 3 failed")
    assert form.shown(form.view.send.rows, "label") == "Publish the 3 rows"
    # Copies, too: none of them counts as published here.
    form.type('{"n": {{n}}}')
    form.publish(times="3")
    assert "WRONGTYPE" in form.shown(form.view.trouble)
    assert form.panel.frame().empty
    assert not form.panel._published.newest()


def test_rows_that_were_refused_are_sent_with_the_others(stream, raw):
    form = Form(stream, rows=pd.DataFrame({"n": range(2_500)}))
    raw.set("s", "text")
    form.page.press(form.view.send.rows)
    assert form.panel.wait()
    assert form.panel.added()["status"].tolist() == ["failed"] * 1_000
    assert form.answer == "stopped: 0 of 2,500 added, 1,000 failed, 1,500 not sent"
    assert form.shown(form.view.send.rows, "label") == "Publish the 2,500 rows"
    raw.delete("s")
    form.page.press(form.view.send.rows)
    assert form.panel.wait()
    assert [each["n"] for each in stored(raw)] == list(range(2_500))
    assert form.panel.added()["status"].tolist() == ["added"] * 2_500
    assert form.panel.added()["entry_id"].tolist() == [id.decode() for id, _ in raw.xrange("s")]
    assert form.shown(form.view.send.rows, "label") == "Publish the 2,500 rows again"


def test_lost_replies_of_many_are_counted(proxy, raw):
    raw.delete("s")
    with connect(proxy.url) as conn:
        form = Form(Stream(conn, "s"))
        form.type('{"n": {{n}}}')
        proxy.lines = 0
        form.publish(times="2")
        assert isinstance(form.panel.last_error, UncertainWriteError)
        assert "no reply came for 2, so they may or may not" in form.shown(form.view.trouble)
        assert form.panel.frame().empty
        until(lambda: raw.xlen("s") == 2)


def test_what_is_published_again_is_chosen(stream, raw):
    form = Form(stream)
    form.type('{"n": {{n}}}')
    form.publish(times="3")
    assert form.panel.is_used
    form.page.press(form.view.again)
    assert form.answer == "Select events in the table first."
    # A row that has gone meanwhile.
    form.page.act(form.view.grid, "choose", row=99)
    assert form.page.shown(form.view.details)["hidden"]
    form.page.act(form.view.grid, "choose", row=0)
    form.page.press(form.view.again)
    assert form.panel.wait()
    assert [each["n"] for each in stored(raw)] == [1, 2, 3, 3]


def test_nothing_else_is_begun_while_it_publishes(stream, raw):
    form = Form(stream)
    form.panel.stop_sending()  # There is nothing to stop.
    assert form.state == "ready"
    form.type('{"n": {{n}}}')
    send = form.view.send
    form.page.press(send.publish, {send.times: "1000", send.every: "20ms"})
    until(lambda: form.panel.doing == "publishing")
    form.panel.take_last()
    assert form.shown(send.answer) == "It is publishing: stop that first."
    form.page.press(send.stop)
    until(lambda: form.state == "ready")
    assert (form.panel.doing, form.typed) == ("", '{"n": {{n}}}')


def test_an_event_that_the_format_cannot_carry_is_marked_where_it_is_typed(stream, raw):
    form = Form(stream)
    form.panel.publish({"a": 1})
    assert form.panel.wait()
    fields = Form(Stream(stream.conn, "f", format="fields"))
    fields.type("{}")
    fields.publish()
    assert fields.shown(fields.view.writing.editor, "error")
    assert isinstance(fields.panel.last_error, EncodeError)
    assert not raw.exists("f")


def test_ways_of_typing_that_do_not_fit(conn, stream, raw):
    form = Form(stream)
    writing = form.view.writing

    def choose(way):
        form.page.act(writing.way, "choose", {writing.way: way})

    choose("json")
    assert (form.typed, writing.editor["hint"][0]) == ("", "{")
    choose("lines")
    assert (form.typed, writing.editor["hint"][:5]) == ("", "item=")
    form.panel.write({"a": 1})
    assert form.typed == "a=1"
    # Of what would be read as something else it is written that it is a text.
    form.panel.write({"a": "[1", "b": "7", "c": "tea", "d": "x\ny"})
    assert form.typed == 'a="[1"\nb="7"\nc=tea\nd="x\\ny"'
    # What does not fit on a line is written as JSON.
    form.panel.write({"a=b": 1})
    assert (writing.way["value"], json.loads(form.typed)) == ("json", {"a=b": 1})
    choose("lines")
    assert writing.way["value"] == "json"
    error = form.shown(writing.editor, "error")
    assert "'a=b' does not fit on a line\nCorrect or clear it to switch." in error
    form.type('{"a": ')
    choose("lines")
    assert (writing.way["value"], form.typed) == ("json", '{"a": ')
    assert writing.editor["line"] == 1
    form.panel.write("a=1\nb=two")
    assert writing.way["value"] == "lines"
    form.publish()
    assert stored(raw) == [{"a": 1, "b": "two"}]


def test_members_are_added_as_lines(conn, raw):
    raw.xadd("f", {"a": "x\ny", "b": "{{n}}", "c": "1", "d": "tea"})
    form = Form(Stream(conn, "f", format="fields"))
    writing = form.view.writing
    items = {item["name"]: item for item in form.view.members.children}

    def add(name):
        form.page.act(form.view.members, "choose", item=items[name].id)

    form.page.act(writing.way, "choose", {writing.way: "lines"})
    assert writing.way["value"] == "json"
    assert "the value of 'a' does not fit on a line" in form.shown(writing.editor, "error")
    form.type("")
    form.page.act(writing.way, "choose", {writing.way: "lines"})
    add("c")
    assert form.typed == "c=1"
    add("c")
    assert form.typed == "c=1"
    for name in ("a", "b"):
        add(name)
        assert form.typed == "c=1"
        said = f"{name!r} cannot be added here: the value of {name!r} does not fit on a line"
        assert form.shown(writing.remarks) == said
    add("d")
    assert form.typed == "c=1\nd=tea"
    form.publish()
    assert raw.xrange("f")[-1][1] == {b"c": b"1", b"d": b"tea"}


def test_a_member_is_not_added_to_what_is_no_event_yet(stream, raw):
    raw.xadd("s", {"payload": '{"n": 1, "none": null, "list": [1], "object": {}, "f": 1.5}'})
    form = Form(stream)
    items = {item["name"]: item for item in form.view.members.children}
    form.type('{"n": ')
    form.page.act(form.view.members, "choose", item=items["list"].id)
    assert form.typed == '{"n": '
    assert {each["tone"] for each in items.values()} == {""}
    form.type('{"n": null, "list": {}, "object": [], "f": 2.5}')
    said = form.shown(form.view.writing.remarks)
    assert "'list' is object instead of list" in said
    assert "'n'" not in said
    assert "'f'" not in said
    form.publish()
    assert stored(raw)[-1] == {"n": None, "list": {}, "object": [], "f": 2.5}


@pytest.mark.parametrize(
    ("text", "values", "sent"),
    [
        ('{"n": {{n}}}', {}, [(None, 1)]),
        ('{"n": 5}', {"entry_id": "7-1"}, [("7-1", 5)]),
        ('{"n": {{n}}}', {"times": "3", "every": "1ms", "maxlen": "2"}, [(None, 2), (None, 3)]),
        ('{"n": {{n}}}', {"times": "3", "maxlen": "2"}, [(None, 2), (None, 3)]),
    ],
)
def test_the_python_publishes_the_same(stream, raw, text, values, sent):
    form = Form(stream)
    form.type(text)
    for name, value in values.items():
        field = getattr(form.view.send, name)
        form.page.act(field, "left", {field: value})
    # The address has no password.
    exec(re.sub("conn = .*", "", form.panel.python()), {"conn": stream.conn})
    there = [(id.decode(), json.loads(fields[b"payload"])["n"]) for id, fields in raw.xrange("s")]
    assert [n for _, n in there] == [n for _, n in sent]
    assert all(id in (None, there[i][0]) for i, (id, _) in enumerate(sent))


def test_the_python_says_what_is_wrong(stream):
    form = Form(stream)
    form.type('{"n": 1}')
    send = form.view.send
    form.page.press(send.publish, {send.times: "2", send.every: "5"})
    assert form.page.shown(send.every)["error"] == "a time with its unit: 1s, 500ms"
    assert form.panel.python() == "# Every: a time with its unit: 1s, 500ms"
    compile(form.panel.python(), "panel", "exec")


def test_it_says_while_the_server_is_away_and_when_it_is_back(tcp_server, soon):
    with connect(tcp_server.url) as conn:
        form = Form(Stream(conn, "s"))
        tcp_server.kill()
        until(lambda: form.state == "reconnecting")
        assert form.shown(form.view.trouble)
        tcp_server.start()
        until(lambda: form.state == "ready")
        until(lambda: form.shown(form.view.trouble) == "")
        # What failed before stays: it says what to do.
        tcp_server.client.set("s", "text")
        form.type('{"n": 1}')
        form.publish()
        assert form.state == "failed"
        time.sleep(0.1)
        assert form.state == "failed"
        tcp_server.kill()
        until(lambda: form.state == "reconnecting")
        assert "WRONGTYPE" in form.shown(form.view.trouble)
        form.panel.close()
