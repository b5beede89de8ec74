"""What pyright reports for a user's script with redisnb; mypy reads `typing_api`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deadlines import deadline

pytestmark = [pytest.mark.slow, pytest.mark.long]

SCRIPT = """\
import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, assert_type

import pandas as pd

import redisnb as rnb
from redisnb.panels import BrowsePanel, browse

# Connect, and look around.

assert_type(rnb.__version__, str)
conn = rnb.connect("redis://localhost:6379/0", timeout=timedelta(seconds=2), password="secret")
assert_type(conn, rnb.Connection)
assert_type(conn.client.dbsize(), int)
with rnb.connect() as here, rnb.connect(here, read_only=True) as reading:
    assert_type(reading, rnb.Connection)
with rnb.Server() as server:
    assert_type(rnb.connect(server.url), rnb.Connection)

assert_type(rnb.keys(conn, "user:*", sizes=True), pd.DataFrame)
assert_type(rnb.streams(conn), pd.DataFrame)
assert_type(rnb.groups(conn, "orders*"), pd.DataFrame)
assert_type(rnb.tree(conn, "user:*", sep="/", depth=2, sample=None), pd.DataFrame)
assert_type(rnb.keys(conn, sample=1_000), pd.DataFrame)
assert_type(rnb.preview(conn, "user:1"), pd.DataFrame)
assert_type(rnb.values(conn, "user:*", types={"age": "int64"}), pd.DataFrame)
flights: pd.DataFrame = rnb.flights(1_000)

# Publish and read.

orders = rnb.Stream(conn, "orders", format="json")
try:
    sent = orders.add({"item": "tea", "amount": 2.5}, maxlen=1_000)
except rnb.UncertainWriteError as error:
    print(error.stream, error.rows)
    raise
assert_type(sent, rnb.EntryId)
print(sent.ms, sent > "1-0")
assert_type(orders.add_many(flights), pd.DataFrame)
assert_type(orders.add_many({"item": item} for item in ("tea", "milk")), pd.DataFrame)
print(orders.range()["amount"].sum(), len(orders))
assert_type(
    orders.range(
        "-5min",
        datetime.now(timezone.utc),
        where={"item": "tea"},
        types={"amount": "float64"},
        limit=None,
    ),
    pd.DataFrame,
)
assert_type(orders.tail(5), pd.DataFrame)
assert_type(orders.frames(), Iterator[pd.DataFrame])
assert_type(orders.follow("new", timeout="1s"), Iterator[rnb.Entry])
assert_type(orders.afollow(), AsyncIterator[rnb.Entry])
for entry in orders.follow(timeout=1):
    assert_type(entry.id, rnb.EntryId)
    print(entry.event, entry.fields, entry.time)


# Consume.

group = rnb.ConsumerGroup(orders, "workers", consumer="ann")
assert_type(group.create("all"), bool)
frame = group.read(10, block="1s")
assert_type(frame, pd.DataFrame)
assert_type(group.ack(frame), int)
assert_type(group.ack(sent), int)
assert_type(group.pending(), pd.DataFrame)


def show(entry: rnb.Entry) -> None:
    print(entry.event)


async def store(entry: rnb.Entry) -> bool:
    await asyncio.sleep(0)
    return bool(entry.event)


def total(frame: pd.DataFrame) -> float:
    return float(frame["amount"].sum())


rnb.Consumer(orders, print, timeout="10s").run()
rnb.Consumer([group], show, after="delete", max_deliveries=5, on_missing_group="recreate").run()
asyncio.run(rnb.Consumer(group, store, concurrency=8).arun())
assert_type(rnb.Consumer(group, on_frame=total, count=1_000).start(), rnb.Consumer)
with rnb.Consumer([orders, rnb.Stream(conn, "visits")], show, start="all") as consumer:
    assert_type(consumer.stats["handled"], int)
    assert_type(consumer.frame(), pd.DataFrame)
    assert_type(consumer.errors(), pd.DataFrame)
    assert_type(consumer.stop(), bool)
    if consumer.state == "failed":
        raise consumer.error or RuntimeError("it says nothing")

# Keep values.

