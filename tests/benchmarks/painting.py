"""From the run of a cell to a panel that the page has painted, in JupyterLab and in Voila."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import redisnb
from tests.benchmarks import figures
from tests.benchmarks.workload import Bench, LeftOut, Measured, Variant, Workload

SETUP = """import ipywidgets, redisnb
stream = redisnb.Stream(redisnb.connect({url!r}), "painted")
{warm}"""
#: What is displayed, and what of it has to be there.
PANEL, PAINTED = "redisnb.panels.browse(stream)", ".rp-panel [role=grid]"
LABEL, LABEL_PAINTED = 'ipywidgets.Label("painted")', ".widget-label"
ENTRIES = 20_000

# From the command until a frame in which the element has its size, in milliseconds.
RUN = """async selector => {
  const { content } = jupyterapp.shell.currentWidget;
  const cell = content.widgets.at(-1);
  cell.model.clearExecution();
  content.activeCellIndex = content.widgets.length - 1;
  const frame = () => new Promise(requestAnimationFrame);
  const painted = () => cell.node.querySelector(selector)?.getBoundingClientRect().height > 0;
  await frame();
  const begin = performance.now();
  jupyterapp.commands.execute("notebook:run-cell");
  while (!painted()) await frame();
  await frame();
  return performance.now() - begin;
}"""


@contextmanager
def panel_painted(bench: Bench) -> Iterator[Workload]:
    """Display a panel in an open notebook of JupyterLab, beside a widget that is one label."""
    kit = _kit()
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        _fill(bench)
        lab = opened.enter_context(kit.jupyterlab(folder, {}))
        screen = opened.enter_context(kit.chromium(lab, kit.find_chromium()))

        def run(shown: str, selector: str) -> Callable[[], Measured]:
            name = f"{selector.strip('.').split()[0]}.ipynb"

            def run() -> Measured:
                cells = SETUP.format(url=bench.url, warm=""), shown
                with kit.notebook(screen, lab, name, *cells):
                    # The second time: the first one loads what the page keeps.
                    times = [kit.evaluate(screen.page, RUN, selector) for _ in range(3)]
                return Measured(min(times) / 1000)

            return run

        yield Workload(
            [
                Variant(
                    f"BrowsePanel of {ENTRIES:,} entries, run to painted in JupyterLab",
                    run(PANEL, PAINTED),
                    _took,
                    1,
                    targets=(figures.seconds(0.2),),
                ),
                Variant("a Label of ipywidgets", run(LABEL, LABEL_PAINTED), _took, 1, role="idiom"),
            ],
            by_median=True,
        )


@contextmanager
def panel_voila(bench: Bench) -> Iterator[Workload]:
    """Open a page of Voila with a panel, and one with a label, each with a kernel of its own."""
    kit = _kit()
    if find_spec("voila") is None:
        raise LeftOut("it needs Voila")
    from playwright.sync_api import sync_playwright

    from tests.browser import elsewhere

    with ExitStack() as opened:
        _fill(bench)
        playwright = opened.enter_context(sync_playwright())
        browser = playwright.chromium.launch(
            executable_path=kit.find_chromium(), args=kit.CHROMIUM_FLAGS
        )
        opened.callback(browser.close)

        def run(shown: str, selector: str) -> Callable[[], Measured]:
            folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
            cell = SETUP.format(url=bench.url, warm=shown)
            address = opened.enter_context(elsewhere.voila(folder, cell))

            def run() -> Measured:
                page = browser.new_page()
                page.goto(address, wait_until="commit")
                page.locator(selector).first.wait_for(timeout=60_000)
                milliseconds = page.evaluate(
                    "() => new Promise(requestAnimationFrame).then(() => performance.now())"
                )
                page.close()
                return Measured(milliseconds / 1000)

            return run

        yield Workload(
            [
                Variant(
                    "a page of Voila with BrowsePanel",
                    run(PANEL, PAINTED),
                    _took,
                    1,
                    targets=(figures.beyond_idiom(0.3),),
                ),
                Variant(
                    "a page of Voila with a Label",
                    run(LABEL, LABEL_PAINTED),
                    _took,
                    1,
                    role="idiom",
                ),
            ],
            least_repeats=5,
            by_median=True,
        )


def _kit() -> Any:
    for package in ("jupyterlab", "playwright", "axe_playwright_python"):
        if find_spec(package) is None:
            raise LeftOut(f"it needs {package}: the extra test")
    from tests.browser import kit

    if kit.find_chromium() is None:
        raise LeftOut("it needs chromium on PATH")
    return kit


def _fill(bench: Bench) -> None:
    with redisnb.connect(bench.url) as conn:
        stream = redisnb.Stream(conn, "painted")
        if not len(stream):
            departures = redisnb.flights(bench.at_most(ENTRIES))
            stream.add_many(departures, ids=departures.index)


def _took(measured: Measured) -> None:
    assert measured.seconds > 0
