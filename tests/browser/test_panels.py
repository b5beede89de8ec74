"""Panels as their user sees them: by role, name and text."""

import json

import pytest

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=window.pwned=1> $\\alpha$ </textarea><script>window.pwned=1</script>"
STREAM = """
import redisnb as rnb
stream = rnb.Stream(rnb.connect(), {key!r})
""".format


@pytest.fixture
def key(request, raw) -> str:
    key = request.node.name
    raw.delete(key)
    return key


def event(entry: tuple) -> dict:
    return json.loads(entry[1][b"payload"])


def test_publish_by_clicking(run, expect, raw, key):
    raw.xadd(key, {"payload": '{"item": "tea", "at": {"shop": 1}}'}, id="5-0")
    cell = run(STREAM(key=key), "rnb.panels.PublishPanel(stream)")
    field = cell.get_by_label("Event (JSON)")
    expect(field).to_have_value('{\n  "item": "tea",\n  "at": {\n    "shop": 1\n  }\n}')

    field.fill('{"item": "salt"}')
    cell.get_by_role("button", name="Publish").click()
    expect(cell.get_by_role("status")).to_contain_text("published ")
    [_, second] = raw.xrange(key)
    assert event(second) == {"item": "salt"}
    expect(cell.get_by_role("status")).to_contain_text(second[0].decode())


def test_what_is_no_json_is_kept_and_explained(run, expect, raw, key):
    cell = run(STREAM(key=key), "rnb.panels.PublishPanel(stream)")
    field = cell.get_by_label("Event (JSON)")
    field.fill('{"item": "tea",\n "amount" 2}')
    cell.get_by_role("button", name="Publish").click()
    expect(cell.get_by_role("alert")).to_contain_text("line 2, column 11")
    expect(field).to_have_value('{"item": "tea",\n "amount" 2}')
    assert raw.xlen(key) == 0

    field.fill('{"item": "tea",\n "amount": 2}')
    cell.get_by_role("button", name="Publish").click()
    expect(cell.get_by_role("status")).to_contain_text("published")
    expect(cell.get_by_role("alert")).to_be_empty()
    assert raw.xlen(key) == 1


def test_watch_stop_and_start(run, expect, raw, key):
    cell = run(STREAM(key=key), "rnb.panels.ConsumePanel(stream)")
    state, entries = cell.get_by_role("status"), cell.get_by_role("region", name="Entries")
    start, stop = (cell.get_by_role("button", name=name) for name in ("Start", "Stop"))
    expect(state).to_have_text("stopped")
    expect(stop).to_be_disabled()

    start.click()
    expect(state).to_have_text("reading")
    expect(start).to_be_disabled()
    raw.xadd(key, {"payload": '{"n": 1}'})
    expect(entries).to_contain_text("n=1")
    expect(cell.get_by_text("received 1 · handled 1 · failed 0")).to_be_visible()

    stop.click()
    expect(state).to_have_text("stopped")
    raw.xadd(key, {"payload": '{"n": 2}'})
    start.click()
    expect(state).to_have_text("reading")
    raw.xadd(key, {"payload": '{"n": 3}'})
    expect(entries.locator(".rnb-line").first).to_contain_text("n=3")
    expect(entries.locator(".rnb-line")).to_have_count(2)
    assert raw.xlen(key) == 3


def test_a_group_says_that_showing_acknowledges(run, expect, raw, key):
    raw.xgroup_create(key, "etl", id="0", mkstream=True)
    cell = run(STREAM(key=key), "rnb.panels.ConsumePanel(rnb.ConsumerGroup(stream, 'etl'))")
    expect(cell.get_by_text("each entry is acknowledged when it is shown here")).to_be_visible()
    cell.get_by_role("button", name="Start").click()
    raw.xadd(key, {"payload": '{"n": 1}'})
    expect(cell.get_by_text("handled 1")).to_be_visible()
    expect(cell.get_by_role("region", name="Entries")).to_contain_text("n=1")
    cell.get_by_role("button", name="Stop").click()
    expect(cell.get_by_role("status")).to_have_text("stopped")
    assert raw.xpending(key, "etl")["pending"] == 0


def test_hostile_content_is_text(run, expect, screen, raw, key):
    hostile_key = f"{key} {HOSTILE}"
    raw.delete(hostile_key)
    cell = run(
        STREAM(key=hostile_key),
        "rnb.panels.ConsumePanel(stream)",
        "rnb.panels.PublishPanel(stream)",
    )
    cell.get_by_role("button", name="Start").click()
    expect(cell.get_by_text("reading", exact=True)).to_be_visible()
    cell.get_by_label("Event (JSON)").fill(json.dumps({HOSTILE: HOSTILE}))
    cell.get_by_role("button", name="Publish").click()
    entries = cell.get_by_role("region", name="Entries")
    expect(entries).to_contain_text(f"{json.dumps(HOSTILE)}={json.dumps(HOSTILE)}")
    expect(cell.locator(".rnb-title").first).to_contain_text(HOSTILE.replace("\\", "\\\\"))

    raw.set(hostile_key, HOSTILE)
    cell.get_by_role("button", name="Publish").click()
    expect(cell.get_by_text("WRONGTYPE").last).to_be_visible()
    panels = cell.locator(".rnb-panel")
    expect(panels.locator("img, script, mjx-container, .MathJax")).to_have_count(0)
    assert screen.page.evaluate("window.pwned") is None


def test_a_cell_run_again_leaves_one_panel(run, expect, screen, raw, key):
    from tests.browser import kit

    cell = run(
        STREAM(key=key),
        "panel = rnb.panels.ConsumePanel(stream)\nrunning = panel.start()\npanel",
        "import threading",
    )
    for _ in range(3):
        kit.run_all(screen)
    expect(cell.get_by_role("status")).to_have_text("reading")
    names = "[t.name for t in threading.enumerate() if t.name.startswith('redisnb:')]"
    assert len(kit.in_kernel(screen, names).split(",")) == 2
    assert kit.in_kernel(screen, "rnb.stop_all()") == "None"
    expect(cell.get_by_role("status")).to_have_text("stopped")
    assert kit.in_kernel(screen, "panel") == f"ConsumePanel({key!r})"
