"""Publishing and replaying as tabs: what runs keeps running, and what is typed stays."""

import json
import time

import pandas as pd
import pytest

from redisnb import Stream
from redisnb.panels.parts import Box, PartsPanel, Trouble, Views
from redisnb.panels.publishing import publish
from redisnb.panels.replaying import replay
from tests.deadlines import until
from tests.panels.parts.acting import Page

pytestmark = pytest.mark.slow


class Tabs(PartsPanel):
    """Both panels as tabs."""

    def __init__(self, conn):
        self.publishing = publish(Stream(conn, "s"))
        self.replaying = replay(Stream(conn, "s"), Stream(conn, "t"))
        parts = {"publish": self.publishing.root, "replay": self.replaying.root}
        self.views = Views("Panels", [("publish", "Publish"), ("replay", "Replay")], parts)
        trouble = Trouble()
        super().__init__(Box(trouble, self.views, *parts.values()), trouble, snapshot=False)

    def frame(self):
        return pd.DataFrame()

    def python(self):
        return ""


def asked_in_a_second(raw):
    before = raw.info("stats")["total_commands_processed"]
    time.sleep(1)
    # The question itself is one.
    return raw.info("stats")["total_commands_processed"] - before


def test_what_runs_keeps_running_and_what_is_typed_stays(conn, raw):
    for n in range(600):
        raw.xadd("s", {"payload": json.dumps({"n": n})}, id=f"{1_357_034_400_000 + n * 60_000}-0")
    tabs = Tabs(conn)
    page = Page(tabs)
    assert tabs.publishing.wait()
    assert tabs.replaying.wait()
    editor = tabs.publishing._view.writing.editor
    page.act(editor, "typed", {editor: '{"half": '})
    page.act(tabs.views, "choose", {tabs.views: "replay"})
    assert not tabs.publishing.root.is_shown
    tabs.replaying.set_speed(6_000)
    page.press(tabs.replaying._view.run.start)
    until(lambda: raw.xlen("t") > 3)
    page.act(tabs.views, "choose", {tabs.views: "publish"})
    at = raw.xlen("t")
    until(lambda: raw.xlen("t") > at + 20)
    assert editor["value"] == '{"half": '
    assert page.shown(editor)["error"].startswith("line 1, column 10: a value is missing here")
    page.act(tabs.views, "choose", {tabs.views: "replay"})
    until(lambda: " of 600 sent" in page.shown(tabs.replaying._view.run.progress)["text"])
    page.press(tabs.replaying._view.run.stop)
    until(lambda: page.shown(tabs.replaying._view.state)["text"] == "stopped")
    # Idle and shown, one asks nothing, and the other is hidden.
    until(lambda: asked_in_a_second(raw) <= 2)
    assert len(json.dumps(tabs.channel.state(), default=str)) < 60_000
    for each in (tabs.publishing, tabs.replaying, tabs):
        each.close()
