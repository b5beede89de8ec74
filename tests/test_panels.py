"""Panels without a browser: their methods do what their buttons do."""

import json
import subprocess
import sys
import threading
import time
from importlib import import_module
from itertools import pairwise
from types import SimpleNamespace

import pytest
import redis
from ipywidgets import Button, Textarea

from redisnb import (
    Consumer,
    ConsumerGroup,
    EncodeError,
    GroupMissingError,
    MissingExtraError,
    Stream,
    UncertainWriteError,
    connect,
    frames,
    stop_all,
)
from redisnb.panels import ConsumePanel, PublishPanel, consume
from redisnb.panels.listing import LINE, LISTED, listing
from redisnb.panels.panel import Row, Text
from redisnb.panels.publish import LONGEST_EXAMPLE, parse

HOSTILE = "<img src=x onerror=window.pwned=1> $\\alpha$\n</textarea> \u202e"


def threads():
    return [each.name for each in threading.enumerate() if each.name.startswith("redisnb:")]


@pytest.fixture(autouse=True)
def nothing_left_running(monkeypatch):
    # How soon a consumer notices that it is to stop.
    for module in ("worker", "groupworker"):
        monkeypatch.setattr(f"redisnb.{module}.BLOCK", 20)
    yield
    for panel in list(consume._open):
        panel.close()
    stop_all()
    assert threads() == []


@pytest.fixture
def stream(server, raw):
    raw.flushall()
    with connect(server.url) as conn:
        yield Stream(conn, "s")


def texts(panel):
    """What a panel says, by the class or the role of the part that says it."""
    parts = [part for part in inside(panel) if isinstance(part, Text)]
    return {part.role or part._dom_classes[0]: part.value for part in parts}


def lines_of(panel):
    return [part.value for part in inside(panel) if isinstance(part, Text)]


def inside(box):
    return [w for child in getattr(box, "children", ()) for w in (child, *inside(child))]


def button(panel, name):
    return next(w for w in inside(panel) if getattr(w, "description", None) == name)


def field(panel):
    return button(panel, "Event (JSON)")


# -- publish


def test_publish_adds_the_event_and_says_its_id_and_time(conn, raw):
    panel = PublishPanel(Stream(conn, "orders"))
    entry_id = panel.publish('{"item": "tea", "at": {"shop": 1}}')
    assert raw.xrange("orders") == [
        (entry_id.encode(), {b"payload": b'{"item":"tea","at":{"shop":1}}'})
    ]
    said = texts(panel)
    assert said["rnb-title"] == f"Publish to 'orders' on {conn.name}"
    assert said["status"] == f"published {entry_id} at {entry_id.time:%H:%M:%S} UTC"
    assert said["alert"] == ""
    assert panel.last_error is None


def test_an_id_beyond_the_calendar_has_no_time(conn, raw):
    raw.xadd("orders", {"payload": "{}"}, id="18446744073709551000-0")
    panel = PublishPanel(Stream(conn, "orders"))
    assert panel.publish() == "18446744073709551000-1"
    assert texts(panel)["status"] == "published 18446744073709551000-1"


def test_the_button_publishes_what_the_field_holds(conn, raw):
    panel = PublishPanel(Stream(conn, "orders"))
    field(panel).value = '{"n": 1}'
    button(panel, "Publish").click()
    button(panel, "Publish").click()
    assert [fields for _, fields in raw.xrange("orders")] == [{b"payload": b'{"n":1}'}] * 2
    assert field(panel).value == '{"n": 1}'


@pytest.mark.parametrize(
    ("format", "fields", "shown"),
    [
        ("auto", {"payload": '{"a": {"b": [1, "é"]}}'}, {"a": {"b": [1, "é"]}}),
        ("auto", {"data": '{"a": 1}'}, {"a": 1}),
        ("json", {"payload": '{"n": 12345678901234567890123}'}, {"n": 12345678901234567890123}),
        ("auto", {"a": "1", "b": "2"}, {}),
        ("json", {"payload": "[1]"}, {}),
        ("json", {"payload": '{"a": 1}', "more": "x"}, {}),
        ("fields", {"payload": '{"a": 1}'}, {}),
        ("auto", {"payload": json.dumps({"a": "x" * LONGEST_EXAMPLE})}, {}),
    ],
)
def test_the_form_begins_with_the_last_event(conn, raw, format, fields, shown):
    raw.xadd("s", {"payload": '{"not": "the last"}'})
    raw.xadd("s", fields)
    value = field(PublishPanel(Stream(conn, "s", format=format))).value
    assert json.loads(value) == shown


