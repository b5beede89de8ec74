"""%redis and %%redis, in a shell of IPython."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

import redisnb as rnb
from redisnb import frames
from redisnb.explore.commands import Results
from redisnb.explore.magics import RedisMagics, read_options


class Shell:
    """A shell with the extension loaded."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell

    def says(self, cell: str) -> str:
        """Return what a cell prints, and its errors."""
        with capture_output() as captured:
            self.shell.run_cell(cell)
        return re.sub("\x1b\\[[0-9;]*m", "", captured.stdout + captured.stderr)

    def value(self, cell: str):
        with capture_output() as captured:
            done = self.shell.run_cell(cell)
        assert done.success, captured.stdout + captured.stderr
        return done.result

    def error(self, cell: str) -> BaseException:
        with capture_output():
            done = self.shell.run_cell(cell)
        assert not done.success
        return done.error_in_exec


@pytest.fixture
def shell(ipython, raw):
    raw.flushall()
    ipython.reset(new_session=False)
    ipython.run_line_magic("load_ext", "redisnb")
    yield Shell(ipython)
    ipython.run_line_magic("unload_ext", "redisnb")


@pytest.fixture
def magics(shell, conn) -> Shell:
    shell.shell.user_ns["conn"] = conn
    return shell


def test_a_line_and_a_cell(magics, has_schema):
    assert magics.value("%redis SET a 'x y'") == "OK"
    assert magics.value("%redis GET a") == "x y"
    assert magics.value("%redis --raw GET a") == b"x y"
    assert magics.value("rows = %redis HGETALL h") is None
    assert has_schema(magics.shell.user_ns["rows"], frames.REPLY["HGETALL"])
    found = magics.value("%%redis\n# two\nXADD s 1-0 a <b>\n\nXRANGE s - +\n")
    assert isinstance(found, Results)
    assert found[0] == "1-0"
    assert found[1]["a"].tolist() == ["<b>"]
    assert magics.value("%%redis\nGET a\n") == "x y"
    assert magics.value("%%redis --raw\nGET a") == b"x y"
    assert magics.value("%%redis PING\nGET a") == ["PONG", "x y"]


def test_several_results_are_shown_with_their_commands(magics):
    with pytest.warns(rnb.RedisnbWarning, match="1 of 3 commands failed: line 3: LPUSH") as caught:
        found = magics.value("%%redis\nXADD s 1-0 a <b>&\nLPUSH s 1\nXRANGE s - +")
    assert caught[0].filename == "%%redis"
    text = repr(found)
    assert text.startswith("> XADD s 1-0 a <b>&\n'1-0'\n\n> LPUSH s 1\nResponseError: WRONGTYPE")
    assert "'s' holds another type of value" in text
    shown = found._repr_html_()
    assert "<b>XADD s 1-0 a &lt;b&gt;&amp;</b>" in shown
    assert "<td>&lt;b&gt;&amp;</td>" in shown
    assert "<b>&" not in shown
    assert found[:2] == list(found)[:2]
    assert type(found[:2]) is list
    found.append(1)
    assert repr(found).startswith("['1-0'")
    assert found._repr_html_() is None


def test_a_long_result_is_cut():
    assert len(repr(Results(["GET a"], ["x" * 10_000]))) < 2_100
    many = Results(["PING"] * 1_100, ["PONG"] * 1_100)
    assert repr(many).endswith("'PONG'\n\n... and 1,000 more")
    assert many._repr_html_().endswith("<p>... and 1,000 more</p>")


def test_hidden(magics):
    assert magics.value("%redis SET a 1;") is None
    assert magics.value("%redis GET a") == "1"
    assert magics.value("%redis SET a '1;'") == "OK"
    assert magics.value("%redis GET a") == "1;"
    assert magics.value("%%redis\nSET a 2;\nGET a") == ["OK", "2"]
    assert magics.value("%%redis\nSET a 3\nGET a;\n") is None


def test_help(magics):
    said = magics.says("%redis")
    assert "%redis --conn NAME" in said
    assert "user:{id}" in RedisMagics.redis.__doc__


# -- variables


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("a b\n\"'$x{y}", b"a b\n\"'$x{y}"),
        (b"\xff\x00", b"\xff\x00"),
        (7, b"7"),
        (np.int64(7), b"7"),
    ],
)
def test_a_variable_is_one_argument(magics, raw, value, stored):
    magics.shell.user_ns["value"] = value
    assert magics.value("%redis SET $value {value}") == "OK"
    assert raw.get(stored) == stored
    assert magics.value("%%redis\nSET k $value\nSTRLEN k") == ["OK", len(stored)]


