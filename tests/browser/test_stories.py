"""The dashboard in use, by mouse alone and by keyboard alone: in JupyterLab, Voila and marimo."""

import os
from importlib.util import find_spec

import pytest

from tests.deadlines import deadline

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CELL = "import redisnb as rnb\nboard = rnb.panels.dashboard(rnb.connect())\nboard"
WAYS = ("mouse", "keyboard")


def live_through(way, page, cell, expect, raw, folder):
    from tests.browser.stories import STORIES
    from tests.browser.users import Keyboard, Mouse

    user = {"mouse": Mouse, "keyboard": Keyboard}[way](page, cell, expect)
    expect(user.listed("Needs a look", "check-in")).to_be_visible(timeout=deadline(60_000))
    if way == "keyboard":
        cell.get_by_label("Find or open a stream").focus()
    for story in STORIES:
        try:
            story(user, raw, lambda _: None)
        except BaseException:
            path = folder / "page.png"
            page.screenshot(path=path)
            print(f"{story.__name__} by {way}: the page when it failed: {path}")
            raise


@pytest.mark.parametrize("way", ["mouse", pytest.param("keyboard", marks=pytest.mark.long)])
def test_in_jupyterlab(way, run, expect, screen, raw, tmp_path):
    from tests.browser.airport import fill

    fill(raw)
    live_through(way, screen.page, run(CELL), expect, raw, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("host", ["voila", "marimo"])
def test_elsewhere(host, visit, server, expect, raw, missing, tmp_path, monkeypatch):
    if find_spec(host) is None:
        missing("browser", f"the package {host} is not installed")
    from tests.browser import elsewhere
    from tests.browser.airport import fill

    monkeypatch.setitem(os.environ, "REDISNB_URL", server.url)
    complaints = []
    with {"voila": elsewhere.voila, "marimo": elsewhere.marimo}[host](tmp_path, CELL) as address:
        for way in WAYS:
            fill(raw)
            page = visit(address)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            live_through(way, page, page, expect, raw, tmp_path)
            page.close()
    assert not complaints
