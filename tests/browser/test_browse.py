"""BrowsePanel in JupyterLab: a bad hour is found and taken out, by mouse and by keyboard."""

import ast

import pytest

from tests.panels.browsing.bad_hour import GUILTY, fill

pytestmark = [pytest.mark.browser, pytest.mark.long]

HOSTILE = "<img src=x onerror=window.pwned=1> $\\\\alpha$ \\u202e"


@pytest.fixture
def browse(run, server, key):
    """Show the panel of a stream that has a bad hour; return its part of the page."""

    def show():
        show.guilty = fill(server.url, key, 4_000)
        return run(
            f"import redisnb as rnb\nconn = rnb.connect()\nstream = rnb.Stream(conn, {key!r})\n"
            "panel = rnb.panels.browse(stream)\npanel"
        )

    return show


def taken(screen, name):
    from tests.browser import kit

    return ast.literal_eval(
        kit.in_kernel(screen, f"(len({name}), sorted(set({name}['source'])), list({name}.columns))")
    )


def test_the_bad_hour_by_mouse_alone(browse, expect, screen, lab):
    from tests.browser.finding import find_by_mouse, rows

    cell = browse()
    find_by_mouse(screen.page, cell, expect, browse.guilty)
    # The drawer stays beside the table.
    rows(cell).nth(4).click()
    cell.get_by_role("button", name="Compare").click()
    rows(cell).nth(5).click()
    expect(cell.get_by_role("radio", name="Difference")).to_have_attribute("aria-checked", "true")

    cell.get_by_role("button", name="To a variable").click()
    cell.get_by_role("button", name="Set").click()
    expect(cell.get_by_text(f"entries = {browse.guilty} rows", exact=False)).to_be_visible()
    n, sources, columns = taken(screen, "entries")
    assert (n, sources) == (browse.guilty, [GUILTY])
    assert columns[0] == "entry_id"
    cell.get_by_role("button", name="Export").click()
    cell.get_by_role("radio", name="JSON Lines").click()
    cell.get_by_role("button", name="Save").click()
    expect(cell.get_by_text("Saved ")).to_be_visible()
    assert (lab.folder / "entries.jsonl").read_text().count(GUILTY) == browse.guilty


def test_the_bad_hour_by_keyboard_alone(browse, expect, screen, lab):
    from tests.browser.finding import find_by_keyboard, tab_to

    cell, page = browse(), screen.page
    press, typed = page.keyboard.press, page.keyboard.type
    find_by_keyboard(page, cell, expect, browse.guilty)
    press("Escape")
    expect(cell.get_by_role("button", name="Compare")).to_be_hidden()
    expect(cell.get_by_role("grid", name="Entries")).to_be_focused()
    tab_to(page, cell.get_by_role("button", name="To a variable"))
    press("Enter")
    tab_to(page, cell.get_by_label("Variable"))
    press("Control+a")
    typed("guilty")
    press("Enter")
    expect(cell.get_by_text(f"guilty = {browse.guilty} rows", exact=False)).to_be_visible()
    assert taken(screen, "guilty")[:2] == (browse.guilty, [GUILTY])
    tab_to(page, cell.get_by_role("button", name="Export"), "Shift+Tab")
    press("Enter")
    tab_to(page, cell.get_by_label("File"))
    press("Control+a")
    typed("guilty.csv")
    press("Enter")
    expect(cell.get_by_text("Saved ")).to_be_visible()
    assert len((lab.folder / "guilty.csv").read_text().splitlines()) == browse.guilty + 1


def test_hostile_content_runs_nothing_and_all_is_accessible(run, expect, screen, lab, key):
    from tests.browser import kit
    from tests.browser.finding import rows

    cell = run(
        f"import redisnb as rnb\nconn = rnb.connect()\nstream = rnb.Stream(conn, {key!r})\n"
        f"bad = '{HOSTILE}'\n"
        "for n in range(30):\n    stream.add({'n': n, bad: {bad: bad}, 'text': bad})\n"
        "rnb.ConsumerGroup(stream, bad, consumer=bad).create(start='all')\n"
        "rnb.ConsumerGroup(stream, bad, consumer=bad).read(10)\n"
        "panel = rnb.panels.browse(stream)\npanel"
    )
    expect(rows(cell).first).to_be_visible()
    rows(cell).last.click()
    expect(cell.get_by_text("pending with <img", exact=False)).to_be_visible()
    cell.get_by_role("radio", name="Raw").click()
    expect(cell.get_by_text("3c 69 6d 67", exact=False)).to_be_visible()
    where = cell.get_by_role("combobox", name="Filter")
    where.fill("text = '<img src=x onerror=window.pwned=1>")
    where.press("Enter")
    expect(where).to_have_attribute("aria-invalid", "true")
    try:
        for theme in ("Light", "Dark"):
            kit.use_theme(screen, theme)
            kit.check_accessibility(screen)
    finally:
        kit.use_theme(screen, "Light")
    assert screen.page.evaluate("() => window.pwned") is None
    # What turns the text around is marked, everywhere.
    assert "\u202e" not in cell.locator(".rp-panel").text_content()
    with kit.saved_and_opened_untrusted(screen, lab) as reopened:
        expect(reopened.get_by_text("20 of 30 rows, as of")).to_be_visible()
        assert screen.page.evaluate("() => window.pwned") is None
