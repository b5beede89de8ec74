"""How what was seen of groups is shown."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import pandas as pd

from redisnb import frames
from redisnb.panels.consumer_groups.mending import Mend, mend_of
from redisnb.panels.consumer_groups.seeing import GroupsSeen, LookRequest
from redisnb.panels.consumer_groups.view import FindingText, GroupsLayout, selection_of
from redisnb.panels.consumer_groups.wording import (
    about_group,
    consumer_rows_shown,
    letter_rows_shown,
    list_note,
    no_groups_text,
    no_letters_text,
    no_pending_text,
    pending_rows_shown,
)

__all__ = ["frame_shown", "show_buttons", "show_seen"]

#: How long a finding may be with its evidence, in characters.
_FINDING_LENGTH = 120
_FINDING_TONES = {"error": "bad", "warning": "warn", "note": ""}


def frame_shown(view: GroupsLayout, seen: GroupsSeen) -> pd.DataFrame:
    """Return what the open tab shows: pending entries, consumers, dead letters, or groups."""
    look, tab = seen.look, view.tabs["value"]
    if seen.opened is None or tab == "position":
        return seen.groups
    if tab == "consumers":
        return frames.table(frames.CONSUMERS, []) if look.consumers is None else look.consumers
    found = look.pending if tab == "pending" else look.letters
    if found is None:
        is_pending = tab == "pending"
        return frames.pending_frame([]) if is_pending else frames.dead_letters_frame([], [])
    grid = view.pending if tab == "pending" else view.letters
    if not grid["filter"]:
        return found
    return found[found["entry_id"].isin(grid.frame()["entry_id"])]


def show_seen(
    view: GroupsLayout,
    seen: GroupsSeen,
    request: LookRequest,
    mend: Callable[[Mend], object],
    refused: str,
) -> None:
    """Show what was seen.

    Parameters
    ----------
    mend : callable
        Called when the user presses the button of a finding.
    refused : str
        Why nothing can be changed; "" if it can.
    """
    source, name = seen.source, seen.opened
    view.groups.show(seen.ranks, seen.backlogs.points, name, is_one=source.is_one)
    view.new.offer(_stream_keys(seen))
    view.none.set(
        text="" if name else no_groups_text(source, is_there=seen.is_there), hidden=bool(name)
    )
    view.group.set(hidden=name is None)
    view.head.title.set(text="Groups" if name is None else name.group)
    if name is None:
        view.head.about.set(text="")
        return
    row, look = seen.row, seen.look
    view.head.about.set(text=about_group(name, row))
    view.findings.show(_finding_texts(seen.findings, mend, refused))
    view.charts.show(seen.backlogs.lines(name))
    pending = int(row["pending"]) if row is not None else 0
    view.show_tab_counts(pending, 0 if row is None else int(row["consumers"]))
    if look.consumers is not None:
        held = zip(look.consumers["consumer"], look.consumers["pending"], strict=True)
        view.filter.offer([(each, int(n)) for each, n in held if n])
        view.settle.consumer.offer(look.consumers["consumer"].tolist())
    view.pending.set(empty=no_pending_text(row, look, request))
    view.letters.set(empty="…" if look.letters is None else no_letters_text(name))
    view.consumers.set(empty="No consumer yet: a consumer appears once it has read.")
    _show_rows(view, seen, request)


def _show_rows(view: GroupsLayout, seen: GroupsSeen, request: LookRequest) -> None:
    look, row = seen.look, seen.row
    shown = {
        "pending": lambda: view.pending.show(pending_rows_shown(look)),
        "consumers": lambda: view.consumers.show(consumer_rows_shown(look)),
        "letters": lambda: view.letters.show(letter_rows_shown(look)),
    }
    if request.tab in shown:
        shown[request.tab]()
    total = None if request.is_chosen or row is None else int(row["pending"])
    notes = {
        "pending": list_note(look.pending, total),
        "letters": list_note(look.letters, None),
    }
    note = notes.get(request.tab, "")
    view.caption.set(text=f"as of {time.strftime('%H:%M:%S')}" + (f", {note}" if note else ""))


def show_buttons(view: GroupsLayout, seen: GroupsSeen, refused: str) -> None:
    """Show what the buttons act on, or why they cannot."""
    pending, letters = len(selection_of(view.pending)), len(selection_of(view.letters))
    view.settle.show(pending, view.pending["all"], refused)
    view.letters_bar.show(letters, view.letters["all"], refused)
    chosen = view.consumers.chosen_row()
    name = str(chosen["consumer"].iloc[0]) if len(chosen) else None
    held = int(chosen["pending"].iloc[0]) if len(chosen) else 0
    holds = f"it holds {held:,} entries, which would be lost: claim them first" if held else ""
    view.consumer_bar.show(name, refused or holds)
    view.new.create.set(disabled=refused)
    view.groups.new.set(disabled=refused)
    view.position.preview.set(disabled="" if seen.row is not None else "the group is gone")


def _finding_texts(
    findings: pd.DataFrame | None, act: Callable[[Mend], object], refused: str
) -> list[FindingText]:
    if findings is None:
        return []
    return [_finding_text(row, act, refused) for row in findings.to_dict("records")]


def _finding_text(
    row: Mapping[object, str], act: Callable[[Mend], object], refused: str
) -> FindingText:
    mend = mend_of(row["remedy"])
    finding, evidence = row["finding"], row["evidence"]
    text = f"{finding[:1].upper()}{finding[1:]}"
    if evidence and len(text) + len(evidence) < _FINDING_LENGTH:
        text += f" · {evidence}"
    healthy = finding.startswith("nothing holds")
    tone = "good" if healthy else _FINDING_TONES[row["severity"]]
    if mend is None:
        return FindingText(finding, tone, text, "", None, "")
    key = f"{mend.kind} {mend.arguments[0] if mend.arguments else ''}"
    return FindingText(
        key, tone, text, mend.label, lambda: act(mend), refused if mend.writes else ""
    )


def _stream_keys(seen: GroupsSeen) -> list[str]:
    if seen.source.streams:
        return [each.key for each in seen.source.streams]
    return sorted(set(seen.groups["stream"]))
