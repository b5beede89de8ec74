"""A stream and a group to consume; nothing runs on after a test."""

from collections.abc import Iterator

import pytest

from redisnb import ConsumerGroup, Stream, stop_all
from tests.consuming import threads


@pytest.fixture(autouse=True)
def no_thread_is_left(wait_until) -> Iterator[None]:
    yield
    stop_all()
    wait_until(lambda: not threads())


@pytest.fixture
def stream(conn) -> Stream:
    return Stream(conn, "s", format="fields")


@pytest.fixture
def group(stream, raw) -> ConsumerGroup:
    raw.xgroup_create("s", "g", "0", mkstream=True)
    return ConsumerGroup(stream, "g", consumer="me")
