"""A tap is told of each entry as it is read, and of what the handler raised for it."""

import pytest

from redisnb import Consumer
from redisnb.consumers import pass_over, tap

pytestmark = pytest.mark.slow


class Bucket:
    def __init__(self):
        self.found, self.failed = [], []

    def take(self, found):
        self.found += [id.decode() for _, id, _ in found]

    def take_failure(self, entry, summary, error):
        self.failed.append((entry[1].decode(), summary, error.text))


def test_a_tap_sees_entries_and_errors_until_it_is_off(stream, wait_until):
    def handle(entry):
        if entry.event["n"] == "2":
            raise ValueError("not this one")

    ids = stream.add_many([{"n": n} for n in range(1, 4)])["entry_id"].tolist()
    consumer, bucket = Consumer(stream, handle, start="all"), Bucket()
    tap(consumer, bucket)
    consumer.start()
    wait_until(lambda: consumer.stats["handled"] == 2)
    assert bucket.found == ids
    ((failed, summary, text),) = bucket.failed
    assert (failed, summary) == (ids[1], "ValueError: not this one")
    assert "raise ValueError" in text
    tap(consumer, bucket, on=False)
    stream.add({"n": 4})
    wait_until(lambda: consumer.stats["handled"] == 3)
    assert bucket.found == ids


@pytest.mark.parametrize("after", ["keep", "pending"])
def test_what_is_passed_over_is_handled(group, raw, wait_until, after):
    group.stream.add_many([{"n": n} for n in range(30)])
    consumer, bucket = Consumer(group, pass_over, count=10, after=after), Bucket()
    tap(consumer, bucket)
    consumer.start()
    wait_until(lambda: consumer.stats["handled"] == 30)
    assert consumer.stop()
    assert len(bucket.found) == 30
    assert raw.xpending("s", "g")["pending"] == (30 if after == "pending" else 0)
