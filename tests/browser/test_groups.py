"""GroupsPanel as its user sees it, especially with a group that is stuck."""

import re

import pytest

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=window.pwned=1> $\\alpha$ </textarea><script>window.pwned=1</script>"
HOUR = 3_600_000
STREAM = """
import redisnb as rnb
stream = rnb.Stream(rnb.connect(), {key!r})
""".format
PANEL = "panel = rnb.panels.GroupsPanel(stream)\npanel"


@pytest.fixture
def stuck(key, raw) -> str:
    """A stream with a group in which ann just received an entry, and three others are stuck."""
    for n in range(6):
        raw.xadd(key, {"payload": f'{{"item": "tea", "n": {n}}}'}, id=f"{n + 1}-0")
    raw.xgroup_create(key, "etl", id="0")
    raw.xreadgroup("etl", "ann", {key: ">"}, count=4)
    raw.xclaim(key, "etl", "ann", 0, ["1-0", "2-0", "3-0"], idle=HOUR, retrycount=7)
    return key


def rows(cell, name):
    return cell.get_by_role("grid", name=name).locator("tbody tr[data-place]")


def held(raw, key):
    return [
        (each["message_id"], each["consumer"])
        for each in raw.xpending_range(key, "etl", "-", "+", 9)
    ]


def tab_to(page, what, back=False):
    """Press Tab until an element has the focus."""
    for _ in range(40):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        if what.evaluate("it => it === document.activeElement"):
            return
    raise AssertionError(f"Tab does not lead to {what}")


def test_a_stuck_group_by_mouse(run, expect, screen, raw, stuck):
    from tests.browser import kit

    cell = run(STREAM(key=stuck), PANEL)
    # The reason is shown without a click.
    sentence = re.compile(r"4 pending: 'ann' holds 4 and has not asked for")
    expect(cell.get_by_text(sentence)).to_be_visible()
    expect(cell.get_by_text("Delivered up to 7 times. 2 still to be delivered.")).to_be_visible()
    entries = rows(cell, "Pending entries")
    expect(entries).to_have_count(4)
    expect(entries.first).to_contain_text("1 h")
    # Entries that are not idle for long can be hidden.
    cell.get_by_label("Idle at least", exact=True).fill("30min")
    expect(entries).to_have_count(3)
    cell.get_by_label("Idle at least", exact=True).fill("")
    expect(entries).to_have_count(4)

    claim = cell.get_by_role("button", name="Claim")
    expect(claim).to_have_attribute("aria-disabled", "true")
    entries.first.click()
    entries.last.click(modifiers=["Shift"])
    expect(cell.get_by_text("4 of 4 selected")).to_be_visible()
    cell.get_by_label("As consumer").fill("me")
    claim.click()
    # The remedy: claim them, except for what ann may still be working on.
    expect(
        cell.get_by_text("3 of 4 claimed for 'me'; 1 left alone: delivered less than")
    ).to_be_visible()
    expect(entries.first).to_contain_text("me")
    expect(entries.last).to_contain_text("ann")
    assert [who for _, who in held(raw, stuck)] == [b"me", b"me", b"me", b"ann"]

    # One cannot be handled; the others are done.
    entries.first.click()
    cell.get_by_label("Leave entries fresher than").fill("0s")
    cell.get_by_role("button", name="To the dead letters").click()
    expect(cell.get_by_text("1 of 1 moved to the dead letters")).to_be_visible()
    # The outcome is shown before the table is read again.
    expect(entries).to_have_count(3)
    entries.first.click()
    entries.nth(1).click(modifiers=["Shift"])
    cell.get_by_role("button", name="Acknowledge").click()
    expect(cell.get_by_text("2 of 2 acknowledged")).to_be_visible()
    expect(entries).to_have_count(1)
    assert held(raw, stuck) == [(b"4-0", b"ann")]
    kit.check_accessibility(screen)

    # And back.
    cell.get_by_role("tab", name="Dead letters").click()
    letters = rows(cell, "Dead letters")
    expect(letters).to_have_count(1)
    expect(letters).to_contain_text("by hand")
    letters.dblclick()
    expect(cell.get_by_text("It was 1-0; its last consumer was 'me'.")).to_be_visible()
    letters.click()
    cell.get_by_role("button", name="Redrive", exact=True).click()
    expect(
        cell.get_by_text("1 of 1 sent back, for any consumer of the group to claim")
    ).to_be_visible()
    assert [id for id, _ in held(raw, stuck)] == [b"1-0", b"4-0"]


