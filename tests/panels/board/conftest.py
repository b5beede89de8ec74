"""A database as a team has it: streams, a group that is stuck, dead letters, and keys."""

import json

import pytest

from redisnb import panels
from tests.deadlines import until
from tests.panels.parts.acting import Page

FIRST = 1_700_000_000_000


class Shown:
    """A dashboard and a page that shows it."""

    def __init__(self, conn, **options):
        self.panel = panels.dashboard(conn, **options)
        self.page = Page(self.panel)
        self.view = self.panel._view
        assert self.panel.wait()

    def lines(self):
        """Return the lines of the list under their headings, as the page shows them."""
        found, heading = {}, None
        for node in self.page.nodes[self.view.side.list.id]["children"]:
            props = node["props"]
            if node["kind"] == "label":
                heading = found.setdefault(props["text"], [])
            else:
                heading.append(props["name"])
        return found

    def line(self, kind, name):
        """Return what the page shows of a line."""
        return self.page.shown(self.view.side.item(f"{kind}\n{name}"))

    def choose(self, kind, name):
        """Click a line."""
        item = self.view.side.item(f"{kind}\n{name}")
        self.page.act(self.view.side.list, "choose", item=item.id)

    def turn(self, tab):
        """Click a tab."""
        self.page.act(self.view.tabs, "choose", {self.view.tabs: tab})

    def badges(self):
        """Return what stands at the tabs."""
        options = self.page.shown(self.view.tabs)["options"]
        return {tab: badge for tab, _, badge, _ in (each for each in options if len(each) > 2)}


@pytest.fixture
def shop(conn, raw):
    for key, entries in (("orders", 6), ("payments", 9), ("visits", 6)):
        for n in range(entries):
            raw.xadd(key, {"payload": json.dumps({"n": n})}, id=FIRST + n * 60_000)
    raw.xgroup_create("orders", "ship", id="0")
    raw.xgroup_create("payments", "ledger", id="0")
    # Its entries are old, and it has a consumer; the other group has none.
    raw.xreadgroup("ship", "ann", {"orders": ">"}, count=2)
    raw.xgroup_create("visits", "count", id="$")
    for n in range(30):
        raw.set(f"user:{n}", "x" * 10)
    raw.set("report:1", "x" * 100_000)
    return raw


@pytest.fixture
def board(conn, shop):
    shown = Shown(conn)
    until(lambda: "Keys by prefix" in shown.lines())
    yield shown
    shown.panel.close()
