"""Snapshot: what a saved notebook shows of a panel where no widget runs."""

from __future__ import annotations

import html
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from redisnb.panels.parts.writing import cells, decimal_places, named_columns

__all__ = ["Snapshot", "publish_output"]

_ROWS = 20
#: How many characters fit beside each other on a page of 900 px, with two between columns; and
#: from what length on a text is wrapped.
_PAGE, _LONG, _BETWEEN = 110, 40, 2
#: How often it is written again while the panel runs, in seconds.
_EVERY = 30.0


class Snapshot:
    """The first rows of a panel as a table of plain text, in an output of its own.

    The page hides it while the panel is alive. It is an output of its own because JupyterLab draws
    a changed output from scratch: the panel would lose its focus.

    Parameters
    ----------
    title : str
        What the panel is.
    frame : callable
        Returns what it shows.
    """

    def __init__(self, title: str, frame: Callable[[], pd.DataFrame]) -> None:
        self._title, self._frame = title, frame
        self.name = f"rp-saved-{uuid.uuid4().hex[:12]}"
        self._lock = threading.Lock()
        self._is_displayed = False
        self._written_at = 0.0

    def html(self) -> str:
        """Return the table, as wide as a page, and of when it is."""
        frame = self._frame()
        columns = named_columns(frame)
        first = [column.iloc[:_ROWS] for column in columns.values()]
        rows = cells(first, list(map(decimal_places, first)))
        texts = [[*columns], *([each or "" for each in row] for row in rows)]
        kept = _columns_that_fit(texts)
        head, *lines = [[_code_of(row[i]) for i in kept] for row in texts]
        names = "".join(f"<th>{each}</th>" for each in head)
        body = "".join(f"<tr>{''.join(f'<td>{each}</td>' for each in line)}</tr>" for line in lines)
        table = f"<table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>"
        count = f"{len(rows):,} of {len(frame):,} rows, as of {datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
        cut = f", {len(kept)} of {len(columns):,} columns" if len(kept) < len(columns) else ""
        return (
            f'<div class="{self.name}"><p><b>{_code_of(self._title)}</b></p>{table if rows else ""}'
            f"<p>{count} UTC{cut if rows else ''}</p></div>"
        )

    def display(self) -> None:
        """Write it below the panel."""
        self._write(is_new=True)

    def refresh(self, *, now: bool = False) -> None:
        """Write it again where it is displayed, at most every 30 s unless `now`."""
        with self._lock:
            is_due = now or time.monotonic() - self._written_at > _EVERY
        if self._is_displayed and is_due:
            self._write(is_new=False)

    def _write(self, *, is_new: bool) -> None:
        self._is_displayed, self._written_at = True, time.monotonic()
        data = {"text/html": self.html(), "text/plain": f"{self._title}, as it was"}
        publish_output(data, transient={"display_id": self.name}, update=not is_new)


def publish_output(data: dict[str, Any], metadata: Any = None, **options: Any) -> None:
    """Add an output to the cell that runs, or with `update` change one."""
    # Not imported at the top: outside a notebook nothing is displayed.
    from IPython import display

    publish: Any = display.publish_display_data
    publish(data, metadata, **options)


def _columns_that_fit(rows: list[list[str]]) -> list[int]:
    """Return which columns fit on a page: the first one, and of the others the narrow ones."""
    widths = [_BETWEEN + min(_LONG, max(map(len, column))) for column in zip(*rows, strict=True)]
    kept = [*range(len(widths))]
    while len(kept) > 1 and sum(widths[i] for i in kept) > _PAGE:
        kept.remove(max(kept[1:], key=lambda i: (widths[i], i)))
    return kept


def _code_of(text: str) -> str:
    # Text in `code` is never typeset as a formula. JupyterLab would wrap an ID at its hyphen, and
    # give each cell a ground of its own.
    wrap = "overflow-wrap:anywhere" if len(text) > _LONG else "white-space:nowrap"
    return f'<code style="background:none;padding:0;{wrap}">{html.escape(text)}</code>'
