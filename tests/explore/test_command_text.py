"""The text of commands: split as redis-cli does, and values of Python, each one argument."""

import contextlib
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import redisnb as rnb
from redisnb.explore.commands.arguments import arguments, as_argument
from redisnb.explore.commands.splitting import read_lines, split_words
from redisnb.explore.commands.variables import expression_end, substituted


def words(line):
    return [word.value for word in split_words(line)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("XRANGE orders - + COUNT 5", [b"XRANGE", b"orders", b"-", b"+", b"COUNT", b"5"]),
        ("  GET\t a  ", [b"GET", b"a"]),
        (r'SET a "b\nc\t\"\\\x00\xff\q"', [b"SET", b"a", b'b\nc\t"\\\x00\xffq']),
        (r"SET a 'b\n\'\x00'", [b"SET", b"a", rb"b\n'\x00"]),
        ('SET a ""', [b"SET", b"a", b""]),
        ("SET a pre'b c'", [b"SET", b"a", b"preb c"]),
        (r'"\x4"', [b"x4"]),
        ("SET ä \u00a0x", [b"SET", "ä".encode(), "\u00a0x".encode()]),
        ("GET orders:�xff", [b"GET", b"orders:\xff"]),
        ("XREAD STREAMS {a}:s $ $.a.b", [b"XREAD", b"STREAMS", b"{a}:s", b"$", b"$.a.b"]),
        ("a\vb \vc", [b"a\vb", b"c"]),
    ],
)
def test_splitting(line, expected):
    assert words(line) == expected


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('GET "a', "the double quote at character 5 is not closed"),
        ("GET 'a", "the single quote at character 5 is not closed"),
        (r'GET "a\"', "the double quote at character 5 is not closed"),
        ('GET "a\\', "the double quote at character 5 is not closed"),
        ("GET 'a'b", "the single quote at character 7 closes in the middle of a word"),
        ('JSON.SET k $ {"a":1}', r"quote the whole word, such as '\{\"a\": 1\}'"),
    ],
)
def test_unbalanced_quotes(line, says):
    with pytest.raises(ValueError, match=says):
        split_words(line)


def test_lines():
    lines = read_lines("\n# not this\nGET a\r\n\n  GET 'b\x85\u2028' \n")
    assert [[word.value for word in line.words] for line in lines] == [
        [b"GET", b"a"],
        [b"GET", "b\x85\u2028".encode()],
    ]
    assert [line.place for line in lines] == ["line 3: ", "line 5: "]
    assert [line.text for line in lines] == ["GET a", "GET 'b\x85\u2028'"]
    assert read_lines("GET a")[0].place == ""
    with pytest.raises(ValueError, match="line 2: the double quote at character 5"):
        read_lines('GET a\nGET "b')


@pytest.mark.parametrize("text", ["", "  \n", "# GET a\n"])
def test_without_a_command(text):
    with pytest.raises(ValueError, match="there is no command"):
        read_lines(text)


