"""Nothing runs on after a test."""

from collections.abc import Iterator

import pytest

from redisnb import stop_all
from tests.consuming import threads


@pytest.fixture(autouse=True)
def no_thread_is_left(wait_until) -> Iterator[None]:
    yield
    stop_all()
    wait_until(lambda: not threads())
