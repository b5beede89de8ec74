"""The parts of a BrowsePanel: ranges and a filter, bars over time, entries, and what leads on."""

from __future__ import annotations

from collections.abc import Callable

from redisnb.panels.details import EntryDetails
from redisnb.panels.parts import (
    Action,
    Box,
    Choices,
    Grid,
    Histogram,
    Input,
    Label,
    Menu,
    Message,
    Strip,
    TakeOut,
    Trouble,
)

__all__ = ["BarsOverTime", "BrowseView", "Paging", "RangeBar"]

#: The quick ranges, by their length in minutes; "" is all.
QUICK = [("15", "15 min"), ("60", "1 h"), ("1440", "24 h"), ("all", "All")]
NEWEST, OLDEST = "newest", "oldest"


class RangeBar(Strip):
    """What is read: a range, a filter and the order."""

    def __init__(self) -> None:
        self.quick = Choices("Range, counted back from the last entry", QUICK, value="all")
        self.start = Input("From", hint="the first entry", size=17)
        self.end = Input("To", hint="the last entry", size=23)
        self.where = Input(
            "Filter", hint="carrier = 'UA' and dep_delay > 60", quiet=True, wide=True
        )
        self.order = Menu("Order", [(NEWEST, "newest first"), (OLDEST, "oldest first")])
        self.read = Action("Read", look="primary")
        super().__init__(
            self.quick, self.start, self.end, self.where, self.order, self.read, look="bar"
        )


class BarsOverTime(Box):
    """How many entries there are by time, and the range in force."""

    def __init__(self) -> None:
        self.bars = Histogram("Entries over time")
        self.in_force = Label(look="soft", role="status")
        self.matches = Label(look="marks")
        self.zoom_in = Action("Zoom in", tip="Show the chosen range alone, in finer bars")
        self.zoom_out = Action("Zoom out", tip="Show more of the stream around it")
        super().__init__(
            self.bars,
            Strip(
                self.in_force,
                self.matches,
                Label(look="grow"),
                self.zoom_in,
                self.zoom_out,
                look="under",
            ),
            hidden=True,
        )


class Paging(Strip):
    """How many entries were looked at, the way to others, and what takes them out."""

    def __init__(self, take_out: TakeOut) -> None:
        self.caption = Label(look="soft", role="status")
        self.stop = Action("Stop", tip="Read no further; what was found stays")
        self.stop.set(hidden=True)
        self.replay = Action("Replay this range")
        self.replay.set(hidden=True)
        self.jump = Input("Go to", hint="an ID or a time", size=17)
        self.newer, self.older = Action("Newer"), Action("Older")
        super().__init__(
            self.caption,
            self.stop,
            Label(look="grow"),
            self.jump,
            self.newer,
            self.older,
            take_out,
            self.replay,
            look="foot",
        )

    def offer(self, *, has_older: bool, has_newer: bool) -> None:
        """Offer the pages before and after the one that is shown, if there are any."""
        ways = ((self.older, has_older, "oldest"), (self.newer, has_newer, "newest"))
        for action, is_there, what in ways:
            reason = "" if is_there else f"these are the {what} of the range"
            action.set(hidden=not (has_older or has_newer), disabled=reason)


class BrowseView(Box):
    """All parts of the panel."""

    def __init__(self, name: str, take_out: Callable[[Trouble], TakeOut]) -> None:
        self.about = Label(look="soft")
        self.state = Label(look="state", role="status")
        self.trouble = Trouble()
        self.note = Message(tone="warn")
        self.range = RangeBar()
        self.over_time = BarsOverTime()
        self.grid = Grid("Entries", key="entry_id", filters=False)
        self.details = EntryDetails()
        self.paging = Paging(take_out(self.trouble))
        title = Label(name, look="title")
        super().__init__(
            Strip(title, self.about, Label(look="grow"), self.state, look="head"),
            self.trouble,
            self.range,
            self.over_time,
            self.note,
            Box(self.grid, self.details, look="split"),
            self.paging,
            look="main",
        )
