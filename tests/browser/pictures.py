"""Pictures of the panels for the README, in both themes.

    python -m tests.browser.pictures [FOLDER]

writes groups-light.png and so on into FOLDER, by default notebooks/pictures.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.browser import kit

FOLDER = Path(__file__).parents[2] / "notebooks/pictures"
SIZE = {"width": 1180, "height": 1400}
# A day of flights, and a group with consumers that have fallen behind.
DATA = """
import redisnb as rnb
conn = rnb.connect()
flights = rnb.Stream(conn, "flights")
day = rnb.flights().head(800)
_ = flights.add_many(day, ids=day.index.get_level_values(0).as_unit("ms"))
group = rnb.ConsumerGroup(flights, "check-in", consumer="ann")
_ = group.create("all")
_ = group.ack(group.read(300))
_ = group.read(120)
_ = rnb.ConsumerGroup(flights, "check-in", consumer="bob").read(30)
_ = conn.client.xclaim("flights", "check-in", "ann", 0,
                       [each["message_id"] for each in conn.client.xpending_range(
                           "flights", "check-in", "-", "+", 120, "ann")],
                       idle=2_520_000, retrycount=3)
_ = rnb.Cache(conn).set("delays:UA", day[day["carrier"] == "UA"], ttl="1h")
"""
BOARD = "board = rnb.panels.dashboard(conn)\nboard"
PAST = """past = rnb.panels.browse(flights)
past.show_range("2013-01-01 14:00", "2013-01-01 19:59:59.999", "dep_delay > 30")
past.wait()
past"""


def _publish(cell: Locator) -> None:
    cell.get_by_role("button", name="Publish", exact=True).click()
    expect(cell.get_by_role("grid", name="Published here")).to_be_visible()


def _groups(cell: Locator) -> None:
    expect(cell.get_by_role("grid", name="Pending entries")).to_be_visible()


def _replay(cell: Locator) -> None:
    cell.get_by_label("Speed").select_option("60x")
    cell.get_by_role("button", name="Dry run").click()
    expect(cell.get_by_text("of events")).to_be_visible()


def _keys(cell: Locator) -> None:
    cell.get_by_role("button", name="Scan").click()
    expect(cell.get_by_role("grid", name="Keys")).to_be_visible()


TABS: dict[str, Callable[[Locator], None]] = {
    "Groups": _groups,
    "Replay": _replay,
    "Keys": _keys,
    "Publish": _publish,
}


def take(folder: Path) -> None:
    """Take a picture of the dashboard with each of its panels."""
    folder.mkdir(parents=True, exist_ok=True)
    executable = kit.find_chromium()
    if executable is None:
        raise SystemExit("there is no chromium on PATH")
    with (
        tempfile.TemporaryDirectory() as notebooks,
        # On a private server: its name reveals nothing about this machine.
        kit.jupyterlab(Path(notebooks), {"REDISNB_URL": "", "REDIS_URL": ""}) as lab,
        kit.chromium(lab, executable) as screen,
    ):
        page: Page = screen.page
        page.set_viewport_size(SIZE)
        kit.evaluate(page, "() => jupyterapp.commands.execute('application:toggle-left-area')")
        with kit.notebook(screen, lab, "pictures.ipynb", DATA + BOARD) as cell:
            cell.get_by_role("gridcell", name="flights", exact=True).click()
            for name, show in TABS.items():
                cell.get_by_role("tab", name=name, exact=True).click()
                show(cell)
                _picture(screen, cell.locator(".rnb-panel").first, folder, name.lower())
        with kit.notebook(screen, lab, "past.ipynb", DATA + PAST) as cell:
            cell.get_by_role("button", name="Zoom out").click()
            cell.get_by_role("grid", name="Entries").locator("tbody tr").nth(2).click()
            expect(cell.get_by_text("check-in: ")).to_be_visible()
            _picture(screen, cell.locator(".rp-panel"), folder, "browse")


def _picture(screen: kit.Watched, shown: Locator, folder: Path, name: str) -> None:
    for theme in ("Light", "Dark"):
        kit.use_theme(screen, theme)
        path = folder / f"{name}-{theme.lower()}.png"
        shown.screenshot(path=path)
        print(path)


if __name__ == "__main__":
    take(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
