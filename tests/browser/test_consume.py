"""ConsumePanel as its user sees it: by role, name and text."""

import json

import pytest

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=window.pwned=1> $\\alpha$ </textarea><script>window.pwned=1</script>"
STREAM = """
import redisnb as rnb
stream = rnb.Stream(rnb.connect(), {key!r})
""".format


def rows(cell):
    return cell.get_by_role("grid", name="Entries").locator("tbody tr[data-place]")


def state(cell):
    return cell.locator(".rnb-state")


def test_start_pause_and_stop(run, expect, screen, raw, key):
    from tests.browser import kit

    cell = run(STREAM(key=key), "panel = rnb.panels.ConsumePanel(stream)\npanel")
    expect(state(cell)).to_have_text("stopped")
    expect(cell.get_by_role("button", name="Stop")).to_be_disabled()
    kit.check_accessibility(screen)

    cell.get_by_role("button", name="Start").click()
    expect(state(cell)).to_have_text("reading")
    raw.xadd(key, {"payload": '{"n": 1}'})
    expect(rows(cell).first).to_contain_text("1")
    expect(cell.get_by_text("received 1 · handled 1 · failed 0")).to_be_visible()
    kit.use_theme(screen, "Dark")
    kit.check_accessibility(screen)
    kit.use_theme(screen, "Light")

    pause = cell.get_by_role("button", name="Pause")
    pause.click()
    expect(state(cell)).to_have_text("paused")
    expect(cell.get_by_role("button", name="Continue")).to_have_attribute("aria-pressed", "true")
    raw.xadd(key, {"payload": '{"n": 2}'})
    expect(cell.get_by_text("received 2 · handled 2 · failed 0")).to_be_visible()
    expect(rows(cell)).to_have_count(1)
    cell.get_by_role("button", name="Continue").click()
    expect(rows(cell)).to_have_count(2)

    cell.get_by_role("button", name="Stop").click()
    expect(state(cell)).to_have_text("stopped")
    raw.xadd(key, {"payload": '{"n": 3}'})
    assert kit.in_kernel(screen, "panel.frame()['n'].tolist()") == "[1, 2]"
    assert raw.xlen(key) == 3
    screen.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    cell.get_by_role("button", name="Copy as Python").click()
    expect(cell.get_by_text("copied", exact=True)).to_be_visible()
    copied = screen.page.evaluate("navigator.clipboard.readText()")
    assert f"rnb.Consumer(rnb.Stream(conn, {key!r}), print, start='new').start()" in copied


def test_rows_stay_in_view_after_scrolling(run, expect, screen, raw, key):
    """It also continues while a cell runs."""
    from tests.browser import kit

    cell = run(
        STREAM(key=key),
        "panel = rnb.panels.ConsumePanel(stream)\nrunning = panel.start()\npanel",
    )
    with raw.pipeline() as pipeline:
        for n in range(300):
            pipeline.xadd(key, {"payload": json.dumps({"n": n})})
        pipeline.execute()
    expect(cell.get_by_text("300 rows", exact=True)).to_be_visible()
    grid = cell.get_by_role("grid", name="Entries")
    grid.focus()
    for _ in range(3):
        screen.page.keyboard.press("PageDown")
    screen.page.keyboard.press(" ")
    chosen = cell.get_by_role("row", selected=True)
    expect(chosen).to_have_count(1)
    text, before = chosen.inner_text(), chosen.bounding_box()

    kit.in_kernel(
        screen,
        "[stream.add({'n': 1000 + i}) for i in range(12)] and __import__('time').sleep(1)",
    )
    expect(cell.get_by_role("button", name="12 new")).to_be_visible()
    expect(chosen).to_have_count(1)
    assert (chosen.inner_text(), chosen.bounding_box()) == (text, before)
    cell.get_by_role("button", name="12 new").click()
    expect(rows(cell).first).to_contain_text("1011")
    expect(cell.get_by_role("button", name="12 new")).to_be_hidden()


def test_an_entry_in_full_by_keyboard(run, expect, screen, raw, key):
    raw.xadd(key, {"payload": json.dumps({"item": {"name": "tea", "tags": [1, None]}})})
    cell = run(STREAM(key=key), "rnb.panels.ConsumePanel(stream)")
    page = screen.page
    cell.get_by_label("From").select_option("the first entry")
    cell.get_by_role("button", name="Start").focus()
    page.keyboard.press("Enter")
    expect(rows(cell)).to_have_count(1)
    cell.get_by_role("grid", name="Entries").focus()
    page.keyboard.press("Enter")
    tree = cell.get_by_role("group", name="Event")
    item = tree.locator("summary", has_text="item")
    expect(item).to_be_visible()
    expect(tree.get_by_text("name")).to_be_hidden()
    item.focus()
    page.keyboard.press("Enter")
    expect(tree.get_by_text('"tea"')).to_be_visible()
    cell.get_by_role("button", name="Raw bytes").focus()
    page.keyboard.press("Enter")
    expect(cell.get_by_role("region", name="Raw bytes")).to_contain_text("b'payload': b'{\"item\"")


