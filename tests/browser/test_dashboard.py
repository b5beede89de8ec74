"""The dashboard in JupyterLab: what runs goes on, what is typed stays, and nothing is cut."""

import json
import re

import pytest

from tests.deadlines import until

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FIRST = 1_700_000_000_000
HOSTILE = "<img src=x onerror=window.pwned=1>:$\\alpha$ \u202e"


@pytest.fixture
def show(run, raw):
    """Show the dashboard of a small shop; return its part of the page."""

    def shown(before=""):
        raw.flushall()
        for key in ("orders", "payments"):
            for n in range(60):
                event = {"payload": json.dumps({"item": "tea", "n": n})}
                raw.xadd(key, event, id=FIRST + n * 60_000)
        raw.xgroup_create("payments", "ledger", id="0")
        for n in range(20):
            raw.set(f"user:{n}", "x" * 100)
        return run(
            f"import redisnb as rnb\nconn = rnb.connect()\n{before}\n"
            "board = rnb.panels.dashboard(conn)\nboard"
        )

    return shown


def line(cell, name):
    return cell.get_by_role("option").filter(has_text=name).first


def test_what_runs_goes_on_and_what_is_typed_stays(show, expect, screen, raw):
    cell, page = show(), screen.page
    press, typed = page.keyboard.press, page.keyboard.type
    # What needs a look is open.
    expect(cell.get_by_role("heading", name="payments")).to_be_visible()
    expect(cell.get_by_role("tab", name="Groups 1 stuck")).to_be_visible()
    cell.get_by_role("tab", name="Publish").click()
    editor = cell.get_by_role("textbox", name="Event")
    expect(editor).to_have_value(re.compile("tea"))
    editor.fill('{"half": ')

    # By keyboard: to the field from anywhere, to the list, to another stream.
    cell.get_by_role("tab", name="Publish").focus()
    press("/")
    typed("ord")
    expect(line(cell, "payments")).to_be_hidden()
    press("Enter")
    expect(cell.get_by_role("heading", name="orders")).to_be_visible()
    expect(cell.get_by_role("textbox", name="Find")).to_have_value("")
    for _ in range(3):
        press("Tab")
    expect(cell.get_by_role("tab", name="Publish")).to_be_focused()
    press("ArrowRight")
    target = cell.get_by_role("textbox", name="Replay into")
    expect(target).to_have_value("orders:replay")
    target.fill("orders")
    target.press("Enter")
    expect(cell.get_by_text("name another", exact=False)).to_be_visible()
    target.fill("test")
    target.press("Enter")
    speed = cell.get_by_role("textbox", name="or", exact=True)
    speed.fill("600x")
    speed.press("Enter")
    cell.get_by_role("button", name="Start", exact=True).click()
    expect(line(cell, "orders")).to_contain_text("replaying")

    cell.get_by_role("button", name="Pause").focus()
    for key in ("/", "ArrowDown", "ArrowUp", "Enter"):
        press(key)
    expect(cell.get_by_role("heading", name="payments")).to_be_visible()
    expect(line(cell, "orders")).to_contain_text("replaying")
    at = raw.xlen("test")
    until(lambda: raw.xlen("test") > at + 5)
    cell.get_by_role("tab", name="Publish").click()
    expect(editor.locator("visible=true")).to_have_value('{"half": ')
    line(cell, "orders").click()
    cell.get_by_role("tab", name="Replay").click()
    expect(cell.get_by_text("of 60 sent", exact=False)).to_be_visible()
    until(lambda: raw.xlen("test") == 60)
    expect(line(cell, "orders")).not_to_contain_text("replaying")


def test_hostile_names_run_nothing_and_nothing_is_cut(show, expect, screen):
    from tests.browser import kit

    cell, page = show(f"bad = {HOSTILE!r}\nconn.client.xadd(bad, {{bad: bad}})"), screen.page
    size = page.viewport_size
    line(cell, "img src").click()
    expect(cell.get_by_role("heading", name="img src")).to_be_visible()
    page.set_viewport_size({"width": 560, "height": 1000})
    kit.evaluate(page, "() => jupyterapp.commands.execute('application:toggle-left-area')")
    try:
        for tab, theme in (("Browse", "Light"), ("Groups", "Dark"), ("Replay", "Light")):
            cell.get_by_role("tab", name=tab).click()
            kit.use_theme(screen, theme)
            kit.check_accessibility(screen)
            cut = page.evaluate(
                """() => {
                  const right = document.querySelector(".rp-panel").getBoundingClientRect().right;
                  return [...document.querySelectorAll(
                    ".rp-panel :is(button, input, select, h3, .rp-message, .rp-option)")]
                    .filter((each) => !each.closest(".rp-scroll, .rp-views"))
                    .filter((each) => each.getBoundingClientRect().right > right + 1)
                    .map((each) => each.outerHTML)}"""
            )
            assert not cut
    finally:
        kit.use_theme(screen, "Light")
        kit.evaluate(page, "() => jupyterapp.commands.execute('application:toggle-left-area')")
        page.set_viewport_size(size)
    assert page.evaluate("() => window.pwned") is None
    assert "\u202e" not in cell.locator(".rp-panel").text_content()
