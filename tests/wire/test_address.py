"""Where a server is: URLs, options and the environment, and what is said of wrong ones."""

import warnings

import pytest

from redisnb import ConnectError, connect
from redisnb.wire.address import from_url

SECRET = "SECRET"


@pytest.mark.parametrize(
    "url",
    [
        f"redis://u:pa@{SECRET}/x@host",
        f"redis://:a/{SECRET}@host:6379/0",
        f"redis://:{SECRET}#x@host",
        f"redis://:{SECRET}?x@host",
        f"rediss://u@{SECRET}:p@host",
        f"redis://{SECRET}/{SECRET}@host",
        f"unix://:p@ss/{SECRET}@/run/u.sock",
        f"unix://:{SECRET}/x@/run/u.sock",
        f"redis://host/{SECRET}",
        f"redis://:{SECRET}@host/abc",
        f"redis://:{SECRET}@host/0/1",
        f"valkey://u:pa@{SECRET}@host",
        f"redis://:{SECRET}@host:port",
        f"http://:{SECRET}@host",
        f"u:{SECRET}@host:6379",
    ],
)
def test_a_url_that_is_wrong_shows_nothing_of_itself(url):
    with pytest.raises(ConnectError) as caught:
        connect(url)
    assert SECRET not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("redis://:p/w@host", "write them as %2F %40 %23 %3F, or give password="),
        (
            "redis://host/abc",
            "the host is followed by the number of a database, as in redis://host:6379/0",
        ),
        ("http://localhost:6379", "http:// is not a Redis address; write redis://host:6379/0"),
        ("localhost", "this URL is not a Redis address; write redis://host:6379/0"),
        ("unix://", "names a socket: unix:///path/to/redis.sock"),
    ],
)
def test_it_says_what_to_write(url, says):
    with pytest.raises(ConnectError) as caught:
        connect(url)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://host", {"host": "host"}),
        ("redis://host/", {"host": "host"}),
        ("valkey://host:1/2", {"host": "host", "port": 1, "db": 2}),
        ("valkeys://host", {"host": "host"}),
        ("redis://u:p%2Fw%40@host", {"username": "u", "password": "p/w@", "host": "host"}),
        ("redis://:a:b@host", {"password": "a:b", "host": "host"}),
        ("redis://host?client_name=a@b", {"host": "host", "client_name": "a@b"}),
        ("redis://[::1]:7/3", {"host": "::1", "port": 7, "db": 3}),
        ("unix:///run/user@1/redis.sock", {"path": "/run/user@1/redis.sock"}),
        ("unix://:p@/run/redis.sock?db=1", {"password": "p", "path": "/run/redis.sock", "db": 1}),
    ],
)
def test_a_url_that_is_right(url, expected):
    link_class, options = from_url(url)
    assert options == expected
    assert ("SSL" in link_class.__name__) is url.startswith("valkeys")


@pytest.fixture
def password(tcp_server):
    return tcp_server.client.connection_pool.connection_kwargs["password"]


def test_a_host_and_a_port(tcp_server, password):
    place = {"host": "127.0.0.1", "port": tcp_server.port, "password": password}
    with connect(**place, db=3) as conn:
        assert conn.url == f"redis://127.0.0.1:{tcp_server.port}/3"
        assert conn.client.ping()
    with pytest.raises(TypeError, match=r"give host= or a URL or client, and not both"):
        connect(tcp_server.url, host="127.0.0.1")


def test_a_path(server):
    path = server.url.partition("@")[2].partition("?")[0]
    password = server.url.partition("://:")[2].partition("@")[0]
    with connect(path=path, password=password) as conn:
        assert conn.client.ping()


def test_the_host_of_the_environment(tcp_server, password, monkeypatch):
    monkeypatch.setenv("REDIS_HOST", "127.0.0.1")
    monkeypatch.setenv("REDIS_PORT", str(tcp_server.port))
    with connect(password=password) as conn:
        assert conn.url == f"redis://127.0.0.1:{tcp_server.port}/0"
    # A URL says more.
    monkeypatch.setenv("REDIS_URL", f"{tcp_server.url.removesuffix('/0')}/5")
    with connect() as conn:
        assert conn.database == 5


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("REDISNB_URL", "redis://127.0.0.1:{port}/3", "Connection refused"),
        ("REDIS_URL", "unix:///nowhere.sock", "No such file or directory"),
        ("REDIS_URL", f"localhost:{SECRET}", "not a Redis address"),
        ("REDIS_HOST", "127.0.0.1", "Connection refused"),
    ],
)
def test_which_variable_is_wrong(variable, value, why, monkeypatch, closed_port):
    monkeypatch.setenv("REDIS_PORT", str(closed_port))
    monkeypatch.setenv(variable, value.format(port=closed_port))
    with pytest.raises(ConnectError, match=rf"; the address is that of \${variable}$") as caught:
        connect()
    assert why in str(caught.value)
    assert SECRET not in repr(caught.value)


def test_a_url_that_was_given_is_of_no_variable(monkeypatch, tcp_server, closed_port):
    monkeypatch.setenv("REDIS_URL", tcp_server.url)
    for given in ({"target": f"redis://127.0.0.1:{closed_port}"}, {"port": closed_port}):
        with pytest.raises(ConnectError, match=r"refused\.?$"):
            connect(**given)


@pytest.mark.parametrize(
    ("option", "nearest"),
    [
        ("pasword", "password"),
        ("user", "username"),
        ("hostname", "host"),
        ("database", "db"),
        ("ssl_ca_cert", "ssl_ca_certs"),
    ],
)
def test_an_option_that_there_is_not(closed_port, option, nearest):
    with pytest.raises(TypeError) as caught:
        connect(f"rediss://127.0.0.1:{closed_port}", **{option: "x"})
    assert str(caught.value) == f"connect() has no option {option}=; did you mean {nearest}=?"
    with pytest.raises(TypeError, match=r"connect\(\) has no option qqqqq=$"):
        connect(f"redis://127.0.0.1:{closed_port}", qqqqq=1)


@pytest.mark.parametrize("what", ["closed", "password"])
def test_a_verbose_traceback_holds_no_secret(tcp_server, closed_port, monkeypatch, what):
    """IPython's ``%xmode Verbose`` shows every variable of every frame."""
    from IPython.core.ultratb import VerboseTB

    port = tcp_server.port if what == "password" else closed_port
    # Made here, for the lines of this test are shown as well.
    monkeypatch.setenv("REDISNB_URL", f"redis://:{SECRET.lower()}-here@127.0.0.1:{port}/0")

    def cell():
        variable = SECRET.lower() + "-not"
        return connect(), variable

    with pytest.raises(ConnectError) as caught:
        cell()
    with warnings.catch_warnings(action="ignore"):
        traceback = VerboseTB(include_vars=True)
    error = caught.value
    shown = "\n".join(traceback.structured_traceback(ConnectError, error, error.__traceback__))
    assert "cannot use redis://127.0.0.1" in shown
    assert "secret-not" in shown, "it does show variables"
    assert "secret-here" not in shown
