"""Errors: one tree, and messages that say what to do."""

import threading

import pytest
import redis
from redis.connection import DefaultParser
from redis.exceptions import ResponseError

from redisnb import connect, errors, wire
from redisnb.errors import (
    ConnectError,
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


@pytest.mark.parametrize(
    ("name", "others", "meant"),
    [
        ("ordres", ["orders", "other"], "orders"),
        ("Orders", ["orders"], "orders"),
        ("order:7", ["order:8", "orders:7"], "orders:7"),
        # Names with other numbers are other things, however much else is alike.
        ("order:7", ["order:8", "orders:8", "orders"], None),
        ("lesson5:test", ["lesson7:test", "lesson2:gates"], None),
    ],
)
def test_which_name_was_meant(name, others, meant):
    assert errors.nearest(name, others) == meant


def test_the_docstring_draws_each_class():
    missing = [name for name in errors.__all__ if name not in errors.__doc__]
    assert not missing


@pytest.mark.parametrize(
    ("error", "attributes"),
    [
        (errors.ConnectError("no", url="redis://host:1"), {"url": "redis://host:1"}),
        (errors.ConnectError("no"), {"url": None}),
        (errors.ReadOnlyError("no", command="XADD"), {"command": "XADD"}),
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


# What passes


@pytest.mark.parametrize(
    "text",
    [
        "BUSY Redis is busy running a script.",
        "CLUSTERDOWN The cluster is down",
        "LOADING Redis is loading the dataset in memory",
        "MASTERDOWN Link with MASTER is down",
        "MISCONF Redis is configured to save RDB snapshots",
        "NOREPLICAS Not enough good replicas to write.",
        "OOM command not allowed when used memory > 'maxmemory'.",
        "READONLY You can't write against a read only replica.",
        "TRYAGAIN Multiple keys request during rehashing of slot",
        "UNBLOCKED client unblocked via CLIENT UNBLOCK",
    ],
)
def test_a_server_may_say_something_else_in_a_while(text):
    assert errors.is_transient(parse(text))
    # As `wire` hands on what redis-py takes for a broken connection.
    assert errors.is_transient(ResponseError(text))


@pytest.mark.parametrize(
    "text",
    [
        "BUSYGROUP Consumer Group name already exists",
        "BUSYKEY Target key name already exists.",
        "ERR unknown command",
        "ERR OOM is not the first word",
        "EXECABORT Transaction discarded because of previous errors.",
        "NOAUTH Authentication required.",
        "NOGROUP No such key 's' or consumer group 'g'",
        "NOPERM this user has no permissions to run the 'xadd' command",
        "WRONGPASS invalid username-password pair or user is disabled.",
        "WRONGTYPE Operation against a key holding the wrong kind of value",
        "",
    ],
)
def test_a_server_will_say_the_same_again(text):
    assert not errors.is_transient(parse(text))


def caused(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        (redis.ConnectionError("gone"), True),
        (redis.TimeoutError("no reply"), True),
        (redis.BusyLoadingError("loading"), True),
        # Half a reply.
        (redis.InvalidResponse("what?"), True),
        (ConnectionResetError("gone"), True),
        (TimeoutError("no reply"), True),
        (redis.AuthenticationError("wrong password"), False),
        (redis.DataError("no such type"), False),
        (GroupMissingError("no", stream="s", group="g"), False),
        (ValueError("no"), False),
        (KeyboardInterrupt(), False),
        (caused(ConnectError("no"), redis.ConnectionError("refused")), True),
        (caused(ConnectError("no"), redis.TimeoutError("no reply")), True),
        (caused(ConnectError("no"), redis.BusyLoadingError("loading")), True),
        (caused(ConnectError("no"), FileNotFoundError("no socket")), True),
        (caused(ConnectError("no"), redis.AuthenticationError("wrong password")), False),
        # There is no server to start, or the URL is none.
        (ConnectError("no"), False),
    ],
    ids=repr,
)
def test_no_link_and_no_reply_may_be_over_soon(error, passing):
    assert errors.is_transient(error) is passing


@pytest.fixture
def refusal(tcp_server):
    """``refusal("XADD", ...)`` is the error that the server answers with."""
    with connect(tcp_server.url) as conn:

        def ask(*command):
            with pytest.raises((redis.RedisError, ConnectError)) as caught:
                wire.ask(conn, *command, key="s")
            return caught.value

        yield ask


def test_what_a_server_says_for_good(refusal, tcp_server):
    client = tcp_server.client
    client.set("text", "x")
    client.execute_command("ACL", "SETUSER", "default", "-xlen")
    for code, command in {
        "WRONGTYPE": ("XADD", "text", "*", "a", "1"),
        "NOGROUP": ("XREADGROUP", "GROUP", "g", "me", "STREAMS", "s", ">"),
        "NOPERM": ("XLEN", "s"),
        "ERR": ("NONSENSE",),
    }.items():
        error = refusal(*command)
        assert errors.code(error) in (code, "unknown"), error
        assert not errors.is_transient(error)


def test_a_server_that_is_full(refusal, tcp_server):
    tcp_server.client.config_set("maxmemory", 1)
    error = refusal("XADD", "s", "*", "a", "1")
    assert errors.code(error) == "OOM"
    assert errors.is_transient(error)


def test_a_server_without_its_replicas(refusal, tcp_server):
    tcp_server.client.config_set("min-replicas-to-write", 1)
    error = refusal("XADD", "s", "*", "a", "1")
    assert errors.code(error) == "NOREPLICAS"
    assert errors.is_transient(error)


def test_a_server_that_has_become_a_replica(refusal, tcp_server, closed_port):
    client = tcp_server.client
    client.replicaof("127.0.0.1", closed_port)
    error = refusal("XADD", "s", "*", "a", "1")
    assert errors.code(error) == "READONLY"
    assert errors.is_transient(error)
    client.config_set("replica-serve-stale-data", "no")
    error = refusal("XLEN", "s")
    assert errors.code(error) == "MASTERDOWN"
    assert errors.is_transient(error)


def test_a_server_that_is_busy_with_a_script(refusal, tcp_server, wait_until):
    client = tcp_server.client
    client.config_set("lua-time-limit", 1)

    def run():
        with pytest.raises(redis.ResponseError, match="killed"):
            client.eval("while true do end", 0)

    script = threading.Thread(target=run)
    script.start()
    try:
        # Until its time limit it answers nothing, and before it has begun it answers.
        error = wait_until(lambda: said_to_be_busy(tcp_server))
        assert errors.code(refusal("XLEN", "s")) == "BUSY"
        assert errors.is_transient(refusal("XLEN", "s"))
        assert errors.is_transient(error)
    finally:
        with redis.Redis.from_url(tcp_server.url) as other:
            other.script_kill()
        script.join()


def said_to_be_busy(tcp_server):
    with redis.Redis.from_url(tcp_server.url) as other:
        try:
            other.ping()
        except redis.ResponseError as error:
            return error
    return None


def test_a_server_that_is_away_and_one_that_changed_its_password(tcp_server):
    with connect(tcp_server.url) as conn:
        conn.close()
        tcp_server.client.config_set("requirepass", "another")
        with pytest.raises(ConnectError) as caught:
            wire.ask(conn, "PING", key="")
        assert not errors.is_transient(caught.value)
        tcp_server.kill()
        with pytest.raises(ConnectError) as caught:
            wire.ask(conn, "PING", key="")
        assert errors.is_transient(caught.value)
