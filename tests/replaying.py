"""What the tests of replays share, and the process that replays until it is killed."""

import os
import random
import signal
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import redis

import redisnb
from redisnb import Replay, Stream, connect, wire
from redisnb.captures.writer import CaptureWriter
from redisnb.entries import AUTO
from redisnb.replays import step

#: How many entries there are, and how many are in a batch.
ENTRIES, BATCH = 600, 20
KINDS = ("stream", "streams", "file", "frame")
#: What a replay may do to its entries on the way.
CHANGES = ("nothing", "changes")
#: Before a batch is sent, while its reply is on its way, when it has come.
MOMENTS = 3


def fields(i: int) -> list[bytes]:
    """Make fields that a dict could not hold."""
    return [b"i", b"%d" % i, b"same", b"\xff", b"same", b""]


def add(raw: redis.Redis, key: str, entries: Sequence[tuple[str, list[bytes]]]) -> None:
    pipe = raw.pipeline(transaction=False)
    for id, parts in entries:
        pipe.execute_command("XADD", key, id, *parts)
    pipe.execute()


def stored(raw: redis.Redis, key: str = "to") -> list[tuple[str, list[bytes]]]:
    """Read a stream without redisnb."""
    with redis.Redis(connection_pool=raw.connection_pool) as client:
        client.set_response_callback("XRANGE", lambda reply, **_: reply)
        return [
            (id.decode(), parts) for id, parts in client.execute_command("XRANGE", key, "-", "+")
        ]


def numbers(raw: redis.Redis, key: str = "to") -> list[int]:
    return [int(parts[1]) for _, parts in stored(raw, key)]


def fill(raw: redis.Redis, count: int = ENTRIES) -> None:
    """Make the stream "from", and the same entries in the streams "odd" and "even"."""
    made = [(f"{1_700_000_000_000 + i}-{i % 3}", fields(i)) for i in range(count)]
    add(raw, "from", made)
    add(raw, "even", made[::2])
    add(raw, "odd", made[1::2])


def write(raw: redis.Redis, path: Path) -> None:
    """Make a capture of the stream "from"."""
    with CaptureWriter(path, {"from": AUTO}) as writer:
        writer.write([("from", id.encode(), parts) for id, parts in stored(raw, "from")])


def source(kind: str, conn: redisnb.Connection, path: Path) -> Any:
    if kind == "stream":
        return Stream(conn, "from")
    if kind == "streams":
        return [Stream(conn, "odd"), Stream(conn, "even")]
    if kind == "file":
        return path
    # Only this format keeps the fields of a frame as they are.
    return Stream(conn, "from", format="raw").range(limit=None)


def target(kind: str, conn: redisnb.Connection) -> Stream:
    return Stream(conn, "to", format="raw" if kind == "frame" else "auto")


def wanted(i: int) -> bool:
    """Return whether `where` selects an entry."""
    return i % 3 != 1


def changed(kind: str) -> dict[str, Any]:
    """Return the options of a replay that leaves entries out and changes some of the others."""

    def transform(frame: Any) -> Any:
        # By the entry alone, not by its neighbours: every seventh gets another value.
        if kind == "frame":
            return frame.assign(fields=[_marked(pairs) for pairs in frame["fields"]])
        marks = ["seven" if int(i) % 7 == 0 else None for i in frame["i"]]
        return frame.assign(mark=marks)

    def where(frame: Any) -> Any:
        return [wanted(int(dict(pairs)[b"i"])) for pairs in frame["fields"]]

    values = {"i": list(filter(wanted, range(ENTRIES)))}
    return {"where": where if kind == "frame" else values, "transform": transform}


def _marked(pairs: Any) -> Any:
    return [*pairs, (b"mark", b"seven")] if int(dict(pairs)[b"i"]) % 7 == 0 else pairs


def expected(i: int, changes: str) -> list[bytes]:
    """Return the fields of an entry after the replay."""
    is_marked = changes == "changes" and i % 7 == 0
    return [*fields(i), b"mark", b"seven"] if is_marked else fields(i)


def after(moments: int, then: Callable[[], object]) -> None:
    """Call `then` at a moment of a replay, counted from 1."""
    ask, left = wire.ask_packed, moments

    def count() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            then()

    def counting(
        conn: redisnb.Connection, packed: bytes, meanwhile: Callable[[], object] = lambda: None
    ) -> Any:
        count()

        def both() -> None:
            meanwhile()
            count()

        reply = ask(conn, packed, both)
        count()
        return reply

    wire.ask_packed = counting


def once_sent(again: Replay, count: int, then: Callable[[], object]) -> None:
    """Call `then` in the thread of a replay as soon as it has sent `count` entries, or more.

    A test that looks from another thread may come too late: the replay may have ended.
    """
    player = again._player
    advance = player._advance

    def moved(*args: Any) -> None:
        advance(*args)
        if player.checkpoint.count >= count:
            player._advance = advance  # type: ignore[method-assign]
            then()

    player._advance = moved  # type: ignore[assignment, method-assign]


def until_killed(url: str, kind: str, changes: str, ids: Any, path: Path, moments: int) -> None:
    step.STEP_ENTRIES = BATCH
    warnings.simplefilter("ignore")
    after(moments, lambda: os.kill(os.getpid(), signal.SIGKILL))
    with connect(url) as conn:
        Replay(
            source(kind, conn, path),
            target(kind, conn),
            speed=float("inf"),
            ids=ids,
            resume="r",
            **(changed(kind) if changes == "changes" else {}),
        ).run()


def seeded(seed: int) -> random.Random:
    return random.Random(seed)
