"""The main job from end to end on real events: what `redisnb demo` runs, shows and checks.

Each step is a text of Python. It is shown statement by statement and run as it is shown, in one
namespace, as the cells of a notebook.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import textwrap
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias

import pandas as pd

from redisnb.errors import RedisnbWarning
from redisnb.wire import Server

__all__ = ["demo"]

EVENTS = 20_000
#: The columns of a terminal, less the indent.
_WIDTH = 94

Names: TypeAlias = dict[str, Any]


class _Lesson(NamedTuple):
    """What one step is for, its code, and what has to be true after it: what, is, should be."""

    title: str
    code: str
    checks: Callable[[Names], Iterator[tuple[str, Any, Any]]] | None = None
    #: In a process of its own, which is killed once it has printed a line.
    killed: bool = False


def _check_published(names: Names) -> Iterator[tuple[str, Any, Any]]:
    departures = names["departures"]
    yield "events added", (names["added"]["status"] == "added").sum(), EVENTS
    yield "length of the stream", len(names["flights"]), EVENTS
    first = names["flights"].head(3)
    yield "first flights", list(first["flight"]), list(departures["flight"][:3])
    yield "their times", list(first.index), list(departures.index[:3])


def _check_read(names: Names) -> Iterator[tuple[str, Any, Any]]:
    due = names["departures"]["2013-01-01 13:00":"2013-01-01 13:59"]
    yield "flights from JFK", len(names["morning"]), (due["origin"] == "JFK").sum()
    everything = names["flights"].range(limit=None)
    for column in ("dep_delay", "distance"):
        yield column, everything[column].sum(), names["departures"][column].sum()


def _check_group(names: Names) -> Iterator[tuple[str, Any, Any]]:
    yield "acknowledged", names["acked"], 300
    yield "pending", len(names["ann"].pending()), 0


def _check_pending(names: Names) -> Iterator[tuple[str, Any, Any]]:
    yield "pending", len(names["left"]), 200
    yield "their owner", set(names["left"]["consumer"]), {"bob"}
    yield "claimed", len(names["claimed"]), 200
    yield "still pending", len(names["ann"].pending()), 0


def _check_handled(names: Names) -> Iterator[tuple[str, Any, Any]]:
    stats = names["consumer"].stats
    yield "handled or dead", stats["handled"] + stats["dead"], EVENTS - 500
    yield "their delays", sum(names["late"].values()), _late(names["departures"][500:])
    yield "dead letters", len(names["letters"]), stats["dead"]
    yield "cancelled", set(names["letters"]["dep_delay"].isna()), {True}


def _late(departures: pd.DataFrame) -> int:
    return int((departures["dep_delay"] > 60).sum())


def _check_redriven(names: Names) -> Iterator[tuple[str, Any, Any]]:
    yield "sent back", set(names["sent"]["status"]), {"added"}
    yield "dead letters", len(names["ann"].dead_letters()), 0
    yield "pending", len(names["ann"].pending()), 0


def _check_replayed(names: Names) -> Iterator[tuple[str, Any, Any]]:
    hour = names["departures"]["2013-01-01 13:00":"2013-01-01 13:59"]
    yield "captured", int(names["captured"]["entries"].sum()), len(hour)
    yield "planned", int(names["plan"]["entries"].sum()), len(hour)
    yield "replayed", names["report"].added, len(hour)
    flown = names["test"].range()["flight"].tolist()
    yield "in order", flown, hour["flight"].tolist()


def _check_emptied(names: Names) -> Iterator[tuple[str, Any, Any]]:
    yield "seen", sum(names["seen"].values()), names["report"].added
    yield "entries left", len(names["test"]), 0


def _check_cached(names: Names) -> Iterator[tuple[str, Any, Any]]:
    cache = names["cache"]
    yield "the frame comes back", cache.get("delays").equals(names["delays"]), True
    yield "keys that expire", cache.keys()["ttl"].notna().tolist(), [True, False]


_LESSONS = (
    _Lesson(
        "Publish 20,000 flights of January 2013, each under the time at which it was to leave.",
        """
