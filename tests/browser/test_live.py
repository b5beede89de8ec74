"""The live panel in JupyterLab, as its user sees it: by mouse and by keyboard."""

import json
from importlib.util import find_spec

import pytest

from tests.deadlines import deadline

pytestmark = [pytest.mark.browser, pytest.mark.long]

HOSTILE = "<img src=x onerror=window.pwned=1> $\\alpha$"
STREAM = (
    "import redisnb as rnb\n"
    "stream = rnb.Stream(rnb.connect(), {key!r})\n"
    "panel = rnb.panels.live({source})\npanel"
)


def rows(cell):
    return cell.get_by_role("grid", name="Entries").locator("tbody tr[data-at]")


def publish(raw, key, *events):
    pipe = raw.pipeline()
    for event in events:
        pipe.xadd(key, {"payload": json.dumps(event)})
    pipe.execute()


def sales(first, n):
    return [{"n": first + i, "kind": "refund" if i % 100 == 7 else "sale"} for i in range(n)]


def test_one_kind_is_watched_by_mouse(run, expect, screen, raw, key):
    """Read, filter, scroll away, come back, look at an entry, take what is shown, stop."""
    from tests.browser import kit

    cell = run(STREAM.format(key=key, source="stream"))
    page = screen.page
    expect(cell.get_by_text("press Start")).to_be_visible()
    cell.get_by_role("button", name="Start").click()
    expect(cell.get_by_text("reading", exact=True)).to_be_visible()
    publish(raw, key, *sales(0, 300))
    expect(rows(cell).first).to_contain_text("299")
    scroll = cell.locator(".rp-scroll")
    scroll.evaluate("each => { each.scrollTop = 2400; }")
    expect(cell.get_by_text("paused", exact=True)).to_be_visible()
    held = cell.locator("tr[data-at='100']")
    expect(held).to_contain_text("199")
    publish(raw, key, *sales(300, 12_000))
    expect(cell.get_by_role("button", name="12,000 new")).to_be_visible()
    expect(held).to_contain_text("199")
    cell.get_by_role("button", name="12,000 new").click()
    expect(rows(cell).first).to_contain_text("12,299")
    expect(cell.get_by_text("reading", exact=True)).to_be_visible()

    where = cell.get_by_label("Where")
    where.fill("kind = 'refund'")
    cell.get_by_role("button", name="Filter").click()
    expect(cell.get_by_text("looked at 10,000, 100 match")).to_be_visible()
    publish(raw, key, *sales(20_000, 200))
    expect(rows(cell).first).to_contain_text("20,107")
    expect(cell.get_by_text("looked at 10,200, 102 match")).to_be_visible()
    rows(cell).nth(1).click()
    expect(cell.get_by_role("group", name="Entry", exact=True)).to_contain_text("20007")
    cell.get_by_role("button", name="To a variable").click()
    cell.get_by_label("Variable").fill("refunds")
    cell.get_by_role("button", name="Set").click()
    expect(cell.get_by_text("refunds = 102 rows x 3 columns")).to_be_visible()
    assert kit.in_kernel(screen, "refunds['kind'].unique().tolist()") == "['refund']"
    cell.get_by_role("button", name="Stop").click()
    expect(cell.get_by_text("stopped", exact=True)).to_be_visible()
    assert raw.xlen(key) == 12_500
    assert page.locator(".rp-panel").count() == 1


