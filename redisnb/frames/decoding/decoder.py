"""Many entries to columns, close to the speed of the wire.

`columns.spread` defines the result, slowly and obviously; this module returns the same for every
input. Each entry takes the fastest road that reads it exactly. Fields leave the reply by column and
become Arrow arrays page by page. JSON objects go to Arrow's reader in blocks, on a thread of its
own, with a schema that the first entries teach; what Arrow refuses, or would not read exactly, is
read by Python, column by column. Any other entry, also one that is both, takes the slow road, entry
by entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple

import pyarrow as pa

from redisnb.entries import Fields, Layout, as_text, load_objects
from redisnb.frames.decoding import arrays, blocks, columns, json_queue, objects
from redisnb.frames.decoding.arrays import ColumnPart, InexactError
from redisnb.frames.decoding.arrow_json import Leaves
from redisnb.frames.decoding.blocks import Block, Carrier, Shape, Shapes, sort_entries
from redisnb.frames.decoding.column_parts import ColumnParts
from redisnb.frames.decoding.columns import ENTRY_FIELD, FIELD, JSON, Make
from redisnb.frames.decoding.json_queue import JsonQueue

__all__ = ["DecodeAgain", "Decoded", "Decoder"]

#: The place in an entry of the first field beside its JSON object: behind all its members.
BESIDE = 1 << 20


class DecodeAgain(Exception):  # noqa: N818 - nothing is wrong
    """All entries have to be fed again, to `decoder`, because of one that came late."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder


class Decoded(NamedTuple):
    """The entries' IDs, their columns, the IDs without a body, and the number of odd entries."""

    entry_ids: pa.ChunkedArray
    columns: dict[Any, Any]
    trimmed: list[bytes]
    odd: int


