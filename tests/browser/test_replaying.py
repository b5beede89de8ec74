"""The replaying panel in JupyterLab, as its user sees it: by mouse and by keyboard."""

import json

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.long]

HOSTILE = "<img src=x onerror=window.pwned=1> $\\alpha$"
FIRST = 1_357_034_400_000  # 2013-01-01 10:00
PANEL = (
    "import redisnb as rnb\nfrom redisnb.panels.replaying import replay\n"
    "conn = rnb.connect()\n"
    "panel = replay(rnb.Stream(conn, {key!r}), rnb.Stream(conn, {target!r}))\npanel"
)


@pytest.fixture
def target(raw, key):
    raw.delete(f"{key}:to")
    return f"{key}:to"


def fill(raw, key, hours=10):
    pipe = raw.pipeline()
    for n in range(hours * 60):
        pipe.xadd(key, {"payload": json.dumps({"n": n})}, id=f"{FIRST + n * 60_000}-0")
    pipe.execute()


def rows(cell):
    return cell.get_by_role("grid", name="Sent last").locator("tbody tr[data-at]")


def state(cell, text):
    return cell.locator(".rp-label[data-look=state]", has_text=text)


def test_an_hour_is_replayed_by_mouse(run, expect, screen, raw, key, target):
    fill(raw, key)
    cell = run(PANEL.format(key=key, target=target))
    page = screen.page
    plot = cell.locator(".rp-plot")
    expect(cell.locator(".rp-bars")).to_be_visible()
    box = plot.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.31, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.49, box["y"] + 40, steps=4)
    page.mouse.up()
    expect(cell.get_by_text("entries to send")).to_be_visible()
    assert cell.get_by_label("From").input_value().startswith("2013-01-01 13:")
    slider = cell.get_by_role("slider", name="Speed")
    slider.fill("10")
    expect(cell.get_by_text("3,600x, an hour in 1.0 s")).to_be_visible()
    expect(cell.get_by_label("or", exact=True)).to_have_value("3,600x")
    cell.get_by_role("button", name="Start").click()
    expect(state(cell, "running")).to_be_visible()
    expect(cell.locator(".rp-position")).to_be_visible()
    cell.get_by_role("button", name="Pause").click()
    expect(state(cell, "paused")).to_be_visible()
    sent = raw.xlen(target)
    cell.get_by_role("button", name="Step").click()
    expect(cell.get_by_text(f"{sent + 1} rows")).to_be_visible()
    rows(cell).first.click()
    expect(cell.get_by_text("Its event was sent as it was.")).to_be_visible()
    cell.get_by_role("button", name="Continue").click()
    expect(cell.get_by_text("All is sent: ")).to_be_visible()
    expect(state(cell, "finished")).to_be_visible()
    assert 60 < raw.xlen(target) < 180


def test_by_keyboard_alone(run, expect, screen, raw, key, target):
    from tests.browser import kit

    fill(raw, key)
    cell = run(PANEL.format(key=key, target=target))
    page = screen.page
    expect(cell.locator(".rp-bars")).to_be_visible()
    cell.get_by_label("To", exact=True).focus()
    page.keyboard.type("2013-01-01 10:59")
    page.keyboard.press("Enter")
    expect(cell.get_by_text("60 entries to send")).to_be_visible()
    words = cell.get_by_label("or", exact=True)
    words.focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("1h in 100ms")
    page.keyboard.press("Enter")
    expect(cell.get_by_text("36,000x, an hour in 100 ms").first).to_be_visible()
    cell.get_by_role("button", name="Start").focus()
    page.keyboard.press("Enter")
    expect(cell.get_by_text("All is sent: 60 added")).to_be_visible()
    assert raw.xlen(target) == 60
    kit.press_keys_of_the_notebook(cell, page, expect)


def test_hostile_entries_are_text_and_accessible(run, expect, screen, raw, key):
    from tests.browser import kit

    hostile, target = f"{key} {HOSTILE}", f"{key} {HOSTILE} to"
    raw.delete(hostile, target)
    for n in range(3):
        raw.xadd(hostile, {"payload": json.dumps({HOSTILE: HOSTILE, "n": n})})
    cell = run(PANEL.format(key=hostile, target=target))
    expect(cell.locator(".rp-bars")).to_be_visible()
    cell.get_by_label("or", exact=True).fill("max")
    cell.get_by_role("button", name="Start").click()
    expect(cell.get_by_text("All is sent: 3 added")).to_be_visible()
    rows(cell).first.click()
    expect(cell.get_by_text("As it was sent: ")).to_be_visible()
    try:
        for theme in ("Light", "Dark"):
            kit.use_theme(screen, theme)
            kit.check_accessibility(screen)
    finally:
        kit.use_theme(screen, "Light")
    expect(cell.locator(".rp-panel :is(img, script, mjx-container)")).to_have_count(0)
    assert screen.page.evaluate("() => window.pwned") is None