cache = rnb.Cache(conn, prefix="report:", ttl="1h")
cache.set("daily", flights, ttl=timedelta(days=1))
assert_type(cache.get("daily"), Any)
again: pd.DataFrame = cache.get("daily", pd.DataFrame())
assert_type(cache.ttl("daily"), pd.Timedelta | None)
assert_type("daily" in cache, bool)


@cache.memoize(ttl="10min")
def delays(carrier: str, *, least: int = 0) -> pd.DataFrame:
    return flights[(flights["carrier"] == carrier) & (flights["dep_delay"] >= least)]


assert_type(delays("AA", least=15), pd.DataFrame)

# Capture and replay.

assert_type(rnb.capture(orders, Path("orders.parquet"), start="-1h"), pd.DataFrame)
assert_type(rnb.capture(conn, "all.jsonl.zst", match="orders:*", overwrite=True), pd.DataFrame)
assert_type(rnb.load("orders.parquet", columns=["item"], on_error="skip"), pd.DataFrame)

test = rnb.Stream(conn, "test")
assert_type(rnb.replay(orders, test, speed=10), rnb.Report)
assert_type(rnb.replay("orders.parquet", conn, dry_run=True), pd.DataFrame)
assert_type(rnb.replay([Path("orders.parquet"), orders], {"orders": test}, ids="keep"), rnb.Report)
assert_type(rnb.replay(flights, test, rate=100, dry_run=False).added, int)
replaying = rnb.Replay(orders, test, speed=60, resume="nightly").start()
replaying.pause()
print(replaying.progress.left)
assert_type(replaying.stop(), bool)

# Panels.

assert_type(browse(orders), BrowsePanel)
assert_type(rnb.panels.live(group).consumer, rnb.Consumer)
assert_type(rnb.panels.groups([orders, test]), rnb.panels.GroupsPanel)
assert_type(rnb.panels.publish(orders, rows=flights), rnb.panels.PublishPanel)
assert_type(rnb.panels.replay(orders, test), rnb.panels.ReplayPanel)
assert_type(rnb.panels.keys(conn, "user:*"), rnb.panels.KeysPanel)
assert_type(rnb.panels.server(conn), rnb.panels.ServerPanel)
assert_type(rnb.panels.dashboard(conn), rnb.panels.Dashboard)
assert_type(rnb.stop_all(), None)
"""

# Each line from the third on is wrong: pyright does look.
MISTAKES = """\
import redisnb as rnb
stream = rnb.Stream(rnb.connect(), "orders")
rnb.Stream("orders")
rnb.Consumer(stream, print, after="drop")
rnb.Consumer(stream, lambda: None)
stream.add({"item": "tea"}, maxlen="1000")
stream.follow(until="now")
rnb.Strem(rnb.connect(), "orders")
rnb.replay(stream, stream, sped=10)
rnb.Replay(stream, stream, ids="old")
"""

CONFIG = {
    "typeCheckingMode": "standard",
    "pythonVersion": "3.11",
    # In this mode they are off, or only warn.
    "reportMissingImports": "error",
    "reportMissingModuleSource": "error",
    "reportPrivateImportUsage": "error",
    "reportPrivateUsage": "error",
    "reportUnusedCoroutine": "error",
}


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """Return what pyright reports for each line of the two scripts."""
    pytest.importorskip("basedpyright", reason="basedpyright is not installed")
    directory = tmp_path_factory.mktemp("typing")
    (directory / "script.py").write_text(SCRIPT)
    (directory / "mistakes.py").write_text(MISTAKES)
    (directory / "pyrightconfig.json").write_text(json.dumps(CONFIG))
    done = subprocess.run(
        [sys.executable, "-m", "basedpyright", "--outputjson", "--pythonpath", sys.executable],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=deadline(100),
    )
    assert done.stdout, done.stderr
    said = json.loads(done.stdout)
    assert said["summary"]["filesAnalyzed"] == 2
    found = {"script.py": {}, "mistakes.py": {}}
    for each in said["generalDiagnostics"]:
        if each["severity"] in ("error", "warning"):
            number = each["range"]["start"]["line"] + 1
            found[Path(each["file"]).name][number] = each["message"]
    return found


def test_pyright_finds_nothing_in_a_users_script(lines):
    assert lines["script.py"] == {}


def test_pyright_finds_what_is_wrong(lines):
    assert list(lines["mistakes.py"]) == list(range(3, len(MISTAKES.splitlines()) + 1))