def test_hostile_content_is_text(run, expect, screen, raw, key):
    hostile_key = f"{key} {HOSTILE}"
    raw.delete(hostile_key)
    raw.xadd(hostile_key, {"payload": json.dumps({HOSTILE: HOSTILE})})
    raw.xgroup_create(hostile_key, HOSTILE, id="0")
    cell = run(
        STREAM(key=hostile_key),
        f"group = rnb.ConsumerGroup(stream, {HOSTILE!r}, consumer={HOSTILE!r})\n"
        "def handle(entry):\n    raise ValueError(entry.event)\n"
        "rnb.panels.ConsumePanel(rnb.Consumer(group, handle))",
    )
    cell.get_by_role("button", name="Start").click()
    expect(rows(cell).first).to_contain_text("<img src=x onerror")
    expect(cell.get_by_role("columnheader", name=HOSTILE)).to_be_attached()
    expect(cell.get_by_text("The handler failed, last at")).to_contain_text("<img src=x")
    rows(cell).first.dblclick()
    expect(cell.get_by_role("group", name="Event")).to_contain_text("<script>")
    panels = cell.locator(".rnb-panel")
    expect(panels.locator("img, script, mjx-container, .MathJax")).to_have_count(0)
    assert screen.page.evaluate("window.pwned") is None


def test_a_cell_run_again_leaves_one_panel(run, expect, screen, raw, key, wait_until):
    from tests.browser import kit

    cell = run(
        STREAM(key=key),
        "panel = rnb.panels.ConsumePanel(stream)\nrunning = panel.start()\npanel",
        "import threading",
    )
    for _ in range(3):
        kit.run_all(screen)
    expect(state(cell)).to_have_text("reading")
    names = "[t.name for t in threading.enumerate() if t.name.startswith('redisnb:')]"
    wait_until(lambda: len(kit.in_kernel(screen, names).split(",")) == 2)
    assert kit.in_kernel(screen, "rnb.stop_all()") == "None"
    expect(state(cell)).to_have_text("stopped")
    assert kit.in_kernel(screen, "panel") == f"ConsumePanel({key!r})"


def test_an_untrusted_notebook_shows_the_snapshot(run, expect, screen, lab, raw, key):
    from tests.browser import kit

    raw.xadd(key, {"payload": '{"item": "tea"}'})
    run(
        STREAM(key=key),
        "panel = rnb.panels.ConsumePanel(rnb.Consumer(stream, print, start='all'))\n"
        "running = panel.start()\nimport time\n"
        "while not len(panel.frame()): time.sleep(0.05)",
        "panel",
    )
    with kit.saved_and_opened_untrusted(screen, lab) as cell:
        expect(cell.locator("table")).to_contain_text("tea")
        expect(cell.get_by_text("1 of 1 rows, when this was saved")).to_be_visible()
        expect(cell.locator(".rnb-panel")).to_have_count(0)


def test_a_click_while_a_cell_runs(run, expect, screen, raw, key, wait_until):
    """If the kernel is too busy to answer, the page says so; the action is done once."""
    from tests.browser import kit

    cell = run(STREAM(key=key), "panel = rnb.panels.ConsumePanel(stream)\npanel")
    waits = kit.in_kernel(screen, "__import__('ipykernel').version_info[0] < 7") == "True"
    screen.page.evaluate(
        """() => { const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
        window.slow = kernel.requestExecute({ code: "import time; time.sleep(2)" }).done; }"""
    )
    start = cell.get_by_role("button", name="Start")
    start.click()
    if waits:
        expect(start).to_have_attribute("aria-busy", "true")
        expect(cell.get_by_text("queued: waits for the kernel")).to_be_visible()
        start.click()
    expect(state(cell)).to_have_text("reading")
    expect(cell.get_by_text("queued: waits for the kernel")).to_be_hidden()
    screen.page.evaluate("() => window.slow")
    names = "[t.name for t in __import__('threading').enumerate() if 'redisnb:' in t.name]"
    wait_until(lambda: len(kit.in_kernel(screen, names).split(",")) == 2)
