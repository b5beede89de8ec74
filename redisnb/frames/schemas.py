"""The schemas of frames, and frames of plain rows.

============ ============= ======================================================================
schema       index         columns
============ ============= ======================================================================
ENTRIES      entry_time    entry_id, then the event's columns in the order in which they occur
PENDING      entry_time    entry_id, consumer, idle, deliveries (then the event's columns)
ADDED        range         entry_id, status ("added", "failed", "unknown", "unsent"), error
GROUPS       range         stream, group, consumers, pending, last_delivered_id, entries_read, lag,
                           oldest_pending, longest_idle, lag_unknown
CONSUMERS    range         consumer, pending, idle, inactive
STREAMS      range         stream, length, groups, first_id, last_id, first_time, last_time, size,
                           rate, lag, pending, oldest_pending, dead_letters
DEAD_LETTERS entry_time    entry_id, origin_id, group, consumer, deliveries, error, redrives (then
                           the event's columns)
POSITION     range         stream, group, before, after, skipped, repeated
REPLAY       range         stream, target, entries, bytes, first_id, last_id, span, duration
KEYS         range         key, type, ttl, expires_at (then size, encoding)
TREE         range         prefix, keys, size, types, persistent, shortest_ttl, median_ttl,
                           longest_ttl
VALUES       range         key, then the columns in the order in which they occur
PREVIEW      range         by type: string, json: value; hash: field, value, ttl; list: index,
                           value; set: value; zset: value, score; stream: as ENTRIES; none: nothing
REPLY        range         by command: SCAN: key; HGETALL: field, value; SSCAN: value; ZSCAN: value,
                           score; CONFIG GET: name, value; XPENDING: consumer, pending; XINFO GROUPS
                           and XINFO CONSUMERS: Redis' names
ERRORS       range         entry_id, error, message, traceback
CAPTURED     range         stream, entries, bytes, first_id, last_id, path
INFO         range         section, name, value
CLIENTS      range         id, address, name, user, db, age, idle, command, memory, library, own
SLOWLOG      range         id, time, duration, command, client, name
FINDINGS     range         severity ("error", "warning", "note"), about, finding, evidence, remedy
HISTOGRAM    time          entries
PARTITIONS   range         start, end, entries
WATCH        time          stream, group, length, added, rate, lag, pending, oldest_pending, latency
PROFILE      range         column, kinds, present, missing, distinct, min, max, top, first_seen,
                           last_seen, changes
============ ============= ======================================================================

`entry_time` is datetime64[ms, UTC]. Durations are timedelta64[ms], those of commands [us]. Counts
that a server may not know are Int64. Names and IDs are str; bytes that are not UTF-8 are spelled,
see `to_bytes`. `columns` describes how an event becomes columns.
"""

from __future__ import annotations

import html
import shutil
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from redisnb.entries import time_index
from redisnb.frames.decoding import object_array, to_pandas

__all__ = [
    "ADDED",
    "CAPTURED",
    "CLIENTS",
    "CONSUMERS",
    "DEAD_LETTERS",
    "ENTRIES",
    "ERRORS",
    "FINDINGS",
    "GROUPS",
    "HISTOGRAM",
    "INFO",
    "KEYS",
    "KEY_SIZES",
    "PARTITIONS",
    "PENDING",
    "POSITION",
    "PREVIEW",
    "PROFILE",
    "REPLAY",
    "REPLY",
    "SLOWLOG",
    "STREAMS",
    "TREE",
    "VALUES",
    "WATCH",
    "ErrorFrame",
    "FindingsFrame",
    "column",
    "findings_frame",
    "table",
]

#: How many errors a terminal shows.
_ERRORS_SHOWN = 20
#: The style of a notebook's cell of a finding: Jupyter's own is one line, aligned to the right.
_CELL = "text-align: left; vertical-align: top; white-space: pre-wrap; overflow-wrap: anywhere"
_ONE_LINE = "text-align: left; vertical-align: top; white-space: nowrap"
_COLORED = {
    "error": '<span style="color: #d32f2f">error</span>',
    "warning": '<span style="color: #b26a00">warning</span>',
}

