"""The replay panel, as its user sees it."""

import pytest

from tests.replaying import add, fields, numbers

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=window.pwned=1> $\\alpha$ <script>window.pwned=1</script>"
FIRST = 1_700_000_000_000
PANEL = """
import redisnb as rnb
conn = rnb.connect()
panel = rnb.panels.ReplayPanel(rnb.Stream(conn, {key!r}), rnb.Stream(conn, {key!r} + " again"))
panel
""".format


@pytest.fixture
def key(key, raw) -> str:
    """A stream of ten entries, 10 s apart, and no replay of it yet."""
    raw.delete(f"{key} again")
    add(raw, key, [(f"{FIRST + 10_000 * i}-0", fields(i)) for i in range(10)])
    return key


def button(cell, name):
    return cell.get_by_role("button", name=name, exact=True)


def state(cell):
    return cell.locator(".rnb-state")


def test_look_first_and_then_start(run, expect, screen, raw, key):
    from tests.browser import kit

    cell = run(PANEL(key=key))
    expect(state(cell)).to_have_text("ready")
    expect(cell.get_by_text("A dry run shows here what would be sent.")).to_be_visible()
    cell.get_by_label("Speed").select_option("10x")
    button(cell, "Dry run").click()
    expect(cell.get_by_text("10 entries")).to_contain_text(
        "1 min 30 s of events, 2023-11-14 22:13:20 to 2023-11-14 22:14:50 · takes 9.0 s at 10x"
    )
    expect(state(cell)).to_have_text("ready")
    assert not raw.exists(f"{key} again")

    button(cell, "Start").click()
    expect(state(cell)).to_have_text("running")
    expect(button(cell, "Start")).to_be_disabled()
    button(cell, "Pause").click()
    expect(state(cell)).to_have_text("paused")
    expect(button(cell, "Continue")).to_have_attribute("aria-pressed", "true")
    cell.get_by_label("Entries per step").fill("2")
    button(cell, "Step").click()
    expect(cell.get_by_text("3 of 10 entries · at 2023-11-14 22:13:40")).to_be_visible()
    expect(cell.get_by_role("progressbar", name="Progress")).to_have_js_property("value", 222)
    expect(cell.get_by_role("grid", name="Added last").locator("tbody tr").first).to_contain_text(
        "3"
    )
    kit.check_accessibility(screen)
    kit.use_theme(screen, "Dark")
    kit.check_accessibility(screen)
    kit.use_theme(screen, "Light")

    # The remaining gap is one second, and then there is none.
    cell.get_by_label("Speed").select_option("as fast as possible")
    # The time left is gone once the new speed has come: until then a click may find it busy.
    expect(cell.get_by_text("3 of 10 entries · at 2023-11-14 22:13:40", exact=True)).to_be_visible()
    expect(state(cell)).to_have_text("paused")
    button(cell, "Continue").click()
    expect(state(cell)).to_have_text("finished")
    expect(cell.get_by_text("10 of 10 entries")).to_be_visible()
    expect(button(cell, "Start again")).to_be_enabled()
    assert numbers(raw, f"{key} again") == list(range(10))


def test_by_keyboard_alone(run, expect, screen, raw, key):
    cell = run(PANEL(key=key))
    keyboard = screen.page.keyboard
    cell.get_by_label("From").focus()
    keyboard.type(f"{FIRST + 20_000}")
    keyboard.press("Tab")
    keyboard.type("2023-11-14 22:14:30")
    # Typed text counts even if a button is pressed right after.
    keyboard.press("Control+Enter")
    expect(cell.get_by_text("6 entries")).to_contain_text("takes 50.0 s at 1x")
    expect(state(cell)).to_have_text("ready")

    button(cell, "Start").focus()
    keyboard.press("Enter")
    expect(state(cell)).to_have_text("running")
    for name in ("Start", "Pause", "Stop", "Step", "Seek"):
        button(cell, name).focus()
        keyboard.press("d")
        keyboard.press("d")
    button(cell, "Pause").focus()
    keyboard.press("Space")
    expect(state(cell)).to_have_text("paused")
    keyboard.press("Tab")
    expect(button(cell, "Stop")).to_be_focused()
    cell.get_by_label("Seek to").focus()
    keyboard.type(f"{FIRST + 60_000}")
    keyboard.press("Tab")
    keyboard.press("Enter")
    expect(cell.get_by_text("2 entries")).to_be_visible()
    expect(state(cell)).to_have_text("paused")
    # It reads the range before it can step.
    expect(button(cell, "Step")).not_to_have_attribute("aria-disabled", "true")
    button(cell, "Step").focus()
    keyboard.press("Enter")
    expect(cell.get_by_text("1 of 2 entries")).to_be_visible()
    assert numbers(raw, f"{key} again") == [2, 6]
    button(cell, "Stop").focus()
    keyboard.press("Enter")
    expect(state(cell)).to_have_text("stopped")
    expect(cell.get_by_text(f"Continue resumes after {FIRST + 60_000}-0")).to_be_visible()


