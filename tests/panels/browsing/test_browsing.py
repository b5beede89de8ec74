"""BrowsePanel without a browser: ranges, filters, pages, and what is said."""

import json
import threading

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from redisnb import RedisnbError, Server, Stream, connect
from redisnb.panels import browse
from redisnb.panels.browsing import reading
from redisnb.panels.browsing.wording import notes
from redisnb.panels.parts import Task
from tests.deadlines import deadline, until
from tests.panels.browsing.bad_hour import GUILTY, HOUR
from tests.panels.browsing.conftest import Browsing
from tests.panels.conftest import shows, threads, under_way

pytestmark = pytest.mark.slow


def test_it_opens_on_the_newest_entries(browsing, guilty, stream):
    assert browsing.state == "ready"
    assert browsing.view.about["text"].startswith(f"{3_000 + guilty:,} entries · ")
    assert browsing.in_force.startswith("2013-01-01 10:15 to 2013-01-0")
    # On a busy machine they are counted by some of them.
    total = browsing.in_force.partition(" UTC · ")[2].removeprefix("about ")
    assert total == f"{3_000 + guilty:,} entries"
    assert browsing.caption == f"{3_000 + guilty:,} entries"
    assert browsing.ids()[:3] == stream.tail(3)["entry_id"].tolist()[::-1]
    assert browsing.view.paging.older["hidden"]
    assert sum(browsing.view.over_time.bars["counts"]) == 3_000 + guilty


def test_the_bad_hour_is_found_and_taken_out(browsing, guilty, conn, tmp_path):
    bars = browsing.view.over_time.bars
    peak = bars["counts"].index(max(bars["counts"]))
    browsing.brush(peak, peak + 1)
    browsing.press(browsing.view.over_time.zoom_in)
    # Bars of an hour or less, of which the highest are in the hour.
    peak = bars["counts"].index(max(bars["counts"]))
    at = pd.Timestamp(bars["edges"][peak], unit="ms", tz="UTC")
    assert HOUR <= at < HOUR + pd.Timedelta("1h")
    browsing.read(where=f"source = '{GUILTY}'")
    assert browsing.caption.endswith(f", {guilty} match")
    frame = browsing.panel.frame()
    assert len(frame) == guilty
    assert frame["source"].unique().tolist() == [GUILTY]
    assert_frame_equal(browsing.pasted(conn), frame)
    path = browsing.panel.export(tmp_path / "guilty.jsonl")
    assert [json.loads(line)["source"] for line in path.open()] == [GUILTY] * guilty


def test_the_open_entry_is_offered_to_be_edited(browsing):
    edited = []
    details = browsing.panel._view.details
    details.offer_edit(lambda stream, entry: edited.append((stream.key, entry.id)))
    browsing.page.act(browsing.view.grid, "choose", row=2)
    browsing.settle()
    browsing.page.press(browsing.view.details._edit)
    assert edited == [(browsing.panel._stream.key, browsing.ids()[2])]


def test_what_matches_is_marked_over_time(browsing, guilty):
    bars = browsing.view.over_time.bars
    assert bars["marked"] == []
    browsing.read(where=f"source = '{GUILTY}'")
    at = bars["counts"].index(max(bars["counts"]))
    assert bars["marked"][at] == guilty
    assert sum(bars["marked"]) == guilty
    assert browsing.view.over_time.matches["text"] == f"{guilty} match"
    browsing.read(where="")
    assert bars["marked"] == []
    assert browsing.view.over_time.matches["text"] == ""


def test_no_marks_are_drawn_again_that_have_gone(browsing, guilty, meanwhile):
    browsing.read(where=f"source = '{GUILTY}'")
    over_time, bars = browsing.panel._over_time, browsing.view.over_time.bars
    assert sum(bars["marked"]) == guilty
    # Counted at the moment in which another read has found that nothing is marked.
    meanwhile(bars, "mark", lambda: over_time.mark(None))
    over_time._again(Task(over_time._again))
    meanwhile.wait()
    assert bars["marked"] == []
    assert browsing.view.over_time.matches["text"] == ""


