"""Layouts: the arguments that make one, and what a file notes of it."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redisnb.entries import AUTO, Layout, events
from redisnb.entries.layout import common_layout
from redisnb.errors import EncodeError


@pytest.mark.parametrize(
    ("options", "layout"),
    [
        ({"format": "auto"}, AUTO),
        ({"format": "fields"}, Layout("fields")),
        ({"format": "auto", "field": "data"}, Layout("auto", b"data")),
        ({"format": "json", "json": ["a", "ü", "a"]}, Layout("json", json=(b"a", "ü".encode()))),
        ({"format": "fields", "json": ("payload",)}, Layout("fields", json=(b"payload",))),
    ],
)
def test_a_layout_is_kept_by_a_file(options, layout):
    assert Layout.of(**options) == layout
    assert Layout.read(orjson.loads(orjson.dumps(layout.saved()))) == layout
    assert eval(f"dict(x=0{layout.arguments()})") == {"x": 0, **layout.options()}


def test_a_plain_format_is_saved_as_it_always_was():
    assert [Layout(format).saved() for format in ("auto", "raw")] == ["auto", "raw"]


@pytest.mark.parametrize("saved", [None, 5, "xml", {}, {"format": "json", "later": 1}, ["json"]])
def test_what_no_layout_is_reads_as_the_default(saved):
    assert Layout.read(saved) == AUTO


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"format": "xml"}, ValueError, "'xml'; choose one of auto, json, fields, raw"),
        ({"format": None}, ValueError, "None; choose one of"),
        ({"format": "fields", "field": "data"}, ValueError, "leave out field='data'"),
        ({"format": "raw", "json": ["data"]}, ValueError, "leave out json="),
        ({"format": "auto", "json": ["payload"]}, ValueError, "leave it out of json="),
        ({"format": "auto", "json": "data"}, TypeError, r"json=\['data'\]"),
        ({"format": "auto", "field": b"data"}, TypeError, "is text, not bytes"),
        ({"format": "auto", "json": [5]}, TypeError, "is text, not int"),
    ],
)
def test_what_does_not_go_together_is_refused(options, error, words):
    with pytest.raises(error, match=words):
        Layout.of(**options)


def test_streams_that_are_alike_have_one_layout():
    assert common_layout([Layout("json"), Layout("json")]) == Layout("json")
    assert common_layout([Layout("json"), AUTO]) == AUTO
    assert common_layout([]) == AUTO


@pytest.mark.parametrize(
    ("layout", "event", "fields"),
    [
        (Layout("json", b"data"), {"id": 1}, [b"data", b'{"id":1}']),
        (
            Layout("auto", b"value", (b"key",)),
            {"after": {"x": 1}, "key": {"id": 1}},
            [b"key", b'{"id":1}', b"value", b'{"after":{"x":1}}'],
        ),
        (Layout("auto", json=(b"key",)), {"key": None}, [b"key", b"null"]),
        (Layout("auto", json=(b"key",)), {}, [b"payload", b"{}"]),
        (
            Layout("fields", json=(b"data",)),
            {"type": "made", "data": [1, {"x": None}]},
            [b"type", b"made", b"data", b'[1,{"x":null}]'],
        ),
    ],
)
def test_an_event_is_written_where_others_look_for_it(layout, event, fields):
    assert events.write_event(event, layout) == fields
    assert events.read_event(fields, layout) == event


@pytest.mark.parametrize("format", ["auto", "fields"])
def test_a_member_that_json_cannot_carry_is_named(format):
    with pytest.raises(EncodeError, match="'data'") as caught:
        events.write_event({"data": {1: 2}, "x": "y"}, Layout(format, json=(b"data",)))
    assert caught.value.column == "data"


@pytest.mark.parametrize(
    ("layout", "fields", "event", "odd"),
    [
        (Layout("json", b"data"), [b"data", b'{"x":1}', b"type", b"t"], {"x": 1, "type": "t"}, 0),
        (Layout("json", b"data"), [b"data", b"ping"], {"data": "ping"}, 1),
        (Layout("json", b"data"), [b"payload", b'{"x":1}'], {"payload": '{"x":1}'}, 0),
        (Layout("auto", b"data"), [b"payload", b'{"x":1}'], {"x": 1}, 0),
        # One that is named is a member of that name, also where it is alone.
        (Layout("auto", json=(b"data",)), [b"data", b'{"x":1}'], {"data": {"x": 1}}, 0),
        (Layout("auto", json=(b"data",)), [b"data", b"5", b"y", b"5"], {"data": 5, "y": "5"}, 0),
        (Layout("auto", json=(b"data",)), [b"data", b"{", b"y", b"5"], {"data": "{", "y": "5"}, 1),
        (Layout("auto", json=(b"data",)), [b"data", b"\xff"], {"data": "�xff"}, 1),
        (Layout("auto", json=(b"a",)), [b"a", b"1", b"a", b"2"], {"a": [1, 2]}, 0),
        (
            Layout("json", json=(b"a",)),
            [b"a", b"1", b"payload", b'{"a":2}'],
            {"a": 2, "a_field": 1},
            0,
        ),
    ],
)
def test_fields_are_read_by_their_names(layout, fields, event, odd):
    assert events.read_event(fields, layout) == event
    assert events.split_fields(fields, layout).odd == odd


names = st.sampled_from(["a", "b", "payload", "data", "ü"])
plain = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3)
inner = st.recursive(
    plain, lambda each: st.lists(each, max_size=2) | st.dictionaries(names, each, max_size=2)
)


@given(
    event=st.dictionaries(names, inner, max_size=4),
    format=st.sampled_from(["auto", "json"]),
    field=names,
    json=st.sets(names, max_size=2),
)
def test_an_event_that_is_written_reads_back(event, format, field, json):
    layout = Layout.of(format, field, sorted(json - {field}))
    assert events.read_event(events.write_event(event, layout), layout) == event
