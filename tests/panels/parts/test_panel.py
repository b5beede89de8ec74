"""A panel of parts: its life, its jobs in the background, its errors, and what is saved."""

import json
import re
import threading
from pathlib import Path

import ipywidgets
import pandas as pd
import pytest
from ipywidgets.widgets import widget

import redisnb
from redisnb.background import Run
from redisnb.panels import parts
from redisnb.panels.parts import Box, Label, PartsPanel, Task, Trouble, Views
from redisnb.panels.parts import panel as panel_module
from redisnb.panels.parts.channel import Channel
from redisnb.panels.parts.saved import Snapshot
from tests.deadlines import until
from tests.panels.parts.acting import Page
from tests.panels.parts.demo import Demo

HOSTILE = "<img src=x onerror=window.pwned=1> $\\alpha$ \u202e\n"


class Outer(PartsPanel):
    """A panel with another one inside."""

    def __init__(self, inner: PartsPanel) -> None:
        trouble = Trouble()
        self.inner = inner
        super().__init__(Box(trouble, inner.root), trouble)

    def frame(self):
        return self.inner.frame()

    def python(self):
        return self.inner.python()


@pytest.fixture
def demo():
    return Demo(2000)


def test_no_front_end_makes_markup_of_a_text():
    folder = Path(parts.__file__).parent
    scripts = [path.read_text() for path in folder.glob("*.js")]
    # And the one that unpacks them.
    assert len(scripts) == len(panel_module._SCRIPTS) + 1
    for text in scripts:
        for means in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert means not in text
        assert "://" not in text.replace("http://www.w3.org/2000/svg", "")


def test_a_panel_is_one_widget_and_small(demo):
    before = len(widget._instances)
    json.dumps(demo.get_state(), default=str)
    bundle, _ = demo._repr_mimebundle_()
    assert len(widget._instances) - before <= 2  # itself, and its layout
    assert bundle["text/plain"] == "Demo()"
    assert len(json.dumps(demo.get_state(), default=str)) < 60_000


def test_a_panel_can_be_put_into_a_box(demo):
    box = ipywidgets.VBox([demo])
    assert box.get_state()["children"] == [f"IPY_MODEL_{demo.model_id}"]


def test_a_panel_inside_of_another_makes_no_widget(demo):
    outer = Outer(demo)
    page = Page(outer)
    assert not demo._has_begun
    demo.state.set(text="inside")
    assert page.shown(demo.state)["text"] == "inside"
    page.press(demo.fails)
    until(lambda: demo.last_error)
    assert outer.last_error is None
    demo.copy_python()
    assert page.copied() == [demo.python()]


def test_a_panel_that_has_worked_already_becomes_a_part_all_the_same(demo):
    with demo.together():
        demo.state.set(text="before")
    outer = Outer(demo)
    page = Page(outer)
    assert page.shown(demo.state)["text"] == "before"
    with demo.together():
        demo.state.set(text="after")
    assert page.shown(demo.state)["text"] == "after"


def test_what_another_tab_hides_is_not_shown():
    inner = Label("x")
    tab, other = Box(inner), Box()
    views = Views("Tabs", [("a", "A"), ("b", "B")], {"a": tab, "b": other})
    Channel(Box(views, tab, other), print, print)
    assert (inner.is_shown, other.is_shown) == (True, False)
    views.show("b")
    assert (inner.is_shown, other.is_shown) == (False, True)


def test_what_a_page_sends_goes_where_it_says(demo):
    comm = Page(demo).panel.comm
    demo.send = lambda *_: setattr(comm, "_reply_subshell_id", "gone")
    demo.state.set(text="sent by a thread of whichever subshell")
    assert getattr(comm, "_reply_subshell_id", None) is None


