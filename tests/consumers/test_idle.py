"""What a consumer that has nothing to do asks of its server."""

import time

import pytest

import redisnb as rnb
from tests.deadlines import deadline

pytestmark = pytest.mark.slow

# One stream may cost so many commands a second, and so may any number.
ONE, MANY = 3, 20


def calls(raw):
    stats = raw.info("commandstats")
    return sum(each["calls"] for name, each in stats.items() if name != "cmdstat_info")


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize(
    ("n", "most"), [(1, ONE), pytest.param(60, MANY, marks=pytest.mark.long), (1000, MANY)]
)
def test_an_idle_consumer_asks_little(conn, raw, wait_until, n, most, grouped):
    streams = [rnb.Stream(conn, f"s{i}") for i in range(n)]
    source = [rnb.ConsumerGroup(stream, "g") for stream in streams] if grouped else streams
    with raw.pipeline(transaction=False) as pipeline:
        for stream in streams:
            pipeline.xadd(stream.key, {"a": 1})
            pipeline.xgroup_create(stream.key, "g")
        pipeline.execute()
    consumer = rnb.Consumer(source, print).start()
    wait_until(lambda: consumer.state == "running")

    def rate(seconds):
        before, began = calls(raw), time.monotonic()
        time.sleep(seconds)
        return (calls(raw) - before) / (time.monotonic() - began)

    # Then it has begun with all of them.
    wait_until(lambda: rate(1) <= 2 * most)
    steady = rate(6)
    assert consumer.stop()
    assert 0.5 < steady <= most


def test_what_was_left_in_one_of_many_streams_is_taken_over(conn, raw, wait_until):
    streams = [rnb.Stream(conn, f"s{i}") for i in range(30)]
    groups = [rnb.ConsumerGroup(stream, "g", consumer="me") for stream in streams]
    for stream, group in zip(streams, groups, strict=True):
        group.create("all")
        stream.add_many([{"n": i} for i in range(3)])
    rnb.ConsumerGroup(streams[17], "g", consumer="gone").read(3)
    seen = []
    with rnb.Consumer(groups, lambda entry: seen.append(entry.id), min_idle="1s"):
        wait_until(lambda: len(seen) >= 87)
        began = time.monotonic()
        wait_until(lambda: len(seen) == 90)
        assert time.monotonic() - began < deadline(6)
