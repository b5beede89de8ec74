"""README.md, "From redis-py to redisnb": both columns run, and come to the same."""

import ast
import asyncio
import inspect
import json
import pickle

import pandas as pd
import pytest
import redis

import redisnb as rnb
from tests.readme import README

TICKS = pd.DataFrame(
    {
        "symbol": ["AA", "UA", "DL"] * 40,
        "price": [1.5 + i / 10 for i in range(120)],
        "size": range(120),
    }
)


def tables() -> list[tuple[list[str], list[str]]]:
    """Return the lines of both columns of each table."""
    text = README.read_text()
    section = text[text.index("## From redis-py") : text.index("## Promises")]
    found: list[tuple[list[str], list[str]]] = []
    for line in section.splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        if line.startswith("|---"):
            found.append(([], []))
        elif found and line.startswith("| ") and not cells[0].startswith("redis"):
            for column, cell in zip(found[-1], cells, strict=True):
                column += [cell] if cell else []
    return found


async def run(lines: list[str], url: str) -> object:
    """Run lines as a notebook's cell, which may await."""
    names = {"redis": redis, "rnb": rnb, "pd": pd, "json": json, "pickle": pickle}
    names |= {"url": url, "ticks": TICKS}
    for line in lines:
        code = compile(line, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        waiting = eval(code, names)
        if inspect.isawaitable(waiting):
            await waiting
    return names["result"]


def test_there_are_three_of_about_the_same_length():
    assert [min(map(len, table)) >= 6 for table in tables()] == [True] * 3


@pytest.mark.parametrize("port", range(3))
def test_both_sides_come_to_the_same(server, raw, port):
    left, right = tables()[port]
    raw.flushall()
    before = asyncio.run(run(left, server.url))
    raw.flushall()
    assert asyncio.run(run(right, server.url)) == before