ENTRIES = {"entry_id": "str"}
PENDING = {"entry_id": "str", "consumer": "str", "idle": "timedelta64[ms]", "deliveries": "int64"}
ADDED = {"entry_id": "str", "status": "str", "error": "str"}
GROUPS = {
    "stream": "str",
    "group": "str",
    "consumers": "int64",
    "pending": "int64",
    "last_delivered_id": "str",
    "entries_read": "Int64",
    "lag": "Int64",
    "oldest_pending": "timedelta64[ms]",
    "longest_idle": "timedelta64[ms]",
    "lag_unknown": "str",
}
CONSUMERS = {
    "consumer": "str",
    "pending": "int64",
    "idle": "timedelta64[ms]",
    "inactive": "timedelta64[ms]",
}
STREAMS = {
    "stream": "str",
    "length": "Int64",
    "groups": "Int64",
    "first_id": "str",
    "last_id": "str",
    "first_time": "datetime64[ms, UTC]",
    "last_time": "datetime64[ms, UTC]",
    "size": "Int64",
    "rate": "Float64",
    "lag": "Int64",
    "pending": "Int64",
    "oldest_pending": "timedelta64[ms]",
    "dead_letters": "Int64",
}
DEAD_LETTERS = {
    "entry_id": "str",
    "origin_id": "str",
    "group": "str",
    "consumer": "str",
    "deliveries": "int64",
    "error": "str",
    "redrives": "int64",
}
POSITION = {
    "stream": "str",
    "group": "str",
    "before": "str",
    "after": "str",
    "skipped": "int64",
    "repeated": "int64",
}
REPLAY = {
    "stream": "str",
    "target": "str",
    "entries": "int64",
    "bytes": "int64",
    "first_id": "str",
    "last_id": "str",
    "span": "timedelta64[ms]",
    "duration": "timedelta64[ms]",
}
KEYS = {
    "key": "str",
    "type": "str",
    "ttl": "timedelta64[ms]",
    "expires_at": "datetime64[ms, UTC]",
}
KEY_SIZES = {"size": "Int64", "encoding": "str"}
TREE = {
    "prefix": "str",
    "keys": "Int64",
    "size": "Int64",
    "types": "str",
    "persistent": "Int64",
    "shortest_ttl": "timedelta64[ms]",
    "median_ttl": "timedelta64[ms]",
    "longest_ttl": "timedelta64[ms]",
}
VALUES = {"key": "str"}
PREVIEW = {
    "none": {},
    "string": {"value": "str"},
    "json": {"value": "str"},
    "hash": {"field": "str", "value": "str", "ttl": "timedelta64[ms]"},
    "list": {"index": "int64", "value": "str"},
    "set": {"value": "str"},
    "zset": {"value": "str", "score": "float64"},
    "stream": ENTRIES,
}
REPLY = {
    "SCAN": {"key": "str"},
    "HGETALL": {"field": "str", "value": "str"},
    "SSCAN": {"value": "str"},
    "ZSCAN": PREVIEW["zset"],
    "CONFIG GET": {"name": "str", "value": "str"},
    "XPENDING": {"consumer": "str", "pending": "int64"},
    "XINFO GROUPS": {
        "name": "str",
        "consumers": "int64",
        "pending": "int64",
        "last-delivered-id": "str",
        "entries-read": "Int64",
        "lag": "Int64",
    },
    "XINFO CONSUMERS": {
        "name": "str",
        "pending": "int64",
        "idle": "timedelta64[ms]",
        "inactive": "timedelta64[ms]",
    },
}
INFO = {"section": "str", "name": "str", "value": "str"}
CLIENTS = {
    "id": "int64",
    "address": "str",
    "name": "str",
    "user": "str",
    "db": "int64",
    "age": "timedelta64[ms]",
    "idle": "timedelta64[ms]",
    "command": "str",
    "memory": "Int64",
    "library": "str",
    "own": "boolean",
}
SLOWLOG = {
    "id": "int64",
    "time": "datetime64[ms, UTC]",
    "duration": "timedelta64[us]",
    "command": "str",
    "client": "str",
    "name": "str",
}
#: What is wrong, worst first; the remedy is the call that shows or mends it.
FINDINGS = {"severity": "str", "about": "str", "finding": "str", "evidence": "str", "remedy": "str"}
HISTOGRAM = {"entries": "Int64"}
PARTITIONS = {"start": "str", "end": "str", "entries": "Int64"}
WATCH = {
    "stream": "str",
    "group": "str",
    "length": "Int64",
    "added": "Int64",
    "rate": "Float64",
    "lag": "Int64",
    "pending": "Int64",
    "oldest_pending": "timedelta64[ms]",
    "latency": "timedelta64[us]",
}
#: Worst first.
SEVERITIES = ("error", "warning", "note")
PROFILE = {
    "column": "str",
    "kinds": "str",
    "present": "int64",
    "missing": "int64",
    "distinct": "Int64",
    "min": "str",
    "max": "str",
    "top": "str",
    "first_seen": "str",
    "last_seen": "str",
    "changes": "str",
}
ERRORS = {"entry_id": "str", "error": "str", "message": "str", "traceback": "str"}
CAPTURED = {
    "stream": "str",
    "entries": "int64",
    "bytes": "int64",
    "first_id": "str",
    "last_id": "str",
    "missed": "int64",
    "path": "str",
}


