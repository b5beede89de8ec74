"""A server's own account of itself: its state, its clients and its slow commands, as frames."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd
from redis.exceptions import ResponseError

from redisnb import frames, wire
from redisnb.entries import as_text
from redisnb.errors import explain, nearest
from redisnb.hints import hinted
from redisnb.wire import Connection

__all__ = ["clients", "info", "parse_info", "slowlog"]

#: How much of a slow command is shown, in characters.
_COMMAND_SHOWN = 200
#: As many as a server keeps unless it is told otherwise.
_SLOWLOG_LIMIT = 128
# "name= db=0": an address may contain blanks, as the path of a socket.
_CLIENT_FACT = re.compile(rb"([a-z-]+)=(.*?)(?= [a-z-]+=|$)")


@hinted
def info(conn: Connection, section: str | None = None) -> pd.DataFrame:
    """Return what the server says about itself.

    Parameters
    ----------
    conn : Connection
        What `redisnb.connect` returns.
    section : str, optional
        One section, such as "memory", "replication" or "commandstats", or "everything"; by default
        those that the server chooses.

    Returns
    -------
    DataFrame in schema INFO
        A row for each fact, in the server's order; all values are text, and sections are in lower
        case. Sections have other facts on other servers.

    Raises
    ------
    ValueError
        If the server has no such section.
    redis.exceptions.ResponseError
        If this user or server does not allow it; a note names the missing permission.

    Notes
    -----
    INFO. Reads only.
    """
    wire.check_connection(conn, "info(conn)")
    if section is not None and (not isinstance(section, str) or not section.strip()):
        raise TypeError(f"section is a name such as 'memory', not {section!r}")
    rows, sections = _info(conn, *([] if section is None else [section]))
    if section is not None and not sections and not rows:
        known = sorted({*_info(conn, "everything")[1], "all", "default", "everything"})
        meant = nearest(section, known)
        hint = f"did you mean {meant!r}?" if meant else f"there are {', '.join(known)}"
        raise ValueError(f"section={section!r}: the server has no such section; {hint}")
    return frames.table(frames.INFO, rows)


def _info(conn: Connection, *section: str) -> tuple[list[tuple[str, str, str]], list[str]]:
    return parse_info(wire.ask(conn, "INFO", *section, key=""))


def parse_info(reply: bytes) -> tuple[list[tuple[str, str, str]], list[str]]:
    """Return the facts in a reply to INFO, and its sections, also those without facts."""
    rows, sections = [], []
    for line in reply.splitlines():
        if line.startswith(b"# "):
            sections.append(as_text(line[2:]).lower())
        elif b":" in line:
            name, _, value = line.partition(b":")
            rows.append((sections[-1] if sections else "", as_text(name), as_text(value)))
    return rows, sections


@hinted
def clients(conn: Connection) -> pd.DataFrame:
    """List the clients that are connected to the server.

    Returns
    -------
    DataFrame in schema CLIENTS
        By ID: the longest connected first. `age` is the time since a client connected, `idle` since
        its last command, `command` that command, and `memory` is in bytes. `library` is what it
        says of itself (missing before Redis 7.2). `own` marks the connection that asked.

    Raises
    ------
    redis.exceptions.ResponseError
        If this user or server does not allow it; a note names the missing permission.

    Notes
    -----
    CLIENT LIST and CLIENT ID. Reads only.
    """
    wire.check_connection(conn, "clients(conn)")
    listed, own = wire.ask_many(conn, [("CLIENT", "LIST"), ("CLIENT", "ID")])
    if isinstance(listed, ResponseError):
        raise explain(listed, "", ("CLIENT",))
    states = [dict(_CLIENT_FACT.findall(line)) for line in listed.splitlines()]
    rows = sorted(_client_row(state, own) for state in states if b"id" in state)
    return frames.table(frames.CLIENTS, rows)


def _client_row(state: Mapping[bytes, bytes], own: Any) -> tuple[Any, ...]:
    def text(*names: bytes) -> str | None:
        found = [as_text(state[name]) for name in names if name in state]
        return " ".join(filter(None, found)) if found else None

    id, memory = int(state[b"id"]), state.get(b"tot-mem")
    return (
        id,
        text(b"addr"),
        text(b"name"),
        text(b"user"),
        int(state.get(b"db", 0)),
        1000 * int(state[b"age"]),
        1000 * int(state[b"idle"]),
        text(b"cmd"),
        None if memory is None else int(memory),
        text(b"lib-name", b"lib-ver"),
        None if isinstance(own, ResponseError) else id == own,
    )


@hinted
def slowlog(conn: Connection, *, limit: int | None = _SLOWLOG_LIMIT) -> pd.DataFrame:
    """List the commands that took the server longest lately.

    The server keeps those that took longer than its setting ``slowlog-log-slower-than``, 10 ms
    unless it was changed.

    Parameters
    ----------
    conn : Connection
        What `redisnb.connect` returns.
    limit : int or None, default 128
        The most commands, None for all that the server has kept.

    Returns
    -------
    DataFrame in schema SLOWLOG
        The newest first; empty without any. `duration` is without the time that the command waited
        for its turn, in microseconds. `command` has its arguments as text, cut at 200 characters;
        the server itself cuts long ones. `client` is the address, `name` the name of the client.

    Raises
    ------
    redis.exceptions.ResponseError
        If this user or server does not allow it; a note names the missing permission.

    Notes
    -----
    SLOWLOG GET. Reads only. A server can hold secrets in its arguments: show it with care.
    """
    wire.check_connection(conn, "slowlog(conn)")
    frames.check_limit(limit)
    # -1 means all.
    reply = wire.ask(conn, "SLOWLOG", "GET", -1 if limit is None else limit + 1, key="")
    more = limit is not None and len(reply) > limit
    rows = [_slow_row(*each) for each in reply[:limit]]
    return frames.mark_truncated(
        frames.table(frames.SLOWLOG, rows),
        limit if more else None,
        _SLOWLOG_LIMIT,
        "limit=None lists all",
    )


def _slow_row(
    id: int, seconds: int, micros: int, command: list[bytes], address: bytes, name: bytes, *_: Any
) -> tuple[Any, ...]:
    # The server cuts each argument, and their number: it is short enough to be joined.
    text = " ".join(map(as_text, command))
    if len(text) > _COMMAND_SHOWN:
        text = f"{text[: _COMMAND_SHOWN - 1]}…"
    return id, 1000 * seconds, micros, text, as_text(address), as_text(name)
