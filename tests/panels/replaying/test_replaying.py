"""ReplayPanel: a range, a speed, what is sent beside what it was, without a browser."""

import json
import math
import re
import threading
import time

import pandas as pd
import pyarrow as pa
import pytest

from redisnb import Stream, capture, connect, stop_all
from redisnb.panels.replaying import ReplayPanel, replay, showing
from redisnb.panels.replaying.speeds import (
    SPEED_STEPS,
    nearest_step,
    speed_of,
    speed_text,
    speed_words,
)
from redisnb.replays.player import Player
from tests.deadlines import deadline, until, until_quiet
from tests.panels.conftest import threads
from tests.panels.parts.acting import Page

pytestmark = pytest.mark.slow

HOUR = 3_600_000
FIRST = 1_357_034_400_000  # 2013-01-01 10:00


@pytest.fixture
def source(conn, raw):
    pipe = raw.pipeline()
    for n in range(600):
        pipe.xadd(
            "s", {"payload": json.dumps({"n": n, "kind": "sale"})}, id=f"{FIRST + n * 60_000}-0"
        )
    pipe.execute()
    return Stream(conn, "s")


@pytest.fixture
def target(conn):
    return Stream(conn, "t")


class Shown:
    """A panel on a page."""

    def __init__(self, source, target, **options):
        self.panel = replay(source, target, **options)
        self.view, self.page = self.panel._view, Page(self.panel)
        assert self.panel.wait()

    def text(self, part, name="text"):
        return "" if self.page.shown(part)["hidden"] else self.page.shown(part)[name]

    @property
    def state(self):
        return self.text(self.view.state)

    @property
    def sent(self):
        return self.text(self.view.run.progress)

    def press(self, part, values=None):
        self.page.press(part, values)
        assert self.panel.wait()

    def until(self, state):
        until(
            lambda: self.state == state,
            what=lambda: f"{self.state}: {self.text(self.view.trouble)}",
        )


@pytest.mark.parametrize(
    ("words", "speed"),
    [
        ("60x", 60),
        ("60", 60),
        (" 0.5 X ", 0.5),
        ("1,000x", 1000),
        ("2 times", 2),
        ("max", math.inf),
        ("As fast  as possible", math.inf),
        ("1h in 1min", 60),
        ("an hour in a minute", 60),
        ("half", 0.5),
        ("1 h in 30 s", 120),
    ],
)
def test_a_speed_in_words(words, speed):
    assert speed_of(words) == speed
    assert speed_of(speed_text(speed)) == speed


@pytest.mark.parametrize("words", ["", "0x", "-1", "soon", "1h in soon", "nan", "1h in 0s"])
def test_words_that_are_no_speed(words):
    with pytest.raises(ValueError, match="such as 60x"):
        speed_of(words)


def test_the_steps_of_the_slider_are_said():
    assert [nearest_step(each) for each in SPEED_STEPS] == list(range(len(SPEED_STEPS)))
    assert speed_words(60) == "60x, an hour in 1 min"
    assert speed_words(math.inf) == "as fast as possible"
    assert SPEED_STEPS[nearest_step(50)] == 60


def test_a_range_is_chosen_in_the_bars_and_replayed(source, target, raw):
    shown = Shown(source, target)
    view = shown.view
    assert repr(shown.panel) == "ReplayPanel('s → t')"
    assert isinstance(shown.panel, ReplayPanel)
    assert (shown.state, raw.exists("t")) == ("ready", 0)
    assert sum(shown.text(view.bars, "counts")) == 600
    edges = shown.text(view.bars, "edges")
    begin, end = edges.index(FIRST + HOUR), edges.index(FIRST + 2 * HOUR)
    shown.page.act(view.bars, "brush", brush=[begin, end])
    assert shown.panel.wait()
    assert view.pace.first["value"] == "2013-01-01 11:00"
    assert shown.text(view.plan).startswith("60 entries to send · ")
    assert "59 min of events · takes 59 min at 1x" in shown.text(view.plan)
    assert view.bars["brush"] == [begin, end]
    slider = view.pace.slider
    shown.page.act(slider, "choose", {slider: len(SPEED_STEPS) - 1})
    assert shown.panel.wait()
    assert view.pace.words["value"] == "as fast as possible"
    shown.press(view.run.start)
    shown.until("finished")
    assert raw.xlen("t") == 60
    assert shown.sent.startswith("60 of 60 sent · at 2013-01-01 11:59")
    until(lambda: shown.text(view.end).startswith("All is sent: 60 added in "))
    assert shown.page.shown(view.bars)["position"] == FIRST + 2 * HOUR - 60_000
    assert shown.text(view.run.start, "label") == "Start again"
    copies = shown.panel.frame()
    assert copies["entry_id"].tolist()[0] == f"{FIRST + HOUR}-0"
    assert copies["added_id"].tolist() == [id.decode() for id, _ in raw.xrange("t")]
    until(lambda: threads() == [])


