"""PublishPanel: one event, copies by a template, and the rows of a frame, without a browser."""

import json
import re
import time

import pandas as pd
import pytest

from redisnb import ConnectError, Stream, UncertainWriteError, connect, stop_all
from redisnb.panels.publishing import PublishPanel, publish
from tests.deadlines import until
from tests.panels.conftest import threads
from tests.panels.parts.acting import Page


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
    assert threads() == []


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


def test_published_at_once_it_is_written_so_too(stream, raw):
    raw.xadd("s", {"data": '{"n": 1}'})
    panel = publish(stream)
    panel.publish({"n": 2})
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


@pytest.mark.slow
def test_a_server_that_dies_and_comes_back(tcp_server):
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


@pytest.mark.slow
def test_a_server_that_was_away_at_first(tcp_server):
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


def test_what_others_add_is_counted_while_it_is_shown(stream, raw):
    form = Form(stream)
    form.type("")
    raw.xadd("s", {"payload": "{}"})
    until(lambda: form.shown(form.view.about).startswith("1 entry"))
    form.panel.root.set(hidden=True)
    raw.xadd("s", {"payload": "{}"})
    asked = raw.info("commandstats").get("cmdstat_xlen", {}).get("calls", 0)
    time.sleep(3.2)
    assert raw.info("commandstats").get("cmdstat_xlen", {}).get("calls", 0) == asked


def test_what_is_no_stream_is_refused(conn):
    with pytest.raises(TypeError, match="it is a Stream"):
        publish("s")
    with pytest.raises(ValueError, match="raw"):
        publish(Stream(conn, "s", format="raw"))