# redisnb's spelling of bytes that are not UTF-8 stands for them, everywhere.
@given(st.text().filter(lambda text: "\ufffdx" not in text))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_arrives_byte_for_byte(magics, raw, value):
    magics.shell.user_ns["value"] = value
    assert magics.shell.run_line_magic("redis", "RPUSH list {value} $value") >= 2
    stored = value.encode("utf-8", "surrogatepass")
    assert raw.lrange("list", -2, -1) == [stored, stored]


def test_what_is_no_variable(magics, raw):
    magics.value("id, n = 7, 5")
    magics.value('%redis SET user:{id} $.a"$id"')
    assert raw.get("user:{id}") == b"$.a$id"
    magics.value("%redis SET '$id' '{id}'")
    assert raw.get("$id") == b"{id}"
    magics.value('%redis SET {f"user:{id}"} {id + n}')
    assert raw.get("user:7") == b"12"
    assert magics.value("%redis XREAD COUNT 1 STREAMS s $").empty


def test_variables_of_a_function(magics):
    lines = ["def get(key):", "%redis SET $key {key[0]}", "found = %redis GET $key", "return found"]
    magics.shell.run_cell("\n    ".join(lines))
    assert magics.value("get('xyz')") == "x"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("GET $nonsense", "no variable 'nonsense'; '$nonsense' in quotes is sent as is"),
        ("GET $ordres", "did you mean $orders?"),
        ("GET {nonsense}", "{nonsense}: NameError: name 'nonsense' is not defined; in quotes"),
        ("GET {a b}", "{a b} is no expression of Python; in quotes it is sent as is"),
        ('SET j {"a": 1}', "is no expression of Python; in quotes"),
        ("GET {1 / 0}", "ZeroDivisionError"),
        ("SET a {[1]}", "is a list; each argument is one value"),
        ("SET a $data", "$data is a dict; json.dumps()"),
        ("SET a {None}", "{None} is None; leave it out"),
        ("SET a {frame}", "is a DataFrame; Stream(conn, key).add_many()"),
        ('GET "a', "the double quote at character 5 is not closed"),
        ("MONITOR", "redisnb.slowlog(conn)"),
        ("XREAD BLOCK 0 STREAMS s $", "stream.follow()"),
        ("--cnn conn GET a", "there is no option --cnn; did you mean --conn?"),
        ("--verbose GET a", "there is no option --verbose; there are --conn and --raw"),
        ("--connredis://:secret@host GET a", "there is no option --connredis; did you mean --conn"),
        ("--raw", "--raw stands before a command"),
        ("--conn", "--conn takes the name of a variable, or a URL"),
        ("--conn con GET a", "--conn con: there is no variable of that name; did you mean conn?"),
        ("--conn data GET a", "dict"),
        ("--conn :secret@host GET a", "or a URL such as redis://localhost:6379/0"),
        ("redis://:secret@host/0 GET a", "%redis --conn URL"),
    ],
)
def test_a_mistake_is_told_in_a_line(magics, raw, line, says):
    magics.value("orders, data = 'o', {'a': 1}")
    magics.shell.user_ns["frame"] = pd.DataFrame()
    said = magics.says(f"%redis {line}")
    assert said.startswith("UsageError: ")
    assert said.count("\n") == 1
    assert says in said
    assert "secret" not in said
    assert raw.dbsize() == 0


def test_a_mistake_in_a_cell_names_its_line(magics, raw):
    assert "UsageError: line 3: the single quote" in magics.says("%%redis\nSET a 1\nGET 'a\n")
    assert "UsageError: line 3: there is no variable" in magics.says("%%redis\nSET a 1\nGET $b\n")
    assert "there is no command" in magics.says("%%redis\n# nothing\n")
    assert raw.dbsize() == 0


def test_an_error_of_the_server_keeps_its_class_and_is_short(magics):
    error = magics.error("%redis XRANG s")
    assert type(error) is redis.ResponseError
    said = magics.says("%redis XRANG s")
    assert said.startswith("ResponseError: ERR unknown command")
    assert "did you mean XRANGE?" in said
    assert said.count("\n") <= 3
    said = magics.says("try:\n    %redis XRANG s\nexcept Exception as error:\n    print('caught')")
    assert said == "caught\n"


