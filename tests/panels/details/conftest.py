"""A panel that has nothing but the drawer, and a page that shows it."""

import pandas as pd
import pytest

from redisnb.panels.details import EntryDetails
from redisnb.panels.parts import Box, PartsPanel, Trouble
from tests.panels.parts.acting import Page


class Alone(PartsPanel):
    """The drawer alone."""

    def __init__(self):
        self.closed = 0
        self.details = EntryDetails(on=self._close)
        trouble = Trouble()
        super().__init__(Box(trouble, self.details), trouble, snapshot=False)

    def _close(self):
        self.closed += 1

    def frame(self):
        return pd.DataFrame()

    def python(self):
        return ""


@pytest.fixture
def panel():
    panel = Alone()
    yield panel
    panel.details.stop()


@pytest.fixture
def page(panel):
    return Page(panel)
