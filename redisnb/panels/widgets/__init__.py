"""What all panels share: parts, a table, one entry's details, and a ticker for refreshes."""

from redisnb.panels.widgets.details import RAW, TREE_BYTES, Details, as_json
from redisnb.panels.widgets.panel import USER_ERRORS, Panel
from redisnb.panels.widgets.parts import (
    Button,
    Choice,
    Column,
    Controls,
    ControlSpec,
    Field,
    Pairs,
    ProgressBar,
    Row,
    Sparkline,
    Tabs,
    Text,
    Tree,
)
from redisnb.panels.widgets.table import Table
from redisnb.panels.widgets.ticker import CHECK_INTERVAL, REDRAW_INTERVAL, Ticker
from redisnb.panels.widgets.wording import (
    READ_ONLY,
    VALUE,
    count_text,
    duration,
    shorten,
)

__all__ = [
    "CHECK_INTERVAL",
    "RAW",
    "READ_ONLY",
    "REDRAW_INTERVAL",
    "TREE_BYTES",
    "USER_ERRORS",
    "VALUE",
    "Button",
    "Choice",
    "Column",
    "ControlSpec",
    "Controls",
    "Details",
    "Field",
    "Pairs",
    "Panel",
    "ProgressBar",
    "Row",
    "Sparkline",
    "Table",
    "Tabs",
    "Text",
    "Ticker",
    "Tree",
    "as_json",
    "count_text",
    "duration",
    "shorten",
]
