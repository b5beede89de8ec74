"""How a user of BrowsePanel finds the bad hour, in any host: by mouse alone, and by keyboard alone.

Each begins with the panel as it opens, and ends with a guilty entry in the drawer.
"""

from typing import Any

from playwright.sync_api import Locator, Page

from tests.deadlines import until
from tests.panels.browsing.bad_hour import GUILTY

#: The heights of the bars, as they are drawn.
_HEIGHTS = r"""svg => {
  const found = new Array(Number(svg.getAttribute("viewBox").split(" ")[2])).fill(0);
  const bars = svg.querySelector(".rp-bars").getAttribute("d");
  const each = bars.matchAll(/M([\d.]+) 100V([\d.]+)/g);
  for (const [, at, top] of each) found[Math.floor(at)] = 100 - top;
  return found;
}"""


def rows(cell: Locator | Page) -> Locator:
    return cell.get_by_role("grid", name="Entries").locator("tbody tr[data-at]")


def bars(cell: Locator | Page) -> list[float]:
    found: list[float] = cell.locator(".rp-plot svg").evaluate(_HEIGHTS)
    return found


def find_by_mouse(page: Page, cell: Locator | Page, expect: Any, guilty: int) -> None:
    expect(rows(cell).first).to_be_visible()
    plot = cell.locator(".rp-plot")
    expect(plot).to_be_visible()
    before = bars(cell)
    highest = before.index(max(before))
    _drag(page, plot, len(before), highest, highest + 1)
    expect(cell.get_by_role("textbox", name="From")).not_to_have_value("")
    cell.get_by_role("button", name="Zoom in").click()
    expect(cell.get_by_role("button", name="Zoom out")).to_be_visible()
    until(lambda: bars(cell) != before)
    finer = bars(cell)
    within = [i for i, height in enumerate(finer) if height > max(finer) / 8]
    _drag(page, plot, len(finer), within[0], within[-1] + 1)
    # The list below the field is for the mouse, too.
    cell.get_by_role("combobox", name="Filter").click()
    for word in ("source", "=", f"'{GUILTY}'"):
        cell.get_by_role("option", name=word).first.click()
    cell.get_by_role("button", name="Read").click()
    expect(cell.get_by_text(f", {guilty} match")).to_be_visible()
    rows(cell).nth(2).click()
    expect(cell.get_by_role("group", name="Entry", exact=True)).to_contain_text(GUILTY)
    expect(rows(cell).nth(2)).to_have_attribute("aria-selected", "true")


def find_by_keyboard(page: Page, cell: Locator | Page, expect: Any, guilty: int) -> None:
    press, typed = page.keyboard.press, page.keyboard.type
    expect(rows(cell).first).to_be_visible()
    expect(cell.locator(".rp-plot")).to_be_visible()
    cell.get_by_role("radio", name="All").focus()
    before = bars(cell)
    at, n = before.index(max(before)), len(before)
    tab_to(page, cell.get_by_role("slider", name="First"))
    for _ in range(at):
        press("ArrowRight")
    press("Tab")
    for _ in range((n - at - 1) // 10):
        press("Shift+ArrowLeft")
    for _ in range((n - at - 1) % 10):
        press("ArrowLeft")
    expect(cell.locator(".rp-tip")).to_contain_text(" entries")
    tab_to(page, cell.get_by_role("button", name="Zoom in"))
    press("Enter")
    until(lambda: bars(cell) != before)
    where = cell.get_by_role("combobox", name="Filter")
    tab_to(page, where, "Shift+Tab")
    typed("sou")
    for key in ("ArrowDown", "Enter"):
        press(key)
    typed("= ")
    typed("'kiosk-7")
    for key in ("ArrowDown", "Enter", "Enter"):
        press(key)
    expect(cell.get_by_text(f", {guilty} match")).to_be_visible()
    expect(where).to_be_focused()
    tab_to(page, cell.get_by_role("grid", name="Entries"))
    for key in ("ArrowDown", "ArrowDown", "Enter"):
        press(key)
    expect(cell.get_by_role("group", name="Entry", exact=True)).to_contain_text(GUILTY)
    expect(cell.get_by_role("grid", name="Entries")).to_be_focused()


def tab_to(page: Page, target: Locator, key: str = "Tab") -> None:
    """Press a key until the focus is where it should be."""
    target.wait_for()
    for _ in range(40):
        # In marimo it is in a shadow DOM.
        if target.evaluate("each => each === each.getRootNode().activeElement"):
            return
        page.keyboard.press(key)
    raise AssertionError(f"{target} is not reached by {key}")


def _drag(page: Page, plot: Locator, n: int, first: int, stop: int) -> None:
    box = plot.bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * (first - 0.3) / n, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * (stop + 0.3) / n, y, steps=5)
    page.mouse.up()
