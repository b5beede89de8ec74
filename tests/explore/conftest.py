"""Each test runs with both protocols, since some replies differ between them."""

import pytest


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def protocol(request) -> int:
    return request.param
