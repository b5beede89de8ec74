"""Events as they are typed: each way of writing one reads back its own output."""

import json

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from redisnb.entries import AUTO, Entry, Layout, make_entry, to_bytes
from redisnb.errors import EncodeError
from redisnb.panels.publish.forms import (
    LONGEST_EXAMPLE,
    example,
    format_content,
    is_blank,
    parse,
    parse_content,
)

FIELDS = Layout("fields")
ODD = ["", "2", "007", " 2 ", "true", "null", "NaN", "1e999", "Infinity", "[NaN]", "a b", "a=b"]
ODD += ['"', '"a', '"a"', "{", "[1", '{"a":1}', '{"a":1,"a":2}', "a\nb", "a\u2028b", "\u00a0"]
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(ODD)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
).filter(lambda value: "inf" not in repr(value))


@pytest.mark.slow
@settings(max_examples=300)
@given(st.dictionaries(texts, values, min_size=1, max_size=4), st.sampled_from(["json", "line"]))
def test_json_events_come_back(event, form):
    found = parse_content(form, format_content(form, event, AUTO), AUTO)
    assert json.dumps(found) == json.dumps(event)


@pytest.mark.parametrize("form", ["fields", "json", "line"])
def test_a_member_with_a_field_of_its_own_comes_back(form):
    layout = Layout("fields", json=(b"data",))
    event = {"type": "5", "data": {"n": [1, None]}}
    assert parse_content(form, format_content(form, event, layout), layout) == event
    layout = Layout("auto", b"value", (b"key",))
    event = {"after": {"n": 1}, "key": {"id": 1}}
    assert parse_content(form, format_content(form, event, layout), layout) == event


@pytest.mark.slow
@settings(max_examples=300)
@given(st.dictionaries(texts, values, min_size=1, max_size=4))
def test_json_events_come_back_from_fields(event):
    assume(all(name and "\n" not in name and "\r" not in name for name in event))
    content = format_content("fields", event, AUTO)
    # Characters that a one-line field would drop.
    assert not any(end in text for pair in content for text in pair for end in "\r\n")
    assert json.dumps(parse_content("fields", content, AUTO)) == json.dumps(event)


@settings(max_examples=300)
@given(
    st.dictionaries(texts, texts, min_size=1, max_size=4),
    st.sampled_from(["json", "line", "fields"]),
)
def test_events_of_text_come_back(event, form):
    # redisnb's spelling of bytes that are not UTF-8 stands for those bytes.
    assume(all(to_bytes(text) == text.encode() for pair in event.items() for text in pair))
    if form == "fields":
        typed = [*event, *event.values()]
        assume("" not in event and not any(end in text for text in typed for end in "\r\n"))
    assert parse_content(form, format_content(form, event, FIELDS), FIELDS) == event


def test_a_value_that_is_json_is_read_as_json():
    pairs = [["a", "2"], ["b", "true"], ["c", "null"], ["d", '{"x": [1.5]}'], ["e", '"2"']]
    event = {"a": 2, "b": True, "c": None, "d": {"x": [1.5]}, "e": "2"}
    assert parse_content("fields", pairs, AUTO) == event
    assert parse_content("fields", pairs, FIELDS) == dict(pairs)


def test_anything_else_is_text():
    pairs = [["f", "007"], ["g", "NaN"], ["h", "two words"], ["i", ""]]
    assert parse_content("fields", [*pairs, ["", ""]], AUTO) == dict(pairs)


def test_one_line():
    line = ' item=tea amount=2 note="two words"  at={"shop": 1} "odd name"=null e= f=a=b g=[x '
    event = {"item": "tea", "amount": 2, "note": "two words", "at": {"shop": 1}, "odd name": None}
    assert parse_content("line", line, Layout("json")) == event | {"e": "", "f": "a=b", "g": "[x"}
    assert parse_content("line", 'a=2 b="x y" c={"n":1}', FIELDS) == {
        "a": "2",
        "b": "x y",
        "c": '{"n":1}',
    }


