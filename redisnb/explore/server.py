"""A server's own account of itself: its state, its clients and its slow commands, as frames."""

from __future__ import annotations

import pandas as pd
from redis.exceptions import ResponseError

from redisnb import frames, wire
from redisnb.errors import explain, nearest
from redisnb.hints import hinted
from redisnb.wire import Connection

__all__ = ["clients", "info", "slowlog"]

#: As many as a server keeps unless it is told otherwise.
_SLOWLOG_LIMIT = 128


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

    Examples
    --------
    >>> memory = rnb.info(conn, "memory")
    >>> memory[memory["name"] == "maxmemory_policy"]["value"].tolist()
    ['noeviction']
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
    return frames.parse_info(wire.ask(conn, "INFO", *section, key=""))


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

    Examples
    --------
    >>> found = rnb.clients(conn)
    >>> found[found["own"]][["user", "db"]].to_dict("records")
    [{'user': 'default', 'db': 0}]
    """
    wire.check_connection(conn, "clients(conn)")
    listed, own = wire.ask_many(conn, [("CLIENT", "LIST"), ("CLIENT", "ID")])
    if isinstance(listed, ResponseError):
        raise explain(listed, "", ("CLIENT",))
    return frames.clients_frame(listed, None if isinstance(own, ResponseError) else own)


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

    Examples
    --------
    >>> rnb.slowlog(conn).columns.tolist()
    ['id', 'time', 'duration', 'command', 'client', 'name']
    """
    wire.check_connection(conn, "slowlog(conn)")
    frames.check_limit(limit)
    # -1 means all.
    reply = wire.ask(conn, "SLOWLOG", "GET", -1 if limit is None else limit + 1, key="")
    more = limit is not None and len(reply) > limit
    return frames.mark_truncated(
        frames.slowlog_frame(reply[:limit]),
        limit if more else None,
        _SLOWLOG_LIMIT,
        "limit=None lists all",
    )