def test_a_stuck_group_by_keyboard(run, expect, screen, raw, stuck):
    raw.xgroup_create(stuck, "audit", id="$")
    cell = run(STREAM(key=stuck), PANEL)
    page, keys = screen.page, screen.page.keyboard
    cells = page.locator(".jp-Notebook .jp-Cell")
    expect(cell.get_by_text("Select a group in the table above")).to_be_visible()
    cell.get_by_role("button", name="Copy as Python").focus()
    tab_to(page, cell.get_by_role("grid", name="Groups"))
    keys.press("ArrowDown")
    keys.press("Enter")
    expect(cell.get_by_text("4 pending: 'ann' holds 4")).to_be_visible()

    # JupyterLab's shortcuts have no effect here.
    keys.press("d")
    keys.press("d")
    tab_to(page, cell.get_by_role("grid", name="Pending entries"))
    keys.press("Enter")
    expect(cell.get_by_text("Pending with 'ann', idle for 1 h, delivered 7 times.")).to_be_visible()
    keys.press("Space")
    keys.press("Shift+ArrowDown")
    expect(cell.get_by_text("2 of 4 selected")).to_be_visible()
    tab_to(page, cell.get_by_label("As consumer"))
    keys.press("Control+a")
    keys.type("me")
    tab_to(page, cell.get_by_role("button", name="Claim"))
    keys.press("Enter")
    expect(cell.get_by_text("2 of 2 claimed for 'me'")).to_be_visible()
    expect(cell.get_by_role("button", name="Claim")).to_be_focused()
    tab_to(page, cell.get_by_role("button", name="Release"))
    keys.press("Enter")
    expect(cell.get_by_text("2 of 2 released, for any consumer to claim")).to_be_visible()
    keys.press("d")
    keys.press("d")
    expect(cells).to_have_count(2)

    # All but the entries that come from now on.
    tab_to(page, cell.get_by_role("tab", name="Pending"), back=True)
    keys.press("ArrowLeft")
    expect(cell.get_by_role("tab", name="Position")).to_be_focused()
    tab_to(page, cell.get_by_role("button", name="Preview"))
    keys.press("Enter")
    expect(
        cell.get_by_text("'etl' would go from 4-0 to 6-0: would skip 2 and repeat 0")
    ).to_be_visible()
    tab_to(page, cell.get_by_role("button", name="Set position"))
    expect(cell.get_by_role("button", name="Set position")).to_have_attribute(
        "aria-disabled", "false"
    )
    keys.press("Enter")
    expect(cell.get_by_text("'etl' went from 4-0 to 6-0: skips 2 and repeats 0")).to_be_visible()
    assert raw.xinfo_groups(stuck)[1]["last-delivered-id"] == b"6-0"


def test_bad_input(run, expect, raw, stuck):
    cell = run(STREAM(key=stuck), PANEL)
    idle = cell.get_by_label("Idle at least", exact=True)
    idle.fill("long")
    expect(cell.get_by_text("'long' is not a duration; write 30s, 5min or 2h")).to_be_visible()
    expect(idle).to_have_value("long")
    expect(rows(cell, "Pending entries")).to_have_count(4)
    cell.get_by_role("tab", name="Position").click()
    cell.get_by_label("Continue with").select_option("time")
    cell.get_by_label("Continue at").fill("yesterday")
    cell.get_by_role("button", name="Preview").click()
    expect(cell.get_by_text("'yesterday' is neither an entry ID nor a time").first).to_be_visible()
    expect(cell.get_by_label("Continue at")).to_have_value("yesterday")
    cell.get_by_role("tab", name="Pending").click()
    rows(cell, "Consumers").first.click()
    cell.get_by_role("button", name="Remove consumer").click()
    words = "holds 4 pending entries, which would be lost with it"
    expect(cell.get_by_role("alert").filter(has_text=words)).to_be_visible()
    expect(rows(cell, "Consumers")).to_have_count(1)


