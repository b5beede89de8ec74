"""LivePanel: a watched stream, a group, and a consumer of the caller, without a browser."""

import json
import threading
import time

import pandas as pd
import pytest

from redisnb import (
    Consumer,
    ConsumerGroup,
    GroupMissingError,
    RedisnbError,
    RedisnbWarning,
    Stream,
    connect,
    panels,
    stop_all,
)
from redisnb.panels import LivePanel
from redisnb.panels.following import showing
from redisnb.panels.following.groups import standing
from redisnb.panels.following.states import GroupStates
from tests.deadlines import deadline, until
from tests.panels.conftest import threads
from tests.panels.parts.acting import Page

pytestmark = pytest.mark.slow


def add(raw, *events, key="s"):
    pipe = raw.pipeline()
    for event in events:
        made = event if isinstance(event, dict) else {"n": event}
        pipe.xadd(key, {"payload": json.dumps(made)})
    return [id.decode() for id in pipe.execute()]


class Watched:
    """A panel on a page."""

    def __init__(self, source, **options):
        self.panel = LivePanel(source, **options)
        self.view = self.panel._view
        self.page = Page(self.panel)

    def shown(self, part):
        return self.page.shown(part)

    def text(self, part):
        return "" if self.shown(part)["hidden"] else self.shown(part)["text"]

    def column(self, name="n"):
        grid = self.shown(self.view.grid)
        names = [each["name"] for each in grid["columns"]]
        return [row[names.index(name)] for row in grid["head"]] if name in names else []

    @property
    def state(self):
        return self.shown(self.view.state)["text"]

    @property
    def caption(self):
        return self.shown(self.view.caption)["text"]

    def press(self, part, values=None):
        self.page.press(part, values)

    def act(self, act, **more):
        more.setdefault("count", self.shown(self.view.grid)["count"])
        self.page.act(self.view.grid, act, **more)

    def filter(self, text):
        where = self.view.bar.where
        self.page.act(where, "enter", {where: text})


def test_a_watch_shows_what_comes_and_changes_nothing(conn, raw):
    add(raw, 0)
    raw.xgroup_create("s", "g", id="0")
    live = Watched(Stream(conn, "s"))
    assert repr(live.panel) == "LivePanel('s')"
    assert (live.state, threads()) == ("stopped", [])
    assert "press Start" in live.shown(live.view.grid)["empty"]
    assert live.shown(live.view.bar.stop)["hidden"]
    live.press(live.view.bar.start)
    until(lambda: live.state == "reading")
    assert live.shown(live.view.bar.start)["hidden"]
    ids = add(raw, 1, 2)
    until(lambda: live.column() == ["2", "1"])
    assert live.column("entry_id") == ids[::-1]
    until(lambda: live.caption == "2 received")
    live.press(live.view.bar.stop)
    until(lambda: live.state == "stopped")
    until(lambda: threads() == [])
    assert live.column() == ["2", "1"]
    assert raw.xlen("s") == 3
    assert raw.xinfo_groups("s")[0]["last-delivered-id"] == b"0-0"


def test_it_begins_where_one_wants(stream, raw):
    ids = add(raw, 1, 2, 3)
    live = Watched(stream)
    bar = live.view.bar
    live.page.act(bar.begin, "choose", {bar.begin: "time"})
    assert not live.shown(bar.time)["hidden"]
    live.press(bar.start, {bar.time: "noon"})
    until(lambda: "noon" in live.shown(bar.time)["error"])
    assert (live.state, bar.time["value"]) == ("stopped", "noon")
    live.press(bar.start, {bar.time: ids[1]})
    until(lambda: live.column() == ["3", "2"])
    assert live.shown(bar.time)["error"] == ""
    live.press(bar.stop)
    until(lambda: live.state == "stopped")
    # What comes again is not there twice.
    live.press(bar.start, {bar.begin: "all"})
    until(lambda: live.column() == ["3", "2", "1"])
    assert live.caption == "3 received"


def held(consumer, monkeypatch):
    """Let the consumer's `stop` return only once the event is set."""
    go_on, stop = threading.Event(), consumer.stop

    def slowly():
        ended = stop()
        go_on.wait(deadline(10))
        return ended

    monkeypatch.setattr(consumer, "stop", slowly)
    return go_on


