"""What a live panel keeps of a busy stream: the memory of the kernel and of the page over time.

    python -m tests.benchmarks.flatness [--minutes 10] [--rate 5000]

shows a `LivePanel` in JupyterLab while entries come, and prints a line every ten seconds. It is
flat if neither has grown by a tenth between the second third of the time and the last.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

import redisnb
from tests.benchmarks.panels import PUBLISH
from tests.browser import kit

#: The time between two looks, in seconds, and by how much memory may grow and count as flat.
EVERY, FLAT = 10, 1.1
CELL = """
import os
import redisnb as rnb
panel = rnb.panels.live(rnb.Stream(rnb.connect({url!r}), "live"), where={where!r})
panel.start()
panel
"""


def samples(screen: kit.Watched, minutes: float) -> Iterator[tuple[float, float, int]]:
    """Yield the kernel's memory and the page's, in MB, and how many nodes the page has."""
    pid = int(kit.in_kernel(screen, "os.getpid()"))
    page = screen.page.context.new_cdp_session(screen.page)
    page.send("Performance.enable")
    end = time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        screen.page.wait_for_timeout(1000 * EVERY)
        (line,) = [
            each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmRSS" in each
        ]
        page.send("HeapProfiler.collectGarbage")
        found = {
            each["name"]: each["value"] for each in page.send("Performance.getMetrics")["metrics"]
        }
        yield int(line.split()[1]) / 1000, found["JSHeapUsedSize"] / 1e6, int(found["Nodes"])


def measure(url: str, minutes: float, rate: int, where: str | None) -> bool:
    """Print the samples; return whether both are flat."""
    publisher = subprocess.Popen(
        [sys.executable, "-c", PUBLISH, url, str(rate)], stdout=subprocess.PIPE
    )
    executable = kit.find_chromium()
    assert executable is not None, "there is no chromium on PATH"
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            kit.jupyterlab(Path(folder), {"REDISNB_URL": url}) as lab,
            kit.chromium(lab, executable) as screen,
            kit.notebook(screen, lab, "flat.ipynb", CELL.format(url=url, where=where)) as cell,
        ):
            found = []
            for kernel, page, nodes in samples(screen, minutes):
                found.append((kernel, page, nodes))
                caption = cell.locator("[data-look=foot] .rp-label").first.inner_text()
                print(
                    f"{EVERY * len(found):5} s  kernel {kernel:6.1f} MB  page {page:5.1f} MB  "
                    f"{nodes:,} nodes  {caption}",
                    flush=True,
                )
    finally:
        publisher.kill()
        publisher.communicate()
    third = len(found) // 3
    growth = [
        mean(each[i] for each in found[-third:])
        / mean(each[i] for each in found[third : 2 * third])
        for i in range(3)
    ]
    print(
        "growth of the last third over the second: kernel {:.3f}, page {:.3f}, nodes {:.3f}".format(
            *growth
        )
    )
    return max(growth) <= FLAT


def main() -> None:
    """Measure on a server of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=int, default=5_000)
    parser.add_argument("--where", help="a filter for the panel")
    given = parser.parse_args()
    with redisnb.Server() as server:
        sys.exit(not measure(server.url, given.minutes, given.rate, given.where))


if __name__ == "__main__":
    main()
