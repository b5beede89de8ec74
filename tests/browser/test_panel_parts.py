"""The parts of panels in JupyterLab, as their user sees them: by mouse and by keyboard."""

import re

import pytest

pytestmark = pytest.mark.browser

DEMO = "from tests.panels.parts.demo import Demo\ndemo = Demo()\ndemo"
HOSTILE = "<img src=x onerror=window.pwned=1> $\\\\alpha$ \\u202e"


def rows(cell):
    return cell.get_by_role("grid", name="Entries").locator("tbody tr[data-at]")


def test_every_kind_is_drawn_and_accessible(run, expect, screen):
    from tests.browser import kit

    cell = run(DEMO)
    expect(rows(cell).first).to_contain_text("2013-01-01 10:15:00")
    expect(cell.get_by_role("heading", name="flights")).to_be_visible()
    expect(cell.get_by_role("option")).to_have_count(7)
    rows(cell).nth(3).click()
    expect(cell.get_by_role("group", name="Entry", exact=True)).to_contain_text('"B6"')
    cell.get_by_text("Columns 7 of 7").click()
    try:
        for theme in ("Light", "Dark"):
            kit.use_theme(screen, theme)
            kit.check_accessibility(screen)
            cell.get_by_role("tab", name="Everything else").click()
            cell.get_by_role("button", name="Fail").click()
            expect(cell.get_by_text("the server said no")).to_be_visible()
            kit.check_accessibility(screen)
            cell.get_by_role("tab", name="Browse").click()
    finally:
        kit.use_theme(screen, "Light")
    assert len(screen.page.locator(".rp-panel").all()) == 1


# As VS Code shows a panel: it names colours of its own, and paints white behind all widgets.
AS_IN_VS_CODE = """() => {
  const panel = document.querySelector(".jp-NotebookPanel:not(.lm-mod-hidden) .rp-panel");
  panel.parentElement.style.cssText = `background: white; --jp-layout-color1: initial;
    --jp-ui-font-color1: initial;
    --vscode-editor-background: #1e1e1e; --vscode-editor-foreground: #ccc`;
  document.body.dataset.vscodeThemeKind = "vscode-dark";
}"""


def test_the_ground_that_a_host_names_tells_dark_from_light(run, expect, screen):
    from tests.browser import kit

    cell = run(DEMO)
    panel = cell.locator(".rp-panel")
    expect(panel).to_have_attribute("data-shade", "light")
    try:
        screen.page.evaluate(AS_IN_VS_CODE)
        expect(panel).to_have_attribute("data-shade", "dark")
        kit.check_accessibility(screen)
    finally:
        screen.page.evaluate("() => { delete document.body.dataset.vscodeThemeKind; }")


def test_focus_selection_and_scroll_survive_many_patches(run, expect, screen):
    from tests.browser import kit

    cell = run(DEMO)
    page = screen.page
    expect(rows(cell).first).to_be_visible()
    scroll = cell.locator(".rp-scroll").first
    scroll.evaluate("each => { each.scrollTop = 4800; }")
    expect(cell.locator("tr[data-at='200'] td").first).to_contain_text("2013-01-01")
    where = cell.get_by_label("Where")
    where.focus()
    kit.in_kernel(screen, "demo.tick(30)")
    expect(cell.get_by_text("since you looked")).to_be_visible()
    for letter in "dep_delay > 60":
        page.keyboard.type(letter)
        page.wait_for_timeout(30)
    expect(where).to_be_focused()
    expect(where).to_have_value("dep_delay > 60")
    page.keyboard.press("Shift+Home")
    before = cell.get_by_text("since you looked").text_content()
    expect(cell.get_by_text("since you looked")).not_to_have_text(before)
    assert page.evaluate("() => getSelection().toString()") == "dep_delay > 60"
    assert scroll.evaluate("each => each.scrollTop") == 4800
    kit.in_kernel(screen, "demo.stop()")