def test_a_speed_that_is_chosen_just_before_the_start_is_that_of_the_plan(source, target):
    shown = Shown(source, target)
    shown.panel.show_range("2013-01-01 11:00", "2013-01-01 11:59")
    shown.panel.set_speed("60x")
    shown.panel.start()
    assert shown.panel.wait()
    assert "takes 59.0 s at 60x" in shown.text(shown.view.plan)
    shown.panel.stop_replay()


def test_a_range_that_is_chosen_at_once_is_shown_in_the_bars(source, target):
    panel = replay(source, target)
    page = Page(panel)
    panel.show_range("2013-01-01 11:00", "2013-01-01 11:59")
    assert panel.wait()
    bars = page.shown(panel._view.bars)
    assert sum(bars["counts"]) == 600
    assert bars["brush"] == [bars["edges"].index(FIRST + n * HOUR) for n in (1, 2)]
    assert page.shown(panel._view.plan)["text"].startswith("60 entries to send · ")


def test_what_was_sent_is_beside_what_it_was(source, target, raw):
    def dearer(frame):
        frame["kind"] = "refund"
        return frame

    shown = Shown(source, target, transform=dearer)
    shown.panel.set_speed("max")
    shown.panel.show_range("", "2013-01-01 10:09")
    shown.panel.start()
    shown.until("finished")
    grid = shown.view.grid
    until(lambda: len(shown.page.shown(grid)["head"]) == 10)
    names = [each["name"] for each in shown.page.shown(grid)["columns"]]
    assert names == ["was_at", "entry_id", "added_id", "changed", "sent"]
    newest = dict(zip(names, shown.page.shown(grid)["head"][0], strict=True))
    assert newest["changed"] == "kind"
    assert json.loads(newest["sent"]) == {"n": 9, "kind": "refund"}
    shown.page.act(grid, "choose", row=0)
    beside = shown.view.beside
    until(lambda: not shown.page.shown(beside)["hidden"])
    texts = [each["text"] for each in beside._content.children if "text" in each.props]
    assert texts[:3] == ["kind", '- "sale"', '+ "refund"']


def test_it_is_paused_stepped_moved_and_stopped(source, target, raw):
    shown = Shown(source, target)
    view = shown.view
    shown.press(view.run.step, {view.run.steps: "3"})
    until(lambda: raw.xlen("t") == 3)
    shown.until("paused")
    assert shown.text(view.run.pause, "label") == "Continue"
    until(lambda: shown.sent.startswith("3 of 600 sent"))
    shown.page.act(view.run.place, "enter", {view.run.place: "2013-01-01 15:00"})
    assert shown.panel.wait()
    shown.until("paused")
    shown.press(view.run.step, {view.run.steps: "1"})
    until(lambda: raw.xlen("t") == 4)
    until(lambda: "at 2013-01-01 15:00" in shown.sent)
    # 300 entries in 6 s.
    shown.panel.set_speed(3_000)
    assert shown.panel.wait()
    shown.until("paused")
    shown.press(view.run.pause)
    until(lambda: raw.xlen("t") > 10)
    shown.page.press(view.run.stop)
    shown.until("stopped")
    assert shown.text(view.end).startswith("Stopped after 1")
    assert shown.text(view.run.start, "label") == "Continue"
    shown.panel.set_speed("max")
    shown.press(view.run.start)
    shown.until("finished")
    assert raw.xlen("t") == 3 + 300
    assert shown.page.shown(view.end)["tone"] == "good"