def test_an_error_is_shown_with_the_way_on(demo):
    page = Page(demo)
    page.press(demo.fails)
    until(lambda: page.shown(demo.trouble)["text"] == "the server said no")
    again, dismiss = demo.trouble.children
    page.press(dismiss)
    assert demo.last_error is None
    assert page.shown(demo.trouble)["hidden"]
    page.press(demo.fails)
    until(lambda: demo.last_error)
    first = demo.last_error
    page.press(again)
    until(lambda: demo.last_error not in (None, first))


def test_the_error_of_a_handler_is_shown_too(demo):
    page = Page(demo)
    demo.off.set(disabled="")
    demo.off.on = lambda: 1 / 0
    page.press(demo.off)
    assert isinstance(demo.last_error, ZeroDivisionError)
    assert page.shown(demo.trouble.children[0])["hidden"]  # nothing to try again
    assert page.heard[-1] == {"done": 1, "view": page.view}


def test_a_newer_job_cancels_the_one_before(demo):
    page = Page(demo)
    for _ in range(3):
        page.press(demo.slow)
    demo.go_on.set()
    until(lambda: page.shown(demo.state)["text"] == "worked")
    until(lambda: not demo._lane.is_busy)
    assert demo.pressed == ["worked"]


def test_nothing_is_shown_after_a_job_was_called_off(demo):
    shown, reached, go_on = [], threading.Event(), threading.Event()

    def job(task: Task) -> None:
        reached.set()
        go_on.wait(10)
        with task.show():
            shown.append(task)

    demo.work(job)
    assert reached.wait(10)
    demo._lane.cancel()
    go_on.set()
    until(lambda: not demo._lane.is_busy)
    assert shown == []
    assert demo.last_error is None


def test_stop_all_ends_what_works_in_the_background(demo):
    Page(demo).press(demo.slow)
    assert demo._lane.is_busy
    redisnb.stop_all()
    assert not demo._lane.is_busy


def test_a_cell_that_runs_again_closes_the_panels_of_its_last_run(monkeypatch):
    runs = iter([Run("cell", "1"), Run("cell", "2"), Run("other", "3")])
    monkeypatch.setattr(panel_module, "this_run", lambda: next(runs))
    first, second, third = Demo(100), Demo(100), Demo(100)
    assert first._is_closed
    assert not second._is_closed
    assert not third._is_closed


def test_without_the_name_of_a_cell_the_one_before_stops():
    first = Demo(100)
    Page(first).press(first.slow)
    Demo(100)
    assert not first._lane.is_busy
    assert not first._is_closed


def test_a_closed_panel_can_be_closed_again(demo):
    assert demo.comm is not None
    demo.close()
    demo.close()
    assert demo.comm is None
    demo.state.set(text="nothing listens")


def test_the_snapshot_is_plain_text_and_hidden_while_the_panel_is_alive(demo, published):
    demo.flights.loc[0, "tailnum"] = HOSTILE
    demo._fill(demo.flights)
    demo._ipython_display_()
    (panel, _), (saved, is_update) = published
    assert panel["text/plain"] == "Demo()"
    assert "application/vnd.jupyter.widget-view+json" in panel
    assert not is_update
    html = saved["text/html"]
    assert f'<div class="{demo._saved}">' in html
    assert "&lt;img src=x" in html
    assert "<img" not in html
    assert r"\u202e\n" in html
    assert "20 of 2,000 rows, as of 20" in html
    assert html.count("<tr>") == 21


def test_the_snapshot_fits_a_page():
    ids = {f"id {n}": "1700000000000-0" for n in range(8)}
    frame = pd.DataFrame([{"stream": "s" * 200, **ids, "length": 7, "wide": "w" * 90}])
    html = Snapshot("Demo()", lambda: frame).html()
    # The first column names the row. Of the others the widest are left out, and it is said.
    assert re.findall(r"<th><code[^>]*>(.*?)</code>", html) == [
        *("stream", *(f"id {n}" for n in range(3)), "length")
    ]
    assert re.search(r"1 of 1 rows, as of .* UTC, 5 of 11 columns<", html)
    assert "columns" not in Snapshot("Demo()", lambda: frame[["stream", "length"]]).html()


