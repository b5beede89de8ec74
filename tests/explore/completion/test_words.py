"""What stands before the cursor, and how names are written as words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redisnb.entries import as_text
from redisnb.explore.commands import expression_end, split_words
from redisnb.explore.completion.words import (
    MagicLine,
    Typed,
    find_line,
    followed_case,
    typed_words,
    written,
)

IN_A_CELL = "%%redis --conn other\nPING\n# GET a\n  XRANGE or"


@pytest.mark.parametrize(
    ("cell", "line"),
    [
        ("%redis XR", MagicLine("XR")),
        ("  %redis XR", MagicLine("XR")),
        ("%redis ", MagicLine("")),
        ("rows = %redis XR", MagicLine("XR")),
        ("rows=%redis XR", MagicLine("XR")),
        ("a, b = %redis GET k", MagicLine("GET k")),
        ("table['x'] = %redis GET k", MagicLine("GET k")),
        ("%redis SET k a=%redis b", MagicLine("SET k a=%redis b")),
        ("x = 1\n%redis XR", MagicLine("XR")),
        ("%redis --conn other XR", MagicLine("--conn other XR")),
        ("%%redis XR", MagicLine("XR")),
        ("%%redis --c", MagicLine("--c")),
        (IN_A_CELL, MagicLine("  XRANGE or", "--conn other")),
        ("\n\n%%redis\nGET", MagicLine("GET", "")),
        ("%%redis\n", MagicLine("", "")),
        # The magic's own name is IPython's to complete.
        ("%redis", None),
        ("%%redis", None),
        ("%red", None),
        ("%redisx GET", None),
        ("%%redisx\nGET", None),
        ("# rows = %redis XR", None),
        ("rows == %redis XR", None),
        ("print('redis XR", None),
        ("%%bash\nredis-cli XR", None),
        ("", None),
    ],
)
def test_the_line_of_the_cursor(cell, line):
    lines = cell.split("\n")
    assert find_line(cell, len(lines) - 1, len(lines[-1])) == line


def test_only_what_stands_before_the_cursor_counts():
    assert find_line("%redis GET key", 0, 9) == MagicLine("GE")
    assert find_line("x = 1\n%redis GET key\ny", 0, 3) is None
    # Before a cell's first line there is nothing.
    assert find_line("\n%%redis\nGET", 0, 0) is None


@pytest.mark.parametrize(
    ("line", "typed"),
    [
        ("", Typed(())),
        ("  ", Typed(())),
        ("GE", Typed((), "GE", "GE")),
        ("GET ", Typed(("GET",))),
        ("GET  us", Typed(("GET",), "us", "us")),
        ("GET \t", Typed(("GET",))),
        ('GET "a b', Typed(("GET",), '"a b', "a b", '"')),
        ('GET "a b ', Typed(("GET",), '"a b ', "a b ", '"')),
        ("GET 'a b", Typed(("GET",), "'a b", "a b", "'")),
        ("GET 'it\\'s", Typed(("GET",), "'it\\'s", "it's", "'")),
        ('GET "a\\n\\xff', Typed(("GET",), '"a\\n\\xff', "a\n\ufffdxff", '"')),
        ('HGET "a b" f', Typed(("HGET", "a b"), "f", "f")),
        ('HGET "a b" ', Typed(("HGET", "a b"))),
        ('GET a"b c', Typed(("GET",), 'a"b c', "ab c", '"')),
        ("GET $na", Typed(("GET",), "$na", "$na")),
        ('SET {d["a b"]} v', Typed(("SET", '{d["a b"]}'), "v", "v")),
        ("SET {a + 1} ", Typed(("SET", "{a + 1}"))),
        ("GET {user}:", Typed(("GET",), "{user}:", "{user}:")),
        # Behind a closing quote nothing is missing, and here something is wrong.
        ('GET "a b"', None),
        ('GET "a"b c', None),
        ('GET "a\\', None),
        ("# GET a", None),
        ("  # GET", None),
    ],
)
def test_the_words_before_the_cursor(line, typed):
    assert typed_words(line) == typed


@pytest.mark.parametrize(
    ("name", "plain", "double", "single"),
    [
        ("user:1", "user:1", '"user:1"', "'user:1'"),
        ("a b", '"a b"', '"a b"', "'a b'"),
        ('a"b', '"a\\"b"', '"a\\"b"', "'a\"b'"),
        ("it's", '"it\'s"', '"it\'s"', "'it\\'s'"),
        ("a\\b", "a\\b", '"a\\\\b"', '"a\\\\b"'),
        ("a\nb", '"a\\nb"', '"a\\nb"', '"a\\nb"'),
        ("caf\ufffdxe9", '"caf\\xe9"', '"caf\\xe9"', '"caf\\xe9"'),
        ("café", "café", '"café"', "'café'"),
        ("\u202ex", '"\\xe2\\x80\\xaex"', '"\\xe2\\x80\\xaex"', '"\\xe2\\x80\\xaex"'),
        ("", '""', '""', "''"),
        ("$x", '"$x"', '"$x"', "'$x'"),
        ("{x}", '"{x}"', '"{x}"', "'{x}'"),
        ("{user}:1", "{user}:1", '"{user}:1"', "'{user}:1'"),
        ("<b>", "<b>", '"<b>"', "'<b>'"),
    ],
)
def test_names_are_quoted_where_they_have_to_be(name, plain, double, single):
    assert (written(name), written(name, '"'), written(name, "'")) == (plain, double, single)


@given(st.binary(max_size=12), st.sampled_from(["", '"', "'"]))
def test_any_name_is_read_as_it_was_written(raw, quote):
    for line in (written(as_text(raw), quote), f"GET {written(as_text(raw), quote)} {{x}}"):
        words = split_words(line, whole=expression_end)
        word = words[0] if len(words) == 1 else words[1]
        assert word.value == raw
        # Nor is it taken for a value of Python.
        is_value = word.text.startswith("$") or expression_end(word.text, 0) == len(word.text)
        assert word.is_quoted or not is_value


@given(st.text(alphabet=" ab\"'\\{}$#x\n", max_size=12))
def test_any_text_has_words_or_none(text):
    typed = typed_words(text)
    assert typed is None or text.endswith(typed.fragment)


def test_the_case_that_is_typed():
    assert followed_case("XRANGE", "xra") == "xrange"
    assert followed_case("XRANGE", "XRA") == followed_case("XRANGE", "Xra") == "XRANGE"
    assert followed_case("COUNT", "", "xrange") == "count"
    assert followed_case("COUNT", "", "XRANGE") == followed_case("COUNT") == "COUNT"
