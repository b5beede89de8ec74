"""Which entries of a batch fail, whatever their number and place."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from redisnb.consumers.batches import sift


def sifted(n, wrong, *, attempts=None, most=None, cuts=2):
    batch = [("s", b"%d-0" % i, []) for i in range(n)]
    calls = [] if attempts is None else attempts

    async def attempt(part):
        calls.append(len(part))
        ids = [int(id[:-2]) for _, id, _ in part]
        return ValueError(ids) if wrong(ids) else None

    found = asyncio.run(sift(batch, attempt, lambda: most is None or len(calls) < most, cuts=cuts))
    return [int(each[1][:-2]) for each, _ in found.failures], found.handler


@given(st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1)))))
def test_what_fails_alone_is_found_or_it_is_the_handler(case):
    n, wrong = case
    failed, handler = sifted(n, lambda ids: wrong & {*ids})
    if handler is None:
        assert sorted(failed) == sorted(wrong)
    else:
        assert failed == []
        # One in each quarter, at least.
        assert len(wrong) >= 4


def test_a_handler_that_always_raises_is_called_seven_times():
    calls = []
    failed, handler = sifted(100, lambda ids: True, attempts=calls)
    assert (failed, calls) == ([], [100, 50, 50, 25, 25, 25, 25])
    assert isinstance(handler, ValueError)


@given(st.integers(4, 40), st.data())
def test_deeper_cuts_find_what_succeeds(n, data):
    wrong = data.draw(st.sets(st.integers(0, n - 1), min_size=1, max_size=n - 1))
    failed, handler = sifted(n, lambda ids: wrong & {*ids}, cuts=9)
    assert (sorted(failed), handler) == (sorted(wrong), None)
    failed, handler = sifted(n, lambda ids: True, cuts=9)
    assert (failed, type(handler)) == ([], ValueError)


def test_few_entries_are_told_apart():
    failed, handler = sifted(3, lambda ids: True)
    assert (sorted(failed), handler) == ([0, 1, 2], None)


def test_nothing_is_begun_after_a_stop():
    calls = []
    failed, handler = sifted(100, lambda ids: 3 in ids, attempts=calls, most=4)
    assert (failed, handler, len(calls)) == ([], None, 4)
