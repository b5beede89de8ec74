"""The places of the fault tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import servers
from tests.faults.ahead import RESULT, Ahead, may_run_ahead
from tests.faults.place import Place
from tests.faults.scene import Scene

HERE = Path(__file__).parent
AHEAD = pytest.StashKey[Ahead]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "alone: runs at no other test's time, see ahead.py")
    config.stash[AHEAD] = Ahead()


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[AHEAD].close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        seeds = metafunc.config.getoption("--fault-seeds")
        metafunc.parametrize("seed", range(1, seeds + 1))


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # What has to be alone would hold up the others.
    ours = [item for item in items if HERE in item.path.parents]
    others = [item for item in items if HERE not in item.path.parents]
    for item in ours:
        item.add_marker("faults")
        # The fields of these tests are numbers, and no test computes with them.
        item.add_marker(pytest.mark.filterwarnings("ignore:text that would be numbers"))
    items[:] = others + sorted(ours, key=lambda item: not may_run_ahead(item))


def pytest_runtest_setup(item: pytest.Item) -> None:
    item.config.stash[AHEAD].start(item)


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    result = pyfuncitem.stash.get(RESULT, None)
    if result is None:
        return None
    result.result()
    return True


@pytest.fixture(scope="session")
def executable(missing) -> Path:
    return servers.executable() or missing("server", "there is no redis-server on this machine")


@pytest.fixture
def place(request, executable) -> Iterator[Place | None]:
    if RESULT in request.node.stash:
        yield None  # it has one
        return
    with Place(executable) as place:
        yield place


@pytest.fixture
def scene(place) -> Scene | None:
    """A scene whose stream has a group."""
    return place and place.scene()
