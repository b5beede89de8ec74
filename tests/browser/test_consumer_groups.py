"""The panel of consumer groups as its user sees it: a stuck group is found and freed."""

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.long]

HOSTILE = "<img src=x onerror=window.pwned=1> $\\alpha$ </textarea><script>window.pwned=1</script>"
HOUR = 3_600_000
PANEL = (
    "import redisnb as rnb\nfrom redisnb.panels.consumer_groups import groups\n"
    "conn = rnb.connect()\nstream = rnb.Stream(conn, {key!r})\n"
    "panel = groups({source})\npanel"
)


@pytest.fixture
def stuck(key, raw) -> str:
    """A stream with two groups; in one of them ann has held three of four entries for an hour."""
    for n in range(6):
        raw.xadd(key, {"payload": f'{{"item": "tea", "n": {n}}}'}, id=f"{n + 1}-0")
    raw.xgroup_create(key, "audit", id="6-0")
    raw.xgroup_create(key, "etl", id="0")
    raw.xreadgroup("etl", "ann", {key: ">"}, count=4)
    raw.xclaim(key, "etl", "ann", 0, ["1-0", "2-0", "3-0"], idle=HOUR, retrycount=7)
    return key


def rows(cell, name="Pending entries"):
    return cell.get_by_role("grid", name=name).locator("tbody tr[data-at]")


def held(raw, key):
    pending = raw.xpending_range(key, "etl", "-", "+", 9)
    return [(each["message_id"], each["consumer"]) for each in pending]


def tab_to(page, what, most=40):
    """Press Tab until an element has the focus; return how often."""
    for n in range(1, most + 1):
        page.keyboard.press("Tab")
        if what.evaluate("each => each === document.activeElement"):
            return n
    raise AssertionError(f"{what} is not reached by Tab")


def test_the_stuck_group_is_found_and_freed_by_mouse(run, expect, screen, raw, stuck):
    cell = run(PANEL.format(key=stuck, source="stream"))
    # It is open, and says why, without a click.
    expect(cell.get_by_role("heading", name="etl")).to_be_visible()
    expect(cell.get_by_text("3 that are idle for up to 1 h")).to_be_visible()
    cell.get_by_role("button", name="more", exact=False).click()
    expect(cell.get_by_text("3 entries were delivered up to 7 times")).to_be_visible()
    expect(rows(cell)).to_have_count(4)
    expect(rows(cell).first).to_contain_text("1 h")
    expect(cell.get_by_role("slider", name="Moment of Behind, in entries")).to_be_visible()

    # What fails goes to the dead letters, after a question.
    cell.get_by_role("button", name="To the dead letters").click()
    expect(cell.get_by_text("3 entries were delivered 5 times or more")).to_be_visible()
    cell.get_by_role("button", name="3 to the dead letters").click()
    expect(cell.get_by_text("3 of 3 moved to the dead letters")).to_be_visible()
    expect(rows(cell)).to_have_count(1)
    assert held(raw, stuck) == [(b"4-0", b"ann")]

    # And back, with the count.
    cell.get_by_role("tab", name="Dead letters").click()
    expect(rows(cell, "Dead letters")).to_have_count(3)
    rows(cell, "Dead letters").first.click()
    expect(cell.get_by_role("group", name="Entry", exact=True)).to_be_visible()
    rows(cell, "Dead letters").nth(1).click(modifiers=["Control"])
    cell.get_by_role("button", name="Redrive 1").click()
    expect(cell.get_by_text("1 of 1 sent back")).to_be_visible()
    # The one in the drawer is still chosen.
    cell.get_by_role("button", name="Close").click()
    cell.get_by_role("button", name="Redrive all 2").click()
    cell.get_by_role("button", name="Redrive 2").click()
    expect(cell.get_by_text("2 of 2 sent back")).to_be_visible()
    assert [id for id, _ in held(raw, stuck)] == [b"1-0", b"2-0", b"3-0", b"4-0"]


