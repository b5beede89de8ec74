"""Advice on the errors of a server: what was probably meant, and how a command is written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import redis
from redis.exceptions import ResponseError

from redisnb import wire
from redisnb.entries import as_text
from redisnb.errors import RedisnbError, code, explain, nearest
from redisnb.explore.commands.syntax import documented
from redisnb.wire import Connection

__all__ = ["advise", "title"]

_ARITY = re.compile("wrong number of arguments|syntax error", re.IGNORECASE)
# Before Redis 7.2 it is "unknown subcommand or wrong number of arguments for 'x'".
_SUBCOMMAND = re.compile("unknown subcommand", re.IGNORECASE)


def title(words: Sequence[bytes]) -> str:
    """Return the name of a command, as in a sentence."""
    return as_text(words[0]).upper()


def advise(conn: Connection, error: ResponseError, words: Sequence[bytes]) -> ResponseError:
    """Add to a server's error what mends it, where that is known, and return the error.

    Notes
    -----
    COMMAND LIST (before Redis 7.0: COMMAND), COMMAND DOCS or COMMAND GETKEYS, where they can help.
    """
    said = str(error)
    if _SUBCOMMAND.search(said) or "unknown command" in said.lower():
        if b" " in words[0]:
            error.add_note("each argument stands for itself: ['GET', 'key'], or the text 'GET key'")
            return error
        if meant := _command_like(conn, words):
            error.add_note(f"did you mean {meant}?")
            return error
    elif _ARITY.search(said):
        if syntax := _syntax(conn, words):
            error.add_note(f"its syntax: {syntax}")
        return error
    keys = []
    if code(error) in ("WRONGTYPE", "NOPERM"):
        keys = [as_text(key) for key in _asked(conn, "COMMAND", "GETKEYS", *words) or ()]
        if code(error) == "WRONGTYPE" and len(keys) != 1:
            # It may be any of them.
            return error
    name = title(words)
    # Its keys stand behind their number.
    command = [name, "", "0"] if name == "EVAL" else [name]
    return explain(error, keys[0] if keys else "", command)


def _command_like(conn: Connection, words: Sequence[bytes]) -> str | None:
    """Return the name of a command, also with a subcommand, that is like this one."""
    name = title(words).lower()
    names = [as_text(each) for each in _names(conn)]
    if name not in names:
        commands = [each for each in names if "|" not in each]
        # The same letters in another order, in a name of three, are not much alike.
        swapped = (each for each in commands if sorted(each) == sorted(name))
        found = next(swapped, None) or nearest(name, commands)
        return found and found.upper()
    parts = [each.partition("|")[2] for each in names if each.startswith(f"{name}|")]
    found = nearest(as_text(words[1]), parts) if len(words) > 1 else None
    return found and f"{name} {found}".upper()


def _names(conn: Connection) -> Iterator[bytes]:
    listed = _asked(conn, "COMMAND", "LIST")
    if listed is None:
        listed = [each[0] for each in _asked(conn, "COMMAND") or ()]
    yield from listed


def _syntax(conn: Connection, words: Sequence[bytes]) -> str | None:
    """Return the syntax of a command, or of its subcommand, where the server describes it."""
    name = title(words)
    full = " ".join([name, *(as_text(each).upper() for each in words[1:2])])
    reply = _asked(conn, "COMMAND", "DOCS", full.replace(" ", "|"), name)
    commands = documented(reply or {})
    found = commands.get(full) or commands.get(name)
    return None if found is None else str(found)


def _asked(conn: Connection, *command: str | bytes) -> Any:
    """Return a reply; None if there is none: this is about another error."""
    try:
        return wire.ask(conn, *command, key="")
    except (redis.RedisError, RedisnbError, OSError):
        return None
