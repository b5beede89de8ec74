"""The entries that a filter chooses, each by itself."""

import json

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given

from redisnb import frames
from redisnb.entries import AUTO, split_fields
from redisnb.frames.conditions import chooses, condition_of
from redisnb.frames.decoding.columns import RESERVED, read_entry
from tests.frames.test_decoder import LAYOUTS, bodies


def chosen(bodies, where, layout=AUTO, streams="s"):
    ids = [b"%d-0" % i for i in range(len(bodies))]
    found = frames.Filter(where, layout).of_entries(ids, bodies, streams)
    assert found.dtype == bool
    return found.tolist()


ROWS = [[b"n", b"1", b"t", b"a", b"t", b"b"], [b"t", b"c"], [b"n", b"3", b"t", b"c"]]


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ({}, [True, True, True]),
        ({"n": 3}, [False, False, True]),
        ({"n": [1, 3]}, [True, False, True]),
        ({"n": range(3)}, [True, False, False]),
        ({"n": np.array([1, 3])}, [True, False, True]),
        ({"n": pd.Series([3])}, [False, False, True]),
        ({"n": []}, [False, False, False]),
        ({"n": "1"}, [True, False, False]),
        ({"n": None}, [False, True, False]),
        ({"t": "c", "n": 3}, [False, False, True]),
        ({"absent": 1}, [False, False, False]),
        ("n is null or n > 2", [False, True, True]),
        ("t contains 'b'", [True, False, False]),
        ("entry_id >= '1-0' and stream = 's'", [False, True, True]),
        ("entry_time = '1970-01-01 00:00:00.002'", [False, False, True]),
        (lambda frame: frame["n"] == "3", [False, False, True]),  # NA, as in frame[...], is no
        (lambda frame: np.array([True, False, False]), [True, False, False]),
        (lambda frame: frame["n"].isna(), [False, True, False]),
    ],
)
def test_an_entry_is_wanted_for_what_it_is(where, rows):
    assert chosen(ROWS, where) == rows


ODD = [b"ping", b"[1]", b"{", b'{"v":NaN}', b'{"carrier":"\\ud83d"}']


@pytest.mark.parametrize("neighbour", ODD)
@pytest.mark.parametrize("where", [{"carrier": "UA"}, "carrier = 'UA'", "not carrier != 'UA'"])
def test_one_odd_entry_changes_nothing_for_the_others(neighbour, where):
    bodies = [[b"payload", b'{"carrier":"%s"}' % (b"UA", b"AA")[i % 2]] for i in range(10)]
    bodies.insert(5, [b"payload", neighbour])
    assert chosen(bodies, where) == [i % 2 == 0 for i in range(5)] + [False] + [
        i % 2 == 1 for i in range(5)
    ]


@pytest.mark.parametrize(
    ("body", "where", "wanted"),
    [
        # Names as the frame has them.
        ([b"payload", b'{"x":1}', b"x", b"2"], "x = 1 and x_field = 2", True),
        ([b"payload", b'{"x":1}', b"y", b"2"], "x_field is null and y = 2", True),
        ([b"entry_id", b"7"], "entry_id_field = 7", True),
        ([b"payload", b'{"user.id":1,"user":{"id":2}}'], "user.id = 1", True),
        ([b"payload", b'{"user":{"id":2},"user.id":1}'], "user.id = 2", True),
        ([b"payload", b'{"user":{"id":2},"user.id":1}'], {"user.id_field": 1}, True),
        ([b"payload", b'{"a":{"b":{"c":5}}}'], "a.b.c = 5 and a.b is not null", True),
        ([b"payload", b'{"a":{"b":{"c":5}}}'], "a.b is null or not a.b = 5", False),
        ([b"payload", b'{"user":{}}'], "user is not null and user.id is null", True),
        ([b"payload", b'{"user":null}'], "user is null", True),
        ([b"payload", b'{"user":{"id":null}}'], "user is not null and user.id is null", True),
        # The field that carries it.
        ([b"order_created", b'{"id":1}'], "entry_field = 'order_created'", True),
        ([b"payload", b'{"id":1}'], {"entry_field": "payload"}, True),
        ([b"id", b"1"], "entry_field is null", True),
        ([b"payload", b"ping"], "payload = 'ping' and entry_field is null", True),
        (None, "x is null", True),
    ],
)
@pytest.mark.parametrize("beside", [[], [[b"x", b"1"]], [[b"payload", b'{"user":{"id":1}}']]])
def test_names_are_those_of_the_frame(body, where, wanted, beside):
    assert chosen([body, *beside], where)[0] is wanted
    assert chosen([*beside, body], where)[-1] is wanted


def oracle(fields, where, layout):
    """Decide one entry, slowly, from the cells of a frame of it alone."""
    cells = {}
    if fields:
        reading = read_entry(fields, layout, RESERVED)
        cells = {name: (origin, value) for name, origin, value in reading.cells}
    members = split_fields(fields, layout).members if fields and layout.format != "raw" else {}
    objects = set()
    stack = [("", members)]
    while stack:
        above, inner = stack.pop()
        for name, value in inner.items():
            if isinstance(value, dict) and value:
                objects.add(f"{above}{name}")
                stack.append((f"{above}{name}.", value))
    return chooses(condition_of(where), cells, objects)


literals = st.sampled_from([1, 0, 2**53, 0.5, True, False, "1", "x", "", "007", None])
conditions = st.dictionaries(
    st.sampled_from(["a", "b", "a.b", "payload", "x", "n", "s", "u.i", "u", "a_field"]),
    literals | st.lists(literals, max_size=3),
    min_size=1,
    max_size=2,
)


@pytest.mark.filterwarnings("ignore::redisnb.errors.RedisnbWarning")
@given(bodies=bodies, layout=LAYOUTS, where=conditions)
def test_every_entry_is_decided_as_if_it_were_alone(bodies, layout, where):
    assert chosen(bodies, where, layout) == [oracle(each, where, layout) for each in bodies]


def test_a_mask_of_numbers_is_refused():
    with pytest.raises(TypeError, match="bool-like"):
        chosen(ROWS, lambda frame: [5, 6, 7])
    with pytest.raises(ValueError, match="1 truth values for 3 rows"):
        chosen(ROWS, lambda frame: [True])


def test_a_slip_of_the_pen_is_told_in_the_end():
    filter = frames.Filter("carier = 'UA' and delay is null", AUTO)
    payload = json.dumps({"carrier": "UA"}).encode()
    filter.of_entries([b"1-0"], [[b"payload", payload]], "s")
    with pytest.raises(ValueError, match=r"'carier': no entry has .* did you mean 'carrier'\?"):
        filter.check()
    filter.of_entries([b"2-0"], [[b"carier", b"x"]], "s")
    filter.check()