def test_the_stuck_group_is_freed_by_keyboard(run, expect, screen, raw, stuck):
    from tests.browser import kit

    other = f"{stuck}:other"
    raw.delete(other)
    raw.xadd(other, {"n": 1})
    raw.xgroup_create(other, "board", id="0")
    cell = run(PANEL.format(key=stuck, source=f"[stream, rnb.Stream(conn, {other!r})]"))
    page, press = screen.page, screen.page.keyboard.press
    groups = cell.get_by_role("listbox", name="Groups")
    # Entries wait there, and there is no consumer: it is the worst.
    expect(cell.get_by_role("heading", name="board")).to_be_visible()
    groups.focus()
    press("ArrowDown")
    press("Enter")
    expect(cell.get_by_role("heading", name="etl")).to_be_visible()
    grid = cell.get_by_role("grid", name="Pending entries")
    expect(rows(cell)).to_have_count(4)
    tab_to(page, grid)
    press("Control+a")
    ack = cell.get_by_role("button", name="Acknowledge 4")
    expect(ack).to_be_visible()
    for name in ("Claim 4", "Acknowledge 4", "Release 4", "4 to the dead letters"):
        grid.focus()
        assert tab_to(page, cell.get_by_role("button", name=name)) <= 5
    ack.focus()
    press("Enter")
    # A key that is pressed twice does nothing: the focus is on the way back.
    cancel = cell.get_by_role("button", name="Cancel").filter(visible=True)
    expect(cancel).to_be_focused()
    press("Enter")
    expect(cancel).to_be_hidden()
    expect(ack).to_be_focused()
    assert len(held(raw, stuck)) == 4
    press("Enter")
    expect(cancel).to_be_focused()
    press("Tab")
    press("Enter")
    expect(cell.get_by_text("4 of 4 acknowledged")).to_be_visible()
    assert held(raw, stuck) == []
    expect(cell.get_by_text("Nothing is pending")).to_be_visible()

    tab_to(page, cell.get_by_role("tab", name="Pending"))
    press("ArrowLeft")
    expect(cell.get_by_role("tab", name="Position")).to_be_focused()
    tab_to(page, cell.get_by_role("button", name="Preview"))
    press("Enter")
    expect(cell.get_by_text("'etl' would go from 4-0 to 6-0: would skip 2")).to_be_visible()
    expect(cancel).to_be_focused()
    press("Tab")
    press("Enter")
    expect(cell.get_by_text("'etl' went from 4-0 to 6-0: skips 2 and repeats 0")).to_be_visible()
    kit.press_keys_of_the_notebook(cell, page, expect)


def test_hostile_content_is_text_and_all_is_accessible(run, expect, screen, raw, key):
    from tests.browser import kit

    raw.xadd(key, {"payload": f'{{"{HOSTILE[:20]}": 1}}', HOSTILE: HOSTILE}, id="1-0")
    raw.xadd(key, {b"\xff": b"\xfe"}, id="2-0")
    raw.xadd(key, {f"c{n}": "x" * 300 for n in range(300)}, id="3-0")
    raw.xgroup_create(key, HOSTILE, "0")
    raw.xreadgroup(HOSTILE, HOSTILE, {key: ">"}, count=2)
    raw.xclaim(key, HOSTILE, HOSTILE, 0, ["1-0"], idle=HOUR, retrycount=7)
    cell = run(PANEL.format(key=key, source="stream"))
    expect(rows(cell)).to_have_count(2)
    cell.get_by_role("radio", name="Events too").click()
    # The rows are wider than the page.
    rows(cell).first.locator("td").first.click()
    expect(cell.get_by_role("group", name="Entry", exact=True)).to_be_visible()
    rows(cell).nth(1).locator("td").first.click(modifiers=["Shift"])
    cell.get_by_role("button", name="Acknowledge 2").click()
    expect(cell.get_by_text("this cannot be taken back")).to_be_visible()
    try:
        for theme in ("Light", "Dark"):
            kit.use_theme(screen, theme)
            for tab in ("Pending", "Consumers", "Dead letters", "Position"):
                cell.get_by_role("tab", name=tab).click()
                kit.check_accessibility(screen)
    finally:
        kit.use_theme(screen, "Light")
    expect(cell.locator(".rp-panel :is(img, script, mjx-container)")).to_have_count(0)
    assert screen.page.evaluate("() => window.pwned") is None
