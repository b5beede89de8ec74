"""ConsumePanel: a watched stream, a group, and a consumer of the caller."""

import json
import subprocess
import sys
import threading
import time
from itertools import pairwise
from types import SimpleNamespace

import pytest

from redisnb import Consumer, ConsumerGroup, GroupMissingError, Stream, connect, stop_all
from redisnb.panels import ConsumePanel
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

pytestmark = pytest.mark.slow


def add(raw, *numbers, key="s"):
    return [raw.xadd(key, {"payload": json.dumps({"n": n})}).decode() for n in numbers]


def numbers(panel):
    """The column `n` as shown."""
    names = [name for name, _ in table(panel, "Entries").columns]
    return [int(row[names.index("n")]) for row in cells(panel, "Entries")] if "n" in names else []


def shows(panel, *wanted):
    return lambda: numbers(panel) == list(wanted)


def test_a_watch_shows_what_comes_and_changes_nothing(conn, raw, wait_until):
    add(raw, 0)
    raw.xgroup_create("s", "g", id="0")
    panel = ConsumePanel(Stream(conn, "s"))
    said = texts(panel)
    assert (said["heading"], said["rnb-place"]) == ("Watch 's'", conn.name)
    assert panel.state == "stopped"
    assert table(panel, "Entries").empty == "Nothing yet: press Start to read."
    assert (is_off(panel, "start"), is_off(panel, "stop")) == ("", "it is not reading")
    assert threads() == []

    press(panel, "start")
    wait_until(lambda: panel.state == "reading")
    assert (is_off(panel, "start"), is_off(panel, "stop")) == ("it is reading", "")
    ids = add(raw, 1, 2)
    wait_until(shows(panel, 2, 1))
    assert [row[1] for row in cells(panel, "Entries")] == ids[::-1]
    assert "received 2 · handled 2 · failed 0" in lines(panel)
    assert panel.frame()["n"].tolist() == [1, 2]

    press(panel, "stop")
    assert panel.state == "stopped"
    wait_until(lambda: threads() == [])
    assert raw.xlen("s") == 3
    (group,) = raw.xinfo_groups("s")
    assert group["last-delivered-id"] == b"0-0"
    assert raw.xpending("s", "g")["pending"] == 0


def test_it_starts_where_one_wants(stream, raw, wait_until):
    ids = add(raw, 1, 2, 3)
    panel = ConsumePanel(stream)
    press(panel, "from", **{"from": "time"})
    assert "time" not in controls(panel, "time").hidden
    press(panel, "start", **{"from": "time"}, time="noon")
    assert "noon" in controls(panel, "time").errors["time"] or "noon" in texts(panel)["alert"]
    assert (panel.state, controls(panel, "time")["time"]) == ("stopped", "noon")
    press(panel, "start", **{"from": "time"}, time=ids[1])
    wait_until(shows(panel, 3, 2))
    press(panel, "stop")
    press(panel, "start", **{"from": "all"})
    wait_until(shows(panel, 3, 2, 1))


def test_paused_the_table_stands_still_and_reading_goes_on(stream, raw, wait_until):
    panel = ConsumePanel(stream)
    panel.start()
    add(raw, 1)
    wait_until(shows(panel, 1))
    panel.pause()
    assert panel.state == "paused"
    add(raw, 2)
    wait_until(lambda: "received 2 · handled 2 · failed 0" in lines(panel))
    assert numbers(panel) == [1]
    panel.pause()
    wait_until(shows(panel, 2, 1))
    assert panel.state == "reading"


def test_a_group_is_consumed(stream, raw, wait_until):
    panel = ConsumePanel(ConsumerGroup(stream, "etl", consumer="ann"))
    assert "Reads as 'ann' of group 'etl'." in lines(panel)
    assert panel.start() is False
    assert isinstance(panel.last_error, GroupMissingError)
    assert texts(panel)["alert"].startswith("stream 's' has no consumer group 'etl'; create()")
    assert panel.state == "stopped"

    add(raw, 1)
    press(panel, "create")
    assert (panel.last_error, texts(panel)["alert"]) == (None, "")
    wait_until(shows(panel, 1))
    assert panel.stop() is True
    assert raw.xpending("s", "etl")["pending"] == 0
    assert raw.xlen("s") == 1


