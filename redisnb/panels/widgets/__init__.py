"""What all panels share: parts, a table, one entry's details, and what keeps them fresh."""

from redisnb.panels.widgets.details import RAW, TREE, Details, as_json
from redisnb.panels.widgets.panel import ERRORS, Panel
from redisnb.panels.widgets.parts import (
    Button,
    Choice,
    Column,
    Controls,
    Field,
    Pairs,
    Part,
    Progress,
    Row,
    Sparkline,
    Tabs,
    Text,
    Tree,
)
from redisnb.panels.widgets.table import Table
from redisnb.panels.widgets.ticker import Ticker
from redisnb.panels.widgets.wording import VALUE, cut, duration, number, words

__all__ = [
    "ERRORS",
    "RAW",
    "TREE",
    "VALUE",
    "Button",
    "Choice",
    "Column",
    "Controls",
    "Details",
    "Field",
    "Pairs",
    "Panel",
    "Part",
    "Progress",
    "Row",
    "Sparkline",
    "Table",
    "Tabs",
    "Text",
    "Ticker",
    "Tree",
    "as_json",
    "cut",
    "duration",
    "number",
    "words",
]
