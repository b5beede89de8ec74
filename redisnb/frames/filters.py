"""Filters: they choose entries by a condition on their values or a function of their frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from itertools import compress
from typing import Any, TypeAlias

import pandas as pd
import pyarrow as pa

from redisnb.entries import Fields, Layout, as_text, entry_times
from redisnb.errors import nearest, option, warn
from redisnb.frames.conditions import condition_of, mask
from redisnb.frames.decoding import JSON, RESERVED, ColumnPart, read_entry
from redisnb.frames.fitting import fit_values, is_object
from redisnb.frames.picking import Picker
from redisnb.frames.pieces import Pieces

__all__ = ["ColumnCheck", "Filter", "Where"]

#: How many entries of a page are searched for the names of columns.
_ENTRIES_LOOKED_AT = 20

#: A value (or several) for each of some columns, an expression, or a function from a frame to a
#: mask.
Where: TypeAlias = Mapping[str, Any] | str | Callable[[pd.DataFrame], Any]

#: An entry as the server sends it: ID, and fields or None.
ReplyEntry: TypeAlias = tuple[bytes, Fields | None]


class Filter:
    """A filter that chooses entries by `where`, each by itself.

    Parameters
    ----------
    where : mapping, str or callable
        ``{"carrier": ["UA", "AA"]}``, ``"carrier = 'UA' and dep_delay > 60"``, or a function that
        gets a frame of some entries and returns a boolean mask, in which NA is False.
    layout : Layout
        How entries are read.
    schema : mapping of str to dtype, optional
        As `check_schema` returns it: a value that a frame would not show is missing here.

    Raises
    ------
    ValueError, TypeError
        If `where` is no filter.
    """

    def __init__(
        self, where: Where, layout: Layout, schema: Mapping[str, Any] | None = None
    ) -> None:
        self._where, self._layout, self._schema = where, layout, schema
        self._pieces = Pieces(layout, schema=schema)
        self._condition = None if callable(where) else condition_of(where)
        names = self._condition.names if self._condition else frozenset[str]()
        self._picker = Picker(names - {"entry_id", "entry_time", "stream"}, layout)
        compared = self._condition.compared if self._condition else ()
        self._check = ColumnCheck("where", compared, layout)

    def of_entries(
        self,
        ids: Sequence[bytes],
        bodies: Sequence[Fields | None],
        streams: Sequence[str] | str,
    ) -> Any:
        """Return which entries are chosen, as an array of bool; `streams` is one, or one each."""
        if self._condition is None:
            several = None if isinstance(streams, str) else streams
            return self.of_frame(self._pieces.frame([*zip(ids, bodies, strict=True)], several))
        keys = [streams] * len(ids) if isinstance(streams, str) else list(streams)
        columns = self._picker.columns(bodies)
        if "entry_id" in self._condition.names or "entry_time" in self._condition.names:
            stored = pa.array(ids, pa.binary())
            columns["entry_id"] = [(JSON, range(len(ids)), stored.cast(pa.string()))]
            times = pa.Array.from_pandas(entry_times(stored))
            columns["entry_time"] = [(JSON, range(len(ids)), times)]
        columns["stream"] = [(JSON, range(len(ids)), keys)]
        for name in (self._schema or {}).keys() & columns.keys():
            columns[name] = [_fit_part(part, self._schema[name]) for part in columns[name]]  # type: ignore[index]
        self._check.note_names(self._picker.known_names)
        self._check.note_entries(bodies)
        return mask(self._condition, columns, len(ids))

    def choose(self, page: Sequence[ReplyEntry], stream: str) -> list[ReplyEntry]:
        """Return the chosen entries, (ID, fields) each, of one stream."""
        if not page:
            return []
        chosen = self.of_entries([id for id, _ in page], [fields for _, fields in page], stream)
        return [*page] if chosen.all() else list(compress(page, chosen.tolist()))

    def of_frame(self, frame: pd.DataFrame) -> Any:
        """Return which rows of a frame are chosen, as an array of bool."""
        if callable(self._where):
            truths = self._where(frame)
            if not pd.api.types.is_list_like(truths):
                raise TypeError(
                    f"where= gave {truths!r}; a function of a frame gives a truth value for each "
                    "row, as lambda frame: frame['qty'] > 5 does"
                )
            chosen: Any = pd.array(truths, dtype="boolean").fillna(False).to_numpy(dtype=bool)
            if len(chosen) != len(frame):
                raise ValueError(f"where gave {len(chosen)} truth values for {len(frame)} rows")
            return chosen
        assert self._condition is not None
        self._check.note_frame(frame)
        columns = {name: [_column_part(frame, name)] for name in self._condition.names}
        return mask(self._condition, columns, len(frame))

    def check(self) -> None:
        """Refuse a column that no entry had, which is misspelled.

        Raises
        ------
        ValueError
            Names that column and the existing ones.
        """
        if self._check.message:
            raise ValueError(self._check.message)


class ColumnCheck:
    """The columns that an option names, checked against those that the entries have.

    A column that no entry has is misspelled.

    Parameters
    ----------
    what : str
        The option, for the message.
    names : iterable of str
        The columns that it names.
    layout : Layout
    defined : mapping, optional
        Columns that may be missing, such as those of a schema; any other type names none.
    """

    def __init__(
        self, what: str, names: Iterable[str], layout: Layout, defined: object = None
    ) -> None:
        self._what, self._layout = what, layout
        self._absent = set(names) - RESERVED
        if isinstance(defined, Mapping):
            self._absent -= defined.keys()
        self._present: dict[Any, None] = {}

    def note_entries(self, bodies: Sequence[Fields | None]) -> None:
        """Note the columns that the first of some entries have."""
        if self._absent:
            for fields in bodies[:_ENTRIES_LOOKED_AT]:
                if fields is not None:
                    cells = read_entry(fields, self._layout, RESERVED).cells
                    self._note(["entry_id", *(name for name, _, _ in cells)])

    def note_frame(self, frame: pd.DataFrame, *, values: bool = False) -> None:
        """Note the columns of a frame; with `values` only those where a value is not missing."""
        if not values:
            self._note(frame.columns)
        elif self._absent:
            self.note_names({name for name in self._absent if frame[name].notna().any()})

    def note_names(self, names: Set[Any]) -> None:
        """Note columns without listing them in the message."""
        self._absent -= names

    def _note(self, names: Iterable[Any]) -> None:
        self._present |= dict.fromkeys(names)
        self._absent -= self._present.keys()

    @property
    def message(self) -> str | None:
        """The first column that no entry had, and the existing ones; None if all exist."""
        if not self._absent or not self._present:
            return None
        name, names = min(self._absent), [str(each) for each in self._present]
        near = nearest(name, names)
        hint = f"; did you mean {near!r}?" if near else ""
        listed = ", ".join(names)
        return f"{option(self._what, name)}: no entry has this column; there are {listed}{hint}"

    def warn(self) -> None:
        """Warn of a column that no entry had."""
        if self.message:
            warn(self.message)


def _fit_part(part: ColumnPart, dtype: Any) -> ColumnPart:
    """Return a part as a frame with a schema shows it."""
    _, places, values = part
    plain = values if isinstance(values, list) else values.to_pylist()
    texts = [as_text(value) if isinstance(value, bytes) else value for value in plain]
    array, _ = fit_values(texts, dtype)
    if is_object(dtype):
        return JSON, places, list(array)
    cells = pd.Series(array).astype(object)
    return JSON, places, cells.where(cells.notna(), None).tolist()


def _column_part(frame: pd.DataFrame, name: str) -> ColumnPart:
    rows = range(len(frame))
    if name == "entry_time" and name == frame.index.name and name not in frame.columns:
        return JSON, rows, list(frame.index)
    if name not in frame.columns:
        return JSON, rows, [None] * len(frame)
    values, missing = frame[name].astype(object).tolist(), frame[name].isna().tolist()
    return JSON, rows, [None if gone else v for v, gone in zip(values, missing, strict=True)]
