"""The JSON objects that wait to be read, and the thread on which Arrow reads them."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import pyarrow as pa

from redisnb.frames.decoding import arrow_json, blocks
from redisnb.frames.decoding.arrow_json import Leaves
from redisnb.frames.decoding.blocks import Block

__all__: list[str] = []

#: How many entries Arrow reads at once, unless they are large.
BLOCK_ENTRIES, BLOCK_BYTES = 10_000, 16 * 1024 * 1024
#: How many entries teach the schema.
SCHEMA_SAMPLE = 200


class JsonQueue:
    """JSON objects in the order in which they came, and the schema by which Arrow reads them.

    Parameters
    ----------
    arrow : bool
        Whether Arrow may read JSON.
    """

    def __init__(self, *, arrow: bool) -> None:
        self._arrow = arrow
        self._schema: pa.Schema | None = None
        self._blocks: list[Block] = []
        self._entries = self._bytes = 0
        self._worker: ThreadPoolExecutor | None = None
        self._reading: Future[list[tuple[Block, Leaves | None]]] | None = None

    @property
    def needs_schema(self) -> bool:
        """Whether Arrow could read these objects if it had their schema."""
        return self._arrow and self._schema is None

    @property
    def uses_arrow(self) -> bool:
        """Whether Arrow reads the next block."""
        return self._arrow and self._schema is not None

    @property
    def has_sample(self) -> bool:
        """Whether as many entries wait as a schema is learned from."""
        return self._entries >= SCHEMA_SAMPLE

    @property
    def is_full(self) -> bool:
        """Whether as much waits as is read at once."""
        return self._entries >= BLOCK_ENTRIES or self._bytes >= BLOCK_BYTES

    def put(self, block: Block) -> None:
        """Add objects."""
        self._blocks.append(block)
        self._entries += len(block.texts)
        self._bytes += sum(map(len, block.texts))

    def take(self) -> Block:
        """Remove and return all objects that wait."""
        block = blocks.join_blocks(self._blocks)
        self._blocks, self._entries, self._bytes = [], 0, 0
        return block

    def learn(self, types: Mapping[tuple[str, ...], pa.DataType | None]) -> None:
        """Learn the schema of objects with these types; without one Arrow reads nothing."""
        self._schema = arrow_json.schema_of(types)
        self._arrow = self._schema is not None

    def submit(self, block: Block) -> None:
        """Have Arrow read a block on the thread while the next entries come."""
        assert self._schema is not None
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, thread_name_prefix="redisnb:json")
        self._reading = self._worker.submit(arrow_json.read_parts, block, self._schema)

    def results(self) -> list[tuple[Block, Leaves | None]]:
        """Wait for the submitted block; return its parts, with None where Arrow refused one."""
        if self._reading is None:
            return []
        parts = self._reading.result()
        self._reading = None
        self._arrow = sum(leaves is None for _, leaves in parts) <= arrow_json.MOST_REFUSED
        return parts

    def close(self) -> None:
        """End the thread, if there is one."""
        if self._worker is not None:
            self._worker.shutdown(cancel_futures=True)
