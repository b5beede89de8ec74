"""What each plot draws: the frames, by their columns, and what is said of any other."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pandas.api import types

from redisnb.errors import nearest

__all__ = ["Drawable", "drawable", "stream_names"]


class Form(NamedTuple):
    """A kind of frame: the columns that a plot needs, by what they hold, and what returns it."""

    name: str
    call: str
    needs: dict[str, str]
    also: dict[str, str]


def _form(name: str, call: str, needs: str, also: str = "") -> Form:
    """Make a form; columns are written as ``name:kind``."""
    each = (dict(part.split(":") for part in text.split()) for text in (needs, also))
    return Form(name, call, *each)


_FROM_WATCH = "rnb.watch(conn)"
_FROM_GROUPS = "rnb.groups(conn)"
_ENTRIES_FORM = _form("ENTRIES", "stream.range()", "entry_time:time entry_id:text", "stream:text")
#: The forms of each plot. A frame is of the first whose columns it has.
DRAWN = {
    "rate": (
        _ENTRIES_FORM,
        _form("HISTOGRAM", "stream.histogram()", "time:time entries:number"),
        _form("WATCH", _FROM_WATCH, "time:time stream:text rate:number"),
        _form("STREAMS", "rnb.streams(conn)", "stream:text rate:number"),
    ),
    "lag": (
        _form("WATCH", _FROM_WATCH, "time:time stream:text group:text lag:number"),
        _form("GROUPS", _FROM_GROUPS, "stream:text group:text lag:number"),
    ),
    "pending": (
        _form("WATCH", _FROM_WATCH, "time:time stream:text group:text pending:number"),
        _form(
            "PENDING",
            "group.pending()",
            "entry_id:text consumer:text idle:duration deliveries:number",
        ),
        _form("GROUPS", _FROM_GROUPS, "stream:text group:text pending:number"),
        _form("CONSUMERS", "group.consumers()", "consumer:text pending:number"),
    ),
    "ttl": (_form("KEYS", "rnb.keys(conn)", "key:text ttl:duration", "type:text"),),
    "gaps": (_ENTRIES_FORM,),
    "sizes": (
        _form("KEYS", "rnb.keys(conn, sizes=True)", "key:text size:number"),
        _form("TREE", "rnb.tree(conn)", "prefix:text size:number"),
        _form("STREAMS", "rnb.streams(conn)", "stream:text size:number"),
    ),
    "latency": (
        _form("WATCH", _FROM_WATCH, "time:time latency:duration"),
        _form("SLOWLOG", "rnb.slowlog(conn)", "time:time duration:duration command:text"),
    ),
}
#: The most streams that are told apart before they are drawn.
STREAMS_DRAWN = 1_000
#: What makes a frame of something else.
_FRAMES_OF = {
    "Stream": "stream.range() is a frame of its entries, and stream.groups() of its groups",
    "ConsumerGroup": "group.pending() and group.info() are frames",
    "Connection": "rnb.watch(conn), rnb.streams(conn) and rnb.keys(conn) are frames",
    "Cache": "cache.keys() is a frame",
    "Series": ".to_frame() makes one of a column, without the others",
    "dict": "it has several frames; take one by its name",
}


class Drawable(NamedTuple):
    """What a plot draws: the name of the form, and a frame of its columns, cleaned.

    Its index counts the rows. Times are UTC without saying so, durations are in seconds, numbers
    are float64, NaN for what is missing or infinite; text is str or missing.
    """

    name: str
    frame: pd.DataFrame


def drawable(plot: str, frame: object) -> Drawable:
    """Return what a plot draws of a frame.

    Raises
    ------
    TypeError
        If it is no frame; it says how to get one.
    ValueError
        If it has not the columns; it names them, and what returns such a frame.
    """
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"{_draws(plot)}, not {type(frame).__name__}{_frame_of(frame)}")
    forms = DRAWN[plot]
    form = min(forms, key=lambda each: len(_missing(each, frame)))
    if missing := _missing(form, frame):
        columns = ", ".join(map(repr, missing))
        others = [
            f"plots.{other}"
            for other in DRAWN
            if other != plot and not all(_missing(each, frame) for each in DRAWN[other])
        ]
        hint = f"; did you mean {' or '.join(others)}?" if others else _renamed(missing[0], frame)
        raise ValueError(
            f"{_draws(plot)}; this frame has no column{'s' * (len(missing) > 1)} {columns}{hint}"
        )
    kinds = {name: kind for name, kind in (form.needs | form.also).items() if _holds(frame, name)}
    if form is _ENTRIES_FORM and isinstance(frame.attrs.get("stream"), str):
        # Then the column is one of the event's own.
        kinds.pop("stream", None)
    clean = frame[[]].reset_index(drop=True)
    for name, kind in kinds.items():
        clean[name] = _clean(_column(frame, name, plot), kind, plot)
    return Drawable(form.name, clean)


def stream_names(clean: pd.DataFrame) -> pd.Series[Any]:
    """Return the stream of each entry, "" where the frame is of one; many small ones are one."""
    if "stream" not in clean:
        return pd.Series("", clean.index)
    names = clean["stream"].fillna("")
    return names.where(names.isin(names.value_counts().index[:STREAMS_DRAWN]), "others")


def _draws(plot: str) -> str:
    *calls, last = (form.call for form in DRAWN[plot])
    every = f"{', '.join(calls)} or {last}" if calls else last
    return f"plots.{plot}() draws what {every} returns"


def _frame_of(value: object) -> str:
    kinds = [each.__name__ for each in type(value).__mro__]
    for kind in kinds:
        if kind in _FRAMES_OF:
            return f"; {_FRAMES_OF[kind]}"
    if hasattr(value, "to_pandas"):
        return "; .to_pandas() makes one of it"
    return ""


def _renamed(name: str, frame: pd.DataFrame) -> str:
    near = nearest(name, [each for each in frame.columns if isinstance(each, str)])
    return f", but {near!r}" if near else ""


def _holds(frame: pd.DataFrame, name: str) -> bool:
    return name in frame.columns or name in frame.index.names


def _missing(form: Form, frame: pd.DataFrame) -> list[str]:
    # An event can have columns of any names; what tells entries from a watch is the index.
    is_entries = "entry_time" in frame.index.names and "entry_id" in frame.columns
    if is_entries and "entry_id" not in form.needs:
        return [*form.needs]
    return [name for name in form.needs if not _holds(frame, name)]


def _column(frame: pd.DataFrame, name: str, plot: str) -> pd.Series[Any]:
    if name not in frame.columns:
        return pd.Series(frame.index.get_level_values(name), name=name)
    found = frame[name]
    if isinstance(found, pd.DataFrame):
        raise ValueError(f"plots.{plot}(): this frame has several columns {name!r}")
    return found.reset_index(drop=True)


def _clean(column: pd.Series[Any], kind: str, plot: str) -> pd.Series[Any]:
    known = column.notna()
    if kind == "text":
        return column.astype(object).where(known, None).map(str, na_action="ignore")
    if not known.any():
        # Of whatever dtype: that of an empty column is lost in many operations.
        empty = np.full(len(column), np.nan)
        return pd.Series(empty.astype("datetime64[ms]") if kind == "time" else empty)
    if column.dtype == object:
        # As of rows that were put together with others.
        column = column.convert_dtypes()
    if kind == "number" and types.is_numeric_dtype(column) and not types.is_bool_dtype(column):
        numbers = column.to_numpy("float64", na_value=np.nan)
        return pd.Series(np.where(np.isfinite(numbers), numbers, np.nan))
    if kind == "duration" and types.is_timedelta64_dtype(column.dtype):
        return pd.Series(column.dt.total_seconds())
    if kind == "time" and isinstance(column.dtype, pd.DatetimeTZDtype):
        return pd.Series(column.dt.tz_convert("UTC").dt.tz_localize(None))
    naive = kind == "time" and types.is_datetime64_dtype(column.dtype)
    wanted = {"number": "numbers", "duration": "durations", "time": "times"}[kind]
    raise ValueError(
        f"plots.{plot}(): the column {column.name!r} is {column.dtype}, "
        + ("without a time zone; .tz_localize('UTC') says that it is UTC" if naive else "")
        + ("" if naive else f"and not of {wanted}")
    )
