"""KeysPanel as its user sees it: by role, name and text."""

import time

import pytest

from tests.deadlines import deadline

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=window.pwned=1> $\\alpha$ </textarea><script>window.pwned=1</script>"
PANEL = (
    "import redisnb as rnb\npanel = rnb.panels.KeysPanel(rnb.connect(), {match!r})\npanel".format
)


@pytest.fixture
def prefix(request, raw) -> str:
    raw.flushall()
    return f"{request.node.name}:"


def rows(cell, name="Keys"):
    return cell.get_by_role("grid", name=name).locator("tbody tr[data-place]")


def state(cell):
    return cell.locator(".rnb-state")


def press(cell, name):
    cell.get_by_role("button", name=name, exact=True).click()


def test_look_and_change_by_mouse(run, expect, screen, raw, prefix):
    from tests.browser import kit

    raw.set(f"{prefix}config", '{"region": {"name": "eu"}}', ex=100)
    raw.hset(f"{prefix}user", mapping={"name": "Ann", "zip": "00501"})
    cell = run(PANEL(match=f"{prefix}*"))
    expect(cell.get_by_text("Nothing yet: press Scan to look for keys.")).to_be_visible()
    press(cell, "Scan")
    expect(state(cell)).to_have_text("ready")
    expect(rows(cell)).to_have_count(2)
    expect(rows(cell).first).to_contain_text("1 min")
    # It counts down.
    before = rows(cell).first.inner_text()
    expect(rows(cell).first).not_to_have_text(before, use_inner_text=True)

    rows(cell).last.click()
    expect(cell.get_by_text("hash of 2 fields")).to_be_visible()
    expect(rows(cell, "Value").last).to_contain_text("00501")
    expect(cell.get_by_role("button", name="Save the text")).to_be_hidden()
    kit.check_accessibility(screen)
    rows(cell).first.click()
    expect(cell.get_by_role("group", name="Value")).to_contain_text("region")
    expect(cell.get_by_text("string of 26 bytes, expires in 1 min")).to_be_visible()
    kit.use_theme(screen, "Dark")
    kit.check_accessibility(screen)
    kit.use_theme(screen, "Light")

    text, confirm = cell.get_by_label("Text", exact=True), cell.get_by_label("Its name")
    text.fill("eu")
    press(cell, "Save the text")
    expect(cell.get_by_text(f"type {prefix}config here")).to_be_visible()
    assert raw.strlen(f"{prefix}config") == 26
    confirm.fill(f"{prefix}config")
    press(cell, "Save the text")
    expect(cell.get_by_text("was written")).to_be_visible()
    expect(cell.get_by_role("region", name="Value")).to_have_text("eu")
    expect(confirm).to_have_value("")
    assert raw.get(f"{prefix}config") == b"eu"

    confirm.fill(f"{prefix}config")
    press(cell, "Delete")
    expect(cell.get_by_text("was deleted")).to_be_visible()
    expect(rows(cell)).to_have_count(1)
    assert raw.keys() == [f"{prefix}user".encode()]


def test_by_keyboard_alone(run, expect, screen, raw, prefix):
    raw.mset({f"{prefix}{i}": i for i in range(3)})
    cell = run(PANEL(match="*"), "1 + 1")
    keyboard = screen.page.keyboard
    cell.get_by_label("Pattern").focus()
    keyboard.press("Control+Enter")
    expect(rows(cell)).to_have_count(3)
    cell.get_by_role("grid", name="Keys").focus()
    for key in ("d", "d", "ArrowDown", "Enter"):
        keyboard.press(key)
    expect(cell.get_by_text("string of 1 byte")).to_be_visible()
    expect(cell.get_by_role("region", name="Value")).to_have_text("1")
    cell.get_by_label("Its name").focus()
    keyboard.type(f"{prefix}1")
    keyboard.press("Tab")
    keyboard.press("d")
    keyboard.press("d")
    keyboard.press("Enter")
    expect(cell.get_by_text("was deleted")).to_be_visible()
    expect(rows(cell)).to_have_count(2)
    expect(cell.locator(".jp-Cell")).to_have_count(2)
    assert sorted(raw.keys()) == [f"{prefix}{i}".encode() for i in (0, 2)]


def test_hostile_content_is_text(run, expect, screen, raw, prefix):
    raw.set(HOSTILE, HOSTILE)
    raw.hset(f"{HOSTILE} hash", HOSTILE, HOSTILE)
    raw.set(b"\xff", b"\xfe")
    raw.set(r"b'\xff'", "a text")
    cell = run(PANEL(match="*"))
    press(cell, "Scan")
    expect(rows(cell)).to_have_count(4)
    values = {
        HOSTILE: HOSTILE,
        f"{HOSTILE} hash": HOSTILE,
        r'''"b'\\xff'"''': "a text",
        "�xff": "�xfe",
    }
    for i, (typed, shown) in enumerate(values.items()):
        rows(cell).nth(0).click()
        expect(cell.locator(".rnb-panel")).to_contain_text(typed)
        expect(
            cell.get_by_role("grid", name="Value").or_(cell.get_by_role("region", name="Value"))
        ).to_contain_text(shown)
        cell.get_by_label("Its name").fill(typed)
        press(cell, "Delete")
        expect(rows(cell)).to_have_count(3 - i)
    assert raw.keys() == []
    panels = cell.locator(".rnb-panel")
    expect(panels.locator("img, script, mjx-container, .MathJax")).to_have_count(0)
    assert screen.page.evaluate("window.pwned") is None


def test_a_hundred_thousand_keys(run, expect, screen, raw, prefix):
    """Keys can be used while they are being found, and while a cell runs."""
    from tests.browser import kit

    raw.eval("for i = 1, 100000 do redis.call('SET', 'key:' .. i, i) end", 0)
    cell = run(PANEL(match="*"))
    received, began = screen.received, time.monotonic()
    press(cell, "Scan")
    expect(cell.get_by_text("keys so far")).to_be_visible()
    expect(rows(cell).first).to_contain_text("key:")
    assert time.monotonic() - began < deadline(2)
    rows(cell).nth(2).click()
    expect(cell.get_by_text("string of")).to_be_visible()
    kit.in_kernel(screen, "sum(i * i for i in range(3_000_000))")
    expect(cell.get_by_text("100,000 keys", exact=True)).to_be_visible(timeout=deadline(30_000))
    expect(state(cell)).to_have_text("ready")
    assert screen.received - received < 1_000_000
    cell.get_by_role("grid", name="Keys").focus()
    screen.page.keyboard.press("End")
    expect(cell.get_by_role("gridcell", name="key:99999", exact=True)).to_be_visible()


def test_changes_by_other_programs(run, expect, screen, raw, prefix):
    cell = run(PANEL(match="*"))
    raw.set("a", "1")
    raw.set("b", "1", px=int(deadline(3000)))
    press(cell, "Scan")
    rows(cell).first.click()
    expect(cell.get_by_text("string of 1 byte")).to_be_visible()
    expect(cell.get_by_text("2 keys · 1 gone since")).to_be_hidden()
    raw.append("a", "2")
    expect(cell.get_by_text("It has changed; Read again shows the new value.")).to_be_visible()
    press(cell, "Read again")
    expect(cell.get_by_role("region", name="Value")).to_have_text("12")
    raw.delete("a")
    expect(cell.get_by_text("It was deleted or renamed")).to_be_visible()
    expect(cell.get_by_role("region", name="Value")).to_have_text("12")
    expect(rows(cell)).to_have_count(0)
    expect(cell.get_by_text("0 keys · 2 gone since")).to_be_visible()
