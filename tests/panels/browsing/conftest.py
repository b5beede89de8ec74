"""A panel over real flights, and what a user who looks at it reads."""

import re

import pytest

from redisnb.panels import browse
from tests.deadlines import until
from tests.panels.browsing.bad_hour import fill
from tests.panels.parts.acting import Page


class Browsing:
    """A panel and a page that shows it."""

    def __init__(self, stream):
        self.panel = browse(stream)
        self.view = self.panel._view
        self.settle()
        self.page = Page(self.panel)

    def settle(self):
        """Wait until nothing works in the background."""
        lanes = (
            self.panel._lane,
            self.panel._over_time._lane,
            self.view.grid._arranging,
            self.view.grid._describing,
            self.view.details._lane,
        )
        until(lambda: not any(lane.is_busy for lane in lanes), what=lambda: self.state)

    @property
    def state(self):
        return self.view.state["text"]

    @property
    def caption(self):
        return self.view.paging.caption["text"]

    @property
    def in_force(self):
        return self.view.over_time.in_force["text"]

    @property
    def said(self):
        return f"{self.view.trouble['text']}\n{self.view.note['text']}\n{self.view.grid['empty']}"

    @property
    def errors(self):
        fields = (self.view.range.start, self.view.range.end, self.view.range.where)
        return [each["error"] for each in (*fields, self.view.paging.jump)]

    def ids(self):
        return self.panel.frame()["entry_id"].tolist()

    def press(self, part, **values):
        """Press a button after some fields were filled in."""
        fields = {getattr(self.view.range, name): value for name, value in values.items()}
        self.page.press(part, fields)
        self.settle()

    def read(self, **values):
        self.press(self.view.range.read, **values)

    def brush(self, first, stop):
        self.page.act(self.view.over_time.bars, "brush", brush=[first, stop])
        self.settle()

    def pasted(self, conn):
        """Run the Python of the panel with this connection; return its frame."""
        code = self.panel.python()
        assert re.search(r"^conn = rnb\.connect\(", code, re.MULTILINE)
        # The address has no password.
        lines = [each for each in code.splitlines() if not each.startswith("conn = ")]
        namespace = {"conn": conn}
        exec("\n".join(lines), namespace)
        return namespace["frame"]


@pytest.fixture
def guilty(conn, server):
    """How many entries the bad hour has, of the stream that is now there."""
    return fill(server.url, "s", 3_000)


@pytest.fixture
def browsing(guilty, stream):
    shown = Browsing(stream)
    yield shown
    shown.panel.close()
