"""TLS, by a CA made on the spot; and what else may listen where a server was expected."""

import asyncio
import re
import signal
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import redis
import trustme

import redisnb as rnb
from redisnb import ConnectError, connect
from redisnb.wire.server import find_executable
from tests.deadlines import deadline

pytestmark = pytest.mark.slow


class Secure:
    """A server with TLS on one port and without on another, and the files that it takes."""

    def __init__(self, directory, missing):
        self._missing = missing
        ca, other = trustme.CA(), trustme.CA()
        self.files = {
            name: str(directory / name)
            for name in ("ca", "other_ca", "cert", "key", "client_cert", "client_key", "text")
        }
        own, client = ca.issue_cert("localhost"), ca.issue_cert("somebody@here")
        for name, blob in {
            "ca": ca.cert_pem,
            "other_ca": other.cert_pem,
            "cert": own.cert_chain_pems[0],
            "key": own.private_key_pem,
            "client_cert": client.cert_chain_pems[0],
            "client_key": client.private_key_pem,
        }.items():
            blob.write_to_path(self.files[name])
        (directory / "text").write_text("no certificate")
        self.plain, self.tls, self.strict = free_ports(3)
        self._processes = [
            self._start(self.plain, self.tls, "no"),
            self._start(0, self.strict, "yes"),
        ]
        for port in (self.tls, self.strict):
            self._wait_for(port)

    def _start(self, plain, tls, asks):
        files = self.files
        return subprocess.Popen(
            [
                *(find_executable(), "--bind", "127.0.0.1", "--save", "", "--port", str(plain)),
                *("--tls-port", str(tls), "--tls-auth-clients", asks),
                *("--tls-cert-file", files["cert"], "--tls-key-file", files["key"]),
                *("--tls-ca-cert-file", files["ca"]),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _wait_for(self, port):
        end = time.monotonic() + deadline(10)
        while True:
            if any(process.poll() is not None for process in self._processes):
                self.close()
                self._missing("server", "this redis-server was built without TLS")
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                assert time.monotonic() < end, "the server does not answer"
                time.sleep(0.01)

    def close(self):
        for process in self._processes:
            process.kill()
            process.wait()


def free_ports(n):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture(scope="module")
def secure(tmp_path_factory, missing, server):
    secure = Secure(tmp_path_factory.mktemp("tls"), missing)
    yield secure
    secure.close()


def options_of(secure, **files):
    return {f"ssl_{name}": secure.files.get(file, file) for name, file in files.items()}


def test_streams_go_over_tls(secure):
    trusted = options_of(secure, ca_certs="ca")
    client = {"certfile": "client_cert", "keyfile": "client_key"}
    for how in (
        {"target": f"rediss://localhost:{secure.tls}"},
        {"target": f"valkeys://localhost:{secure.tls}"},
        {"host": "localhost", "port": secure.tls, "ssl": True},
        {"target": redis.Redis(port=secure.tls, ssl=True, **trusted)},
        {"target": f"rediss://localhost:{secure.strict}", **options_of(secure, **client)},
    ):
        more = {} if isinstance(how.get("target"), redis.Redis) else trusted
        with connect(**how, **more) as conn:
            stream = rnb.Stream(conn, "s")
            stream.destroy()
            stream.add_many([{"i": i} for i in range(3)])
            assert stream.range()["i"].tolist() == [0, 1, 2]
            assert [entry.event["i"] for entry in stream.follow("all", timeout=0.01)] == [0, 1, 2]
            assert conn.url.startswith("rediss://")


def test_large_replies_are_bounded_over_tls(secure, monkeypatch):
    monkeypatch.setattr(rnb.wire.replies, "MOST_REPLY_BYTES", 2**20)
    for protocol in (2, 3):
        trusted = options_of(secure, ca_certs="ca") | {"protocol": protocol}
        with connect(f"rediss://localhost:{secure.tls}", **trusted) as conn:
            rnb.command(conn, ["SET", "big", b"x" * 2**21])
            with pytest.raises(rnb.RedisnbError, match="the reply to GET is larger than"):
                rnb.command(conn, "GET big")
            assert len(rnb.command(conn, "GETRANGE big 0 99999")) == 100_000
            rnb.command(conn, "DEL big")


def test_many_replies_come_over_tls(secure):
    trusted = options_of(secure, ca_certs="ca")
    # One event in the middle cannot be added, and says so in its own row.
    with connect(f"rediss://localhost:{secure.tls}", **trusted) as conn:
        stream = rnb.Stream(conn, "s")
        stream.destroy()
        ids = [f"{i}-0" for i in range(1, 2501)]
        ids[1234] = "1-0"
        events = [{"i": i, "text": "x" * (i % 300)} for i in range(2500)]
        with pytest.warns(rnb.RedisnbWarning, match="1 failed"):
            added = stream.add_many(events, ids=ids)
        assert added.index[added["status"] == "failed"].tolist() == [1234]
        assert added["entry_id"].drop(1234).tolist() == [*ids[:1234], *ids[1235:]]
        assert stream.range()["i"].tolist() == [i for i in range(2500) if i != 1234]
        rnb.Cache(conn, prefix="user:").set_many({str(i): {"i": i} for i in range(2500)})
        assert len(rnb.keys(conn, "user:*", sizes=True)) == 2500
        assert sorted(rnb.values(conn, "user:*")["i"]) == [*range(2500)]


WRONG = [
    ("rediss", "tls", {}, "from a CA that this machine does not know; ssl_ca_certs= names"),
    ("rediss", "tls", {"ca_certs": "other_ca"}, "from a CA that this machine does not know"),
    ("rediss", "tls", {"ca_certs": "gone.pem"}, "ssl_ca_certs='gone.pem': there is no such file"),
    ("rediss", "tls", {"ca_path": "gone"}, "ssl_ca_path='gone': there is no such file"),
    ("rediss", "tls", {"ca_certs": "text"}, "the file of ssl_ca_certs= holds no certificate"),
    ("rediss", "strict", {"ca_certs": "ca"}, "the server asks for a client certificate: ssl_certf"),
    (
        "rediss",
        "strict",
        {"ca_certs": "ca", "certfile": "gone.crt", "keyfile": "client_key"},
        "ssl_certfile='gone.crt': there is no such file",
    ),
    (
        "rediss",
        "strict",
        {"ca_certs": "ca", "certfile": "client_cert", "keyfile": "gone.key"},
        "ssl_keyfile='gone.key': there is no such file",
    ),
    (
        "rediss",
        "strict",
        {"ca_certs": "ca", "certfile": "client_cert", "keyfile": "key"},
        "the key of ssl_keyfile= does not belong to ssl_certfile=",
    ),
    (
        "rediss",
        "strict",
        {"ca_certs": "ca", "certfile": "client_cert"},
        "ssl_certfile= and ssl_keyfile= name a certificate and its key",
    ),
    ("rediss", "plain", {"ca_certs": "ca"}, "has no TLS; write redis:// for it"),
    ("redis", "tls", {}, "has TLS; write rediss:// for it"),
    ("redis", "strict", {}, "has TLS; write rediss:// for it"),
]


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize(("scheme", "port", "files", "says"), WRONG)
def test_what_is_wrong_is_said_with_what_to_do(secure, scheme, port, files, says, protocol):
    url = f"{scheme}://:secret%2Fword@localhost:{getattr(secure, port)}"
    with pytest.raises(ConnectError) as caught:
        connect(url, protocol=protocol, timeout=deadline(0.5), **options_of(secure, **files))
    assert says in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_name_that_the_certificate_does_not_have(secure):
    with pytest.raises(ConnectError, match="is for other names than the host's; connect by one"):
        connect(f"rediss://127.0.0.1:{secure.tls}", **options_of(secure, ca_certs="ca"))


@pytest.mark.parametrize("option", ["ssl", "ssl_ca_certs", "ssl_certfile"])
def test_tls_is_not_for_a_plain_address(option):
    with pytest.raises(TypeError, match=rf"^{option}= is for TLS: connect\('rediss://"):
        connect("redis://localhost:1", **{option: "x"})


# What else may listen there


class Greeter:
    """A port that sends something to each client, and hangs up or not."""

    def __init__(self, says, *, waits=False):
        self.says, self._waits = says, waits
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._links = []
        self._thread = threading.Thread(target=self._greet, daemon=True)
        self._thread.start()

    def _greet(self):
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            if self._waits:
                link.recv(10)
            link.sendall(self.says)
            # As Redis does: it closes what it does not read from.
            if self.says.startswith(b"-"):
                link.close()
            else:
                self._links.append(link)

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for link in self._links:
            link.close()


DENIED = b"-DENIED Redis is running in protected mode because protected mode is enabled.\r\n"


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize(
    ("says", "told"),
    [
        (DENIED, "DENIED Redis is running in protected mode because"),
        (b"-ERR max number of clients reached\r\n", "max number of clients reached"),
        (
            b"SSH-2.0-OpenSSH_9.2\r\n",
            "no Redis server listens there: the answer begins with 'SSH",
        ),
        (b"220 mail.example ESMTP\r\n", "the answer begins with '220 mail.example ESMTP'"),
    ],
)
def test_what_another_server_says_is_told(says, told, protocol):
    greeter = Greeter(says)
    try:
        with pytest.raises(ConnectError) as caught:
            connect(f"redis://localhost:{greeter.port}", protocol=protocol, timeout=deadline(0.5))
        assert told in str(caught.value)
        assert str(caught.value).count(told) == 1
    finally:
        greeter.close()


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_a_web_server(scheme):
    class Quiet(BaseHTTPRequestHandler):
        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(ConnectError, match="no Redis server listens there: the answer"):
            connect(f"{scheme}://localhost:{server.server_port}", timeout=deadline(0.5))
        server.shutdown()


def test_who_is_silent_is_not_waited_for_long():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        began = time.monotonic()
        with pytest.raises(ConnectError, match=re.escape("it did not answer within 0.2 s")):
            connect(f"redis://localhost:{listener.getsockname()[1]}", timeout=0.2)
        assert time.monotonic() - began < deadline(2)


@pytest.fixture
def frozen(secure):
    """``frozen()`` has the server hang until the end of the test."""
    process = secure._processes[0]
    yield lambda: process.send_signal(signal.SIGSTOP)
    process.send_signal(signal.SIGCONT)


def test_leaving_a_loop_does_not_wait_for_a_server_that_hangs(secure, frozen):
    """With TLS the other end has to answer before a connection counts as closed."""
    with connect(f"rediss://localhost:{secure.tls}", **options_of(secure, ca_certs="ca")) as conn:
        stream = rnb.Stream(conn, "left")
        stream.add({"n": 1})

        async def first():
            entries = stream.afollow("all")
            entry = await anext(entries)
            frozen()
            began = time.monotonic()
            await entries.aclose()
            return entry.event, time.monotonic() - began

        event, seconds = asyncio.run(first())
        assert event == {"n": 1}
        assert seconds < deadline(2), "the timeout is 5 s"


def test_a_consumer_that_has_nothing_to_say_ends_where_the_server_hangs(secure, frozen):
    waits, go_on = threading.Event(), threading.Event()

    def handler(entry):
        waits.set()
        assert go_on.wait(deadline(10))

    where = f"rediss://localhost:{secure.tls}"
    with connect(where, timeout=0.5, **options_of(secure, ca_certs="ca")) as conn:
        stream = rnb.Stream(conn, "kept")
        stream.add({"n": 1})
        consumer = rnb.Consumer(stream, handler, start="all", after="keep", count=1).start()
        assert waits.wait(deadline(10))
        frozen()
        consumer._worker.stop()
        go_on.set()
        assert consumer.stop()
        assert (consumer.state, consumer.error) == ("stopped", None)
