"""Profiles: kinds, extremes and changes of columns, entry by entry."""

import json
from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redisnb import frames
from redisnb.entries import Layout
from redisnb.errors import RedisnbWarning
from redisnb.frames import Profile, check_schema, entries_frame
from redisnb.frames.profiling import profile as profiling
from redisnb.frames.profiling import values

AUTO, FIELDS = Layout.of("auto"), Layout.of("fields")


def entries(events, layout=AUTO):
    """Return entries 1-0, 2-0, ... of events as mappings, or as the flat fields of an entry."""
    found = []
    for i, event in enumerate(events, 1):
        if layout.format == "fields" and isinstance(event, dict):
            event = [part for pair in event.items() for part in pair]
        elif isinstance(event, dict):
            event = [b"payload", json.dumps(event).encode()]
        parts = [part if isinstance(part, bytes) else str(part).encode() for part in event]
        found.append((b"%d-0" % i, parts))
    return found


def profile_of(events, layout=AUTO, schema=None):
    profile = Profile(layout, check_schema(schema))
    profile.feed(entries(events, layout))
    assert profile.finish() == []
    return profile.frame()


def row(events, layout=AUTO, name="a"):
    frame = profile_of(events, layout)
    return frame.set_index("column").loc[name]


def changes(events, name="a"):
    return row(events, name=name)["changes"]


def of(letters):
    """Return events by letters: i, f, t, b are values of a kind, n is null, - has no column."""
    kinds = {"i": 1, "f": 1.5, "t": "x", "b": True, "n": None, "l": [1]}
    return [{"other": 1} | ({} if letter == "-" else {"a": kinds[letter]}) for letter in letters]


def test_without_entries_it_has_its_schema(has_schema):
    assert has_schema(profile_of([]), frames.PROFILE)
    assert has_schema(profile_of([{"a": 1}, {"a": "x"}]), frames.PROFILE)
    assert profile_of([]).attrs == {"entries": 0, "odd": 0, "odd_ids": []}


def test_a_row_for_each_column_in_the_order_in_which_they_occur():
    frame = profile_of([{"b": 1, "user": {"id": 7, "tags": []}}, {"a": None, "user": None}])
    assert frame["column"].tolist() == ["b", "user.id", "user.tags", "a"]
    assert frame["present"].tolist() == [1, 1, 1, 0]
    assert frame["missing"].tolist() == [1, 1, 1, 2]
    assert frame["kinds"].tolist() == ["int 1", "int 1", "list 1", "null 1"]
    assert frame["first_seen"].isna().tolist() == [False, False, False, True]


def test_kinds_are_those_of_json():
    given = [1, 2, "5", 1.0, True, [1], {}, None, float("nan"), 2**70, float("inf")]
    assert row([{"a": value} for value in given])["kinds"] == (
        "int 3, float 2, text 1, bool 1, list 1, object 1, null 2"
    )


def test_kinds_of_fields_are_what_their_text_is():
    given = ["5", "-7", "1.50", "1e3", "007", "x", "", "true", b"\xff", str(2**70), "1e400"]
    assert row([{"a": text} for text in given], FIELDS)["kinds"] == (
        "text 6, int text 2, float text 2, bytes 1"
    )
    assert row([[b"a", "1", b"a", "2"]], FIELDS)["kinds"] == "list 1"


def test_json_and_text_are_told_apart_in_one_column():
    found = row([{"a": 5}, [b"a", "5", b"b", "6"], [b"a", "x", b"b", "6"]])
    assert found["kinds"] == "int 1, int text 1, text 1"
    assert found["distinct"] == 3


def test_extremes_are_by_value_of_numbers_and_by_text_of_texts():
    numbers = row([{"a": value} for value in (9, 10.5, -3, "x", None)])
    assert (numbers["min"], numbers["max"]) == ("-3", "10.5")
    assert tuple(row([{"a": t} for t in ("9", "10", "1.5")], FIELDS)[["min", "max"]]) == (
        "1.5",
        "10",
    )
    texts = row([{"a": value} for value in ("b", "a", "c", 5)])
    assert (texts["min"], texts["max"]) == ("a", "c")
    neither = row([{"a": value} for value in (True, [1], {})])
    assert neither[["min", "max"]].isna().all()


def test_the_most_frequent_values_as_filters_write_them():
    given = ["it's"] * 3 + [True] * 2 + [5, 5, 5, 5, 6, [1, "ä"]]
    assert row([{"a": value} for value in given])["top"] == "5 4, 'it''s' 3, true 2"
    assert row([{"a": [1, "ä"]}] * 2)["top"] == '[1,"ä"] 2'
    assert row([{"a": "5"}] * 2, FIELDS)["top"] == "'5' 2"
    assert row([{"a": value} for value in range(5)])["top"] == ""


