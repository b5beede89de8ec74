"""Why a connection does not come about: what the files and the other end have to say about it."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Mapping
from typing import Any

import redis

__all__ = ["check_files", "diagnosis"]

# The options that name files of TLS.
_FILES = ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile")
#: How long the other end is asked what it is, in seconds.
PATIENCE = 1.0
# By what OpenSSL says: what to do. Its words differ between versions, these parts do not.
_REMEDIES = {
    "NO_CERTIFICATE_OR_CRL_FOUND": "the file of ssl_ca_certs= holds no certificate (PEM)",
    "KEY_VALUES_MISMATCH": "the key of ssl_keyfile= is not that of ssl_certfile=",
    "PEM lib": "ssl_certfile= and ssl_keyfile= name a certificate and its key, both PEM files",
    "certificate is not valid for": "the server's certificate is for other names than the host's; "
    "connect by one of these, or leave the name unchecked with ssl_check_hostname=False",
    "mismatch, certificate": "the server's certificate is for other names than the host's; "
    "connect by one of these, or leave the name unchecked with ssl_check_hostname=False",
    "CERTIFICATE_VERIFY_FAILED": "the server's certificate is of a CA that this machine does not "
    "know; ssl_ca_certs= names the file with that of its CA",
    "CERTIFICATE_REQUIRED": "the server asks for a client certificate: ssl_certfile= and "
    "ssl_keyfile=",
}


def check_files(options: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the files that options of TLS name, None if nothing is."""
    for name in _FILES:
        path = options.get(name)
        if path is not None and not os.path.exists(path):
            return f"{name}={os.fspath(path)!r}: there is no such file"
    return None


def diagnosis(link_class: type[Any], options: Mapping[str, Any], error: Exception) -> str | None:
    """Return what a failure to connect comes from, and what to do; None if nobody knows.

    The other end is asked what it is, by a connection of its own, where its own words may be lost.
    """
    text = str(error)
    for sign, remedy in _REMEDIES.items():
        if sign in text:
            return remedy
    has_answered = isinstance(error.__cause__, redis.AuthenticationError | redis.ResponseError)
    if has_answered or not issubclass(link_class, redis.Connection):
        return None
    place = options.get("host", "localhost"), int(options.get("port", 6379))
    is_secure = issubclass(link_class, redis.SSLConnection)
    patience = min(PATIENCE, options["socket_timeout"])
    said = _said(place, patience)
    if said is None:
        return None
    if said.startswith((b"+PONG", b"-NOAUTH")):
        return f"the port {place[1]} has no TLS; write redis:// for it" if is_secure else None
    if said.startswith(b"-"):
        # With RESP2 redis-py loses what a server says before it closes the link.
        words = said[1:].decode(errors="backslashreplace").strip()
        return None if words.partition(" ")[2] in text else f"the server says: {words}"
    if _has_tls(place, patience):
        if not is_secure:
            return f"the port {place[1]} has TLS; write rediss:// for it"
        if not options.get("ssl_certfile"):
            return _REMEDIES["CERTIFICATE_REQUIRED"]
        return None
    if said:
        begins = said.split(b"\r")[0].split(b"\n")[0][:40].decode(errors="backslashreplace")
        return f"it is no Redis server that listens there: its answer begins with {begins!r}"
    return None


def _said(place: tuple[str, int], patience: float) -> bytes | None:
    """Return what a server says to a PING without TLS; None if it is not there, or silent."""
    try:
        with socket.create_connection(place, patience) as link:
            link.settimeout(patience)
            try:
                link.sendall(b"PING\r\n")
                return link.recv(4096)
            except ConnectionError:
                return b""
    except OSError:
        return None


def _has_tls(place: tuple[str, int], patience: float) -> bool:
    # Only to see whether it is: nothing is sent, and nothing that it says is believed.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection(place, patience) as link:
            link.settimeout(patience)
            with context.wrap_socket(link, server_hostname=place[0]):
                return True
    except OSError:
        return False
