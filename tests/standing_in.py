"""Commands and types that the server at hand may lack: what one that has them would answer."""

from collections.abc import Callable
from typing import Any

import pytest

from redisnb import Connection, wire


def stand_in(
    monkeypatch: pytest.MonkeyPatch, conn: Connection, answer: Callable[..., Any], *names: str
) -> None:
    """Let `answer` reply to commands, and the server to those for which it returns `...`.

    `names` are commands that the server is said to have.
    """
    ask, ask_many = wire.ask, wire.ask_many

    def one(conn, *command, key, wait=0):
        reply = answer(*command)
        return ask(conn, *command, key=key, wait=wait) if reply is ... else reply

    def many(conn, commands):
        for command in commands:
            reply = answer(*command)
            yield from ask_many(conn, [command]) if reply is ... else [reply]

    monkeypatch.setattr(wire, "ask", one)
    monkeypatch.setattr(wire, "ask_many", many)
    conn._supported.update(dict.fromkeys(names, True))


def stand_in_fields_that_expire(monkeypatch: pytest.MonkeyPatch, conn: Connection) -> None:
    """Let fields of hashes have lifetimes that do not pass, where the server has none."""
    lives: dict[bytes, int] = {}

    def answer(name: str, *arguments: Any) -> Any:
        if name not in ("HPTTL", "HPEXPIRE", "HPERSIST"):
            return ...
        fields = arguments[arguments.index("FIELDS") + 2 :]
        if name == "HPTTL":
            return [lives.get(each, -1) for each in fields]
        if name == "HPERSIST":
            return [1 if lives.pop(each, None) else -1 for each in fields]
        lives.update(dict.fromkeys(fields, arguments[1]))
        return [1] * len(fields)

    if not conn.supports("HPEXPIRE"):
        stand_in(monkeypatch, conn, answer, "HPEXPIRE", "HPTTL", "HPERSIST")
