"""Panels without a browser: their methods do what their buttons do."""

import threading
from contextlib import suppress

import pytest

from redisnb import Stream, connect, stop_all
from redisnb.background import all_of
from redisnb.panels.parts import TaskCancelled
from redisnb.panels.parts.panel import open_parts_panels
from tests.deadlines import deadline, until


def threads():
    return [each.name for each in threading.enumerate() if each.name.startswith("redisnb:")]


@pytest.fixture(autouse=True)
def nothing_left_running(monkeypatch):
    # How soon a consumer notices that it should stop, in milliseconds.
    monkeypatch.setattr("redisnb.consumers.loop.BLOCK", 20)
    yield
    for each in all_of(open_parts_panels):
        each.close()
    stop_all()
    # A busy machine takes a moment for the last of what they do.
    until(lambda: not threads(), what=lambda: str(threads()))


class Meanwhile:
    """What another thread does before a method goes on that this thread calls."""

    def __init__(self, monkeypatch):
        self.monkeypatch, self.acting = monkeypatch, None

    def __call__(self, thing, name, act, seconds=0.3):
        """Let another thread act at the next call here, for some time; it may have to wait."""
        method, here = getattr(thing, name), threading.current_thread()

        def slow(*arguments, **options):
            if self.acting is None and threading.current_thread() is here:
                self.acting = threading.Thread(target=act)
                self.acting.start()
                self.acting.join(seconds)
            return method(*arguments, **options)

        self.monkeypatch.setattr(thing, name, slow)

    def wait(self):
        """Wait until it has acted."""
        self.acting.join(deadline(10))
        assert not self.acting.is_alive()


@pytest.fixture
def meanwhile(monkeypatch):
    return Meanwhile(monkeypatch)


def under_way(lane):
    """Return the task of a job that is under way, and does nothing until it is called off."""
    tasks = []

    def job(task):
        tasks.append(task)
        task.wait(deadline(10))

    lane.do(job)
    return until(lambda: tasks)[0]


def shows(task, act):
    """Return what shows something for a task, unless it was called off."""

    def show():
        with suppress(TaskCancelled), task.show():
            act()

    return show


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
