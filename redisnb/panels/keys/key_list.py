"""KeyList: the keys found so far, with TTLs that count down here and not at the server."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd

from redisnb import frames
from redisnb.entries import to_bytes

__all__: list[str] = []


class KeyList:
    """A growing frame in schema KEYS; its rows can be read again.

    It is not thread-safe: callers on several threads need a lock.
    """

    def __init__(self) -> None:
        self._frame = frames.table(frames.KEYS, [])
        self._parts: list[pd.DataFrame] = []
        # Built when it is needed; None once the rows have changed.
        self._index: pd.Index[Any] | None = None
        # How far the server's clock is ahead of the local one.
        self._ahead = pd.Timedelta(0)
        #: Changes with every row that changes.
        self.version = 0

    def __len__(self) -> int:
        return len(self._frame) + sum(map(len, self._parts))

    def add(self, part: pd.DataFrame, read_at: pd.Timestamp) -> None:
        """Add rows that were requested at `read_at` by the local clock."""
        if not len(part):
            return
        self._parts.append(part)
        self.version += 1
        self._set_clock(part, read_at)

    def renew(self, names: Collection[str], part: pd.DataFrame, read_at: pd.Timestamp) -> int:
        """Replace the rows of some keys that were read again; return how many keys are gone."""
        self._set_clock(part, read_at)
        frame = self._joined()
        # One index for all lookups: there may be many rows, and only a few are renewed at a time.
        old_places = self._places(list(names))
        places = self._places(part["key"].tolist())
        part, places = part[places >= 0], places[places >= 0]
        gone = np.setdiff1d(old_places[old_places >= 0], places)
        if not len(gone) and _is_alike(frame.iloc[places], part):
            return 0
        frame = frame.copy(deep=False)
        for name, dtype in {**frames.KEYS, **frames.KEY_SIZES}.items():
            if name in part:
                if name not in frame:
                    frame[name] = frames.column([None] * len(frame), dtype)
                renewed = frame[name].array.copy()
                renewed[places] = part[name].array
                frame[name] = renewed
        if len(gone):
            frame = frame.drop(index=gone.tolist()).reset_index(drop=True)
            self._index = None
        self._frame = frame
        self.version += 1
        return len(gone)

    def end(self, limit: int) -> None:
        """Sort all rows by key; keep no more than `limit`."""
        frame = self._joined().iloc[:limit]
        names = list(map(to_bytes, frame["key"]))
        order = sorted(range(len(names)), key=names.__getitem__)
        self._frame, self._index = frame.iloc[order].reset_index(drop=True), None
        self.version += 1

    def names(self) -> list[str]:
        """Return all keys."""
        return self._joined()["key"].tolist()

    def due(self) -> list[str]:
        """Return the keys that have expired by the server's clock."""
        frame = self._joined()
        return frame.loc[frame["expires_at"] <= self._now(), "key"].tolist()

    def has_passed(self, moment: pd.Timestamp) -> bool:
        """Return whether a moment of the server's clock is past."""
        return bool(moment <= self._now())

    def is_counting(self) -> bool:
        """Return whether any TTL counts down."""
        return bool(self._joined()["expires_at"].notna().any())

    def has_sizes(self) -> bool:
        """Return whether sizes were read."""
        return "size" in self._frame

    def frame(self) -> pd.DataFrame:
        """Return the rows, with current TTLs."""
        frame = self._joined()
        return frame.assign(ttl=self.left(frame["expires_at"])).reset_index(drop=True)

    def left(self, expires_at: pd.Series[Any]) -> pd.Series[Any]:
        """Return the time left until moments of the server's clock, 0 for past ones."""
        left: pd.Series[Any] = expires_at - self._now()
        return left.mask(left < pd.Timedelta(0), pd.Timedelta(0)).astype("timedelta64[ms]")

    def _joined(self) -> pd.DataFrame:
        if self._parts:
            self._frame = pd.concat([self._frame, *self._parts], ignore_index=True)
            self._parts, self._index = [], None
        return self._frame

    def _places(self, names: list[str]) -> np.ndarray[Any, Any]:
        """Return the positions of keys, -1 for those that are missing."""
        if self._index is None:
            self._index = pd.Index(self._joined()["key"].tolist(), dtype="object")
        return self._index.get_indexer(pd.Index(names, dtype="object"))

    def _now(self) -> pd.Timestamp:
        return pd.Timestamp.now("UTC") + self._ahead

    def _set_clock(self, part: pd.DataFrame, read_at: pd.Timestamp) -> None:
        timed = part[part["ttl"].notna()]
        if len(timed):
            first = timed.iloc[0]
            self._ahead = first["expires_at"] - first["ttl"] - read_at


def _is_alike(old: pd.DataFrame, new: pd.DataFrame) -> bool:
    """Return whether rows that were read again are unchanged."""
    if not set(new.columns) <= set(old.columns):
        return False
    old, new = old.reset_index(drop=True), new.reset_index(drop=True)
    one, other = old["expires_at"], new["expires_at"]
    # The server's time and the TTL are not read at exactly the same moment.
    is_near = (one - other).abs() < pd.Timedelta("1s")
    others = [name for name in new.columns if name not in ("key", "ttl", "expires_at")]
    is_same = all(old[name].equals(new[name]) for name in others)
    return is_same and bool((is_near | (one.isna() & other.isna())).all())


def typed_name(name: str) -> str:
    """Return a key's name as it can be typed, unique per key; odd names in Python's notation."""
    # A name that looks like Python's notation is written in it too: a key may be named "b'x'".
    if name.startswith(("'", '"', "b'", 'b"')):
        return repr(name)
    return name if name and name.isprintable() and name == name.strip() else repr(name)
