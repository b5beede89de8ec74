"""Pictures of the panels for the README, in both themes.

    python -m tests.browser.pictures [FOLDER]

writes dashboard-light.png and so on into FOLDER, by default notebooks/pictures.
"""

import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.browser import kit
from tests.deadlines import deadline

FOLDER = Path(__file__).parents[2] / "notebooks/pictures"
SIZE = {"width": 1340, "height": 1400}
# Weeks of flights, a group with consumers that have fallen behind, and what else a server has.
DATA = """
import pandas as pd
import redisnb as rnb
conn = rnb.connect()
flights = rnb.Stream(conn, "flights")
days = rnb.flights().head(20_000)
columns = ["carrier", "flight", "origin", "dest", "dep_delay", "arr_delay", "tailnum"]
times = days.index.get_level_values(0).as_unit("ms")
now = pd.Timestamp(conn.client.time()[0], unit="s", tz="UTC")
today = now.floor("D")
_ = flights.add_many(days[columns].reset_index(drop=True), ids=times + (now - times[-1]))
group = rnb.ConsumerGroup(flights, "check-in", consumer="ann")
_ = group.create("all")
_ = group.ack(group.read(19_400))
_ = group.read(130)
_ = group.bury(group.pending().head(10), min_idle=0, error="KeyError: 'gate'")
_ = rnb.ConsumerGroup(flights, "check-in", consumer="bob").read(30)
ann = [each["message_id"] for each in
       conn.client.xpending_range("flights", "check-in", "-", "+", 120, "ann")]
_ = conn.client.xclaim("flights", "check-in", "ann", 0, ann, idle=2_580_000, retrycount=3)
_ = rnb.ConsumerGroup(flights, "board", consumer="eve").create("new")
for key, n, every in [("orders", 9_000, 400), ("payments", 1_200, 3_000), ("tills", 20_000, 180)]:
    _ = rnb.Stream(conn, key).add_many(
        ({"n": i} for i in range(n)),
        ids=[now - pd.Timedelta((n - i) * every, "ms") for i in range(n)],
    )
_ = rnb.ConsumerGroup(rnb.Stream(conn, "payments"), "ledger").create("all")
users = {str(i): {"name": f"user {i}", "seats": list(range(i % 9))} for i in range(900)}
_ = rnb.Cache(conn, prefix="user:").set_many(users)
for carrier in ("UA", "AA", "B6", "DL"):
    _ = rnb.Cache(conn, prefix="report:").set(carrier, days[days["carrier"] == carrier], ttl="1h")
def at(days):
    return f"{today + pd.Timedelta(days, 'D'):%Y-%m-%d %H:%M}"
"""
BOARD = """
import random, threading, time
def sell():
    for n in range(2_000):
        _ = rnb.Stream(conn, random.choice(["orders", "orders", "tills"])).add({"n": n})
        time.sleep(random.random() / 20)
threading.Thread(target=sell, daemon=True).start()
board = rnb.panels.dashboard(conn, stream="flights")
board.view("browse").show_range(at(-3), at(-1), "dep_delay > 60")
board"""
GROUPS = """
groups = rnb.panels.groups(flights)
groups.select("check-in")
groups"""
REPLAY = """
replay = rnb.panels.replay(flights, rnb.Stream(conn, "flights:test"))
replay.show_range(at(-1.5), at(-0.5))
replay.wait()
replay.set_speed("1h in 1s")
replay.start()
replay"""


def _board(cell: Locator) -> None:
    cell.get_by_role("grid", name="Entries").locator("tbody tr").nth(2).click()
    expect(cell.get_by_text("check-in: ", exact=False).first).to_be_visible()
    # Until there are lines of rates.
    cell.page.wait_for_timeout(20_000)


def _groups(cell: Locator) -> None:
    expect(cell.get_by_role("grid", name="Pending entries")).to_be_visible()
    cell.get_by_role("grid", name="Pending entries").locator("tbody tr").nth(2).click()
    # Its name would be that of this machine.
    cell.get_by_label("as", exact=True).fill("bob")
    # Until the lines have a length.
    cell.page.wait_for_timeout(10_000)


def _replay(cell: Locator) -> None:
    expect(cell.get_by_role("button", name="Pause")).to_be_visible()
    expect(cell.get_by_text(re.compile(r"\b[2-9]\d\d of "))).to_be_visible(timeout=deadline(60_000))
    cell.get_by_role("button", name="Pause").click()
    expect(cell.get_by_role("button", name="Continue")).to_be_visible()


PICTURES: dict[str, tuple[str, Callable[[Locator], None]]] = {
    "dashboard": (BOARD, _board),
    "groups": (GROUPS, _groups),
    "replay": (REPLAY, _replay),
}


def take(folder: Path, names: list[str]) -> None:
    """Take a picture of each, in both themes."""
    folder.mkdir(parents=True, exist_ok=True)
    executable = kit.find_chromium()
    if executable is None:
        raise SystemExit("there is no chromium on PATH")
    for name in names:
        code, show = PICTURES[name]
        with (
            tempfile.TemporaryDirectory() as notebooks,
            # On a private server: its name reveals nothing about this machine.
            kit.jupyterlab(Path(notebooks), {"REDISNB_URL": "", "REDIS_URL": ""}) as lab,
            kit.chromium(lab, executable) as screen,
        ):
            page: Page = screen.page
            page.set_viewport_size(SIZE)
            kit.evaluate(page, "() => jupyterapp.commands.execute('application:toggle-left-area')")
            with kit.notebook(screen, lab, f"{name}.ipynb", DATA + code) as cell:
                show(cell)
                _picture(screen, cell.locator(".rp-panel"), folder, name)


def _picture(screen: kit.Watched, shown: Locator, folder: Path, name: str) -> None:
    # Nothing is marked because it happens to be under the pointer.
    screen.page.mouse.move(0, 0)
    for theme in ("Light", "Dark"):
        kit.use_theme(screen, theme)
        path = folder / f"{name}-{theme.lower()}.png"
        shown.screenshot(path=path)
        _with_few_colours(Image.open(path).convert("RGB")).save(path, optimize=True)
        print(path)


def _with_few_colours(image: Image.Image) -> Image.Image:
    """Return a picture of its 256 most frequent colours: a third of the size, and as bright."""
    found = image.getcolors(image.width * image.height) or []
    frequent = [colour for _, colour in sorted(found, reverse=True)[:256]]
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for colour in frequent for part in colour])
    return image.quantize(palette=palette, dither=Image.Dither.NONE)


if __name__ == "__main__":
    take(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER, sys.argv[2:] or [*PICTURES])
