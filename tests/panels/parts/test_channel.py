"""What passes between parts and pages: a tree once, then numbered patches."""

import gc
import threading

import pandas as pd
import pytest

from redisnb.panels.parts import Action, Box, Input, Label, Menu, PartsPanel, Trouble, Views
from tests.panels.parts.acting import Page


class Small(PartsPanel):
    """A text, a field and a button."""

    def __init__(self, *more):
        self.words, self.field = Label("one"), Input("Name", "ann")
        self.go = Action("Go", self.act)
        self.seen, trouble = [], Trouble()
        self.box = Box(self.words, self.field, self.go, trouble, *more)
        super().__init__(self.box, trouble)

    def act(self):
        self.seen.append(self.field["value"])

    def frame(self):
        return pd.DataFrame()

    def python(self):
        return "rnb.small()"


def test_a_change_is_one_numbered_patch_of_what_differs():
    panel = Small()
    page = Page(panel)
    panel.words.set(text="two", tone="good")
    panel.words.set(text="two")
    assert page.patches() == [{panel.words.id: {"text": "two", "tone": "good"}}]
    assert (page.n, page.shown(panel.words)["text"]) == (1, "two")


def test_together_is_one_patch_of_the_newest_values():
    panel = Small()
    page = Page(panel)
    with panel.together():
        panel.words.set(text="two")
        panel.field.set(error="short")
        panel.words.set(text="three")
        with panel.together():
            panel.words.set(tone="bad")
        assert page.patches() == []
    assert page.patches() == [
        {panel.words.id: {"text": "three", "tone": "bad"}, panel.field.id: {"error": "short"}}
    ]


def test_another_thread_is_not_held_back_and_not_overtaken():
    panel = Small()
    page = Page(panel)
    with panel.together():
        panel.words.set(text="two")
        other = threading.Thread(target=panel.words.set, kwargs={"text": "three"})
        other.start()
        other.join()
        assert page.shown(panel.words)["text"] == "three"
    assert page.shown(panel.words)["text"] == "three"


def test_what_changed_before_the_display_is_in_the_tree():
    panel = Small()
    panel.words.set(text="two")
    panel.box.fill(panel.words)
    page = Page(panel)
    assert [each["props"]["text"] for each in page.root["children"]] == ["two"]
    assert page.patches() == []


def test_parts_that_stay_keep_their_node():
    panel = Small()
    page = Page(panel)
    before = page.nodes[panel.words.id]
    new = Box(Label("inside"))
    panel.box.fill(new, panel.words)
    panel.box.fill(new, panel.words)
    assert len(page.patches()) == 1
    assert page.root["children"] == [page.nodes[new.id], before]
    new.children[0].set(text="changed")
    assert page.nodes[new.id]["children"][0]["props"]["text"] == "changed"


def test_a_page_that_missed_a_patch_gets_everything():
    panel = Small()
    page = Page(panel)
    page.say(have=0)
    assert page.heard == [{"beat": page.view, "n": 0}]
    panel.send = lambda message, buffers=None: None
    panel.words.set(text="two")
    panel.send = page.hear
    page.say(have=page.n)
    assert page.shown(panel.words)["text"] == "two"
    panel.words.set(text="three")
    assert page.shown(panel.words)["text"] == "three"
    # Of a page that is a little late, the patches are on their way: nothing is drawn again.
    page.say(have=page.n - 1)
    assert [each for each in page.heard if "all" in each] == page.heard[2:3]


def test_an_act_brings_the_values_that_changed():
    panel = Small()
    page = Page(panel)
    page.press(panel.go, {panel.field: "bob"})
    assert panel.seen == ["bob"]
    assert page.heard[-1] == {"done": 1, "view": page.view}


def test_other_pages_get_the_values_and_the_same_page_what_was_refused():
    menu = Menu("Speed", [("1", "1x"), ("60", "60x")])
    panel = Small(menu)
    page = Page(panel)
    page.act(menu, "choose", {menu: "60", panel.field: "bob"})
    patch = {menu.id: {"value": "60"}, panel.field.id: {"value": "bob"}}
    assert page.heard[0] == {"n": 1, "patch": patch, "by": page.view}
    page.act(menu, "choose", {menu: "<b>"})
    assert page.heard[2] == {"n": 2, "patch": {menu.id: {"value": "60"}}}


def test_an_act_that_is_repeated_happens_once():
    panel = Small()
    page = Page(panel)
    for _ in range(2):
        page.say(id=panel.go.id, act="press", k=1, values={})
    assert panel.seen == ["ann"]
    assert page.heard == [{"done": 1, "view": page.view}] * 2
    other = Page(panel)
    other.press(panel.go)
    assert panel.seen == ["ann"] * 2


