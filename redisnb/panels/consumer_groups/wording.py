"""What a panel of groups says: of the open group, of what is missing, and as Python."""

from __future__ import annotations

from typing import Any

import pandas as pd

from redisnb import cards, frames
from redisnb.panels.consumer_groups.seeing import (
    ENTRIES_LISTED,
    GroupLook,
    GroupName,
    GroupsSource,
    LookRequest,
)
from redisnb.panels.parts import PythonCode
from redisnb.stream import ConsumerGroup, dead_letters_key, lag_text

__all__ = [
    "about_group",
    "consumer_rows_shown",
    "groups_python",
    "letter_rows_shown",
    "list_note",
    "no_groups_text",
    "no_letters_text",
    "no_pending_text",
    "pending_rows_shown",
]

#: The most telling columns of dead letters come first.
_LETTER_COLUMNS = ["entry_id", "error", "deliveries", "consumer", "redrives", "origin_id"]
#: Of how many entries the IDs are written.
_MOST_WRITTEN = 1_000


def about_group(name: GroupName, row: dict[str, Any] | None) -> str:
    """Return a line on the open group: of which stream, and how far behind it is."""
    stream = f"of {cards.cut_name(name.stream)}"
    if row is None:
        return f"{stream} · it is gone: it was destroyed, or its stream was"
    lag = None if pd.isna(row["lag"]) else int(row["lag"])
    return f"{stream} · {row['pending']:,} pending · {lag_text(lag, row['lag_unknown'])}"


def pending_rows_shown(look: GroupLook) -> pd.DataFrame:
    """Return the pending entries as they are listed: with their age, which their ID tells."""
    if look.pending is None or look.now is None:
        return frames.table(frames.PENDING, [])
    shown = look.pending.reset_index(drop=True)
    shown.insert(1, "age", look.now - pd.DatetimeIndex(look.pending.index), allow_duplicates=True)
    return shown


def consumer_rows_shown(look: GroupLook) -> pd.DataFrame:
    """Return the consumers with what each holds: how often it was delivered, and how old it is."""
    if look.consumers is None:
        return frames.table(frames.CONSUMERS, [])
    held = pending_rows_shown(look).groupby("consumer")
    most = held[["deliveries", "age"]].max().rename(columns={"age": "oldest"})
    return look.consumers.join(most.astype({"deliveries": "Int64"}), on="consumer")


def letter_rows_shown(look: GroupLook) -> pd.DataFrame:
    """Return the dead letters, the most telling columns first."""
    if look.letters is None:
        return frames.table(frames.DEAD_LETTERS, [])
    letters = look.letters.reset_index(drop=True)
    return letters[[*_LETTER_COLUMNS, *letters.columns[len(frames.DEAD_LETTERS) :]]]


def list_note(frame: pd.DataFrame | None, total: int | None) -> str:
    """Return how much of what there is the table lists; "" if it is all."""
    if frame is None or not frame.attrs.get("truncated"):
        return ""
    return f"the oldest {ENTRIES_LISTED:,} of {'more' if total is None else f'{total:,}'}"


def no_groups_text(source: GroupsSource, *, is_there: bool) -> str:
    """Return what stands in the place of a group where there is none, with the next step."""
    if source.is_one:
        key = cards.quoted(source.streams[0].key)
        what = f"Stream {key} has no consumer group" if is_there else f"There is no stream {key}"
    else:
        what = "None of the streams has a consumer group"
    if source.conn.read_only:
        return f"{what} yet. A connection that writes can create one."
    makes = "" if is_there or not source.is_one else ", which makes the stream too"
    return f"{what} yet. Create one with “New group”{makes}."


def no_pending_text(row: dict[str, Any] | None, look: GroupLook, request: LookRequest) -> str:
    """Return what stands in the place of pending entries."""
    if row is None:
        return "The group is gone. Create it again, or choose another one."
    if look.pending is None:
        return "…"
    if request.is_chosen:
        return "No pending entry is held like that; choose every consumer, and any idle time."
    return "Nothing is pending: all delivered entries are acknowledged."


def groups_python(
    source: GroupsSource,
    group: ConsumerGroup | None,
    request: LookRequest,
    shown: pd.DataFrame,
    *,
    is_part: bool,
    last_call: str,
) -> str:
    """Return the calls that make the frame of a tab, and, as a comment, what was done last.

    Parameters
    ----------
    shown : DataFrame
        The frame.
    is_part : bool
        Whether the user has left rows out.
    """
    code = PythonCode()
    conn = code.connection(source.conn.url)
    if group is None or request.tab == "position":
        for i, each in enumerate(source.streams):
            number = "" if not i else str(i + 1)
            stream = code.call("rnb.Stream", conn, each.key)
            code.keep(f"groups{number}", code.method(stream, "groups"))
        if not source.streams:
            code.keep("groups", code.call("rnb.groups", conn))
    if group is not None:
        made = code.call("rnb.Stream", conn, group.stream.key, **group.stream.layout.options())
        stream = code.keep("stream", made)
        name = code.call("rnb.ConsumerGroup", stream, group.name, consumer=group.consumer)
        code.keep("group", name)
        if (call := _frame_call(code, request)) is not None:
            code.keep("frame", call)
            if is_part and len(shown) <= _MOST_WRITTEN:
                ids = shown["entry_id"].tolist()
                code.keep("frame", f"frame[frame['entry_id'].isin({ids!r})]")
        if last_call:
            code.do(f"# Done last: {last_call}")
    return str(code)


def _frame_call(code: PythonCode, request: LookRequest) -> str | None:
    if request.tab == "pending":
        return code.method(
            "group",
            "pending",
            consumer=request.consumer or None,
            min_idle=request.min_idle or None,
            payload=request.events or None,
            limit=ENTRIES_LISTED,
        )
    if request.tab == "consumers":
        return code.method("group", "consumers")
    if request.tab == "letters":
        return code.method("group", "dead_letters", limit=ENTRIES_LISTED)
    return None


def no_letters_text(name: GroupName) -> str:
    """Return what stands in the place of dead letters."""
    return f"No dead letters of this group in {cards.quoted(dead_letters_key(name.stream))}."
