"""KeysPanel in JupyterLab: the prefix that takes the memory is found, and keys are deleted."""

import numpy as np
import pandas as pd
import pytest

from redisnb import Cache, connect

pytestmark = [pytest.mark.browser, pytest.mark.long]

HOSTILE = "<img src=x onerror=window.pwned=1>:$\\\\alpha$ \\u202e"


@pytest.fixture
def show(run, server, raw, key):
    """Show the panel of a database with keys of several prefixes; return its part of the page."""

    def shown(before="", match="*"):
        raw.flushall()
        pipe = raw.pipeline()
        for i in range(120):
            pipe.set(f"user:{i}", f'{{"id": {i}}}')
        pipe.hset("settings:all", mapping={f"f{i}": f"v{i}" for i in range(2_000)})
        pipe.execute()
        with connect(server.url) as conn:
            # What does not compress.
            delays = np.random.default_rng(1).random(40_000)
            frame = pd.DataFrame({"carrier": ["UA", "AA"] * 20_000, "delay": delays})
            Cache(conn, prefix="report:").set("daily", frame)
        return run(
            f"import redisnb as rnb\nconn = rnb.connect()\n{before}\n"
            f"panel = rnb.panels.KeysPanel(conn, {match!r})\npanel"
        )

    return shown


def rows(cell, name):
    return cell.get_by_role("grid", name=name, exact=True).locator("tbody tr[data-at]")


def test_by_mouse_alone(show, expect, screen, raw):
    cell = show()
    # The largest first.
    expect(rows(cell, "Prefixes").first).to_contain_text("report:")
    rows(cell, "Prefixes").filter(has_text="report:").click()
    expect(cell.get_by_role("textbox", name="Pattern")).to_have_value("report:*")
    # There is no prefix below: its keys are shown.
    rows(cell, "Keys").filter(has_text="report:daily").click()
    expect(cell.get_by_text("a frame of redisnb's Cache", exact=False)).to_be_visible()
    expect(rows(cell, "Rows of the frame").first).to_contain_text("UA")
    cell.get_by_role("button", name="All keys").click()
    expect(rows(cell, "Keys")).not_to_have_count(1)
    sort = cell.get_by_role("grid", name="Keys").get_by_role("button", name="size")
    sort.click()
    sort.click()
    expect(rows(cell, "Keys").first).to_contain_text("report:daily")

    rows(cell, "Keys").filter(has_text="settings:all").click()
    expect(cell.get_by_text("hash of 2,000 fields", exact=False)).to_be_visible()
    cell.get_by_role("button", name="Load more").click()
    expect(cell.get_by_text("of 2,000", exact=True)).to_have_count(0)
    search = cell.get_by_role("textbox", name="Search")
    search.fill("f199")
    search.press("Enter")
    expect(cell.get_by_text("11 match *f199*")).to_be_visible()
    rows(cell, "Elements").first.click()
    expect(cell.get_by_role("radio", name="Bytes")).to_be_visible()

    match = cell.get_by_role("textbox", name="Pattern")
    match.fill("user:*")
    cell.get_by_role("button", name="Find").click()
    expect(cell.get_by_text("120 keys ·", exact=False)).to_be_visible()
    cell.get_by_role("button", name="Close").click()
    expect(cell.get_by_role("button", name="Close")).to_be_hidden()
    cell.get_by_role("button", name="Delete", exact=True).click()
    expect(cell.get_by_text("120 keys (120 string) would be deleted.", exact=False)).to_be_visible()
    assert raw.exists("user:1")
    cell.get_by_role("button", name="Delete 120 keys").click()
    expect(cell.get_by_text("Deleted 120 keys.")).to_be_visible()
    assert not raw.exists("user:1")
    expect(cell.get_by_text("No key matches 'user:*'", exact=False)).to_be_visible()


def test_by_keyboard_alone(show, expect, screen, raw):
    cell, page = show(), screen.page
    press, typed = page.keyboard.press, page.keyboard.type

    def tab_to(target, key="Tab"):
        expect(target).to_be_visible()
        for _ in range(40):
            if target.evaluate("each => each === document.activeElement"):
                return
            press(key)
        raise AssertionError(f"{target} is not reached by {key}")

    expect(rows(cell, "Prefixes").first).to_contain_text("report:")
    cell.get_by_role("textbox", name="Pattern").focus()
    tab_to(cell.get_by_role("grid", name="Prefixes"))
    press("Enter")
    expect(cell.get_by_role("textbox", name="Pattern")).to_have_value("report:*")
    # There is no prefix below: its keys are shown.
    expect(rows(cell, "Keys").first).to_contain_text("report:daily")
    tab_to(cell.get_by_role("textbox", name="Pattern"), "Shift+Tab")
    press("Control+a")
    typed("user:*")
    press("Enter")
    expect(cell.get_by_text("120 keys ·", exact=False)).to_be_visible()
    tab_to(cell.get_by_role("grid", name="Keys"))
    for key in ("ArrowDown", "Enter"):
        press(key)
    expect(cell.get_by_role("group", name="Value", exact=True)).to_contain_text("id")
    press("Shift+ArrowDown")
    expect(cell.get_by_text("2 selected keys")).to_be_visible()
    # `d d` deletes a cell of the notebook, and keys are not deleted by keys alone.
    typed("dd")
    close = cell.get_by_role("button", name="Close")
    tab_to(close)
    press("Enter")
    expect(close).to_be_hidden()
    tab_to(cell.get_by_role("textbox", name="Time to live"))
    typed("1h")
    press("Enter")
    expect(cell.get_by_text("2 keys (2 string) would be gone in 1 h.")).to_be_visible()
    tab_to(cell.get_by_role("button", name="Let expire 2 keys"), "Shift+Tab")
    press("Enter")
    expect(cell.get_by_text("Given a time to live: 2 keys.")).to_be_visible()
    assert sum(raw.ttl(f"user:{i}") > 0 for i in range(120)) == 2
    assert raw.dbsize() == 122


def test_hostile_content_runs_nothing_and_all_is_accessible(show, expect, screen, lab):
    from tests.browser import kit

    cell = show(
        f"bad = '{HOSTILE}'\nconn.client.flushall()\n"
        "conn.client.hset(bad, mapping={bad: bad, 'n': 1})\nconn.client.set(bad + '2', bad)\n"
        "conn.client.zadd('<b>', {bad: 1})"
    )
    expect(rows(cell, "Prefixes").first).to_be_visible()
    cell.get_by_role("tab", name="Keys").click()
    expect(rows(cell, "Keys")).to_have_count(3)
    for i in range(3):
        rows(cell, "Keys").nth(i).click()
        expect(rows(cell, "Keys").nth(i)).to_have_attribute("aria-selected", "true")
        expect(cell.locator("[data-look=half]")).to_be_visible()
    rows(cell, "Keys").filter(has_text="hash").click()
    rows(cell, "Elements").first.click()
    try:
        for theme in ("Light", "Dark"):
            kit.use_theme(screen, theme)
            kit.check_accessibility(screen)
    finally:
        kit.use_theme(screen, "Light")
    assert screen.page.evaluate("() => window.pwned") is None
    assert "\u202e" not in cell.locator(".rp-panel").text_content()
    with kit.saved_and_opened_untrusted(screen, lab) as reopened:
        expect(reopened.get_by_text("of 3 rows, as of", exact=False)).to_be_visible()
        assert screen.page.evaluate("() => window.pwned") is None
