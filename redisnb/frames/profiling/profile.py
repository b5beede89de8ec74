"""A profile: one row for each column that entries have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pandas as pd

from redisnb.entries import Fields, Layout, as_text
from redisnb.errors import warn
from redisnb.frames.decoding import (
    ENTRY_FIELD,
    JSON,
    RESERVED,
    Reading,
    null_objects,
    read_entry,
    warn_of_renamed,
)
from redisnb.frames.fitting import fit_function
from redisnb.frames.profiling.columns import ColumnCounts
from redisnb.frames.profiling.switches import SampleGap, Switch, open_switches
from redisnb.frames.profiling.values import MOST_VALUES, kind_of
from redisnb.frames.schemas import PROFILE, table

__all__ = ["Profile"]

#: How many columns are counted; events whose members are named by data have any number.
MOST_COLUMNS = 1_000
#: How many odd entries are listed.
_ODD_SHOWN = 10


class Profile:
    """Counts of what entries have in each column, in memory that does not grow with the stream.

    Each entry is read as `read_entry` does for a frame: by itself.

    Parameters
    ----------
    layout : Layout
        Not "raw".
    schema : mapping of str to dtype, optional
        As `check_schema` returns it: values that do not fit are counted in ``attrs["misfits"]``.
    """

    def __init__(self, layout: Layout, schema: Mapping[str, Any] | None = None) -> None:
        self._layout = layout
        self._schema = schema or {}
        self._fits: dict[str, Callable[[Any], Any]] = {
            name: fit_function(dtype) for name, dtype in self._schema.items()
        }
        #: How many entries were taken.
        self.entries = 0
        self._columns = {ENTRY_FIELD: ColumnCounts(ENTRY_FIELD, self._take_value)}
        self._gaps: list[SampleGap] = []
        self._last_id = b""
        self._values_left = MOST_VALUES
        self._leaves_out = False
        # Whether another field than the stream's own carries an event.
        self._has_others = False
        self._renamed: dict[str, str] = {}
        self._misfits: dict[str, int] = {}
        self._odd: list[str] = []
        self._odd_count = 0

    def feed(self, entries: Iterable[tuple[bytes, Fields]], *, after_gap: bool = False) -> None:
        """Take the next entries; with `after_gap`, others may lie before these."""
        for id, fields in entries:
            if after_gap and self.entries:
                self._gaps.append(SampleGap(self.entries, self._last_id, id))
            after_gap = False
            self._take(id, read_entry(fields, self._layout, RESERVED))
            self._last_id = id
            self.entries += 1

    def _take(self, id: bytes, reading: Reading) -> None:
        parts = reading.parts
        if parts.odd:
            self._odd_count += 1
            if len(self._odd) < _ODD_SHOWN:
                self._odd.append(id.decode())
        if reading.renamed:
            self._renamed |= reading.renamed
        if parts.carrier is not None:
            self._has_others = self._has_others or parts.carrier != self._layout.field
            self._add(id, ENTRY_FIELD, JSON, as_text(parts.carrier))
        for name, origin, value in reading.cells:
            self._add(id, name, origin, value)

    def _add(self, id: bytes, name: str, origin: str, value: Any) -> None:
        column = self._columns.get(name)
        if column is None:
            if len(self._columns) > MOST_COLUMNS:
                self._leaves_out = True
                return
            self._columns[name] = column = ColumnCounts(name, self._take_value)
        if value is None:
            column.nulls += 1
            return
        column.add(self.entries, id, kind_of(origin, value), value)
        if name in self._fits and self._fits[name](value) is None:
            self._misfits[name] = self._misfits.get(name, 0) + 1

    def _take_value(self) -> bool:
        self._values_left -= 1
        return self._values_left >= 0

    def kinds(self, fields: Fields) -> dict[str, str]:
        """Return the kinds of an entry's values by column, without counting it."""
        cells = read_entry(fields, self._layout, RESERVED).cells
        return {name: kind_of(origin, v) for name, origin, v in cells if v is not None}

    def finish(self) -> list[Switch]:
        """Return the changes whose place the entries do not show; none follow."""
        for column in self._columns.values():
            column.finish(self.entries, is_sample=bool(self._gaps))
        return [
            switch
            for name, column in self._columns.items()
            if name != ENTRY_FIELD
            for switch in open_switches(column, self._gaps, self.entries)
        ]

    def frame(self) -> pd.DataFrame:
        """Return a frame in schema PROFILE, after `finish`.

        ``attrs`` has "entries", how many were taken; "odd", how many of these are odd, and
        "odd_ids", the first ones; with a schema, "misfits" by column.

        Warns
        -----
        RedisnbWarning
            If there are more columns than are counted, or names that got a suffix.
        """
        warn_of_renamed(self._renamed)
        if self._leaves_out:
            warn(
                f"there are more than {MOST_COLUMNS:,} columns, and only the first ones are in the "
                "profile; are members named by data?"
            )
        columns = self._columns
        hidden = null_objects([name for name in columns if not columns[name].present], columns)
        hidden |= set() if self._has_others else {ENTRY_FIELD}
        rows = [self._row(column) for name, column in columns.items() if name not in hidden]
        unseen = [name for name in self._schema if name not in columns]
        rows += [self._row(ColumnCounts(name, self._take_value)) for name in unseen]
        frame = table(PROFILE, rows)
        frame.attrs |= {"entries": self.entries, "odd": self._odd_count, "odd_ids": self._odd}
        if self._schema:
            frame.attrs["misfits"] = self._misfits
        return frame

    def _row(self, column: ColumnCounts) -> tuple[Any, ...]:
        return (
            column.name,
            column.kinds(),
            column.present,
            self.entries - column.present,
            column.distinct(),
            *column.extremes(),
            column.top(),
            *column.seen(),
            column.changes(self.entries),
        )
