"""A few seeds of the mixed run: ``--fault-seeds N`` for more of them."""

import pytest

from tests.faults import mixed
from tests.faults.__main__ import main

SECONDS = 4


def test_a_seed(place, seed):
    report = mixed.run(place, seed, SECONDS)
    assert not report.broken, str(report)
    # Enough to lose; how many there are is a matter of the machine, and of the faults.
    assert report.published > 30
    assert report.faults.total() >= 2


@pytest.mark.alone
@pytest.mark.parametrize("arguments", [["--seeds", "0"], ["--seconds", "0"]])
def test_options_that_make_no_sense(arguments, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert arguments[0] in capsys.readouterr().err