import redisnb as rnb
conn = rnb.connect(url)  # your own: rnb.connect("redis://...")
departures = rnb.flights(20_000)  # a DataFrame
flights = rnb.Stream(conn, "flights")
added = flights.add_many(departures, ids=departures.index)
added["status"].value_counts().to_dict()
""",
        _check_published,
    ),
    _Lesson(
        "Read: which flights were to leave JFK between 8 and 9 in New York, on 1 January?",
        """
morning = flights.range("2013-01-01 13:00", "2013-01-01 13:59", where="origin = 'JFK'")
len(morning)
morning.nlargest(3, "dep_delay")[["entry_id", "carrier", "flight", "dest", "dep_delay"]]
""",
        _check_read,
    ),
    _Lesson(
        "Share the stream in a consumer group: ann takes 300 entries, and acknowledges them.",
        """
ann = rnb.ConsumerGroup(flights, "check-in", consumer="ann")
ann.create("all")
acked = ann.ack(ann.read(300))
""",
        _check_group,
    ),
    _Lesson(
        "Another process takes 200 as bob. It is killed before it acknowledges them.",
        """
import time, redisnb as rnb
flights = rnb.Stream(rnb.connect(), "flights")
taken = rnb.ConsumerGroup(flights, "check-in", consumer="bob").read(200)
print(len(taken), "entries", flush=True)
time.sleep(60)
""",
        killed=True,
    ),
    _Lesson(
        "What did bob leave behind? ann takes it over, and acknowledges it.",
        """
left = ann.pending(payload=True)
left[["entry_id", "consumer", "deliveries", "carrier", "flight"]].head(3)
claimed = ann.claim(left, min_idle="1ms")
ann.ack(claimed)
""",
        _check_pending,
    ),
    _Lesson(
        "Run a handler on all the rest. Where it fails, the entry becomes a dead letter.",
        """
from collections import Counter
late = Counter()
def handle(entry):
    if entry.event["dep_delay"] > 60:  # null for a cancelled flight, so this raises
        late[entry.event["origin"]] += 1
consumer = rnb.Consumer(ann, handle, max_deliveries=1, timeout=0)
consumer.run()
late
letters = ann.dead_letters()
letters["error"].str.partition(":")[0].value_counts().to_dict()
letters[["origin_id", "consumer", "deliveries", "carrier", "flight"]].head(3)
""",
        _check_handled,
    ),
    _Lesson(
        "Mend the handler, and send the dead letters back to it.",
        """
def handle(entry):
    if (entry.event["dep_delay"] or 0) > 60:
        late[entry.event["origin"]] += 1
sent = ann.redrive("all")
rnb.Consumer(ann, handle, timeout=0).run()
len(sent), len(ann.dead_letters()), len(ann.pending())
""",
        _check_redriven,
    ),
    _Lesson(
        "Capture that hour in a file, see what a replay of it would do, and replay it in a second.",
        """
captured = rnb.capture(flights, hour, start="2013-01-01 13:00", end="2013-01-01 13:59")
test = rnb.Stream(conn, "test")
plan = rnb.replay(hour, test, speed=3600, dry_run=True)
plan[["stream", "target", "entries", "span", "duration"]]
report = rnb.replay(hour, test, speed=3600)
report
""",
        _check_replayed,
    ),
    _Lesson(
        "Without a group: an asyncio handler for each entry of the copy, which is then deleted.",
        """
import asyncio
seen = Counter()
async def board(entry):
    seen[entry.event["origin"]] += 1
consumer = rnb.Consumer(test, board, start="all", after="delete", timeout=0)
asyncio.run(consumer.arun())
seen, len(test)
""",
        _check_emptied,
    ),
    _Lesson(
        "Cache a result for an hour.",
        """
delays = flights.range(limit=None).groupby("carrier")[["dep_delay"]].mean()
cache = rnb.Cache(conn, prefix="report:", ttl="1h")
cache.set("delays", delays)
cache.set("title", "Delays in January")
cache.persist("title")
cache.get("delays").round(1).head(2)
cache.ttl("delays").ceil("min")
""",
        _check_cached,
    ),
    _Lesson(
        "What is in this Redis, and what is wrong with it?",
        """
