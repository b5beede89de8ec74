"""A stream's consumer groups at one moment, in frames and in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pandas as pd

from redisnb import frames
from redisnb.durations import Duration
from redisnb.errors import GroupMissingError
from redisnb.panels.widgets import VALUE, duration, shorten
from redisnb.stream import ConsumerGroup, Stream, holder_text, lag_text

__all__ = [
    "MOST_LISTED",
    "UNREAD",
    "GroupsView",
    "count_added",
    "explain_group",
    "first_error",
    "frame_or_empty",
    "list_caption",
    "read_groups",
    "row_of",
]

#: How many pending entries and dead letters are listed, and how many consumers a sentence names.
MOST_LISTED, MOST_NAMED = 1000, 3


class GroupsView(NamedTuple):
    """The groups of a stream; of one of them the last three, each None if it was not read."""

    groups: pd.DataFrame
    #: Whether the stream exists; None if nothing was read yet.
    is_there: bool | None = None
    name: str | None = None
    consumers: pd.DataFrame | None = None
    pending: pd.DataFrame | None = None
    letters: pd.DataFrame | None = None

    @property
    def row(self) -> dict[str, Any] | None:
        """The row of the group, None if it does not exist."""
        for row in self.groups.to_dict("records"):
            if row["group"] == self.name:
                return {str(name): value for name, value in row.items()}
        return None


UNREAD = GroupsView(frames.table(frames.GROUPS, []))


def read_groups(
    stream: Stream, name: str | None, *, min_idle: Duration, letters: bool
) -> GroupsView:
    """Read the groups of a stream, and of one group its consumers and pending entries.

    Parameters
    ----------
    stream : Stream
    name : str or None
        The group; None selects it if there is only one.
    min_idle : duration
        How long pending entries have been idle, at least.
    letters : bool
        Whether to read the group's dead letters too.
    """
    groups = stream.groups()
    if name is None and len(groups) == 1:
        name = groups["group"].iloc[0]
    view = GroupsView(groups, bool(len(groups)) or not stream.info().empty, name)
    if name is None:
        return view
    group = ConsumerGroup(stream, name)
    if letters:
        view = view._replace(letters=group.dead_letters(limit=MOST_LISTED))
    if view.row is None:
        return view
    try:
        return view._replace(
            consumers=group.consumers(),
            pending=group.pending(min_idle=min_idle, payload=True, limit=MOST_LISTED),
        )
    except GroupMissingError:
        # It was destroyed just now.
        return view._replace(groups=groups[[each != name for each in groups["group"]]])


def explain_group(view: GroupsView) -> str:
    """Return sentences on what holds up a group: which consumer holds what, and the lag."""
    if view.name is None:
        return "Select a group in the table above: Enter, or a click."
    row = view.row
    if row is None:
        return (
            f"Group {view.name!r} is gone: it was destroyed, or its stream was. "
            "Create it again, or select another one."
        )
    if view.consumers is None or view.pending is None:
        return ""
    return " ".join(
        [
            *_pending_sentences(row, view.consumers, view.pending),
            *_lag_sentences(row, view.consumers),
        ]
    )


def _pending_sentences(
    row: dict[str, Any], consumers: pd.DataFrame, pending: pd.DataFrame
) -> Iterator[str]:
    if not row["pending"]:
        yield "Nothing is pending."
        return
    holders = consumers[consumers["pending"] > 0].sort_values("pending", ascending=False)
    columns = holders[["consumer", "pending", "idle"]].head(MOST_NAMED)
    clauses = [
        holder_text(shorten(repr(name)), n, idle)
        for name, n, idle in columns.itertuples(index=False, name=None)
    ]
    if others := len(holders) - len(clauses):
        clauses.append(f"{others:,} others hold the rest")
    yield f"{row['pending']:,} pending: {'; '.join(clauses)}."
    if not pd.isna(row["oldest_pending"]):
        yield f"The oldest was added {duration(row['oldest_pending'])} ago."
    if len(pending):
        most = int(pending["deliveries"].max())
        yield f"Delivered up to {most:,} times." if most > 1 else "Each was delivered once."


def _lag_sentences(row: dict[str, Any], consumers: pd.DataFrame) -> Iterator[str]:
    lag = None if pd.isna(row["lag"]) else row["lag"]
    text = lag_text(lag, row["lag_unknown"])
    idle = ", and it has no consumer" if lag and consumers.empty else ""
    yield f"{text[0].upper()}{text[1:]}{idle}."


def list_caption(frame: pd.DataFrame | None, total: int | None, what: str) -> str:
    """Return the caption of a table: how much of something it lists, and what can be done there."""
    if frame is None or frame.empty:
        return ""
    many = "more" if total is None else f"{total:,}"
    part = f"The oldest {MOST_LISTED:,} of {many} {what}. " if frame.attrs.get("truncated") else ""
    return (
        f"{part}Ctrl+A selects all, Enter shows one in full; values are cut at {VALUE} characters."
    )


def frame_or_empty(frame: pd.DataFrame | None, schema: dict[str, str]) -> pd.DataFrame:
    """Return a frame without its index, or an empty one of a schema if it was not read."""
    return frames.table(schema, []) if frame is None else frame.reset_index(drop=True)


def row_of(frame: pd.DataFrame | None, key: str) -> dict[str, Any]:
    """Return the row of an entry ID by column, empty if there is none."""
    rows = [] if frame is None else frame[frame["entry_id"] == key].to_dict("records")
    return {str(name): value for name, value in rows[0].items()} if rows else {}


def count_added(added: pd.DataFrame) -> int:
    """Return how many rows in schema ADDED have the status "added"."""
    return int((added["status"] == "added").sum())


def first_error(added: pd.DataFrame) -> str:
    """Return the error of the first entry that was not moved."""
    errors = added["error"].dropna()
    return "" if errors.empty else str(errors.iloc[0])
