"""The parts of panels in Voila and marimo, by mouse and by keyboard."""

from importlib.util import find_spec

import pytest

from tests.deadlines import deadline

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.long]

DEMO = "from tests.panels.parts.demo import Demo\ndemo = Demo()\ndemo.tick(20)\ndemo"
FOCUSED = """() => {
  let at = document.activeElement;
  while (at?.shadowRoot) at = at.shadowRoot.activeElement;
  return at?.getAttribute("placeholder");
}"""


@pytest.fixture(params=["voila", "marimo"])
def page(request, visit, missing, tmp_path):
    """A page of the demo in a host, and what it said on the console."""
    if find_spec(request.param) is None:
        missing("browser", f"the package {request.param} is not installed")
    from tests.browser import elsewhere

    host = {"voila": elsewhere.voila, "marimo": elsewhere.marimo}[request.param]
    with host(tmp_path, DEMO) as address:
        page = visit(address)
        yield page
        page.close()


def test_a_panel_works(page, expect, request):
    is_marimo = "marimo" in request.node.name
    first = page.locator("tr[data-at='0']").first
    expect(first).to_contain_text("2013-01-01 10:15:00", timeout=deadline(60_000))
    # A thread of the kernel reaches the page.
    expect(page.get_by_text("since you looked")).to_be_visible()
    page.locator("tr[data-at='4']").first.click()
    expect(page.get_by_text("Seen by check-in")).to_be_visible()
    page.get_by_label("Where").focus()
    page.keyboard.type("dep_delay > 60", delay=20)
    assert page.evaluate(FOCUSED) == 'carrier = "UA" and dep_delay > 60'
    page.keyboard.press("Enter")
    expect(page.get_by_text("1,062 of 20,000 entries in the range match")).to_be_visible()
    for key in ("Shift+Tab", "ArrowLeft"):
        page.keyboard.press(key)
    expect(page.get_by_role("radio", name="24 h")).to_have_attribute("aria-checked", "true")
    page.get_by_role("tab", name="Everything else").click()
    page.get_by_role("button", name="Fail").click()
    expect(page.get_by_text("the server said no")).to_be_visible()
    page.get_by_role("button", name="Dismiss").click()
    page.get_by_role("tab", name="Browse").click()
    page.get_by_role("button", name="To a variable").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Variable")).to_be_focused()
    page.keyboard.press("Enter")
    # Names belong to cells in marimo.
    said = (
        "write in another cell: flights = panel.frame()"
        if is_marimo
        else "Go on in a cell: flights.describe()"
    )
    expect(page.get_by_text(said)).to_be_visible()
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.path().read_text().startswith("entry_time,carrier,flight")
    expect(page.get_by_text("Downloaded flights.csv")).to_be_visible()
    expect(page.locator(".rp-bar")).to_be_empty()


def test_a_lost_kernel_is_told(page, expect):
    expect(page.locator("tr[data-at='0']").first).to_be_visible(timeout=deadline(60_000))
    # Nothing of what the page sends arrives any more; marimo tells a widget nothing of that.
    page.route("**/api/**", lambda _: None)
    page.evaluate("() => { WebSocket.prototype.send = () => {}; }")
    page.get_by_role("button", name="Show them").click()
    expect(page.get_by_text("Queued: the kernel is busy")).to_be_visible()
    expect(page.get_by_text("The kernel does not answer")).to_be_visible(timeout=deadline(40_000))