def test_a_group_by_keyboard(run, expect, screen, raw, key):
    from tests.browser import kit

    """Each row says what has become of it; it is acknowledged by hand."""
    publish(raw, key, *sales(0, 3))
    group = "rnb.ConsumerGroup(stream, 'etl', consumer='ann')"
    cell = run(STREAM.format(key=key, source=group))
    page = screen.page
    cell.get_by_role("button", name="Start").focus()
    page.keyboard.press("Enter")
    expect(cell.get_by_text("has no consumer group 'etl'")).to_be_visible()
    cell.get_by_role("radio", name="Acknowledge when read").focus()
    page.keyboard.press("ArrowRight")
    create = cell.get_by_role("button", name="Create the group")
    create.focus()
    page.keyboard.press("Enter")
    expect(rows(cell)).to_have_count(3)
    expect(rows(cell).first).to_contain_text("pending")
    expect(cell.get_by_text("3 pending")).to_be_visible()
    cell.get_by_role("grid", name="Entries").focus()
    for key_pressed in ("ArrowDown", " ", "Enter"):
        page.keyboard.press(key_pressed)
    expect(cell.get_by_text("etl: pending with ann")).to_be_visible()
    cell.get_by_role("button", name="Acknowledge 1", exact=True).focus()
    page.keyboard.press("Enter")
    expect(cell.get_by_text("1 of 1 acknowledged")).to_be_visible()
    expect(rows(cell).nth(1)).to_contain_text("acknowledged")
    expect(rows(cell).first).to_contain_text("pending")
    kit.press_keys_of_the_notebook(cell, page, expect)


def test_hostile_entries_that_fail_are_text_and_accessible(run, expect, screen, raw, key):
    from tests.browser import kit

    hostile_key = f"{key} {HOSTILE}"
    raw.delete(hostile_key)
    publish(raw, hostile_key, {HOSTILE: HOSTILE}, {"n": 1})
    raw.xgroup_create(hostile_key, HOSTILE, id="0")
    source = f"rnb.Consumer(rnb.ConsumerGroup(stream, {HOSTILE!r}, consumer={HOSTILE!r}), fail)"
    cell = run(
        "def fail(entry):\n    raise ValueError(entry.event)\n",
        STREAM.format(key=hostile_key, source=source),
    )
    cell.get_by_role("button", name="Start").click()
    expect(rows(cell).nth(1)).to_contain_text("failed: ValueError: {'<img")
    cell.get_by_role("button", name="Show them").click()
    expect(cell.get_by_label("Failed only")).to_be_checked()
    rows(cell).nth(1).click()
    expect(cell.get_by_text("Traceback (most recent call last)")).to_be_visible()
    try:
        for theme in ("Light", "Dark"):
            kit.use_theme(screen, theme)
            kit.check_accessibility(screen)
    finally:
        kit.use_theme(screen, "Light")
    expect(cell.locator(".rp-panel :is(img, script, mjx-container)")).to_have_count(0)
    assert screen.page.evaluate("() => window.pwned") is None


@pytest.mark.slow
@pytest.mark.parametrize("host", ["voila", "marimo"])
def test_elsewhere(host, visit, expect, missing, tmp_path, raw, key, server):
    if find_spec(host) is None:
        missing("browser", f"the package {host} is not installed")
    from tests.browser import elsewhere

    cell = STREAM.format(key=key, source="stream").replace("connect()", f"connect({server.url!r})")
    with {"voila": elsewhere.voila, "marimo": elsewhere.marimo}[host](tmp_path, cell) as address:
        page = visit(address)
        start = page.get_by_role("button", name="Start")
        expect(start).to_be_visible(timeout=deadline(60_000))
        start.click()
        expect(page.get_by_text("reading", exact=True)).to_be_visible()
        publish(raw, key, *sales(0, 200))
        expect(rows(page).first).to_contain_text("199")
        page.get_by_label("Where").focus()
        page.keyboard.type("kind = 'refund'", delay=10)
        page.keyboard.press("Escape")
        page.keyboard.press("Enter")
        expect(rows(page)).to_have_count(2)
        expect(page.get_by_text("looked at 200, 2 match")).to_be_visible()
        rows(page).nth(1).click()
        expect(page.get_by_text("paused", exact=True)).to_be_visible()
        publish(raw, key, *sales(1000, 100))
        expect(page.get_by_role("button", name="1 new")).to_be_visible()
        page.get_by_role("button", name="1 new").focus()
        page.keyboard.press("Enter")
        expect(rows(page).first).to_contain_text("1,007")
        page.close()
