"""A stream with a group that is stuck."""

import pytest

from redisnb import ConsumerGroup

HOUR = 3_600_000


@pytest.fixture
def stuck(stream, raw):
    """A group in which ann holds four of six entries, three of them since an hour."""
    for n in range(6):
        raw.xadd("s", {"payload": f'{{"item": "tea", "n": {n}}}'}, id=f"{n + 1}-0")
    group = ConsumerGroup(stream, "etl", consumer="ann")
    group.create("all")
    group.read(4)
    raw.xclaim("s", "etl", "ann", 0, ["1-0", "2-0", "3-0"], idle=HOUR, retrycount=7)
    return group
