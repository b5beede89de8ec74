"""What is known of a server: why a connection to it failed, and what it says of itself."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import redis

from redisnb import cards
from redisnb.durations import duration

__all__ = ["bare", "check_files", "diagnosis", "figures", "mode_in"]

# The options that name TLS files.
_FILES = ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile")
#: How long the other end may take to answer a probe, in seconds.
PROBE_SECONDS = 1.0
# By parts of OpenSSL's messages that are the same in all versions.
_TLS_REMEDIES = {
    "NO_CERTIFICATE_OR_CRL_FOUND": "the file of ssl_ca_certs= holds no certificate (PEM)",
    "KEY_VALUES_MISMATCH": "the key of ssl_keyfile= does not belong to ssl_certfile=",
    "PEM lib": "ssl_certfile= and ssl_keyfile= name a certificate and its key, both PEM files",
    "certificate is not valid for": "the server's certificate is for other names than the host's; "
    "connect by one of these, or leave the name unchecked with ssl_check_hostname=False",
    "mismatch, certificate": "the server's certificate is for other names than the host's; "
    "connect by one of these, or leave the name unchecked with ssl_check_hostname=False",
    "CERTIFICATE_VERIFY_FAILED": "the server's certificate is from a CA that this machine does not "
    "know; ssl_ca_certs= names the file with the certificate of the CA",
    "CERTIFICATE_REQUIRED": "the server asks for a client certificate: ssl_certfile= and "
    "ssl_keyfile=",
}


def check_files(options: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the files that TLS options name, None if nothing is."""
    for name in _FILES:
        path = options.get(name)
        if path is not None and not os.path.exists(path):
            return f"{name}={os.fspath(path)!r}: there is no such file"
    return None


def diagnosis(link_class: type[Any], options: Mapping[str, Any], error: Exception) -> str | None:
    """Return the cause of a failure to connect, and the remedy; None if it is unknown.

    The other end is probed on another connection, since redis-py may have lost its answer.
    """
    text = str(error)
    for sign, remedy in _TLS_REMEDIES.items():
        if sign in text:
            return remedy
    has_answered = isinstance(error.__cause__, redis.AuthenticationError | redis.ResponseError)
    if has_answered or not issubclass(link_class, redis.Connection):
        return None
    place = options.get("host", "localhost"), int(options.get("port", 6379))
    is_secure = issubclass(link_class, redis.SSLConnection)
    timeout = min(PROBE_SECONDS, options["socket_timeout"])
    answer = _probe(place, timeout)
    if answer is None:
        return None
    if answer.startswith((b"+PONG", b"-NOAUTH")):
        return f"port {place[1]} has no TLS; write redis:// for it" if is_secure else None
    if answer.startswith(b"-"):
        # With RESP2 redis-py loses what a server says before it closes the link.
        words = answer[1:].decode(errors="backslashreplace").strip()
        return None if words.partition(" ")[2] in text else f"the server says: {words}"
    if _has_tls(place, timeout):
        if not is_secure:
            return f"port {place[1]} has TLS; write rediss:// for it"
        if not options.get("ssl_certfile"):
            return _TLS_REMEDIES["CERTIFICATE_REQUIRED"]
        return None
    if answer:
        begins = answer.split(b"\r")[0].split(b"\n")[0][:40].decode(errors="backslashreplace")
        return f"no Redis server listens there: the answer begins with {begins!r}"
    return None


def bare(error: Exception) -> Exception:
    """Return an error without its traceback, in which IPython could show a password."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def mode_in(hello: Any) -> str | None:
    """Return the mode in a reply to HELLO: "standalone", "cluster", "sentinel"."""
    if isinstance(hello, list):
        hello = dict(zip(hello[::2], hello[1::2], strict=True))
    mode = hello.get(b"mode") if isinstance(hello, dict) else None
    return mode.decode() if isinstance(mode, bytes) else None


def _probe(place: tuple[str, int], timeout: float) -> bytes | None:
    """Return the answer to a PING without TLS; None if there is none, b"" if it hangs up."""
    try:
        with socket.create_connection(place, timeout) as link:
            link.settimeout(timeout)
            try:
                link.sendall(b"PING\r\n")
                return link.recv(4096)
            except ConnectionError:
                return b""
    except OSError:
        return None


def _has_tls(place: tuple[str, int], timeout: float) -> bool:
    # A probe only: nothing is sent, and the certificate need not be valid.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection(place, timeout) as link:
            link.settimeout(timeout)
            with context.wrap_socket(link, server_hostname=place[0]):
                return True
    except OSError:
        return False


def figures(
    info: Any = None, keys: Any = None, seconds: float | None = None
) -> list[tuple[str, str | None]]:
    """Return what a card shows of the replies to INFO and DBSIZE, and of the time they took."""
    if seconds is None:
        return []
    answer = ("answers in", f"{1000 * seconds:.1f} ms")
    count = cards.NOT_ALLOWED if isinstance(keys, redis.ResponseError) else f"{keys:,}"
    if isinstance(info, redis.ResponseError):
        return [("version", cards.NOT_ALLOWED), ("keys", count), answer]
    lines = info.decode(errors="replace").splitlines()
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    valkey, role = facts.get("valkey_version"), facts.get("role", "master")
    used, most = _whole(facts, "used_memory"), _whole(facts, "maxmemory")
    return [
        ("version", f"Valkey {valkey}" if valkey else f"Redis {facts.get('redis_version', '')}"),
        ("keys", count),
        ("memory", f"{cards.amount(used)}{f' of {cards.amount(most)}' if most else ''}"),
        ("clients", f"{_whole(facts, 'connected_clients'):,}"),
        ("running for", duration(timedelta(seconds=_whole(facts, "uptime_in_seconds")))),
        ("role", None if role == "master" else "replica"),
        answer,
    ]


def _whole(facts: Mapping[str, str], name: str) -> int:
    text = facts.get(name, "")
    return int(text) if text.isdecimal() else 0
