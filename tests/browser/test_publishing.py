"""The publishing panel in JupyterLab, as its user sees it: by mouse and by keyboard."""

import json

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.long]

HOSTILE = "<img src=x onerror=window.pwned=1> $\\alpha$ {{n}} {{__import__('os')}}"
PANEL = (
    "import redisnb as rnb\nfrom redisnb.panels.publishing import publish\n"
    "panel = publish(rnb.Stream(rnb.connect(), {key!r}))\npanel"
)


def events(raw, key):
    return [json.loads(fields[b"payload"]) for _, fields in raw.xrange(key)]


def rows(cell):
    return cell.get_by_role("grid", name="Published here").locator("tbody tr[data-at]")


def test_a_wrong_entry_is_mended_and_copies_are_made_by_mouse(run, expect, raw, key):
    for n in range(3):
        raw.xadd(key, {"payload": json.dumps({"n": n, "kind": "sale"})})
    cell = run(PANEL.format(key=key))
    editor = cell.get_by_label("Event", exact=True)
    expect(editor).to_have_value('{\n  "n": 2,\n  "kind": "sale"\n}')
    editor.fill('{\n  "n": {{n}}\n  "kind": 1}')
    expect(cell.get_by_text("line 3, column 3: a comma is missing here")).to_be_visible()
    cell.get_by_text("line 3, column 3").click()
    assert editor.evaluate("each => each.selectionStart") == 17
    editor.fill('{\n  "n": {{n}},\n  "kind": 1}')
    expect(cell.get_by_text("'kind' is number instead of text")).to_be_visible()
    editor.fill('{"n": {{n}}, "kind": {{choice("sale", "refund")}}}')
    cell.get_by_label("Times").fill("200")
    cell.get_by_role("button", name="Publish 200").click()
    expect(cell.get_by_text("200 of 200 added")).to_be_visible()
    assert [each["n"] for each in events(raw, key)[3:]] == list(range(1, 201))
    rows(cell).nth(1).click()
    cell.get_by_role("button", name="Edit and publish").click()
    expect(cell.get_by_text("The event: it is that of")).to_be_visible()
    editor.fill('{"n": -1, "kind": "mended"}')
    cell.get_by_label("Times").fill("1")
    cell.get_by_role("button", name="Publish", exact=True).click()
    expect(cell.get_by_text("published 1")).to_be_visible()
    assert events(raw, key)[-1] == {"n": -1, "kind": "mended"}


def test_by_keyboard_alone(run, expect, screen, raw, key):
    from tests.browser import kit

    cell, page = run(PANEL.format(key=key)), screen.page
    editor = cell.get_by_label("Event", exact=True)
    expect(cell.get_by_text("the first event creates it")).to_be_visible()
    editor.focus()
    page.keyboard.insert_text('{"item": "dd"}')
    page.keyboard.press("Control+Enter")
    expect(cell.get_by_text("published 1")).to_be_visible()
    expect(editor).to_be_focused()
    assert events(raw, key) == [{"item": "dd"}]
    kit.press_keys_of_the_notebook(cell, page, expect)


def test_hostile_entries_are_text_and_accessible(run, expect, screen, raw, key):
    from tests.browser import kit

    raw.xadd(key, {"payload": json.dumps({HOSTILE: HOSTILE})})
    cell = run(PANEL.format(key=key))
    editor = cell.get_by_label("Event", exact=True)
    expect(editor).to_have_value(json.dumps({HOSTILE: HOSTILE}, indent=2).replace("{{", "\\u007b{"))
    cell.get_by_role("button", name="Publish", exact=True).click()
    expect(rows(cell)).to_have_count(1)
    assert events(raw, key) == [{HOSTILE: HOSTILE}] * 2
    rows(cell).first.click()
    editor.fill(f'{{"{HOSTILE}": 1}}')
    expect(cell.get_by_text("is no placeholder")).to_be_visible()
    try:
        for theme in ("Light", "Dark"):
            kit.use_theme(screen, theme)
            kit.check_accessibility(screen)
    finally:
        kit.use_theme(screen, "Light")
    expect(cell.locator(".rp-panel :is(img, script, mjx-container)")).to_have_count(0)
    assert screen.page.evaluate("() => window.pwned") is None
