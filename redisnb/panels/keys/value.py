"""Value: the value of one key, displayed according to its type."""

from __future__ import annotations

from typing import Any

import pandas as pd

from redisnb.entries import load_json
from redisnb.panels.widgets import (
    RAW,
    TREE_BYTES,
    Column,
    Controls,
    Row,
    Table,
    Text,
    Tree,
    as_json,
    duration,
    shorten,
)

__all__ = ["Value"]

#: What the length of each type counts.
_PARTS = {
    "string": ("byte", "bytes"),
    "json": ("byte", "bytes"),
    "hash": ("field", "fields"),
    "list": ("element", "elements"),
    "set": ("member", "members"),
    "zset": ("member", "members"),
    "stream": ("entry", "entries"),
}


class Value(Column):
    """The value of one key, as `redisnb.preview` returns it; empty until there is one.

    Parameters
    ----------
    controls : Controls
        The controls next to the key's name.
    """

    def __init__(self, controls: Controls) -> None:
        self._title = Text("rnb-title", role="status")
        self._facts, self._note = Text("rnb-note"), Text("rnb-error", role="alert")
        self._description = ""
        self._tree = Tree("Value")
        self._text = Text("rnb-entries", role="region", label="Value")
        self._table = Table(label="Value", empty="It is empty.")
        self._elements = Column(self._table)
        super().__init__(
            Row(self._title, self._facts, controls),
            self._note,
            self._tree,
            self._text,
            self._elements,
        )
        self.show(False)

    def put(self, title: str, frame: pd.DataFrame | None, call: str) -> None:
        """Show a preview; None for a value that has none.

        `call` is the call that returns the whole value.
        """
        self._title.value, self._note.value = title, ""
        kind = "" if frame is None else frame.attrs["type"]
        self._description = "of no type that can be shown" if frame is None else _description(frame)
        tree, text, more = "", "", ""
        if kind in ("string", "json"):
            assert frame is not None
            tree, text, more = _string_view(frame["value"].iloc[0])
        elif frame is not None:
            self._table.select([])
            self._table.show(frame)
        self._table.caption = ""
        if frame is not None and frame.attrs["truncated"]:
            shown = f"the {'last' if kind == 'stream' else 'first'} {len(frame):,} are shown"
            self._description += (
                f", {'the beginning is shown' if kind in ('string', 'json') else shown}"
            )
            more = more or f"{call} has more"
        self._description += f"; {more}" if more else ""
        self._tree.value, self._text.value = tree, text
        self._elements.show(kind not in ("", "none", "string", "json"))
        self.tell(None)
        self.show(True)

    def tell(self, left: Any) -> None:
        """Show the time to live; a missing one means that the key does not expire."""
        lives = "" if left is None or pd.isna(left) else f", expires in {duration(left)}"
        text = f"{self._description}{lives}"
        if self._facts.value != text:
            self._facts.value = text

    def say(self, note: str) -> None:
        """Show a note about the key."""
        if self._note.value != note:
            self._note.value = note


def _description(frame: pd.DataFrame) -> str:
    kind, length = frame.attrs["type"], frame.attrs["length"]
    if kind == "none":
        return "there is no such key"
    return kind if length is None else f"{kind} of {length:,} {_PARTS[kind][length != 1]}"


def _string_view(value: str | bytes) -> tuple[str, str, str]:
    """Return JSON for a tree, or a text to show instead, and a note."""
    if isinstance(value, bytes):
        return "", shorten(repr(value), RAW), "stored by Cache; Cache.get returns it"
    if len(value) <= TREE_BYTES and value.lstrip()[:1] in ("{", "["):
        try:
            return as_json(load_json(value.encode())), "", ""
        except (ValueError, RecursionError):
            # It only looks like JSON, or is nested too deeply for a tree.
            pass
    note = "" if len(value) <= RAW else f"the first {RAW:,} characters are shown"
    return "", shorten(value, RAW), note
