"""What a panel that shows a busy stream takes from a cell that runs meanwhile."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec

from tests.benchmarks import figures
from tests.benchmarks.workload import Bench, LeftOut, Measured, Variant, Workload

#: Entries a second, as the target has it.
RATE = 10_000
#: How many times as long a cell may take beside the panel.
MOST = 1.05
#: Of the cell's loop: half a second of Python alone, which holds the interpreter as much as
#: anything can.
TURNS = 20_000_000
PUBLISH = """
import sys, time
import redisnb
stream = redisnb.Stream(redisnb.connect(sys.argv[1]), "live")
rate, n, began = int(sys.argv[2]), 0, time.monotonic()
print("begun", flush=True)
while True:
    stream.add_many([{"n": n + i, "item": f"tea {i}", "price": 1.5} for i in range(200)],
                    maxlen=100_000)
    n += 200
    time.sleep(max(0, began + n / rate - time.monotonic()))
"""
SETUP = """
import json, time
import redisnb
stream = redisnb.Stream(redisnb.connect({url!r}), "live")
panel = redisnb.panels.live(stream)
def show():
    display(panel)
    panel.start()
    time.sleep(1)
def cell():
    received = lambda: panel.consumer.stats["received"]
    before, began, n = received(), time.perf_counter(), 0
    cpu = time.process_time()
    while n < {turns}:
        n += 1
    seconds = time.perf_counter() - began
    return json.dumps([seconds, (received() - before) / seconds, time.process_time() - cpu])
"""


@contextmanager
def panel_live(bench: Bench) -> Iterator[Workload]:
    """Run a cell in a kernel of its own, with the panel reading and without."""
    if find_spec("jupyter_client") is None or find_spec("anywidget") is None:
        raise LeftOut("it needs the extra lab")
    from jupyter_client.manager import start_new_kernel

    publisher = subprocess.Popen(
        [sys.executable, "-c", PUBLISH, bench.url, str(RATE)], stdout=subprocess.PIPE
    )
    manager, client = start_new_kernel(kernel_name="python3")

    def ask(code: str) -> str:
        reply = client.execute_interactive(
            code, user_expressions={"it": "it"}, timeout=60, output_hook=lambda _: None
        )["content"]
        assert reply["status"] == "ok", reply
        return str(reply["user_expressions"]["it"]["data"]["text/plain"])

    def run(is_shown: bool) -> Callable[[], Measured]:
        def run() -> Measured:
            # It comes as the repr of a text.
            seconds, rate, cpu = json.loads(ask("it = cell()")[1:-1])
            # A panel reads ten times a second: one more or less in half a second is a fifth.
            if is_shown and rate < RATE * 0.6:
                raise LeftOut(f"this machine is busy: {rate:,.0f} entries/s came")
            assert is_shown or rate == 0, rate
            return Measured(seconds, cpu)

        return run

    def took(measured: Measured) -> None:
        assert measured.seconds > 0

    try:
        assert publisher.stdout is not None
        publisher.stdout.readline()
        ask(SETUP.format(url=bench.url, turns=TURNS) + "it = None")
        yield Workload(
            [
                Variant(
                    f"a cell beside LivePanel, {RATE:,} entries/s",
                    run(True),
                    took,
                    1,
                    before=partial(ask, "it = show()"),
                    targets=(figures.slower_than_idiom(MOST),),
                ),
                Variant(
                    "the same cell",
                    run(False),
                    took,
                    1,
                    role="idiom",
                    before=partial(ask, "it = panel.stop()"),
                ),
            ],
            least_repeats=15,
            by_median=True,
        )
    finally:
        publisher.kill()
        publisher.communicate()
        client.stop_channels()
        manager.shutdown_kernel(now=True)
