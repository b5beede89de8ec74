"""Which entries of a page are wanted, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from redisnb.entries import Fields, Format, write_event
from redisnb.errors import EncodeError
from redisnb.frames import replies
from redisnb.frames.filters import Where, mask
from redisnb.frames.to_events import records

__all__: list[str] = []

#: Entries as (stream, ID, fields).
Page: TypeAlias = list[tuple[str, bytes, Fields]]
Transform: TypeAlias = Callable[[pd.DataFrame], pd.DataFrame]


class Selection:
    """Apply `where` and `transform`, which see frames, to entries.

    Parameters
    ----------
    where, transform
        As `replay` has them.
    format : str
        How entries become frames.
    written : str
        How what `transform` gives becomes entries again.
    """

    def __init__(
        self, where: Where | None, transform: Transform | None, format: Format, written: Format
    ) -> None:
        self._where, self._transform = where, transform
        self._format, self._written = format, written
        self._unknown: set[Any] = set(where) if isinstance(where, Mapping) else set()
        self._seen: dict[Any, None] = {}

    @property
    def is_all(self) -> bool:
        """Whether entries go on as they are."""
        return self._where is None and self._transform is None

    def of_page(self, page: Sequence[tuple[str, bytes, Fields]], *, many: bool) -> Page:
        """Return what is left of a page; `many` says that its source has several streams."""
        if self.is_all or not page:
            return list(page)
        if many:
            frame = replies.found(page, self._format, many=True)
        else:
            frame = replies.entries([(id, fields) for _, id, fields in page], self._format)
        rows, changed = self.of_frame(frame)
        if self._transform is None:
            return [page[row] for row in rows]
        fields = self.fields(changed, ["entry_id", "stream"] if many else ["entry_id"])
        return [(page[row][0], page[row][1], new) for row, new in zip(rows, fields, strict=True)]

    def of_frame(self, frame: pd.DataFrame) -> tuple[list[int], pd.DataFrame]:
        """Return which rows are wanted, and what they have become."""
        rows = np.arange(len(frame))
        if self._where is not None:
            self._seen |= dict.fromkeys(frame.columns)
            self._unknown -= set(frame.columns)
            wanted = mask(frame, self._where)
            rows, frame = rows[wanted], frame[wanted]
        if self._transform is not None and len(frame):
            changed = self._transform(frame.copy())
            if not isinstance(changed, pd.DataFrame):
                raise TypeError(f"transform= returns a DataFrame, not {type(changed).__name__}")
            rows, frame = rows[_kept(frame, changed)], changed
        return rows.tolist(), frame

    def fields(self, frame: pd.DataFrame, names: Sequence[str]) -> list[Fields]:
        """Return the fields of the events that the rows are; the columns `names` are no part."""
        found: list[Fields] = []
        rows = records(frame.drop(columns=list(names), errors="ignore"))
        for row, event in enumerate(rows):
            try:
                found.append(write_event(event, self._written))
            except EncodeError as error:
                raise error.at_row(row) from None
        return found

    def check(self) -> None:
        """Refuse a column that no entry had: it is a slip of the pen.

        Raises
        ------
        ValueError
            It names the column, and those that there are.
        """
        if self._unknown and self._seen:
            raise ValueError(
                f"where={{{sorted(map(str, self._unknown))[0]!r}: ...}}: no entry has this "
                f"column; there are {', '.join(map(str, self._seen))}"
            )


def _kept(before: pd.DataFrame, after: pd.DataFrame) -> list[int]:
    """Return from which rows those of a transformed frame come.

    Each has to come from one entry, in order: what a replay has done is known by its entries.
    """
    if "entry_id" in before.columns and "entry_id" in after.columns:
        names = ["entry_id"]
        if "stream" in before.columns and "stream" in after.columns:
            names.append("stream")
        rows = {key: row for row, key in enumerate(_keys(before, names))}
        kept = [rows.get(key, -1) for key in _keys(after, names)]
        if -1 not in kept and all(one < other for one, other in pairwise(kept)):
            return kept
    elif len(before) == len(after):
        return list(range(len(before)))
    raise ValueError(
        f"transform= gave {len(after):,} rows for {len(before):,} entries, and not each is one of "
        "them, in order; it may drop rows, if it keeps the column entry_id, and change columns"
    )


def _keys(frame: pd.DataFrame, names: Sequence[str]) -> list[Any]:
    return list(zip(*(frame[name].tolist() for name in names), strict=True))
