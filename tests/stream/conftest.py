"""Replies that differ between the protocols are read here: each test speaks both."""

import pytest


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def protocol(request) -> int:
    return request.param
