"""Waits that double up to a limit and are not all the same, and when to give up."""

import math
from types import SimpleNamespace

import pytest
import redis

from redisnb import patience
from redisnb.patience import Backoff, Patience


@pytest.fixture
def longest(monkeypatch):
    """Let chance take nothing off."""
    monkeypatch.setattr(patience.random, "uniform", lambda low, high: high)


def test_waits_double_up_to_a_second(longest):
    waits = Backoff()
    assert [waits.next() for _ in range(7)] == [0.05, 0.1, 0.2, 0.4, 0.8, 1, 1]


def test_an_attempt_that_succeeds_begins_anew(longest):
    waits = Backoff()
    assert [waits.next() for _ in range(3)] == [0.05, 0.1, 0.2]
    waits.reset()
    assert [waits.next() for _ in range(2)] == [0.05, 0.1]


def test_chance_takes_off_up_to_half():
    firsts = [Backoff().next() for _ in range(500)]
    assert all(0.025 <= wait <= 0.05 for wait in firsts)
    assert max(firsts) - min(firsts) > 0.02


def test_two_clients_do_not_arrive_together():
    one, other = Backoff(), Backoff()
    assert [one.next() for _ in range(6)] != [other.next() for _ in range(6)]


AWAY = redis.ConnectionError("away")


@pytest.fixture
def clock(monkeypatch, longest):
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(patience, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def test_it_ends_some_time_after_the_first_error(clock):
    patient = Patience(2)
    waits = []
    while clock.now < 1002:
        waits.append(patient.wait_after(AWAY))
        clock.now += waits[-1]
    with pytest.raises(redis.ConnectionError) as caught:
        patient.wait_after(AWAY)
    assert caught.value is AWAY
    # Not the whole of the last wait, but an attempt when the time is over.
    assert waits == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8, 0.45])


def test_an_attempt_that_gets_further_has_all_the_time_again(clock):
    patient = Patience(2)
    for _ in range(5):
        assert patient.wait_after(AWAY) == 0.05
        clock.now += 1.9
        patient.wait_after(AWAY)
        patient.reset()
    clock.now += 100
    assert patient.wait_after(AWAY) == 0.05


def test_it_can_be_endless_or_none_at_all(clock):
    endless = Patience(math.inf)
    for _ in range(20):
        clock.now += 3600
        assert endless.wait_after(AWAY) <= 1
    with pytest.raises(redis.ConnectionError):
        Patience(0).wait_after(AWAY)


def test_only_what_may_pass_is_waited_for(clock):
    refused = redis.ResponseError("WRONGTYPE no")
    with pytest.raises(redis.ResponseError) as caught:
        Patience(2).wait_after(refused)
    assert caught.value is refused
    assert Patience(2, lambda error: True).wait_after(refused) == 0.05
    with pytest.raises(redis.ConnectionError):
        Patience(2, lambda error: False).wait_after(AWAY)
