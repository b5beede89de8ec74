"""The fast decoder returns what the slow one returns, for every input in any pages."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from redisnb import frames
from redisnb.entries import AUTO, Layout, load_objects
from redisnb.entries.coding import Coding
from redisnb.frames.decoding import arrays, arrow_json, columns, decoder, json_queue

# In the ordinary run a few hundred examples; --hypothesis-profile=long runs 20,000.


def by_length(payload):
    """Read a payload in every way that `decode=` may, and fail at some."""
    if len(payload) % 4 == 0:
        raise ValueError
    found = load_objects([payload])[0] if len(payload) % 4 == 1 else None
    return payload if found is None else found


LAYOUTS = st.one_of(
    st.sampled_from([AUTO, AUTO, Layout("json"), Layout("fields"), Layout("raw")]),
    st.builds(
        Layout,
        st.sampled_from(["auto", "json", "fields"]),
        st.sampled_from([b"payload", b"a", b""]),
        st.sampled_from([(), (b"b",), (b"x", b"stream"), (b"a.b",)]),
        st.sampled_from([None, None, Coding(by_length)]),
    ),
)

names = st.sampled_from(["a", "b", "c", "a.b", "entry_id", "payload", "stream", ""])
texts = st.one_of(
    st.text(max_size=5),
    st.sampled_from(["�x", "�xff", "�xefa", "\\xff"]),
    st.sampled_from(["007", "1", "-0", "1.50", "2.0", "1e5", "1e400", "nan", "x", "0.1", " 1"]),
    st.integers(-(2**65), 2**65).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from(
        [2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, 2**63, 2**70, 0.5, 1.0, -0.0, 1e17]
    ),
    st.text(max_size=4),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=3)),
    max_leaves=5,
)


@st.composite
def alike(draw):
    """Objects with the same members and types, as streams have them, but for a few odd ones."""
    kinds = {
        "n": st.integers(-3, 2**54),
        "x": st.one_of(st.floats(-10, 10), st.integers(-3, 3)),
        "f": st.floats(allow_nan=False, allow_infinity=False),
        "s": st.text(max_size=4),
        "t": st.booleans(),
        "z": st.none(),
        "l": st.lists(st.sampled_from(["p", "q"]), max_size=2),
        "m": st.lists(st.one_of(st.integers(0, 3), st.floats(0, 3)), max_size=2),
        "u": st.fixed_dictionaries({}, optional={"i": st.integers(0, 9), "v": st.text(max_size=2)}),
    }
    chosen = draw(st.lists(st.sampled_from(sorted(kinds)), unique=True, min_size=1, max_size=5))
    whole = st.fixed_dictionaries({name: kinds[name] for name in chosen})
    gaps = st.fixed_dictionaries({}, optional={n: st.one_of(kinds[n], st.none()) for n in chosen})
    odd = st.dictionaries(st.sampled_from([*chosen, "odd"]), values, max_size=2)
    return draw(st.lists(st.one_of(whole, whole, whole, gaps, odd), min_size=1, max_size=25))


@st.composite
def magnitudes(draw):
    """One column in parts, each of values of one kind: values around the limits of a type."""
    integers = st.builds(
        lambda sign, power, beside: sign * (2**power + beside),
        st.sampled_from([1, -1]),
        st.sampled_from([0, 53, 54, 60, 62, 63, 64]),
        st.sampled_from([0, 0, 0, -1, 1, 2**36 + 1]),
    )
    floats = integers.map(float) | st.sampled_from([0.5, 1.5, -0.0, 1e300])
    kinds = [
        *([integers] * 6 + [floats] * 6),
        *(st.booleans(), st.none(), st.text(max_size=2), st.just({}), st.just([])),
        *(st.lists(kind, max_size=2) for kind in (integers, floats, st.booleans(), st.none())),
    ]
    numbers = integers.map(str) | floats.map(repr)
    objects = [st.builds(lambda value: payload({"a": value}), kind) for kind in kinds]
    fields = numbers.map(lambda text: [b"a", text.encode()])
    parts = st.sampled_from([*objects, fields]).flatmap(
        lambda kind: st.lists(kind, min_size=1, max_size=3)
    )
    return [body for part in draw(st.lists(parts, min_size=2, max_size=3)) for body in part]


def payload(event):
    return [b"payload", json.dumps(event, ensure_ascii=False).encode()]


broken = st.sampled_from(
    [
        b"{",
        b"",
        b"[1]",
        b'{"a":NaN}',
        b'{"a":1}{"a":2}',
        b'{"a":1} {"a":2}',
        b' {"a":1}\n',
        b'{"a":\n1}',
        b'{"a":1,"a":2}',
        b'{"a":"\xff"}',
        b'{"a":"\\ud800"}',
        b'{"a":1e400}',
        b'{"\\u0061":01}',
        b'\xef\xbb\xbf{"a":1}',
        b"{}",
    ]
)
flat = st.lists(st.tuples(names, texts), min_size=1, max_size=4).map(
    lambda pairs: [part.encode() for pair in pairs for part in pair]
)
others = st.lists(st.tuples(names, texts), max_size=3, unique_by=lambda pair: pair[0]).map(
    lambda pairs: [part.encode() for pair in pairs for part in pair]
)
objects = st.dictionaries(names, values, max_size=3).map(payload) | broken.map(
    lambda text: [b"payload", text]
)
beside = st.tuples(others, objects, others).map(lambda parts: [*parts[0], *parts[1], *parts[2]])
messy = st.lists(st.tuples(st.binary(max_size=3), st.binary(max_size=4)), min_size=1, max_size=3)
body = st.one_of(
    st.dictionaries(names, values, max_size=4).map(payload),
    broken.map(lambda text: [b"payload", text]),
    flat,
    beside,
    messy.map(lambda pairs: [part for pair in pairs for part in pair]),
    st.none(),
)


@st.composite
def same_fields(draw):
    """Flat entries with the same fields in each, as streams have them."""
    fields = draw(st.lists(names, unique=True, min_size=1, max_size=3))
    rows = draw(st.lists(st.tuples(*[texts] * len(fields)), min_size=1, max_size=20))
    return [
        [part.encode() for pair in zip(fields, row, strict=True) for part in pair] for row in rows
    ]


bodies = st.one_of(
    st.lists(body, max_size=20),
    alike().map(lambda objects: list(map(payload, objects))),
    st.tuples(alike(), st.lists(body, max_size=2)).map(
        lambda both: [*map(payload, both[0]), *both[1]]
    ),
    same_fields(),
    st.tuples(others, alike(), st.lists(body, max_size=2)).map(
        lambda three: [*([*three[0], *payload(event)] for event in three[1]), *three[2]]
    ),
    st.tuples(same_fields(), st.lists(body, max_size=2)).map(lambda both: [*both[0], *both[1]]),
    magnitudes(),
)


def cells(column):
    """The cells with their types, so that 1, 1.0 and True differ, but None and NaN do not."""
    return [
        None if value is None or value is pd.NA or value != value else (type(value), value)
        for value in pd.Series(column).tolist()
    ]


def check(found, bodies, layout, **options):
    with np.errstate(all="ignore"):
        expected = columns.spread(bodies, layout, **options)
    # Where a name is also that of an object, Arrow cannot tell its null from nothing: the column is
    # there, and may be seen later.
    objects = {name[:i] for name in map(str, expected) for i, c in enumerate(name) if c == "."}
    names = list(found.columns[1:])
    assert sorted(names, key=str) == sorted(expected, key=str)
    assert [n for n in names if n not in objects] == [n for n in expected if n not in objects]
    for name, column in expected.items():
        assert str(found[name].dtype) == str(pd.Series(column).dtype), name
        assert cells(found[name]) == cells(column), name


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::redisnb.errors.RedisnbWarning")
@pytest.mark.parametrize(("block", "sample"), [(1, 1), (4, 2), (20_000, 3)])
@given(bodies=bodies, layout=LAYOUTS, page=st.integers(1, 8))
def test_both_decoders_give_the_same(block, sample, bodies, layout, page):
    replies = [(b"%d-0" % i, fields) for i, fields in enumerate(bodies)]
    pages = [replies[i : i + page] for i in range(0, len(replies), page)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_queue, "BLOCK_ENTRIES", block)
        patch.setattr(json_queue, "SCHEMA_SAMPLE", sample)
        patch.setattr(arrow_json, "PART_ENTRIES", sample)
        found = frames.pages_frame(lambda: pages, layout)
    check(found, bodies, layout)
    assert found["entry_id"].tolist() == [id.decode() for id, _ in replies]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::redisnb.errors.RedisnbWarning")
@given(bodies=magnitudes(), block=st.sampled_from([1, 1, 3]))
@example(bodies=[payload({"a": 2**54}), payload({"a": 0.5})], block=1)
def test_parts_of_a_column_are_joined_alike(bodies, block):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_queue, "BLOCK_ENTRIES", block)
        patch.setattr(json_queue, "SCHEMA_SAMPLE", 1)
        patch.setattr(arrow_json, "PART_ENTRIES", 1)
        check(read(bodies, page=1), bodies, AUTO)


@pytest.mark.filterwarnings("ignore::redisnb.errors.RedisnbWarning")
@given(texts=st.lists(texts, min_size=1, max_size=70))
def test_numbers_in_text_are_found_alike(texts):
    found = arrays.numbers(pa.chunked_array([texts[:10], texts[10:]], pa.string()))
    expected = columns._exact_numbers(texts)
    if expected is None:
        assert found is None
    else:
        assert found.to_pylist() == expected
        assert {type(number) for number in found.to_pylist()} == {type(n) for n in expected}


def read(bodies, layout=AUTO, page=1000, **options):
    replies = [(b"%d-0" % i, fields) for i, fields in enumerate(bodies)]
    pages = [replies[i : i + page] for i in range(0, len(replies), page)]
    return frames.pages_frame(lambda: pages, layout, **options)


def slow_roads(monkeypatch):
    """Count the entries that Python reads, column by column or one by one."""
    taken = []
    by_column, by_entry = decoder.Decoder._take_objects, decoder.Decoder._take_entries

    def objects(self, block, **options):
        taken.append(len(block.texts))
        by_column(self, block, **options)

    def entries(self, bodies, rows):
        taken.append(len(bodies))
        by_entry(self, bodies, rows)

    monkeypatch.setattr(decoder.Decoder, "_take_objects", objects)
    monkeypatch.setattr(decoder.Decoder, "_take_entries", entries)
    return taken


def test_one_odd_entry_does_not_send_the_others_down_the_slow_road(monkeypatch):
    monkeypatch.setattr(json_queue, "BLOCK_ENTRIES", 2_000)
    events = [{"i": i, "x": i / 7, "u": {"s": "a"}} for i in range(6_000)]
    events[4_500] = {"i": 1, "odd": [1, "a"]}
    taken = slow_roads(monkeypatch)
    found = read(list(map(payload, events)))
    assert sum(taken) <= 3 * json_queue.SCHEMA_SAMPLE
    check(found, list(map(payload, events)), AUTO)


def test_json_that_is_none_is_a_row_beside_the_others():
    bodies = [payload({"a": 1})] * 30_000 + [[b"payload", b"{"]]
    found = read(bodies)
    assert list(found.columns) == ["entry_id", "a", "payload"]
    assert found["a"].iloc[:-1].eq(1).all()
    assert found["payload"].iloc[-1] == "{"
    assert found.attrs["odd"] == 1


def test_integers_among_floats_come_back_as_integers_where_the_column_is_mixed_after_all():
    bodies = [payload({"a": 0.5 if i % 2 else i}) for i in range(25_000)] + [payload({"a": "x"})]
    found = read(bodies)
    assert found["a"].dtype == object
    assert type(found["a"].iloc[24_998]) is int


@pytest.mark.parametrize(
    ("one", "other", "dtype"),
    [
        (2**60, 1.5, "float64"),
        (-(2**63), 1.5, "float64"),
        (2**63 - 2**10, 1.5, "float64"),
        (2**53 + 1, 1.5, "object"),
        (2**63 - 1, 1.5, "object"),
        (2**63, 1.5, "float64"),
        (2**63, 1, "object"),
        (True, 1.5, "object"),
        ([2**60], [1.5], "object"),
    ],
)
def test_parts_of_unlike_numbers_are_one_column(one, other, dtype):
    for first, second in ((one, other), (other, one)):
        bodies = [payload({"a": first})] * 400 + [payload({"a": second})] * 200
        found = read(bodies, page=100)
        assert found["a"].dtype == dtype
        check(found, bodies, AUTO)


def test_text_may_have_over_two_gigabytes():
    # In one piece Arrow refuses that, unless it is large.
    values = pa.array([b"a", b"b"])
    parts = [("field", range(4, 6), values), ("field", range(2), values)]
    assert [len(chunk) for chunk in arrays._join_arrays(parts, 6, values.type).chunks] == [2, 2, 2]
    parts = [("field", [4, 0], values), ("field", [1, 2], values)]
    joined = arrays._join_arrays(parts, 6, values.type)
    assert joined.type == pa.large_binary()
    assert joined.to_pylist() == [b"b", b"a", b"b", None, b"a", None]


def test_arrays_of_neighbouring_pages_are_put_together(monkeypatch):
    monkeypatch.setattr(arrays, "_MERGE_BYTES", 100)
    one, large = pa.array([b"a", None]), pa.array([b"a" * 80, b"b"])
    pages = [one, one, large, one, one, ["a", 1], one, one, one]
    parts = [("field", range(2 * i, 2 * i + 2), each) for i, each in enumerate(pages)]
    # Not the first two: what lies before a larger one was there when it came.
    for n, expected in (2, [4]), (5, [4, 2, 4]), (9, [4, 2, 4, 2, 6]):
        found = parts[:2]
        arrays.merge(found)
        for part in parts[2:n]:
            found.append(part)
            arrays.merge(found)
        assert [len(rows) for _, rows, _ in found] == expected
    assert [row for _, rows, _ in found for row in rows] == list(range(18))
    assert found[-1][2].to_pylist() == [b"a", None] * 3
    gap = [("field", range(2), one), ("field", range(3, 5), one)]
    arrays.merge(gap)
    assert len(gap) == 2


def test_lists_of_nothing_are_lists():
    bodies = [
        payload({}),
        payload({"f": []}),
        *[payload({"f": [None, None]})] * 3,
        payload({"f": [1]}),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_queue, "BLOCK_ENTRIES", 2)
        patch.setattr(json_queue, "SCHEMA_SAMPLE", 2)
        patch.setattr(arrow_json, "PART_ENTRIES", 2)
        check(read(bodies, page=1), bodies, AUTO)


def test_a_reader_thread_ends_with_the_read():
    import threading

    before = threading.active_count()
    read([payload({"a": i}) for i in range(45_000)])
    assert threading.active_count() == before


def test_the_collector_is_paused_and_comes_back():
    import gc

    def pages():
        assert not gc.isenabled()
        yield [(b"1-0", [b"a", b"1"])]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        frames.pages_frame(pages, AUTO)
    assert gc.isenabled()
    gc.disable()
    try:
        read([[b"a", b"1"]])
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_the_collector_runs_while_the_caller_uses_a_part():
    import gc

    def parts():
        for part in range(3):
            assert not gc.isenabled()
            yield part

    seen = []
    for part in frames.without_collector(parts()):
        assert gc.isenabled()
        seen.append(part)
    assert seen == [0, 1, 2]
    assert gc.isenabled()
