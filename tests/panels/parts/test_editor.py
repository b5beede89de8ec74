"""The editor and the slider: what they take from a page, and when they act."""

import pandas as pd
import pytest

from redisnb.panels.parts import Box, Editor, PartsPanel, Slider, Trouble
from tests.panels.parts.acting import Page


class Written(PartsPanel):
    """A panel with an editor and a slider, which notes what the user does."""

    def __init__(self):
        self.acts = []
        self.editor = Editor(
            "Event",
            on=lambda: self.acts.append("typed"),
            on_enter=lambda: self.acts.append("enter"),
        )
        self.speed = Slider("Speed", ["slow", "fast"], on=lambda: self.acts.append("chosen"))
        trouble = Trouble()
        super().__init__(Box(trouble, self.editor, self.speed), trouble, snapshot=False)

    def frame(self):
        return pd.DataFrame()

    def python(self):
        return ""


@pytest.fixture
def written():
    return Written()


def test_an_editor_acts_while_one_types_and_by_ctrl_enter(written):
    page, editor = Page(written), written.editor
    page.act(editor, "typed", {editor: "{"})
    page.act(editor, "left")
    page.act(editor, "enter", {editor: "{}"})
    assert written.acts == ["typed", "typed", "typed", "enter"]
    assert editor["value"] == "{}"
    editor.blame("a name is missing", 2, 5)
    shown = page.shown(editor)
    assert (shown["error"], shown["line"], shown["column"]) == ("a name is missing", 2, 5)
    editor.blame("")
    assert page.shown(editor)["line"] == 0


@pytest.mark.parametrize("wrong", [2, -1, "fast", None])
def test_a_slider_takes_its_steps_alone(written, wrong):
    page, speed = Page(written), written.speed
    page.act(speed, "choose", {speed: 1})
    assert (speed["value"], written.acts) == (1, ["chosen"])
    page.act(speed, "choose", {speed: wrong})
    assert speed["value"] == 1


def test_a_slider_says_what_lies_beside_its_steps(written):
    page, speed = Page(written), written.speed
    speed.show(1, "fast, nearly")
    assert page.shown(speed)["said"] == "fast, nearly"
    page.act(speed, "choose", {speed: 0})
    assert page.shown(speed)["said"] == ""
