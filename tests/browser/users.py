"""Users of a panel who do the same in their own ways: by mouse alone, by keyboard alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Locator, Page

from tests.deadlines import until

#: Whether what has the focus is an element, or in it; in marimo both are in a shadow DOM.
_HAS_FOCUS = "each => each.contains(each.getRootNode().activeElement)"
_COMES_LATER = """each => {
  const at = each.getRootNode().activeElement;
  return !at || Boolean(at.compareDocumentPosition(each) & Node.DOCUMENT_POSITION_FOLLOWING);
}"""

_IS_LOST = "each => [null, document.body].includes(each.getRootNode().activeElement)"


class Mouse:
    """A user who clicks; only texts are typed."""

    name = "mouse"

    def __init__(self, page: Page, cell: Locator | Page, expect: Any) -> None:
        self.page, self.cell, self.expect = page, cell, expect

    def wait_for(self, condition: Callable[[], Any]) -> None:
        """Wait for something that is not on the page."""

        def is_there() -> Any:
            # The requests of the page go through this process, which has to attend to them.
            self.page.wait_for_timeout(20)
            return condition()

        until(is_there)

    def press(self, name: str) -> None:
        """Press a button."""
        self.button(name).click()

    def tab(self, name: str) -> None:
        """Choose a tab by the beginning of its name."""
        self._tab(name).click()

    def line(self, group: str, name: str) -> None:
        """Choose a line of the dashboard's list, by its heading and its name."""
        self.listed(group, name).click()

    def row(self, grid: str, at: int) -> None:
        """Choose a row of a table."""
        self.rows(grid).nth(at).click()

    def all_rows(self, grid: str) -> None:
        """Select all rows of a table."""
        self.rows(grid).first.click()
        self.rows(grid).last.click(modifiers=["Shift"])

    def write(self, label: str, text: str) -> None:
        """Write into a field, in place of what it has."""
        self._field(label).click(click_count=3)
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(text)

    def button(self, name: str) -> Locator:
        return self.cell.get_by_role("button", name=name, exact=True).filter(visible=True).first

    def _tab(self, name: str) -> Locator:
        tabs = self.cell.get_by_role("tab", name=name).filter(visible=True)
        return tabs.first

    def listed(self, group: str, name: str) -> Locator:
        listed = self.cell.get_by_role("listbox", name="Streams and keys")
        below = listed.locator(f'.rp-label:text-is("{group}") ~ [role=option]')
        return below.filter(has=self.page.locator(f'[title="{name}"]')).first

    def rows(self, grid: str) -> Locator:
        found = self.cell.get_by_role("grid", name=grid, exact=True).filter(visible=True)
        return found.locator("tbody tr[data-at]")

    def _field(self, label: str) -> Locator:
        return self.cell.get_by_label(label, exact=True).filter(visible=True).first


class Keyboard(Mouse):
    """A user without a mouse, who counts how often Tab or F6 is pressed."""

    name = "keyboard"

    def __init__(self, page: Page, cell: Locator | Page, expect: Any) -> None:
        super().__init__(page, cell, expect)
        #: What was reached, and by how many presses.
        self.presses: list[tuple[str, int]] = []

    def press(self, name: str) -> None:
        self._reach(self.button(name), name)
        self.page.keyboard.press("Enter")

    def tab(self, name: str) -> None:
        wanted = self._tab(name)
        self._reach(wanted.locator(".."), name, "F6")
        for _ in range(10):
            if wanted.evaluate(_HAS_FOCUS):
                return
            self.page.keyboard.press("ArrowRight")
        raise AssertionError(f"the tab {name} is not reached")

    def line(self, group: str, name: str) -> None:
        wanted = self.listed(group, name)
        listed = self.cell.get_by_role("listbox", name="Streams and keys")
        self._reach(listed, f"{group}: {name}", "F6")
        self.page.keyboard.press("Home")
        for _ in range(40):
            if listed.get_attribute("aria-activedescendant") == wanted.get_attribute("id"):
                self.page.keyboard.press("Enter")
                return
            self.page.keyboard.press("ArrowDown")
        raise AssertionError(f"the line {name} is not reached")

    def row(self, grid: str, at: int) -> None:
        self._go_to_grid(grid)
        for key in ("Home", *["ArrowDown"] * at, "Enter"):
            self.page.keyboard.press(key)

    def all_rows(self, grid: str) -> None:
        self._go_to_grid(grid)
        self.page.keyboard.press("Control+a")

    def write(self, label: str, text: str) -> None:
        self._reach(self._field(label), label)
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(text)

    def _go_to_grid(self, name: str) -> None:
        self.expect(self.rows(name).first).to_be_visible()
        self._reach(self.cell.get_by_role("grid", name=name, exact=True), name, "F6")

    def _reach(self, wanted: Locator, name: str, key: str = "Tab") -> None:
        """Press a key, or Shift and the key, until something has the focus."""
        wanted.wait_for()
        for n in range(60):
            if wanted.evaluate(_HAS_FOCUS):
                self.presses.append((name, n))
                return
            is_later = wanted.evaluate(_COMES_LATER)
            # What had the focus may be gone; Tab goes on from there.
            pressed = "Tab" if wanted.evaluate(_IS_LOST) else key
            self.page.keyboard.press(pressed if is_later else f"Shift+{pressed}")
        raise AssertionError(f"{name!r} is not reached")
