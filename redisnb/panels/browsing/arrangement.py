"""The rows of a page as its table shows them, and the Python that reads and arranges them so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from redisnb.panels.browsing.facts import bound_text
from redisnb.panels.browsing.reading import EntryPage
from redisnb.panels.parts import PythonCode
from redisnb.stream import Stream

__all__ = ["Arrangement", "page_python"]

_ENTRY_TIME, _ENTRY_ID = "entry_time", "entry_id"


class Arrangement(NamedTuple):
    """Which columns a table shows, and by which its rows are sorted.

    Attributes
    ----------
    columns : sequence of str
        Those shown, in order. The index stays, shown or not.
    sort : (str, bool) or None
        A column, and whether it ascends.
    newest_first : bool
        The order of the rows before they are sorted.
    """

    columns: Sequence[str]
    sort: tuple[str, bool] | None
    newest_first: bool

    def of(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Arrange a page."""
        kept = self._kept(frame)
        sorted_frame = self._sorted(frame)
        return sorted_frame if kept is None else sorted_frame[kept]

    def write(self, code: PythonCode, frame: pd.DataFrame) -> None:
        """Write what arranges the page that the code calls `frame`."""
        if (line := self._sort_line(frame)) is not None:
            code.keep("frame", line)
        if (kept := self._kept(frame)) is not None:
            code.keep("frame", f"frame[{kept!r}]")

    def _kept(self, frame: pd.DataFrame) -> list[str] | None:
        kept = [name for name in self.columns if name != _ENTRY_TIME]
        return None if kept == list(frame.columns) else kept

    def _sorted(self, frame: pd.DataFrame) -> pd.DataFrame:
        if self.sort is None or self.sort[0] not in (_ENTRY_TIME, *frame.columns):
            return frame
        name, ascending = self.sort
        if name == _ENTRY_TIME:
            return frame.sort_index(ascending=ascending, kind="stable")
        if name == _ENTRY_ID:
            # As text 10-0 would come before 9-0; the page is in order by ID.
            return frame.iloc[::-1] if ascending == self.newest_first else frame
        key = _as_texts if frame[name].dtype == object else None
        return frame.sort_values(name, ascending=ascending, kind="stable", key=key)

    def _sort_line(self, frame: pd.DataFrame) -> str | None:
        if self.sort is None or self.sort[0] not in (_ENTRY_TIME, *frame.columns):
            return None
        name, ascending = self.sort
        if name == _ENTRY_TIME:
            return f"frame.sort_index(ascending={ascending}, kind='stable')"
        if name == _ENTRY_ID:
            return "frame.iloc[::-1]" if ascending == self.newest_first else None
        texts = "lambda column: column.map(str, na_action='ignore')"
        key = f", key={texts}" if frame[name].dtype == object else ""
        return f"frame.sort_values({name!r}, ascending={ascending}, kind='stable'{key})"


def page_python(stream: Stream, page: EntryPage | None, arrangement: Arrangement) -> str:
    """Return the calls that read a page and arrange it; without one, those that read all."""
    code, options = PythonCode(), stream.layout.options()
    if stream.schema is not None:
        options["schema"] = {name: str(dtype) for name, dtype in stream.schema.items()}
    call = code.call("rnb.Stream", code.connection(stream.conn.url), stream.key, **options)
    code.keep("stream", call)
    if page is None:
        code.keep("frame", code.method("stream", "range"))
        return str(code)
    start, end = page.bounds
    read = code.method(
        "stream",
        "range",
        start=bound_text(start),
        end=bound_text(end),
        reverse=page.request.newest_first or None,
        where=page.request.where or None,
    )
    code.keep("frame", read)
    arrangement.write(code, page.frame)
    return str(code)


def _as_texts(column: pd.Series[str]) -> pd.Series[str]:
    return column.map(str, na_action="ignore")