def test_what_is_asked_for_while_it_stops_is_done(stream, raw, monkeypatch):
    """It says that it has stopped, and offers Start, a moment before the act Stop is over."""
    add(raw, {"kind": "rare", "n": 1}, {"kind": "common", "n": 2})
    live = Watched(stream)
    live.press(live.view.bar.start, {live.view.bar.begin: "all"})
    until(lambda: live.column() == ["2", "1"])
    go_on = held(live.panel.consumer, monkeypatch)
    live.press(live.view.bar.stop)
    until(lambda: live.state == "stopped")
    live.press(live.view.bar.start)
    live.filter("kind = 'rare'")
    go_on.set()
    until(lambda: live.state == "reading")
    until(lambda: live.column() == ["1"])


def test_an_act_is_about_the_rows_of_the_click(stream, raw, monkeypatch):
    group = ConsumerGroup(stream, "etl", consumer="me")
    group.create("all")
    ids = add(raw, 1, 2, 3)
    live = Watched(group)
    live.press(live.view.bar.start, {live.view.bar.settle: "hand"})
    until(lambda: live.column() == ["3", "2", "1"])
    go_on = held(live.panel.consumer, monkeypatch)
    live.press(live.view.bar.stop)
    until(lambda: live.state == "stopped")
    # The newest is acknowledged, the next buried, the last released.
    for row, button in enumerate((0, 2, 1)):
        live.act("select", ranges=[[row, row + 1]])
        live.press(live.view.selection.children[button])
    live.act("select", ranges=[])
    go_on.set()
    until(lambda: live.text(live.view.selection.answer) == "1 of 1 released")
    assert group.pending()["entry_id"].tolist() == ids[:1]
    assert group.dead_letters()["origin_id"].tolist() == ids[1:2]


def test_of_a_rare_kind_every_match_is_kept(stream, raw, monkeypatch):
    """Fault 1: of 24 among 120,000, 4 were ever shown: a filter looked through the last kept."""
    live = Watched(stream)
    live.panel.start()
    live.filter("kind = 'rare'")
    events = [{"kind": "common", "n": n} for n in range(1000)]
    for n in range(24):
        add(raw, *events, {"kind": "rare", "n": n})
    until(lambda: live.caption == "looked at 24,024, 24 match")
    until(lambda: live.column() == [f"{n}" for n in range(23, -1, -1)])
    # Without it the last 10,000 of all are there again.
    live.filter("")
    until(lambda: live.shown(live.view.grid)["total"] == 10_000)
    assert live.caption == "10,000 received"
    live.filter("kind = 'rare'")
    until(lambda: live.caption == "looked at 10,000, 10 match")


def test_a_filter_restarts_nothing_and_a_bad_one_stays_in_its_field(stream, raw):
    add(raw, {"n": 1, "a": 1}, {"n": 2, "a": 2})
    live = Watched(stream, where="a = 1")
    consumer = live.panel.consumer
    live.press(live.view.bar.start, {live.view.bar.begin: "all"})
    until(lambda: live.column() == ["1"])
    consumer = live.panel.consumer
    live.filter("a >")
    until(lambda: live.shown(live.view.bar.where)["error"])
    assert live.view.bar.where["value"] == "a >"
    assert (live.column(), live.state) == (["1"], "reading")
    live.filter("a > 1")
    until(lambda: live.column() == ["2"])
    assert live.shown(live.view.bar.where)["error"] == ""
    assert live.panel.consumer is consumer
    live.filter("a > 99")
    until(lambda: "No entry matches yet" in live.shown(live.view.grid)["empty"])


def test_a_function_as_a_filter_that_raises_is_told(stream, raw):
    live = Watched(stream, where=lambda frame: frame["n"] > 1)
    live.panel.start()
    add(raw, 1, 2)
    until(lambda: live.column() == ["2"])
    live.panel.close()
    live = Watched(stream, where=lambda frame: frame["nothing"])
    live.panel.start()
    add(raw, 3)
    until(lambda: isinstance(live.panel.last_error, KeyError))
    until(lambda: live.state == "reading")


