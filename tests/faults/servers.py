"""Real servers that are killed, frozen and started again, with their data or without."""

import contextlib
import functools
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

import redisnb
from redisnb.errors import ConnectError
from redisnb.wire.server import find_executable
from tests.deadlines import until

#: How the oracle's own link calls itself, so that it is not counted.
ORACLE = "oracle"
# Newer servers refuse to start under a locale that the machine does not have. Once: servers are
# started on several threads, while pytest writes the name of a test into the environment.
ENVIRONMENT = {**os.environ, "LC_ALL": "C"}


def connected(url: str, *, timeout: float, protocol: int = 2) -> redisnb.Connection:
    """Connect with a short timeout where nothing is tested yet: a busy machine may miss it once."""

    def connection() -> redisnb.Connection | None:
        with contextlib.suppress(ConnectError):
            return redisnb.connect(url, timeout=timeout, protocol=protocol)
        return None

    found: redisnb.Connection = until(connection, what=f"a connection to {url}")
    return found


_chance = random.SystemRandom()


def reserve_port() -> tuple[int, socket.socket]:
    """Return a free port of this machine, and what reserves it as long as it is open.

    Other tests take no port whose number is taken for UDP, also while a server is down.
    """
    while True:
        # Below those that the kernel chooses for links and proxies: a server that is down for a
        # while must find its port free. A node of a cluster takes the one 10,000 above as well.
        port = _chance.randrange(12_000, 22_700)
        reservation = socket.socket(type=socket.SOCK_DGRAM)
        try:
            reservation.bind(("127.0.0.1", port))
            with socket.socket() as probe, socket.socket() as above:
                probe.bind(("127.0.0.1", port))
                above.bind(("127.0.0.1", port + 10_000))
            return port, reservation
        except OSError:
            reservation.close()


@functools.cache
def executable() -> Path | None:
    """Return the server to test with, as redisnb itself would choose it; None without any."""
    try:
        return find_executable()
    except ConnectError:
        return None


class FaultServer:
    """A server on a loopback port; `client` is the oracle, on a link that no fault touches.

    Every write is on disk before its reply is sent, so what was acknowledged survives a kill.
    """

    def __init__(self, executable: Path, *options: str) -> None:
        self.port, self._reservation = reserve_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        # In memory where that can be had: what has been written survives a killed process, and
        # many servers that wait for one disk would be slow.
        memory = Path("/dev/shm")
        place = memory if os.access(memory, os.W_OK) else None
        self.directory = Path(tempfile.mkdtemp(prefix="redisnb-faults-", dir=place))
        self.data = self.directory / "data"
        self.data.mkdir()
        self._log = self.directory / "log"
        self._command: list[str | Path] = [
            *(executable, "--port", str(self.port), "--bind", "127.0.0.1"),
            *("--dir", self.data, "--save", "", "--hz", "100"),
            *("--appendonly", "yes", "--appendfsync", "always"),
            *options,
        ]
        self.client: Any = redis.Redis(
            host="127.0.0.1",
            port=self.port,
            client_name=ORACLE,
            decode_responses=True,
            # A link that the server has closed is opened again, once.
            retry=Retry(NoBackoff(), 1),
            socket_timeout=10,
        )
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    def require(self, password: str) -> None:
        """Set the server's password, "" for none, and tell the oracle."""
        self.client.config_set("requirepass", password)
        self.client.connection_pool.connection_kwargs["password"] = password or None

    # -- its life

    def start(self, *, wait: bool = True) -> None:
        """Start it with the data that its directory holds."""
        self._spawn()
        if wait:
            until(self._comes_up, what=lambda: f"the server answers; it says {self._words()}")

    def _comes_up(self) -> bool:
        # A process that is just being forked elsewhere holds a copy of whatever was bound here.
        if self.process.poll() is not None and "Address already in use" in self._words():
            self._spawn()
        return self.answers()

    def _spawn(self) -> None:
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                self._command,
                stdout=log,
                stderr=log,
                env=ENVIRONMENT,
                # A Ctrl-C of a test is for the test.
                start_new_session=True,
            )

    def _words(self) -> str:
        return " / ".join(self._log.read_text(errors="replace").splitlines()[-3:])

    def answers(self) -> bool:
        """Return whether it answers, and has read its data."""
        try:
            info = self.client.info()
        except (redis.ConnectionError, redis.TimeoutError):
            return False
        # Somebody else's server may have taken the port first.
        assert info["process_id"] == self.process.pid, f"port {self.port} is taken"
        return not info["loading"]

    def is_loading(self) -> bool:
        """Return whether it answers that it is still reading its data."""
        # It looks up from its work five times a second: no time for a client's greetings.
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.port), 5) as link,
        ):
            link.sendall(b"PING\r\n")
            return link.recv(100).startswith(b"-LOADING")
        return False

    def fill(self, keys: int) -> None:
        """Add keys of 100 kB each, and write what there is to a file that is read key by key."""
        pipeline = self.client.pipeline(transaction=False)
        for n in range(keys):
            pipeline.set(f"filler-{n}", os.urandom(100_000))
        pipeline.execute()
        self.client.bgrewriteaof()
        until(lambda: not self.client.info("persistence")["aof_rewrite_in_progress"])

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.kill()
        self.process.wait()

    def restart(self, *, empty: bool = False) -> None:
        """Kill it and start it again, with what it has acknowledged or with nothing."""
        self.kill()
        if empty:
            self.forget()
        self.start()

    def forget(self) -> None:
        """Remove a dead server's data."""
        shutil.rmtree(self.data)
        self.data.mkdir()

    def freeze(self) -> None:
        """Let it hang: the kernel still takes connections and requests for it."""
        self.process.send_signal(signal.SIGSTOP)
        state = Path(f"/proc/{self.process.pid}/stat")
        if state.exists():
            until(lambda: state.read_text().rpartition(") ")[2][0] == "T")

    def thaw(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it for good."""
        self.kill()
        self.client.close()
        self._reservation.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def revive(self) -> None:
        """Let it answer again, whatever was done to it."""
        if self.process.poll() is not None:
            self.start()
        self.thaw()
        self.client.client_unpause()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- what is on it

    def links(self) -> list[dict[str, Any]]:
        """List the connections that are not the oracle's."""
        return [link for link in self.client.client_list() if link["name"] != ORACLE]

    def blocked(self) -> int:
        """Count the clients that wait in a blocking read."""
        return int(self.client.info("clients")["blocked_clients"])

    def commands(self) -> Counter[str]:
        """Count what it was asked so far, refused commands too, without what the oracle asks."""
        stats = self.client.info("commandstats")
        counts: Counter[str] = Counter()
        for name, each in stats.items():
            counts[name.removeprefix("cmdstat_")] = each["calls"] + each["rejected_calls"]
        for own in ("info", "ping", "config", "config|set", "client", "client|list", "flushall"):
            del counts[own]
        return counts