def test_the_form_of_a_missing_stream_is_empty(conn, raw):
    assert field(PublishPanel(Stream(conn, "nothing"))).value == "{}"
    assert not raw.exists("nothing")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1,\n "b" 2}', "not JSON: line 2, column 6: expecting ':' delimiter"),
        ("", "not JSON: line 1, column 1: expecting value"),
        ('{"a": 1} x', "not JSON: line 1, column 10: extra data"),
        ("[1, 2]", 'an event is a JSON object, such as {"id": 1}'),
        ('{"a": {"b": 1, "b": 2}}', 'the member "b" occurs twice'),
        ('{"a": NaN}', "NaN is no JSON number; null may do"),
        ('{"a": 1e999}', "'a': inf is not a JSON number"),
        ('{"a": "\\ud800"}', "'a': a lone surrogate is not valid text"),
        ('{"a":' * 100_000, "this is nested too deeply"),
    ],
)
def test_what_is_no_event_is_explained_and_kept(conn, raw, text, words):
    panel = PublishPanel(Stream(conn, "orders"))
    assert panel.publish(text) is None
    assert texts(panel)["alert"].startswith(words)
    assert texts(panel)["status"] == ""
    assert field(panel).value == text
    assert isinstance(panel.last_error, ValueError)
    assert not raw.exists("orders")

    panel.publish("{}")
    assert panel.last_error is None
    assert texts(panel)["alert"] == ""


def test_an_event_that_the_format_cannot_carry_is_explained(conn, raw):
    panel = PublishPanel(Stream(conn, "orders", format="fields"))
    assert panel.publish('{"at": {"shop": 1}}') is None
    assert texts(panel)["alert"].startswith("'at': a field is text or a finite number")
    assert isinstance(panel.last_error, EncodeError)
    assert not raw.exists("orders")


def test_the_server_is_quoted_with_the_remedy(conn, raw):
    raw.set("text", "x")
    panel = PublishPanel(Stream(conn, "text"))
    wrong = (
        "WRONGTYPE Operation against a key holding the wrong kind of value\n"
        "'text' holds another type of value; redisnb.keys(conn, 'text') shows which"
    )
    assert texts(panel)["alert"] == wrong
    assert panel.publish("{}") is None
    assert texts(panel)["alert"] == wrong
    assert isinstance(panel.last_error, redis.ResponseError)
    raw.delete("text")
    assert panel.publish() is not None


def test_a_lost_reply_is_no_reason_to_send_again(proxy, raw):
    raw.flushall()
    with connect(proxy.url) as conn:
        panel = PublishPanel(Stream(conn, "orders"))
        proxy.lines = 0
        assert panel.publish('{"n": 1}') is None
    assert "may or may not have been added" in texts(panel)["alert"]
    assert isinstance(panel.last_error, UncertainWriteError)
    assert raw.xlen("orders") == 1


def test_the_button_is_disabled_while_sending(conn):
    class Watched(Stream):
        def add(self, event, **options):
            seen.append((button(panel, "Publish").disabled, texts(panel)["status"]))
            return super().add(event, **options)

    seen = []
    panel = PublishPanel(Watched(conn, "orders"))
    panel.publish()
    assert seen == [(True, "publishing…")]
    assert not button(panel, "Publish").disabled


def test_nothing_but_text_shows_what_the_server_has(conn, raw):
    panel = PublishPanel(Stream(conn, HOSTILE))
    panel.publish(json.dumps({HOSTILE: HOSTILE}))
    assert texts(panel)["rnb-title"] == f"Publish to {HOSTILE!r} on {conn.name}"
    watching = ConsumePanel(Stream(conn, HOSTILE))
    parts = [*inside(panel), *inside(watching)]
    assert all(isinstance(part, (Text, Row, Textarea, Button)) for part in parts)
    # ipywidgets typesets formulas in descriptions, so none may come from outside.
    named = {part.description for part in parts if hasattr(part, "description")}
    assert named == {"Event (JSON)", "Publish", "Start", "Stop"}


def test_no_panel_shows_a_password(tcp_server):
    with connect(tcp_server.url) as conn:
        panel = PublishPanel(Stream(conn, "orders"))
        tcp_server.kill()
        panel.publish()
        shown = [*texts(panel).values(), repr(panel), str(panel.last_error)]
    assert f"Publish to 'orders' on 127.0.0.1:{tcp_server.port}/0" in shown
    assert texts(panel)["alert"] != ""
    assert not any("hunter2" in text for text in shown)


