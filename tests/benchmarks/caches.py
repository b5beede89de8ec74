"""Frames in a cache."""

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import redis

import redisnb
from tests.benchmarks import entries, figures
from tests.benchmarks.workload import Bench, Variant, Workload


@contextmanager
def cache_set(bench: Bench) -> Iterator[Workload]:
    """Store a frame of text and some numbers."""
    frame = _frame(bench.entries)
    same = entries.check(frame)
    with _own_database(bench) as (conn, client):
        cache = redisnb.Cache(conn)

        def variant(
            name: str,
            run: Callable[[], Any],
            found: Callable[[], Any],
            role: str,
            targets: tuple[figures.Target, ...] = (),
        ) -> Variant:
            return Variant(
                name,
                run,
                lambda _: same(found()),
                bench.entries,
                role=role,
                before=client.flushdb,
                size=lambda: _stored(client),
                targets=targets,
            )

        yield Workload(
            [
                variant(
                    "Cache.set",
                    lambda: cache.set("frame", frame),
                    lambda: cache.get("frame"),
                    "ours",
                    (figures.idiom(3), figures.size_of_idiom(1)),
                ),
                variant(
                    "redis-py set, pickle.dumps",
                    lambda: client.set("pickle", pickle.dumps(frame)),
                    lambda: pickle.loads(client.get("pickle")),
                    "idiom",
                ),
            ]
        )


@contextmanager
def cache_get(bench: Bench) -> Iterator[Workload]:
    """Get the same frame back."""
    frame = _frame(bench.entries)
    same = entries.check(frame)
    with _own_database(bench) as (conn, client):
        cache = redisnb.Cache(conn)
        cache.set("frame", frame)
        client.set("pickle", pickle.dumps(frame))
        yield Workload(
            [
                Variant(
                    "Cache.get",
                    lambda: cache.get("frame"),
                    same,
                    bench.entries,
                    targets=(figures.idiom(3),),
                ),
                Variant(
                    "redis-py get, pickle.loads",
                    lambda: pickle.loads(client.get("pickle")),
                    same,
                    bench.entries,
                    role="idiom",
                ),
            ]
        )


def _frame(n: int) -> pd.DataFrame:
    """Make six columns of text, one of which hardly compresses, two of numbers and a time index."""
    frame = entries.json_frame(n).drop(columns=["user.id"])
    noise = np.random.default_rng(seed=7).bytes(8 * n).hex()
    tokens = [noise[start : start + 16] for start in range(0, 16 * n, 16)]
    return frame.assign(token=pd.array(tokens, dtype="str"))


@contextmanager
def _own_database(bench: Bench) -> Iterator[tuple[redisnb.Connection, Any]]:
    """Use a database of its own, where all that is stored belongs to one value."""
    url = urlsplit(bench.url)._replace(query="db=1").geturl()
    with (
        redisnb.connect(url) as conn,
        redis.Redis.from_url(url, socket_timeout=60) as client,
    ):
        yield conn, client


def _stored(client: redis.Redis) -> int:
    size = sum(client.memory_usage(key, samples=0) or 0 for key in client.scan_iter())
    assert size, "nothing was stored"
    return size
