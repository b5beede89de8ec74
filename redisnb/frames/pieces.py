"""The frames of a read that is handed out piece by piece and never seen as a whole.

A piece cannot know the values of the others, so its types are not inferred from its text: text
stays text, JSON's integers are Int64, floats Float64 and truth values boolean, and unlike kinds
stay as they are. A column of one piece is in every later one, all missing where no entry has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from redisnb.entries import Fields, Layout
from redisnb.errors import warn
from redisnb.frames import replies
from redisnb.frames.decoding import Decoder, Types, column_maker
from redisnb.frames.fitting import is_object, missing

__all__: list[str] = []

_NULLABLE_NAMES = {"int64": "Int64", "float64": "Float64", "bool": "boolean"}

#: How many entries become columns at once: the bytes of more are too far apart in memory.
_PAGE_ENTRIES = 1_000


def _in_pages(entries: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (entries[i : i + _PAGE_ENTRIES] for i in range(0, len(entries), _PAGE_ENTRIES))


class Pieces:
    """The frames of one read.

    Parameters
    ----------
    layout, types, columns, schema
        As for `replies.pages_frame`; with a schema, every piece has its columns and types.
    keeps : bool
        Whether a column of one piece is in every later one.
    """

    def __init__(
        self,
        layout: Layout,
        *,
        types: Types = "infer",
        columns: Sequence[str] | None = None,
        schema: Mapping[str, Any] | None = None,
        keeps: bool = True,
    ) -> None:
        self._layout, self._types, self._columns = layout, types, columns
        self._schema, self._keeps = schema, keeps
        self._known: dict[Any, Any] = {}
        self._has_warned = types != "infer"
        # The columns of text in this piece that would be numbers, and their dtypes.
        self._numbers: dict[str, str] = {}

    def frame(
        self,
        entries: Sequence[tuple[bytes, Fields | None]],
        streams: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Return the next piece; `streams` has the stream of each entry where there are several."""
        if self._schema is not None:
            return replies.pages_frame(
                lambda: _in_pages(entries),
                self._layout,
                columns=self._columns,
                schema=self._schema,
                streams=streams,
            )
        frame = replies.decode_frame(
            lambda: _in_pages(entries),
            Decoder(self._layout, self._make, only=self._columns),
            self._columns,
            {**self._known, **(self._types if isinstance(self._types, Mapping) else {})},
            first=[*self._known],
            streams=streams,
        )
        if self._keeps:
            for name in frame.columns[1 if streams is None else 2 :]:
                if name not in self._known or is_object(self._known[name]):
                    self._known[name] = frame[name].dtype
        self._warn_of_numbers()
        return frame

    def _make(self, name: Any, infer: Callable[..., Any]) -> Any:
        if isinstance(self._types, Mapping) and name in self._types:
            return column_maker(self._types)(name, infer)
        array = infer(text=True)
        dtype = str(array.dtype)
        if dtype in _NULLABLE_NAMES:
            return pd.array(array, dtype=_NULLABLE_NAMES[dtype])
        if is_object(array.dtype) and all(value is None for value in array):
            return missing(len(array), self._known.get(name, "object"))
        if dtype == "str" and not self._has_warned:
            number = _NULLABLE_NAMES.get(str(infer(text=False).dtype))
            if number is not None:
                self._numbers[str(name)] = number
        return array

    def _warn_of_numbers(self) -> None:
        if self._numbers and not self._has_warned:
            self._has_warned = True
            listed = ", ".join(f"{name!r}: {dtype!r}" for name, dtype in self._numbers.items())
            warn(
                "text that would be numbers stays text in frames that are handed out piece by "
                f"piece; Stream(..., schema={{{listed}}}) makes numbers of it"
            )
        self._numbers = {}