def test_what_goes_away_passes_the_focus_on(run, expect, screen):
    from tests.browser import kit

    cell = run(DEMO)
    cell.get_by_role("tab", name="Everything else").click()
    cell.get_by_role("button", name="Work slowly").focus()
    kit.in_kernel(screen, "demo.slow.set(hidden=True)")
    expect(cell.get_by_role("button", name="Fail")).to_be_focused()
    kit.in_kernel(screen, "demo.fails.parent.fill(demo.off)")
    expect(cell.get_by_role("button", name="Delete", exact=True)).to_be_focused()
    # To what is before it, if nothing is behind it.
    kit.in_kernel(screen, "demo.root.fill(demo.trouble, demo.find, demo.off)")
    expect(cell.get_by_role("button", name="Delete", exact=True)).to_be_focused()
    kit.in_kernel(screen, "demo.off.set(hidden=True)")
    expect(cell.get_by_label("Find a stream")).to_be_focused()


def test_a_field_a_choice_and_a_list_by_keyboard(run, expect, screen):
    from tests.browser import kit

    cell = run(DEMO)
    page = screen.page
    cell.get_by_label("Find a stream").focus()
    page.keyboard.type("orders")
    expect(cell.get_by_role("option")).to_have_count(3)
    page.keyboard.press("Tab")
    for key in ("End", "ArrowUp", "Enter"):
        page.keyboard.press(key)
    expect(cell.get_by_role("heading", name="tenant:000:orders:created")).to_be_visible()
    expect(cell.get_by_role("option", selected=True)).to_have_count(1)
    page.keyboard.press("Tab")
    expect(cell.get_by_role("tab", name="Browse")).to_be_focused()
    cell.get_by_role("radio", name="All").focus()
    page.keyboard.press("ArrowLeft")
    expect(cell.get_by_role("radio", name="24 h")).to_have_attribute("aria-checked", "true")
    expect(cell.get_by_text("entries in the range match")).not_to_contain_text("20,000 of")
    page.keyboard.press("Tab")
    page.keyboard.type("nonsense >")
    page.keyboard.press("Enter")
    expect(cell.get_by_label("Where")).to_have_attribute("aria-invalid", "true")
    page.keyboard.press("Control+a")
    page.keyboard.type('carrier == "UA"')
    page.keyboard.press("Enter")
    expect(rows(cell).first).to_contain_text("UA")
    expect(cell.get_by_label("Where")).to_have_attribute("aria-invalid", "false")
    assert kit.in_kernel(screen, "demo.frame()['carrier'].unique().tolist()") == "['UA']"


def test_the_table_by_mouse(run, expect, screen, wait_until):
    from tests.browser import kit

    cell = run(DEMO)
    page = screen.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    expect(rows(cell).first).to_be_visible()
    for _ in range(2):
        cell.get_by_role("button", name="flight").click()
    header = cell.get_by_role("columnheader", name="flight")
    expect(header).to_have_attribute("aria-sort", "descending")
    expect(rows(cell).first).to_contain_text("6,055")
    cell.get_by_role("searchbox", name="Filter").fill("jfk")
    expect(cell.get_by_text("6,820 of 20,000 rows")).to_be_visible()
    rows(cell).nth(1).click()
    rows(cell).nth(4).click(modifiers=["Shift"])
    rows(cell).nth(6).click(modifiers=["Control"])
    expect(cell.get_by_text(", 5 selected")).to_be_visible()
    wait_until(lambda: kit.in_kernel(screen, "len(demo.grid.selected_rows())") == "5")
    cell.get_by_role("button", name="Copy TSV").click()
    expect(cell.get_by_text("Copied 5 rows as TSV")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()").splitlines()
    assert copied[0].startswith("entry_time\tcarrier\tflight")
    assert len(copied) == 6

    box = header.bounding_box()
    x, y = box["x"] + box["width"] - 3, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 80, y, steps=4)
    page.mouse.up()
    assert header.bounding_box()["width"] == pytest.approx(box["width"] + 80, abs=4)

    cell.get_by_text("Columns 7 of 7").click()
    cell.get_by_role("checkbox", name="Show dest").uncheck()
    expect(cell.get_by_role("columnheader", name="dest")).to_have_count(0)
    cell.get_by_role("checkbox", name="Freeze tailnum").check()
    expect(cell.get_by_role("columnheader").first).to_have_accessible_name("tailnum")
    scroll = cell.locator(".rp-scroll").first
    scroll.evaluate("each => { each.scrollLeft = 10000; }")
    left = cell.get_by_role("columnheader").first.bounding_box()["x"]
    assert left == pytest.approx(scroll.bounding_box()["x"], abs=2)


