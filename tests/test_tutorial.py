"""Each step of Redis' own tutorial about streams is one call here.

The steps are those that redis-py runs as ``doctests/dt_stream.py``; what they say is checked.
"""

import pandas as pd
import pytest
import redis

from redisnb import ConsumerGroup, Stream

RIDERS = ["Castilla", "Royce", "Sam-Bodden", "Prickett", "Norem"]


@pytest.fixture
def france(conn):
    return Stream(conn, "race:france", format="fields")


@pytest.fixture
def italy(conn):
    """Five riders, of whom Alice had one and Bob two."""
    stream = Stream(conn, "race:italy", format="fields")
    group = ConsumerGroup(stream, "italy_riders", consumer="Alice")
    assert group.create() is True
    stream.add_many([{"rider": rider} for rider in RIDERS])
    return stream


def test_adding_and_reading(france):
    race = {"rider": "Castilla", "speed": 30.2, "position": 1, "location_id": 1}
    first = france.add(race)
    second = france.add({"rider": "Norem", "speed": 28.8, "position": 3, "location_id": 1})
    third = france.add({"rider": "Prickett", "speed": 29.7, "position": 2, "location_id": 1})

    assert france.range(first, limit=2)["rider"].tolist() == ["Castilla", "Norem"]
    followed = france.follow("all", timeout="300ms")
    assert [entry.event["rider"] for entry in followed] == ["Castilla", "Norem", "Prickett"]
    fourth = france.add({"rider": "Castilla", "speed": 29.9, "position": 1, "location_id": 2})
    assert len(france) == 4

    frame = france.range()
    assert frame["entry_id"].tolist() == [first, second, third, fourth]
    assert frame["speed"].tolist() == [30.2, 28.8, 29.7, 29.9]
    # A stretch of time, in milliseconds.
    assert first in france.range(first.ms - 1, first.ms + 1)["entry_id"].tolist()
    assert france.range("-", "+", limit=2)["entry_id"].tolist() == [first, second]
    assert france.range(f"({second}", limit=2)["entry_id"].tolist() == [third, fourth]
    assert france.range(f"({fourth}", limit=2).empty
    assert france.range(limit=1, reverse=True)["entry_id"].tolist() == [fourth]
    assert france.head(2)["entry_id"].tolist() == [first, second]
    assert [frame["rider"].tolist() for frame in france.frames(count=3, types="text")] == [
        ["Castilla", "Norem", "Prickett"],
        ["Castilla"],
    ]


def test_ids_of_ones_own(conn, knows_lag):
    usa = Stream(conn, "race:usa", format="fields")
    assert usa.add({"racer": "Castilla"}, id="0-1") == "0-1"
    assert usa.add({"racer": "Norem"}, id="0-2") == "0-2"
    with pytest.raises(redis.ResponseError, match="equal or smaller") as caught:
        usa.add({"racer": "Prickett"}, id="0-1")
    assert "the last ID of 'race:usa' is 0-2" in "".join(caught.value.__notes__)
    if knows_lag:  # since Redis 7
        assert usa.add({"racer": "Prickett"}, id="0-*") == "0-3"


def test_a_group(france, italy):
    france.add({"rider": "Castilla"})
    assert ConsumerGroup(france, "france_riders").create() is True

    alice = ConsumerGroup(italy, "italy_riders", consumer="Alice")
    mine = alice.read(1)
    assert mine["rider"].tolist() == ["Castilla"]
    assert alice.read(1, backlog=True)["rider"].tolist() == ["Castilla"]
    assert alice.ack(mine) == 1
    assert alice.read(1, backlog=True).empty

    bob = ConsumerGroup(italy, "italy_riders", consumer="Bob")
    his = bob.read(2)
    assert his["rider"].tolist() == ["Royce", "Sam-Bodden"]
    royce, sam = his["entry_id"]

    pending = alice.pending()
    assert (len(pending), pending["entry_id"].min(), pending["entry_id"].max()) == (2, royce, sam)
    assert pending["consumer"].value_counts().to_dict() == {"Bob": 2}
    assert alice.pending("-", "+", limit=10)["deliveries"].tolist() == [1, 1]
    assert italy[royce].event == {"rider": "Royce"}

    assert alice.claim([royce], min_idle="1min").empty
    assert alice.claim([royce], min_idle=0)["rider"].tolist() == ["Royce"]
    assert alice.autoclaim(min_idle=0, limit=1)["rider"].tolist() == ["Royce"]
    assert alice.autoclaim(min_idle=0, limit=1, start=f"({royce}")["rider"].tolist() == [
        "Sam-Bodden"
    ]
    assert alice.pending()["consumer"].tolist() == ["Alice", "Alice"]


def test_what_the_server_knows(italy):
    alice = ConsumerGroup(italy, "italy_riders", consumer="Alice")
    bob = ConsumerGroup(italy, "italy_riders", consumer="Bob")
    alice.ack(alice.read(1))
    bob.read(2)

    info = italy.info().iloc[0]
    assert (info["length"], info["groups"], info["pending"]) == (5, 1, 2)
    assert info["first_id"] == italy.head(1)["entry_id"].item()
    assert info["last_id"] == italy.tail(1)["entry_id"].item()
    group = italy.groups().iloc[0]
    assert (group["group"], group["consumers"], group["pending"]) == ("italy_riders", 2, 2)
    assert group["last_delivered_id"] == italy.range()["entry_id"].iloc[2]
    consumers = alice.consumers()
    assert consumers[["consumer", "pending"]].values.tolist() == [["Alice", 0], ["Bob", 2]]
    assert (consumers["idle"] < pd.Timedelta("1min")).all()

    full = italy.full()
    assert full["entries"]["rider"].tolist() == RIDERS
    assert full["consumers"][["group", "consumer", "pending"]].values.tolist() == [
        ["italy_riders", "Alice", 0],
        ["italy_riders", "Bob", 2],
    ]
    assert full["pending"][["group", "consumer", "deliveries"]].values.tolist() == [
        ["italy_riders", "Bob", 1],
        ["italy_riders", "Bob", 1],
    ]


# Unread entries are trimmed, as the tutorial says.
@pytest.mark.filterwarnings("ignore:.*still has to handle")
def test_trimming_and_deleting(italy):
    for rider in ("Jones", "Wood", "Henshaw"):
        italy.add({"rider": rider}, maxlen=2, approximate=True)
    assert len(italy) == 8
    assert italy.range()["rider"].tolist() == [*RIDERS, "Jones", "Wood", "Henshaw"]
    smith = italy.add({"rider": "Smith"}, maxlen=2)
    assert italy.range()["rider"].tolist() == ["Henshaw", "Smith"]
    assert italy.trim(maxlen=10) == 0
    assert italy.trim(maxlen=10, approximate=True) == 0
    assert italy.delete(smith) == 1
    assert italy.range()["rider"].tolist() == ["Henshaw"]