def table(schema: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> pd.DataFrame:
    """Make a frame of `schema` from rows of Python values (durations as numbers, None: missing)."""
    columns: Sequence[Sequence[Any]] = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pd.DataFrame(
        {
            name: column(list(values), dtype)
            for (name, dtype), values in zip(schema.items(), columns, strict=True)
        }
    )


def column(values: list[Any], dtype: str) -> Any:
    """Return a column of `dtype` from Python values, as `table` takes them."""
    if dtype == "str":
        if bytes in set(map(type, values)):
            # A value that `Cache` has stored, which only it can read.
            return object_array(values)
        return to_pandas(pa.array(values, pa.string(), from_pandas=True))
    limits = np.iinfo("int64")
    if dtype.startswith("timedelta64"):
        # The smallest int64 is numpy's NaT.
        return pa.array(values, pa.int64()).fill_null(limits.min).to_numpy().view(dtype)
    if dtype == "datetime64[ms, UTC]":
        # Beyond the last possible time, so it becomes NaT as well.
        return time_index([limits.max if value is None else value for value in values])
    return pd.Series(values, dtype=dtype).array


class ErrorFrame(pd.DataFrame):
    """A frame in schema ERRORS that a terminal shows without its last column, which has many lines.

    Frames derived from it are plain frames.
    """

    @property
    def _constructor(self) -> Callable[..., pd.DataFrame]:
        return pd.DataFrame

    def __repr__(self) -> str:
        """Return a line for each error, the newest last."""
        if self.empty or list(self.columns) != list(ERRORS):
            return pd.DataFrame(self).__repr__()
        width = shutil.get_terminal_size().columns
        last = self.tail(_ERRORS_SHOWN)
        message = last["message"].str.partition("\n")[0]
        lines = (last["entry_id"] + "  " + last["error"] + ": " + message).str.slice(0, width)
        more = (
            [f"... {len(self) - _ERRORS_SHOWN:,} before these"] if len(self) > _ERRORS_SHOWN else []
        )
        return "\n".join([*more, *lines, f"[{len(self):,} errors; .traceback has where each was]"])


class FindingsFrame(pd.DataFrame):
    """A frame in schema FINDINGS that a terminal and a notebook show in full, as text.

    So are frames of some of its rows; others that are derived from it are shown as usual.
    """

    @property
    def _constructor(self) -> Callable[..., pd.DataFrame]:
        return FindingsFrame

    @property
    def _is_whole(self) -> bool:
        return list(self.columns) == list(FINDINGS)

    def __repr__(self) -> str:
        """Return some lines for each finding, the last of them the remedy, which is not wrapped."""
        if not self._is_whole:
            return pd.DataFrame(self).__repr__()
        width = max(40, min(100, shutil.get_terminal_size().columns))
        lines: list[str] = []
        for severity, about, finding, evidence, remedy in self.itertuples(index=False, name=None):
            for text, begin in ((f"{about}: {finding}", f"{severity:<9}"), (evidence, " " * 9)):
                lines += textwrap.wrap(text, width, initial_indent=begin, subsequent_indent=" " * 9)
            lines += [f"{' ' * 9}{remedy}"] if remedy else []
        return "\n".join([*lines, f"[{self._counts()}]"])

    def _repr_html_(self) -> str:
        if not self._is_whole:
            return str(pd.DataFrame(self)._repr_html_())  # type: ignore[operator]
        rows = []
        for severity, *texts in self.itertuples(index=False, name=None):
            about, finding, evidence, remedy = (html.escape(each) for each in texts)
            lines = [f"<b>{finding}</b>", evidence, f"<code>{remedy}</code>" if remedy else ""]
            cells = "".join(
                f'<td style="{_CELL}">{each}</td>'
                for each in (about, "<br>".join(filter(None, lines)))
            )
            shown = _COLORED.get(severity, html.escape(severity))
            rows.append(f'<td style="{_ONE_LINE}">{shown}</td>{cells}')
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return f"<table><tbody>{body}</tbody></table><p>{self._counts()}</p>"

    def _counts(self) -> str:
        counts = self["severity"].value_counts()
        parts = [
            f"{counts[each]:,} {each}{'' if counts[each] == 1 else 's'}"
            for each in SEVERITIES
            if each in counts
        ]
        return ", ".join(parts) or "no findings"


def findings_frame(rows: Iterable[Sequence[str]]) -> FindingsFrame:
    """Make a frame in schema FINDINGS, worst first; rows of one severity stay in their order."""
    ordered = sorted(rows, key=lambda row: SEVERITIES.index(row[0]))
    return FindingsFrame(table(FINDINGS, ordered), copy=False)
