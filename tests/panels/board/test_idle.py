"""What a dashboard costs: the commands that it sends when nobody does anything, and its state."""

import json
import time

import pytest
from ipywidgets.widgets.widget import _instances

import redisnb as rnb
from redisnb.panels.board.view import TABS
from tests.deadlines import until
from tests.panels.board.conftest import Shown

pytestmark = pytest.mark.slow


def commands_of(raw, seconds):
    before = raw.info("stats")["total_commands_processed"]
    time.sleep(seconds)
    # The question itself is one.
    return raw.info("stats")["total_commands_processed"] - before - 1


def test_an_idle_dashboard_with_all_tabs_opened(tcp_server):
    with rnb.connect(tcp_server.url) as conn:
        raw, day = conn.client, rnb.flights(20_000)
        rnb.Stream(conn, "flights").add_many(day, ids=day.index.as_unit("ms"))
        pipe = raw.pipeline()
        for i in range(45):
            for n in range(5):
                pipe.xadd(f"stream:{i}", {"payload": json.dumps({"n": n})})
        pipe.execute()
        for key in ("flights", *(f"stream:{i}" for i in range(45))):
            for group in ("a", "b"):
                raw.xgroup_create(key, group, id="0")
            raw.xreadgroup("a", "ann", {key: ">"}, count=2)
        before = len(_instances)
        board = Shown(conn, stream="flights")
        for tab, _ in TABS:
            board.turn(tab)
            if tab == "replay":
                board.panel.panel.into("flights:test")
            assert board.panel.panel.wait()
        assert board.panel.wait()
        sent = board.panel.get_state()
        assert len(json.dumps(sent, default=str)) < 100_000, "with the front end"
        assert len(_instances) - before <= 3
        # The tab that asks most, and one that shows only the board's own questions.
        for tab, seconds, most in (("groups", 10, 10), ("browse", 6, 6)):
            board.turn(tab)
            until(lambda most=most: commands_of(raw, 1) <= most, 20)
            board.page.say(have=board.page.n)
            assert commands_of(raw, seconds) <= most * seconds
        board.panel.close()