class Decoder:
    """Pages of entries on their way to columns.

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
        taken = tuple(taken)
        self._new = partial(Decoder, layout, make, only=only, taken=taken)
        self._coded, self._layout = layout, layout.plain
        self._make, self._only = make, only
        # Without Arrow, every value that is read as a float was written as one.
        self._exact, self._met = not arrow, met
        self._ids: list[ColumnPart] = []
        self._trimmed: list[bytes] = []
        self._rows = self._odd = 0
        self._carriers: list[tuple[Sequence[int], list[Carrier]]] = []
        self._columns = ColumnParts(columns.RESERVED.union(taken))
        self._shapes = Shapes(self._layout, self._columns.reserved | met)
        self._json = JsonQueue(arrow=arrow)

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
        if self._json.needs_schema and self._json.has_sample:
            self._json.put(self._teach(self._json.take()))
        if self._json.is_full:
            self._send()
        block = json_queue.BLOCK_ENTRIES
        if rows.start // block < rows.stop // block:
            arrays.merge(self._ids)
            self._columns.merge()

    def _feed_coded(self, bodies: Sequence[Fields | None], rows: range) -> None:
        """Take a page of coded payloads; entries that cannot be decoded take the slow road."""
        decoded = [self._coded.decoded(fields or ()) for fields in bodies]
        self._feed_bodies([fields or () for fields in decoded], rows)
        unread = [i for i, fields in enumerate(decoded) if fields is None]
        self._take_entries([bodies[i] for i in unread], [rows[i] for i in unread], self._coded)

    def _feed_bodies(self, bodies: Sequence[Fields | None], rows: range) -> None:
        if self._layout.format == "raw":
            self._take_entries(bodies, rows)
        elif not self._feed_alike(bodies, rows):
            self._feed_unlike(bodies, rows)

    def finish(self) -> Decoded:
        """Return all that was fed.

        Raises
        ------
        DecodeAgain
            If a column turned out to need a closer look at its numbers, or at its names.
        DecodeError
            As for `columns.spread`.
        """
        self._send()
        self._take_results()
        # Memory that a thread has freed is of use to others once it has ended.
        self.close()
        self._release()
        if met := self._columns.member_names & self._columns.beside_names:
            raise DecodeAgain(self._new(arrow=not self._exact, met=self._met | met))
        arrays_by_name = self._carrier_column()
        try:
            for name in self._columns.ordered_names():
                # Popped, so that a column is not in memory twice for longer than it takes.
                parts = self._columns.pop(name)
                infer = partial(arrays.join, parts, self._rows, exact=self._exact)
                if self._only is None or name in self._only:
                    arrays_by_name[name] = self._make(name, infer)
                del parts, infer
                self._release()
        except InexactError:
            raise DecodeAgain(self._new(arrow=False, met=self._met)) from None
        columns.warn_of_renamed(self._columns.renamed)
        entry_ids = pa.chunked_array([ids for _, _, ids in self._ids], pa.binary())
        return Decoded(entry_ids, arrays_by_name, self._trimmed, self._odd)

    def _release(self) -> None:
        """Return to the system what Arrow keeps for later; for a small frame it is not worth it."""
        if self._rows > json_queue.BLOCK_ENTRIES:
            pa.default_memory_pool().release_unused()

    def close(self) -> None:
        """End the thread that reads JSON, if there is one."""
        self._json.close()

    def _carrier_column(self) -> dict[Any, Any]:
        is_named = self._only is not None and ENTRY_FIELD in self._only
        own = self._layout.field
        others = any(blocks.carrier_names(carriers) - {own} for _, carriers in self._carriers)
        if not is_named and (not others or self._only is not None):
            return {}
        whole: list[bytes | None] = [None] * self._rows
        for rows, carriers in self._carriers:
            for row, carrier in zip(rows, carriers, strict=True):
                whole[row] = carrier.name
        return {ENTRY_FIELD: columns.carrier_column(whole)}

    # -- which road

    def _feed_alike(self, bodies: Sequence[Fields | None], rows: range) -> bool:
        """Take a page of entries that all have the same fields; return whether it is one."""
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
            self._json.put(Block(texts, [shape.carrier] * len(texts), rows))
            self._columns.beside_names |= shape.beside
            plain[shape.carrier.place] = None
            first_place = BESIDE
        elif columns.may_collide(plain, self._columns.reserved):  # type: ignore[arg-type]
            return False
        for place, (name, values) in enumerate(zip(plain, parts[1::2], strict=True), first_place):
            if name is not None:
                part = FIELD, rows, pa.array(values, pa.binary())
                self._columns.add(self._columns.name(name), part, (rows.start, place))
        return True

    def _shape(self, names: tuple[bytes, ...]) -> Shape | None:
        shape = self._shapes.find(names)
        is_met = shape is not None and not self._columns.member_names.isdisjoint(shape.beside)
        return None if is_met else shape

    def _feed_unlike(self, bodies: Sequence[Fields | None], rows: range) -> None:
        """Take a page entry by entry, each by its own road."""
        roads = sort_entries(bodies, rows, self._layout, self._shape)
        self._odd += roads.odd
        self._columns.beside_names |= roads.names
        for block in roads.blocks:
            self._json.put(block)
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
        columns_by_name, places, repeated = objects.field_columns(bodies)
        rows = arrays.pack_rows(rows)
        plain = {name: as_text(name) for name in columns_by_name}
        if columns.may_collide([*plain.values()], self._columns.reserved):
            self._take_entries(bodies, rows)
            return
        for name, values in columns_by_name.items():
            texts = (
                list(map(objects.text_or_texts, values))
                if name in repeated
                else pa.array(values, pa.binary())
            )
            i, place = places[name]
            part = FIELD, rows, texts
            self._columns.add(self._columns.name(plain[name]), part, (rows[i], first_place + place))

    # -- JSON

    def _send(self) -> None:
        """Have Arrow read the objects that wait while the next ones come."""
        block = self._json.take()
        if block.texts and self._json.needs_schema:
            block = self._teach(block)
        self._take_results()
        if not block.texts:
            return
        if self._json.uses_arrow:
            self._json.submit(block)
        else:
            self._take_objects(block)

    def _teach(self, block: Block) -> Block:
        """Learn the schema from the first entries of a block; return the others."""
        sample = json_queue.SCHEMA_SAMPLE
        self._take_objects(blocks.slice_block(block, 0, sample), learn=True)
        return blocks.slice_block(block, sample, len(block.texts))

    def _take_results(self) -> None:
        """Take what Arrow has read; Python reads what it refused."""
        for block, leaves in self._json.results():
            if leaves is None:
                self._take_objects(block)
            else:
                self._take_leaves(leaves, block)

    def _take_leaves(self, leaves: Leaves, block: Block) -> None:
        rows = arrays.pack_rows(block.rows)
        self._carriers.append((rows, block.carriers))
        for path, values in leaves:
            # The entries that taught the schema have added the column.
            self._columns.append(self._columns.name(".".join(path)), (JSON, rows, values))

    def _take_objects(self, block: Block, *, learn: bool = False) -> None:
        """Have Python read JSON texts, column by column."""
        read = load_objects(block.texts)
        if None in read:
            wrong = blocks.select_block(block, [each is None for each in read])
            # Among the fields beside it, if there are any.
            starts = [BESIDE + carrier.place - 0.5 for carrier in wrong.carriers]
            self._take_entries(blocks.block_bodies(wrong), wrong.rows, starts=starts)
            block = blocks.select_block(block, [each is not None for each in read])
        present = [each for each in read if each is not None]
        members = list(objects.member_columns(present))
        plain = [".".join(path) for path, _, _ in members]
        if columns.may_collide(plain, self._columns.reserved) or any(
            len(path) > objects.DEEPEST for path, _, _ in members
        ):
            self._take_entries(blocks.block_bodies(block), block.rows)
            return
        self._carriers.append((block.rows, block.carriers))
        places = objects.first_places(present, members)
        types: dict[tuple[str, ...], pa.DataType | None] = {}
        for (path, _, values), text, (i, place) in zip(members, plain, places, strict=True):
            name = self._columns.name(text)
            array = objects.array_or_list(JSON, values)
            self._columns.add(name, (JSON, block.rows, array), (block.rows[i], place))
            self._columns.member_names.add(name)
            types[path] = getattr(array, "type", None)
        if learn:
            self._json.learn(types)

    # -- the slow road

    def _take_entries(
        self,
        bodies: Sequence[Fields | None],
        rows: Sequence[int],
        layout: Layout | None = None,
        starts: Iterable[float] = repeat(0),
    ) -> None:
        values: dict[tuple[str, str], tuple[list[int], list[Any], tuple[int, float]]] = {}
        reserved = self._columns.reserved
        for row, fields, start in zip(rows, bodies, starts, strict=False):
            reading = columns.read_entry(fields, layout or self._layout, reserved)
            self._odd += reading.parts.odd
            self._columns.renamed |= reading.renamed
            if reading.parts.carrier is not None:
                self._carriers.append(([row], [Carrier(reading.parts.carrier, 0)]))
            for place, (name, origin, value) in enumerate(reading.cells):
                column = values.setdefault((name, origin), ([], [], (row, start + place)))
                column[0].append(row)
                column[1].append(value)
        for (name, origin), (places, cells, first) in values.items():
            part = origin, places, objects.array_or_list(origin, cells)
            self._columns.add(name, part, first)
            if origin == JSON:
                self._columns.member_names.add(name)
