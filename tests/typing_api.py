"""What a type checker infers for the public names; mypy reads this file, nothing runs it."""

from collections.abc import AsyncIterator, Iterator
from typing import Any, assert_type

import pandas as pd
from matplotlib.axes import Axes

import redisnb as rnb

conn = rnb.connect("redis://localhost:6379/0", timeout="2s", password="secret")
assert_type(conn, rnb.Connection)
assert_type(rnb.connect(conn, read_only=True).read_only, bool)
assert_type(rnb.ReadOnlyError("no", command="XADD").command, str | None)
assert_type(rnb.keys(conn, "user:*", sizes=True), pd.DataFrame)
assert_type(rnb.streams(conn), pd.DataFrame)
assert_type(rnb.groups(conn, "orders*"), pd.DataFrame)
assert_type(rnb.tree(conn, sep="/", depth=2, sample=None, limit=None), pd.DataFrame)
assert_type(rnb.keys(conn, sample=1_000), pd.DataFrame)
assert_type(rnb.values(conn, sample=1_000), pd.DataFrame)
assert_type(rnb.preview(conn, b"user:1", limit=10), pd.DataFrame)
assert_type(conn["user:1"], pd.DataFrame)
assert_type("user:1" in conn, bool)
assert_type(rnb.values(conn, "user:*", types={"age": "int64"}), pd.DataFrame)
assert_type(rnb.doctor(conn, timeout="2s"), pd.DataFrame)
assert_type(rnb.info(conn, "memory"), pd.DataFrame)
assert_type(rnb.clients(conn), pd.DataFrame)
assert_type(rnb.command(conn, "XRANGE orders - +"), Any)
assert_type(rnb.command(conn, ["SET", b"a", 1, 2.5, rnb.EntryId("1-0")], raw=True), Any)
assert_type(rnb.slowlog(conn, limit=None), pd.DataFrame)
assert_type(rnb.watch(conn, "orders*", every="500ms", duration=10), pd.DataFrame)
assert_type(rnb.plots.lag(rnb.watch(conn)), Axes)
assert_type(rnb.plots.sizes(rnb.tree(conn), ax=rnb.plots.ttl(rnb.keys(conn))), Axes)

stream = rnb.Stream(conn, "orders", format="json")
assert_type(stream.add({"item": "tea"}), rnb.EntryId)
assert_type(stream.add({"item": "tea"}, create=False), rnb.EntryId | None)
assert_type(stream[1_700_000_000_000], rnb.Entry)
assert_type(stream["10:30":], pd.DataFrame)
assert_type("-5min" in stream, bool)
assert_type(stream.trim(maxlen=10, only="acked", dry_run=True), int)
assert_type(stream.full(), dict[str, pd.DataFrame])
assert_type(stream.add_many([{"item": "tea"}]), pd.DataFrame)
assert_type(stream.range("-5min", where={"item": "tea"}, types={"amount": "float64"}), pd.DataFrame)
assert_type(stream.profile("-1d", sample=1_000), pd.DataFrame)
rnb.dask.read_stream("orders", partitions=64, schema={"amount": "Float64"}, env="ORDERS_URL")
assert_type(stream.frames(), Iterator[pd.DataFrame])
assert_type(stream.histogram("1h", "-7d", exact=True), pd.DataFrame)
assert_type(stream.partitions(4, start="-1h"), pd.DataFrame)
assert_type(stream.follow(timeout=1.5), Iterator[rnb.Entry])
assert_type(stream.afollow(), AsyncIterator[rnb.Entry])
assert_type(len(stream), int)

assert_type(rnb.capture(stream, "orders.parquet", start="-1h"), pd.DataFrame)
assert_type(rnb.capture([stream], "orders", rows=1000, follow=True), pd.DataFrame)
assert_type(rnb.capture(stream, "orders", partitions=4), pd.DataFrame)
assert_type(rnb.capture(conn, "orders.jsonl", match="orders:*"), pd.DataFrame)
assert_type(rnb.load("orders.parquet", columns=["item"]), pd.DataFrame)

group = rnb.ConsumerGroup(stream, "workers", consumer="ann")
assert_type(group.create("all"), bool)
assert_type(group.read(10, block="1s"), pd.DataFrame)
assert_type(group.ack(group.pending()), int)
assert_type(group.why(), pd.DataFrame)
assert_type(group.bury(group.pending(), min_idle="5min", error="no such item"), pd.DataFrame)


def handle(entry: rnb.Entry) -> None:
    assert_type(entry.id, rnb.EntryId)


with rnb.Consumer(group, handle) as consumer:
    assert_type(consumer, rnb.Consumer)
    assert_type(consumer.stats, dict[str, int])
assert_type(rnb.Consumer(group, handle, after="pending").errors(), pd.DataFrame)

assert_type(rnb.replay(stream, conn, speed=10), rnb.Report)
assert_type(rnb.replay(["a.parquet", stream], stream, resume="r"), rnb.Report)
assert_type(rnb.replay(pd.DataFrame(), {"a": stream}, dry_run=True), pd.DataFrame)
assert_type(rnb.Replay(stream, stream).start(), rnb.Replay)
rnb.Replay(stream, stream).step(2)
# What is no option, or no value of one: without an error here the comment would be one.
rnb.replay(stream, conn, sped=10)  # type: ignore[call-overload]
rnb.replay(stream, conn, ids="old")  # type: ignore[call-overload]
rnb.Replay(stream, stream, sped=10)  # type: ignore[call-arg]
rnb.Replay(stream, stream, speed="10x")  # type: ignore[arg-type]

cache = rnb.Cache(conn, ttl="1h")


@cache.memoize(ttl="10min")
def total(frame: pd.DataFrame, column: str) -> float:
    return float(frame[column].sum())


assert_type(total(pd.DataFrame(), "amount"), float)