def test_all_that_is_shown_belongs_to_one_state(source, target, monkeypatch):
    shown = Shown(source, target)
    shown.panel.show_range("", "2013-01-01 10:02")
    shown.panel.set_speed("max")
    shown.panel.step(1)
    shown.until("paused")
    course, text_of = shown.panel._course, showing.progress_text_of

    def ends_meanwhile(_):
        if course.is_paused:
            course.pause()
            until(lambda: course.state == "finished")
        return text_of(course)

    monkeypatch.setattr(showing, "progress_text_of", ends_meanwhile)
    states = []
    monkeypatch.setattr(
        shown.page, "apply", lambda patch: (Page.apply(shown.page, patch), states.append(seen()))
    )

    def seen():
        return shown.state, shown.text(shown.view.end).partition(":")[0]

    shown.panel._refresh()
    assert set(states) - {("paused", "")} == {("finished", "All is sent")}


@pytest.fixture
def late(monkeypatch):
    """The thread of a replay begins late, as on a busy machine."""
    play = Player.play

    def later(player):
        time.sleep(0.1)
        play(player)

    monkeypatch.setattr(Player, "play", later)


def test_paused_it_sends_nothing_however_often_the_speed_changes(source, target, raw, late):
    shown = Shown(source, target)
    shown.panel.step(3)
    until(lambda: raw.xlen("t") == 3)
    for speed in (60_000, 120_000, "max"):
        shown.panel.set_speed(speed)
        assert shown.panel.wait()
        assert shown.text(shown.view.run.pause, "label") == "Continue"
    shown.until("paused")
    assert raw.xlen("t") == 3
    shown.panel.pause()
    shown.until("finished")
    assert raw.xlen("t") == 600


@pytest.mark.parametrize("act", ["pause", "stop_replay"])
def test_what_is_pressed_while_the_speed_changes_counts(source, target, raw, late, act):
    shown = Shown(source, target)
    shown.panel.set_speed(6_000)
    shown.panel.start()
    until(lambda: raw.xlen("t") > 3)
    halt, halted = shown.panel._course._halt, threading.Event()

    def slowly(replay):
        halt(replay)
        halted.set()
        time.sleep(0.2)

    shown.panel._course._halt = slowly
    shown.panel.set_speed("max")
    assert halted.wait(deadline(10))
    before = raw.xlen("t")
    getattr(shown.panel, act)()
    shown.until({"pause": "paused", "stop_replay": "stopped"}[act])
    assert shown.panel.wait()
    assert raw.xlen("t") == before


def test_the_speed_changes_while_it_runs_and_hidden_it_runs_on(source, target, raw):
    shown = Shown(source, target)
    view = shown.view
    shown.press(view.run.start)
    shown.until("running")
    # A tab that is hidden: nothing ends.
    shown.panel.root.set(hidden=True)
    words = view.pace.words
    shown.page.act(words, "enter", {words: "1h in 1s"})
    assert shown.panel.wait()
    until(lambda: raw.xlen("t") > 60)
    until(lambda: int(shown.sent.split()[0]) > 60)
    assert shown.panel._course.is_alive
    assert shown.text(view.late).startswith("late: half within ")
    assert shown.page.shown(view.pace.first)["disabled"] == "stop it first"
    stop_all()
    shown.until("stopped")
    until(lambda: threads() == [])


def test_a_wait_is_no_end(source, target, raw, monkeypatch):
    shown = Shown(source, target)
    shown.press(shown.view.run.start)
    shown.until("running")
    until(lambda: shown.text(shown.view.run.waits).startswith("waits for the next entry, "))
    assert "left" in shown.sent
    shown.panel.close()
    until(lambda: threads() == [])


def test_what_is_typed_is_checked(source, target, raw):
    shown = Shown(source, target)
    pace = shown.view.pace
    for field, text in ((pace.first, "noon"), (pace.words, "soon"), (pace.gap, "much")):
        before = field["value"]
        shown.press(shown.view.run.start, {field: text})
        assert shown.page.shown(field)["error"], text
        shown.page.act(field, "left", {field: before})
    assert raw.exists("t") == 0
    shown.press(shown.view.run.dry, {pace.first: "2020-01-01", pace.last: ""})
    assert "there is no entry to send: choose another range" in shown.text(shown.view.trouble)
    assert shown.state == "failed"
    shown.press(shown.view.run.dry, {pace.first: ""})
    assert (shown.state, shown.text(shown.view.trouble)) == ("ready", "")


