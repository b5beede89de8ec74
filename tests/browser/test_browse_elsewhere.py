"""BrowsePanel in Voila and marimo: a bad hour is found and taken out, as in JupyterLab."""

import os
from importlib.util import find_spec

import pytest

from tests.deadlines import deadline
from tests.panels.browsing.bad_hour import fill

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.long]


@pytest.mark.parametrize("host", ["voila", "marimo"])
def test_it_works_in(host, visit, server, expect, key, missing, tmp_path, monkeypatch):
    if find_spec(host) is None:
        missing("browser", f"the package {host} is not installed")
    from tests.browser import elsewhere
    from tests.browser.finding import find_by_keyboard, find_by_mouse, tab_to

    guilty = fill(server.url, key, 4_000)
    monkeypatch.setitem(os.environ, "REDISNB_URL", server.url)
    cell = (
        "import redisnb as rnb\nconn = rnb.connect()\n"
        f"panel = rnb.panels.browse(rnb.Stream(conn, {key!r}))\npanel"
    )
    hosts = {"voila": elsewhere.voila, "marimo": elsewhere.marimo}
    said = {"voila": f" = {guilty} rows", "marimo": "cell"}[host]
    with hosts[host](tmp_path, cell) as address:
        page = visit(address)
        expect(page.locator("tr[data-at='0']").first).to_be_visible(timeout=deadline(60_000))
        find_by_mouse(page, page, expect, guilty)
        page.get_by_role("button", name="To a variable").click()
        page.get_by_role("button", name="Set").click()
        expect(page.get_by_role("status").get_by_text(said).last).to_be_visible()
        page.get_by_role("button", name="Export").click()
        with page.expect_download() as download:
            page.get_by_role("button", name="Download").click()
        assert download.value.suggested_filename == "entries.csv"
        assert len(download.value.path().read_text().splitlines()) == guilty + 1
        page.close()

        page = visit(address)
        expect(page.locator("tr[data-at='0']").first).to_be_visible(timeout=deadline(60_000))
        find_by_keyboard(page, page, expect, guilty)
        tab_to(page, page.get_by_role("button", name="To a variable"))
        page.keyboard.press("Enter")
        tab_to(page, page.get_by_label("Variable"))
        page.keyboard.press("Enter")
        expect(page.get_by_role("status").get_by_text(said).last).to_be_visible()
        tab_to(page, page.get_by_role("button", name="Export"), "Shift+Tab")
        page.keyboard.press("Enter")
        tab_to(page, page.get_by_role("button", name="Download"))
        with page.expect_download() as download:
            page.keyboard.press("Enter")
        assert len(download.value.path().read_text().splitlines()) == guilty + 1
        page.close()
