"""Read and operate a panel in a test, without a browser."""

from typing import Any

from redisnb.panels.widgets.parts import Controls, Text
from redisnb.panels.widgets.table import Table


def inside(box: Any) -> list[Any]:
    return [w for child in getattr(box, "children", ()) for w in (child, *inside(child))]


def texts(panel: Any) -> dict[str, str]:
    """Return a panel's texts, by the role or class of the part; the first of each."""
    values: dict[str, str] = {}
    for part in inside(panel):
        if isinstance(part, Text):
            values.setdefault(part.role or part._dom_classes[0], part.value)
    return values


def lines(panel: Any) -> list[str]:
    return [part.value for part in inside(panel) if isinstance(part, Text) and part.value]


def controls(panel: Any, name: str) -> Controls:
    """Return the row of controls that contains one with this name."""
    return next(
        part
        for part in inside(panel)
        if isinstance(part, Controls) and name in [each["name"] for each in part.parts]
    )


def press(panel: Any, name: str, **values: Any) -> None:
    """Do what the front end does when a button is pressed, with the current field values."""
    row = controls(panel, name)
    present = {name: value for name, (_, value) in row.values.items()} | values
    row._handle({"name": name, "values": present, "n": row.last_n + 1})


def is_off(panel: Any, name: str) -> Any:
    return controls(panel, name).disabled.get(name, "")


def table(panel: Any, label: str) -> Table:
    return next(p for p in inside(panel) if isinstance(p, Table) and p.label == label)


def cells(panel: Any, label: str) -> list[list[Any]]:
    """Return the texts of the rows in a table's state."""
    return [row[2:] for row in table(panel, label).head]


def select(panel: Any, label: str, *keys: str) -> None:
    table(panel, label)._handle({"ask": "select", "keys": list(keys)})


def open_row(panel: Any, label: str, key: str) -> None:
    table(panel, label)._handle({"ask": "open", "key": key})
