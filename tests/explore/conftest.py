"""Each test runs with both protocols, since some replies differ between them."""

import pytest


@pytest.fixture(
    params=[pytest.param(2, id="resp2", marks=pytest.mark.long), pytest.param(3, id="resp3")]
)
def protocol(request) -> int:
    return request.param
