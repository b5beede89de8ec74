"""What a publishing panel shows: its parts, which know no server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from redisnb.entries import Entry
from redisnb.panels.details import EntryDetails
from redisnb.panels.parts import (
    Act,
    Action,
    Box,
    Choices,
    Confirmation,
    Editor,
    Grid,
    Input,
    Label,
    ListBox,
    ListItem,
    Message,
    Strip,
    TakeOut,
    Trouble,
)
from redisnb.panels.publishing.placeholders import PLACEHOLDERS
from redisnb.panels.publishing.usual import Member
from redisnb.panels.publishing.ways import JSON_WAY, LINES_WAY

__all__ = ["PublishingView", "SendBar", "WritingBox"]

_HINTS = {JSON_WAY: '{"item": "tea", "id": {{n}}}', LINES_WAY: "item=tea\nid={{n}}"}


class WritingBox(Box):
    """The editor, what its event becomes, and how that differs from the last entries."""

    def __init__(self, acts: dict[str, Act]) -> None:
        ways = [(JSON_WAY, "JSON"), (LINES_WAY, "Lines")]
        self.way = Choices("Type the event as", ways, on=acts["way"])
        self.last = Action(
            "From the last entry", acts["last"], tip="Replace the event by that of the last entry"
        )
        self.editor = Editor(
            "Event", hint=_HINTS[JSON_WAY], on=acts["typed"], on_enter=acts["publish"]
        )
        self.preview = Label(look="bytes")
        self.remarks = Label(look="soft", role="status")
        places = Label(f"For each copy:  {PLACEHOLDERS}", look="code")
        super().__init__(
            Strip(self.way, self.last, Label(look="grow"), places),
            self.editor,
            self.preview,
            self.remarks,
            look="sheet",
        )

    def show_way(self, way: str) -> None:
        """Show in which way the event is typed."""
        self.way.set(value=way)
        self.editor.set(hint=_HINTS[way])


class SendBar(Strip):
    """How often, when, and under which ID the event is published, and what became of it."""

    def __init__(self, acts: dict[str, Act]) -> None:
        self.publish = Action("Publish", acts["publish"], look="primary", tip="Ctrl+Enter")
        self.rows = Action("Publish the rows", acts["rows"])
        self.stop = Action("Stop", acts["stop"], tip="Send no more; what was sent stays")
        self.times = Input("Times", "1", size=6, on=acts["publish"])
        self.every = Input("Every", "0s", size=6, on=acts["publish"])
        self.entry_id = Input("ID", hint="the server's clock", size=17, on=acts["publish"])
        self.maxlen = Input("Keep at most", hint="all", size=8, on=acts["publish"])
        self.answer = Label(look="strong", role="status")
        for each in (self.rows, self.stop, self.every):
            each.set(hidden=True)
        self.times.set(live=True)
        super().__init__(
            *(self.publish, self.stop, self.rows),
            *(self.times, self.every, self.entry_id, self.maxlen),
            self.answer,
            look="bar",
        )

    @property
    def fields(self) -> Sequence[Input]:
        """What the user types here."""
        return (self.times, self.every, self.entry_id, self.maxlen)

    def show(self, total: int | None, sent: int, refused: str, *, sends: bool) -> None:
        """Show what can be sent now: of a frame of `total` rows those that were not sent yet."""
        text = self.times["value"].strip().replace(",", "")
        is_many = text.isdecimal() and int(text) > 1
        self.publish.set(label=f"Publish {int(text):,}" if is_many else "Publish")
        self.publish.set(hidden=sends, disabled=refused)
        self.stop.set(hidden=not sends)
        self.every.set(hidden=not is_many)
        self.entry_id.set(hidden=is_many)
        if total is not None:
            rest = total - sent
            what = f"the {total:,} rows" if rest in (0, total) else f"the other {rest:,} rows"
            label = f"Publish {what}{' again' if not rest and total else ''}"
            self.rows.set(label=label, hidden=sends, disabled=refused)


class PublishingView(Box):
    """All parts of the panel.

    Parameters
    ----------
    title : str
        The stream.
    acts : mapping of str to callable
        What the user does: "publish", "rows", "stop", "again", "way", "last", "typed", "times",
        "member", "choose", "back".
    frame, python : callable
        What was published, and the calls that publish the event.
    """

    def __init__(
        self,
        title: str,
        acts: dict[str, Act],
        *,
        frame: Callable[[], pd.DataFrame],
        python: Callable[[], str],
    ) -> None:
        self.about = Label(look="soft")
        self.state = Label(look="state", role="status")
        self.trouble = Trouble()
        #: What the user had typed before another event took its place.
        self.replaced = ""
        self._back = Action("Bring back what was typed", acts["back"])
        dismiss = Action("Dismiss", lambda: self.note.say(""))
        self.note = Message(self._back, dismiss, tone="warn")
        self.confirm = Confirmation()
        self.writing = WritingBox(acts)
        self.send = SendBar(acts)
        self.send.times.on = acts["times"]
        self.members = ListBox("Members of the last entries", on=acts["member"])
        self.members_of = Label(look="strong")
        self.grid = Grid(
            "Published here",
            key="entry_id",
            filters=False,
            empty="Nothing yet: what you publish shows here.",
            on=acts["choose"],
            on_select=self._count_selected,
        )
        self.details = EntryDetails(on=lambda: self.grid.set(chosen=None))
        self.caption = Label(look="soft")
        self.again = Action(
            "Publish again", acts["again"], tip="The selected events, the oldest first"
        )
        self.out = TakeOut(
            "Published", frame=frame, python=python, name="published", trouble=self.trouble
        )
        self._side = Box(self.members_of, self.members, look="drawer", hidden=True)
        head = (Label(title, look="title"), self.about, Label(look="grow"), self.state)
        super().__init__(
            Strip(*head, look="head"),
            *(self.trouble, self.note),
            Box(self.writing, self._side, look="split"),
            *(self.confirm, self.send),
            Box(self.grid, self.details, look="split"),
            Strip(self.caption, self.again, Label(look="grow"), self.out, look="foot"),
            look="main",
        )

    def _count_selected(self) -> None:
        n = len(self.grid.selected_rows())
        self.again.set(label=f"Publish {n:,} again" if n > 1 else "Publish again")

    def ask_to_drop(self, drops: int, maxlen: int, publish: Act) -> None:
        """Ask whether to publish, which drops entries."""
        entries = "the oldest entry" if drops == 1 else f"the oldest {drops:,} entries"
        self.confirm.ask(
            f"To keep {maxlen:,}, this drops {entries}, which cannot be taken back.",
            f"Publish and drop {drops:,}",
            publish,
        )

    def show_origin(self, entry: Entry, replaced: str) -> None:
        """Show of which entry the event is, and offer to bring back what was typed before."""
        self.replaced = replaced
        self._back.set(hidden=not replaced)
        text = f"it is that of {entry.id} in {entry.stream!r}. Publishing adds another entry."
        self.note.say(text, subject="The event")

    def show_members(self, members: Sequence[Member], looked_at: int) -> None:
        """Show what the events of the last entries have; nothing without entries."""
        items = [
            ListItem(
                each.name,
                value=each.kind
                if each.seen == looked_at
                else f"{each.kind}, {each.seen / looked_at:.0%}",
                why=", ".join(each.examples),
            )
            for each in members
        ]
        entries = "entry has" if looked_at == 1 else f"{looked_at:,} entries have"
        self.members_of.set(text=f"The last {entries}")
        self.members.fill(*items)
        self._side.set(hidden=not items)

    def show_tones(self, tones: Mapping[str, str]) -> None:
        """Show which of the members the event has."""
        for item in self.members.children:
            item.set(tone=tones.get(item["key"], ""))
