"""What a server knows of the word at the cursor: its commands, keys, groups, consumers, fields."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from redis.exceptions import ResponseError

from redisnb import keyspace, wire
from redisnb.entries import as_text
from redisnb.explore.commands import Syntax, Term, documented, listed
from redisnb.explore.completion.expecting import Expected, Known, expected
from redisnb.explore.completion.words import Typed, followed_case, written
from redisnb.wire import Connection

__all__ = ["Offer", "known_commands", "offers"]

#: How many names are offered, and of how many streams groups are where no stream is typed yet.
MOST_OFFERED, MOST_STREAMS = 100, 20
#: How long fields of one hash are looked for, in seconds.
FIELD_SECONDS = 0.3
# The type of the keys that a group of commands is for.
_TYPES = {
    "stream": "stream",
    "hash": "hash",
    "list": "list",
    "set": "set",
    "sorted-set": "zset",
    "geo": "zset",
    "string": "string",
    "bitmap": "string",
    "hyperloglog": "string",
}
# Where the server does not tell what a command takes.
_UNDOCUMENTED = Syntax("", terms=(Term("key", "key", multiple=True),))


@dataclass(frozen=True)
class Offer:
    """A word to complete, as it is inserted, with what is shown beside it."""

    text: str
    hint: str


def known_commands(conn: Connection) -> Mapping[str, Syntax]:
    """Return the server's commands by name; none where this user may not ask for them.

    Notes
    -----
    COMMAND DOCS; before Redis 7.0, COMMAND. Reads only.
    """
    for command, read in ((("COMMAND", "DOCS"), documented), (("COMMAND",), listed)):
        try:
            return read(wire.ask(conn, *command, key=""))
        except ResponseError:
            continue
    return {}


def offers(conn: Connection, commands: Mapping[str, Syntax], typed: Typed) -> list[Offer]:
    """Return the words that can stand at the cursor, keywords before names."""
    if not typed.words:
        return _commands_offered(commands.values(), typed)
    name, *words = typed.words
    command = commands.get(name.upper()) if commands else _UNDOCUMENTED
    if command is not None and command.subcommands:
        if not words:
            return _commands_offered(command.subcommands, typed)
        full = f"{name} {words.pop(0)}".upper()
        command = next((each for each in command.subcommands if each.name == full), None)
    if command is None:
        return []
    possible = expected(command.terms, words)
    keywords = [
        Offer(followed_case(each.token, typed.fragment, name), _hint(each))
        for each in possible
        if each.token and each.token.startswith(typed.begin.upper()) and not typed.quote
    ]
    # Several values may be names of the same kind.
    wanted = dict.fromkeys((_kind_of(command, each), each.known) for each in possible)
    names = [
        Offer(written(each, typed.quote), hint)
        for kind, known in wanted
        for each, hint in _names_of(conn, command, kind, known, typed.begin)
    ]
    return keywords + names


def _hint(keyword: Expected) -> str:
    syntax = keyword.term.required
    return "keyword" if syntax == keyword.token else syntax


def _commands_offered(commands: Iterable[Syntax], typed: Typed) -> list[Offer]:
    """Return commands, or the subcommands of one, that begin as typed."""
    each = {command.name.rpartition(" ")[2]: command for command in commands}
    names = [name for name in sorted(each) if name.startswith(typed.begin.upper())]
    return [
        Offer(followed_case(name, typed.fragment, *typed.words), _command_hint(each[name]))
        for name in ([] if typed.quote else names)
    ]


def _command_hint(command: Syntax) -> str:
    return command.rest or ("no arguments" if command.is_documented else "command")


def _kind_of(command: Syntax, word: Expected) -> str:
    """Return what a word names: "key", "group", "consumer", "field", or "" for anything else."""
    name = word.term.name
    if word.token:
        return ""
    if word.term.type == "key":
        return "key"
    if command.group == "stream":
        # Some versions call it "groupname".
        return next((each for each in ("group", "consumer") if name.startswith(each)), "")
    return "field" if command.group == "hash" and name == "field" else ""


def _names_of(
    conn: Connection, command: Syntax, kind: str, known: Known, begin: str
) -> list[tuple[str, str]]:
    """Return names of a kind that begin as typed, each with what it is."""
    try:
        if kind == "key":
            type = _TYPES.get(command.group)
            keys = keyspace.names_beginning(conn, begin, type, most=MOST_OFFERED)
            return [(key, type or kind) for key in keys]
        if kind == "field" and known.key is not None:
            found = _fields_of(conn, known.key, begin)
        elif kind == "group":
            found = _members_of(conn, known, begin, "GROUPS")
        elif kind == "consumer":
            found = _members_of(conn, known, begin, "CONSUMERS", known.group)
        else:
            return []
    except ResponseError:
        # This user may not look, or the key holds something else.
        return []
    return [(each, kind) for each in sorted(found)]


def _members_of(conn: Connection, known: Known, begin: str, *question: str | None) -> list[str]:
    """Return the names in XINFO's replies about the stream; before one is typed, about a few."""
    if known.key is None:
        keys = keyspace.names_beginning(conn, "", "stream", most=MOST_STREAMS)
    else:
        keys = [known.key]
    commands = [("XINFO", question[0], key, *question[1:]) for key in keys]
    replies = [each for each in wire.ask_many(conn, commands) if isinstance(each, list)]
    found = [as_text(wire.mapping(each)[b"name"]) for each in chain.from_iterable(replies)]
    fitting = dict.fromkeys(each for each in found if each.startswith(begin))
    return list(fitting)[:MOST_OFFERED]


def _fields_of(conn: Connection, key: str, begin: str) -> list[str]:
    return list(islice(_field_pages(conn, key, f"{keyspace.glob(begin)}*"), MOST_OFFERED))


def _field_pages(conn: Connection, key: str, match: str) -> Iterator[str]:
    end = time.monotonic() + FIELD_SECONDS
    cursor: Any = "0"
    while time.monotonic() < end:
        cursor, page = wire.ask(conn, "HSCAN", key, cursor, "MATCH", match, "COUNT", 1000, key=key)
        yield from map(as_text, page[::2])
        if cursor == b"0":
            return