def test_scrolling_away_holds_the_view(stream, raw):
    """Fault 4: on a fast stream the rows in view became "…"."""
    live = Watched(stream)
    live.panel.start()
    add(raw, *range(100))
    until(lambda: live.column()[:1] == ["99"])
    live.act("scroll", top=False)
    assert live.state == "paused"
    for _ in range(11):
        add(raw, *range(1000))
    until(lambda: live.shown(live.view.grid)["news"] == 11_000)
    # Also the rows that 10,000 newer ones have pushed out.
    assert live.column()[:2] == ["99", "98"]
    live.page.heard.clear()
    live.act("page", start=95, stop=105)
    # What was lost on its way is asked for again.
    live.page.k -= 1
    live.act("page", start=95, stop=105)
    answer, again = (each for each in live.page.heard if "rows" in each)
    assert [row[2] for row in answer["rows"]] == ["4", "3", "2", "1", "0"]
    assert again == answer
    live.act("newest")
    until(lambda: live.column()[:1] == ["999"])
    assert (live.state, live.shown(live.view.grid)["news"]) == ("reading", 0)
    # Back at the top, it goes on by itself.
    live.act("scroll", top=False)
    live.act("scroll", top=True)
    assert not live.view.grid.is_held


def test_an_act_hits_the_row_that_the_user_saw(stream, raw):
    live = Watched(stream)
    live.panel.start()
    add(raw, *range(10))
    until(lambda: live.column()[:1] == ["9"])
    count = live.shown(live.view.grid)["count"]
    add(raw, 10, 11, 12)
    until(lambda: live.column()[:1] == ["12"])
    # The page had not got them yet.
    live.act("choose", row=1, count=count)
    assert live.view.grid.chosen_row()["n"].tolist() == [8]
    assert live.state == "paused"
    until(lambda: not live.shown(live.view.details)["hidden"])
    live.act("select", ranges=[[0, 2]], count=live.shown(live.view.grid)["count"])
    assert live.view.grid.selected_rows()["n"].tolist() == [12, 11]
    add(raw, 13)
    until(lambda: live.shown(live.view.grid)["news"] == 1)
    live.press(live.view.bar.pause)
    assert live.state == "reading"
    assert live.view.grid.chosen_row()["n"].tolist() == [8]
    assert live.view.grid.selected_rows()["n"].tolist() == [12, 11]


def test_a_row_that_a_filter_took_away_meanwhile_opens_all_the_same(stream, raw):
    live = Watched(stream)
    live.panel.start()
    ids = add(raw, *range(10))
    until(lambda: live.column()[:1] == ["9"])
    count = live.shown(live.view.grid)["count"]
    live.panel.filter("n < 3")
    assert live.column() == ["2", "1", "0"]
    # The page had not got that yet.
    live.act("choose", row=1, count=count)
    until(lambda: live.view.details.entry_id == ids[8])
    assert live.view.grid.chosen_row()["n"].tolist() == [8]
    assert live.shown(live.view.grid)["chosen"] is None
    live.act("select", ranges=[[0, 2]], count=count)
    assert live.view.grid.selected_rows().empty
    live.act("choose", row=1)
    assert live.view.grid.chosen_row()["n"].tolist() == [1]


def test_a_group_is_consumed(stream, raw):
    live = Watched(ConsumerGroup(stream, "etl", consumer="ann"))
    assert live.panel.start() is False
    assert isinstance(live.panel.last_error, GroupMissingError)
    assert live.text(live.view.trouble).startswith("stream 's' has no consumer group 'etl'")
    assert live.shown(live.view.bar.start)["hidden"]
    add(raw, 1)
    live.press(live.view.bar.create)
    until(lambda: live.column() == ["1"])
    assert live.panel.last_error is None
    until(lambda: live.column("state") == ["acknowledged"])
    until(lambda: live.text(live.view.standing) == "lag 0 · 0 pending")
    live.panel.stop()
    assert raw.xpending("s", "etl")["pending"] == 0
    assert raw.xlen("s") == 1


