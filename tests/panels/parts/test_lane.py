"""Lane: jobs in the background, of which the newest counts."""

import threading

from redisnb.panels.parts import Lane
from tests.deadlines import until


def test_the_newest_job_takes_the_place_of_the_one_before():
    done, begun, go_on = [], threading.Event(), threading.Event()

    def slow(task):
        begun.set()
        go_on.wait(10)
        task.check()
        done.append("slow")

    lane = Lane("test", lambda error, job: done.append(error))
    lane.do(slow)
    assert begun.wait(10)
    lane.do(lambda _: done.append("skipped"))
    lane.do(lambda _: done.append("newest"))
    assert not lane.wait(0.01)
    go_on.set()
    assert lane.wait(10)
    assert done == ["newest"]
    assert not lane.is_busy


def test_it_goes_on_after_an_error_that_could_not_be_shown(monkeypatch):
    done, raised = [], []
    monkeypatch.setattr(threading, "excepthook", lambda given: raised.append(given.exc_value))

    def fail(error, job):
        raise ValueError("cannot show it")

    lane = Lane("test", fail)
    lane.do(lambda _: 1 / 0)
    until(lambda: raised and not lane.is_busy)
    lane.do(lambda _: done.append(1))
    until(lambda: done)
    assert lane.wait(10)