def test_long_values_are_cut_and_still_told_apart():
    found = row([{"a": "x" * 100 + end} for end in "aab"])
    assert found["distinct"] == 2
    assert found["top"] == f"'{'x' * 60}\u2026' 2"
    assert found["min"] == "x" * 60 + "\u2026"
    assert row([{"a": [0] * 1_000}] * 2)["top"] == "[" + "0," * 29 + "0\u2026 2"
    found = row([{"a": 10**70}] * 2)
    assert found["max"] == "1" + "0" * 59 + "\u2026"
    assert found["top"] == found["max"] + " 2"
    assert row([{"a": "1." + "0" * 70}] * 2, FIELDS)["kinds"] == "text 2"
    nested = b'{"a": ' + b"[" * 990 + b"]" * 990 + b"}"
    assert row([[b"payload", nested]])["distinct"] == 1


def test_beyond_a_limit_distinct_values_are_not_counted(monkeypatch):
    monkeypatch.setattr(values, "MOST_DISTINCT", 3)
    found = row([{"a": i % 6, "b": 1} for i in range(12)])
    assert pd.isna(found["distinct"])
    assert (found["min"], found["max"]) == ("0", "5")
    assert found["top"] == "0 2, 1 2, 2 2"


def test_beyond_a_limit_no_more_values_are_kept(monkeypatch):
    monkeypatch.setattr(profiling, "MOST_VALUES", 4)
    frame = profile_of([{"a": i, "b": 1} for i in range(12)])
    assert frame["distinct"].isna().tolist() == [True, False]
    assert frame["max"].tolist() == ["11", "1"]


def test_beyond_a_limit_columns_are_left_out(monkeypatch):
    monkeypatch.setattr(profiling, "MOST_COLUMNS", 2)
    with pytest.warns(RedisnbWarning, match="more than 2 col"):
        frame = profile_of([{str(i): 1} for i in range(5)])
    assert frame["column"].tolist() == ["0", "1"]


@pytest.mark.parametrize(
    ("letters", "said"),
    [
        ("iiiiii", ""),
        ("i", ""),
        # The kind of the values.
        ("iiittt", "int until 3-0, text since 4-0"),
        ("i-in-t-t", "int until 3-0, text since 6-0"),
        ("iiitiii", "int until 3-0, text only in 4-0, int since 5-0"),
        ("ittiibb", "int until 1-0, text from 2-0 to 3-0, int from 4-0 to 5-0, bool since 6-0"),
        ("titititi", "text and int mixed throughout"),
        ("i" * 40 + "ti" * 20, "int throughout, text since 41-0"),
        ("ti" * 20 + "i" * 40, "text until 39-0, int throughout"),
        ("i" * 40 + "tb" * 20, "int until 40-0, text since 41-0, bool since 42-0"),
        # Integers and floats are numbers, but cents that become euros are a change.
        ("ififif", ""),
        ("iifii", ""),
        ("iiifff", "int until 3-0, float since 4-0"),
        ("i" * 40 + "fi" * 20, "int throughout, float since 41-0"),
        # The entries that have it.
        ("---iii", "present since 4-0"),
        ("iii---", "present until 3-0"),
        ("iii-ii", "present until 3-0, since 5-0"),
        ("iiinii", "present until 3-0, since 5-0"),
        ("-i----", "present only in 2-0"),
        ("-ii-i-", "present from 2-0 to 3-0, only in 5-0"),
        ("i-i-i-i-i-", ""),
        ("-i" * 20, ""),
        ("-" * 20 + "i-" * 20, "present now and then since 21-0"),
        ("-i" * 20 + "-" * 20, "present now and then until 40-0"),
        ("-" * 20 + "i-" * 20 + "-" * 20, "present now and then from 21-0 to 59-0"),
        ("---i--i----i---i--i-i", ""),
        ("-" * 9 + "i-" * 9, ""),
        ("---ttt", "present since 4-0"),
        ("---iiittt", "int until 6-0, text since 7-0; present since 4-0"),
        ("nnn", ""),
    ],
)
def test_changes_are_where_something_begins_or_ends(letters, said):
    assert changes(of(letters)) == said


def test_the_first_and_the_last_entry_with_a_value():
    found = row(of("-n-i-t-n-"))
    assert (found["first_seen"], found["last_seen"]) == ("4-0", "6-0")


