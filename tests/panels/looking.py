"""What a test sees of a panel, and does to it, without a browser."""

from typing import Any

from redisnb.panels.widgets.parts import Controls, Text
from redisnb.panels.widgets.table import Table


def inside(box: Any) -> list[Any]:
    return [w for child in getattr(box, "children", ()) for w in (child, *inside(child))]


def texts(panel: Any) -> dict[str, str]:
    """What a panel says, by the class or the role of the part that says it; the first of each."""
    said: dict[str, str] = {}
    for part in inside(panel):
        if isinstance(part, Text):
            said.setdefault(part.role or part._dom_classes[0], part.value)
    return said


def lines(panel: Any) -> list[str]:
    return [part.value for part in inside(panel) if isinstance(part, Text) and part.value]


def controls(panel: Any, name: str) -> Controls:
    """The row of controls that has one of this name."""
    return next(
        part
        for part in inside(panel)
        if isinstance(part, Controls) and name in [each["name"] for each in part.parts]
    )


def press(panel: Any, name: str, **values: Any) -> None:
    """Do what the front end does when a button is pressed, with what stands in the fields."""
    row = controls(panel, name)
    present = {name: value for name, (_, value) in row.values.items()} | values
    row._handle({"name": name, "values": present, "n": row.last_n + 1})


def is_off(panel: Any, name: str) -> Any:
    return controls(panel, name).disabled.get(name, "")


def table(panel: Any, label: str) -> Table:
    return next(p for p in inside(panel) if isinstance(p, Table) and p.label == label)


def cells(panel: Any, label: str) -> list[list[Any]]:
    """The texts of the rows that a table's state carries."""
    return [row[2:] for row in table(panel, label).head]


def select(panel: Any, label: str, *keys: str) -> None:
    shown = table(panel, label)
    shown._handle({"ask": "select", "keys": list(keys)})


def open_row(panel: Any, label: str, key: str) -> None:
    shown = table(panel, label)
    shown._handle({"ask": "open", "key": key})
