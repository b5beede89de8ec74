"""Tab in a notebook: commands, keys, and values by key."""

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.long]

START = """
import redisnb as rnb
%load_ext redisnb
conn = rnb.connect()
"""

# How many lines the text of an element has.
LINES = """element => {
  const range = document.createRange();
  range.selectNodeContents(element);
  return new Set([...range.getClientRects()].map(each => Math.round(each.top))).size;
}"""


@pytest.fixture
def tab(run, screen):
    """``tab("%redis xran")`` types that into a cell, presses Tab and returns what opens."""
    cell = run(START, "pass").locator(".jp-CodeCell").nth(1)

    def press(text):
        cell.locator(".cm-content").click()
        screen.page.keyboard.press("Control+A")
        screen.page.keyboard.insert_text(text)
        screen.page.keyboard.press("Tab")
        return screen.page.locator(".jp-Completer:not(.lm-mod-hidden)")

    press.cell = cell
    return press


def test_a_command_and_a_key(tab, screen, expect, raw, key):
    raw.xadd(f"{key} 1", {"item": "tea"})
    raw.xadd(f"{key} 2", {"item": "milk"})
    if raw.info("server")["redis_version"] >= "7":
        listed = tab("%redis xre")
        hint = listed.locator(".jp-Completer-typeExtended", has_text="milliseconds").first
        expect(hint).to_be_visible()
        # A line that is broken covers the row below.
        assert hint.evaluate(LINES) == 1
        screen.page.keyboard.press("Escape")
    listed = tab(f"rows = %redis XRANGE {key[:-1]}")
    expect(listed.get_by_text(f'"{key} 2"')).to_be_visible()
    listed.get_by_text(f'"{key} 2"').click()
    expect(tab.cell.locator(".cm-content")).to_have_text(f'rows = %redis XRANGE "{key} 2"')
    screen.page.keyboard.type(" - +\nrows")
    screen.page.keyboard.press("Control+Enter")
    expect(tab.cell.get_by_role("cell", name="milk")).to_be_visible()


def test_values_by_key(tab, screen, expect, raw, key):
    raw.mset({f"{key}:<b>1</b>": "one", f"{key}:2": "two"})
    listed = tab(f'conn["{key}')
    expect(listed.get_by_text(f"{key}:<b>1</b>")).to_be_visible()
    listed.get_by_text(f"{key}:<b>1</b>").click()
    screen.page.keyboard.type('"]["value"][0]')
    screen.page.keyboard.press("Control+Enter")
    expect(tab.cell.locator(".jp-OutputArea-output")).to_contain_text("one")
