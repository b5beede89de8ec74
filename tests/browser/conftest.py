"""One JupyterLab and one page for all browser tests, and a notebook for each.

Nothing here imports playwright before it is known to be there.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec

import pytest

from tests.deadlines import deadline

# Not "session": playwright keeps an event loop running, which would break later tests.
SCOPE = "package"
FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed and call.when == "call":
        item.stash[FAILED] = True
    return report


@pytest.fixture(scope=SCOPE)
def lab(missing, server, tmp_path_factory) -> Iterator:
    for package in ("jupyterlab", "playwright", "axe_playwright_python"):
        if find_spec(package) is None:
            missing("browser", f"the package {package} is not installed")
    from tests.browser import kit

    if kit.find_chromium() is None:
        missing("browser", "there is no chromium on PATH")
    folder = tmp_path_factory.mktemp("notebooks")
    with kit.jupyterlab(folder, {"REDISNB_URL": server.url}) as lab:
        yield lab


@pytest.fixture(scope=SCOPE)
def screen(lab) -> Iterator:
    from tests.browser import kit

    with kit.chromium(lab, kit.find_chromium()) as screen:
        yield screen


@pytest.fixture(scope=SCOPE)
def expect(screen):
    """Wait until a condition holds on the page, up to 10 s."""
    from playwright.sync_api import expect

    expect.set_options(timeout=deadline(10_000))
    return expect


@pytest.fixture(scope="module")
def kernel(lab):
    """The kernel of a file's notebooks: starting one and importing everything takes two seconds."""
    from tests.browser import kit

    return kit.Kernel()


@pytest.fixture
def visit(screen) -> Iterator[Callable]:
    """``visit(address)`` opens a page of another host in which a panel is.

    Whatever becomes of the test, the page is closed then: open, it would go on asking its host.
    """
    allowed = list(screen.allowed)
    with ExitStack() as pages:

        def open_page(address: str):
            screen.allowed.append(address)
            page = pages.enter_context(screen.page.context.new_page())
            page.goto(address)
            return page

        yield open_page
    screen.allowed[:] = allowed
    screen.refused.clear()


@pytest.fixture
def key(request, raw) -> str:
    """A key of its own for each test, which does not exist yet."""
    key = request.node.name
    raw.delete(key, f"{key}:dead", f"{key}:dead:redrives")
    return key


@pytest.fixture
def run(request, lab, screen, kernel, tmp_path) -> Iterator[Callable]:
    """``run(*cells)`` runs them in a new notebook and returns its part of the page.

    After the test, nothing may have complained on the console or asked for another host.
    """
    from tests.browser import kit

    screen.refused.clear()
    with ExitStack() as opened:
        yield lambda *cells: opened.enter_context(
            kit.notebook(screen, lab, f"{request.node.name}.ipynb", *cells, kernel=kernel)
        )
        if request.node.stash.get(FAILED, False):
            path = tmp_path / "page.png"
            screen.page.screenshot(path=path)
            print(f"the page when it failed: {path}\n{kit.said(screen, lab)}")
    assert not screen.console
    assert not screen.refused
