"""Which words may come next, by literal syntaxes: those of the server are in test_matching.py."""

import pytest

from redisnb.explore.commands import Term
from redisnb.explore.completion.expecting import Known, expected


def keyword(token, **options):
    return Term(token.lower(), "pure-token", token, **options)


KEY = Term("key", "key")
COUNT = Term("count", "integer", "COUNT", optional=True)
SETTING = (
    KEY,
    Term("value", "string"),
    Term("condition", "oneof", optional=True, terms=(keyword("NX"), keyword("XX"))),
    keyword("GET", optional=True),
    Term(
        "expiry",
        "oneof",
        optional=True,
        terms=(Term("seconds", "integer", "EX"), keyword("KEEPTTL")),
    ),
)
ADDING = (
    KEY,
    Term(
        "trim",
        "block",
        optional=True,
        terms=(
            Term("strategy", "oneof", terms=(keyword("MAXLEN"), keyword("MINID"))),
            Term("sign", "oneof", optional=True, terms=(keyword("="), keyword("~"))),
            Term("threshold", "string"),
            Term("count", "integer", "LIMIT", optional=True),
        ),
    ),
    Term("id_or_auto", "oneof", terms=(keyword("*"), Term("id", "string"))),
    Term(
        "data",
        "block",
        multiple=True,
        terms=(Term("field", "string"), Term("value", "string")),
    ),
)
READING = (
    Term("who", "block", "GROUP", terms=(Term("groupname", "string"), Term("consumer", "string"))),
    COUNT,
    keyword("NOACK", optional=True),
    Term(
        "streams",
        "block",
        "STREAMS",
        terms=(Term("key", "key", multiple=True), Term("id", "string", multiple=True)),
    ),
)
SORTING = (
    KEY,
    Term("pattern", "pattern", "GET", optional=True, multiple=True, repeats_token=True),
    Term("weight", "integer", "WEIGHTS", optional=True, multiple=True),
    keyword("ALPHA", optional=True),
)
# Nothing but options, repeated: it must not go round for ever.
HOLLOW = (Term("all", "block", multiple=True, terms=(COUNT, keyword("ALPHA", optional=True))),)


def nexts(terms, words):
    return [each.token or each.term.name for each in expected(terms, words.split())]


@pytest.mark.parametrize(
    ("terms", "words", "wanted"),
    [
        (SETTING, "", ["key"]),
        (SETTING, "k", ["value"]),
        (SETTING, "k v", ["NX", "XX", "GET", "EX", "KEEPTTL"]),
        # Options come in any order, each once.
        (SETTING, "k v get", ["NX", "XX", "EX", "KEEPTTL"]),
        (SETTING, "k v EX", ["seconds"]),
        (SETTING, "k v EX 5", ["NX", "XX", "GET"]),
        (SETTING, "k v EX $seconds NX", ["GET"]),
        (SETTING, "k v EX {n+1} NX GET", []),
        # What does not fit: all keywords, rather than nothing.
        (SETTING, "k v EX five", ["NX", "XX", "GET", "EX", "KEEPTTL"]),
        (SETTING, "k v NX NX", ["NX", "XX", "GET", "EX", "KEEPTTL"]),
        (ADDING, "k", ["MAXLEN", "MINID", "*", "id"]),
        (ADDING, "k MAXLEN", ["=", "~", "threshold"]),
        (ADDING, "k maxlen ~", ["threshold"]),
        (ADDING, "k MAXLEN 5", ["LIMIT", "*", "id"]),
        (ADDING, "k MAXLEN ~ 5 LIMIT 10", ["*", "id"]),
        (ADDING, "k *", ["field"]),
        (ADDING, "k 5-1 f", ["value"]),
        (ADDING, "k * f v", ["field"]),
        (ADDING, "k * f v LIMIT", ["value"]),
        (READING, "", ["GROUP"]),
        (READING, "GROUP", ["groupname"]),
        (READING, "GROUP g", ["consumer"]),
        (READING, "GROUP g c", ["COUNT", "NOACK", "STREAMS"]),
        (READING, "GROUP g c NOACK COUNT 5", ["STREAMS"]),
        # Another key, or the first ID.
        (READING, "GROUP g c STREAMS a", ["key", "id"]),
        (SORTING, "k GET p", ["GET", "WEIGHTS", "ALPHA"]),
        (SORTING, "k WEIGHTS 1", ["weight", "GET", "ALPHA"]),
        (SORTING, "k WEIGHTS 1 2 ALPHA", ["GET"]),
        (HOLLOW, "ALPHA COUNT 5", ["COUNT", "ALPHA"]),
        ((), "", []),
    ],
)
def test_the_words_that_may_come_next(terms, words, wanted):
    assert nexts(terms, words) == wanted


def test_what_the_words_before_tell():
    (next_field,) = expected(ADDING, ["orders", "*"])
    assert next_field.known == Known(key="orders")
    consumer = expected(READING, ["GROUP", "g"])[0]
    assert consumer.known == Known(group="g")
    keys = expected(READING, ["GROUP", "g", "c", "STREAMS", "a", "b"])
    assert {each.known for each in keys} == {Known("a", "g")}


def test_a_long_command_takes_no_time():
    pairs = (Term("pair", "block", multiple=True, terms=(KEY, Term("value", "string"))),)
    assert nexts(pairs, "k v " * 5_000) == ["key"]