def test_hidden_it_reads_on_and_asks_nothing_about_the_group(stream, raw, monkeypatch):
    # Not counted by the server, which the consumer asks, too, what it may have missed.
    looked, questions = GroupStates.look, []

    def counted(question):
        def asking(*args):
            questions.append(question)
            return question(*args)

        return asking

    monkeypatch.setattr(showing, "_ASK_EVERY", 0.05)
    monkeypatch.setattr(showing, "standing", counted(standing))
    monkeypatch.setattr(GroupStates, "look", counted(looked))
    ConsumerGroup(stream, "etl").create("all")
    live = Watched(ConsumerGroup(stream, "etl", consumer="ann"))
    assert live.panel.start()
    until(lambda: live.text(live.view.standing) == "lag 0 · 0 pending")

    live.view.root.set(hidden=True)
    # What was under way ends, and the next one is hidden.
    add(raw, 1)
    until(lambda: live.caption.startswith("1 received"))
    before = len(questions)
    assert before
    add(raw, 2)
    until(lambda: live.caption.startswith("2 received"))
    time.sleep(0.3)
    assert len(questions) == before
    live.view.root.set(hidden=False)
    until(lambda: {*questions[before:]} == {standing, looked})


def test_acknowledged_by_hand(stream, raw):
    group = ConsumerGroup(stream, "etl", consumer="ann")
    group.create("all")
    ids = add(raw, 1, 2, 3)
    live = Watched(group)
    selection = live.view.selection
    ack, bury, confirm = selection.ack, selection.bury, live.view.confirm
    live.press(live.view.bar.start, {live.view.bar.settle: "hand"})
    until(lambda: live.column("state") == ["pending"] * 3)
    assert live.shown(ack)["hidden"]
    live.act("select", ranges=[[1, 3]])
    assert live.shown(ack)["label"] == "Acknowledge 2"
    live.press(ack)
    assert "never delivers these 2 entries again" in live.text(confirm.text)
    assert raw.xpending("s", "etl")["pending"] == 3
    live.press(confirm.yes)
    until(lambda: live.text(selection.answer) == "2 of 2 acknowledged")
    until(lambda: live.column("state") == ["pending", "acknowledged", "acknowledged"])
    live.act("choose", row=0)
    seen_by = live.view.details._groups
    until(lambda: "pending with ann" in seen_by["text"])
    live.act("select", ranges=[[0, 1]])
    live.press(bury)
    until(lambda: "acknowledged" in seen_by["text"])
    until(lambda: live.text(selection.answer) == "1 of 1 moved to the dead letters")
    assert raw.xpending("s", "etl")["pending"] == 0
    assert group.dead_letters()["origin_id"].tolist() == [ids[2]]
    # One is acknowledged at once.
    add(raw, 4)
    live.act("newest")
    until(lambda: live.column()[0] == "4")
    live.act("select", ranges=[[0, 1]])
    live.press(ack)
    until(lambda: live.text(selection.answer) == "1 of 1 acknowledged")
    assert raw.xpending("s", "etl")["pending"] == 0

    # It cannot be buried any more.
    def bury_again():
        live.press(bury)
        until(lambda: live.text(live.view.trouble) != "")

    with pytest.warns(RedisnbWarning):
        bury_again()
    assert isinstance(live.panel.last_error, ValueError)
    assert len(group.dead_letters()) == 1


def test_what_the_server_does_not_tell_of_a_group_is_not_shown(stream, raw, monkeypatch):
    from redisnb.panels.following import showing

    monkeypatch.setattr(showing, "_ASK_EVERY", 0.02)
    group = ConsumerGroup(stream, "etl", consumer="ann")
    group.create("all")
    add(raw, *range(3))
    live = Watched(group)
    live.panel.start()
    until(lambda: live.column("state") == ["acknowledged"] * 3)
    until(lambda: live.text(live.view.standing) == "lag 0 · 0 pending")

    def refuse(*_, **__):
        raise RedisnbError("not for you")

    # Extras that this user is refused take nothing from the entries.
    monkeypatch.setattr(ConsumerGroup, "info", refuse)
    monkeypatch.setattr(ConsumerGroup, "pending", refuse)
    until(lambda: live.text(live.view.standing) == "")
    add(raw, 3)
    until(lambda: live.column() == ["3", "2", "1", "0"])
    assert live.panel.last_error is None


