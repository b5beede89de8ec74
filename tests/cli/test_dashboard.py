"""`redisnb dashboard`: for whom its server answers, and how it ends."""

import contextlib
import http.client
import os
import signal
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from redisnb.cli import program
from tests.browser.elsewhere import app, descendants
from tests.deadlines import deadline, until

pytestmark = pytest.mark.slow

#: What a browser sends to open a connection to a kernel.
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def test_a_port_that_is_taken(server, monkeypatch, capsys):
    pytest.importorskip("voila")
    monkeypatch.setenv("REDISNB_URL", server.url)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert program.main(["dashboard", "--port", str(port), "--no-browser"]) == 1
    assert f"port {port} is taken: choose another with --port" in capsys.readouterr().err


@pytest.fixture
def running(server, tmp_path):
    """`redisnb dashboard` and its address, once it answers."""
    pytest.importorskip("voila")
    with app(tmp_path, server.url) as running:
        yield running


def test_it_answers_on_this_machine_alone_and_ends_by_ctrl_c(running):
    process, address = running
    place = urlsplit(address)

    def ask(path, host, token=True, **headers):
        """Return the status of a reply; another host is what a rebound name would send."""
        link = http.client.HTTPConnection(place.hostname, place.port, timeout=deadline(30))
        with contextlib.closing(link):
            query = place.query if token else ""
            link.request("GET", f"{path}?{query}", headers={"Host": host, **headers})
            return link.getresponse().status

    kernel = "/api/kernels/00000000-0000-0000-0000-000000000000"
    for host in (f"127.0.0.1:{place.port}", f"localhost:{place.port}", f"[::1]:{place.port}"):
        assert ask("/login", host) == 302
        assert ask(kernel, host) == 404
    for host in (f"rebound.example:{place.port}", "127.0.0.1.example", f"10.0.0.1:{place.port}"):
        for path in ("/", "/login", kernel, f"{kernel}/channels"):
            headers = {**UPGRADE, "Origin": f"http://{host}"} if "channels" in path else {}
            assert ask(path, host, **headers) == 403
    # Without the token it asks for it.
    assert ask("/", place.netloc, token=False) == 302

    below = descendants(process.pid)
    assert len(below) >= 2  # Voila, and the kernel that waits
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(deadline(20)) in (0, 128 + signal.SIGINT)
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in below))
