"""Templates: what is typed becomes an event, errors have their place, nothing is evaluated."""

import json
import re
import uuid
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redisnb.entries import Layout
from redisnb.panels.publishing.placeholders import TemplateError
from redisnb.panels.publishing.template import json_template, lines_template
from redisnb.panels.publishing.ways import (
    JSON_WAY,
    LINES_WAY,
    typed_template,
    typed_text,
    with_member,
)

JSON = Layout.of("json")
FIELDS = Layout.of("fields")


def test_each_copy_has_its_values():
    made = json_template(
        """{"n": {{n}}, "id": "order-{{ n }}", "at": {{now}}, "key": "{{uuid}}",
        "kind": {{choice('sale', "refund", 3, null)}}, "{{n}}": [{{choice(true)}}, "{{n}}"]}"""
    )
    first, second = made.event(1), made.event(2)
    assert (second["n"], second["id"]) == (2, "order-2")
    assert datetime.fromisoformat(first["at"]).tzinfo is not None
    assert uuid.UUID(first["key"]) != uuid.UUID(second["key"])
    assert {json.dumps(made.event()["kind"]) for _ in range(200)} == {
        '"sale"',
        '"refund"',
        "3",
        "null",
    }
    assert second["2"] == [True, "2"]
    assert made.names == {"n", "now", "uuid", "choice"}


@pytest.mark.parametrize(
    ("text", "line", "column", "says"),
    [
        ("", 0, 0, "there is no event yet"),
        ("[1]", 1, 1, "an event is a JSON object"),
        ('{"a": 1\n "b": 2}', 2, 2, "a comma is missing here"),
        ('{"a": {{n}}\n "b": {{uuid}}}', 2, 2, "a comma is missing here"),
        ('{"a": "x{{n}}", b: 1}', 1, 17, "a name in double quotes is missing"),
        ('{"a": }', 1, 7, "a value is missing here"),
        ('{"a": 1}}', 1, 9, "after the end"),
        ('{"a": NaN}', 1, 7, "NaN is not a JSON number"),
        ('{"a": 1e999}', 1, 7, "beyond the range"),
        ('{"a": 1,\n "a": 2}', 2, 2, 'the member "a" occurs twice'),
        ('{"a": {{m}}}', 1, 7, "'m' is no placeholder: there are {{n}}"),
        ('{"a": "\\n{{m}}"}', 1, 10, "two braces as a text are \\u007b{"),
        ('{\n"a": {{__import__("os").system("true")}}}', 2, 6, "this is no placeholder"),
        ('{"a": {{choice()}}}', 1, 7, "a choice needs values"),
        ('{"a": {{choice(sale)}}}', 1, 16, "sale is no value: texts stand in quotes"),
        ('{"a": {{n(1)}}}', 1, 7, "{{n}} takes no values"),
        ("[" * 100_000, 0, 0, "nested too deeply"),
    ],
)
def test_an_error_has_its_place(text, line, column, says):
    with pytest.raises(TemplateError, match=re.escape(says)) as caught:
        json_template(text)
    assert (caught.value.line, caught.value.column) == (line, column)


@pytest.mark.parametrize(
    ("text", "layout", "event"),
    [
        ("a=1\n\n b = two words \nc={{n}}", JSON, {"a": 1, "b": "two words", "c": 7}),
        ("a=1\nb=o-{{n}}", FIELDS, {"a": "1", "b": "o-7"}),
        ('a="1"\nb=[1, {{n}}]\nc=x=y', JSON, {"a": "1", "b": [1, 7], "c": "x=y"}),
        ("a={{choice('x')}}", FIELDS, {"a": "x"}),
        ("a={{choice(null)}}\nb=", JSON, {"a": None, "b": ""}),
    ],
)
def test_a_line_is_a_field(text, layout, event):
    assert lines_template(text, layout).event(7) == event


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        (" ", 0, 0),
        ("a=1\nb", 2, 1),
        ("=1", 1, 1),
        ("a=1\na=2", 2, 1),
        ("a=1\nbb=[1,", 2, 7),
        ("a= {{m}}", 1, 4),
    ],
)
def test_an_error_of_a_line_has_its_place(text, line, column):
    with pytest.raises(TemplateError) as caught:
        lines_template(text, JSON)
    assert (caught.value.line, caught.value.column) == (line, column)


def test_the_python_of_a_template_makes_the_same():
    made = json_template(
        '{"n": {{n}}, "id": "o-{{n}}", "k": {{choice("a")}}, "x": [1, null, "{{n}}"]}'
    )
    assert made.python() == (
        "{'n': n, 'id': 'o-' + str(n), 'k': random.choice(['a']), 'x': [1, None, str(n)]}"
    )


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("ab{}\"\\\n='n \U000f0000"),
    lambda inside: (
        st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=3), inside, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(st.text('a{}"\\', min_size=1), plain, min_size=1),
    st.sampled_from([JSON_WAY, LINES_WAY]),
)
def test_an_event_is_typed_so_that_it_reads_the_same(event, way):
    """What an entry has is never taken for a placeholder."""
    try:
        text = typed_text(way, event, JSON)
    except ValueError:
        assert way == LINES_WAY
        return
    made = typed_template(way, text, JSON)
    assert made.event() == event
    assert not made.slots


@pytest.mark.parametrize(
    ("way", "text", "becomes"),
    [
        (JSON_WAY, "", '{\n  "a": {"b": 1}\n}'),
        (JSON_WAY, "{}", '{\n  "a": {"b": 1}\n}'),
        (JSON_WAY, '{"n": {{n}}}', '{"n": {{n}},\n  "a": {"b": 1}\n}'),
        (LINES_WAY, "n={{n}}", 'n={{n}}\na={"b": 1}'),
    ],
)
def test_a_member_more(way, text, becomes):
    assert with_member(way, text, "a.b", 1, JSON) == becomes