def test_changes_by_other_programs(run, expect, screen, raw, key):
    from tests.browser import kit

    cell = run(STREAM(key=key), PANEL)
    expect(
        cell.get_by_text(f"There is no stream {key!r} yet. Create a group below")
    ).to_be_visible()
    cell.get_by_label("Refresh").select_option("1")
    cell.get_by_label("Name").fill("etl")
    cell.get_by_role("button", name="Create group").click()
    expect(cell.get_by_text("created group 'etl'")).to_be_visible()
    for n in range(40):
        raw.xadd(key, {"n": n}, id=f"{n + 1}-0")
    raw.xreadgroup("etl", "ann", {key: ">"}, count=39)
    entries = rows(cell, "Pending entries")
    expect(cell.get_by_text("39 rows", exact=True)).to_be_visible()
    # The selection and the visible rows stay, whatever is added or removed.
    entries.nth(1).click()
    grid = cell.get_by_role("grid", name="Pending entries")
    scroller = grid.locator("xpath=..")
    scroller.evaluate("it => { it.scrollTop = 240; }")
    raw.xack(key, "etl", "39-0")
    expect(cell.get_by_text("38 rows", exact=True)).to_be_visible()
    assert scroller.evaluate("it => it.scrollTop") == 240
    expect(cell.get_by_text("1 of 38 selected")).to_be_visible()
    # A destroyed group is reported, and one that is created again is shown.
    raw.xgroup_destroy(key, "etl")
    expect(cell.get_by_text("Group 'etl' is gone: it was destroyed")).to_be_visible()
    raw.xgroup_create(key, "etl", "0")
    expect(cell.get_by_text("Nothing is pending. 40 still to be delivered")).to_be_visible()
    assert kit.in_kernel(screen, "rnb.stop_all()") == "None"
    expect(cell.get_by_text("stopped", exact=True)).to_be_visible()
    cell.get_by_role("button", name="Refresh now").click()
    expect(cell.get_by_text("reading", exact=True)).to_be_visible()


def test_hostile_content_is_text(run, expect, screen, raw, key):
    from tests.browser import kit

    raw.xadd(key, {"payload": f'{{"{HOSTILE[:20]}": 1}}', HOSTILE: HOSTILE}, id="1-0")
    raw.xadd(key, {b"\xff": b"\xfe"}, id="2-0")
    raw.xadd(key, {f"c{n}": "x" * 300 for n in range(300)}, id="3-0")
    raw.xgroup_create(key, HOSTILE, "0")
    raw.xreadgroup(HOSTILE, HOSTILE, {key: ">"})
    cell = run(STREAM(key=key), PANEL)
    expect(rows(cell, "Pending entries")).to_have_count(3)
    expect(cell.get_by_text(f"Group {HOSTILE!r}")).to_be_visible()
    rows(cell, "Pending entries").first.dblclick()
    expect(cell.get_by_text("1-0 of ")).to_be_visible()
    rows(cell, "Consumers").first.click()
    cell.get_by_role("button", name="Remove consumer").click()
    expect(cell.get_by_text("which would be lost with it").first).to_be_visible()
    cell.get_by_role("tab", name="Dead letters").click()
    expect(cell.get_by_text("No dead letters of this group in")).to_be_visible()
    panels = cell.locator(".rnb-panel")
    expect(panels.locator("img, script, mjx-container, .MathJax")).to_have_count(0)
    assert screen.page.evaluate("window.pwned") is None
    kit.use_theme(screen, "Dark")
    try:
        kit.check_accessibility(screen)
    finally:
        kit.use_theme(screen, "Light")


def test_a_cell_run_again_and_a_connection_that_only_reads(
    run, expect, screen, raw, stuck, wait_until
):
    from tests.browser import kit

    cell = run(
        "import threading\nimport redisnb as rnb\n"
        f"stream = rnb.Stream(rnb.connect(read_only=True), {stuck!r})",
        PANEL,
    )
    for _ in range(3):
        kit.run_all(screen)
    expect(cell.get_by_text("This connection is read-only: it can look")).to_be_visible()
    rows(cell, "Pending entries").first.click()
    expect(cell.get_by_text("1 of 4 selected")).to_be_visible()
    button = cell.get_by_role("button", name="Acknowledge")
    expect(button).to_have_attribute("aria-disabled", "true")
    expect(button).to_have_attribute("title", "this connection is read-only")
    names = "[t.name for t in threading.enumerate() if t.name.startswith('redisnb:')]"
    wait_until(lambda: kit.in_kernel(screen, names) == f'["redisnb:GroupsPanel({stuck!r})"]')
