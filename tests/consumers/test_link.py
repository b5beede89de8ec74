"""Stop: how long a run may still wait for its server."""

import pytest
import redis

from redisnb.consumers import link
from redisnb.consumers.link import Stop


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(link.time, "monotonic", lambda: now[0])
    return now


def test_until_it_is_told_to_stop_a_reply_may_take_its_time(clock):
    stop = Stop()
    assert stop.goes_on()
    assert stop.time_for(60) == 60


def test_a_stop_leaves_little_time(clock):
    stop = Stop()
    stop.ask()
    assert not stop.goes_on()
    assert stop.time_for(60) == pytest.approx(link.SENT_WITHIN)
    assert stop.time_for(0.5) == 0.5
    clock[0] += 1
    stop.limit()  # the first one counts
    assert stop.time_for(60) == pytest.approx(link.SENT_WITHIN - 1)
    clock[0] += 1
    with pytest.raises(redis.TimeoutError, match="told to stop"):
        stop.time_for(60)


def test_nothing_is_sent_by_a_run_that_is_abandoned(clock):
    stop = Stop()
    stop.is_abandoned = True
    with pytest.raises(redis.TimeoutError):
        stop.time_for(60)
