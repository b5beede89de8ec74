"""The streams that the benchmarks read: made fast, with fixed IDs, and known exactly."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import hiredis
import numpy as np
import orjson
import pandas as pd
import redis

import redisnb
from redisnb.wire.connection import lease

#: The first entry's time in ms; each entry is 1 ms after the one before it.
FIRST = 1_700_000_000_000
BATCH = 5_000
OBJECTS = ("order", "visit")
ACTIONS = ("create", "update", "delete")
COUNTRIES = ("FR", "DE", "US", "JP")

Body = Sequence[bytes]


def events(start: int, stop: int) -> list[dict[str, Any]]:
    """Make the events from `start` up to `stop`: six members, one of them nested."""
    return [
        {
            "id": i,
            "obj_type": OBJECTS[i % 2],
            "action": ACTIONS[i % 3],
            "amount": i / 7,
            "ts": ts,
            "user": {"id": i % 1000, "country": COUNTRIES[i % 4]},
        }
        for i, ts in enumerate(_seconds(start, stop), start)
    ]


def json_bodies(start: int, stop: int) -> list[Body]:
    """Make the events as entries with one field, `payload`."""
    return [(b"payload", orjson.dumps(event)) for event in events(start, stop)]


def flat_bodies(start: int, stop: int) -> list[Body]:
    """Make entries with four fields."""
    return [
        (
            *(b"id", b"%d" % i, b"action", ACTIONS[i % 3].encode()),
            *(b"amount", repr(i % 100_000 / 100).encode(), b"user", b"%d" % (i % 1000)),
        )
        for i in range(start, stop)
    ]


def json_frame(n: int) -> pd.DataFrame:
    """Make the frame that reading `n` JSON entries has to give."""
    i = np.arange(n)
    return _entries_frame(
        {
            "id": i,
            "obj_type": _texts(OBJECTS, i),
            "action": _texts(ACTIONS, i),
            "amount": i / 7,
            "ts": pd.array(_seconds(0, n), dtype="str"),
            "user.id": i % 1000,
            "user.country": _texts(COUNTRIES, i),
        }
    )


def flat_frame(n: int) -> pd.DataFrame:
    """Make the frame that reading `n` flat entries has to give."""
    i = np.arange(n)
    return _entries_frame(
        {"id": i, "action": _texts(ACTIONS, i), "amount": i % 100_000 / 100, "user": i % 1000}
    )


def scalar_frame(n: int) -> pd.DataFrame:
    """Make the events as a frame to publish, with a country in the place of the nested object."""
    frame = json_frame(n).reset_index(drop=True)
    return frame[["id", "obj_type", "action", "amount", "ts", "user.country"]].rename(
        columns={"user.country": "country"}
    )


def _entries_frame(columns: dict[str, Any]) -> pd.DataFrame:
    ms = FIRST + np.arange(len(columns["id"]))
    ids = pd.array([f"{each}-0" for each in ms.tolist()], dtype="str")
    index = pd.DatetimeIndex(ms.view("datetime64[ms]")).tz_localize("UTC").rename("entry_time")
    return pd.DataFrame({"entry_id": ids, **columns}, index=index)


def _texts(choices: Sequence[str], i: np.ndarray) -> Any:
    return pd.array(np.array(choices, dtype=object)[i % len(choices)], dtype="str")


def _seconds(start: int, stop: int) -> list[str]:
    ms = (FIRST + np.arange(start, stop)).view("datetime64[ms]")
    return [f"{each}Z" for each in np.datetime_as_string(ms, unit="s").tolist()]


def send(conn: redisnb.Connection, commands: Iterable[Sequence[Any]]) -> None:
    """Send commands in one buffer and read their replies; the first error is raised."""
    packed = [hiredis.pack_command(tuple(command)) for command in commands]
    with lease(conn) as link:
        link.send_packed_command([b"".join(packed)])
        for _ in packed:
            link.read_response(disable_decoding=True)


def fill(
    conn: redisnb.Connection, key: str, n: int, bodies: Callable[[int, int], list[Body]]
) -> redisnb.Stream:
    """Make a stream of `n` entries."""
    for start in range(0, n, BATCH):
        made = enumerate(bodies(start, min(start + BATCH, n)), FIRST + start)
        send(conn, [("XADD", key, f"{ms}-0", *body) for ms, body in made])
    filled = redisnb.Stream(conn, key)
    assert len(filled) == n
    return filled


def payloads(conn: redisnb.Connection, key: str) -> list[dict[str, Any]]:
    """Read the events of a stream by other means than redisnb's."""
    with lease(conn) as link:
        link.send_command("XRANGE", key, "-", "+")
        found = link.read_response(disable_decoding=True)
    assert all(len(body) == 2 and body[0] == b"payload" for _, body in found)
    return [orjson.loads(body[1]) for _, body in found]


def check(expected: pd.DataFrame) -> Callable[[pd.DataFrame], None]:
    """Make a check: the same values, types, order, names and index."""
    return lambda frame: pd.testing.assert_frame_equal(frame, expected)


def json_idiom(client: redis.Redis, key: str) -> pd.DataFrame:
    """Read JSON entries as people do without redisnb."""
    found: Any = client.xrange(key)
    return pd.DataFrame(
        [{"entry_id": entry_id, **json.loads(fields["payload"])} for entry_id, fields in found]
    )


def flat_idiom(client: redis.Redis, key: str) -> pd.DataFrame:
    """Read flat entries as people do without redisnb; all columns are text."""
    found: Any = client.xrange(key)
    return pd.DataFrame([{"entry_id": entry_id, **fields} for entry_id, fields in found])


def check_idiom(expected: pd.DataFrame) -> Callable[[pd.DataFrame], None]:
    """Make a check of an idiom's frame, which has types and names of its own."""

    def same(frame: pd.DataFrame) -> None:
        assert frame["entry_id"].tolist() == expected["entry_id"].tolist()
        for name in ("id", "amount"):
            assert np.array_equal(frame[name].astype(expected[name].dtype), expected[name])

    return same
