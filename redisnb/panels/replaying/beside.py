"""Beside: reads entries as they were and as they were sent, and shows what differs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from redisnb import frames
from redisnb.entries import EntryId
from redisnb.panels.details import differences, plain_tree
from redisnb.panels.parts import SERVER_ERRORS, Lane, Task
from redisnb.panels.replaying.view import BesideBox
from redisnb.replays import Target
from redisnb.stream import Stream
from redisnb.wire import Connection

__all__ = ["Beside"]

#: Of how many of the newest entries the events are read for the table, and of how many at most it
#: is read where others stand between them.
_READ_NEWEST, _READ_AT_MOST = 40, 400
_LISTED_COLUMNS = {
    "was_at": "datetime64[ms, UTC]",
    "entry_id": "str",
    "added_id": "str",
    "changed": "str",
    "sent": "str",
}
#: Events by the key of their stream and their ID.
_Events = dict[tuple[str, str], Any]


class Beside:
    """What was sent beside what it was, of the newest in the table and of the chosen in full.

    Parameters
    ----------
    sources : sequence
        Of a replay; entries of streams can be read again by their IDs, others cannot.
    target : Stream, Connection or mapping
    box : BesideBox
    fail : callable
        Called with an error and the job that failed.
    """

    def __init__(
        self,
        sources: Sequence[Any],
        target: Stream | Connection | Mapping[str, Stream],
        box: BesideBox,
        fail: Callable[[Exception, Callable[[Task], object]], object],
    ) -> None:
        self._streams = {each.key: each for each in sources if isinstance(each, Stream)}
        self._conn, self._box = Target(target).conn, box
        each_target = target.values() if isinstance(target, Mapping) else [target]
        self._targets = {each.key: each for each in each_target if isinstance(each, Stream)}
        self._copies = frames.table({}, [])
        self._lane = Lane("replay, an entry", fail)

    def listed(self, copies: pd.DataFrame) -> pd.DataFrame:
        """Return rows of `Report.copies` for a table, the newest first, with the newest events."""
        self._copies = copies
        newest = copies.tail(_READ_NEWEST)
        sent = self._events(newest, "target", "added_id", self._target)
        were = self._events(newest, "stream", "entry_id", self._streams.get)
        columns = (copies[name].tolist()[::-1] for name in copies.columns)
        rows = [
            _row(old, new, were.get((stream, old)), sent.get((target, new)))
            for stream, old, target, new in zip(*columns, strict=True)
        ]
        return frames.table(_LISTED_COLUMNS, rows)

    def show(self, row: pd.Series[Any]) -> None:
        """Show the entry of a row of the table in full."""
        copies = self._copies
        same = copies["entry_id"] == row["entry_id"]
        if isinstance(row["added_id"], str):
            same &= copies["added_id"] == row["added_id"]
        if same.any():
            found = copies[same].iloc[-1]
            self._lane.do(lambda task: self._read(task, found))

    def stop(self) -> bool:
        """End reading; return whether that ended within 2 s."""
        return self._lane.stop()

    def _target(self, key: str) -> Stream:
        return self._targets.get(key) or Stream(self._conn, key)

    def _events(
        self, copies: pd.DataFrame, of: str, id: str, stream_of: Callable[[str], Stream | None]
    ) -> _Events:
        """Read events by stream and ID, with one command a stream."""
        events: _Events = {}
        for key, rows in copies.dropna(subset=[id]).groupby(of):
            stream = stream_of(str(key))
            if stream is None:
                continue
            ids = sorted(rows[id], key=EntryId)
            try:
                read = stream.range(ids[0], ids[-1], reverse=True, limit=_READ_AT_MOST)
            except SERVER_ERRORS:
                # The replay itself says what is wrong; the IDs are shown all the same.
                continue
            for record in read.to_dict("records"):
                event = {str(name): each for name, each in record.items() if _has_value(each)}
                entry_id = event.pop("entry_id")
                events[str(key), entry_id] = plain_tree(event)
        return events

    def _read(self, task: Task, row: pd.Series[Any]) -> None:
        old, new = row["entry_id"], row["added_id"]
        before = _event_of(self._streams.get(row["stream"]), old)
        after = _event_of(self._target(row["target"]), new)
        found = [] if before is None or after is None else differences(before, after)
        shown = [(each.name, _as_json_text(each.one), _as_json_text(each.other)) for each in found]
        with task.show():
            written = new if isinstance(new, str) else "no reply came"
            self._box.show(str(old), written, before, after, shown)


def _row(old: str, new: Any, before: Any, after: Any) -> tuple[Any, ...]:
    known = before is not None and after is not None
    changed = ", ".join(each.name for each in differences(before, after)) if known else None
    text = None if after is None else json.dumps(after, ensure_ascii=False, default=str)
    return EntryId(old).ms, old, new if isinstance(new, str) else None, changed, text


def _event_of(stream: Stream | None, id: Any) -> Any:
    entry = None if stream is None or not isinstance(id, str) else stream.entry(id)
    return None if entry is None else plain_tree(entry.event)


def _has_value(value: Any) -> bool:
    return isinstance(value, list | dict) or not pd.isna(value)


def _as_json_text(values: Sequence[Any]) -> str:
    return json.dumps(values[0], ensure_ascii=False) if values else ""
