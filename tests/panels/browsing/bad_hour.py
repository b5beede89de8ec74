"""Real flights in a stream, with an hour in which a kiosk wrote what it should not have."""

import json

import pandas as pd
import redis

import redisnb as rnb

#: The hour, and the kiosk.
HOUR, GUILTY = pd.Timestamp("2013-01-03 14:00", tz="UTC"), "kiosk-7"


def fill(url: str, key: str, n: int = 20_000) -> int:
    """Publish flights at the times of their departures; return how many entries are guilty."""
    flights = rnb.flights(n).reset_index(names="at")
    flights["source"] = [f"kiosk-{1 + i % 6}" for i in range(len(flights))]
    within = flights[(flights["at"] >= HOUR) & (flights["at"] < HOUR + pd.Timedelta("1h"))]
    again = pd.concat([within] * 6).assign(source=GUILTY, dep_delay=999)
    rows = pd.concat([flights, again]).sort_values("at", kind="stable")
    events = json.loads(rows.drop(columns="at").to_json(orient="records"))
    seen: dict[int, int] = {}
    with redis.Redis.from_url(url) as client, client.pipeline(transaction=False) as pipe:
        pipe.delete(key)
        for at, event in zip(rows["at"], events, strict=True):
            ms = int(at.timestamp() * 1000)
            seen[ms] = seen.get(ms, -1) + 1
            pipe.xadd(key, {"payload": json.dumps(event)}, id=f"{ms}-{seen[ms]}")
        pipe.execute()
    return len(again)
