"""Many entries to columns, close to the speed of the wire.

`columns.spread` says what comes out, slowly and obviously; this module gives the same for every
input. Each entry takes the fastest road that reads it exactly. Fields leave the reply by column and
become Arrow arrays page by page. JSON objects go to Arrow's reader in blocks, on a thread of its
own, with a schema that the first entries teach; what Arrow refuses, or would not read exactly, is
read by Python, column by column. What is neither, or both, takes the slow road, entry by entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple

import pyarrow as pa

from redisnb.entries import Fields, Layout, as_text, free_name, load_objects
from redisnb.frames.decoding import arrays, arrow_json, blocks, columns, objects
from redisnb.frames.decoding.arrays import ColumnPart, InexactError
from redisnb.frames.decoding.arrow_json import Leaves
from redisnb.frames.decoding.blocks import Block, Carrier, Shape, Shapes, sort_entries
from redisnb.frames.decoding.columns import ENTRY_FIELD, FIELD, JSON, Make

__all__ = ["DecodeAgain", "Decoded", "Decoder"]

#: How many JSON entries go to Arrow at once, unless they are large.
BLOCK_ENTRIES, BLOCK_BYTES = 10_000, 16 * 1024 * 1024
#: How many entries teach the schema.
SCHEMA_SAMPLE = 200
#: At which place in an entry the first field beside its JSON object stands: behind its members.
BESIDE = 1 << 20


class DecodeAgain(Exception):  # noqa: N818 - nothing is wrong
    """Everything has to be fed again, to `decoder`, because of what came late."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder


class Decoded(NamedTuple):
    """The entries' IDs, their columns, the IDs without a body, and how many are odd."""

    entry_ids: pa.ChunkedArray
    columns: dict[Any, Any]
    trimmed: list[bytes]
    odd: int


