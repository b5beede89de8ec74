"""What is seen of a stream's consumer groups at one moment, in frames and in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pandas as pd

from redisnb import frames
from redisnb.durations import Duration
from redisnb.errors import GroupMissingError
from redisnb.panels.widgets import VALUE, duration, shorten
from redisnb.stream import ConsumerGroup, Stream

__all__ = ["MOST_LISTED", "UNREAD", "GroupsState", "explain_group", "list_caption", "read_groups"]

#: How many pending entries and dead letters are listed, and how many consumers a sentence names.
MOST_LISTED, MOST_NAMED = 1000, 3


class GroupsState(NamedTuple):
    """What was read: of one group the last three, each None where it was not read."""

    groups: pd.DataFrame
    #: Whether there is such a stream; None if nothing was read yet.
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


UNREAD = GroupsState(frames.table(frames.GROUPS, []))


def read_groups(
    stream: Stream, name: str | None, *, min_idle: Duration, letters: bool
) -> GroupsState:
    """Read the groups of a stream, and of one group its consumers and what is pending.

    Parameters
    ----------
    stream : Stream
    name : str or None
        The group; None takes the only one there is.
    min_idle : duration
        What pending entries have been idle for, at least.
    letters : bool
        Read the group's dead letters too.
    """
    groups = stream.groups()
    if name is None and len(groups) == 1:
        name = groups["group"].iloc[0]
    state = GroupsState(groups, bool(len(groups)) or not stream.info().empty, name)
    if name is None:
        return state
    group = ConsumerGroup(stream, name)
    if letters:
        state = state._replace(letters=group.dead_letters(limit=MOST_LISTED))
    if state.row is None:
        return state
    try:
        return state._replace(
            consumers=group.consumers(),
            pending=group.pending(min_idle=min_idle, payload=True, limit=MOST_LISTED),
        )
    except GroupMissingError:
        # It was destroyed just now.
        return state._replace(groups=groups[[each != name for each in groups["group"]]])


def explain_group(state: GroupsState) -> str:
    """Say in sentences what a group waits for: who holds what, and what is to be delivered."""
    if state.name is None:
        return "Select a group in the table above: Enter, or a click."
    row = state.row
    if row is None:
        return (
            f"Group {state.name!r} is gone: it was destroyed, or its stream was. "
            "Create it anew, or select another one."
        )
    if state.consumers is None or state.pending is None:
        return ""
    return " ".join(
        [
            *_pending_sentences(row, state.consumers, state.pending),
            *_lag_sentences(row, state.consumers),
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
        f"{shorten(repr(name))} holds {n:,} and last asked {duration(idle)} ago"
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
    if pd.isna(row["lag"]):
        yield f"Lag unknown: {row['lag_unknown']}."
    elif row["lag"]:
        nobody = ", and it has no consumer" if consumers.empty else ""
        yield f"{row['lag']:,} still to be delivered{nobody}."
    else:
        yield "Nothing more to be delivered."


def list_caption(frame: pd.DataFrame | None, total: int | None, what: str) -> str:
    """Say how much of something a table lists, and what can be done there."""
    if frame is None or frame.empty:
        return ""
    many = "more" if total is None else f"{total:,}"
    part = f"The oldest {MOST_LISTED:,} of {many} {what}. " if frame.attrs.get("truncated") else ""
    return f"{part}Ctrl+A selects all, Enter shows one whole; values are cut at {VALUE} characters."
