"""Which entries are wanted: by a condition on their own values, or by a function of their frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import compress
from typing import Any, TypeAlias

import pandas as pd
import pyarrow as pa

from redisnb.entries import Fields, Layout, as_text, entry_times
from redisnb.errors import nearest, option, warn
from redisnb.frames.conditions import condition_of, mask
from redisnb.frames.decoding import JSON, RESERVED, Part, read_entry
from redisnb.frames.fitting import fit_values, is_object
from redisnb.frames.picking import Picker
from redisnb.frames.pieces import Pieces

__all__ = ["Asked", "Filter", "Where"]

#: How many entries of a page are looked at for the names of columns.
_GLANCE = 20

#: A value (or several) for each of some columns, an expression, or a function from a frame to a
#: mask.
Where: TypeAlias = Mapping[str, Any] | str | Callable[[pd.DataFrame], Any]

#: An entry as the server sends it: ID, and fields or None.
Answered: TypeAlias = tuple[bytes, Fields | None]


class Filter:
    """Choose entries by `where`, each by itself.

    Parameters
    ----------
    where : mapping, str or callable
        ``{"carrier": ["UA", "AA"]}``, ``"carrier = 'UA' and dep_delay > 60"``, or a function that
        gets a frame of some entries and returns a boolean mask; NA there is no.
    layout : Layout
        How entries are read.
    schema : mapping of str to dtype, optional
        What `check_schema` gives: a value that a frame would not show is none here.

    Raises
    ------
    ValueError, TypeError
        If it cannot be read as a filter.
    """

    def __init__(
        self, where: Where, layout: Layout, schema: Mapping[str, Any] | None = None
    ) -> None:
        self._where, self._layout, self._schema = where, layout, schema
        self._pieces = Pieces(layout, schema=schema)
        self._condition = None if callable(where) else condition_of(where)
        names = self._condition.names if self._condition else frozenset[str]()
        self._picker = Picker(names - {"entry_id", "entry_time", "stream"}, layout)
        self._unknown = set(self._condition.compared - RESERVED) if self._condition else set()
        self._columns: dict[Any, None] = {}

    def of_entries(
        self,
        ids: Sequence[bytes],
        bodies: Sequence[Fields | None],
        streams: Sequence[str] | str,
    ) -> Any:
        """Return which entries are wanted, as an array of bool; `streams` is one, or of each."""
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
            columns[name] = [_fitted(part, self._schema[name]) for part in columns[name]]  # type: ignore[index]
        if self._unknown:
            self._unknown -= self._picker.seen
            if self._unknown:
                self._note(bodies)
        return mask(self._condition, columns, len(ids))

    def choose(self, page: Sequence[Answered], stream: str) -> list[Answered]:
        """Return the entries, (ID, fields) each, of one stream that are wanted."""
        if not page:
            return []
        wanted = self.of_entries([id for id, _ in page], [fields for _, fields in page], stream)
        return [*page] if wanted.all() else list(compress(page, wanted.tolist()))

    def of_frame(self, frame: pd.DataFrame) -> Any:
        """Return which rows of a frame are wanted, as an array of bool."""
        if callable(self._where):
            given = self._where(frame)
            if not pd.api.types.is_list_like(given):
                raise TypeError(
                    f"where= gave {given!r}; a function of a frame gives a truth value for each "
                    "row, as lambda frame: frame['qty'] > 5 does"
                )
            wanted: Any = pd.array(given, dtype="boolean").fillna(False).to_numpy(dtype=bool)
            if len(wanted) != len(frame):
                raise ValueError(f"where gave {len(wanted)} truth values for {len(frame)} rows")
            return wanted
        assert self._condition is not None
        self._columns |= dict.fromkeys(frame.columns)
        self._unknown -= set(frame.columns)
        columns = {name: [_of_column(frame, name)] for name in self._condition.names}
        return mask(self._condition, columns, len(frame))

    def check(self) -> None:
        """Refuse a column that no entry had: it is a slip of the pen.

        Raises
        ------
        ValueError
            It names the column, and those that there are.
        """
        names = [str(name) for name in self._columns]
        if self._unknown and names:
            raise ValueError(_no_column("where", min(self._unknown), names))

    def _note(self, bodies: Sequence[Fields | None]) -> None:
        """Note the columns that there are, as far as the first entries of a page show them."""
        self._columns["entry_id"] = None
        self._columns |= dict.fromkeys(_names(bodies, self._layout))


class Asked:
    """The columns that a read was asked for, to tell of those that no entry has.

    Parameters
    ----------
    columns : sequence of str or None
        As for `read`.
    layout : Layout
    given : mapping or None
        Columns that may be missing: those of a schema or of `types`.
    """

    def __init__(self, columns: Sequence[str] | None, layout: Layout, given: object = None) -> None:
        self._absent = set(columns or ()) - RESERVED
        if isinstance(given, Mapping):
            self._absent -= given.keys()
        self._layout = layout
        self._there: dict[str, None] = {}

    def note(self, bodies: Sequence[Fields | None]) -> None:
        """Note the columns that there are, as far as the first entries show them."""
        if self._absent and not self._there:
            self._there = dict.fromkeys(_names(bodies, self._layout))

    def seen(self, frame: pd.DataFrame) -> None:
        """Note which of the columns a frame has values of."""
        self._absent -= {name for name in self._absent if frame[name].notna().any()}

    def tell(self) -> None:
        """Warn of a column that no entry has had: it is a slip of the pen."""
        absent = sorted(self._absent - self._there.keys())
        if absent and self._there:
            warn(_no_column("columns", absent[0], list(self._there)))


def _names(bodies: Sequence[Fields | None], layout: Layout) -> Iterator[str]:
    """Give the names that the first of some entries have in a frame."""
    for fields in bodies[:_GLANCE]:
        yield from (name for name, _, _ in read_entry(fields, layout, RESERVED).cells)


def _no_column(what: str, name: str, names: Sequence[str]) -> str:
    near = nearest(name, names)
    meant = f"; did you mean {near!r}?" if near else ""
    return f"{option(what, name)}: no entry has this column; there are {', '.join(names)}{meant}"


def _fitted(part: Part, dtype: Any) -> Part:
    """Return a part as a frame with a schema shows it."""
    _, places, values = part
    plain = values if isinstance(values, list) else values.to_pylist()
    read = [as_text(value) if isinstance(value, bytes) else value for value in plain]
    array, _ = fit_values(read, dtype)
    if is_object(dtype):
        return JSON, places, list(array)
    held = pd.Series(array).astype(object)
    return JSON, places, held.where(held.notna(), None).tolist()


def _of_column(frame: pd.DataFrame, name: str) -> Part:
    rows = range(len(frame))
    if name == "entry_time" and name == frame.index.name and name not in frame.columns:
        return JSON, rows, list(frame.index)
    if name not in frame.columns:
        return JSON, rows, [None] * len(frame)
    values, missing = frame[name].astype(object).tolist(), frame[name].isna().tolist()
    return JSON, rows, [None if gone else v for v, gone in zip(values, missing, strict=True)]