def test_another_range_ends_the_dry_run_of_the_one_before(source, target, monkeypatch):
    # Pages of ten, each of which takes a while.
    monkeypatch.setattr("redisnb.replays.batches.TIMED_PAGE", 10)
    looked = []

    def slow(frame):
        time.sleep(0.02)
        looked.append(len(frame))
        return frame["n"] >= 0

    shown = Shown(source, target, where=slow)
    shown.panel.dry_run()
    until(lambda: looked)
    assert shown.state == "reading"
    shown.panel.show_range("", "2013-01-01 10:04")
    assert shown.panel.wait()
    assert (shown.state, shown.text(shown.view.trouble)) == ("ready", "")
    assert shown.text(shown.view.plan).startswith("5 entries to send")
    shown.panel.show_range("", "")
    shown.page.press(shown.view.run.stop)
    until(lambda: shown.state == "ready")
    assert shown.text(shown.view.trouble) == ""


def test_of_a_capture_and_of_a_frame(source, target, raw, tmp_path):
    capture(source, tmp_path / "c.parquet", progress=False)
    frame = source.range()
    for each in (tmp_path / "c.parquet", frame, [source, frame]):
        shown = Shown(each, target)
        n = 1200 if isinstance(each, list) else 600
        assert sum(shown.text(shown.view.bars, "counts")) == n
        shown.panel.set_speed("max")
        shown.panel.start()
        shown.until("finished")
        assert raw.xlen("t") == n
        raw.delete("t")
        shown.panel.close()
        if isinstance(each, type(tmp_path)):
            assert f"source = '{each}'" in shown.panel.python()
    assert "source = frame" in shown.panel.python() or "source2 = frame" in shown.panel.python()
    # The times of a frame without IDs are those of its index; those of a table, of its IDs.
    timed = pd.DataFrame({"n": [1, 2]}, index=pd.to_datetime(["2024-05-01", "2024-05-02"]))
    for each, n in ((timed, 2), (pa.Table.from_pandas(frame), 600)):
        shown = Shown(each, target)
        assert sum(shown.text(shown.view.bars, "counts")) == n
    odd = Shown(pd.DataFrame({"n": [1, 2]}), target)
    assert odd.page.shown(odd.view.bars)["hidden"]
    odd.panel.set_speed("max")
    odd.panel.start()
    odd.until("finished")


def test_the_python_does_the_same(source, target, raw):
    shown = Shown(source, target)
    shown.panel.show_range("2013-01-01 11:00", "2013-01-01 11:09")
    shown.panel.set_speed("max")
    assert shown.panel.wait()
    code = shown.panel.python()
    exec(re.sub("conn = .*", "", code), {"conn": source.conn})
    assert raw.xlen("t") == 10


def test_a_read_only_connection_says_why(source, server):
    with connect(server.url, read_only=True) as conn:
        shown = Shown(source, Stream(conn, "t"))
        assert "read-only" in shown.text(shown.view.run.start, "disabled")
        shown.press(shown.view.run.dry)
        assert shown.text(shown.view.plan).startswith("600 entries to send")


def test_what_failed_goes_on(source, target, raw):
    shown = Shown(source, target)
    raw.set("t", "text")
    shown.panel.set_speed("max")
    shown.press(shown.view.run.start)
    shown.until("failed")
    assert shown.text(shown.view.trouble)
    raw.delete("t")
    again, _ = shown.view.trouble.children
    shown.press(again)
    shown.until("finished")
    assert raw.xlen("t") == 600


