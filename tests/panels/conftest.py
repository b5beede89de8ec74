"""Panels without a browser: their methods do what their buttons do."""

import threading

import pytest

from redisnb import Stream, connect, stop_all
from redisnb.panels.parts.panel import open_parts_panels
from tests.deadlines import until


def threads():
    return [each.name for each in threading.enumerate() if each.name.startswith("redisnb:")]


@pytest.fixture(autouse=True)
def nothing_left_running(monkeypatch):
    # How soon a consumer notices that it should stop, in milliseconds.
    monkeypatch.setattr("redisnb.consumers.loop.BLOCK", 20)
    yield
    for each in list(open_parts_panels):
        each.close()
    stop_all()
    # A busy machine takes a moment for the last of what they do.
    until(lambda: not threads(), what=lambda: str(threads()))


@pytest.fixture
def conn(server, raw):
    raw.flushall()
    with connect(server.url) as conn:
        yield conn


@pytest.fixture
def stream(conn):
    return Stream(conn, "s")


@pytest.fixture
def published(monkeypatch):
    """What was published to the front end: data, and whether it replaces what it was."""
    found = []
    monkeypatch.setattr(
        "IPython.display.publish_display_data",
        lambda data, metadata=None, **more: found.append((data, more.get("update"))),
    )
    return found
