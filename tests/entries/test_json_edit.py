"""JSON text with some members changed: all others stay as they were written."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redisnb.entries import edit_json


@pytest.mark.parametrize(
    ("text", "edits", "expected"),
    [
        ('{"a":1.50,"b":2}', [(("b",), "3")], '{"a":1.50,"b":3}'),
        ('{"n":NaN,"h":"\\ud83d","b":2}', [(("b",), "3")], '{"n":NaN,"h":"\\ud83d","b":3}'),
        # The last of several is the one that is read; where it goes, all of them go.
        ('{"a":1,"b":0,"a":2}', [(("a",), "3")], '{"a":1,"b":0,"a":3}'),
        ('{"a":1,"b":0,"a":2}', [(("a",), None)], '{"b":0}'),
        ('{"a":1,"b":0,"a":2}', [(("b",), "5")], '{"a":1,"b":5,"a":2}'),
        # Blanks.
        (' { "a" : 1 , "b" : 2 }\n', [(("a",), "7")], ' { "a" : 7 , "b" : 2 }\n'),
        (' { "a" : 1 , "b" : 2 }\n', [(("a",), None)], ' { "b" : 2 }\n'),
        ('{ "a": 1, "b": 2 }', [(("b",), None)], '{ "a": 1 }'),
        ('{"a":1}', [(("a",), None)], "{}"),
        ("{ }", [(("a",), "1")], '{"a":1}'),
        # Objects inside.
        ('{"u":{"x":1,"y":[{}]},"x":3}', [(("u", "x"), "9")], '{"u":{"x":9,"y":[{}]},"x":3}'),
        ('{"u":{"x":1}}', [(("u", "x"), None)], '{"u":{}}'),
        ('{"u":{"x":1}}', [(("u", "v", "w"), "1")], '{"u":{"x":1,"v":{"w":1}}}'),
        ('{"u":null}', [(("u", "x"), "1")], '{"u":{"x":1}}'),
        ('{"u":null}', [(("u", "x"), None)], '{"u":null}'),
        ('{"u":5}', [(("u", "x"), None)], '{"u":5}'),
        ('{"a":1}', [(("u", "x"), None)], '{"a":1}'),
        ('{"u":{"x":1}}', [(("u",), '"flat"'), (("u", "x"), None)], '{"u":"flat"}'),
        ('{"\\u0061":1,"\\"":2}', [(("a",), "3"), (('"',), "4")], '{"\\u0061":3,"\\"":4}'),
        ('{"a.b":1,"a":{"b":2}}', [(("a.b",), "3")], '{"a.b":3,"a":{"b":2}}'),
        ("{}", [(("ü", 'q"'), '"☕"')], '{"ü":{"q\\"":"☕"}}'),
    ],
)
def test_what_an_edit_leaves(text, edits, expected):
    assert edit_json(text, edits) == expected


@pytest.mark.parametrize(
    ("text", "edits", "path"),
    [
        ('{"u":5}', [(("u", "x"), "1")], ("u",)),
        ('{"u":{"v":[1]}}', [(("u", "v", "w"), "1")], ("u", "v")),
        ("{}", [(("u",), "1"), (("u", "x"), "1")], ("u",)),
        ("{}", [(("u", "x"), "1"), (("u",), "1")], ("u",)),
    ],
)
def test_what_is_no_object_has_no_members(text, edits, path):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - its argument is looked at
        edit_json(text, edits)
    assert caught.value.args == (path,)


names = st.text(max_size=2) | st.sampled_from(["a", "b", "u"])
scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.just(1.5)
values = st.recursive(
    scalars, lambda each: st.lists(each, max_size=2) | st.dictionaries(names, each, max_size=3)
)


@given(
    event=st.dictionaries(names, values, max_size=4),
    edits=st.dictionaries(names, st.none() | values.map(json.dumps), max_size=3),
    indent=st.sampled_from([None, 1]),
)
def test_an_edit_does_what_it_does_to_a_dict(event, edits, indent):
    expected = event | {name: json.loads(text) for name, text in edits.items() if text is not None}
    expected = {name: value for name, value in expected.items() if edits.get(name, "") is not None}
    text = edit_json(json.dumps(event, indent=indent), [((n,), new) for n, new in edits.items()])
    assert json.loads(text) == expected