def test_no_range_is_drawn_again_that_has_gone(browsing, meanwhile):
    over_time, whole = browsing.panel._over_time, browsing.panel._facts.whole
    half = whole._replace(last=(whole.first + whole.last) // 2)
    bars = browsing.view.over_time.bars
    meanwhile(bars, "set", lambda: over_time.show(half, whole, keeps_bars=True))
    over_time.show(whole, whole, keeps_bars=True)
    meanwhile.wait()
    assert bars["brush"] == list(over_time._bars.range_of(half))


def test_what_is_called_off_does_not_write_into_the_fields(browsing, meanwhile):
    task = under_way(browsing.panel._lane)
    write = shows(task, lambda: browsing.panel._write_fields("2013-01-02 11:00", ""))
    meanwhile(browsing.panel, "_read", write)
    quick = browsing.view.range.quick
    browsing.page.act(quick, "choose", {quick: "all"})
    browsing.settle()
    meanwhile.wait()
    assert browsing.view.range.start["value"] == ""
    assert browsing.in_force.startswith("2013-01-01 10:15 to ")


def test_its_state_is_small_and_nothing_runs_when_it_is_idle(browsing, stream):
    assert len(json.dumps(browsing.panel.channel.state())) < 100_000
    for _ in range(5):
        Browsing(stream)
    until(lambda: threads() == [], what=lambda: str(threads()))


@pytest.mark.parametrize("order", ["newest", "oldest"])
@pytest.mark.parametrize("where", ["", "carrier = 'UA' and dep_delay is not null"])
def test_python_gives_an_equal_frame(browsing, conn, stream, order, where):
    browsing.read(order=order, where=where, start="2013-01-02 11:00", end="2013-01-03 11:00")
    assert_frame_equal(browsing.pasted(conn), browsing.panel.frame())
    # What is added later is not in it, nor in the range.
    browsing.read(start="", end="")
    stream.add({"carrier": "UA", "dep_delay": 3})
    grid = browsing.view.grid
    for sort in (None, ("dep_delay", False), ("tailnum", True), ("entry_id", True)):
        if sort is not None:
            grid.arrange(sort=sort)
        browsing.settle()
        assert_frame_equal(browsing.pasted(conn), browsing.panel.frame())
        assert browsing.ids() == grid.frame()["entry_id"].tolist()
    grid.arrange(sort=("entry_time", order == "newest"))
    grid.pick(left=["flight", "entry_time"], frozen=["dest"])
    browsing.settle()
    frame = browsing.panel.frame()
    assert frame.columns[0] == "dest"
    assert "flight" not in frame
    assert_frame_equal(browsing.pasted(conn), frame)


def test_values_of_several_kinds_are_sorted_as_in_python(conn, stream):
    for value in (3, "a", [1], None, 20, {"b": 1}):
        stream.add({"v": value, "n": 1})
    shown = Browsing(stream)
    shown.view.grid.arrange(sort=("v", True))
    shown.settle()
    assert_frame_equal(shown.pasted(conn), shown.panel.frame())
    assert shown.ids() == shown.view.grid.frame()["entry_id"].tolist()


@pytest.mark.parametrize("order", ["newest", "oldest"])
@pytest.mark.parametrize("where", ["", "carrier = 'UA'"])
def test_pages_have_every_entry_once(browsing, conn, stream, order, where, monkeypatch):
    monkeypatch.setattr(reading, "PAGE_ENTRIES", 400)
    browsing.read(order=order, where=where)
    on, back = browsing.view.paging.older, browsing.view.paging.newer
    if order == "oldest":
        on, back = back, on
    seen = browsing.ids()
    first = list(seen)
    assert back["disabled"].startswith("these are the ")
    while not on["disabled"]:
        assert_frame_equal(browsing.pasted(conn), browsing.panel.frame())
        browsing.press(on)
        seen += browsing.ids()
    whole = stream.range(where=where or None, reverse=order == "newest")
    assert seen == whole["entry_id"].tolist()
    while not back["disabled"]:
        browsing.press(back)
        assert_frame_equal(browsing.pasted(conn), browsing.panel.frame())
    # The last way back may begin elsewhere, but ends at the same end.
    assert browsing.ids()[0] == first[0]


def hold_a_read(browsing, monkeypatch):
    """Make the next read tell of each page, and wait at its first match until it is stopped.

    Return the event that it waits.
    """
    monkeypatch.setattr("redisnb.wire.paging.PAGE", 10)
    monkeypatch.setattr(reading, "_TOLD_EVERY", 0)
    held, tell = threading.Event(), browsing.panel._tell

    def told(task, page):
        tell(task, page)
        if len(page.frame):
            browsing.panel._tell = tell
            held.set()
            task.wait(deadline(10))

    monkeypatch.setattr(browsing.panel, "_tell", told)
    return held


def test_a_long_read_says_how_far_it_is_and_can_be_stopped(browsing, guilty, conn, monkeypatch):
    held = hold_a_read(browsing, monkeypatch)
    paging = browsing.view.paging
    browsing.page.press(browsing.view.range.read, {browsing.view.range.where: "dep_delay > 300"})
    assert held.wait(deadline(10))
    assert "match so far" in browsing.caption
    assert f"of about {3_000 + guilty:,}" in browsing.caption
    assert not paging.stop["hidden"]
    browsing.press(paging.stop)
    assert browsing.state == "stopped"
    assert browsing.caption.startswith("stopped: looked at ")
    some = browsing.ids()
    assert some
    monkeypatch.undo()
    assert_frame_equal(browsing.pasted(conn), browsing.panel.frame())
    # It goes on from there.
    assert not paging.older["disabled"]
    browsing.press(paging.older)
    whole = browsing.panel._stream.range(where="dep_delay > 300", reverse=True)
    assert some + browsing.ids() == whole["entry_id"].tolist()
    assert paging.stop["hidden"]


def test_a_quick_range_counts_back_from_the_last_entry(browsing, stream):
    quick = browsing.view.range.quick
    browsing.page.act(quick, "choose", values={quick: "60"})
    browsing.settle()
    last = stream.tail(1).index[0]
    assert browsing.view.range.start["value"] == f"{last - pd.Timedelta('1h'):%Y-%m-%d %H:%M}"
    assert browsing.panel.frame().index.min() >= last - pd.Timedelta("1h")
    # Reading again counts back again; another text is another range.
    stream.add({"n": 1}, id=f"{int((last.timestamp() + 1800) * 1000)}-0")
    browsing.read()
    assert browsing.panel.frame().index.min() >= last - pd.Timedelta("30min")
    browsing.read(start="2013-01-02")
    assert quick["value"] == ""
    browsing.read(start="")
    assert quick["value"] == "all"


def test_ranges_by_brush_and_zoom(browsing):
    view, bars = browsing.view.over_time, browsing.view.over_time.bars
    assert view.zoom_in["hidden"]
    assert view.zoom_out["hidden"]
    edges = list(bars["edges"])
    at = bars["counts"].index(max(bars["counts"]))
    browsing.brush(at, at + 2)
    first, stop = (pd.Timestamp(edges[each], unit="ms", tz="UTC") for each in (at, at + 2))
    assert browsing.view.range.start["value"] == f"{first:%Y-%m-%d %H:%M}"
    frame = browsing.panel.frame()
    assert first <= frame.index.min()
    assert frame.index.max() < stop
    assert len(frame) == sum(bars["counts"][at : at + 2])
    assert bars["edges"] == edges
    browsing.press(view.zoom_in)
    assert bars["edges"][0] == edges[at]
    assert len(bars["counts"]) > 20
    assert sum(bars["counts"]) == len(frame)
    browsing.press(view.zoom_out)
    assert bars["edges"] == edges
    assert bars["brush"] == [at, at + 2]
    assert len(browsing.panel.frame()) == len(frame)
    browsing.page.act(bars, "brush", brush=None)
    browsing.settle()
    assert browsing.view.range.quick["value"] == "all"
    # Without a zoom before it, zooming out shows three times as much.
    browsing.read(start="2013-01-03 12:00", end="2013-01-03 13:00")
    browsing.press(view.zoom_out)
    assert bars["edges"][0] <= pd.Timestamp("2013-01-03 11:00", tz="UTC").timestamp() * 1000


@pytest.mark.parametrize("is_long", [False, True])
@pytest.mark.parametrize(
    ("values", "at"),
    [
        ({"start": "yesterday"}, 0),
        ({"end": "2013-99-99"}, 1),
        ({"start": "2013-01-03", "end": "2013-01-02"}, 0),
        ({"where": "carrier ="}, 2),
        ({"where": "carier = 'UA'"}, 2),
        ({"where": "carier = 'UA' or dep_delay > 300"}, 2),
        ({"start": "2013-01-03", "where": "carier = 'UA'"}, 2),
    ],
)
def test_what_cannot_be_read_stays_with_its_error_beside_it(
    browsing, monkeypatch, values, at, is_long
):
    if is_long:
        # It says how far it is before it comes to what is wrong.
        monkeypatch.setattr("redisnb.wire.paging.PAGE", 1000)
        monkeypatch.setattr(reading, "_TOLD_EVERY", 0)
    before, in_force, caption = browsing.ids(), browsing.in_force, browsing.caption
    browsing.read(**values)
    assert [bool(each) for each in browsing.errors] == [i == at for i in range(4)]
    assert browsing.state == "ready"
    assert browsing.ids() == before
    assert (browsing.in_force, browsing.caption) == (in_force, caption)
    assert browsing.view.trouble["hidden"]
    for name, value in values.items():
        assert getattr(browsing.view.range, name)["value"] == value
    browsing.read(start="", end="", where="")
    assert not any(browsing.errors)


def test_a_read_that_is_refused_twice_leaves_what_was_shown_before_both(browsing, monkeypatch):
    before, in_force = browsing.ids(), browsing.in_force
    held, view = hold_a_read(browsing, monkeypatch), browsing.view.range
    values = {view.start: "2013-01-02", view.where: "carier = 'UA' or dep_delay > 300"}
    browsing.page.press(view.read, values)
    assert held.wait(deadline(10))
    assert browsing.ids() != before
    browsing.press(view.read)
    assert "did you mean 'carrier'" in browsing.errors[2]
    assert (browsing.ids(), browsing.in_force) == (before, in_force)


def test_no_match_says_the_next_step(browsing):
    browsing.read(where="dep_delay > 5000")
    assert browsing.caption.endswith("0 match")
    assert "choose a wider range, or change the filter" in browsing.said
    browsing.read(where="", start="2012-01-01", end="2012-01-02")
    assert "no entry in this range" in browsing.said


def test_jump_to_a_time_or_an_id(browsing, stream):
    id = stream.range("2013-01-03 12:00", limit=50)["entry_id"].iloc[-1]
    browsing.panel.jump(id)
    browsing.settle()
    assert browsing.ids()[0] == id
    assert browsing.view.details.entry_id == id
    assert not browsing.view.paging.newer["disabled"]
    browsing.press(browsing.view.paging.newer)
    assert browsing.ids()[-1] > id
    browsing.panel.jump("2013-01-03 12:00")
    browsing.settle()
    assert browsing.panel.frame().index[0] <= pd.Timestamp("2013-01-03 12:00", tz="UTC")
    browsing.panel.jump("2020-01-01")
    browsing.settle()
    assert "outside of the range" in browsing.errors[3]


def test_an_entry_is_opened_and_closed(browsing):
    browsing.page.act(browsing.view.grid, "choose", row=2)
    browsing.settle()
    assert browsing.view.details.entry_id == browsing.ids()[2]
    browsing.panel._closed()
    assert browsing.view.grid["chosen"] is None


def test_a_stream_that_is_missing_or_empty_says_the_next_step(conn):
    Stream(conn, "orders").add({"n": 1})
    missing = Browsing(Stream(conn, "order"))
    assert "There is no such stream. Is it 'orders'?" in missing.said
    assert missing.view.over_time["hidden"]
    assert len(missing.panel.frame()) == 0
    empty = Stream(conn, "empty")
    empty.delete([empty.add({"n": 1})])
    shown = Browsing(empty)
    assert "has no entries" in shown.said
    empty.add({"n": 2})
    shown.read()
    assert shown.panel.frame()["n"].tolist() == [2]
    assert not shown.view.over_time["hidden"]


def test_a_key_of_another_type_and_a_refusal_are_errors(conn, raw, server):
    raw.set("s", "text")
    shown = Browsing(Stream(conn, "s"))
    assert "WRONGTYPE" in shown.said
    assert shown.state == "failed"
    raw.delete("s")
    raw.execute_command("ACL", "SETUSER", "some", "reset", "on", ">pw", "~*", "+ping")
    try:
        with connect(server.url, username="some", password="pw") as refused:
            shown = Browsing(Stream(refused, "s"))
            assert "NOPERM" in shown.said
            assert shown.state == "failed"
    finally:
        raw.execute_command("ACL", "DELUSER", "some")


def test_a_server_that_has_gone_is_tried_again():
    with Server() as server, connect(server.url, timeout=1) as conn:
        stream = Stream(conn, "s")
        stream.add({"n": 1})
        shown = Browsing(stream)
        server.stop()
        shown.read()
        assert shown.state == "failed"
        assert not shown.view.trouble["hidden"]
        # What was read stays.
        assert len(shown.panel.frame()) == 1


def test_a_server_that_does_not_answer_is_asked_again(server, raw, stream):
    stream.add({"n": 1})
    with connect(server.url, timeout=deadline(0.5)) as conn:
        shown = Browsing(Stream(conn, "s"))
        raw.client_pause(int(deadline(2_000)))
        shown.read()
        assert shown.state == "failed"
        raw.client_unpause()
        stream.add({"n": 2})
        again = next(each for each in shown.view.trouble.children if each["label"] == "Try again")
        shown.press(again)
        assert shown.state == "ready"
        assert shown.view.trouble["hidden"]
        assert shown.panel.frame()["n"].tolist() == [2, 1]


def test_what_is_odd_or_untimed_is_said(stream, raw):
    stream.add({"n": 1}, id="5-0")
    raw.xadd("s", {"payload": "ping"}, id="6-0")
    raw.xadd("s", {"payload": '{"n": 2}'}, id="300000000000000-0")
    shown = Browsing(stream)
    assert "1 entry is odd" in shown.said
    assert len(shown.panel.frame()) == 3
    shown.read(end="6-0")
    assert len(shown.panel.frame()) == 2
    assert shown.state == "ready"


def test_a_page_of_large_entries_ends_early(stream, monkeypatch):
    monkeypatch.setattr(reading, "MOST_PAGE_BYTES", 300_000)
    stream.add_many([{"text": "x" * 10_000, "n": n} for n in range(100)])
    shown = Browsing(stream)
    assert "fewer entries than others" in shown.said
    seen = shown.ids()
    while not shown.view.paging.older["disabled"]:
        shown.press(shown.view.paging.older)
        seen += shown.ids()
    assert seen == stream.range(reverse=True)["entry_id"].tolist()


def test_only_a_stream_is_browsed(stream):
    with pytest.raises(TypeError, match="it is a Stream, not str"):
        browse("s")
    panel = browse(stream)
    assert repr(panel) == "BrowsePanel('s')"
    assert "BrowsePanel" in panel._snapshot.html()


def test_what_makes_no_sense_now_changes_nothing(browsing, stream):
    panel, view = browsing.panel, browsing.view
    ids, in_force, edges = browsing.ids(), browsing.in_force, view.over_time.bars["edges"]
    # There is one page, all of the stream, and no read that could be stopped.
    for act in (panel.older, panel.newer, panel.zoom_in, panel.stop_reading):
        act()
        browsing.settle()
        assert (browsing.ids(), browsing.in_force) == (ids, in_force)
    assert view.over_time.bars["edges"] == edges
    panel.read()
    browsing.settle()
    panel.jump(" ")
    browsing.settle()
    assert browsing.errors == [""] * 4
    panel.jump("noon")
    browsing.settle()
    assert browsing.errors[3].startswith("neither an ID nor a time")
    browsing.page.act(view.grid, "choose", row=99_999)
    assert view.details.entry_id is None
    assert browsing.ids() == ids


def test_without_entries_there_is_nothing_to_zoom_or_to_brush(conn):
    empty = Browsing(Stream(conn, "none"))
    for act in (empty.panel.zoom_in, empty.panel.zoom_out):
        act()
        empty.settle()
    empty.brush(0, 1)
    assert empty.view.over_time["hidden"]
    assert "There is no such stream" in empty.said
    assert empty.panel.frame().empty
    empty.panel.close()


def test_before_the_first_page_its_python_reads_all(conn):
    types = {"n": "Int64", "when": "datetime64[ms, UTC]"}
    stream = Stream(conn, "s", schema=types)
    stream.add({"n": 1})
    panel = browse(stream)
    # Else the first page could come in the middle.
    panel.stop()
    panel._page = None
    code = panel.python()
    assert code.endswith("frame = stream.range()")
    assert f"schema={types!r}" in code
    names = {"conn": conn}
    exec("\n".join(line for line in code.splitlines() if not line.startswith("conn =")), names)
    assert names["frame"]["n"].tolist() == [1]
    assert panel.frame().empty
    assert list(panel.frame()) == ["entry_id", *types]
    panel.close()


def test_what_does_not_fit_the_schema_is_said(conn):
    for value in (1, "much", "more"):
        Stream(conn, "s").add({"n": value, "m": 1})
    shown = Browsing(Stream(conn, "s", schema={"n": "Int64", "m": "Int64"}))
    assert "Values that do not fit the schema are missing: 2 in 'n'." in shown.said
    shown.panel.close()


def test_bars_that_could_not_be_counted_are_tried_again(conn, raw, monkeypatch):
    from redisnb.panels.browsing import counting

    def refuse(*_):
        raise RedisnbError("not for you")

    stream = Stream(conn, "s")
    ids = [stream.add({"n": n}, id=f"{n}-0") for n in range(1, 9)]
    with monkeypatch.context() as refused:
        refused.setattr(counting, "count_bars", refuse)
        shown = Browsing(stream)
        # Its entries are there all the same.
        assert shown.ids() == ids[::-1]
        assert shown.view.trouble["text"] == "not for you"
        # A filter asks how many there are, and which of them to mark.
        shown.read(where="n > 3")
        assert len(shown.ids()) == 5
    again = shown.panel._over_time._again
    shown.panel._over_time._lane.do(again)
    shown.settle()
    assert sum(shown.view.over_time.bars["counts"]) == 8
    # Once there are no entries any more, there is nothing to count.
    raw.delete("s")
    shown.read()
    shown.panel._over_time._lane.do(again)
    shown.settle()
    assert shown.view.over_time["hidden"]
    shown.panel.close()


def test_a_range_is_offered_to_be_replayed(browsing, stream):
    replayed = []
    browsing.panel.offer_replay(lambda *bounds: replayed.append(bounds))
    browsing.panel.show_range("2013-01-02 11:00", "2013-01-03 11:00", "carrier = 'UA'")
    browsing.settle()
    assert set(browsing.panel.frame()["carrier"]) == {"UA"}
    browsing.page.press(browsing.view.paging.replay)
    [(first, last)] = replayed
    assert (first, last) == ("2013-01-02 11:00", "2013-01-03 11:00")
    # The filter stays where no other is given.
    browsing.panel.show_range("2013-01-02 11:00")
    browsing.settle()
    assert set(browsing.panel.frame()["carrier"]) == {"UA"}


def test_a_read_takes_the_place_of_a_long_one(browsing, monkeypatch):
    from redisnb.panels.browsing import counting

    def refuse(*_):
        raise RedisnbError("not for you")

    view, fields = browsing.view, browsing.view.range
    with monkeypatch.context() as slow:
        held = hold_a_read(browsing, slow)
        slow.setattr(counting, "count_bars", refuse)
        values = {fields.start: "2013-01-02 11:00", fields.where: "dep_delay > 300"}
        browsing.page.press(fields.read, values)
        assert held.wait(deadline(10))
        assert "match so far" in browsing.caption
        # How many there are in this range is not known.
        assert "of about" not in browsing.caption
        browsing.page.press(fields.read, {fields.where: "dep_delay > 100"})
        assert not browsing.caption.startswith("stopped")
    browsing.settle()
    assert view.paging.stop["hidden"]
    assert browsing.panel.frame()["dep_delay"].min() <= 300


def test_what_was_missed_is_said(browsing):
    page = browsing.panel._page._replace(missed="some entries were trimmed meanwhile")
    assert notes(page).splitlines()[-1] == "some entries were trimmed meanwhile."


def test_a_stream_that_is_gone_as_a_range_is_chosen_has_no_bars(browsing, raw):
    raw.delete("s")
    browsing.brush(0, 3)
    assert browsing.view.over_time["hidden"]
    assert "There is no such stream" in browsing.said