def test_acknowledged_by_hand(stream, raw, wait_until):
    group = ConsumerGroup(stream, "etl", consumer="ann")
    group.create("all")
    ids = add(raw, 1, 2, 3)
    panel = ConsumePanel(group)
    press(panel, "start", ack_when="hand")
    wait_until(shows(panel, 3, 2, 1))
    assert raw.xpending("s", "etl")["pending"] == 3
    assert is_off(panel, "ack") == "select entries in the table first"
    select(panel, "Entries", ids[0], ids[1])
    assert is_off(panel, "ack") == ""
    press(panel, "ack")
    assert "2 of 2 acknowledged" in lines(panel)
    press(panel, "ack")
    assert "0 of 2 acknowledged" in lines(panel)
    select(panel, "Entries", ids[2])
    press(panel, "bury")
    assert "1 of 1 moved to the dead letters" in lines(panel)
    assert raw.xpending("s", "etl")["pending"] == 0
    assert group.dead_letters()["origin_id"].tolist() == [ids[2]]


def test_what_failed_is_marked_and_can_be_handled_again(stream, raw, wait_until):
    healed = threading.Event()

    def handle(entry):
        if entry.event["n"] == 2 and not healed.is_set():
            raise ValueError("not this one")

    group = ConsumerGroup(stream, "etl")
    group.create("all")
    ids = add(raw, 1, 2)
    panel = ConsumePanel(Consumer(group, handle))
    panel.start()
    wait_until(lambda: "received 2 · handled 1 · failed 1" in lines(panel))
    wait_until(lambda: [row[1] for row in table(panel, "Entries").head] == ["failed", ""])
    assert f"The handler failed, last at {ids[1]}: ValueError: not this one" in lines(panel)
    healed.set()
    select(panel, "Entries", ids[1])
    press(panel, "release")
    assert "1 of 1 released" in lines(panel)
    wait_until(lambda: raw.xpending("s", "etl")["pending"] == 0)


def test_an_entry_whole(stream, raw, wait_until):
    (long,) = add(raw, "x" * 1000)
    panel = ConsumePanel(stream)
    press(panel, "start", **{"from": "all"})
    wait_until(lambda: cells(panel, "Entries"))
    assert len(cells(panel, "Entries")[0][2]) == 200
    open_row(panel, "Entries", long)
    assert json.loads(panel._details._tree.value) == {"n": "x" * 1000}
    press(panel, "raw")
    (shown,) = [said for said in lines(panel) if said.startswith("b'payload'")]
    assert shown == f"b'payload': {raw.xrange('s')[0][1][b'payload']!r}"

    raw.xtrim("s", maxlen=0)
    open_row(panel, "Entries", long)
    assert json.loads(panel._details._tree.value)["n"] == "x" * 1000
    assert any("no longer in the stream" in said for said in lines(panel))


def test_a_very_large_entry(stream, raw, wait_until):
    (large,) = add(raw, "x" * 5_000_000)
    panel = ConsumePanel(stream)
    press(panel, "start", **{"from": "all"})
    wait_until(lambda: cells(panel, "Entries"))
    open_row(panel, "Entries", large)
    assert panel._details._tree.value == ""
    assert any("has it whole" in said for said in lines(panel))
    press(panel, "raw")
    assert max(map(len, lines(panel))) < 50_000


def test_any_field_and_any_bytes(stream, raw, wait_until):
    raw.xadd("s", {f"f{i}": b"\xff\x00 \n" for i in range(300)})
    panel = ConsumePanel(stream)
    press(panel, "start", **{"from": "all"})
    wait_until(lambda: cells(panel, "Entries"))
    (row,) = cells(panel, "Entries")
    assert row[2:] == ["�xff\x00 ⏎"] * 300