@pytest.mark.slow
@pytest.mark.parametrize("speed", [0.5, 60])
def test_the_server_dies_and_comes_back(source, tcp_server, speed):
    with connect(tcp_server.url) as conn:
        shown = Shown(source, Stream(conn, "to"))
        shown.panel.set_speed(speed)
        shown.press(shown.view.run.start)
        shown.until("running")
        tcp_server.kill()
        shown.until("reconnecting")
        assert shown.text(shown.view.trouble)
        tcp_server.start()
        shown.until("running")
        assert shown.text(shown.view.trouble) == ""
        shown.panel.set_speed("max")
        shown.until("finished")
        events = [json.loads(each[b"payload"]) for _, each in tcp_server.client.xrange("to")]
        # A server that is killed may lose the last second.
        numbers = [each["n"] for each in events]
        assert numbers in (list(range(600)), list(range(1, 600)))
        shown.panel.close()


def test_hidden_it_asks_the_server_nothing_and_ends_all_the_same(source, target, raw):
    shown = Shown(source, target)
    shown.panel.set_speed(2_000)
    shown.press(shown.view.run.start)
    shown.until("running")
    shown.panel.root.set(hidden=True)
    until_quiet(lambda: raw.info("commandstats")["cmdstat_xrevrange"]["calls"], 0.6)
    assert shown.panel._course.is_alive
    shown.panel.set_speed("max")
    until(lambda: shown.panel._course.is_at_end)
    shown.panel.root.set(hidden=False)
    shown.until("finished")
    assert raw.xlen("t") == 600


def test_what_makes_no_sense_now_changes_nothing(source, target, raw):
    shown = Shown(source, target)
    panel, view = shown.panel, shown.view

    def nothing_came_of(*acts):
        for act in acts:
            act()
            assert panel.wait()
        assert raw.xlen("t") == sent

    sent = 0
    # Before it has begun: there is nothing to pause, and what is typed is wrong.
    nothing_came_of(panel.pause, lambda: panel.set_speed("soon"), lambda: panel.seek("noon"))
    assert "such as 60x" in shown.page.shown(view.pace.words)["error"]
    assert "'noon'" in shown.page.shown(view.run.place)["error"]
    nothing_came_of(panel.dry_run, panel.start, panel.step)
    assert panel.frame().empty
    panel.set_speed(1)
    assert panel.doing == ""
    shown.press(view.run.step, {view.run.steps: "some"})
    assert shown.page.shown(view.run.steps)["error"] == "a whole number, at least 1"
    shown.press(view.run.step, {view.run.steps: "2"})
    until(lambda: raw.xlen("t") == 2)
    panel.step(1)
    until(lambda: raw.xlen("t") == 3)
    # While it waits for the next entry, which is a minute later.
    shown.press(view.run.pause)
    shown.until("running")
    assert panel.doing == "replaying"
    sent = 3
    nothing_came_of(panel.dry_run, panel.start, lambda: panel.step(5))
    brush = view.bars["brush"]
    nothing_came_of(lambda: shown.page.act(view.bars, "brush", brush=[1, 2]))
    assert (view.bars["brush"], view.pace.first["value"]) == (brush, "")
    panel.stop_replay()
    # A range is chosen, and then none is.
    shown.page.act(view.bars, "brush", brush=[1, 2])
    assert panel.wait()
    assert view.pace.first["value"] != ""
    shown.page.act(view.bars, "brush", brush=None)
    assert panel.wait()
    assert (view.pace.first["value"], view.pace.last["value"]) == ("", "")


def test_it_begins_where_one_has_gone_to(source, target, raw):
    shown = Shown(source, target)
    shown.panel.seek("2013-01-01 15:00")
    assert shown.panel.wait()
    assert (shown.state, raw.exists("t")) == ("ready", 0)
    shown.panel.set_speed("max")
    shown.panel.start()
    shown.until("finished")
    assert raw.xlen("t") == 300
    # What has ended has no speed that could change.
    course = shown.panel._course
    course.change_pace(shown.panel._settings())
    assert (course.replay.state, raw.xlen("t")) == ("finished", 300)


def test_a_speed_that_is_chosen_as_the_last_entry_is_sent_sends_none_again(source, target, raw):
    shown = Shown(source, target)
    shown.panel.show_range("", "2013-01-01 10:02")
    assert shown.panel.wait()
    shown.panel.set_speed(1_000_000)
    shown.panel.step(2)
    until(lambda: raw.xlen("t") == 2)
    running = shown.panel._course.replay

    def ends_just_now():
        running.resume()
        until(lambda: running.state == "finished")
        return True

    running.stop = ends_just_now
    shown.panel.set_speed("max")
    shown.until("finished")
    assert shown.panel.wait()
    assert (shown.panel._course.replay, raw.xlen("t")) == (running, 3)


