"""Errors: one tree, and messages that say what to do."""

import pytest
from redis.connection import DefaultParser
from redis.exceptions import ResponseError

from redisnb import errors
from redisnb.errors import (
    DecodeError,
    EncodeError,
    EntryIdError,
    GroupMissingError,
    MissingExtraError,
    RedisnbError,
    RedisnbWarning,
    UncertainWriteError,
)

parse = DefaultParser.parse_error


def test_everything_that_redisnb_raises_can_be_caught_at_once():
    public = [getattr(errors, name) for name in errors.__all__]
    assert all(issubclass(error, RedisnbError) for error in public if error is not RedisnbWarning)
    assert issubclass(RedisnbWarning, UserWarning)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (EntryIdError, ValueError),
        (DecodeError, ValueError),
        (EncodeError, ValueError),
        (MissingExtraError, ImportError),
    ],
)
def test_an_error_is_also_the_builtin_one_that_python_would_raise(error, builtin):
    assert issubclass(error, builtin)


def test_the_docstring_draws_each_class():
    missing = [name for name in errors.__all__ if name not in errors.__doc__]
    assert not missing


@pytest.mark.parametrize(
    ("error", "attributes"),
    [
        (errors.ConnectError("no", url="redis://host:1"), {"url": "redis://host:1"}),
        (errors.ConnectError("no"), {"url": None}),
        (EntryIdError("no", value=5), {"value": 5}),
        (EncodeError("no"), {"column": None, "row": None}),
        (EncodeError("no", column="a.b", row=3), {"column": "a.b", "row": 3}),
        (UncertainWriteError("no", stream="s", rows=2), {"stream": "s", "rows": 2}),
        (GroupMissingError("no", stream="s", group="g"), {"stream": "s", "group": "g"}),
    ],
)
def test_an_error_carries_what_a_program_needs(error, attributes):
    assert str(error) == "no"
    assert vars(error) == attributes


def test_an_encode_error_gets_its_row_and_keeps_its_column():
    error = EncodeError("'a': no", column="a").at_row(7)
    assert (str(error), error.column, error.row) == ("row 7: 'a': no", "a", 7)


def test_a_missing_extra_gives_the_line_to_type():
    error = MissingExtraError("ipywidgets", "lab")
    assert str(error).endswith("python -m pip install 'redisnb[lab]'")
    assert error.extra == "lab"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("WRONGTYPE Operation against a key", "WRONGTYPE"),
        ("ERR unknown command", "ERR"),
        ("NOPERM this user has no permissions", "NOPERM"),
        ("OOM command not allowed", "OOM"),
        ("BUSYGROUP Consumer Group name already exists", "BUSYGROUP"),
    ],
)
def test_the_code_and_the_words_of_a_server_survive_redis_py(text, code):
    error = parse(text)
    assert errors.code(error) == code
    # redis-py itself drops "ERR" from texts that it looks up.
    assert errors.words(error) in (text, text.removeprefix("ERR "))


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("WRONGTYPE Operation against a key", "redisnb.keys(conn, 'orders')"),
        ("NOPERM no permissions", "ACL"),
        ("OOM command not allowed", "maxmemory"),
        ("MISCONF Redis is configured to save", "save to disk"),
        ("READONLY You can't write against a read only replica.", "primary"),
    ],
)
def test_a_known_server_error_gets_its_remedy(text, remedy):
    error = parse(text)
    assert errors.explain(error, "orders") is error
    assert len(error.__notes__) == 1
    assert remedy in error.__notes__[0]


def test_a_key_is_quoted_as_it_is_in_the_remedy():
    error = errors.explain(ResponseError("WRONGTYPE no"), "{0}'s")
    assert """keys(conn, "{0}'s")""" in error.__notes__[0]


def test_an_unknown_server_error_stays_as_it_is():
    error = errors.explain(ResponseError("ERR syntax error"), "orders")
    assert not hasattr(error, "__notes__")