def test_odd_entries_are_counted_and_the_first_ones_listed():
    frame = profile_of([[b"payload", "ping"]] * 12 + [{"a": 1}])
    assert frame["column"].tolist() == ["payload", "a"]
    assert frame.attrs["odd"] == 12
    assert frame.attrs["odd_ids"] == [f"{i}-0" for i in range(1, 11)]


def test_other_carriers_have_a_row():
    frame = profile_of([[b"data", '{"a": 1}'], {"a": 2}])
    assert frame["column"].tolist() == ["entry_field", "a"]
    assert frame["top"].tolist() == ["", ""]
    assert frame["kinds"].tolist() == ["text 2", "int 2"]
    assert "entry_field" not in profile_of([{"a": 2}])["column"].tolist()


def test_with_a_schema_misfits_are_counted_and_each_column_has_a_row():
    events = [{"a": 1, "b": "x"}, {"a": "x"}, {"a": 1.5}, {"a": "7"}, {"a": None}]
    frame = profile_of(events, schema={"a": "Int64", "c": "str"})
    assert frame["column"].tolist() == ["a", "b", "c"]
    assert frame["kinds"].tolist()[2] == ""
    assert frame.attrs["misfits"] == {"a": 2}
    expected = entries_frame(entries(events), schema=check_schema({"a": "Int64", "c": "str"}))
    assert frame.attrs["misfits"] == expected.attrs["misfits"]


leaf = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(width=16)
    | st.sampled_from(["", "5", "x"])
)
event = st.dictionaries(
    st.sampled_from("abc"),
    leaf | st.lists(leaf, max_size=2) | st.dictionaries(st.sampled_from("xy"), leaf, max_size=2),
    max_size=3,
)
flat = st.lists(st.sampled_from([b"payload", b"a", b"1", b"x", b"{}"]), min_size=2, max_size=4)
entry = event | flat.filter(lambda parts: len(parts) % 2 == 0)


@given(st.lists(entry, max_size=30), st.lists(st.integers(0, 30), max_size=3))
def test_it_is_of_each_entry_by_itself(events, cuts):
    fed = entries(events)
    whole = profile_of(events)
    parts = Profile(AUTO)
    ends = [0, *sorted(cuts), len(fed)]
    for first, last in pairwise(ends):
        parts.feed(fed[first:last])
    parts.finish()
    pd.testing.assert_frame_equal(parts.frame(), whole)
    frame = entries_frame(fed)
    columns = [name for name in frame.columns if name != "entry_id"]
    assert whole["column"].tolist() == columns
    assert whole["present"].tolist() == [int(frame[name].notna().sum()) for name in columns]
    assert whole.attrs["odd"] == frame.attrs["odd"]


@given(st.lists(st.sampled_from("itbn-"), min_size=1, max_size=40))
def test_each_change_that_is_said_is_one(letters):
    frame = profile_of(of("".join(letters)))
    if "a" not in set(frame["column"]):
        return
    said = frame.set_index("column").loc["a", "changes"]
    kinds = {"int": "i", "text": "t", "bool": "b"}
    for part in said.split("; ")[0].split(", "):
        kind, _, place = part.partition(" ")
        if kind not in kinds or "-0" not in place:
            continue
        ids = [int(word.removesuffix("-0")) for word in place.split() if word.endswith("-0")]
        assert all(letters[id - 1] == kinds[kind] for id in ids)


# -- samples


def sampled(letters, rows):
    """Return a profile of some of the entries, the changes left open, and all entries."""
    profile = Profile(AUTO)
    fed = entries(of(letters))
    for i in rows:
        profile.feed([fed[i]], after_gap=True)
    return profile, profile.finish(), fed


def test_a_change_between_two_entries_of_a_sample_is_open():
    profile, switches, fed = sampled("iiiiiitttt---", [0, 3, 8, 12])
    assert [(each.kind, each.low, each.high) for each in switches] == [
        ("int", b"4-0", b"9-0"),
        (None, b"9-0", b"13-0"),
    ]
    found = profile.frame().set_index("column").loc["a", "changes"]
    assert found == (
        "int until 4-0 or later, text since 9-0 or earlier; present until 9-0 or later"
    )
    for id, fields in fed:
        for switch in switches:
            switch.narrow(id, profile.kinds(fields))
    for switch in switches:
        switch.settle()
    found = profile.frame().set_index("column").loc["a"]
    assert found["changes"] == "int until 6-0, text since 7-0; present until 10-0"
    assert found["last_seen"] == "10-0"


def test_neighbours_in_a_sample_leave_nothing_open():
    profile = Profile(AUTO)
    fed = entries(of("--iiittt"))
    profile.feed(fed[:4])
    profile.feed(fed[4:], after_gap=True)
    assert profile.finish() == []
