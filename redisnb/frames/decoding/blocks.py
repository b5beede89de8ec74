"""The entries of a page by how they are read, and blocks of JSON texts to be read at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from itertools import chain, compress, pairwise
from operator import itemgetter
from typing import NamedTuple

from redisnb.entries import BEGINS_OBJECT, Fields, Layout, as_text

__all__: list[str] = []

#: The first and the last byte of a JSON object.
OBJECT = b"{}"
#: How many sets of names are remembered.
MOST_SHAPES = 1_000


class Carrier(NamedTuple):
    """The name of the field that carries an object, and its place among the fields."""

    name: bytes
    place: int


class Shape(NamedTuple):
    """The field with the object in entries with the same names, and the fields beside it."""

    carrier: Carrier
    beside: frozenset[str]


class Block(NamedTuple):
    """Texts that look like JSON objects, the fields that carry them, and their rows."""

    texts: list[bytes]
    carriers: list[Carrier]
    rows: Sequence[int]


class Shapes:
    """The shapes of entries, remembered by the names of their fields.

    Parameters
    ----------
    layout : Layout
    taken : set
        Names that no field beside an object may have, or each entry has to be looked at.
    """

    def __init__(self, layout: Layout, taken: Set[str]) -> None:
        self._layout, self._taken = layout, taken
        self._known: dict[tuple[bytes, ...], Shape | None] = {}

    def find(self, names: tuple[bytes, ...]) -> Shape | None:
        """Return the shape of entries with these fields, or None if their names do not tell it."""
        if names not in self._known:
            if len(self._known) >= MOST_SHAPES:
                self._known.clear()
            self._known[names] = self._look(names)
        return self._known[names]

    def _look(self, names: tuple[bytes, ...]) -> Shape | None:
        carrier, distinct = self._layout.carrier(names), {*names}
        if carrier not in distinct or len(distinct) < len(names):
            return None
        beside = frozenset(as_text(name) for name in names if name != carrier)
        if not self._taken.isdisjoint(beside) or not distinct.isdisjoint(self._layout.json):
            return None
        return Shape(Carrier(carrier, names.index(carrier)), beside)


class Roads(NamedTuple):
    """The entries of a page by how they are read.

    Attributes
    ----------
    blocks : list of Block
        Those that seem to have a JSON object.
    beside : list of (row, fields)
        The fields beside it, if there are any.
    names : set of str
        All the names of these fields.
    flat, others : list of int
        The places of those that are only fields, and of those that need a closer look.
    odd : int
        How many of the flat ones are odd.
    """

    blocks: list[Block]
    beside: list[tuple[int, Fields]]
    names: set[str]
    flat: list[int]
    others: list[int]
    odd: int


def sort_entries(
    bodies: Sequence[Fields | None],
    rows: Sequence[int],
    layout: Layout,
    find: Callable[[tuple[bytes, ...]], Shape | None],
) -> Roads:
    """Sort the entries of a page; `find` is that of `Shapes`, or a stricter one."""
    if not layout.carries and not layout.json:
        return Roads([], [], set(), [i for i, fields in enumerate(bodies) if fields], [], 0)
    whole, rest = _take_out_alone(bodies, rows, layout)
    field, is_simple = layout.field, layout.carries and not layout.json
    texts, carriers, block_rows = list[bytes](), list[Carrier](), list[int]()
    beside, names = list[tuple[int, Fields]](), set[str]()
    flat, others, odd = list[int](), list[int](), 0
    for i in rest:
        fields = bodies[i]
        if not fields:
            continue
        present = fields[::2]
        # The result of `is_flat` in a fifth of the time.
        is_flat = field not in present and (len(present) > 1 or layout.format != "auto")
        if is_flat if is_simple else layout.is_flat(present):
            flat.append(i)
            continue
        shape = find(tuple(present))
        if shape is None:
            others.append(i)
            continue
        at = 2 * shape.carrier.place
        text = fields[at + 1]
        if text[:1] + text[-1:] == OBJECT:
            texts.append(text)
            carriers.append(shape.carrier)
            block_rows.append(rows[i])
            if shape.beside:
                names |= shape.beside
                beside.append((rows[i], [*fields[:at], *fields[at + 2 :]]))
        elif text[:1] in BEGINS_OBJECT:
            others.append(i)
        else:
            odd += shape.carrier.name == field
            flat.append(i)
    blocks = [block for block in (whole, Block(texts, carriers, block_rows)) if block.texts]
    return Roads(blocks, beside, names, flat, others, odd)


def _take_out_alone(
    bodies: Sequence[Fields | None], rows: Sequence[int], layout: Layout
) -> tuple[Block, Sequence[int]]:
    """Return the entries that `add` writes, which most are, and the places of the others."""
    if not layout.carries:
        return Block([], [], []), range(len(bodies))
    field = layout.field
    if all(bodies) and set(map(len, bodies)) == {2}:  # type: ignore[arg-type]
        texts = [fields[1] for fields in bodies]  # type: ignore[index]
        is_one = [fields[0] for fields in bodies].count(field) == len(bodies)  # type: ignore[index]
        if is_one and are_objects(texts):
            return Block(texts, [Carrier(field, 0)] * len(texts), rows), []
    is_whole = [
        bool(fields)
        and len(fields) == 2  # type: ignore[arg-type]
        and fields[0] == field  # type: ignore[index]
        and fields[1][:1] == b"{"  # type: ignore[index]
        and fields[1][-1:] == b"}"  # type: ignore[index]
        for fields in bodies
    ]
    texts = [fields[1] for fields in compress(bodies, is_whole)]  # type: ignore[index]
    block = Block(texts, [Carrier(field, 0)] * len(texts), list(compress(rows, is_whole)))
    return block, [i for i, each in enumerate(is_whole) if not each]


def are_objects(texts: Sequence[bytes]) -> bool:
    """Return whether all texts begin and end as JSON objects do."""
    # By its number: a slice would make a bytes object of each byte.
    try:
        return {*map(itemgetter(0), texts)} == {OBJECT[0]} and (
            {*map(itemgetter(-1), texts)} == {OBJECT[-1]}
        )
    except IndexError:
        return False


def block_bodies(block: Block) -> list[Fields]:
    """Return entries with these texts in their carrying fields and no other fields."""
    return [(name, text) for (name, _), text in zip(block.carriers, block.texts, strict=True)]


def join_blocks(blocks: Sequence[Block]) -> Block:
    """Return blocks as one."""
    if len(blocks) == 1:
        return blocks[0]
    rows: Sequence[int] = list(chain.from_iterable(block.rows for block in blocks))
    ranges = [block.rows for block in blocks if isinstance(block.rows, range)]
    if len(ranges) == len(blocks) and all(a.stop == b.start for a, b in pairwise(ranges)):
        rows = range(ranges[0].start, ranges[-1].stop) if ranges else range(0)
    return Block(
        list(chain.from_iterable(block.texts for block in blocks)),
        list(chain.from_iterable(block.carriers for block in blocks)),
        rows,
    )


def select_block(block: Block, mask: Sequence[bool]) -> Block:
    """Return the entries that a mask chooses."""
    texts, carriers, rows = block
    return Block(
        list(compress(texts, mask)), list(compress(carriers, mask)), list(compress(rows, mask))
    )


def slice_block(block: Block, start: int, end: int) -> Block:
    """Return some entries of a block."""
    return Block(block.texts[start:end], block.carriers[start:end], block.rows[start:end])


def carrier_names(carriers: Sequence[Carrier]) -> set[bytes]:
    """Return the names of the fields."""
    # Mostly they are all the same, which count() finds fast.
    first = carriers[:1]
    is_one = carriers.count(*first) == len(carriers) if first else True
    return {carrier.name for carrier in (first if is_one else carriers)}