def quoted(value: bytes) -> str:
    """Return any bytes in double quotes, in the most obvious way."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in value) + '"'


def printable(value: str) -> str:
    """Return a text in double quotes that leaves what it can."""
    escaped = value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'"{escaped}"'


# redisnb's spelling of bytes that are not UTF-8 is read as such, everywhere.
texts = st.text().filter(lambda text: "\ufffdx" not in text)


@given(st.lists(st.binary(), min_size=1, max_size=6))
def test_any_bytes_in_quotes(values):
    assert words(" ".join(map(quoted, values))) == values


@given(st.lists(texts, min_size=1, max_size=6))
def test_any_text_in_quotes(values):
    (line,) = read_lines(" ".join(map(printable, values)))
    assert [word.value for word in line.words] == [value.encode() for value in values]
    assert all(word.is_quoted for word in line.words)


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_no_text_is_split_and_lost(line):
    # Whatever it is, it is split or refused.
    with contextlib.suppress(ValueError):
        assert b"".join(words(line)) or not line.strip(" \t\n\r\v\f\"'")


pieces = st.sampled_from(
    [*"ab {}$;\\\"' \t\v", r"\n", r"\x41", r"\xg", '"a b"', "'a b'", r"'\''", "ä", "\u00a0"]
)


@pytest.mark.skipif(shutil.which("redis-cli") is None, reason="there is no redis-cli")
def test_as_redis_cli_does(server, conn):
    """The same lines through redis-cli, which stores what it has split."""
    lines = []

    @given(st.lists(pieces, max_size=12).map("".join))
    def collect(text):
        lines.append(text)

    collect()
    for text in dict.fromkeys(lines):
        try:
            expected = words(text)
        except ValueError:
            expected = None
        conn.client.delete("seen")
        said = subprocess.run(
            ["redis-cli", "-u", server.url]
            if not server.url.startswith("unix")
            else ["redis-cli", "-s", *socket_and_password(server.url)],
            input=f"RPUSH seen . {text}\n".encode(),
            capture_output=True,
            check=True,
        ).stdout
        seen = conn.client.lrange("seen", 0, -1)
        if expected is None:
            assert b"Invalid argument" in said, text
        else:
            assert seen == [b".", *expected], text


def socket_and_password(url: str) -> list[str]:
    parts = rnb.wire.address.from_url(url)[1]
    return [parts["path"], *(["-a", parts["password"]] if parts.get("password") else [])]


# -- values


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("a b\n", b"a b\n"),
        ("�xff", b"\xff"),
        (b"\x00\xff", b"\x00\xff"),
        (5, b"5"),
        (-(2**70), str(-(2**70)).encode()),
        (0.1, b"0.1"),
        (float("inf"), b"inf"),
        (np.int64(7), b"7"),
        (np.float64(0.5), b"0.5"),
        (rnb.EntryId("5-1"), b"5-1"),
    ],
)
def test_an_argument(value, sent):
    assert as_argument(value, "it") == sent


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, "is None; leave it out"),
        (True, "is True; write 1 or 'true'"),
        (np.True_, "is a bool; an argument is text"),
        ({"a": 1}, "is a dict; json.dumps() makes text of it"),
        (["a"], "is a list; each argument is one value"),
        (pd.DataFrame(), "is a DataFrame; Stream(conn, key).add_many()"),
        (pd.Timestamp(0, tz="UTC"), "is a Timestamp; int(time.timestamp() * 1000)"),
        (bytearray(b"a"), "is a bytearray; bytes()"),
        (object(), "is an object; an argument is text, bytes or a number"),
    ],
)
def test_a_value_that_is_no_argument(value, says):
    with pytest.raises(TypeError) as caught:
        arguments(["SET", "k", value])
    assert str(caught.value).startswith("argument 2 of SET ")
    assert says in str(caught.value)


# -- variables


@pytest.mark.parametrize(
    ("line", "expression"),
    [
        ("{a}", "{a}"),
        ("{a} b", "{a}"),
        ('{d["}"]} b', '{d["}"]}'),
        ("{f'user:{id}'}", "{f'user:{id}'}"),
        ("{ a + (b) }\tc", "{ a + (b) }"),
        ("{user}:1", None),
        ("{user}:1 {b}", None),
        ("{}", None),
        ("{a", None),
        ("{o'brien}:1", None),
        ("a{b}", None),
    ],
)
def test_where_an_expression_ends(line, expression):
    end = expression_end(line, 0)
    assert (end and line[:end]) == expression


def evaluated(text, **names):
    (line,) = read_lines(text, expression_end)
    return [substituted(word, names, lambda code: eval(code, names), "") for word in line.words]


def test_variables():
    found = evaluated(
        """SET $key {key[::-1] + "}"} $ $.a.b '$key' "{key}" user:{key} {key}:1 a$other {}""",
        key="a b",
    )
    assert found == [
        *(b"SET", b"a b", b"b a}", b"$", b"$.a.b", b"$key", b"{key}", b"user:{key}", b"{key}:1"),
        *(b"a$other", b"{}"),
    ]


@given(texts | st.binary())
def test_a_variable_is_one_argument_whatever_is_in_it(value):
    sent = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
    assert evaluated("SET $value {value}", value=value) == [b"SET", sent, sent]


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("GET $ordres", NameError, "no variable 'ordres'; did you mean $orders? '$ordres' in"),
        ("GET $other", NameError, "no variable 'other'; '$other' in quotes is sent as is"),
        ("GET $data", TypeError, "$data is a dict; json.dumps()"),
        ("GET {data}", TypeError, "in quotes it is sent as is"),
        ("GET user:$orders", ValueError, """{f"user:{orders}"} is an expression, and 'user:$ord"""),
        ("GET $orders:1", ValueError, '{f"{orders}:1"} is an expression'),
        ("GET $data.a[0]", ValueError, "{data.a[0]} is an expression"),
    ],
)
def test_a_variable_that_cannot_be_sent(text, error, says):
    with pytest.raises(error) as caught:
        evaluated(text, orders="a", data={"a": 1})
    assert says in str(caught.value)
