"""The panels of keys and of a server in Voila and marimo: find the prefix that takes the memory."""

import os
from importlib.util import find_spec

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.parametrize("host", ["voila", "marimo"])
def test_they_work_in(host, screen, server, raw, expect, missing, tmp_path, monkeypatch):
    if find_spec(host) is None:
        missing("browser", f"the package {host} is not installed")
    from tests.browser import elsewhere

    raw.flushall()
    raw.mset({f"user:{i}": "x" for i in range(50)})
    raw.hset("report:all", mapping={f"f{i}": f"v{i}" for i in range(2_000)})
    monkeypatch.setitem(os.environ, "REDISNB_URL", server.url)
    before = "import redisnb as rnb\nconn = rnb.connect()\n"
    hosts = {"voila": elsewhere.voila, "marimo": elsewhere.marimo}
    page, allowed = screen.page.context.new_page(), list(screen.allowed)
    try:
        with hosts[host](tmp_path, f"{before}panel = rnb.panels.KeysPanel(conn)\npanel") as at:
            screen.allowed.append(at)
            page.goto(at)
            first = page.get_by_role("grid", name="Prefixes").locator("tr[data-at='0']")
            expect(first).to_contain_text("report:", timeout=60_000)
            first.click()
            page.get_by_role("grid", name="Keys").locator("tr[data-at='0']").click()
            expect(page.get_by_text("hash of 2,000 fields", exact=False)).to_be_visible()
            search = page.get_by_role("textbox", name="Search")
            search.focus()
            page.keyboard.type("f199", delay=20)
            page.keyboard.press("Enter")
            expect(page.get_by_text("11 match *f199*")).to_be_visible()
        folder = tmp_path / "server"
        folder.mkdir()
        with hosts[host](folder, f"{before}panel = rnb.panels.server(conn)\npanel") as at:
            screen.allowed.append(at)
            page.goto(at)
            expect(page.get_by_text("watching")).to_be_visible(timeout=60_000)
            page.get_by_role("tab", name="All facts").click()
            expect(page.get_by_role("grid", name="Facts").locator("tr").nth(3)).to_be_visible()
    finally:
        page.close()
        screen.allowed[:] = allowed
        screen.refused.clear()
