"""PublishPanel as its user sees it."""

import json
import re

import pytest

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=window.pwned=1> $\\alpha$ </textarea><script>window.pwned=1</script>"
PANEL = """
import pandas as pd
import redisnb as rnb
stream = rnb.Stream(rnb.connect(), {key!r})
panel = rnb.panels.PublishPanel(stream, frame=pd.DataFrame({{"row": range(2500)}}))
panel
""".format


def stored(raw, key):
    return [json.loads(fields[b"payload"]) for _, fields in raw.xrange(key)]


def button(cell, name):
    return cell.get_by_role("button", name=name, exact=True)


def published(cell):
    return cell.get_by_role("status").filter(has_text=re.compile(r"^published \d"))


def fields(cell):
    return cell.get_by_role("textbox", name="Field", exact=True)


def values(cell):
    return cell.get_by_role("textbox", name="Value", exact=True)


def test_by_mouse(run, expect, raw, key, screen):
    from tests.browser import kit

    raw.xadd(key, {"payload": '{"item": "tea", "amount": 2, "at": {"shop": 1}}'}, id="5-0")
    cell = run(PANEL(key=key))
    expect(fields(cell)).to_have_count(3)
    values(cell).nth(1).fill("3")
    cell.get_by_role("button", name="Remove field").last.click()
    # A double click is one press, though the first was answered long before the second.
    button(cell, "Publish").dblclick(delay=50)
    expect(published(cell)).to_be_visible()
    button(cell, "Publish").click(click_count=3, delay=50)
    expect(cell.get_by_role("row")).to_have_count(3)
    assert stored(raw, key)[1:] == [{"item": "tea", "amount": 3}] * 2
    expect(cell.get_by_text("3 entries.")).to_be_visible()

    cell.get_by_role("tab", name="JSON").click()
    expect(cell.get_by_label("Event as JSON")).to_have_value(
        '{\n  "item": "tea",\n  "amount": 3\n}'
    )
    kit.check_accessibility(screen)
    cell.get_by_label("Event as JSON").fill('{"item": "salt"}')
    cell.get_by_role("tab", name="One line").click()
    expect(cell.get_by_label("Event on one line")).to_have_value("item=salt")

    expect(button(cell, "Send again")).to_be_disabled()
    cell.get_by_role("gridcell", name='{"item": "tea"').last.click()
    expect(button(cell, "Send again")).to_be_enabled()
    button(cell, "Send again").click()
    expect(cell.get_by_text("1 of 1 sent again")).to_be_visible()
    assert stored(raw, key)[3:] == [{"item": "tea", "amount": 3}]
    kit.use_theme(screen, "Dark")
    kit.check_accessibility(screen)
    kit.use_theme(screen, "Light")


def test_by_keyboard_alone(run, expect, raw, key, screen):
    keyboard = screen.page.keyboard
    cell = run(PANEL(key=key))
    expect(
        cell.get_by_text(f"'{key}' does not exist yet: the first event creates it.")
    ).to_be_visible()
    cell.get_by_role("tab", name="Fields").focus()
    keyboard.press("Tab")
    for text in ("item", "tea", "amount", "2"):
        keyboard.type(text)
        # Enter in the last line adds another one.
        keyboard.press("Tab" if text in ("item", "amount") else "Enter")
    expect(fields(cell)).to_have_count(3)
    keyboard.press("Control+Enter")
    expect(published(cell)).to_be_visible()
    assert stored(raw, key) == [{"item": "tea", "amount": 2}]

    # Remove the third line, and the second: the focus stays in the form.
    for _ in range(2):
        fields(cell).last.focus()
        keyboard.press("Tab")
        keyboard.press("Tab")
        keyboard.press("Enter")
        expect(fields(cell).last).to_be_focused()
    # Held down, the keys count as one press.
    keyboard.down("Control")
    for _ in range(5):
        keyboard.down("Enter")
        expect(button(cell, "Publish")).to_have_attribute("aria-busy", "false")
    keyboard.up("Enter")
    keyboard.up("Control")
    expect(cell.get_by_role("row")).to_have_count(3)

    cell.get_by_role("tab", name="Fields").focus()
    for _ in range(2):
        # Faster than the kernel answers.
        keyboard.press("ArrowRight")
    expect(cell.get_by_label("Event on one line")).to_have_value("item=tea")
    expect(cell.get_by_role("tab", name="One line")).to_be_focused()
    keyboard.press("Tab")
    keyboard.press("End")
    keyboard.type(' note="two words"')
    keyboard.press("Control+Enter")
    expect(cell.get_by_role("row")).to_have_count(4)
    assert stored(raw, key)[1:] == [{"item": "tea"}, {"item": "tea", "note": "two words"}]


