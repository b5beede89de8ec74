"""`redisnb dashboard` in a browser: it follows the system's theme, and ends what no page shows."""

import json
from importlib.util import find_spec

import pytest

from tests.deadlines import deadline, until

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.long]

# As a user may set it, in the folder where the command is called.
SOON = {"MappingKernelManager": {"cull_idle_timeout": 10, "cull_interval": 1}}
GROUND = "() => getComputedStyle(document.body).backgroundColor"


@pytest.fixture
def app(screen, server, raw, missing, tmp_path):
    """The process of `redisnb dashboard`, and its address."""
    if find_spec("voila") is None:
        missing("browser", "the package voila is not installed")
    from tests.browser import elsewhere
    from tests.browser.airport import fill

    fill(raw)
    (tmp_path / "voila.json").write_text(json.dumps(SOON))
    allowed = list(screen.allowed)
    with elsewhere.app(tmp_path, server.url) as (process, address):
        screen.allowed.append(address.partition("?")[0])
        yield process, address
    assert screen.refused == []
    screen.allowed[:] = allowed


def kernel_of(page):
    return page.evaluate(
        "() => JSON.parse(document.getElementById('jupyter-config-data').text).kernelId"
    )


def kernels(process):
    """Return the kernels that run, by the names of their files."""
    from tests.browser.elsewhere import descendants

    commands = []
    for pid in descendants(process.pid):
        try:
            with open(f"/proc/{pid}/cmdline") as command:
                commands.append(command.read())
        except OSError:
            continue
    return [each for each in commands if "ipykernel" in each]


def test_what_no_page_shows_ends_and_a_page_is_as_dark_as_the_system(app, screen, expect, raw):
    from tests.browser.users import Mouse

    process, address = app
    complaints = []
    pages = [screen.page.context.new_page() for _ in range(2)]
    try:
        for page in pages:
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.goto(address)
        users = [Mouse(page, page, expect) for page in pages]
        for user in users:
            expect(user.listed("Needs a look", "check-in")).to_be_visible(timeout=deadline(60_000))
        shown, lost = map(kernel_of, pages)
        user, page = users[0], pages[0]
        user.line("Streams", "flights")
        user.tab("Replay")
        user.press("Use this stream")
        expect(page.get_by_text("1,200 entries;")).to_be_visible()
        user.write("or", "60x")
        user.press("Start")
        user.wait_for(lambda: raw.xlen("flights:replay"))

        panel = page.locator(".rp-panel")
        for scheme in ("dark", "light"):
            page.emulate_media(color_scheme=scheme)
            expect(panel).to_have_attribute("data-shade", scheme)
            assert (page.evaluate(GROUND) == "rgb(255, 255, 255)") == (scheme == "light")

        pages[1].close()
        until(lambda: not any(lost in each for each in kernels(process)), 60)
        # The one that a page shows goes on, and so does its replay; another waits for a page.
        assert any(shown in each for each in kernels(process))
        n = raw.xlen("flights:replay")
        user.wait_for(lambda: raw.xlen("flights:replay") > n)
        until(lambda: len(kernels(process)) == 2)
        assert complaints == []
    finally:
        for page in pages:
            page.close()
