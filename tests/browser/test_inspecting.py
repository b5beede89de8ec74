"""ServerPanel in JupyterLab: what is wrong is seen and its remedy copied, by mouse and by keys."""

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.long]

HOSTILE = "<img src=x onerror=window.pwned=1>"


@pytest.fixture
def show(run, raw):
    def shown(before=""):
        raw.flushall()
        raw.set("big", "x" * 2_000_000)
        return run(
            f"import redisnb as rnb\nconn = rnb.connect()\n{before}\n"
            "panel = rnb.panels.server(conn)\npanel"
        )

    return shown


def test_by_mouse_and_by_keyboard(show, expect, screen):
    cell, page = show(), screen.page
    press = page.keyboard.press
    expect(cell.get_by_text("watching")).to_be_visible()
    expect(cell.get_by_text("key 'big':", exact=False)).to_be_visible()
    expect(cell.get_by_text("commands/s", exact=False).first).to_be_visible()
    cell.get_by_role("button", name="Copy", exact=True).first.click()
    expect(cell.get_by_text("Copied the call")).to_be_visible()
    cell.get_by_role("tab", name="Clients").click()
    expect(
        cell.get_by_role("grid", name="Clients").locator("tbody tr[data-at]").first
    ).to_be_visible()
    # The arrow keys go from tab to tab.
    press("ArrowRight")
    expect(cell.get_by_role("tab", name="Slow log")).to_be_focused()
    press("ArrowRight")
    grid = cell.get_by_role("grid", name="Facts")
    expect(grid.locator("tbody tr[data-at]").first).to_be_visible()
    press("Tab")
    page.keyboard.type("used_memory_peak")
    expect(grid.get_by_role("gridcell", name="used_memory_peak", exact=True)).to_be_visible()
    stop = cell.get_by_role("button", name="Stop")
    stop.focus()
    press("Enter")
    expect(cell.get_by_text("stopped")).to_be_visible()
    page.keyboard.type("dd")
    cell.get_by_role("button", name="Start").click()
    expect(cell.get_by_text("watching")).to_be_visible()


def test_hostile_content_runs_nothing_and_all_is_accessible(show, expect, screen):
    from tests.browser import kit

    cell = show(
        f"bad = {HOSTILE!r}\nconn.client.set(bad, 'x' * 2_000_000)\n"
        "conn.client.client_setname(bad.replace(' ', '_'))"
    )
    expect(cell.get_by_text("img src=x", exact=False).first).to_be_visible()
    try:
        for tab in ("Findings", "Clients"):
            cell.get_by_role("tab", name=tab).click()
            for theme in ("Light", "Dark"):
                kit.use_theme(screen, theme)
                kit.check_accessibility(screen)
    finally:
        kit.use_theme(screen, "Light")
    assert screen.page.evaluate("() => window.pwned") is None