def test_several_streams(conn, raw, wait_until):
    streams = [Stream(conn, key) for key in ("a", "b")]
    for stream in streams:
        raw.xadd(stream.key, {"payload": '{"n": 1}'}, id="5-0")
    panel = ConsumePanel(Consumer(streams, print, start="all"))
    assert repr(panel) == "ConsumePanel('a', 'b')"
    panel.start()
    wait_until(lambda: len(cells(panel, "Entries")) == 2)
    assert {row[0] for row in table(panel, "Entries").head} == {"a 5-0", "b 5-0"}
    open_row(panel, "Entries", "b 5-0")
    assert any("5-0 of 'b'" in said for said in lines(panel))


def test_a_consumer_keeps_its_handler_and_its_owner(stream, raw, wait_until):
    consumer = Consumer(stream, lambda entry: None)
    panel = ConsumePanel(consumer)
    assert panel.consumer is consumer
    consumer.start()
    wait_until(lambda: panel.state == "reading")
    add(raw, 1)
    wait_until(shows(panel, 1))
    panel.close()
    assert consumer.state == "running"
    assert threads() == ["redisnb:s"]
    consumer.stop()


def test_two_panels_on_one_consumer(stream, raw, wait_until):
    consumer = Consumer(stream, lambda entry: None)
    one, other = ConsumePanel(consumer), ConsumePanel(consumer)
    one.start()
    wait_until(lambda: other.state == "reading")
    add(raw, 1)
    wait_until(shows(one, 1))
    wait_until(shows(other, 1))
    other.stop()
    wait_until(lambda: one.state == "stopped")


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
    assert panel.state == "stopped"
    consumer.start()
    wait_until(lambda: panel.state == "reading")
    panel.close()
    assert consumer.state == "running"
    consumer.stop()


def test_a_slow_handler_shows_as_stopping(stream, raw, wait_until, monkeypatch):
    monkeypatch.setattr("redisnb.consumers.consumer.STOP_WITHIN", 0.01)
    go_on = threading.Event()
    consumer = Consumer(stream, lambda entry: go_on.wait(10))
    panel = ConsumePanel(consumer)
    panel.start()
    raw.xadd("s", {"payload": "{}"})
    wait_until(lambda: consumer.stats["received"])
    assert panel.stop() is False
    assert panel.state == "failed"
    assert "the handler did not return" in texts(panel)["alert"]
    assert panel.start(), "anew, while the old handler is left to itself"
    wait_until(lambda: panel.state == "reading")
    assert texts(panel)["alert"] == ""
    go_on.set()
    monkeypatch.setattr("redisnb.consumers.consumer.STOP_WITHIN", 10)
    assert panel.stop()
    assert panel.state == "stopped"
    wait_until(lambda: consumer.state == "stopped")
    # The thread of the old handler ends too, a moment later.
    wait_until(lambda: "redisnb:s" not in threads())


def test_stop_all_ends_both_threads_and_the_panel_says_stopped(stream, wait_until):
    panel = ConsumePanel(stream)
    panel.start()
    assert sorted(threads()) == ["redisnb:ConsumePanel('s')", "redisnb:s"]
    stop_all()
    wait_until(lambda: panel.state == "stopped")
    wait_until(lambda: threads() == [])
    assert panel.start()
    assert panel.start()
    assert len(threads()) == 2


def test_stop_all_ends_the_thread_of_a_panel_on_a_consumer(stream, wait_until):
    consumer = Consumer(stream, print)
    panel = ConsumePanel(consumer)
    consumer.start()
    wait_until(lambda: panel.state == "reading")
    stop_all()
    wait_until(lambda: threads() == [])
    assert panel.state == "stopped"


def test_a_server_that_goes_and_comes_back_is_seen(tcp_server, wait_until):
    with connect(tcp_server.url) as conn:
        panel = ConsumePanel(Stream(conn, "s"))
        panel.start()
        tcp_server.kill()
        wait_until(lambda: panel.state == "reconnecting", 2)
        assert texts(panel)["alert"] != ""
        assert is_off(panel, "stop") == ""
        tcp_server.start()
        wait_until(lambda: panel.state == "reading", 5)
        assert texts(panel)["alert"] == ""
        panel.close()


