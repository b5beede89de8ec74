"""Run tests at the same time, since each of them mostly waits.

When pytest comes to a test, it is started together with all that follow it in its file, up to the
next one that has to be alone; pytest then takes the results one by one. Each test has a `Place` of
its own. Not beyond the file: with pytest-xdist the next one may be another worker's.
"""

import inspect
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeGuard

import pytest

from tests.faults.place import Place
from tests.faults.servers import executable

#: How many tests run at the same time, in all workers of pytest-xdist together.
AT_ONCE = 16
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))

RESULT = pytest.StashKey[Future[None]]()


class Ahead:
    """The tests of a session that are under way."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max(4, AT_ONCE // WORKERS), thread_name_prefix="ahead")

    def start(self, item: pytest.Item) -> None:
        """Start a test and those after it that need not be alone, unless that was done before."""
        if RESULT in item.stash:
            return
        items = item.session.items
        for each in following(items, items.index(item)):
            each.stash[RESULT] = self._pool.submit(run, each)

    def close(self) -> None:
        """Wait for what runs, and start nothing more."""
        self._pool.shutdown(cancel_futures=True)


def following(items: list[pytest.Item], at: int) -> Iterator[pytest.Function]:
    """Yield the tests of a file from a position on, up to one that has to be alone."""
    for each in islice(items, at, None):
        if each.path != items[at].path or not may_run_ahead(each):
            return
        yield each


def may_run_ahead(item: pytest.Item) -> TypeGuard[pytest.Function]:
    """Return whether a test needs nothing but a place: no fixtures, no signals, no warnings."""
    return (
        isinstance(item, pytest.Function)
        and bool({"place", "scene"} & set(item.fixturenames))
        and item.get_closest_marker("alone") is None
        and executable() is not None
    )


def run(item: pytest.Function) -> None:
    """Run a test here and now."""
    params: dict[str, Any] = item.callspec.params if hasattr(item, "callspec") else {}
    found = executable()
    assert found is not None
    with Place(found) as place:
        made: dict[str, Callable[[], Any]] = {"place": lambda: place, "scene": place.scene}
        given = {
            name: made[name]() for name in inspect.signature(item.obj).parameters if name in made
        }
        item.obj(**given, **params)
