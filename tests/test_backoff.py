"""Backoff: waits that double up to a limit, and are not all the same."""

import pytest

from redisnb import backoff
from redisnb.backoff import Backoff


@pytest.fixture
def longest(monkeypatch):
    """Remove the jitter."""
    monkeypatch.setattr(backoff.random, "uniform", lambda low, high: high)


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