@pytest.mark.parametrize(
    ("form", "content", "words"),
    [
        ("fields", [["", ""]], "there is no event yet"),
        ("fields", [["a", "1"], ["b", "2"], ["a", "3"]], "the field 'a' occurs twice"),
        ("fields", [["", "x"]], "the value 'x' has no name"),
        ("fields", [["a", '{"b": 1, "b": 2}']], "'a': the member \"b\" occurs twice"),
        ("fields", [["a", "1e999"]], "'a': 1e999 is beyond the range of a JSON number"),
        ("fields", [["a", "[" * 100_000]], "'a': a value is nested too deeply"),
        ("line", "  ", "there is no event yet"),
        ("line", "a=1 a=2", "the field 'a' occurs twice"),
        ("line", "a=1 note=two words", "character 14: 'words' has no '='; fields are name=value"),
        ("line", "=1", "character 1: there is no name before '='"),
        ("line", 'a="two words', "character 3: unterminated string"),
        ("line", 'a="x"b=1', "character 6: a space is missing after the value"),
        ("line", "a=" + "[" * 100_000, "a value is nested too deeply"),
        ("json", "", "there is no event yet"),
        ("json", '{"a": 1,\n "b" 2}', "not JSON: line 2, column 6: expecting ':' delimiter"),
        ("json", '{"a": 1} x', "not JSON: line 1, column 10: extra data"),
        ("json", "[1, 2]", 'an event is a JSON object, such as {"id": 1}'),
        ("json", '{"a": {"b": 1, "b": 2}}', 'the member "b" occurs twice'),
        ("json", '{"a": NaN}', "NaN is not a JSON number; use null instead"),
        ("json", '{"a":' * 100_000, "this is nested too deeply"),
    ],
)
def test_what_is_no_event_is_explained(form, content, words):
    with pytest.raises(ValueError, match=r".") as caught:
        parse_content(form, content, AUTO)
    assert str(caught.value).startswith(words)


@pytest.mark.parametrize(
    ("event", "format", "words"),
    [
        ({"a": "two\nlines"}, "fields", "'a' has a line break"),
        ({"a\n": 1}, "auto", "'a\\\\n' has a line break"),
        ({"": 1}, "auto", "a field without a name"),
        ({str(n): n for n in range(501)}, "auto", "501 fields, and there is room for 500 here"),
    ],
)
def test_what_lines_of_fields_cannot_hold(event, format, words):
    with pytest.raises(ValueError, match=words):
        format_content("fields", event, Layout(format))


@pytest.mark.parametrize(
    "event", [{"a": "\ud800"}, {"a": float("nan")}, {"a": {1}}, [1], {"a": []}]
)
def test_what_the_stream_cannot_carry_is_not_written(event):
    with pytest.raises(EncodeError):
        format_content("json", event, FIELDS if event == {"a": []} else AUTO)


def last(*pairs: bytes, format="auto") -> Entry:
    return make_entry(b"1-0", pairs, "s", Layout(format))


@pytest.mark.parametrize(
    ("format", "fields", "event"),
    [
        ("auto", [b"payload", '{"a": {"b": [1, "é"]}}'.encode()], {"a": {"b": [1, "é"]}}),
        ("auto", [b"data", b'{"a": 1}'], {"a": 1}),
        ("json", [b"payload", b'{"n": 12345678901234567890123}'], {"n": 12345678901234567890123}),
        ("auto", [b"a", b"1", b"b", b"2"], None),
        ("json", [b"payload", b"[1]"], None),
        ("json", [b"payload", b'{"a": 1}', b"more", b"x"], None),
        ("fields", [b"payload", b'{"a": 1}'], {"payload": '{"a": 1}'}),
        ("fields", [b"a", b"1", b"a", b"2"], None),
        ("fields", [b"a", b"\xff"], {"a": "�xff"}),
        ("auto", [b"payload", b'{"a": "%b"}' % (b"x" * LONGEST_EXAMPLE)], None),
    ],
)
def test_the_form_begins_with_an_entry_or_says_why_not(format, fields, event):
    found, why = example(last(*fields, format=format), Layout(format))
    assert found == event
    assert bool(why) is (event is None)


def test_blank():
    assert all(map(is_blank, ([], [["", ""]], " \n")))
    assert not any(map(is_blank, ([["", " "]], "{}")))
    assert parse("{}") == {}