def test_it_says_that_it_still_waits_for_the_server(source, target, raw):
    shown = Shown(source, target)
    shown.panel.step(2)
    until(lambda: raw.xlen("t") == 2)
    shown.until("paused")
    course = shown.panel._course
    # As if the server did not answer.
    course.replay.stop = lambda: False
    shown.panel.set_speed(60)
    until(lambda: "still waits for the server's answer" in shown.text(shown.view.trouble))
    course.wait_for_end(0.02)
    assert course.is_alive
    shown.press(shown.view.trouble.children[1])
    assert shown.panel.stop_replay() is False
    shown.until("stopping")
    del course.replay.stop
    assert shown.panel.stop_replay() is True
    shown.until("stopped")
    assert raw.xlen("t") == 2


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_nothing_is_sent_if_it_is_stopped_around_the_dry_run(
    source, target, raw, monkeypatch, before
):
    from redisnb.panels.replaying import course

    class Stopped(course.Replay):
        def __init__(self, *given, **options):
            super().__init__(*given, **options)
            if before:
                shown.panel._course.stop()

        def dry_run(self):
            plan = super().dry_run()
            shown.panel._course.stop()
            return plan

    monkeypatch.setattr(course, "Replay", Stopped)
    shown = Shown(source, target)
    shown.panel.set_speed("max")
    shown.panel.start()
    assert shown.panel.wait()
    assert not shown.panel._course.is_alive
    assert raw.exists("t") == 0


def test_the_server_is_missed_while_it_waits_and_another_error_stays(source, target, monkeypatch):
    from redisnb.panels.replaying import panel, showing

    monkeypatch.setattr(panel, "_ASK_SERVER_EVERY", 0)
    monkeypatch.setattr(panel, "_LOOK_AGAIN", 0.01)
    shown = Shown(source, target)
    shown.press(shown.view.run.start)
    shown.until("running")
    for other in (None, ValueError("another one")):
        with monkeypatch.context() as away:

            def refuse(_):
                raise ConnectionError("away")

            away.setattr(showing, "server_time", refuse)
            shown.until("reconnecting")
            assert shown.text(shown.view.trouble) == "away"
            if other is not None:
                shown.panel.trouble.report(other)
        shown.until("running")
        assert shown.text(shown.view.trouble) == ("" if other is None else "another one")


def test_nothing_may_be_left_to_send(source, target, raw):
    shown = Shown(source, target)
    shown.panel.step(3)
    until(lambda: raw.xlen("t") == 3)
    shown.until("paused")
    shown.panel.stop_replay()
    raw.xtrim("s", minid=FIRST + 599 * 60_000, approximate=False)
    raw.xdel("s", f"{FIRST + 599 * 60_000}-0")
    shown.press(shown.view.run.dry)
    assert shown.text(shown.view.plan) == "Nothing is left to send."


def test_what_was_removed_before_it_was_read_is_missed(source, target, raw, monkeypatch):
    monkeypatch.setattr("redisnb.replays.batches.TIMED_PAGE", 10)
    shown = Shown(source, target)
    shown.panel.step(3)
    until(lambda: raw.xlen("t") == 3)
    shown.until("paused")
    raw.xtrim("s", minid=FIRST + 300 * 60_000, approximate=False)
    shown.panel.set_speed("max")
    assert shown.panel.wait()
    until(lambda: shown.panel._course.is_paused)
    shown.panel.pause()
    shown.until("incomplete")
    assert shown.page.shown(shown.view.end)["tone"] == "warn"
    # The server does not tell how many there were.
    report = shown.panel._course.replay.report
    assert report.missed
    assert shown.text(shown.view.end).endswith(f". {report.note}")
    assert shown.text(shown.view.late).endswith(f" · {report.missed} missed")


