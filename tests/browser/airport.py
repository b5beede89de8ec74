"""A database: a stuck group, entries at fault, an hour to replay, and large keys."""

import json

import redis

#: The first entry of the flights, 2013-01-01 10:00 UTC, and how many there are in a minute.
FIRST, PER_MINUTE = 1_357_034_400_000, 10
HOUR = 3_600_000


def fill(raw: redis.Redis) -> None:
    """Fill the database, which loses everything else."""
    raw.flushall()
    pipe = raw.pipeline(transaction=False)
    for n in range(2 * 60 * PER_MINUTE):
        event = {"carrier": ("UA", "AA", "B6")[n % 3], "flight": 1000 + n, "dep_delay": n % 45}
        pipe.xadd(
            "flights", {"payload": json.dumps(event)}, f"{FIRST + n * 60_000 // PER_MINUTE}-0"
        )
    for n in range(40):
        # Of these three, no gate can be opened.
        event = {"passenger": f"p-{n}", "gate": None if n in (4, 5, 6) else f"C{n % 9}"}
        pipe.xadd("check-in", {"payload": json.dumps(event)}, f"{FIRST + n * 1000}-0")
    for n in range(5):
        pipe.xadd("orders", {"payload": json.dumps({"item": "tea", "n": n})}, f"{FIRST + n}-0")
    pipe.xgroup_create("check-in", "board", id="0")
    pipe.xreadgroup("board", "ann", {"check-in": ">"}, count=12)
    pipe.xgroup_create("flights", "audit", id="$")
    for n in range(300):
        pipe.set(f"user:{n}", json.dumps({"id": n}))
    for n in range(3):
        pipe.hset(f"report:{n}", mapping={f"field-{i}": "x" * 100 for i in range(2_000)})
    pipe.execute()
    held = [f"{FIRST + n * 1000}-0" for n in range(12)]
    raw.xclaim("check-in", "board", "ann", 0, held, idle=HOUR, justid=True)
    raw.xclaim("check-in", "board", "ann", 0, held[4:7], idle=HOUR, retrycount=7, justid=True)
