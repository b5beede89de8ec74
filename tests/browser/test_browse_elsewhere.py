"""BrowsePanel in Voila and marimo: filter, one entry, and what is taken out."""

import os
from importlib.util import find_spec

import pytest

from tests.panels.browsing.bad_hour import GUILTY, fill

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.parametrize("host", ["voila", "marimo"])
def test_it_works_in(host, screen, server, expect, key, missing, tmp_path, monkeypatch):
    if find_spec(host) is None:
        missing("browser", f"the package {host} is not installed")
    from tests.browser import elsewhere

    guilty = fill(server.url, key, 4_000)
    monkeypatch.setitem(os.environ, "REDISNB_URL", server.url)
    cell = (
        "import redisnb as rnb\nconn = rnb.connect()\n"
        f"panel = rnb.panels.browse(rnb.Stream(conn, {key!r}))\npanel"
    )
    hosts = {"voila": elsewhere.voila, "marimo": elsewhere.marimo}
    page = screen.page.context.new_page()
    with hosts[host](tmp_path, cell) as address:
        screen.allowed.append(address)
        try:
            page.goto(address)
            first = page.locator("tr[data-at='0']").first
            expect(first).to_contain_text("2013-01-05", timeout=60_000)
            expect(page.get_by_text(f"{4_000 + guilty:,} entries · ")).to_be_visible()
            end = page.get_by_role("slider", name="First")
            end.focus()
            for _ in range(20):
                page.keyboard.press("ArrowRight")
            expect(page.get_by_role("button", name="Zoom in")).to_be_visible()
            page.get_by_role("combobox", name="Filter").focus()
            page.keyboard.type(f"source = '{GUILTY}'", delay=20)
            page.keyboard.press("Escape")
            page.keyboard.press("Enter")
            expect(page.get_by_text(f", {guilty} match")).to_be_visible()
            first.click()
            expect(page.get_by_role("group", name="Entry", exact=True)).to_contain_text(GUILTY)
            page.get_by_role("button", name="To a variable").click()
            page.get_by_role("button", name="Set").click()
            said = {"voila": f"entries = {guilty} rows", "marimo": "cell"}[host]
            expect(page.get_by_role("status").get_by_text(said).last).to_be_visible()
            page.get_by_role("button", name="Export").click()
            with page.expect_download() as download:
                page.get_by_role("button", name="Download").click()
            assert download.value.suggested_filename == "entries.csv"
            assert len(download.value.path().read_text().splitlines()) == guilty + 1
        finally:
            page.close()
            screen.allowed.remove(address)
            screen.refused.clear()