@pytest.mark.parametrize("panel", [PublishPanel, ConsumePanel])
def test_a_panel_is_made_of_what_it_is_for(panel):
    with pytest.raises(TypeError, match=r"Stream"):
        panel("orders")


def test_a_form_for_raw_events_is_refused(conn):
    with pytest.raises(ValueError, match="bytes"):
        PublishPanel(Stream(conn, "orders", format="raw"))


def test_parse_keeps_what_json_says():
    assert parse('{"a": 1.5, "b": [null, true, 12345678901234567890]}') == {
        "a": 1.5,
        "b": [None, True, 12345678901234567890],
    }


# -- consume


def test_a_watch_shows_what_comes_and_changes_nothing(conn, raw, wait_until):
    raw.xadd("s", {"payload": '{"n": 0}'})
    raw.xgroup_create("s", "g", id="0")
    panel = ConsumePanel(Stream(conn, "s"))
    said = texts(panel)
    assert said["rnb-title"] == f"Watch 's' on {conn.name}"
    assert said["status"] == "stopped"
    assert said["region"] == "Nothing yet: press Start to read."
    assert (button(panel, "Start").disabled, button(panel, "Stop").disabled) == (False, True)
    assert threads() == []

    button(panel, "Start").click()
    wait_until(lambda: texts(panel)["status"] == "reading")
    assert (button(panel, "Start").disabled, button(panel, "Stop").disabled) == (True, False)
    ids = [raw.xadd("s", {"payload": json.dumps({"n": n})}).decode() for n in (1, 2)]
    wait_until(lambda: "n=2" in texts(panel)["region"])
    lines = texts(panel)["region"].split("\n")
    assert [line.split("  ")[1:] for line in lines] == [[ids[1], "n=2"], [ids[0], "n=1"]]
    assert "received 2 · handled 2 · failed 0" in lines_of(panel)
    assert panel.frame()["n"].tolist() == [1, 2]

    button(panel, "Stop").click()
    assert texts(panel)["status"] == "stopped"
    wait_until(lambda: threads() == [])
    assert raw.xlen("s") == 3
    (group,) = raw.xinfo_groups("s")
    assert group["last-delivered-id"] == b"0-0"
    assert group.get("entries-read") in (None, 0)
    assert raw.xpending("s", "g")["pending"] == 0


def test_a_group_is_consumed_and_the_panel_says_so(conn, raw, wait_until):
    group = ConsumerGroup(Stream(conn, "s"), "etl", consumer="ann")
    panel = ConsumePanel(group)
    note = "Reads as 'ann' of group 'etl': each entry is acknowledged when it is shown here."
    assert note in lines_of(panel)

    assert panel.start() is False
    assert isinstance(panel.last_error, GroupMissingError)
    assert texts(panel)["alert"].startswith("stream 's' has no consumer group 'etl'; create()")
    assert texts(panel)["status"] == "stopped"

    group.create("all")
    raw.xadd("s", {"payload": '{"n": 1}'})
    assert panel.start() is True
    assert (panel.last_error, texts(panel)["alert"]) == (None, "")
    wait_until(lambda: "n=1" in texts(panel)["region"])
    assert panel.stop() is True
    assert raw.xpending("s", "etl")["pending"] == 0
    assert raw.xlen("s") == 1


def test_a_consumer_keeps_its_handler_and_its_owner(conn, raw, wait_until):
    def handle(entry):
        if entry.event["n"] == 2:
            raise ValueError("not this one")

    consumer = Consumer(Stream(conn, "s"), handle)
    panel = ConsumePanel(consumer)
    assert panel.consumer is consumer
    consumer.start()
    wait_until(lambda: texts(panel)["status"] == "reading")
    failed = [raw.xadd("s", {"payload": json.dumps({"n": n})}).decode() for n in (1, 2, 3)][1]
    wait_until(lambda: "n=3" in texts(panel)["region"])
    said = lines_of(panel)
    assert "received 3 · handled 2 · failed 1" in said
    assert f"The handler failed, last at {failed}: ValueError: not this one" in said

    panel.close()
    assert consumer.state == "running"
    assert threads() == ["redisnb:s"]
    consumer.stop()


def test_a_panel_stops_what_it_has_started(stream):
    consumer = Consumer(stream, print)
    panel = ConsumePanel(consumer)
    assert panel.start()
    panel.close()
    assert consumer.state == "stopped"
    assert threads() == []


