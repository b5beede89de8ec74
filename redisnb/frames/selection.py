"""The entries of a page that a filter chooses, and what a transform makes of them."""

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
    """A filter and a transform, which see frames, applied to entries.

    Parameters
    ----------
    where, transform
        As `replay` takes them.
    layout : Layout
        How entries become frames.
    written : Layout
        How the rows of a frame that is not a page of entries become entries.
    schema : mapping of str to dtype, optional
        As `Filter` takes it.
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
        """Whether all entries pass as they are."""
        return self._filter is None and self._transform is None

    def of_page(self, page: Sequence[tuple[str, bytes, Fields]], *, many: bool) -> Page:
        """Return the rest of a page; `many` means that its source has several streams."""
        entries = list(page)
        if self._filter is not None and entries:
            keys, ids, bodies = zip(*entries, strict=True)
            mask = self._filter.of_entries(ids, bodies, keys if many else keys[0])
            entries = list(compress(entries, mask.tolist()))
        if self._transform is None or not entries:
            return entries
        keys, ids, bodies = zip(*entries, strict=True)
        frame = self._pieces.frame([*zip(ids, bodies, strict=True)], keys if many else None)
        rows, changed = self._apply_transform(frame)
        rest: Page = []
        for row, changes in zip(rows, rewriting.changes(frame, changed, rows), strict=True):
            key, id, fields = entries[row]
            rest.append((key, id, self._rewrite(id, fields, changes) if changes else fields))
        return rest

    def _rewrite(self, id: bytes, fields: Fields, changes: rewriting.Changes) -> Fields:
        try:
            return rewriting.rewrite_fields(fields, self._layout, changes)
        except EncodeError as error:
            raise EncodeError(f"entry {id.decode()}: {error}", column=error.column) from None
        except ValueError as error:
            raise ValueError(f"transform= at entry {id.decode()}: {error}") from None

    def of_frame(self, frame: pd.DataFrame) -> tuple[list[int], pd.DataFrame]:
        """Return the rows that are chosen, and the transformed frame of them."""
        rows = np.arange(len(frame))
        if self._filter is not None:
            mask = self._filter.of_frame(frame)
            rows, frame = rows[mask], frame[mask]
        if self._transform is not None and len(frame):
            sources, frame = self._apply_transform(frame)
            rows = rows[sources]
        return rows.tolist(), frame

    def _apply_transform(self, frame: pd.DataFrame) -> tuple[list[int], pd.DataFrame]:
        """Return the source row of each row of the transformed frame, and that frame."""
        assert self._transform is not None
        changed = self._transform(rewriting.copy_frame(frame))
        if not isinstance(changed, pd.DataFrame):
            raise TypeError(f"transform= returns a DataFrame, not {type(changed).__name__}")
        return rewriting.source_rows(frame, changed), changed

    def fields(self, frame: pd.DataFrame, names: Sequence[str]) -> list[Fields]:
        """Return the fields of each row's event, without the columns `names`."""
        fields: list[Fields] = []
        is_read = "entry_id" in frame.columns
        events = frame.drop(columns=list(names), errors="ignore")
        rows = records(events, self._written, entries=is_read)
        for row, event in enumerate(rows):
            try:
                fields.append(write_event(event, self._written))
            except EncodeError as error:
                raise error.at_row(row) from None
        return fields

    def check(self) -> None:
        """Refuse a filter by a column that no entry had, which is misspelled.

        Raises
        ------
        ValueError
            Names that column and the existing ones.
        """
        if self._filter is not None:
            self._filter.check()
