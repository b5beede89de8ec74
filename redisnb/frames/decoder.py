"""Many entries to columns, close to the speed of the wire.

`columns.spread` says what comes out, slowly and obviously; this module gives the same for every
input. Fields leave the reply by column and become Arrow arrays page by page. JSON goes to Arrow's
reader in blocks, on a thread of its own, with a schema that the first entries teach. What Arrow
refuses, or would not read exactly, takes the slow road, two hundred entries at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import pyarrow as pa

from redisnb.entries import PAYLOAD, Fields, Format, as_text, is_json_object
from redisnb.frames import arrays, arrow_json, columns
from redisnb.frames.arrays import InexactError, Part
from redisnb.frames.arrow_json import Leaves
from redisnb.frames.columns import FIELD, JSON, Path, Types

__all__ = ["Again", "Decoder"]

#: How many JSON entries go to Arrow at once, unless they are large.
BLOCK, BLOCK_BYTES = 20_000, 16 * 1024 * 1024
#: How many entries teach the schema, and how many take the slow road together.
SAMPLE = 200

_KINDS = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}


class Again(Exception):  # noqa: N818 - nothing is wrong
    """Say that everything has to be fed again, to `decoder`, because of what came late."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder


class Decoder:
    """Take pages of entries, and give their IDs and columns at the end.

    Parameters
    ----------
    format, types, only, taken
        As for `columns.spread`.
    arrow : bool
        Whether Arrow may read JSON.
    """

    def __init__(
        self,
        format: Format,
        *,
        types: Types = "infer",
        only: Sequence[str] | None = None,
        taken: Iterable[str] = (),
        arrow: bool = True,
    ) -> None:
        self._format, self._arrow = format, arrow
        # Without Arrow, what is read as a float was written as one.
        self._exact = not arrow
        self._types, self._only, self._taken = types, only, tuple(taken)
        # What "auto" means is decided by the first entry that has a body.
        self._settled: Format | None = None if format == "auto" else format
        self._ids: list[pa.Array] = []
        self._trimmed: list[bytes] = []
        self._rows = 0
        self._parts: dict[Path, list[Part]] = {}
        self._kinds: dict[tuple[Any, ...], pa.DataType | None] = {}
        self._schema: pa.Schema | None = None
        self._payloads: list[bytes] = []
        self._bytes = 0
        self._worker: ThreadPoolExecutor | None = None
        self._reading: tuple[Future[Leaves | None], list[bytes], int] | None = None

    def feed(self, page: Sequence[tuple[bytes, Fields | None]]) -> None:
        """Take the next entries.

        Raises
        ------
        Again
            If what looked like JSON is none after all.
        """
        if not page:
            return
        # Comprehensions: a page has thousands of entries, and each of these lines sees them all.
        bodies = [entry[1] for entry in page]
        self._ids.append(pa.array([entry[0] for entry in page], pa.binary()))
        if not all(bodies):
            self._trimmed += [id for id, fields in page if not fields]
        if self._settled is None:
            self._settle([fields for fields in bodies if fields])
        if self._settled == "fields":
            self._feed_fields(bodies)
        elif self._settled == "json":
            self._feed_json(bodies)
        elif self._settled == "raw":
            self._spread(bodies, self._rows)
        self._rows += len(page)

    def finish(self) -> tuple[pa.ChunkedArray, dict[Any, Any], list[bytes]]:
        """Return the IDs, the columns by name, and the IDs of entries without a body.

        Raises
        ------
        Again
            If a column turned out to need a closer look at its numbers.
        DecodeError
            As for `columns.spread`.
        """
        self._flush()
        empty = {path for path, parts in self._parts.items() if not any(map(_has_value, parts))}
        found = {}
        try:
            for name, path in columns.named(self._parts, empty, self._taken).items():
                # Taken out, so that a column is not in memory twice for longer than it takes.
                parts = self._parts.pop(path)
                if self._only is None or name in self._only:
                    infer = partial(arrays.join, path[0], parts, self._rows, exact=self._exact)
                    found[name] = columns.typed(name, self._types, infer)
        except InexactError:
            raise Again(self._like_this(self._format, arrow=False)) from None
        return pa.chunked_array(self._ids, pa.binary()), found, self._trimmed

    def close(self) -> None:
        """End the thread that reads JSON, if there is one."""
        if self._worker is not None:
            self._worker.shutdown(cancel_futures=True)

    def _like_this(self, format: Format, *, arrow: bool) -> Decoder:
        return Decoder(format, types=self._types, only=self._only, taken=self._taken, arrow=arrow)

    def _settle(self, present: Sequence[Fields]) -> None:
        if present:
            # Whatever comes later and contradicts is noticed then.
            self._settled = "json" if is_json_object(present[0]) else "fields"

    def _add(self, path: Path, start: int, values: Any) -> None:
        self._parts.setdefault(path, []).append((start, values))

    # -- fields

    def _feed_fields(self, bodies: Sequence[Fields | None]) -> None:
        for path, values in _by_column(bodies) or _by_entry(bodies):
            self._add(path, self._rows, values)

    # -- JSON

    def _feed_json(self, bodies: Sequence[Fields | None]) -> None:
        payloads = self._plain_payloads(bodies) if self._arrow else None
        if payloads is None:
            self._flush()
            self._spread(bodies, self._rows)
            return
        self._payloads += payloads
        self._bytes += sum(map(len, payloads))
        if len(self._payloads) >= BLOCK or self._bytes >= BLOCK_BYTES:
            self._send(self._rows + len(bodies))

    def _plain_payloads(self, bodies: Sequence[Fields | None]) -> list[bytes] | None:
        """Return the JSON texts, or None if some entry is not just one that may be an object."""
        if not all(bodies) or set(map(len, bodies)) != {2}:  # type: ignore[arg-type]
            return None
        names, payloads = zip(*bodies, strict=True)
        if self._format == "json" and names.count(PAYLOAD) != len(names):
            return None
        # With these ends, as many objects as entries means one in each.
        ends = {text[:1] + text[-1:] for text in payloads}
        return list(payloads) if ends == {b"{}"} else None

    def _send(self, end: int) -> None:
        """Let Arrow read the payloads that wait, while the next ones come."""
        block, start = self._payloads, end - len(self._payloads)
        self._payloads, self._bytes = [], 0
        if block and self._schema is None:
            self._spread_payloads(block[:SAMPLE], start)
            block, start = block[SAMPLE:], start + SAMPLE
        self._take_reading()
        if not block:
            return
        if self._schema is None:
            self._spread_payloads(block, start)
            return
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, thread_name_prefix="redisnb:json")
        self._reading = self._worker.submit(arrow_json.read, block, self._schema), block, start

    def _flush(self) -> None:
        self._send(self._rows)
        self._take_reading()

    def _take_reading(self) -> None:
        if self._reading is None:
            return
        future, block, start = self._reading
        self._reading = None
        leaves = future.result()
        if leaves is not None:
            self._take(leaves, start)
            return
        # One odd entry must not send the whole block down the slow road.
        for i in range(0, len(block), SAMPLE):
            part = block[i : i + SAMPLE]
            leaves = arrow_json.read(part, self._schema) if self._schema is not None else None
            if leaves is None:
                self._spread_payloads(part, start + i)
            else:
                self._take(leaves, start + i)

    def _take(self, leaves: Leaves, start: int) -> None:
        for path, values in leaves:
            self._add(path, start, values)

    def _spread_payloads(self, payloads: Sequence[bytes], start: int) -> None:
        self._spread([(PAYLOAD, text) for text in payloads], start)

    # -- the slow road

    def _spread(self, bodies: Sequence[Fields | None], start: int) -> None:
        if self._format == "auto" and not all(is_json_object(each) for each in bodies if each):
            raise Again(self._like_this("fields", arrow=True))
        kinds = dict(self._kinds)
        for path, values in columns.by_path(bodies, self._format).items():
            array = _typed(path[0], values)
            self._add(path, start, array)
            if path[0] == JSON:
                known = kinds.get(path[1], pa.null())
                kinds[path[1]] = arrow_json.common_type(known, getattr(array, "type", None))
        schema = arrow_json.schema_of(kinds)
        # A few odd entries must not stop Arrow from reading all the others.
        if schema is not None:
            self._kinds, self._schema = kinds, schema
        self._arrow = self._arrow and self._schema is not None