def test_the_chart_has_what_comes_and_what_matches(stream, raw, monkeypatch):
    monkeypatch.setattr("redisnb.panels.following.showing._ASK_EVERY", 0.02)
    live = Watched(stream)
    live.panel.start()
    live.filter("n > 1")
    add(raw, *range(4))
    until(lambda: live.column() == ["3", "2"])
    chart = live.view.chart
    until(lambda: [name for name, _ in live.shown(chart)["lines"]] == ["all", "matching"])


def test_how_far_a_group_is_that_is_not_there(stream, raw):
    raw.xadd("s", {"a": "b"})
    assert standing([ConsumerGroup(stream, "none")]) == ""


def test_behind_the_last_pending_entry_that_was_asked_for_nothing_is_known(
    stream, raw, monkeypatch
):
    monkeypatch.setattr("redisnb.panels.following.states._MOST_PENDING", 2)
    group = ConsumerGroup(stream, "etl", consumer="ann")
    group.create("all")
    ids = [id.encode() for id in add(raw, *range(5))]
    group.read(5)
    raw.xack("s", "etl", ids[1])
    states = GroupStates([group])
    entries = [("s", id, None) for id in ids]
    assert states.look(entries)
    assert [states.of(each) for each in entries] == ["pending", "acknowledged", "pending", "", ""]


def test_rows_are_copied_and_asked_for_as_they_were_seen(stream, raw, monkeypatch):
    live = Watched(stream)
    live.panel.start()
    add(raw, *range(100))
    until(lambda: live.column()[:1] == ["99"])
    # Nothing chosen, nothing held.
    live.act("choose", row=500)
    assert live.view.details.entry_id is None
    assert not live.view._traceback["text"]
    live.act("newest")
    live.act("scroll", top=True)
    assert not live.view.grid.is_held
    live.act("view", range=[20, 60])
    assert live.view.grid.in_view == (20, 60)
    live.act("columns", left=["entry_id"], frozen=[])
    live.act("select", ranges=[[1, 3]])
    live.act("copy", format="tsv")
    until(live.page.copied)
    head, *lines = live.page.copied()[0].splitlines()
    at = head.split("\t").index("n")
    assert [line.split("\t")[at] for line in lines] == ["98", "97"]
    assert "entry_id" not in head.split("\t")
    live.act("select", ranges=[])
    live.act("copy", format="json")
    until(lambda: len(live.page.copied()) == 2)
    assert [each["n"] for each in json.loads(live.page.copied()[1])] == [*range(99, -1, -1)]

    def refuse(*_):
        raise MemoryError("too much")

    monkeypatch.setattr("redisnb.panels.parts.grid.live.clipping", refuse)
    live.act("copy", format="tsv")
    until(lambda: live.shown(live.view.grid)["error"] == "too much")


def test_what_another_does_with_an_entry_shows_in_its_row(stream, raw):
    group = ConsumerGroup(stream, "etl", consumer="ann")
    group.create("all")
    add(raw, 1)
    live = Watched(group)
    live.press(live.view.bar.start, {live.view.bar.settle: "hand"})
    until(lambda: live.column("state") == ["pending"])
    ConsumerGroup(stream, "etl", consumer="bob").claim(group.pending(), min_idle=0)
    until(lambda: live.column("state") == ["pending with bob, 2 deliveries"])


