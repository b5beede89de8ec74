"""A panel over keys of each type, and what a user who looks at it reads."""

import json

import pandas as pd
import pytest

from redisnb import Cache
from redisnb.panels import KeysPanel
from tests.deadlines import until
from tests.panels.parts.acting import Page

FRAME = pd.DataFrame({"carrier": ["UA", "AA"] * 500, "delay": range(1000)})


class Finding:
    """A panel and a page that shows it."""

    def __init__(self, conn, match="*"):
        self.panel = KeysPanel(conn, match)
        self.view, self.details = self.panel._view, self.panel._details
        self.settle()
        self.page = Page(self.panel)

    def settle(self):
        """Wait until nothing that was asked for is under way."""
        lanes = (
            self.panel._lane,
            self.panel._changes._lane,
            self.details._lane,
            self.details.changes._lane,
            self.view.prefixes._arranging,
            self.view.found._arranging,
        )
        until(lambda: not any(lane.is_busy for lane in lanes), what=lambda: self.said)

    @property
    def said(self):
        parts = (self.view.state, self.view.trouble, self.view.note, self.details.trouble)
        return "\n".join(part["text"] for part in parts)

    @property
    def caption(self):
        return self.view.foot.caption["text"]

    @property
    def about(self):
        return self.details.about["text"]

    @property
    def asked(self):
        """What is asked about, or what has become of it."""
        changes = self.panel._changes
        hidden = changes.question["hidden"]
        return changes.outcome["text"] if hidden else changes.question.text["text"]

    def press(self, part, values=None):
        self.page.press(part, values)
        self.settle()

    def find(self, match):
        self.press(self.view.search.find, {self.view.search.match: match})

    def turn(self, view):
        self.page.act(self.view.views, "choose", {self.view.views: view})
        self.settle()

    def choose(self, grid, column, value):
        """Click on the row with a value."""
        rows = grid.frame()[column].tolist()
        self.page.act(grid, "choose", row=rows.index(value))
        self.settle()

    def select(self, *keys):
        rows = self.view.found.frame()["key"].tolist()
        self.page.act(
            self.view.found, "select", ranges=[[rows.index(k), rows.index(k) + 1] for k in keys]
        )

    def show(self, name):
        self.panel.show_key(name)
        self.settle()

    def elements(self):
        return self.details.elements.grid.frame()

    def content(self):
        return self.details.content.children[0]

    def pasted(self, conn):
        """Run the Python of the panel with this connection; return its frame."""
        lines = [each for each in self.panel.python().splitlines() if "connect(" not in each]
        namespace = {"conn": conn}
        exec("\n".join(lines), namespace)
        return namespace["frame"]


@pytest.fixture
def filled(conn, raw):
    pipe = raw.pipeline()
    for i in range(300):
        value = json.dumps({"id": i, "tags": ["a", "b"]})
        pipe.set(f"user:{i}", value, px=3_600_000 if i % 3 == 0 else None)
        pipe.hset(f"session:eu:{i}", mapping={"n": i})
        pipe.hset(f"session:us:{i}", mapping={"n": i})
    pipe.hset("settings", mapping={f"f{i}": f"v{i}" for i in range(2000)})
    pipe.zadd("board", {f"p{i}": i / 2 for i in range(2000)})
    pipe.rpush("queue", *[f'{{"job": {i}}}' for i in range(1200)])
    pipe.sadd("members", *[f"m{i}" for i in range(20)])
    pipe.xadd("events", {"payload": '{"a": 1}'})
    pipe.execute()
    Cache(conn, prefix="report:").set("daily", FRAME)


@pytest.fixture
def finding(filled, conn):
    shown = Finding(conn)
    yield shown
    shown.panel.close()


@pytest.fixture
def soon(monkeypatch):
    """The panel looks every moment, not every other second."""
    monkeypatch.setattr("redisnb.panels.finding.panel._LOOK_EACH", 0.01)
    monkeypatch.setattr("redisnb.panels.finding.panel._ASK_EACH", 0.03)
