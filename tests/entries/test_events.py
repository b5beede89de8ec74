"""Events: mappings to fields and back, in each format."""

import copy
import dataclasses
import gzip
import math
import operator
import pickle
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from redisnb.entries import Layout, events
from redisnb.entries.ids import EntryId
from redisnb.errors import EncodeError, EntryIdError

FORMATS = ["auto", "json", "fields", "raw"]


@pytest.mark.parametrize("format", ["json", "auto"])
@pytest.mark.parametrize(
    ("event", "payload"),
    [
        ({"a": 1, "b": {"c": [1.5, None]}}, b'{"a":1,"b":{"c":[1.5,null]}}'),
        ({}, b"{}"),
        (MappingProxyType({"a": 1}), b'{"a":1}'),
        (pd.Series({"a": 1}).to_dict(), b'{"a":1}'),
    ],
)
def test_json_is_one_field_named_payload(event, payload, format):
    assert events.write_event(event, Layout(format)) == [b"payload", payload]


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ("tea", b"tea"),
        ("ü", "ü".encode()),
        ("", b""),
        (b"\xff", b"\xff"),
        (True, b"true"),
        (np.bool_(False), b"false"),
        (-5, b"-5"),
        (2**70, b"1180591620717411303424"),
        (np.int8(5), b"5"),
        (0.1, b"0.1"),
        (1e22, b"1e+22"),
        (-0.0, b"-0.0"),
        (np.float32(0.1), b"0.10000000149011612"),
        (EntryId("5-0"), b"5-0"),
        (date(2024, 5, 1), b"2024-05-01"),
        (datetime(2024, 5, 1, tzinfo=UTC), b"2024-05-01T00:00:00+00:00"),
        (np.datetime64("2024-05-01T00:00:00.000000001"), b"2024-05-01T00:00:00.000000001"),
        (pd.Timestamp("2024-05-01", tz="UTC"), b"2024-05-01T00:00:00+00:00"),
    ],
)
def test_fields_are_text(value, field):
    assert events.write_event({"a": value}, Layout("fields")) == [b"a", field]


@pytest.mark.parametrize("gone", [None, pd.NA, pd.NaT, np.datetime64("NaT"), np.timedelta64("NaT")])
def test_a_member_without_a_value_has_no_field(gone):
    assert events.write_event({"a": gone, "b": 1}, Layout("fields")) == [b"b", b"1"]
    with pytest.raises(EncodeError, match="this event has no value at all"):
        events.write_event({"a": gone}, Layout("fields"))


def test_a_name_may_be_anything_that_is_text_or_bytes():
    event = {"": 1, "a.b": 2, "entry_id": 3, b"\xff": 4, "ü": 5}
    assert events.write_event(event, Layout("fields"))[::2] == [
        b"",
        b"a.b",
        b"entry_id",
        b"\xff",
        "ü".encode(),
    ]


@pytest.mark.parametrize(
    ("event", "says", "column"),
    [
        ({"a": [1]}, "'a': a field is text or a finite number, not a list.*format='json'", "a"),
        ({"a": {"b": 1}}, "not a dict", "a"),
        ({"a": math.nan}, "not nan", "a"),
        ({"a": np.float64("inf")}, "not inf", "a"),
        ({"a": 1j}, "not a complex", "a"),
        ({"a": np.longdouble(1)}, "not a longdouble", "a"),
        ({"a": timedelta(1)}, "not a timedelta", "a"),
        ({"a": object()}, "not a object", "a"),
        ({"a": 10**5000}, "'a': the integer is too large", "a"),
        ({"a": "\ud800"}, "'a': a lone surrogate is not valid text", "a"),
        ({"\ud800": 1}, "a lone surrogate is not valid text", "\ud800"),
        ({5: 1}, r"a field's name is text, not int \(5\)", None),
        ({}, "an entry has at least one field", None),
    ],
)
def test_what_fields_cannot_carry_is_refused_by_name(event, says, column):
    with pytest.raises(EncodeError, match=says) as caught:
        events.write_event(event, Layout("fields"))
    assert caught.value.column == column


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("event", [None, "text", [("a", 1)], 5])
def test_an_event_is_a_mapping(event, format):
    with pytest.raises(EncodeError, match=r"an event is a mapping such as \{'id': 1\}, not "):
        events.write_event(event, Layout(format))


def test_json_names_the_member_at_fault():
    with pytest.raises(EncodeError, match=r"'a\.b': nan is not a JSON number") as caught:
        events.write_event({"a": {"b": math.nan}}, Layout("json"))
    assert caught.value.column == "a.b"


