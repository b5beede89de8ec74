"""The same work on ten, a hundred, a thousand times as much: it should stay in proportion."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import cycle, islice
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

import redisnb
from tests.benchmarks import entries, keyspace
from tests.benchmarks.ranges import checksum
from tests.benchmarks.workload import Bench, Variant, Workload

SIZES = (10**4, 10**5, 10**6)


def growth_json(bench: Bench) -> Any:
    """Read JSON payloads."""
    return _growth(bench, lambda conn, size: _range(conn, size, "JSON", entries.json_bodies))


def growth_flat(bench: Bench) -> Any:
    """Read entries of four fields."""
    return _growth(bench, lambda conn, size: _range(conn, size, "flat", entries.flat_bodies))


def growth_add(bench: Bench) -> Any:
    """Publish the same few events over and over, which take no memory worth speaking of."""
    return _growth(bench, _add)


def growth_keys(bench: Bench) -> Any:
    """List keys."""
    return _growth(bench, _keys)


@contextmanager
def _growth(bench: Bench, make: Callable[[redisnb.Connection, int], Variant]) -> Iterator[Workload]:
    """Run one variant on each size, up to the length that was asked for."""
    sizes = [*(size for size in SIZES if size < bench.entries), bench.entries]
    with ExitStack() as stack:
        variants = []
        for db, size in enumerate(sizes):
            # A database for each, since SCAN goes over all keys of one.
            url = urlsplit(bench.url)._replace(query=f"db={db}").geturl()
            variants.append(make(stack.enter_context(redisnb.connect(url)), size))
        yield Workload(variants)


def _range(
    conn: redisnb.Connection, size: int, name: str, bodies: Callable[[int, int], Any]
) -> Variant:
    stream = entries.fill(conn, "events", size, bodies)

    def check(frame: pd.DataFrame) -> None:
        assert (len(frame), frame["id"].sum()) == (size, checksum(size))

    return Variant(f"Stream.range, {name}", lambda: stream.range(limit=None), check, size)


def _add(conn: redisnb.Connection, size: int) -> Variant:
    stream = redisnb.Stream(conn, "published")
    few = entries.events(0, min(size, SIZES[0]))

    def check(added: pd.DataFrame) -> None:
        assert added["status"].eq("added").all()
        assert len(added) == len(stream) == size

    return Variant(
        "Stream.add_many(iterator)",
        lambda: stream.add_many(islice(cycle(few), size)),
        check,
        size,
        before=lambda: conn.client.delete("published"),
    )


def _keys(conn: redisnb.Connection, size: int) -> Variant:
    keyspace.fill(conn, size, keyspace.string)

    def check(frame: pd.DataFrame) -> None:
        assert frame["key"].nunique() == len(frame) == size

    return Variant(
        "keys(sizes=True)", lambda: redisnb.keys(conn, sizes=True, limit=None), check, size
    )
