"""Some members of JSON objects are read as they are with the whole object."""

import json
import math

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from redisnb.entries import ABSENT, MemberReader, load_objects

NAMES = ["a", "b", "", "a.b", 'a"b', "ä", "\ud83d"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner),
    max_leaves=6,
)
PAIRS = st.lists(st.tuples(st.sampled_from(NAMES) | st.text(max_size=3), VALUES), max_size=5)


@st.composite
def texts(draw):
    """JSON objects as other programs write them, some with repeated members, and other texts."""
    escaped = draw(st.booleans())
    members = [
        f"{json.dumps(name, ensure_ascii=escaped)}:{json.dumps(value, ensure_ascii=escaped)}"
        for name, value in draw(PAIRS)
    ]
    text = bytearray(("{" + ",".join(members) + "}").encode("utf-8", "surrogatepass"))
    for at, byte in draw(
        st.lists(st.tuples(st.integers(0, 200), st.binary(max_size=2)), max_size=1)
    ):
        text[at % len(text) : at % len(text) + draw(st.integers(0, 2))] = byte
    return bytes(text)


def same(one, other):
    if isinstance(one, float) and math.isnan(one):
        return isinstance(other, float) and math.isnan(other)
    return type(one) is type(other) and one == other


@given(st.lists(texts(), max_size=4), st.lists(st.sampled_from(NAMES), unique=True, max_size=3))
@example([b'{"b":"\xff","a":1}'], ["a"])
@example([b'{"\xff":1,"a":1}'], ["a"])
@example([b'{"b":1e999,"a":1e999}'], ["a"])
@example([b'{"b":NaN,"a":2}', b'{"b":"\\ud83d","a":2}'], ["a"])
@example([b'{"a":123456789012345678901234567890}', b'{"a":-0,"b":0.1e1}'], ["a", "b"])
@example([b"[1]", b" {} ", b"", b'{"a":1}}', b'{"a":1,}', b'{"a":01}', b"null"], ["a"])
def test_a_member_is_what_it_is_in_the_whole(texts, names):
    columns, wrong = MemberReader(names).read(texts)
    whole = load_objects(texts)
    assert wrong == [i for i, each in enumerate(whole) if each is None]
    objects = [each for each in whole if each is not None]
    for name in names:
        expected = [each.get(name, ABSENT) for each in objects]
        assert all(map(same, columns[name], expected)), (columns[name], expected)
        assert len(columns[name]) == len(expected)


@pytest.mark.parametrize("depth", [10, 500, 890, 910, 1_000, 1_020, 1_030, 2_000, 100_000])
@pytest.mark.parametrize(("opens", "closes"), [("[", "]"), ('{"x":', "}")])
def test_what_is_skipped_may_be_nested_too_deeply(depth, opens, closes):
    deep = f'{{"b":{opens * depth}1{closes * depth},"a":1}}'.encode()
    for text in deep, deep.replace(b"1", b"NaN", 1):
        columns, wrong = MemberReader(["a"]).read([b'{"a":0}', text])
        if load_objects([text]) == [None]:
            assert (columns["a"], wrong) == ([0], [1])
        else:
            assert (columns["a"], wrong) == ([0, 1], [])