def test_raw_fields_are_written_as_they_are():
    pairs = [(b"a", b"1"), (b"a", b"2"), (b"", b"\xff")]
    flat = [b"a", b"1", b"a", b"2", b"", b"\xff"]
    assert events.write_event({"fields": pairs}, Layout("raw")) == flat
    assert events.write_event({"fields": tuple(map(list, pairs))}, Layout("raw")) == flat
    assert events.read_event(flat, Layout("raw")) == {"fields": pairs}


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"a": b"1"},
        {"fields": []},
        {"fields": None},
        {"fields": [1]},
        {"fields": b"ab"},
        {"fields": [b"ab"]},
        {"fields": [(b"a",)]},
        {"fields": [(b"a", b"b", b"c"), (b"d",)]},
        {"fields": [("a", "b")]},
        {"fields": {b"a": b"b"}},
        {"fields": [(b"a", b"b")], "more": 1},
    ],
)
def test_a_raw_event_is_nothing_but_pairs_of_bytes(event):
    with pytest.raises(EncodeError, match=r"a raw event is {'fields': \[\(name, value\), ...\]}"):
        events.write_event(event, Layout("raw"))


OBJECT = b'{"a":{"b":1}}'


@pytest.mark.parametrize(
    ("fields", "format", "event"),
    [
        ([b"payload", OBJECT], "json", {"a": {"b": 1}}),
        ([b"payload", OBJECT], "auto", {"a": {"b": 1}}),
        ([b"payload", OBJECT], "fields", {"payload": OBJECT.decode()}),
        ([b"payload", b" \n{}"], "json", {}),
        # A field that is alone may have any name.
        ([b"data", OBJECT], "auto", {"a": {"b": 1}}),
        ([b"data", OBJECT], "json", {"data": OBJECT.decode()}),
        ([b"payload", OBJECT, b"x", b"1"], "auto", {"a": {"b": 1}, "x": "1"}),
        ([b"data", OBJECT, b"x", b"1"], "auto", {"data": OBJECT.decode(), "x": "1"}),
        ([b"payload", b'{"a":Infinity}'], "json", {"a": float("inf")}),
        ([b"x", b"1", b"payload", OBJECT], "json", {"a": {"b": 1}, "x": "1"}),
        # What is no object stays what it is.
        ([b"payload", b"{broken"], "json", {"payload": "{broken"}),
        ([b"payload", b"[1]"], "json", {"payload": "[1]"}),
        ([b"payload", b" [1]"], "json", {"payload": " [1]"}),
        ([b"payload", b"5"], "auto", {"payload": "5"}),
        ([b"payload", b"\xff"], "json", {"payload": "�xff"}),
        # Only the first object is the event.
        ([b"payload", b"x", b"payload", OBJECT], "json", {"a": {"b": 1}, "payload": "x"}),
        ([b"payload", OBJECT, b"payload", b"{}"], "json", {"a": {"b": 1}, "payload": "{}"}),
        # Repeated, colliding and undecodable names.
        ([b"x", b"1", b"x", b"2", b"x", b"\xff"], "fields", {"x": ["1", "2", "�xff"]}),
        ([b"payload", b'{"x":1}', b"x", b"2"], "json", {"x": 1, "x_field": "2"}),
        (
            [b"payload", b'{"x":1,"x_field":3}', b"x", b"2"],
            "json",
            {"x": 1, "x_field": 3, "x_field_field": "2"},
        ),
        ([b"\xff", b"1", b"", b"2"], "fields", {"�xff": "1", "": "2"}),
        ([], "fields", {}),
    ],
)
def test_fields_are_read(fields, format, event):
    assert events.read_event(fields, Layout(format)) == event


def test_a_body_of_odd_length_is_no_body():
    with pytest.raises(ValueError, match="zip"):
        events.read_event([b"a"], Layout("fields"))


@pytest.mark.parametrize(
    ("name", "taken", "free"),
    [
        ("a", {"b"}, "a"),
        ("a", {"a"}, "a_field"),
        ("a", {"a": 1, "a_field": 2}, "a_field_field"),
    ],
)
def test_a_taken_name_gets_a_suffix(name, taken, free):
    assert events.free_name(name, taken) == free


def test_an_entry_shows_its_event_and_its_raw_fields():
    entry = events.make_entry(
        b"1714521600000-5", [b"payload", b'{"a":1}'], "orders", Layout("auto")
    )
    assert (entry.id, entry.stream) == ("1714521600000-5", "orders")
    assert entry.time == pd.Timestamp("2024-05-01", tz="UTC")
    assert entry.fields == ((b"payload", b'{"a":1}'),)
    assert entry.event == {"a": 1}
    entry.event["a"] = 2
    assert entry.event == {"a": 1}


@pytest.mark.parametrize(
    ("fields", "format", "name"),
    [
        ([b"order_created", OBJECT], "auto", "order_created"),
        ([b"order_created", OBJECT], "json", None),
        ([b"payload", OBJECT, b"x", b"1"], "auto", "payload"),
        ([b"\xff", b"{}"], "auto", "�xff"),
        ([b"payload", b"ping"], "json", None),
        ([b"payload", OBJECT], "fields", None),
        ([b"payload", OBJECT], "raw", None),
        (None, "auto", None),
    ],
)
def test_an_entry_names_the_field_that_carries_its_event(fields, format, name):
    assert events.make_entry(b"5-0", fields, "orders", Layout(format)).field == name


