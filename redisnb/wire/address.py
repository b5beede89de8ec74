"""The address of a server, from a URL, a redis-py client or the environment; never a secret."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio import RedisCluster as AsyncRedisCluster
from redis.asyncio.connection import Connection as AsyncTCP
from redis.asyncio.connection import SSLConnection as AsyncSSL
from redis.asyncio.connection import UnixDomainSocketConnection as AsyncUnix
from redis.connection import parse_url
from redis.sentinel import SentinelConnectionPool

from redisnb.errors import ConnectError, nearest
from redisnb.wire.server import is_private

__all__: list[str] = []

# Options that a client's pool gives its links for itself, or that redisnb sets itself.
NOT_TAKEN_OVER = frozenset(
    {
        "decode_responses",
        "encoding",
        "encoding_errors",
        "retry",
        "retry_on_error",
        "retry_on_timeout",
        "event_dispatcher",
        "himport_registry",
        "maint_notifications_config",
        "maintenance_notification_hash",
        "maintenance_state",
        "orig_host_address",
        "orig_socket_connect_timeout",
        "orig_socket_timeout",
        "maint_notifications_pool_handler",
        "parser_class",
        "command_packer",
        "health_check_interval",
        # Options of the pool.
        "max_connections",
        "timeout",
    }
)

_OF_ASYNC: dict[Any, type[Any]] = {
    AsyncTCP: redis.Connection,
    AsyncSSL: redis.SSLConnection,
    AsyncUnix: redis.UnixDomainSocketConnection,
}

# Servers without a database, or with only a part of one.
NO_DATABASE = {
    "cluster": "it is a cluster node, and redisnb would see only the keys of this node; "
    "give the URL of a server that is not in a cluster",
    "sentinel": "it is a sentinel, which has no data; give the client "
    "redis.Sentinel([...]).master_for(name), or the URL of the server itself",
}


#: URL schemes, and redis-py's names for them.
_SCHEMES = {
    "redis": "redis",
    "rediss": "rediss",
    "unix": "unix",
    "valkey": "redis",
    "valkeys": "rediss",
}
# Options by their names in other clients.
_OTHERS = {"hostname": "host", "pass": "password", "user": "username", "database": "db"}


def from_url(url: str) -> tuple[type[Any], dict[str, Any]]:
    """Return the class of link for a URL, and redis-py's options for it.

    Raises
    ------
    ConnectError
        If it is not a valid URL. No part that may be a secret is shown.
    """
    scheme, separator, rest = url.partition("://")
    if scheme not in _SCHEMES or not separator:
        # Without a scheme any part of the text may be a secret.
        prefix = f"{scheme}://" if separator else "this URL"
        raise ConnectError(
            f"{prefix} is not a Redis address; write redis://host:6379/0, "
            "rediss://host:6379/0 (TLS) or unix:///path/to/redis.sock"
        )
    plain = _SCHEMES[scheme]
    _check(plain, rest)
    try:
        options = dict(parse_url(f"{plain}://{rest}"))
    except ValueError as error:
        # urllib's ValueError quotes the part that it cannot read, perhaps a secret.
        known = str(error) if str(error).startswith("Invalid value for '") else "it is malformed"
        raise ConnectError(f"cannot read the {scheme}:// URL: {known}") from None
    if plain == "unix" and "path" not in options:
        raise ConnectError("a unix:// URL names a socket: unix:///path/to/redis.sock")
    return options.pop("connection_class", redis.Connection), _known_shape(options)


def _check(scheme: str, rest: str) -> None:
    """Refuse a URL that urllib would split in another way than intended."""
    head = rest.partition("?")[0]
    if scheme == "unix" and head.startswith("/"):
        return
    place = head.rpartition("@")[2]
    userinfo = head[: len(head) - len(place)]
    if userinfo.count("@") > 1 or "/" in userinfo or "#" in userinfo:
        raise ConnectError(
            f"cannot read the {scheme}:// URL: a user name or password in it has one of the "
            "reserved characters / @ # ?; write them as %2F %40 %23 %3F, or give password="
        )
    database = place.partition("/")[2]
    if scheme != "unix" and database and not database.isdecimal():
        raise ConnectError(
            f"cannot read the {scheme}:// URL: the host is followed by the number of a database, "
            "as in redis://host:6379/0"
        )


def from_options(options: dict[str, Any]) -> type[Any]:
    """Return the class of link for ``host=`` and ``port=``, or ``path=``, without a URL.

    ``ssl=True``, redis-py's name for TLS, is removed from the options.
    """
    if "path" in options:
        return redis.UnixDomainSocketConnection
    return redis.SSLConnection if options.pop("ssl", False) else redis.Connection


def environment_address() -> tuple[str, str] | None:
    """Return the URL in the environment, and the name of its variable, if there is one."""
    for name in ("REDISNB_URL", "REDIS_URL"):
        if url := os.environ.get(name):
            return url, name
    host = os.environ.get("REDIS_HOST")
    if not host:
        return None
    port = os.environ.get("REDIS_PORT") or "6379"
    return f"redis://{f'[{host}]' if ':' in host else host}:{port}", "REDIS_HOST"


def check_options(link_class: type[Any], options: Mapping[str, Any]) -> None:
    """Refuse an option that a link does not have.

    Raises
    ------
    TypeError
        It names the nearest one.
    """
    known = _options_of(link_class.__mro__)
    for name in options:
        if name in known:
            continue
        if name.startswith("ssl") and link_class is redis.Connection:
            raise TypeError(f"{name}= is for TLS: connect('rediss://host:6379', {name}=...)")
        meant = nearest(_OTHERS.get(name, name), sorted(known))
        hint = f"; did you mean {meant}=?" if meant else ""
        raise TypeError(f"connect() has no option {name}={hint}")


@cache
def _options_of(classes: tuple[type, ...]) -> set[str]:
    known: set[str] = set()
    for each in classes:
        if "__init__" in vars(each):
            known |= set(inspect.signature(each).parameters)
    return known - {"self", "args", "kwargs"}


def from_client(client: object) -> tuple[type[Any], dict[str, Any]]:
    """Return the class of link of a redis-py client, and its options.

    Raises
    ------
    ConnectError, TypeError
        If it is a cluster client, its sentinels do not answer, or it is not a redis-py client.
    """
    if isinstance(client, redis.RedisCluster | AsyncRedisCluster):
        raise ConnectError(f"cannot use {type(client).__name__}: {NO_DATABASE['cluster']}")
    pool: Any = getattr(client, "connection_pool", None)
    link_class: Any = getattr(pool, "connection_class", None)
    if isinstance(client, AsyncRedis):
        # The blocking class with the same options.
        link_class = _OF_ASYNC.get(link_class, link_class)
    elif not isinstance(client, redis.Redis) or pool is None:
        raise TypeError(
            "connect() takes a URL or a client of redis-py, not "
            f"{type(client).__module__}.{type(client).__qualname__}"
        )
    options = _known_shape(pool.connection_kwargs)
    if isinstance(pool, SentinelConnectionPool):
        return _of_sentinel(pool, options)
    known = issubclass(link_class, redis.connection.AbstractConnection)
    if not known or link_class.__module__.startswith("redis.sentinel"):
        raise TypeError(
            f"connect() cannot take over a client with links of {link_class.__module__}."
            f"{link_class.__qualname__}; give it the server's URL"
        )
    return link_class, options


def _of_sentinel(
    pool: SentinelConnectionPool, options: dict[str, Any]
) -> tuple[type[Any], dict[str, Any]]:
    """Ask the sentinels for the address of a client's server, once: failovers are not followed."""
    try:
        if pool.is_master:
            host, port = pool.get_master_address()
        else:
            host, port = next(iter(pool.rotate_slaves()))
    except redis.ConnectionError as error:
        raise ConnectError(f"cannot use service {pool.service_name!r}: {error}") from error
    is_ssl = issubclass(pool.connection_class, redis.SSLConnection)
    options = {name: value for name, value in options.items() if name != "connection_pool"}
    return (
        redis.SSLConnection if is_ssl else redis.Connection,
        {**options, "host": host, "port": port},
    )


def _known_shape(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in NOT_TAKEN_OVER}


def url_and_name(link_class: type[Any], options: dict[str, Any]) -> tuple[str, str]:
    """Return the URL and the name of a database, both without secrets."""
    database = options.get("db") or 0
    if "path" in options:
        url = f"unix://{options['path']}?db={database}"
        path = Path(options["path"])
        place = "private server" if is_private(path) else path.as_posix()
        return url, f"{place}/{database}"
    scheme = "rediss" if issubclass(link_class, redis.SSLConnection) else "redis"
    host = options.get("host", "localhost")
    place = f"{f'[{host}]' if ':' in host else host}:{options.get('port', 6379)}"
    return f"{scheme}://{place}/{database}", f"{place}/{database}"
