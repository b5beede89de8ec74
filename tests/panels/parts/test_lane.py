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


def test_jobs_that_are_added_are_all_done_in_order():
    done, begun, go_on = [], threading.Event(), threading.Event()

    def slow(_):
        begun.set()
        go_on.wait(10)
        done.append("slow")

    lane = Lane("test", lambda error, job: done.append(error))
    lane.add(slow)
    assert begun.wait(10)
    for n in range(3):
        lane.add(lambda _, n=n: done.append(n))
    go_on.set()
    assert lane.wait(10)
    assert done == ["slow", 0, 1, 2]


def test_a_job_that_stops_the_lane_leaves_what_was_asked_for_since():
    done, begun, go_on = [], threading.Event(), threading.Event()

    def stop(_):
        begun.set()
        go_on.wait(10)
        lane.stop()

    lane = Lane("test", lambda error, job: done.append(error))
    for put in (lane.do, lane.add):
        begun.clear()
        go_on.clear()
        lane.add(stop)
        assert begun.wait(10)
        put(lambda _: done.append("newer"))
        go_on.set()
        assert lane.wait(10)
    assert done == ["newer"] * 2


def test_what_waits_is_called_off_with_the_rest():
    done, begun, go_on = [], threading.Event(), threading.Event()

    def slow(_):
        begun.set()
        go_on.wait(10)

    lane = Lane("test", lambda error, job: done.append(error))
    lane.add(slow)
    assert begun.wait(10)
    lane.add(lambda _: done.append("waits"))
    lane.cancel()
    go_on.set()
    assert lane.wait(10)
    assert done == []


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
