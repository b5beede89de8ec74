"""Which entries of a page are wanted, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import compress
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from redisnb.entries import Fields, Layout, write_event
from redisnb.errors import EncodeError
from redisnb.frames import rewriting
from redisnb.frames.filters import Filter, Where
from redisnb.frames.pieces import Pieces
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
    layout : Layout
        How entries become frames.
    written : Layout
        How the rows of a frame that is no page of entries become entries.
    schema : mapping of str to dtype, optional
        As `Filter` has it.
    """

    def __init__(
        self,
        where: Where | None,
        transform: Transform | None,
        layout: Layout,
        written: Layout,
        schema: Mapping[str, Any] | None = None,
    ) -> None:
        self._filter = None if where is None else Filter(where, layout, schema)
        self._transform = transform
        self._layout, self._pieces = layout, Pieces(layout, keeps=False)
        self._written = written

    @property
    def is_all(self) -> bool:
        """Whether entries go on as they are."""
        return self._filter is None and self._transform is None

    def of_page(self, page: Sequence[tuple[str, bytes, Fields]], *, many: bool) -> Page:
        """Return what is left of a page; `many` says that its source has several streams."""
        chosen = list(page)
        if self._filter is not None and chosen:
            keys, ids, bodies = zip(*chosen, strict=True)
            wanted = self._filter.of_entries(ids, bodies, keys if many else keys[0])
            chosen = list(compress(chosen, wanted.tolist()))
        if self._transform is None or not chosen:
            return chosen
        keys, ids, bodies = zip(*chosen, strict=True)
        frame = self._pieces.frame([*zip(ids, bodies, strict=True)], keys if many else None)
        rows, changed = self._apply_transform(frame)
        found: Page = []
        for row, what in zip(rows, rewriting.changes(frame, changed, rows), strict=True):
            key, id, fields = chosen[row]
            found.append((key, id, self._rewrite(id, fields, what) if what else fields))
        return found

    def _rewrite(self, id: bytes, fields: Fields, what: rewriting.Changes) -> Fields:
        try:
            return rewriting.rewrite_fields(fields, self._layout, what)
        except EncodeError as error:
            raise EncodeError(f"entry {id.decode()}: {error}", column=error.column) from None
        except ValueError as error:
            raise ValueError(f"transform= at entry {id.decode()}: {error}") from None

    def of_frame(self, frame: pd.DataFrame) -> tuple[list[int], pd.DataFrame]:
        """Return which rows are wanted, and what they have become."""
        rows = np.arange(len(frame))
        if self._filter is not None:
            wanted = self._filter.of_frame(frame)
            rows, frame = rows[wanted], frame[wanted]
        if self._transform is not None and len(frame):
            kept, frame = self._apply_transform(frame)
            rows = rows[kept]
        return rows.tolist(), frame

    def _apply_transform(self, frame: pd.DataFrame) -> tuple[list[int], pd.DataFrame]:
        """Return from which rows those of the transformed frame come, and that frame."""
        assert self._transform is not None
        changed = self._transform(rewriting.copy_frame(frame))
        if not isinstance(changed, pd.DataFrame):
            raise TypeError(f"transform= returns a DataFrame, not {type(changed).__name__}")
        return rewriting.source_rows(frame, changed), changed

    def fields(self, frame: pd.DataFrame, names: Sequence[str]) -> list[Fields]:
        """Return the fields of the events that the rows are; the columns `names` are no part."""
        found: list[Fields] = []
        is_read = "entry_id" in frame.columns
        events = frame.drop(columns=list(names), errors="ignore")
        rows = records(events, self._written, entries=is_read)
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
        if self._filter is not None:
            self._filter.check()