def test_the_table_by_keyboard(run, expect, screen, wait_until):
    from tests.browser import kit

    cell = run(DEMO)
    page = screen.page
    grid = cell.get_by_role("grid", name="Entries")
    expect(rows(cell).first).to_be_visible()
    grid.focus()
    page.keyboard.press("End")
    expect(rows(cell).last).to_have_attribute("aria-rowindex", "20001")
    expect(rows(cell).last).to_contain_text("2013-01-24")
    assert rows(cell).count() < 100
    for key in ("Home", "ArrowDown", "Shift+ArrowDown", "Shift+ArrowDown"):
        page.keyboard.press(key)
    expect(cell.get_by_text(", 3 selected")).to_be_visible()
    page.keyboard.press("Control+a")
    expect(cell.get_by_text(", 20,000 selected")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    expect(cell.get_by_text("Seen by check-in")).to_be_visible()
    wait_until(lambda: kit.in_kernel(screen, "len(demo.grid.selected_rows())") == "0")
    # What closes gives the focus back.
    cell.get_by_role("button", name="Close").focus()
    page.keyboard.press("Enter")
    expect(grid).to_be_focused()
    header = cell.get_by_role("button", name="carrier")
    header.focus()
    before = header.bounding_box()["width"]
    page.keyboard.press("Alt+ArrowRight")
    assert header.bounding_box()["width"] > before
    page.keyboard.press("ArrowRight")
    expect(cell.get_by_role("button", name="flight")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    expect(rows(cell).first).to_contain_text("9E")
    expect(header).to_be_focused()


def test_a_range_of_the_histogram(run, expect, screen):
    cell = run(DEMO)
    page = screen.page
    plot = cell.locator(".rp-histogram .rp-plot")
    expect(rows(cell).first).to_be_visible()
    box = plot.bounding_box()
    y = box["y"] + 40
    page.mouse.move(box["x"] + box["width"] * 0.25, y)
    expect(cell.locator(".rp-tip").first).to_have_text(
        re.compile(r"^2013-01-0\d \S+ to .*: \d+ entries$")
    )
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, y, steps=5)
    page.mouse.up()
    last = cell.get_by_role("slider", name="Last of the range")
    expect(last).to_have_attribute("aria-valuenow", "54")
    expect(rows(cell).first).to_contain_text("2013-01-07 02:20:00")
    last.focus()
    page.keyboard.press("End")
    expect(last).to_have_attribute("aria-valuenow", "108")
    page.keyboard.press("Escape")
    expect(rows(cell).first).to_contain_text("2013-01-01 10:15:00")
    expect(cell.locator(".rp-brush")).to_be_hidden()


def test_a_filter_is_completed_by_keyboard_and_by_mouse(run, expect, screen):
    cell = run(DEMO)
    page = screen.page
    where = cell.get_by_label("Where")
    words = cell.get_by_role("listbox", name="Suggestions")
    where.focus()
    page.keyboard.press("ArrowDown")
    expect(words.get_by_role("option")).to_have_count(8)
    page.keyboard.press("Escape")
    expect(words).to_be_hidden()
    page.keyboard.type("or")
    expect(words.get_by_role("option")).to_have_text("origincolumn")
    # Enter reads, unless an arrow key has gone into the list.
    for key in ("ArrowDown", "Tab"):
        page.keyboard.press(key)
    expect(where).to_be_focused()
    page.keyboard.type("= j")
    page.keyboard.press("ArrowDown")
    expect(where).to_have_attribute("aria-activedescendant", re.compile("-0$"))
    page.keyboard.press("Enter")
    expect(where).to_have_value("origin = 'JFK' ")
    page.keyboard.type("and carrier in (")
    words.get_by_role("option", name="'UA'").click()
    page.keyboard.type(", 'D")
    expect(words).to_be_visible()
    page.keyboard.type("L')")
    page.keyboard.press("Enter")
    expect(where).to_have_value("origin = 'JFK' and carrier in ('UA', 'DL')")
    expect(cell.get_by_text("1,412 of 20,000 entries in the range match")).to_be_visible()


def test_what_is_shown_is_taken_out(run, expect, screen, lab, wait_until):
    from tests.browser import kit

    cell = run("flights = 'mine'\n" + DEMO)
    page = screen.page
    where = cell.get_by_label("Where")
    where.fill("dep_delay > 60")
    where.press("Enter")
    expect(cell.get_by_text("1,062 of 20,000 entries in the range match")).to_be_visible()
    # By keyboard: the form has the focus, and gives it back.
    cell.get_by_role("button", name="To a variable").focus()
    page.keyboard.press("Enter")
    expect(cell.get_by_label("Variable")).to_be_focused()
    page.keyboard.press("Enter")
    expect(cell.get_by_text("There is a flights already, a str.")).to_be_visible()
    page.keyboard.press("Enter")
    expect(cell.get_by_text("flights = 1,062 rows x 7 columns. Go on")).to_be_visible()
    assert kit.in_kernel(screen, "flights['dep_delay'].min()") in ("61", "np.int64(61)")
    page.keyboard.press("Escape")
    expect(cell.get_by_role("button", name="To a variable")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    file = cell.get_by_label("File")
    expect(file).to_be_focused()
    # By mouse.
    cell.get_by_role("radio", name="JSON Lines").click()
    expect(file).to_have_value("flights.jsonl")
    with page.expect_download() as download:
        cell.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "flights.jsonl"
    lines = download.value.path().read_text().splitlines()
    assert len(lines) == 1062
    expect(cell.get_by_text("Downloaded flights.jsonl")).to_be_visible()
    cell.get_by_role("button", name="Save").click()
    expect(cell.get_by_text(f"Saved {lab.folder}/flights.jsonl")).to_be_visible()
    assert (lab.folder / "flights.jsonl").read_text().splitlines() == lines
    cell.get_by_role("button", name="Save").click()
    expect(cell.get_by_text("There is a file flights.jsonl already")).to_be_visible()
    kit.check_accessibility(screen)


def test_a_chart_tells_the_values_of_a_moment(run, expect, screen):
    cell = run(DEMO)
    page = screen.page
    cell.get_by_role("tab", name="Everything else").click()
    chart = cell.get_by_role("group", name="Rate")
    box = chart.locator(".rp-plot").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 89 * 30, box["y"] + 20)
    expect(chart.locator(".rp-tip")).to_have_text("12:00:30: all 1,127, matching 6 entries/s")
    page.mouse.move(0, 0)
    expect(chart.locator(".rp-tip")).to_be_hidden()
    slider = chart.get_by_role("slider")
    slider.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(slider).to_have_attribute(
        "aria-valuetext", re.compile("^12:00:01: all 1,291, matching 5")
    )


def test_no_key_reaches_the_notebook(run, expect, screen):
    cell = run(DEMO)
    rows(cell).nth(3).click()
    expect(cell.get_by_text("Seen by check-in")).to_be_visible()
    reached = cell.locator(
        ".rp-panel :is(button, input, select, textarea, summary, [tabindex='0'])"
    )
    n = 0
    for each in reached.all():
        if each.is_visible():
            n += 1
            each.focus()
            for key in ("Escape", "d", "d"):
                screen.page.keyboard.press(key)
    assert n > 20
    expect(cell.locator(".jp-CodeCell")).to_have_count(1)
    expect(cell.locator(".rp-panel")).to_be_visible()


def test_a_click_while_the_kernel_is_busy_is_queued_and_happens_once(run, expect, screen):
    from tests.browser import kit

    cell = run(DEMO)
    expect(rows(cell).first).to_be_visible()
    kit.evaluate(
        screen.page,
        """() => void jupyterapp.shell.currentWidget.sessionContext.session.kernel
          .requestExecute({ code: "import time\\nwhile not demo.go_on.wait(0.05): pass" })""",
    )
    kit.evaluate(screen.page, LOSSY)
    button = cell.get_by_role("button", name="Show them")
    button.click()
    button.click()
    expect(cell.get_by_text("Queued: the kernel is busy")).to_be_visible()
    expect(button).to_have_attribute("aria-busy", "true")
    kit.evaluate(screen.page, "() => lossless()")
    # The kernel may be so busy that only an interrupt frees it.
    kit.evaluate(
        screen.page,
        "() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.interrupt()",
    )
    expect(cell.get_by_text("Queued: the kernel is busy")).to_be_hidden()
    expect(button).to_have_attribute("aria-busy", "false")
    assert kit.in_kernel(screen, "demo.pressed") == "['show']"


CLEAR_OUTPUTS = "() => jupyterapp.commands.execute('notebook:clear-all-cell-outputs')"
# No act arrives, as where the kernel is busy.
LOSSY = """() => {
  const { send } = WebSocket.prototype;
  WebSocket.prototype.send = function (data) {
    const text = new TextDecoder().decode(data);
    if (text.includes('"comm_msg"')) return;
    return send.call(this, data);
  };
  window.lossless = () => { WebSocket.prototype.send = send; };
}"""


def test_one_bar_says_that_the_kernel_has_gone(run, expect, screen):
    cell = run(DEMO)
    expect(rows(cell).first).to_be_visible()
    screen.page.evaluate(
        "() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
    )
    gone = cell.get_by_text("The kernel has gone")
    expect(gone).to_be_visible()
    expect(gone).to_have_count(1)
    # The state that there was is none any more.
    expect(cell.get_by_text("ready", exact=True)).to_be_hidden()
    cell.get_by_role("button", name="Show them").click()
    expect(gone).to_be_visible()


def test_a_page_that_missed_patches_catches_up(run, expect, screen):
    from tests.browser import kit

    cell = run(DEMO, "import ipywidgets\nipywidgets.VBox([demo])")
    expect(cell.locator(".rp-panel")).to_have_count(2)
    rows(cell).nth(3).click()
    tree = cell.get_by_role("group", name="Entry", exact=True).first.locator("details").first
    tree.locator("summary").first.click()
    expect(tree).not_to_have_attribute("open", "")
    cell.get_by_label("Where").first.fill("typed")
    cell.locator(".rp-scroll").first.evaluate("each => { each.scrollTop = 4800; }")
    expect(cell.locator("tr[data-at='200'] td").first).to_contain_text("2013-01-01")
    kit.in_kernel(screen, "setattr(demo.channel, '_n', demo.channel._n + 7)")
    kit.in_kernel(screen, "demo.state.set(text='after a gap')")
    expect(cell.get_by_text("after a gap")).to_have_count(2)
    expect(cell.get_by_label("Where").first).to_have_value("typed")
    # What did not change stays as it is.
    expect(tree).not_to_have_attribute("open", "")
    expect(cell.locator("tr[data-at='200'] td").first).to_contain_text("2013-01-01")
    # Both views show what was typed in one of them.
    expect(cell.get_by_label("Where").last).to_have_value("typed")
    cell.get_by_role("tab", name="Everything else").first.click()
    expect(cell.get_by_role("tab", name="Everything else", selected=True)).to_have_count(2)


# What starts a model later than anywidget waits for it, as on a busy page.
_LATE = """() => {
  const timeout = AbortSignal.timeout;
  window.late = 0;
  window.inTime = () => { AbortSignal.timeout = timeout; };
  AbortSignal.timeout = () => {
    const controller = new AbortController();
    queueMicrotask(() => { window.late += 1; controller.abort(); });
    return controller.signal;
  };
}"""


def test_a_panel_that_starts_late_hears(run, expect, screen):
    from tests.browser import kit

    screen.page.evaluate(_LATE)
    try:
        cell = run(DEMO)
        expect(rows(cell).first).to_be_visible()
    finally:
        screen.page.evaluate("() => inTime()")
    assert screen.page.evaluate("() => window.late") == 1
    kit.in_kernel(screen, "demo.state.set(text='said later')")
    expect(cell.get_by_text("said later")).to_be_visible()
    cell.get_by_role("tab", name="Everything else").click()
    cell.get_by_role("button", name="Fail").click()
    expect(cell.get_by_text("the server said no")).to_be_visible()


_RECONNECT = """async () => {
  const { kernel } = jupyterapp.shell.currentWidget.sessionContext.session;
  await kernel.reconnect();
}"""
_SHOW_AGAIN = """async () => {
  jupyterapp.shell.currentWidget.content.activeCellIndex = 1;
  await jupyterapp.commands.execute("notebook:run-cell");
}"""


def test_a_view_made_after_the_page_has_connected_again_is_alive(run, expect, screen, wait_until):
    from tests.browser import kit

    cell = run(DEMO, "demo")
    panels = cell.locator(".rp-panel")
    expect(panels).to_have_count(2)
    screen.traffic.clear()
    kit.evaluate(screen.page, _RECONNECT)
    # Then the page gets the state of all widgets anew.
    wait_until(
        lambda: screen.page.evaluate("() => 1") and "update_states" in "".join(screen.traffic)
    )
    kit.evaluate(screen.page, _SHOW_AGAIN)
    expect(panels).to_have_count(2)
    for panel in panels.all():
        panel.get_by_role("tab", name="Everything else").click()
        panel.get_by_role("button", name="Fail").click()
        expect(panel.get_by_text("the server said no")).to_be_visible()
        panel.get_by_role("tab", name="Browse").click()
    kit.in_kernel(screen, "demo.state.set(text='said later')")
    expect(cell.get_by_text("said later")).to_have_count(2)


def test_hostile_content_is_text(run, expect, screen):
    from tests.browser import kit

    cell = run(DEMO)
    kit.in_kernel(
        screen,
        f"[part.set(text='{HOSTILE}') for part in (demo.title, demo.about, demo.finding)]",
    )
    kit.in_kernel(screen, f"demo.where.set(error='{HOSTILE}')")
    kit.in_kernel(screen, f"demo.json.set(value={{'{HOSTILE}': ['{HOSTILE}']}})")
    kit.in_kernel(
        screen,
        f"demo.grid.show(demo.flights.assign(tailnum='{HOSTILE}').rename(columns=dict(dest='{HOSTILE}')))",
    )
    expect(cell.get_by_role("heading", name="<img")).to_be_visible()
    expect(cell.get_by_role("gridcell", name="<img").first).to_contain_text("\\u202e")
    expect(cell.get_by_role("heading", name="<img")).to_contain_text("\\u202e")
    expect(cell.locator(".rp-panel img")).to_have_count(0)
    assert screen.page.evaluate("() => window.pwned") is None


def test_a_saved_notebook_shows_the_first_rows_of_the_last_stop(run, expect, screen, lab):
    from tests.browser import kit

    cell = run(DEMO)
    where = cell.get_by_label("Where")
    where.fill("dep_delay > 60")
    where.press("Enter")
    expect(cell.get_by_text("1,062 rows")).to_be_visible()
    expect(cell.get_by_text("rows, as of")).to_be_hidden()
    kit.in_kernel(screen, "demo.stop()")
    expect(cell.get_by_text("20 of 1,062 rows, as of")).to_be_attached()
    expect(where).to_be_focused()
    with kit.saved_and_opened_untrusted(screen, lab) as saved:
        expect(saved.get_by_text("20 of 1,062 rows, as of")).to_be_visible()
        expect(saved.locator("tbody tr")).to_have_count(20)
    kit.in_kernel(screen, "demo.close()")
    expect(cell.get_by_text("20 of 1,062 rows, as of")).to_be_visible()
    expect(cell.locator(".rp-panel")).to_have_count(0)


def test_what_repeats_ends_when_the_output_is_gone(run, expect, screen, wait_until):
    from tests.browser import kit

    cell = run("from redisnb.panels.parts import panel\n" + DEMO, "demo.repeat(lambda task: 0.05)")
    expect(rows(cell).first).to_be_visible()
    kit.in_kernel(screen, "setattr(panel, '_ALONE_FOR', 0.2)")
    kit.in_kernel(screen, "__import__('time').sleep(1)")
    assert kit.in_kernel(screen, "demo._repeating.is_busy") == "True"
    kit.evaluate(
        screen.page, "() => jupyterapp.commands.execute('notebook:clear-all-cell-outputs')"
    )
    wait_until(lambda: kit.in_kernel(screen, "demo._repeating.is_busy") == "False")
    kit.in_kernel(screen, "setattr(panel, '_ALONE_FOR', 60)")