def test_the_snapshot_is_of_the_last_stop(demo, published, monkeypatch):
    demo.stop()
    assert published == []
    demo._ipython_display_()
    demo.grid.show(pd.DataFrame({"a": []}))
    demo._save()
    assert len(published) == 2  # not every time
    monkeypatch.setattr("redisnb.panels.parts.saved._EVERY", -1)
    demo._save()
    assert len(published) == 3
    demo.close()
    (saved, is_update) = published[-1]
    assert is_update
    assert "0 of 0 rows" in saved["text/html"]
    demo._ipython_display_()
    assert published[-1] == ({"text/plain": "Demo() is closed"}, None)


def test_no_snapshot(published):
    class Silent(PartsPanel):
        def __init__(self):
            super().__init__(Box(), Trouble(), snapshot=False)

    Silent()._ipython_display_()
    assert len(published) == 1


def test_what_repeats_ends_with_its_audience(demo, monkeypatch):
    ticks, stops = [], []
    demo.stopped = lambda: stops.append(len(ticks))

    def tick(_: Task) -> float:
        ticks.append(1)
        return 0.001

    demo.repeat(tick)
    until(lambda: len(ticks) > 5)
    demo.stop()
    assert len(stops) == 1
    n = len(ticks)
    demo.repeat(tick)
    until(lambda: len(ticks) > n)
    monkeypatch.setattr("redisnb.panels.parts.panel._ALONE_FOR", -1)
    until(lambda: len(stops) == 2)
    assert demo.last_error is None
    # A page that comes back has it go on.
    monkeypatch.setattr("redisnb.panels.parts.panel._ALONE_FOR", 60)
    n, page = len(ticks), Page(demo)
    page.say(have=page.n)
    until(lambda: len(ticks) > n)
    demo.stop()
    assert len(stops) == 3
    page.say(have=page.n)
    assert not demo._repeating.is_busy
    demo.repeat(lambda _: None)
    until(lambda: len(stops) == 4)


def test_the_parts_of_the_demo(demo):
    page = Page(demo)
    page.act(demo.find, "typed", {demo.find: "tenant"})
    names = [each.props.get("name", each.props.get("text")) for each in demo.list.children]
    assert names == ["Streams", "tenant:000:orders:created", "tenant:000:orders:cancelled"]
    item = demo.items["tenant:000:orders:created"]
    page.act(demo.list, "choose", item=item.id)
    assert page.shown(item)["chosen"]
    assert page.shown(demo.title)["text"] == "tenant:000:orders:created"
    page.act(demo.list, "choose", item="p9999")
    assert demo.list["chosen"] == "tenant:000:orders:created"
    page.act(demo.bars, "brush", brush=[10, 20])
    assert demo.bars.range == (10, 20)
    assert 0 < len(demo.frame()) < 2000
    page.act(demo.bars, "brush", brush=[-5, 1000])
    assert demo.bars.range == (0, 108)
    page.act(demo.bars, "brush", brush=None)
    assert demo.bars.range is None
    assert len(demo.frame()) == 2000
    page.act(demo.toggle, "choose", {demo.toggle: True})
    assert demo.pressed == ["True"]
    with pytest.raises(ValueError, match="2 counts have 3 edges, not 1"):
        demo.bars.show([1, 2], ["a"])


def test_what_was_typed_and_not_used_yet(demo):
    page = Page(demo)
    assert not demo.is_used
    page.act(demo.where, "left", {demo.where: "dep_delay > 60"})
    assert demo.is_used
    assert demo.doing == ""
    demo.where.use()
    assert not demo.is_used
    page.act(demo.where, "left", {demo.where: "dep_delay > 90"})
    demo.where.set(value="")
    assert not demo.is_used
