"""A server of their own for the notebooks' kernels, so that a test run never meets real data."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest

from redisnb.errors import ConnectError
from redisnb.wire.server import Server

_servers: list[Server] = []


# A conftest's hook is called for the tests beside it alone: the notebooks' cells. Before the first
# of a notebook its kernel starts, and inherits the variable. Last of the wrappers, so that pytest's
# own are ready for a skip.
@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_setup() -> Generator[None, None, None]:
    if not _servers:
        try:
            _servers.append(Server())
        except ConnectError as error:
            if "server" in os.environ.get("REDISNB_REQUIRE", ""):
                raise
            pytest.skip(str(error))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REDISNB_URL", _servers[0].url)
        return (yield)


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("slow")
            item.add_marker("server")


def pytest_sessionfinish() -> None:
    while _servers:
        _servers.pop().stop()