def _by_column(bodies: Sequence[Fields | None]) -> list[tuple[Path, pa.Array]] | None:
    """Cut entries that all have the same fields into columns; return None for any others."""
    first = bodies[0]
    if not first or not all(bodies) or set(map(len, bodies)) != {len(first)}:  # type: ignore[arg-type]
        return None
    names = first[::2]
    columns = list(zip(*bodies, strict=True))
    counts = map(tuple.count, columns[::2], names)
    if len(set(names)) != len(names) or set(counts) != {len(bodies)}:
        return None
    return [
        ((FIELD, (as_text(name),)), pa.array(column, pa.binary()))
        for name, column in zip(names, columns[1::2], strict=True)
    ]


def _by_entry(bodies: Sequence[Fields | None]) -> list[tuple[Path, Any]]:
    """Spread entries whose fields come and go."""
    columns: dict[bytes, list[Any]] = {}
    repeated = set()
    for row, fields in enumerate(bodies):
        for name, value in zip(fields[::2], fields[1::2], strict=True) if fields else ():
            column = columns.get(name)
            if column is None:
                columns[name] = column = [None] * len(bodies)
            if column[row] is None:
                column[row] = value
            else:
                repeated.add(name)
                before = column[row]
                column[row] = [*(before if isinstance(before, list) else [before]), value]
    return [
        (
            (FIELD, (as_text(name),)),
            [_decoded(value) for value in column]
            if name in repeated
            else pa.array(column, pa.binary()),
        )
        for name, column in columns.items()
    ]


def _has_value(part: Part) -> bool:
    values = part[1]
    nulls = values.count(None) if isinstance(values, list) else values.null_count
    return bool(len(values) > nulls)


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [as_text(each) for each in value]
    return None if value is None else as_text(value)


def _typed(origin: str, values: list[Any]) -> Any:
    """Return Python values as an Arrow array if they all have one type, else as they are."""
    kinds = {type(value) for value in values if value is not None}
    if not kinds:
        return pa.nulls(len(values), pa.binary() if origin == FIELD else pa.null())
    if len(kinds) > 1:
        return values
    kind = kinds.pop()
    try:
        if origin == FIELD:
            return pa.array(values, pa.string()).cast(pa.binary()) if kind is str else values
        if kind is not list:
            return pa.array(values, _KINDS[kind])
        inner = {type(item) for value in values if value is not None for item in value}
        inner -= {type(None)}
        within = _KINDS[inner.pop()] if len(inner) == 1 else pa.null() if not inner else None
        return values if within is None else pa.array(values, pa.list_(within))
    except (KeyError, pa.ArrowInvalid, OverflowError):
        return values
