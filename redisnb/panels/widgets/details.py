"""Details: one entry in full, its event as a tree and its bytes on request."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

from redisnb.entries import Entry
from redisnb.panels.widgets.parts import Button, Column, Controls, Row, Text, Tree
from redisnb.panels.widgets.wording import shorten

__all__ = ["Details", "as_json"]

#: The largest entry that is shown as a tree, in bytes, and how much of each value is shown raw.
TREE_BYTES, RAW = 1_000_000, 20_000


class Details(Column):
    """One entry in full; empty until there is one."""

    def __init__(self) -> None:
        self._entry: Entry | None = None
        self._title = Text("rnb-title", role="status")
        self._note = Text("rnb-note")
        self._tree = Tree("Event")
        self._raw = Text("rnb-entries", role="region", label="Raw bytes")
        self._controls = Controls(
            Button("raw", "Raw bytes", tip="Show the fields as they are stored"),
            Button("close", "Close"),
            on_act=self._act,
        )
        super().__init__(Row(self._title, self._controls), self._note, self._tree, self._raw)
        self.hide()

    def entry(self, entry: Entry, note: str = "") -> None:
        """Show an entry as it is stored."""
        self._entry = entry
        size = sum(len(name) + len(value) for name, value in entry.fields)
        title = f"{entry.id} of {entry.stream!r}, {size:,} bytes"
        self._put(title, entry.event if size <= TREE_BYTES else None, note)
        if size > TREE_BYTES:
            self._note.value = f"It is too large to show; stream.entry({entry.id!r}) has it whole"
        self._controls.show(raw=True)

    def row(self, title: str, row: dict[Any, Any], note: str) -> None:
        """Show a row of a frame, for an entry that is no longer stored."""
        self._entry = None
        self._put(title, {name: value for name, value in row.items() if _is_there(value)}, note)
        self._controls.show(raw=False)

    def hide(self) -> None:
        """Show nothing."""
        self._entry = None
        self._put("", None, "")
        self.show(False)

    def _put(self, title: str, value: Any, note: str) -> None:
        self.show(True)
        self._raw.value = ""
        self._title.value, self._note.value = title, note
        self._tree.value = "" if value is None else as_json(value)

    def _act(self, name: str) -> None:
        if name == "close":
            self.hide()
        elif self._entry is not None:
            # In Python's notation for bytes, which is unambiguous.
            self._raw.value = "\n".join(
                f"{shorten(repr(name), RAW)}: {shorten(repr(value), RAW)}"
                for name, value in self._entry.fields
            )


def as_json(value: Any) -> str:
    """Write a value as the JSON text that a `Tree` shows."""
    return json.dumps(_json_ready(value), default=_tree_value)


def _is_there(value: Any) -> bool:
    return not pd.api.types.is_scalar(value) or not pd.isna(value)


def _json_ready(value: Any) -> Any:
    """Return what JSON can hold: names become text, as do numbers that JavaScript would round."""
    if isinstance(value, dict):
        return {_shown_member(name): _json_ready(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_json_ready(each) for each in value]
    if isinstance(value, int) and abs(value) > 2**53:
        return str(value)
    if isinstance(value, float) and (value != value or value in (float("inf"), -float("inf"))):
        return str(value)
    return value


def _shown_member(name: object) -> str:
    return name.decode(errors="backslashreplace") if isinstance(name, bytes) else str(name)


def _tree_value(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    return value.item() if isinstance(value, np.generic) else str(value)