def test_errors_are_shown_where_they_occur(run, expect, raw, key):
    cell = run(PANEL(key=key))
    cell.get_by_label("From").fill("noon")
    button(cell, "Start").click()
    expect(cell.get_by_text("'noon' is neither an entry ID nor a time")).to_be_visible()
    expect(cell.get_by_label("From")).to_have_attribute("aria-invalid", "true")
    expect(state(cell)).to_have_text("ready")
    cell.get_by_label("From").fill("")
    cell.get_by_label("Longest gap").fill("soon")
    button(cell, "Dry run").click()
    expect(cell.get_by_text("'soon' is not a duration")).to_be_visible()
    expect(cell.get_by_text("'noon' is neither")).to_have_count(0)
    cell.get_by_label("Longest gap").fill("1ms")
    cell.get_by_label("Longest gap").blur()
    expect(cell.get_by_text("'soon' is not a duration")).to_have_count(0)
    expect(button(cell, "Start")).to_be_enabled()

    raw.set(f"{key} again", "text")
    button(cell, "Start").click()
    expect(cell.get_by_role("alert").filter(has_text="WRONGTYPE")).to_be_visible()
    expect(state(cell)).to_have_text("failed")
    raw.delete(f"{key} again")
    button(cell, "Retry").click()
    expect(state(cell)).to_have_text("finished")
    expect(cell.get_by_role("alert").filter(has_text="WRONGTYPE")).to_have_count(0)
    assert numbers(raw, f"{key} again") == list(range(10))


def test_hostile_content_is_text(run, expect, screen, raw, key):
    hostile = f"{key} {HOSTILE}"
    raw.delete(hostile, f"{hostile} again")
    raw.copy(key, hostile)
    cell = run(PANEL(key=hostile))
    expect(cell.get_by_role("heading")).to_contain_text(HOSTILE.replace("\\", "\\\\"))
    button(cell, "Dry run").click()
    expect(cell.get_by_role("gridcell", name=HOSTILE).first).to_be_visible()
    expect(state(cell)).to_have_text("ready")
    cell.get_by_label("From").fill(HOSTILE)
    cell.get_by_label("Seek to").fill(HOSTILE)
    button(cell, "Seek").click()
    expect(cell.get_by_text("is neither an entry ID nor a time")).to_have_count(2)
    cell.get_by_label("From").fill("")
    raw.set(f"{hostile} again", HOSTILE)
    button(cell, "Start").click()
    expect(cell.get_by_role("alert").filter(has_text="WRONGTYPE")).to_contain_text("<img src=x")
    panel = cell.locator(".rnb-panel")
    expect(panel.locator("img, script, mjx-container, .MathJax")).to_have_count(0)
    assert screen.page.evaluate("window.pwned") is None


def test_a_cell_run_again_leaves_one_replay(run, expect, screen, raw, key, wait_until):
    from tests.browser import kit

    cell = run(PANEL(key=key) + "\npanel.start()\npanel", "import threading")
    for _ in range(3):
        expect(state(cell)).to_have_text("running")
        kit.run_all(screen)
    expect(cell.get_by_text("1 of 10 entries")).to_be_visible()
    running = "sum(t.name.startswith('redisnb:') for t in threading.enumerate())"
    # The replay's thread and the panel's; earlier ones may be about to end.
    wait_until(lambda: kit.in_kernel(screen, running) == "2")
    assert kit.in_kernel(screen, "rnb.stop_all()") == "None"
    expect(state(cell)).to_have_text("stopped")
    wait_until(lambda: kit.in_kernel(screen, running) == "0")
    assert set(numbers(raw, f"{key} again")) == {0}
