"""JSON objects to columns by Arrow's reader, exactly or not at all.

Arrow reads JSON many times as fast as Python, on any thread; but it takes NaN for a number, rounds
large integers among floats, and cannot tell an empty object from none. This module refuses whatever
Arrow would change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from redisnb.frames.decoding import blocks
from redisnb.frames.decoding.arrays import InexactError
from redisnb.frames.decoding.blocks import Block

__all__ = ["Leaves", "read_parts", "schema_of"]

#: The columns of some objects: the path of each and its values.
Leaves: TypeAlias = list[tuple[tuple[str, ...], pa.Array]]
#: How many entries are tried again at once after a block was refused, and how many such parts Arrow
#: may refuse before Python reads all of them.
PART_ENTRIES = 200
MOST_REFUSED = 5
#: Words that Arrow would take for numbers.
BEYOND = (b"NaN", b"Infinity")
# Below it a double holds every integer.
_EXACT = 2.0**53


def schema_of(kinds: Mapping[tuple[Any, ...], pa.DataType | None]) -> pa.Schema | None:
    """Return the schema of the members at these paths, or None if Arrow has none for them."""
    tree: dict[str, Any] = {}
    # Longest first: a null where other entries have an object finds the object there.
    for path, kind in sorted(kinds.items(), key=lambda item: -len(item[0])):
        inner = tree
        for name in path[:-1]:
            inner = inner.setdefault(name, {})
        if path[-1] not in inner:
            # Arrow 26 fails on nulls in a list of unknown type; the first list with a value, which
            # the slow road reads, tells the type.
            inner[path[-1]] = pa.list_(pa.string()) if kind == pa.list_(pa.null()) else kind
        elif kind != pa.null():
            return None
    if not tree or None in kinds.values():
        return None
    return pa.schema(_schema_fields(tree))


def _schema_fields(tree: Mapping[str, Any]) -> list[pa.Field]:
    return [
        pa.field(name, pa.struct(_schema_fields(inner)) if isinstance(inner, dict) else inner)
        for name, inner in tree.items()
    ]


def read_parts(block: Block, schema: pa.Schema) -> list[tuple[Block, Leaves | None]]:
    """Read as much of a block as Arrow reads exactly; the other parts come with None."""
    parts: list[tuple[Block, Leaves | None]] = []
    leaves = _read_exactly(block.texts, schema)
    if leaves is None:
        beyond = _find_beyond(block.texts)
        if beyond.any():
            parts.append((blocks.select_block(block, beyond.tolist()), None))
            block = blocks.select_block(block, (~beyond).tolist())
            leaves = _read_exactly(block.texts, schema)
    if leaves is not None:
        return [*parts, (block, leaves)]
    # One odd entry must not send the whole block to Python; with one in many parts, it goes there.
    refused = 0
    for start in range(0, len(block.texts), PART_ENTRIES):
        part = blocks.slice_block(block, start, start + PART_ENTRIES)
        leaves = None
        if refused < MOST_REFUSED:
            leaves = _read_exactly(part.texts, schema)
            refused += leaves is None
        parts.append((part, leaves))
    return parts


def _find_beyond(texts: Sequence[bytes]) -> Any:
    """Return which texts have a word that Arrow would take for a number, as an array of bool."""
    # A search in all of them at once: one per text takes ten times as long.
    whole, mask = b"\n".join(texts), np.zeros(len(texts), bool)
    ends = np.cumsum([len(text) + 1 for text in texts])
    for word in BEYOND:
        at = whole.find(word)
        while at >= 0:
            place = np.searchsorted(ends, at, "right")
            mask[place] = True
            at = whole.find(word, int(ends[place]))
    return mask


def _read_exactly(payloads: Sequence[bytes], schema: pa.Schema) -> Leaves | None:
    """Read JSON objects, one a payload; return None where Arrow would not read them exactly."""
    text = b"\n".join(payloads)
    try:
        if not text.isascii():
            text.decode()
        table = pyarrow.json.read_json(
            pa.BufferReader(text),
            # One block, so that no object straddles two.
            pyarrow.json.ReadOptions(use_threads=False, block_size=len(text) + 1),
            pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
        )
        if table.num_rows != len(payloads):
            return None
        return [
            leaf for name in schema.names for leaf in _leaves(table.column(name).chunk(0), (name,))
        ]
    except (UnicodeDecodeError, pa.ArrowException, InexactError):
        return None


def _leaves(values: pa.Array, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], pa.Array]]:
    if pa.types.is_struct(values.type):
        inner = [pc.struct_field(values, [i]) for i in range(values.type.num_fields)]
        _refuse_empty(values, inner)
        for i, array in enumerate(inner):
            yield from _leaves(array, (*path, values.type.field(i).name))
        return
    numbers = values.flatten() if pa.types.is_list(values.type) else values
    if pa.types.is_floating(numbers.type):
        _refuse_inexact(numbers, whole=numbers is values)
    yield path, values


def _refuse_empty(values: pa.Array, inner: Sequence[pa.Array]) -> None:
    # A frame shows {} as a value, but here it looks like an object of nulls.
    empty = values.is_valid()
    for array in inner:
        empty = pc.and_(empty, array.is_null())
    if pc.any(empty).as_py():
        raise InexactError


def _refuse_inexact(numbers: pa.Array, *, whole: bool) -> None:
    # NaN, which JSON does not have, and integers that a double may have rounded.
    if pc.all(pc.less(pc.abs(numbers), _EXACT)).as_py() is False:
        raise InexactError
    # In a list, 1 and 1.0 have to stay different.
    if not whole and pc.any(pc.equal(numbers, pc.floor(numbers))).as_py():
        raise InexactError