def test_an_error_appears_next_to_the_event_which_is_kept(run, expect, raw, key):
    cell = run(PANEL(key=key))
    cell.get_by_role("tab", name="JSON").click()
    text = '{"item": "tea",\n "amount" 2}'
    area = cell.get_by_label("Event as JSON")
    area.fill(text)
    button(cell, "Publish").click()
    expect(cell.get_by_role("alert").filter(has_text="line 2, column 11")).to_be_visible()
    expect(area).to_have_attribute("aria-invalid", "true")
    cell.get_by_role("tab", name="Fields").click()
    expect(cell.get_by_text("Correct or clear it to switch to Fields.")).to_be_visible()
    expect(cell.get_by_role("tab", name="JSON")).to_have_attribute("aria-selected", "true")
    expect(area).to_have_value(text)

    area.fill('{"item": "tea"}')
    cell.get_by_role("tab", name="Fields").click()
    expect(values(cell)).to_have_value("tea")
    button(cell, "Add field").click()
    fields(cell).last.fill("item")
    cell.get_by_label("ID").fill("yesterday")
    button(cell, "Publish").click()
    expect(cell.get_by_text("the field 'item' occurs twice")).to_be_visible()
    fields(cell).last.fill("amount")
    button(cell, "Publish").click()
    expect(cell.get_by_text("an ID like 1700000000000-0, or a time")).to_be_visible()
    expect(cell.get_by_text("occurs twice")).to_be_hidden()
    assert raw.xlen(key) == 0
    cell.get_by_label("ID").fill("")
    button(cell, "Publish").click()
    expect(published(cell)).to_be_visible()
    expect(cell.get_by_text("an ID like")).to_be_hidden()
    assert stored(raw, key) == [{"item": "tea", "amount": ""}]


def test_hostile_content(run, expect, raw, screen, key):
    raw.xadd(key, {"payload": json.dumps({HOSTILE: HOSTILE})})
    cell = run(PANEL(key=key))
    expect(values(cell)).to_have_value(HOSTILE)
    for name in ("JSON", "One line", "Fields"):
        cell.get_by_role("tab", name=name).click()
        expect(cell.get_by_role("tab", name=name)).to_have_attribute("aria-selected", "true")
    expect(values(cell)).to_have_value(HOSTILE)
    button(cell, "Publish").click()
    row = cell.get_by_role("gridcell", name="<img src=x")
    row.dblclick()
    expect(cell.locator(".rnb-tree")).to_contain_text("<script>window.pwned=1</script>")
    button(cell, "Add field").click()
    fields(cell).last.fill(HOSTILE)
    button(cell, "Publish").click()
    expect(cell.get_by_text("occurs twice")).to_be_visible()
    assert screen.page.evaluate("window.pwned") is None
    assert stored(raw, key) == [{HOSTILE: HOSTILE}] * 2


def test_many_and_stop_and_the_rows_of_a_frame(run, expect, raw, key):
    cell = run(PANEL(key=key))
    fields(cell).fill("n")
    values(cell).fill("1")
    cell.get_by_label("Send", exact=True).fill("1000")
    cell.get_by_label("times, every").fill("20ms")
    button(cell, "Send many").click()
    expect(cell.get_by_text("publishing", exact=True)).to_be_visible()
    expect(cell.get_by_role("progressbar", name="Sent")).to_be_visible()
    expect(button(cell, "Publish the frame's 2,500 rows")).to_be_disabled()
    # Publishing by hand works in the meantime.
    values(cell).fill("2")
    button(cell, "Publish").click()
    expect(published(cell)).to_be_visible()
    button(cell, "Stop").click()
    expect(cell.get_by_text("ready", exact=True)).to_be_visible()
    said = cell.get_by_text("stopped: ")
    expect(said).to_contain_text("of 1,000 added")
    many = int(said.inner_text().split()[1])
    assert sorted(each["n"] for each in stored(raw, key)) == [*[1] * many, 2]
    expect(button(cell, "Stop")).to_be_hidden()

    button(cell, "Publish the frame's 2,500 rows").click()
    expect(cell.get_by_text("2,500 of 2,500 added in ")).to_be_visible()
    expect(button(cell, "Publish the 2,500 rows again")).to_be_enabled()
    assert [each["row"] for each in stored(raw, key)[many + 1 :]] == list(range(2500))


def test_while_an_event_is_on_its_way_no_press_sends_another(run, expect, raw, key):
    cell = run(PANEL(key=key))
    fields(cell).fill("n")
    values(cell).fill("1")
    # The server delays writes for as long as this takes.
    raw.client_pause(60_000, all=False)
    try:
        for _ in range(3):
            button(cell, "Publish").click()
        expect(cell.get_by_text("queued: waits for the kernel")).to_be_visible()
        values(cell).press("Control+Enter")
    finally:
        raw.client_unpause()
    expect(published(cell)).to_be_visible()
    expect(cell.get_by_text("1 entry.")).to_be_visible()
    expect(cell.get_by_text("queued: waits for the kernel")).to_be_hidden()
    assert stored(raw, key) == [{"n": 1}]