def test_each_failed_row_says_why(stream, raw):
    """Fault 7: 132 red rows, and no reason in any of them."""
    healed = threading.Event()

    def handle(entry):
        if entry.event["n"] % 2 == 0 and not healed.is_set():
            raise ValueError(f"not {entry.event['n']}")

    group = ConsumerGroup(stream, "etl")
    group.create("all")
    add(raw, *range(4))
    live = Watched(Consumer(group, handle))
    assert live.shown(live.view.bar.failed)["hidden"]
    live.panel.start()
    wanted = ["acknowledged", "failed: ValueError: not 2"]
    wanted += ["acknowledged", "failed: ValueError: not 0"]
    until(lambda: live.column("state") == wanted)
    assert live.shown(live.view.grid)["tones"] == ["", "bad", "", "bad"]
    assert "it raised 2 times, last at" in live.text(live.view.failure)
    assert live.caption == "4 received, 2 handled, 2 failed"

    live.press(live.view.failure.children[0])
    until(lambda: live.column() == ["2", "0"])
    assert live.shown(live.view.bar.failed)["value"] is True
    add(raw, 4)
    until(lambda: live.column() == ["4", "2", "0"])
    live.act("choose", row=1)
    traceback = live.shown(live.view._traceback)
    assert not traceback["hidden"]
    assert "raise ValueError" in traceback["text"]
    healed.set()
    live.act("select", ranges=[[0, 3]])
    live.press(live.view.selection.children[1])
    until(lambda: live.text(live.view.selection.answer) == "3 of 3 released")
    until(lambda: raw.xpending("s", "etl")["pending"] == 0)
    until(lambda: live.column("state") == ["acknowledged"] * 3)


def test_the_python_of_several_streams_of_which_one_has_entries(conn, raw):
    streams = [Stream(conn, key) for key in ("a", "b")]
    live = Watched(Consumer(streams, print))
    live.panel.start()
    add(raw, 1, key="b")
    until(lambda: live.column() == ["1"])
    code = live.panel.python()
    assert "frame2 = stream2.range(" in code
    assert "frame = " not in code


def test_a_cell_that_runs_again_ends_only_what_its_panel_has_started(stream, raw):
    mine = Watched(stream)
    mine.panel.start()
    until(lambda: mine.state == "reading")
    mine.panel.replaced()
    assert mine.panel.consumer.state == "stopped"
    consumer = Consumer(stream, lambda entry: None).start()
    until(lambda: consumer.state == "running")
    theirs = Watched(consumer)
    theirs.panel.replaced()
    assert consumer.state == "running"
    consumer.stop()


def test_of_many_failures_the_last_are_kept(stream, raw, monkeypatch):
    monkeypatch.setattr("redisnb.panels.following.keeping._KEPT_FAILURES", 3)

    def handle(entry):
        raise ValueError("no")

    group = ConsumerGroup(stream, "etl")
    group.create("all")
    add(raw, *range(6))
    live = Watched(Consumer(group, handle))
    live.panel.start()
    until(lambda: live.caption.endswith("6 failed"))
    live.panel.filter("", failed_only=True)
    assert live.column() == ["5", "4", "3"]
    assert (live.panel.doing, live.panel.is_used) == ("reading", True)
    live.panel.stop()
    assert live.panel.doing == ""


def test_several_streams(conn, raw):
    streams = [Stream(conn, key) for key in ("a", "b")]
    for stream in streams:
        raw.xadd(stream.key, {"payload": '{"n": 1}'}, id="5-0")
    live = Watched(Consumer(streams, print, start="all"))
    assert repr(live.panel) == "LivePanel('a', 'b')"
    live.panel.start()
    until(lambda: sorted(live.column("stream")) == ["a", "b"])
    live.act("choose", row=live.column("stream").index("b"))
    assert live.view.details._stream.key == "b"


def test_a_consumer_keeps_its_handler_and_its_owner(stream, raw):
    add(raw, 0)
    consumer = Consumer(stream, lambda entry: None, start="all").start()
    until(lambda: consumer.stats["handled"] == 1)
    live = Watched(consumer)
    assert live.panel.consumer is consumer
    # What it has read before is there.
    until(lambda: live.column() == ["0"])
    assert live.state == "reading"
    live.panel.close()
    assert consumer.state == "running"
    assert threads() == ["redisnb:s"]
    consumer.stop()


def test_two_panels_on_one_consumer(stream, raw):
    consumer = Consumer(stream, lambda entry: None)
    one, other = Watched(consumer), Watched(consumer)
    other.panel.start()
    add(raw, 1)
    until(lambda: other.column() == ["1"])
    one.panel.close()
    assert consumer.state == "running"
    other.panel.stop()
    assert consumer.state == "stopped"


def test_a_panel_ends_what_it_has_started(stream):
    live = Watched(stream)
    assert live.panel.start()
    assert live.panel.start()
    until(lambda: live.state == "reading")
    assert len(threads()) == 2
    stop_all()
    until(lambda: threads() == [])
    assert live.state == "stopped"
    assert live.panel.start()
    until(lambda: live.state == "reading")
    live.panel.close()
    until(lambda: threads() == [])
    with pytest.raises(RuntimeError, match="closed"):
        live.panel.start()


