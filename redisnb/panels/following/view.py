"""What a live panel shows: its parts, which know no server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from redisnb.panels.details import EntryDetails
from redisnb.panels.parts import (
    Act,
    Action,
    Box,
    Chart,
    Choices,
    Confirmation,
    Input,
    Label,
    LiveGrid,
    Message,
    Strip,
    TakeOut,
    Toggle,
    Trouble,
)

__all__ = ["LiveView", "ReadingBar", "SelectionBar", "no_rows_text"]

_NOT_READ_YET = "Nothing yet: press Start to read."


class ReadingBar(Strip):
    """What starts and stops reading, where it begins, and which entries are shown.

    Parameters
    ----------
    acts : mapping of str to callable
        What the buttons do: "start", "stop", "pause", "create", "filter".
    has_start, has_settle : bool
        Whether the panel chooses where a stream begins, and when a group's entries are
        acknowledged.
    """

    def __init__(self, acts: dict[str, Act], *, has_start: bool, has_settle: bool) -> None:
        begins = [("new", "From now on"), ("all", "From the first"), ("time", "From a time")]
        self.begin = Choices("Begin", begins, on=self._show_options)
        self.time = Input("Start at", hint="-5min, 10:30, an ID", size=18, on=acts["start"])
        settles = [("shown", "Acknowledge when read"), ("hand", "By hand")]
        self.settle = Choices("Acknowledge", settles)
        self.start = Action("Start", acts["start"], look="primary")
        self.stop = Action("Stop", acts["stop"], tip="Stop reading; what was read stays here")
        self.pause = Action("Pause", acts["pause"], tip="Hold the view; reading goes on")
        self.create = Action(
            "Create the group", acts["create"], look="primary", tip="From the first entry on"
        )
        hint = 'Filter: kind = "refund" and amount > 60'
        self.where = Input("Where", hint=hint, quiet=True, wide=True, on=acts["filter"])
        self.failed = Toggle("Failed only", on=acts["filter"])
        self.failed.set(hidden=True)
        self._has_start, self._has_settle = has_start, has_settle
        super().__init__(
            *(self.start, self.create, self.stop, self.pause, self.begin, self.time, self.settle),
            *(self.where, self.failed, Action("Filter", acts["filter"])),
            look="bar",
        )
        self.show(reads=False, refused="", is_missing=False)

    @property
    def position(self) -> str:
        """Where reading begins in a stream."""
        value: str = self.begin["value"]
        return self.time["value"].strip() if value == "time" else value

    def show(self, *, reads: bool, refused: str, is_missing: bool) -> None:
        """Offer what can be done now; one of the buttons is the next step."""
        self._reads = reads
        self.start.set(hidden=reads or is_missing, disabled=refused)
        self.create.set(hidden=reads or not is_missing, disabled=refused)
        self.stop.set(hidden=not reads)
        self.pause.set(hidden=not reads)
        self._show_options()

    def _show_options(self) -> None:
        self.begin.set(hidden=self._reads or not self._has_start)
        is_time = self.begin["value"] == "time"
        self.time.set(hidden=self._reads or not self._has_start or not is_time)
        self.settle.set(hidden=self._reads or not self._has_settle)


class SelectionBar(Strip):
    """What a group can do with selected entries; hidden while none is selected."""

    def __init__(self, acts: dict[str, Act]) -> None:
        self.answer = Label(look="soft", role="status")
        self.ack = Action("Acknowledge", acts["ack"], tip="They are not delivered again")
        self.release = Action("Handle again", acts["release"], tip="Release the selected entries")
        self.bury = Action("To the dead letters", acts["bury"], look="danger")
        super().__init__(self.ack, self.release, self.bury, self.answer)
        self.show(0)

    def show(self, selected: int) -> None:
        """Show how many entries the buttons act on; without any, no buttons."""
        n = f"{selected:,}"
        self.ack.set(label=f"Acknowledge {n}", hidden=not selected)
        self.release.set(label=f"Handle {n} again", hidden=not selected)
        self.bury.set(label=f"{n} to the dead letters", hidden=not selected)


class LiveView:
    """The parts of a live panel.

    Parameters
    ----------
    title, place : str
        What is read, and where.
    acts : mapping of str to callable
        What the user does: that of the bars, and "failed", "choose", "change", "close".
    has_start, has_settle : bool
        As for `ReadingBar`.
    frame, python : callable
        What is shown, and the calls that make the same.
    """

    def __init__(
        self,
        title: str,
        place: str,
        acts: dict[str, Act],
        *,
        has_start: bool,
        has_settle: bool,
        frame: Callable[[], pd.DataFrame],
        python: Callable[[], str],
    ) -> None:
        self.trouble = Trouble()
        self.state = Label("stopped", look="state", role="status")
        self.standing = Label(look="soft")
        self.bar = ReadingBar(acts, has_start=has_start, has_settle=has_settle)
        self.missed = Message(tone="warn")
        self.failure = Message(Action("Show them", acts["failed"]), tone="bad")
        self.chart = Chart("Entries a second")
        self.grid = LiveGrid(
            "Entries", empty=_NOT_READ_YET, tone=_tones, on=acts["choose"], on_change=acts["change"]
        )
        self.details = EntryDetails(on=acts["close"])
        self._traceback = Label(look="code", tone="bad")
        self.caption = Label(look="soft")
        self.selection, self.confirm = SelectionBar(acts), Confirmation()
        self.out = TakeOut("Entries", frame=frame, python=python, trouble=self.trouble)
        # Nothing that says nothing yet.
        for each in (self.chart, self.out):
            each.set(hidden=True)
        about, grow = Label(place, look="soft"), Label(look="grow")
        head = Strip(
            Label(title, look="title"), about, grow, self.standing, self.state, look="head"
        )
        self.root = Box(
            *(head, self.bar, self.missed, self.failure, self.trouble, self.chart),
            Box(self.grid, self.details, look="split"),
            self.confirm,
            Strip(self.caption, self.selection, Label(look="grow"), self.out, look="foot"),
            look="main",
        )
        # Above what the entry has: the reason why one looks at it.
        first, *rest = self.details.children
        self.details.fill(first, self._traceback, *rest)
        self.show_traceback("")

    def show_state(self, state: str) -> None:
        """Show the state in a word."""
        tones = {"reading": "good", "failed": "bad", "reconnecting": "warn", "connecting": "warn"}
        self.state.set(text=state, tone=tones.get(state, ""))

    def show_traceback(self, text: str) -> None:
        """Show what a handler raised for the chosen entry; without a text, hide it."""
        self._traceback.set(text=text, hidden=not text)


def no_rows_text(*, reads: bool, is_missing: bool, refused: str, is_filtered: bool) -> str:
    """Return what stands in the place of the rows: what is missing, and the next step."""
    if refused:
        return f"Nothing can be read here: {refused}."
    if is_missing:
        return "There is no such group yet: create it to read its entries."
    if not reads:
        return _NOT_READ_YET
    if is_filtered:
        return (
            "No entry matches yet: new ones are looked at as they come. An empty filter shows all."
        )
    return "Nothing has arrived yet: new entries show here."


def _tones(columns: Mapping[str, pd.Series[Any]]) -> list[str]:
    states = columns.get("state")
    if states is None:
        return []
    return ["bad" if str(each).startswith("failed") else "" for each in states.tolist()]