def test_a_disabled_part_does_nothing():
    panel = Small()
    page = Page(panel)
    panel.go.set(disabled="read-only")
    page.press(panel.go)
    page.say(id="p99", act="press", k=9, values={"p99": 1, panel.words.id: "no value"})
    assert panel.seen == []
    assert panel.words["text"] == "one"


def test_a_handler_works_while_others_change_parts():
    panel = Small()
    page = Page(panel)

    def act():
        other = threading.Thread(target=panel.words.set, kwargs={"text": "meanwhile"})
        other.start()
        other.join(5)
        panel.seen.append(page.shown(panel.words)["text"])

    panel.go.on = act
    page.press(panel.go)
    assert panel.seen == ["meanwhile"]


def test_a_value_that_is_no_option_is_not_taken():
    menu = Menu("Speed", [("1", "1x"), ("60", "60x")])
    panel = Small(menu)
    page = Page(panel)
    page.act(menu, "choose", {menu: "60"})
    page.act(menu, "choose", {menu: "<b>"})
    assert menu["value"] == "60"
    menu.offer([("1", "1x"), ("2", "2x")])
    assert page.shown(menu)["value"] == "1"


def test_a_field_acts_by_enter_and_if_live_while_typing():
    panel = Small()
    page = Page(panel)
    panel.field.on = panel.act
    page.act(panel.field, "typed", {panel.field: "b"})
    page.act(panel.field, "left", {panel.field: "bo"})
    assert panel.seen == []
    page.act(panel.field, "enter", {panel.field: "bob"})
    panel.field.set(live=True)
    page.act(panel.field, "typed", {panel.field: "bobby"})
    assert panel.seen == ["bob", "bobby"]


def test_tabs_hide_what_they_do_not_show():
    one, two = Box(Label("1")), Box(Label("2"))
    tabs = Views("Views", [("one", "One"), ("two", "Two", "3")], {"one": one, "two": two})
    panel = Small(tabs, one, two)
    page = Page(panel)
    assert (one["hidden"], two["hidden"]) == (False, True)
    page.act(tabs, "choose", {tabs: "two"})
    assert (page.shown(one)["hidden"], page.shown(two)["hidden"]) == (True, False)
    tabs.show("one")
    assert page.shown(tabs)["value"] == "one"


def test_an_unknown_prop_and_a_part_of_two_panels_are_refused():
    panel = Small()
    with pytest.raises(TypeError, match=r"has no \['txt'\]; it has .*'text'"):
        panel.words.set(txt="two")
    Page(panel)
    with pytest.raises(ValueError, match=r"Label\('one'\) is a part of another panel"):
        Page(Small(panel.words))


def hours_of(audience, monkeypatch, *, listens=True):
    """Let time pass in steps of five seconds, with a loop that answers or not."""
    clock = [0.0]
    monkeypatch.setattr("redisnb.panels.parts.audience.time.monotonic", lambda: clock[0])

    class Loop:
        def call_soon_threadsafe(self, answer):
            if listens:
                answer()

    audience._loop = Loop()
    audience.absent_for()

    def wait(seconds):
        for _ in range(int(seconds / 5)):
            clock[0] += 5
            absent = audience.absent_for()
        return absent

    return wait


def test_a_page_that_left_or_is_silent_does_not_watch(monkeypatch):
    panel = Small()
    page = Page(panel)
    wait = hours_of(panel.channel.audience, monkeypatch)
    assert wait(60) == pytest.approx(60, abs=10)
    page.say(have=0)
    assert wait(100) == 0
    page.say(leaves=True)
    assert wait(30) == pytest.approx(30, abs=10)
    page.say(have=0)
    assert wait(140) == 0
    assert wait(100) == pytest.approx(90, abs=15)
    # Started by a call, it has another minute.
    panel.channel.audience.wait_again()
    assert wait(30) == pytest.approx(30, abs=10)


def test_while_the_kernel_hears_nothing_no_time_passes(monkeypatch):
    audience = Small().channel.audience
    wait = hours_of(audience, monkeypatch, listens=False)
    assert wait(3600) == 0

    class Closed:
        def call_soon_threadsafe(self, _):
            raise RuntimeError("Event loop is closed")

    audience._loop = Closed()
    assert wait(3600) == 0
    assert audience._loop is None


def test_parts_that_nothing_holds_are_forgotten():
    panel = Small()
    page = Page(panel)
    held = Label("held")
    panel.box.fill(panel.go, held)
    before = len(panel.channel._parts)
    for n in range(100):
        panel.box.fill(panel.go, Label(f"{n}"))
    gc.collect()
    assert len(panel.channel._parts) == before + 1
    panel.box.fill(panel.go, held)
    assert page.root["children"][1] is page.nodes[held.id]
    ids = [id for id in page.nodes if page.nodes[id]["kind"] == "label"]
    assert len(set(ids)) == len(ids) > 100
