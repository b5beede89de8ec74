"""Contents: the parts that show a value as text, as a tree, as bytes or as a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from redisnb import cards
from redisnb.entries import to_bytes
from redisnb.panels.details import decoded_field, hex_text, plain_text, plain_tree
from redisnb.panels.parts import Grid, JsonTree, Label, Part

__all__ = ["DECODED", "content_options", "content_parts", "table_of"]

DECODED, _AS_TEXT, _AS_BYTES = "decoded", "text", "bytes"


def table_of(value: Any) -> Grid | None:
    """Return a table of a frame or a series; None for other values."""
    if not isinstance(value, pd.DataFrame | pd.Series):
        return None
    grid = Grid("Rows of the frame", empty="The frame has no rows.")
    grid.show(value.to_frame() if isinstance(value, pd.Series) else value)
    return grid


def content_options(value: str | bytes) -> list[tuple[str, str]]:
    """Return how a value can be shown: decoded, if it holds more than text, as text, as bytes."""
    decoded = decoded_field(_stored(value))
    options = [(_AS_TEXT, "Text"), (_AS_BYTES, "Bytes")]
    return options if decoded is None else [(DECODED, ", ".join(decoded.codings)), *options]


def content_parts(value: str | bytes, how: str) -> list[Part]:
    """Return the parts that show a value in one of these ways."""
    drawers: dict[str, Callable[[bytes], list[Part]]] = {
        DECODED: _decoded_content,
        _AS_TEXT: lambda stored: [Label(plain_text(stored), look="code")],
        _AS_BYTES: lambda stored: [Label(hex_text(stored), look="bytes")],
    }
    return drawers[how](_stored(value))


def _decoded_content(stored: bytes) -> list[Part]:
    decoded = decoded_field(stored)
    # Only then it is an option.
    assert decoded is not None
    value = plain_tree(decoded.value)
    if isinstance(value, dict | list):
        return [JsonTree("Value", value)]
    return [Label(cards.legible(str(value)), look="code")]


def _stored(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else to_bytes(value)
