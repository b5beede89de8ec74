"""Listing keys, the values under them, streams and groups as frames."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pandas as pd
import redis

import redisnb
from tests.benchmarks import entries, figures
from tests.benchmarks.workload import Bench, LeftOut, Variant, Workload

KEYS, HASHES, STREAMS = 200_000, 100_000, 1_000
PIPELINE = 1_000
CITIES = ("Lyon", "Köln", "Austin", "Osaka")


@contextmanager
def keys(bench: Bench) -> Iterator[Workload]:
    """List strings with their type, expiry, size and encoding; every second one expires."""
    count = bench.at_most(KEYS)

    def check(frame: pd.DataFrame) -> None:
        assert len(frame) == count
        assert set(frame["key"]) == {f"user:{i}" for i in range(count)}
        assert frame["type"].eq("string").all()
        assert frame["encoding"].eq("embstr").all()
        assert (frame["size"] > 0).all()

    def check_ours(frame: pd.DataFrame) -> None:
        check(frame)
        assert frame["ttl"].notna().sum() == frame["expires_at"].notna().sum() == count // 2

    with bench.connections() as (conn, client):
        fill(conn, count, string)
        yield Workload(
            [
                Variant(
                    "keys(sizes=True, limit=None)",
                    lambda: redisnb.keys(conn, "user:*", sizes=True, limit=None),
                    check_ours,
                    count,
                    targets=(figures.idiom(4.5),),
                ),
                Variant(
                    f"redis-py scan_iter, pipeline of {PIPELINE:,} keys, DataFrame",
                    lambda: keys_idiom(client),
                    check,
                    count,
                    role="idiom",
                ),
            ]
        )


def keys_idiom(client: redis.Redis) -> pd.DataFrame:
    """List keys as people do without redisnb."""
    found = list(client.scan_iter("user:*", count=PIPELINE))
    rows: list[list[Any]] = []
    pipe = client.pipeline(transaction=False)
    for start in range(0, len(found), PIPELINE):
        part = found[start : start + PIPELINE]
        for key in part:
            pipe.type(key)
            pipe.pttl(key)
            pipe.memory_usage(key)
            pipe.object("ENCODING", key)
        replies = pipe.execute()
        rows += [[key, *replies[4 * i : 4 * i + 4]] for i, key in enumerate(part)]
    return pd.DataFrame(rows, columns=["key", "type", "ttl", "size", "encoding"])


@contextmanager
def values(bench: Bench) -> Iterator[Workload]:
    """Read hashes of ten fields into one frame."""
    if not hasattr(redisnb, "values"):
        raise LeftOut("redisnb has no values() yet")
    count = bench.at_most(HASHES)

    def check(frame: pd.DataFrame) -> None:
        assert len(frame) == count
        assert frame["visits"].astype("int64").sum() == sum(range(count))
        assert sorted(frame["email"]) == sorted(f"c{i}@example.org" for i in range(count))
        assert frame["city"].value_counts().to_dict() == {
            city: len(range(first, count, 4)) for first, city in enumerate(CITIES)
        }

    def check_ours(frame: pd.DataFrame) -> None:
        check(frame)
        assert frame["visits"].dtype == "int64"
        assert frame["balance"].dtype == "float64"

    with bench.connections() as (conn, client):
        fill(conn, count, _hash)
        yield Workload(
            [
                Variant(
                    "values()",
                    lambda: redisnb.values(conn, "customer:*"),
                    check_ours,
                    count,
                    targets=(figures.idiom(2.7),),
                ),
                Variant(
                    f"redis-py scan_iter, pipeline of {PIPELINE:,} hgetall, DataFrame",
                    lambda: values_idiom(client),
                    check,
                    count,
                    role="idiom",
                ),
            ]
        )


def values_idiom(client: redis.Redis) -> pd.DataFrame:
    """Read hashes as people do without redisnb; all columns are text."""
    found = list(client.scan_iter("customer:*", count=PIPELINE))
    rows: list[dict[str, str]] = []
    pipe = client.pipeline(transaction=False)
    for start in range(0, len(found), PIPELINE):
        part = found[start : start + PIPELINE]
        for key in part:
            pipe.hgetall(key)
        rows += [{"key": key, **row} for key, row in zip(part, pipe.execute(), strict=True)]
    return pd.DataFrame(rows)


@contextmanager
def streams(bench: Bench) -> Iterator[Workload]:
    """List streams with two groups each, of which every second one has pending entries."""
    count = bench.at_most(STREAMS)

    def check(frame: pd.DataFrame) -> None:
        assert len(frame) == count
        assert frame["length"].eq(20).all()
        assert frame["pending"].sum() == 20 * (count // 2)

    def check_groups(frame: pd.DataFrame) -> None:
        assert len(frame) == 2 * count
        assert frame["lag"].sum() == 40 * count - 20 * (count // 2)
        assert frame["longest_idle"].notna().sum() == 2 * (count // 2)

    with bench.connections() as (conn, client):
        for i in range(count):
            entries.send(conn, _stream(i))
        yield Workload(
            [
                Variant("streams()", lambda: redisnb.streams(conn), check, count),
                Variant("groups()", lambda: redisnb.groups(conn), check_groups, count),
                Variant(
                    f"redis-py scan_iter, pipeline of {PIPELINE:,} streams, DataFrame",
                    lambda: streams_idiom(client),
                    check,
                    count,
                    role="idiom",
                ),
            ]
        )


def streams_idiom(client: redis.Redis) -> pd.DataFrame:
    """List streams as people do without redisnb; the age of what is pending is left out."""
    found = sorted(client.scan_iter(_type="stream", count=PIPELINE))
    rows: list[dict[str, Any]] = []
    pipe = client.pipeline(transaction=False)
    for start in range(0, len(found), PIPELINE):
        part = found[start : start + PIPELINE]
        for key in part:
            pipe.xinfo_stream(key)
            pipe.xinfo_groups(key)
            pipe.memory_usage(key)
            pipe.xlen(f"{key}:dead")
            pipe.xrevrange(key, count=50)
        replies = pipe.execute()
        for key, (info, groups, size, dead, newest) in zip(
            part, zip(*[iter(replies)] * 5, strict=True), strict=True
        ):
            rows.append(
                {
                    "stream": key,
                    "length": info["length"],
                    "last_id": info["last-generated-id"],
                    "size": size,
                    "rate": rate_idiom([id for id, _ in newest]),
                    "lag": max(group["lag"] for group in groups),
                    "pending": sum(group["pending"] for group in groups),
                    "dead_letters": dead,
                }
            )
    return pd.DataFrame(rows)


def rate_idiom(ids: Sequence[str]) -> float:
    """Return the entries per second of the last ones, until now."""
    first = int(ids[-1].partition("-")[0])
    return (len(ids) - 1) / max(time.time() - first / 1000, 0.001)


def _stream(i: int) -> list[tuple[Any, ...]]:
    key = f"orders:{i}"
    added = [("XADD", key, "*", "payload", f'{{"n":{n},"item":"tea"}}') for n in range(20)]
    made = [("XGROUP", "CREATE", key, name, "0") for name in ("billing", "mail")]
    read = [
        ("XREADGROUP", "GROUP", name, "ann", "COUNT", n, "STREAMS", key, ">")
        for name, n in (("billing", 5), ("mail", 15))
    ]
    return [*added, *made, *(read if i % 2 else ())]


def string(i: int) -> tuple[Any, ...]:
    expiry = ("EX", 3600 + i) if i % 2 else ()
    return ("SET", f"user:{i}", f"v{i}", *expiry)


def _hash(i: int) -> tuple[Any, ...]:
    return (
        *("HSET", f"customer:{i}", "name", f"Customer {i}", "email", f"c{i}@example.org"),
        *("city", CITIES[i % 4], "country", entries.COUNTRIES[i % 4], "age", str(18 + i % 70)),
        *("balance", repr(i / 7), "visits", str(i), "score", repr(i % 100 + 0.5)),
        *("active", "yes" if i % 3 else "no", "joined", f"2024-01-{i % 28 + 1:02}"),
    )


def fill(conn: redisnb.Connection, count: int, command: Callable[[int], Sequence[Any]]) -> None:
    """Make keys, each by one command."""
    for start in range(0, count, entries.BATCH):
        stop = min(start + entries.BATCH, count)
        entries.send(conn, map(command, range(start, stop)))
