"""BrowsePanel in JupyterLab: a bad hour is found and taken out, by mouse and by keyboard."""

import ast

import pytest

from tests.panels.browsing.bad_hour import GUILTY, fill

pytestmark = pytest.mark.browser

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


def rows(cell):
    return cell.get_by_role("grid", name="Entries").locator("tbody tr[data-at]")


def bars(screen):
    from tests.browser import kit

    return ast.literal_eval(kit.in_kernel(screen, "panel._view.over_time.bars['counts']"))


def highest(counts):
    return counts.index(max(counts))


def drag(page, plot, counts, first, stop):
    box = plot.bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * (first - 0.3) / len(counts), y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * (stop + 0.3) / len(counts), y, steps=5)
    page.mouse.up()


def taken(screen, name):
    from tests.browser import kit

    return ast.literal_eval(
        kit.in_kernel(screen, f"(len({name}), sorted(set({name}['source'])), list({name}.columns))")
    )


def test_the_bad_hour_by_mouse_alone(browse, expect, screen, lab, wait_until):
    cell, page = browse(), screen.page
    expect(rows(cell).first).to_be_visible()
    plot = cell.locator(".rp-plot")
    expect(plot).to_be_visible()
    before = bars(screen)
    drag(page, plot, before, highest(before), highest(before) + 1)
    expect(cell.get_by_role("textbox", name="From")).not_to_have_value("")
    cell.get_by_role("button", name="Zoom in").click()
    expect(cell.get_by_role("button", name="Zoom out")).to_be_visible()
    wait_until(lambda: bars(screen) != before)
    finer = bars(screen)
    within = [i for i, count in enumerate(finer) if count > max(finer) / 8]
    drag(page, plot, finer, within[0], within[-1] + 1)
    # The list below the field is for the mouse, too.
    cell.get_by_role("combobox", name="Filter").click()
    for word in ("source", "=", f"'{GUILTY}'"):
        cell.get_by_role("option", name=word).first.click()
    cell.get_by_role("button", name="Read").click()
    expect(cell.get_by_text(f", {browse.guilty} match")).to_be_visible()
    rows(cell).nth(2).click()
    expect(cell.get_by_role("group", name="Entry", exact=True)).to_contain_text(GUILTY)
    expect(rows(cell).nth(2)).to_have_attribute("aria-selected", "true")
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


def test_the_bad_hour_by_keyboard_alone(browse, expect, screen, lab, wait_until):
    cell, page = browse(), screen.page
    press, typed = page.keyboard.press, page.keyboard.type

    def tab_to(target, key="Tab"):
        expect(target).to_be_visible()
        for _ in range(40):
            if target.evaluate("each => each === document.activeElement"):
                return
            press(key)
        raise AssertionError(f"{target} is not reached by {key}")

    expect(rows(cell).first).to_be_visible()
    expect(cell.locator(".rp-plot")).to_be_visible()
    cell.get_by_role("radio", name="All").focus()
    counts = bars(screen)
    at, n = highest(counts), len(counts)
    tab_to(cell.get_by_role("slider", name="First"))
    for _ in range(at):
        press("ArrowRight")
    press("Tab")
    for _ in range((n - at - 1) // 10):
        press("Shift+ArrowLeft")
    for _ in range((n - at - 1) % 10):
        press("ArrowLeft")
    expect(cell.locator(".rp-tip")).to_contain_text(f"{max(counts):,} entries")
    tab_to(cell.get_by_role("button", name="Zoom in"))
    press("Enter")
    wait_until(lambda: bars(screen) != counts)
    tab_to(cell.get_by_role("combobox", name="Filter"), "Shift+Tab")
    typed("sou")
    for key in ("ArrowDown", "Enter"):
        press(key)
    typed("= ")
    typed("'kiosk-7")
    for key in ("ArrowDown", "Enter", "Enter"):
        press(key)
    expect(cell.get_by_text(f", {browse.guilty} match")).to_be_visible()
    expect(cell.get_by_role("combobox", name="Filter")).to_be_focused()
    tab_to(cell.get_by_role("grid", name="Entries"))
    for key in ("ArrowDown", "ArrowDown", "Enter"):
        press(key)
    expect(cell.get_by_role("group", name="Entry", exact=True)).to_contain_text(GUILTY)
    expect(cell.get_by_role("grid", name="Entries")).to_be_focused()
    tab_to(cell.get_by_role("button", name="To a variable"))
    press("Enter")
    tab_to(cell.get_by_label("Variable"))
    press("Control+a")
    typed("guilty")
    press("Enter")
    expect(cell.get_by_text(f"guilty = {browse.guilty} rows", exact=False)).to_be_visible()
    assert taken(screen, "guilty")[:2] == (browse.guilty, [GUILTY])
    tab_to(cell.get_by_role("button", name="Export"), "Shift+Tab")
    press("Enter")
    tab_to(cell.get_by_label("File"))
    press("Control+a")
    typed("guilty.csv")
    press("Enter")
    expect(cell.get_by_text("Saved ")).to_be_visible()
    assert len((lab.folder / "guilty.csv").read_text().splitlines()) == browse.guilty + 1


def test_hostile_content_runs_nothing_and_all_is_accessible(run, expect, screen, lab, key):
    from tests.browser import kit

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
