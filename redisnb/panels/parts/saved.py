"""What a saved notebook shows of a panel where no widget runs: its first rows, as plain text."""

from __future__ import annotations

import html
from datetime import UTC, datetime

import pandas as pd

from redisnb.panels.parts.writing import cells, decimal_places, named_columns

__all__ = ["saved_html"]

_ROWS = 20


def saved_html(title: str, frame: pd.DataFrame) -> str:
    """Return the first rows of a frame as a table, and of when it is."""
    when = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    columns = named_columns(frame)
    names = "".join(f"<th>{_code_of(name)}</th>" for name in columns)
    first = [column.iloc[:_ROWS] for column in columns.values()]
    rows = cells(first, list(map(decimal_places, first)))
    lines = ["".join(f"<td>{_code_of(each or '')}</td>" for each in row) for row in rows]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    table = f"<table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>" if rows else ""
    return (
        f"<p><b>{_code_of(title)}</b></p>{table}"
        f"<p>{len(rows):,} of {len(frame):,} rows, as of {when}</p>"
    )


def _code_of(text: str) -> str:
    # Text in `code` is never typeset as a formula.
    return f"<code>{html.escape(text)}</code>"
