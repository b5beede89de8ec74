"""A server whose clock goes back: nothing that was delivered before grows idle for that long."""

import logging
import struct
import time

import pytest

from redisnb import Consumer, ConsumerGroup, Stream
from tests.deadlines import deadline

pytestmark = pytest.mark.slow
HOUR = 3_600_000
POLYNOMIAL = 0x95AC9329AC4BC9B5  # of the checksum at the end of a dump, reflected


def checksum(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (POLYNOMIAL if crc & 1 else 0)
    return crc


def deliver_in_an_hour(raw, key: str, group: str, id: str) -> None:
    """Let an entry have been delivered an hour from now, as before the clock was set right."""
    [row] = raw.xpending_range(key, group, id, id, 1)
    seconds, micros = raw.time()
    delivered = seconds * 1000 + micros // 1000 - row["time_since_delivered"]
    dump = raw.dump(key)
    # The server's clock goes on between the two questions; the consumer's time may be the same.
    body = dump[:-8]
    for ms in range(delivered - 20, delivered + 20):
        body = body.replace(struct.pack("<q", ms), struct.pack("<q", ms + HOUR))
    assert body != dump[:-8]
    raw.restore(key, 0, body + struct.pack("<Q", checksum(body)), replace=True)


@pytest.fixture
def stuck(conn, raw):
    """A group with an entry of a consumer that is gone, delivered in the future."""
    id = raw.xadd("s", {"n": 1}).decode()
    raw.xgroup_create("s", "g", "0")
    raw.xreadgroup("g", "gone", {"s": ">"})
    deliver_in_an_hour(raw, "s", "g", id)
    return id


def test_it_is_said(conn, raw, stuck, wait_until, caplog):
    group = ConsumerGroup(Stream(conn, "s"), "g", consumer="me")
    seen = []
    with (
        caplog.at_level(logging.WARNING, "redisnb"),
        Consumer(group, lambda entry: seen.append(entry.id), min_idle=1) as consumer,
    ):
        wait_until(lambda: "clock" in consumer.errors()["error"].tolist())
        row = consumer.errors().iloc[0]
        assert row["entry_id"] == stuck
        assert "of consumer 'gone' does not grow idle" in row["message"]
        assert row["message"] in caplog.text
        assert seen == []
        # Once, and not again and again.
        time.sleep(2.5)
        assert consumer.errors()["error"].tolist() == ["clock"]
        # What it says to do.
        claimed = group.claim([stuck], min_idle=0)
        assert claimed["entry_id"].tolist() == [stuck]


def test_a_consumer_that_is_at_work_is_no_clock(conn, raw, wait_until):
    raw.xgroup_create("s", "g", "0", mkstream=True)

    def slow(entry):
        time.sleep(deadline(4))

    def group(name):
        return ConsumerGroup(Stream(conn, "s"), "g", consumer=name)

    with Consumer(group("slow"), slow, min_idle=1):
        raw.xadd("s", {"n": 1})
        wait_until(lambda: raw.xpending("s", "g")["pending"])
        with Consumer(group("other"), print, min_idle=1) as other:
            wait_until(lambda: not raw.xpending("s", "g")["pending"])
            assert other.errors().empty
