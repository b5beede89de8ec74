"""Arrow tables to frames and back: the tables of polars, DuckDB, pyarrow and others."""

from __future__ import annotations

import re
from typing import Any, Protocol, TypeGuard

import pandas as pd
import pyarrow as pa

from redisnb.entries import dump_json
from redisnb.errors import EncodeError, warn
from redisnb.frames.decoding import STR, object_array

__all__ = ["ArrowTable", "from_arrow", "is_arrow", "to_arrow"]

# The column that pandas makes of an index without a name.
_INDEX = re.compile(r"__index_level_\d+__")
_NULLABLE_DTYPES = {
    pa.bool_(): pd.BooleanDtype(),
    pa.int8(): pd.Int8Dtype(),
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.uint8(): pd.UInt8Dtype(),
    pa.uint16(): pd.UInt16Dtype(),
    pa.uint32(): pd.UInt32Dtype(),
    pa.uint64(): pd.UInt64Dtype(),
}


class ArrowTable(Protocol):
    """An object that exports itself as an Arrow table: of polars, DuckDB, pyarrow, a Stream."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return the table as a capsule."""


def is_arrow(value: object) -> TypeGuard[ArrowTable]:
    """Return whether a value exports itself as an Arrow table and is not pandas' own."""
    return hasattr(value, "__arrow_c_stream__") and not isinstance(value, pd.DataFrame | pd.Series)


def from_arrow(value: Any) -> pd.DataFrame:
    """Make a frame of an object that exports itself as an Arrow table, such as a polars frame.

    Text is text, integers stay exact, also with gaps, and nested values become Python's lists and
    dicts. The index of a table of entries is `entry_time`.

    Raises
    ------
    TypeError
        If it is a single column and no table.
    EncodeError
        If two columns have the same name.
    """
    try:
        table = pa.RecordBatchReader.from_stream(value).read_all()
    except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError) as error:
        name = f"{type(value).__module__.partition('.')[0]}.{type(value).__name__}"
        raise TypeError(f"{name} is no table ({error}); give one with named columns") from error
    columns: dict[str, Any] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if name in columns:
            raise EncodeError(f"two columns are named {name!r}", column=name)
        if not _INDEX.fullmatch(name):
            columns[name] = _pandas_column(column)
    frame = pd.DataFrame(columns)
    is_entries = {"entry_id", "entry_time"} <= {*columns}
    return frame.set_index("entry_time") if is_entries else frame


def _pandas_column(column: pa.ChunkedArray) -> Any:
    kind = column.type
    if _is_text_type(kind.value_type if pa.types.is_dictionary(kind) else kind):
        # Not by a cast: pyarrow lacks one for some pairs of these types.
        return pd.Series(pd.array(column.to_pylist(), dtype=STR))
    if kind in _NULLABLE_DTYPES:
        return column.to_pandas(types_mapper=_NULLABLE_DTYPES.get if column.null_count else None)
    if pa.types.is_floating(kind) or pa.types.is_timestamp(kind) or pa.types.is_duration(kind):
        return column.to_pandas()
    return pd.Series(object_array(column.to_pylist()))


def _is_text_type(kind: pa.DataType) -> bool:
    return any(
        is_it(kind)
        for is_it in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    )


def to_arrow(frame: pd.DataFrame) -> pa.Table:
    """Make an Arrow table of a frame; an index with a name is a column.

    Warns
    -----
    RedisnbWarning
        If a column has values of several kinds, which then become JSON text.
    """
    if frame.index.names != [None]:
        frame = frame.reset_index()
    columns: dict[str, pa.Array] = {}
    mixed = []
    for name, values in frame.items():
        try:
            columns[str(name)] = _arrow_column(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            mixed.append(str(name))
            texts = values.map(lambda value: dump_json(value).decode(), na_action="ignore")
            columns[str(name)] = pa.array(texts, pa.string(), from_pandas=True)
    if mixed:
        names = ", ".join(map(repr, mixed))
        warn(f"columns with values of several kinds are JSON text in the Arrow table: {names}")
    return pa.table(columns)


def _arrow_column(values: pd.Series[Any]) -> pa.Array:
    try:
        return pa.array(values, from_pandas=True)
    except OverflowError:
        # Beyond int64, and perhaps not beyond uint64.
        return pa.array(values, pa.uint64(), from_pandas=True)