def test_no_view_for_a_minute_ends_it(stream, monkeypatch):
    """Fault 6: five runs of a cell left 25 threads."""
    monkeypatch.setattr("redisnb.panels.parts.panel._ALONE_FOR", -1)
    live = Watched(stream)
    live.panel.start()
    until(lambda: threads() == [])
    assert live.state == "stopped"


def test_a_server_that_goes_and_comes_back_is_seen(tcp_server):
    with connect(tcp_server.url) as conn:
        live = Watched(Stream(conn, "s"))
        live.panel.start()
        tcp_server.kill()
        until(lambda: live.state == "reconnecting")
        until(lambda: live.text(live.view.trouble) != "")
        assert not live.shown(live.view.bar.stop)["hidden"]
        tcp_server.start()
        until(lambda: live.state == "reading")
        assert live.text(live.view.trouble) == ""
        live.panel.close()


def test_making_one_asks_the_server_nothing(tcp_server):
    with connect(tcp_server.url) as conn:
        group = ConsumerGroup(Stream(conn, "s"), "etl")
        tcp_server.kill()
        live = Watched(group)
        assert (live.state, live.panel.last_error) == ("stopped", None)
        tcp_server.start()


def test_a_group_that_is_destroyed_is_a_failure_and_can_be_retried(stream, raw):
    group = ConsumerGroup(stream, "etl")
    group.create()
    live = Watched(group)
    live.panel.start()
    raw.xgroup_destroy("s", "etl")
    until(lambda: live.state == "failed")
    assert isinstance(live.panel.last_error, GroupMissingError)
    until(lambda: threads() == [])
    group.create()
    live.press(live.view.trouble.children[0])
    until(lambda: live.state == "reading")
    assert live.text(live.view.trouble) == ""


def test_a_read_only_connection(conn, server, raw):
    add(raw, 1)
    raw.xgroup_create("s", "etl", id="0")
    with connect(server.url, read_only=True) as conn:
        live = Watched(ConsumerGroup(Stream(conn, "s"), "etl"))
        assert "read-only" in live.shown(live.view.bar.start)["disabled"]
        watch = Watched(Stream(conn, "s"))
        watch.press(watch.view.bar.start, {watch.view.bar.begin: "all"})
        until(lambda: watch.column() == ["1"])
        watch.panel.close()


def test_what_the_server_dropped_is_told(stream, raw, monkeypatch, knows_lag):
    if not knows_lag:
        pytest.skip("this server does not count what was added")
    monkeypatch.setattr("redisnb.consumers.reading.LOOK_SOON", 0)
    handling, go_on = threading.Event(), threading.Event()

    def handle(entry):
        handling.set()
        go_on.wait(10)

    live = Watched(Consumer(stream, handle, count=1))
    live.panel.start()
    add(raw, 1)
    assert handling.wait(10)
    add(raw, *range(50))
    raw.xtrim("s", maxlen=1, approximate=False)
    go_on.set()
    until(lambda: live.text(live.view.missed) != "")
    assert "missed" in live.caption


def test_columns_of_any_content(stream, raw):
    raw.xadd("s", {f"f{i}": b"\xff\x00 \n" for i in range(300)})
    live = Watched(stream)
    live.press(live.view.bar.start, {live.view.bar.begin: "all"})
    until(lambda: live.shown(live.view.grid)["total"] == 1)
    assert len(live.shown(live.view.grid)["columns"]) == 200
    assert all(text.isprintable() for text in live.shown(live.view.grid)["head"][0][2:])
    assert len(live.panel.frame().columns) == 301


def pasted(panel):
    """Run what "Copy as Python" copies, on the connection that it names without its password."""
    conn = panel._source.streams[0].conn
    line = f"conn = rnb.connect({conn.url!r})"
    assert line in panel.python()
    names = {"conn": conn}
    exec(panel.python().replace(line, ""), names)
    return names["frame"]


