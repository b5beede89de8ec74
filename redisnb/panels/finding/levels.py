"""Levels of prefixes: which one a pattern is about, and what is one level below it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import pandas as pd

from redisnb import cards
from redisnb.keyspace import glob, growing_tree
from redisnb.wire import Connection

__all__ = ["NO_PREFIX", "PrefixLevel", "level_of", "pattern_of", "read_tree"]

#: What stands for the prefix of the keys without a separator; no other can be spelled so.
NO_PREFIX = "(none)"

_MAGIC = frozenset("*?[\\")


class PrefixLevel(NamedTuple):
    """The prefixes that are one level below another.

    Attributes
    ----------
    match : str
        The pattern of the keys.
    base : str
        The prefix that contains them, "" for all.
    sep : str
        What separates the parts of a name.
    """

    match: str
    base: str
    sep: str

    @property
    def depth(self) -> int:
        """How many levels of `redisnb.tree` there are down to these."""
        return self.base.count(self.sep) + 1

    def below(self, tree: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of a tree that are one level below, the largest first."""
        if not self.base:
            rows = tree
        else:
            counts = tree["prefix"].str.count(re.escape(self.sep))
            rows = tree[tree["prefix"].str.startswith(self.base) & (counts == self.depth)]
        return rows.sort_values("size", ascending=False, kind="stable")

    def path(self) -> list[str]:
        """Return the prefixes that lead here, each below the one before it."""
        parts = self.base.split(self.sep)[:-1]
        return [self.sep.join(parts[: i + 1]) + self.sep for i in range(len(parts))]

    def alone(self, tree: pd.DataFrame) -> str:
        """Return a sentence on the keys that have no part below; "" without any."""
        whole = tree[tree["prefix"] == self.base]
        if not self.base or whole.empty:
            return ""
        below = self.below(tree)
        n = int(whole["keys"].iloc[0] - below["keys"].sum())
        size = whole["size"].iloc[0] - below["size"].sum()
        if n <= 0:
            return ""
        of = "" if pd.isna(size) else f", {cards.amount(max(0, int(size)))}"
        return (
            f"{n:,} {'key has' if n == 1 else 'keys have'} no part below {self.base}{of}: see Keys"
        )


def level_of(match: str, sep: str = ":") -> PrefixLevel:
    """Return the level that a pattern is about: what all its keys begin with."""
    plain, i = "", 0
    while i < len(match):
        if match[i] == "\\" and i + 1 < len(match):
            i += 1
        elif match[i] in _MAGIC:
            break
        plain += match[i]
        i += 1
    base = plain[: plain.rindex(sep) + len(sep)] if sep in plain else ""
    return PrefixLevel(match, base, sep)


def pattern_of(prefix: str) -> str:
    """Return the pattern of the keys with a prefix."""
    return f"{glob(prefix)}*"


def read_tree(
    conn: Connection, level: PrefixLevel, sample: int | None, tell: Callable[[int], None]
) -> pd.DataFrame:
    """Return the tree down to a level; `tell` is called with how many keys were looked at."""
    steps = growing_tree(conn, level.match, sep=level.sep, depth=level.depth, sample=sample)
    while True:
        try:
            tell(next(steps))
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
