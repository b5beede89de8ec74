"""The fault tests are not blind: each known way to break redisnb is noticed."""

import pytest

from tests.faults.children import Process
from tests.faults.mutations import MUTATIONS, NotHere, tell


@pytest.mark.parametrize("index", range(len(MUTATIONS)), ids=[each.name for each in MUTATIONS])
def test_a_mutation_is_noticed(place, index):
    try:
        MUTATIONS[index].scenario(place)
    except NotHere as reason:
        pytest.skip(str(reason))
    # Other tests run in this process.
    with Process(tell, index, place.executable) as process:
        assert process.says(60) is not None
