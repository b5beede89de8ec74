"""How long a panel's table takes to filter and to sort, and how long it holds the kernel."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import numpy as np
import pandas as pd

from tests.benchmarks import figures
from tests.benchmarks.workload import Bench, LeftOut, Measured, Variant, Workload

ROWS = 300_000


@contextmanager
def panel_table(bench: Bench) -> Iterator[Workload]:
    """Filter and sort six columns in the background, beside a thread that wants to go on."""
    if find_spec("anywidget") is None:
        raise LeftOut("it needs the extra lab")
    from redisnb.panels.parts import Grid

    frame = _events(bench.at_most(ROWS))
    grid = Grid("Events")
    grid.show(frame)
    n = len(frame)
    matching = int(frame["item"].str.contains("7 tea").sum())

    def arranged(act: Callable[[], object], *, held: bool = False) -> Callable[[], Measured]:
        def run() -> Measured:
            began = last = time.perf_counter()
            longest = 0.0
            act()
            while grid._arranging.is_busy:
                time.sleep(0.001)
                now = time.perf_counter()
                longest, last = max(longest, now - last), now
            return Measured(longest if held else time.perf_counter() - began)

        return run

    def filter() -> None:
        grid.arrange(text="7 TEA")

    def sort() -> None:
        grid.arrange(sort=("item", not (grid["sort"] or ["", False])[1]))

    def took(measured: Measured) -> None:
        assert measured.seconds > 0
        assert len(grid.frame()) == matching

    def is_sorted(measured: Measured) -> None:
        items = grid.frame()["item"]
        assert len(items) == n
        assert items.is_monotonic_increasing or items.is_monotonic_decreasing

    def pandas_filter() -> None:
        text = frame.astype(str)
        mask = np.zeros(len(text), bool)
        for name in text:
            mask |= text[name].str.contains("7 tea", case=False, regex=False).to_numpy()
        assert mask.sum() == matching

    yield Workload(
        [
            Variant(
                f"filter a table of {n:,} rows x 6",
                arranged(filter),
                took,
                n,
                targets=(figures.seconds(1),),
            ),
            Variant("pandas: str.contains", pandas_filter, lambda _: None, n, role="idiom"),
            Variant(
                "sort it by a text",
                arranged(sort),
                is_sorted,
                n,
                before=lambda: grid.arrange(text=""),
                targets=(figures.seconds(1),),
            ),
            Variant(
                "the longest that filtering holds the kernel",
                arranged(filter, held=True),
                took,
                1,
                targets=(figures.late(100),),
            ),
        ]
    )


def _events(n: int) -> pd.DataFrame:
    numbers = np.arange(n)
    return pd.DataFrame(
        {
            "entry_id": [f"{i}-0" for i in numbers],
            "item": [f"{i * 7919 % 1000} tea" for i in numbers],
            "price": numbers % 977 / 4,
            "qty": numbers % 13,
            "shop": [f"shop {i % 40}" for i in numbers],
            "note": [f"note {i}" for i in numbers],
        }
    )