@pytest.mark.parametrize("body", [None, []])
@pytest.mark.parametrize("format", ["auto", "json", "fields"])
def test_a_trimmed_entry_is_an_empty_one(body, format):
    entry = events.make_entry(b"5-0", body, "orders", Layout(format))
    assert (entry.fields, entry.event) == ((), {})


# Texts as they come: objects, near-objects, and what Python's own json writes beyond the standard.
TEXTS = st.sampled_from(
    [
        *(b"{}", b" {}\n", OBJECT, b'{"payload":1,"payload_field":2,"data":3}', b'{"a":1,"a":2}'),
        *(b'{"a":[12345678901234567890,-9223372036854775809]}', b'{"a":1.2345678901234567e300}'),
        *(b'{"a":NaN,"b":[-Infinity,1e999]}', b'{"a":"\\ud83d","b":"\\ud83d\\ude00"}'),
        *(b"", b"ping", b"[1]", b" [{}]", b"5", b"NaN", b'"x"', b"{", b'{"a":1}x', b"{" * 9),
        *(b"\xff", b'{"a":"\xff"}', b"\xef\xbf\xbdxff", b"\xef\xbb\xbf{}"),
    ]
) | st.binary(max_size=4)
NAMES = st.sampled_from([b"payload", b"data", b"a", b"payload_field", b"\xff", b""])
LAYOUTS = [
    *(Layout(format) for format in FORMATS[:3]),
    *(Layout(format, b"data", (b"a",)) for format in FORMATS[:2]),
    Layout("fields", json=(b"data", b"payload")),
    Layout.of("json", decode="gzip"),
    Layout.of("auto", "data", ["a"], "gzip"),
]


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS, ids=repr)
@settings(max_examples=200)
@given(st.lists(st.tuples(NAMES, TEXTS), max_size=3), st.booleans())
@example([(b"payload", b'{"a":12345678901234567890}')], False)
def test_an_event_is_what_the_parts_of_its_entry_are(layout, pairs, packs):
    fields = [
        part for name, text in pairs for part in (name, gzip.compress(text) if packs else text)
    ]
    parts = events.split_fields(fields, layout)
    event = dict(parts.members)
    for name, value in parts.rest.items():
        event[events.free_name(name, event)] = value
    # As text, where NaN equals itself and 1 is not 1.0, and the order counts.
    assert repr(events.read_event(fields, layout)) == repr(event)


def by_hand_and_of_a_reply(fields=(b"payload", OBJECT)):
    pairs = tuple(zip(fields[::2], fields[1::2], strict=True))
    by_hand = events.Entry(EntryId("5-1"), "orders", pairs, Layout("auto"), 2)
    return by_hand, events.make_entry(b"5-1", [*fields], "orders", Layout("auto"), 2)


def twice(entry):
    """Return a new entry at each use, so that none has computed its ID or fields."""
    return pickle.loads(pickle.dumps(entry))


@pytest.mark.parametrize(
    "look",
    [
        *(hash, repr, str, dir, twice, copy.copy, copy.deepcopy, dataclasses.asdict),
        *(dataclasses.replace, operator.attrgetter("id"), operator.attrgetter("fields")),
        *map(operator.attrgetter, ("event", "field", "time", "format", "stream", "deliveries")),
    ],
)
def test_an_entry_of_a_reply_is_like_one_made_by_hand(look):
    by_hand, replied = by_hand_and_of_a_reply()
    assert look(replied) == look(by_hand)
    assert replied == by_hand
    assert twice(replied) == replied
    assert type(replied.id) is EntryId
    assert replied.id is replied.id
    # Whatever was asked for first, it is the same afterwards.
    assert look(replied) == look(by_hand)


def test_an_entry_is_frozen_and_has_no_other_names():
    for entry in by_hand_and_of_a_reply():
        with pytest.raises(dataclasses.FrozenInstanceError):
            entry.id = "6-0"
        with pytest.raises(dataclasses.FrozenInstanceError):
            del entry.stream
        with pytest.raises(AttributeError, match="'Entry' object has no attribute 'payload'"):
            _ = entry.payload
        assert not hasattr(entry, "__dict__")
    assert {*by_hand_and_of_a_reply()} == {by_hand_and_of_a_reply()[0]}
    assert by_hand_and_of_a_reply()[0] != by_hand_and_of_a_reply((b"payload", b"{}"))[1]
    assert events.make_entry(b"5-1", None, "orders", Layout()) != by_hand_and_of_a_reply()[1]


def test_an_id_that_is_none_is_refused_when_it_is_asked_for():
    with pytest.raises(EntryIdError):
        _ = events.make_entry(b"x", [b"a", b"1"], "orders", Layout()).id