class Decoder:
    """Take pages of entries, and give their IDs and columns at the end.

    Parameters
    ----------
    layout, only, taken
        As for `columns.spread`.
    make : callable
        ``make(name, infer)`` makes a column; ``infer(text=...)`` finds its type.
    arrow : bool
        Whether Arrow may read JSON.
    met : frozenset
        Names that members of an object may share with the fields beside it.
    """

    def __init__(
        self,
        layout: Layout,
        make: Make,
        *,
        only: Sequence[str] | None = None,
        taken: Iterable[str] = (),
        arrow: bool = True,
        met: frozenset[str] = frozenset(),
    ) -> None:
        self._coded, self._layout = layout, layout.plain
        self._arrow, self._met = arrow, met
        # Without Arrow, what is read as a float was written as one.
        self._exact = not arrow
        self._make, self._only, self._taken = make, only, tuple(taken)
        self._reserved = columns.RESERVED.union(taken)
        self._ids: list[ColumnPart] = []
        self._trimmed: list[bytes] = []
        self._rows = self._odd = 0
        self._parts: dict[str, list[ColumnPart]] = {}
        # Where a column is seen first: the row, and the place in the entry.
        self._seen: dict[str, tuple[int, float]] = {}
        self._renamed: dict[str, str] = {}
        self._carriers: list[tuple[Sequence[int], list[Carrier]]] = []
        self._shapes = Shapes(self._layout, self._reserved | met)
        # The columns that objects have, and those of the fields beside them.
        self._leaves, self._beside = set[str](), set[str]()
        self._kinds: dict[tuple[Any, ...], pa.DataType | None] = {}
        self._schema: pa.Schema | None = None
        self._waiting: list[Block] = []
        self._waits = self._bytes = 0
        self._worker: ThreadPoolExecutor | None = None
        self._reading: Future[list[tuple[Block, Leaves | None]]] | None = None

    def feed(self, page: Sequence[tuple[bytes, Fields | None]]) -> None:
        """Take the next entries."""
        if not page:
            return
        # Comprehensions: a page has thousands of entries, and each of these lines sees them all.
        bodies = [entry[1] for entry in page]
        rows = range(self._rows, self._rows + len(page))
        self._rows = rows.stop
        self._ids.append((FIELD, rows, pa.array([entry[0] for entry in page], pa.binary())))
        if not all(bodies):
            self._trimmed += [id for id, fields in page if not fields]
        if self._coded.coding is None:
            self._feed_bodies(bodies, rows)
        else:
            self._feed_coded(bodies, rows)
        if self._arrow and self._schema is None and self._waits >= SCHEMA_SAMPLE:
            self._wait(self._begin(self._waited()))
        if self._waits >= BLOCK_ENTRIES or self._bytes >= BLOCK_BYTES:
            self._send()
        if rows.start // BLOCK_ENTRIES < rows.stop // BLOCK_ENTRIES:
            for parts in (self._ids, *self._parts.values()):
                arrays.merge(parts)

    def _feed_coded(self, bodies: Sequence[Fields | None], rows: range) -> None:
        """Take a page of coded payloads; entries that cannot be decoded take the slow road."""
        found = [self._coded.decoded(fields or ()) for fields in bodies]
        self._feed_bodies([fields or () for fields in found], rows)
        unread = [i for i, fields in enumerate(found) if fields is None]
        self._take_entries([bodies[i] for i in unread], [rows[i] for i in unread], self._coded)

    def _feed_bodies(self, bodies: Sequence[Fields | None], rows: range) -> None:
        if self._layout.format == "raw":
            self._take_entries(bodies, rows)
        elif not self._feed_alike(bodies, rows):
            self._feed_unlike(bodies, rows)

    def finish(self) -> Decoded:
        """Return what was fed.

        Raises
        ------
        DecodeAgain
            If a column turned out to need a closer look at its numbers, or at its names.
        DecodeError
            As for `columns.spread`.
        """
        self._send()
        self._take_reading()
        # What a thread has let go is of use to others once it has ended.
        self.close()
        self._release()
        if met := self._leaves & self._beside:
            raise DecodeAgain(self._anew(met))
        empty = [name for name, own in self._parts.items() if not any(map(arrays.has_value, own))]
        hidden = columns.null_objects(empty, self._parts)
        found = self._carrier_column()
        try:
            for name in sorted(self._parts.keys() - hidden, key=self._seen.__getitem__):
                # Taken out, so that a column is not in memory twice for longer than it takes.
                infer = partial(arrays.join, self._parts.pop(name), self._rows, exact=self._exact)
                if self._only is None or name in self._only:
                    found[name] = self._make(name, infer)
                del infer
                self._release()
        except InexactError:
            raise DecodeAgain(self._anew(arrow=False)) from None
        columns.warn_of_renamed(self._renamed)
        entry_ids = pa.chunked_array([ids for _, _, ids in self._ids], pa.binary())
        return Decoded(entry_ids, found, self._trimmed, self._odd)

    def _release(self) -> None:
        """Give back what Arrow keeps for later; of a small frame it is not worth the while."""
        if self._rows > BLOCK_ENTRIES:
            pa.default_memory_pool().release_unused()

    def close(self) -> None:
        """End the thread that reads JSON, if there is one."""
        if self._worker is not None:
            self._worker.shutdown(cancel_futures=True)

    def _anew(self, met: Set[str] = frozenset(), *, arrow: bool = True) -> Decoder:
        return Decoder(
            self._coded,
            self._make,
            only=self._only,
            taken=self._taken,
            arrow=arrow and not self._exact,
            met=self._met.union(met),
        )

    def _carrier_column(self) -> dict[Any, Any]:
        wanted = self._only is not None and ENTRY_FIELD in self._only
        own = self._layout.field
        others = any(blocks.carrier_names(found) - {own} for _, found in self._carriers)
        if not wanted and (not others or self._only is not None):
            return {}
        whole: list[bytes | None] = [None] * self._rows
        for rows, carriers in self._carriers:
            for row, carrier in zip(rows, carriers, strict=True):
                whole[row] = carrier.name
        return {ENTRY_FIELD: columns.carrier_column(whole)}

    def _add(self, name: str, part: ColumnPart, seen: tuple[int, float]) -> None:
        self._parts.setdefault(name, []).append(part)
        if seen < self._seen.get(name, (self._rows, 0)):
            self._seen[name] = seen

    def _name(self, plain: str) -> str:
        """Name a column for a name that no other of its entry comes to."""
        if plain not in self._reserved:
            return plain
        name = self._renamed[plain] = free_name(plain, set(self._reserved))
        return name

    # -- which road

    def _feed_alike(self, bodies: Sequence[Fields | None], rows: range) -> bool:
        """Take a page of entries that all have the same fields, or say that it is none."""
        first = bodies[0]
        if not first or len(bodies[-1] or ()) != len(first):
            return False
        names = tuple(first[::2])
        try:
            parts = list(zip(*bodies, strict=True))
        except (TypeError, ValueError):
            # One is gone, or has another number of fields.
            return False
        if any(part.count(name) != len(part) for part, name in zip(parts[::2], names, strict=True)):
            return False
        plain: list[str | None] = [as_text(name) for name in names]
        first_place = 0
        if not self._layout.is_flat(names):
            shape = self._shape(names)
            if shape is None:
                return False
            texts = list(parts[2 * shape.carrier.place + 1])
            if not blocks.are_objects(texts):
                return False
            self._wait(Block(texts, [shape.carrier] * len(texts), rows))
            self._beside |= shape.beside
            plain[shape.carrier.place] = None
            first_place = BESIDE
        elif columns.may_collide(plain, self._reserved):  # type: ignore[arg-type]
            return False
        for place, (name, values) in enumerate(zip(plain, parts[1::2], strict=True), first_place):
            if name is not None:
                part = FIELD, rows, pa.array(values, pa.binary())
                self._add(self._name(name), part, (rows.start, place))
        return True

    def _shape(self, names: tuple[bytes, ...]) -> Shape | None:
        shape = self._shapes.find(names)
        return None if shape is None or not self._leaves.isdisjoint(shape.beside) else shape

    def _feed_unlike(self, bodies: Sequence[Fields | None], rows: range) -> None:
        """Take a page entry by entry, each by its own road."""
        roads = sort_entries(bodies, rows, self._layout, self._shape)
        self._odd += roads.odd
        self._beside |= roads.names
        for block in roads.blocks:
            self._wait(block)
        if roads.beside:
            beside_rows, beside = zip(*roads.beside, strict=True)
            self._take_flat(beside, beside_rows, BESIDE)
        for take, places in (self._take_flat, roads.flat), (self._take_entries, roads.others):
            if len(places) == len(rows):
                take(bodies, rows)  # type: ignore[arg-type]
            elif places:
                take([bodies[i] or () for i in places], [rows[i] for i in places])

    def _take_flat(
        self, bodies: Sequence[Fields], rows: Sequence[int], first_place: int = 0
    ) -> None:
        """Take entries, or parts of entries, that are fields and nothing else."""
        found, seen, repeated = objects.field_columns(bodies)
        rows = arrays.pack_rows(rows)
        plain = {name: as_text(name) for name in found}
        if columns.may_collide([*plain.values()], self._reserved):
            self._take_entries(bodies, rows)
            return
        for name, values in found.items():
            texts = (
                list(map(objects.text_or_texts, values))
                if name in repeated
                else pa.array(values, pa.binary())
            )
            i, place = seen[name]
            self._add(self._name(plain[name]), (FIELD, rows, texts), (rows[i], first_place + place))

    # -- JSON

    def _wait(self, block: Block) -> None:
        self._waiting.append(block)
        self._waits += len(block.texts)
        self._bytes += sum(map(len, block.texts))

    def _send(self) -> None:
        """Let Arrow read the texts that wait, while the next ones come."""
        block = self._waited()
        if block.texts and self._arrow and self._schema is None:
            block = self._begin(block)
        self._take_reading()
        if not block.texts:
            return
        if not self._arrow or self._schema is None:
            self._take_objects(block)
            return
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, thread_name_prefix="redisnb:json")
        self._reading = self._worker.submit(arrow_json.read_parts, block, self._schema)

    def _waited(self) -> Block:
        """Return what waits, which then waits no more."""
        block = blocks.join_blocks(self._waiting)
        self._waiting, self._waits, self._bytes = [], 0, 0
        return block

    def _begin(self, block: Block) -> Block:
        """Let the first entries of a block teach the schema; return the others."""
        self._take_objects(blocks.slice_block(block, 0, SCHEMA_SAMPLE), learn=True)
        return blocks.slice_block(block, SCHEMA_SAMPLE, len(block.texts))

    def _take_reading(self) -> None:
        if self._reading is None:
            return
        parts = self._reading.result()
        self._reading = None
        for block, leaves in parts:
            if leaves is None:
                self._take_objects(block)
            else:
                self._take_leaves(leaves, block)
        self._arrow = sum(leaves is None for _, leaves in parts) <= arrow_json.MOST_REFUSED

    def _take_leaves(self, leaves: Leaves, block: Block) -> None:
        rows = arrays.pack_rows(block.rows)
        self._carriers.append((rows, block.carriers))
        for path, values in leaves:
            # The first entries have shown it.
            self._parts[self._name(".".join(path))].append((JSON, rows, values))

    def _take_objects(self, block: Block, *, learn: bool = False) -> None:
        """Let Python read JSON texts, column by column."""
        found = load_objects(block.texts)
        if None in found:
            wrong = blocks.select_block(block, [each is None for each in found])
            # Among the fields beside it, if there are any.
            starts = [BESIDE + carrier.place - 0.5 for carrier in wrong.carriers]
            self._take_entries(blocks.block_bodies(wrong), wrong.rows, starts=starts)
            block = blocks.select_block(block, [each is not None for each in found])
        present = [each for each in found if each is not None]
        spread = list(objects.member_columns(present))
        plain = [".".join(path) for path, _, _ in spread]
        if columns.may_collide(plain, self._reserved) or any(
            len(path) > objects.DEEPEST for path, _, _ in spread
        ):
            self._take_entries(blocks.block_bodies(block), block.rows)
            return
        self._carriers.append((block.rows, block.carriers))
        places = objects.first_places(present, spread)
        kinds = dict(self._kinds)
        for (path, _, values), name, (i, place) in zip(spread, plain, places, strict=True):
            array = objects.array_or_list(JSON, values)
            self._add(self._name(name), (JSON, block.rows, array), (block.rows[i], place))
            self._leaves.add(self._name(name))
            known = kinds.get(path, pa.null())
            kinds[path] = arrow_json.common_type(known, getattr(array, "type", None))
        if learn:
            self._learn(kinds)

    def _learn(self, kinds: dict[tuple[Any, ...], pa.DataType | None]) -> None:
        self._schema, self._kinds = arrow_json.schema_of(kinds), kinds
        self._arrow = self._schema is not None

    # -- the slow road

    def _take_entries(
        self,
        bodies: Sequence[Fields | None],
        rows: Sequence[int],
        layout: Layout | None = None,
        starts: Iterable[float] = repeat(0),
    ) -> None:
        found: dict[tuple[str, str], tuple[list[int], list[Any], tuple[int, float]]] = {}
        for row, fields, start in zip(rows, bodies, starts, strict=False):
            reading = columns.read_entry(fields, layout or self._layout, self._reserved)
            self._odd += reading.parts.odd
            self._renamed |= reading.renamed
            if reading.parts.carrier is not None:
                self._carriers.append(([row], [Carrier(reading.parts.carrier, 0)]))
            for place, (name, origin, value) in enumerate(reading.cells):
                column = found.setdefault((name, origin), ([], [], (row, start + place)))
                column[0].append(row)
                column[1].append(value)
        for (name, origin), (places, values, seen) in found.items():
            self._add(name, (origin, places, objects.array_or_list(origin, values)), seen)
            if origin == JSON:
                self._leaves.add(name)
