"""The same work by other packages; what is not installed is left out, and a note says so."""

import asyncio
import json
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pandas as pd
from redis.connection import parse_url

from tests.benchmarks import entries
from tests.benchmarks.workload import Bench, Variant, text_client

PAGE = 1_000
GROUP, NAME, COUNT = "peers", "alice", 100
#: FastStream takes about a millisecond for an entry that comes alone.
SINGLE = 2_000


def reading(bench: Bench, key: str, expected: pd.DataFrame) -> list[Variant]:
    """Read a stream of JSON payloads, page by page, into a frame."""
    same = entries.check_idiom(expected)
    ways: dict[str, tuple[str, Callable[[str, str], Any]]] = {
        "polars": ("redis-py pages, polars.read_ndjson", _polars),
        "glide_sync": ("valkey-glide pages, json.loads, DataFrame", _glide),
        "coredis": ("coredis pages, json.loads, DataFrame", _coredis),
    }

    def variant(name: str, read: Callable[[str, str], Any]) -> Variant:
        def check(frame: Any) -> None:
            same(frame if isinstance(frame, pd.DataFrame) else frame.to_pandas())

        return Variant(name, lambda: read(bench.url, key), check, len(expected), "peer")

    return [variant(*way) for module, way in ways.items() if _is_there(bench, module)]


def consuming(bench: Bench, key: str, count: int) -> list[Variant]:
    """Handle the events of a stream of `count`, in a group, and acknowledge them."""
    found = []
    if _is_there(bench, "walrus"):
        found.append(_consumer(bench, f"walrus read({COUNT}), ack", _walrus, key, count))
    if _is_there(bench, "faststream"):
        for name, run, most in (
            (f"FastStream, batch of {COUNT}", _faststream_batch, count),
            ("FastStream", _faststream, min(SINGLE, count)),
        ):
            own = f"{key}:{run.__name__}"
            with bench.connections() as (conn, _):
                entries.fill(conn, own, most, _faststream_bodies)
            found.append(_consumer(bench, name, run, own, most))
    return found


def _is_there(bench: Bench, module: str) -> bool:
    if find_spec(module) is None:
        bench.note(f"{module} is not installed: it is not compared with")
        return False
    return True


def _polars(url: str, key: str) -> Any:
    import polars

    ids: list[str] = []
    lines: list[str] = []
    start = "-"
    with text_client(url) as client:
        while page := client.xrange(key, start, "+", PAGE):
            ids += [entry_id for entry_id, _ in page]
            lines += [fields["payload"] for _, fields in page]
            start = f"({ids[-1]}"
    frame = polars.read_ndjson("\n".join(lines).encode())
    return frame.with_columns(polars.Series("entry_id", ids))


def _glide(url: str, key: str) -> pd.DataFrame:
    import glide_sync as glide

    options = parse_url(url)
    client = glide.GlideClient.create(
        glide.GlideClientConfiguration(
            [glide.NodeAddress(unix_socket_path=options["path"])],
            credentials=glide.ServerCredentials(options["password"]),
            request_timeout=60_000,
        )
    )
    rows: list[dict[str, Any]] = []
    start: Any = glide.MinId()
    while page := client.xrange(key, start, glide.MaxId(), PAGE):
        rows += [_row(entry_id, body) for entry_id, [[_, body]] in page.items()]
        start = glide.ExclusiveIdBound(rows[-1]["entry_id"])
    client.close()
    return pd.DataFrame(rows)


def _coredis(url: str, key: str) -> pd.DataFrame:
    import coredis

    async def read() -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        start = "-"
        options = parse_url(url)
        path, password = options["path"], options["password"]
        async with coredis.Redis(unix_socket_path=path, password=password) as client:
            while page := await client.xrange(key, start, "+", PAGE):
                rows += [_row(entry.identifier, entry.field_values[b"payload"]) for entry in page]
                start = f"({rows[-1]['entry_id']}"
        return rows

    return pd.DataFrame(asyncio.run(read()))


def _row(entry_id: bytes, payload: bytes) -> dict[str, Any]:
    return {"entry_id": entry_id.decode(), **json.loads(payload)}


def _consumer(
    bench: Bench, name: str, run: Callable[[str, str, int], int], key: str, count: int
) -> Variant:
    def before() -> None:
        with text_client(bench.url) as client:
            client.xgroup_destroy(key, GROUP)
            client.xgroup_create(key, GROUP, "0")

    def check(total: int) -> None:
        assert total == sum(range(count))
        with text_client(bench.url) as client:
            [group] = [each for each in client.xinfo_groups(key) if each["name"] == GROUP]
        assert group["pending"] == 0
        assert group["last-delivered-id"] == f"{entries.FIRST + count - 1}-0"

    return Variant(name, lambda: run(bench.url, key, count), check, count, "peer", before)


def _walrus(url: str, key: str, count: int) -> int:
    import walrus

    options = parse_url(url)
    path, password = options["path"], options["password"]
    total = 0
    with walrus.Database(unix_socket_path=path, password=password, protocol=2) as database:
        stream = database.consumer_group(GROUP, [key], consumer=NAME).streams[key]
        while page := stream.read(count=COUNT):
            for _, fields in page:
                total += json.loads(fields[b"payload"])["id"]
            stream.ack(*[entry_id for entry_id, _ in page])
    return total


def _faststream_bodies(start: int, stop: int) -> list[entries.Body]:
    """Make the events as its own publisher does, so that its handlers get them decoded."""
    return [(b"__data__", payload) for _, payload in entries.json_bodies(start, stop)]


def _faststream(url: str, key: str, count: int, is_batch: bool = False) -> int:
    from faststream.redis import RedisBroker, StreamSub

    async def consume() -> int:
        broker = RedisBroker(url, logger=None)
        done = asyncio.Event()
        rows = total = 0

        async def handle(found: Any) -> None:
            nonlocal rows, total
            for event in found if is_batch else [found]:
                total += event["id"]
                rows += 1
            if rows == count:
                done.set()

        broker.subscriber(
            stream=StreamSub(key, group=GROUP, consumer=NAME, batch=is_batch, max_records=COUNT)
        )(handle)
        await broker.start()
        await done.wait()
        # Waits for the last acknowledgement.
        await broker.stop()
        return total

    return asyncio.run(consume())


def _faststream_batch(url: str, key: str, count: int) -> int:
    return _faststream(url, key, count, is_batch=True)
