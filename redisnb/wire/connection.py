"""connect(): a Connection from a URL, a redis-py client, the environment or a private server.

All links have one known configuration, whatever the client's defaults: replies are bytes, redis-py
retries nothing (a retried XADD makes two entries), and every wait has a timeout.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pandas as pd
import redis
from redis.asyncio.connection import AbstractConnection as AsyncLink
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.connection import ConnectionInterface as Link
from redis.retry import Retry

from redisnb import cards
from redisnb.durations import Duration, milliseconds
from redisnb.errors import ConnectError, warn, words
from redisnb.hints import Hinting
from redisnb.lookup import Keyed
from redisnb.wire.address import (
    NO_DATABASE,
    NOT_TAKEN_OVER,
    check_options,
    environment_address,
    from_client,
    from_options,
    from_url,
    url_and_name,
)
from redisnb.wire.diagnosis import bare, check_files, diagnosis, figures, mode_in
from redisnb.wire.links import ReadOnlyLink, async_class, read_only_class
from redisnb.wire.read_only import check
from redisnb.wire.replies import receive_many, receive_unless_refused, served
from redisnb.wire.server import Server, private_server

__all__ = [
    "Connection",
    "async_link",
    "brief",
    "check_connection",
    "check_sends",
    "connect",
    "glance",
    "lease",
    "refusal",
]

T = TypeVar("T")


class Connection(Keyed[pd.DataFrame], Hinting):
    """A connection to one database; `connect` makes it.

    It is thread-safe. A with-block closes it.

    Attributes
    ----------
    client : redis.Redis
        A redis-py client on the same database, for commands that redisnb does not cover. Its
        replies are bytes and it does not retry.
    url : str
        The address, without user name and password.
    server : Server or None
        The private server, if `connect` started one.
    read_only : bool
        Whether it refuses, with ReadOnlyError, all commands that are not known to only read.

    Examples
    --------
    >>> with rnb.connect() as conn:
    ...     "orders" in conn, conn.closed
    (True, False)
    >>> conn["orders"]  # as `rnb.preview` shows it
                                      entry_id    item  amount
    entry_time
    2024-05-01 10:30:00+00:00  1714559400000-0     tea       2
    2024-05-01 10:31:00+00:00  1714559460000-0  coffee       1
    2024-05-01 10:32:00+00:00  1714559520000-0     tea       5
    2024-05-01 10:33:00+00:00  1714559580000-0    milk       3
    """

    def __init__(
        self, link_class: type[Any], options: dict[str, Any], server: Server | None = None
    ) -> None:
        self._link_class, self._options = link_class, options
        self._pool = redis.ConnectionPool(
            connection_class=link_class, **options, retry=Retry(NoBackoff(), 0)
        )
        self.client = redis.Redis(connection_pool=self._pool)
        self.server = server
        self.read_only = issubclass(link_class, ReadOnlyLink)
        self.url, self.name = url_and_name(link_class, options)
        self._warnings: set[str] = set()
        self._supported: dict[str, bool] = {}
        self._is_closed = False

    @property
    def closed(self) -> bool:
        """Whether it was closed and has not been used since."""
        links = [*self._pool._available_connections, *self._pool._in_use_connections]
        return self._is_closed and not any(link.is_connected for link in links)

    @property
    def timeout(self) -> float:
        """How long to wait for the server, in seconds."""
        return float(self._options["socket_timeout"])

    @property
    def link_name(self) -> str:
        """The name of its links in the server's list of clients, "" without one."""
        return str(self._options.get("client_name") or "")

    @property
    def database(self) -> int:
        """The number of the database."""
        return int(self._options.get("db") or 0)

    def supports(self, command: str) -> bool:
        """Return whether the server has a command, such as "XACKDEL"; False if it does not say.

        Notes
        -----
        COMMAND INFO, once for each command.

        Examples
        --------
        >>> conn.supports("XADD"), conn.supports("GETT")
        (True, False)
        """
        name = command.upper()
        if name not in self._supported:
            with lease(self) as link:
                link.send_command("COMMAND", "INFO", name)
                try:
                    reply = link.read_response(disable_decoding=True)
                except redis.ResponseError:
                    return False
            self._supported[name] = bool(reply) and reply[0] is not None
        return self._supported[name]

    def close(self) -> None:
        """Close all links; the next command opens a new one.

        Examples
        --------
        >>> conn.close()
        >>> conn.closed
        True
        """
        self._is_closed = True
        for _ in range(20):
            # A link in use may be returned at the same time, also by the garbage collector.
            with contextlib.suppress(RuntimeError):
                self._pool.disconnect()
                return
        self._pool.disconnect()

    def warn_once(self, message: str) -> None:
        """Warn about something that this user or server lacks, the first time only."""
        if message not in self._warnings:
            self._warnings.add(message)
            warn(message)

    def __enter__(self) -> Connection:
        """Return the connection."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self.close()

    def __repr__(self) -> str:
        access = "read_only=True" if self.read_only else None
        return cards.line("Connection", cards.quoted(self.name), access, self.closed and "closed")

    def _repr_html_(self) -> str:
        found, why = glance(self, _info_and_size)
        state = "unavailable" if why else "connected" if found else "closed"
        access = "reads only" if self.read_only else "reads and writes"
        private = None if self.server is None else "private, ends with this process"
        pairs = [*figures(*found or ()), ("access", access), ("server", private)]
        place = [("address", self.url), ("database", str(self.database))]
        return cards.card("Connection", self.name, state, [*place, *pairs], note=why)


@contextmanager
def brief(conn: Connection, seconds: float = 0.5) -> Iterator[Connection]:
    """Lend a connection to the same database that waits `seconds` at most, for each reply.

    What is shown by itself, such as a completion or the HTML of an object, must not wait as long as
    a call does for a server that has gone.
    """
    options = conn._options | {"socket_timeout": seconds, "socket_connect_timeout": seconds}
    with Connection(conn._link_class, options, conn.server) as quick:
        yield quick


def glance(conn: Connection, look: Callable[[Connection], T]) -> tuple[T | None, str]:
    """Return what `look` finds within about a second; or None, and why the server is of no use.

    For a connection that is closed nothing is sent; there is then nothing, and no reason.
    """
    if conn.closed:
        return None, ""
    try:
        with brief(conn) as quick:
            return look(quick), ""
    except (redis.RedisError, ConnectError, OSError) as error:
        cause = error.__cause__ or error
        if isinstance(cause, redis.TimeoutError):
            return None, "the server does not answer"
        return None, words(error) if isinstance(error, redis.RedisError) else str(error)


def _info_and_size(conn: Connection) -> list[Any]:
    """Return the replies to INFO and DBSIZE, and how many seconds they took."""
    with lease(conn) as link:
        began = time.perf_counter()
        commands = [*link.pack_command("INFO"), *link.pack_command("DBSIZE")]
        link.send_packed_command(commands)
        replies = [reply for part in receive_many(link, 2) for reply in part]
        return [*served(replies), time.perf_counter() - began]


@contextmanager
def lease(conn: Connection) -> Iterator[Link]:
    """Lend a link to the server for one exchange of commands and replies.

    The link is closed if the exchange ends with an exception, since replies may still arrive: an
    interrupt never leaves a reply for the next command to read.

    Raises
    ------
    ConnectError
        If the server cannot be reached, or refuses the user.
    """
    try:
        link = conn._pool.get_connection()
    except (redis.RedisError, OSError) as error:
        raise refusal(conn, error) from bare(error)
    conn._is_closed = False
    try:
        yield link
    except BaseException:
        link.disconnect()
        raise
    finally:
        conn._pool.release(link)


def async_link(conn: Connection, name: str | None = None) -> AsyncLink:
    """Make a link for asyncio code with the same configuration; it connects at the first command.

    The caller enforces the reply timeout, as `wire.ask_async` does. The server's list of clients
    shows the `name`.
    """
    # Without `driver_info` connecting takes two commands fewer.
    options = conn._options | {"socket_timeout": None, "driver_info": None}
    if name is not None:
        options |= {"client_name": name}
    return async_class(conn._link_class)(**options, retry=AsyncRetry(NoBackoff(), 0))


def check_connection(conn: object, call: str) -> None:
    """Refuse an argument that is not a Connection; `call` names the function.

    Raises
    ------
    TypeError
        It names `connect`.
    """
    if not isinstance(conn, Connection):
        raise TypeError(
            f"{call}: conn is what redisnb.connect() returns, not {type(conn).__name__}; "
            "redisnb.connect() takes a URL or a redis-py client"
        )


def check_sends(conn: Connection, *command: str | bytes) -> None:
    """Refuse at the start a command that would be refused after others had been carried out.

    Raises
    ------
    ReadOnlyError
        If the connection does not send the command.
    """
    if conn.read_only:
        check([part.encode() if isinstance(part, str) else part for part in command])


def refusal(conn: Connection, error: Exception) -> ConnectError:
    """Return the ConnectError that says why a server cannot be used, without secrets."""
    if isinstance(error, redis.AuthenticationError):
        reason = f"it refused the user name or password ({error})"
    elif isinstance(error, redis.TimeoutError):
        reason = f"it did not answer within {conn.timeout:g} s"
    else:
        reason = str(error)
    return ConnectError(f"cannot use {conn.url}: {reason}", url=conn.url)


def connect(
    target: str | redis.Redis | Connection | None = None,
    *,
    read_only: bool = False,
    timeout: Duration = 5,
    **redis_options: Any,
) -> Connection:
    """Connect to a Redis or Valkey server and check that it answers.

    Parameters
    ----------
    target : str, redis.Redis, Connection or None
        - ``redis://``, ``rediss://`` (TLS), ``valkey://``, ``valkeys://`` or ``unix://`` URL, as
          redis-py reads it;
        - a redis-py client, also an asyncio client or one from a Sentinel (asked once for the
          address of its server): its address and credentials are used, not its settings;
        - a Connection, returned unchanged; with `read_only`, if it is not read-only, a new one
          with the same settings on the same database;
        - None: ``host=`` and ``port=``, or ``path=``, if given; else the URL in
          ``$REDISNB_URL`` or ``$REDIS_URL``, or ``$REDIS_HOST`` and ``$REDIS_PORT``; else a
          private, empty server that ends with this process (a line on standard error says so).
    read_only : bool, default False
        Send only commands on a list of those that read. Others raise ReadOnlyError and nothing is
        sent, also through `client`, its pipelines and its scripts. False does not make a read-only
        Connection, or its client, writable: give the URL.
    timeout : duration, default 5 s
        The longest wait for the server: to connect, and for each reply.
    **redis_options
        For redis-py's connection: ``host=``, ``password=``, ``ssl_ca_certs=``, ``protocol=3``, ...

    Raises
    ------
    ConnectError
        If the URL is not one of these, no server answers, the server refuses the password, it is
        a sentinel or a cluster node, or no server can be started. The message never contains a
        secret.
    TypeError
        If there is no such option, or redisnb sets it itself, such as ``decode_responses``.

    Examples
    --------
    >>> conn = rnb.connect()  # $REDISNB_URL, $REDIS_URL, or a private server
    >>> conn.client.ping()
    True
    >>> with rnb.connect(read_only=True) as safe:
    ...     safe.client.delete("orders")
    Traceback (most recent call last):
        ...
    redisnb.errors.ReadOnlyError: DEL was not sent, since this connection is ...
    """
    if decided := sorted(NOT_TAKEN_OVER & redis_options.keys()):
        raise TypeError(
            f"connect({decided[0]}=...): redisnb decides that itself, so that replies are bytes "
            "and nothing is sent twice; leave it out"
        )
    if isinstance(target, Connection):
        if redis_options:
            raise TypeError(
                f"connect(): a Connection has its options, and takes no {min(redis_options)}=; "
                "give the URL again"
            )
        if not read_only or target.read_only:
            return target
        return Connection(read_only_class(target._link_class), target._options, target.server)
    addresses = sorted(redis_options.keys() & {"host", "port", "path"})
    if addresses and target is not None:
        raise TypeError(f"connect(): give {addresses[0]}= or a URL or client, and not both")
    found = environment_address() if target is None and not addresses else None
    try:
        return _connected(found[0] if found else target, read_only, timeout, redis_options)
    except ConnectError as error:
        if found is None:
            raise error.with_traceback(None) from error.__cause__
        message = f"{str(error).rstrip('.')}; the address is that of ${found[1]}"
        raise ConnectError(message, url=error.url) from error.__cause__


def _connected(
    target: str | redis.Redis | None,
    read_only: bool,
    timeout: Duration,
    redis_options: dict[str, Any],
) -> Connection:
    server = None
    if redis_options.keys() & {"host", "port", "path"}:
        link_class, options = from_options(redis_options), dict[str, Any]()
    else:
        if target is None:
            server = private_server()
            target = server.url
        if isinstance(target, str):
            link_class, options = from_url(target)
        else:
            link_class, options = from_client(target)
    check_options(link_class, {**options, **redis_options})
    if wrong := check_files(options | redis_options):
        raise ConnectError(wrong)
    if read_only:
        link_class = read_only_class(link_class)
    seconds = milliseconds(timeout, "timeout") / 1000
    if not seconds:
        raise ValueError("timeout=0: a server needs some time to answer")
    options |= {"socket_timeout": seconds, "socket_connect_timeout": seconds, **redis_options}
    options.setdefault("protocol", 2)
    connection = Connection(link_class, options, server)
    try:
        mode = _mode_of(connection)
    except ConnectError as error:
        connection.close()
        why = diagnosis(link_class, options, error)
        if why is None:
            raise
        message = f"{str(error).rstrip('.')}; {why}"
        raise ConnectError(message, url=connection.url) from error.__cause__
    if mode in NO_DATABASE:
        connection.close()
        raise ConnectError(f"cannot use {connection.url}: {NO_DATABASE[mode]}", url=connection.url)
    return connection


def _mode_of(conn: Connection) -> str | None:
    """Check that a server answers, and return its mode."""
    with lease(conn) as link:
        try:
            link.send_packed_command(link.pack_commands([("PING",), ("HELLO",)]))
            receive_unless_refused(link)
            return mode_in(receive_unless_refused(link))
        except (redis.RedisError, OSError) as error:
            raise refusal(conn, error) from bare(error)