def test_what_cannot_be_shown_is_told(source, target, raw):
    def refuse(_):
        raise ValueError("this cannot be drawn")

    shown = Shown(source, target)
    assert not shown.panel.is_used
    shown.panel._showing.draw_sent = refuse
    shown.panel.step(1)
    until(lambda: shown.text(shown.view.trouble) == "this cannot be drawn")
    until(lambda: raw.xlen("t") == 1)
    assert shown.panel.is_used
    shown.panel.stop_replay()


def test_an_entry_without_a_date_is_sent_without_one(conn, target, raw):
    late = 300_000_000_000_000
    for n in range(2):
        raw.xadd("s", {"payload": f'{{"n": {n}}}'}, id=f"{late + n}-0")
    shown = Shown(Stream(conn, "s"), target)
    shown.panel.set_speed("max")
    shown.panel.start()
    shown.until("finished")
    assert shown.sent == "2 of 2 sent"


def test_an_entry_that_was_sent_as_it_was(source, target, raw):
    shown = Shown(source, target)
    shown.panel.set_speed("max")
    shown.panel.show_range("", "2013-01-01 10:02")
    shown.panel.start()
    shown.until("finished")
    grid, box, beside = shown.view.grid, shown.view.beside, shown.panel._beside
    until(lambda: len(shown.page.shown(grid)["head"]) == 3)
    # A row that is not there any more opens nothing.
    shown.page.act(grid, "choose", row=7)
    assert shown.page.shown(box)["hidden"]

    def texts():
        return [each["text"] for each in box._content.children if "text" in each.props]

    shown.page.act(grid, "choose", row=0)
    until(lambda: not shown.page.shown(box)["hidden"])
    assert texts()[0] == "Its event was sent as it was."
    close = box.children[0].children[-1]
    shown.page.press(close)
    assert shown.page.shown(box)["hidden"]
    assert shown.page.shown(grid)["chosen"] is None
    # To the last one there came no reply.
    copies = shown.panel.frame().copy()
    copies["added_id"] = [*copies["added_id"][:-1], None]
    listed = beside.listed(copies)
    assert listed["added_id"].isna().tolist() == [True, False, False]
    beside.show(listed.iloc[0])
    until(lambda: not shown.page.shown(box)["hidden"])
    assert shown.text(box._title).endswith("→ no reply came")
    assert "It is not there, or cannot be read by its ID." in texts()
    shown.page.press(close)
    beside.show(listed.iloc[0].replace({listed["entry_id"].iloc[0]: "9-9"}))
    assert shown.page.shown(box)["hidden"]
    # Of what cannot be read there are the IDs.
    raw.delete("t")
    raw.set("t", "text")
    listed = beside.listed(shown.panel.frame())
    assert listed["added_id"].notna().all()
    assert listed["sent"].isna().all()


def test_to_streams_of_the_same_keys_or_of_a_mapping(conn, source, server, raw):
    pair = Shown(source, {"s": Stream(conn, "t"), "x": Stream(conn, "u")})
    assert repr(pair.panel) == "ReplayPanel('s → t, u')"
    assert "target = {'s': rnb.Stream(conn, 't'), 'x': rnb.Stream(conn, 'u')}" in (
        pair.panel.python()
    )
    with connect(server.url, db=1) as other:
        other.client.flushdb()
        shown = Shown(source, other)
        assert repr(shown.panel) == "ReplayPanel('s → streams of the same keys')"
        assert "rnb.replay(source, conn)" in shown.panel.python()
        shown.panel.set_speed("max")
        shown.panel.start()
        shown.until("finished")
        assert other.client.xlen("s") == 600
        other.client.flushdb()
        shown.panel.close()


def test_standard_input_is_refused(target):
    with pytest.raises(ValueError, match="read only once"):
        replay("-", target)


def test_what_ends_when_something_else_begins_says_nothing(source, target, meanwhile):
    shown = Shown(source, target)
    panel, may_end, may_go_on = shown.panel, threading.Event(), threading.Event()
    panel._do("reading", lambda _: may_end.wait(10))

    def end():
        may_end.set()
        panel._lane.wait(10)

    meanwhile(panel, "_refresh", end)
    panel._do("connecting", lambda _: may_go_on.wait(10))
    meanwhile.acting.join(0.3)
    assert panel.doing == "starting"
    may_go_on.set()
    assert panel.wait()
    assert panel.doing == ""
