"""The main job from end to end on real events: what `redisnb demo` shows and checks."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pandas as pd

from redisnb.consumers import Consumer
from redisnb.entries import Entry
from redisnb.keyspace import Cache, streams
from redisnb.samples import flights
from redisnb.stream import ConsumerGroup, Stream
from redisnb.wire import Connection, Server, connect

__all__ = ["demo"]

EVENTS = 20_000
_FLIGHT_COLUMNS = ["entry_id", "carrier", "flight", "origin", "dest", "dep_delay"]

# A consumer in a process of its own, so that it can really die.
_DOOMED = """
import sys, time, redisnb
stream = redisnb.Stream(redisnb.connect(), "flights")
taken = redisnb.ConsumerGroup(stream, "check-in", consumer="bob").read(200)
print(len(taken), flush=True)
time.sleep(60)
"""


def demo(say: Callable[[str], Any] = print) -> None:
    """Publish, read, share out and cache 20,000 real flights on a private server.

    Parameters
    ----------
    say : callable, default print
        Gets each line to show.

    Raises
    ------
    RuntimeError
        If a count is wrong.
    MissingExtraError, ConnectError
        If the dataset or a redis-server is not installed.

    Notes
    -----
    Takes a few seconds and leaves nothing behind: the server and its data are removed at the end.
    """
    started = time.monotonic()
    show = _Narrator(say)
    departures = flights(EVENTS)
    with Server() as server, connect(server.url) as conn:
        show.step(f"A private server runs for this demo: {server.version}, process {server.pid}.")
        stream = _publish(show, conn, departures)
        _read_window(show, stream, departures)
        _share_out(show, stream, server)
        _handle_and_delete(show, conn, departures)
        _cache(show, conn, stream)
        show.step("What is in the database now, stream by stream:")
        show.frame(streams(conn)[["stream", "length", "groups", "pending"]])
        directory = server.directory
    show.check("files left behind", directory.exists(), False)
    seconds = time.monotonic() - started
    say(f"\n{show.checks} checks passed in {seconds:.1f} s. Now try: redisnb lab")


class _Narrator:
    """What prints each step and checks its result; a wrong one ends the demo with an error."""

    def __init__(self, say: Callable[[str], Any]) -> None:
        self.say, self.steps, self.checks = say, 0, 0

    def step(self, text: str) -> None:
        self.steps += 1
        self.say(f"\n{self.steps}. {text}")

    def frame(self, frame: pd.DataFrame) -> None:
        self.say(textwrap.indent(frame.to_string(), "     "))

    def check(self, what: str, actual: Any, expected: Any) -> None:
        self.checks += 1
        if actual != expected:
            raise RuntimeError(f"demo: {what}: {actual!r} instead of {expected!r}")


def _publish(show: _Narrator, conn: Connection, departures: pd.DataFrame) -> Stream:
    stream = Stream(conn, "flights")
    began = time.monotonic()
    report = stream.add_many(departures, ids=departures.index)
    seconds = time.monotonic() - began
    show.step(
        f"{len(report):,} flights of January 2013 are published as JSON events, each under its "
        f"scheduled time ({seconds:.1f} s)."
    )
    show.check("events added", (report["status"] == "added").sum(), EVENTS)
    show.check("length of the stream", len(stream), EVENTS)
    show.step("The first and the last of them, as stream.head(3) and stream.tail(3) show them:")
    head, tail = stream.head(3), stream.tail(3)
    show.frame(head[_FLIGHT_COLUMNS])
    show.frame(tail[_FLIGHT_COLUMNS])
    show.check("first times", list(head.index), list(departures.index[:3]))
    show.check("last flights", tail["flight"].tolist(), departures["flight"].tolist()[-3:])
    return stream


def _read_window(show: _Narrator, stream: Stream, departures: pd.DataFrame) -> None:
    start, end = "2013-01-02 12:00", "2013-01-02 12:59"
    window = stream.range(start, end)
    due = departures.loc[f"{start}+00:00" : f"{end}+00:00"]
    show.step(f"Between {start} and {end} UTC, {len(window)} flights were to leave; the latest:")
    show.frame(window.nlargest(3, "dep_delay")[_FLIGHT_COLUMNS])
    show.check("flights in the window", len(window), len(due))

    everything = stream.range(limit=None)
    per_carrier = everything["carrier"].value_counts()
    show.step(f"All {len(everything):,} entries are one DataFrame; flights per carrier:")
    show.frame(per_carrier.head(5).to_frame("flights").T)
    show.check("per carrier", dict(per_carrier), dict(departures["carrier"].value_counts()))
    show.check("delays", everything["dep_delay"].sum(), departures["dep_delay"].sum())


def _share_out(show: _Narrator, stream: Stream, server: Server) -> None:
    ann = ConsumerGroup(stream, "check-in", consumer="ann")
    ann.create("all")
    acked = ann.ack(ann.read(300))
    count = _read_and_die(server)
    show.step(
        f"Two consumers share a group: ann handles {acked} flights; bob takes {count} and is "
        "killed."
    )
    pending = ann.pending(payload=True)
    show.frame(pending[["entry_id", "consumer", "deliveries", "carrier", "flight"]].head(3))
    show.check("acknowledged", acked, 300)
    show.check("pending", len(pending), 200)
    show.check("their owner", set(pending["consumer"]), {"bob"})

    claimed = ann.claim(pending, min_idle="1ms")
    show.step(f"ann claims bob's {len(claimed)} flights, handles and acknowledges them.")
    show.check("claimed", claimed["entry_id"].tolist(), pending["entry_id"].tolist())
    show.check("acknowledged after the claim", ann.ack(claimed), 200)
    show.check("still pending", len(ann.pending()), 0)
    show.frame(ann.consumers()[["consumer", "pending"]])


def _read_and_die(server: Server) -> int:
    """Read entries for bob in another process and kill it; return how many it had read."""
    with subprocess.Popen(
        [sys.executable, "-c", _DOOMED],
        env={**os.environ, "REDISNB_URL": server.url},
        stdout=subprocess.PIPE,
        text=True,
    ) as bob:
        assert bob.stdout is not None
        count = bob.stdout.readline()
        bob.kill()
    if not count.strip():
        raise RuntimeError("demo: the second consumer did not get to read")
    return int(count)


def _handle_and_delete(show: _Narrator, conn: Connection, departures: pd.DataFrame) -> None:
    boarding = Stream(conn, "boarding")
    morning = departures.head(2_000)
    boarding.add_many(morning, ids=morning.index)
    seen: Counter[str] = Counter()

    async def board(entry: Entry) -> None:
        seen[entry.event["origin"]] += 1
        if seen.total() == len(morning):
            consumer.stop()

    consumer = Consumer(boarding, board, start="all", after="delete")
    asyncio.run(consumer.arun())
    show.step("An asyncio consumer handles 2,000 entries of a second stream and deletes each:")
    show.frame(pd.DataFrame([seen], index=["flights"]))
    show.check("handled", consumer.stats["handled"], 2_000)
    show.check("per origin", dict(seen), dict(morning["origin"].value_counts()))
    show.check("entries left", len(boarding), 0)


def _cache(show: _Narrator, conn: Connection, stream: Stream) -> None:
    cache = Cache(conn, prefix="report:")
    entries = stream.range(limit=None, columns=["carrier", "dep_delay"])
    delays = entries.groupby("carrier")["dep_delay"].mean().to_frame("mean_delay")
    cache.set("delays", delays, ttl="1h")
    cache.set("carriers", sorted(delays.index), ttl="10min")
    cache.set("title", "Delays in January")
    keys = cache.keys()
    show.step("A cache holds a DataFrame, a list and a text, each with its own lifetime:")
    table = keys[["key", "type"]].assign(expires=keys["ttl"].dt.ceil("min"))
    show.frame(table)
    show.check("the frame comes back", cache.get("delays").equals(delays), True)
    show.check("keys", keys["key"].tolist(), ["carriers", "delays", "title"])
    show.check("keys without expiry", keys["ttl"].isna().tolist(), [False, False, True])
