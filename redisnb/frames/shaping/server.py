"""A server's account of itself: its state, its clients and its slow commands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from redisnb.entries import as_text
from redisnb.frames.schemas import CLIENTS, SLOWLOG, table

__all__ = ["clients_frame", "parse_info", "slowlog_frame"]

#: How much of a slow command is shown, in characters.
_COMMAND_SHOWN = 200
# "name= db=0": an address may contain blanks, as the path of a socket.
_CLIENT_FACT = re.compile(rb"([a-z-]+)=(.*?)(?= [a-z-]+=|$)")


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


def clients_frame(reply: bytes, own: int | None) -> pd.DataFrame:
    """Make a frame in schema CLIENTS of a reply to CLIENT LIST; `own` is the ID of this client."""
    states = [dict(_CLIENT_FACT.findall(line)) for line in reply.splitlines()]
    return table(CLIENTS, sorted(_client_row(state, own) for state in states if b"id" in state))


def _client_row(state: Mapping[bytes, bytes], own: int | None) -> tuple[Any, ...]:
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
        None if own is None else id == own,
    )


def slowlog_frame(reply: Iterable[Sequence[Any]]) -> pd.DataFrame:
    """Make a frame in schema SLOWLOG of a reply to SLOWLOG GET."""
    return table(SLOWLOG, [_slow_row(*each) for each in reply])


def _slow_row(
    id: int, seconds: int, micros: int, command: list[bytes], address: bytes, name: bytes, *_: Any
) -> tuple[Any, ...]:
    # The server cuts each argument, and their number: it is short enough to be joined.
    text = " ".join(map(as_text, command))
    if len(text) > _COMMAND_SHOWN:
        text = f"{text[: _COMMAND_SHOWN - 1]}…"
    return id, 1000 * seconds, micros, text, as_text(address), as_text(name)