def test_what_is_shown_is_at_hand_and_its_python_makes_the_same(stream, raw):
    add(raw, *({"n": n, "kind": "ab"[n % 2], "price": n / 2} for n in range(50)))
    live = Watched(stream)
    live.press(live.view.bar.start, {live.view.bar.begin: "all"})
    until(lambda: live.shown(live.view.grid)["total"] == 50)
    assert live.panel.frame()["n"].tolist() == list(range(49, -1, -1))
    pd.testing.assert_frame_equal(pasted(live.panel), live.panel.frame())
    live.filter("kind = 'a' and n > 9")
    until(lambda: live.shown(live.view.grid)["total"] == 20)
    live.view.grid.pick(left=["price"], frozen=["kind"])
    assert list(live.panel.frame().columns) == ["kind", "entry_id", "n"]
    pd.testing.assert_frame_equal(pasted(live.panel), live.panel.frame())
    # What is held is what is taken out.
    live.panel.pause()
    add(raw, {"n": 100, "kind": "a"})
    until(lambda: live.shown(live.view.grid)["news"] == 1)
    assert len(live.panel.frame()) == 20
    assert "rnb.Consumer(stream, print, where=" in live.panel.python()


def test_the_python_of_failed_entries_and_of_a_group(stream, raw):
    group = ConsumerGroup(stream, "etl")
    group.create("all")
    add(raw, *range(6))

    def handle(entry):
        if entry.event["n"] % 3 == 0:
            raise ValueError

    live = Watched(Consumer(group, handle))
    live.panel.start()
    until(lambda: live.caption.endswith("2 failed"))
    live.panel.filter("n > 0", failed_only=True)
    until(lambda: live.column() == ["3"])
    pd.testing.assert_frame_equal(pasted(live.panel), live.panel.frame())
    assert "rnb.ConsumerGroup(stream, 'etl')" in live.panel.python()


def test_it_is_drawn_at_most_five_times_a_second_and_seldom_where_it_costs(stream, raw):
    live = Watched(stream)
    times = []
    follow = live.view.grid.follow

    def noting(rows):
        times.append(time.monotonic())
        follow(rows)

    live.view.grid.follow = noting
    live.panel.start()
    began = len(times)

    def drawn():
        add(raw, 1)
        return len(times) >= began + 4

    until(drawn)
    gaps = [
        after - before for before, after in zip(times[began:], times[began + 1 :], strict=False)
    ]
    assert min(gaps) >= 0.19


def test_the_snapshot_is_of_the_last_pause_or_stop(stream, raw, published):
    def saved():
        return published[-1][0].get("text/html", "")

    live = Watched(stream)
    live.panel._ipython_display_()
    assert "0 of 0 rows" in saved()
    live.press(live.view.bar.start)
    until(lambda: live.state == "reading")
    add(raw, 1, 2)
    until(lambda: live.column() == ["2", "1"])
    assert "0 of 0 rows" in saved()
    live.press(live.view.bar.pause)
    until(lambda: "2 of 2 rows" in saved())
    live.press(live.view.bar.pause)
    add(raw, 3)
    until(lambda: live.column() == ["3", "2", "1"])
    live.press(live.view.bar.stop)
    until(lambda: "3 of 3 rows" in saved())


def test_the_filter_offers_the_columns_that_came(stream, raw):
    live = Watched(stream)
    live.press(live.view.bar.start)
    until(lambda: live.state == "reading")
    add(raw, {"kind": "refund", "amount": 3})
    until(lambda: {"kind", "amount"} <= set(live.shown(live.view.bar.where)["offers"]))


def test_what_there_is_to_read_is_checked(stream):
    with pytest.raises(TypeError, match="a Stream, a ConsumerGroup or a Consumer, not str"):
        panels.live("s")
    assert isinstance(panels.live(stream, where="n > 1"), LivePanel)


def test_a_state_that_is_over_is_not_drawn_again(stream, meanwhile):
    watched = Watched(stream)
    watched.panel.start()
    until(lambda: watched.state == "reading")
    meanwhile(watched.view, "show_state", watched.panel.stop, seconds=10)
    watched.panel._showing.show_held()
    meanwhile.wait()
    assert watched.state == "stopped"
