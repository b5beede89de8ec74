"""The dashboard: a first visit by mouse, the same by keyboard, and alone under Voila."""

import contextlib
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from importlib.util import find_spec

import pytest

from tests.deadlines import deadline

pytestmark = pytest.mark.browser

DASHBOARD = "import redisnb as rnb\nboard = rnb.panels.dashboard(rnb.connect())\nboard"
# An hour of events.
FIRST, LAST = 1_700_000_000_000, 1_700_003_600_000


@pytest.fixture
def orders(raw):
    """A stream with an hour of events, and a group with a dead consumer that holds some of them."""
    raw.flushall()
    for i in range(7):
        event = {"item": "tea", "n": i}
        raw.xadd("orders", {"payload": json.dumps(event)}, id=FIRST + i * (LAST - FIRST) // 6)
    raw.xgroup_create("orders", "etl", id="0")
    raw.xreadgroup("etl", "dead", {"orders": ">"}, count=3)
    # The state an hour later.
    pending = [each["message_id"] for each in raw.xpending_range("orders", "etl", "-", "+", 9)]
    raw.xclaim("orders", "etl", "dead", 0, pending, idle=3_600_000, justid=True)
    return raw


def test_a_first_visit_by_mouse(run, expect, screen, orders):
    from tests.browser import kit

    cell = run(DASHBOARD)
    cell.get_by_role("gridcell", name="orders", exact=True).click()

    # To publish an event...
    cell.get_by_label("Value").nth(1).fill("42")
    cell.get_by_role("button", name="Publish", exact=True).click()
    expect(cell.get_by_text(re.compile(r"published \d+-\d")).first).to_be_visible()
    assert json.loads(orders.xrevrange("orders", count=1)[0][1][b"payload"])["n"] == 42

    # ... to watch it arrive...
    cell.get_by_role("tab", name="Consume").click()
    cell.get_by_label("From").select_option("the first entry")
    cell.get_by_role("button", name="Start").click()
    entries = cell.get_by_role("grid", name="Entries")
    expect(entries.locator("tbody tr[data-place]")).to_have_count(8)
    expect(entries.locator("tbody tr[data-place]").first).to_contain_text("42")

    # ... to find out why a group is stuck, and free it...
    cell.get_by_role("tab", name="Groups").click()
    expect(cell.get_by_text("'dead' holds 3")).to_be_visible()
    pending = cell.get_by_role("grid", name="Pending entries").locator("tbody tr[data-place]")
    pending.first.click()
    pending.last.click(modifiers=["Shift"])
    cell.get_by_role("button", name="Claim").click()
    expect(cell.get_by_text("3 of 3 claimed")).to_be_visible()
    cell.get_by_role("button", name="Acknowledge").click()
    expect(cell.get_by_role("grid", name="Pending entries")).to_be_hidden()
    assert orders.xpending("orders", "etl")["pending"] == 0

    # ... and to replay an hour ten times as fast, or faster.
    cell.get_by_role("tab", name="Replay").click()
    cell.get_by_label("Until").fill(str(LAST))
    cell.get_by_label("Speed").select_option("10x")
    cell.get_by_role("button", name="Dry run").click()
    expect(cell.get_by_text("1 h of events")).to_contain_text("takes 6 min at 10x")
    cell.get_by_label("Speed").select_option("as fast as possible")
    cell.get_by_role("button", name="Start").click()
    expect(cell.locator(".rnb-state").last).to_have_text("finished")
    assert orders.xlen("orders:replay") == 7
    kit.check_accessibility(screen)


def test_a_first_visit_by_keyboard(run, expect, screen, orders):
    cell = run(DASHBOARD)
    keyboard = screen.page.keyboard

    def reach(wanted, key="Tab"):
        """Press Tab until an element has the focus, as a keyboard user does."""
        for _ in range(60):
            if wanted.evaluate("each => each === document.activeElement"):
                return
            keyboard.press(key)
        raise AssertionError("the keyboard does not get there")

    streams = cell.get_by_role("grid", name="Streams")
    # Without a row there is nothing to select by keyboard.
    expect(streams.get_by_role("gridcell").first).to_be_visible()
    streams.focus()
    keyboard.press(" ")
    value = cell.get_by_label("Value").nth(1)
    expect(value).to_be_visible()
    reach(value)
    keyboard.press("Control+a")
    keyboard.type("42")
    keyboard.press("Control+Enter")
    expect(cell.get_by_text(re.compile(r"published \d+-\d")).first).to_be_visible()

    reach(cell.get_by_role("tab", name="Publish"), "Shift+Tab")
    keyboard.press("ArrowRight")
    start = cell.get_by_role("button", name="Start")
    expect(start).to_be_visible()
    reach(start)
    keyboard.press("Enter")
    expect(cell.locator(".rnb-state").last).to_have_text("reading")

    reach(cell.get_by_role("tab", name="Consume"), "Shift+Tab")
    keyboard.press("ArrowRight")
    pending = cell.get_by_role("grid", name="Pending entries")
    expect(pending).to_be_visible()
    reach(pending)
    keyboard.press("Control+a")
    acknowledge = cell.get_by_role("button", name="Acknowledge")
    expect(acknowledge).to_be_enabled()
    reach(acknowledge)
    keyboard.press("Enter")
    expect(pending).to_be_hidden()
    assert orders.xpending("orders", "etl")["pending"] == 0

    reach(cell.get_by_role("tab", name="Groups"), "Shift+Tab")
    keyboard.press("ArrowRight")
    speed = cell.get_by_label("Speed")
    expect(speed).to_be_visible()
    reach(speed)
    keyboard.type("as fast")
    reach(cell.get_by_role("button", name="Start"))
    keyboard.press("Enter")
    expect(cell.locator(".rnb-state").last).to_have_text("finished")
    assert orders.xlen("orders:replay") == 8


def test_it_fits_a_narrow_page_in_both_themes(run, expect, screen, orders):
    from tests.browser import kit

    cell = run(DASHBOARD)
    page = screen.page
    size = page.viewport_size
    cell.get_by_role("gridcell", name="orders", exact=True).click()
    try:
        page.set_viewport_size({"width": 560, "height": 900})
        kit.evaluate(page, "() => jupyterapp.commands.execute('application:toggle-left-area')")
        tabs = ("Publish", "Consume", "Groups", "Replay", "Keys")
        for theme, tab in itertools.product(("Dark", "Light"), tabs):
            if tab == tabs[0]:
                kit.use_theme(screen, theme)
            cell.get_by_role("tab", name=tab).click()
            expect(cell.locator(".rnb-panel .rnb-panel .rnb-title").first).to_be_visible()
            kit.check_accessibility(screen, 2)
            # Otherwise "d d" would delete the cell; test_table tests this with real keys.
            assert not page.evaluate(
                """() => [...document.querySelectorAll(
                  ".rnb-panel :is(button, input, select, textarea, summary, [tabindex='0'])")]
                  .filter(each => !("lmSuppressShortcuts" in each.dataset))
                  .map(each => each.outerHTML)"""
            )
            cut = page.evaluate(
                """() => {
                  const right = document.querySelector(".rnb-panel").getBoundingClientRect().right;
                  return [...document.querySelectorAll(
                    ".rnb-panel :is(button, input, select, .rnb-title, .rnb-note, .rnb-state)")]
                    .filter(each => !each.closest(".rnb-scroll"))
                    .filter(each => each.getBoundingClientRect().right > right)
                    .map(each => each.outerHTML)}"""
            )
            assert not cut
    finally:
        kit.evaluate(page, "() => jupyterapp.commands.execute('application:toggle-left-area')")
        page.set_viewport_size(size)


@contextlib.contextmanager
def voila(url):
    """Run `redisnb dashboard` until its address is printed, and yield that."""
    process = subprocess.Popen(
        [sys.executable, "-m", "redisnb", "dashboard", "--no-browser"],
        env={**os.environ, "REDISNB_URL": url, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said = []
    try:
        for line in process.stdout:
            said.append(line)
            if found := re.search(r"http://127\.0\.0\.1:\d+/\S*token=\S+", line):
                break
        else:
            raise AssertionError("".join(said))
        yield found[0]
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=deadline(20))


def test_alone_under_voila(screen, expect, server, orders, missing):
    if find_spec("voila") is None:
        missing("browser", "the package voila is not installed")
    with voila(server.url) as address:
        root = address.partition("?")[0].rstrip("/")
        wait_until_it_listens(address)
        # Without the token there is no access: the page asks for it.
        with urllib.request.urlopen(root, timeout=10) as reply:
            assert "login" in reply.geturl()
        screen.allowed.append(root)
        page = screen.page.context.new_page()
        complaints = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        try:
            page.goto(address)
            page.get_by_role("gridcell", name="orders", exact=True).click(timeout=deadline(30_000))
            page.get_by_role("button", name="Publish", exact=True).click()
            expect(page.get_by_text(re.compile(r"published \d+-\d")).first).to_be_visible()
            assert orders.xlen("orders") == 8
            assert not complaints
            assert screen.refused == []
        finally:
            page.close()
            screen.allowed.remove(root)


def wait_until_it_listens(address):
    end = time.monotonic() + deadline(30)
    while time.monotonic() < end:
        with contextlib.suppress(ConnectionRefusedError, urllib.error.URLError):
            urllib.request.urlopen(address, timeout=30).read()
            return
        time.sleep(0.1)
    raise AssertionError("it does not listen")
