"""FoundKeys: the keys found so far, with TTLs that count down here and not at the server."""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd

from redisnb import frames
from redisnb.entries import to_bytes

__all__ = ["FoundKeys"]

_SCHEMA = frames.KEYS | frames.KEY_SIZES


class FoundKeys:
    """A growing frame in schema KEYS with sizes, of which rows can be read again.

    Parameters
    ----------
    match, type : str
        What was looked for.
    """

    def __init__(self, match: str, type: str) -> None:
        self.match, self.type = match, type
        self._lock = threading.RLock()
        self._frame = frames.table(_SCHEMA, [])
        self._parts: list[pd.DataFrame] = []
        # How far the server's clock is ahead of this one.
        self._ahead = pd.Timedelta(0)
        #: How many keys have gone since they were found, and whether all were found.
        self.gone, self.has_all = 0, False

    def __len__(self) -> int:
        with self._lock:
            return len(self._frame) + sum(map(len, self._parts))

    def add(self, part: pd.DataFrame, read_at: pd.Timestamp) -> None:
        """Add rows that were asked for at `read_at` by the clock here."""
        with self._lock:
            if len(part):
                self._parts.append(part)
                self._set_clock(part, read_at)

    def renew(self, names: Collection[str], part: pd.DataFrame, read_at: pd.Timestamp) -> None:
        """Replace the rows of some keys that were read again; those that are gone leave."""
        with self._lock:
            self._set_clock(part, read_at)
            frame = self._joined()
            index = pd.Index(frame["key"].tolist(), dtype="object")
            places = index.get_indexer(pd.Index(part["key"].tolist(), dtype="object"))
            part, places = part[places >= 0], places[places >= 0]
            old = index.get_indexer(pd.Index(list(names), dtype="object"))
            gone = np.setdiff1d(old[old >= 0], places)
            renewed = frame.copy(deep=False)
            for name in part:
                values = renewed[name].array.copy()
                values[places] = part[name].array
                renewed[name] = values
            self._frame = renewed.drop(index=gone.tolist()).reset_index(drop=True)
            self.gone += len(gone)

    def end(self, most: int) -> None:
        """Sort all rows by key; keep no more than `most`."""
        with self._lock:
            frame = self._joined().iloc[:most]
            names = list(map(to_bytes, frame["key"]))
            order = sorted(range(len(names)), key=names.__getitem__)
            self._frame = frame.iloc[order].reset_index(drop=True)

    def due(self, most: int) -> list[str]:
        """Return up to `most` keys that have expired by the server's clock."""
        frame = self._joined()
        return frame.loc[frame["expires_at"] <= self._now(), "key"].head(most).tolist()

    def is_counting(self) -> bool:
        """Return whether any TTL counts down."""
        return bool(self._joined()["expires_at"].notna().any())

    def frame(self) -> pd.DataFrame:
        """Return the rows, with the TTLs of now."""
        frame = self._joined()
        return frame.assign(ttl=self.left(frame["expires_at"]))

    def left(self, expires_at: pd.Series[Any]) -> pd.Series[Any]:
        """Return how long it is until moments of the server's clock, 0 for past ones."""
        left: pd.Series[Any] = expires_at - self._now()
        return left.mask(left < pd.Timedelta(0), pd.Timedelta(0)).astype("timedelta64[ms]")

    def _joined(self) -> pd.DataFrame:
        with self._lock:
            if self._parts:
                self._frame = pd.concat([self._frame, *self._parts], ignore_index=True)
                self._parts = []
            return self._frame

    def _now(self) -> pd.Timestamp:
        return pd.Timestamp.now("UTC") + self._ahead

    def _set_clock(self, part: pd.DataFrame, read_at: pd.Timestamp) -> None:
        timed = part[part["ttl"].notna()]
        if len(timed):
            first = timed.iloc[0]
            self._ahead = first["expires_at"] - first["ttl"] - read_at
