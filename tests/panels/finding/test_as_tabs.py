"""The panels of keys and of a server as tabs of one panel: what is hidden asks nothing."""

import pandas as pd

from redisnb.panels import KeysPanel
from redisnb.panels import server as server_panel
from redisnb.panels.parts import Box, PartsPanel, Trouble, Views
from tests.deadlines import until
from tests.panels.parts.acting import Page


class Tabs(PartsPanel):
    """Panels as tabs."""

    def __init__(self, **panels):
        trouble, parts = Trouble(), {name: each.root for name, each in panels.items()}
        self.tabs = Views("Panels", [(name, name) for name in parts], parts)
        super().__init__(Box(self.tabs, trouble, *parts.values()), trouble)

    def frame(self):
        return pd.DataFrame()

    def python(self):
        return ""


def test_only_the_tab_that_is_shown_asks_and_the_others_live_on(filled, conn, raw):
    found, watched = KeysPanel(conn), server_panel(conn)
    outer = Tabs(keys=found, server=watched)
    page = Page(outer)
    assert not found._has_begun
    assert not watched._has_begun
    assert found.wait()
    found.show_key("settings")
    until(lambda: page.shown(found._details.about)["text"].startswith("hash of 2,000 fields"))
    until(lambda: not watched._examining.is_busy)

    assert not watched.root.is_shown
    page.act(outer.tabs, "choose", {outer.tabs: "server"})
    until(lambda: page.shown(watched._view.state)["text"] == "watching")
    # What the other one shows is still there.
    assert page.shown(found._details.about)["text"].startswith("hash of 2,000 fields")
    for each in (outer, found, watched):
        each.close()