def test_a_group_that_is_destroyed_is_a_failure_and_can_be_retried(stream, raw, wait_until):
    group = ConsumerGroup(stream, "etl")
    group.create()
    panel = ConsumePanel(group)
    panel.start()
    raw.xgroup_destroy("s", "etl")
    wait_until(lambda: panel.state == "failed")
    assert texts(panel)["alert"].startswith("stream 's' has no consumer group 'etl'")
    assert isinstance(panel.last_error, GroupMissingError)
    assert is_off(panel, "start") == ""
    wait_until(lambda: threads() == [])
    group.create()
    press(panel, "start")
    wait_until(lambda: panel.state == "reading")
    assert texts(panel)["alert"] == ""


def test_a_read_only_connection(conn, server, raw, wait_until):
    add(raw, 1)
    raw.xgroup_create("s", "etl", id="0")
    with connect(server.url, read_only=True) as conn:
        panel = ConsumePanel(ConsumerGroup(Stream(conn, "s"), "etl"))
        assert "read-only" in is_off(panel, "start")
        watch = ConsumePanel(Stream(conn, "s"))
        press(watch, "start", **{"from": "all"})
        wait_until(shows(watch, 1))
        watch.close()


def test_trimmed_entries_of_a_backlog_are_counted(stream, raw, wait_until):
    group = ConsumerGroup(stream, "etl", consumer="ann")
    group.create()
    raw.xadd("s", {"payload": "{}"}, id="1-0")
    group.read()
    raw.xtrim("s", maxlen=0)
    panel = ConsumePanel(group)
    panel.start()
    wait_until(lambda: cells(panel, "Entries") == [["1970-01-01 00:00:00.001", "1-0"]])
    wait_until(lambda: "received 1 · handled 0 · failed 0 · trimmed 1" in lines(panel))


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
    seen = []
    table(panel, "Entries").observe(lambda change: seen.append(time.monotonic()), "revision")
    panel.start()
    seen.clear()

    def published():
        raw.xadd("s", {"payload": "{}"})
        return len(seen) >= 4

    wait_until(published)
    assert min(after - before for before, after in pairwise(seen)) >= 0.19


def test_what_the_notebook_keeps(stream, raw, wait_until):
    group = ConsumerGroup(stream, "etl")
    assert [
        ConsumePanel(source)._repr_mimebundle_()["text/plain"]
        for source in (stream, group, Consumer(stream, print))
    ] == ["ConsumePanel('s')", "ConsumePanel('s', group='etl')", "ConsumePanel('s')"]
    hostile = "<img src=x onerror=alert(1)> $x$"
    for _ in range(25):
        raw.xadd("s", {hostile: hostile}, id="*")
    panel = ConsumePanel(stream)
    press(panel, "start", **{"from": "all"})
    wait_until(lambda: len(cells(panel, "Entries")) == 25)
    page = panel._repr_mimebundle_()["text/html"]
    assert page.count("<tr>") == 21
    assert "<img" not in page
    assert "<td><code>&lt;img src=x onerror=alert(1)&gt; $x$</code></td>" in page
    assert "text/html" not in ConsumePanel(stream, snapshot=False)._repr_mimebundle_()


def test_the_call_that_does_the_same(server, stream, raw, wait_until):
    panel = ConsumePanel(stream)
    press(panel, "from", **{"from": "all"})
    names = {}
    # The panel's URL has no password.
    exec(panel.python().replace(stream.conn.url, server.url), names)
    add(raw, 1)
    wait_until(lambda: names["consumer"].stats["handled"] == 1)
    names["consumer"].stop()


def test_what_cannot_be_consumed_is_refused():
    with pytest.raises(TypeError, match="source is a Stream, a ConsumerGroup or a Consumer"):
        ConsumePanel("orders")


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
    assert time.monotonic() - began < deadline(10)


def test_every_part_is_closed(stream):
    panel = ConsumePanel(stream)
    parts = inside(panel)
    panel.close()
    assert all(part.comm is None for part in parts)