def test_an_interrupt_is_short(magics, ctrl_c):
    ctrl_c("blpop")
    said = magics.says("%redis BLPOP nothing 50")
    assert said == "KeyboardInterrupt\nwhat was sent may have been carried out\n"


def test_a_read_only_connection(magics, server):
    with rnb.connect(server.url, read_only=True) as conn:
        magics.shell.user_ns["conn"] = conn
        assert magics.says("%redis SET a 1").startswith("ReadOnlyError: SET was not sent")


# -- which connection


def test_without_a_connection(shell):
    said = shell.says("%redis GET a")
    assert said.startswith("UsageError: there is no connection; conn = redisnb.connect(...) makes")
    assert shell.shell.magics_manager.registry["RedisMagics"].connection_for("GET a") is None


def test_the_only_connection(shell, conn):
    shell.shell.user_ns.update(orders=conn, same=conn, _1=conn)
    assert shell.value("%redis PING") == "PONG"


def test_one_of_several(shell, server, conn):
    with rnb.connect(server.url) as other:
        shell.shell.user_ns.update(one=conn, two=other)
        said = shell.says("%redis GET a")
        assert "there are several connections: one, two; %redis --conn one chooses one" in said
        finds = shell.shell.magics_manager.registry["RedisMagics"].connection_for
        assert finds("GET a") is None
        assert finds("--conn two GET a") is other
        assert finds("--conn=two GET a") is other
        assert finds("--conn nonsense GET a") is None
        assert finds("--con two GET a") is None
        assert shell.value("%redis --conn two PING") == "PONG"
        # For that line only.
        assert "there are several" in shell.says("%redis GET a")
        assert shell.value("%redis --conn two") is other
        assert finds("GET a") is other
        assert shell.value("%redis PING") == "PONG"
        # Before the variable `conn`.
        shell.shell.user_ns["conn"] = conn
        assert finds("GET a") is other
        del shell.shell.user_ns["two"]
        assert "--conn two: there is no variable of that name" in shell.says("%redis GET a")
        assert shell.value("%%redis --conn one --raw\nPING") == b"PONG"


def test_a_url_or_a_client(shell, server, raw):
    magics = shell.shell.magics_manager.registry["RedisMagics"]
    shell.shell.user_ns.update(url=server.url, client=raw)
    assert magics.connection_for("--conn url") is None
    for target in ("url", server.url, f"'{server.url}'", "client"):
        assert shell.value(f"%redis --conn {target} PING") == "PONG"
    # One for the URL, by whichever name, and one for the client.
    assert len(magics._made) == 2
    made = magics.connection_for("--conn url")
    assert isinstance(made, rnb.Connection)
    assert shell.value("%redis --conn url PING") == "PONG"
    assert len(magics._made) == 2
    shell.shell.run_line_magic("unload_ext", "redisnb")
    assert made.closed
    assert "not found" in shell.says("%redis PING")
    shell.shell.run_line_magic("load_ext", "redisnb")
    assert "there is no connection" in shell.says("%redis PING")


def test_no_secret_is_told(shell, closed_port):
    said = shell.says(f"%redis --conn redis://user:secret@127.0.0.1:{closed_port}/0 GET a")
    assert said.startswith("ConnectError: cannot use")
    assert "secret" not in said
    said = shell.says("%redis --conn reddis://user:secret@127.0.0.1/0 GET a")
    assert "secret" not in said


@pytest.mark.parametrize(
    ("line", "options", "rest"),
    [
        ("GET a", (None, False), "GET a"),
        ("  --raw   GET  'a '", (None, True), "GET  'a '"),
        ("--conn c --raw GET --conn", ("c", True), "GET --conn"),
        ("--conn=c GET a", ("c", False), "GET a"),
        ('--conn "redis://h/0" GET a', ("redis://h/0", False), "GET a"),
        ("--conn c", ("c", False), ""),
    ],
)
def test_options(line, options, rest):
    assert read_options(line) == (options, rest)


def test_the_extension_goes_as_it_came(ipython):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            ipython.run_line_magic("load_ext", "redisnb")
            assert ipython.find_cell_magic("redis") is not None
            ipython.run_line_magic("unload_ext", "redisnb")
            assert ipython.find_line_magic("redis") is None
            assert ipython.find_cell_magic("redis") is None
    rnb.unload_ipython_extension(ipython)
