"""What a KeysPanel says of prefixes and keys, and the Python that lists them."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from redisnb import cards
from redisnb.panels.finding.found import FoundKeys
from redisnb.panels.finding.levels import PrefixLevel
from redisnb.panels.parts import Grid, PythonCode
from redisnb.wire import Connection

__all__ = ["empty_keys", "keys_caption", "keys_python", "tree_caption"]


def tree_caption(tree: pd.DataFrame, below: pd.DataFrame) -> tuple[str, str]:
    """Return how many prefixes and keys there are, and a note if these are estimates."""
    n, keys = len(below), tree.attrs["keys"]
    size = below["size"].sum(min_count=1)
    parts = [
        f"{n:,} {'prefix' if n == 1 else 'prefixes'}",
        f"{keys:,} {'key' if keys == 1 else 'keys'}",
        *([] if pd.isna(size) else [cards.amount(int(size))]),
    ]
    notes = []
    sampled = tree.attrs["sampled"]
    if sampled is not None:
        parts[1] = f"about {parts[1]}"
        notes.append(
            f"{sampled:,} of about {keys:,} keys were looked at: the numbers are estimates, and "
            "prefixes of few keys may be missing."
        )
    if tree.attrs["refused"]:
        notes.append(f"This user may not read {tree.attrs['refused']:,} of the keys.")
    if tree.attrs["truncated"]:
        notes.append("There are more prefixes than are shown: narrow the pattern.")
    return " · ".join(parts), "\n".join(notes)


def keys_caption(found: FoundKeys, frame: pd.DataFrame, *, is_end: bool) -> str:
    """Return how many keys were found, what they take, and what is not among them."""
    n = len(frame)
    text = f"{n:,} {'key' if n == 1 else 'keys'}"
    if not is_end:
        return f"{text} so far"
    size = frame["size"].sum(min_count=1)
    parts = [text, *([] if pd.isna(size) else [cards.amount(int(size))])]
    if not found.has_all:
        parts.append("there are more: narrow the pattern")
    if found.gone:
        parts.append(f"{found.gone:,} gone since")
    return " · ".join(parts)


def empty_keys(match: str, type: str) -> str:
    """Return what stands there without keys: what is missing, and the next step."""
    if match == "*" and not type:
        return "There is no key in this database: rnb.Cache(conn).set('name', value) makes one."
    kind = f" of type {type}" if type else ""
    return f"No key{kind} matches {match!r}: find another pattern, or * for all."


def keys_python(
    conn: Connection,
    match: str,
    type: str,
    level: PrefixLevel | None,
    grid: Grid,
    name: str | None,
    sample: int | None,
) -> str:
    """Return the calls that list the prefixes of a level, or the keys, as a table shows them.

    `name` is the key that is shown in full, `sample` how many keys prefixes are estimated by.
    """
    code = PythonCode()
    own = code.connection(conn.url)
    if level is None:
        code.keep("frame", code.call("rnb.keys", own, match, type=type or None, sizes=True))
    else:
        _write_tree(code, own, level, sample)
    if grid["sort"] is not None:
        by, ascending = grid["sort"]
        sort = code.method("frame", "sort_values", by, ascending=ascending, kind="stable")
        code.keep("frame", sort)
    names = [name for name, _, _ in grid["names"]]
    picked = grid.picked_columns()
    if picked != names:
        code.keep("frame", f"frame[{picked!r}]")
    if name is not None:
        code.keep("value", code.call("rnb.preview", own, name))
    return str(code)


def _write_tree(code: PythonCode, own: str, level: PrefixLevel, sample: int | None) -> None:
    options: dict[str, Any] = {} if level.sep == ":" else {"sep": level.sep}
    options |= {} if level.depth == 1 else {"depth": level.depth}
    match = [] if level.match == "*" else [level.match]
    call = code.call("rnb.tree", own, *match, **options)
    # None is the value here, and not the default.
    code.keep("frame", call if sample is not None else f"{call[:-1]}, sample=None)")
    if level.base:
        counts = f"frame['prefix'].str.count({re.escape(level.sep)!r}) == {level.depth}"
        code.keep("frame", f"frame[frame['prefix'].str.startswith({level.base!r}) & ({counts})]")
    code.keep("frame", "frame.sort_values('size', ascending=False, kind='stable')")
