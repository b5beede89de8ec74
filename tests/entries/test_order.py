"""The order of entry IDs as pairs of numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redisnb.entries import LARGEST_PART, LAST_ID, EntryId, id_after, id_before, id_pair
from redisnb.entries.order import id_milliseconds, next_pair, pair_bounds, previous_pair

PARTS = st.sampled_from([0, 1, 2, 9, 10, LARGEST_PART - 1, LARGEST_PART]) | st.integers(
    0, LARGEST_PART
)
PAIRS = st.tuples(PARTS, PARTS)


@given(PAIRS)
def test_a_pair_is_what_the_id_says_as_text_and_as_bytes(pair):
    text = "{}-{}".format(*pair)
    assert id_pair(text) == id_pair(text.encode()) == pair
    assert id_milliseconds([text.encode()]) == [pair[0]]


@given(PAIRS, PAIRS)
def test_pairs_and_ids_have_the_same_order(one, other):
    ids = [EntryId("{}-{}".format(*pair)) for pair in (one, other)]
    assert (ids[0] < ids[1]) == (one < other)
    assert not one < other < next_pair(one)
    assert previous_pair(next_pair(one)) == next_pair(previous_pair(one)) == one


@given(PAIRS)
def test_ids_end_where_the_server_has_no_more(pair):
    id = EntryId("{}-{}".format(*pair))
    assert id_pair(id_after(id)) == min(next_pair(pair), id_pair(LAST_ID))
    assert id_pair(id_before(id)) == max(previous_pair(pair), (0, 0))


@pytest.mark.parametrize(
    ("bounds", "pairs"),
    [
        (("-", "+"), ((0, 0), (LARGEST_PART, LARGEST_PART))),
        (("5", "7"), ((5, 0), (7, LARGEST_PART))),
        (("5-3", "7-2"), ((5, 3), (7, 2))),
        (("(5-3", "(7-0"), ((5, 4), (6, LARGEST_PART))),
        ((f"(5-{LARGEST_PART}", "(0-0"), ((6, 0), (-1, LARGEST_PART))),
    ],
)
def test_bounds(bounds, pairs):
    assert pair_bounds(bounds) == pairs