def test_stopped_by_the_panel_and_started_by_its_owner_it_reads(stream, wait_until):
    consumer = Consumer(stream, print)
    panel = ConsumePanel(consumer)
    panel.start()
    panel.stop()
    assert texts(panel)["status"] == "stopped"
    consumer.start()
    wait_until(lambda: texts(panel)["status"] == "reading")
    panel.close()
    assert consumer.state == "running"


def test_a_slow_handler_shows_as_stopping(stream, raw, wait_until, monkeypatch):
    monkeypatch.setattr("redisnb.consumer.STOP_WITHIN", 0.01)
    go_on = threading.Event()
    consumer = Consumer(stream, lambda entry: go_on.wait(10))
    panel = ConsumePanel(consumer)
    panel.start()
    raw.xadd("s", {"payload": "{}"})
    wait_until(lambda: consumer.stats["received"])
    assert panel.stop() is False
    assert texts(panel)["status"] == "failed"
    assert "the handler did not return" in texts(panel)["alert"]
    assert panel.start(), "anew, while the old handler is left to itself"
    wait_until(lambda: texts(panel)["status"] == "reading")
    assert texts(panel)["alert"] == ""
    go_on.set()
    monkeypatch.setattr("redisnb.consumer.STOP_WITHIN", 10)
    assert panel.stop()
    assert texts(panel)["status"] == "stopped"
    wait_until(lambda: consumer.state == "stopped")


def test_stop_all_ends_both_threads_and_the_panel_says_stopped(stream, wait_until):
    panel = ConsumePanel(stream)
    panel.start()
    assert sorted(threads()) == ["redisnb:ConsumePanel('s')", "redisnb:s"]
    stop_all()
    wait_until(lambda: texts(panel)["status"] == "stopped")
    wait_until(lambda: threads() == [])
    assert panel.start()
    assert panel.start()
    assert len(threads()) == 2


def test_a_server_that_goes_and_comes_back_is_seen(tcp_server, wait_until):
    with connect(tcp_server.url) as conn:
        panel = ConsumePanel(Stream(conn, "s"))
        panel.start()
        tcp_server.kill()
        wait_until(lambda: texts(panel)["status"] == "reconnecting", 5)
        assert texts(panel)["alert"] != ""
        assert not button(panel, "Stop").disabled
        tcp_server.start()
        wait_until(lambda: texts(panel)["status"] == "reading", 5)
        assert texts(panel)["alert"] == ""
        panel.close()


def test_a_group_that_is_destroyed_is_a_failure_and_can_be_retried(conn, raw, wait_until):
    group = ConsumerGroup(Stream(conn, "s"), "etl")
    group.create()
    panel = ConsumePanel(group)
    panel.start()
    raw.xgroup_destroy("s", "etl")
    wait_until(lambda: texts(panel)["status"] == "failed")
    assert texts(panel)["alert"].startswith("stream 's' has no consumer group 'etl'")
    assert isinstance(panel.last_error, GroupMissingError)
    assert not button(panel, "Start").disabled
    wait_until(lambda: threads() == [])
    group.create()
    assert panel.start()
    assert texts(panel)["alert"] == ""


def test_trimmed_entries_of_a_backlog_are_counted(conn, raw, wait_until):
    group = ConsumerGroup(Stream(conn, "s"), "etl", consumer="ann")
    group.create()
    raw.xadd("s", {"payload": "{}"}, id="1-0")
    group.read()
    raw.xtrim("s", maxlen=0)
    panel = ConsumePanel(group)
    panel.start()
    wait_until(lambda: "1-0" in texts(panel)["region"])
    assert texts(panel)["region"] == "1970-01-01 00:00:00  1-0  (trimmed)"
    assert "received 1 · handled 0 · failed 0 · trimmed 1" in lines_of(panel)


def test_twenty_panels_leave_no_thread(stream):
    for _ in range(20):
        panel = ConsumePanel(stream)
        panel.start()
        panel.close()
    assert threads() == []
    with pytest.raises(RuntimeError, match="closed"):
        panel.start()


def test_a_cell_run_again_closes_what_its_last_run_made(stream, monkeypatch):
    now = {}
    shell = SimpleNamespace(get_parent=lambda: now)
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)

    def run(cell, run, panels=1):
        now.update(metadata={"cellId": cell}, header={"msg_id": run})
        made = [ConsumePanel(stream) for _ in range(panels)]
        assert all(panel.start() for panel in made)

    run("another cell", "r")
    run("no name", "s")
    for i in range(5):
        run("a", f"run {i}", panels=2)
    assert len(threads()) == 2 + 2 + 2 * 2