rnb.streams(conn)[["stream", "length", "groups", "pending", "first_time"]]
found = rnb.doctor(conn)
found[["severity", "finding"]]
found[found["about"].str.contains("flights")]["remedy"].str.split("; ").str[-1].tolist()
""",
    ),
)


def demo(say: Callable[[str], Any] = print) -> None:
    """Publish, read, share out, replay and cache 20,000 real flights on a private server.

    Parameters
    ----------
    say : callable, default print
        Gets each text to show.

    Raises
    ------
    RuntimeError
        If a count is wrong.
    MissingExtraError, ConnectError
        If the dataset or a redis-server is not installed.

    Notes
    -----
    Takes a few seconds and leaves nothing behind: the server, its data and the file are removed at
    the end, also after an error or Ctrl-C.
    """
    started = time.monotonic()
    options = ("display.width", _WIDTH, "display.max_columns", 20, "display.max_colwidth", 80)
    try:
        with Server() as server, pd.option_context(*options):
            say(f"A private server runs for this demo, and ends with it: {server.version}.")
            checks = _give_lessons(server, say)
    except KeyboardInterrupt as error:
        # How a replay continues is of no use without its server.
        vars(error).pop("__notes__", None)
        raise
    seconds = time.monotonic() - started
    say(f"\n{checks} checks passed in {seconds:.1f} s. Now try: redisnb lab")


def _give_lessons(server: Server, say: Callable[[str], Any]) -> int:
    """Run the steps in one namespace, and return how many checks they passed."""
    # The server's directory goes with it, however this process ends.
    names: Names = {"url": server.url, "hour": server.directory / "hour.parquet"}
    passed = 0
    for n, lesson in enumerate(_LESSONS, 1):
        say(f"\n{n}. {lesson.title}\n")
        if lesson.killed:
            say(textwrap.indent(lesson.code.strip(), "   bob> "))
            say(textwrap.indent(_run_and_kill(lesson.code, server), "   "))
        else:
            _run(lesson.code, names, say)
        for what, actual, expected in () if lesson.checks is None else lesson.checks(names):
            if actual != expected:
                raise RuntimeError(f"demo: {what}: {actual!r} instead of {expected!r}")
            passed += 1
    names["conn"].close()
    return passed


def _run(code: str, names: Names, say: Callable[[str], Any]) -> None:
    """Show each statement of a step, run it, and show the value of an expression."""
    for source, node in _statements(code):
        say(textwrap.indent(source, "   ... ").replace("   ... ", "   >>> ", 1))
        if isinstance(node, ast.Expr):
            # As a notebook does with the last line of a cell.
            target = ast.Name("_", ast.Store())
            node = ast.Assign([ast.copy_location(target, node)], node.value)
        tree = ast.fix_missing_locations(ast.Module([node], []))
        with warnings.catch_warnings(record=True) as raised:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", RedisnbWarning)
            exec(compile(tree, "<demo>", "exec"), names)  # noqa: S102 - a text of this module
        for warning in raised:
            say(textwrap.indent(_wrapped(f"warning: {warning.message}"), "   "))
        value = names.pop("_", None)
        if value is not None:
            say("\n".join(f"   {line}".rstrip() for line in repr(value).splitlines()))


def _statements(code: str) -> Iterator[tuple[str, ast.stmt]]:
    """Yield the statements of a text, each with its lines and the comments in them."""
    lines = code.splitlines()
    nodes = ast.parse(code).body
    for node, following in zip(nodes, [*nodes[1:], None], strict=True):
        end = len(lines) if following is None else following.lineno - 1
        yield "\n".join(lines[node.lineno - 1 : max(end, node.lineno)]), node


def _wrapped(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_long_words=False)


def _run_and_kill(code: str, server: Server) -> str:
    """Run a text in another process, kill it at its first line, and return that."""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "REDISNB_URL": server.url},
        stdout=subprocess.PIPE,
        text=True,
        # Ctrl-C in a terminal is for this process alone, which ends the other one.
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()
    if not line:
        raise RuntimeError("demo: the second consumer did not get to read")
    return line