def test_refreshes_come_at_most_five_times_a_second(stream, raw, wait_until):
    panel = ConsumePanel(stream)
    region = next(w for w in inside(panel) if w._dom_classes == ("rnb-entries",))
    seen = []
    region.observe(lambda change: seen.append(time.monotonic()), "value")
    panel.start()
    seen.clear()

    def published():
        raw.xadd("s", {"payload": "{}"})
        return len(seen) >= 4

    wait_until(published)
    assert min(after - before for before, after in pairwise(seen)) >= 0.19


def test_what_the_notebook_keeps_is_short_and_stable(conn):
    stream = Stream(conn, "flights")
    group = ConsumerGroup(stream, "etl")
    assert [
        panel._repr_mimebundle_()["text/plain"]
        for panel in (
            PublishPanel(stream),
            ConsumePanel(stream),
            ConsumePanel(group),
            ConsumePanel(Consumer(stream, print)),
        )
    ] == [
        "PublishPanel('flights')",
        "ConsumePanel('flights')",
        "ConsumePanel('flights', group='etl')",
        "ConsumePanel('flights')",
    ]


# -- the list


def entry(id, **members):
    return (id.encode(), [b"payload", json.dumps(members).encode()])


def test_entries_are_lines_newest_first():
    frame = frames.entries(
        [
            entry("1357035300000-0", carrier="UA", flight=1545, gate={"id": "C4"}),
            entry("1357035301000-0", carrier="AA", delays=[1, None]),
            (b"1357035302000-0", None),
            (b"18446744073709551615-1", [b"payload", b"\xff"]),
        ]
    )
    assert listing(frame).split("\n") == [
        "18446744073709551615-1  payload=\"b'\\\\xff'\"",
        "2013-01-01 10:15:02  1357035302000-0  (trimmed)",
        '2013-01-01 10:15:01  1357035301000-0  payload="{\\"carrier\\": \\"AA\\", '
        '\\"delays\\": [1, null]}"',
        '2013-01-01 10:15:00  1357035300000-0  payload="{\\"carrier\\": \\"UA\\", '
        '\\"flight\\": 1545, \\"gate\\": {\\"id\\": \\"C4\\"}}"',
    ]


def test_columns_with_gaps_and_nested_members_read_plainly():
    frame = frames.entries(
        [
            entry("1-0", carrier="UA", flight=1545, gate={"id": "C4"}, late=True),
            entry("2-0", carrier="AA", delays=[1, None], odd={"a b": 2.5}),
        ]
    )
    assert listing(frame).split("\n") == [
        '1970-01-01 00:00:00  2-0  carrier="AA"  delays=[1, null]  "odd.a b"=2.5',
        '1970-01-01 00:00:00  1-0  carrier="UA"  flight=1545  gate.id="C4"  late=true',
    ]


def test_a_value_cannot_pass_for_a_line():
    forged = "\n2013-01-01 10:15:00  1357035300000-0  carrier"
    line = listing(frames.entries([entry("1-0", **{forged: forged})]))
    assert "\n" not in line
    assert line.endswith(f"{json.dumps(forged)}={json.dumps(forged)}")


def test_the_list_is_bounded():
    wide = {f"column {n}": "x" * 1_000_000 for n in range(3)}
    line = listing(frames.entries([entry("1-0", **wide)]))
    assert line.count("…") == 3
    assert len(line) < 700
    many = listing(frames.entries([entry("1-0", **{f"c{n}": "x" * 500 for n in range(100)})] * 101))
    assert len(many.split("\n")) == LISTED
    assert max(map(len, many.split("\n"))) == LINE


# -- what is not there


@pytest.mark.parametrize(
    ("package", "error", "words"),
    [
        ("ipywidgets", MissingExtraError, "python -m pip install 'redisnb[lab]'"),
        ("anywidget", MissingExtraError, "python -m pip install 'redisnb[lab]'"),
    ],
)
def test_without_the_extra_the_remedy_is_named(monkeypatch, package, error, words):
    for name in [name for name in sys.modules if name.startswith("redisnb.panels")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(error) as caught:
        import_module("redisnb.panels")
    assert type(caught.value) is error
    assert words in str(caught.value)


def test_a_kernel_ends_without_a_word_while_a_panel_reads(server):
    code = """
import sys, redisnb
panel = redisnb.panels.ConsumePanel(redisnb.Stream(redisnb.connect(sys.argv[1]), "s"))
assert panel.start()
"""
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-c", code, server.url], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert time.monotonic() - began < 10
